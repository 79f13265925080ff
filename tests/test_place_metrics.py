"""Measures of places against counts by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fracture_features.metrics import (
    best_overlaps,
    box_average_precision,
    box_overlaps,
    froc_curve,
    froc_sensitivity,
    match_boxes,
    place_measures,
    pointing_hits,
)

# Two images with a box, one with two, one with none; every box 10 x 10.
MARKED = [[[0, 0, 10, 10]], [[0, 0, 10, 10], [50, 50, 60, 60]], []]
FOUND = [
    [[1, 0, 11, 10], [30, 30, 40, 40]],  # meets, false
    [[0, 0, 10, 10], [2, 2, 12, 12], [49, 49, 59, 59]],  # meets, meets again, meets
    [[5, 5, 15, 15]],  # false
]
SCORES = [[0.9, 0.8], [0.7, 0.6, 0.3], [0.5]]


def test_overlap_is_intersection_over_union():
    np.testing.assert_allclose(
        box_overlaps([[0, 0, 10, 10]], [[0, 0, 10, 10], [0, 5, 10, 15], [10, 10, 20, 20], [2, 2, 4, 7]]),
        [[1, 50 / 150, 0, 10 / 100]],
    )
    assert box_overlaps(np.empty((0, 4)), [[0, 0, 1, 1]]).shape == (0, 1)
    assert box_overlaps([[3, 3, 3, 3]], [[3, 3, 3, 3]]).item() == 0


def test_pointing_counts_the_first_pixel_and_not_the_one_behind_the_last():
    points = [(0, 0), (10, 9), (9.9, 9.9), None, (55, 55)]
    marked = [MARKED[0]] * 4 + [MARKED[1]]
    assert pointing_hits(points, marked).tolist() == [True, False, True, False, True]


def test_froc_by_hand():
    matches = match_boxes(FOUND, SCORES, MARKED)
    assert matches.scores.tolist() == [0.9, 0.8, 0.7, 0.6, 0.5, 0.3]
    assert matches.kinds.tolist() == [1, 0, 1, 2, 0, 1]
    false, found = froc_curve(matches)
    np.testing.assert_allclose(false, np.array([0, 0, 1, 1, 1, 2, 2]) / 3)
    np.testing.assert_allclose(found, np.array([0, 1, 1, 2, 2, 2, 3]) / 3)
    rates = (0, 0.3, 1 / 3, 0.6, 2 / 3, 5)
    assert [3 * froc_sensitivity(matches, rate) for rate in rates] == pytest.approx([1, 1, 2, 2, 3, 3])


def test_boxes_of_one_score_come_together():
    """A score that all boxes share gives one operating point, whatever their order."""
    matches = match_boxes(FOUND, [np.zeros(len(boxes)) for boxes in FOUND], MARKED)
    assert froc_curve(matches)[0].tolist() == [0, 2 / 3]
    assert froc_sensitivity(matches, 0.6) == 0


def test_half_an_overlap_meets():
    """The rule of PASCAL VOC, with "at least" for "more than": 50 of 100 pixels in common, then 49."""
    found = [[[0, 0, 10, right]] for right in (5, 4.9)]
    kinds = [match_boxes(boxes[None], [[0.9]], [[[0, 0, 10, 10]]], rule="overlap").kinds for boxes in np.array(found)]
    assert np.concatenate(kinds).tolist() == [1, 0]


def test_weights_are_repeated_images():
    weights = [2, 0, 3]
    rows = [0, 0, 2, 2, 2]
    repeated = match_boxes(*([each[i] for i in rows] for each in (FOUND, SCORES, MARKED)))
    once = match_boxes(FOUND, SCORES, MARKED)
    for rate in (0, 0.3, 0.5, 1):
        assert froc_sensitivity(once, rate, weights) == pytest.approx(froc_sensitivity(repeated, rate))
    assert box_average_precision(once, weights) == pytest.approx(box_average_precision(repeated))


def test_average_precision_by_hand():
    """Found, false, found, again (false here), false, found: precisions 1, 2/3 and 1/2 at recalls 1/3, 2/3 and 1."""
    matches = match_boxes(FOUND, SCORES, MARKED)
    assert box_average_precision(matches) == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)
    # (2, 2, 12, 12) has 64 / 136 of its box, which is not enough; (49, 49, 59, 59) has 81 / 119.
    assert match_boxes(FOUND, SCORES, MARKED, rule="overlap").kinds.tolist() == [1, 0, 1, 0, 0, 1]
    assert np.isnan(box_average_precision(match_boxes([[]], [[]], [[]])))
    assert box_average_precision(match_boxes([[]], [[]], [MARKED[0]])) == 0


def test_average_precision_is_scikit_learns_where_there_are_no_ties_to_interpolate():
    """With precision that only falls, interpolation changes nothing."""
    from sklearn.metrics import average_precision_score

    hit, miss = [0, 0, 10, 10], [50, 50, 60, 60]
    found = [[hit]] * 3 + [[hit]] * 2
    marked = [MARKED[0]] * 3 + [[miss]] * 2
    scores = [[5], [4], [3], [2], [1]]
    matches = match_boxes(found, scores, marked)
    expected = average_precision_score([1, 1, 1, 0, 0], [5, 4, 3, 2, 1])
    assert box_average_precision(matches) == pytest.approx(3 / 5 * expected)  # two of five boxes are never found


def test_best_overlaps():
    found = best_overlaps([*FOUND, []], [*SCORES, []], [*MARKED, MARKED[0]])
    np.testing.assert_allclose(found, [90 / 110, 1, np.nan, 0])


def test_rules_and_lengths_are_checked():
    with pytest.raises(ValueError, match="rule must be 'centre' or 'overlap', got 'iou'"):
        match_boxes(FOUND, SCORES, MARKED, rule="iou")
    with pytest.raises(ValueError, match="image 0 has 2 boxes found and 1 scores"):
        match_boxes(FOUND, [[1.0], *SCORES[1:]], MARKED)


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_sensitivity_rises_with_the_false_rate_and_scores_order_alone_counts(seed):
    rng = np.random.default_rng(seed)
    corners = [rng.uniform(0, 40, (rng.integers(0, 5), 2)) for _ in range(12)]
    found = [np.hstack([c, c + rng.uniform(1, 20, c.shape)]) for c in corners]
    marked, scores = found[6:] + found[:6], [rng.normal(size=len(f)) for f in found]
    matches = match_boxes(found, scores, marked)
    values = [froc_sensitivity(matches, rate) for rate in (0, 0.25, 0.5, 1, 9)]
    if sum(map(len, marked)):
        assert values == sorted(values)
        assert 0 <= values[0] <= values[-1] <= 1
    again = match_boxes(found, [np.exp(s) for s in scores], marked)
    assert matches.kinds.tolist() == again.kinds.tolist()


def test_measures_have_intervals_by_group():
    """Groups of equal images: an interval from 20 images in 4 groups is that of 4 images."""
    rng = np.random.default_rng(0)
    hits = rng.integers(0, 2, 24).tolist()
    points = [(5, 5) if hit else (90, 90) for hit in hits]
    found = [[[0, 0, 10, 10]] if hit else [[80, 80, 99, 99]] for hit in hits]
    marked, scores = [MARKED[0]] * 24, [[1.0]] * 24
    alone = place_measures(points, found, scores, marked, random_state=0)
    five = [each for each in range(24) for _ in range(5)]
    parts = [[part[i] for i in five] for part in (points, found, scores, marked)]
    copied = place_measures(*parts, groups=five, random_state=0)
    assert list(alone) == ["pointing", "best_box_iou", "sensitivity_at_0.25", "sensitivity_at_1", "ap50"]
    for name in alone:
        assert alone[name].value == pytest.approx(copied[name].value)
        np.testing.assert_allclose(alone[name].interval, copied[name].interval)
    value, (low, high) = alone["pointing"].value, alone["pointing"].interval
    assert value == np.mean(hits)
    assert low < value < high
    # Without groups the copies count as patients of their own, and the interval is too narrow.
    apart = place_measures(*parts, random_state=0)
    assert np.diff(apart["pointing"].interval) < 0.7 * (high - low)
