"""Tables as people's programs write them, and the groups and files they name."""

import contextlib
import csv
import io
import warnings
import zipfile

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fracture_features import load_csv, load_folder
from fracture_features.datasets._table import as_values, read_table
from fracture_features.exceptions import DatasetError, DatasetWarning, GroupsError

ROWS = [("a/0001.png", "fracture", "0005"), ("b/0002.png", "normal", "0017"), ("b/0003.png", "normal", "5")]


@pytest.fixture
def root(tmp_path):
    for name in (*(row[0] for row in ROWS), "a/Größe ä.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def text_of(rows, delimiter=",", header=("image", "label", "patient")):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()


def check(data):
    assert [path.rpartition("/")[2] for path in data.paths] == ["0001.png", "0002.png", "0003.png"]
    assert data.target_names == ["normal", "fracture"]
    assert data.y.tolist() == [1, 0, 0]
    assert data.frame["patient"].tolist() == ["0005", "0017", "5"]
    assert data.groups.tolist() == [0, 1, 2]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_separators_and_encodings(root, delimiter, encoding, newline):
    text = text_of(ROWS, delimiter, ("image", "label", "patient")).replace("\n", newline)
    (root / "t.csv").write_bytes(text.encode(encoding))
    check(load_csv(root / "t.csv", groups="patient"))


def test_letters_of_windows_1252_and_utf_16(root):
    rows = [("a/Größe ä.png", "Fraktur", "ü – €"), ("b/0002.png", "gesund", "é")]
    for encoding in ("cp1252", "utf-16", "utf-8"):
        (root / "t.csv").write_bytes(text_of(rows, ";").encode(encoding))
        data = load_csv(root / "t.csv")
        assert data.paths[0].endswith("a/Größe ä.png")
        assert data.frame["patient"].tolist() == ["ü – €", "é"]
        assert data.target_names == ["gesund", "Fraktur"]


def test_excels_first_line_decimal_commas_and_trailing_separators(root):
    lines = ["sep=;", "image;label;dose;;", "a/0001.png;fracture;1,5;;", ";;;;", "b/0002.png;normal;2,5;;", ""]
    (root / "t.csv").write_text("\n".join(lines))
    assert load_csv(root / "t.csv").frame["dose"].tolist() == ["1,5", "2,5"]


def test_an_index_column_is_no_column(root):
    frame = pd.DataFrame(ROWS, columns=["image", "label", "patient"])
    frame.to_csv(root / "t.csv")
    check(load_csv(root / "t.csv", groups="patient"))
    frame[["image", "patient"]].to_csv(root / "groups.csv")
    check(load_csv(root / "t.csv", groups=root / "groups.csv"))
    pd.read_csv(root / "t.csv", dtype=str).to_csv(root / "t.csv")
    assert "Unnamed: 0" in (root / "t.csv").read_text()
    data = load_csv(root / "t.csv", groups="patient")
    check(data)
    assert list(data.frame) == ["patient"]


@pytest.mark.parametrize(
    "rename",
    [
        lambda name, root: name.replace("/", "\\"),
        lambda name, root: f".\\{name}".replace("/", "\\"),
        lambda name, root: f"./{name}",
        lambda name, root: str(root / name),
        lambda name, root: f" {name} ",
        lambda name, root: name.removesuffix(".png"),
        lambda name, root: name.rpartition("/")[2],
        lambda name, root: name.rpartition("/")[2].removesuffix(".png"),
    ],
)
def test_the_ways_to_name_a_file(root, rename):
    rows = [(rename(name, root), *others) for name, *others in ROWS]
    (root / "t.csv").write_text(text_of(rows))
    check(load_csv(root / "t.csv", groups="patient"))
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / "t.csv").write_text(text_of(rows))
    check(load_csv(root / "elsewhere" / "t.csv", groups="patient", root=root))
    (root / "groups.csv").write_text(text_of([(row[0], row[2]) for row in rows], header=("file", "who")))
    check(load_csv(root / "t.csv", groups=root / "groups.csv"))


