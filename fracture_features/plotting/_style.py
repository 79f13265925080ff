"""What the figures share: colours, axes, names."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._optional import require
from ..results import EvaluationResult, sorted_models

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by every kind of colour vision, without the yellow that white paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FOR, AGAINST = COLOURS[1], COLOURS[0]
GREY = "#767676"
LIGHT = "#A6A6A6"  # of models that are not among the best
N_COLOURED = 3  # curves in one figure
DASHES = ("-", "--", "-.", ":")
LIGHT_DASHES = (*DASHES, (0, (7, 2)), (0, (9, 2, 1, 2, 1, 2)))
MARKERS = "os^Dvp*"
SMALL = 8  # points
NAME_WIDTH, NAME_LINES = 34, 3  # characters and lines of a name in a legend
LINE = 0.2  # inches of a legend's line
UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # by a browser, in an SVG


def load(module: str) -> ModuleType:
    """A module of matplotlib; MissingDependencyError where that is not installed."""
    require("matplotlib", extra="plot", needed_for="plotting")
    return import_module(f"matplotlib.{module}")


def make_axes(ax: Axes | None, width: float = 4.8, height: float = 4.0) -> Axes:
    """`ax`, or that of a new figure of so many inches."""
    if ax is not None:
        return ax
    new: Axes = load("pyplot").subplots(figsize=(width, height), layout="constrained")[1]
    return new


def make_panels(ax: Axes, n_rows: int, n_columns: int, gap: tuple[float, float]) -> list[Axes]:
    """Axes within `ax`, row by row; `gap` is what lies above each row and between columns, as a part of a panel."""
    ax.set_axis_off()
    height, width = 1 / (n_rows * (1 + gap[0])), 1 / (n_columns + (n_columns - 1) * gap[1])
    panels = [
        ax.inset_axes((column * width * (1 + gap[1]), 1 - (row + 1) * height * (1 + gap[0]), width, height))
        for row in range(n_rows)
        for column in range(n_columns)
    ]
    for panel in panels:
        panel.set_anchor("NW")  # an image's title begins where its place does, whatever its shape
    return panels


def show_image(ax: Axes, image: Any, title: str = "", colour: str = "black") -> None:
    """Draw a grey or RGB image without ticks."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    ax.set_xticks([])
    ax.set_yticks([])
    if title:
        ax.set_title(title, fontsize=SMALL, loc="left", color=colour, pad=3)


def draw_boxes(ax: Axes, boxes: NDArray[np.float64]) -> None:
    """Draw boxes (n, 4), top, left, bottom and right in pixels of the image in `ax`; pixels' centres are whole."""
    for top, left, bottom, right in (boxes - 0.5).tolist():
        frame = load("patches").Rectangle((left, top), right - left, bottom - top, fill=False, color=FOR, linewidth=1.2)
        ax.add_patch(frame)


def tidy(ax: Axes, **labels: Any) -> Axes:
    """Set what `Axes.set` takes, and leave away the frame's upper and right side."""
    ax.set(**labels)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plain(name: str, width: int | None = None) -> str:
    """A name on one line as matplotlib shows it as it is; of at most `width` characters."""
    name = UNREADABLE.sub("�", re.sub(r"\s", " ", name))
    if width is not None:
        name = textwrap.shorten(name, width, placeholder="…") if " " in name else name
        name = name if len(name) <= width else name[: width - 1] + "…"
    # A dollar opens a formula, and a line whose label begins with _ is left out of the legend.
    return (" " + name if name.startswith("_") else name).replace("$", r"\$")


def wrapped(name: str, width: int = NAME_WIDTH) -> str:
    """A name on as many lines as it needs, at most three."""
    lines = textwrap.wrap(" ".join(name.split()), width)
    if len(lines) > NAME_LINES:
        lines[NAME_LINES - 1 :] = [lines[NAME_LINES - 1][: width - 1] + "…"]
    return "\n".join(map(plain, lines))


def legend_height(names: Iterable[str]) -> float:
    """Inches that a legend with these names takes."""
    return sum(LINE * len(wrapped(name).splitlines()) for name in names)


def add_legend(ax: Axes) -> None:
    """A legend above the axes, a line for each entry: names are long, and curves leave no corner free."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.02), frameon=False, fontsize=SMALL + 1, borderaxespad=0)


def line_style(result: EvaluationResult, model: str) -> dict[str, Any]:
    """Colour, dashes and width of a model's line, the same in every figure; baselines are grey and thin.

    Colours go by ROC AUC: the best model has the first.
    """
    k, is_baseline = _place(result, model)
    if is_baseline:
        return {"color": GREY, "linestyle": DASHES[(1 + k) % len(DASHES)], "linewidth": 1.0}
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linestyle": DASHES[k // len(COLOURS) % len(DASHES)],
        "linewidth": 1.8,
    }


def curve_style(result: EvaluationResult, model: str) -> dict[str, Any]:
    """As `line_style`, but of many curves in one figure only the best three keep their colours."""
    k, is_baseline = _place(result, model)
    if is_baseline or k < N_COLOURED:
        return line_style(result, model)
    return {"color": LIGHT, "linestyle": LIGHT_DASHES[(k - N_COLOURED) % len(LIGHT_DASHES)], "linewidth": 1.1}


def marker(result: EvaluationResult, model: str) -> str:
    """The mark of a model's points, another where colours begin again."""
    k, is_baseline = _place(result, model)
    return MARKERS[(k if is_baseline else k // len(COLOURS)) % len(MARKERS)]


def _place(result: EvaluationResult, model: str) -> tuple[int, bool]:
    """Return which of the baselines, or of the others, it is by ROC AUC."""
    is_baseline = model in result.baselines
    names = [name for name in sorted_models(result) if (name in result.baselines) == is_baseline]
    return names.index(model), is_baseline
