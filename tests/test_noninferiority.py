"""The test with a margin: it says what the interval says, and errs as often as it may."""

import numpy as np
import pytest
from scipy import stats

from fracture_features.metrics import compare, jackknife, non_inferiority


def two_models(seed, n=200, loss=0.0):
    rng = np.random.default_rng(seed)
    y, shared = np.arange(n) % 2, rng.normal(size=n)
    return y, *(strength * y + shared + rng.normal(size=n) for strength in (2 - loss, 2))


@pytest.mark.parametrize("fraction", [None, 0.2])
def test_difference_and_limits_are_those_of_compare(fraction):
    y, new, old = two_models(0)
    found = jackknife(y, [("roc_auc", new), ("roc_auc", old)], groups=np.arange(200) // 2)
    for alpha in (0.025, 0.05):
        test = non_inferiority(found, 0, 1, margin=0.07, alpha=alpha, test_fraction=fraction)
        compared = compare(found, 0, 1, confidence_level=1 - 2 * alpha, test_fraction=fraction)
        assert test[:3] == pytest.approx(compared[:3])
        assert test.margin == 0.07


@pytest.mark.parametrize("seed", range(20))
def test_p_value_and_interval_say_the_same(seed):
    y, new, old = two_models(seed, n=60, loss=0.3)
    found = jackknife(y, [("sensitivity", 1 * (new > 1)), ("sensitivity", 1 * (old > 1))])
    for margin in (0.05, 0.1, 2 / 15, 0.2, 0.3):
        test = non_inferiority(found, 0, 1, margin=margin)
        assert test.shown == (test.low > -margin) == (test.p_value < 0.025)
        if test.p_value < 0.5:  # at its own level the interval just reaches the margin
            at = non_inferiority(found, 0, 1, margin=margin, alpha=test.p_value)
            assert at.low == pytest.approx(-margin)


def test_a_model_that_is_worse_by_more_has_a_p_value_near_1():
    y, new, old = two_models(0, loss=1.5)
    test = non_inferiority(jackknife(y, [("roc_auc", new), ("roc_auc", old)]), 0, 1, margin=0.02)
    assert test.p_value > 0.99
    assert not test.shown


def test_a_model_can_be_significantly_worse_and_not_inferior():
    y, new, old = two_models(0, n=4000, loss=0.1)
    found = jackknife(y, [("roc_auc", new), ("roc_auc", old)])
    assert compare(found, 0, 1).high < 0
    assert non_inferiority(found, 0, 1, margin=0.1).shown


def test_equal_models_are_not_inferior_to_each_other():
    y, new, _ = two_models(1)
    test = non_inferiority(jackknife(y, [("roc_auc", new)]), 0, 0, margin=0.01)
    assert test == (0, 0, 0, 0.01, 0, True)


def test_a_measure_of_which_lower_is_better_goes_the_other_way_round():
    y, old, _ = two_models(2)
    good, bad = 1 / (1 + np.exp(-2 * (old - 1))), 1 / (1 + np.exp(old - 1))
    found = jackknife(y, [("brier_score", good), ("brier_score", bad)])
    new, reference = 0, 1
    assert non_inferiority(found, reference, new, margin=0.02).shown
    assert not non_inferiority(found, new, reference, margin=0.02).shown


def test_what_is_undefined_speaks_against_the_new_model():
    y = np.array([0, 0, 0, 1, 1, 1])
    lonely = jackknife(y, [("roc_auc", y), ("roc_auc", -y)], groups=[1, 2, 3, 4, 4, 4])
    nothing = jackknife(y, [("ppv", 0 * y), ("ppv", y)])
    for found in (lonely, nothing):
        test = non_inferiority(found, 0, 1, margin=0.1)
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
    y, new, old = two_models(0)
    with pytest.raises(ValueError, match=message):
        non_inferiority(jackknife(y, [("roc_auc", new), ("roc_auc", old)]), 0, 1, **given)


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
        found = jackknife(y, [("sensitivity", called) for called in (old, worse, same)], groups=groups)
        shown[seed] = [non_inferiority(found, new, 0, margin=0.1, alpha=0.05).shown for new in (1, 2)]
    at_margin, same = shown.mean(axis=0)
    assert 0.02 < at_margin < 0.075
    assert same > 0.9
