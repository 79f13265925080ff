"""What is to be known of a result before it is believed: folds, calibration, thresholds, searches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..audit import Finding, sort_findings
from ..audit._findings import N_EXAMPLES
from ..metrics import Jackknifed, Measure
from ..metrics._heterogeneity import heterogeneity_p_value
from ._describe import LARGEST_SHARE
from ._estimates import PRIMARY, find_repetitions
from ._tables import largest_group

if TYPE_CHECKING:
    from ._fold import FoldResult
    from ._result import EvaluationResult

METADATA = "metadata only"  # the baseline of that name, where it was evaluated
SHARES = ("sensitivity", "specificity")
LEVEL = 0.05
SMALLEST_SLOPE = 0.8
SMALLEST_GRID = 3  # values: of two, one end or the other is always the best
MOVED = 0.1  # of sensitivity or specificity between folds
OVERFITTED = 0.2  # ROC AUC on training images above that on test images
MISJUDGED = 0.05  # mean probability of a class above or below its share

# What is asked before something is said.
RULES = {
    "FF601": "Welch's test of each model's folds at 0.05, corrected for all models (Holm)",
    "FF602": "difference in ROC AUC, tested at 0.05 for all models (Holm)",
    "FF603": "the 95 % interval lies below 1",
    "FF604": "in most folds; of three values or more; scored higher than all between",
    "FF605": "sensitivity or specificity by 0.1 or more, and beyond chance (Welch's test at 0.05, Holm)",
    "FF606": "share of the images of the class that is rarer in the test part",
    "FF607": "by 0.2 or more in ROC AUC",
    "FF608": "mean probability and share of a class differ by 0.05 or more",
}

Found = list[tuple[float, str]]  # how bad, the lowest the worst, and an example that says so


def result_findings(result: EvaluationResult) -> list[Finding]:
    """`EvaluationResult.findings`."""
    if not result.fold_results:
        return []
    found = {
        "FF601": _disagreeing(result),
        "FF602": _below_metadata(result),
        "FF603": _overconfident(result),
        "FF604": _at_the_edge(result),
        "FF605": _moving(result),
        "FF606": _dominated(result),
        "FF607": _overfitted(result),
        "FF608": _weighted(result),
    }
    return sort_findings(
        Finding(
            code,
            len(of_code),
            examples=tuple(text for _, text in sorted(of_code)[:N_EXAMPLES]),
            detail=RULES[code],
        )
        for code, of_code in found.items()
        if of_code
    )


def _models(result: EvaluationResult) -> list[str]:
    return [model for model in result.models if model not in result.baselines]


def _disagreeing(result: EvaluationResult) -> Found:
    models = _models(result)
    measures = [result.estimates.measures(model)[PRIMARY] for model in models]
    tests = [_differ(result, model, measure) for model, measure in zip(models, measures, strict=True)]
    found = []
    for model, measure, p in zip(models, measures, metrics.holm(tests) if tests else (), strict=True):
        if p <= LEVEL:
            found.append((p, f"{model}: ROC AUC {_range(result, model, measure)} (p {p:.2g})"))
    return found


def _differ(result: EvaluationResult, model: str, measure: Measure) -> float:
    """P-value of a model's folds having one value in common; of several repetitions, the smallest times as many."""
    folds = result.folds_of(model)
    repetition = find_repetitions([fold.test for fold in folds])
    tests = []
    for k in sorted(set(repetition)):
        parts = [_jackknifed(result, fold, measure) for fold, own in zip(folds, repetition, strict=True) if own == k]
        tests.append(heterogeneity_p_value(parts))
    return min(1.0, len(tests) * min(tests))


def _jackknifed(result: EvaluationResult, fold: FoldResult, measure: Measure) -> Jackknifed:
    groups = fold.test if result.data.groups is None else result.data.groups[fold.test]
    return metrics.jackknife(result.data.y[fold.test], [(measure, fold.of(measure.takes))], groups=groups)


def _range(result: EvaluationResult, model: str, measure: Measure) -> str:
    """The lowest and highest value of a measure among a model's folds."""
    values = {fold.fold: result.estimates.of_fold(fold, measure) for fold in result.folds_of(model)}
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return f"{values[low]:.2f} in fold {low}, {values[high]:.2f} in fold {high}"


def _below_metadata(result: EvaluationResult) -> Found:
    if METADATA not in result.baselines or not _models(result):
        return []
    rows = result.comparison(METADATA)
    rows = rows[rows["model"].isin(_models(result))]
    shown = (rows["difference"] > 0) & (rows["p_holm"] <= LEVEL)
    columns = rows.loc[~shown, ["model", "difference", "low", "high"]].itertuples(index=False, name=None)
    return [
        (float(difference), f"{model}: difference in ROC AUC {difference:+.2f}{_limits(low, high)}")
        for model, difference, low, high in columns
    ]


def _overconfident(result: EvaluationResult) -> Found:
    name, fraction, found = "calibration_slope", result.estimates.test_fraction, []
    for model in _models(result):
        if name not in result.estimates.measures(model):
            continue
        value = result.estimates.value(model, name)
        low, high = result.estimates.interval(model, name, 1 - LEVEL, fraction)
        if value < SMALLEST_SLOPE and high < 1:
            found.append((value, f"{model}: slope {value:.2f}{_limits(low, high)}"))
    return found


