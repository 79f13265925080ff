"""The tables of measures and of differences: one function each, which `EvaluationResult` describes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import metrics

if TYPE_CHECKING:
    from ._result import EvaluationResult


def measure_table(
    result: EvaluationResult, prevalences: Sequence[float], confidence_level: float, inference: str | None
) -> pd.DataFrame:
    """`EvaluationResult.frame`."""
    estimates = result.estimates
    kind = "models" if estimates.fraction_for(inference) is None else "method"
    above = estimates.above_baselines(confidence_level, inference)
    rows: list[tuple[object, ...]] = []
    for model in result.models:
        measures, mark = estimates.measures(model, prevalences), above.get(model)
        estimates.estimate(model, measures)
        fraction = estimates.fraction_for(inference, model)
        for name in measures:
            interval = estimates.interval(model, name, confidence_level, fraction)
            why = estimates.why_withheld(model, name) if np.isnan(interval.low) else None
            rows.append((model, name, estimates.value(model, name), *interval, kind, mark, why))
        folds = result.folds_of(model)
        times = {
            "fit_minutes": sum(fold.fit_seconds for fold in folds) / 60,
            "predict_ms": np.mean([fold.predict_ms for fold in folds]),
        }
        rows += [(model, name, value, np.nan, np.nan, None, mark, None) for name, value in times.items()]
    columns = ["model", "measure", "value", "low", "high", "inference", "above_baselines", "withheld"]
    return pd.DataFrame(rows, columns=columns)


def comparison_table(
    result: EvaluationResult, reference: str | None, measure: str, confidence_level: float, inference: str | None
) -> pd.DataFrame:
    """`EvaluationResult.comparison`."""
    reference = _check_reference(result, reference, measure)
    estimates, rows = result.estimates, []
    estimates.fraction_for(inference)  # raises where there is none, with no model to compare too
    for model in _others(result, reference, measure):
        fraction = estimates.fraction_for(inference, model, reference)
        found = estimates.compare(model, reference, measure, confidence_level, fraction)
        rows.append((model, reference, measure, *found))
    columns = ["model", "reference", "measure", "difference", "low", "high", "p_value"]
    frame = pd.DataFrame(rows, columns=columns).assign(p_holm=np.nan)
    tried = ~frame["model"].isin(result.baselines) & frame["p_value"].notna()
    frame.loc[tried, "p_holm"] = metrics.holm(frame.loc[tried, "p_value"])
    return frame


def power_table(result: EvaluationResult, reference: str | None, measure: str, difference: float) -> pd.DataFrame:
    """`EvaluationResult.power`."""
    reference = _check_reference(result, reference, measure)
    estimates, rows = result.estimates, []
    for model in _others(result, reference, measure):
        power = estimates.power(model, reference, measure, difference, estimates.fraction_for(None, model, reference))
        rows.append((model, reference, measure, difference, power))
    return pd.DataFrame(rows, columns=["model", "reference", "measure", "difference", "power"])


def _check_reference(result: EvaluationResult, reference: str | None, measure: str) -> str:
    reference = result.estimates.best_baseline() if reference is None else reference
    if reference not in result.models:
        raise ValueError(f"reference={reference!r} is none of the models {result.models}")
    if measure not in (known := list(result.estimates.measures(reference))):
        raise ValueError(f"measure={measure!r} is none of the measures {known} of {reference!r}")
    return reference


def _others(result: EvaluationResult, reference: str, measure: str) -> Iterator[str]:
    """Models other than the reference that have the measure."""
    for model in result.models:
        if model != reference and measure in result.estimates.measures(model):
            yield model
