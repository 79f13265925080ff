"""The maps of a frozen network, place by place."""

from __future__ import annotations

import os
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..cache import code_version, digest
from ..cache._arrays import cached_arrays
from . import _applications, _onnx, _pretrained
from ._keras import one_at_a_time
from ._pretrained import LAYERS, Network, Recipe, _load_network, _stamp

AS_MAPS = "none"  # no pooling


class FrozenMaps:
    """The maps of a layer of a network of keras.applications, as it is.

    Parameters
    ----------
    network : Network
        Whose recipe pools nothing.
    """

    def __init__(self, network: Network):
        self.network = network

    @classmethod
    def load(cls, architecture: str, weights: str | os.PathLike[str] | None, image_shape: tuple[int, int]) -> Self:
        """Build the network for images of `image_shape`; architecture and weights are those of PretrainedExtractor."""
        recipe = Recipe(architecture, LAYERS.get(architecture), AS_MAPS, image_shape)
        path = None if weights is None else os.fspath(weights)
        with one_at_a_time:
            return cls(_load_network(recipe, path, _stamp(path)))

    def read(self, images: NDArray[np.uint8], folder: str | os.PathLike[str] | None = None) -> NDArray[np.float16]:
        """Maps (n, rows, columns, channels) of images (n, height, width), from the cache `folder` where there."""
        recipe = digest(code_version(FrozenMaps, _applications, _onnx, _pretrained), self.network.digest)
        return cached_arrays(folder, recipe, images, self.network.run, self.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels."""
        rows, columns, channels = self.network.output_shape
        return rows, columns, channels
