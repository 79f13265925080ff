"""Paired tests, Holm's correction, and the formulas for independent images."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import make_moons
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from fracture_features.metrics import (
    bootstrap_interval,
    corrected_resampled_ttest,
    delong_interval,
    delong_test,
    holm,
    metric_interval,
    paired_comparison,
    wilson_interval,
)


def two_models(seed, n=400, better=0.0):
    """Independent images; the first model's scores hold `better` more of the signal."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    shared = rng.normal(0, 1, n)
    return y, *((1 + gain) * y + shared + rng.normal(0, 1, n) for gain in (better, 0))


@pytest.mark.parametrize("fraction", [None, 0.2])
@pytest.mark.parametrize("seed", range(8))
def test_p_value_and_interval_say_the_same(seed, fraction):
    y, better, worse = two_models(seed, n=60, better=0.6)
    comparison = paired_comparison("roc_auc", y, better, worse, test_fraction=fraction)
    at = paired_comparison("roc_auc", y, better, worse, test_fraction=fraction, confidence_level=1 - comparison.p_value)
    assert min(abs(at.low), abs(at.high)) < 1e-9
    reaches_0 = comparison.low <= 0 <= comparison.high
    assert (comparison.p_value > 0.05) == reaches_0


def test_equal_models_do_not_differ():
    y, score, _ = two_models(0)
    assert paired_comparison("roc_auc", y, score, score) == (0, 0, 0, 1)


def test_two_perfect_models_may_differ():
    """20 patients a class, all told right by both: neither is known to better than its own interval."""
    y = np.repeat([0, 1], 20)
    comparison = paired_comparison("roc_auc", y, y, 2 * y)
    assert comparison.difference == 0
    assert comparison.p_value == 1
    assert comparison.high == -comparison.low > 0.1
    against_a_constant = paired_comparison("roc_auc", y, y, np.zeros(40))
    assert 0 < against_a_constant.low < 0.5 < against_a_constant.high
    assert 0 < against_a_constant.p_value < 1e-4


def test_a_method_trained_anew_is_known_less_well():
    """By Nadeau and Bengio's correlation between folds, the share of the data that a test part holds."""
    y, better, worse = two_models(0, better=0.5)
    models, method = (paired_comparison("roc_auc", y, better, worse, test_fraction=f) for f in (None, 0.2))
    assert (method.high - method.low) / (models.high - models.low) == pytest.approx(np.sqrt(1.8))
    with pytest.raises(ValueError, match="test_fraction must lie in"):
        paired_comparison("roc_auc", y, better, worse, test_fraction=1.2)


def test_paired_comparison_is_the_interval_of_the_differences():
    y, better, worse = two_models(0, better=0.5)
    groups = np.arange(400) // 4
    comparison = paired_comparison("roc_auc", y, better, worse, groups=groups)
    assert comparison.difference == pytest.approx(roc_auc_score(y, better) - roc_auc_score(y, worse))
    mirrored = paired_comparison("roc_auc", y, worse, better, groups=groups)
    assert mirrored.p_value == pytest.approx(comparison.p_value)
    assert mirrored[:3] == pytest.approx((-comparison.difference, -comparison.high, -comparison.low))
    without = [groups != k for k in range(100)]
    left_out = [roc_auc_score(y[k], better[k]) - roc_auc_score(y[k], worse[k]) for k in without]
    error = np.sqrt(99 / 100 * np.sum((left_out - np.mean(left_out)) ** 2))
    reach = (comparison.high - comparison.low) / 2 / error
    assert reach == pytest.approx(stats.t.ppf(0.975, 70), rel=0.03)  # about as many degrees of freedom


def test_pairing_narrows_the_interval():
    y, better, worse = two_models(1)
    paired = paired_comparison("roc_auc", y, better, worse)
    alone = metric_interval("roc_auc", y, better)
    assert paired.high - paired.low < 1.1 * (alone.high - alone.low)
    unpaired = np.hypot(alone.high - alone.low, alone.high - alone.low)
    assert paired.high - paired.low < 0.85 * unpaired


