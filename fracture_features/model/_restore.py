"""What was left out of a file is computed again, and numbers that C code takes on trust are checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble._forest import ForestClassifier
from sklearn.svm import SVC, NuSVC
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree

from .._validation import as_pair
from ..cache import Cached
from ..cnn import CNNClassifier, PretrainedExtractor
from ..exceptions import ModelFileError
from ..features import EdgeExtractor, FisherVectorExtractor, HOGExtractor
from ..features._base import BaseExtractor
from ..features._grid import GridExtractor
from ..images import ImageReader
from ..images._errors import MAX_PIXELS
from ..regions import RegionClassifier
from ._networks import check_classifier, check_network, check_regions
from ._types import XGBOOST

MOST_FEATURES = 2_000_000


def restore(estimator: Any, boosters: Mapping[str, bytes]) -> Any:
    """Make an estimator from a file whole, in place.

    Parameters
    ----------
    estimator : estimator
        As `from_parts` gives it.
    boosters : mapping of str to bytes
        XGBoost's trees by name.

    Returns
    -------
    estimator : estimator

    Raises
    ------
    ModelFileError
        If what it holds does not fit together.
    """
    _require(isinstance(estimator, BaseEstimator), f"it is a {type(estimator).__name__}, no estimator")
    used: set[str] = set()
    for part in _objects(estimator):
        try:
            _check_attributes(part)
            if f"{type(part).__module__}.{type(part).__qualname__}" in XGBOOST:
                used |= _restore_booster(part, boosters)
            for kind, check in CHECKS:
                if isinstance(part, kind):
                    check(part)
        except ModelFileError:
            raise
        # What is missing or of another type fails where it is used, in many ways.
        except Exception as error:
            raise ModelFileError(f"its {type(part).__name__} does not fit together: {error}") from error
    _require(used == set(boosters), f"it has trees of XGBoost that no estimator names: {sorted(set(boosters) - used)}")
    return estimator


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ModelFileError(what)


def _objects(estimator: Any) -> Iterator[Any]:
    """Every object with attributes in a model, parts before what holds them."""
    found, waiting = [], [estimator]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list | tuple | set):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
            waiting += value.ravel().tolist()
        elif hasattr(value, "__dict__") and type(value).__module__.startswith(("sklearn", "fracture_", "xgboost")):
            found.append(value)
            waiting += vars(value).values()
    yield from reversed(found)


def _check_attributes(part: Any) -> None:
    """No attribute of a file takes the place of a method, and none names a folder."""
    for name in vars(part):
        _require(
            not callable(getattr(type(part), name, None)),
            f"its {type(part).__name__} has a method of its own, {name!r}",
        )
    _require(vars(part).get("memory") is None, f"its {type(part).__name__} names a folder for its memory")
    if isinstance(part, Cached):
        _require(part.cache is None, f"its {type(part).__name__} names a folder for its cache")


def _check_shape(shape: Any) -> None:
    is_pair = isinstance(shape, tuple) and len(shape) == 2 and all(type(side) is int and side > 0 for side in shape)
    _require(is_pair and math.prod(shape) <= MAX_PIXELS, f"its images have the shape {shape!r}")


def _restore_extractor(part: BaseExtractor) -> None:
    """Compute names and boxes of the features, where it is fitted."""
    BaseEstimator._validate_params(part)
    if "image_shape_" not in vars(part):
        return
    _check_shape(part.image_shape_)
    if isinstance(part, FisherVectorExtractor):
        _check_fisher(part)
    if isinstance(part, EdgeExtractor):  # a filter of thousands of pixels would take minutes
        _require(part.sigma <= max(part.image_shape_), f"its EdgeExtractor smooths with sigma={part.sigma!r}")
    if isinstance(part, PretrainedExtractor):
        check_network(part)
    count = _count_features(part)
    _require(count <= MOST_FEATURES, f"its {type(part).__name__} gives {count:,} features, more than {MOST_FEATURES:,}")
    part._names, part._regions = part._layout()
    part._fitted_with = part._describe_parameters()


def _count_features(part: BaseExtractor) -> int:
    """Return how many names `_layout` would make, without making them."""
    if isinstance(part, HOGExtractor):
        cell, block = (
            as_pair(part.pixels_per_cell, name="pixels_per_cell"),
            as_pair(part.cells_per_block, name="cells_per_block"),
        )
        blocks = [side // c - b + 1 for side, c, b in zip(part.image_shape_, cell, block, strict=True)]
        return math.prod(max(n, 0) for n in blocks) * math.prod(block) * part.orientations
    if isinstance(part, GridExtractor):
        cells = math.prod(as_pair(part.grid, name="grid"))
        one = type(part)(**part.get_params() | {"grid": 1})
        one.image_shape_ = part.image_shape_
        return cells if cells > MOST_FEATURES else cells * len(one._layout()[0])
    if isinstance(part, PretrainedExtractor):
        return int(part._network.n_features)
    if isinstance(part, FisherVectorExtractor):
        return 2 * part.mixture_.means.size
    raise ModelFileError(f"it holds a {type(part).__name__}")


def _check_fisher(part: FisherVectorExtractor) -> None:
    """The codebook, whose arrays kernels index."""
    n, k = part.n_components, part.n_gaussians
    shapes = [(128,), (n, 128), (n,), (k,), (k, n + 2), (k, n + 2)]
    kinds = [np.float32, np.float32, np.bool_, np.float64, np.float64, np.float64]
    arrays = [*part.projection_, *part.mixture_]
    _require(
        all(isinstance(array, np.ndarray) for array in arrays)
        and [array.shape for array in arrays] == shapes
        and [array.dtype for array in arrays] == kinds,
        "its Fisher vectors have a codebook of another shape",
    )
    part._check_shape()


def _check_reader(part: ImageReader) -> None:
    BaseEstimator._validate_params(part)
    part.image_shape()


def _check_svc(part: SVC | NuSVC) -> None:
    """The arrays that libsvm reads to the ends that others of them say."""
    if "_n_support" not in vars(part):
        return
    n_classes, n_vectors = len(part._n_support), len(part.support_)
    pairs = n_classes * (n_classes - 1) // 2
    _require(part._sparse is False and "_impl" not in vars(part), "its SVC was fitted on sparse rows")
    is_whole = (
        n_classes >= 2
        and part._n_support.ndim == part.support_.ndim == 1
        and bool((part._n_support >= 0).all())
        and int(part._n_support.sum()) == n_vectors
        and part._dual_coef_.shape == (n_classes - 1, n_vectors)
        and part._intercept_.shape == (pairs,)
        and {part._probA.shape, part._probB.shape} <= {(0,), (pairs,)}
    )
    if callable(part.kernel) or part.kernel == "precomputed":
        n_fitted = part.shape_fit_[0]
        is_whole = is_whole and bool(((part.support_ >= 0) & (part.support_ < n_fitted)).all())
    else:
        is_whole = is_whole and part.support_vectors_.shape == (n_vectors, part.n_features_in_)
    _require(is_whole, "its SVC has support vectors and coefficients that do not fit together")


def _check_tree(part: BaseDecisionTree) -> None:
    if "tree_" in vars(part):
        _require(isinstance(part.tree_, Tree), f"its {type(part).__name__} has no tree")
        _require(part.tree_.n_features == part.n_features_in_, "its decision tree is for other features")


def _check_forest(part: Any) -> None:
    """Forests hand rows to their trees without a check."""
    if "estimators_" not in vars(part):  # not fitted: what a vote was made from stands beside what it fitted
        return
    trees = part.estimators_
    _require(all(isinstance(tree, BaseDecisionTree) for tree in trees), "its forest holds no trees")
    _require(
        {tree.n_features_in_ for tree in trees} <= {part.n_features_in_}, "a tree of its forest is for other features"
    )


def _restore_booster(part: Any, boosters: Mapping[str, bytes]) -> set[str]:
    """Make XGBoost's trees, and give the name that stood for them."""
    # XGBoost sets it for the whole process, and does not find back from one that there is not.
    _require(part.verbosity in (None, 0, 1, 2, 3), f"its XGBClassifier has verbosity={part.verbosity!r}")
    if "_Booster" not in vars(part):
        return set()
    name = part._Booster
    _require(isinstance(name, str) and name in boosters, f"it has no trees {name!r} of XGBoost")
    from ._boosters import make_booster

    part._Booster = make_booster(boosters[name], name, n_jobs=part.n_jobs)
    return {name}


CHECKS: tuple[tuple[Any, Callable[[Any], None]], ...] = (
    (BaseExtractor, _restore_extractor),
    (ImageReader, _check_reader),
    (CNNClassifier, check_classifier),
    (RegionClassifier, check_regions),
    ((SVC, NuSVC), _check_svc),
    (BaseDecisionTree, _check_tree),
    (ForestClassifier, _check_forest),
)
