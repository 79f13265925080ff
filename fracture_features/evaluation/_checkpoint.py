"""Finished jobs on disk, found again by what they were made of."""

from __future__ import annotations

import functools
import json
import platform
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from .._fingerprint import fingerprint
from .._versions import find_versions
from .._write import remove_parts, whole_file
from ..datasets import FractureDataset
from ..exceptions import CheckpointError, CheckpointWarning
from ..results import FoldResult

ARRAYS = ("y_pred", "scores", "probabilities", "train_scores")
PLAIN = ("threshold", "params", "grid", "fit_seconds", "predict_ms")


@dataclass(frozen=True)
class Checkpoint:
    """A folder of fold results.

    Each is an .npz file of arrays and plain values, without pickles, named by a digest of the data (files, labels,
    groups, metadata), the model with all its parameters, the rows that train and test, the settings of `evaluate`, and
    the versions: what was made of anything else has another name. Fitted models, where they are kept, lie beside as
    pickles (`joblib`), which run code when they are read: use a folder of your own.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    """

    folder: Path
    _asked: set[str] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"checkpoint={str(self.folder)!r} cannot be made: {error.strerror}") from error

    def find(self, key: str, keep_model: bool) -> list[dict[str, Any]] | None:
        """The fold results under `key`, as fields, None where there are none (or no model, where it is to be kept)."""
        self._asked.add(key)
        path, model = self._paths(key)
        if not path.exists() or (keep_model and not model.exists()):
            return None
        try:
            # Opened here: NumPy leaves a damaged file open.
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                parts = [_read(file, prefix) for prefix in ("", "external_") if f"{prefix}scores" in file]
            parts[0]["kept"] = model if keep_model else None
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
            warnings.warn(f"{path} is damaged ({error}): the job is run again.", CheckpointWarning, stacklevel=2)
            return None
        return parts

    def keep(self, key: str, folds: list[FoldResult], estimator: Any) -> Path | None:
        """Write one job's result, and that on external images where there is one; the model first, where it is kept."""
        path, model = self._paths(key)
        if estimator is not None:
            with whole_file(model) as part:
                joblib.dump(estimator, part)
        content: dict[str, Any] = {}
        for prefix, fold in zip(("", "external_"), folds, strict=False):
            arrays = {name: getattr(fold, name) for name in ARRAYS}
            content |= {prefix + name: array for name, array in arrays.items() if array is not None}
            content[prefix + "plain"] = np.array(json.dumps({name: getattr(fold, name) for name in PLAIN}))
        with whole_file(path) as part, part.open("wb") as file:
            np.savez(file, **content)
        return model if estimator is not None else None

    def prune(self) -> None:
        """Remove unfinished files, and the results that `find` was not asked for since this object was made."""
        remove_parts(self.folder)
        for path in self.folder.iterdir():
            if path.suffix in (".npz", ".joblib") and path.stem not in self._asked:
                path.unlink(missing_ok=True)

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.npz", self.folder / f"{key}.joblib"


def _read(file: Any, prefix: str) -> dict[str, Any]:
    arrays = {name: file[prefix + name] for name in ARRAYS if prefix + name in file}
    return arrays | json.loads(str(file[prefix + "plain"]))


def describe_data(data: FractureDataset) -> list[Any]:
    """What of a data set a result depends on."""
    metadata = data.frame[list(data.metadata_columns)]
    return [data.paths, data.files["sha256"].to_numpy(), data.y, data.target_names, data.groups, metadata]


@functools.cache
def code_fingerprint() -> bytes:
    """Digest of Python's version, the packages' and this library's own source."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    return fingerprint(platform.python_version(), find_versions(), [path.read_bytes() for path in sources])
