"""Write a store of features, shard by shard."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .. import _versions
from .._locks import temporary_folder
from .._optional import check_extra, require
from .._write import whole_file
from ..audit import DESCRIPTIONS
from ..cache import close_cache, digest, pack_cache, set_caches
from ..datasets import find_images, take_inventory
from ..datasets._files import existing_folder
from ..exceptions import NoReadableImagesError, StoreError
from ..features._base import BaseExtractor
from ..pipeline import FEATURES, make_pipeline
from ._store import ABOUT, FORMAT, TYPES, FeatureStore, is_there, read_about, shard_path

SHARD = 1024  # images


@dataclass(frozen=True, eq=False)  # joblib hashes what Dask is to run
class _Shard:
    """One shard to be made, by this process or another.

    Parameters
    ----------
    number : int
    root, out : Path
    names : list of str
        Paths of its images below `root`.
    pipeline : Pipeline
        Reader and fitted features.
    n_threads : int or None
    """

    number: int
    root: Path
    out: Path
    names: list[str]
    pipeline: Pipeline
    n_threads: int | None

    def __call__(self) -> int:
        if is_there(self.out, self.number):  # a worker that made it was lost before it could say so
            return len(self.names)
        paths = [str(self.root / name) for name in self.names]
        with _cache_folder() as folder:
            pipeline = set_caches(copy.deepcopy(self.pipeline), folder).set_params(images__n_jobs=self.n_threads)
            files = take_inventory(
                paths, [pipeline[0]], descriptions=DESCRIPTIONS, cache=folder, n_jobs=self.n_threads or 1
            )
            readable = files["reason"].isna().to_numpy()
            rows = np.empty((0, len(pipeline[:].get_feature_names_out())), dtype=np.float32)
            if readable.any():
                rows = pipeline.transform(np.array(paths)[readable])
            pack_cache(folder, self._path("values"))
        with whole_file(self._path("npy")) as part, part.open("wb") as file:
            np.save(file, rows, allow_pickle=False)
        index = pd.DataFrame({"path": self.names, "row": np.where(readable, readable.cumsum() - 1, -1)})
        index["mtime_ns"] = [None if pd.isna(time) else str(time.value) for time in files["mtime"]]
        index = index.assign(**{name: files[name] for name in ("size", "sha256", "reason")})
        with whole_file(self._path("csv")) as part:
            index[list(TYPES)].to_csv(part, index=False, errors="surrogateescape")
        return len(paths)

    def _path(self, ending: str) -> Path:
        return shard_path(self.out, self.number, ending)


@contextmanager
def _cache_folder() -> Iterator[str]:
    with temporary_folder() as folder:
        try:
            yield folder
        finally:
            close_cache(folder)


def extract_features(
    root: str | os.PathLike[str],
    features: Sequence[str],
    out: str | os.PathLike[str],
    *,
    image_size: int | None = None,
    shard: tuple[int, int] = (1, 1),
    shard_size: int = SHARD,
    n_jobs: int | None = None,
    on_plan: Callable[[int], None] | None = None,
    on_shard: Callable[[int], None] | None = None,
) -> FeatureStore:
    """Extract features of all images below a folder into a store, or continue a run that was stopped.

    Each file is read once, as `compare`, `train` and `audit` will want it, so that they open none. Shards go through
    joblib: under `joblib.parallel_config` its backends loky, threading and dask share them out.

    Parameters
    ----------
    root : str or path-like
        Folder of images.
    features : sequence of str
        Names of features as in `make_pipeline`; not "fisher", which learns from the images of a training part.
    out : str or path-like
        Folder of the store, made where it is missing; several machines may share it.
    image_size : int, default=None
        Height and width in pixels; None means what the features want.
    shard : (int, int), default=(1, 1)
        (2, 8) makes the second eighth of the shards alone, for one of 8 machines.
    shard_size : int, default=1024
        Images of a shard.
    n_jobs : int, default=None
        Threads, where one shard is made after the other.
    on_plan, on_shard : callable, default=None
        Called with the number of images that are left to do, and after each shard with its own.

    Returns
    -------
    store : FeatureStore

    Raises
    ------
    ValueError
        If a name is unknown, or is of features that are fitted.
    NoReadableImagesError
        If there is no image.
    StoreError
        If `out` holds a store of other files, features or sizes, or cannot be written.
    MissingDependencyError
        If an extra that the features need is not installed.

    See Also
    --------
    FeatureStore : Read them.
    fracture_features.make_pipeline : Extract while fitting, with a cache.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import make_radiographs
    >>> from fracture_features.store import extract_features
    >>> folder = make_radiographs(6, folder=tempfile.mkdtemp(), random_state=0)
    >>> extract_features(folder, ["edges"], tempfile.mkdtemp()).n_shards
    1
    """
    first, machines = shard
    if not 1 <= first <= machines:
        raise ValueError(f"shard must be a pair (i, n) with 1 <= i <= n, got {shard!r}")
    root, out = Path(root).absolute(), Path(out).absolute()
    names = find_images(existing_folder(root)).images
    if not names:
        raise NoReadableImagesError(f"{root}: no images in it or below")
    pipeline = _fitted(features, image_size)
    about = {
        "format": FORMAT,
        "root": str(root),
        "images": len(names),
        "shard_size": shard_size,
        "digest": _listing_digest(root, names),
        "features": list(features),
        "image_size": list(pipeline[0].image_shape()),
        "recipe": recipe_of(pipeline),
        "versions": _versions.find_versions(),
        "feature_names": pipeline[1].get_feature_names_out().tolist(),
    }
    _agree(out, about)
    n_shards = -(-len(names) // shard_size)
    jobs = [
        _Shard(k, root, out, names[k * shard_size : (k + 1) * shard_size], pipeline, n_jobs)
        for k in range(first - 1, n_shards, machines)
        if not is_there(out, k)
    ]
    if on_plan is not None:
        on_plan(sum(len(job.names) for job in jobs))
    # As many workers as the surrounding `parallel_config` has, one without.
    for n in Parallel(return_as="generator_unordered")(delayed(job)() for job in jobs):
        if on_shard is not None:
            on_shard(n)
    return FeatureStore(out, root)


def check_features(features: Sequence[str]) -> None:
    """Raise ValueError where a name is unknown or given twice, or the features are fitted."""
    for name in features:
        if name not in FEATURES:
            raise ValueError(f"features: {name!r} is unknown; expected some of {sorted(FEATURES)}")
        if type(FEATURES[name].make())._learn is not BaseExtractor._learn:
            raise ValueError(f"features: {name!r} learns from the images of a training part: no store can hold it")
    if not features or len(set(features)) < len(features):
        raise ValueError(f"features must be names, each once, got {list(features)}")


def _fitted(features: Sequence[str], image_size: int | None) -> Pipeline:
    """Reader and features, which know the shape of the images."""
    check_features(features)
    for name in features:
        if (extra := FEATURES[name].requires) is not None:
            check_extra(extra, needed_for=f"features={name!r}")
    steps = make_pipeline(list(features), "svm", image_size=image_size).steps[:2]
    reader, union = (clone(step) for _, step in steps)
    union.fit(np.zeros((1, *reader.image_shape()), dtype=np.uint8))
    return Pipeline([("images", reader), ("features", union)])


def recipe_of(pipeline: Pipeline) -> str:
    """What rows depend on beside the files: parameters and code of the reader and the extractors."""
    parts = [extractor._settings() for _, extractor in pipeline[1].transformer_list]
    return digest(pipeline[0]._recipe(), *parts).hex()


def is_current(store: FeatureStore) -> bool:
    """Whether this version would give the same rows."""
    height, _ = store.about["image_size"]
    try:
        return bool(recipe_of(_fitted(store.about["features"], height)) == store.about["recipe"])
    except ValueError:  # a name of another version
        return False


def _listing_digest(root: Path, names: Sequence[str]) -> str:
    """SHA-256 of the files' paths and sizes."""
    state = hashlib.sha256()
    for name in names:
        try:
            size = os.stat(root / name).st_size
        except OSError:
            size = -1
        state.update(f"{name}\0{size}\n".encode(errors="surrogateescape"))
    return state.hexdigest()


