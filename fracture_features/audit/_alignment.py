"""Whether two images are one picture: laid over each other, their details must agree nearly everywhere."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

SIDE = 256  # longer side in pixels at which details are compared
COARSE = 64  # the same of the first alignment
EVEN = 4.0  # pixels of it: standard deviation of the blur that is subtracted
LIKELY = 0.8  # correlation that the first alignment must reach
MOST_TURNED = 0.05  # sine of an angle, or shear, above which it is given up
MOST_MOVED = 0.16  # of the side: how far a corner may be moved
BLOCK = 32  # pixels: side of the blocks that are found again
REACHES = 16, 3  # pixels: how far from where they are expected, in the first round and the second
FOUND = 0.5  # correlation from which a block counts as found
DETAIL = 1.0, 3.0  # standard deviations in pixels of the blurs between which details lie
WINDOW = 15  # pixels
FAINT = 1.5  # grey levels: standard deviation of a window's details below which it is not asked
WHITE = 252  # grey levels above are clipped in one of the two
ENOUGH = 0.1  # share of windows that are asked, however faint all of them are
FEWEST = 50  # windows
ALLOWED = 0.05  # share of windows that may agree less


def similarity(first: NDArray[np.uint8], second: NDArray[np.uint8], turn: int = 0) -> float:
    """Measure how far the details of two images agree once the first is turned, moved and stretched a little.

    The first is stretched to the proportions of the second, both shrunk to 256 pixels, and the transformation that lays
    one over the other is found by the enhanced correlation coefficient [1]_: shift, scale in both directions, but no
    rotation, which two exposures of one patient may differ by. Details are what lies between blurs of
    1 and 3 pixels; they are correlated within each window of 15 pixels that has any, and nineteen of twenty windows
    must agree. Brightness and contrast do not matter, and what is clipped to white is left out. That anatomy is alike
    says little: trabeculae, noise and the edges of bones are not in the same places in two exposures.

    Parameters
    ----------
    first, second : ndarray of shape (height, width), dtype uint8
        Grey images of any sizes.
    turn : int, default=0
        Of the first image, as numbered in `TURNS`.

    Returns
    -------
    similarity : float
        The correlation that 95 % of the windows reach: above 0.9 for most copies, below 0.4 for different patients. 0
        where there is no detail or the images cannot be laid over each other.

    See Also
    --------
    find_copies : Where it decides.

    References
    ----------
    .. [1] G. D. Evangelidis, E. Z. Psarakis, "Parametric image alignment using enhanced correlation coefficient
       maximization", IEEE PAMI 30(10), 2008.

    Examples
    --------
    >>> import cv2, numpy as np
    >>> from fracture_features.audit import similarity
    >>> random = np.random.default_rng(0)
    >>> image = cv2.resize(random.integers(50, 180, (9, 7)).astype(np.uint8), (240, 300), interpolation=cv2.INTER_CUBIC)
    >>> image += random.integers(0, 40, image.shape, dtype=np.uint8)
    >>> round(similarity(image, image // 2), 1)
    1.0
    >>> round(similarity(image, image[::-1], turn=2), 1)
    1.0
    >>> similarity(image, image[::-1]) < 0.1
    True
    """
    turned = turn_image(first, turn)
    side = min(SIDE, max(turned.shape), max(second.shape))
    height, width = (max(16, round(n * side / max(second.shape))) for n in second.shape)
    moving, fixed = (_shrink(image, height, width) for image in (turned, second))
    if min(moving.std(), fixed.std()) < 1:
        return 0.0
    place = _align(moving, fixed)
    if place is None:
        return 0.0
    details = _details(fixed)
    for reach in REACHES:
        place = _correct(place, *_find_blocks(_details(_move(moving, place)), details, reach))
    moved = _move(moving, place)
    inside = _move(np.ones_like(moving), place) > 0.999
    return _agreement(moved, fixed, inside & (np.maximum(moved, fixed) <= WHITE))


def turn_image(image: NDArray, turn: int) -> NDArray:
    """Turn number `turn` of `TURNS`."""
    if turn & 4:
        image = image.T
    if turn & 2:
        image = image[::-1]
    return np.ascontiguousarray(image[:, ::-1] if turn & 1 else image)


def _shrink(image: NDArray, height: int, width: int) -> Image:
    return cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)


def _align(moving: Image, fixed: Image) -> Image | None:
    """Return where the fixed image's pixels lie in the moving one, roughly: scales and shifts, of shape (2, 2).

    None where they cannot be laid over each other.
    """
    scale = min(1.0, COARSE / max(fixed.shape))
    images = [_shrink(image, *(max(16, round(n * scale)) for n in fixed.shape)) for image in (fixed, moving)]
    warp = np.eye(2, 3, dtype=np.float32)
    correlation, everywhere = 0.0, np.ones(images[0].shape, np.uint8)
    for even in (False, True):  # the first reaches far, and errs where brightness is another
        if even:
            images = [image - cv2.GaussianBlur(image, (0, 0), EVEN) for image in images]
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
        try:
            correlation, warp = cv2.findTransformECC(
                images[0], images[1], warp, cv2.MOTION_AFFINE, criteria, everywhere, 5
            )
        except cv2.error:  # they have too little in common
            return None
    scales, shifts = warp[[0, 1], [0, 1]], warp[:, 2] / (images[0].shape[1], images[0].shape[0])
    turned = max(abs(warp[0, 1]), abs(warp[1, 0])) > MOST_TURNED
    moved = np.abs([shifts, scales + shifts - 1]).max() > MOST_MOVED
    if correlation < LIKELY or turned or moved:
        return None
    return np.stack([scales, shifts * (fixed.shape[1], fixed.shape[0])]).astype(np.float32)


def _move(image: Image, place: Image) -> Image:
    """The moving image as seen from the fixed one."""
    warp = np.array([[place[0, 0], 0, place[1, 0]], [0, place[0, 1], place[1, 1]]], dtype=np.float32)
    return cv2.warpAffine(image, warp, image.shape[::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)


def _find_blocks(moved: Image, fixed: Image, reach: int) -> tuple[Image, Image]:
    """Centres of the fixed image's blocks, of shape (n, 2), and how far from there the moved image has them."""
    centres, offsets = [], []
    height, width = fixed.shape
    for y in range(reach, height - BLOCK - reach + 1, BLOCK):
        for x in range(reach, width - BLOCK - reach + 1, BLOCK):
            block = fixed[y : y + BLOCK, x : x + BLOCK]
            if block.std() < FAINT:
                continue
            around = moved[y - reach : y + BLOCK + reach, x - reach : x + BLOCK + reach]
            scores = cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED)
            _, best, _, (column, row) = cv2.minMaxLoc(scores)
            if best >= FOUND and 0 < row < 2 * reach and 0 < column < 2 * reach:
                centres.append((x + BLOCK / 2, y + BLOCK / 2))
                between = _vertex(scores[row, column - 1 : column + 2]), _vertex(scores[row - 1 : row + 2, column])
                offsets.append((column - reach + between[0], row - reach + between[1]))
    return np.array(centres).reshape(-1, 2), np.array(offsets).reshape(-1, 2)


def _vertex(values: Image) -> float:
    """Return where the parabola through values at -1, 0 and 1 has its top."""
    bend = 2 * values[1] - values[0] - values[2]
    return float((values[2] - values[0]) / (2 * bend)) if bend > 0 else 0.0


def _correct(place: Image, centres: Image, offsets: Image) -> Image:
    """Scales and shifts by which the blocks come to lie where they were found; outliers are left out."""
    if len(centres) == 0:
        return place
    corrected = place.copy()
    for axis in range(2):
        at, off = centres[:, axis], offsets[:, axis]
        near = np.abs(off - np.median(off)) <= 4
        for _ in range(2):
            middle = at[near].mean()
            # a slope that a few neighbouring blocks cannot tell is kept small
            slope = ((at - middle) * off)[near].sum() / (((at - middle) ** 2)[near].sum() + SIDE)
            start = off[near].mean() - slope * middle
            near = np.abs(off - start - slope * at) <= np.maximum(1, 2 * np.median(np.abs(off - start - slope * at)))
        corrected[1, axis] += place[0, axis] * start
        corrected[0, axis] *= 1 + slope
    return corrected


def _agreement(one: Image, other: Image, clear: NDArray[np.bool_]) -> float:
    """Correlation that nearly all windows with details reach."""

    def mean(values: Image) -> Image:
        return cv2.boxFilter(values, -1, (WINDOW, WINDOW))

    details = [_details(image) for image in (one, other)]
    means = [mean(x) for x in details]
    variances = [np.maximum(mean(x * x) - m * m, 0) for x, m in zip(details, means, strict=True)]
    product = np.sqrt(variances[0] * variances[1])
    correlation = (mean(details[0] * details[1]) - means[0] * means[1]) / (product + 1e-3)
    reach = WINDOW + 2 * round(2 * DETAIL[1])
    whole = cv2.erode(clear.astype(np.uint8), np.ones((reach, reach), np.uint8), borderValue=0) > 0
    contrast = np.sqrt(np.minimum(*variances))
    faint = min(FAINT, float(np.quantile(contrast[whole], 1 - ENOUGH))) if whole.any() else FAINT
    asked = correlation[whole & (contrast > faint)]
    return float(np.quantile(asked, ALLOWED)) if len(asked) >= FEWEST else 0.0


def _details(image: Image) -> Image:
    fine, coarse = (cv2.GaussianBlur(image, (0, 0), deviation) for deviation in DETAIL)
    return fine - coarse
