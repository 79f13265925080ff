"""Maps from the pixels themselves, for what has no places of its own."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from ._frames import Frame

STEPS = 16  # windows along the longer side of the image
BATCH = 32


def occlude_pixels(
    score: Callable[[NDArray[np.uint8]], NDArray[np.float64]], image: NDArray[np.uint8], frame: Frame
) -> NDArray[np.float64]:
    """Measure what the score loses when a window of the image is blurred, window after window.

    Windows have soft edges, raised cosines an eighth of the image's longer side wide at half their height and half of
    that apart, for a hard edge is an edge to see. What they hide is replaced by the image blurred [1]_. The level of a
    pixel is the mean loss of the windows over it, weighted with how far each hides it.

    Parameters
    ----------
    score : callable
        From images (n, height, width) to scores (n,).
    image : ndarray of shape (height, width), dtype uint8
        As the reader gives it.
    frame : Frame

    Returns
    -------
    levels : ndarray of shape (height, width), dtype float64
        0 in the padding.

    References
    ----------
    .. [1] R. Fong and A. Vedaldi, "Interpretable explanations of black boxes by meaningful perturbation", ICCV 2017.
    """
    inner = image[frame.inner].astype(np.float32)
    step = max(max(inner.shape) / STEPS, 1.0)
    blurred = cv2.GaussianBlur(inner, (0, 0), 2 * step)
    windows = [(rows, columns) for rows in _windows(inner.shape[0], step) for columns in _windows(inner.shape[1], step)]
    before = score(image[None])[0]
    losses = np.zeros(len(windows))
    for batch in gen_batches(len(windows), BATCH):
        hidden = np.repeat(image[None], batch.stop - batch.start, axis=0)
        for k, (rows, columns) in enumerate(windows[batch]):
            hidden[k][frame.inner] = np.rint(inner + np.outer(rows, columns) * (blurred - inner))
        # Windows on black, or over one grey, hide nothing.
        changed = (hidden != image).any(axis=(1, 2))
        if changed.any():
            losses[batch][changed] = before - score(hidden[changed])
    levels = np.zeros(image.shape)
    covers = [np.outer(rows, columns) for rows, columns in windows]
    levels[frame.inner] = np.tensordot(losses, covers, 1) / np.sum(covers, axis=0)
    return levels


def _windows(length: int, step: float) -> NDArray[np.float32]:
    """Raised cosines (n_windows, length) about `step` apart and twice that wide at half height."""
    n_windows = max(round(length / step), 1)
    centres = (np.arange(n_windows) + 0.5) * length / n_windows
    distances = np.abs(np.arange(length) + 0.5 - centres[:, None]) / (2 * step)
    return (0.5 + 0.5 * np.cos(np.pi * np.minimum(distances, 1))).astype(np.float32)
