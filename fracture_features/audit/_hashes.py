"""A picture in 256 bits that survive resizing, recompression and brightness, and tell its flips and quarter turns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import kernel
from ..datasets import Description
from ..images import ImageFile

SIDE = 64  # pixels of the small version
N_FREQUENCIES = 16  # of each direction, from 1
CROPPED = 0.025, 0.05  # shares of height and width on each side that copies may lack
FLAT = 1e-2  # grey levels: a smaller coefficient is rounding

# Turn k transposes if k & 4, then turns upside down if k & 2, then mirrors left and right if k & 1. Quarters of a turn
# go clockwise; what is mirrored is mirrored left and right before it is rotated.
TURNS = (
    "as is",
    "mirrored",
    "mirrored, rotated 180°",
    "rotated 180°",
    "mirrored, rotated 270°",
    "rotated 90°",
    "rotated 270°",
    "mirrored, rotated 90°",
)


def perceptual_hash(image: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash a picture by the signs of its low frequencies, once it is stretched to a square.

    The picture is averaged to 64 x 64 pixels, and bit by bit the hash says whether a coefficient of the discrete cosine
    transform is positive [1]_: frequencies 1 to 16 in both directions. Brightness and contrast change no sign; bands
    that run along a side of the picture, such as the edges of a cassette, have no such frequency. Mirroring changes the
    sign of odd frequencies, so each of the four words holds one parity of both: the hash of each flip and quarter turn
    follows from this one, see `turned_hashes`.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8
        A grey image.

    Returns
    -------
    hash : ndarray of shape (4,), dtype uint64
        The words of frequencies even down and across, even down and odd across, odd and even, odd and odd. All zeros
        where the picture has none of these frequencies: it is constant, or nearly.

    See Also
    --------
    near_pairs : Hashes that are close to each other.

    References
    ----------
    .. [1] C. Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.audit import perceptual_hash
    >>> image = np.random.default_rng(0).integers(0, 256, (80, 60), dtype=np.uint8)
    >>> mirrored = perceptual_hash(image[:, ::-1])
    >>> np.bitwise_count(perceptual_hash(image) ^ mirrored).tolist()
    [0, 64, 0, 64]
    >>> perceptual_hash(np.full((80, 60), 128, dtype=np.uint8)).any()
    np.False_
    """
    return _signs(_small(image, *image.shape), _BASES[:1])[0]