def _agree(out: Path, about: dict[str, Any]) -> None:
    """Write what the store is, or see that it is the one that is there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / ABOUT).exists():
            if any(path.name[0] != "." for path in out.iterdir()):
                raise StoreError(f"out={str(out)!r} holds other files; expected a new folder, an empty one or a store")
            with whole_file(out / ABOUT) as part:
                part.write_text(json.dumps(about, indent=1), encoding="utf-8")
            return
    except OSError as error:
        raise StoreError(f"out={str(out)!r} cannot be written: {error.strerror}") from error
    there = read_about(out)
    wrong = {
        "digest": f"of other files: {there['images']} then, {about['images']} now, or of other sizes",
        "features": f"of the features {there['features']}, not {about['features']}",
        "image_size": f"of images of {there['image_size']} pixels, not {about['image_size']}",
        "shard_size": f"in shards of {there['shard_size']} images, not {about['shard_size']}",
        "recipe": "by another version of this library or of its decoders",
    }
    for name, what in wrong.items():
        if there[name] != about[name]:
            raise StoreError(f"out={str(out)!r} holds features made {what}: give another folder, or remove it")


def write_parquet(store: FeatureStore) -> None:
    """Write each shard's features as a table beside it, with the path of each row; what is there stays.

    Parameters
    ----------
    store : FeatureStore
        From `extract_features`.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not installed.

    See Also
    --------
    FeatureStore.rows : The rows as an array.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import make_radiographs
    >>> from fracture_features.store import extract_features, write_parquet
    >>> folder = make_radiographs(6, folder=tempfile.mkdtemp(), random_state=0)
    >>> write_parquet(extract_features(folder, ["edges"], tempfile.mkdtemp()))  # doctest: +SKIP
    """
    require("pyarrow", extra="parquet", needed_for="a store as Parquet")
    index = store.index[store.index["row"] >= 0]
    for k in sorted(set(index["shard"].tolist())):
        path = shard_path(store.folder, k, "parquet")
        if not path.exists():
            table = pd.DataFrame(store.shard(k), columns=store.feature_names)
            table.insert(0, "path", index.loc[index["shard"] == k, "path"].to_numpy())
            with whole_file(path) as part:
                table.to_parquet(part, index=False)
