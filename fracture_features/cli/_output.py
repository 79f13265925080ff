"""What the command prints and writes."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._locks import LOCK, held
from .._write import PART, remove_parts
from ..audit import Finding
from ..exceptions import FractureFeaturesError
from ..results import EvaluationResult, describe_dominance, describe_inference, describe_withheld
from ._screen import say, visible

COLUMNS = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average\nprecision",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced\naccuracy",
    "sensitivity": "Sensi-\ntivity",
    "specificity": "Speci-\nficity",
    "fit_minutes": "Fit\nminutes",
    "predict_ms": "Predict\nms/image",
}
MAX_FINDINGS = 5
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
GAP = 3  # what a table puts beside a column
# Width of the table where the output is no terminal.
WIDTH = 120
# What a spreadsheet takes for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

# What a run writes; one that replaces an earlier one leaves none of its files. The last says that all are there.
TABLES = ("measures", "comparison", "places", "folds", "predictions", "external_measures", "external_predictions")
FILES = (*(f"{name}.csv" for name in (*TABLES, "excluded", "failures")), "report.html", "manifest.json")


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Make the folder and hold it against other runs; what a killed one left half written in it is removed.

    Raises
    ------
    FractureFeaturesError
        If it cannot be made, or another run holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FractureFeaturesError(f"--out {str(folder)!r} cannot be made: {error.strerror}") from error
    with held(folder / LOCK) as is_mine:
        if not is_mine:
            raise FractureFeaturesError(f"--out {str(folder)!r} is being written by another run; wait or give another")
        remove_parts(folder)
        yield


@contextmanager
def replaced_files(out: Path, names: Sequence[str] = FILES) -> Iterator[Path]:
    """A folder to write to, within `out`; at the end its files of these names take the place of an earlier run's."""
    new = out / f".new{PART}"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        # What is named last goes first and comes last: where it stands all of its run does.
        for name in reversed(names):
            (out / name).unlink(missing_ok=True)
        for name in names:
            if (new / name).exists():
                (new / name).replace(out / name)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write_result(result: EvaluationResult, out: Path | None, run: dict[str, Any]) -> bool:
    """Print the tables, then write them and the manifest into the folder; whether all could be written."""
    for row in result.failures.itertuples(index=False):
        say(f"{row.model}, fold {row.fold}: {row.reason}", "Failed:", "red")
    folds = "1 fold" if run["folds"] == 1 else f"{run['folds']} folds"
    print_result(result, f"Means over {folds}{_shared(result)}")
    show_findings(result.findings(), "Findings about this result")
    if result.external is not None:
        what = f"Another source, {result.external.data!r}: means over the models of {folds}"
        print_result(result.external, what)
    if out is None:
        return True
    try:
        with replaced_files(out) as folder:
            _write(result, folder, run)
    except OSError as error:
        say(f"{error.filename or out}: {error.strerror}; the tables are not written", "Error:", "red")
        return False
    say(f"Tables and predictions are in {out}")
    return True


def _write(result: EvaluationResult, folder: Path, run: dict[str, Any]) -> None:
    tables = {"excluded": result.excluded}
    if len(result.failures):
        tables["failures"] = result.failures
    if result.fold_results:
        tables |= {"measures": result.frame(), "folds": result.folds(), "predictions": result.predictions()}
        if len(places := result.places()):
            tables["places"] = places
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


def print_result(result: EvaluationResult, what: str) -> None:
    """Print the measures of a result."""
    if not result.fold_results:
        return
    frame = result.frame()
    output = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=WIDTH)
    for table in _tables(frame, output.width):
        output.print(table)
    groups = "images" if result.data.groups is None else "groups"
    note = f"{what} with 95 % intervals {describe_inference(result)}, by leaving out {groups}. Not a medical device."
    output.print(visible(note), soft_wrap=True, markup=False)
    labels = {name: label.replace("-\n", "").replace("\n", " ") for name, label in COLUMNS.items()}
    if withheld := describe_withheld(frame, labels):
        output.print(visible(withheld), soft_wrap=True, markup=False)
    print_places(result, output)
    if few := describe_dominance(result):
        say(few, "Note:", "yellow")
    if (frame["above_baselines"] == False).any():  # noqa: E712 - None is neither
        output.print("* not shown to be better than the best of the models that cannot see a fracture", soft_wrap=True)


def print_places(result: EvaluationResult, output: Console) -> None:
    """Print in how many fractured images each model that finds boxes points at the fracture."""
    frame = result.places()
    row: Any
    for row in frame[frame["measure"] == "pointing"].itertuples():
        limits = "" if pd.isna(row.low) else f" ({row.low:.0%} to {row.high:.0%})"
        text = f"{row.model}: the highest place lies in a box in {row.value:.0%}{limits} of fractured images"
        output.print(visible(text), soft_wrap=True, markup=False)


def show_findings(findings: Sequence[Finding], title: str) -> None:
    """Print the first findings, each with its numbers and what to do; nothing where there are none."""
    if not findings:
        return
    say("", f"{title}:", "bold")
    for finding in findings[:MAX_FINDINGS]:
        say(finding, f"  {finding.kind.severity}", STYLES[finding.kind.severity])
        for text in (*filter(None, [finding.detail]), *finding.examples, f"→ {finding.kind.advice}"):
            say(f"      {text}")
    if len(findings) > MAX_FINDINGS:
        say(f"  and {len(findings) - MAX_FINDINGS} more")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table; text that a spreadsheet would take for a formula gets an apostrophe before it.

    A name that is not UTF-8 is written with escapes.
    """

    def escape(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value

    frame.map(escape).rename(columns=escape).to_csv(path, index=False, errors="backslashreplace")


def _tables(frame: pd.DataFrame, width: int) -> list[Table]:
    """The measures as one table or, where the terminal is narrow, as several, one below the other."""
    names = {}
    for model, above in frame.groupby("model", sort=False)["above_baselines"].first().items():
        names[model] = "\n".join(_name_lines(f"{visible(model)}{' *' if above is False else ''}", width // 2))
    values = frame.set_index(["model", "measure"])
    columns = {measure: [_cell(values.loc[(str(model), measure)], measure) for model in names] for measure in COLUMNS}
    first = _width(["Model", *names.values()])
    tables: list[Table] = []
    left = 0
    for measure, cells in columns.items():
        taken = _width([COLUMNS[measure], *cells])
        if taken > left:
            tables.append(Table("Model", box=box.SIMPLE_HEAD))
            left = width - first - 1
        tables[-1].add_column(COLUMNS[measure], justify="right", no_wrap=True)
        left -= taken
    start = 0
    for table in tables:
        measures = list(columns)[start : start + len(table.columns) - 1]
        start += len(measures)
        table.columns[0].no_wrap = True
        for k, name in enumerate(names.values()):
            table.add_row(Text(name), *(columns[measure][k] for measure in measures))
    return tables


def _cell(row: Any, measure: str) -> str:
    """A value and its interval below it, where there is one; times have none."""
    if measure in ("fit_minutes", "predict_ms"):
        return f"{row['value']:.1f}"
    value = "–" if pd.isna(row["value"]) else f"{row['value']:.3f}"
    return value if pd.isna(row["low"]) else f"{value}\n{row['low']:.2f}–{row['high']:.2f}"


def _width(cells: list[str]) -> int:
    return GAP + max(cell_len(line) for cell in cells for line in cell.splitlines())


def _name_lines(name: str, width: int) -> list[str]:
    """A model's name on as many lines as it needs, broken behind a + alone."""
    lines = [""]
    for part in re.split(r"(?<=\+)", name):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return lines
