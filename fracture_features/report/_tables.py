"""The page's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..results import (
    MAIN,
    EvaluationResult,
    describe_inference,
    describe_withheld,
    interval,
    measure_label,
    number,
    sorted_models,
)
from ._downloads import file_name, table_uri
from ._summary import describe_power, has_comparison, is_below, p_value, unit

MORE = ("ppv", "npv", "positive_likelihood_ratio", "negative_likelihood_ratio", "mcc", "kappa")
PROBABILITIES = ("brier_score", "calibration_intercept", "calibration_slope")
OF_CLASS = ("roc_auc", "average_precision", "sensitivity", "specificity", "ppv", "npv")
MAX_ROWS = 200


@dataclass(frozen=True)
class Cell:
    """A table's cell: what it says, what stands below it, and what it is sorted by where that is a number."""

    text: str
    note: str = ""
    sort: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table: a caption, headings, and bodies that are sorted each on its own."""

    caption: str
    columns: list[str]
    bodies: list[list[list[Cell]]]
    notes: list[str] = field(default_factory=list)

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers; the first names the row."""
        row = self.bodies[0][0]
        return [k > 0 and cell.sort is not None for k, cell in enumerate(row)]

    @property
    def csv(self) -> str:
        """A data URI of the table."""
        return table_uri(self)

    @property
    def file(self) -> str:
        """What it is saved as."""
        return file_name(self.caption, ".csv")


