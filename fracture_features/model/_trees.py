"""Decision trees, whose nodes scikit-learn and XGBoost follow in C without a look at their bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ModelFileError
from ._npy import from_npy

LEAF = -1


def check_children(left: NDArray[Any], right: NDArray[Any], feature: NDArray[Any], n_features: int) -> int:
    """Check that nodes form a tree whose splits are by features that there are.

    Parameters
    ----------
    left, right : ndarray of shape (n_nodes,), dtype int64
        Children of each node by number, or both -1.
    feature : ndarray of shape (n_nodes,), dtype int64
        By which a node splits; of a leaf it has no meaning.
    n_features : int

    Returns
    -------
    depth : int
        Of the deepest leaf; 0 where the root is one.

    Raises
    ------
    ModelFileError
        If a child or a feature does not exist, a leaf has one child, or two nodes share one.
    """
    n_nodes, depth = len(left), 0
    level, seen = np.zeros(1, dtype=np.int64), np.zeros(n_nodes, dtype=bool)
    _require(n_nodes > 0, "has no nodes")
    while True:
        seen[level] = True
        inner = level[(left[level] != LEAF) | (right[level] != LEAF)]
        if not len(inner):
            return depth
        level = np.concatenate([left[inner], right[inner]])
        _require(bool(((level >= 0) & (level < n_nodes)).all()), "has a node whose child does not exist")
        _require(not seen[level].any() and len(np.unique(level)) == len(level), "has a node with two parents")
        _require(bool(((feature[inner] >= 0) & (feature[inner] < n_features)).all()), "splits by an unknown feature")
        depth += 1


def check_tree(node: dict[str, Any], arrays: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Check a tree of scikit-learn before it is made, and give the nodes of the file that describe it.

    Parameters
    ----------
    node : dict
        Its node in the file.
    arrays : mapping of str to bytes
        .npy files by name.

    Raises
    ------
    ModelFileError
        If it would read or write outside its arrays, or go round in circles.
    """
    try:
        arguments, state = node["__reduce__"]["args"], node["content"]
        n_features, classes, n_outputs = (_value(part, arrays) for part in arguments["content"])
        attributes = {name: _value(part, arrays) for name, part in state["content"].items()}
        depth, count = attributes.pop("max_depth"), attributes.pop("node_count")
        nodes, values = attributes.pop("nodes"), attributes.pop("values")
        is_plain = arguments["__loader__"] == "TupleNode" and state["__loader__"] == "DictNode" and not attributes
        left, right, feature = (nodes[name].astype(np.int64) for name in ("left_child", "right_child", "feature"))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelFileError(f"its decision tree is not as scikit-learn writes it: {error}") from error
    _require(is_plain, "is not as scikit-learn writes it")
    _require(all(type(number) is int for number in (n_features, n_outputs, depth, count)), "has no sizes")
    _require(isinstance(classes, np.ndarray) and classes.dtype == np.int64 and classes.ndim == 1, "has no classes")
    _require(0 < n_features < 1 << 31 and 0 < n_outputs == len(classes), "has another number of outputs")
    _require(bool(((classes >= 1) & (classes < 1 << 20)).all()), "has no classes")
    _require(
        nodes.shape == (count,) and values.shape == (count, n_outputs, classes.max()), "has arrays of other shapes"
    )
    _require(depth >= check_children(left, right, feature, n_features), "is deeper than it says")
    return [arguments, state]


def _value(part: dict[str, Any], arrays: Mapping[str, bytes]) -> Any:
    """A number or an array."""
    if part["__loader__"] == "NdArrayNode":
        return from_npy(arrays[part["file"]], part["file"])
    if part["__loader__"] != "JsonNode":
        raise ValueError("it is made of other parts")
    return json.loads(part["content"])


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ModelFileError(f"a decision tree in it {what}")
