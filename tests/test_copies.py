import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from fracture_features import make_radiographs, read_image
from fracture_features.audit import LOOK, copy_groups, find_copies, similarity
from fracture_features.audit import _copies as copies
from fracture_features.audit._alignment import turn_image
from fracture_features.audit._hashes import TURNS
from fracture_features.datasets import take_inventory


def jpeg(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)


def half(image):
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def brighter(image, factor):
    return np.clip(factor * image, 0, 255).round().astype(np.uint8)


def cropped(image, share):
    top, left = (round(share * n) for n in image.shape)
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


CHANGES = {
    **{name: (lambda x, k=k: turn_image(x, k)) for k, name in enumerate(TURNS) if k},
    "JPEG 50": lambda x: jpeg(x, 50),
    "half size": half,
    "stretched": lambda x: cv2.resize(x, (224, 224), interpolation=cv2.INTER_AREA),
    "darker": lambda x: brighter(x, 0.8),
    "brighter": lambda x: brighter(x, 1.2),
    "less contrast": lambda x: (30 + 0.6 * x).astype(np.uint8),
    "without 5 % on each side": lambda x: cropped(x, 0.05),
    "without 2.5 % on each side": lambda x: cropped(x, 0.025),
    "rotated 270° and all": lambda x: jpeg(half(brighter(turn_image(x, 6), 1.2)), 50),
}


