"""Extractors as ONNX operators, from grey images uint8 (n, height, width) to features, in the extractors' precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import FeatureUnion

from .._validation import as_pair
from ..cnn import PretrainedExtractor
from ..features import HOGExtractor, LBPExtractor
from ..features._hog import EPS, _bin_table
from ..features._lbp import MAX_PATTERN_POINTS, _possible_codes, _sampling, _smallest_rotations, _uniform
from ._onnx_steps import DOUBLE, FLOAT, INT64, Operators

IMAGES = "images"  # name of the input


def extractors(step: Any) -> list[Any] | None:
    """The extractors of a step, if each can be written; None for all other steps."""
    parts = [part for _, part in step.transformer_list] if isinstance(step, FeatureUnion) else [step]
    return parts if all(_writer(part) is not None for part in parts) else None


def write_extractors(to: Operators, parts: list[Any]) -> str:
    """Append extractors beside each other, and name the features, float (n, n_features)."""
    each = []
    for part in parts:
        write: Any = _writer(part)
        each.append(write(to, part))
    return to.add("Concat", *each, axis=1)


def _writer(part: Any) -> Callable[[Operators, Any], str] | None:
    if isinstance(part, PretrainedExtractor):
        return _network if part._network._graph is not None else None
    if isinstance(part, LBPExtractor):
        return _lbp if all(scale.n_points <= MAX_PATTERN_POINTS for scale in part._scales()) else None
    return _hog if isinstance(part, HOGExtractor) else None


def _network(to: Operators, part: PretrainedExtractor) -> str:
    return to.network(part._network._graph, part._network.weights)


def _hog(to: Operators, part: HOGExtractor) -> str:
    cell = as_pair(part.pixels_per_cell, name="pixels_per_cell")
    block = as_pair(part.cells_per_block, name="cells_per_block")
    down, across = _gradients(to, part.image_shape_)
    place = to.add("Add", to.add("Mul", to.add("Add", down, _whole(to, 255)), _whole(to, 511)), across)
    place = to.add("Add", place, _whole(to, 255))
    bins = to.add("Gather", to.constant(_bin_table(part.orientations), np.int64), place)
    squares = to.add("Add", to.add("Mul", down, down), to.add("Mul", across, across))
    magnitudes = to.add("Unsqueeze", to.add("Sqrt", to.cast(squares, FLOAT)), _whole(to, [1]))
    chosen = to.add("OneHot", bins, _whole(to, part.orientations), to.constant([0, 1], np.float32), axis=1)
    cells = to.add("AveragePool", to.add("Mul", chosen, magnitudes), kernel_shape=cell, strides=cell)
    rows, columns = (n // size - k + 1 for n, size, k in zip(part.image_shape_, cell, block, strict=True))
    places = [(k, m) for k in range(block[0]) for m in range(block[1])]
    # (n, bins, cells of a block, rows, columns) to the order of features: rows, columns, cells, bins
    blocks = to.add(
        "Concat",
        *(to.add("Unsqueeze", _sliced(to, cells, (k, m), (k + rows, m + columns)), _whole(to, [2])) for k, m in places),
        axis=2,
    )
    blocks = to.add("Transpose", blocks, perm=[0, 3, 4, 2, 1])
    blocks = to.add("Reshape", blocks, _whole(to, [0, rows, columns, len(places) * part.orientations]))
    return to.add("Flatten", _normalised(to, blocks, part.block_norm), axis=1)


def _gradients(to: Operators, shape: tuple[int, int]) -> tuple[str, str]:
    """Differences of the pixels on both sides, down and across, int64; 0 at the edges they would reach over."""
    image, (height, width) = to.cast(IMAGES, INT64), shape
    down = to.add("Sub", _sliced(to, image, (2, 0), shape), _sliced(to, image, (0, 0), (height - 2, width)))
    across = to.add("Sub", _sliced(to, image, (0, 2), shape), _sliced(to, image, (0, 0), (height, width - 2)))
    return to.add("Pad", down, _whole(to, [0, 1, 0, 0, 1, 0])), to.add("Pad", across, _whole(to, [0, 0, 1, 0, 0, 1]))


def _normalised(to: Operators, blocks: str, norm: str) -> str:
    """Blocks (n, rows, columns, values) divided by their lengths."""
    if norm.startswith("L1"):
        length = to.add("Add", _sum(to, blocks), to.constant(EPS, np.float32))
        blocks = to.add("Div", blocks, length)
        return to.add("Sqrt", blocks) if norm == "L1-sqrt" else blocks
    blocks = _unit(to, blocks)
    if norm == "L2":
        return blocks
    return _unit(to, to.add("Min", blocks, to.constant(0.2, np.float32)))


def _unit(to: Operators, blocks: str) -> str:
    squares = _sum(to, to.add("Mul", blocks, blocks))
    return to.add("Div", blocks, to.add("Sqrt", to.add("Add", squares, to.constant(EPS * EPS, np.float32))))


def _sum(to: Operators, x: str) -> str:
    return to.add("ReduceSum", x, _whole(to, [-1]), keepdims=1)


def _lbp(to: Operators, part: LBPExtractor) -> str:
    bounds = part._cell_bounds()
    inside = [_membership(part_bounds) for part_bounds in bounds]
    sizes = np.outer(*(np.diff(part_bounds) for part_bounds in bounds))
    shares = []
    for scale in part._scales():
        codes, possible = _codes(to, part, scale.n_points, scale.radius), _possible_codes(scale.n_points, part.method)
        chosen = to.add("OneHot", codes, _whole(to, len(possible)), to.constant([0, 1], np.float32), axis=1)
        counts = to.add("MatMul", to.constant(inside[0], np.float32), chosen)
        counts = to.add("MatMul", counts, to.constant(inside[1].T, np.float32))
        shares.append(to.add("Div", counts, to.constant(sizes, np.float32)))
    together = to.add("Transpose", to.add("Concat", *shares, axis=1), perm=[0, 2, 3, 1])
    return to.add("Flatten", together, axis=1)


def _codes(to: Operators, part: LBPExtractor, n_points: int, radius: float) -> str:
    """Place of each pixel's code among the possible ones, int64 (n, height, width)."""
    height, width = part.image_shape_
    rows, row_weights, columns, column_weights = _sampling(part.image_shape_, n_points, radius)
    margin = int(max(-rows.min(), rows.max() + 1, -columns.min(), columns.max() + 1))
    padded = to.add("Pad", to.cast(IMAGES, DOUBLE), _whole(to, [0, margin, margin] * 2))
    centre, patterns = to.cast(IMAGES, DOUBLE), _whole(to, 0)
    for p in range(n_points):
        start = margin + rows[p], margin + columns[p]

        def pixels(down: int, across: int, start: Any = start) -> str:
            first = start[0] + down, start[1] + across
            return _sliced(to, padded, first, (first[0] + height, first[1] + width))

        point = _between(to, pixels, row_weights[p][:, None], column_weights[p])
        is_set = to.cast(to.add("GreaterOrEqual", point, centre), INT64)
        patterns = to.add("Add", patterns, to.add("Mul", is_set, _whole(to, 1 << p)))
    return to.add("Gather", to.constant(_places_of_patterns(n_points, part.method), np.int64), patterns)


