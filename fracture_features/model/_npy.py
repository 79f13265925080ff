"""Arrays as .npy files, whose size is checked against what they say before any memory is taken."""

from __future__ import annotations

import ast
import io
import math
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ModelFileError

# As NumPy writes it. Its own reader leaves the header to Python's parser, which takes much else, and may not end well.
BEGINNING = re.compile(
    rb"\x93NUMPY(?:\x01\x00(?P<short>..)|\x02\x00(?P<long>....))"
    rb"\{'descr': (?P<descr>'[<>|=][a-zA-Z]\d{1,9}'|\[[\w<>|=()', ]{1,2000}\]), "
    rb"'fortran_order': (?P<fortran>True|False), 'shape': \((?P<shape>(?:\d{1,15}(?:, \d{1,15}){0,31},?)?)\), \} *\n",
    re.DOTALL,
)


def in_order(array: NDArray[Any]) -> NDArray[Any]:
    """A plain array without gaps, its axes in the order they have in memory: BLAS may round otherwise in another."""
    steps = [abs(step) for step, length in zip(array.strides, array.shape, strict=True) if length > 1]
    is_fortran = len(steps) > 1 and steps == sorted(steps)
    return np.asfortranarray(array) if is_fortran else np.asarray(array, order="C")


def to_npy(array: NDArray[Any]) -> bytes:
    """Write an array of numbers or text."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, in_order(array), allow_pickle=False)
    return buffer.getvalue()


class Header(NamedTuple):
    """What an .npy file says of itself, and where its numbers begin."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]
    start: int


def check_npy(data: bytes, name: str) -> Header:
    """Check that .npy data hold what they say, taking no memory for it.

    Raises
    ------
    ModelFileError
        If it is no array, holds Python objects, or has another size than it says.
    """
    found = BEGINNING.match(data)
    if found is None:
        raise ModelFileError(f"its {name} is no array as NumPy writes it")
    length = found["short"] or found["long"]
    if found.end("short" if found["short"] else "long") + int.from_bytes(length, "little") != found.end():
        raise ModelFileError(f"its {name} is no array as NumPy writes it: its header has another length")
    shape = tuple(map(int, re.findall(rb"\d+", found["shape"])))
    try:
        dtype = np.lib.format.descr_to_dtype(ast.literal_eval(found["descr"].decode("ascii")))
    except (ValueError, TypeError, SyntaxError, IndexError, RecursionError, MemoryError) as error:
        raise ModelFileError(f"its {name} is no array of a type that NumPy has: {error}") from error
    if dtype.hasobject or dtype.itemsize == 0 or dtype.kind not in "biufUV":
        raise ModelFileError(f"its {name} holds {dtype}; expected numbers or text")
    if math.prod(shape) * dtype.itemsize != len(data) - found.end():
        raise ModelFileError(f"its {name} says {shape} of {dtype}, and has {len(data) - found.end():,} bytes of them")
    return Header(shape, found["fortran"] == b"True", dtype, found.end())


def from_npy(data: bytes, name: str) -> NDArray[Any]:
    """Read what `to_npy` has written; the array can be written to."""
    header = check_npy(data, name)
    flat = np.frombuffer(data, header.dtype, offset=header.start).copy()
    return flat.reshape(header.shape[::-1]).T if header.is_fortran else flat.reshape(header.shape)
