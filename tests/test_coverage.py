"""Cuts of `benchmarks/bench_coverage.py`: intervals hold the truth where percentiles of fixed scores did not."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bench_coverage import (
    SEPARATED,
    Cell,
    Fitted,
    family_study,
    fitted_cell,
    fixed_cell,
    guessing_study,
    layout_study,
    truths,
)

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "coverage.json"
# Coverage of 95 % is within 93 to 97 % in 400 studies but for one in twenty; these are seeded.
N = 400
RANKS = ("roc_auc", "average_precision")
LABELS = ("sensitivity", "ppv", "balanced_accuracy", "negative_likelihood_ratio", "mcc")


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (Cell(30, auc=0.99), ("roc_auc",)),  # percentiles: 77 %
        pytest.param(Cell(100, auc=0.99), ("roc_auc",), marks=pytest.mark.slow),  # 79 %
        pytest.param(Cell(300, prevalence=0.1, auc=0.99), ("roc_auc",), marks=pytest.mark.slow),
        (Cell(100, prevalence=0.05), RANKS),  # withheld in all studies
        (Cell(100, (1, 12), 0.3), (*RANKS, *LABELS)),
        (Cell(100, auc=0.9), (*RANKS, *LABELS, "calibration_slope", "brier_score")),  # LR-: 62 to 90 %
        (Cell(109, "uneven", 0.2, 0.79, mixed=True), ("roc_auc", "sensitivity")),
    ],
    ids=lambda value: value.name if isinstance(value, Cell) else "",
)
def test_intervals_of_fixed_scores_hold_the_truth(cell, names):
    found = fixed_cell(cell, N, 1, names)
    for name, row in found["measures"].items():
        assert 0.92 <= row["coverage"] <= 0.995, (name, row)
        assert row["withheld"] == 0, (name, row)
    assert found["equal_models_rejected"] <= 0.07


def test_nothing_is_withheld_but_slopes_of_separated_classes():
    """Of all studies of the committed run, in cells that were named before it."""
    found = json.loads(RESULTS.read_text())["results"]["fixed scores"]
    withheld = {
        (cell, name) for cell, rows in found.items() for name, row in rows["measures"].items() if row["withheld"]
    }
    assert withheld
    assert withheld <= {(cell.name, "calibration_slope") for cell in SEPARATED}


def test_the_closed_forms_are_those_of_many_images():
    """Means over a million images of each measure's own function."""
    from fracture_features.metrics import MEASURES

    rng = np.random.default_rng(0)
    y = (rng.random(10**6) < 0.3).astype(np.int64)
    distance = np.sqrt(2) * 0.5244005127080407  # of an AUC of 0.7
    score = distance * y + rng.normal(size=len(y))
    odds = np.exp(distance * (score - distance / 2)) * 0.3 / 0.7
    inputs = {"scores": score, "labels": (score >= distance / 2).astype(np.int64), "probabilities": odds / (1 + odds)}
    for name, truth in truths(0.7, 0.3).items():
        value = MEASURES[name](y, inputs[MEASURES[name].takes], np.ones((1, len(y))))[0]
        assert value == pytest.approx(truth, abs=0.01, rel=0.01), name


@pytest.mark.parametrize(
    "cell",
    [
        Fitted(100, 30, "shrunken LDA"),
        pytest.param(Fitted(300, 200, "shrunken LDA"), marks=pytest.mark.slow),
        Fitted(300, 30, "shrunken LDA"),  # 1 % of equal algorithms, were all of a training part to count
    ],
)
def test_a_method_trained_anew_is_covered_by_its_interval(cell):
    """Intervals of the fitted models cover their mean in 85 to 92 %; equal algorithms differ in 9 to 15 %."""
    with threadpool_limits(1):  # matrices are small: threads wait for each other
        found = fitted_cell(cell, 200, 1)
    for of in ("method, folds' mean", "method, expectation"):
        assert 0.92 <= found[of]["coverage"] <= 0.995
    assert 0.02 <= found["equal_algorithms_rejected"] <= 0.08
    assert found["models, folds' mean"]["coverage"] < found["method, folds' mean"]["coverage"]


def test_groups_of_both_classes_make_no_model_better_by_chance():
    """Percentiles of fixed scores took equal models for better in 12.7 %, with 40 groups in 20 %."""
    rows = np.array([layout_study(40, seed) for seed in range(100)])
    assert (rows[:, 1] > 0).mean() <= 0.04
    assert ((rows[:, 1] <= 0) & (rows[:, 2] >= 0)).mean() >= 0.92


def test_guessing_has_the_prevalence_and_does_not_differ_from_a_constant():
    """scikit-learn's average precision: 0.226 for a prevalence of 0.1; the difference was found in 88 %."""
    rows = np.array([guessing_study(seed) for seed in range(300)])
    assert rows[:, 0].mean() == pytest.approx(0.1, abs=3 * rows[:, 0].std() / np.sqrt(300))
    assert (rows[:, 1] <= 0.05).mean() <= 0.07


def test_the_mark_holds_for_a_family():
    """Of six models that all equal the best baseline some escaped the mark in 7.2 %."""
    above = [family_study(6, seed)[0] for seed in range(300)]
    assert np.mean(above) <= 0.035
