"""Intervals and comparisons from leaving out groups: at the ends of scales, undefined and beyond."""

import numpy as np
import pytest
from scipy import stats

from fracture_features.metrics import (
    MEASURES,
    at_prevalence,
    compare,
    effective_test_fraction,
    jackknife,
    macro,
    metric_interval,
    paired_comparison,
    wilson_interval,
)
from fracture_features.metrics._limits import degrees_of_freedom

Y = np.repeat([0, 1], [37, 13])


@pytest.mark.parametrize("name", [name for name in MEASURES if not name.startswith("calibration")])
@pytest.mark.parametrize("called", [Y, 1 - Y, np.arange(50) % 3 == 0, np.arange(50) % 25 == 0])
@pytest.mark.parametrize("folds", [None, np.arange(50) % 5])
def test_an_interval_holds_its_value(name, called, folds):
    """At the end of a scale too, where the limit's rounding would leave it out."""
    value = jackknife(Y, [(name, called.astype(float))], folds=folds).values[0]
    low, high = metric_interval(name, Y, called.astype(float), folds=folds)
    assert type(low) is type(high) is float
    assert np.isnan([value, low, high]).all() or low <= value <= high


def test_an_average_precision_below_0_lies_in_its_interval():
    """Of the last three of 50 the uncorrected one is (1 / 48 + 2 / 49 + 3 / 50) / 3, less than guessing has."""
    y = np.repeat([0, 1], [47, 3])
    value = jackknife(y, [("average_precision", -np.arange(50.0))]).values[0]
    low, high = metric_interval("average_precision", y, -np.arange(50.0))
    assert low <= value < 0 < high < 0.1


def test_a_mean_of_ratios_lies_in_its_interval():
    """One repetition without a false positive makes the mean likelihood ratio infinite, and so the upper limit."""
    y = np.tile(np.repeat([0, 1], 25), 2)
    called = np.where(np.arange(100) < 5, 1, y)
    patients, repetition = np.tile(np.arange(50), 2), np.repeat([0, 1], 50)
    jackknifed = jackknife(
        y, [("positive_likelihood_ratio", called)], groups=patients, folds=repetition, repetitions=repetition
    )
    low, high = jackknifed.interval(0)
    assert jackknifed.values[0] == high == np.inf
    assert 1 < low < 10


@pytest.mark.parametrize(
    ("metric", "called"),
    [
        ("positive_likelihood_ratio", 0),
        ("negative_likelihood_ratio", 1),
        (at_prevalence("ppv", 0.1), 0),
        (at_prevalence("npv", 0.1), 1),
    ],
)
def test_what_is_0_by_0_has_no_interval(metric, called):
    predicted = np.full(len(Y), called)
    assert np.isnan(jackknife(Y, [(metric, predicted)]).values[0])
    assert np.isnan(metric_interval(metric, Y, predicted)).all()


def test_what_has_no_limits_and_no_variance_has_no_interval():
    """Probabilities of 0 and 1 that are the same images' whichever is left out: a variance of rounding alone."""
    y = np.arange(60) % 3
    intercept = macro("calibration_intercept", 3)
    assert np.isfinite(jackknife(y, [(intercept, np.eye(3)[y])]).values[0])
    assert np.isnan(metric_interval(intercept, y, np.eye(3)[y])).all()


def test_a_brier_score_ends_at_1():
    """One of 200 images is wrong, and with certainty: its score's relative standard error is 1, known with one degree
    of freedom."""
    y = np.repeat([0, 1], 100)
    probability = y.astype(float)
    probability[5] = 1
    for level in (0.95, 0.99, 0.99999):
        low, high = metric_interval("brier_score", y, probability, confidence_level=level)
        assert 0 <= low < 1 / 200 < high == 1


def test_degrees_of_freedom_have_no_scale():
    """Of influences so small that the square of the variance is 0."""
    influences, is_rare = np.random.default_rng(0).normal(size=40), np.arange(40) < 10
    wanted = degrees_of_freedom(influences, is_rare)
    assert 5 < wanted < 39
    for scale in (1e-3, 1e-90, 1e-140):
        assert degrees_of_freedom(scale * influences, is_rare) == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["roc_auc", "balanced_accuracy", "average_precision"])
def test_joined_rows_compare_as_those_computed_together(name):
    """Of values at the end of the scale as well, whose variance is that of their intervals."""
    called = [Y, np.where(np.arange(50) % 9 == 0, 1 - Y, Y)]
    both = jackknife(Y, [("accuracy", called[0]), *((name, each) for each in called)])
    joined = both.joined(both, 1, 2)
    assert compare(joined, 0, 1) == paired_comparison(name, Y, *called)
    assert joined.interval(0) == metric_interval(name, Y, called[0])
    assert joined.interval(1) == metric_interval(name, Y, called[1])


