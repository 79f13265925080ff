"""Classifiers with an RBF kernel from matrix products: scikit-learn's SVC, and what goes further than it."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn import svm
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .cache import digest
from .exceptions import ScaleWarning

LARGEST = 4 << 30  # bytes of a kernel matrix: 23 000 rows; libsvm computes what is larger as it goes
MANY = 20_000  # rows, above which a fit is warned of
KEPT = 1 << 30  # bytes of the kernel matrices that stay in memory for the next fit
BLOCK = 512  # rows of one matrix product
# Of gamma times a row's squared length. The product of two rows is rounded at the seventh digit of it: beyond, kernels
# would be off by more than 1e-4.
FARTHEST = 100

TOO_MANY = (
    "an RBF SVM on {0:,} images: its time and memory grow with the square of their number. "
    "'nystroem' in its place, as in make_pipeline('hog+nystroem'), grows with the number; on 2459 radiographs of "
    "FracAtlas it cost 0.005 of the ROC AUC (benchmarks/bench_svm.py)"
)

_kept: OrderedDict[bytes, NDArray[np.float64]] = OrderedDict()
_lock = threading.Lock()


class SVC(svm.SVC):
    """scikit-learn's SVC; on dense rows its RBF kernel is computed by matrix products of single precision.

    libsvm computes the kernel of two rows at a time, in double precision: on rows of thousands of features nearly all
    of a fit is that. Here the matrix of all kernels is computed once, in blocks, and libsvm solves with it. The
    solution is scikit-learn's up to rounding, at most 1e-3 of a decision value.

    Parameters
    ----------
    **parameters
        Those of `sklearn.svm.SVC`. Sparse rows, other kernels, weights of 0, and rows so far from the origin that
        single precision does not tell them apart go the way of scikit-learn, as do more than 23 000 rows, whose matrix
        would be larger than 4 GiB.

    Attributes
    ----------
    support_vectors_ : ndarray of shape (n_support, n_features)
        Of dtype float32 where the kernel came from matrix products. All else is as in `sklearn.svm.SVC`.

    Notes
    -----
    Up to 1 GiB of kernel matrices stay in memory, those used last: a fit on equal rows with an equal gamma, as for the
    next C of a grid, computes none. The folds of `probability=True` are parts of one matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features._svm import SVC
    >>> rows = np.random.default_rng(0).normal(size=(60, 500)).astype(np.float32)
    >>> SVC().fit(rows, rows[:, 0] > 0).predict(rows[:3])
    array([ True,  True,  True])
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit on `X` (n_samples, n_features) and labels `y` (n_samples,)."""
        if self.kernel != "rbf" or issparse(X):
            return super().fit(X, y, sample_weight)
        given, labels = validate_data(self, X, y, dtype=[np.float64, np.float32], order="C")
        if len(given) > MANY:
            warnings.warn(TOO_MANY.format(len(given)), ScaleWarning, stacklevel=2)
        gamma = _gamma(self.gamma, given)
        rows = _single(given)
        # Of rows without weight libsvm loses count: the support vectors of a matrix would be others than it says.
        is_weighted = sample_weight is None or bool((np.asarray(sample_weight) > 0).all())
        lengths = _squares(rows)
        is_near = lengths.max() < 1e30 and gamma * lengths.max() <= FARTHEST
        if 8 * len(rows) ** 2 > LARGEST or not is_weighted or not is_near:
            return super().fit(X, y, sample_weight)
        parameters = self.get_params()
        solver = svm.SVC(**parameters | {"kernel": "precomputed"})
        solver.fit(kernel_matrix(rows, lengths, gamma), labels, sample_weight)
        self.__dict__.update((name, value) for name, value in vars(solver).items() if name not in parameters)
        self.support_vectors_, self._gamma = rows[solver.support_], gamma
        self.n_features_in_, self.shape_fit_ = rows.shape[1], rows.shape
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the labels (n_samples,) of `X` (n_samples, n_features)."""
        return self._answer(X, svm.SVC.predict)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Distances to the boundary of `X` (n_samples, n_features): (n_samples,) of two classes, else one for each."""
        return self._answer(X, svm.SVC.decision_function)

    def _dense_predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._answer(X, svm.SVC._dense_predict_proba)

    def _answer(self, X: ArrayLike, ask: Callable[[Any, Any], NDArray[Any]]) -> NDArray[Any]:
        """What scikit-learn's own method gives, of kernels computed here where the fit's were."""
        check_is_fitted(self)
        vectors = self.support_vectors_
        if self.kernel != "rbf" or vectors.dtype != np.float32 or issparse(X):
            return ask(self, X)
        rows = _single(validate_data(self, X, dtype=[np.float64, np.float32], order="C", reset=False))
        solver = self._on_kernels()
        blocks = _to_vectors(rows, vectors, self._gamma)
        return np.concatenate([ask(solver, block.astype(np.float64)) for block in blocks])

    def _on_kernels(self) -> svm.SVC:
        """The fitted machine as one that takes kernels of rows and support vectors, (n_samples, n_support)."""
        solver = svm.SVC()
        solver.__dict__.update(vars(self))
        n = len(self.support_vectors_)
        solver.kernel, solver.support_vectors_ = "precomputed", np.empty((0, 0))
        solver.support_ = np.arange(n, dtype=np.int32)
        solver.n_features_in_, solver.shape_fit_ = n, (n, n)
        vars(solver).pop("feature_names_in_", None)
        return solver


def kernel_matrix(rows: NDArray[np.float32], lengths: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    """RBF kernels of all pairs of rows, (n_rows, n_rows), kept for those who ask again; not to be changed."""
    key = digest(rows.view(np.uint8), repr(gamma))
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    matrix = _compute(rows, lengths, gamma)
    with _lock:
        if matrix.nbytes <= KEPT:
            _kept[key] = matrix
        while sum(kept.nbytes for kept in _kept.values()) > KEPT:
            _kept.popitem(last=False)
    return matrix


def _compute(rows: NDArray[np.float32], lengths: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    matrix = np.empty((len(rows), len(rows)))  # libsvm reads doubles
    for some in gen_batches(len(rows), BLOCK):
        rest = slice(some.start, None)  # the others are the mirror of those before
        matrix[some, rest] = _kernels(rows[some], lengths[some], rows[rest], lengths[rest], gamma)
        matrix[rest, some] = matrix[some, rest].T
    return matrix


def _to_vectors(rows: NDArray[np.float32], vectors: NDArray[np.float32], gamma: float) -> Iterator[NDArray[np.float32]]:
    """RBF kernels of rows and vectors, (n_some, n_vectors) of some rows after the others."""
    own, lengths = _squares(rows), _squares(vectors)
    for some in gen_batches(len(rows), BLOCK):
        yield _kernels(rows[some], own[some], vectors, lengths, gamma)


def _kernels(
    rows: NDArray[np.float32],
    own: NDArray[np.float64],
    others: NDArray[np.float32],
    lengths: NDArray[np.float64],
    gamma: float,
) -> NDArray[np.float32]:
    """RBF kernels (n_rows, n_others), from the squared lengths of both."""
    distances = rows @ others.T
    distances *= -2
    distances += own.astype(np.float32)[:, None]
    distances += lengths.astype(np.float32)
    np.maximum(distances, 0, out=distances)
    distances *= -gamma
    return np.exp(distances, out=distances)


def _squares(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared Euclidean length of each row."""
    return np.einsum("ij,ij->i", rows, rows, dtype=np.float64)


