"""The `fracture-features` command: arguments in, tables out."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from .baselines import BASELINES
from .cache import cache_size, clear_cache, close_cache
from .datasets import FractureDataset, load_csv, load_folder, load_fracatlas, load_mura, make_radiographs
from .evaluation import EvaluationResult, FoldResult, evaluate, exclude_unreadable
from .exceptions import FractureFeaturesError, MissingDependencyError, NoReadableImagesError, UngroupedDataWarning
from .pipeline import RECIPES, make_pipeline

DONE, FAILED, USAGE, NO_DATA, INTERRUPTED = 0, 1, 2, 3, 130
DEFAULT_MODELS = "hog+svm,lbp+svm,edges+xgboost,hog+lbp+edges+xgboost,accurate,cnn"
SHOWN = ("roc_auc", "average_precision", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
HEADINGS = ("ROC AUC", "Average\nprecision", "Accuracy", "Balanced\naccuracy", "Sensi-\ntivity", "Speci-\nficity")
# Width of the table where the output is no terminal.
WIDTH = 120

messages = Console(stderr=True, highlight=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments after the program's name; None takes those of the process.

    Returns
    -------
    code : int
        0 done, 1 a model failed, 2 wrong usage, 3 no readable data, 130 interrupted. argparse's own usage errors
        raise SystemExit(2).
    """
    args = _parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UngroupedDataWarning)
        warnings.showwarning = lambda message, *_, **__: messages.print(f"[yellow]Warning:[/] {message}")
        try:
            return int(args.run(args))
        except NoReadableImagesError as error:
            messages.print(f"[red]No readable data:[/] {error}", soft_wrap=True)
            return NO_DATA
        except (FractureFeaturesError, argparse.ArgumentTypeError) as error:
            messages.print(f"[red]Error:[/] {error}", soft_wrap=True)
            return USAGE
        except KeyboardInterrupt:
            messages.print("[red]Interrupted.[/]")
            return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fracture-features",
        description="Compare fracture classifiers on a set of radiographs. Not a medical device.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    compare = commands.add_parser("compare", help="cross-validate models on a folder or csv of radiographs")
    compare.set_defaults(run=_compare)
    compare.add_argument("folder", type=Path, help="folder of radiographs, or a csv with --layout csv")
    compare.add_argument("--layout", choices=["auto", "folder", "csv", "fracatlas", "mura"], default="auto")
    compare.add_argument(
        "--groups", metavar="G", help="which images belong together: a csv, a regular expression on the path, a column"
    )
    compare.add_argument("--positive", metavar="CLASS", help="the fractures' class, where its name does not tell")
    compare.add_argument("--image", metavar="COLUMN", default="image", help="csv: column of the files (%(default)s)")
    compare.add_argument("--label", metavar="COLUMN", default="label", help="csv: column of the classes (%(default)s)")
    _add_common(compare, out=None)

    demo = commands.add_parser("demo", help="draw synthetic radiographs and compare models on them")
    demo.set_defaults(run=_demo)
    demo.add_argument("--n-samples", type=_positive_int, default=300, help="images to draw (%(default)s)")
    _add_common(demo, out=Path("fracture-features-demo"), folds=3)

    cache = commands.add_parser("cache", help="size of a cache folder, or clear it")
    cache.set_defaults(run=_cache)
    cache.add_argument("action", choices=["info", "clear"])
    cache.add_argument("folder", type=Path)
    return parser


def _add_common(parser: argparse.ArgumentParser, out: Path | None, folds: int = 5) -> None:
    parser.add_argument(
        "--models",
        type=_model_names,
        default=DEFAULT_MODELS,
        help="comma-separated; features and a classifier joined by +, or the recipes fast and accurate (%(default)s)",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, default=out, help="folder for the csv files (%(default)s)")
    parser.add_argument("--folds", type=_at_least_2, default=folds, help="folds of the cross-validation (%(default)s)")
    parser.add_argument("--image-size", type=_positive_int, default=256, help="pixels along each side (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of folds, models and bootstrap (%(default)s)")
    parser.add_argument("--jobs", type=int, default=-1, help="threads; -1 means all cores (%(default)s)")
    parser.add_argument("--cache", metavar="DIR", type=Path, help="keep pixels and features here for the next run")


def _positive_int(text: str, minimum: int = 1) -> int:
    value = int(text)
    if value < minimum:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {minimum}, got {text!r}")
    return value


def _at_least_2(text: str) -> int:
    return _positive_int(text, 2)


def _model_names(text: str) -> list[str]:
    """Names separated by commas, each known to make_pipeline."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        try:
            _pipeline(name)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{name!r}: {error}") from error
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"a model is named twice in {text!r}")
    return names


def _pipeline(name: str, **parameters: Any) -> Any:
    """The pipeline that a recipe's name stands for, or `hog+lbp+svm`: features, then the classifier."""
    if name in RECIPES:
        return make_pipeline(name, **parameters)
    *features, classifier = name.split("+")
    return make_pipeline(features or None, classifier, **parameters)