def _at_the_edge(result: EvaluationResult) -> Found:
    found = []
    for model in _models(result):
        folds = [fold for fold in result.folds_of(model) if fold.grid]
        ends: dict[tuple[str, str, float], int] = {}
        for end in (end for fold in folds for end in _ends(fold)):
            ends[end] = ends.get(end, 0) + 1
        often = {end: n for end, n in ends.items() if n > len(folds) / 2}
        if often:
            said = ", ".join(
                f"{name} = {value:g}, the {which}, in {n} of {len(folds)} folds"
                for (name, which, value), n in often.items()
            )
            found.append((-max(often.values()) / len(folds), f"{model}: {said}"))
    return found


def _ends(fold: FoldResult) -> Iterator[tuple[str, str, float]]:
    """Numeric parameters whose best value is the first or last of at least three, and better than all between."""
    settings, scores = fold.grid["params"], np.array(fold.grid["mean_test_score"], dtype=float)
    for name in fold.params:
        given = [setting.get(name) for setting in settings]
        if not all(isinstance(value, int | float) for value in given):
            continue
        values: NDArray[Any] = np.array(given, dtype=float)
        if len(np.unique(values)) < SMALLEST_GRID:
            continue
        between = scores[(values > values.min()) & (values < values.max())]
        for which, end in (("smallest", values.min()), ("largest", values.max())):
            # Of equal scores a search takes the first, which tells nothing of what lies beyond.
            if fold.params[name] == end and np.nanmax(scores) > np.nanmax(between):
                yield name, which, float(end)


def _moving(result: EvaluationResult) -> Found:
    found, shares = [], [metrics.MEASURES[name] for name in SHARES]
    models = [model for model in _models(result) if len({f.threshold for f in result.folds_of(model)}) > 1]
    models = [model for model in models if not np.isnan([f.threshold for f in result.folds_of(model)]).any()]
    tests = metrics.holm([_differ(result, model, BALANCE) for model in models]) if models else ()
    for model, p in zip(models, tests, strict=True):
        values = [[result.estimates.of_fold(fold, share) for share in shares] for fold in result.folds_of(model)]
        reach = float(np.ptp(values, axis=0).max())
        if p <= LEVEL and reach >= MOVED:
            told = [f"{name} {_range(result, model, metrics.MEASURES[name])}" for name in SHARES]
            found.append((-reach, f"{model}: {'; '.join(told)} (p {p:.2g})"))
    return found


def _balance(y_true: Any, y_pred: Any, weights: Any) -> Any:
    sensitivity, specificity = (metrics.MEASURES[name] for name in SHARES)
    return sensitivity(y_true, y_pred, weights) - specificity(y_true, y_pred, weights)


# A threshold that moves raises one and lowers the other; a fold of difficult images lowers both.
BALANCE = Measure(_balance, "labels", bounds=(-1.0, 1.0))


def _dominated(result: EvaluationResult) -> Found:
    shares = {fold.fold: (largest_group(result, fold), fold) for fold in result.fold_results}
    return [
        (-share, f"fold {k}: {share:.0%} of {_rarer(result, fold)!r}")
        for k, (share, fold) in shares.items()
        if share >= LARGEST_SHARE
    ]


def _rarer(result: EvaluationResult, fold: FoldResult) -> str:
    names = result.data.target_names
    return names[np.bincount(result.data.y[fold.test], minlength=len(names)).argmin()]


def _overfitted(result: EvaluationResult) -> Found:
    found = []
    for model in _models(result):
        folds = [fold for fold in result.folds_of(model) if fold.train_scores is not None]
        if not folds:
            continue
        measure = result.estimates.measures(model)[PRIMARY]
        on_train = float(np.mean([_on_train(result, fold, measure) for fold in folds]))
        on_test = float(np.mean([result.estimates.of_fold(fold, measure) for fold in folds]))
        if on_train - on_test >= OVERFITTED:
            text = f"{model}: ROC AUC {on_train:.2f} on training images, {on_test:.2f} on test images"
            found.append((on_test - on_train, text))
    return found


def _on_train(result: EvaluationResult, fold: FoldResult, measure: Measure) -> float:
    scores, y = fold.train_scores, result.data.y[fold.train]
    assert scores is not None
    return float(measure(y, scores[:, 1] if scores.shape[1] == 2 else scores, np.ones((1, len(y))))[0])


def _weighted(result: EvaluationResult) -> Found:
    """Models that weight classes, where it shows: of classes as frequent as each other nothing changes."""
    found = []
    for model in _models(result):
        folds = [fold for fold in result.folds_of(model) if fold.weighted and fold.probabilities is not None]
        if not folds:
            continue
        predicted = np.concatenate([fold.probabilities for fold in folds]).mean(axis=0)
        y = np.concatenate([result.data.y[fold.test] for fold in folds])
        share = np.bincount(y, minlength=len(predicted)) / len(y)
        k = 1 if len(share) == 2 else int(np.abs(predicted - share).argmax())
        if abs(predicted[k] - share[k]) >= MISJUDGED:
            name = result.data.target_names[k]
            text = f"{model}: mean probability of {name!r} {predicted[k]:.2f}, its share {share[k]:.2f}"
            found.append((-float(abs(predicted[k] - share[k])), text))
    return found


def _limits(low: float, high: float) -> str:
    return "" if np.isnan([low, high]).any() else f" ({low:.2f} to {high:.2f})"
