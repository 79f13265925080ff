import numpy as np
import pytest
from results import make_result, with_three_classes

from fracture_features.results import smooth_reliability
from fracture_features.results._smooth import loess


def by_least_squares(x, y, place, span):
    """The same fit by numpy's solver, point for point as Cleveland 1979 writes it."""
    distances = np.abs(x - place)
    width = np.sort(distances)[int(np.ceil(span * len(x))) - 1]
    weights = np.where(distances < width, (1 - (distances / width) ** 3) ** 3, 0)
    root = np.sqrt(weights)
    design = np.column_stack([np.ones_like(x), x])
    return (np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0] @ [1, place]).item()


def test_a_line_is_itself():
    x = np.random.default_rng(0).uniform(size=50)
    places = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(loess(x, 0.2 + 0.5 * x, places), 0.2 + 0.5 * places)


@pytest.mark.parametrize("span", [0.3, 0.75, 1.0])
def test_each_place_is_a_weighted_least_squares_fit(span):
    rng = np.random.default_rng(1)
    x = rng.uniform(size=80)
    y = (rng.uniform(size=80) < x).astype(float)
    places = np.linspace(x.min(), x.max(), 7)
    expected = [by_least_squares(x, y, place, span) for place in places]
    np.testing.assert_allclose(loess(x, y, places, span), expected, rtol=1e-9)


def test_equal_probabilities_have_their_mean():
    x = np.full(20, 0.4)
    y = np.arange(20) % 2.0
    np.testing.assert_allclose(loess(x, y, np.array([0.4])), [0.5])


def test_curves_of_a_result(data):
    curve = smooth_reliability(make_result(data), "hog")
    assert curve["class"].unique().tolist() == ["fractured"]
    assert len(curve) == 101
    assert curve["observed"].between(0, 1).all()
    three = make_result(with_three_classes(data), ["hog"])
    assert smooth_reliability(three, "hog")["class"].nunique() == 3


def test_scores_are_no_probabilities(data):
    with pytest.raises(ValueError, match="'edges' gives no probabilities"):
        smooth_reliability(make_result(data), "edges")