def _between(to: Operators, pixels: Callable[[int, int], str], down: NDArray[Any], across: NDArray[Any]) -> str:
    """Grey values between four pixels, by operations in the extractor's order, so that they round alike."""
    near, far, above, below = (np.asarray(weight) for weight in (1 - across, across, 1 - down, down))
    lines = [
        to.add(
            "Add",
            to.add("Mul", to.constant(near), pixels(row, 0)),
            to.add("Mul", to.constant(far), pixels(row, 1)),
        )
        for row in (0, 1)
    ]
    return to.add("Add", to.add("Mul", to.constant(above), lines[0]), to.add("Mul", to.constant(below), lines[1]))


def _places_of_patterns(n_points: int, method: str) -> NDArray[np.int64]:
    """Place among the possible codes for each pattern, whose bit p is the sign of point p."""
    patterns = np.arange(2**n_points)
    codes = patterns.astype(np.int32)
    if method == "ror":
        codes = _smallest_rotations(n_points)
    elif method != "default":
        signs = (patterns >> np.arange(n_points)[:, None] & 1).astype(np.uint8)
        _uniform(signs, method == "nri_uniform", codes)
    return np.searchsorted(_possible_codes(n_points, method), codes)


def _membership(bounds: NDArray[np.int64]) -> NDArray[np.float32]:
    """Which pixels, of one axis, are in which cell: (n_cells, n_pixels) of 0 and 1."""
    pixels = np.arange(bounds[-1])
    return ((pixels >= bounds[:-1, None]) & (pixels < bounds[1:, None])).astype(np.float32)


def _sliced(to: Operators, x: str, start: tuple[int, int], end: tuple[int, int]) -> str:
    """Rows and columns, the last two axes."""
    return to.add("Slice", x, _whole(to, start), _whole(to, end), _whole(to, [-2, -1]))


def _whole(to: Operators, value: Any) -> str:
    return to.constant(value, np.int64)
