"""Small images that a small network learns to tell apart."""

import numpy as np


def bright_lines(n, shape=(40, 32), n_classes=2, seed=0):
    """Noise; class 1 has a bright bar across, class 2 one from top to bottom."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 80, (n, *shape), dtype=np.uint8)
    y = np.arange(n) % n_classes
    rng.shuffle(y)
    for image, label in zip(images, y, strict=True):
        at = rng.integers(8, min(shape) - 8)
        if label == 1:
            image[at : at + 3] += 90
        if label == 2:
            image[:, at : at + 3] += 90
    return images, y