def find(paths):
    paths = [str(path) for path in paths]
    return find_copies(paths, take_inventory(paths, descriptions=[LOOK]))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Several views of each of some seventy patients."""
    folder = make_radiographs(200, folder=tmp_path_factory.mktemp("drawn"), random_state=1)
    return sorted(folder.glob("*/*.jpg"))


def test_views_of_patients_are_no_copies(drawn):
    """Left and right, mirrored or not, broken or whole; benchmarks/results/duplicates.json has a thousand."""
    assert find(drawn).empty


@pytest.mark.parametrize("name", CHANGES)
def test_changed_copies_are_found(drawn, tmp_path, name):
    originals = drawn[::20]
    for k, path in enumerate(originals):
        cv2.imwrite(str(tmp_path / f"{k:02}.png"), CHANGES[name](read_image(path)))
    paths = [*originals, *sorted(tmp_path.glob("*.png"))]
    pairs = find(paths)
    n = len(originals)
    assert (pairs["second"] - pairs["first"] == n).all(), "no other pairs"
    assert len(pairs) >= n - 1
    assert set(pairs["kind"]) == {"near"}
    assert set(pairs["turn"]) == {name if name in TURNS else "rotated 270°" if "270°" in name else "as is"}
    assert (pairs["similarity"] >= copies.MIN_SIMILARITY).all()
    assert (pairs["distance"] <= copies.MAX_DISTANCE).all()


def test_equal_bytes_and_equal_pixels(drawn, tmp_path):
    first, other = drawn[:2]
    for name in ("a.jpg", "c.jpg", "e.jpg"):
        shutil.copy(first, tmp_path / name)
    for name in ("b.png", "d.bmp"):
        cv2.imwrite(str(tmp_path / name), read_image(first))
    shutil.copy(other, tmp_path / "f.jpg")
    nearly = read_image(first)
    nearly[5, 5] ^= 1  # the same hash
    cv2.imwrite(str(tmp_path / "g.png"), nearly)
    pairs = find(sorted(tmp_path.iterdir()))
    assert pairs[["first", "second", "kind"]].values.tolist() == [
        [0, 1, "pixels"],
        [0, 2, "bytes"],
        [0, 3, "pixels"],
        [0, 4, "bytes"],
        [0, 6, "near"],
    ]
    assert pairs.columns.tolist() == ["first", "second", "kind", "turn", "distance", "similarity"]
    assert copy_groups(7, pairs).tolist() == [0, 0, 0, 0, 0, 1, 0]


def test_many_copies_of_one_picture_give_one_pair_less(drawn, tmp_path):
    image = read_image(drawn[0])
    for quality in range(50, 90):
        cv2.imwrite(str(tmp_path / f"{quality}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    pairs = find(sorted(tmp_path.iterdir()))
    assert len(pairs) == 39
    assert (copy_groups(40, pairs) == 0).all()


def test_blank_images_are_no_copies_of_each_other(tmp_path):
    for level in (0, 90, 91, 255):
        cv2.imwrite(str(tmp_path / f"{level}.png"), np.full((200, 150), level, dtype=np.uint8))
        cv2.imwrite(str(tmp_path / f"{level}.bmp"), np.full((200, 150), level, dtype=np.uint8))
    pairs = find(sorted(tmp_path.iterdir()))
    assert pairs.empty
    assert copy_groups(8, pairs).tolist() == list(range(8))
    assert pairs.dtypes[["first", "second", "similarity"]].tolist() == [np.int64, np.int64, np.float64]


def test_what_cannot_be_read_is_left_out(drawn, tmp_path):
    shutil.copy(drawn[0], tmp_path / "whole.jpg")
    for name in ("short.jpg", "twin.jpg"):
        (tmp_path / name).write_bytes(Path(drawn[0]).read_bytes()[:-300])
    paths = sorted(tmp_path.iterdir())
    assert find(paths).empty
    assert find([*paths, tmp_path / "missing.jpg", drawn[0]])[["first", "second"]].values.tolist() == [[2, 4]]


def test_groups_that_were_compared_often_enough_count_as_different(drawn, tmp_path, monkeypatch):
    """Otherwise two pictures that look alike, in many copies each, would be compared copy by copy."""
    seen = []
    monkeypatch.setattr(copies, "similarity", lambda *images: seen.append(1) or 0.0)
    monkeypatch.setattr(copies, "BATCH", 1)
    near = copies.Pairs(np.repeat(0, 50), np.arange(1, 51), np.zeros(50, np.uint8), np.arange(50, dtype=np.uint8))
    rows = np.arange(51)
    assert copies._near([str(drawn[0])] * 51, rows, near) == []
    assert len(seen) == 50  # each with a group of its own
    again = copies.Pairs(*(np.repeat(values[:1], 50) for values in near))
    seen.clear()
    assert copies._near([str(drawn[0])] * 51, rows, again) == []
    assert len(seen) == copies.TRIES


@pytest.mark.parametrize("turn", range(8))
def test_turned_crops_are_found_whichever_file_comes_first(drawn, tmp_path, turn):
    image = read_image(drawn[20])
    cv2.imwrite(str(tmp_path / "a.png"), np.ascontiguousarray(turn_image(cropped(image, 0.05), turn)))
    for paths, name in (
        ([tmp_path / "a.png", drawn[20]], TURNS[copies.INVERSE[turn]]),
        ([drawn[20], tmp_path / "a.png"], TURNS[turn]),
    ):
        assert find(paths)["turn"].tolist() == [name]


def test_turns_that_undo_each_other():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for turn, inverse in enumerate(copies.INVERSE.tolist()):
        np.testing.assert_array_equal(turn_image(turn_image(image, turn), inverse), image)


def test_groups_join_chains_and_are_numbered_by_their_first_row():
    pairs = pd.DataFrame({"first": [2, 4, 1], "second": [4, 5, 3]})
    groups = copy_groups(7, pairs)
    assert groups.dtype == np.int64
    assert groups.tolist() == [0, 1, 2, 1, 2, 2, 3]
    assert copy_groups(3, pairs[:0]).tolist() == [0, 1, 2]


def test_similarity_of_other_exposures(drawn):
    """Views of one patient show the same bones, and are no copies."""
    views = {}
    for path in drawn:
        views.setdefault(path.stem.split("_")[0], []).append(read_image(path))
    scores = [similarity(one, other) for one, other, *_ in list(views.values())[:25]]
    assert max(scores) < copies.MIN_SIMILARITY
    assert np.mean(scores) < 0.3


def test_similarity_does_not_see_brightness_and_letters(drawn):
    for path in drawn[::40]:
        image = read_image(path)
        marked = (255 * (image / 255) ** 1.2).astype(np.uint8)
        cv2.putText(marked, "L", (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
        assert similarity(image, marked) > copies.MIN_SIMILARITY
        assert similarity(image, image[::-1]) < 0.5


@pytest.mark.parametrize("image", [np.zeros((50, 40), np.uint8), np.zeros((1, 1), np.uint8), np.eye(3, dtype=np.uint8)])
def test_nothing_to_compare_is_no_similarity(image):
    assert similarity(image, image) == 0


def test_every_byte_identical_twin_of_the_multi_region_set(shared_data):
    paths = sorted(path for path in (shared_data / "multiregion").rglob("*") if path.is_file())
    files = take_inventory([str(path) for path in paths], descriptions=[LOOK])
    pairs = find_copies([str(path) for path in paths], files)
    groups = copy_groups(len(paths), pairs)
    in_test = np.array(["test" in path.parts for path in paths])
    twins = in_test & files["sha256"].isin(files["sha256"][~in_test]).to_numpy()
    assert twins.sum() == 217
    assert np.isin(groups[twins], groups[~in_test]).all()


def test_pairs_of_fracatlas(shared_data):
    """Seven that a look has confirmed, among files that are equal in every pixel."""
    paths = sorted((shared_data / "fracatlas" / "images").rglob("*.jpg"))
    numbered = [path for path in paths if 2600 <= int(path.stem[3:]) <= 3100 or int(path.stem[3:]) >= 4050]
    pairs = find(numbered)
    names = [numbered[k].stem[3:] for k in range(len(numbered))]
    near = pairs[pairs["kind"] == "near"]
    assert {frozenset((names[i], names[j])) for i, j in zip(near["first"], near["second"], strict=True)} == {
        frozenset(pair)
        for pair in (
            ("0002653", "0004068"),
            ("0002668", "0004061"),
            ("0002846", "0004209"),
            ("0002848", "0004206"),
            ("0002935", "0004217"),
            ("0002945", "0004266"),
            ("0002952", "0004262"),
        )
    }
    assert (pairs["kind"] != "near").sum() == 37
