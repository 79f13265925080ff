"""What the figures share: colours, axes, names."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .._optional import require
from ..baselines import BASELINES, MAJORITY
from ..evaluation import EvaluationResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by every kind of colour vision, without the yellow that white paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FOR, AGAINST = COLOURS[1], COLOURS[0]
GREY = "#767676"
DASHES = ("-", "--", "-.", ":")
SMALL = 8  # points


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


def tidy(ax: Axes, **labels: Any) -> Axes:
    """Set what `Axes.set` takes, and leave away the frame's upper and right side."""
    ax.set(**labels)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plain(name: str, width: int | None = None) -> str:
    """A name as matplotlib shows it as it is; of at most `width` characters."""
    if width is not None:
        name = textwrap.shorten(name, width, placeholder="…") if " " in name else name
        name = name if len(name) <= width else name[: width - 1] + "…"
    # A dollar opens a formula, and a line whose label begins with _ is left out of the legend.
    return (" " + name if name.startswith("_") else name).replace("$", r"\$")


def add_legend(ax: Axes) -> None:
    """A legend above the axes, a line for each entry: names are long, and curves leave no corner free."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.02), frameon=False, fontsize=SMALL + 1, borderaxespad=0)


def model_names(result: EvaluationResult, models: Sequence[str] | None = None, *, baselines: bool = False) -> list[str]:
    """Return the names of the models to show.

    Parameters
    ----------
    result : EvaluationResult
    models : sequence of str, default=None
        None takes those that are no baseline, or all where there are no others.
    baselines : bool, default=False
        Whether None takes the baselines too, other than the majority class.

    Returns
    -------
    names : list of str

    Raises
    ------
    ValueError
        If one of `models` is not in the result.
    """
    if models is not None:
        names = [models] if isinstance(models, str) else list(models)
        if not names or any(name not in result.models for name in names):
            raise ValueError(f"models must be some of {result.models}, got {models!r}")
        return names
    hidden = (MAJORITY,) if baselines else BASELINES
    return [name for name in result.models if name not in hidden] or result.models


def line_style(result: EvaluationResult, model: str) -> dict[str, Any]:
    """Colour, dashes and width of a model's line, the same in every figure; baselines are grey and thin."""
    if model in BASELINES:
        return {"color": GREY, "linestyle": DASHES[1 + BASELINES.index(model)], "linewidth": 1.0}
    k = [name for name in result.models if name not in BASELINES].index(model)
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linestyle": DASHES[k // len(COLOURS) % len(DASHES)],
        "linewidth": 1.8,
    }
