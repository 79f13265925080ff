"""Probabilities of a fitted classifier, adapted to images of another source."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ..metrics import calibration_slope

SMALLEST = 1e-8  # as for `metrics.calibration_intercept`: the logits of 0 and 1 are infinite


class RecalibratedClassifier(ClassifierMixin, BaseEstimator):
    r"""Adapt the probabilities of a fitted classifier to images of another source.

    Fractures are more or less frequent at another hospital, and its patients are others: a model that ranks them well
    may be wrong about how likely each is fractured. This learns a and b of

    .. math:: \operatorname{logit} P(\text{fractured}) = a + b \operatorname{logit} p

    by maximum likelihood, p being the classifier's probability, and leaves the classifier as it is [1]_ [2]_. With a
    positive b the order of the images stays too, and with it the ROC AUC. Learn it from some patients of the new source
    and measure on others.

    Parameters
    ----------
    estimator : fitted classifier
        With `predict_proba`, of two classes, such as a pipeline from paths. It is neither fitted nor cloned.
    method : {"intercept", "logistic"}, default="intercept"
        "intercept" learns a alone, b being 1: recalibration in the large, for another share of fractures. "logistic"
        learns both, for a model that is too sure or not sure enough as well, and wants more images.

    Attributes
    ----------
    intercept_ : float
        a, in log-odds.
    slope_ : float
        b.
    classes_ : ndarray of shape (2,)
        The classifier's.

    See Also
    --------
    fracture_features.metrics.calibration_slope : Whether it is needed.
    sklearn.calibration.CalibratedClassifierCV : Calibrate while training.

    Notes
    -----
    A classifier that has scores and no probabilities, such as `SVC`, gets them from new images by Platt's method in
    scikit-learn: ``CalibratedClassifierCV(FrozenEstimator(model)).fit(paths, y)``. Where there are only probabilities,
    that call fits a sigmoid to p instead of its logit, which is no recalibration of this form.

    References
    ----------
    .. [1] E. W. Steyerberg, "Clinical Prediction Models", Springer, 2009, chapter 20.
    .. [2] B. Van Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine 17:230, 2019.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import RecalibratedClassifier, load_folder, make_pipeline, make_radiographs
    >>> here, there = (load_folder(make_radiographs(40, folder=tempfile.mkdtemp(), random_state=k)) for k in (0, 1))
    >>> model = make_pipeline("edges", "logistic").fit(here.paths, here.y)
    >>> recalibrated = RecalibratedClassifier(model).fit(there.paths, there.y)
    >>> shares = recalibrated.predict_proba(there.paths).mean(axis=0)
    >>> [round(float(share), 6) for share in shares]  # half of the images that it was fitted on are fractured
    [0.5, 0.5]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["predict"])],
        "method": [StrOptions({"intercept", "logistic"})],
    }

    intercept_: float
    slope_: float
    classes_: NDArray[Any]

    def __init__(self, estimator: Any, *, method: str = "intercept"):
        self.estimator = estimator
        self.method = method

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn the intercept, and the slope where the method has one.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the classifier takes, as paths of images. Groups are not needed: nothing is held out.
        y : array-like of shape (n_samples,)
            Labels, of both classes that the classifier knows.

        Returns
        -------
        self

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If it has no probabilities or more than two classes, `y` has other labels than the classifier or lacks one,
            or, with "logistic", a probability separates the classes or all are the same: no slope is finite then.
        """
        check_is_fitted(self.estimator)
        classes = self._check_estimator()
        check_consistent_length(X, y)
        labels = column_or_1d(y)
        if not np.array_equal(found := np.unique(labels), classes):
            raise ValueError(f"y must hold both classes of the classifier, {classes.tolist()}, got {found.tolist()}")
        probability = self.estimator.predict_proba(X)[:, 1]
        self.intercept_, self.slope_ = find_recalibration(probability, labels == classes[1], self.method)
        self.classes_ = classes
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict the probability of each class, (n_samples, 2)."""
        check_is_fitted(self)
        return recalibrate(self.estimator.predict_proba(X)[:, 1], self.intercept_, self.slope_)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the more probable class, (n_samples,)."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def _check_estimator(self) -> NDArray[Any]:
        name = type(self.estimator).__name__
        if not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                f"{name} gives no probabilities to recalibrate; CalibratedClassifierCV(FrozenEstimator(model)) of "
                "scikit-learn learns some from its scores by Platt's method"
            )
        classes = np.asarray(self.estimator.classes_)
        if len(classes) != 2:
            raise ValueError(f"RecalibratedClassifier is for two classes, the {name} knows {len(classes)}")
        return classes

    def __sklearn_clone__(self) -> Self:
        # What is fitted is a parameter here, and stays.
        return type(self)(self.estimator, method=self.method)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def find_recalibration(
    probability: NDArray[np.float64], is_positive: NDArray[np.bool_], method: str
) -> tuple[float, float]:
    """Intercept and slope of `RecalibratedClassifier` from probabilities of class 1 (n,); ValueError if not finite."""
    slope = calibration_slope(is_positive, probability) if method == "logistic" else 1.0
    if np.isnan(slope):
        raise ValueError(
            "method='logistic' finds no finite slope: the probabilities separate the classes or are all the same; "
            "give more images, or method='intercept'"
        )
    return _intercept(slope * _logit(probability), is_positive.mean()), slope


def recalibrate(probability: NDArray[np.float64], intercept: float, slope: float) -> NDArray[np.float64]:
    """Probabilities (n, 2) from those of class 1 (n,)."""
    positive = expit(intercept + slope * _logit(probability))
    return np.column_stack([1 - positive, positive])


def _logit(probability: ArrayLike) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(probability, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return np.asarray(logit(clipped), dtype=np.float64)


def _intercept(offset: NDArray[np.float64], share: float) -> float:
    """Of the logistic regression with that offset: where the mean probability is the share of the class."""
    low, high = logit(share) - offset.max(), logit(share) - offset.min()
    return float(brentq(lambda a: expit(offset + a).mean() - share, low - 1, high + 1, xtol=1e-12))
