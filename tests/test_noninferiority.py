"""The test with a margin: it says what the interval says, and errs as often as it may."""

import numpy as np
import pytest
from scipy import stats

from fracture_features.metrics import Resampled, compare, non_inferiority, resample


def resampled_differences(draws, n_groups=10**9):
    draws = np.asarray(draws, dtype=float)
    return Resampled(
        np.array([np.nan if np.isnan(draws).all() else np.nanmedian(draws), 0.0]),
        np.stack([draws, 0 * draws]),
        n_groups,
        (None, None),
    )


def two_models(seed, n=200, loss=0.0):
    rng = np.random.default_rng(seed)
    y, shared = np.arange(n) % 2, rng.normal(size=n)
    return y, *(strength * y + shared + rng.normal(size=n) for strength in (2 - loss, 2))


def test_difference_and_limits_are_those_of_compare():
    y, new, old = two_models(0)
    resampled = resample(y, [("roc_auc", new), ("roc_auc", old)], groups=np.arange(200) // 2, random_state=0)
    for alpha in (0.025, 0.05):
        test = non_inferiority(resampled, 0, 1, margin=0.07, alpha=alpha)
        assert test[:3] == pytest.approx(compare(resampled, 0, 1, confidence_level=1 - 2 * alpha)[:3])
        assert test.margin == 0.07


@pytest.mark.parametrize("alpha", [0.01, 0.025, 0.05, 0.1])
@pytest.mark.parametrize("n_groups", [8, 30, 10**9])
@pytest.mark.parametrize("beyond", [0, 3, 9, 10, 23, 24, 25, 49, 50, 99, 100, 500, 999])
def test_p_value_and_interval_say_the_same(beyond, n_groups, alpha):
    """Draws beyond the margin of 0.1, of 999, where (beyond + 1) / 1000 may be alpha itself."""
    draws = np.r_[-0.2 - np.arange(beyond), np.arange(999 - beyond)]
    test = non_inferiority(resampled_differences(draws, n_groups), 0, 1, margin=0.1, alpha=alpha)
    assert test.shown == (test.low > -0.1) == (test.p_value <= alpha)


@pytest.mark.parametrize("seed", range(20))
def test_they_say_the_same_of_real_resamples(seed):
    y, new, old = two_models(seed, n=60, loss=0.3)
    resampled = resample(y, [("sensitivity", 1 * (new > 1)), ("sensitivity", 1 * (old > 1))], random_state=0)
    for margin in (0.05, 0.1, 2 / 15, 0.2, 0.3):
        test = non_inferiority(resampled, 0, 1, margin=margin)
        assert test.shown == (test.low > -margin + 1e-12) == (test.p_value <= 0.025)


def test_the_p_value_counts_the_draws_beyond_the_margin():
    draws = np.r_[np.full(9, -0.2), np.full(990, 0.0)]
    assert non_inferiority(resampled_differences(draws), 0, 1, margin=0.1).p_value == pytest.approx(10 / 1000)
    few = non_inferiority(resampled_differences(draws, 12), 0, 1, margin=0.1).p_value
    assert few == pytest.approx(stats.t.cdf(np.sqrt(11 / 12) * stats.norm.ppf(0.01), 11))


def test_a_model_that_is_worse_by_more_has_a_p_value_near_1():
    draws = np.random.default_rng(0).normal(-0.3, 0.05, 999)
    test = non_inferiority(resampled_differences(draws), 0, 1, margin=0.1)
    assert test.p_value > 0.99
    assert not test.shown


def test_a_model_can_be_significantly_worse_and_not_inferior():
    draws = np.random.default_rng(0).normal(-0.03, 0.01, 999)
    resampled = resampled_differences(draws)
    assert compare(resampled, 0, 1).high < 0
    assert non_inferiority(resampled, 0, 1, margin=0.1).shown


def test_equal_models_are_not_inferior_to_each_other():
    y, new, _ = two_models(1)
    test = non_inferiority(resample(y, [("roc_auc", new)] * 2, random_state=0), 0, 1, margin=0.01)
    assert test[:4] == pytest.approx((0, 0, 0, 0.01))
    assert test.shown


@pytest.mark.parametrize(("a", "b"), [(0.85, 0.9), (0.9, 0.95), (0.1, 0.15)])
def test_a_loss_of_just_the_margin_is_too_much(a, b):
    """0.9 - 0.95 is rounded to more than -0.05, 0.85 - 0.9 to less."""
    resampled = Resampled(np.array([a, b]), np.outer([a, b], np.ones(999)), 100, (None, None))
    test = non_inferiority(resampled, 0, 1, margin=0.05)
    assert not test.shown
    assert test.p_value >= 0.5


def test_a_measure_of_which_lower_is_better_goes_the_other_way_round():
    y, old, _ = two_models(2)
    good, bad = 1 / (1 + np.exp(-2 * (old - 1))), 1 / (1 + np.exp(old - 1))
    resampled = resample(y, [("brier_score", good), ("brier_score", bad)], random_state=0)
    new, reference = 0, 1
    assert non_inferiority(resampled, reference, new, margin=0.02).shown
    assert not non_inferiority(resampled, new, reference, margin=0.02).shown


def test_what_is_undefined_speaks_against_the_new_model():
    draws = np.r_[np.full(9, np.nan), np.full(990, 0.2)]
    assert non_inferiority(resampled_differences(draws), 0, 1, margin=0.1).p_value == pytest.approx(10 / 1000)
    nothing = resampled_differences(np.full(999, np.nan))
    lonely = resampled_differences(np.full(999, 0.2), n_groups=1)
    for resampled in (nothing, lonely):
        test = non_inferiority(resampled, 0, 1, margin=0.1)
        assert (test.p_value, test.shown) == (1, False)
        assert np.isnan(test.low)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"margin": 0}, "margin must be a number above 0, got 0"),
        ({"margin": np.nan}, "margin must be a number above 0, got nan"),
        ({"margin": 0.1, "alpha": 0.5}, "alpha must lie above 0 and below 0.5, got 0.5"),
        ({"margin": 0.1, "alpha": 0}, "alpha must lie above 0 and below 0.5, got 0"),
    ],
)
def test_errors_name_what_is_wrong(given, message):
    with pytest.raises(ValueError, match=message):
        non_inferiority(resampled_differences(np.zeros(99)), 0, 1, **given)


