"""The page's figures, as SVG in data URIs."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from .._optional import require
from ..plotting import (
    N_COLOURED,
    legend_height,
    measure_label,
    plot_calibration,
    plot_class_balance,
    plot_confusion_matrix,
    plot_decision_curve,
    plot_forest,
    plot_precision_recall,
    plot_roc,
    plot_subgroups,
)
from ..results import EvaluationResult, describe_inference, mean_curves, model_names, subgroup_columns
from ._downloads import as_uri
from ._summary import count, unit

WIDTH = 4.8  # inches; two stand side by side, and on a phone their text can still be read
NARROW = 3.6  # three do
HEIGHT = 3.8  # without the legend
MAX_MATRICES = 6
POINTS = 72  # of an inch
PIXELS = 200  # of an inch, in what is saved
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Figure:
    """An image in the page: its data URI, size, description and caption, and a PNG of it to save."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str = ""
    png: str = ""


def make_figures(result: EvaluationResult, ranked: list[str], subgroups: Sequence[str] = ()) -> dict[str, list[Figure]]:
    """Lists of figures by the section they stand in; `ranked` are the models, the best first."""
    height = HEIGHT + legend_height(model_names(result, baselines=True))
    band = _describe_band(result, ranked[0])
    averaged = f"Averaged vertically over the folds; {band}. {_describe_colours(ranked)}"
    return {
        "data": [draw(plot_class_balance, 1.1 + 0.5 * len(result.data.target_names), "Images by class", result.data)],
        "forest": [
            draw(plot_forest, 1.2 + 0.34 * len(result.models), "ROC AUC of each model with its 95 % interval", result)
        ],
        "curves": [
            draw(plot_roc, height, "Mean ROC curves", result, caption=averaged),
            draw(plot_precision_recall, height, "Mean precision-recall curves", result, caption=averaged),
            *_probabilities(result, ranked, band),
        ],
        "confusion": [
            draw(
                plot_confusion_matrix,
                0.8 * NARROW + legend_height([model]),
                f"Confusion matrix of {model}",
                result,
                model,
                width=NARROW,
            )
            for model in ranked[:MAX_MATRICES]
        ],
        "subgroups": _subgroups(result, subgroups),
    }


def _describe_colours(ranked: list[str]) -> str:
    if len(ranked) > N_COLOURED:
        return f"The best {N_COLOURED} models by ROC AUC are coloured, the others and the baselines grey."
    return "Baselines are grey."


def describe_hidden(ranked: list[str]) -> str:
    """Which models have no confusion matrix."""
    hidden = len(ranked) - MAX_MATRICES
    return (
        f"{count(hidden, 'more model')} of lower ROC AUC {'is' if hidden == 1 else 'are'} not shown."
        if hidden > 0
        else ""
    )


def _describe_band(result: EvaluationResult, best: str) -> str:
    if mean_curves(result, models=[best])["low"].isna().all():  # percentiles want more groups than other intervals
        return f"there are too few {unit(result)} for bands"
    inference = describe_inference(result)
    return f"the band is the pointwise 95 % interval {inference}, from resamples that draw whole {unit(result)}"


def _probabilities(result: EvaluationResult, ranked: list[str], band: str) -> list[Figure]:
    """Those of models that give probabilities; of more than two classes the best one's alone."""
    having = {fold.model for fold in result.fold_results if fold.probabilities is not None}
    models = [name for name in ranked if name in having]
    if not models:
        return []
    caption = "Test parts of all folds together: a smooth curve (loess), and bins whose points grow with their images. "
    caption += "Below, how frequent the probabilities are."
    targets = result.data.target_names
    if len(targets) > 2:
        height = HEIGHT + legend_height(f"{models[0]}: {target}" for target in targets)
        caption += f" Of {models[0]} alone."
        return [draw(partial(plot_calibration, models=models[:1]), height, "Calibration", result, caption=caption)]
    height = HEIGHT + legend_height(models)
    figures = [draw(plot_calibration, height, "Calibration", result, caption=caption)]
    caption = f"Mean over the folds; {band}. Right only as far as the probabilities are calibrated."
    height += legend_height(["treat all", "treat none"])
    return [*figures, draw(plot_decision_curve, height, "Decision curve", result, caption=caption)]


def _subgroups(result: EvaluationResult, asked: Sequence[str]) -> list[Figure]:
    """One for each column that is asked for, and of `subgroup_columns`."""
    figures = []
    models = model_names(result)
    if unknown := [column for column in asked if column not in result.data.frame]:
        raise ValueError(f"subgroups={unknown} are none of the columns {list(result.data.frame.columns)}")
    for column in dict.fromkeys([*asked, *subgroup_columns(result)]):
        n_values = result.subgroups(column, measures=["roc_auc"]).dropna(subset="value")[column].nunique()
        height = 1.2 + legend_height(models) + n_values * max(0.45, 0.22 * len(models))
        title = f"{measure_label('roc_auc')} by {column}"
        figures.append(draw(plot_subgroups, height, title, result, column, caption=title))
    return figures


def draw(
    plot: Callable[..., Any], height: float, alt: str, *args: Any, caption: str = "", width: float = WIDTH
) -> Figure:
    """Draw `plot(*args)` on a figure of its own, which pyplot never hears of."""
    matplotlib = require("matplotlib", extra="report", needed_for="write_report")
    # Text stays text: the browser has the fonts for names that matplotlib's lacks.
    settings = {"svg.fonttype": "none", "svg.hashsalt": "fracture_features", "font.sans-serif": ["DejaVu Sans"]}
    with (
        import_module("matplotlib.style").context(["default", settings]),
        warnings.catch_warnings(),
        io.BytesIO() as buffer,
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = import_module("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
        plot(*args, ax=figure.subplots())
        about = {"Date": None, "Creator": f"matplotlib {matplotlib.__version__}"}
        figure.savefig(buffer, format="svg", metadata=about, transparent=True)  # dark pages are dark behind it too
        svg = re.sub(r"'DejaVu Sans', sans-serif", FONT, buffer.getvalue().decode())
        with io.BytesIO() as picture:
            figure.savefig(picture, format="png", dpi=PIXELS)
            png = as_uri(picture.getvalue(), "image/png")
    uri = as_uri(svg.encode(), "image/svg+xml")
    return Figure(uri, round(width * POINTS), round(height * POINTS), alt, caption, png)
