"""Any metric and any curve on the resamples of the group bootstrap."""

import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn import metrics as reference

from fracture_features.metrics import (
    MEASURES,
    ResampledCurve,
    _resampling,
    bootstrap_interval,
    calibration_slope,
    group_weights,
    paired_comparison,
    rarest_groups,
    resample,
    resample_curve,
    specificity_score,
)


def patients(seed=0, n=180, n_folds=3, per_patient=3):
    """Tied probabilities of images in groups, and folds that keep these together."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // per_patient
    y = rng.integers(0, 2, n)
    probability = np.clip(np.round(0.25 * y + rng.random(n) * 0.7 + 0.02, 2), 0.01, 0.99)
    return y, probability, {"groups": groups, "folds": rng.permutation(groups.max() + 1)[groups] % n_folds}


def own_auc(y_true, y_score):
    """The share of pairs in the right order; without a sample_weight."""
    ones, zeros = y_score[y_true == 1], y_score[y_true == 0]
    return np.mean((ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros))


def own_brier(y_true, y_prob, sample_weight=None):
    return np.average((y_true - y_prob) ** 2, weights=sample_weight)


class Recall:
    """A callable that is no function."""

    def __call__(self, y_true, y_pred, *, sample_weight):
        return sample_weight[y_true == 1] @ y_pred[y_true == 1] / sample_weight[y_true == 1].sum()


SAME = {
    "roc_auc": [reference.roc_auc_score, own_auc],
    "accuracy": [reference.accuracy_score, lambda y, p: np.mean(y == p)],
    "balanced_accuracy": [reference.balanced_accuracy_score],
    "sensitivity": [reference.recall_score, partial(reference.recall_score, pos_label=1), Recall()],
    "specificity": [specificity_score, partial(reference.recall_score, pos_label=0)],
    "mcc": [reference.matthews_corrcoef],
    "kappa": [reference.cohen_kappa_score],
    "brier_score": [reference.brier_score_loss, own_brier],
    "calibration_slope": [calibration_slope],
}


@pytest.mark.parametrize(("name", "metric"), [(name, metric) for name, metrics in SAME.items() for metric in metrics])
def test_a_callable_is_resampled_as_the_measure_is(name, metric):
    y, probability, grouped = patients()
    values = (probability > 0.5).astype(int) if MEASURES[name].takes == "labels" else probability
    # a callable cannot say that it is a share, which would get another kind of interval
    measure = replace(MEASURES[name], share_of=None)
    # the kernels solve for a slope to a hundred-thousandth of a standard error, from wherever they start
    atol = 2e-5 if name == "calibration_slope" else 1e-12
    for options in ({}, grouped):
        intervals = [
            bootstrap_interval(m, y, values, n_resamples=200, random_state=1, **options) for m in (metric, measure)
        ]
        np.testing.assert_allclose(*intervals, rtol=0, atol=atol)
        assert intervals[0].low < intervals[0].high


def test_measures_and_callables_in_one_call():
    y, probability, grouped = patients()
    metrics = [("roc_auc", probability), (reference.roc_auc_score, probability), (own_auc, -probability)]
    resampled = resample(y, metrics, n_resamples=50, random_state=0, **grouped)
    alone = resample(y, metrics[:1], n_resamples=50, random_state=0, **grouped)
    np.testing.assert_array_equal(resampled.draws[0], alone.draws[0])
    np.testing.assert_allclose(resampled.draws[1], resampled.draws[0], atol=1e-12)
    np.testing.assert_allclose(resampled.draws[2], 1 - resampled.draws[0], atol=1e-12)
    assert resampled.shares == (None, None, None)
    again = resample(y, metrics, n_resamples=50, random_state=0, **grouped)
    np.testing.assert_array_equal(again.draws, resampled.draws)


def test_paired_comparison_of_a_callable():
    y, probability, grouped = patients()
    other = np.random.default_rng(1).permutation(probability)
    options = grouped
    measure = replace(MEASURES["roc_auc"], bounds=None)  # a callable cannot say between what limits it lies
    ours, theirs = (
        paired_comparison(metric, y, probability, other, **options) for metric in (measure, reference.roc_auc_score)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_scores_of_several_classes_reach_the_callable_whole():
    rng = np.random.default_rng(0)
    y, scores = np.r_[0, 1, 2, rng.integers(0, 3, 60)], rng.dirichlet(np.ones(3), 63)
    metric = partial(reference.roc_auc_score, multi_class="ovr")
    resampled = resample(y, [(metric, scores), ("accuracy", scores.argmax(axis=1))], n_resamples=20, random_state=0)
    drawn = group_weights(np.arange(63), 20, np.random.default_rng(0))
    rows = [np.repeat(np.arange(63), weights.astype(int)) for weights in drawn]
    np.testing.assert_allclose(resampled.draws[0], [metric(y[row], scores[row]) for row in rows])


@pytest.mark.parametrize("weighted", [False, True])
def test_what_a_callable_is_called_with(weighted):
    """Samples that were drawn, with how often as their weights or as often as that."""
    calls = []

    def plain(y_true, y_score):
        calls.append((y_true, y_score))
        return 0.5

    def with_weights(y_true, y_score, sample_weight=None):
        assert (sample_weight > 0).all()
        return plain(np.repeat(y_true, sample_weight.astype(int)), np.repeat(y_score, sample_weight.astype(int)))

    y, score = np.array([0, 1, 0, 1, 0, 1]), np.arange(6)
    resample(y, [(with_weights if weighted else plain, score)], n_resamples=30, random_state=0)
    drawn = np.vstack([np.ones(6), group_weights(np.arange(6), 30, np.random.default_rng(0))]).astype(int)
    complete = [weights for weights in drawn if len(set(np.repeat(y, weights))) == 2]
    assert len(calls) == len(complete) < 31
    for (y_true, y_score), weights in zip(calls, complete, strict=True):
        np.testing.assert_array_equal(y_score, np.repeat(score, weights))
        np.testing.assert_array_equal(y_true, np.repeat(y, weights))


def test_a_resample_without_a_class_is_not_asked():
    """Though the accuracy of one class is defined; with folds the mean is over the others."""
    y, predicted = np.array([0, 0, 1, 0, 1, 1]), np.array([0, 1, 1, 0, 0, 1])
    folds = np.array([0, 0, 0, 1, 1, 1])
    resampled = resample(y, [(reference.accuracy_score, predicted)], folds=folds, n_resamples=200, random_state=0)
    weights = group_weights(np.arange(6), 200, np.random.default_rng(0))
    by_fold = np.full((2, 200), np.nan)
    for k, part in enumerate((slice(0, 3), slice(3, 6))):
        for i, w in enumerate(weights[:, part]):
            if len(set(y[part][w > 0])) == 2:
                by_fold[k, i] = np.average(y[part] == predicted[part], weights=w)
    lost = np.isnan(by_fold)
    assert lost.all(axis=0).any()
    assert (lost.sum(axis=0) == 1).any()
    np.testing.assert_allclose(
        resampled.draws[0],
        np.where(
            lost.all(axis=0),
            np.nan,
            np.where(lost[0], by_fold[1], np.where(lost[1], by_fold[0], (by_fold[0] + by_fold[1]) / 2)),
        ),
    )


def test_a_third_class_counts_too():
    y = np.array([0, 1, 2, 0, 1])
    resampled = resample(y, [(reference.accuracy_score, y)], n_resamples=100, random_state=0)
    complete = [len(set(y[w > 0])) == 3 for w in group_weights(np.arange(5), 100, np.random.default_rng(0))]
    np.testing.assert_array_equal(resampled.draws[0], np.where(complete, 1, np.nan))


def undecided(y_true, y_score):
    return None


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (undecided, "metric undecided must return a real number, got None"),
        (lambda y, s: [0.5, 0.6], r"metric <lambda> must return a real number, got \[0.5, 0.6\]"),
        (lambda y, s: np.ones(2), r"must return a real number, got array\(\[1., 1.\]\)"),
        (lambda y, s: 1j, "must return a real number, got 1j"),
        (partial(undecided), r"metric functools.partial\(.*undecided.*\) must return a real number, got None"),
    ],
)
def test_a_result_that_is_no_number_is_named(metric, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(metric, [0, 1, 0, 1], [1, 2, 3, 4])


def test_a_callables_own_errors_are_passed_on():
    def broken(y_true, y_score):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        bootstrap_interval(broken, [0, 1], [1, 2])
    with pytest.raises(TypeError, match="positional argument"):
        bootstrap_interval(lambda y, s, w: 0.5, [0, 1], [1, 2])


def test_a_callable_is_called_from_one_thread(monkeypatch):
    """Python's warning filters, which scikit-learn's metrics may set for a moment, belong to all threads."""
    monkeypatch.setattr(_resampling, "BLOCK", 180 * 2)
    monkeypatch.setattr("fracture_features._threads.effective_n_jobs", lambda n_jobs: 2 if n_jobs == -1 else n_jobs)
    y, probability, _ = patients()
    seen = set()

    def metric(y_true, y_score):
        seen.add(threading.get_ident())
        return 0.5

    resample(y, [("roc_auc", probability), (metric, probability)], n_resamples=50)
    assert seen == {threading.get_ident()}


def test_a_callable_without_a_signature():
    class Compiled:
        """As pybind11's functions, which inspect cannot read."""

        @property
        def __signature__(self):
            raise ValueError("no signature found")

        def __call__(self, y_true, y_score):
            return own_auc(y_true, y_score)

    y, probability, _ = patients()
    resampled = resample(y, [(Compiled(), probability), (own_auc, probability)], n_resamples=3)
    np.testing.assert_array_equal(resampled.draws[0], resampled.draws[1])


