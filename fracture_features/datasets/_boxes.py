"""Where fractures are marked: boxes as annotation files have them, brought to the pixels of the images."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exceptions import DatasetError, DatasetWarning, ImageReadError
from ..images import read_shape

TOLERANCE = 1.0  # pixels: annotation tools count from 0 or from 1, and round
Box = tuple[float, float, float, float]


class Mark(NamedTuple):
    """One box, as a file has it: top, left, bottom and right, its label, and where it stands, for messages."""

    box: Box
    label: str
    where: str


class Marks(NamedTuple):
    """What an annotation file says of one image.

    Parameters
    ----------
    marks : list of Mark
        Empty where it says that there is nothing to mark.
    size : (float, float) or None
        Height and width that the boxes refer to; None means the image's own.
    """

    marks: list[Mark]
    size: tuple[float, float] | None = None


class Boxes(NamedTuple):
    """Boxes and labels of all images, as in FractureDataset."""

    boxes: NDArray[np.object_]
    labels: NDArray[np.object_]


def place_boxes(
    found: Sequence[Marks | None], paths: Sequence[str] | NDArray[np.str_], y: NDArray[np.int64], names: Sequence[str]
) -> Boxes:
    """Bring boxes to the pixels of their images, as displayed.

    Parameters
    ----------
    found : sequence of Marks or None
        For each image; None where nothing is known.
    paths : sequence of str
    y, names
        Classes, and the name of each. Of two the first has no fractures: nothing known of one of its images means that
        there is nothing to mark.

    Returns
    -------
    boxes : Boxes
        What reaches over the image's edge is cut there. None is known of an image whose header cannot be read.

    Raises
    ------
    DatasetError
        If a box lies outside its image.

    Warns
    -----
    DatasetWarning
        If boxes are empty, which are left away, reach more than a pixel over the edge, or are on images of a class
        without fractures.
    """
    boxes, labels = (np.full(len(paths), None, dtype=object) for _ in range(2))
    said: dict[str, list[str]] = {"empty boxes, left away": [], "boxes over the edge, cut there": []}
    healthy = (y == 0) & (len(names) == 2)
    surprising = []
    for row, (each, path) in enumerate(zip(found, paths, strict=True)):
        placed = _place(each or Marks([]), str(path), *said.values()) if each or healthy[row] else None
        if placed is not None:
            boxes[row], labels[row] = placed
            if healthy[row] and len(labels[row]) and each is not None:
                surprising.append(f"{each.marks[0].where}: {_words(each.marks[0].box)} of {str(path)!r}")
    said[f"boxes on images of the class {names[0]!r}"] = surprising
    for what, each_said in said.items():
        if each_said:
            warnings.warn(f"{what}: {len(each_said)}, the first {each_said[0]}", DatasetWarning, stacklevel=4)
    return Boxes(boxes, labels)


def count_boxes(boxes: NDArray[np.object_]) -> str:
    """For example "532 boxes on 424 images"."""
    counts = [0 if each is None else len(each) for each in boxes]
    n, n_images = sum(counts), sum(count > 0 for count in counts)
    return f"{n} box{'es' * (n != 1)} on {n_images} image{'s' * (n_images != 1)}"


def _place(
    marks: Marks, path: str, empty: list[str], cut: list[str]
) -> tuple[NDArray[np.float64], tuple[str, ...]] | None:
    """Boxes (n, 4) and labels of one image; None where its header cannot be read."""
    if not marks.marks:
        return np.empty((0, 4)), ()
    try:
        shape = read_shape(path)
    except ImageReadError:
        return None
    height, width = shape if marks.size is None else marks.size
    kept, labels = [], []
    for mark in marks.marks:
        box = np.array(mark.box) * ((shape[0] / height, shape[1] / width) * 2)
        inside = np.clip(box, 0, [*shape, *shape])
        said = f"{mark.where}: {_words(box)} of {path!r}, {shape[0]} x {shape[1]} pixels"
        if (box[2:] <= box[:2]).any():
            empty.append(said)
            continue
        if (inside[2:] <= inside[:2]).any():
            raise DatasetError(
                f"{said}: the box lies outside the image; expected top, left, bottom and right in pixels of the file"
            )
        if np.abs(box - inside).max() > TOLERANCE:
            cut.append(said)
        kept.append(inside)
        labels.append(mark.label)
    return np.array(kept).reshape(-1, 4), tuple(labels)


def _words(box: Sequence[float] | NDArray[np.float64]) -> str:
    """A box for messages."""
    return "box ({})".format(", ".join(f"{side:.6g}" for side in box))


def as_numbers(cells: Sequence[Any], where: str) -> list[float]:
    """Finite numbers; DatasetError where a cell is none."""
    try:
        numbers = [float(cell) for cell in cells if not isinstance(cell, bool)]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) < len(cells) or not all(map(math.isfinite, numbers)):
        raise DatasetError(f"{where}: expected {len(cells)} finite numbers, got {str(list(cells))[:100]}")
    return numbers
