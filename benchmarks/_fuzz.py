"""What the fuzzers share."""

from __future__ import annotations

import signal
from typing import Any


def watch(process: Any, counts: Any, patience: float) -> str | None:
    """Why a fuzzing process ended, or is ended, before its time; None if it did not.

    Parameters
    ----------
    process : multiprocessing process
    counts : shared array
        What it counts: it hangs where that stays the same for `patience` seconds.
    patience : float
    """
    seen = -1
    while process.is_alive():
        process.join(patience)
        if process.is_alive() and sum(counts) == seen:
            process.kill()
            process.join()
            return f"no end within {patience} s"
        seen = sum(counts)
    if process.exitcode < 0:
        return signal.Signals(-process.exitcode).name
    return "an exception, see above" if process.exitcode else None
