"""A classifier that scores every place of an image, and the image by its highest places."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from .._validation import check_groups, check_image_shape, check_image_stack
from ..cache import Cached, open_cache
from ..cnn._applications import SMALLEST, application_names, check_side
from ..cnn._maps import FrozenMaps
from ._boxes import Detections, Frames, check_boxes, suppress
from ._candidates import find_peaks
from ._fit import Learner
from ._places import STEP, centres, is_empty
from ._scorer import Describer, Scored, enlarge, line_levels, pool, score_places

BLOCK = 16  # images that are described at a time


class RegionClassifier(Cached, ClassifierMixin, BaseEstimator):
    """A classifier of two classes that learns from boxes around fractures, and scores places in images.

    Each image is looked at in places 16 pixels apart, each described by RootSIFT descriptors [1]_ of the patches of
    32, 64 and 128 pixels around it. Boosted trees tell places in boxes from others, in a second round also from those
    others that the first one took for fractures. With a pretrained network, a logistic regression on the maps of one of
    its layers scores coarser places first, and the trees know that score and what surrounds it. The image's score is
    a logistic regression on the mean scores of its 1, 8, 32 and 128 highest places, learned on images whose places were
    scored by trees that had not seen them, less the score that images as sharp have without a fracture. What a place's
    score and its image's say of a box there is a logistic regression too.

    Parameters
    ----------
    architecture : str, default=None
        A network of keras.applications ("MobileNetV2"), whose maps are looked at too; None means none.
    weights : {"imagenet"}, str, path-like or None, default="imagenet"
        Of that network; see PretrainedExtractor.
    n_estimators : int, default=150
        Number of trees.
    cache : str or path-like, default=None
        Folder in which what places look like is kept for each image: 1.2 MB at 640 pixels, 2 MB with a network.
    random_state : int, RandomState or None, default=None
        Seed of the places that are drawn, the folds and the trees.
    n_jobs : int, default=None
        Number of threads; None means 1, -1 all cores.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Labels; the second is the fracture's.
    image_shape_ : tuple of (int, int)
        Height and width of the fitted images.
    threshold_ : float
        Log-odds from which `detect` gives a box: on images that trees had not seen, every fourth had a false one.
    held_out_scores_ : ndarray of shape (n_samples,), dtype float64
        Of each training image the score by trees that had not seen it, for those who combine it with others.

    See Also
    --------
    fracture_features.metrics.place_measures : How well places are found.
    fracture_features.make_pipeline : A pipeline from paths, `make_pipeline("regions")`.

    Notes
    -----
    `fit` requests `boxes` and `groups`: under `sklearn.set_config(enable_metadata_routing=True)` pipelines and searches
    hand them on; without routing `model.fit(paths, y, classifier__boxes=data.boxes)` does.

    Boxes are in pixels of the files where the images come from ImageReader, which the images know, and in pixels of the
    images otherwise; so are those that `detect` returns. A part of a stack (`X[:10]`) has forgotten its files.

    Sizes of patches are in pixels, so the image size matters: at 640 pixels the median box of FracAtlas is 37 wide.
    Where most sharp images are fractured, places of all sharp images score higher; hence the usual score of images as
    sharp is subtracted. `benchmarks/bench_regions.py` measures what is left of it, and how often the highest place lies
    in a box.

    References
    ----------
    .. [1] R. Arandjelović, A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012.
    .. [2] N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005 (hard negatives).

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.regions import RegionClassifier
    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(0, 60, (24, 96, 96), dtype=np.uint8)
    >>> images[::2, 40:60, 30:50] = np.where(np.indices((20, 20)).sum(axis=0) % 8 < 4, 250, 0)
    >>> boxes = [[[40, 30, 60, 50]], []] * 12
    >>> model = RegionClassifier(random_state=0).fit(images, [1, 0] * 12, boxes=boxes)
    >>> model.predict(images[:4])
    array([1, 0, 1, 0])
    >>> top, left, bottom, right = model.detect(images[:1])[0].boxes[0]
    >>> bool(30 < (top + bottom) / 2 < 70)
    True
    """

    # Read by scikit-learn's metadata routing.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"boxes": True, "groups": True}

    classes_: NDArray[Any]
    image_shape_: tuple[int, int]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "architecture": [StrOptions(set(application_names())), None],
        "weights": [str, os.PathLike, None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "cache": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        architecture: str | None = None,
        weights: str | os.PathLike[str] | None = "imagenet",
        n_estimators: int = 150,
        cache: str | os.PathLike[str] | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ):
        self.architecture = architecture
        self.weights = weights
        self.n_estimators = n_estimators
        self.cache = cache
        self.random_state = random_state
        self.n_jobs = n_jobs

    def check_image_shape(self, shape: tuple[int, int]) -> None:
        """Raise ValueError where images of `shape` (height, width) are too small."""
        if min(shape) < 2 * STEP:
            raise ValueError(f"RegionClassifier needs images of at least {2 * STEP} x {2 * STEP} pixels, got {shape}.")
        if self.architecture in SMALLEST:
            check_side(self.architecture, SMALLEST[self.architecture], shape)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, *, boxes: Sequence[Any] | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Learn from images, labels and boxes.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
        y : array-like of shape (n_samples,)
            Labels of two classes; the second, sorted, is the fracture's.
        boxes : sequence of n_samples arrays of shape (n_boxes, 4), or None
            Top, left, bottom and right of each fracture. Where a fractured image has None, or none, nothing is learned
            from its places. Those of other images are not looked at.
        groups : array-like of shape (n_samples,), default=None
            Patient or study of each image: kept together in the inner folds.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there are no boxes, fewer than two fractured images or groups with any, `X` is no such stack, its images
            are too small, `y` has not two classes, or something has another length.
        FractureFeaturesError
            If the temporary folder has no room: 1.2 MB an image at 640 pixels, 2 MB with a network.
        """
        stack = check_image_stack(X, estimator=self)
        shape = (stack.shape[1], stack.shape[2])
        self.check_image_shape(shape)
        labels: NDArray[Any] = column_or_1d(y)
        check_consistent_length(stack, labels)
        check_classification_targets(labels)
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) != 2:
            raise ValueError(f"RegionClassifier takes two classes, y has {len(classes)}: {classes.tolist()[:9]}.")
        placed = check_boxes(boxes, len(stack), Frames(X))
        numbers, _ = check_groups(groups, len(stack))
        if self.cache is not None:
            open_cache(self.cache)  # makes the folder
        seed = self._draw_seed()
        maps = None if self.architecture is None else FrozenMaps.load(self.architecture, self.weights, shape)
        describer = Describer(shape, maps)
        described = describer.describe(stack, self.cache, self.n_jobs)
        learned = Learner(self._make_trees, describer, described, placed, codes, numbers, seed).learn()
        network = None if maps is None else maps.network
        self.__dict__.update(learned, classes_=classes, image_shape_=shape, _network=network)
        return self

    @property
    def _describer(self) -> Describer:
        return Describer(self.image_shape_, None if self._network is None else FrozenMaps(self._network))

    def _draw_seed(self) -> int:
        if self.random_state is None:  # NumPy's global state is not ours to advance
            return int(np.random.default_rng().integers(2**31))
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _make_trees(self, seed: int) -> Any:
        # Imported where it is asked for: it takes as long to load as scikit-learn.
        from .._xgboost import XGBClassifier

        return XGBClassifier(
            n_estimators=self.n_estimators,
            max_depth=5,
            learning_rate=0.12,
            subsample=0.5,
            colsample_bytree=0.15,
            min_child_weight=5,
            max_bin=64,
            class_weight=None,
            random_state=seed,
            n_jobs=self.n_jobs,
        )

    def _walk(self, X: ArrayLike) -> Iterator[Scored]:
        """Scores of the places of each image."""
        check_is_fitted(self)
        stack = check_image_stack(X, estimator=self)
        check_image_shape(stack, self.image_shape_, estimator=self)
        describer = self._describer
        for rows in gen_batches(len(stack), BLOCK):
            described = describer.describe(stack[rows], self.cache, self.n_jobs)
            for k, features in enumerate(described.features):
                context = None
                if described.maps is not None:
                    context = describer.context(line_levels(self._line, described.maps[k]))
                levels = score_places(self._trees, features, context, describer.grid)
                yield Scored(levels, features, self._score_image(levels, described.looks[k]))

    def _score_image(self, levels: NDArray[np.float32], look: NDArray[np.float32]) -> float:
        """Log-odds of the image by its highest places, less what images as sharp have without a fracture."""
        score = self._pooling.decision_function([pool(levels)])[0]
        return float(score - self._usual.of(look[None])[0])

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log-odds that each image is of the second class.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
            Images of the shape that was fitted.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64

        Raises
        ------
        ValueError
            If `X` is no such stack or its images have another shape.
        """
        return np.array([scored.image for scored in self._walk(X)], dtype=np.float64)

    def _log_odds(self, scored: Scored) -> NDArray[np.float64]:
        """Log-odds (rows, columns) that the places of an image are in a box."""
        rows = np.column_stack([scored.levels.ravel(), np.full(scored.levels.size, scored.image)])
        return np.asarray(self._places.decision_function(rows).reshape(scored.levels.shape), dtype=np.float64)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class, (n_samples, 2), of images (n_samples, height, width)."""
        fractured = expit(self.decision_function(X))
        return np.column_stack([1 - fractured, fractured])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Label of the most probable class, (n_samples,), of images (n_samples, height, width)."""
        return self.classes_[(self.decision_function(X) > 0).astype(np.int64)]

    def score_map(self, X: ArrayLike) -> NDArray[np.float32]:
        """Log-odds of each pixel that it is in a box, were it the highest of those around it, less `threshold_`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
            Images of the shape that was fitted.

        Returns
        -------
        maps : ndarray of shape (n_samples, height, width), dtype float32
            Positive where `detect` may give a box; interpolated linearly between places. `explain_images`
            gives them in the shape of the files.
        """
        maps = ((self._log_odds(scored) - self.threshold_).astype(np.float32) for scored in self._walk(X))
        return np.stack([enlarge(each, self.image_shape_) for each in maps])

    def detect(self, X: ArrayLike, threshold: float | None = None) -> list[Detections]:
        """Find boxes of fractures.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height, width), dtype uint8
            Images of the shape that was fitted.
        threshold : float, default=None
            Log-odds from which a place has a box; None means `threshold_`, `-inf` gives all that there are, at most 20
            an image.

        Returns
        -------
        found : list of Detections
            `boxes`, `scores` and `points` of each image, highest first; of boxes that overlap the highest is left. In
            pixels of the files where the images come from ImageReader, else of the images.
        """
        check_is_fitted(self)
        lowest = self.threshold_ if threshold is None else threshold
        frames, found = Frames(X), []
        y, x = centres(self._describer.grid[0]), centres(self._describer.grid[1])
        for row, scored in enumerate(self._walk(X)):
            levels, features, log_odds = scored.levels, scored.features, self._log_odds(scored)
            rows, columns = find_peaks(levels, is_empty(features)).T
            kept = log_odds[rows, columns] >= lowest
            rows, columns = rows[kept], columns[kept]
            places = np.column_stack([y[rows], x[columns]])
            boxes = self._boxes_at(places, features.reshape(*levels.shape, -1)[rows, columns])
            boxes, scores = frames.to_file(row, boxes), log_odds[rows, columns]
            points = frames.to_file(row, np.tile(places, 2))[:, :2]
            on_image = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
            found.append(suppress(boxes[on_image], scores[on_image], points[on_image]))
        return found

    def _boxes_at(self, places: NDArray[np.float64], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """The box about each of some places (n, 2), in pixels of the images."""
        if len(places) == 0:
            return np.empty((0, 4))
        sides = np.exp(self._sides.predict(features.astype(np.float32)).clip(0, 6))
        limits = np.tile(self.image_shape_, 2)
        return np.asarray((np.tile(places, 2) + sides * [-1, -1, 1, 1]).clip(0, limits), dtype=np.float64)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is a stack of images of two classes and results depend on a seed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.classifier_tags.multi_class = False
        tags.non_deterministic = self.random_state is None
        return tags
