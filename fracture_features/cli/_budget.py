"""What a run will cost, said before it; and what of it fits into a budget."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..datasets import FractureDataset
from ..evaluation import (
    BASELINE_SETS,
    describe_seconds,
    estimate_seconds,
    fits_per_fold,
    shown_progress,
)
from ..exceptions import FractureFeaturesError
from ..results import FoldResult
from ._screen import messages, say

FEW_IMAGES = 100  # below which the run itself is little longer than an estimate


now = time.monotonic


class BudgetSpent(Exception):
    """The time is up; what is finished is told of."""


def start_clock(args: argparse.Namespace) -> None:
    """Note when the budget ends."""
    args.deadline = None if args.budget is None else now() + args.budget


def say_fits(args: argparse.Namespace, n_models: int) -> None:
    """Say how many fits the run takes, where options multiply them."""
    options = [name for name, is_given in _multiplying(args).items() if is_given]
    if not options:
        return
    each, folds = fits_each(args), n_folds(args)
    n = n_models + len(BASELINE_SETS[args.baselines])
    say(
        f"{' and '.join(options)} fit {each} times where once would do: {n} {'model' if n == 1 else 'models'}, with "
        f"the baselines, × {folds} folds × {each} = {n * folds * each} fits",
        "Note:",
        "yellow",
    )


def _multiplying(args: argparse.Namespace) -> dict[str, bool]:
    return {"--calibrate": args.calibrate, "--operating-point": args.operating_point is not None}


def fits_each(args: argparse.Namespace) -> int:
    """Fits of a model in a fold."""
    return fits_per_fold(operating_point=args.operating_point is not None, calibrate=args.calibrate)


def n_folds(args: argparse.Namespace) -> int:
    """Folds of the run, repetitions included."""
    return 1 if args.split else int(args.folds * args.repeats)


def estimate(args: argparse.Namespace, models: Mapping[str, Any], data: FractureDataset) -> dict[str, float]:
    """About how many seconds each model takes, the cheapest first; nothing where there are few images and no budget."""
    if args.budget is None and len(data) < FEW_IMAGES:
        return {}
    with messages.status("Estimating the time"):
        seconds = estimate_seconds(
            models,
            data,
            n_folds=n_folds(args),
            train_fraction=0.8 if args.split else 1 - 1 / args.folds,
            fits_per_fold=fits_each(args),
            random_state=args.seed,
        )
    order = sorted(seconds, key=lambda name: (np.isnan(seconds[name]), seconds[name]))
    each = ", ".join(f"{name} {_describe(seconds[name])}" for name in order)
    say(f"{describe_seconds(np.nansum([*seconds.values()]))}: {each}", "Time:", "bold")
    return {name: seconds[name] for name in order}


def _describe(seconds: float) -> str:
    return "not known" if np.isnan(seconds) else describe_seconds(seconds).removeprefix("about ")


def within_budget(args: argparse.Namespace, costs: Mapping[str, float]) -> list[str]:
    """The models that fit into the budget, the cheapest first; what does not is said.

    Raises
    ------
    FractureFeaturesError
        If none fits.
    """
    left, kept = args.deadline - now(), []
    for name, seconds in costs.items():
        if seconds <= left:  # NaN does not
            kept.append(name)
            left -= seconds
    if not kept:
        name, seconds = next(iter(costs.items()))
        raise FractureFeaturesError(f"--budget: no model fits; the cheapest, {name}, takes {describe_seconds(seconds)}")
    if gone := [f"{name} ({_describe(seconds)})" for name, seconds in costs.items() if name not in kept]:
        say(f"--budget leaves out {', '.join(gone)}", "Note:", "yellow")
    return kept


@contextmanager
def watched(
    args: argparse.Namespace, models: list[str], costs: Mapping[str, float]
) -> Iterator[Callable[[FoldResult], None]]:
    """Show the progress of a run and the time left; raise BudgetSpent after the fold in which the budget ends."""
    names = [*BASELINE_SETS[args.baselines], *models]
    with shown_progress(names, n_folds(args), costs) as show:

        def listen(fold: FoldResult) -> None:
            show(fold)
            is_last = fold.model == models[-1] and fold.fold == n_folds(args)
            if args.deadline is not None and now() > args.deadline and not is_last:
                raise BudgetSpent

        yield listen
