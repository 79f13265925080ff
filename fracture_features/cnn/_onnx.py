"""Inference with onnxruntime: a keras model written as an ONNX graph, whatever keras' backend.

The exporters that keras calls need older packages than its backends do. The few kinds of layer that applications are
made of are written here instead, channels first as onnxruntime wants them; it joins them as it sees fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._keras import _without_native_stderr

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # from images to features or maps

OPSET = 17
IR_VERSION = 8  # the oldest that has this opset
# By keras' name of the activation.
ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "linear": lambda graph, x: x,
    "relu": lambda graph, x: graph.add("Relu", x),
    "sigmoid": lambda graph, x: graph.add("Sigmoid", x),
    "softmax": lambda graph, x: graph.add("Softmax", x, axis=1),
    "silu": lambda graph, x: graph.add("Mul", x, graph.add("Sigmoid", x)),
    "hard_silu": lambda graph, x: graph.add("HardSwish", x),
}


class UnknownLayerError(Exception):
    """A layer that cannot be written, or not as it is set."""


def has_onnxruntime() -> bool:
    """Tell whether the packages that `write_graph` and `open_graph` need are installed."""
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def write_graph(model: Any) -> bytes | None:
    """Write a model of images as an ONNX graph, without its weights.

    Parameters
    ----------
    model : keras.Model
        From images (n, height, width) to features or probabilities (n, n_features) or maps (n, rows, columns,
        channels), with every
        layer called once.

    Returns
    -------
    graph : bytes or None
        From uint8 `images` to float32 `features`; its input `weight3` is number 3 of `model.get_weights()`. None if
        there is a layer in the model of a kind that cannot be written.
    """
    graph = Graph(model)
    try:
        # The rest, as of `x + 3`, is no layers' and bears their names.
        _require(len(model.operations) == len(model.layers))
        for layer in model.layers:
            graph.translate(layer)
    except UnknownLayerError:
        return None
    return graph.serialize(model)


def open_graph(graph: bytes, weights: Sequence[NDArray[Any]]) -> Run:
    """Make a function that runs a graph on the thread that calls it, on several at once if they do.

    Parameters
    ----------
    graph : bytes
        From `write_graph`.
    weights : sequence of ndarray
        From `model.get_weights()`.

    Returns
    -------
    run : callable
        From uint8 images to float32 features or maps.
    """
    with _without_native_stderr():  # where it complains of graphics cards
        runtime = import_module("onnxruntime")
    model = with_weights(graph, weights)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})[0]


def with_weights(graph: bytes, weights: Sequence[NDArray[Any]]) -> Any:
    """Give the onnx.ModelProto of a graph of `write_graph`, its weights in it."""
    onnx = import_module("onnx")
    model = onnx.ModelProto.FromString(graph)
    used = {name for node in model.graph.node for name in node.input}
    tensors = [(f"weight{i}", array) for i, array in enumerate(weights)]
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in tensors if name in used)
    return model


class Graph:
    """An ONNX graph that grows layer by layer.

    Parameters
    ----------
    model : keras.Model
    """

    def __init__(self, model: Any):
        self._onnx: Any = import_module("onnx")
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._weights = {id(weight): f"weight{i}" for i, weight in enumerate(model.weights)}
        self._names: dict[int, str] = {}  # of keras tensors

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node and name its output."""
        name = f"{operator}{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, value: ArrayLike, dtype: Any = np.float32) -> str:
        """Name a tensor of the graph's own."""
        name = f"constant{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weight(self, variable: Any, permutation: Sequence[int] = ()) -> str:
        """Name a weight of the model, its axes permuted."""
        name = self._weights[id(variable)]
        return self.add("Transpose", name, perm=permutation) if permutation else name

    def activate(self, x: str, layer: Any) -> str:
        """Append the layer's activation."""
        name = getattr(layer.activation, "__name__", "")
        _require(name in ACTIVATIONS)
        return ACTIVATIONS[name](self, x)

    def translate(self, layer: Any) -> None:
        """Append what stands for a layer."""
        kind = type(layer).__name__
        if kind == "InputLayer":
            self._names[id(layer.output)] = self.add("Cast", "images", to=self._onnx.TensorProto.FLOAT)
            return
        _require(kind in LAYERS)
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        self._names[id(layer.output)] = LAYERS[kind](self, layer, *(self._names[id(x)] for x in given))

    def serialize(self, model: Any) -> bytes:
        """Give the whole graph as bytes."""
        helper, tensor = self._onnx.helper, self._onnx.TensorProto
        shape = model.output.shape[1:]
        last = {"perm": (0, 2, 3, 1)} if len(shape) == 3 else {}  # of maps keras has the channels last
        name = self._names[id(model.output)]
        self._nodes.append(helper.make_node("Transpose" if last else "Identity", [name], ["features"], **last))
        images = helper.make_tensor_value_info("images", tensor.UINT8, ["n", *model.input.shape[1:]])
        features = helper.make_tensor_value_info("features", tensor.FLOAT, ["n", *shape])
        graph = helper.make_graph(self._nodes, "features", [images], [features], self._constants)
        opset = [helper.make_opsetid("", OPSET)]
        written: bytes = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION).SerializeToString()
        return written


def _require(condition: Any) -> None:
    if not condition:
        raise UnknownLayerError