def test_holm_by_hand():
    """Times 5, 4, 3, 2, 1 from the smallest on, never falling, never above 1."""
    np.testing.assert_allclose(holm([0.01, 0.02, 0.03, 0.04, 0.05]), [0.05, 0.08, 0.09, 0.09, 0.09])
    np.testing.assert_allclose(holm([0.5, 0.001, 0.9]), [1, 0.003, 1])
    assert len(holm([])) == 0


def test_holm_against_statsmodels():
    """statsmodels 0.15.0, multipletests(p, method="holm")."""
    np.testing.assert_allclose(holm([0.012, 0.3, 0.004, 0.04, 0.011]), [0.044, 0.3, 0.02, 0.08, 0.044])


def test_holm_is_the_closed_test_of_bonferroni():
    """Its other definition: the largest Bonferroni p-value of all sets of hypotheses that hold this one."""
    p = np.random.default_rng(0).random(6) ** 4
    for i, adjusted in enumerate(holm(p)):
        sets = [s for k in range(1, 7) for s in combinations(range(6), k) if i in s]
        assert adjusted == pytest.approx(max(min(1, len(s) * p[list(s)].min()) for s in sets))


def test_corrected_t_is_that_of_scikit_learns_example():
    """Printed by scikit-learn's "Statistical comparison of models using grid search": 0.750 and, one-sided, 0.227."""
    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(kernel=kernel, random_state=0), X, y, scoring="roc_auc", cv=cv)
        for kernel in ("rbf", "linear")
    )
    test = corrected_resampled_ttest(rbf - linear, n_train=90, n_test=10)
    assert round(test.statistic, 3) == 0.750
    assert round(test.p_value / 2, 3) == 0.227
    assert test.df == 99


def test_corrected_t_without_overlap_is_students():
    differences = np.random.default_rng(0).normal(0.3, 1, 12)
    test = corrected_resampled_ttest(differences, n_train=1e12, n_test=1)
    expected = stats.ttest_1samp(differences, 0)
    np.testing.assert_allclose(test, [expected.statistic, 11, expected.pvalue])


def test_corrected_t_of_constant_differences():
    assert corrected_resampled_ttest([0, 0, 0], 2, 1) == (0, 2, 1)
    assert corrected_resampled_ttest([0.5, 0.5], 1, 1) == (np.inf, 1, 0)


def placements(y, score):
    """DeLong's structural components, from the definition: each pair compared."""
    ones, zeros = score[y == 1], score[y == 0]
    wins = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    return wins.mean(axis=1), wins.mean(axis=0)


@pytest.mark.parametrize("distinct", [3, 10, 10**6])
def test_delong_from_its_definition(distinct):
    rng = np.random.default_rng(distinct)
    y = rng.integers(0, 2, 80)
    first, second = (np.round(distinct * (0.3 * y + rng.random(80))) for _ in range(2))
    (a1, b1), (a2, b2) = placements(y, first), placements(y, second)
    variance = np.var(a1 - a2, ddof=1) / len(a1) + np.var(b1 - b2, ddof=1) / len(b1)
    z = (a1.mean() - a2.mean()) / np.sqrt(variance)
    expected = (roc_auc_score(y, first) - roc_auc_score(y, second), z, 2 * stats.norm.sf(abs(z)))
    np.testing.assert_allclose(delong_test(y, first, second), expected)
    error = np.sqrt(np.var(a1, ddof=1) / len(a1) + np.var(b1, ddof=1) / len(b1))
    for level in (0.95, 0.8):
        limits = roc_auc_score(y, first) + np.array(stats.norm.interval(level)) * error
        np.testing.assert_allclose(delong_interval(y, first, confidence_level=level), limits)


def test_delong_is_statas():
    """Of Hanley and McNeil's 109 images, rated 1 to 5 (Radiology 143, 1982, table I), in its manual: [R] roctab."""
    y = np.repeat([0, 1], [58, 51])
    ratings = np.r_[np.repeat([1, 2, 3, 4, 5], [33, 6, 6, 11, 2]), np.repeat([1, 2, 3, 4, 5], [3, 2, 2, 11, 33])]
    assert roc_auc_score(y, ratings) == pytest.approx(0.8932, abs=5e-5)
    assert delong_interval(y, ratings) == pytest.approx((0.83295, 0.95339), abs=5e-6)