def test_absolute_paths_outside_the_csvs_folder_ask_for_root(root):
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / "t.csv").write_text(text_of([(str(root / name), *others) for name, *others in ROWS]))
    with pytest.raises(DatasetError, match=r"leads out of the folder .* give the images' folder as root="):
        load_csv(root / "elsewhere" / "t.csv")


@pytest.mark.parametrize(
    "place", ["/another/machine/{}", "C:\\data\\{}", "/another/machine/images/{}", "\\\\server\\share\\{}"]
)
def test_absolute_paths_of_another_place_are_found_by_their_end_below_root(root, place):
    rows = [(place.format(name.replace("/", "\\") if "\\" in place else name), *others) for name, *others in ROWS]
    (root / "t.csv").write_text(text_of(rows))
    with pytest.raises(DatasetError, match=r"leads out of the folder|there is no file"):
        load_csv(root / "t.csv")
    check(load_csv(root / "t.csv", groups="patient", root=root))
    (root / "t.csv").write_text(text_of([("/x/a/../a/0001.png", "fracture", "1"), *rows[1:]]))
    with pytest.raises(DatasetError, match="leads out of the folder"):
        load_csv(root / "t.csv", root=root)


def test_a_name_of_several_files_is_none(root):
    (root / "a" / "0002.png").touch()
    (root / "t.csv").write_text(text_of([("0001", "fracture", "1"), ("0002", "normal", "2")]))
    with pytest.raises(DatasetError, match="'0002' may be any of 2 files"):
        load_csv(root / "t.csv")
    (root / "groups.csv").write_text("image,group\n0002.png,x\n0001.png,y\n0003.png,z\n")
    (root / "t.csv").write_text(text_of([*ROWS, ("a/0002.png", "normal", "1")]))
    with pytest.raises(GroupsError, match=r"'0002.png' may be any of 2 images, '(a|b)/0002.png' among them"):
        load_csv(root / "t.csv", groups=root / "groups.csv")


def test_labels_none_and_not_applicable_are_text(root):
    for word in ("None", "N/A", "NA", "null", "nan"):
        (root / "t.csv").write_text(text_of([(name, label.replace("normal", word), "1") for name, label, _ in ROWS]))
        assert load_csv(root / "t.csv", positive="fracture").target_names == [word, "fracture"]


@pytest.mark.parametrize("empty", ["", "  ", '""'])
def test_an_empty_group_and_an_empty_label_are_missing(root, empty):
    lines = [f"{name},{label},{empty if i == 1 else 'p'}" for i, (name, label, _) in enumerate(ROWS)]
    (root / "t.csv").write_text("\n".join(["image,label,patient", *lines]))
    with pytest.raises(GroupsError, match=r"groups: 1 images have none, the first is 'b/0002.png'"):
        load_csv(root / "t.csv", groups="patient")
    (root / "groups.csv").write_text(f"image,group\n0001,x\n0002,{empty}\n0003,y\n")
    with pytest.raises(GroupsError, match="1 images have none"):
        load_csv(root / "t.csv", groups=root / "groups.csv")
    (root / "t.csv").write_text(f"image,label\na/0001.png,fracture\nb/0002.png,{empty}\n")
    with pytest.raises(DatasetError, match="column 'label' is empty in row 3"):
        load_csv(root / "t.csv")
    assert load_csv(root / "t.csv", empty="normal").y.tolist() == [1, 0]


def test_a_pattern_that_captures_nothing_is_no_group(root):
    with pytest.raises(GroupsError, match="4 images have none"):
        load_folder(root, groups=r"/x?(q*)", positive="a")


def test_numbers_are_numbers_and_ids_are_text():
    frame = pd.DataFrame(
        {
            "age": ["12", " 7", "30"],
            "dose": ["1.5", None, "-2e+3"],
            "code": ["1E2", "10E1", "100"],
            "id": ["0005", "12", "7"],
            "long": ["1234567890123456", "1", "2"],
            "nothing": [None, None, None],
            "word": ["None", None, " ap "],
        },
        dtype=object,
    )
    values = as_values(frame)
    assert values["age"].tolist() == [12, 7, 30]
    assert str(values["age"].dtype) == "int64"
    assert values["dose"].fillna(0).tolist() == [1.5, 0, -2000]
    assert values["code"].tolist() == ["1E2", "10E1", "100"]
    assert values["id"].tolist() == ["0005", "12", "7"]
    assert values["long"].tolist() == ["1234567890123456", "1", "2"]
    assert values["nothing"].isna().all()
    assert values["word"].tolist() == ["None", None, "ap"]


