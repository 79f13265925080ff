"""What a user sees of a training: a bar, or a line an epoch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .._console import Screen

History = dict[str, list[float]]
SHOWN = {"loss": "loss", "val_loss": "validation loss", "val_roc_auc": "validation ROC AUC"}
ON_BAR = ("loss", "val_roc_auc")  # with the bar and the time left, what fits into 80 columns


class TrainingProgress:
    """Show a training as `verbose` asks: 1 a bar on stderr, 2 a line an epoch on stdout, 0 nothing.

    Parameters
    ----------
    verbose : {0, 1, 2}
    n_epochs, n_batches : int
        Epochs at most, and batches in each.
    """

    def __init__(self, verbose: int, n_epochs: int, n_batches: int):
        self.verbose = verbose
        self.n_epochs = n_epochs
        columns = (TextColumn("{task.description}"), BarColumn(14), TimeRemainingColumn(), TextColumn("left"))
        self.bar = Progress(*columns, console=Screen(stderr=True), disable=verbose != 1)
        self.task = self.bar.add_task(f"Epoch 1/{n_epochs}", total=n_epochs * n_batches)

    def __enter__(self) -> Self:
        self.started = time.perf_counter()
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Training that stops early has no more to do.
        self.bar.update(self.task, total=self.bar.tasks[0].completed or None)
        self.bar.stop()

    def batch_end(self) -> None:
        """Move the bar on."""
        self.bar.advance(self.task)

    def epoch_end(self, history: History) -> None:
        """Show the last value of each measure."""
        epoch = f"Epoch {len(history['loss'])}/{self.n_epochs}"
        self.bar.update(self.task, description=f"{epoch}: {describe(history, -1, ON_BAR)}")
        if self.verbose == 2:
            seconds = time.perf_counter() - self.started
            line = f"{epoch}: {describe(history, -1)}, {seconds:.0f} s"
            Screen().print(line, soft_wrap=True, markup=False)


def describe(history: History, epoch: int, names: Iterable[str] = SHOWN) -> str:
    """Measures of one epoch in words."""
    return ", ".join(f"{SHOWN[name]} {history[name][epoch]:.3f}" for name in names if name in history)
