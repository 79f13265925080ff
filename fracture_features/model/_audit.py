"""What the tree of a model file may say, node by node: whatever is not described here is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ..exceptions import ModelFileError
from ._npy import check_npy
from ._trees import check_tree
from ._types import (
    DICTS,
    DTYPE,
    FUNCTIONS,
    KERNELS,
    KEYS,
    OBJECTS,
    PARTIAL,
    SCALARS,
    TREE,
    TUPLES,
)
from ._zip import SCHEMA

PROTOCOL = 2  # of skops' format
DEEPEST = 100  # nodes within one another: skops walks them by recursion
COMMON = {"__class__", "__module__", "__loader__"}
# By the node's kind: the types it may be of, and its further keys.
KINDS: dict[str, tuple[frozenset[str], set[str]]] = {
    "DictNode": (DICTS, {"content", "key_types"}),
    "DTypeNode": (frozenset({DTYPE}), {"content"}),
    "FunctionNode": (FUNCTIONS, set()),
    "JsonNode": (frozenset({"builtins.str"}), {"content", "is_json"}),
    "ListNode": (frozenset({"builtins.list"}), {"content"}),
    "NdArrayNode": (SCALARS | {"numpy.ndarray"}, {"content", "type", "shape", "file"}),
    "ObjectNode": (OBJECTS, {"content"}),
    "PartialNode": (frozenset({PARTIAL}), {"content"}),
    "SetNode": (frozenset({"builtins.set"}), {"content"}),
    "TreeNode": (frozenset({TREE}), {"content", "__reduce__"}),
    "TupleNode": (TUPLES, {"content"}),
    "TypeNode": (KEYS | SCALARS | {"builtins.bool"}, set()),
}
Node = dict[str, Any]


def audit(schema: Any, arrays: Mapping[str, bytes]) -> set[str]:
    """Refuse a tree that says anything but what `to_parts` writes of the types in `_types`.

    Parameters
    ----------
    schema : object
        Parsed JSON.
    arrays : mapping of str to bytes
        The .npy files beside it, by name.

    Returns
    -------
    types : set of str
        Full names of types and functions in it.

    Raises
    ------
    ModelFileError
        Naming every type that is not on the lists; or the first other thing that is not as it should be.
    """
    if not isinstance(schema, dict) or type(schema.get("protocol")) is not int or schema["protocol"] != PROTOCOL:
        found = schema.get("protocol") if isinstance(schema, dict) else schema
        raise ModelFileError(f"its {SCHEMA} has the protocol {found!r:.80} of skops; expected {PROTOCOL}")
    root = {key: value for key, value in schema.items() if key not in ("protocol", "_skops_version")}
    foreign: set[str] = set()
    used: set[str] = set()
    names: set[str] = set()
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        _require(depth <= DEEPEST, f"nodes are nested more than {DEEPEST} deep")
        name = _check_kind(node, foreign)
        if not name:
            # What stands below a type that is refused may be of any kind; types are looked for all the same.
            waiting += [(child, depth + 1) for child in _below(node)]
            continue
        names.add(name)
        _check_file(node, arrays, used)
        waiting += [(child, depth + 1) for child in _children(node, name, arrays)]
    if foreign:
        raise ModelFileError(
            f"it holds {sorted(foreign)}, which no model file may; expected estimators of this library and those of "
            "scikit-learn in fracture_features.model.TRUSTED_TYPES"
        )
    if unused := set(arrays) - used:
        raise ModelFileError(f"it has arrays that its {SCHEMA} does not name: {sorted(unused)[:5]}")
    return names


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ModelFileError(f"its {SCHEMA} is not as this library writes it: {what}")


def _check_kind(node: Any, foreign: set[str]) -> str:
    """The full name of a node's type; empty, and the name in `foreign`, where the file may not hold it."""
    _require(isinstance(node, dict) and all(isinstance(node.get(key), str) for key in COMMON), "a node has no type")
    name, loader = f"{node['__module__']}.{node['__class__']}", node["__loader__"]
    if loader not in KINDS or name not in KINDS[loader][0]:
        foreign.add(name if loader in ("ObjectNode", *KINDS) else f"{name} ({loader})")
        return ""
    extra = set(node) - COMMON - KINDS[loader][1]
    _require(not extra, f"a node of {name} has {sorted(extra)}")
    return name


def _below(node: Node) -> list[Node]:
    """Nodes anywhere in the values of one that is refused, down to the next ones."""
    found, waiting = [], [value for key, value in node.items() if key not in COMMON]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and set(value) >= COMMON:
            found.append(value)
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
    return found


def _check_file(node: Node, arrays: Mapping[str, bytes], used: set[str]) -> None:
    if "file" in node:
        file = node["file"]
        _require(isinstance(file, str) and file in arrays, f"there is no array {file!r}")
        check_npy(arrays[file], file)
        used.add(file)


