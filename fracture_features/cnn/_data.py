"""Batches of a uint8 stack for keras, varied a little while training."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._augmentation import vary
from ._keras import load_keras
from ._onnx import Run


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

    Attributes
    ----------
    body : callable or None
        What turns images into what is trained on: the frozen part of a network. None leaves them as they are.
    """

    body: Run | None = None

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

    def __getitem__(self, index: int) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.float32]]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = np.asarray(self.stack[rows])
        if self.augment:
            images = vary(images, np.random.default_rng((self.seed or 0, self.epoch, index)))
        return self.body(images) if self.body else images, self.codes[rows], self.weights[rows]


def as_keras(batches: Batches) -> Any:
    """Wrap `batches` as a `keras.utils.PyDataset`, a class that exists only once keras is imported.

    The caller keeps `batches` alive.
    """
    keras = load_keras(needed_for="CNNClassifier")
    # TensorFlow keeps what it draws from for the life of the process: without this every stack ever trained on.
    batches = weakref.proxy(batches)

    class Dataset(keras.utils.PyDataset):  # type: ignore[name-defined]
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, index: int) -> Any:
            return batches[index]

        def on_epoch_end(self) -> None:
            batches.next_epoch()

    return Dataset()