@pytest.mark.parametrize("n", [100, 5000])
def test_delong_of_nearly_equal_ranks(n):
    """One pair of a 1 and a 0 changes places: each class has one difference of 1 / n, and z is -1 / sqrt(2)."""
    y, first = np.repeat([0, 1], n), np.r_[np.arange(n), np.arange(n) + 0.5]
    second = first.copy()
    second[[n // 2, n + n // 2]] = first[[n + n // 2, n // 2]]
    assert delong_test(y, second, first).statistic == pytest.approx(-np.sqrt(0.5), rel=1e-6)


def test_delong_of_equal_ranks():
    y, score, _ = two_models(0)
    assert delong_test(y, score, np.exp(score)) == (0, 0, 1)


@pytest.mark.parametrize("seed", range(4))
def test_delong_jackknife_and_bootstrap_agree_on_independent_images(seed):
    y, better, worse = two_models(seed, n=600, better=0.25)
    groups = np.random.default_rng(seed).permutation(600)
    delong, jackknifed, bootstrapped = (
        np.array(interval)
        for interval in (
            delong_interval(y, better, groups=groups),
            metric_interval("roc_auc", y, better, groups=groups),
            bootstrap_interval("roc_auc", y, better, groups=groups, n_resamples=4000, random_state=0),
        )
    )
    width = delong[1] - delong[0]
    np.testing.assert_allclose(jackknifed, delong, atol=0.06 * width)
    np.testing.assert_allclose(bootstrapped, delong, atol=0.06 * width)
    test, paired = delong_test(y, better, worse), paired_comparison("roc_auc", y, better, worse)
    assert paired.difference == pytest.approx(test.difference)
    assert paired.p_value == pytest.approx(test.p_value, rel=0.05, abs=0.002)


def test_wilson_against_statsmodels():
    """statsmodels 0.15.0, proportion_confint(hits, n, method="wilson")."""
    for hits, n, low, high in [
        (81, 263, 0.2552885199, 0.3662095770),
        (15, 148, 0.0623863995, 0.1604872417),
        (0, 20, 0, 0.1611251581),
        (1, 29, 0.0061132143, 0.1717552188),
    ]:
        np.testing.assert_allclose(wilson_interval(np.arange(n) < hits), (low, high), atol=1e-9)


def test_independence_is_asked_for():
    y, score, other = two_models(0, n=40)
    groups = np.arange(40) // 2
    message = "groups: .* one image per group, got 20 groups with up to 2 images; use bootstrap_interval"
    for call in (
        lambda: delong_interval(y, score, groups=groups),
        lambda: delong_test(y, score, other, groups=groups),
        lambda: wilson_interval(y, groups=groups),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: holm([0.1, 1.2]), "p_values must be a row of numbers from 0 to 1"),
        (lambda: holm([0.1, np.nan]), "p_values must be a row of numbers from 0 to 1"),
        (lambda: corrected_resampled_ttest([0.1], 1, 1), "differences must be at least two finite numbers"),
        (lambda: corrected_resampled_ttest([0.1, np.nan], 1, 1), "differences must be at least two finite numbers"),
        (lambda: corrected_resampled_ttest([0.1, 0.2], 0, 1), "n_train must be positive, got 0"),
        (lambda: corrected_resampled_ttest([0.1, 0.2], 1, -2), "n_test must be positive, got -2"),
        (lambda: delong_interval([0, 1, 1], [0, 1, 2]), "at least two of each class, got 1 0s and 2 1s"),
        (
            lambda: delong_interval([0, 1] * 2, [0, 1] * 2, confidence_level=95),
            r"confidence_level must lie in \(0, 1\)",
        ),
        (lambda: delong_test([0, 1] * 2, [0, 1] * 2, [0, 1]), "y_score must have one row for each of 4"),
        (lambda: wilson_interval([0, 2]), r"successes must hold the labels 0 and 1, got \[2\]"),
        (lambda: wilson_interval([0, 1], groups=[1]), "groups must have one entry for each of 2"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
