"""Batches of a uint8 stack for keras, varied a little while training."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .._threads import map_threads
from ._keras import load_keras

ROTATION = 15.0  # degrees, either way
SHIFT = 0.08  # of the height and of the width, either way
ZOOM = 0.1  # larger or smaller by this part
GAMMA = 0.25  # exponent of the brightness between exp(-GAMMA) and exp(GAMMA)
RAMP = np.linspace(0, 1, 256)


class Batches:
    """Batches of some rows of a stack, in another order and with other changes each epoch when training.

    Each batch depends on `seed`, the epoch and its place alone, whatever thread asks for it and how often.

    Parameters
    ----------
    stack : ndarray of shape (n_samples, height, width), dtype uint8
        In memory or memory-mapped; read a batch at a time.
    codes : ndarray of shape (n_samples,)
        Class of each image, 0 to n_classes - 1.
    weights : ndarray of shape (n_samples,), dtype float32
    rows : ndarray of int
        Which images.
    batch_size : int
    seed : int, default=None
        None walks `rows` in their order, as for validation.
    augment : bool, default=False
        Whether to vary the images.
    """

    def __init__(
        self,
        stack: NDArray[np.uint8],
        codes: NDArray[np.intp],
        weights: NDArray[np.float32],
        rows: NDArray[np.intp],
        batch_size: int,
        *,
        seed: int | None = None,
        augment: bool = False,
    ):
        self.stack, self.codes, self.weights = stack, codes, weights
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.augment = augment
        self._start(epoch=0)

    def _start(self, epoch: int) -> None:
        self.epoch = epoch
        self.order = self.rows
        if self.seed is not None:
            self.order = np.random.default_rng((self.seed, epoch)).permutation(self.rows)

    def next_epoch(self) -> None:
        """Shuffle anew."""
        self._start(self.epoch + 1)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.intp], NDArray[np.float32]]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = np.asarray(self.stack[rows])
        if self.augment:
            images = vary(images, np.random.default_rng((self.seed or 0, self.epoch, index)))
        return images, self.codes[rows], self.weights[rows]


def as_keras(batches: Batches) -> Any:
    """Wrap `batches` as a `keras.utils.PyDataset`, a class that exists only once keras is imported."""
    keras = load_keras(needed_for="CNNClassifier")

    class Dataset(keras.utils.PyDataset):  # type: ignore[name-defined]
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, index: int) -> Any:
            return batches[index]

        def on_epoch_end(self) -> None:
            batches.next_epoch()

    return Dataset()


def vary(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each image mirrored or not, rotated, shifted, zoomed, and made darker or brighter.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), dtype uint8
    rng : Generator

    Returns
    -------
    images : ndarray of shape (n, height, width), dtype uint8
        What comes in from outside an image is black.
    """
    size = np.array(images.shape[:0:-1])  # width, height
    centre = ((size - 1) / 2).tolist()

    def draw() -> tuple[NDArray[Any], NDArray[Any]]:
        angle, scale = rng.uniform(-ROTATION, ROTATION), rng.uniform(1 - ZOOM, 1 + ZOOM)
        matrix = cv2.getRotationMatrix2D(centre, angle, scale)
        matrix[:, 2] += rng.uniform(-SHIFT, SHIFT, 2) * size
        if rng.random() < 0.5:
            matrix[0] *= -1
            matrix[0, 2] += size[0] - 1
        brightness = RAMP ** np.exp(rng.uniform(-GAMMA, GAMMA))
        return matrix, np.rint(255 * brightness).astype(np.uint8)

    draws = [draw() for _ in images]  # in one thread and one order

    def change(i: int) -> Any:
        matrix, brightness = draws[i]
        return cv2.LUT(cv2.warpAffine(images[i], matrix, size.tolist(), flags=cv2.INTER_LINEAR), brightness)

    return np.stack(map_threads(change, range(len(images)), n_jobs=None))