def test_two_perfect_rankings_may_differ_whatever_their_rounding():
    """The steps of an average precision add up to 1 but for 1e-16, which is no variance."""
    rng = np.random.default_rng(0)
    ties, none = Y.astype(float), Y + rng.uniform(-0.1, 0.1, len(Y))
    jackknifed = jackknife(Y, [("average_precision", ties), ("roc_auc", ties), ("average_precision", none)])
    precision, area = compare(jackknifed, 0, 2), paired_comparison("roc_auc", Y, ties, none)
    assert precision.high == pytest.approx(area.high, rel=0.02)
    assert precision.p_value == pytest.approx(1)


def test_repetitions_are_named():
    with pytest.raises(ValueError, match="repetitions must have one entry for each of 50"):
        jackknife(Y, [("roc_auc", Y)], repetitions=[1, 2])


def test_what_one_group_alone_keeps_defined_has_no_interval():
    """Without its one low fracture a threshold separates the classes: no slope is left to hold the value against."""
    y = np.array([0] * 6 + [1] * 6)
    probability = np.r_[np.linspace(0.1, 0.5, 6), 0.2, np.linspace(0.6, 0.9, 5)]
    assert np.isfinite(jackknife(y, [("calibration_slope", probability)]).values[0])
    assert np.isnan(metric_interval("calibration_slope", y, probability)).all()
    comparison = paired_comparison("calibration_slope", y, probability, probability / 2)
    assert (comparison.p_value, np.isnan(comparison.low)) == (1, True)


def test_classes_of_a_fold_are_strata():
    """Of m patients of a class in each of five folds the variance of a share is p (1 - p) / (m - 1), over the folds."""
    y, folds = np.tile(np.repeat([0, 1], [8, 4]), 5), np.repeat(np.arange(5), 12)
    called = np.where(np.arange(60) % 12 == 9, 1 - y, y)
    influences = jackknife(y, [("sensitivity", called)], folds=folds).influences[0]
    assert influences @ influences == pytest.approx(0.75 * 0.25 / 3 / 5)


def test_folds_that_hold_all_patients_are_no_strata():
    y, called = np.tile(Y, 2), np.tile(np.arange(50) % 3 == 0, 2).astype(float)
    patients, repetition = np.tile(np.arange(50), 2), np.repeat([0, 1], 50)
    twice = jackknife(y, [("sensitivity", called)], groups=patients, folds=repetition)
    once = jackknife(Y, [("sensitivity", called[:50])])
    assert twice.influences == pytest.approx(once.influences)
    p = called[:50][Y == 1].mean()
    assert once.influences[0] @ once.influences[0] == pytest.approx(p * (1 - p) * 13 / 12**2 * 49 / 50)


@pytest.mark.parametrize("n_found", [1, 6, 12])
def test_a_share_of_patients_with_one_image_has_wilsons_interval(n_found):
    called = np.where(np.arange(50) < 37 + n_found, Y, 0)
    assert metric_interval("sensitivity", Y, called) == pytest.approx(wilson_interval(np.arange(13) < n_found))


@pytest.mark.parametrize(
    ("fitted", "tested", "fraction"),
    [
        (1.0, 0.8, 0.2),  # all told apart, as of an RBF SVM
        (0.8, 0.8, 1.0),
        (0.7, 0.8, 1.0),
        (0.4, 0.8, 0.2),
        (0.9, 0.5, 0.2),
        (np.nan, 0.8, 0.2),
        (stats.norm.cdf(2.0), stats.norm.cdf(1.0), 1 - 0.8 * 0.75),
    ],
)
def test_the_test_share_to_reckon_with_follows_overfitting(fitted, tested, fraction):
    assert effective_test_fraction(0.2, fitted, tested) == pytest.approx(fraction)


def test_a_test_share_of_1_is_that_of_the_models():
    scores, folds = np.sin(np.arange(50.0)), np.arange(50) % 5
    models, method = (metric_interval("roc_auc", Y, scores, folds=folds, test_fraction=f) for f in (None, 1.0))
    assert models == pytest.approx(method)


def test_a_test_share_beyond_1():
    with pytest.raises(ValueError, match="test_fraction must lie in"):
        effective_test_fraction(1.5, 0.9, 0.8)
