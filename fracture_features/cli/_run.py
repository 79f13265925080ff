"""One run of the command: evaluate, print, write."""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..baselines import BASELINES
from ..cache import close_cache
from ..datasets import FractureDataset
from ..evaluation import EvaluationResult, FoldResult, digest_files, evaluate, exclude_unreadable
from ..exceptions import FractureFeaturesError
from ..images import ImageReader
from ..pipeline import make_pipeline
from ..report import best_model, write_report
from ._output import messages, write_csv, write_external, write_result


def run(args: argparse.Namespace, data: FractureDataset, external: FractureDataset | None) -> None:
    """Evaluate, print the table and write the files; whatever stops it, what is finished is written."""
    if args.out is not None:
        _make_folder(args.out)
    with_report = args.out is not None and all(importlib.util.find_spec(name) for name in ("jinja2", "matplotlib"))
    if args.out is not None and not with_report:
        messages.print("There will be no report.html: pip install 'fracture_features\\[report]'", soft_wrap=True)
    messages.print(repr(data).strip("<>"), soft_wrap=True)
    with _cache_folder(args.cache) as cache:
        models = {
            name: make_pipeline(name, image_size=args.image_size, cache=cache, random_state=args.seed, n_jobs=args.jobs)
            for name in args.models
        }
        with messages.status(f"Reading {len(data)} files"):
            data, excluded = exclude_unreadable(data, models.values())
        _report_excluded(excluded, args.out)
        if args.digest is not None and args.digest != digest_files(data.paths)[1]:
            raise FractureFeaturesError(f"--rerun: the files are not those of the manifest; there are {len(data)} now")
        folds: list[FoldResult] = []
        n_folds = args.folds * args.repeats
        try:
            with _progress(models, n_folds, folds) as on_fold:
                result = evaluate(
                    models,
                    data,
                    cv=args.folds,
                    n_repeats=args.repeats,
                    operating_point=args.operating_point,
                    calibrate=args.calibrate,
                    external=external,
                    random_state=args.seed,
                    on_fold=on_fold,
                )
        finally:
            finished = [m for m in [*BASELINES, *models] if sum(f.model == m for f in folds) == n_folds]
            done = [fold for fold in folds if fold.model in finished]
            if done:
                run = {"argv": args.argv, "folder": os.getcwd(), "folds": n_folds}
                write_result(EvaluationResult(data, done, excluded, args.seed), args.out, run)
        if result.external is not None:
            write_external(result.external, args.out, n_folds)
        if with_report:
            with messages.status("Writing report.html"):
                write_report(result, args.out / "report.html", model=_fit_for_maps(result, models))
            messages.print(f"The report is {args.out / 'report.html'}", soft_wrap=True)


def _fit_for_maps(result: EvaluationResult, models: dict[str, Any]) -> Any:
    """The best model, fitted on the first fold's training part once more; None where it sees no image."""
    best = best_model(result)
    if not isinstance(models[best][0], ImageReader):
        return None
    train = next(fold.train for fold in result.fold_results if fold.model == best)
    return models[best].fit(result.data.paths[train], result.data.y[train])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FractureFeaturesError(f"--out {str(folder)!r} cannot be made: {error.strerror}") from error


@contextmanager
def _cache_folder(folder: Path | None) -> Iterator[str]:
    """The folder given, or one for this run alone."""
    if folder is not None:
        yield str(folder)
        return
    with tempfile.TemporaryDirectory(prefix="fracture_features_") as temporary:
        try:
            yield temporary
        finally:
            close_cache(temporary)


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
    if out is not None:
        write_csv(excluded, out / "excluded.csv")
    if len(excluded):
        counts = ", ".join(f"{n} {label}" for label, n in excluded["label"].value_counts().items())
        where = f"named in {out / 'excluded.csv'}" if out is not None else "named in excluded.csv with --out DIR"
        messages.print(f"[yellow]Left out {len(excluded)} unreadable files[/] ({counts}), {where}", soft_wrap=True)
