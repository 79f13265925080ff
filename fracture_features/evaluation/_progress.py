"""What is shown of an evaluation while it runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .._console import Screen
from .._kernels import told_of_compilation
from ..results import FoldResult

COMPILING = "Compiling the extractors, which a later run finds on disk; no fit's time counts it"
Listener = Callable[[FoldResult], None]


@contextmanager
def shown_progress(models: Sequence[str], n_folds: int) -> Iterator[Listener]:
    """A bar on stderr that moves on with each fold or, where that is no terminal, a line for each."""
    console = Screen(stderr=True)
    say_once = functools.cache(lambda: console.print(COMPILING, soft_wrap=True))
    total = len(models) * n_folds
    if not console.is_terminal:
        done: list[FoldResult] = []

        def write(fold: FoldResult) -> None:
            done.append(fold)
            text = (
                f"{len(done)} of {total}: {fold.model}, fold {fold.fold} of {n_folds}, {fold.fit_seconds:.1f} s to fit"
            )
            console.print(text, markup=False, soft_wrap=True)

        with told_of_compilation(say_once):
            yield write
        return
    description = TextColumn("{task.description}", markup=False)
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(
        description, BarColumn(), MofNCompleteColumn(), TextColumn("fits"), *times, console=console
    ) as progress:
        task = progress.add_task(models[0], total=total)

        def advance(fold: FoldResult) -> None:
            current = list(models).index(fold.model) + (fold.fold == n_folds)
            progress.update(task, advance=1, description=models[min(current, len(models) - 1)])

        with told_of_compilation(say_once):
            yield advance
