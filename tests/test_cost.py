"""What a leak is worth, on radiographs with planted copies."""

import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from fracture_features import load_folder, make_radiographs, read_image
from fracture_features.datasets import FractureDataset
from fracture_features.evaluation import leak_cost
from fracture_features.evaluation._cost import AS_IT_IS, NO_COPIES, NO_RELATIVES, _kin

SETTINGS = ["as it is", "without exact copies", "without all relatives"]
COLUMNS = ["setting", "n_train", "n_test", "roc_auc", "low", "high", "difference", "difference_low", "difference_high"]
NO_PAIRS = pd.DataFrame(columns=["first", "second", "kind"])


def pairs(*rows):
    return pd.DataFrame(rows, columns=["first", "second", "kind"])


def dataset(paths, y, *, groups=None, split=None):
    """Labels of our own for these files."""
    return FractureDataset(
        paths=np.array([str(path) for path in paths]),
        y=np.asarray(y, dtype=np.int64),
        target_names=["normal", "fractured"],
        groups=groups,
        frame=pd.DataFrame({} if split is None else {"split": split}, index=range(len(paths))),
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """120 radiographs, one of each patient, without a fracture in most: the labels are drawn by the tests."""
    folder = make_radiographs(120, folder=tmp_path_factory.mktemp("pictures"), random_state=1)
    return sorted(folder.glob("*/*.*"))


@pytest.fixture(scope="module")
def leaky(pictures, tmp_path_factory):
    """A split of its own, labels by chance. Of 40 test images 20 have a copy in training, 12 a brighter one."""
    folder = tmp_path_factory.mktemp("copies")
    rng = np.random.default_rng(0)
    y = rng.permutation(120) % 2
    paths, labels, split, found = list(pictures), list(y), ["test"] * 40 + ["train"] * 80, []
    for row in range(32):
        path = folder / f"{row}{'.png' if row >= 20 else pictures[row].suffix}"
        if row < 20:
            shutil.copy(pictures[row], path)
        else:
            cv2.imwrite(str(path), np.minimum(read_image(pictures[row]) * 1.1, 255).astype(np.uint8))
        found.append((row, len(paths), "bytes" if row < 20 else "near"))
        paths.append(path)
        labels.append(y[row])
        split.append("train")
    return dataset(paths, labels, split=split), pairs(*found)


def test_labels_by_chance_are_told_where_copies_are_in_training(leaky):
    data, copies = leaky
    cost = leak_cost(data, copies, random_state=0)
    assert list(cost.columns) == COLUMNS
    assert cost["setting"].tolist() == SETTINGS == [AS_IT_IS, NO_COPIES, NO_RELATIVES]
    assert cost["n_train"].tolist() == [112, 92, 80]
    assert cost["n_test"].tolist() == [40] * 3
    as_it_is, no_copies, honest = cost.itertuples(index=False)
    assert as_it_is.low > 0.6
    assert as_it_is.roc_auc > no_copies.roc_auc > honest.roc_auc
    assert honest.low < 0.5 < honest.high
    assert np.isnan([as_it_is.difference, as_it_is.difference_low, as_it_is.difference_high]).all()
    assert honest.difference == pytest.approx(as_it_is.roc_auc - honest.roc_auc)
    assert no_copies.difference == pytest.approx(as_it_is.roc_auc - no_copies.roc_auc)
    assert 0 < honest.difference_low < honest.difference < honest.difference_high


def test_a_clean_set_has_no_difference(pictures):
    y = np.arange(120) % 2
    for data in (dataset(pictures, y, split=["train"] * 80 + ["test"] * 40), dataset(pictures, y)):
        cost = leak_cost(data, NO_PAIRS, cv=2, random_state=0)
        assert cost["roc_auc"].nunique() == 1
        assert cost["n_train"].nunique() == 1
        assert (cost.loc[1:, ["difference", "difference_low", "difference_high"]] == 0).all(axis=None)


def test_without_a_split_the_same_images_are_scored_by_folds(leaky):
    data, copies = leaky
    data = replace(data, frame=data.frame[[]])
    cost = leak_cost(data, copies, cv=3, random_state=0)
    assert cost["n_test"].tolist() == [152] * 3
    n_train = cost["n_train"]
    assert n_train[0] == pytest.approx(152 * 2 / 3, abs=1)
    # of 32 pairs two thirds or so are parted by three folds
    assert n_train[0] > n_train[1] > n_train[2] > n_train[0] - 32
    assert cost["difference"][2] > 0
    pd.testing.assert_frame_equal(leak_cost(data, copies, cv=3, random_state=0), cost)


def test_copies_within_the_test_part_are_no_more_images(pictures, tmp_path):
    """Three copies of each test image tell no more than one: the interval is as wide."""
    y, copies = np.arange(60) % 2, []
    paths = [tmp_path / f"{k} {path.name}" for k in range(3) for path in pictures[40:60]]
    for k, path in enumerate(paths):
        shutil.copy(pictures[40 + k % 20], path)
        copies.append((40 + k % 20, 60 + k, "bytes"))
    split = ["train"] * 40 + ["test"] * 20
    once = dataset(pictures[:60], y, split=split)
    often = dataset([*pictures[:60], *paths], [*y, *np.tile(y[40:], 3)], split=split + ["test"] * 60)
    one, four = (leak_cost(data, found, random_state=0) for data, found in ((once, NO_PAIRS), (often, pairs(*copies))))
    np.testing.assert_allclose(four["roc_auc"], one["roc_auc"])
    assert (four["high"] - four["low"]).to_numpy() == pytest.approx((one["high"] - one["low"]).to_numpy(), rel=0.2)


def test_groups_are_relatives(pictures):
    """A patient on both sides of the data's own split."""
    groups = np.arange(120)
    groups[:10] = groups[80:90] = np.arange(10)
    split = ["train"] * 80 + ["test"] * 40
    cost = leak_cost(dataset(pictures, np.arange(120) % 2, groups=groups, split=split), NO_PAIRS, random_state=0)
    assert cost["n_train"].tolist() == [80, 80, 70]


def test_relatives_are_joined_through_others():
    data = dataset(range(8), np.arange(8) % 2, groups=np.array([0, 0, 2, 3, 4, 5, 6, 6]))
    kin = _kin(data, pairs((1, 2, "near"), (2, 3, "bytes"), (4, 5, "pixels")))
    assert len(np.unique(kin[AS_IT_IS])) == 8
    assert kin[NO_COPIES].tolist() == [0, 1, 2, 2, 3, 3, 4, 5]
    assert kin[NO_RELATIVES].tolist() == [0, 0, 0, 0, 1, 1, 2, 2]


def test_unreadable_files_are_left_out_and_pairs_still_fit(leaky, tmp_path):
    data, copies = leaky
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    more = dataset([broken, *data.paths], [0, *data.y], split=["train", *data.frame["split"]])
    moved = copies.assign(first=copies["first"] + 1, second=copies["second"] + 1)
    with_broken = pd.concat([moved, pairs((0, 1, "near"))], ignore_index=True)
    expected = leak_cost(data, copies, random_state=0)
    pd.testing.assert_frame_equal(leak_cost(more, with_broken, random_state=0), expected)


def test_nothing_left_to_train_on_is_missing(pictures):
    """All training images are one patient's, who is in the test part too."""
    split = ["train"] * 80 + ["test"] * 40
    groups = np.r_[np.zeros(81), np.arange(1, 40)].astype(int)
    cost = leak_cost(dataset(pictures, np.arange(120) % 2, groups=groups, split=split), NO_PAIRS, random_state=0)
    assert cost.loc[:1, "roc_auc"].notna().all()
    assert cost.loc[2, ["roc_auc", "low", "high", "difference"]].isna().all()
    assert cost["n_train"].tolist() == [80, 80, 0]


def test_a_split_that_cannot_be_scored_is_not_used(pictures):
    """Its test part is of one class."""
    y = np.arange(120) % 2
    cost = leak_cost(dataset(pictures, y, split=np.where(np.arange(120) < 10, "test", "train")), NO_PAIRS, cv=2)
    assert cost["n_test"].tolist() == [10] * 3
    one_class = np.where((np.arange(120) < 20) & (y == 0), "test", "train")
    cost = leak_cost(dataset(pictures, y, split=one_class), NO_PAIRS, cv=2)
    assert cost["n_test"].tolist() == [120] * 3


def test_three_classes(pictures):
    data = replace(dataset(pictures, np.arange(120) % 3), target_names=["a", "b", "c"])
    cost = leak_cost(data, NO_PAIRS, cv=2, random_state=0)
    assert cost["roc_auc"].between(0.2, 0.8).all()
    assert (cost["low"] < cost["high"]).all()


@pytest.mark.parametrize(
    ("copies", "said"),
    [
        (pd.DataFrame({"first": [0], "second": [1]}), r"must have the columns .* without \['kind'\]"),
        (pairs((0, 120, "near")), "must be rows from 0 to 119, got 0 to 120"),
        (pairs((-1, 3, "near")), "must be rows from 0 to 119, got -1 to 3"),
        (pairs((0.0, 3.0, "near")), "must be rows from 0 to 119"),
        (pairs((0, 1, "names")), r"kind must be one of \('bytes', 'pixels', 'near'\), got \['names'\]"),
    ],
)
def test_copies_that_are_none(pictures, copies, said):
    with pytest.raises(ValueError, match=said):
        leak_cost(dataset(pictures, np.arange(120) % 2), copies)
    with pytest.raises(ValueError, match="cv must be"):
        leak_cost(dataset(pictures, np.arange(120) % 2), NO_PAIRS, cv="no")


def test_a_cache_is_filled_and_used(pictures, tmp_path):
    cache = tmp_path / "cache"
    data = dataset(pictures[:40], np.arange(40) % 2)
    first = leak_cost(data, NO_PAIRS, cv=2, random_state=0, cache=cache)
    assert any(cache.rglob("*"))
    pd.testing.assert_frame_equal(leak_cost(data, NO_PAIRS, cv=2, random_state=0, cache=cache, n_jobs=1), first)


def test_the_multi_region_set_is_worth_half_an_auc(shared_data):
    """Byte-identical twins, and families by name such as 7-rotated1-rotated2 within a class: evidence, no proof."""
    folder = shared_data / "multiregion"
    if not folder.is_dir():
        pytest.skip(f"no multi-region set in {folder}")
    data = load_folder(folder)
    sha = data.files["sha256"].to_numpy()
    family = np.array(
        [f"{label} {re.match(r'[0-9]*', Path(p).stem)[0]}" for p, label in zip(data.paths, data.y, strict=True)]
    )
    found = []
    for codes, kind in ((sha, "bytes"), (family, "near")):
        for _, rows in pd.Series(range(len(data))).groupby(codes):
            found += [(a, b, kind) for a, b in pairwise(rows)]
    cost = leak_cost(data, pairs(*found), random_state=0)
    as_it_is, no_copies, honest = cost.itertuples(index=False)
    assert as_it_is.n_test == 220
    assert as_it_is.roc_auc > 0.98
    assert no_copies.difference_low > 0
    assert honest.roc_auc < 0.75
    assert honest.difference_low > 0.2
