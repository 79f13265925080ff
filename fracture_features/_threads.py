"""The one policy on threads: the outermost parallel loop owns the cores.

Inside a worker of joblib (GridSearchCV, cross_validate, dask, …) everything of ours runs on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import cv2
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

Item = TypeVar("Item")
Result = TypeVar("Result")


def inside_worker() -> bool:
    """Whether this code runs inside a parallel loop of joblib."""
    backend: Any = get_active_backend()[0]
    return bool(backend.nesting_level)


def count_threads(n_jobs: int | None) -> int:
    """Threads that `n_jobs` stands for here: joblib's reading of it, but one inside a worker."""
    if inside_worker():
        return 1
    with parallel_config(backend="threading"):
        return int(effective_n_jobs(n_jobs))


def map_threads(function: Callable[[Item], Result], items: Iterable[Item], n_jobs: int | None) -> list[Result]:
    """`[function(item) for item in items]` on `n_jobs` threads, each with one thread of OpenCV's.

    For functions that release the GIL: decoding, OpenCV, the kernels.
    """
    with _single_threaded_opencv():
        return Parallel(n_jobs=count_threads(n_jobs), backend="threading")(delayed(function)(item) for item in items)


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
