"""Objects that stand out in a radiograph: letters and markers, small and alone; plates and pins, long and straight."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._kernels import kernel

ZONES = 4  # along each side, that isolated objects are counted in
REACH = 0.085  # of the longer side: an isolated object is smaller than a circle of this radius
CONTRAST = 0.18  # by which it is brighter than all that stands around it, where black is 0 and white 1
BRIGHT = 0.4  # that it has at least
LEAST = 20  # levels of contrast
BAR_LEVELS = (248, 215)  # at which bright bars are looked for
BAR = (0.12, 3.0, 0.72)  # of a bar: length by the longer side, length by width, share of its box that it fills
BAR_CONTRAST = 60  # levels above what lies on both sides
SMALLEST = 12  # pixels of a bar
PARTS = 3  # along each side of an object, to tell one shape from another
OBJECTS = 2 + ZONES**2 + 8 + PARTS**2  # numbers
BARS = 6


@kernel
def fill_region(mask: Any, i: int, j: int, rows: Any, columns: Any) -> int:
    """Clear the region of a mask that a pixel belongs to, by its 8 neighbours; its pixels go into `rows`, `columns`."""
    mask[i, j] = 0
    rows[0], columns[0] = i, j
    done, n = 0, 1
    while done < n:
        y, x = rows[done], columns[done]
        done += 1
        for r in range(max(y - 1, 0), min(y + 2, mask.shape[0])):
            for c in range(max(x - 1, 0), min(x + 2, mask.shape[1])):
                if mask[r, c]:
                    mask[r, c] = 0
                    rows[n], columns[n] = r, c
                    n += 1
    return n


@kernel
def find_objects(image: Any, mean: Any, high: Any, step: int, black: float, white: float, margin: Any) -> Any:
    """Isolated bright objects.

    Parameters
    ----------
    image : ndarray of shape (height, width), dtype uint8
    mean, high : ndarrays, dtype uint8
        Mean and maximum of its blocks.
    step : int
        Side of the blocks in pixels.
    black, white : float
        Levels between which the picture lies.
    margin : ndarray of shape (4,)
        Blocks at the top, bottom, left and right in which nothing is looked for.

    Returns
    -------
    values : ndarray of shape (OBJECTS,), dtype float64
        Of those outside the middle half of the picture: their number, the share of the picture that they cover, the
        contrast of the plainest in each of 4 x 4 zones, and the shape of the plainest of all.
    """
    height, width = mean.shape
    out = np.zeros(OBJECTS, np.float64)
    spread = max(white - black, 1.0)
    contrast = _contrasts(mean, high, black, spread, margin)
    mask = (contrast > 0).astype(np.uint8)
    rows, columns = np.empty(mask.size, np.int32), np.empty(mask.size, np.int32)
    plainest, above, level, box = 0.0, 0, 0, (0, 0, 0, 0)
    for i in range(height):
        for j in range(width):
            if not mask[i, j]:
                continue
            n = fill_region(mask, i, j, rows, columns)
            best, y, x = _plainest(contrast, rows, columns, n)
            if height <= 4 * y < 3 * height and width <= 4 * x < 3 * width:
                continue  # a fragment of bone, or a small one
            out[0] += 1
            out[1] += n / mask.size
            zone = 2 + ZONES * (y * ZONES // height) + x * ZONES // width
            out[zone] = max(out[zone], best / spread)
            from_edge = min(min(y, height - 1 - y) / height, min(x, width - 1 - x) / width)
            if best * (1 - from_edge) > plainest:  # markers stand near the edges
                plainest, above, level = best * (1 - from_edge), best, int(high[y, x])
                bottom, left, right = rows[:n].max(), columns[:n].min(), columns[:n].max()
                box = (i - 1) * step, (bottom + 2) * step, (left - 1) * step, (right + 2) * step
    if plainest > 0:
        describe_object(image, box, above, level, out)
        first = 2 + ZONES**2
        out[first], out[first + 1] = above / spread, (level - black) / spread
    return out


@kernel
def _contrasts(mean: Any, high: Any, black: float, spread: float, margin: Any) -> Any:
    """Levels by which each place of an isolated bright object is above what stands around it; 0 at other places."""
    height, width = mean.shape
    reach = max(3, int(np.round(REACH * max(height, width))))
    circle = _circle(reach)
    least, bright = int(max(CONTRAST * spread, LEAST)), int(black + BRIGHT * spread)
    out, mask = np.zeros(mean.shape, np.uint8), np.empty(width, np.uint8)
    for i in range(int(margin[0]), height - int(margin[1])):
        _above_both_sides(mean[i], high[i], reach, least, bright, mask)
        if i >= reach:
            _above(mean[i - reach], high[i], least, mask)
        if i + reach < height:
            _above(mean[i + reach], high[i], least, mask)
        for j in range(int(margin[2]), width - int(margin[3])):
            if mask[j]:
                out[i, j] = _isolation(mean, i, j, circle, int(high[i, j]), least)
    return out


@kernel
def _plainest(contrast: Any, rows: Any, columns: Any, n: int) -> Any:
    """Contrast, row and column of that of a region's n places which stands out most."""
    best = 0
    for k in range(1, n):
        if contrast[rows[k], columns[k]] > contrast[rows[best], columns[best]]:
            best = k
    return int(contrast[rows[best], columns[best]]), rows[best], columns[best]


