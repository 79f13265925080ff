"""A convolutional network as a scikit-learn classifier."""

from __future__ import annotations

import os
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._validation import check_image_shape, check_image_stack
from ._applications import application_names, check_side
from ._architectures import ARCHITECTURES, build_network, smallest_side
from ._fitted import FittedNetwork
from ._parts import Labelled, make_parts
from ._progress import History
from ._training import plan_stages, train_network


class CNNClassifier(FittedNetwork, ClassifierMixin, BaseEstimator):
    """A convolutional network, trained on a stack of grey images from scratch or from weights that are given.

    It runs on whatever backend keras is set to use (the environment variable `KERAS_BACKEND`) and is a
    scikit-learn classifier like any other. The images stay uint8, in memory or memory-mapped, and go to the
    network a batch at a time; batches are normalised [2]_ in "small" and "residual".

    Parameters
    ----------
    architecture : str, default="small"
        The network. "small" has five convolutions and 90,000 weights, "residual" [3]_ seven in three blocks beside
        their shortcuts and 220,000; both take images of any shape from 32 x 32 pixels on and average those of 512
        pixels or more down to 256 first. The others are those of keras.applications: "MobileNetV2", "ResNet50",
        "DenseNet121", "EfficientNetB0", "VGG16" and so on; they take grey images as three equal channels, with
        each one's own preprocessing.
    weights : {"imagenet"}, str, path-like or None, default=None
        To start from, for a network of keras.applications: "imagenet" has keras fetch them, a path is that of a
        file with the network's weights without its classifier. The head, a dense layer on the maps' means and
        maxima, is then all that is trained, `trainable_layers` apart; the layers before the first that is trained run
        without their own dropout, and where onnxruntime and onnx are installed and keras has no graphics card, they
        run there, twice as fast. None trains every layer from scratch.
    trainable_layers : int, default=0
        How many of the last layers are fine-tuned: the head is trained alone in the first half of the epochs, and
        these layers with it in the second, at a tenth of the learning rate. Layers without weights do not count;
        normalising ones neither, and they stay as they are.
    epochs : int, default=32
        Passes over the training images, at most. The learning rate rises over the first and falls along a
        cosine to 0 at the last.
    batch_size : int, default=16
        Images in a step of training.
    learning_rate : float, default=0.002
        The largest, of Adam [1]_. Deep networks without batch normalisation, such as
        "VGG16", want a smaller one from scratch.
    dropout : float, default=0.3
        Part of the pooled features left out while training.
    augment : bool, default=True
        Whether training images vary from epoch to epoch: mirrored left to right half of the time, rotated by
        up to 15 degrees, shifted by up to 8 % of each side, zoomed by up to 10 %, with a gamma between 0.78
        and 1.28 and noise with a standard deviation of up to 5 of 255; black comes in from outside. Validation
        images stay as they are. `augment_images` shows examples.
    validation_fraction : float or None, default=0.1
        Part of the images held out to find the epoch with the smallest loss, whose weights are kept. None
        trains on all images for all epochs and keeps the last weights. `fit` takes images of your own instead.
    patience : int or None, default=None
        Epochs without a smaller validation loss after which training stops. None runs them all: a training that
        stops early misses the small learning rates of the end.
    on_interrupt : {"raise", "keep_best"}, default="raise"
        What Ctrl-C does after the step that training is in: "raise" raises KeyboardInterrupt, so that no caller takes
        half a training for a whole one; "keep_best" ends the training with the best weights so far, and warns.
    class_weight : "balanced", dict or None, default="balanced"
        Weight of each class in the loss, by label; labels left out weigh 1. "balanced" gives every class the
        same weight in sum, and so probabilities as if classes were equally frequent.
    random_state : int, RandomState or None, default=None
        Seed of the weights, dropout, the order of the images, their variation and the validation part. The
        same integer gives the same predictions, to the bit, on one CPU with the same versions and threads.
    verbose : {0, 1, 2}, default=0
        0 prints nothing, 1 a progress bar with the time left if all epochs are run, 2 a line an epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, in the order of the columns of `predict_proba`.
    image_shape_ : tuple of (int, int)
        Height and width of the fitted images.
    history_ : dict of str to list of float
        `loss` and `accuracy` of each epoch, and `val_loss`, `val_accuracy` and `val_roc_auc` where there is a
        validation part; losses are weighted, the others are not. Of more than two classes `val_roc_auc` is the
        mean over all, each against the rest.
    n_iter_ : int
        Epochs that were run.
    model_ : keras.Model
        The network, from images (n, height, width) of 0 to 255 to probabilities.

    See Also
    --------
    PretrainedExtractor : A frozen network as an extractor, with a classifier of your choice behind it.
    fracture_features.make_pipeline : A pipeline from paths, `make_pipeline(classifier="cnn")`.

    Notes
    -----
    `fit` requests `groups`: under `sklearn.set_config(enable_metadata_routing=True)` pipelines and searches
    hand them on, and the validation part keeps groups together. Without routing they reach `fit` only where
    it is called with them; otherwise the validation part is stratified by class alone, images of one patient
    may stand on both sides of it, and training stops later than it should.

    With routing, `model.set_params(transform_input=["X_val"]).fit(paths, y, X_val=others, y_val=their_labels)` has a
    pipeline transform `X_val` too; without, `classifier__X_val=model["images"].transform(others)` gives it stacks.

    Networks compute in float32 whatever keras' policy is, and raise in a process forked from one that has run any.
    Where onnxruntime and onnx are installed and keras has no graphics card, those trained here predict there: without
    importing keras, in any process. Probabilities are those of `model_` to 2e-6.

    Ctrl-C before the first epoch is over raises KeyboardInterrupt whatever `on_interrupt` is, and a second one raises
    at once. Python tells the main thread alone of it: a `fit` in another thread runs on to its end. A `fit` that raises
    leaves the estimator as it was; every other one trains a fresh network, without `warm_start`.

    A pickle holds the weights and the parameters, not the state of training; it needs no weights file. `fit` uses
    neither Python's nor NumPy's nor keras' global random state, and clears no keras session: other models of the
    process live on. Of each training TensorFlow keeps less than 1 MB, none of it images, for the life of the process.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    .. [2] S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing
       internal covariate shift", ICML 2015.
    .. [3] K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.cnn import CNNClassifier
    >>> images = np.random.default_rng(0).integers(0, 100, (24, 32, 32), dtype=np.uint8)
    >>> images[::2, 10:14] = 255
    >>> labels = ["broken", "whole"] * 12
    >>> cnn = CNNClassifier(epochs=2, random_state=0).fit(images, labels)
    >>> cnn.predict_proba(images[:5]).shape
    (5, 2)
    """

    # Read by scikit-learn's metadata routing.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True, "X_val": True, "y_val": True}

    classes_: NDArray[Any]
    image_shape_: tuple[int, int]
    history_: History
    n_iter_: int

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "architecture": [StrOptions({*ARCHITECTURES, *application_names()})],
        "weights": [str, os.PathLike, None],
        "trainable_layers": [Interval(Integral, 0, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "augment": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "on_interrupt": [StrOptions({"raise", "keep_best"})],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "random_state": ["random_state"],
        "verbose": [Interval(Integral, 0, 2, closed="both"), "boolean"],
    }

    def __init__(
        self,
        *,
        architecture: str = "small",
        weights: str | os.PathLike[str] | None = None,
        trainable_layers: int = 0,
        epochs: int = 32,
        batch_size: int = 16,
        learning_rate: float = 0.002,
        dropout: float = 0.3,
        augment: bool = True,
        validation_fraction: float | None = 0.1,
        patience: int | None = None,
        on_interrupt: str = "raise",
        class_weight: str | dict[Any, float] | None = "balanced",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.architecture = architecture
        self.weights = weights
        self.trainable_layers = trainable_layers
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.augment = augment
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.on_interrupt = on_interrupt
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    def check_image_shape(self, shape: tuple[int, int]) -> None:
        """Raise ValueError where images of `shape` (height, width) are too small for the architecture."""
        check_side(self.architecture, smallest_side(self.architecture), shape)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
            Images, in memory or memory-mapped.
        y : array-like of shape (n_samples,)
            Labels, of two classes or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each image in the loss, times that of its class; one of weight 0 is left out.
        groups : array-like of shape (n_samples,), default=None
            Patient or study of each image: kept on one side of the validation part.
        X_val, y_val, sample_weight_val : as `X`, `y` and `sample_weight`, default=None
            Images to validate on, of other patients, with every class; all of `X` is then trained on, whatever
            `validation_fraction` says.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `X` is no such stack, its images are too small, `y`, `sample_weight` or `groups` do not fit it,
            there is one class alone, `class_weight` names an unknown class, no validation part can hold every
            class or yours does not, `weights` are those of another network, `trainable_layers` are asked for
            without, or training diverges.
        FileNotFoundError, ConnectionError
            If there is no file `weights`, or "imagenet" cannot be fetched.
        MissingDependencyError, RuntimeError
            If keras is not installed, or lacks what is replaced of it.
        KeyboardInterrupt
            On Ctrl-C, unless `on_interrupt="keep_best"` and an epoch is over.

        Warns
        -----
        ConvergenceWarning
            If Ctrl-C ended the training and the best weights are kept.
        """
        stages = plan_stages(self.epochs, self.learning_rate, self.trainable_layers, from_scratch=self.weights is None)
        seed = self._draw_seed()
        given, validation = Labelled(X, y, sample_weight), Labelled(X_val, y_val, sample_weight_val)
        classes, batches, held_out = make_parts(self, given, groups, validation, seed)
        shape = (batches.stack.shape[1], batches.stack.shape[2])
        network = build_network(
            self.architecture, shape, len(classes), weights=self.weights, dropout=self.dropout, seed=seed
        )
        history = train_network(
            network,
            batches,
            held_out,
            stages=stages,
            patience=self.patience,
            on_interrupt=self.on_interrupt,
            verbose=int(self.verbose),
        )
        # All at once: Ctrl-C between two of them would leave a mixture of two fits.
        self.__dict__.update(
            history_=history,
            n_iter_=len(history["loss"]),
            classes_=classes,
            image_shape_=shape,
            **self._network_state(network, (self.architecture, shape, len(classes))),
        )
        return self

    def _draw_seed(self) -> int:
        if self.random_state is None:  # NumPy's global state is not ours to advance
            return int(np.random.default_rng().integers(2**31))
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
            Images of the shape that was fitted.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), dtype float64
            Columns in the order of `classes_`; rows sum to 1.

        Raises
        ------
        ValueError
            If `X` is no such stack or its images have another shape.
        """
        check_is_fitted(self)
        stack = check_image_stack(X, estimator=self)
        check_image_shape(stack, self.image_shape_, estimator=self)
        return self._probabilities(stack)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Label of the most probable class.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
            Images of the shape that was fitted.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the network out: its weights say it all."""
        return {name: value for name, value in super().__getstate__().items() if name not in ("_model", "_run")}

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is a stack of images and results depend on a seed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.non_deterministic = self.random_state is None
        return tags
