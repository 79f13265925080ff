import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score, roc_curve

from fracture_features.metrics import decision_curve, sensitivity_threshold, youden_threshold


def tied_scores(seed, n, distinct):
    rng = np.random.default_rng(seed)
    return np.r_[0, 1, rng.integers(0, 2, n)], rng.integers(0, distinct, n + 2) / 7


def cases(test):
    given_cases = given(seed=st.integers(0, 10**6), n=st.integers(0, 60), distinct=st.integers(1, 30))
    return settings(max_examples=25, deadline=None)(given_cases(test))


@cases
def test_it_is_the_highest_threshold_of_that_sensitivity(seed, n, distinct):
    y, score = tied_scores(seed, n, distinct)
    for wanted in (0.1, 0.95, 1):
        threshold = sensitivity_threshold(y, score, wanted)
        assert recall_score(y, score >= threshold) >= wanted
        assert recall_score(y, score >= np.nextafter(threshold, np.inf), zero_division=0) < wanted


@pytest.mark.parametrize("n", range(1, 200, 7))
def test_shares_that_floats_miss(n):
    """0.1 * 30 is a little more than 3: rounding it up would find a fourth fracture."""
    y, score = np.r_[np.ones(n, dtype=int), 0], np.r_[np.arange(n, 0, -1.0), 0]
    for found in range(1, n + 1):
        assert sensitivity_threshold(y, score, found / n) == n + 1 - found


@cases
def test_youden_is_the_best_point_of_the_roc_curve_and_the_most_sensitive_of_equals(seed, n, distinct):
    y, score = tied_scores(seed, n, distinct)
    false, true, thresholds = roc_curve(y, score, drop_intermediate=False)
    finite = np.isfinite(thresholds)
    best = thresholds[finite][np.isclose(true - false, (true - false)[finite].max(), atol=1e-12)[finite]]
    assert youden_threshold(y, score) == best.min()


@cases
def test_net_benefit_from_the_confusion_matrix(seed, n, distinct):
    y, score = tied_scores(seed, n, distinct)
    probability = np.round(score / max(score.max(), 1), 2)
    curve = decision_curve(y, probability)
    assert list(curve) == ["threshold", "net_benefit", "treat_all", "treat_none"]
    assert len(curve) == 99
    for row in curve.iloc[::20].itertuples():
        cost = row.threshold / (1 - row.threshold)
        for value, treated in ((row.net_benefit, probability >= row.threshold), (row.treat_all, np.ones(len(y)))):
            (_, false), (_, true) = confusion_matrix(y, treated, labels=[0, 1])
            assert value == pytest.approx((true - false * cost) / len(y))
        assert row.treat_none == 0


def test_a_probability_at_the_threshold_is_treated():
    assert decision_curve([0, 1], [0.2, 0.2], [0.2])["net_benefit"].item() == pytest.approx(0.5 - 0.5 * 0.25)


def test_treating_all_is_worth_nothing_at_the_prevalence():
    """The closed form of Vickers and Elkin: the line of treat-all crosses that of treat-none there."""
    y = np.repeat([0, 1], [70, 30])
    curve = decision_curve(y, y * 1.0, [0, 0.3, 0.5])
    np.testing.assert_allclose(curve["treat_all"], [0.3, 0, -0.4], atol=1e-12)
    np.testing.assert_allclose(curve["net_benefit"], [0.3, 0.3, 0.3])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sensitivity_threshold([0, 1], [0, 1], 0), r"sensitivity must lie in \(0, 1\], got 0"),
        (lambda: sensitivity_threshold([0, 1], [0, 1], 95), r"sensitivity must lie in \(0, 1\], got 95"),
        (lambda: sensitivity_threshold([0, 1], [0, np.nan]), "y_score must be finite, got 1 NaN"),
        (lambda: sensitivity_threshold([1, 1], [0, 1]), r"at least two classes, got \[1\] only"),
        (lambda: sensitivity_threshold([0, 2], [0, 1]), r"labels 0 and 1, got \[2\] too"),
        (lambda: youden_threshold([0, 1], [0, 1, 2]), r"one row for each of 2 labels, got shape \(3,\)"),
        (lambda: decision_curve([0, 1], [0, 1.5]), "probabilities from 0 to 1, got 0 to 1.5"),
        (lambda: decision_curve([0, 1], [0, 1], [1.0]), "thresholds must be a row of numbers from 0 on and below 1"),
        (lambda: decision_curve([0, 1], [0, 1], [np.nan]), "thresholds must be a row of numbers from 0 on"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