def test_level_and_power_of_the_test():
    """Sensitivities of 0.9 and 0.8 on the same 150 patients, two images each.

    At a margin of 0.1 the test may err in 5 % of studies, of which 500 leave an error of 1 %; of two models of the same
    sensitivity it mostly shows that neither is worse by as much.
    """
    y, groups = np.repeat([0, 1], [10, 300]), np.r_[np.arange(10), 10 + np.arange(300) // 2]
    thresholds, shown = stats.norm.ppf([0.1, 0.2]), np.zeros((500, 2))
    for seed in range(500):
        rng = np.random.default_rng(seed)
        # of a patient's two images one effect, of an image another, which both models see
        shared = 0.5 * rng.normal(size=310)[groups] + 0.5 * rng.normal(size=310)
        old, worse, same = (
            1 * (shared + np.sqrt(0.5) * rng.normal(size=310) > t) for t in (*thresholds, thresholds[0])
        )
        models = [("sensitivity", called) for called in (old, worse, same)]
        # of a sensitivity the fractured patients alone count
        resampled = resample(y, models, groups=groups, n_resamples=500, random_state=seed)._replace(n_groups=150)
        shown[seed] = [non_inferiority(resampled, new, 0, margin=0.1, alpha=0.05).shown for new in (1, 2)]
    at_margin, same = shown.mean(axis=0)
    assert 0.02 < at_margin < 0.075
    assert same > 0.9
