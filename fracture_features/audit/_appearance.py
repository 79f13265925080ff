"""Numbers of how a picture looks from afar: levels, frame, isolated bright objects, straight bright bars, sharpness."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._kernels import kernel
from ._objects import PARTS, ZONES, find_bars, find_objects

LONG_SIDE = 160  # pixels of the reduced picture, at most
THUMBNAIL = 8  # pixels along each side
PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
DEPTHS = (0.0, 0.02, 0.05, 0.1)  # of the side, at which the border's level is taken
SIDES = ("top", "bottom", "left", "right")
INSIDE = 10  # part of each side that a frame may take
LAGS = (1, 2, 4, 8)  # pixels
BRIGHT_FRAME = 100  # level from which it hides the objects in it
FLAT = 6  # levels by which a row of the frame may vary
LINES = 10  # rows, and columns, in which they are taken
CAP = 16  # levels that a difference counts at most: edges of letters and metal are no noise

_ZONE_NAMES = tuple(f"objects_{i}{j}" for i in range(ZONES) for j in range(ZONES))
_SHAPE = ("contrast", "level", "height", "width", "fill", "y", "x", "holes", *(f"part_{k}" for k in range(PARTS**2)))
FIELDS: tuple[str, ...] = (
    *("mean", "std", "skewness", "black", "white", "used_levels"),
    *(f"p{p}" for p in PERCENTILES),
    *(f"frame_{side}" for side in SIDES),
    *(f"frame_{side}_level" for side in SIDES),
    *(f"{side}_{depth}" for side in SIDES for depth in range(len(DEPTHS))),
    *(f"corner_{k}" for k in range(4)),
    *("middle_above_edge", "ridges", "bright_edge", "inner_skewness"),
    *("objects", "objects_area", *_ZONE_NAMES),
    *(f"object_{name}" for name in _SHAPE),
    *(f"bar_{name}" for name in ("length", "width", "fill", "level", "contrast", "count")),
    *(f"row_lag_{lag}" for lag in LAGS),
    *(f"column_lag_{lag}" for lag in LAGS),
    *(f"thumbnail_{k}" for k in range(THUMBNAIL**2)),
)
PLACE = {name: place for place, name in enumerate(FIELDS)}


def measure_appearance(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure what `FIELDS` names, of one grey image.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8

    Returns
    -------
    values : ndarray of shape (len(FIELDS),), dtype float32
        Lengths and areas as shares of the longer side and of the picture, levels from 0 to 255.

    Examples
    --------
    A black picture with a white square of 8 pixels in its upper right corner:

    >>> import numpy as np
    >>> from fracture_features.audit._appearance import PLACE, measure_appearance
    >>> image = np.zeros((200, 160), dtype=np.uint8)
    >>> image[10:18, 140:148] = 255
    >>> values = measure_appearance(image)
    >>> float(values[PLACE["objects"]]), bool(values[PLACE["objects_03"]] > 0)
    (1.0, True)
    """
    image = np.ascontiguousarray(image)
    mean, high, step = _reduce(image)
    out = np.zeros(len(FIELDS), dtype=np.float32)
    frame, levels = _frame(image), _levels(image)
    percentiles = levels[6:]
    # What is a background of one level may be taken for a frame, and reach to the limb.
    margin = np.minimum(frame[:4], max(image.shape) / INSIDE) // step + 1
    where = 0
    for part in (
        levels,
        frame[:4] / max(image.shape),
        frame[4:],
        _border(mean),
        _polarity(mean),
        find_objects(image, mean, high, step, percentiles[0], percentiles[-1], margin * (frame[4:] > BRIGHT_FRAME)),
        find_bars(mean, margin),
        _texture(image),
        _thumbnail(mean),
    ):
        out[where : where + len(part)] = part
        where += len(part)
    return out


def _reduce(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int]:
    """Mean and maximum of blocks, a power of two pixels wide, and how wide they are."""
    mean, high, step = image, image, 1
    while max(mean.shape) > LONG_SIDE and min(mean.shape) > 1:
        mean, high = _halve(mean, high)
        step *= 2
    return mean, high, step


