"""One run of the command: evaluate, print, write."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ..audit import DESCRIPTIONS, AuditReport, audit_inventory
from ..cache import set_caches
from ..datasets import FractureDataset, is_drawn, published_split
from ..evaluation import (
    BASELINE_SETS,
    PROBE,
    Checkpoint,
    evaluate,
    exclude_unreadable,
    is_unused_split,
    leak_cost,
    probe_reader,
    read_files,
    temporary_cache,
)
from ..exceptions import DatasetError, FractureFeaturesError
from ..images import ImageReader
from ..pipeline import check_image_size, make_pipeline
from ..report import behind_calibration, best_model, write_report
from ..results import EvaluationResult, digest_of
from ._asked import by_study, check_asked, print_asked
from ._budget import BudgetSpent, estimate, n_folds, say_fits, start_clock, watched, within_budget
from ._exit import ExitCode
from ._extract import cache_of
from ._output import held_folder, show_findings, write_result
from ._screen import messages, say
from ._spread import spread


def run(args: argparse.Namespace, data: FractureDataset, external: FractureDataset | None) -> int:
    """Evaluate, print the table and write the files; whatever stops it, what is finished is written."""
    if args.operating_point is not None and len(data.target_names) != 2:
        raise FractureFeaturesError(f"--operating-point is for two classes, there are {len(data.target_names)}")
    say(repr(data).strip("<>"))
    check_asked(args, data)
    say_fits(args, len(args.models))
    start_clock(args)
    if args.split:
        published_split(data)  # which raises where there is none, before anything is read
    if args.digest is not None and args.cache is not None and not args.cache.exists():
        with temporary_cache() as cache:  # other files leave no cache of theirs
            _check_digest(args, exclude_unreadable(read_files(data, [probe_reader(cache)]))[0])
    with spread(args, data.paths[:1].tolist()), cache_of(args, data) as cache:
        models = {name: make_model(name, args, cache) for name in args.models}
        descriptions = () if args.no_audit else DESCRIPTIONS
        with messages.status(f"Reading {len(data)} files"):
            probes = [probe_reader(cache)] if PROBE in BASELINE_SETS[args.baselines] else []
            given = read_files(data, [*probes, *models.values()], descriptions)
        data, excluded = exclude_unreadable(given)
        _check_digest(args, data)
        _report_excluded(excluded, args.out)
        report = None if args.no_audit else audit_inventory(given)
        if report is not None:
            _report_audit(args, report, cache)
        _report_own_split(args, data)
        args.costs = estimate(args, models, data)
        if args.budget is not None:
            models = {name: models[name] for name in within_budget(args, args.costs)}
        with nullcontext() if args.out is None else held_folder(args.out):
            checkpoint = None if args.out is None else Checkpoint(args.out / "checkpoint")
            options = {"external": external, "checkpoint": checkpoint, "audit": report or False}
            return _run(args, models, given, options, cache)


def _check_digest(args: argparse.Namespace, data: FractureDataset) -> None:
    if args.digest is not None and args.digest != digest_of(data):
        raise FractureFeaturesError(f"--rerun: the files are not those of the manifest; there are {len(data)} now")


def _run(
    args: argparse.Namespace,
    models: dict[str, Any],
    data: FractureDataset,
    options: dict[str, Any],
    cache: str,
) -> int:
    with_report = args.out is not None and all(importlib.util.find_spec(name) for name in ("jinja2", "matplotlib"))
    if args.out is not None and not with_report:
        say("There will be no report.html: pip install 'fracture_features[report]'")
    options["keep_models"] = "first" if with_report else False
    result, is_written = _evaluate(args, models, data, options)
    if with_report and is_written and result.fold_results:
        with messages.status("Writing report.html"):
            write_report(
                result,
                args.out / "report.html",
                model=_model_for_maps(result, cache),
                subgroups=args.subgroups,
                about=_describe_run(args),
            )
        say(f"The report is {args.out / 'report.html'}")
    if options["checkpoint"] is not None:
        options["checkpoint"].prune()
    return ExitCode.FAILURES if len(result.failures) or not is_written else ExitCode.DONE


def make_model(name: str, args: argparse.Namespace, cache: str | None) -> Pipeline:
    """The named pipeline, if its extractors take images of the size asked for."""
    model = make_pipeline(name, image_size=args.image_size, cache=cache, random_state=args.seed, n_jobs=args.jobs)
    try:
        check_image_size(model)
    except ValueError as error:
        raise FractureFeaturesError(f"--image-size {args.image_size}: {name}: {error}") from error
    return model


def _evaluate(
    args: argparse.Namespace,
    models: dict[str, Any],
    data: FractureDataset,
    options: dict[str, Any],
) -> tuple[EvaluationResult, bool]:
    """Fit, and print and write the tables, also of what is finished when it is stopped; whether they are written."""
    try:
        with watched(args, [*models], args.costs) as on_fold:
            result = evaluate(
                models,
                data,
                cv="split" if args.split else args.folds,
                n_repeats=args.repeats,
                operating_point=args.operating_point,
                calibrate=args.calibrate,
                baselines=args.baselines,
                random_state=args.seed,
                on_error="record",
                on_fold=on_fold,
                **options,
            )
    except BudgetSpent as spent:
        result = vars(spent)["result"]
        gone = ", ".join(name for name in models if name not in result.models)
        say(f"--budget is spent; not through: {gone}", "Note:", "yellow")
    except BaseException as error:
        done = getattr(error, "result", None)
        if done is not None and done.fold_results:
            _tell(args, done)
        raise
    return result, _tell(args, result)


def _tell(args: argparse.Namespace, result: EvaluationResult) -> bool:
    """Print and write the tables; whether they are written."""
    run = {"argv": args.argv, "folder": os.getcwd(), "folds": n_folds(args)}
    more = {}
    if result.fold_results:
        if args.subgroups:
            tables = [result.subgroups(column).rename(columns={column: "subgroup"}) for column in args.subgroups]
            more["subgroups"] = pd.concat(tables, keys=args.subgroups, names=["column", None]).reset_index(level=0)
        if args.by_study is not None:
            more["by_study"] = by_study(result, args.by_study).frame()
    is_written = write_result(result, args.out, run, more)
    print_asked(args, result)
    return is_written


def _describe_run(args: argparse.Namespace) -> dict[str, str]:
    """What the report says of the command and of where the images come from."""
    folder = args.images or getattr(args, "folder", None) or args.out / "radiographs"
    drawn = "synthetic radiographs, drawn by this library" if is_drawn(folder) else "not drawn by this library"
    return {
        "Command": shlex.join(["fracture-features", *map(str, args.argv)]),
        "Images": f"{folder}: {drawn}",
    }


def _model_for_maps(result: EvaluationResult, cache: str) -> Any:
    """The best model as fitted on the first fold's training part; None where it sees no image."""
    model = set_caches(behind_calibration(result.folds_of(best_model(result))[0].estimator), cache)
    return model if isinstance(model, Pipeline) and isinstance(model[0], ImageReader) else None


