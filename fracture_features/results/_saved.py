"""A result as one file of arrays and JSON, without pickles."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._text import any_text
from .._write import whole_file
from ..audit import AuditReport, Finding
from ..datasets import FractureDataset
from ..exceptions import ResultFileError
from ._fold import FoldResult

if TYPE_CHECKING:
    from ._predictions import Predictions

NAME = "result.npz"
FORMAT = 1
ARRAYS = ("train", "test", "y_pred", "scores", "probabilities", "train_scores", "found")
PLAIN = tuple(field.name for field in fields(FoldResult) if field.name not in (*ARRAYS, "kept"))
# What an inventory always has; what an audit described beside it is not needed again.
FILES = ("size", "mtime", "sha256", "format", "height", "width", "reason")
Result = TypeVar("Result", bound="Predictions")
BROKEN = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, zipfile.BadZipFile)


def save_result(result: Predictions, folder: str | os.PathLike[str]) -> None:
    """`EvaluationResult.save`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {}
    told = {"format": FORMAT, "result": _pack(result, "", arrays), "audit": _pack_audit(result.audit)}
    if result.external is not None:
        told["external"] = _pack(result.external, "external-", arrays)
    arrays["json"] = np.frombuffer(json.dumps(told, default=_plain).encode(), dtype=np.uint8)
    with whole_file(folder / NAME) as part, part.open("wb") as file:
        np.savez_compressed(file, **cast("dict[str, Any]", arrays))


def _plain(value: Any) -> Any:
    """A number of NumPy as Python's, anything else, such as a time, as text."""
    return value.item() if isinstance(value, np.generic) else str(value)


@any_text
def load_result(kind: type[Result], folder: str | os.PathLike[str]) -> Result:
    """`EvaluationResult.load`."""
    path = Path(folder) / NAME
    if not path.is_file():
        raise ResultFileError(f"{str(folder)!r} holds no {NAME}; expected a folder of compare --out or result.save")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            told = json.loads(arrays["json"].tobytes())
            if told["format"] != FORMAT:
                raise ResultFileError(f"{path} is of format {told['format']!r}; this version reads format {FORMAT}")
            outside = _unpack(kind, told["external"], "external-", arrays) if "external" in told else None
            return _unpack(kind, told["result"], "", arrays, external=outside, audit=_unpack_audit(told["audit"]))
    except ResultFileError:
        raise
    except BROKEN as error:
        raise ResultFileError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def _pack(result: Predictions, prefix: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Plain values of a result; its arrays are put among `arrays`."""
    for k, fold in enumerate(result.fold_results):
        there = {name: getattr(fold, name) for name in ARRAYS}
        arrays |= {f"{prefix}{k}-{name}": array for name, array in there.items() if array is not None}
    return {
        "data": _pack_data(result.data),
        "folds": [{name: getattr(fold, name) for name in PLAIN} for fold in result.fold_results],
        "excluded": _pack_frame(result.excluded),
        "failures": _pack_frame(result.failures),
        "random_state": result.random_state,
    }


def _unpack(kind: type[Result], told: Any, prefix: str, arrays: Mapping[str, Any], **others: Any) -> Result:
    data = _unpack_data(told["data"])
    folds = []
    for k, plain in enumerate(told["folds"]):
        there = {name: arrays[f"{prefix}{k}-{name}"] for name in ARRAYS if f"{prefix}{k}-{name}" in arrays}
        folds.append(FoldResult(**plain, **there))
        _check(folds[-1], data)
    excluded, failures = (_unpack_frame(told[name]) for name in ("excluded", "failures"))
    return kind(data, folds, excluded, told["random_state"], failures=failures, **others)


def _check(fold: FoldResult, data: FractureDataset) -> None:
    """Raise ValueError where a fold is none of these data."""
    n, n_classes = len(fold.test), len(data.target_names)
    rows_exist = not n or (fold.test.min() >= 0 and fold.test.max() < len(data))
    if not rows_exist or len(fold.y_pred) != n or fold.scores.shape != (n, n_classes):
        raise ValueError(f"the predictions of {fold.model!r}, fold {fold.fold}, are not of these images")
    if fold.found is not None and (fold.found.shape[1:] != (8,) or not np.isin(fold.found[:, 0], range(n)).all()):
        raise ValueError(f"the boxes of {fold.model!r}, fold {fold.fold}, are not of these images")


def _pack_data(data: FractureDataset) -> dict[str, Any]:
    boxes = None if data.boxes is None else [None if each is None else each.tolist() for each in data.boxes]
    return {
        "paths": data.paths.tolist(),
        "y": data.y.tolist(),
        "target_names": list(data.target_names),
        "groups": None if data.groups is None else data.groups.tolist(),
        "frame": _pack_frame(data.frame),
        "metadata_columns": list(data.metadata_columns),
        "ignored": dict(data.ignored),
        "left_out": _pack_frame(data.left_out),
        "boxes": boxes,
        "box_labels": None if data.box_labels is None else [each and list(each) for each in data.box_labels],
        "files": _pack_frame(data.files[[name for name in data.files if name in FILES]]),
    }


def _unpack_data(told: dict[str, Any]) -> FractureDataset:
    groups, boxes, labels = told["groups"], told["boxes"], told["box_labels"]
    data = FractureDataset(
        paths=np.array(told["paths"]),
        y=np.array(told["y"], dtype=np.int64),
        target_names=told["target_names"],
        groups=None if groups is None else np.array(groups, dtype=np.int64),
        frame=_unpack_frame(told["frame"]),
        metadata_columns=tuple(told["metadata_columns"]),
        ignored=told["ignored"],
        left_out=_unpack_frame(told["left_out"]),
        boxes=None if boxes is None else _objects([each and np.array(each).reshape(-1, 4) for each in boxes]),
        box_labels=None if labels is None else _objects([each and tuple(each) for each in labels]),
    )
    return data.with_files(_unpack_frame(told["files"]))


def _objects(values: list[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _pack_frame(frame: pd.DataFrame) -> dict[str, Any]:
    """Columns with their types; what is missing is None, a time is text."""
    columns = {}
    for name in frame:
        values = frame[name].astype(object).where(frame[name].notna(), None).tolist()
        columns[str(name)] = {"dtype": str(frame[name].dtype), "values": values}
    return {"n": len(frame), "columns": columns}


def _unpack_frame(told: dict[str, Any]) -> pd.DataFrame:
    columns = {name: _series(column["values"], column["dtype"]) for name, column in told["columns"].items()}
    return pd.DataFrame(columns, index=pd.RangeIndex(told["n"]))


def _series(values: list[Any], dtype: str) -> pd.Series[Any]:
    if dtype.startswith("datetime64"):
        times: Any = pd.Series(pd.to_datetime(values, utc=True, format="ISO8601"))
        return cast("pd.Series[Any]", times.astype(dtype))
    return pd.Series(values, dtype=dtype)


def _pack_audit(audit: AuditReport | None) -> dict[str, Any] | None:
    if audit is None:
        return None
    return {
        "data": _pack_data(audit.data),
        "findings": [asdict(finding) for finding in audit.findings],
        "pairs": _pack_frame(audit.pairs),
        "groups": audit.groups.tolist(),
    }


def _unpack_audit(told: dict[str, Any] | None) -> AuditReport | None:
    if told is None:
        return None
    findings = [Finding(**{**each, **_tuples(each)}) for each in told["findings"]]
    groups = np.array(told["groups"], dtype=np.int64)
    return AuditReport(_unpack_data(told["data"]), findings, _unpack_frame(told["pairs"]), groups)


def _tuples(told: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(told[name]) for name in ("examples", "rows")}
