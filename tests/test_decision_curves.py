"""Net benefit over the folds, and its band."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from results import make_result, with_few_groups

from fracture_features.evaluation import PROBE
from fracture_features.metrics import Measure, bootstrap_interval, decision_curve, percentile_interval
from fracture_features.plotting import plot_decision_curve
from fracture_features.report._figures import make_figures
from fracture_features.results import EvaluationResult, mean_decision_curve
from fracture_features.results._curves import _net_benefit

AT = np.arange(1, 100) / 100


@pytest.fixture(scope="module")
def result(data):
    return make_result(data)


def images_of(result, model):
    """Labels, probabilities, groups and folds of the test parts."""
    folds = result.folds_of(model)
    rows = np.concatenate([fold.test for fold in folds])
    probability = np.concatenate([fold.probabilities[:, 1] for fold in folds])
    number = np.concatenate([np.full(len(fold.test), fold.fold) for fold in folds])
    return result.data.y[rows], probability, result.data.groups[rows], number


def test_values_are_the_mean_of_the_folds_curves(result):
    y, probability, _, fold = images_of(result, "hog")
    curves = [decision_curve(y[fold == k], probability[fold == k]) for k in (1, 2, 3)]
    mean = mean_decision_curve(result, "hog")
    assert mean.columns.tolist() == [*curves[0].columns, "low", "high"]
    for name in ("net_benefit", "treat_all", "treat_none"):
        np.testing.assert_allclose(mean[name], np.mean([curve[name] for curve in curves], axis=0))
    np.testing.assert_array_equal(mean["threshold"], AT)


def test_the_band_holds_the_values(result):
    for model in ("hog", PROBE):
        mean = mean_decision_curve(result, model)
        assert (mean["low"] <= mean["net_benefit"] + 1e-12).all()
        assert (mean["net_benefit"] <= mean["high"] + 1e-12).all()
        assert (mean["low"] < mean["high"]).mean() > 0.5


@pytest.mark.parametrize("distinct", [3, 50, 10**6])
def test_a_resample_is_the_curve_of_repeated_images(distinct):
    """Probabilities on a threshold are treated, 0.29 as well, which is no multiple of 0.01 in binary."""
    rng = np.random.default_rng(distinct)
    y, probability = np.r_[0, 1, rng.integers(0, 2, 80)], np.r_[0.29, 0.57, rng.integers(0, distinct, 80) / distinct]
    probability[2:40] = np.round(probability[2:40], 2)
    weights = rng.integers(0, 3, (20, 82)).astype(float)
    weights[:, :2] = 1
    curves = _net_benefit(AT, y, probability, weights)
    for row, curve in zip(weights.astype(int), curves, strict=True):
        repeated = decision_curve(np.repeat(y, row), np.repeat(probability, row), AT)
        np.testing.assert_allclose(curve, repeated["net_benefit"], atol=1e-12)


def test_a_resample_of_one_class_has_a_benefit_and_one_of_nothing_has_none():
    y, probability = np.array([0, 1]), np.array([0.9, 0.6])
    curves = _net_benefit(np.array([0.5, 0.7]), y, probability, np.array([[0.0, 2], [1, 0], [0, 0]]))
    np.testing.assert_allclose(curves, [[1, 0], [-1, -7 / 3], [np.nan, np.nan]])


def test_the_band_is_that_of_the_bootstrap_of_whole_groups(result):
    def net_benefit(y, probability, weights):
        treated = weights * (probability >= 0.4)
        return (treated @ y - treated @ (1 - y) * 2 / 3) / weights.sum(axis=1)

    y, probability, groups, fold = images_of(result, "hog")
    seed = int(np.random.default_rng(result.random_state).integers(2**32))
    how = {"groups": groups, "folds": fold, "random_state": seed}
    interval = bootstrap_interval(Measure(net_benefit, "probabilities"), y, probability, **how)
    row = mean_decision_curve(result, "hog").iloc[39]
    assert row["threshold"] == 0.4
    widened = np.sqrt(2 - result.estimates.test_fraction)  # of the method, trained anew
    limits = row["net_benefit"] + widened * (np.array(interval) - row["net_benefit"])
    assert (row["low"], row["high"]) == pytest.approx(tuple(limits))


def test_where_all_are_treated_the_band_is_that_of_the_prevalence(result):
    """Nobody of these has a probability below 0.01, so that it is (share - (1 - share) / 99) of each resample."""
    lowest = min(fold.probabilities[:, 1].min() for fold in result.folds_of(PROBE))
    assert lowest > 0.01
    share = result.estimates.curve(PROBE, lambda y, _, weights: (weights @ y / weights.sum(axis=1))[:, None])
    low, high = percentile_interval(share.draws[:, 0], 0.95, share.n_groups)
    row = mean_decision_curve(result, PROBE).iloc[0]
    np.testing.assert_allclose(row[["low", "high"]], [low - (1 - low) / 99, high - (1 - high) / 99])


def test_it_is_of_probabilities_and_not_of_scores(data, result):
    """Scores of a margin, on another scale, change nothing."""
    folds = [replace(fold, scores=np.log(fold.scores)) for fold in result.fold_results if fold.model == "hog"]
    other = EvaluationResult(data, folds, result.excluded, 0)
    assert mean_decision_curve(other, "hog").equals(mean_decision_curve(result, "hog"))


def test_without_groups_every_image_is_drawn_alone(data, result):
    alone = EvaluationResult(replace(data, groups=None), result.fold_results, result.excluded, 0)
    grouped, single = (mean_decision_curve(r, "hog") for r in (result, alone))
    np.testing.assert_array_equal(grouped["net_benefit"], single["net_benefit"])
    assert (grouped["high"] - grouped["low"]).mean() != (single["high"] - single["low"]).mean()


def test_of_too_few_groups_there_is_no_band(result):
    mean = mean_decision_curve(with_few_groups(result), "hog")
    assert mean[["low", "high"]].isna().all(axis=None)
    assert mean["net_benefit"].notna().all()


def test_the_figure_draws_the_band_of_models_and_not_of_baselines(result):
    ax = plot_decision_curve(result, models=[PROBE, "hog"])
    (band,) = ax.collections
    mean = mean_decision_curve(result, "hog")
    drawn = band.get_paths()[0].vertices
    assert set(np.round(mean[["low", "high"]].to_numpy().ravel(), 9)) <= set(np.round(drawn[:, 1], 9))
    assert set(np.round(mean["threshold"], 9)) == set(np.round(drawn[:, 0], 9))
    assert ax.get_ylim()[1] > mean["high"].max()
    plt.close("all")


def test_the_report_says_what_the_band_is(result):
    captions = [make_figures(of, ["hog"])["curves"][-1].caption for of in (result, with_few_groups(result))]
    assert "the band is the pointwise 95 % interval of the method" in captions[0]
    assert "from resamples that draw whole groups" in captions[0]
    assert "too few groups for bands" in captions[1]


def test_three_patients_of_a_class_have_intervals_and_no_band(data, result):
    few = EvaluationResult(
        replace(data, groups=2 * (data.groups % 3) + data.y), result.fold_results, result.excluded, 0
    )
    assert few.frame().query("measure == 'roc_auc'")["low"].notna().all()
    for figure in make_figures(few, ["hog"])["curves"]:
        assert "the band is" not in figure.caption
    assert "too few groups for bands" in figure.caption
