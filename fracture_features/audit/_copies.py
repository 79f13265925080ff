"""Files that show one picture: the same bytes, the same pixels, or nearly the same picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .._threads import map_threads
from ..cache import digest
from ..images import read_image
from ._alignment import SIDE, similarity
from ._hashes import TURNS, parse_hashes, turned_hashes
from ._pairs import Pairs, near_pairs

# Chosen on FracAtlas' development slice and drawn radiographs: benchmarks/results/duplicates.json has the curves.
MAX_DISTANCE = 39
MAX_MEAN_DISTANCE = 36  # of the pictures and what the two crops leave of both
MAX_CROP_DISTANCE = 23  # of one picture and what a crop leaves of the other
MAX_SAVED_ANEW = 23  # of a JPEG, which is looked at in fewer pixels, and the same pixels in another format
MIN_SIMILARITY = 0.93
TRIES = 3  # pairs between two groups of copies that are compared before these count as different
KEPT = 256  # images kept in memory
CHUNK = 4096  # candidates that are asked at a time whether they are decided
BATCH = 8  # that are compared at a time
INVERSE = np.array([0, 1, 2, 3, 4, 6, 5, 7], dtype=np.uint8)  # number of the turn that undoes each
COLUMNS = {"first": int, "second": int, "kind": object, "turn": object, "distance": float, "similarity": float}


class _Pair(NamedTuple):
    first: int
    second: int
    kind: str
    turn: str = TURNS[0]
    distance: int = 0
    similarity: float = 1.0


def find_copies(paths: Sequence[str], files: pd.DataFrame) -> pd.DataFrame:
    """Find the files of a data set that show one picture.

    Three steps, each among one file of every class of equals that the step before has found: the same bytes, the same
    pixels (saved anew without loss), and nearly the same picture, in one of the 8 flips and quarter turns, resized,
    recompressed, brighter or darker. Pictures whose perceptual hashes are at most 39 of 256 bits apart (36 on
    average over the pictures and what is left of them without 2.5 and 5 % on each side) are candidates, and so are
    those of which one is at most 23 bits from what such a crop leaves of the other. They become a pair if, laid over
    each other, their details agree by at least 0.93, as `similarity` measures it.

    These numbers were chosen on a development slice of FracAtlas (2459 readable images) and on 1000 drawn radiographs;
    `benchmarks/results/duplicates.json` has the curves of two halves of each. Crops that take more from one side
    than from the other by some per cent, and rotations of half a degree, are mostly missed; so is up to a third of
    small images that were halved and then saved as JPEG of quality 50.

    Parameters
    ----------
    paths : sequence of str
        The files.
    files : DataFrame
        A row for each path: what `take_inventory` gives with the description `LOOK`. Rows with a reason are left out.

    Returns
    -------
    pairs : DataFrame
        first and second (positions of the rows, first < second), kind ("bytes", "pixels" or "near"), turn (what takes
        the first picture to the second, such as "as is" or "rotated 90°"), distance (bits) and similarity. Pairs join
        the copies of a picture and no more: n copies have n - 1 pairs, so use `copy_groups` to ask who is a copy of
        whom. Copies with different labels, or in different splits, always have a pair that shows it.

    Raises
    ------
    ImageReadError
        If a candidate can no longer be read.

    See Also
    --------
    copy_groups : Who is a copy of whom.
    audit_dataset : Calls it, and says what the copies do.

    Examples
    --------
    >>> import tempfile, cv2, numpy as np
    >>> from fracture_features import make_radiographs
    >>> from fracture_features.audit import LOOK, find_copies
    >>> from fracture_features.datasets import take_inventory
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = make_radiographs(3, folder=parent + "/drawn", random_state=0)
    ...     paths = sorted(str(path) for path in folder.glob("*/*.jpg"))
    ...     turned = cv2.rotate(cv2.imread(paths[0], 0), cv2.ROTATE_90_CLOCKWISE)
    ...     paths.append(parent + "/copy.jpg")
    ...     _ = cv2.imwrite(paths[3], turned, [cv2.IMWRITE_JPEG_QUALITY, 70])
    ...     pairs = find_copies(paths, take_inventory(paths, descriptions=[LOOK]))
    >>> pairs[["first", "second", "kind", "turn"]].values.tolist()
    [[0, 3, 'near', 'rotated 90°']]
    """
    rows = np.flatnonzero((files["reason"].isna() & files["hash"].notna()).to_numpy())
    rows, same_bytes = _equal(rows, files["sha256"].to_numpy(), "bytes")
    rows = rows[parse_hashes(files["hash"].iloc[rows].tolist()).any(axis=1)]  # constant images are all alike
    rows, same_pixels = _equal(rows, _pixels(paths, files, rows), "pixels")
    hashes, crops = (parse_hashes(files[name].iloc[rows].tolist()) for name in ("hash", "crops"))
    near = _near(paths, rows, _candidates(hashes, crops))
    pairs = pd.DataFrame(sorted([*same_bytes, *same_pixels, *near]), columns=list(COLUMNS))
    return pairs.astype(COLUMNS)


def copy_groups(n: int, pairs: pd.DataFrame) -> NDArray[np.int64]:
    """Number the groups of rows that pairs join, directly or through others.

    Parameters
    ----------
    n : int
        Number of rows.
    pairs : DataFrame
        With columns first and second.

    Returns
    -------
    groups : ndarray of shape (n,), dtype int64
        Numbered from 0 in the order of their first rows; a row without a pair is a group of its own.

    See Also
    --------
    find_copies : Makes such pairs.

    Examples
    --------
    >>> import pandas as pd
    >>> from fracture_features.audit import copy_groups
    >>> copy_groups(5, pd.DataFrame({"first": [1, 3], "second": [3, 4]}))
    array([0, 1, 2, 1, 1])
    """
    joined = coo_array((np.ones(len(pairs), bool), (pairs["first"], pairs["second"])), shape=(n, n))
    _, labels = connected_components(joined, directed=False)
    _, firsts, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(firsts))[inverse].astype(np.int64)


def _equal(rows: NDArray[np.int64], values: NDArray, kind: str) -> tuple[NDArray[np.int64], list[_Pair]]:
    """The first row of each value, and its pairs with the others."""
    owners: dict[Hashable, int] = {}
    pairs = []
    for row in rows.tolist():
        owner = owners.setdefault(values[row], row)
        if owner != row:
            pairs.append(_Pair(owner, row, kind))
    return np.array(list(owners.values()), dtype=np.int64), pairs


def _pixels(paths: Sequence[str], files: pd.DataFrame, rows: NDArray[np.int64]) -> NDArray:
    """What is the same of files with the same pixels, at the given rows; few are read again."""
    found = np.arange(len(files)).astype(object)
    alike = rows[_may_be_equal(files.iloc[rows])]

    def digest_pixels(row: int) -> bytes:
        image = np.ascontiguousarray(read_image(paths[row]))
        return digest(repr(image.shape), image)

    for row, value in zip(alike, map_threads(digest_pixels, alike.tolist(), -1), strict=True):
        found[row] = value
    return found


def _may_be_equal(files: pd.DataFrame) -> NDArray[np.bool_]:
    """Files with equal hashes, and a JPEG and others of one size with hashes so close that they may be what it was."""
    equal = files["hash"].duplicated(keep=False).to_numpy()
    is_jpeg = files["format"] == "JPEG"
    if is_jpeg.nunique() < 2:
        return equal
    near = near_pairs(parse_hashes(files["hash"].tolist()), MAX_SAVED_ANEW)
    groups = copy_groups(len(files), pd.DataFrame({"first": near.first, "second": near.second}))
    both = is_jpeg.groupby([groups, files["height"], files["width"]]).transform("nunique") == 2
    return equal | both.to_numpy(dtype=bool)


def _candidates(hashes: NDArray[np.uint64], crops: NDArray[np.uint64]) -> Pairs:
    """Pairs of pictures that are alike, or of which one is like what a crop leaves of the other; the closest first."""
    n = len(hashes)
    whole = _alike_throughout(near_pairs(hashes, MAX_DISTANCE), crops)
    part = near_pairs(np.concatenate([hashes, *np.split(crops, crops.shape[1] // 4, axis=1)]), MAX_CROP_DISTANCE)
    swapped = part.first % max(n, 1) > part.second % max(n, 1)
    turn = np.where(swapped, INVERSE[part.turn], part.turn)
    ends = np.sort([part.first % max(n, 1), part.second % max(n, 1)], axis=0)
    mixed = (part.first < n) & (part.second >= n) & (ends[0] != ends[1])
    parts = ends[0][mixed], ends[1][mixed], turn[mixed], part.distance[mixed]
    both = Pairs(*(np.concatenate([values, more]) for values, more in zip(whole, parts, strict=True)))
    order = np.argsort(both.distance, kind="stable")
    _, once = np.unique(both.first[order] * n + both.second[order], return_index=True)
    return Pairs(*(values[order[np.sort(once)]] for values in both))


def _alike_throughout(near: Pairs, crops: NDArray[np.uint64]) -> Pairs:
    """Those pairs of which what crops leave is alike as well, which in different pictures it is by chance only."""
    total = near.distance.astype(np.int64)
    for crop in np.split(crops, crops.shape[1] // 4, axis=1):
        turned = turned_hashes(crop)[near.first, near.turn]
        total += np.bitwise_count(turned ^ crop[near.second]).sum(axis=1, dtype=np.int64)
    keep = total <= MAX_MEAN_DISTANCE * (1 + crops.shape[1] // 4)
    return Pairs(*(values[keep] for values in near))


def _near(paths: Sequence[str], rows: NDArray[np.int64], near: Pairs) -> list[_Pair]:
    """Pairs of nearly the same picture: a tree for each group, the closest candidates first."""

    @lru_cache(maxsize=KEPT)
    def read(row: int) -> NDArray[np.uint8]:
        return read_image(paths[row], max_side=2 * SIDE)

    def compare(k: int) -> _Pair:
        first, second = rows[near.first[k]].item(), rows[near.second[k]].item()
        score = similarity(read(first), read(second), near.turn[k].item())
        return _Pair(first, second, "near", TURNS[near.turn[k]], near.distance[k].item(), score)

    groups, failures = np.arange(len(rows)), Counter[int]()
    pairs = []
    for start in range(0, len(near.first), CHUNK):
        left = np.arange(start, min(start + CHUNK, len(near.first)))
        while len(left := left[_undecided(groups[near.first[left]], groups[near.second[left]], failures, len(rows))]):
            batch, left = left[:BATCH], left[BATCH:]
            for k, pair in zip(batch, map_threads(compare, batch.tolist(), -1), strict=True):
                one, other = groups[near.first[k]], groups[near.second[k]]
                if pair.similarity < MIN_SIMILARITY:
                    failures[_number(one, other, len(rows)).item()] += 1
                elif one != other:
                    groups[groups == other] = one
                    pairs.append(pair)
    return pairs


def _undecided(one: NDArray[np.int64], other: NDArray[np.int64], failures: Counter[int], n: int) -> NDArray[np.bool_]:
    """Return whether groups are still apart, and not compared so often that they count as different."""
    different = [number for number, count in failures.items() if count >= TRIES]
    return (one != other) & ~np.isin(_number(one, other, n), different)


def _number(one: NDArray[np.int64], other: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """One number for two groups, in either order."""
    return np.minimum(one, other) * n + np.maximum(one, other)
