"""Metrics that are plain functions of one sample, scikit-learn's among them, called once for each resample."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from ._measures import Measure
from ._types import Floats, Kernel, Labels

# what resample, bootstrap_interval and paired_comparison take
Metric = str | Measure | Callable[..., float]


def one_by_one(metric: Callable[..., float]) -> Kernel:
    """`metric(y_true, y_score)` as a function of many weighted resamples.

    Returns
    -------
    kernel : callable
        `kernel(y_true, y_score, weights) -> values`, of shapes (n_samples,), (n_samples, ...), (n_resamples, n_samples)
        of whole numbers and (n_resamples,): NaN, without a call, where a resample has lost a class of `y_true`.
        It raises ValueError where `metric` gives anything but a real number.
    """
    name, weighted = getattr(metric, "__name__", repr(metric)), _takes_weights(metric)

    def value(y_true: Labels, y_score: NDArray, weights: Floats) -> float:
        if weighted:
            drawn = np.flatnonzero(weights)
            found = metric(y_true[drawn], y_score[drawn], sample_weight=weights[drawn])
        else:
            drawn = np.repeat(np.arange(len(weights)), weights.astype(np.intp))
            found = metric(y_true[drawn], y_score[drawn])
        if not isinstance(found, Real):
            raise ValueError(f"metric {name} must return a real number, got {found!r}.")
        return float(found)

    def kernel(y_true: Labels, y_score: NDArray, weights: Floats) -> Floats:
        values = np.full(len(weights), np.nan)
        complete = np.all([weights @ (y_true == label) > 0 for label in np.unique(y_true)], axis=0)
        values[complete] = [value(y_true, y_score, row) for row in weights[complete]]
        return values

    return kernel


def _takes_weights(metric: Callable[..., float]) -> bool:
    try:
        return "sample_weight" in inspect.signature(metric).parameters
    except ValueError:  # some functions written in C have no signature
        return False
