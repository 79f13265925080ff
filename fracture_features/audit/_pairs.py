"""All pairs of hashes that are alike, up to a flip or quarter turn, without comparing every hash with every other."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .._kernels import kernel
from .._threads import map_threads
from ._hashes import transposed_hashes, turned_hashes

WIDTH = 16  # bits of a band
N_BANDS = 16
LARGEST = 3 * N_BANDS - 1  # farther than that, more of a band's buckets would have to be looked into than pay
FIRST_FLIPPED = 4  # bands of the words that flips change; those of the first word come first


class Pairs(NamedTuple):
    """Pairs of rows, each once.

    Parameters
    ----------
    first, second : ndarray of shape (n_pairs,), dtype int64
        Rows, first < second; in rising order.
    turn : ndarray of shape (n_pairs,), dtype uint8
        Number of the turn, of `TURNS`, that takes the first picture to the second.
    distance : ndarray of shape (n_pairs,), dtype uint8
        Bits in which the first hash, turned, and the second differ.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    turn: NDArray[np.uint8]
    distance: NDArray[np.uint8]


def near_pairs(hashes: NDArray[np.uint64], max_distance: int) -> Pairs:
    """Find all pairs of hashes at most so many bits apart after one of the 8 flips and quarter turns.

    Hashes that are equal up to a turn form a class: its first row is paired with each of the others, and it alone takes
    part in pairs with other hashes, so that n copies give n - 1 pairs. Every pair of different hashes within the
    distance is found, however many they are: 18 bytes a pair.

    Multi-index hashing [1]_: hashes at most r bits apart have one of 16 bands of 16 bits at most r // 16 bits apart, so
    for each band those hashes alone are compared whose band differs in so few bits. Turns cost little: flips change all
    bits of a word or none, so bands are indexed up to that, and only the transposed hash has to be looked up as well.

    Parameters
    ----------
    hashes : ndarray of shape (n, 4), dtype uint64
        As `perceptual_hash` gives them.
    max_distance : int
        From 0 to 47.

    Returns
    -------
    pairs : Pairs
        The named tuple `first, second, turn, distance`.

    Raises
    ------
    ValueError
        If `max_distance` is not from 0 to 47.

    See Also
    --------
    perceptual_hash : Makes the hashes.

    References
    ----------
    .. [1] M. Norouzi, A. Punjani, D. J. Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.audit import near_pairs
    >>> hashes = np.random.default_rng(0).integers(0, 2**64, (1000, 4), dtype=np.uint64)
    >>> hashes[700] = hashes[3] ^ np.array([1, 0, 0, 0], dtype=np.uint64)
    >>> [values.tolist() for values in near_pairs(hashes, 39)]
    [[3], [700], [0], [1]]
    """
    if not 0 <= max_distance <= LARGEST:
        raise ValueError(f"max_distance must be from 0 to {LARGEST}, got {max_distance!r}.")
    hashes = np.ascontiguousarray(hashes, dtype=np.uint64).reshape(-1, 4)
    representatives, members, owners = _classes(hashes)
    rows, n = _search(hashes[representatives], max_distance), len(representatives)
    among = representatives[rows // max(n, 1)], representatives[rows % max(n, 1)]
    numbers = np.sort(np.r_[among[0] * len(hashes) + among[1], owners * len(hashes) + members])
    first, second = np.divmod(numbers, max(len(hashes), 1))
    return Pairs(first, second, *_closest_turns(hashes, first, second))


def _classes(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """First row of each class of hashes equal up to a turn; the other rows, and the first of the class of each."""
    canonical = np.sort(turned_hashes(hashes).astype(">u8").view("V32")[:, :, 0], axis=1)[:, 0]
    _, firsts, classes = np.unique(canonical, return_index=True, return_inverse=True)
    owners = firsts[classes]
    members = np.flatnonzero(owners != np.arange(len(hashes)))
    return np.sort(firsts), members, owners[members]


def _closest_turns(
    hashes: NDArray[np.uint64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Turn of the first hash that is closest to the second, and how many bits they then differ in."""
    turn, distance = np.empty(len(first), np.uint8), np.empty(len(first), np.uint8)
    _fill_turns(_with_transposed(hashes), first, second, turn, distance)
    return turn, distance


def _with_transposed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes as they are and transposed, of shape (2, n, 4)."""
    return np.stack([hashes, transposed_hashes(hashes)])


def _search(hashes: NDArray[np.uint64], max_distance: int) -> NDArray[np.int64]:
    """All pairs i < j of different hashes within the distance, as numbers i n + j in any order."""
    if len(hashes) < 2:
        return np.empty(0, np.int64)
    turned = _with_transposed(hashes)
    # distance r = 16 a + b: one of the first b + 1 bands differs in at most a bits, or one of the others in a - 1
    radii = np.full(N_BANDS, max_distance // N_BANDS)
    radii[max_distance % N_BANDS + 1 :] -= 1

    def search_band(band: int) -> NDArray[np.int64]:
        return _search_band(turned, band, radii, max_distance)

    return np.concatenate(map_threads(search_band, np.flatnonzero(radii >= 0).tolist(), -1))


def _search_band(turned: NDArray[np.uint64], band: int, radii: NDArray[np.int64], max_distance: int) -> NDArray[Any]:
    """Those pairs that this band is the first to find."""
    buckets = _buckets(turned, band)
    # in the order of their buckets those that are looked into one after the other lie close together in memory
    orders = np.argsort(buckets, axis=1, kind="stable")
    starts = np.zeros(2**WIDTH + 1, np.int32)
    np.cumsum(np.bincount(buckets[0], minlength=2**WIDTH), out=starts[1:])
    words = turned[0, orders[0]][:, [0, 3]]
    masks = _masks(radii[band])
    return _look_up(turned, band, radii, masks, orders.astype(np.int32), starts, words, max_distance)


def _masks(radius: int) -> NDArray[np.int64]:
    """All differences of a band in so many bits or fewer."""
    return np.array([sum(1 << k for k in bits) for n in range(radius + 1) for bits in combinations(range(WIDTH), n)])


@intrinsic
def _count_bits(typing_context: Any, word: Any) -> Any:
    """Bits of an unsigned word that are 1: an instruction of the processor's."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@kernel
def _band_of(hash_: NDArray[np.uint64], band: int) -> np.int64:
    """The band's 16 bits."""
    return np.int64((hash_[band // 4] >> np.uint64(WIDTH * (band % 4))) & np.uint64(0xFFFF))


@kernel
def _bucket_of(bits: np.int64, band: int) -> np.int64:
    """Bits and all of them flipped are in one bucket, where flips of the picture do that."""
    return bits ^ 0xFFFF if band >= FIRST_FLIPPED and bits & 0x8000 else bits


@kernel
def _flip_distance(one: NDArray[np.uint64], other: NDArray[np.uint64], best: Any) -> tuple[Any, int]:
    """Smallest distance over the four flips, and which it is; `best` and -1 where none is smaller than that."""
    down = np.int64(_count_bits(one[2] ^ other[2]))
    across = np.int64(_count_bits(one[1] ^ other[1]))
    same = np.int64(_count_bits(one[0] ^ other[0]))
    both = np.int64(_count_bits(one[3] ^ other[3]))
    flip = -1
    if same + min(across, 64 - across) + min(down, 64 - down) + min(both, 64 - both) >= best:
        return best, flip
    for k in range(4):
        distance = same + (64 - across if k & 1 else across) + (64 - down if k & 2 else down)
        distance += 64 - both if k == 1 or k == 2 else both
        if distance < best:
            best, flip = distance, k
    return best, flip


@kernel
def _within(one: NDArray[np.uint64], other: NDArray[np.uint64], band: int, radius: int) -> Any:
    """Return whether a bucket of one's band that is looked into holds the other."""
    differing = np.int64(_count_bits(np.uint64(_band_of(one, band) ^ _band_of(other, band))))
    return differing <= radius or (band >= FIRST_FLIPPED and WIDTH - differing <= radius)


@kernel
def _buckets(turned: NDArray[np.uint64], band: int) -> NDArray[np.uint16]:
    buckets = np.empty(turned.shape[:2], np.uint16)  # which NumPy sorts by its digits
    for transposed in range(2):
        for i in range(turned.shape[1]):
            buckets[transposed, i] = _bucket_of(_band_of(turned[transposed, i], band), band)
    return buckets


@kernel
def _look_up(
    turned: NDArray[np.uint64],
    band: int,
    radii: NDArray[np.int64],
    masks: NDArray[np.int64],
    orders: NDArray[np.int32],
    starts: NDArray[np.int32],
    words: NDArray[np.uint64],
    max_distance: int,
) -> NDArray[np.int64]:
    """For each hash, as it is and transposed, compare those in the buckets that are within the band's radius."""
    n = turned.shape[1]
    found, n_found = np.empty(64, np.int64), 0
    for transposed in range(2):
        for i in orders[transposed]:
            one = turned[transposed, i]
            bits = _band_of(one, band)
            for mask in masks:
                bucket = _bucket_of(bits ^ mask, band)
                for position in range(starts[bucket + 1] - 1, starts[bucket] - 1, -1):
                    j = orders[0, position]  # rises within a bucket
                    if j <= i:
                        break
                    # two words tell most of them apart
                    both = np.int64(_count_bits(one[3] ^ words[position, 1]))
                    same = np.int64(_count_bits(one[0] ^ words[position, 0]))
                    if same + min(both, 64 - both) > max_distance:
                        continue
                    if _flip_distance(one, turned[0, j], max_distance + 1)[1] < 0:
                        continue
                    if _found_before(turned, i, j, transposed, band, radii, max_distance):
                        continue
                    if n_found == len(found):
                        found = np.concatenate((found, np.empty(n_found, np.int64)))
                    found[n_found] = np.int64(i) * n + j
                    n_found += 1
    return found[:n_found]


@kernel
def _found_before(
    turned: NDArray[np.uint64],
    i: int,
    j: int,
    transposed: int,
    band: int,
    radii: NDArray[np.int64],
    max_distance: int,
) -> bool:
    """Return whether an earlier band finds the pair, or any band finds it for the picture that is not transposed."""
    for earlier in range(band):
        if _within(turned[transposed, i], turned[0, j], earlier, radii[earlier]):
            return True
    return transposed == 1 and _flip_distance(turned[0, i], turned[0, j], max_distance + 1)[1] >= 0


@kernel
def _fill_turns(
    turned: NDArray[np.uint64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    turn: NDArray[np.uint8],
    distance: NDArray[np.uint8],
) -> None:
    for k in range(len(first)):
        best = 257
        for transposed in range(2):
            smaller, flip = _flip_distance(turned[transposed, first[k]], turned[0, second[k]], best)
            if flip >= 0:
                best = smaller
                turn[k] = 4 * transposed + flip
        distance[k] = best