def test_what_is_no_csv_is_named_as_what_it_is(root):
    with zipfile.ZipFile(root / "t.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "<x/>")
    for name in ("t.xlsx", "t.csv"):
        (root / name).write_bytes((root / "t.xlsx").read_bytes())
        with pytest.raises(DatasetError, match="an Excel workbook"):
            load_csv(root / name)
        with pytest.raises(DatasetError, match="an Excel workbook"):
            load_folder(root, groups=str(root / name), positive="a")
    for start, message in [
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"i\0m\0a\0g\0e\0", "UTF-16 without a byte order mark"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"<!DOCTYPE html><html>", "an HTML or XML page"),
        (b'[{"image": "a.png"}]', "a JSON file"),
    ]:
        (root / "t.csv").write_bytes(start)
        with pytest.raises(DatasetError, match=message):
            load_csv(root / "t.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\na/0001.png,fracture,7\nb/0002.png,normal\n", r"line 2 has 3 cells; expected 2"),
        ("image,label,x\na/0001.png,fracture\n", r"line 2 has 2 cells; expected 3"),
        ("image,label,label\na,b,c\n", "several columns are called 'label'"),
        ("image,label\na/0001.png,fracture\n./a/0001.png,normal\n", r"rows 2 and 3 both name 'a/0001.png'"),
        ('image,label\n"a/0001.png,fracture\n', "cannot be read as csv"),
        ("image,label\n\n\n", "no rows"),
        ("image,label\n..,fracture\nb,normal\n", "leads out"),
        ("image,label\n.,fracture\nb,normal\n", "no regular file"),
        (f"image,label\n{'x' * 5000},fracture\nb,normal\n", "there is no file"),
    ],
)
def test_tables_that_are_refused(root, text, message):
    (root / "t.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_csv(root / "t.csv")


@pytest.mark.parametrize(("no", "yes"), [("0", "1"), ("False", "True"), ("no", "Yes"), ("0.0", "1.0"), ("N", "Y")])
def test_answers_in_a_column_of_fractures(root, no, yes):
    rows = [(name, yes if label == "fracture" else no, who) for name, label, who in ROWS]
    (root / "t.csv").write_text(text_of(rows, header=("image", "is_fractured", "who")))
    assert load_csv(root / "t.csv", label="is_fractured").y.tolist() == [1, 0, 0]
    (root / "t.csv").write_text(text_of(rows, header=("image", "no_fracture", "who")))
    with pytest.raises(DatasetError, match=r"t.csv: cannot tell which of the classes"):
        load_csv(root / "t.csv", label="no_fracture")


def test_labels_of_one_class_in_two_spellings(root):
    (root / "t.csv").write_text(
        text_of([(name, f"{label.upper() if i == 2 else label} ", p) for i, (name, label, p) in enumerate(ROWS)])
    )
    with pytest.warns(DatasetWarning, match="taken for one class each"):
        data = load_csv(root / "t.csv")
    assert data.y.tolist() == [1, 0, 0]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_table_comes_back_as_it_was_written(tmp_path, rows, delimiter, encoding):
    rows = [("x", *row) for row in rows]
    (tmp_path / "t.csv").write_bytes(text_of(rows, delimiter, ("k", "a", "b", "c")).encode(encoding))
    table = read_table(tmp_path / "t.csv")
    expected = [[cell if cell.strip() else None for cell in row] for row in rows]
    assert table.to_numpy(dtype=object).tolist() == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_dataset_error(root, data):
    for content in (data, b"image,label\na/0001.png,fracture\n" + data):
        (root / "t.csv").write_bytes(content)
        with contextlib.suppress(DatasetError), warnings.catch_warnings(action="ignore", category=DatasetWarning):
            load_csv(root / "t.csv", groups=root / "t.csv")