def _demo(args: argparse.Namespace) -> int:
    folder = args.out / "radiographs"
    if not folder.exists():
        messages.print(f"Drawing {args.n_samples} synthetic radiographs into {folder}")
        make_radiographs(args.n_samples, folder=folder, random_state=args.seed)
    return _run(args, load_folder(folder, groups=r"patient(\d+)"))


def _compare(args: argparse.Namespace) -> int:
    return _run(args, _load(args))


def _cache(args: argparse.Namespace) -> int:
    n_values, n_bytes = cache_size(args.folder)
    if args.action == "clear":
        clear_cache(args.folder)
    removed = " removed" if args.action == "clear" else ""
    Console(highlight=False).print(
        f"{args.folder}: {n_values} values, {n_bytes / 2**20:.1f} MiB{removed}", soft_wrap=True
    )
    return DONE


def _load(args: argparse.Namespace) -> FractureDataset:
    layout = args.layout
    if layout == "auto":
        is_fracatlas = (args.folder / "dataset.csv").is_file() and (args.folder / "images").is_dir()
        layout = "fracatlas" if is_fracatlas else "csv" if args.folder.suffix.lower() == ".csv" else "folder"
    if layout in ("fracatlas", "mura") and args.positive is not None:
        raise argparse.ArgumentTypeError(f"--positive: layout {layout} has its own")
    if layout == "mura" and args.groups is not None:
        raise argparse.ArgumentTypeError("--groups: layout mura has its own, the patients")
    if layout == "fracatlas":
        return load_fracatlas(args.folder, groups=args.groups)
    if layout == "mura":
        return load_mura(args.folder)
    if layout == "csv":
        return load_csv(args.folder, image=args.image, label=args.label, groups=args.groups, positive=args.positive)
    return load_folder(args.folder, groups=args.groups, positive=args.positive)


def _run(args: argparse.Namespace, data: FractureDataset) -> int:
    """Evaluate, print the table and write the files; whatever stops it, what is finished is written."""
    if "cnn" in args.models and importlib.util.find_spec("keras") is None:
        raise MissingDependencyError("the model 'cnn' needs keras: pip install 'fracture_features[cnn]'")
    if args.out is not None:
        _make_folder(args.out)
    messages.print(repr(data).strip("<>"), soft_wrap=True)
    with _cache_folder(args.cache) as cache:
        models = {
            name: _pipeline(name, image_size=args.image_size, cache=cache, random_state=args.seed, n_jobs=args.jobs)
            for name in args.models
        }
        with messages.status(f"Reading {len(data)} files"):
            data, excluded = exclude_unreadable(data, models.values())
        _report_excluded(excluded, args.out)
        folds: list[FoldResult] = []
        try:
            with _progress(models, args.folds, folds) as on_fold:
                evaluate(models, data, cv=args.folds, random_state=args.seed, on_fold=on_fold)
        finally:
            _write(EvaluationResult(data, folds, excluded, args.seed), args)
    return DONE


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
        excluded.to_csv(out / "excluded.csv", index=False)
    if len(excluded):
        counts = ", ".join(f"{n} {label}" for label, n in excluded["label"].value_counts().items())
        where = f"named in {out / 'excluded.csv'}" if out is not None else "named in excluded.csv with --out DIR"
        messages.print(f"[yellow]Left out {len(excluded)} unreadable files[/] ({counts}), {where}", soft_wrap=True)


def _write(result: EvaluationResult, args: argparse.Namespace) -> None:
    """Print the table of the models whose folds are all there, and write what there is."""
    finished = [m for m in result.models if sum(fold.model == m for fold in result.fold_results) == args.folds]
    if not finished:
        return
    done = [fold for fold in result.fold_results if fold.model in finished]
    complete = EvaluationResult(result.data, done, result.excluded, result.random_state)
    frame = complete.frame()
    if args.out is not None:
        frame.to_csv(args.out / "measures.csv", index=False)
        result.predictions().to_csv(args.out / "predictions.csv", index=False)
    output = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=WIDTH)
    output.print(_table(frame))
    groups = "images" if result.data.groups is None else "groups"
    output.print(
        f"Means over {args.folds} folds with 95 % intervals from resampling whole {groups}. Not a medical device.",
        soft_wrap=True,
    )
    if args.out is not None:
        messages.print(f"Tables and predictions are in {args.out}", soft_wrap=True)


def _table(frame: pd.DataFrame) -> Table:
    table = Table("Model", *HEADINGS, "Fit\nminutes", "Predict\nms/image", box=box.SIMPLE_HEAD)
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for model, rows in frame.groupby("model", sort=False):
        by_measure = rows.set_index("measure")
        cells = [
            f"{row.value:.3f}\n{row.low:.2f}–{row.high:.2f}" for row in (by_measure.loc[measure] for measure in SHOWN)
        ]
        times = by_measure["value"]
        table.add_row(str(model), *cells, f"{times['fit_minutes']:.1f}", f"{times['predict_ms']:.1f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
