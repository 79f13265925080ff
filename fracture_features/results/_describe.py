"""What a result's intervals are of, and what they rest on, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ._tables import effective_groups

if TYPE_CHECKING:
    from ._result import EvaluationResult

LARGEST_SHARE = 1 / 3  # of a fold's images of the rarer class in one group
FEW_GROUPS = 20


def describe_inference(result: EvaluationResult) -> str:
    """What the intervals of a result's tables are of."""
    if result.estimates.test_fraction is None:
        return "of these fitted models on other patients"
    return "of the method, trained anew on other patients"


def describe_withheld(frame: pd.DataFrame, labels: dict[str, str]) -> str:
    """Which measures of `EvaluationResult.frame` have no interval, and why; empty where all have.

    Parameters
    ----------
    frame : DataFrame
    labels : dict of str to str
        Names of the measures to look at, and what to call them.
    """
    withheld = frame[frame["measure"].isin(labels) & frame["withheld"].notna()]
    models: dict[tuple[str, str], list[str]] = {}
    for (model, why), rows in withheld.groupby(["model", "withheld"], sort=False):
        models.setdefault((", ".join(labels[name] for name in rows["measure"]), str(why)), []).append(str(model))
    parts = [f"{measures} of {', '.join(names)} ({why})" for (measures, why), names in models.items()]
    return f"No interval: {'; '.join(parts)}." if parts else ""


def describe_dominance(result: EvaluationResult) -> str:
    """Whether few groups hold most of the rarer class, and what to do; empty where they do not."""
    if result.data.groups is None or not result.fold_results:
        return ""
    largest, n = result.folds()["largest_group"].max(), effective_groups(result)
    if largest <= LARGEST_SHARE and n >= FEW_GROUPS:
        return ""
    groups = "group" if round(n) == 1 else "groups of equal size"
    return (
        f"One group holds up to {100 * largest:.0f} % of the rarer class's images of a fold; the class's images "
        f"together count like {n:.0f} {groups}. Fewer folds, or images of more patients, would make the values firmer."
    )
