"""The one policy on threads: the outermost parallel loop owns the cores.

Inside a worker of joblib (GridSearchCV, cross_validate, dask, …) or of ours everything of ours runs on one thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

import cv2
from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

Item = TypeVar("Item")
Result = TypeVar("Result")

_thread = threading.local()
_opencv_lock = threading.Lock()
_opencv_before: list[int] = []  # the first is how many threads OpenCV had; as long as some hold it at one


def inside_worker() -> bool:
    """Tell whether this code runs inside a parallel loop, of joblib or of `map_threads`."""
    backend: Any = get_active_backend()[0]
    return bool(backend.nesting_level) or getattr(_thread, "is_worker", False)


def has_processes() -> bool:
    """Whether `joblib.parallel_config` around this code, which runs in no worker, has other processes do the work."""
    backend: Any = get_active_backend()[0]
    return not inside_worker() and not getattr(backend, "supports_sharedmem", False) and effective_n_jobs(None) > 1


def count_threads(n_jobs: int | None) -> int:
    """Threads that `n_jobs` stands for here: joblib's reading of it, but one inside a worker."""
    if inside_worker():
        return 1
    with parallel_config(backend="threading"):
        return int(effective_n_jobs(n_jobs))


def map_threads(function: Callable[[Item], Result], items: Iterable[Item], n_jobs: int | None) -> list[Result]:
    """`[function(item) for item in items]` on `n_jobs` threads, each with one thread of OpenCV's.

    For functions that release the GIL: decoding, OpenCV, the kernels. joblib's own threads take 12 ms to start, as long
    as HOG takes for 40 images.
    """
    n_threads = count_threads(n_jobs)
    with _single_threaded_opencv():
        if n_threads == 1:
            return [function(item) for item in items]
        results: list[Result] = []
        waiting: deque[Future[Result]] = deque()
        pool = ThreadPoolExecutor(n_threads, initializer=_become_worker)
        try:
            for item in items:  # which may be large, and made as they are asked for
                if len(waiting) == 2 * n_threads:
                    results.append(waiting.popleft().result())
                waiting.append(pool.submit(copy_context().run, function, item))
            return results + [future.result() for future in waiting]
        finally:
            pool.shutdown(cancel_futures=True)


def _become_worker() -> None:
    _thread.is_worker = True


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    """For all who ask at a time: the first sets, the last sets back."""
    with _opencv_lock:
        _opencv_before.append(cv2.getNumThreads())
        cv2.setNumThreads(1)
    try:
        yield
    finally:
        with _opencv_lock:
            before = _opencv_before.pop()
            if not _opencv_before:
                cv2.setNumThreads(before)
