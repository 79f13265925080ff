"""What the fuzzers share."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np


def mutated(data: bytes, rng: np.random.Generator, pieces: tuple[bytes, ...] = ()) -> bytes:
    """Some bytes changed, or a piece cut, doubled, zeroed or put in.

    Mostly near the start or the end, for headers and directories are short and decide most.

    Parameters
    ----------
    data : bytes
    rng : Generator
    pieces : tuple of bytes, default=()
        What is put in.
    """
    out = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        if not out:
            break
        start = int(rng.integers(min(len(out), int(rng.choice([64, 1024, len(out)])))))
        if rng.random() < 0.2:
            start = len(out) - 1 - start
        end = min(len(out), start + int(rng.integers(1, 64)))
        match rng.integers(8 if pieces else 7):
            case 0 | 1:
                out[start] = rng.integers(256)
            case 2:
                out[start] = rng.choice([0, 1, 127, 128, 255])
            case 3:
                out[start] ^= 1 << int(rng.integers(8))
            case 4:
                del out[start : None if rng.random() < 0.3 else end]
            case 5:
                out[start:start] = out[start:end]
            case 6:
                out[start:end] = bytes(end - start)
            case 7:
                out[start:start] = pieces[rng.integers(len(pieces))]
    return bytes(out)


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
