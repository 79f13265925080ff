"""A trained network that is known by its weights: what runs it is made when it is first asked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from ._applications import restore_weights
from ._architectures import build_network
from ._frozen import graph_for_here, run_each
from ._keras import load_keras, one_at_a_time
from ._onnx import Run, has_onnxruntime, open_graph
from ._training import predict_blocks

PREDICTION_BLOCK = 16  # images: of 64, MobileNetV2 at 448 pixels holds 4 GB of maps, and is no faster
WORTH_COMPILING = 64  # images


class FittedNetwork:
    """Part of an estimator: its network as names, weights and a graph for onnxruntime, which pickle."""

    _built: tuple[str, tuple[int, int], int]
    _weights: list[NDArray[np.float32]]
    _graph: bytes | None = None  # where onnxruntime cannot run it
    _model: Any = None
    _run: Run | None = None

    @staticmethod
    def _network_state(network: Any, built: tuple[str, tuple[int, int], int]) -> dict[str, Any]:
        """Attributes that hold a trained keras.Model."""
        graph = graph_for_here(network)
        return {"_built": built, "_weights": network.get_weights(), "_graph": graph, "_model": None, "_run": None}

    @property
    def model_(self) -> Any:
        """The network, rebuilt from its weights when first asked for after `fit`, unpickling or copying."""
        check_is_fitted(self)
        if (network := self._model) is None:
            load_keras(needed_for="CNNClassifier")  # which refuses a forked process, before the lock that it may lack
            with one_at_a_time:
                network = self._model
                if network is None:
                    restore_weights(network := build_network(*self._built), self._weights)
                    self._model = network  # once it is whole, for other threads ask too
        return network

    def _probabilities(self, stack: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) of images, on onnxruntime where it can."""
        if self._graph is not None and has_onnxruntime():
            found = run_each(self._open(self._graph))(stack)
        else:
            blocks = (np.asarray(stack[rows]) for rows in gen_batches(len(stack), PREDICTION_BLOCK))
            found = predict_blocks(self.model_, blocks, compiled=len(stack) > WORTH_COMPILING)
        probabilities = found.astype(np.float64)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def _open(self, graph: bytes) -> Run:
        with one_at_a_time:
            if self._run is None:
                self._run = open_graph(graph, self._weights)
            return self._run
