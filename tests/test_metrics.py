import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from fracture_features import metrics


def weighted_sample(seed, n, distinct):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, n)]
    score = rng.integers(0, distinct, n + 2).astype(float)
    weights = rng.integers(0, 3, (4, n + 2)).astype(float)
    weights[:, :2] = 1
    return y, score, weights


@settings(max_examples=100)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 60), distinct=st.integers(1, 40))
def test_weighted_measures_are_scikit_learns(seed, n, distinct):
    y, score, weights = weighted_sample(seed, n, distinct)
    predicted = (score > distinct / 2).astype(int)
    for ours, theirs in [
        (metrics.roc_auc(y, score, weights), lambda w: reference.roc_auc_score(y, score, sample_weight=w)),
        (
            metrics.average_precision(y, score, weights),
            lambda w: reference.average_precision_score(y, score, sample_weight=w),
        ),
        (metrics.accuracy(y, predicted, weights), lambda w: reference.accuracy_score(y, predicted, sample_weight=w)),
        (metrics.recall(y, predicted, weights, 1), lambda w: reference.recall_score(y, predicted, sample_weight=w)),
        (
            metrics.recall(y, predicted, weights, 0),
            lambda w: reference.recall_score(y, predicted, pos_label=0, sample_weight=w),
        ),
    ]:
        np.testing.assert_allclose(ours, [theirs(w) for w in weights], atol=1e-12)


def test_a_measure_without_its_class_is_nan():
    y, score = np.array([0, 1]), np.array([0.1, 0.2])
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    np.testing.assert_array_equal(metrics.roc_auc(y, score, weights), [np.nan] * 3 + [1])
    np.testing.assert_array_equal(metrics.average_precision(y, score, weights), [np.nan, 1, np.nan, 1])
    np.testing.assert_array_equal(metrics.recall(y, y, weights, 1), [np.nan, 1, np.nan, 1])


def test_groups_are_drawn_whole_and_with_replacement():
    groups = np.array([5, 5, 2, 2, 2, 9])
    weights = metrics.group_weights(groups, 500, np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2] == weights[:, 4]).all()
    by_group = weights[:, [0, 2, 5]]
    assert (by_group.sum(axis=1) == 3).all()
    np.testing.assert_allclose(by_group.mean(axis=0), 1, atol=0.1)


def test_interval_of_a_mean_matches_its_standard_error():
    """For a mean the percentile bootstrap is the normal interval, up to noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, 400)
    interval = metrics.bootstrap_interval(
        lambda y, s, w: w @ s / w.sum(axis=1), np.zeros(400, dtype=int), x, n_resamples=4000, random_state=0
    )
    np.testing.assert_allclose(interval, x.mean() + np.array([-1.96, 1.96]) * x.std() / 20, atol=0.02)


def clustered_cases(rng, n_groups=60, size=5):
    """Patients with one label each, whose images share most of what is noise in the score."""
    y = np.repeat(rng.integers(0, 2, n_groups), size)
    noise = np.repeat(rng.normal(0, 1, n_groups), size) + rng.normal(0, 0.4, n_groups * size)
    return y, y * 1.5 + noise, np.repeat(np.arange(n_groups), size)


def test_grouped_intervals_cover_and_image_intervals_do_not():
    """200 simulated studies; the truth is the same measure on 20,000 patients."""
    rng = np.random.default_rng(1)
    y, score, _ = clustered_cases(rng, n_groups=20_000)
    truth = metrics.roc_auc(y, score, np.ones((1, len(y))))[0]
    covered = np.zeros(2)
    for study in range(200):
        y, score, groups = clustered_cases(rng)
        for k, given_groups in enumerate((groups, None)):
            low, high = metrics.bootstrap_interval(
                metrics.roc_auc, y, score, groups=given_groups, n_resamples=400, random_state=study
            )
            covered[k] += low <= truth <= high
    grouped, by_image = covered / 200
    assert 0.90 <= grouped <= 0.99
    assert by_image < 0.75


def test_interval_bounds_and_seed():
    y, score, _ = weighted_sample(0, 50, 30)
    intervals = [
        metrics.bootstrap_interval(metrics.roc_auc, y, score, random_state=seed, confidence_level=level)
        for seed, level in [(0, 0.95), (0, 0.95), (1, 0.95), (0, 0.5)]
    ]
    assert intervals[0] == intervals[1] != intervals[2]
    assert intervals[0].low < intervals[3].low < intervals[3].high < intervals[0].high
    assert np.isnan(metrics.percentile_interval(np.array([np.nan]), 0.95)).all()


def test_2000_resamples_of_5000_images_take_seconds():
    """A loop over scikit-learn's measure takes minutes; the bar is generous to a busy machine."""
    y, score, _ = weighted_sample(0, 4998, 4000)
    start = time.perf_counter()
    metrics.bootstrap_interval(metrics.roc_auc, y, score, groups=np.arange(5000) // 3, random_state=0)
    assert time.perf_counter() - start < 10
