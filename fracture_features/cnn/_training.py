"""How a network is trained: optimiser, schedule, early stopping, Ctrl-C."""

from __future__ import annotations

import math
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.utils import gen_batches

from ._architectures import thaw
from ._data import Batches, as_keras
from ._frozen import make_runner, split_frozen
from ._keras import float32_policy, forget_kernels, load_keras, make_adam, without_retracing_warnings
from ._progress import History, TrainingProgress, describe

UNCOMPILED = 4  # images at a time
FINER = 10  # times smaller is the learning rate of layers that have learned before


class Stage(NamedTuple):
    """Epochs with a learning rate of their own, the last `thawed` of the frozen layers training too."""

    epochs: int
    learning_rate: float
    thawed: int = 0


def plan_stages(epochs: int, learning_rate: float, trainable_layers: int, *, from_scratch: bool) -> list[Stage]:
    """Without layers to fine-tune one stage; with them the head takes the first half of the epochs."""
    if not trainable_layers:
        return [Stage(epochs, learning_rate)]
    if from_scratch:
        raise ValueError(
            f"trainable_layers={trainable_layers} fine-tunes a network that has weights; with weights=None every layer "
            "is trained, and trainable_layers must be 0."
        )
    if epochs < 2:
        raise ValueError(
            f"trainable_layers={trainable_layers} needs epochs for the head and epochs for these layers: at least 2, "
            f"got epochs={epochs}."
        )
    return [Stage(epochs // 2, learning_rate), Stage(epochs - epochs // 2, learning_rate / FINER, trainable_layers)]


@float32_policy(needed_for="CNNClassifier")
def train_network(
    network: Any,
    batches: Batches,
    held_out: Batches | None,
    *,
    stages: list[Stage],
    patience: int | None,
    on_interrupt: str,
    verbose: int,
) -> History:
    """Train `network` in place and leave it with the weights of the epoch with the smallest validation loss.

    Parameters
    ----------
    network : keras.Model
    batches : Batches
        To train on.
    held_out : Batches or None
        To validate on; None trains for all epochs and keeps the last weights.
    stages : list of Stage
        One after the other, each from the best weights so far.
    patience, on_interrupt, verbose
        As in `CNNClassifier`.

    Returns
    -------
    history : dict of str to list of float
        Measures of each epoch.

    Raises
    ------
    ValueError
        If the loss is no longer a number.
    KeyboardInterrupt
        On Ctrl-C, unless `on_interrupt` is "keep_best" and an epoch is over; on a second one whatever it is.

    Warns
    -----
    ConvergenceWarning
        On Ctrl-C otherwise: it ends the training, and the best weights are kept.
    """
    n_epochs = sum(stage.epochs for stage in stages)
    with (
        TrainingProgress(verbose, n_epochs, len(batches)) as progress,
        _first_interrupt_noted() as interrupts,
        without_retracing_warnings(),
    ):
        watch = _Watch(network, held_out, patience, progress, interrupts)
        for stage in stages:
            thaw(network, stage.thawed)
            body, head = split_frozen(network)
            run = None if body is None else make_runner(body)
            batches.body = run
            if held_out is not None:
                held_out.body = run
            _compile(head, stage, len(batches))
            watch.fit(head, batches, stage.epochs)
            forget_kernels()
            if interrupts:
                break
    if interrupts:
        if on_interrupt == "raise" or not watch.history:
            raise KeyboardInterrupt
        _warn_of_interrupt(watch, n_epochs)
    return watch.history


@float32_policy(needed_for="CNNClassifier")
def predict_blocks(network: Any, blocks: Iterable[NDArray[Any]], *, compiled: bool) -> NDArray[np.float32]:
    """Probabilities (n_samples, n_classes) of images that come in blocks (n, height, width).

    Compiling costs half a second, some memory, and takes a fifth off the time of each block. What is not compiled keeps
    the maps of every layer until the last: a hundred megabytes an image in some networks.
    """
    keras = load_keras(needed_for="CNNClassifier")
    with without_retracing_warnings():
        if compiled:
            return np.concatenate([network.predict_on_batch(images) for images in blocks])
        few = (images[rows] for images in blocks for rows in gen_batches(len(images), UNCOMPILED))
        return np.concatenate([keras.ops.convert_to_numpy(network(images, training=False)) for images in few])


class _Watch:
    """What is seen and done between batches and epochs.

    Attributes
    ----------
    history : dict of str to list of float
    best_epoch : int
        From 0; the last one where there is no validation part.
    """

    def __init__(
        self,
        network: Any,
        held_out: Batches | None,
        patience: int | None,
        progress: TrainingProgress,
        interrupts: list[int],
    ):
        self.network, self.held_out, self.patience = network, held_out, patience
        self.progress, self.interrupts = progress, interrupts
        self.history: History = {}
        self.best_epoch = 0
        self.best_weights: list[NDArray[np.float32]] = []

    def fit(self, head: Any, batches: Batches, epochs: int) -> None:
        """Train the last layers for `epochs` or until patience ends, and go back to the best weights so far."""
        keras = load_keras(needed_for="CNNClassifier")
        self.head = head
        self.start = len(self.history.get("loss", []))
        head.fit(
            as_keras(batches),
            epochs=epochs,
            shuffle=False,  # the batches shuffle themselves; keras would use Python's global random state
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=self.batch_end, on_epoch_end=self.epoch_end)],
            verbose=0,
        )
        if self.best_weights:
            self.network.set_weights(self.best_weights)

    def batch_end(self, batch: int, logs: Any) -> None:
        self.progress.batch_end()
        if self.interrupts:
            self.head.stop_training = True

    def epoch_end(self, epoch: int, logs: Any) -> None:
        if self.interrupts:  # half an epoch
            return
        measures = {name: float(logs[name]) for name in ("loss", "accuracy")}
        if self.held_out is not None:
            measures |= _validate(self.head, self.held_out)
        if not np.isfinite(list(measures.values())).all():
            raise ValueError(f"CNNClassifier diverged to {measures}: give a smaller learning_rate.")
        for name, value in measures.items():
            self.history.setdefault(name, []).append(value)
        self.progress.epoch_end(self.history)
        losses = self.history.get("val_loss")
        last = len(self.history["loss"]) - 1
        # Kept here and not by keras, whose callbacks know one stage alone.
        if losses is None or losses[last] < min(losses[:last], default=math.inf):
            self.best_epoch, self.best_weights = last, self.network.get_weights()
        # keras' EarlyStopping, the best loss its baseline, goes on after an epoch that is the best of its stage alone.
        elif self.patience is not None and last - max(self.best_epoch, self.start - 1) >= self.patience:
            self.head.stop_training = True