def crop_hashes(image: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hashes of a picture without 2.5 and 5 % on each side, of shape (2, 4).

    A crop moves most frequencies' signs: that of a copy is found by these.
    """
    return _signs(_small(image, *image.shape), _BASES[1:])


def turned_hashes(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes of the flips and quarter turns of pictures, from theirs.

    Parameters
    ----------
    hashes : ndarray of shape (n, 4), dtype uint64

    Returns
    -------
    turned : ndarray of shape (n, 8, 4), dtype uint64
        In the order of `TURNS`; the first is the hash itself.
    """
    transposed = transposed_hashes(hashes)
    return np.stack([(transposed if turn & 4 else hashes) ^ FLIPS[turn & 3] for turn in range(8)], axis=1)


def transposed_hashes(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes of the transposed pictures, of shape (n, 4)."""
    octets = np.ascontiguousarray(hashes, dtype="<u8").view(np.uint8)
    bits = np.unpackbits(octets, axis=1, bitorder="little")
    return _pack(np.take(bits, _TRANSPOSITION, axis=1))  # five times faster than bits[:, _TRANSPOSITION]


def look(file: ImageFile) -> dict[str, Any]:
    """Describe a picture so that it is recognised: its `hash` and, those of `crop_hashes` in `crops`; hexadecimal.

    A JPEG is looked at in fewer pixels: a few bits may differ from those of all its pixels.

    Raises ImageReadError where the file cannot be decoded.
    """
    hashes = _signs(_small(*file.reduced), _BASES).astype(">u8")
    return {"hash": hashes[0].tobytes().hex(), "crops": hashes[1:].tobytes().hex()}


def parse_hashes(texts: list[str]) -> NDArray[np.uint64]:
    """Words of hexadecimal hashes, of shape (n, n_words)."""
    octets = bytes.fromhex("".join(texts))
    return np.frombuffer(octets, ">u8").astype(np.uint64).reshape(len(texts), -1 if texts else 4)


def _small(image: NDArray[np.uint8], height: float, width: float) -> NDArray[np.float32]:
    """The picture, which ends at this height and width, in 64 x 64 means."""
    return _average_areas(np.ascontiguousarray(image), SIDE, float(height), float(width))


def _signs(small: NDArray[np.float32], bases: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Hashes of shape (n_bases, 4)."""
    coefficients = bases @ small @ bases.transpose(0, 2, 1)
    return _positive_bits(coefficients.reshape(len(bases), -1), _ORDER)


@kernel
def _positive_bits(coefficients: NDArray[np.float32], order: NDArray[np.intp]) -> NDArray[np.uint64]:
    """Words whose bit k says whether coefficient order[k] is above FLAT, the first bit the lowest."""
    words = np.zeros((len(coefficients), len(order) // 64), np.uint64)
    for i in range(len(coefficients)):
        for k in range(len(order)):
            words[i, k // 64] |= np.uint64(coefficients[i, order[k]] > FLAT) << np.uint64(k % 64)
    return words


def _pack(bits: NDArray[Any]) -> NDArray[np.uint64]:
    """Words of bits, the first bit the lowest; of shape (..., 4)."""
    octets = np.packbits(bits, axis=-1, bitorder="little")
    return np.ascontiguousarray(octets).view("<u8").astype(np.uint64)


@kernel
def _average_areas(image: NDArray[np.uint8], side: int, height: float, width: float) -> NDArray[np.float32]:
    """Means of the fields of a grid over height and width, in pixels; those on the border of two count by their parts.

    The grid may end within the last row and column. The means are of shape (side, side).
    """
    n_rows, n_columns = image.shape
    down, across = height / side, width / side
    bands = np.zeros((side, n_columns), np.float32)
    for i in range(side):
        band = bands[i]
        for y in range(int(i * down), min(n_rows, int(np.ceil((i + 1) * down)))):
            part = np.float32(min((i + 1) * down, y + 1.0) - max(i * down, float(y)))
            row = image[y]
            for x in range(n_columns):
                band[x] += part * np.float32(row[x])
    columns = np.ascontiguousarray(bands.T)
    means = np.zeros((side, side), np.float32)  # transposed, so that the inner loop can be vectorised
    for j in range(side):
        mean = means[j]
        for x in range(int(j * across), min(n_columns, int(np.ceil((j + 1) * across)))):
            part = np.float32((min((j + 1) * across, x + 1.0) - max(j * across, float(x))) / (down * across))
            column = columns[x]
            for i in range(side):
                mean[i] += part * column[i]
    return np.ascontiguousarray(means.T)


def _cosines(cropped: float) -> NDArray[np.float32]:
    """Frequencies 1 to 16 of the DCT-II of what is left without a share at both ends, of shape (16, 64)."""
    edges = (np.arange(SIDE + 1) / SIDE - cropped) / (1 - 2 * cropped)
    start, end = np.clip(edges[:-1], 0, 1), np.clip(edges[1:], 0, 1)
    frequencies = np.arange(1, N_FREQUENCIES + 1)[:, None]
    waves = (end - start) * np.cos(np.pi * frequencies * (start + end) / 2)
    waves -= (end - start) * waves.sum(axis=1, keepdims=True)  # a constant has none of them
    return (waves * np.sqrt(2 * SIDE)).astype(np.float32)


def _bit_order() -> NDArray[np.intp]:
    """Return which coefficient, row by row, each of the 256 bits is of.

    Sixteen bits in a row, the bands of the search for pairs, have low and high frequencies alike: of low ones alone
    they would be the same in most radiographs.
    """
    rows, columns = np.divmod(np.arange(N_FREQUENCIES**2), N_FREQUENCIES)
    words = 2 * (rows % 2 == 0) + (columns % 2 == 0)  # frequencies begin with 1
    bands = (rows // 2 + columns // 2) % 4
    return np.lexsort((columns, rows, bands, words))


_BASES = np.stack([_cosines(cropped) for cropped in (0, *CROPPED)])
_ORDER = _bit_order()
# bit k of the transposed picture is bit _TRANSPOSITION[k] of the picture
_TRANSPOSITION = np.argsort(_ORDER)[_ORDER % N_FREQUENCIES * N_FREQUENCIES + _ORDER // N_FREQUENCIES]
_ALL = np.uint64(2**64 - 1)
# mirroring changes the sign of what is odd across, turning upside down of what is odd down
FLIPS = np.array([[0, 0, 0, 0], [0, _ALL, 0, _ALL], [0, 0, _ALL, _ALL], [0, _ALL, _ALL, 0]], dtype=np.uint64)

LOOK = Description("look 3", look)
