"""Which class is the fracture, which spellings are one, and which folders are classes."""

import warnings

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracture_features import load_csv, load_folder
from fracture_features.datasets._labels import encode_labels, is_fracture_name, is_healthy_name, spelling_key
from fracture_features.datasets._layout import split_of
from fracture_features.exceptions import DatasetError, DatasetWarning, GroupsError

NEGATED = [
    *("no acute fracture", "absence_of_fracture", "fracture_free", "fracture-free", "sin_fractura", "sans fracture"),
    *(
        "pas de fracture",
        "keine Fraktur",
        "ohne_fraktur",
        "senza frattura",
        "sem fratura",
        "bez fraktury",
        "un-fractured",
    ),
    *(
        "geen fractuur",
        "ikke fraktur",
        "no evidence of fracture",
        "fracture absent",
        "fracture_negative",
        "fractureless",
    ),
    *("frakturfrei", "w/o fracture", "without any fracture", "never fractured", "nonFractured", "fracture: none"),
    *("no definite fracture", "not recently broken", "nincs fraktur", "fracture_excluded", "niet gebroken fractuur"),
]


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.mark.parametrize("negated", NEGATED)
def test_a_negated_name_is_never_the_fracture(negated):
    assert not is_fracture_name(negated)
    with pytest.raises(DatasetError, match=r"cannot tell which of the classes .* name it with positive="):
        encode_labels([negated, "abnormal"], None, "x")
    y, names, _ = encode_labels([negated, "abnormal"], "abnormal", "x")
    assert y.tolist() == [0, 1]
    assert names == [negated, "abnormal"]


@pytest.mark.parametrize(
    ("healthy", "fracture"),
    [
        ("absence_of_fracture", "fracture"),
        ("sin_fractura", "fractura"),
        ("0_normal", "1_fractured"),
        ("humerus normal", "humerus fracture"),
        ("normal_wrist", "fractured_wrist"),
        ("normal", "oblique fracture"),
        ("none", "fracture"),
        ("N/A", "fracture"),
        ("keine Fraktur", "Handgelenksfraktur"),
    ],
)
def test_names_that_are_certain(healthy, fracture):
    assert encode_labels([fracture, healthy], None, "x")[1] == [healthy, fracture]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fracture", "no acute fracture"),
        ("displaced fracture", "non displaced fracture"),
        ("fracture", "old fracture"),
        ("normal", "no acute fracture"),
        ("healthy", "broken, not healthy"),
        ("not negative", "fracture"),
        ("normal", "abnormal"),
        ("normal", "non-normal"),
        ("fracture", "fractured"),
    ],
)
def test_pairs_of_names_that_are_not_certain(one, other):
    for names in ([one, other], [other, one]):
        with pytest.raises(DatasetError, match="positive="):
            encode_labels(names, None, "x")


@given(st.text(), st.text(min_size=1))
def test_no_two_names_are_guessed_differently_in_another_order(one, other):
    results = []
    for labels in ([one, other], [other, one]):
        try:
            results.append(encode_labels(labels, None, "x")[1])
        except DatasetError as error:
            results.append(str(error))
    assert results[0] == results[1]
    assert not (is_fracture_name(one) and is_healthy_name(one))


@given(st.sampled_from(NEGATED), st.text("abcdefghij _-", max_size=12))
def test_no_word_beside_a_negation_makes_it_a_fracture(negated, word):
    for name in (f"{negated} {word}", f"{word}_{negated}"):
        assert not is_fracture_name(name)


@pytest.mark.parametrize("column", ["no_fracture", "fracture_free", "absence_of_fracture", "sin_fractura", "normal"])
def test_a_csv_column_called_by_a_negation_asks_for_positive(column, tmp_path):
    touch(tmp_path, "a.png", "b.png")
    pd.DataFrame({"image": ["a.png", "b.png"], column: [0, 1]}).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(DatasetError, match="positive="):
        load_csv(tmp_path / "x.csv", label=column)
    assert load_csv(tmp_path / "x.csv", label=column, positive=0).y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("spellings", "other"),
    [
        (["Normal", "normal"], "fractured"),
        (["not fractured", "not_fractured", "Not-Fractured"], "fractured"),
        (["normal", "normal "], "fractured"),
        (["nonfractured", "non_fractured"], "Fractured"),
        (["cafe\u0301", "caf\u00e9"], "fractured"),
    ],
)
def test_spellings_of_a_class_are_one_class_and_that_is_said(spellings, other, tmp_path):
    names = [f"{name}/{k}.png" for k, name in enumerate(spellings)]
    touch(tmp_path, *names, f"{spellings[0]}/x.png", f"{other}/1.png")
    with pytest.warns(DatasetWarning, match="taken for one class each") as said:
        data = load_folder(tmp_path)
    assert all(repr(name) in str(said[0].message) for name in spellings)
    assert data.target_names == [spellings[0].strip(), other]
    assert data.class_counts() == {spellings[0]: len(spellings) + 1, other: 1}


@given(st.lists(st.sampled_from(["grade_1_1", "grade_11", "grade 1", "type a", "type b", "1", "01", "2"]), min_size=2))
def test_classes_that_are_not_certainly_one_stay_apart(labels):
    n = len(set(labels))
    if n > 2:
        _, names, merged = encode_labels(labels, None, "x")
        assert (len(names), merged) == (n, [])