@kernel
def _above_both_sides(mean: Any, high: Any, reach: int, least: int, bright: int, mask: Any) -> None:
    """Mark what is bright and above the places to its left and right, for most pixels fail at these."""
    width = len(mean)
    right, left, far, far_left = mean[reach:], mean[: width - reach], high[reach:], mask[reach:]
    for j in range(width):
        mask[j] = high[j] >= bright
    for j in range(width - reach):
        mask[j] &= high[j] >= np.int16(right[j]) + np.int16(least)
    for j in range(width - reach):
        far_left[j] &= far[j] >= np.int16(left[j]) + np.int16(least)


@kernel
def _above(other: Any, high: Any, least: int, mask: Any) -> None:
    """Keep what is above a place in another row."""
    for j in range(len(mask)):
        mask[j] &= high[j] >= np.int16(other[j]) + np.int16(least)


@kernel
def _circle(reach: int) -> Any:
    """Rows and columns of 16 places at a distance, opposite ones one after the other."""
    out = np.empty((16, 2), np.int64)
    for k in range(16):
        angle = (k // 2 + 8 * (k % 2)) * np.pi / 8
        out[k, 0], out[k, 1] = int(np.round(reach * np.sin(angle))), int(np.round(reach * np.cos(angle)))
    return out


@kernel
def _isolation(mean: Any, i: int, j: int, circle: Any, level: int, least: int) -> int:
    """Levels by which a place is above the brightest of those around it; at least 5 of them lie in the picture."""
    top, n = 0, 0
    for k in range(16):
        y, x = i + circle[k, 0], j + circle[k, 1]
        if 0 <= y < mean.shape[0] and 0 <= x < mean.shape[1]:
            n += 1
            top = max(top, int(mean[y, x]))
            if level - top < least:
                return 0
    return level - top if n >= 5 else 0


@kernel
def describe_object(image: Any, box: Any, contrast: int, level: int, out: Any) -> None:
    """Contrast, level, height, width, share of its box, place, holes, and share of each ninth of its box."""
    first = 2 + ZONES**2
    for k in range(first, len(out)):
        out[k] = 0
    top, bottom = max(0, box[0]), min(image.shape[0], box[1])
    left, right = max(0, box[2]), min(image.shape[1], box[3])
    highest, lowest, leftmost, rightmost, n, sum_rows, sum_columns = bottom, top, right, left, 0, 0, 0
    outside = np.ones((bottom - top + 2, right - left + 2), np.uint8)  # a margin joins all that lies around
    for i in range(top, bottom):
        for j in range(left, right):
            if image[i, j] > level - contrast // 2:
                outside[i - top + 1, j - left + 1] = 0
                highest, lowest = min(highest, i), max(lowest, i)
                leftmost, rightmost = min(leftmost, j), max(rightmost, j)
                n, sum_rows, sum_columns = n + 1, sum_rows + i, sum_columns + j
    if n == 0:
        return
    tall, wide = lowest + 1 - highest, rightmost + 1 - leftmost
    longer = max(image.shape[0], image.shape[1])
    values = (
        float(contrast),
        float(level),
        tall / longer,
        wide / longer,
        n / (tall * wide),
        sum_rows / (n * image.shape[0]),
        sum_columns / (n * image.shape[1]),
    )
    for k in range(7):
        out[first + k] = values[k]
    for i in range(highest, lowest + 1):
        for j in range(leftmost, rightmost + 1):
            if not outside[i - top + 1, j - left + 1]:
                part = PARTS * ((i - highest) * PARTS // tall) + (j - leftmost) * PARTS // wide
                out[first + 8 + part] += PARTS**2 / (tall * wide)
    rows, columns = np.empty(outside.size, np.int32), np.empty(outside.size, np.int32)
    fill_region(outside, tall - tall, wide - wide, rows, columns)
    for i in range(outside.shape[0]):
        for j in range(outside.shape[1]):
            if outside[i, j] and fill_region(outside, i, j, rows, columns) > 2:
                out[first + 7] += 1


@kernel
def find_bars(mean: Any, margin: Any) -> Any:
    """Long, straight and bright regions: length, width, share of their box, level and contrast of the plainest; number.

    Parameters
    ----------
    mean : ndarray of shape (height, width), dtype uint8
    margin : ndarray of shape (4,)
        Pixels at the top, bottom, left and right; what reaches into them is a bone or the shutter.

    Returns
    -------
    values : ndarray of shape (BARS,), dtype float64
        Lengths as shares of the longer side.
    """
    height, width = mean.shape
    out = np.zeros(BARS, np.float64)
    rows, columns = np.empty(mean.size, np.int32), np.empty(mean.size, np.int32)
    mask = np.zeros(mean.shape, np.uint8)
    for level in BAR_LEVELS:
        bright = 0
        for i in range(height):
            for j in range(width):
                mask[i, j] = mean[i, j] >= level
                bright += mask[i, j]
        if bright < SMALLEST:
            continue
        for i in range(height):
            for j in range(width):
                if mask[i, j]:
                    n = fill_region(mask, i, j, rows, columns)
                    if SMALLEST <= n <= mean.size // 8:
                        bar_of(mean, margin, rows, columns, n, out)
        if out[5] > 0:
            break
    return out


@kernel
def bar_of(mean: Any, margin: Any, rows: Any, columns: Any, n: int, out: Any) -> None:
    """Note a region of n pixels that is a bar; a straight one fills the box that has its second moments."""
    y, x, total = 0.0, 0.0, 0
    for k in range(n):
        if rows[k] < margin[0] or rows[k] >= mean.shape[0] - margin[1]:
            return
        if columns[k] < margin[2] or columns[k] >= mean.shape[1] - margin[3]:
            return
        y, x, total = y + rows[k] / n, x + columns[k] / n, total + mean[rows[k], columns[k]]
    a, b, c = 1 / 12, 0.0, 1 / 12
    for k in range(n):
        a += (rows[k] - y) ** 2 / n
        b += (rows[k] - y) * (columns[k] - x) / n
        c += (columns[k] - x) ** 2 / n
    root = np.sqrt((a - c) ** 2 / 4 + b * b)
    length, wide = np.sqrt(12 * ((a + c) / 2 + root)), np.sqrt(12 * max((a + c) / 2 - root, 1 / 12))
    longer = max(mean.shape[0], mean.shape[1])
    if length < BAR[0] * longer or length < BAR[1] * wide or n < BAR[2] * length * wide:
        return
    angle = 0.5 * np.arctan2(2 * b, a - c)  # from the vertical
    down, across, away = np.cos(angle), np.sin(angle), wide / 2 + 2
    around, n_around = 0, 0
    for k in range(2 * n):
        along = (rows[k // 2] - y) * down + (columns[k // 2] - x) * across
        side = away if k % 2 else -away
        i, j = int(np.round(y + along * down - side * across)), int(np.round(x + along * across + side * down))
        if 0 <= i < mean.shape[0] and 0 <= j < mean.shape[1]:
            around, n_around = around + mean[i, j], n_around + 1
    contrast = total / n - around / max(n_around, 1)
    if contrast < BAR_CONTRAST:
        return
    out[5] += 1
    if contrast * length / longer > out[4] * out[0]:
        out[0], out[1], out[2] = length / longer, wide / longer, n / (length * wide)
        out[3], out[4] = total / n, contrast
