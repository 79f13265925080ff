"""A store of features as it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import gen_batches

from .._optional import require
from ..cache import open_cache, unpack_cache
from ..exceptions import CacheError, ImageReadError, StoreError
from ..images import ImageFile

ABOUT = "store.json"
FORMAT = 1
TYPES = {"path": "object", "row": "int64", "size": "Int64", "mtime_ns": "Int64", "sha256": "object", "reason": "object"}


class FeatureStore:
    """Features that `extract_features` or `fracture-features extract` has written to a folder.

    Parameters
    ----------
    folder : str or path-like
        The store.
    root : str or path-like, default=None
        The images' folder, where it has another name here than on the machine that wrote the store.

    Attributes
    ----------
    folder, root : Path
    feature_names : list of str
        As `get_feature_names_out` of the pipeline gives them, `hog__…` first where HOG was named first.
    n_shards : int

    Raises
    ------
    StoreError
        If the folder holds no store, or a newer one.

    See Also
    --------
    extract_features : Write one.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.store import extract_features
    >>> folder = make_radiographs(6, folder=tempfile.mkdtemp(), random_state=0)
    >>> store = extract_features(folder, ["edges"], tempfile.mkdtemp())
    >>> data = load_folder(folder)
    >>> store.rows(data.paths).shape == (6, len(store.feature_names))
    True
    """

    def __init__(self, folder: str | os.PathLike[str], root: str | os.PathLike[str] | None = None):
        self.folder = Path(folder)
        self.about = read_about(self.folder)
        self.root = Path(self.about["root"] if root is None else root).absolute()
        self.feature_names: list[str] = self.about["feature_names"]
        self.n_shards = -(-self.about["images"] // self.about["shard_size"])

    def __len__(self) -> int:
        """Number of images with features."""
        return int((self.index["row"] >= 0).sum())

    def __repr__(self) -> str:
        missing = f", {len(self.missing)} of {self.n_shards} shards missing" if self.missing else ""
        return f"<FeatureStore: {len(self)} images x {len(self.feature_names)} features{missing}>"

    @property
    def missing(self) -> list[int]:
        """Numbers of the shards that are not there yet."""
        return [k for k in range(self.n_shards) if not is_there(self.folder, k)]

    @cached_property
    def index(self) -> pd.DataFrame:
        """A row for each image of the shards that were there when it was first asked for.

        Columns path (below `root`), shard, row (in its shard, -1 where the file cannot be read), size (bytes),
        mtime_ns, sha256 and reason (why it cannot be read).
        """
        tables = []
        for k in sorted(set(range(self.n_shards)) - set(self.missing)):
            path = shard_path(self.folder, k, "csv")
            table = pd.read_csv(
                path, dtype=TYPES, keep_default_na=False, na_values=[""], encoding_errors="surrogateescape"
            )
            tables.append(table.assign(shard=k))
        columns = [*TYPES, "shard"]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns).astype({"row": int})

    def rows(self, paths: ArrayLike) -> NDArray[np.float32]:
        """Features (n, n_features) of files, in the order of `paths`.

        Parameters
        ----------
        paths : sequence of str
            Files, as a data set names them.

        Raises
        ------
        StoreError
            If one of them is not in the store, or could not be read when it was written.
        """
        return read_rows(self.folder, self._places(paths), len(self.feature_names))

    def batches(
        self, paths: ArrayLike, y: ArrayLike | None = None, *, size: int = 2048
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[Any] | None]]:
        """Features and labels of `size` files after the others, for models that learn from batches.

        Parameters
        ----------
        paths, y : array-like of shape (n,)
        size : int, default=2048
            Files of a batch; what is in memory at a time.
        """
        files = np.asarray(paths, dtype=object)
        labels = None if y is None else np.asarray(y)
        for some in gen_batches(len(files), size):
            yield self.rows(files[some]), None if labels is None else labels[some]

    def dask_array(self, paths: ArrayLike, *, size: int = 2048) -> Any:
        """Features of files as an array of Dask, whose workers read the rows from the store's folder themselves.

        Parameters
        ----------
        paths : array-like of shape (n,)
        size : int, default=2048
            Files of a block.

        Returns
        -------
        rows : dask.array.Array of shape (n, n_features), dtype float32
            In the order of `paths`; what `xgboost.dask` and dask-ml learn from.

        Raises
        ------
        StoreError
            As `rows` does.
        MissingDependencyError
            Where Dask is not installed.
        """
        dask, arrays = (require(name, extra="dask", needed_for="dask_array") for name in ("dask", "dask.array"))
        places, n_columns = self._places(paths), len(self.feature_names)
        read = dask.delayed(read_rows, pure=True)
        blocks = [places[rows] for rows in gen_batches(len(places), size)]
        shapes = [(len(block), n_columns) for block in blocks]
        delayed = [read(self.folder.absolute(), block, n_columns) for block in blocks]
        pairs = zip(delayed, shapes, strict=True)
        return arrays.concatenate([arrays.from_delayed(block, shape, np.float32) for block, shape in pairs])

    def shard(self, k: int) -> NDArray[np.float32]:
        """Features of shard number `k`, a read-only memory map."""
        return open_shard(self.folder, k)

    def warm_cache(self, cache: str | os.PathLike[str], paths: Sequence[str]) -> int:
        """Put what is known of files into a cache on a local disk, where pipelines and audits find it.

        Parameters
        ----------
        cache : str or path-like
            Folder of the cache.
        paths : sequence of str

        Returns
        -------
        n_found : int
            How many of the files are in the store with the size and the time that they have now.
        """
        wanted = set(map(os.path.abspath, paths))
        index = self.index[[str(self.root / path) in wanted for path in self.index["path"].tolist()]]
        for k in sorted(set(index["shard"].tolist())):
            try:
                unpack_cache(shard_path(self.folder, k, "values"), cache)
            except (CacheError, OSError) as error:
                raise StoreError(f"{error}; remove shard-{k:05d}.csv, and extract goes on there") from error
        known = []
        for path, size, time, sha256 in index[["path", "size", "mtime_ns", "sha256"]].to_numpy(dtype=object).tolist():
            file = ImageFile(self.root / path)
            with suppress(ImageReadError):
                status = file.status
                if (status.st_size, status.st_mtime_ns) == (size, time) and isinstance(sha256, str):
                    known.append((file.key, bytes.fromhex(sha256)))
        open_cache(cache).put(known)
        return len(known)

    @cached_property
    def _rows_by_path(self) -> dict[str, tuple[int, int]]:
        index = self.index
        paths = (str(self.root / path) for path in index["path"].tolist())
        return dict(zip(paths, zip(index["shard"].tolist(), index["row"].tolist(), strict=True), strict=True))

    def _places(self, paths: ArrayLike) -> NDArray[np.int64]:
        """Shard and row of each file, (n, 2)."""
        known = self._rows_by_path
        places = []
        for path in map(os.fspath, np.asarray(paths, dtype=object)):
            place = known.get(os.path.abspath(path))
            if place is None:
                raise StoreError(f"{str(self.folder)!r} has no features of {path!r}; it holds files of {self.root}")
            if place[1] < 0:
                raise StoreError(f"{str(self.folder)!r} has no features of {path!r}, which could not be read")
            places.append(place)
        return np.array(places, dtype=np.int64).reshape(-1, 2)


def read_about(folder: Path) -> dict[str, Any]:
    """What `store.json` says.

    Raises
    ------
    StoreError
        If there is none that this version can read.
    """
    try:
        about: Any = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        number = about["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{str(folder)!r} is no store of features: {error!r}; `extract` writes one") from error
    if number != FORMAT:
        raise StoreError(f"{str(folder)!r} is a store of form {number!r}; expected {FORMAT}: extract it again")
    return dict(about)


def open_shard(folder: Path, k: int) -> NDArray[np.float32]:
    """Features of a shard, a read-only memory map."""
    features: NDArray[np.float32] = np.load(shard_path(folder, k, "npy"), mmap_mode="r", allow_pickle=False)
    return features


def read_rows(folder: Path, places: NDArray[np.int64], n_columns: int) -> NDArray[np.float32]:
    """Features (n, n_columns) at places (n, 2) of shard and row."""
    found = np.empty((len(places), n_columns), dtype=np.float32)
    for k in np.unique(places[:, 0]):
        here = np.flatnonzero(places[:, 0] == k)
        found[here] = open_shard(folder, int(k))[places[here, 1]]
    return found


def shard_path(folder: Path, k: int, ending: str) -> Path:
    return folder / f"shard-{k:05d}.{ending}"


def is_there(folder: Path, k: int) -> bool:
    """Whether a shard is whole: its index is written last."""
    return shard_path(folder, k, "csv").exists()
