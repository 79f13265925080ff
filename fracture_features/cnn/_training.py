"""How a network is trained: optimiser, schedule, early stopping."""

from __future__ import annotations

from typing import Any

from ._data import Batches, as_keras
from ._keras import load_keras, without_retracing_warnings

WEIGHT_DECAY = 1e-3


def train_network(
    network: Any,
    batches: Batches,
    held_out: Batches | None,
    *,
    epochs: int,
    learning_rate: float,
    patience: int,
    verbose: int,
) -> dict[str, list[float]]:
    """Train `network` in place and leave it with the weights of the epoch with the smallest validation loss.

    Parameters
    ----------
    network : keras.Model
    batches : Batches
        To train on.
    held_out : Batches or None
        To validate on; None trains for all epochs and keeps the last weights.
    epochs, learning_rate, patience, verbose
        As in `CNNClassifier`.

    Returns
    -------
    history : dict of str to list of float
        Losses and accuracies of each epoch.
    """
    keras = load_keras(needed_for="CNNClassifier")
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 10,
        decay_steps=len(batches) * max(epochs - 1, 1),
        warmup_target=learning_rate,
        warmup_steps=len(batches),
    )
    network.compile(
        keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # XLA makes TensorFlow slower on a CPU; jax has nothing else, and torch does not know it.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    stopping = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    with without_retracing_warnings():
        history = network.fit(
            as_keras(batches),
            validation_data=None if held_out is None else as_keras(held_out),
            epochs=epochs,
            shuffle=False,  # the batches shuffle themselves; keras would use Python's global random state
            callbacks=[] if held_out is None else [stopping],
            verbose=verbose,
        )
    return {name: [float(value) for value in values] for name, values in history.history.items()}