@kernel
def _halve(mean: Any, high: Any) -> Any:
    """Means and maxima of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = mean.shape[0] // 2, mean.shape[1] // 2
    means, tops = np.empty((height, width), np.uint8), np.empty((height, width), np.uint8)
    for i in range(height):
        above, below, line = mean[2 * i], mean[2 * i + 1], means[i]
        for j in range(width):
            total = np.uint16(above[2 * j]) + np.uint16(above[2 * j + 1])
            total += np.uint16(below[2 * j]) + np.uint16(below[2 * j + 1])
            line[j] = np.uint8((np.uint16(total) + np.uint16(2)) >> np.uint16(2))
        above, below, line = high[2 * i], high[2 * i + 1], tops[i]
        for j in range(width):
            line[j] = max(max(above[2 * j], above[2 * j + 1]), max(below[2 * j], below[2 * j + 1]))
    return means, tops


@kernel
def _levels(image: Any) -> Any:
    """Mean, deviation, skewness, share of black and of white, levels in use between the ends, percentiles."""
    rows, columns = max(1, image.shape[0] // 64), max(1, image.shape[1] // 64)
    counts = np.zeros(256, np.int64)
    for r in range(0, image.shape[0], rows):
        for c in range(0, image.shape[1], columns):
            counts[image[r, c]] += 1
    total, average = 0, 0.0
    for level in range(256):
        total += counts[level]
        average += level * counts[level]
    average /= total
    second, third = 0.0, 0.0
    for level in range(256):
        away = level - average
        second += counts[level] * away * away
        third += counts[level] * away * away * away
    out = np.zeros(6 + len(PERCENTILES), np.float64)
    out[0], out[1] = average, np.sqrt(second / total)
    out[2] = third / total / max(out[1], 1.0) ** 3
    out[3] = (counts[0] + counts[1] + counts[2]) / total
    out[4] = (counts[253] + counts[254] + counts[255]) / total
    passed, place, low, high = 0, 0, -1, 0
    for level in range(256):
        passed += counts[level]
        if low < 0 and 100 * passed >= 5 * total:
            low = level
        if 100 * passed < 95 * total:
            high = level
        while place < len(PERCENTILES) and 100 * passed >= PERCENTILES[place] * total:
            out[6 + place] = level
            place += 1
    n_used = 0
    for level in range(low, high + 1):
        n_used += counts[level] > 0
    out[5] = n_used / max(1, high + 1 - low)
    return out


@kernel
def _pixel(image: Any, side: int, depth: int, k: int) -> int:
    """The k-th pixel of the row that lies `depth` from a side, as `SIDES` has them."""
    if side == 0:
        return int(image[depth, k])
    if side == 1:
        return int(image[image.shape[0] - 1 - depth, k])
    return int(image[k, depth]) if side == 2 else int(image[k, image.shape[1] - 1 - depth])


@kernel
def _frame(image: Any) -> Any:
    """Width in pixels of the frame on each side, and the level of most of the outermost row.

    A frame's rows have one level, all the same, in all but a twentieth of their pixels.
    """
    out = np.zeros(8, np.float64)
    for side in range(4):
        length, depth = (image.shape[1], image.shape[0]) if side < 2 else (image.shape[0], image.shape[1])
        step = max(1, length // 40)
        counts = np.zeros(256, np.int64)
        n, level, rows = 0, 0, 0
        for k in range(0, length, step):
            counts[_pixel(image, side, rows, k)] += 1
            n += 1
        for other in range(256):
            if counts[other] > counts[level]:
                level = other
        while rows < depth // 2:
            near = 0
            for k in range(0, length, step):
                near += abs(_pixel(image, side, rows, k) - level) <= FLAT
            if 20 * near < 19 * n:
                break
            rows += 1
        out[side], out[4 + side] = rows, level
    return out


@kernel
def _lower_quartile(mean: Any, top: int, bottom: int, left: int, right: int) -> int:
    """25th percentile of a box: of the background, whatever bone or letter is in it."""
    counts = np.zeros(256, np.int32)
    for i in range(top, bottom):
        for j in range(left, right):
            counts[mean[i, j]] += 1
    level, passed = 0, int(counts[0])
    while 4 * passed < (bottom - top) * (right - left):
        level += 1
        passed += counts[level]
    return level


@kernel
def _border(mean: Any) -> Any:
    """Level of the background along each side at several depths, and in each corner."""
    height, width = mean.shape
    n, first = len(DEPTHS), height - height
    out = np.zeros(4 * n + 4, np.float64)
    for k in range(n):
        i, j = min(int(DEPTHS[k] * height), height - 1), min(int(DEPTHS[k] * width), width - 1)
        out[k] = _lower_quartile(mean, i, i + 1, first, width)
        out[n + k] = _lower_quartile(mean, height - 1 - i, height - i, first, width)
        out[2 * n + k] = _lower_quartile(mean, first, height, j, j + 1)
        out[3 * n + k] = _lower_quartile(mean, first, height, width - 1 - j, width - j)
    down, across = max(1, height // 24), max(1, width // 24)
    out[4 * n] = _lower_quartile(mean, first, down, first, across)
    out[4 * n + 1] = _lower_quartile(mean, first, down, width - across, width)
    out[4 * n + 2] = _lower_quartile(mean, height - down, height, first, across)
    out[4 * n + 3] = _lower_quartile(mean, height - down, height, width - across, width)
    return out


@kernel
def _polarity(mean: Any) -> Any:
    """Return whether bones are bright, from what no frame reaches: middle above edge, bright ridges, edge, skewness."""
    out = np.zeros(4, np.float64)
    top, left = mean.shape[0] // INSIDE, mean.shape[1] // INSIDE
    bottom, right = mean.shape[0] - top, mean.shape[1] - left
    if bottom - top < 8 or right - left < 8:
        return out
    counts = np.zeros(256, np.int64)
    ridge, energy, middle, edge, n_middle, n_edge = 0, 0, 0, 0, 0, 0
    across = max(1, (right - left) // 10)
    for i in range(top, bottom):
        for j in range(left, right):
            counts[mean[i, j]] += 1
        for j in range(left, left + across):
            edge += mean[i, j] + mean[i, right - 1 - (j - left)]
            n_edge += 2
        for j in range(left + 3 * across, right - 3 * across):
            middle += mean[i, j]
            n_middle += 1
        for j in range(left + 2, right - 2):
            bend = 2 * int(mean[i, j]) - int(mean[i, j - 2]) - int(mean[i, j + 2])
            bend = min(max(bend, -60), 60)
            ridge += bend * abs(bend)
            energy += bend * bend
    n, average, second, third = (bottom - top) * (right - left), 0.0, 0.0, 0.0
    for level in range(256):
        average += level * counts[level] / n
    for level in range(256):
        away = level - average
        second += counts[level] * away * away / n
        third += counts[level] * away * away * away / n
    deviation = max(np.sqrt(second), 1.0)
    out[0] = (middle / max(n_middle, 1) - edge / n_edge) / deviation
    out[1] = ridge / max(energy, 1)
    out[2] = (edge / n_edge - average) / deviation
    out[3] = third / deviation**3
    return out


@kernel
def _texture(image: Any) -> Any:
    """Mean absolute difference of pixels at each lag, along rows and columns.

    The ratio of two lags tells how fine the picture was before it was enlarged.
    """
    n = len(LAGS)
    out = np.zeros(2 * n, np.float64)
    for across in range(2):
        length, lines = (image.shape[1], image.shape[0]) if across == 0 else (image.shape[0], image.shape[1])
        line, count = np.empty(length, np.uint8), length - LAGS[n - 1]
        sums, n_lines = np.zeros(n, np.int64), 0
        step = max(1, lines // LINES)
        for place in range(step // 2, lines, step):
            for k in range(length):
                line[k] = image[place, k] if across == 0 else image[k, place]
            for m in range(n):
                total = np.int32(0)
                other = line[LAGS[m] :]
                for k in range(count):
                    total += min(np.uint8(max(line[k], other[k]) - min(line[k], other[k])), np.uint8(CAP))
                sums[m] += total
            n_lines += 1
        for m in range(n):
            out[across * n + m] = sums[m] / max(count * n_lines, 1)
    return out


@kernel
def _thumbnail(mean: Any) -> Any:
    """The picture in 8 x 8 means."""
    height, width = mean.shape
    out = np.zeros(THUMBNAIL**2, np.float64)
    for i in range(THUMBNAIL):
        top = i * height // THUMBNAIL
        bottom = max(top + 1, (i + 1) * height // THUMBNAIL)
        for j in range(THUMBNAIL):
            left = j * width // THUMBNAIL
            right = max(left + 1, (j + 1) * width // THUMBNAIL)
            total = 0
            for r in range(top, bottom):
                for c in range(left, right):
                    total += mean[r, c]
            out[i * THUMBNAIL + j] = total / ((bottom - top) * (right - left))
    return out
