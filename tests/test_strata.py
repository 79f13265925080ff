"""ROC AUC within strata: numbers by hand, and what happens where all information lies between them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from fracture_features import EvaluationResult
from fracture_features.datasets import FractureDataset
from fracture_features.results import FoldResult
from fracture_features.results._strata import stratify, within_auc

COLUMNS = ["model", "n_strata", "n_evaluated", "roc_auc", "within", "low", "high"]


def make(y, scores, frame, *, in_fold=None, groups=None, files=None, names=("normal", "fractured")):
    """A result of one model: scores (n,) of class 1 or (n, n_classes)."""
    n = len(y)
    data = FractureDataset(
        paths=np.array([f"{i}.png" for i in range(n)]),
        y=np.asarray(y),
        target_names=list(names),
        groups=np.arange(n) if groups is None else groups,
        frame=pd.DataFrame(frame, index=range(n)),
    ).with_files(pd.DataFrame({"sha256": ""} if files is None else files, index=range(n)))
    both = np.column_stack([-scores, scores]) if np.ndim(scores) == 1 else scores
    in_fold = np.zeros(n, dtype=int) if in_fold is None else np.asarray(in_fold)
    folds = [
        FoldResult("m", k + 1, np.flatnonzero(in_fold != k), test, both[test].argmax(axis=1), both[test])
        for k in np.unique(in_fold)
        for test in [np.flatnonzero(in_fold == k)]
    ]
    return EvaluationResult(data, folds, pd.DataFrame(columns=["path", "label", "reason"]), random_state=0)


def one_row(result, by="part"):
    (row,) = result.strata(by).itertuples(index=False)
    return row


def test_pairs_by_hand():
    """Stratum 0: 2 x 1 pairs, one of them right. Stratum 1: 1 x 3, two right and a tie. 3.5 of 5."""
    y = np.array([1, 1, 0, 1, 0, 0, 0])
    scores = np.array([0.9, 0.1, 0.5, 5.0, 4.0, 5.0, 3.0])
    strata = np.array([0, 0, 0, 1, 1, 1, 1])
    both = np.column_stack([scores, strata])
    assert within_auc(y, both, np.ones((1, 7))).tolist() == [3.5 / 5]
    # weights stand for copies: the image with 0.1 thrice makes 2 more wrong pairs, without it one less
    weights = np.array([[1.0, 3, 1, 1, 1, 1, 1], [1, 0, 1, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1, 1]])
    np.testing.assert_allclose(within_auc(y, both, weights), [3.5 / 7, 3.5 / 4, np.nan])


def test_one_stratum_is_the_roc_auc():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3 % 2
    result = make(y, y + rng.normal(size=60), {"part": "hand"})
    row, whole = one_row(result), result.frame().set_index("measure").loc["roc_auc"]
    assert list(result.strata("part").columns) == COLUMNS
    assert (row.n_strata, row.n_evaluated) == (1, 60)
    assert row.roc_auc == whole["value"] == pytest.approx(row.within)
    assert (row.low, row.high) == pytest.approx((whole["low"], whole["high"]))


def test_a_fold_is_compared_within_itself():
    """Scores of the second fold are all higher; each fold has strata of its own."""
    rng = np.random.default_rng(0)
    y, in_fold, part = np.arange(120) % 2, np.arange(120) // 60, np.arange(120) // 2 % 2
    scores = y + rng.normal(size=120) + 100 * in_fold
    row = one_row(make(y, scores, {"part": part}, in_fold=in_fold))
    expected = []
    for k in (0, 1):
        # of as many pairs each: the plain mean of their areas
        expected += [
            roc_auc_score(y[part_k], scores[part_k]) for s in (0, 1) for part_k in [(in_fold == k) & (part == s)]
        ]
    assert row.within == pytest.approx(np.mean(expected))


def test_pairs_of_all_folds_count_alike():
    """Folds of 1 and of 99 fractured images, in the first of which all is wrong."""
    y = np.r_[[1], np.zeros(10, int), np.ones(99, int), np.zeros(10, int)]
    scores, in_fold = np.r_[[-1.0], np.zeros(10), np.ones(99), np.zeros(10)], np.repeat([0, 1], [11, 109])
    row = one_row(make(y, scores, {"part": 0}, in_fold=in_fold))
    assert row.roc_auc == 0.5
    assert row.within == pytest.approx(99 / 100)


def test_repetitions_are_averaged():
    """The same folds twice: the same value and, but for what repetitions differ by, the same interval."""
    rng = np.random.default_rng(0)
    y, part = np.arange(80) % 2, np.arange(80) // 2 % 2
    once = make(y, y + rng.normal(size=80), {"part": part}, in_fold=np.arange(80) // 2 % 4 // 2)
    twice = [*once.fold_results, *(replace(fold, fold=fold.fold + 2) for fold in once.fold_results)]
    a, b = one_row(once), one_row(EvaluationResult(once.data, twice, once.excluded, 0))
    assert tuple(a)[1:] == pytest.approx(tuple(b)[1:])


def test_what_lies_between_strata_is_worth_nothing_within():
    """A model knows how frequent fractures are in each part, and no more: 0.5, and the interval holds it."""
    rng = np.random.default_rng(0)
    covered, values = 0, []
    for _ in range(40):
        part = np.arange(300) % 3
        y = (rng.random(300) < np.array([0.1, 0.4, 0.8])[part]).astype(np.int64)
        row = one_row(make(y, part + 0.01 * rng.normal(size=300), {"part": part}, in_fold=np.arange(300) // 3 % 2))
        assert row.roc_auc > 0.7
        values.append(row.within)
        covered += row.low <= 0.5 <= row.high
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)
    assert covered >= 34  # of 40, at 95 %: fewer have a probability of 0.003


def test_what_lies_within_strata_is_found_there():
    """A score whose units differ between parts: worse over all pairs than within."""
    rng = np.random.default_rng(0)
    part = np.arange(400) % 4
    y = rng.permutation(400) % 2
    row = one_row(make(y, 2 * y + rng.normal(size=400) - 5 * part, {"part": part}))
    assert row.roc_auc < 0.65
    assert row.within > 0.88


def test_strata_of_one_class_and_of_unknown_images_are_left_out():
    part = np.array(["hand"] * 40 + ["hip"] * 20 + [None] * 10, dtype=object)
    y = np.r_[np.arange(40) % 2, np.ones(20, int), np.arange(10) % 2]
    scores = np.random.default_rng(0).normal(size=70)
    row = one_row(make(y, scores, {"part": part}))
    assert (row.n_strata, row.n_evaluated) == (1, 40)
    assert row.within == pytest.approx(roc_auc_score(y[:40], scores[:40]))


def test_too_few_images_have_no_value():
    y = np.r_[np.arange(18) % 2, np.zeros(30, int)]
    row = one_row(make(y, np.random.default_rng(0).normal(size=48), {"part": np.arange(48) // 18}))
    assert (row.n_strata, row.n_evaluated) == (0, 0)
    assert np.isnan([row.within, row.low, row.high]).all()
    assert np.isfinite(row.roc_auc)


def test_groups_widen_the_interval():
    """Eight copies of each image: as much information as without, if they are known to be copies."""
    rng = np.random.default_rng(0)
    y, part = np.arange(40) % 2, np.arange(40) // 2 % 2
    scores = y + rng.normal(size=40)
    many = {"y": np.tile(y, 8), "scores": np.tile(scores, 8), "frame": {"part": np.tile(part, 8)}}
    alone, known, unknown = (
        one_row(result)
        for result in (make(y, scores, {"part": part}), make(**many, groups=np.tile(np.arange(40), 8)), make(**many))
    )
    assert known.within == unknown.within == alone.within
    assert known.high - known.low == pytest.approx(alone.high - alone.low, rel=0.15)
    assert unknown.high - unknown.low < 0.5 * (known.high - known.low)


def test_several_columns_and_size_classes_of_the_inventory():
    n = 200
    frame = {"part": np.arange(n) % 2, "split": "train"}
    files = {"height": pd.array(np.arange(n) * 10, dtype="Int64"), "width": 512, "sha256": ""}
    result = make(np.arange(n) % 2, np.zeros(n), frame, files=files)
    data = result.data
    assert np.bincount(stratify(data, "height")).tolist() == [40] * 5
    assert (np.diff(stratify(data, "height")) >= 0).all()
    assert np.bincount(stratify(data, ["height", "part", "width"])).tolist() == [20] * 10
    assert stratify(data, ("part",)).tolist() == (np.arange(n) % 2).tolist()
    ties = {"height": np.where(np.arange(n) < 150, 512, 600 + np.arange(n)), "sha256": ""}
    classes = stratify(make(np.arange(n) % 2, np.zeros(n), frame, files=ties).data, "height")
    assert len(np.unique(classes[:150])) == 1  # one size stays in one class


def test_three_classes_are_each_held_against_the_rest():
    rng = np.random.default_rng(0)
    y, part = np.arange(120) % 3, np.arange(120) // 3 % 2
    scores = np.eye(3)[y] + rng.normal(size=(120, 3))
    row = one_row(make(y, scores, {"part": part}, names=("a", "b", "c")))
    expected = [roc_auc_score(y[part == s] == k, scores[part == s, k]) for s in (0, 1) for k in range(3)]
    assert row.within == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("by", ["age", ["part", "age"], []])
def test_unknown_columns(by):
    result = make(np.arange(40) % 2, np.zeros(40), {"part": 0})
    with pytest.raises(ValueError, match=r"must be one or more of the columns \['part', 'sha256'\]"):
        result.strata(by)


def test_the_interval_is_of_the_method_where_folds_share_training_data():
    """Wider by Nadeau and Bengio's factor than that of the fitted models, but for Wilson's bend."""
    y = np.arange(400) % 2
    result = make(y, y + np.random.default_rng(0).normal(size=400), {"part": 0}, in_fold=np.arange(400) // 2 % 2)
    fitted = [replace(fold, train=np.empty(0, np.int64)) for fold in result.fold_results]
    method, models = one_row(result), one_row(EvaluationResult(result.data, fitted, result.excluded, 0))
    assert (method.high - method.low) / (models.high - models.low) == pytest.approx(np.sqrt(1.5), rel=0.03)
