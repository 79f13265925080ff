"""Images of several kinds to draw from in tests of extractors."""

import cv2
import numpy as np

KINDS = ["noise", "smooth", "dim", "constant", "two-valued", "gradient"]


def make_image(kind, height, width, seed):
    """A uint8 image; "dim" has few grey levels and so many ties."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (height, width)).astype(np.uint8)
    rows, columns = np.indices((height, width))
    return {
        "noise": noise,
        "smooth": cv2.GaussianBlur(noise, (9, 9), 2),
        "dim": cv2.GaussianBlur(noise, (9, 9), 2) // 8,
        "constant": np.full((height, width), seed % 256, dtype=np.uint8),
        "two-valued": np.where(noise > 200, 255, 0).astype(np.uint8),
        "gradient": ((rows * (seed % 7) + columns * (seed % 5)) % 256).astype(np.uint8),
    }[kind]
