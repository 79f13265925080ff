"""Whether two images are one picture: laid over each other, their details must agree nearly everywhere."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

SIDE = 256  # longer side in pixels at which details are compared
MOST_MOVED = 0.16  # of the side: how far the alignment may move a corner
# Of the alignment: longer side in pixels, standard deviation of the blur that is subtracted, correlation it must reach,
# and sine of the angle, or shear, that it must not exceed; one stage begins where the last one ends.
STAGES = ((64, 4.0, 0.8, 0.05), (128, 8.0, 0.0, 0.03), (256, 4.0, 0.0, 0.01))
DETAIL = 1.0, 3.0  # standard deviations in pixels of the blurs between which details lie
WINDOW = 15  # pixels
FAINT = 1.5  # grey levels: standard deviation of a window's details below which it is not asked
WHITE = 252  # grey levels above are clipped in one of the two
ENOUGH = 0.1  # share of windows that are asked, however faint all of them are
FEWEST = 50  # windows
ALLOWED = 0.05  # share of windows that may agree less


def similarity(first: NDArray[np.uint8], second: NDArray[np.uint8], turn: int = 0) -> float:
    """How far the details of two images agree once the first is turned, moved and stretched a little.

    The first is stretched to the proportions of the second, both shrunk to 256 pixels, and the transformation that lays
    one over the other is found by the enhanced correlation coefficient [1]_: shift, scale in both directions, but not
    half a degree of rotation, which two exposures of one patient may differ by. Details are what lies between blurs of
    1 and 3 pixels; they are correlated within each window of 15 pixels that has any, and nineteen of twenty windows
    must agree. Brightness and contrast do not matter, and what is clipped to white is left out. That anatomy is alike
    says little: trabeculae, noise and the edges of bones are not in the same places in two exposures.

    Parameters
    ----------
    first, second : ndarray of shape (height, width), dtype uint8
    turn : int, default=0
        Of the first image, as numbered in `TURNS`.

    Returns
    -------
    similarity : float
        The correlation that 95 % of the windows reach: above 0.9 for most copies, below 0.4 for different patients. 0
        where there is no detail or the images cannot be laid over each other.

    References
    ----------
    .. [1] G. D. Evangelidis, E. Z. Psarakis, "Parametric image alignment using enhanced correlation coefficient
       maximization", IEEE PAMI 30(10), 2008.

    Examples
    --------
    >>> import cv2, numpy as np
    >>> from fracture_features.audit import similarity
    >>> noise = np.random.default_rng(0).integers(0, 256, (300, 240)).astype(np.uint8)
    >>> image = cv2.GaussianBlur(noise, (9, 9), 3)
    >>> round(similarity(image, image[8:, :230] // 2), 1)
    1.0
    >>> similarity(image, image[::-1]) < 0.1
    True
    >>> round(similarity(image, image[::-1], turn=2), 1)
    1.0
    """
    turned = turn_image(first, turn)
    side = min(SIDE, max(turned.shape), max(second.shape))
    height, width = (max(16, round(n * side / max(second.shape))) for n in second.shape)
    moving, fixed = (_shrink(image, height, width) for image in (turned, second))
    if min(moving.std(), fixed.std()) < 1:
        return 0.0
    warp = _align(moving, fixed)
    if warp is None:
        return 0.0
    moved = cv2.warpAffine(moving, warp, (width, height), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    inside = cv2.warpAffine(np.ones_like(moving), warp, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    clear = (inside > 0.999) & (np.maximum(moved, fixed) <= WHITE)
    return _agreement(moved, fixed, clear)


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
    """Transformation, of shape (2, 3), from pixels of the fixed image to those of the moving one; None if too large."""
    warp = np.eye(2, 3, dtype=np.float32)
    rough = _refine(moving, fixed, warp, SIDE // 4, np.inf)  # reaches far, and errs where the exposure is another
    if rough is not None and not _moves(rough[0], fixed.shape):
        warp = rough[0]
    for side, blur, least, most in STAGES:
        better = _refine(moving, fixed, warp, side, blur)
        if better is None or better[1] < least or _turns(better[0], most) or _moves(better[0], fixed.shape):
            return None
        warp = better[0]
    return warp


def _refine(moving: Image, fixed: Image, warp: Image, side: int, blur: float) -> tuple[Image, float] | None:
    """A better transformation and the correlation it gives; None where there is none, for lack of anything in common.

    What is left by a blur of so many pixels is subtracted: gamma corrections and the like move what changes slowly.
    """
    scale = min(1.0, side / max(fixed.shape))
    height, width = (max(16, round(n * scale)) for n in fixed.shape)
    across, down = width / fixed.shape[1], height / fixed.shape[0]
    units = np.array([[1, across / down, across], [down / across, 1, down]], dtype=np.float32)
    images = [_shrink(image, height, width) for image in (fixed, moving)]
    if blur < np.inf:
        images = [image - cv2.GaussianBlur(image, (0, 0), blur) for image in images]
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    try:
        correlation, found = cv2.findTransformECC(*images, warp * units, cv2.MOTION_AFFINE, criteria, None, 5)
    except cv2.error:
        return None
    return (found / units).astype(np.float32), correlation


def _turns(warp: Image, most: float) -> bool:
    """Whether it rotates or shears."""
    return bool(max(abs(warp[0, 1]), abs(warp[1, 0])) > most)


def _moves(warp: Image, shape: tuple[int, ...]) -> bool:
    """Whether a corner moves too far."""
    height, width = shape
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], dtype=np.float32)
    moved = np.abs(corners @ warp.T - corners[:, :2]) / (width, height)
    return bool((moved > MOST_MOVED).any())


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
    contrast = np.sqrt(np.maximum(*variances))
    faint = min(FAINT, float(np.quantile(contrast[whole], 1 - ENOUGH))) if whole.any() else FAINT
    asked = correlation[whole & (contrast > faint)]
    return float(np.quantile(asked, ALLOWED)) if len(asked) >= FEWEST else 0.0


def _details(image: Image) -> Image:
    fine, coarse = (cv2.GaussianBlur(image, (0, 0), deviation) for deviation in DETAIL)
    return fine - coarse
