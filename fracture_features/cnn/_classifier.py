"""A convolutional network as a scikit-learn classifier."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d

from .._validation import check_image_shape, check_image_stack
from ._architectures import ARCHITECTURES, build_network
from ._data import Batches
from ._keras import load_keras
from ._split import validation_split
from ._training import train_network

PREDICTION_BLOCK = 64  # images


class CNNClassifier(ClassifierMixin, BaseEstimator):
    """A small convolutional network, trained from scratch on a stack of grey images.

    It runs on whatever backend keras is set to use (the environment variable `KERAS_BACKEND`) and is a
    scikit-learn classifier like any other. The images stay uint8, in memory or memory-mapped, and go to the
    network a batch at a time.

    Parameters
    ----------
    architecture : {"small"}, default="small"
        The network. "small" has five convolutions, 90,000 weights, and takes images of any shape from 32 x 32
        pixels on; those of 512 pixels or more are averaged down to 256 first.
    epochs : int, default=16
        Passes over the training images, at most. The learning rate rises over the first and falls along a
        cosine to 0 at the last.
    batch_size : int, default=32
        Images in a step of training.
    learning_rate : float, default=0.005
        The largest, of Adam with decoupled weight decay.
    dropout : float, default=0.3
        Part of the pooled features left out while training.
    augment : bool, default=True
        Whether training images vary from epoch to epoch: mirrored left to right half of the time, rotated by
        up to 15 degrees, shifted by up to 8 % of each side, zoomed by up to 10 %, with a gamma between 0.78
        and 1.28; black comes in from outside. Validation images stay as they are.
    validation_fraction : float or None, default=0.15
        Part of the images held out to find the epoch with the smallest loss, whose weights are kept. None
        trains on all images for all epochs.
    patience : int, default=6
        Epochs without a smaller validation loss after which training stops.
    class_weight : "balanced", dict or None, default="balanced"
        Weight of each class in the loss, by label; labels left out weigh 1. "balanced" gives every class the
        same weight in sum, and so probabilities as if classes were equally frequent.
    random_state : int, RandomState or None, default=None
        Seed of the weights, dropout, the order of the images, their variation and the validation part. The
        same integer gives the same predictions, to the bit, on one CPU with the same versions and threads.
    verbose : {0, 1, 2}, default=0
        0 prints nothing, 1 a progress bar, 2 a line an epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, in the order of the columns of `predict_proba`.
    image_shape_ : tuple of (int, int)
        Height and width of the fitted images.
    history_ : dict of str to list of float
        `loss` and `accuracy` of each epoch, and `val_loss` and `val_accuracy` where there is a validation
        part; losses are weighted, accuracies are not.
    n_iter_ : int
        Epochs that were run.
    model_ : keras.Model
        The network, from images (n, height, width) of 0 to 255 to probabilities.

    Notes
    -----
    `fit` requests `groups`: under `sklearn.set_config(enable_metadata_routing=True)` pipelines and searches
    hand them on, and the validation part keeps groups together. Without routing they reach `fit` only where
    it is called with them; otherwise the validation part is stratified by class alone, images of one patient
    may stand on both sides of it, and training stops later than it should.

    A pickle holds the weights and the parameters, not the state of training. `fit` uses neither Python's nor
    NumPy's nor keras' global random state, and clears no keras session: other models of the process live on.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    .. [2] S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing
       internal covariate shift", ICML 2015.

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
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}

    _model: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "architecture": [StrOptions(set(ARCHITECTURES))],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "augment": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "random_state": ["random_state"],
        "verbose": [Interval(Integral, 0, 2, closed="both"), "boolean"],
    }

    def __init__(
        self,
        *,
        architecture: str = "small",
        epochs: int = 16,
        batch_size: int = 32,
        learning_rate: float = 0.005,
        dropout: float = 0.3,
        augment: bool = True,
        validation_fraction: float | None = 0.15,
        patience: int = 6,
        class_weight: str | dict[Any, float] | None = "balanced",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.architecture = architecture
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.augment = augment
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train a fresh network.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
            Images, in memory or memory-mapped.
        y : array-like of shape (n_samples,)
            Labels, of two classes or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each image in the loss, times that of its class.
        groups : array-like of shape (n_samples,), default=None
            Patient or study of each image: kept on one side of the validation part.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `X` is no such stack, its images are too small, `y`, `sample_weight` or `groups` do not fit it,
            there is one class alone, `class_weight` names an unknown class, or no validation part can hold
            every class.
        MissingDependencyError
            If keras is not installed.
        """
        stack = check_image_stack(X, estimator=self)
        classes, codes = self._encode(y, len(stack))
        weights = _check_sample_weight(sample_weight, stack, dtype=np.float64, ensure_non_negative=True)
        group_codes = self._encode_groups(groups, len(stack))
        seed = self._draw_seed()
        train, validation = np.arange(len(stack)), np.empty(0, dtype=np.intp)
        if self.validation_fraction is not None:
            rng = np.random.default_rng(seed)
            train, validation = validation_split(codes, group_codes, self.validation_fraction, rng)
        weights = (weights * self._class_weights(classes, codes, train)[codes]).astype(np.float32)
        batches = Batches(
            stack, codes, _mean_one(weights, train), train, self.batch_size, seed=seed, augment=self.augment
        )
        held_out = None
        if len(validation):
            held_out = Batches(stack, codes, _mean_one(weights, validation), validation, PREDICTION_BLOCK)
        shape = (stack.shape[1], stack.shape[2])
        network = build_network(self.architecture, shape, len(classes), dropout=self.dropout, seed=seed)
        self.history_ = train_network(
            network,
            batches,
            held_out,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            patience=self.patience,
            verbose=int(self.verbose),
        )
        self.n_iter_ = len(self.history_["loss"])
        self.classes_ = classes
        self.image_shape_ = shape
        self._built = (self.architecture, shape, len(classes))
        self._weights: list[NDArray[np.float32]] = network.get_weights()
        self._model = None
        return self

    def _encode(self, y: ArrayLike, n_images: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
        labels = column_or_1d(y, warn=True)
        if len(labels) != n_images:
            raise ValueError(f"CNNClassifier got {len(labels)} labels in y for {n_images} images.")
        check_classification_targets(labels)
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"CNNClassifier needs two classes or more in y, got one class: {classes.tolist()}.")
        return classes, codes

    @staticmethod
    def _encode_groups(groups: ArrayLike | None, n_images: int) -> NDArray[np.intp] | None:
        if groups is None:
            return None
        names = column_or_1d(groups)
        if len(names) != n_images:
            raise ValueError(f"CNNClassifier got {len(names)} groups for {n_images} images.")
        codes: NDArray[np.intp] = np.unique(names, return_inverse=True)[1]
        return codes

    def _draw_seed(self) -> int:
        if self.random_state is None:  # NumPy's global state is not ours to advance
            return int(np.random.default_rng().integers(2**31))
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _class_weights(
        self, classes: NDArray[Any], codes: NDArray[np.intp], train: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        known = classes.tolist()
        if isinstance(self.class_weight, dict):
            unknown = [label for label in self.class_weight if label not in known]
            if unknown:
                raise ValueError(f"class_weight has the labels {unknown}, y has the classes {known}.")
            return np.array([self.class_weight.get(label, 1.0) for label in known], dtype=np.float64)
        weights: NDArray[np.float64] = compute_class_weight(
            self.class_weight, classes=np.arange(len(classes)), y=codes[train]
        )
        return weights

    @property
    def model_(self) -> Any:
        """The network, rebuilt from its weights when first asked for after `fit`, unpickling or copying."""
        check_is_fitted(self)
        if self._model is None:
            architecture, shape, n_classes = self._built
            self._model = build_network(architecture, shape, n_classes)
            self._model.set_weights(self._weights)
        return self._model

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
        keras = load_keras(needed_for="CNNClassifier")
        probabilities = np.empty((len(stack), len(self.classes_)))
        for rows in gen_batches(len(stack), PREDICTION_BLOCK):
            # Called, not `predict`ed: with nothing to trace, TensorFlow has nothing to keep or to warn of.
            block = self.model_(np.asarray(stack[rows]), training=False)
            probabilities[rows] = keras.ops.convert_to_numpy(block)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

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
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def __getstate__(self) -> dict[str, Any]:
        """Leave the network out: its weights say it all."""
        return {name: value for name, value in super().__getstate__().items() if name != "_model"}

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is a stack of images and results depend on a seed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.non_deterministic = self.random_state is None
        return tags


def _mean_one(weights: NDArray[np.float32], rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Weights whose mean over `rows` is 1, so that the loss and its gradient keep their scale."""
    mean = weights[rows].mean()
    if mean == 0:
        raise ValueError("sample_weight and class_weight leave no image with a weight above 0 to train or validate on.")
    scaled: NDArray[np.float32] = weights / mean
    return scaled
