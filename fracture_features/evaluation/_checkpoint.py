"""Finished jobs on disk, found again by what they were made of."""

from __future__ import annotations

import functools
import json
import os
import platform
import warnings
import zipfile
from dataclasses import dataclass, field, fields
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from .._fingerprint import fingerprint
from .._write import remove_parts, whole_file
from ..cache import set_caches
from ..datasets import FractureDataset
from ..exceptions import CheckpointError, CheckpointWarning
from ..results import FoldResult

ARRAYS = ("y_pred", "scores", "probabilities", "train_scores", "found")
OF_JOB = ("model", "fold", "train", "test", "role", "kept")  # known without the file
PLAIN = tuple(field.name for field in fields(FoldResult) if field.name not in (*ARRAYS, *OF_JOB))


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A folder of fold results.

    Each is an .npz file of arrays and plain values, without pickles, named by a digest of the data (files, labels,
    groups, metadata), the model with all its parameters, the rows that train and test, the settings of `evaluate`, and
    the versions: what was made of anything else has another name. Fitted models, where they are kept, lie beside as
    pickles, which run code when they are read: use a folder of your own.

    Parameters
    ----------
    folder : Path
        Made where it is missing.

    See Also
    --------
    fracture_features.evaluate : Takes one, or its folder, as `checkpoint`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fracture_features.evaluation import Checkpoint
    >>> checkpoint = Checkpoint(Path(tempfile.mkdtemp()) / "checkpoint")
    """

    folder: Path
    _asked: set[str] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).absolute())  # whatever folder a process works in
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"checkpoint={str(self.folder)!r} cannot be made: {error.strerror}") from error

    def find(self, key: str, keep_model: bool) -> list[dict[str, Any]] | None:
        """Return the fields of the fold results under `key`; None without results, or without a model to be kept."""
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

    def keep(self, key: str, folds: list[FoldResult], pickled: bytes | None) -> Path | None:
        """Write the result of one job, and the one on external images; first the model, where it is kept."""
        path, model = self._paths(key)
        if pickled is not None:
            with whole_file(model) as part:
                part.write_bytes(pickled)
        content: dict[str, Any] = {}
        for prefix, fold in zip(("", "external_"), folds, strict=False):
            arrays = {name: getattr(fold, name) for name in ARRAYS}
            content |= {prefix + name: array for name, array in arrays.items() if array is not None}
            content[prefix + "plain"] = np.array(json.dumps({name: getattr(fold, name) for name in PLAIN}))
        with whole_file(path) as part, part.open("wb") as file:
            np.savez(file, **content)
        return model if pickled is not None else None

    def prune(self) -> None:
        """Remove unfinished files, and the results that `find` was not asked for since this object was made."""
        remove_parts(self.folder)
        for path in self.folder.iterdir():
            if path.suffix in (".npz", ".pickle") and path.stem not in self._asked:
                path.unlink(missing_ok=True)

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.npz", self.folder / f"{key}.pickle"


def _read(file: Any, prefix: str) -> dict[str, Any]:
    arrays = {name: file[prefix + name] for name in ARRAYS if prefix + name in file}
    return arrays | json.loads(str(file[prefix + "plain"]))


def describe_data(data: FractureDataset) -> list[Any]:
    """Return what of a data set a result depends on."""
    metadata = data.frame[list(data.metadata_columns)]
    boxes = None if data.boxes is None else [None if each is None else each.tolist() for each in data.boxes]
    return [data.paths, data.files["sha256"].to_numpy(), data.y, data.target_names, data.groups, metadata, boxes]


@functools.cache
def code_fingerprint() -> bytes:
    """Digest of the versions of Python and all installed packages, keras' backend and this library's source."""
    packages = sorted(f"{found.name} {found.version}" for found in distributions())
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    backend = os.environ.get("KERAS_BACKEND")
    return fingerprint(platform.python_version(), packages, backend, [path.read_bytes() for path in sources])


def describe_model(model: Any) -> bytes:
    """Digest of a model's class, parameters and code, and of the files its parameters name, such as weights.

    Caches and numbers of threads have no part in it, as they change no result.
    """
    model = set_caches(clone(model), None)
    parameters = model.get_params()
    model.set_params(**dict.fromkeys(name for name in parameters if name.rpartition("__")[2] == "n_jobs"))
    named = {name: value for name, value in parameters.items() if isinstance(value, str | os.PathLike)}
    files = {name: Path(path).read_bytes() for name, path in named.items() if os.path.isfile(path)}
    return fingerprint(model, files)