@given(st.text())
def test_the_key_of_a_key_is_the_key(name):
    assert spelling_key(spelling_key(name)) == spelling_key(name)


def test_positive_is_taken_in_any_spelling():
    assert encode_labels(["B x", "a"], "b_X", "x")[1] == ["a", "B x"]


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *(("train", "train"), ("Training", "train"), ("train_set", "train"), ("TrainImages", "train")),
        *(("test_set", "test"), ("Testing data", "test"), ("val_data", "val"), ("validation-set", "val")),
        *(("train_v2", "train"), ("images_train", "train"), ("X-ray Test", "test"), ("holdout", "test")),
        *(("Trainingsdaten", "train"), ("Testdaten", "test"), ("Validierung", "val"), ("validación", "val")),
        *(("strain", None), ("test positive", None)),
        *(("trainee", None), ("testis", None), ("fractured", None), ("value", None), ("set", None), ("", None)),
    ],
)
def test_folders_of_splits(folder, split):
    assert split_of(folder) == split


@pytest.mark.parametrize("tops", [("train_set", "test_set"), ("Training", "val_data"), ("Train", "Test")])
def test_splits_are_no_classes(tops, tmp_path):
    touch(tmp_path, *(f"{s}/{c}/1.png" for s in tops for c in ("a", "b")))
    data = load_folder(tmp_path, positive="b")
    assert data.target_names == ["a", "b"]
    assert set(data.frame["split"]) == {split_of(top) for top in tops}


def test_body_parts_above_the_classes_are_no_classes(tmp_path):
    parts = ("elbow", "hand", "shoulder")
    touch(tmp_path, *(f"{p}/{c}/1.png" for p in parts for c in ("fractured", "normal")))
    data = load_folder(tmp_path, metadata_columns=["folder"])
    assert data.target_names == ["normal", "fractured"]
    assert data.frame["folder"].tolist() == ["elbow", "elbow", "hand", "hand", "shoulder", "shoulder"]
    assert data.metadata_columns == ("folder",)
    touch(tmp_path, "hand/2.png")
    with pytest.raises(DatasetError, match=r"1 images lie in no class folder, the first is 'hand/2.png'"):
        load_folder(tmp_path)


@pytest.mark.parametrize("classes", [("0", "1"), ("Fraktur", "kein Bruch"), ("A", "B")])
def test_classes_whose_names_do_not_tell_below_body_parts_are_said_and_taken_by_positive(classes, tmp_path):
    parts = ("elbow", "hand", "shoulder")
    touch(tmp_path, *(f"{p}/{c}/1.png" for p in parts for c in classes))
    with pytest.warns(DatasetWarning, match=r"taken for the classes: \['elbow', .* name the fracture's as positive="):
        assert load_folder(tmp_path).target_names == list(parts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load_folder(tmp_path, positive=classes[1].upper())
    assert data.target_names == list(classes)
    assert set(data.frame["folder"]) == set(parts)


def test_folders_that_differ_from_class_to_class_are_nothing_to_say(tmp_path):
    touch(tmp_path, *(f"{c}/patient{k}/1.png" for k, c in enumerate("aabbcc")))
    touch(tmp_path, *(f"{c}/{s}/1.png" for c in "abc" for s in ("train", "test")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_folder(tmp_path).target_names == ["a", "b", "c"]


def test_a_split_may_stand_anywhere_and_a_wrapper_around(tmp_path):
    touch(
        tmp_path, *(f"zip/x/{p}/{s}/{c}/1.png" for p in "pq" for s in ("train", "test") for c in ("broken", "healthy"))
    )
    data = load_folder(tmp_path)
    assert data.target_names == ["healthy", "broken"]
    assert data.frame["split"].tolist() == ["test", "test", "train", "train"] * 2
    assert data.frame["folder"].tolist() == ["p"] * 4 + ["q"] * 4
    below = touch(tmp_path / "below", *(f"{c}/{s}/1.png" for s in ("train", "test") for c in ("broken", "healthy")))
    assert load_folder(below).frame["split"].tolist() == ["test", "train"] * 2


def test_classes_in_two_places_are_an_error(tmp_path):
    touch(tmp_path, "elbow/fractured/1.png", "hand/normal/1.png", "knee/implant/1.png")
    with pytest.raises(DatasetError, match="expected classes in one place"):
        load_folder(tmp_path)


def test_a_group_that_is_the_class_is_told(tmp_path):
    touch(tmp_path, *(f"{c}/{k}.png" for c in ("0_normal", "1_fractured") for k in range(4)))
    with pytest.raises(GroupsError, match=r"finds '0' in the class folder '0_normal' of '0_normal/0.png'"):
        load_folder(tmp_path, groups=r"(\d+)")
    with pytest.raises(GroupsError, match="gives each class one group of its own"):
        load_folder(tmp_path, groups=[0] * 4 + [1] * 4)
    assert load_folder(tmp_path, groups=r"(\d+)\.png").groups.tolist() == [0, 1, 2, 3] * 2
    assert load_folder(tmp_path, groups=r"^(\w+)/(\d)").groups.tolist() == list(range(8))


def test_the_name_of_a_class_is_what_most_images_have():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, names, merged = encode_labels(["normal", "Normal", "Normal", "fractured"], None, "x")
    assert names == ["Normal", "fractured"]
    assert y.tolist() == [0, 0, 0, 1]
    assert merged == [["Normal", "normal"]]
