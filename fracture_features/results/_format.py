"""Numbers and names of measures as the screen, the page, the figures and the tables write them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import metrics

DIGITS = 2
LABELS = {
    "roc_auc": "ROC AUC",
    "ppv": "PPV",
    "npv": "NPV",
    "mcc": "MCC",
    "average_precision": "Average precision",
    "balanced_accuracy": "Balanced accuracy",
    "brier_score": "Brier score",
    "positive_likelihood_ratio": "LR+",
    "negative_likelihood_ratio": "LR−",
}


def measure_label(measure: str, n_classes: int = 2) -> str:
    """A measure's name as people write it; of more than two classes those that are a mean over them say so.

    Examples
    --------
    >>> from fracture_features.results import measure_label
    >>> measure_label("roc_auc"), measure_label("sensitivity", 3), measure_label("accuracy", 3)
    ('ROC AUC', 'Sensitivity, macro', 'Accuracy')
    """
    label = LABELS.get(measure, measure.replace("_", " ").capitalize())
    is_mean = n_classes > 2 and measure in metrics.MEASURES and metrics.MEASURES[measure].n_classes == 2
    return f"{label}, macro" if is_mean else label


def number(value: float, digits: int = DIGITS) -> str:
    """A number with so many decimals and a true minus; a dash where there is none."""
    if pd.isna(value):
        return "–"
    return "∞" if np.isinf(value) else f"{value:z.{digits}f}".replace("-", "−")


def interval(low: float, high: float, digits: int = DIGITS) -> str:
    """Limits of an interval, with "to" between them where one is negative; nothing where there is none."""
    if pd.isna(low) or pd.isna(high):
        return ""
    texts = number(low, digits), number(high, digits)
    return (" to " if "−" in "".join(texts) else "–").join(texts)


def with_interval(value: float, low: float, high: float, digits: int = DIGITS) -> str:
    """A value, and its interval where there is one.

    Examples
    --------
    >>> from fracture_features.results import with_interval
    >>> with_interval(0.9, 0.87, 0.92), with_interval(0.1, -0.02, 0.2), with_interval(0.9, float("nan"), float("nan"))
    ('0.90 (0.87–0.92)', '0.10 (−0.02 to 0.20)', '0.90')
    """
    limits = interval(low, high, digits)
    return f"{number(value, digits)} ({limits})" if limits else number(value, digits)
