"""Estimators as the parts of a file of skops: a JSON tree that names their types, and arrays.

skops reads such a tree into objects, of the types that it is told to trust and of many that it trusts by itself. Before
it may, `audit` walks the tree and refuses all that a file of ours does not hold: other types, methods, operators,
constructors that are called, references between nodes.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from ..exceptions import ModelFileError
from ._audit import audit
from ._types import TRUSTED_TYPES
from ._zip import SCHEMA


def to_parts(estimator: Any) -> dict[str, bytes]:
    """The members that hold an estimator.

    Parameters
    ----------
    estimator : estimator
        Prepared by `_pack.pack`.

    Raises
    ------
    ModelFileError
        If it holds what a model file may not.
    """
    skops_io = import_module("skops.io")  # which imports all of scikit-learn
    try:
        data = skops_io.dumps(estimator)
    # What skops cannot take apart raises whatever its own methods of pickling raise.
    except Exception as error:
        raise ModelFileError(f"a part of the model cannot be saved: {error}") from error
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read("schema.json"))
        names: dict[str, str] = {}
        for node in _nodes(schema):
            _make_plain(node, names)
        parts = {new: archive.read(old) for old, new in names.items()}
    audit(schema, parts)
    # Else the same model would give another file: skops numbers its nodes by their places in memory.
    return parts | {SCHEMA: json.dumps(schema, separators=(",", ":")).encode()}


def from_parts(parts: Mapping[str, bytes]) -> Any:
    """The estimator that `to_parts` has been given.

    Raises
    ------
    ModelFileError
        If the parts are no such tree and arrays.
    """
    schema = parse_json(parts[SCHEMA], SCHEMA)
    arrays = {name: data for name, data in parts.items() if name != SCHEMA}
    found = audit(schema, arrays)
    skops_io = import_module("skops.io")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, array in arrays.items():
            archive.writestr(name, array)
    with warnings.catch_warnings():
        # Of each estimator; `ModelFileWarning` says it once.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        try:
            return skops_io.load(buffer, trusted=[name for name in TRUSTED_TYPES if name in found])
        # Numbers and text are checked by the types that take them, each with errors of its own.
        except Exception as error:
            raise ModelFileError(f"its {SCHEMA} does not describe a model: {error}") from error


def parse_json(data: bytes, name: str) -> Any:
    """JSON in which no object has a key twice.

    Raises
    ------
    ModelFileError
        If it is none, or is nested too deeply.
    """
    try:
        return json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"its {name} is no JSON of a model file: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every node of a tree that skops has written."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _make_plain(node: dict[str, Any], names: dict[str, str]) -> None:
    """Number files in their order, and leave out what tells nodes of one object: each becomes one of its own."""
    node.pop("__id__", None)
    if "file" in node:
        node["file"] = names.setdefault(node["file"], f"skops/{len(names)}.npy")
    # A function of scipy's is found in a private module, which moves from version to version.
    if node["__loader__"] == "FunctionNode" and node["__module__"].startswith("scipy.special."):
        node["__module__"] = "scipy.special"
