"""Output of the command: screen and files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from .._console import table_screen
from .._locks import LOCK, held
from .._text import without_formulas
from .._write import PART, remove_parts, whole_file
from ..audit import Finding
from ..exceptions import FractureFeaturesError
from ..results import (
    EvaluationResult,
    describe_dominance,
    describe_inference,
    describe_withheld,
    interval,
    number,
    sorted_models,
)
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

# What a run writes; one that replaces an earlier one leaves none of its files. The last says that all are there.
TABLES = (
    *("measures", "comparison", "places", "folds", "predictions", "external_measures", "external_predictions"),
    *("subgroups", "by_study", "excluded", "failures"),
)
FILES = (*(f"{name}.csv" for name in TABLES), "report.html", "result.npz", "manifest.json")


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


def write_result(
    result: EvaluationResult, out: Path | None, run: dict[str, Any], more: Mapping[str, pd.DataFrame]
) -> bool:
    """Print the tables, then write them, `more` and the manifest into the folder; whether all could be written."""
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
            _write(result, folder, run, more)
    except OSError as error:
        say(f"{error.filename or out}: {error.strerror}; the tables are not written", "Error:", "red")
        return False
    say(f"Tables and predictions are in {out}")
    return True


def _write(result: EvaluationResult, folder: Path, run: dict[str, Any], more: Mapping[str, pd.DataFrame]) -> None:
    tables = {"excluded": result.excluded, **more}
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
    result.save(folder)
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
    order = {name: k for k, name in enumerate(sorted_models(result))}
    frame = result.frame().sort_values("model", key=lambda names: names.map(order), kind="stable")
    output = table_screen()
    for table in _tables(frame, output.width):
        output.print(table)
    groups = "images" if result.data.groups is None else "groups"
    note = f"{what} with 95 % intervals {describe_inference(result)}, by leaving out {groups}. Not a medical device."
    output.print(visible(note), soft_wrap=True, markup=False)
    labels = {name: label.replace("-\n", "").replace("\n", " ") for name, label in COLUMNS.items()}
    if withheld := describe_withheld(frame, labels):
        output.print(visible(withheld), soft_wrap=True, markup=False)
    print_places(result)
    if few := describe_dominance(result):
        say(few, "Note:", "yellow")
    if (frame["above_baselines"] == False).any():  # noqa: E712 - None is neither
        output.print("* not shown to be better than the best of the models that cannot see a fracture", soft_wrap=True)


def print_places(result: EvaluationResult) -> None:
    """Print in how many fractured images each model that finds boxes points at the fracture."""
    frame, output = result.places(), table_screen()
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
    with whole_file(path) as part:
        without_formulas(frame).to_csv(part, index=False, errors="backslashreplace")


def print_text(frame: pd.DataFrame, title: str, n_left: int) -> None:
    """Print a table of text; columns behind the first `n_left` are numbers, and stand to the right."""
    output = table_screen()
    output.print(visible(title), soft_wrap=True, markup=False)
    table = Table(box=box.SIMPLE_HEAD)
    for k, name in enumerate(frame):
        table.add_column(Text(visible(name)), justify="left" if k < n_left else "right")
    for row in frame.itertuples(index=False):
        table.add_row(*(Text(visible(value)) for value in row))
    output.print(table)


def _tables(frame: pd.DataFrame, width: int) -> list[Table]:
    """The measures."""
    names = {}
    for model, above in frame.groupby("model", sort=False)["above_baselines"].first().items():
        names[model] = "\n".join(_name_lines(f"{visible(model)}{' *' if above is False else ''}", width // 2))
    values = frame.set_index(["model", "measure"])
    columns = {
        label: [_cell(values.loc[(str(model), measure)], measure) for model in names]
        for measure, label in COLUMNS.items()
    }
    return fitted_tables("Model", list(names.values()), columns, width)


def fitted_tables(heading: str, names: Sequence[str], columns: Mapping[str, Sequence[str]], width: int) -> list[Table]:
    """One table or, where the terminal is narrow, several, one below the other; nothing in a cell is broken.

    Parameters
    ----------
    heading : str
        Of the first column, which all have.
    names : sequence of str
        Its cells.
    columns : mapping of str to sequence of str
        The cells under each other heading.
    width : int
        Of the terminal, in characters.
    """
    first = _width([heading, *names])
    tables: list[list[str]] = []
    left = 0
    for name, cells in columns.items():
        taken = _width([name, *cells])
        if taken > left:
            tables.append([])
            left = width - first - 1
        tables[-1].append(name)
        left -= taken
    made = []
    for headings in tables:
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column(Text(heading), no_wrap=True)
        for each in headings:
            table.add_column(Text(each), justify="right", no_wrap=True)
        for name, *cells in zip(names, *(columns[each] for each in headings), strict=True):
            table.add_row(*map(Text, (name, *cells)))
        made.append(table)
    return made


def _cell(row: Any, measure: str) -> str:
    """A value and its interval below it, where there is one; times have none."""
    if measure in ("fit_minutes", "predict_ms"):
        return f"{row['value']:.1f}"
    limits = interval(row["low"], row["high"])
    return f"{number(row['value'])}\n{limits}" if limits else number(row["value"])


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
