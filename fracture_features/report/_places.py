"""The page's section on where models find fractures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..images import read_image, read_shape
from ..metrics import points_in_boxes
from ..plotting import legend_height, overlay_boxes, plot_froc
from ..results import EvaluationResult
from ..results._places import USUAL, Found, finders, found_by, marked_in
from ._figures import HEIGHT, Figure, draw
from ._pictures import SIZE, to_jpeg
from ._summary import interval, number
from ._tables import Cell, Table

N_SHOWN = 4  # pictures of each kind
MEASURES = {
    "pointing": "Highest place in a box",
    "pointing_unbroken": "The same, without a fracture",
    "sensitivity_at_0.25": "Sensitivity at 0.25 false boxes an image",
    "sensitivity_at_1": "Sensitivity at 1 false box an image",
    "best_box_iou": "Overlap of the highest box",
    "ap50": "AP50",
}


@dataclass(frozen=True)
class PlacePicture:
    """A radiograph with the boxes that are marked and the highest one that was found."""

    name: str
    score: str
    image: str


@dataclass(frozen=True)
class Places:
    """What the section shows."""

    model: str
    table: Table
    figure: Figure
    pictures: list[tuple[str, list[PlacePicture]]]


def make_places(result: EvaluationResult, names: dict[str, str]) -> Places | None:
    """The section; None where no model finds boxes.

    Pictures are of the model that points best: hits and misses of the highest score, and false alarms.
    """
    if not finders(result):
        return None
    frame = result.places()
    shown = frame[(frame["measure"] == "pointing") & (frame["model"] != USUAL)]
    best = str(shown.sort_values("value", kind="stable")["model"].iloc[-1])
    caption = (
        "Test parts of all folds together; the band is the pointwise 95 % interval. The dashed grey line sees no pixel."
    )
    height = HEIGHT + legend_height(frame["model"].unique())
    figure = draw(plot_froc, height, "Free-response curves", result, caption=caption)
    return Places(best, _table(frame), figure, _pictures(result, found_by(result, best), names))


def _table(frame: pd.DataFrame) -> Table:
    bodies: list[list[list[Cell]]] = [[], []]
    for model, rows in frame.groupby("model", sort=False):
        by_measure = {row.measure: row for row in rows.itertuples()}
        cells = [Cell(str(model)), *(_cell(by_measure.get(measure)) for measure in MEASURES)]
        bodies[model == USUAL].append(cells)
    headings = ["Model", *MEASURES.values()]
    return Table("Boxes found", headings, [body for body in bodies if body])


def _cell(row: Any) -> Cell:
    if row is None or np.isnan(row.value):
        return Cell("–", sort=float("nan"))
    return Cell(number(row.value, 2), interval(row.low, row.high), float(row.value))


def _pictures(result: EvaluationResult, found: Found, names: dict[str, str]) -> list[tuple[str, list[PlacePicture]]]:
    marked = marked_in(result, found.rows)
    tops = np.array([each.scores[0] if len(each.scores) else -np.inf for each in found.images])
    points = found.points
    hits = np.array(
        [p is not None and bool(points_in_boxes(p, boxes).any()) for p, boxes in zip(points, marked, strict=True)]
    )
    fractured = np.array([len(boxes) > 0 for boxes in marked])
    kinds = {
        "Hits: the highest place lies in a marked box": fractured & hits,
        "Misses: the highest place lies outside the marked boxes": fractured & ~hits,
        "False alarms: the image has no fracture": ~fractured,
    }
    drawn = []
    for title, kind in kinds.items():
        chosen = sorted(np.flatnonzero(kind & np.isfinite(tops)).tolist(), key=lambda k: -tops[k])[:N_SHOWN]
        each = [_picture(result.data.paths[found.rows[k]], found.images[k], marked[k], names) for k in chosen]
        drawn.append((title, each))
    return drawn


def _picture(path: str, found: Any, marked: NDArray[np.float64], names: dict[str, str]) -> PlacePicture:
    image = read_image(path, max_side=SIZE)
    scale = np.tile(np.divide(image.shape, read_shape(path)), 2)
    painted = overlay_boxes(image, found=found.boxes[:1] * scale, marked=marked * scale)
    return PlacePicture(names[path], f"score {number(found.scores[0], 2)}", to_jpeg(painted[..., ::-1]))
