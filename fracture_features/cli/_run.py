"""One run of the command: evaluate, print, write."""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from sklearn.pipeline import Pipeline

from .._write import remove_parts
from ..cache import set_caches
from ..datasets import FractureDataset
from ..evaluation import (
    BASELINES,
    Checkpoint,
    evaluate,
    exclude_unreadable,
    is_unused_split,
    probe_reader,
    published_split,
    temporary_cache,
)
from ..exceptions import FractureFeaturesError
from ..images import ImageReader
from ..pipeline import make_pipeline
from ..report import best_model, write_report
from ..results import EvaluationResult, FoldResult, digest_of
from ._exit import ExitCode
from ._output import messages, say, write_result


def run(args: argparse.Namespace, data: FractureDataset, external: FractureDataset | None) -> int:
    """Evaluate, print the table and write the files; whatever stops it, what is finished is written."""
    checkpoint = None if args.out is None else _make_folder(args.out)
    with_report = args.out is not None and all(importlib.util.find_spec(name) for name in ("jinja2", "matplotlib"))
    if args.out is not None and not with_report:
        say("There will be no report.html: pip install 'fracture_features[report]'")
    say(repr(data).strip("<>"))
    if args.split:
        published_split(data)  # which raises where there is none, before anything is read
    with nullcontext(str(args.cache)) if args.cache else temporary_cache() as cache:
        models = {
            name: make_pipeline(name, image_size=args.image_size, cache=cache, random_state=args.seed, n_jobs=args.jobs)
            for name in args.models
        }
        with messages.status(f"Reading {len(data)} files"):
            data, excluded = exclude_unreadable(data, [probe_reader(cache), *models.values()])
        _report_excluded(excluded, args.out)
        _report_own_split(args, data)
        if args.digest is not None and args.digest != digest_of(data):
            raise FractureFeaturesError(f"--rerun: the files are not those of the manifest; there are {len(data)} now")
        options = {"external": external, "checkpoint": checkpoint, "keep_models": "first" if with_report else False}
        result = _evaluate(args, models, data, excluded, options)
        if with_report and result.fold_results:
            with messages.status("Writing report.html"):
                write_report(result, args.out / "report.html", model=_model_for_maps(result, cache))
            say(f"The report is {args.out / 'report.html'}")
    if checkpoint is not None:
        checkpoint.prune()
    return ExitCode.FAILURES if len(result.failures) else ExitCode.DONE


def _evaluate(
    args: argparse.Namespace,
    models: dict[str, Any],
    data: FractureDataset,
    excluded: pd.DataFrame,
    options: dict[str, Any],
) -> EvaluationResult:
    """Fit, and print and write the tables, also of what is finished when it is stopped."""
    folds: list[FoldResult] = []
    n_folds = 1 if args.split else args.folds * args.repeats
    result = None
    try:
        with _progress(models, n_folds, folds) as on_fold:
            result = evaluate(
                models,
                data,
                cv="split" if args.split else args.folds,
                n_repeats=args.repeats,
                operating_point=args.operating_point,
                calibrate=args.calibrate,
                random_state=args.seed,
                on_error="record",
                on_fold=on_fold,
                **options,
            )
            result.excluded = excluded
            return result
    finally:
        done = result or _finished(data, folds, n_folds, excluded, args.seed)
        if done is not None:
            write_result(done, args.out, {"argv": args.argv, "folder": os.getcwd(), "folds": n_folds})


def _finished(
    data: FractureDataset, folds: list[FoldResult], n_folds: int, excluded: pd.DataFrame, seed: int
) -> EvaluationResult | None:
    """The models all of whose folds are there, of a run that was stopped; None where there is none."""
    counts = Counter(fold.model for fold in folds)
    whole = [fold for fold in folds if counts[fold.model] == n_folds]
    return EvaluationResult(data, whole, excluded, seed) if whole else None


def _model_for_maps(result: EvaluationResult, cache: str) -> Any:
    """The best model as fitted on the first fold's training part; None where it sees no image."""
    model = set_caches(result.folds_of(best_model(result))[0].estimator, cache)
    return model if isinstance(model, Pipeline) and isinstance(model[0], ImageReader) else None


def _make_folder(folder: Path) -> Checkpoint:
    """Make the folder, without what a killed run was writing, and the one of finished jobs in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
        return Checkpoint(folder / "checkpoint")
    except OSError as error:
        raise FractureFeaturesError(f"--out {str(folder)!r} cannot be made: {error.strerror}") from error


@contextmanager
def _progress(models: dict[str, Any], n_folds: int, folds: list[FoldResult]) -> Iterator[Callable[[FoldResult], None]]:
    """A bar on stderr; gives the function that moves it on and collects `folds`."""
    names = [*BASELINES, *models]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("fits"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages) as progress:
        task = progress.add_task(names[0], total=len(names) * n_folds)

        def on_fold(fold: FoldResult) -> None:
            folds.append(fold)
            done = names.index(fold.model) + (fold.fold == n_folds)
            progress.update(task, advance=1, description=names[min(done, len(names) - 1)])

        yield on_fold


def _report_excluded(excluded: pd.DataFrame, out: Path | None) -> None:
    if len(excluded):
        counts = ", ".join(f"{n} {label}" for label, n in excluded["label"].value_counts().items())
        where = f"named in {out / 'excluded.csv'}" if out is not None else "named in excluded.csv with --out DIR"
        say(f"({counts}), {where}", f"Left out {len(excluded)} unreadable files", "yellow")


def _report_own_split(args: argparse.Namespace, data: FractureDataset) -> None:
    if not args.split and is_unused_split(data, [(np.arange(len(data)), np.arange(0))]):
        say("The data have a split of their own, which is not used; --split uses it", "Note:", "yellow")
