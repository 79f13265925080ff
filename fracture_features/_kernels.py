"""Functions that numba compiles when they are first called, and the time that takes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Any

import numba
from numba.core import caching, event

# What `kernel` lets the compiler assume, so that it may reorder sums to vectorise them.
ANY_ORDER = {"reassoc", "nnan", "ninf", "nsz", "contract"}


def kernel(function: Any = None, *, fastmath: bool | set[str] = False) -> Any:
    """Compile with numba, without the GIL; kept on disk where a folder for it can be written.

    `fastmath` is numba's: what the compiler may assume of floating point numbers. Such a kernel is copied into those
    that call it: called, it would round otherwise in the process that compiles it than in those that find it on disk.
    """
    if function is None:
        return functools.partial(kernel, fastmath=fastmath)
    compiled = numba.njit(function, nogil=True, fastmath=fastmath, forceinline=bool(fastmath))
    try:
        compiled._cache = _OnDisk(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
    return compiled


class _OnDisk(caching.FunctionCache):
    """numba's own place for what is compiled: where the disk is full or a file damaged, it is compiled again."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001 - whatever a pickle raises that was cut short
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)


class _Compilations(event.Listener):
    """Hears of each compilation in this process; one that is found on disk is none."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.callbacks: list[Callable[[], None]] = []
        self._depth = 0  # a kernel compiles those that it calls
        self._start = 0.0

    def on_start(self, event: Any) -> None:
        if self._depth == 0:
            self._start = perf_counter()
            for callback in self.callbacks:
                callback()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += perf_counter() - self._start


@functools.cache
def _compilations() -> _Compilations:
    """The one listener, which stays: other threads may be compiling when someone stops listening."""
    listener = _Compilations()
    event.register("numba:compile", listener)
    return listener


def seconds_compiling() -> float:
    """Seconds that this process has spent compiling since it was first asked."""
    return _compilations().seconds


@contextmanager
def told_of_compilation(callback: Callable[[], None]) -> Iterator[None]:
    """Call `callback` whenever a compilation begins."""
    callbacks = _compilations().callbacks
    callbacks.append(callback)
    try:
        yield
    finally:
        callbacks.remove(callback)
