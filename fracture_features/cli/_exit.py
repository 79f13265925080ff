"""Exit codes of the command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILURES = 1
    USAGE = 2
    NOTHING_READABLE = 3
    INTERRUPTED = 130
    TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, or the terminal's end: what Ctrl-C would leave in order is left in order."""


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Make SIGTERM raise `Terminated` in the main thread, and SIGHUP the same, unless `nohup` has it ignored."""

    def terminate(number: int, frame: Any) -> None:
        raise Terminated

    def hang_up(number: int, frame: Any) -> None:
        signal.raise_signal(signal.SIGTERM)  # for whoever handles that meanwhile, as a training does

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Any] = {signal.SIGTERM: terminate}
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        handlers[signal.SIGHUP] = hang_up
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