def _single(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return rows.astype(np.float32, copy=False)


def _gamma(gamma: str | float, rows: NDArray[np.floating]) -> float:
    """What a gamma by name stands for, as in scikit-learn."""
    if gamma == "auto":
        return 1.0 / rows.shape[1]
    if gamma != "scale":
        return float(gamma)
    mean = rows.mean(dtype=np.float64)
    squares = sum(float(np.square(rows[some] - mean).sum()) for some in gen_batches(len(rows), BLOCK))
    return rows.size / (rows.shape[1] * squares) if squares else 1.0


class NystroemClassifier(ClassifierMixin, BaseEstimator):
    """A linear classifier on an approximation of the RBF kernel: for more rows than an RBF SVM holds.

    Some of the training rows, drawn at random, stand for all: the kernels of a row with these, made uncorrelated, are
    its new features [1]_, on which logistic regression is fitted. Time and memory grow with the number of rows, not
    with its square.

    Parameters
    ----------
    n_components : int, default=1000
        Number of rows drawn, at most as many as there are.
    gamma : {"scale", "auto"} or float, default="scale"
        Of the kernel, as in `sklearn.svm.SVC`.
    C : float, default=10.0
        Inverse of the strength of regularisation.
    class_weight : "balanced", dict or None, default=None
    random_state : int, RandomState or None, default=None
        Of the drawing.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    components_ : ndarray of shape (n_components, n_features), dtype float32
        The rows drawn.
    dual_coef_ : ndarray of shape (1 or n_classes, n_components)
        Weights of their kernels, which give the scores with `intercept_`.
    intercept_ : ndarray of shape (1 or n_classes,)

    References
    ----------
    .. [1] C. K. I. Williams, M. Seeger, "Using the Nyström method to speed up kernel machines", NIPS 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features._svm import NystroemClassifier
    >>> rows = np.random.default_rng(0).normal(size=(200, 20)).astype(np.float32)
    >>> NystroemClassifier(n_components=50, random_state=0).fit(rows, rows[:, 0] > 0).score(rows, rows[:, 0] > 0) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0, None, closed="neither")],
        "C": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_components: int = 1000,
        gamma: str | float = "scale",
        C: float = 10.0,
        class_weight: str | dict[Any, float] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_components = n_components
        self.gamma = gamma
        self.C = C
        self.class_weight = class_weight
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit on `X` (n_samples, n_features) and labels `y` (n_samples,)."""
        given, labels = validate_data(self, X, y, dtype=[np.float64, np.float32], order="C")
        check_classification_targets(labels)
        rows = _single(given)
        self._gamma = _gamma(self.gamma, given)
        drawn = check_random_state(self.random_state).permutation(len(rows))[: self.n_components]
        self.components_ = rows[drawn]
        vectors, values, _ = np.linalg.svd(_compute(self.components_, _squares(self.components_), self._gamma))
        root = vectors / np.sqrt(np.maximum(values, 1e-6)) @ vectors.T  # rounding leaves nothing of what is smaller
        self.normalization_ = root.astype(np.float32)
        linear = LogisticRegression(C=self.C, class_weight=self.class_weight, max_iter=1000)
        linear.fit(self._embed(rows, root.astype(np.float32)), labels, sample_weight)
        self.classes_, self.intercept_ = linear.classes_, linear.intercept_.astype(np.float64)
        self.dual_coef_ = linear.coef_ @ root
        return self

    def _embed(self, rows: NDArray[np.float32], root: NDArray[np.float32]) -> NDArray[np.float32]:
        """New features (n_rows, n_components)."""
        return np.concatenate([block @ root for block in _to_vectors(rows, self.components_, self._gamma)])

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of `X` (n_samples, n_features): (n_samples,) of two classes, else (n_samples, n_classes)."""
        check_is_fitted(self)
        rows = _single(validate_data(self, X, dtype=[np.float64, np.float32], order="C", reset=False))
        blocks = _to_vectors(rows, self.components_, self._gamma)
        scores = np.concatenate([block @ self.dual_coef_.T + self.intercept_ for block in blocks])
        return scores.ravel() if len(self.classes_) == 2 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the labels (n_samples,) of `X` (n_samples, n_features)."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict the probability of each class, (n_samples, n_classes), of `X` (n_samples, n_features)."""
        scores = self.decision_function(X)
        return np.column_stack([expit(-scores), expit(scores)]) if scores.ndim == 1 else softmax(scores, axis=1)