GRID = np.linspace(0, 1, 2001)


def roc(y_true, y_score, weights):
    """Sensitivity at each share of false positives, by scikit-learn; NaN without both classes."""
    curves = np.full((len(weights), len(GRID)), np.nan)
    for curve, w in zip(curves, weights, strict=True):
        if len(set(y_true[w > 0])) == 2:
            x, y, _ = reference.roc_curve(y_true, y_score, sample_weight=w, drop_intermediate=False)
            curve[:] = np.interp(GRID, x, y)
    return curves


def auc_as_a_curve(y_true, y_score, weights):
    return MEASURES["roc_auc"](y_true, y_score, weights)[:, None]


@pytest.mark.parametrize("n_folds", [1, 12])
def test_the_area_under_a_resampled_curve_is_the_resampled_area(n_folds):
    """Of twelve folds of five patients some lose a class: there the mean is over the others in both."""
    y, score, grouped = patients(n_folds=n_folds)
    options = {"n_resamples": 40, "random_state": 3} | grouped
    curve = resample_curve(y, score, roc, **options)
    area = resample(y, [("roc_auc", score)], **options)
    assert curve.draws.shape == (40, 2001)
    np.testing.assert_allclose(np.trapezoid(curve.values, GRID), area.values[0], atol=1e-3)
    np.testing.assert_allclose(np.trapezoid(curve.draws, GRID), area.draws[0], atol=1e-3)
    assert np.std(area.draws[0]) > 0.02


