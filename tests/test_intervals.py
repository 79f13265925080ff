"""The group bootstrap: what it draws, its limits, and how often they hold the truth."""

import os
import time
import tracemalloc
from collections import defaultdict

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from fracture_features import metrics
from fracture_features.metrics import (
    MEASURES,
    Measure,
    _resampling,
    bootstrap_interval,
    compare,
    group_weights,
    jackknife,
    percentile_interval,
    resample,
)


def weighted_mean(y, score, sample_weight):
    return np.average(score, weights=sample_weight)


def sample(seed, n):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, n - 2)]
    return y, y + rng.normal(0, 1, n)


def test_groups_are_drawn_whole_and_with_replacement():
    groups = np.array([5, 5, 2, 2, 2, 9])
    weights = group_weights(groups, 500, np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2] == weights[:, 4]).all()
    by_group = weights[:, [0, 2, 5]]
    assert (by_group.sum(axis=1) == 3).all()
    np.testing.assert_allclose(by_group.mean(axis=0), 1, atol=0.1)
    # three draws of three: a multinomial's variance and covariance
    np.testing.assert_allclose(np.cov(by_group.T), np.eye(3) - 1 / 3, atol=0.1)


def test_every_job_sees_the_same_resamples():
    y, score = sample(0, 60)
    jobs = [("roc_auc", score), ("roc_auc", 2 * score + 1), ("brier_score", np.full(60, 0.5)), ("roc_auc", -score)]
    resampled = resample(y, jobs, groups=np.arange(60) // 2, n_resamples=200, random_state=0)
    assert resampled.draws.shape == (4, 200)
    assert resampled.n_groups == min(len(set(np.flatnonzero(y == label) // 2)) for label in (0, 1))
    np.testing.assert_array_equal(resampled.draws[0], resampled.draws[1])
    np.testing.assert_allclose(resampled.draws[3], 1 - resampled.draws[0])
    np.testing.assert_allclose(resampled.draws[2], 0.25)
    np.testing.assert_allclose(resampled.values[:3], [roc_auc_score(y, score)] * 2 + [0.25])


def test_folds_are_averaged_and_a_group_is_drawn_once_over_all():
    """Two repetitions of three folds; a loop over group_weights' resamples gives the same."""
    rng = np.random.default_rng(0)
    y, score = sample(0, 180)
    patients, rows = np.arange(180) // 3, np.tile(np.arange(180), 2)
    folds = np.r_[rng.permutation(60)[patients] % 3, 10 + rng.permutation(60)[patients] % 3]
    scores = score[rows] + rng.normal(0, 0.5, 360)
    jobs = [("roc_auc", scores)]
    resampled = resample(y[rows], jobs, groups=patients[rows], folds=folds, n_resamples=20, random_state=4)
    weights = np.vstack([np.ones(180), group_weights(patients, 20, np.random.default_rng(4))])[:, rows]
    by_fold = [
        [roc_auc_score(y[rows][part], scores[part], sample_weight=w[part]) for w in weights]
        for part in (folds == fold for fold in np.unique(folds))
    ]
    np.testing.assert_allclose(resampled.values[0], np.mean(by_fold, axis=0)[0])
    np.testing.assert_allclose(resampled.draws[0], np.mean(by_fold, axis=0)[1:])


def test_folds_of_a_mean_in_closed_form():
    """One group in both folds: the weights cancel, and each draw is the mean of the folds' means."""
    y, x = np.array([0, 1, 0, 1]), np.array([1.0, 3, 10, 30])
    resampled = resample(y, [(weighted_mean, x)], groups=[7] * 4, folds=["a", "a", "b", "b"], n_resamples=5)
    np.testing.assert_allclose(resampled.draws, 11)


def test_a_fold_without_a_class_is_left_out_of_that_draw():
    y, score = np.array([0, 1, 1, 0, 0, 1, 1]), np.array([1.0, 2, 0, 3, 4, 5, 2])
    groups, folds = np.array([0, 0, 0, 1, 2, 3, 4]), np.array([0, 0, 0, 1, 1, 1, 1])
    resampled = resample(y, [("roc_auc", score)], groups=groups, folds=folds, n_resamples=300, random_state=0)
    weights = group_weights(groups, 300, np.random.default_rng(0))
    by_fold = np.stack([MEASURES["roc_auc"](y[folds == k], score[folds == k], weights[:, folds == k]) for k in (0, 1)])
    lost = np.isnan(by_fold)
    assert lost.any(axis=1).all()
    assert (lost.all(axis=0).sum(), lost.sum()) != (0, 0)
    expected = [np.nan if none.all() else column[~none].mean() for column, none in zip(by_fold.T, lost.T, strict=True)]
    np.testing.assert_allclose(resampled.draws[0], expected)


def test_a_measure_undefined_on_the_sample_has_no_interval():
    y, predicted = [0, 1, 0, 1], [0, 0, 0, 0]
    assert np.isnan(bootstrap_interval("ppv", y, predicted, random_state=0)).all()
    resampled = resample(y, [("ppv", [0, 0, 1, 1])], folds=[1, 1, 2, 2], n_resamples=20, random_state=0)
    assert np.isnan(resampled.values).all()
    assert np.isnan(resampled.draws).all()


def test_blocks_change_nothing(monkeypatch):
    y, score = sample(0, 40)
    whole = resample(y, [("roc_auc", score)], n_resamples=100, random_state=0)
    monkeypatch.setattr(_resampling, "BLOCK", 40 * 7)
    np.testing.assert_array_equal(resample(y, [("roc_auc", score)], n_resamples=100, random_state=0)[1], whole.draws)


def test_memory_is_that_of_a_block_per_core():
    """All weights at once would be 80 MB, and each of several steps as much again."""
    y, score = sample(0, 5000)
    tracemalloc.start()
    resample(y, [("roc_auc", score), ("calibration_slope", 1 / (1 + np.exp(-score)))], n_resamples=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6 * min(os.cpu_count(), 8)


def test_interval_of_a_mean_matches_its_standard_error():
    """For a mean of many images the percentile bootstrap is the normal interval, up to noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, 400)
    y = np.arange(400) % 2
    interval = bootstrap_interval(weighted_mean, y, x, n_resamples=4000, random_state=0)
    np.testing.assert_allclose(interval, x.mean() + np.array([-1.96, 1.96]) * x.std() / 20, atol=0.02)


def test_limits_are_ordered_draws():
    """Of 999 draws the 25th from below and from above; a NaN takes a place at both ends."""
    draws = np.random.default_rng(0).permutation(np.arange(1.0, 1000))
    assert percentile_interval(draws, 0.95) == (25, 975)
    assert percentile_interval(draws, 0.9) == (50, 950)
    draws[[3, 700]] = np.nan
    known = np.sort(draws)[:997]
    assert percentile_interval(draws, 0.95) == (known[22], known[-23])
    draws[:24] = np.nan
    assert np.isfinite(percentile_interval(np.r_[np.full(24, np.nan), np.ones(975)], 0.95)).all()
    assert np.isnan(percentile_interval(np.r_[np.full(25, np.nan), np.ones(974)], 0.95)).all()
    assert percentile_interval(np.r_[np.full(30, np.inf), np.ones(969)], 0.95) == (1, np.inf)


@pytest.mark.parametrize("n_groups", [6, 20, 1000])
def test_few_groups_widen_the_interval_to_students(n_groups):
    """Draws that are a normal distribution's quantiles: the limits are t quantiles times sqrt(n / (n - 1))."""
    draws = stats.norm.ppf(np.arange(1, 200_000) / 200_000)
    reach = stats.t.ppf(0.975, n_groups - 1) * np.sqrt(n_groups / (n_groups - 1))
    np.testing.assert_allclose(percentile_interval(draws, 0.95, n_groups), (-reach, reach), rtol=2e-3)


def test_too_few_groups_or_resamples_have_no_interval():
    assert np.isnan(percentile_interval(np.arange(2000.0), 0.95, 1)).all()
    assert np.isnan(percentile_interval(np.arange(2000.0), 0.95, 4)).all()
    assert np.isnan(percentile_interval(np.arange(38.0), 0.95)).all()
    assert np.isfinite(percentile_interval(np.arange(39.0), 0.95)).all()


def test_a_share_of_independent_images_has_wilsons_interval():
    y, predicted = np.repeat([0, 1], [300, 700]), np.repeat([0, 1, 0, 1], [240, 60, 35, 665])
    for name, hits in [
        ("sensitivity", predicted[y == 1]),
        ("specificity", 1 - predicted[y == 0]),
        ("accuracy", y == predicted),
        ("ppv", y[predicted == 1]),
        ("npv", 1 - y[predicted == 0]),
    ]:
        expected = metrics.wilson_interval(hits)
        width = expected.high - expected.low
        found = bootstrap_interval(name, y, predicted, n_resamples=4000, random_state=0)
        np.testing.assert_allclose(found, expected, atol=0.04 * width)
        of_class = metrics.one_vs_rest(name, 1)
        assert bootstrap_interval(of_class, y, predicted, n_resamples=4000, random_state=0) == found


def test_a_share_of_1_has_an_interval_by_its_groups():
    """Twelve patients, all found: Wilson's lower limit is n / (n + t²), however many images each has."""
    y, groups = np.repeat([0, 1], 36), np.arange(72) // 3
    low, high = bootstrap_interval("sensitivity", y, y, groups=groups, random_state=0)
    assert (low, high) == pytest.approx((12 / (12 + stats.t.ppf(0.975, 11) ** 2), 1))
    assert np.isnan(bootstrap_interval("sensitivity", [0, 0, 1, 1], [0, 0, 1, 1], groups=[0, 1, 2, 2])).all()


def test_folds_that_each_call_all_images_alike():
    y, folds = np.tile([0, 1], 60), np.repeat([1, 2, 3], 40)
    interval = bootstrap_interval("sensitivity", y, (folds < 3).astype(int), folds=folds, random_state=0)
    assert interval == pytest.approx((2 / 3, 2 / 3))


def test_seed_and_level():
    y, score = sample(0, 50)
    intervals = [
        bootstrap_interval("roc_auc", y, score, random_state=seed, confidence_level=level)
        for seed, level in [(0, 0.95), (0, 0.95), (1, 0.95), (0, 0.5)]
    ]
    assert intervals[0] == intervals[1] != intervals[2]
    assert intervals[0].low < intervals[3].low < intervals[3].high < intervals[0].high
    assert bootstrap_interval(MEASURES["roc_auc"], y, score, random_state=0) == intervals[0]


Y, SCORE = [0, 1, 0, 1], [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": [1, 2]}, r"groups must have one entry for each of 4 images, got shape \(2,\)"),
        ({"groups": [1, 2, np.nan, 3]}, "groups must be known for every image, got 1 missing"),
        ({"groups": ["a", None, "b", None]}, "groups must be known for every image, got 2 missing"),
        ({"folds": [1, 2, 3]}, "folds must have one entry for each of 4 images"),
        ({"folds": [1, 1, 2, 1]}, r"fold 2 must hold at least two classes, got \[0\] only"),
        ({"confidence_level": 95}, r"confidence_level must lie in \(0, 1\), got 95"),
        ({"confidence_level": 0}, r"confidence_level must lie in \(0, 1\), got 0"),
        ({"n_resamples": 0}, "n_resamples must be an integer of at least 1, got 0"),
        ({"n_resamples": 10.5}, "n_resamples must be an integer of at least 1, got 10.5"),
        (
            {"metric": Measure(lambda y, s, w: 1.0, "scores")},
            r"Measure must give one value for each row of weights, of shape \(\d+,\), got \(\)",
        ),
        ({"metric": 7}, "metric must be one of .* a Measure or a callable, got 7"),
        ({"metric": ["roc_auc"]}, r"metric must be one of .* a Measure or a callable, got \['roc_auc'\]"),
        ({"metric": weighted_mean, "y_score": [1, 2]}, r"y_score must have one row for each of 4 labels, got .*\(2,\)"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(**{"metric": "roc_auc", "y_true": Y, "y_score": SCORE} | options)


def test_2000_resamples_of_5000_images_take_seconds():
    """A loop over scikit-learn's measure takes minutes; the bar is generous to a busy machine."""
    y, score = sample(0, 5000)
    start = time.perf_counter()
    bootstrap_interval("roc_auc", y, score, groups=np.arange(5000) // 3, random_state=0)
    assert time.perf_counter() - start < 10


N_PATIENTS, EFFECT = 100, 1.5
# Studies of a simulation.
FEW_OR_MANY = {"scope": "module", "params": [200, pytest.param(1000, marks=pytest.mark.slow)]}
TRUE_AUC, TRUE_SENSITIVITY = stats.norm.cdf(EFFECT / np.sqrt(2)), stats.norm.cdf(EFFECT / 2)


def study(rng, n_patients=N_PATIENTS, prevalence=0.4, n_folds=5):
    """Patients with one to five images; four fifths of the noise of a score are the patient's.

    Both models' scores are normal with variance 1 and means 0 and EFFECT, which gives the truths above.
    """
    patients = np.repeat(np.arange(n_patients), rng.integers(1, 6, n_patients))
    y = (rng.random(n_patients) < prevalence).astype(int)[patients]
    own, shared = rng.normal(0, np.sqrt(0.2), (2, len(y))), rng.normal(0, np.sqrt(0.8), (2, n_patients))
    return y, EFFECT * y + shared[:, patients] + own, patients, patients % n_folds


@pytest.fixture(**FEW_OR_MANY)
def simulated(request):
    """Intervals and p-values of so many studies: by patient, and as if images were patients."""
    rng = np.random.default_rng(0)
    found = defaultdict(list)
    for seed in range(request.param):
        y, scores, patients, folds = study(rng)
        jobs = [("roc_auc", scores[0]), ("sensitivity", (scores[0] >= EFFECT / 2).astype(int)), ("roc_auc", scores[1])]
        resampled = resample(y, jobs, groups=patients, folds=folds, n_resamples=1000, random_state=seed)
        for job, name in enumerate(("roc_auc", "sensitivity")):
            found[name].append(resampled.interval(job))
        jackknifed = jackknife(y, jobs, groups=patients, folds=folds)
        found["p"].append(compare(jackknifed, 0, 2).p_value)
        for job, name in enumerate(("roc_auc", "sensitivity")):
            found[f"{name}, jackknife"].append(jackknifed.interval(job))
        if seed < 100:
            found["images"].append(bootstrap_interval("roc_auc", y, scores[0], n_resamples=300, random_state=seed))
    return {name: np.array(values) for name, values in found.items()}


@pytest.fixture(**FEW_OR_MANY)
def simulated_few(request):
    """As `simulated`, with 200 patients of whom 20 have a fracture, found in 19 of 20 images."""
    rng = np.random.default_rng(0)
    found = {"roc_auc": [], "sensitivity": [], "percentile": []}
    seed = 0
    while len(found["roc_auc"]) < request.param:
        y, scores, patients, folds = study(rng, 200, 0.1)
        seed += 1
        if min(len(np.unique(y[folds == k])) for k in range(5)) < 2:
            continue
        jobs = [("roc_auc", scores[0]), ("sensitivity", (scores[0] >= EFFECT + stats.norm.ppf(0.05)).astype(int))]
        resampled = resample(y, jobs, groups=patients, folds=folds, n_resamples=1000, random_state=seed)
        for job, name in enumerate(("roc_auc", "sensitivity")):
            found[name].append(resampled.interval(job))
        found["percentile"].append(percentile_interval(resampled.draws[1], 0.95, 200))
    return {name: np.array(values) for name, values in found.items()}


def coverage(intervals, truth):
    return ((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean()


def by_chance(share, n):
    """How far a share of n studies is from the true one, but for 3 runs in 1000: three standard errors."""
    return 3 * np.sqrt(share * (1 - share) / n)


@pytest.mark.parametrize(("name", "truth"), [("roc_auc", TRUE_AUC), ("sensitivity", TRUE_SENSITIVITY)])
def test_intervals_by_patient_hold_the_truth(simulated, name, truth):
    """The mean over five folds of twenty patients."""
    reach = by_chance(0.95, len(simulated[name]))
    assert abs(coverage(simulated[name], truth) - 0.95) <= reach
    assert -reach <= coverage(simulated[f"{name}, jackknife"], truth) - 0.95 <= reach + 0.005


@pytest.mark.parametrize(("name", "truth"), [("roc_auc", TRUE_AUC), ("sensitivity", 0.95)])
def test_intervals_of_few_fractures_hold_the_truth(simulated_few, name, truth):
    reach = by_chance(0.95, len(simulated_few[name]))
    assert -reach <= coverage(simulated_few[name], truth) - 0.95 <= max(reach, 0.035)


def test_percentiles_of_a_high_share_do_not(simulated_few):
    assert coverage(simulated_few["percentile"], 0.95) < 0.85


def test_intervals_by_image_do_not(simulated):
    assert coverage(simulated["images"], TRUE_AUC) < 0.8


def test_the_paired_tests_false_positives(simulated):
    """Of equal models."""
    for level in (0.05, 0.5):
        assert abs((simulated["p"] <= level).mean() - level) < by_chance(level, len(simulated["p"]))
