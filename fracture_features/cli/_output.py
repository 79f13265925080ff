"""What the command prints and writes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._write import PART
from ..results import EvaluationResult

SHOWN = ("roc_auc", "average_precision", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
HEADINGS = ("ROC AUC", "Average\nprecision", "Accuracy", "Balanced\naccuracy", "Sensi-\ntivity", "Speci-\nficity")
# Width of the table where the output is no terminal.
WIDTH = 120
# What a spreadsheet takes for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

# What a run writes; one that replaces an earlier one leaves none of its files. The last says that all are there.
TABLES = ("measures", "comparison", "folds", "predictions", "external_measures", "external_predictions")
FILES = (*(f"{name}.csv" for name in (*TABLES, "excluded", "failures")), "report.html", "manifest.json")

messages = Console(stderr=True, highlight=False)


def say(what: Any, label: str = "", style: str = "") -> None:
    """Print a message to stderr, a coloured label before it; nothing in it is markup."""
    messages.print(Text.assemble((label, style), " " if label and str(what) else "", str(what)), soft_wrap=True)


@contextmanager
def replaced_files(out: Path) -> Iterator[Path]:
    """A folder to write to, within `out`; at the end its files take the place of an earlier run's."""
    new = out / f".new{PART}"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        # The manifest goes first and comes last: where it stands all of its run's tables do.
        for name in reversed(FILES):
            (out / name).unlink(missing_ok=True)
        for name in FILES:
            if (new / name).exists():
                (new / name).replace(out / name)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write_result(result: EvaluationResult, out: Path | None, run: dict[str, Any]) -> None:
    """Print the tables and, with a folder, write every table and the manifest."""
    if out is not None:
        with replaced_files(out) as folder:
            _write(result, folder, run)
    failed = result.failures.itertuples(index=False)
    for row in failed:
        say(f"{row.model}, fold {row.fold}: {row.reason}", "Failed:", "red")
    folds = "1 fold" if run["folds"] == 1 else f"{run['folds']} folds"
    _print(result, f"Means over {folds}{_shared(result)}")
    if result.external is not None:
        what = f"Another source, {result.external.data!r}: means over the models of {folds}"
        _print(result.external, what)
    if out is not None:
        say(f"Tables and predictions are in {out}")


def _write(result: EvaluationResult, folder: Path, run: dict[str, Any]) -> None:
    tables = {"excluded": result.excluded}
    if len(result.failures):
        tables["failures"] = result.failures
    if result.fold_results:
        tables |= {"measures": result.frame(), "folds": result.folds(), "predictions": result.predictions()}
    if result.baselines:
        tables["comparison"] = result.comparison()
    if result.external is not None and result.external.fold_results:
        tables |= {
            "external_measures": result.external.frame(),
            "external_predictions": result.external.predictions(),
        }
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
    (folder / "manifest.json").write_text(json.dumps({"run": run, **result.manifest()}, indent=1) + "\n")


def _shared(result: EvaluationResult) -> str:
    """How many groups stand on both sides of a split."""
    if result.data.groups is None or not result.fold_results:
        return ""
    largest, n_groups = result.folds()["groups_shared"].max(), len(set(result.data.groups))
    return f", whose training and test parts share {largest} of {n_groups} groups,"


def _print(result: EvaluationResult, what: str) -> None:
    if not result.fold_results:
        return
    frame = result.frame()
    output = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=WIDTH)
    output.print(_table(frame))
    groups = "images" if result.data.groups is None else "groups"
    note = f"{what} with 95 % intervals from resampling whole {groups}. Not a medical device."
    output.print(note, soft_wrap=True, markup=False)
    if (frame["above_baselines"] == False).any():  # noqa: E712 - None is neither
        output.print("* not shown to be better than the best of the models that cannot see a fracture", soft_wrap=True)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table; text that a spreadsheet would take for a formula gets an apostrophe before it."""

    def escape(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value

    frame.map(escape).rename(columns=escape).to_csv(path, index=False)


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
        mark = " *" if rows["above_baselines"].iloc[0] is False else ""
        table.add_row(f"{model}{mark}", *cells, f"{times['fit_minutes']:.1f}", f"{times['predict_ms']:.1f}")
    return table
