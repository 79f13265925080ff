"""What results are kept under: digests of content, parameters and code."""

from __future__ import annotations

import functools
import inspect
import sys
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import xxhash
from numpy.typing import NDArray

from .._fingerprint import fingerprint


def digest(*parts: bytes | str | NDArray[np.uint8]) -> bytes:
    """16 bytes that stand for `parts` (arrays contiguous), each kept apart from the next.

    By XXH3, which digests an image in 2 microseconds; it guards against chance, not against forgers.
    """
    state = xxhash.xxh3_128()
    for part in parts:  # a name that is not UTF-8 has surrogates
        data = part.encode(errors="surrogatepass") if isinstance(part, str) else memoryview(part).cast("B")  # type: ignore[arg-type]
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.digest()


def code_version(cls: Any, *modules: ModuleType) -> bytes:
    """Digest of the code of class `cls`, its bases and `modules`, and of OpenCV's version: other code, other results.

    Of this library's modules the source counts; of a user's class what is compiled, which may change as the process
    goes on.
    """
    package = __name__.partition(".")[0]
    names = {c.__module__ for c in cls.__mro__ if c.__module__.partition(".")[0] == package}
    return digest(_sources(*sorted(names | {module.__name__ for module in modules})), fingerprint(cls))


@functools.cache
def _sources(*modules: str) -> bytes:
    return digest(cv2.__version__, *(inspect.getsource(sys.modules[name]) for name in modules))
