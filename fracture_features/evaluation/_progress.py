"""What is shown of an evaluation while it runs."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .._console import Screen
from .._kernels import told_of_compilation
from ..results import FoldResult

COMPILING = "Compiling the extractors, which a later run finds on disk; no fit's time counts it"
Listener = Callable[[FoldResult], None]


class TimeLeft:
    """Seconds left, from the folds that are done and what is expected of models that have none yet.

    Parameters
    ----------
    models : sequence of str
    n_folds : int
    expected : mapping of str to float
        Seconds that a model takes on all folds; of one that is not among them, or NaN, what folds took until then.
    """

    def __init__(self, models: Sequence[str], n_folds: int, expected: Mapping[str, float]):
        self._taken: dict[str, list[float]] = {name: [] for name in models}
        self._expected = {name: value / n_folds for name, value in expected.items() if not np.isnan(value)}
        self._n_folds = n_folds
        self._last = time.perf_counter()

    def add(self, fold: FoldResult) -> None:
        """Count a fold; one that a checkpoint held took as long as it did then."""
        now = time.perf_counter()
        self._taken[fold.model].append(max(now - self._last, fold.fit_seconds))
        self._last = now

    def seconds(self) -> float:
        """How many there are left."""
        done = [seconds for taken in self._taken.values() for seconds in taken]
        mean = float(np.mean(done)) if done else 0.0
        both = [(np.mean(taken), self._expected[name]) for name, taken in self._taken.items() if self._known(name)]
        ratio = float(np.clip(sum(a for a, _ in both) / max(sum(b for _, b in both), 1e-9), 0.2, 5)) if both else 1.0
        left = 0.0
        for name, taken in self._taken.items():
            each = float(np.mean(taken)) if taken else ratio * self._expected.get(name, mean)
            left += each * (self._n_folds - len(taken))
        return left

    def _known(self, name: str) -> bool:
        return bool(self._taken[name]) and name in self._expected


def describe_seconds(seconds: float) -> str:
    """A time in words, as rough as it is.

    Examples
    --------
    >>> from fracture_features.evaluation import describe_seconds
    >>> describe_seconds(20), describe_seconds(200), describe_seconds(9000)
    ('less than a minute', 'about 3 min', 'about 2.5 h')
    """
    if seconds < 60:
        return "less than a minute"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


@contextmanager
def shown_progress(
    models: Sequence[str], n_folds: int, expected: Mapping[str, float] | None = None
) -> Iterator[Listener]:
    """A bar on stderr that moves on with each fold or, where that is no terminal, a line for each; and the time left.

    Parameters
    ----------
    models : sequence of str
        In the order in which they are run.
    n_folds : int
    expected : mapping of str to float, default=None
        As in `TimeLeft`.
    """
    console = Screen(stderr=True)
    say_once = functools.cache(lambda: console.print(COMPILING, soft_wrap=True))
    total, left = len(models) * n_folds, TimeLeft(models, n_folds, expected or {})
    if not console.is_terminal:
        done: list[FoldResult] = []

        def write(fold: FoldResult) -> None:
            done.append(fold)
            left.add(fold)
            text = (
                f"{len(done)} of {total}: {fold.model}, fold {fold.fold} of {n_folds}, {fold.fit_seconds:.1f} s to fit"
            )
            text += f"; {describe_seconds(left.seconds())} left" if len(done) < total else ""
            console.print(text, markup=False, soft_wrap=True)

        with told_of_compilation(say_once):
            yield write
        return
    description = TextColumn("{task.description}", markup=False)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("fits"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(description, *columns, console=console) as progress:
        task = progress.add_task(models[0], total=total, left="")

        def advance(fold: FoldResult) -> None:
            left.add(fold)
            current = list(models).index(fold.model) + (fold.fold == n_folds)
            shown = f"{describe_seconds(left.seconds())} left"
            progress.update(task, advance=1, description=models[min(current, len(models) - 1)], left=shown)

        with told_of_compilation(say_once):
            yield advance
