"""Which score is called what: two answers, or three."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..evaluation import operating_rule
from ..metrics import Share, share_interval, youden_threshold

NO, INCONCLUSIVE, YES = 0, -1, 1
N_DRAWS = 200
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Decision:
    """Thresholds on the score of class 1: above them an image is called fractured, between them it is set aside.

    Parameters
    ----------
    low : float
        Below it there is no fracture; -inf where no image is set aside so.
    high : float
        From it on there is a fracture. Between the two an image is inconclusive; none is where they are equal.

    See Also
    --------
    fracture_features.train_model : Chooses it by `operating_point`.

    Examples
    --------
    >>> from fracture_features.model import Decision
    >>> Decision(low=-0.5, high=0.3).low
    -0.5
    """

    low: float
    high: float

    def answers(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return 1 for a fracture, 0 for none, -1 for inconclusive, for each score (n,)."""
        return np.where(scores >= self.high, YES, np.where(scores < self.low, NO, INCONCLUSIVE)).astype(np.int64)


def check_operating_point(operating_point: Any, n_classes: int = 2) -> None:
    """Raise ValueError for a rule that there is not, or that is for two classes where there are more."""
    if operating_point is not None and n_classes != 2:
        raise ValueError(f"operating_point={operating_point!r} is for two classes, the data have {n_classes}")
    choose_decision(operating_point, np.array([0, 1]), np.array([0.0, 1.0]))


def choose_decision(operating_point: Any, y: NDArray[np.int64], scores: NDArray[np.float64]) -> Decision | None:
    """Choose by the rule on scores (n,) of images that the model which gave them was not fitted on.

    Parameters
    ----------
    operating_point
        As for `train_model`.

    Raises
    ------
    ValueError
        If it is none of those.
    """
    match operating_point:
        case None:
            return None
        case ("rule-out", npv) if _is_share(npv):
            low = rule_out_threshold(y, scores, npv)
            return Decision(low, max(low, youden_threshold(y, scores)))
        case ("thresholds", low, high) if _is_finite(low) and _is_finite(high) and low <= high:
            return Decision(float(low), float(high))
        case ("rule-out" | "thresholds", *_):
            raise ValueError(
                "operating_point must be ('rule-out', NPV above 0 and below 1) or ('thresholds', low, high), low no "
                f"higher than high, got {operating_point!r}"
            )
    rule = operating_rule(operating_point, 2)
    assert rule is not None
    threshold = rule(y, scores)
    return Decision(threshold, threshold)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: Any) -> bool:
    return _is_finite(value) and 0 < value < 1


def rule_out_threshold(y: NDArray[np.int64], scores: NDArray[np.float64], npv: float) -> float:
    """Highest threshold below which at least this share of the images is not fractured; -inf where there is none."""
    order = np.argsort(scores, kind="stable")
    values, last = np.unique(scores[order], return_index=True)
    # Of what lies below each value: how many, and how many of them are fractured.
    fractured = np.concatenate([[0], np.cumsum(y[order] == 1)])
    below, missed = last, fractured[last]
    holds = (below > 0) & (missed <= (1 - npv) * below)
    return float(values[holds][-1]) if holds.any() else -math.inf


class Estimate(NamedTuple):
    """Of what images a measure is a share, and which of them count: masks of (answers, y)."""

    among: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
    counts: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]


ESTIMATES = {
    "set_aside": Estimate(lambda answers, y: y >= 0, lambda answers, y: answers == NO),
    "fractures_kept": Estimate(lambda answers, y: y == 1, lambda answers, y: answers != NO),
    "npv": Estimate(lambda answers, y: answers == NO, lambda answers, y: y == 0),
    "inconclusive": Estimate(
        lambda answers, y: np.ones(len(y), dtype=bool), lambda answers, y: answers == INCONCLUSIVE
    ),
}


def estimate_decision(
    operating_point: Any,
    y: NDArray[np.int64],
    scores: NDArray[np.float64],
    groups: NDArray[np.int64] | None,
    folds: Sequence[Fold],
    random_state: int | None = None,
) -> pd.DataFrame:
    """Estimate what a decision will do on other patients.

    For each fold thresholds are chosen on the scores of the others, so that none is measured on what chose it. The
    variance is that of the estimate's distance from what the threshold chosen on all scores does: groups are drawn
    with replacement, thresholds chosen anew, and the one of all applied to the images as they are.

    Parameters
    ----------
    operating_point
        As for `train_model`.
    y, scores, groups : ndarray of shape (n,)
        Scores of images that the model which gave them was not fitted on.
    folds : sequence of (train, test)
        Rows; the test parts are all rows.
    random_state : int, default=None
        Of the draws.

    Returns
    -------
    estimates : DataFrame
        Rows by measure: set_aside (share of images with the answer that there is no fracture), fractures_kept (share of
        fractures without that answer), npv (of that answer) and inconclusive (share of images), with the columns
        value, low, high: Wilson's 95 % intervals with that variance. In simulated studies they hold in 93 to 99 %, that
        of inconclusive, whose upper threshold varies much, in 89 to 96 % (`tests/test_model.py`).
    """
    index = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    fold_of = np.empty(len(y), dtype=np.int64)
    for k, (_, test) in enumerate(folds):
        fold_of[test] = k

    def cross_fitted(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        answers = np.empty(len(rows), dtype=np.int64)
        for k in range(len(folds)):
            train, test = rows[fold_of[rows] != k], fold_of[rows] == k
            answers[test] = _chosen(operating_point, y[train], scores[train]).answers(scores[rows[test]])
        return answers

    everything = np.arange(len(y))
    values = _shares(cross_fitted(everything), y)
    members = [np.flatnonzero(index == group) for group in range(index.max() + 1)]
    rng = np.random.default_rng(random_state)
    draws: list[NDArray[np.float64]] = []
    while len(draws) < N_DRAWS:
        rows = np.concatenate([members[group] for group in rng.integers(len(members), size=len(members))])
        if any(len(np.unique(y[rows[fold_of[rows] != k]])) < 2 for k in range(len(folds))):
            continue
        applied = _chosen(operating_point, y[rows], scores[rows]).answers(scores)
        draws.append(_shares(cross_fitted(rows), y[rows]) - _shares(applied, y))
    table = []
    answers = cross_fitted(everything)
    for name, value, column in zip(ESTIMATES, values, np.transpose(draws), strict=True):
        among = ESTIMATES[name].among(answers, y)
        share = Share(int(among.sum()), len(np.unique(index[among])))
        interval = share_interval(value, column[np.isfinite(column)], share, 0.95)
        table.append((name, value, *interval))
    return pd.DataFrame(table, columns=["measure", "value", "low", "high"]).set_index("measure")


def _chosen(operating_point: Any, y: NDArray[np.int64], scores: NDArray[np.float64]) -> Decision:
    decision = choose_decision(operating_point, y, scores)
    assert decision is not None
    return decision


def _shares(answers: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """Value of each estimate, NaN where it is a share of nothing."""
    values = []
    for estimate in ESTIMATES.values():
        among = estimate.among(answers, y)
        values.append(estimate.counts(answers, y)[among].mean() if among.any() else math.nan)
    return np.array(values, dtype=np.float64)
