from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shortcuts import encoded, exif, plant_all, written

from fracture_features import FractureDataset, load_folder
from fracture_features.audit import APPEARANCE, CONTENT, shortcut_features
from fracture_features.audit._appearance import FIELDS
from fracture_features.datasets import take_inventory


def features_of(data):
    return shortcut_features(data, take_inventory(data.paths.tolist(), descriptions=[CONTENT, APPEARANCE]))


@pytest.fixture(scope="module")
def names_of(tmp_path_factory):
    """Features of file names alone, of files at these paths below one folder, with labels."""

    def make(paths, y, names=("non-fractured", "fractured")):
        n = len(paths)
        data = FractureDataset(
            np.array([f"/data/{path}" for path in paths]), np.array(y), list(names), None, pd.DataFrame(index=range(n))
        )
        values = np.zeros(len(FIELDS), dtype=np.float32).tobytes().hex()
        files = pd.DataFrame({"appearance": [values] * n, "format": "JPEG", "size": 1, "height": 2, "width": 2})
        files = files.assign(encoder="JPEG", tables="0", components=1, quality=90, embedded="")
        return shortcut_features(data, files).get("file name", pd.DataFrame(index=range(n)))

    return make


def test_families_stand_in_order_and_hold_numbers_that_vary(data):
    families = features_of(data)
    expected = ["file size", "resolution", "file name", "border", "markers", "brightness", "hardware", "thumbnail"]
    assert [name for name in families if name in expected] == expected
    assert "EXIF" not in families, "there is none in drawn radiographs"
    for table in families.values():
        assert len(table) == len(data)
        assert (table.dtypes == np.float32).all()
        assert (table.nunique(dropna=False) > 1).all()


def test_size_and_resolution_are_those_of_the_files(data):
    families = features_of(data)
    files = data.files
    np.testing.assert_allclose(families["file size"]["bytes"], files["size"].astype(float))
    np.testing.assert_allclose(
        families["resolution"]["aspect"], (files["width"] / files["height"]).astype(float), rtol=1e-6
    )


def test_metadata_and_hardware_are_apart(data):
    n = len(data)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"view": rng.choice(["AP", "LAT"], n), "hardware": rng.integers(0, 2, n), "age": rng.random(n)}
    )
    with_them = FractureDataset(data.paths, data.y, data.target_names, data.groups, frame, ("view", "hardware", "age"))
    families = features_of(with_them)
    assert {*families["part and view"]} == {"view AP", "view LAT", "age"}
    assert "hardware" in families["hardware"]
    np.testing.assert_array_equal(families["hardware"]["hardware"], frame["hardware"])


def test_unreadable_files_have_no_look(tmp_path, data):
    paths = [tmp_path / f"{k}.jpg" for k in range(len(data))]
    for k, path in enumerate(paths):
        content = Path(data.paths[k]).read_bytes()
        path.write_bytes(content[:100] if k == 3 else content)
    copy = FractureDataset(np.array(paths, dtype=str), data.y, data.target_names, None, data.frame)
    thumbnail = features_of(copy)["thumbnail"]
    assert thumbnail.loc[3].isna().all()
    assert thumbnail.drop(3).notna().all(axis=None)


@pytest.mark.parametrize(
    "pattern",
    [
        ("fractured/{k}.png", "non-fractured/{k}.png"),
        ("train/Fractured/a/{k}.png", "train/Non_Fractured/a/{k}.png"),
        ("images/fractured_{k}.png", "images/not fractured_{k}.png"),
        ("images/fracture ({k}).png", "images/normal ({k}).png"),
        ("images/abnormal-wrist/{k}.png", "images/usual-wrist/{k}.png"),
        ("patient{k}/study1_positive/1.png", "patient{k}/study1_negative/1.png"),
    ],
)
def test_nothing_in_a_name_spells_the_label(names_of, pattern):
    y = np.arange(40) % 2
    paths = [pattern[1 - label].format(k=100 + row // 2) for row, label in enumerate(y)]
    table = names_of(paths, y)
    for name in table:
        assert table[name][y == 1].mean() == table[name][y == 0].mean(), name


def test_names_of_many_classes_are_left_out_too(names_of):
    y = np.arange(60) % 3
    kinds = ["comminuted", "greenstick", "oblique fracture"]
    table = names_of(
        [f"x/{kinds[label]}/{kinds[label].upper()}_{row // 3}.png" for row, label in enumerate(y)], y, kinds
    )
    for name in table:
        assert table[name].groupby(y).mean().nunique() == 1, name


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("siteA_{k}.jpg", "siteB_{k}.jpg", "word siteb"),
        ("{k}.jpg", "{k}-b.jpg", "pattern 0-a"),
        ("img{k}.jpg", "IMG{k}.jpg", "capitals"),
        ("x{k}.jpg", "x{k}.JPG", "ending .JPG"),
        ("x0{k}.jpg", "x{k}.jpg", "digits"),
        ("north/x{k}.jpg", "south/x{k}.jpg", "folder_0 south"),
    ],
)
def test_what_else_a_name_tells_is_a_feature(names_of, first, second, expected):
    has = np.arange(80) // 2 % 2
    table = names_of(
        [(second if there else first).format(k=1000 + k) for k, there in enumerate(has)], np.arange(80) % 2
    )
    values = table[expected]
    assert len(set(values[has == 0])) == len(set(values[has == 1])) == 1
    assert values[0] != values[2]


def test_numbers_in_names_are_numbers(names_of):
    table = names_of([f"patient{k % 7:03d}_{k}.jpg" for k in range(20)], np.arange(20) % 2)
    assert table["first_number"].tolist() == [k % 7 for k in range(20)]
    assert table["last_number"].tolist() == list(range(20))


def test_embedded_tags_are_features_by_presence_and_value(radiographs, tmp_path):
    plant_all(radiographs, tmp_path, exif(305, "Console 2.1"))
    table = features_of(load_folder(tmp_path))["EXIF"]
    assert "tag 305 Console 2.1" in table
    assert table["tags"].tolist() == table["has tag 305"].tolist()


def test_tables_of_two_qualities_are_told_apart(radiographs, tmp_path):
    plant_all(radiographs, tmp_path, encoded(quality=60))
    table = features_of(load_folder(tmp_path))["encoder"]
    assert set(table["quality"]) == {60, 92}
    assert any(name.startswith("tables") for name in table)


def test_brightness_moves_neither_border_nor_thumbnail(radiographs, tmp_path):
    """Between 40 and 215 levels a picture that is brighter by 20 has the same shape."""
    rng = np.random.default_rng(0)

    def plant(image, path, has, _):
        written((60 + image * (120 / 255) + (20 if has else 0)).astype(np.uint8), path, quality=100)

    plant_all(radiographs, tmp_path / "a", plant)
    plant_all(radiographs, tmp_path / "b", lambda image, path, has, _: plant(image, path, False, rng))
    first, second = (features_of(load_folder(tmp_path / name)) for name in "ab")
    has = (first["brightness"]["mean"] - second["brightness"]["mean"]).to_numpy() > 10
    assert has.sum() == 30
    for name in ("thumbnail", "border"):
        both = [*set(first[name]) & set(second[name])]
        assert np.abs(first[name][both] - second[name][both]).to_numpy().mean() < 0.02
