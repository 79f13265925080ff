"""The part of a network that does not train, run apart from the part that does: once, and faster than keras would."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._threads import count_threads, map_threads
from ._keras import compile_prediction, load_keras
from ._onnx import Run, has_onnxruntime, open_graph, write_graph


def split_frozen(network: Any) -> tuple[Any, Any]:
    """Cut a network, as late as a single tensor goes on from layers that do not train.

    Parameters
    ----------
    network : keras.Model
        From `build_network`.

    Returns
    -------
    body : keras.Model or None
        From images to that tensor; None where nothing is frozen before the first layer that trains.
    head : keras.Model
        From that tensor to probabilities, of the network's own layers; without a body the network itself.
    """
    keras = load_keras(needed_for="CNNClassifier")
    layers = network.layers
    first_trained = next(k for k, layer in enumerate(layers) if layer.trainable_weights)
    cut = _last_cut(layers, min(first_trained, len(layers) - 2))  # where the head's dropout is
    if not any(layer.weights and not layer.trainable for layer in layers[: cut + 1]):
        return None, network
    tensor = layers[cut].output
    return keras.Model(network.input, tensor), keras.Model(tensor, network.output)


def _last_cut(layers: list[Any], end: int) -> int:
    """Index of the last layer before `end` whose output is all that later layers need of it and those before."""
    place = {id(layer.output): k for k, layer in enumerate(layers)}
    needed: set[int] = set()  # by layers after the cut
    for k in range(len(layers) - 1, 0, -1):
        given = layers[k].input
        needed = (needed - {k}) | {place[id(x)] for x in (given if isinstance(given, list) else [given])}
        if k <= end and needed == {k - 1}:
            return k - 1
    return 0


def make_runner(body: Any) -> Run:
    """Make a function from uint8 images (n, height, width) to what `body` gives, on onnxruntime where it can."""
    graph = graph_for_here(body)
    return compile_prediction(body) if graph is None else run_each(open_graph(graph, body.get_weights()))


def graph_for_here(network: Any) -> bytes | None:
    """The network's graph where onnxruntime can run it: on a CPU, and with layers that `write_graph` knows."""
    return write_graph(network) if has_onnxruntime() and _on_cpu() else None


def run_each(run: Run) -> Run:
    """Make a function that runs images one at a time, on every core."""
    n_threads = count_threads(-1)  # counted here: keras may call from a thread that does not know of joblib
    return lambda images: np.concatenate(map_threads(run, images[:, None], n_threads))


def _on_cpu() -> bool:
    """Return whether keras computes there, in the words of each of its backends."""
    keras = load_keras(needed_for="CNNClassifier")
    return "cpu" in str(keras.ops.zeros(1).device).lower()
