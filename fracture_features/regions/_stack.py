"""A classifier of places and one of whole images, stacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._validation import check_groups, check_paths
from ._boxes import Detections
from ._detectors import find_detector

FOLDS = 3


class RegionStack(ClassifierMixin, BaseEstimator):
    """Stack a RegionClassifier and a classifier of whole images by a logistic regression of their scores [1]_.

    The weights are learned from scores of images that neither has seen: `held_out_scores_` of the RegionClassifier,
    and those of the other's last step, fitted anew on three inner folds that keep groups together. Its earlier steps,
    which know no labels, are fitted once. Boxes are those of the RegionClassifier.

    Parameters
    ----------
    places : Pipeline
        From paths to labels, its last step a RegionClassifier.
    whole : Pipeline
        From paths to labels, its last step a classifier with a decision function; those before learn nothing of labels.
    random_state : int, RandomState or None, default=None
        Seed of the inner folds.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Labels; the second is the fracture's.
    places_, whole_ : Pipeline
        As fitted.
    weights_ : ndarray of shape (2,), dtype float64
        Of the standardised scores of both, places first.

    See Also
    --------
    RegionClassifier : The classifier of places.
    fracture_features.make_pipeline : `make_pipeline("best")` is one of these.

    References
    ----------
    .. [1] D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.regions import RegionStack
    >>> with TemporaryDirectory() as parent:
    ...     folder = make_radiographs(30, folder=parent + "/radiographs", random_state=0)
    ...     data = load_folder(folder, boxes=folder / "truth.csv")
    ...     places, whole = make_pipeline("regions", image_size=96), make_pipeline("hog", "svm", image_size=64)
    ...     model = RegionStack(places, whole, random_state=0).fit(data.paths, data.y, boxes=data.boxes)
    ...     model.predict(data.paths).shape, model.weights_.shape
    ((30,), (2,))
    """

    # Read by scikit-learn's metadata routing.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"boxes": True, "groups": True}

    classes_: NDArray[Any]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "places": [Pipeline],
        "whole": [Pipeline],
        "random_state": ["random_state"],
    }

    def __init__(self, places: Pipeline, whole: Pipeline, *, random_state: int | np.random.RandomState | None = None):
        self.places = places
        self.whole = whole
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, *, boxes: Sequence[Any] | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Fit both, and their weights.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str or path-like
            Paths.
        y, boxes, groups
            As RegionClassifier.fit takes them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As RegionClassifier.fit does.
        ImageReadError
            At a file that cannot be read.
        """
        paths, labels = check_paths(X, estimator=self), np.asarray(y)
        numbers, _ = check_groups(groups, len(paths))
        with config_context(enable_metadata_routing=True):
            self.places_ = clone(self.places).fit(paths, labels, boxes=boxes, groups=groups)
        regions = self.places_[-1]
        self.classes_ = regions.classes_
        self.whole_ = clone(self.whole)
        rows = np.asarray(self.whole_[:-1].fit_transform(paths, labels))
        self.whole_[-1].fit(rows, labels)
        held_out = np.empty((len(paths), 2))
        held_out[:, 0] = regions.held_out_scores_
        seed = None if self.random_state is None else int(check_random_state(self.random_state).randint(2**31 - 1))
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
        for train, test in folds.split(rows, labels, numbers):
            held_out[test, 1] = clone(self.whole[-1]).fit(rows[train], labels[train]).decision_function(rows[test])
        self._weighing = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        self._weighing.fit(held_out, labels == self.classes_[1])
        self.weights_ = self._weighing[-1].coef_[0].copy()
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log-odds (n_samples,) that the image of each path is of the second class, both classes equally frequent."""
        check_is_fitted(self)
        scores = [part.decision_function(X) for part in (self.places_, self.whole_)]
        return np.asarray(self._weighing.decision_function(np.column_stack(scores)), dtype=np.float64)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class, (n_samples, 2), of the images of paths (n_samples,)."""
        fractured = expit(self.decision_function(X))
        return np.column_stack([1 - fractured, fractured])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Label of the most probable class, (n_samples,), of the images of paths (n_samples,)."""
        return self.classes_[(self.decision_function(X) > 0).astype(np.int64)]

    def detect(self, X: ArrayLike, threshold: float | None = None) -> list[Detections]:
        """Find boxes of fractures in the images of paths (n_samples,); see RegionClassifier.detect."""
        check_is_fitted(self)
        detect = find_detector(self.places_)
        assert detect is not None
        return detect(X, threshold)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is paths of images of two classes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.classifier_tags.multi_class = False
        tags.non_deterministic = self.random_state is None
        return tags
