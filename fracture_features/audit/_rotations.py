"""Copies at any angle, among files whose names say that they may be some."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._threads import map_threads
from ..images import read_image
from ._copies import COLUMNS, copy_groups

SIDE = 320  # pixels along the longer side
N_POINTS = 400
RATIO = 0.8  # of the distances to the nearest and second nearest descriptor, by which a match is kept [1]_
REACH = 4.0  # pixels that a matched point may lie off
MIN_POINTS = 12  # matched points that one turn, shift and scale explain
MIN_SPREAD = 0.03  # share of the image that their bounding box covers: a marker alone is no copy
MIN_OVERLAP = 0.3  # share of the image
MIN_CORRELATION = 0.6  # of grey levels where the images overlap


class _Points(NamedTuple):
    image: NDArray[np.uint8]
    places: NDArray[np.float32]
    descriptors: NDArray[np.float32] | None


def find_rotated(paths: Sequence[str], families: NDArray[np.int64], copies: pd.DataFrame) -> pd.DataFrame:
    """Find, within families of names, copies that are turned by any angle, shifted or scaled.

    Points of the two images are matched by SIFT descriptors [1]_; a pair is a copy if one turn, shift and scale
    explains at least twelve matches that cover three hundredths of the image, and grey levels then correlate by 0.6
    where the images overlap. It takes 50 ms a pair, which is why names choose the candidates.

    Parameters
    ----------
    paths : sequence of str of length n
    families : ndarray of shape (n,)
        As `name_families` gives them, of files that can be read; -1 for others.
    copies : DataFrame
        What `find_copies` found: of what hangs together one file is compared.

    Returns
    -------
    pairs : DataFrame
        Further pairs with the columns of `find_copies`, kind "near", turn such as "rotated by 12°", distance missing
        and the correlation as similarity.

    References
    ----------
    .. [1] D. G. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60(2), 2004.
    """
    groups = copy_groups(len(paths), copies)
    members = pd.DataFrame({"family": families, "group": groups, "row": np.arange(len(paths))})
    chosen = members[members["family"] >= 0].drop_duplicates(["family", "group"])
    lists = [rows.tolist() for _, rows in chosen.groupby("family")["row"] if len(rows) > 1]
    found = map_threads(lambda rows: _in_family(paths, rows), lists, -1)
    frame = pd.DataFrame([pair for pairs in found for pair in pairs], columns=list(COLUMNS))
    return frame.astype(COLUMNS)


def _in_family(paths: Sequence[str], rows: list[int]) -> list[tuple[int, int, str, str, float, float]]:
    """Pairs of each file with the first earlier one that it is a copy of."""
    points: dict[int, _Points] = {}
    firsts: list[int] = []
    pairs = []
    for row in rows:
        points[row] = _points(paths[row])
        for first in firsts:
            match = _match(points[first], points[row])
            if match is not None:
                angle, correlation = match
                turn = f"rotated by {round(math.degrees(angle))}°"
                pairs.append((first, row, "near", turn, math.nan, correlation))
                break
        else:
            firsts.append(row)
    return pairs


def _points(path: str) -> _Points:
    image = read_image(path, max_side=SIDE)
    keypoints, descriptors = cv2.SIFT.create(nfeatures=N_POINTS).detectAndCompute(image, None)
    return _Points(image, np.array([point.pt for point in keypoints], dtype=np.float32), descriptors)


def _match(first: _Points, second: _Points) -> tuple[float, float] | None:
    """Angle in radians and correlation, where the second is the first turned, shifted and scaled."""
    if first.descriptors is None or second.descriptors is None or min(len(first.places), len(second.places)) < 2:
        return None
    matches = cv2.BFMatcher(cv2.NORM_L2).knnMatch(first.descriptors, second.descriptors, k=2)
    kept = [best for best, other in matches if best.distance < RATIO * other.distance]
    if len(kept) < MIN_POINTS:
        return None
    here = np.array([first.places[match.queryIdx] for match in kept])
    there = np.array([second.places[match.trainIdx] for match in kept])
    move, explained = cv2.estimateAffinePartial2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=REACH)
    if move is None or explained.sum() < MIN_POINTS:
        return None
    spread = np.ptp(here[explained.ravel() == 1], axis=0).prod() / first.image.size
    correlation = _correlation(first.image, second.image, move)
    if spread < MIN_SPREAD or correlation < MIN_CORRELATION:
        return None
    return math.atan2(move[1, 0], move[0, 0]), correlation


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8], move: NDArray[np.float64]) -> float:
    """Of grey levels, where the moved first image lies over the second."""
    size = second.shape[1], second.shape[0]
    moved = cv2.warpAffine(first, move, size)
    inside = cv2.warpAffine(np.full_like(first, 255), move, size) == 255
    one, other = moved[inside].astype(np.float64), second[inside].astype(np.float64)
    if inside.mean() < MIN_OVERLAP or one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