@pytest.mark.parametrize("n_folds", [1, 3, 25])
def test_a_curve_of_one_point_is_a_measure_bit_by_bit(n_folds, monkeypatch):
    monkeypatch.setattr(_resampling, "BLOCK", 180 * 7)
    y, score, grouped = patients(seed=2, n_folds=n_folds)
    assert all(len(set(y[grouped["folds"] == k])) == 2 for k in range(n_folds))
    options = {"n_resamples": 100, "random_state": 5} | grouped
    curve, area = resample_curve(y, score, auc_as_a_curve, **options), resample(y, [("roc_auc", score)], **options)
    np.testing.assert_array_equal(curve.values, area.values)
    np.testing.assert_array_equal(curve.draws[:, 0], area.draws[0])
    assert curve.n_groups == area.n_groups == rarest_groups(y, grouped["groups"])


def test_a_curves_weights_are_the_groups_counts():
    y, score, _ = patients()
    groups = np.random.default_rng(0).permutation(180) // 3
    curve = resample_curve(y, score, lambda y, s, weights: weights, groups=groups, n_resamples=25, random_state=9)
    assert isinstance(curve, ResampledCurve)
    np.testing.assert_array_equal(curve.values, 1)
    np.testing.assert_array_equal(curve.draws, group_weights(groups, 25, np.random.default_rng(9)))


def test_a_point_undefined_in_a_fold_is_undefined():
    y, score, grouped = patients()

    def undefined_in_one(y_true, y_score, weights):
        points = np.ones((len(weights), 2))
        points[:, 1] = np.where(score[grouped["folds"] == 0].sum() == y_score.sum(), np.nan, 1)
        return points

    curve = resample_curve(y, score, undefined_in_one, n_resamples=5, **grouped)
    np.testing.assert_array_equal(curve.values, [1, np.nan])
    np.testing.assert_array_equal(curve.draws, [[1, np.nan]] * 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"curve": lambda y, s, w: w[:, 0]}, r"curve must give one row .* of shape \(1, n_points\), got \(1,\)"),
        ({"curve": lambda y, s, w: w[:0]}, r"of shape \(1, n_points\), got \(0, 4\)"),
        ({"curve": lambda y, s, w: w[:, : y.sum()], "y_true": [1, 1, 0, 1, 0], "folds": [0, 0, 0, 1, 1]}, "same shape"),
        ({"y_score": [1, 2, np.nan, 3]}, "y_score must be finite"),
        ({"y_score": [1, 2]}, "y_score must have one row for each of 4 labels"),
        ({"y_true": [1, 1, 1, 1]}, "y_true must hold at least two classes"),
        ({"groups": [1]}, "groups must have one entry for each of 4 images"),
        ({"n_resamples": 0}, "n_resamples must be an integer of at least 1, got 0"),
    ],
)
def test_bad_curves_are_named(arguments, message):
    n = len(arguments.get("y_true", [0] * 4))
    options = {"y_true": [0, 1, 0, 1], "y_score": list(range(n)), "curve": lambda y, s, w: w} | arguments
    with pytest.raises(ValueError, match=message):
        resample_curve(**options)
