"""Frozen networks as extractors."""

from __future__ import annotations

import functools
import os
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions

from ..cache import code_version, digest
from ..features._base import BaseExtractor
from . import _applications, _onnx
from ._applications import SMALLEST, build_backbone, check_side, restore_weights
from ._keras import compile_prediction, float32_policy, load_keras, one_at_a_time
from ._onnx import Run, has_onnxruntime, open_graph, write_graph

# Layers whose maps told fractures better than the last ones, where that has been measured.
LAYERS = {"MobileNetV2": "block_16_expand"}
POOLINGS = {"avg": ["avg"], "max": ["max"], "avg+max": ["avg", "max"]}


class PretrainedExtractor(BaseExtractor):
    """Features from a pretrained network whose weights stay as they are.

    The maps of one of its layers are pooled over the image: nothing is learned here but what the classifier after it
    learns. Images are taken at the size they come in; at 448 pixels a MobileNetV2 sees finer lines than at the 224
    it was trained at, and tells fractures better by them.

    Parameters
    ----------
    architecture : str, default="MobileNetV2"
        Name of a network of keras.applications: "VGG16", "ResNet50", "DenseNet121", "EfficientNetB0", ….
    weights : {"imagenet"}, str, path-like or None, default="imagenet"
        "imagenet" has keras fetch its file, or find it under `~/.keras/models`. A path is that of a file that
        `save_weights` of the same application, without its classifier, has written. None draws random weights, the
        same each time.
    layer : str, default=None
        Name of the layer whose maps are pooled; None means "block_16_expand" for MobileNetV2, and the last layer for
        any other network.
    pooling : {"avg", "max", "avg+max"}, default="avg+max"
        Whether the mean of each map is taken, its maximum, or both, one after the other.
    cache : str or path-like, default=None
        Folder in which the features of each image are kept, for these weights, and found again.
    n_jobs : int, default=None
        Number of threads; None means 1, -1 all cores.

    Attributes
    ----------
    image_shape_ : tuple of (int, int)
        Height and width of the fitted images.
    layer_ : str
        Name of the layer whose maps are pooled.

    See Also
    --------
    CNNClassifier : Trains the network, or its last layers.
    fracture_features.make_pipeline : A pipeline from paths, `make_pipeline("mobilenetv2", "svm")`.

    Notes
    -----
    `block_16_expand_max_17` is the maximum of map 17 of layer block_16_expand. Features belong to no place: there is
    no `feature_regions`.

    Fitting needs keras. Where onnxruntime and onnx are installed as well (`pip install 'fracture_features[onnx]'`), the
    network runs on them, faster than on keras and with the same features to 1e-4, and a pickle is used
    without keras. ConvNeXt, InceptionResNetV2, MobileNetV3, NASNet and Xception run on keras in any case: they have
    layers that `_onnx.py` does not write.

    References
    ----------
    .. [1] M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: inverted residuals and linear
       bottlenecks", CVPR 2018.
    .. [2] A. S. Razavian, H. Azizpour, J. Sullivan, S. Carlsson, "CNN features off-the-shelf: an astounding baseline
       for recognition", CVPR workshops 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fracture_features.cnn import PretrainedExtractor
    >>> images = np.random.default_rng(0).integers(0, 256, (3, 64, 48), dtype=np.uint8)
    >>> PretrainedExtractor(weights=None).fit_transform(images).shape
    (3, 1920)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseExtractor._parameter_constraints,
        "architecture": [str],
        "weights": [str, os.PathLike, None],
        "layer": [str, None],
        "pooling": [StrOptions(set(POOLINGS))],
    }
    _has_regions = False
    _not_in_keys = (*BaseExtractor._not_in_keys, "weights")  # their content is in `_state`

    def __init__(
        self,
        *,
        architecture: str = "MobileNetV2",
        weights: str | os.PathLike[str] | None = "imagenet",
        layer: str | None = None,
        pooling: str = "avg+max",
        cache: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
    ):
        self.architecture = architecture
        self.weights = weights
        self.layer = layer
        self.pooling = pooling
        self.cache = cache
        self.n_jobs = n_jobs

    def _learn(self, images: NDArray[np.uint8]) -> None:
        layer = LAYERS.get(self.architecture) if self.layer is None else self.layer
        recipe = Recipe(self.architecture, layer, self.pooling, self.image_shape_)
        path = None if self.weights is None else os.fspath(self.weights)
        with one_at_a_time:
            self._network = _load_network(recipe, path, _stamp(path))
        self.layer_ = self._network.layer

    def _check_shape(self) -> None:
        if self.architecture in SMALLEST:  # of another name the network says it, which is built to fit
            check_side(self.architecture, SMALLEST[self.architecture], self.image_shape_)

    def _layout(self) -> tuple[list[str], NDArray[np.int64]]:
        poolings = POOLINGS[self.pooling]
        channels = range(self._network.n_features // len(poolings))
        names = [f"{self.layer_}_{pooling}_{channel}" for pooling in poolings for channel in channels]
        return names, np.empty((0, 4), dtype=np.int64)

    def _state(self) -> bytes:
        code = code_version(type(self), _applications, _onnx)
        return digest(code, self._network.digest, repr(self._network.uses_onnxruntime))

    def _extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._network.run(images)


class Recipe(NamedTuple):
    """What a network is built from, weights apart."""

    architecture: str
    layer: str | None
    pooling: str
    image_shape: tuple[int, int]


class Network:
    """A frozen network: weights and a graph, which pickle, and what runs them, which is made where it is asked for.

    Parameters
    ----------
    recipe : Recipe
    weights : str or None
        As in `build_backbone`.
    """

    _runner: Any = None

    def __init__(self, recipe: Recipe, weights: str | None):
        model, self.layer = _build(recipe, weights)
        self.recipe = recipe
        self.n_features: int = model.output.shape[1]
        self.output_shape: tuple[int, ...] = tuple(model.output.shape[1:])
        self.weights: list[NDArray[np.float32]] = model.get_weights()
        self.digest = digest(repr(recipe), *(np.ascontiguousarray(array).tobytes() for array in self.weights))
        self._graph = write_graph(model) if has_onnxruntime() else None

    @property
    def uses_onnxruntime(self) -> bool:
        """Whether it runs on onnxruntime here."""
        return self._graph is not None and has_onnxruntime()

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (n, n_features) of images (n, height, width), on the calling thread."""
        with one_at_a_time:
            if self._runner is None:
                self._runner = self._open()
        # One at a time: more take longer each, and an image's features are the same bits whatever is beside it.
        return np.concatenate([self._runner(image[None]) for image in images])

    def _open(self) -> Run:
        if self._graph is not None and has_onnxruntime():
            return open_graph(self._graph, self.weights)
        model, _ = _build(self.recipe, None)
        restore_weights(model, self.weights)
        return compile_prediction(model)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what runs it."""
        return {name: value for name, value in self.__dict__.items() if name != "_runner"}


@float32_policy(needed_for="PretrainedExtractor")
def _build(recipe: Recipe, weights: str | None) -> tuple[Any, str]:
    """The model from images (n, height, width) to features, and the name of the layer with the maps."""
    keras = load_keras(needed_for="PretrainedExtractor")
    pixels = keras.Input(recipe.image_shape)
    maps = build_backbone(recipe.architecture, pixels, weights=weights, layer=recipe.layer)
    layer = keras.Model(pixels, maps).layers[-1].name
    if recipe.pooling not in POOLINGS:  # the maps themselves
        return keras.Model(pixels, maps), layer
    kinds = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}
    pooled = [kinds[pooling]()(maps) for pooling in POOLINGS[recipe.pooling]]
    return keras.Model(pixels, pooled[0] if len(pooled) == 1 else keras.layers.Concatenate()(pooled)), layer


def _stamp(path: str | None) -> tuple[int, ...] | None:
    """Return what changes when the file does."""
    if path is None or not os.path.isfile(path):
        return None
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@functools.lru_cache(maxsize=2)
def _load_network(recipe: Recipe, weights: str | None, stamp: tuple[int, ...] | None) -> Network:
    """Build a network, or find it where a fold or a parameter ago it has been built."""
    return Network(recipe, weights)
