"""Sensitivity at a specificity and partial areas: scikit-learn's, of many weighted resamples at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from fracture_features.metrics import (
    MEASURES,
    bootstrap_interval,
    macro,
    paired_comparison,
    partial_auc,
    resample,
    sensitivity_at,
    sensitivity_score,
)

SHARES = [0.05, 0.1, 0.3, 0.5, 0.9, 1.0]


def sensitivity_of_the_curve(y, score, sample_weight=None, specificity=0.9):
    fpr, tpr, _ = roc_curve(y, score, sample_weight=sample_weight, drop_intermediate=False)
    return tpr[1 - fpr >= specificity - 1e-9].max()


def weighted_sample(seed, n, distinct):
    """Labels, tied scores, and weights, of which each class has some."""
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, n)]
    score = rng.integers(0, distinct, n + 2) + 0.3 * distinct * y
    weights = rng.integers(0, 3, (4, n + 2)).astype(float)
    weights[:, :2] = 1
    return y, np.round(score), weights


ARGUMENTS = {
    "share": st.sampled_from(SHARES),
    "seed": st.integers(0, 10**6),
    "n": st.integers(0, 80),
    "distinct": st.integers(1, 60),
}


@settings(max_examples=60, deadline=None)
@given(**ARGUMENTS)
def test_sensitivity_at_a_specificity_is_a_point_of_scikit_learns_curve(share, seed, n, distinct):
    y, score, weights = weighted_sample(seed, n, distinct)
    expected = [sensitivity_of_the_curve(y, score, w, share) for w in weights]
    np.testing.assert_allclose(sensitivity_at(share)(y, score, weights), expected, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(**ARGUMENTS)
def test_partial_areas_are_scikit_learns(share, seed, n, distinct):
    y, score, weights = weighted_sample(seed, n, distinct)
    expected = [roc_auc_score(y, score, sample_weight=w, max_fpr=share) for w in weights]
    np.testing.assert_allclose(partial_auc(share)(y, score, weights), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("measure", "reference", "at"),
    [
        (sensitivity_at(0.8), sensitivity_of_the_curve, {"specificity": 0.8}),
        (partial_auc(0.2), roc_auc_score, {"max_fpr": 0.2}),
    ],
)
def test_weights_that_are_no_counts(measure, reference, at):
    y, score, _ = weighted_sample(3, 50, 20)
    weights = np.random.default_rng(0).random((5, len(y)))
    expected = [reference(y, score, sample_weight=w, **at) for w in weights]
    np.testing.assert_allclose(measure(y, score, weights), expected)


@pytest.mark.parametrize("measure", [sensitivity_at(0.8), partial_auc(0.2)])
def test_a_weight_of_two_is_two_images(measure):
    y, score, weights = weighted_sample(2, 60, 30)
    repeated = np.repeat(np.arange(len(y)), weights[0].astype(int))
    once = measure(y[repeated], score[repeated], np.ones((1, len(repeated))))
    np.testing.assert_allclose(measure(y, score, weights[:1]), once)


def test_a_specificity_that_is_reached_exactly_is_reached():
    """55 of 100, though 0.55 * 100 is rounded to more."""
    y, score = np.repeat([0, 1], [100, 1]), np.r_[np.arange(100), 55]
    assert sensitivity_at(0.55)(y, score, np.ones((1, 101))) == 1
    assert sensitivity_at(0.56)(y, score, np.ones((1, 101))) == 0


def test_every_share_of_the_normal_images():
    y, score = np.repeat([0, 1], [30, 10]), np.r_[np.arange(30), np.arange(10) * 3 + 0.5]
    for k in range(1, 31):
        (value,) = sensitivity_at(k / 30)(y, score, np.ones((1, 40)))
        assert value == (score[y == 1] > k - 1).mean(), k


def test_images_that_tie_are_called_alike():
    """At the tie both false positives come with the two hits, which leaves 8 of 10."""
    y, score = np.repeat([0, 1], [10, 4]), np.r_[np.zeros(8), 5, 5, 5, 5, 7, 0]
    ones = np.ones((1, 14))
    assert sensitivity_at(0.8)(y, score, ones) == 0.75
    assert sensitivity_at(0.81)(y, score, ones) == 0.25
    assert sensitivity_at(0.9)(y, score, ones) == 0.25  # between 0.8 and 1 nothing is interpolated


def test_where_a_normal_image_scores_most_no_threshold_has_full_specificity():
    assert sensitivity_at(1.0)(np.array([0, 1, 1]), np.array([3, 1, 2]), np.ones((1, 3))) == 0


def test_the_whole_area_is_the_area():
    y, score, weights = weighted_sample(5, 70, 12)
    np.testing.assert_allclose(partial_auc(1.0)(y, score, weights), MEASURES["roc_auc"](y, score, weights))


@pytest.mark.parametrize("max_fpr", SHARES)
def test_standardised_areas_of_guessing_and_of_no_mistake(max_fpr):
    y, ones = np.array([0, 0, 0, 1, 1]), np.ones((1, 5))
    assert partial_auc(max_fpr)(y, np.zeros(5), ones) == pytest.approx(0.5)
    assert partial_auc(max_fpr)(y, y, ones) == pytest.approx(1)


def test_normal_scores_in_closed_form():
    """Binormal curve: sensitivity Phi(1.5 - z) where 1 - Phi(z) is the share of false positives."""
    places = (np.arange(20000) + 0.5) / 20000
    y, score = np.repeat([0, 1], 20000), np.r_[stats.norm.ppf(places), 1.5 + stats.norm.ppf(places)]
    (value,) = sensitivity_at(0.9)(y, score, np.ones((1, 40000)))
    assert value == pytest.approx(stats.norm.sf(stats.norm.ppf(0.9) - 1.5), abs=1e-4)
    fpr = np.linspace(0, 0.1, 200001)[1:]
    area = 0.1 * stats.norm.sf(stats.norm.isf(fpr) - 1.5).mean()
    (value,) = partial_auc(0.1)(y, score, np.ones((1, 40000)))
    assert value == pytest.approx((1 + (area - 0.005) / 0.095) / 2, abs=1e-4)


@pytest.mark.parametrize("measure", [sensitivity_at(0.9), partial_auc(0.1)])
def test_a_resample_without_a_class_is_undefined(measure):
    y, score = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.7, 0.8])
    weights = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(np.isnan(measure(y, score, weights)), [True, True, True, False])


def test_of_several_classes_the_mean():
    rng = np.random.default_rng(0)
    y, scores = np.arange(60) % 3, rng.random((60, 3))
    (value,) = macro(partial_auc(0.3), 3)(y, scores, np.ones((1, 60)))
    assert value == pytest.approx(np.mean([roc_auc_score(y == k, scores[:, k], max_fpr=0.3) for k in range(3)]))


@pytest.mark.parametrize("measure", [sensitivity_at(0.8), partial_auc(0.2)])
def test_they_go_where_other_measures_go(measure):
    """Of folds the mean, of two models the paired difference, with whole groups."""
    rng = np.random.default_rng(1)
    y, groups, folds = np.arange(120) % 2, np.arange(120) // 4, np.arange(120) // 60
    better, worse = 2 * y + rng.normal(size=120), rng.normal(size=120)
    how = {"groups": groups, "folds": folds, "random_state": 0}
    resampled = resample(y, [(measure, better), (measure, worse)], **how)
    by_fold = [measure(y[folds == k], better[folds == k], np.ones((1, 60)))[0] for k in (0, 1)]
    assert resampled.values[0] == pytest.approx(np.mean(by_fold))
    interval = bootstrap_interval(measure, y, better, **how)
    assert interval == resampled.interval(0)
    assert interval.low < resampled.values[0] < interval.high
    comparison = paired_comparison(measure, y, better, worse, **how)
    assert comparison.difference == pytest.approx(resampled.values[0] - resampled.values[1])
    assert comparison.low > 0


def test_the_interval_of_a_full_sensitivity_is_that_of_a_share():
    """As of `sensitivity` at a fixed threshold: all 20 fractures found do not mean that all will be."""
    y, score = np.repeat([0, 1], 20), np.r_[np.arange(20), 100 + np.arange(20)]
    interval = bootstrap_interval(sensitivity_at(0.9), y, score, random_state=0)
    assert interval == bootstrap_interval("sensitivity", y, (score > 50).astype(int), random_state=0)
    assert interval.low < 0.9
    assert sensitivity_score(y, score > 50) == 1


@pytest.mark.parametrize("specificity", [0.8, 0.9])
def test_intervals_of_sensitivity_at_a_specificity_cover_the_truth(specificity):
    """95 % of studies, of 60 patients of each class; 400 studies leave an error of 1.1 %."""
    truth = stats.norm.sf(stats.norm.ppf(specificity) - 1.5)
    y, covered = np.repeat([0, 1], 60), 0
    for seed in range(400):
        score = 1.5 * y + np.random.default_rng(seed).normal(size=120)
        low, high = bootstrap_interval(sensitivity_at(specificity), y, score, n_resamples=500, random_state=seed)
        covered += low <= truth <= high
    assert 0.92 < covered / 400 < 0.99


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sensitivity_at(0.0), r"specificity must lie in \(0, 1\], got 0.0"),
        (lambda: sensitivity_at(90), r"specificity must lie in \(0, 1\], got 90"),
        (lambda: partial_auc(0), r"max_fpr must lie in \(0, 1\], got 0"),
        (lambda: partial_auc("0.1"), r"max_fpr must lie in \(0, 1\], got '0.1'"),
        (lambda: bootstrap_interval(partial_auc(), [0, 1], [np.nan, 1]), "y_score must be finite"),
        (lambda: bootstrap_interval(sensitivity_at(), [0, 2], [0, 1]), "y_true must hold the labels 0 and 1"),
    ],
)
def test_errors_name_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