def _report_excluded(excluded: pd.DataFrame, out: Path | None) -> None:
    if len(excluded):
        counts = ", ".join(f"{n} {label}" for label, n in excluded["label"].value_counts().items())
        where = f"named in {out / 'excluded.csv'}" if out is not None else "named in excluded.csv with --out DIR"
        say(f"({counts}), {where}", f"Left out {len(excluded)} unreadable files", "yellow")


def _report_audit(args: argparse.Namespace, report: AuditReport, cache: str) -> None:
    """Name what the audit found and, of copies, what they would have been worth."""
    show_findings(report.findings, "The audit found")
    if not report.has_copies:
        return
    n = len(np.unique(report.pairs.loc[report.pairs["across_groups"], ["first", "second"]]))
    told = f"{n} images have copies, which are kept on one side of every split (--no-audit does not look for them)."
    try:
        with messages.status("Measuring what copies are worth"):
            cost = leak_cost(report.data, report.pairs, random_state=args.seed, cache=cache)["roc_auc"].tolist()
        told += f" The ROC AUC of a cheap model is {cost[-1]:.2f}; without this it would be {cost[0]:.2f}."
    except DatasetError as error:
        told += f" What they are worth cannot be measured: {error}"
    say(told, "Copies:", "yellow")


def _report_own_split(args: argparse.Namespace, data: FractureDataset) -> None:
    if not args.split and is_unused_split(data, [(np.arange(len(data)), np.arange(0))]):
        say("The data have a split of their own, which is not used; --split uses it", "Note:", "yellow")
