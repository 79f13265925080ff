"""Stand-ins for published data sets, laid out as they are published, loaded and compared without a hand on them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fracture_features import load_csv, load_folder, load_fracatlas, make_radiographs
from fracture_features.cli import main
from fracture_features.exceptions import DatasetError, DatasetWarning

QUICK = ["--models", "edges+svm", "--folds", "2", "--image-size", "48"]
CONFLICT = "IMG0003298"


def drawn(radiographs, label):
    return sorted((radiographs / label).glob("*.jpg"))


def write_fracatlas(root, radiographs, n=40):
    """As published: a csv, a folder for each class, boxes, and an image whose row contradicts its folder."""
    rows = []
    (root / "Annotations" / "PASCAL VOC").mkdir(parents=True)
    for label, source in ((0, "non-fractured"), (1, "fractured")):
        folder = root / "images" / ("Non_fractured", "Fractured")[label]
        folder.mkdir(parents=True)
        for k, path in enumerate(drawn(radiographs, source)[: n // 2]):
            name = CONFLICT if label and k == 3 else f"IMG{20 * k + label:07d}"
            shutil.copy(path, folder / f"{name}.jpg")
            rows.append(
                {"image_id": f"{name}.jpg", "fractured": int(label and name != CONFLICT), "fracture_count": label}
            )
            if label:
                sides = "<xmin>3</xmin><ymin>4</ymin><xmax>20</xmax><ymax>30</ymax>"
                xml = (
                    "<annotation><size><width>100</width><height>100</height></size>"
                    f"<object><name>fractured</name><bndbox>{sides}</bndbox></object></annotation>"
                )
                (root / "Annotations" / "PASCAL VOC" / f"{name}.xml").write_text(xml)
    table = pd.DataFrame(rows).assign(hand=1, hardware=0, multiscan=0, frontal=1, mixed=0)
    for column in ("leg", "hip", "shoulder", "lateral", "oblique"):
        table[column] = 0
    table.to_csv(root / "dataset.csv", index=False)
    return table


def row_of(data, name=CONFLICT):
    return next(i for i, path in enumerate(data.paths) if Path(path).stem == name)


def test_fracatlas_takes_the_folder_where_count_and_box_agree_with_it(radiographs, tmp_path):
    table = write_fracatlas(tmp_path, radiographs)
    with pytest.warns(DatasetWarning, match=rf"of 1 images .*: {CONFLICT}.jpg is taken for Fractured"):
        data = load_fracatlas(tmp_path, groups="blocks")
    assert data.class_counts() == {"Non_fractured": 20, "Fractured": 20}
    row = row_of(data)
    assert data.paths[row].endswith(f"images/Fractured/{CONFLICT}.jpg")
    assert data.frame.loc[row, ["fractured", "fracture_count"]].tolist() == [0, 1]
    assert ((data.frame["fractured"] != data.y) == (np.arange(40) == row)).all()
    assert "fractured" not in data.metadata_columns
    # The box alone is enough; where neither agrees the csv is right.
    table.assign(fracture_count=table["fracture_count"].where(table["image_id"] != f"{CONFLICT}.jpg", 0)).to_csv(
        tmp_path / "dataset.csv", index=False
    )
    with pytest.warns(DatasetWarning, match="is taken for Fractured"):
        assert load_fracatlas(tmp_path).y[row] == 1
    (tmp_path / "Annotations" / "PASCAL VOC" / f"{CONFLICT}.xml").unlink()
    with pytest.warns(DatasetWarning, match="is taken for Non_fractured"):
        assert load_fracatlas(tmp_path).y[row] == 0


def test_fracatlas_whole_in_shape(tmp_path):
    """Empty files in the numbers of the published set: 4083 images, 717 of them fractured."""
    for folder in ("Non_fractured", "Fractured"):
        (tmp_path / "images" / folder).mkdir(parents=True)
    rows = []
    for k in range(4083):
        fractured = int(k < 717)
        (tmp_path / "images" / ("Non_fractured", "Fractured")[fractured] / f"IMG{k:07d}.jpg").touch()
        rows.append({"image_id": f"IMG{k:07d}.jpg", "fractured": fractured, "fracture_count": fractured})
    rows[100]["fractured"] = 0
    columns = ("hand", "leg", "hip", "shoulder", "mixed", "hardware", "multiscan", "frontal", "lateral", "oblique")
    pd.DataFrame(rows).assign(**dict.fromkeys(columns, 0)).to_csv(tmp_path / "dataset.csv", index=False)
    with pytest.warns(DatasetWarning, match="IMG0000100.jpg is taken for Fractured"):
        data = load_fracatlas(tmp_path, groups="blocks")
    assert data.class_counts() == {"Non_fractured": 3366, "Fractured": 717}


def test_fracatlas_counts_images_that_its_csv_does_not_name_and_refuses_two_rows(radiographs, tmp_path):
    table = write_fracatlas(tmp_path, radiographs)
    table = table[table["image_id"] != f"{CONFLICT}.jpg"]
    table.to_csv(tmp_path / "dataset.csv", index=False)
    assert load_fracatlas(tmp_path).ignored == {"image that dataset.csv does not name": 1}
    pd.concat([table, table.iloc[[4]]]).to_csv(tmp_path / "dataset.csv", index=False)
    with pytest.raises(DatasetError, match="rows 6 and 41 both name"):
        load_fracatlas(tmp_path)


def test_fracatlas_compares(radiographs, tmp_path, capsys):
    write_fracatlas(tmp_path / "data", radiographs)
    assert main(["compare", str(tmp_path / "data"), "--groups", "blocks", "--out", str(tmp_path / "out"), *QUICK]) == 0
    said = capsys.readouterr().err
    assert f"Warning: {tmp_path / 'data' / 'dataset.csv'}: of 1 images" in said
    assert "FF303 images are labelled differently by folder, table or boxes: 1" in said
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["data"]["classes"] == {"Non_fractured": 20, "Fractured": 20}


@pytest.fixture
def multiregion(radiographs, tmp_path):
    """The Kaggle set: train/ and test/, and nearly every test image a copy of a training image."""
    root = tmp_path / "Bone_Fracture"
    for label, source in (("fractured", "fractured"), ("not fractured", "non-fractured")):
        paths = drawn(radiographs, source)
        for split, part in (("train", paths[:20]), ("test", [*paths[:6], paths[25]])):
            (root / split / label).mkdir(parents=True)
            for k, path in enumerate(part):
                name = f"{k}-rotated1.jpg" if split == "train" else f"{k}-rotated1-rotated2.jpg"
                shutil.copy(path, root / split / label / name)
    return root


def test_multiregion_compares_on_its_own_split(multiregion, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compare", str(multiregion), "--split", "--no-audit", "--out", str(out), *QUICK]) == 0
    captured = capsys.readouterr()
    assert "a split of their own" not in captured.err
    assert "Means over 1 fold with 95 % intervals" in captured.out
    folds = pd.read_csv(out / "folds.csv")
    assert folds[["fold", "n_train", "n_test"]].drop_duplicates().to_numpy().tolist() == [[1, 40, 14]]
    assert folds["groups_shared"].isna().all()
    page = (out / "report.html").read_text()
    assert "Of 12 tested images the training part held a byte-identical copy." in page
    assert "a split of their own" not in page


def test_multiregion_tests_no_copy_of_a_training_image(multiregion, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compare", str(multiregion), "--split", "--out", str(out), *QUICK]) == 0
    assert "FF201" in capsys.readouterr().err
    folds = pd.read_csv(out / "folds.csv")
    assert folds[["fold", "n_train", "n_test"]].drop_duplicates().to_numpy().tolist() == [[1, 40, 2]]
    excluded = pd.read_csv(out / "excluded.csv")
    assert excluded["reason"].str.contains("a copy of it stands in the training part").sum() == 12


def test_a_split_that_is_not_used_is_said(multiregion, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["compare", str(multiregion), "--out", str(out), *QUICK]) == 0
    assert "Note: The data have a split of their own, which is not used; --split uses it" in capsys.readouterr().err
    assert "The data came with a split of their own, which was not used." in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split"], "--split: no column 'split'"),
        (["--split", "--repeats", "2"], "--repeats: a split of the data's own cannot be divided anew"),
        (["--external-groups", "x"], "--external-groups needs --external"),
        (["--root", "x"], "--root and --empty are for a csv"),
        (["--empty", "0"], "--root and --empty are for a csv"),
        (["--metadata", "age"], "no column ['age']"),
    ],
)
def test_arguments_that_do_not_apply(radiographs, arguments, message, capsys):
    assert main(["compare", str(radiographs), *QUICK, *arguments]) == 2
    assert message in capsys.readouterr().err


def write_grazpedwri(root, radiographs):
    """GRAZPEDWRI-DX: images in several folders, named in the csv by their stem; 1 or nothing is the label."""
    rows = []
    for label, source in (("", "non-fractured"), ("1", "fractured")):
        for k, path in enumerate(drawn(radiographs, source)[:24]):
            patient = f"{k % 8 + (8 if label else 0):04d}"
            stem = f"{patient}_129786{k:04d}_01_WRI-{'LR'[k % 2]}1_M014"
            folder = root / f"images_part{k % 4 + 1}"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / f"{stem}.jpg")
            age, side = f"{k % 12 + 2}.5", "LR"[k % 2]
            rows.append([stem, patient, "1", age, "M" if k % 3 else "F", side, "1", "", label])
    names = ("filestem", "patient_id", "study_number", "age", "gender", "laterality", "projection", "cast")
    pd.DataFrame(rows, columns=[*names, "fracture_visible"]).to_csv(root / "dataset.csv", index=False)


def test_grazpedwri_loads_by_the_documented_call(radiographs, tmp_path):
    write_grazpedwri(tmp_path, radiographs)
    data = load_csv(
        tmp_path / "dataset.csv",
        image="filestem",
        label="fracture_visible",
        empty="0",
        groups="patient_id",
        metadata_columns=["age", "gender", "laterality", "projection"],
    )
    assert data.class_counts() == {"0": 24, "1": 24}
    assert data.frame["patient_id"][0] == "0000"
    assert data.frame["age"].dtype == np.float64
    assert len(np.unique(data.groups)) == 16
    assert all(Path(path).is_file() for path in data.paths)
    with pytest.raises(DatasetError, match="column 'fracture_visible' is empty in row 2"):
        load_csv(tmp_path / "dataset.csv", image="filestem", label="fracture_visible")
    # A table program writes a column with gaps as decimals.
    text = (tmp_path / "dataset.csv").read_text().replace(",1\n", ",1.0\n")
    (tmp_path / "dataset.csv").write_text(text)
    again = load_csv(tmp_path / "dataset.csv", image="filestem", label="fracture_visible", empty="0")
    assert again.class_counts() == data.class_counts()


def test_grazpedwri_compares_and_metadata_reach_baseline_and_subgroups(radiographs, tmp_path):
    write_grazpedwri(tmp_path / "data", radiographs)
    (tmp_path / "data" / "dataset.csv").rename(tmp_path / "table.csv")
    argv = ["compare", str(tmp_path / "table.csv"), "--root", str(tmp_path / "data"), "--image", "filestem"]
    argv += ["--label", "fracture_visible", "--empty", "0", "--groups", "patient_id", "--out", str(tmp_path / "out")]
    assert main([*argv, *QUICK, "--metadata", "gender, age"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "gender" in page
    with_metadata = pd.read_csv(tmp_path / "out" / "predictions.csv").query("model == 'metadata only'")
    assert main([*argv, *QUICK]) == 0
    without = pd.read_csv(tmp_path / "out" / "predictions.csv").query("model == 'metadata only'")
    assert (with_metadata["score"].to_numpy() != without["score"].to_numpy()).any()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["data"]["groups"] == 16


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    return make_radiographs(24, folder=tmp_path_factory.mktemp("outside"), random_state=5)


def compare(*arguments):
    return main(["compare", *map(str, arguments), *QUICK])


def test_external_images_are_grouped_as_the_data_are(radiographs, outside, capsys):
    assert compare(radiographs, "--groups", r"patient(\d+)", "--external", outside) == 0
    captured = capsys.readouterr()
    n = len(np.unique(load_folder(outside, groups=r"patient(\d+)").groups))
    assert f"{n} groups" in captured.out
    assert "No groups are given for external" not in captured.err
    assert "from resampling whole images" not in captured.out


def test_external_groups_of_their_own(radiographs, outside, tmp_path, capsys):
    names = [path.name for path in outside.glob("*/*.jpg")]
    pd.DataFrame({"image": names, "group": [k // 3 for k in range(24)]}).to_csv(tmp_path / "own.csv", index=False)
    inside = [path.name for path in radiographs.glob("*/*.jpg")]
    pd.DataFrame({"image": inside, "group": [k // 4 for k in range(60)]}).to_csv(tmp_path / "in.csv", index=False)
    arguments = (radiographs, "--groups", tmp_path / "in.csv", "--external", outside)
    assert compare(*arguments, "--external-groups", tmp_path / "own.csv") == 0
    captured = capsys.readouterr()
    assert "8 groups" in captured.out
    # Groups of the data that say nothing of the others are no reason to stop.
    shutil.copytree(outside, tmp_path / "renamed")
    for path in (tmp_path / "renamed").glob("*/*.jpg"):
        path.rename(path.with_name(f"other-{path.name}"))
    assert compare(*arguments[:-1], tmp_path / "renamed") == 0
    said = capsys.readouterr().err
    assert "--groups does not apply to --external, give --external-groups: " in said
    assert "No groups are given for external" in said
    assert compare(*arguments, "--external-groups", "nothing(like)") == 2


def test_external_images_that_are_files_of_the_data_are_an_error(radiographs, outside, tmp_path, capsys):
    mixed = tmp_path / "mixed"
    shutil.copytree(outside, mixed)
    for k, path in enumerate(drawn(radiographs, "fractured")[:3]):
        shutil.copy(path, mixed / "fractured" / f"new name {k}.jpg")
    assert compare(radiographs, "--groups", r"patient(\d+)", "--external", mixed) == 2
    assert (
        "external: 3 of 27 images are files of the data under another name (equal SHA-256)" in capsys.readouterr().err
    )
