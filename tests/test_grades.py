"""Quadratic weighted kappa: scikit-learn's, of many weighted resamples at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from fracture_features.metrics import MEASURES, bootstrap_interval, paired_comparison, quadratic_kappa


def sample(seed, n, n_grades):
    rng = np.random.default_rng(seed)
    y = np.r_[0, n_grades - 1, rng.integers(0, n_grades, n)]
    predicted = np.clip(y + rng.integers(-1, 2, n + 2), 0, n_grades - 1)
    weights = rng.integers(0, 3, (4, n + 2)).astype(float)
    weights[:, :2] = 1
    return y, predicted, weights


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 60), n_grades=st.integers(2, 6))
def test_it_is_scikit_learns(seed, n, n_grades):
    y, predicted, weights = sample(seed, n, n_grades)
    how = {"labels": range(n_grades), "weights": "quadratic"}
    expected = [cohen_kappa_score(y, predicted, sample_weight=w, **how) for w in weights]
    np.testing.assert_allclose(quadratic_kappa()(y, predicted, weights), expected, atol=1e-12)


def test_a_weight_of_two_is_two_images():
    """A grade that is not drawn leaves the others as far apart as they are."""
    y, predicted, weights = sample(1, 40, 5)
    weights[0, (y == 2) | (predicted == 2)] = 0
    repeated = np.repeat(np.arange(len(y)), weights[0].astype(int))
    once = quadratic_kappa()(y[repeated], predicted[repeated], np.ones((1, len(repeated))))
    np.testing.assert_allclose(quadratic_kappa()(y, predicted, weights[:1]), once)
    assert 2 not in y[repeated]


def test_it_is_lins_concordance():
    """Twice the covariance over the variances and the squared difference of the means (Lin, Biometrics 45, 1989)."""
    y, predicted, _ = sample(2, 50, 6)
    covariance = np.cov(y, predicted, ddof=0)
    expected = 2 * covariance[0, 1] / (np.trace(covariance) + (y.mean() - predicted.mean()) ** 2)
    np.testing.assert_allclose(quadratic_kappa()(y, predicted, np.ones((1, len(y)))), expected)


def test_by_hand():
    """Of grades 0, 1, 2 one each, the last taken for the first: 1 - 4 / (mean square of all nine pairs, 2 x 3 / 3)."""
    observed, by_chance = 4 / 3, np.mean([(a - b) ** 2 for a in (0, 1, 2) for b in (0, 1, 0)])
    value = quadratic_kappa()(np.array([0, 1, 2]), np.array([0, 1, 0]), np.ones((1, 3)))
    np.testing.assert_allclose(value, 1 - observed / by_chance)


def test_of_two_grades_it_is_plain_kappa():
    y, predicted, weights = sample(3, 40, 2)
    np.testing.assert_allclose(
        quadratic_kappa()(y, predicted, weights), MEASURES["kappa"](y, predicted, weights), atol=1e-12
    )


@pytest.mark.parametrize("first", [-3, 0, 1, 10**8])
def test_where_the_grades_begin_changes_nothing(first):
    y, predicted, weights = sample(4, 40, 4)
    expected = quadratic_kappa()(y, predicted, weights)
    np.testing.assert_array_equal(quadratic_kappa()(y + first, predicted + first, weights), expected)


def test_one_grade_throughout_is_undefined():
    y, predicted = np.array([0, 1, 1, 1]), np.array([0, 1, 1, 0])
    weights = np.array([[0.0, 2, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0]])
    np.testing.assert_array_equal(quadratic_kappa()(y, predicted, weights), [np.nan, 0, np.nan, 1])


def test_it_goes_where_other_measures_go():
    y, near, _ = sample(5, 100, 5)
    far = np.random.default_rng(0).permutation(y)
    groups = np.arange(len(y)) // 2
    interval = bootstrap_interval(quadratic_kappa(), y, near, groups=groups, random_state=0)
    assert interval.low < quadratic_kappa()(y, near, np.ones((1, len(y))))[0] < interval.high
    assert paired_comparison(quadratic_kappa(), y, near, far, groups=groups, random_state=0).low > 0
    with pytest.raises(ValueError, match="y_score must hold whole numbers"):
        bootstrap_interval(quadratic_kappa(), y, near + 0.5)