def _pads(layer: Any, size: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> list[int]:
    """Rows above, columns left, rows below and columns right that the layer pads its input with."""
    if layer.padding == "valid":
        return [0] * 4
    lengths = zip(layer.input.shape[1:3], layer.output.shape[1:3], layer.strides, size, dilation, strict=True)
    total = [max((after - 1) * step + (k - 1) * d + 1 - before, 0) for before, after, step, k, d in lengths]
    return [*(t // 2 for t in total), *(t - t // 2 for t in total)]


def _reshape(graph: Graph, layer: Any, x: str) -> str:
    before, (height, width, channels) = layer.input.shape[1:], layer.output.shape[1:]
    _require((channels == 1 and before == (height, width)) or ((height, width) == (1, 1) and before == (channels,)))
    return graph.add("Reshape", x, graph.constant([-1, channels, height, width], np.int64))


def _concatenate(graph: Graph, layer: Any, *inputs: str) -> str:
    _require(layer.axis in (-1, len(layer.output.shape) - 1))
    return graph.add("Concat", *inputs, axis=1)


def _rescaling(graph: Graph, layer: Any, x: str) -> str:
    scale, offset = (graph.constant(np.reshape(value, (-1, 1, 1))) for value in (layer.scale, layer.offset))
    return graph.add("Add", graph.add("Mul", x, scale), offset)


def _convolution(graph: Graph, layer: Any, x: str) -> str:
    _require(layer.data_format == "channels_last" and layer.padding in ("valid", "same"))
    if type(layer).__name__ == "DepthwiseConv2D":
        _require(layer.depth_multiplier == 1)
        kernel, groups = graph.weight(layer.kernel, (2, 3, 0, 1)), layer.input.shape[-1]
    else:
        kernel, groups = graph.weight(layer.kernel, (3, 2, 0, 1)), layer.groups
    x = graph.add(
        "Conv",
        x,
        kernel,
        *([graph.weight(layer.bias)] if layer.use_bias else []),
        strides=layer.strides,
        dilations=layer.dilation_rate,
        pads=_pads(layer, layer.kernel_size, layer.dilation_rate),
        group=groups,
    )
    return graph.activate(x, layer)


def _dense(graph: Graph, layer: Any, x: str) -> str:
    _require(len(layer.input.shape) == 2)
    x = graph.add("MatMul", x, graph.weight(layer.kernel))
    return graph.activate(graph.add("Add", x, graph.weight(layer.bias)) if layer.use_bias else x, layer)


def _batch_normalization(graph: Graph, layer: Any, x: str) -> str:
    _require(layer.axis in (-1, 3))
    ones = np.ones(layer.input.shape[-1])
    gamma = graph.weight(layer.gamma) if layer.scale else graph.constant(ones)
    beta = graph.weight(layer.beta) if layer.center else graph.constant(0 * ones)
    moments = graph.weight(layer.moving_mean), graph.weight(layer.moving_variance)
    return graph.add("BatchNormalization", x, gamma, beta, *moments, epsilon=layer.epsilon)


def _normalization(graph: Graph, layer: Any, x: str) -> str:
    _require(layer.axis in (-1, 3, (-1,), (3,)) and not layer.invert)
    if layer.input_mean is None:
        moments = [graph.weight(layer.adapt_mean), graph.weight(layer.adapt_variance)]
    else:
        moments = [graph.constant(layer.input_mean), graph.constant(layer.input_variance)]
    mean, variance = (graph.add("Reshape", each, graph.constant([-1, 1, 1], np.int64)) for each in moments)
    deviation = graph.add("Max", graph.add("Sqrt", variance), graph.constant(1e-7))
    return graph.add("Div", graph.add("Sub", x, mean), deviation)


def _relu(graph: Graph, layer: Any, x: str) -> str:
    _require(not layer.negative_slope and not layer.threshold)
    if layer.max_value is None:
        return graph.add("Relu", x)
    return graph.add("Clip", x, graph.constant(0.0), graph.constant(layer.max_value))


def _zero_padding(graph: Graph, layer: Any, x: str) -> str:
    (top, bottom), (left, right) = layer.padding
    return graph.add("Pad", x, graph.constant([0, 0, top, left, 0, 0, bottom, right], np.int64))


def _pooling(graph: Graph, layer: Any, x: str) -> str:
    operator = type(layer).__name__.removesuffix("ing2D")  # MaxPool or AveragePool
    pads = _pads(layer, layer.pool_size)
    return graph.add(operator, x, kernel_shape=layer.pool_size, strides=layer.strides, pads=pads)


def _global_pooling(graph: Graph, layer: Any, x: str) -> str:
    x = graph.add(type(layer).__name__.removesuffix("ing2D"), x)  # GlobalMaxPool or GlobalAveragePool
    return x if layer.keepdims else graph.add("Flatten", x)


def _elementwise(operator: str) -> Callable[..., str]:
    def write(graph: Graph, layer: Any, x: str, *others: str) -> str:
        for other in others:
            x = graph.add(operator, x, other)
        return x

    return write


# By the name of the layer's class.
LAYERS: dict[str, Callable[..., str]] = {
    "Activation": lambda graph, layer, x: graph.activate(x, layer),
    "Add": _elementwise("Add"),
    "AveragePooling2D": _pooling,
    "BatchNormalization": _batch_normalization,
    "Concatenate": _concatenate,
    "Conv2D": _convolution,
    "Dense": _dense,
    "DepthwiseConv2D": _convolution,
    "Dropout": lambda graph, layer, x: x,
    "GlobalAveragePooling2D": _global_pooling,
    "GlobalMaxPooling2D": _global_pooling,
    "MaxPooling2D": _pooling,
    "Multiply": _elementwise("Mul"),
    "Normalization": _normalization,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "ZeroPadding2D": _zero_padding,
}
