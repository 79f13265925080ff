"""Networks in a file: weights, the name of the architecture they belong to, and a graph of few operators.

A graph of a keras model could say anything, a Lambda layer's code too; a file therefore holds none. Networks are built
again from their names by this library.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from ..cache import digest
from ..cnn import CNNClassifier, PretrainedExtractor
from ..cnn._applications import SMALLEST
from ..cnn._architectures import ARCHITECTURES, smallest_side
from ..cnn._maps import AS_MAPS
from ..cnn._onnx import has_onnxruntime
from ..cnn._pretrained import POOLINGS, Network, Recipe
from ..exceptions import ModelFileError
from ..images._errors import MAX_PIXELS
from ..regions import RegionClassifier

# Those that `cnn._onnx` writes: they compute on their inputs and open no file.
OPERATORS = frozenset(
    (
        *("Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "Div", "Flatten"),
        *("GlobalAveragePool", "GlobalMaxPool", "HardSwish", "Identity", "MatMul", "Max", "MaxPool", "Mul", "Pad"),
        *("Relu", "Reshape", "Sigmoid", "Softmax", "Sqrt", "Sub", "Transpose"),
    )
)
MOST_NODES = 5000
MOST_CHANNELS = 1 << 20


def check_classifier(part: CNNClassifier) -> None:
    """Check what a fitted CNNClassifier's network is built from.

    Raises
    ------
    ModelFileError
        If that is no architecture of this library's, or of another size than the classifier.
    """
    for name in ("_model", "_run"):
        part.__dict__.pop(name, None)
    type(part)._validate_params(part)
    _check_name(part.weights)
    if "_weights" not in vars(part):
        return
    architecture, shape, n_classes = part._built
    _require(
        architecture in ARCHITECTURES or architecture in SMALLEST, f"its network is {architecture!r}, unknown here"
    )
    _require(type(n_classes) is int and n_classes == len(part.classes_), "its network has other classes")
    _require(shape == part.image_shape_, "its network is for other images")
    _check_images(shape, smallest_side(architecture))
    _check_weights(part._weights)
    part._graph = _graph_of(part)


def check_network(part: PretrainedExtractor) -> None:
    """Check a fitted PretrainedExtractor's network, and compute what was left out of the file.

    Raises
    ------
    ModelFileError
        If it is none of keras.applications, of another size than the extractor, or its graph has operators that are
        not written here.
    """
    _check_name(part.weights)
    _check_network(part._network, part.image_shape_)
    recipe = part._network.recipe
    _require(recipe.pooling in POOLINGS and recipe.pooling == part.pooling, "its network pools in another way")
    _require(part.layer_ == part._network.layer, "its network has another layer")


def check_regions(part: RegionClassifier) -> None:
    """Check what a fitted RegionClassifier holds, and compute what was left out of the file.

    Raises
    ------
    ModelFileError
        If its network is none of keras.applications, or of another size than its images.
    """
    type(part)._validate_params(part)
    _check_name(part.weights)
    if "image_shape_" not in vars(part):
        return
    _check_images(part.image_shape_, 1)
    _require(math.prod(part.image_shape_) <= MAX_PIXELS, f"its images have the shape {part.image_shape_!r}")
    part.check_image_shape(part.image_shape_)
    _require((part.architecture is None) == (part._network is None), "it has a network too many or too few")
    if part._network is None:
        return
    _check_network(part._network, part.image_shape_)
    _require(part._network.recipe.pooling == AS_MAPS, "its network pools its maps")
    shape = part._network.output_shape
    is_shape = isinstance(shape, tuple) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)
    _require(is_shape and math.prod(shape) <= MAX_PIXELS, f"its network gives maps of {shape!r}")


def _check_network(network: Any, image_shape: tuple[int, int]) -> None:
    _require(isinstance(network, Network) and isinstance(network.recipe, Recipe), "its network is none")
    recipe = network.recipe
    _require(recipe.architecture in SMALLEST, f"its network is {recipe.architecture!r}, unknown here")
    _require(recipe.image_shape == image_shape, "its network is for other images")
    _require(isinstance(recipe.layer, str | None) and isinstance(network.layer, str), "its network has no layer")
    _require(type(network.n_features) is int and 0 < network.n_features <= MOST_CHANNELS, "its network has no features")
    _check_images(recipe.image_shape, SMALLEST[recipe.architecture])
    _check_weights(network.weights)
    network.__dict__.pop("_runner", None)
    network.digest = digest(repr(recipe), *(np.ascontiguousarray(array).tobytes() for array in network.weights))
    network._graph = _graph_of(network)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ModelFileError(what)


def _check_name(weights: Any) -> None:
    is_name = weights is None or (isinstance(weights, str) and not set(weights) & set("/\\\0"))
    _require(is_name, f"it names a file with weights, {weights!r}")


def _check_images(shape: Any, smallest: int) -> None:
    _require(
        isinstance(shape, tuple) and len(shape) == 2 and all(type(n) is int and n >= smallest for n in shape),
        f"its network is for images of {shape!r}",
    )


def _check_weights(weights: Any) -> None:
    is_list = isinstance(weights, list) and all(isinstance(array, np.ndarray | np.generic) for array in weights)
    # Not all are arrays of floats: keras counts what it has seen, too.
    _require(is_list and all(array.dtype.kind in "fiu" for array in weights), "its network has no weights")


def _graph_of(part: Any) -> bytes | None:
    """The graph that a part runs on onnxruntime, where that is installed."""
    graph = vars(part).get("_graph")
    _require(graph is None or (isinstance(graph, np.ndarray) and graph.dtype == np.uint8), "its graph is none")
    return None if graph is None or not has_onnxruntime() else _checked_graph(graph.tobytes())


def _checked_graph(graph: bytes) -> bytes:
    """The graph, of plain operators on what is in it."""
    onnx = import_module("onnx")
    try:
        model = onnx.ModelProto.FromString(graph)
    # Of protobuf, which has no name here.
    except Exception as error:
        raise ModelFileError(f"its graph is none: {error}") from error
    nodes = model.graph.node
    found = {f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in nodes}
    _require(found <= OPERATORS, f"its graph has the operators {sorted(found - OPERATORS)}")
    _require(len(nodes) <= MOST_NODES and not model.functions and not model.training_info, "its graph has functions")
    attributes = [attribute for node in nodes for attribute in node.attribute]
    is_plain = not any(a.HasField("g") or a.graphs or a.HasField("t") or a.tensors for a in attributes)
    _require(is_plain and not model.graph.sparse_initializer, "its graph has graphs within")
    outside = any(tensor.data_location or tensor.external_data for tensor in model.graph.initializer)
    _require(not outside, "its graph names files outside")
    return graph