def _compile(network: Any, stage: Stage, n_batches: int) -> None:
    keras = load_keras(needed_for="CNNClassifier")
    schedule = keras.optimizers.schedules.CosineDecay(
        stage.learning_rate / 10,
        decay_steps=n_batches * max(stage.epochs - 1, 1),
        warmup_target=stage.learning_rate,
        warmup_steps=n_batches,
    )
    network.compile(
        make_adam(schedule),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # XLA makes TensorFlow slower on a CPU; jax has nothing else, and torch does not know it.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    # What has its variables before it is traced is traced once, in half the time.
    network.optimizer.build(network.trainable_variables)
    network.compute_metrics(None, np.zeros(1), np.zeros((1, network.output_shape[1])))


def _validate(head: Any, held_out: Batches) -> dict[str, float]:
    """Measures on the validation part; the loss is weighted as in training, the others are not."""
    blocks = (held_out[i][0] for i in range(len(held_out)))
    probabilities = predict_blocks(head, blocks, compiled=len(held_out) > 1)
    codes, weights = held_out.codes[held_out.rows], held_out.weights[held_out.rows]
    true = probabilities[np.arange(len(codes)), codes]
    return {
        "val_loss": float(np.average(-np.log(np.maximum(true, np.finfo(np.float32).tiny)), weights=weights)),
        "val_accuracy": float((probabilities.argmax(axis=1) == codes).mean()),
        "val_roc_auc": _roc_auc(codes, probabilities),
    }


def _roc_auc(codes: NDArray[np.intp], probabilities: NDArray[np.float32]) -> float:
    """Of more than two classes the mean over all, each against the rest."""
    if not np.isfinite(probabilities).all():
        return math.nan
    classes = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    return float(np.mean([roc_auc_score(codes == k, probabilities[:, k]) for k in classes]))


@contextmanager
def _first_interrupt_noted() -> Iterator[list[int]]:
    """Note the first Ctrl-C or SIGTERM instead of obeying it; the second is obeyed. Only the main thread hears of any.

    In the middle of a step TensorFlow may drop what a handler raises, or turn it into another error, which a search
    would take for a fit that failed. A SIGTERM for which the process has a handler is sent again at the end.
    """
    interrupts: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before: dict[int, Any] = {number: handler for number, handler in handlers.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def note(number: int, frame: Any) -> None:
        interrupts.append(number)
        if len(interrupts) > 1:
            before[number](number, frame)

    for number in before:
        signal.signal(number, note)
    try:
        yield interrupts
    except Exception as error:
        if interrupts:
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if signal.SIGTERM in interrupts:
            signal.raise_signal(signal.SIGTERM)


def _warn_of_interrupt(watch: _Watch, n_epochs: int) -> None:
    warnings.warn(
        f"Ctrl-C ended the training after {len(watch.history['loss'])} of {n_epochs} epochs; the weights of epoch "
        f"{watch.best_epoch + 1} are kept ({describe(watch.history, watch.best_epoch)}).",
        ConvergenceWarning,
        stacklevel=2,
    )
