"""Trees of XGBoost, which follows what their files say without a look at bounds."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import numpy as np

from .._threads import count_threads
from ..exceptions import ModelFileError
from ._trees import LEAF, check_children
from ._ubjson import read_ubjson

MOST = 1 << 20  # classes
OBJECTIVES = ("binary:hinge", "binary:logistic", "binary:logitraw", "multi:softmax", "multi:softprob")
# Of each node of a tree one number, by name its NumPy kind.
PER_NODE = {
    **dict.fromkeys(("base_weights", "loss_changes", "split_conditions", "sum_hessian"), "f"),
    **dict.fromkeys(("left_children", "parents", "right_children", "split_indices"), "i"),
    **dict.fromkeys(("default_left", "split_type"), "u"),
}


def make_booster(data: bytes, name: str, *, n_jobs: int | None) -> Any:
    """Trees from XGBoost's UBJSON.

    Parameters
    ----------
    data : bytes
    name : str
        Of the member of the file, for errors.
    n_jobs : int or None
        As in XGBClassifier.

    Returns
    -------
    booster : xgboost.Booster

    Raises
    ------
    ModelFileError
        If they are no trees on numbers, or would lead outside their arrays.
    """
    try:
        _check_learner(read_ubjson(data)["learner"])
    except ModelFileError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"its {name} is not as XGBoost writes it: {error}") from error
    xgboost = import_module("xgboost")
    try:
        return xgboost.Booster({"nthread": count_threads(n_jobs)}, model_file=bytearray(data))
    except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
        raise ModelFileError(f"XGBoost does not read its {name}: {str(error).splitlines()[0]}") from error


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ModelFileError(f"its trees of XGBoost {what}")


def _check_learner(learner: dict[str, Any]) -> None:
    sizes, booster = learner["learner_model_param"], learner["gradient_booster"]
    n_features, n_classes = int(sizes["num_feature"]), int(sizes["num_class"])
    _require(0 < n_features <= 1 << 31 and 0 <= n_classes <= MOST, "are for an unknown number of features or classes")
    _require(int(sizes["num_target"]) == 1, "have several targets")
    scores = np.atleast_1d(json.loads(sizes["base_score"]))
    _require(scores.dtype.kind in "if" and scores.shape == (max(n_classes, 1),), "begin with scores of other classes")
    objective = learner["objective"]
    _require(objective["name"] in OBJECTIVES, f"have the objective {objective['name']!r}; expected one of {OBJECTIVES}")
    softmax = objective.get("softmax_multiclass_param", {"num_class": n_classes})
    _require(int(softmax["num_class"]) == n_classes, "have an objective for other classes")
    _require(booster["name"] in ("gbtree", "dart"), f"are {booster['name']!r}; expected 'gbtree' or 'dart'")
    is_dart = booster["name"] == "dart"
    model = booster["gbtree"]["model"] if is_dart else booster["model"]
    _require(not is_dart or len(booster["weight_drop"]) == len(model["trees"]), "have weights of other trees")
    trees, groups, ends = model["trees"], model["tree_info"], np.asarray(model["iteration_indptr"])
    _require(
        int(model["gbtree_model_param"]["num_trees"]) == len(trees) == len(groups), "are more or fewer than they say"
    )
    _require(all(0 <= group < max(n_classes, 1) for group in groups), "are for unknown classes")
    is_rising = (
        ends.ndim == 1 and len(ends) > 0 and ends[0] == 0 and ends[-1] == len(trees) and (np.diff(ends) >= 0).all()
    )
    _require(bool(is_rising), "are of unknown rounds")
    _require(not any(len(part) for part in model.get("cats", {}).values()), "have categories")
    _require(0 < int(model["gbtree_model_param"]["num_parallel_tree"]) <= MOST, "are of unknown rounds")
    best = int(learner["attributes"].get("best_iteration", 0))
    _require(0 <= best < max(len(ends) - 1, 1), "have a best round that there is not")
    for number, tree in enumerate(trees):
        # XGBoost puts each in the place that it names, and leaves others empty.
        _require(tree["id"] == number, "are not in their order")
        _check_tree(tree, n_features)


def _check_tree(tree: dict[str, Any], n_features: int) -> None:
    sizes = tree["tree_param"]
    n_nodes = int(sizes["num_nodes"])
    _require(
        int(sizes["num_feature"]) == n_features and int(sizes["size_leaf_vector"]) <= 1, "have trees of other sizes"
    )
    arrays = {name: tree[name] for name in PER_NODE}
    is_typed = all(
        isinstance(arrays[name], np.ndarray) and arrays[name].dtype.kind == kind for name, kind in PER_NODE.items()
    )
    _require(is_typed, "have numbers of other types")
    _require(all(array.shape == (n_nodes,) for array in arrays.values()), "have more or fewer numbers than nodes")
    is_numeric = not any(len(tree[name]) for name in ("categories", "categories_nodes", "categories_segments"))
    _require(is_numeric and not arrays["split_type"].any(), "split by categories")
    left, right, parents = (arrays[name].astype(np.int64) for name in ("left_children", "right_children", "parents"))
    for children in (left, right):
        _require(bool(((children >= LEAF) & (children < n_nodes)).all()), "have a node whose child does not exist")
    _require(bool((parents >= LEAF).all() and (parents[1:] < n_nodes).all()), "have a node whose parent does not exist")
    check_children(left, right, arrays["split_indices"].astype(np.int64), n_features)
