"""Arrays as .npy files, whose size is checked against what they say before any memory is taken."""

from __future__ import annotations

import io
import math
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ModelFileError

READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
HEADER = re.compile(
    rb"\x93NUMPY(\x01\x00..|\x02\x00....)\{'descr': ('[<>|=][a-zA-Z]\d{1,9}'|\[[^\]]{1,2000}\]), "
    rb"'fortran_order': (True|False), 'shape': \([\d, ]{0,300}\), \}",
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
    if not HEADER.match(data):  # NumPy leaves it to Python's parser, which takes much else
        raise ModelFileError(f"its {name} is no array as NumPy writes it")
    stream = io.BytesIO(data)
    try:
        shape, is_fortran, dtype = READERS[np.lib.format.read_magic(stream)](stream)
    except (ValueError, KeyError, TypeError, SyntaxError, MemoryError) as error:
        raise ModelFileError(f"its {name} is no array: {error}") from error
    if dtype.hasobject or dtype.itemsize == 0 or dtype.kind not in "biufUV":
        raise ModelFileError(f"its {name} holds {dtype}; expected numbers or text")
    if any(isinstance(side, bool) or side < 0 for side in shape) or len(shape) > 32:
        raise ModelFileError(f"its {name} has the shape {shape}")
    if math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ModelFileError(f"its {name} says {shape} of {dtype}, and has {len(data) - stream.tell():,} bytes of them")
    return Header(shape, is_fortran, dtype, stream.tell())


def from_npy(data: bytes, name: str) -> NDArray[Any]:
    """Read what `to_npy` has written; the array can be written to."""
    header = check_npy(data, name)
    flat = np.frombuffer(data, header.dtype, offset=header.start).copy()
    return flat.reshape(header.shape[::-1]).T if header.is_fortran else flat.reshape(header.shape)
