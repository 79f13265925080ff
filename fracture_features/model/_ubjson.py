"""A reader of Universal Binary JSON, the format of XGBoost's trees, that takes no more memory than the file has.

Reference: https://ubjson.org, with XGBoost's typed arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

DEEPEST = 32
NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
DTYPES = {marker: np.dtype(name) for marker, name in NUMBERS.items()}
CONSTANTS = {b"Z": None, b"T": True, b"F": False}


def read_ubjson(data: bytes) -> Any:
    """Parse the data: dict, list, str, int, float, bool and None; typed arrays of numbers as ndarray.

    Raises
    ------
    ValueError
        If they are cut, go on after the end, or are no UBJSON as XGBoost writes it.
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.position != len(data):
        raise ValueError(f"{len(data) - reader.position} bytes follow the end")
    return value


class _Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise ValueError("it is cut off")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, marker: bytes) -> Any:
        if marker not in DTYPES:
            raise ValueError(f"{marker!r} stands where a number does")
        dtype = DTYPES[marker]
        return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()

    def length(self) -> int:
        count = self.number(self.take(1))
        if type(count) is not int or not 0 <= count <= len(self.data) - self.position:
            raise ValueError("a length goes beyond the end")
        return count

    def text(self) -> str:
        return self.take(self.length()).decode()

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        if marker == b"{":
            return self.object(depth)
        if marker == b"[":
            return self.array(depth)
        if marker == b"S":
            return self.text()
        return CONSTANTS[marker] if marker in CONSTANTS else self.number(marker)

    def object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (marker := self.take(1)) != b"}":
            self.position -= len(marker)
            key = self.text()
            if key in found:
                raise ValueError(f"an object has the key {key!r} twice")
            found[key] = self.value(self.take(1), depth + 1)
        return found

    def array(self, depth: int) -> Any:
        marker = self.take(1)
        if marker == b"$":
            dtype = DTYPES.get(self.take(1))
            if dtype is None or self.take(1) != b"#":
                raise ValueError("an array has no type")
            count = self.length()
            return np.frombuffer(self.take(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))
        if marker == b"#":
            return [self.value(self.take(1), depth + 1) for _ in range(self.length())]
        values = []
        while marker != b"]":
            values.append(self.value(marker, depth + 1))
            marker = self.take(1)
        return values
