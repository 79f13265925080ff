"""What the command prints and writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from ..evaluation import EvaluationResult

SHOWN = ("roc_auc", "average_precision", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
HEADINGS = ("ROC AUC", "Average\nprecision", "Accuracy", "Balanced\naccuracy", "Sensi-\ntivity", "Speci-\nficity")
# Width of the table where the output is no terminal.
WIDTH = 120
# What a spreadsheet takes for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

messages = Console(stderr=True, highlight=False)


def write_result(result: EvaluationResult, out: Path | None, run: dict[str, Any]) -> None:
    """Print the table and, with a folder, write every table and the manifest."""
    frame, folds = result.frame(), result.folds()
    if out is not None:
        write_csv(frame, out / "measures.csv")
        write_csv(result.comparison(), out / "comparison.csv")
        write_csv(folds, out / "folds.csv")
        write_csv(result.predictions(), out / "predictions.csv")
        (out / "manifest.json").write_text(json.dumps({"run": run, **result.manifest()}, indent=1) + "\n")
    shared = ""
    if result.data.groups is not None:
        largest, n_groups = folds["groups_shared"].max(), len(set(result.data.groups))
        shared = f", whose training and test parts share {largest} of {n_groups} groups,"
    _print(result, frame, f"Means over {run['folds']} folds{shared}")
    if out is not None:
        messages.print(f"Tables and predictions are in {out}", soft_wrap=True)


def write_external(result: EvaluationResult, out: Path | None, n_folds: int) -> None:
    """The same of images from another source."""
    frame = result.frame()
    if out is not None:
        write_csv(frame, out / "external_measures.csv")
        write_csv(result.predictions(), out / "external_predictions.csv")
    _print(result, frame, f"Another source, {result.data!r}: means over the models of {n_folds} folds")


def _print(result: EvaluationResult, frame: pd.DataFrame, what: str) -> None:
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
