"""The page's figures, as SVG in data URIs."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .._optional import require
from ..evaluation import EvaluationResult
from ..plotting import (
    measure_label,
    model_names,
    plot_calibration,
    plot_class_balance,
    plot_confusion_matrix,
    plot_decision_curve,
    plot_forest,
    plot_precision_recall,
    plot_roc,
    plot_subgroups,
)

WIDTH = 4.8  # inches; two stand side by side, and on a phone their text can still be read
NARROW = 3.6  # three do
MAX_SUBGROUPS = 8
MAX_MATRICES = 6
POINTS = 72  # of an inch
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Figure:
    """An image in the page: its data URI, size, description and caption."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str = ""


def make_figures(result: EvaluationResult, best: str) -> dict[str, list[Figure]]:
    """Lists of figures by the section they stand in."""
    models = model_names(result)
    n = len(models)
    return {
        "data": [draw(plot_class_balance, 1.1 + 0.5 * len(result.data.target_names), "Images by class", result.data)],
        "forest": [
            draw(plot_forest, 1.2 + 0.34 * len(result.models), "ROC AUC of each model with its 95 % interval", result)
        ],
        "curves": [
            draw(plot_roc, 4.0 + 0.2 * n, "Mean ROC curves with 95 % bands", result, caption=BAND),
            draw(plot_precision_recall, 4.0 + 0.2 * n, "Mean precision-recall curves", result, caption=BAND),
            *_probabilities(result, n),
        ],
        "confusion": [
            draw(plot_confusion_matrix, NARROW * 0.85, f"Confusion matrix of {model}", result, model, width=NARROW)
            for model in sorted(models, key=lambda name: name != best)[:MAX_MATRICES]
        ],
        "subgroups": _subgroups(result, n),
    }


BAND = (
    "Averaged vertically over the folds; the band is the pointwise 95 % interval of resamples that draw whole groups. "
    "Baselines are grey."
)


def _probabilities(result: EvaluationResult, n: int) -> list[Figure]:
    """Those of models that give probabilities."""
    models = model_names(result)
    if not any(fold.probabilities is not None for fold in result.fold_results if fold.model in models):
        return []
    caption = "Test parts of all folds together; larger points stand for more images."
    figures = [draw(plot_calibration, 4.0 + 0.2 * n, "Calibration", result, caption=caption)]
    if len(result.data.target_names) == 2:
        caption = "Mean over the folds. Right only as far as the probabilities are calibrated."
        figures.append(draw(plot_decision_curve, 4.0 + 0.2 * n, "Decision curve", result, caption=caption))
    return figures


def _subgroups(result: EvaluationResult, n: int) -> list[Figure]:
    """One for each column of metadata with few values."""
    figures = []
    for column in result.data.metadata_columns:
        n_values = result.data.frame[column].nunique()
        if 2 <= n_values <= MAX_SUBGROUPS:
            height = 1.2 + 0.2 * n + n_values * max(0.45, 0.22 * n)
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
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": f"matplotlib {matplotlib.__version__}"})
        svg = buffer.getvalue().decode()
    svg = re.sub(r"'DejaVu Sans', sans-serif", FONT, svg)
    uri = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    return Figure(uri, round(width * POINTS), round(height * POINTS), alt, caption)