def make_tables(result: EvaluationResult, manifest: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The tables by name, None where there is nothing to tell."""
    external = result.external
    return {
        "classes": _classes(result),
        "parts": _parts(manifest),
        "reasons": _reasons(result),
        "excluded": _excluded(result, names),
        "measures": _measures(result, MAIN, "Measures of each model", times=True),
        "more": _measures(result, MORE + PROBABILITIES, "Further measures"),
        "by_class": _by_class(result),
        "comparison": _comparison(result) if has_comparison(result) else None,
        "folds": _folds(result),
        "external": external and _measures(external, MAIN, f"Another source, {len(external.data)} images"),
        "external_classes": external and _classes(external, ", another source"),
        "external_reasons": external and _reasons(external, ", another source"),
        "external_excluded": external and _excluded(external, names, ", another source"),
    }


def _value(value: float, digits: int = 0) -> Cell:
    return Cell(number(value, digits), sort=float(value))


def _classes(result: EvaluationResult, where: str = "") -> Table:
    data, excluded = result.data, result.excluded["label"].value_counts()
    n_tested = result.tested.class_counts()
    some = sum(n_tested.values()) < len(data)
    rows = []
    for k, (name, n) in enumerate(data.class_counts().items()):
        groups = np.nan if data.groups is None else len(np.unique(data.groups[data.y == k]))
        share = Cell(f"{n / len(data):.0%}", sort=n / len(data))
        cells = [Cell(name), _value(n), share, _value(groups), _value(excluded.get(name, 0))]
        rows.append([*cells, _value(n_tested[name])] if some else cells)
    headings = ["Class", "Images", "Share", "Groups", "Left out"] + ["Tested"] * some
    return Table(f"Images by class{where}", headings, [rows])


def _parts(manifest: dict[str, Any]) -> Table:
    classes = list(manifest["data"]["classes"])
    rows = []
    for fold, parts in manifest["folds"].items():
        for part, name in (("train", "training"), ("test", "test")):
            counts = parts[part]
            groups = np.nan if counts["groups"] is None else counts["groups"]
            by_class = [_value(counts["classes"][c]) for c in classes]
            rows.append([Cell(f"{fold}, {name}", sort=fold), _value(counts["images"]), _value(groups), *by_class])
    return Table("Images by fold and part", ["Fold", "Images", "Groups", *classes], [rows])


def _reasons(result: EvaluationResult, where: str = "") -> Table | None:
    if result.excluded.empty:
        return None
    counts = result.excluded.groupby(["reason", "label"], sort=False).size().reset_index(name="n")
    rows = [[Cell(row.reason), Cell(row.label), _value(row.n)] for row in _rows(counts)]
    return Table(f"Why files were left out{where}", ["Reason", "Class", "Files"], [rows])


def _excluded(result: EvaluationResult, names: dict[str, str], where: str = "") -> Table | None:
    if result.excluded.empty:
        return None
    shown = result.excluded.head(MAX_ROWS)
    rows = [[Cell(names[row.path]), Cell(row.label), Cell(row.reason)] for row in _rows(shown)]
    hidden = len(result.excluded) - len(shown)
    notes = [f"{hidden} more are in the manifest."] if hidden else []
    return Table(f"Files that were left out{where}", ["File", "Class", "Reason"], [rows], notes)


def _rows(frame: pd.DataFrame) -> Iterable[Any]:
    return frame.itertuples()


def _measures(result: EvaluationResult, measures: Sequence[str], caption: str, times: bool = False) -> Table:
    frame = result.frame()
    there = [name for name in measures if name in set(frame["measure"])]
    bodies: list[list[list[Cell]]] = [[], []]
    marks = _marks(result, frame)
    n_classes, by_model = len(result.data.target_names), dict(iter(frame.groupby("model", sort=False)))
    for model in sorted_models(result):
        by_measure = by_model[model].set_index("measure")
        cells = [_model_cell(result, model, marks.get(model, ""))]
        cells += [_measured(by_measure, name) for name in there]
        if times:
            cells += [_value(by_measure["value"][name], 1) for name in ("fit_minutes", "predict_ms")]
        bodies[model in result.baselines].append(cells)
    labels = {name: measure_label(name, n_classes) for name in there}
    headings = [*labels.values(), *(["Fit, minutes", "Predict, ms per image"] if times else [])]
    notes = [note] if (note := describe_withheld(frame, labels)) else []
    return Table(caption, ["Model", *headings], [body for body in bodies if body], notes)


def _marks(result: EvaluationResult, frame: pd.DataFrame) -> dict[str, str]:
    """What stands beside a model that is not above the best of the baselines: that it is below, or is not shown."""
    if not has_comparison(result):
        return {}
    above = frame.groupby("model", sort=False)["above_baselines"].first()
    marks = {str(model): "not shown above the baselines" for model in above.index[above == False]}  # noqa: E712
    below = {row.model: "below the best baseline" for row in _rows(result.comparison()) if is_below(row)}
    return marks | below


def _model_cell(result: EvaluationResult, model: str, mark: str = "") -> Cell:
    if model in result.baselines:
        return Cell(model, note="baseline")
    return Cell(model, mark=mark)


def _measured(by_measure: Any, name: str) -> Cell:
    if name not in by_measure.index:
        return Cell("–", sort=np.nan)
    row = by_measure.loc[name]
    return Cell(number(row["value"]), interval(row["low"], row["high"]), float(row["value"]))


def _by_class(result: EvaluationResult) -> Table | None:
    """Of more than two classes, each against the rest; the baselines apart are in the measures."""
    if len(result.data.target_names) == 2:
        return None
    frame = result.frame().set_index(["model", "measure"])
    body = []
    for model in (name for name in result.models if name not in result.baselines):
        for target in result.data.target_names:
            measured = [_measured(frame.loc[model], f"{name} of {target}") for name in OF_CLASS]
            body.append([Cell(model), Cell(target), *measured])
    headings = [measure_label(name) for name in OF_CLASS]
    return Table("Each class against the rest", ["Model", "Class", *headings], [body])


def _comparison(result: EvaluationResult) -> Table:
    order = {name: k for k, name in enumerate(sorted_models(result))}
    frame = result.comparison().sort_values("model", key=lambda names: names.map(order), kind="stable")
    bodies: list[list[list[Cell]]] = [[], []]
    for row in _rows(frame):
        difference = Cell(number(row.difference), interval(row.low, row.high), float(row.difference))
        p_values = [Cell(p_value(p), sort=float(p)) for p in (row.p_value, row.p_holm)]
        bodies[row.model in result.baselines].append([_model_cell(result, row.model), difference, *p_values])
    notes = [
        f"Interval and p are {describe_inference(result)}, whole {unit(result)} left out in turn; Holm's p is "
        "corrected for the number of models that were tried and is the one to quote.",
        *describe_power(result),
    ]
    columns = ["Model", "Difference", "p", "p, Holm"]
    caption = f"ROC AUC against {frame['reference'].iloc[0]}, the best baseline"
    return Table(caption, columns, [body for body in bodies if body], notes)


def _folds(result: EvaluationResult) -> Table:
    frame = result.folds()
    there = [name for name in MAIN if name in frame]
    has_threshold = frame["threshold"].notna().any()
    bodies: list[list[list[Cell]]] = [[], []]
    for _, row in frame.iterrows():
        settings = ", ".join(f"{name} = {value}" for name, value in (row["params"] or {}).items())
        cells = [Cell(str(row["model"]), note=settings), _value(row["fold"]), _value(row["n_test"])]
        cells += [_value(row["threshold"], 3)] if has_threshold else []
        cells += [_value(row[name], 2) for name in there]
        bodies[row["model"] in result.baselines].append(cells)
    threshold = ["Threshold"] if has_threshold else []
    labels = [measure_label(name, len(result.data.target_names)) for name in there]
    headings = ["Model", "Fold", "Tested", *threshold, *labels]
    return Table("Measures on each test part", headings, [body for body in bodies if body])