def _children(node: Node, name: str, arrays: Mapping[str, bytes]) -> list[Node]:
    """Nodes of which a node is made, the rest of it checked."""
    content: Any = node.get("content")
    match node["__loader__"]:
        case "JsonNode":
            _check_scalar(node)
            return []
        case "FunctionNode" | "TypeNode":
            return []
        case "DictNode":
            return _dict(node)
        case "ListNode" | "SetNode" | "TupleNode":
            _require(isinstance(content, list), f"the content of {name} is no list")
            return list(content)
        case "NdArrayNode":
            return _array(node, name)
        case "PartialNode":
            return _partial(content)
        case "TreeNode":
            return check_tree(node, arrays)
    # An object's attributes, or of a dtype an array: one node.
    if node["__loader__"] == "ObjectNode" and content is None and "content" not in node:
        return []
    wanted = {"DTypeNode": "NdArrayNode"}.get(node["__loader__"], "DictNode")
    _require(isinstance(content, dict) and content.get("__loader__") == wanted, f"the content of {name} is no {wanted}")
    return [content]


def _check_scalar(node: Node) -> None:
    """A number, a text, true, false or null."""
    text = node["content"] if isinstance(node.get("content"), str) else ""
    _require(not text.lstrip().startswith(("[", "{")), "a value is no number and no text")
    try:
        json.loads(text)
    except ValueError as error:
        raise ModelFileError(f"its {SCHEMA} has a value that is no JSON: {error}") from error


def _dict(node: Node) -> list[Node]:
    content: Any = node.get("content")
    types: Any = node.get("key_types")
    _require(isinstance(content, dict), "the content of a dict is none")
    _require(isinstance(types, dict) and types.get("__loader__") == "ListNode", "the keys of a dict have no types")
    listed: Any = types.get("content")
    _require(isinstance(listed, list) and len(listed) == len(content), "a dict has more or fewer types than keys")
    for key in listed:
        is_type = isinstance(key, dict) and set(key) == COMMON and key["__loader__"] == "TypeNode"
        _require(is_type and f"{key['__module__']}.{key['__class__']}" in KEYS, "a key of a dict is of another type")
    return [types, *content.values()]


def _array(node: Node, name: str) -> list[Node]:
    if node.get("type") == "numpy":
        _require(set(node) == COMMON | {"type", "file"}, "an array has no file")
        return []
    items: Any = node.get("content")
    shape: Any = node.get("shape")
    _require(node.get("type") == "json" and name == "numpy.ndarray" and isinstance(items, list), "an array has no type")
    _require(set(node) == COMMON | {"type", "content", "shape"}, "an array of objects has no shape")
    _require(isinstance(shape, dict) and shape.get("__loader__") == "TupleNode", "an array of objects has no shape")
    sides: list[Any] = [json_value(side) for side in shape.get("content") or []]
    _require(all(type(side) is int and side >= 0 for side in sides), "an array of objects has no shape")
    _require(len(sides) > 0 and len(items) == sides[0] and math.prod(sides) < 1 << 24, "an array has another shape")
    return [shape, *items]


def _partial(content: Any) -> list[Node]:
    """A kernel with some of its keywords."""
    parts = {"func", "args", "kwds", "namespace"}
    _require(isinstance(content, dict) and set(content) == parts, "a partial has no function")
    func, args, kwds, namespace = (content[part] for part in ("func", "args", "kwds", "namespace"))
    _require(all(isinstance(part, dict) for part in content.values()), "a partial has no function")
    name = f"{func.get('__module__')}.{func.get('__class__')}"
    if func.get("__loader__") != "FunctionNode" or name not in KERNELS:
        raise ModelFileError(f"it holds a partial of {name!r}; expected one of {sorted(KERNELS)}")
    _require(args.get("__loader__") == "TupleNode" and args.get("content") == [], "a partial has positional arguments")
    _require(
        kwds.get("__loader__") == "DictNode" and isinstance(kwds.get("content"), dict), "a partial has no keywords"
    )
    scalar = all(isinstance(v, dict) and v.get("__loader__") == "JsonNode" for v in kwds["content"].values())
    _require(scalar, "a keyword of a partial is no number and no text")
    _require(
        namespace.get("__loader__") == "JsonNode" and namespace.get("content") == "null", "a partial has attributes"
    )
    return [func, args, kwds, namespace]


def json_value(node: Any) -> Any:
    """Return what a JsonNode holds; None for anything else."""
    if not isinstance(node, dict) or node.get("__loader__") != "JsonNode" or not isinstance(node.get("content"), str):
        return None
    try:
        return json.loads(node["content"])
    except (ValueError, RecursionError):
        return None
