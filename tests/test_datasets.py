import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracture_features import load_csv, load_folder, load_fracatlas, load_mura
from fracture_features.datasets._labels import is_fracture_name
from fracture_features.exceptions import DatasetError, NoReadableImagesError
from fracture_features.results import digest_of


def touch(root, *names):
    """Empty files: loaders look at names, not at pixels."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.mark.parametrize(
    ("healthy", "broken"),
    [
        ("non-fractured", "fractured"),
        ("not fractured", "fractured"),
        ("Non_fractured", "Fractured"),
        ("not_fractured", "Fracture"),
        ("nofracture", "fractures"),
        ("unfractured", "fractured"),
        ("normal", "fracture"),
        ("Healthy", "broken"),
        ("Negative", "Positive"),
        ("XR_normal", "XR_fractured"),
    ],
)
def test_the_fracture_is_found_by_name(healthy, broken, tmp_path):
    data = load_folder(touch(tmp_path, f"{healthy}/b.png", f"{healthy}/a.JPG", f"{broken}/c.jpeg"))
    assert data.target_names == [healthy, broken]
    assert data.y.tolist() == [int(str(path).endswith("c.jpeg")) for path in data.paths]
    assert data.groups is None


@pytest.mark.parametrize(
    "name", ["abnormal", "no fracture", "NonFractured", "without fracture", "not broken", "implant"]
)
def test_names_that_are_no_fracture(name):
    assert not is_fracture_name(name)


@given(st.text())
def test_any_name_is_judged(name):
    assert is_fracture_name(name) in (True, False)


def test_order_is_deterministic_and_other_files_are_counted(tmp_path):
    touch(tmp_path, "fractured/10.png", "fractured/9.png", "fractured/deep/1.png", "normal/2.png")
    touch(tmp_path, "README.md", "normal/Thumbs.db", "normal/.DS_Store", ".git/x.png", "normal/._2.png")
    data = load_folder(tmp_path)
    assert [path.removeprefix(str(tmp_path)) for path in data.paths] == [
        "/fractured/10.png",
        "/fractured/9.png",
        "/fractured/deep/1.png",
        "/normal/2.png",
    ]
    assert data.n_ignored == 2
    assert "2 files left out: 1 .db file, 1 .md file" in repr(data)


def test_splits_are_kept(tmp_path):
    touch(tmp_path, *(f"{s}/{c}/1.png" for s in ("Train", "valid", "test") for c in ("fractured", "not fractured")))
    data = load_folder(tmp_path, groups="split")
    assert data.frame["split"].tolist() == ["train", "train", "test", "test", "val", "val"]
    assert data.groups.tolist() == [0, 0, 1, 1, 2, 2]


def test_more_than_two_classes(tmp_path):
    data = load_folder(touch(tmp_path, "oblique/1.png", "healthy/1.png", "spiral/1.png"))
    assert data.target_names == ["healthy", "oblique", "spiral"]
    assert data.class_counts() == {"healthy": 1, "oblique": 1, "spiral": 1}
    with pytest.raises(DatasetError, match="two classes, found 3"):
        load_folder(tmp_path, positive="spiral")


def test_positive_is_asked_for_and_taken(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png")
    with pytest.raises(DatasetError, match=r"cannot tell which of the classes \['a', 'b'\].*positive="):
        load_folder(tmp_path)
    assert load_folder(tmp_path, positive="a").target_names == ["b", "a"]
    with pytest.raises(DatasetError, match="positive='c' is none of the classes"):
        load_folder(tmp_path, positive="c")


def test_bad_folders(tmp_path):
    with pytest.raises(DatasetError, match="there is no such folder"):
        load_folder(tmp_path / "nowhere")
    touch(tmp_path, "file.txt")
    with pytest.raises(DatasetError, match="it is a file"):
        load_folder(tmp_path / "file.txt")
    with pytest.raises(NoReadableImagesError, match=r"no images in it or below \(1 file left out: 1 .txt file\)"):
        load_folder(tmp_path)
    touch(tmp_path, "fractured/1.png")
    with pytest.raises(DatasetError, match=r"at least two classes, found only \['fractured'\]"):
        load_folder(tmp_path)
    touch(tmp_path, "loose.png")
    with pytest.raises(DatasetError, match=r"in no class folder, the first is 'loose.png'"):
        load_folder(tmp_path)
    touch(tmp_path, "train/fractured/1.png")
    with pytest.raises(DatasetError, match=r"splits \['train'\] stand beside"):
        load_folder(tmp_path)


@pytest.fixture
def four(tmp_path):
    return touch(tmp_path, *(f"{c}/patient{p}_{c[0]}.png" for c in ("fractured", "normal") for p in (1, 2)))


def test_groups_from_a_pattern_an_array_and_a_csv(four):
    expected = [0, 1, 0, 1]
    assert load_folder(four, groups=r"patient(\d+)").groups.tolist() == expected
    assert load_folder(four, groups=["x", "y", "x", "y"]).groups.tolist() == expected
    table = four / "groups.csv"
    for names in (
        ["fractured/patient1_f.png", "fractured/patient2_f.png", "normal/patient1_n.png", "normal/patient2_n.png"],
        ["patient1_f.png", "patient2_f.png", "patient1_n.png", "patient2_n.png"],
        ["patient1_f", "patient2_f", "patient1_n", "patient2_n"],
    ):
        pd.DataFrame({"file": names, "patient": [7, 3, 7, 3]}).to_csv(table, index=False)
        assert load_folder(four, groups=table).groups.tolist() == expected
        assert load_folder(four, groups=str(table)).groups.tolist() == expected


def test_a_path_in_a_csv_of_groups_is_worth_more_than_a_name(tmp_path):
    """An image is called as another one's name without its ending."""
    touch(tmp_path, "fractured/a.png", "fractured/b.png", "normal/c.png", "normal/d.png")
    table = tmp_path / "groups.csv"
    rows = "fractured/a.png,1\na,2\na.png,2\nb,3\nfractured/b,4\nc,1\nd,5\n"
    table.write_text("image,group\n" + rows)
    data = load_folder(tmp_path, groups=table)
    known = dict(zip([path.rsplit("/", 1)[-1] for path in data.paths], data.groups.tolist(), strict=True))
    assert known["a.png"] == known["c.png"]
    assert len({known["a.png"], known["b.png"], known["d.png"]}) == 3


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (r"subject(\d+)", r"no column of the frame .* finds nothing in 'fractured/patient1_f.png'"),
        ("(", "nor a regular expression"),
        ([1, 2, 3], r"one for each of 4 images, got shape \(3,\)"),
        ([1, None, 1, 2], "1 images have none, the first is 'fractured/patient2_f.png'"),
        ("nowhere.csv", "no such csv"),
    ],
)
def test_bad_groups(four, groups, message):
    with pytest.raises(DatasetError, match=message):
        load_folder(four, groups=groups)


def test_bad_group_tables(four):
    table = four / "groups.csv"
    for text, message in [
        ("image,group\npatient1_f,1\n", "no group for 'fractured/patient2_f.png'"),
        ("a,b,c\n1,2,3\n", "expected two columns"),
        ("image,group\na,1\na,2\n", "'a' stands in two groups"),
        ("", "cannot be read as csv"),
        ("image,group\n", "no rows"),
    ]:
        table.write_text(text)
        with pytest.raises(DatasetError, match=message):
            load_folder(four, groups=table)


@pytest.fixture
def table(four):
    path = four / "table.csv"
    images = ["normal/patient1_n.png", "fractured/patient1_f.png", "normal/patient2_n.png"]
    pd.DataFrame(
        {
            "image": images,
            "label": ["no fracture", "fracture", "no fracture"],
            "who": [5, 5, 6],
            "view": ["ap", "ap", "pa"],
        }
    ).to_csv(path, index=False)
    return path


def test_csv(table):
    data = load_csv(table, groups="who", metadata_columns=["view"])
    assert [path.rpartition("/")[2] for path in data.paths] == ["patient1_n.png", "patient1_f.png", "patient2_n.png"]
    assert data.y.tolist() == [0, 1, 0]
    assert data.groups.tolist() == [0, 0, 1]
    assert list(data.frame.columns) == ["who", "view"]
    assert data.metadata_columns == ("view",)


def test_csv_of_zeros_and_ones(table):
    frame = pd.read_csv(table).rename(columns={"label": "fractured"}).assign(fractured=[0, 1, 0])
    frame.to_csv(table, index=False)
    assert load_csv(table, label="fractured").y.tolist() == [0, 1, 0]
    frame.rename(columns={"fractured": "label"}).to_csv(table, index=False)
    with pytest.raises(DatasetError, match="cannot tell"):
        load_csv(table)
    assert load_csv(table, positive=0).y.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, {"image": "file"}, "no column 'file'; there are"),
        ({}, {"metadata_columns": ["age"]}, r"no column \['age'\]"),
        ({"label": ["fracture", None, "normal"]}, {}, "column 'label' is empty in row 3"),
        ({"image": ["../x.png"] * 3}, {}, "'../x.png' leads out of the folder"),
        ({"image": ["/etc/passwd"] * 3}, {}, "'/etc/passwd' leads out of the folder"),
        ({"image": ["normal/none.png"] * 3}, {}, "there is no file"),
        ({}, {"root": "nowhere"}, "there is no such folder"),
    ],
)
def test_bad_csv(table, change, arguments, message):
    pd.read_csv(table).assign(**change).to_csv(table, index=False)
    with pytest.raises(DatasetError, match=message):
        load_csv(table, **arguments)


def test_unreadable_csv(tmp_path):
    for name, content in [("binary.csv", b"\xff\xfe\x00\x01\xd8"), ("ragged.csv", b'a,b\n1,2,3,4\n"')]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError, match=f"{name}: "):
            load_csv(tmp_path / name)
    with pytest.raises(DatasetError, match="no such csv"):
        load_csv(tmp_path / "nowhere.csv")


def test_subset_by_mask_and_by_position(table):
    data = load_csv(table, groups="who")
    for rows in (np.array([False, True, True]), [1, 2]):
        part = data.subset(rows)
        assert len(part) == 2
        assert part.frame["who"].tolist() == [5, 6]
        assert part.frame.index.tolist() == [0, 1]
        assert part.groups.tolist() == [0, 1]
        assert part.paths.tolist() == data.paths[1:].tolist()


def fracatlas(root, n=25):
    """A folder laid out as FracAtlas is."""
    numbers = np.arange(n)
    table = pd.DataFrame({"image_id": [f"IMG{i:07d}.jpg" for i in numbers], "fractured": numbers % 2})
    for column in ["hand", "hip", "shoulder", "hardware", "multiscan", "lateral", "oblique"]:
        table[column] = 0
    table["leg"] = table["frontal"] = 1
    table.loc[0, "hip"] = 1
    table.loc[1, "frontal"] = 0
    table["fracture_count"] = table["fractured"]
    table.to_csv(root / "dataset.csv", index=False)
    touch(root, *(f"images/{['Non_fractured', 'Fractured'][i % 2]}/IMG{i:07d}.jpg" for i in numbers))


def test_fracatlas_layout(tmp_path):
    fracatlas(tmp_path)
    data = load_fracatlas(tmp_path, groups="blocks")
    assert data.target_names == ["Non_fractured", "Fractured"]
    assert data.groups.tolist() == [0] * 20 + [1] * 5
    assert data.frame["body_part"][:2].tolist() == ["leg+hip", "leg"]
    assert data.frame["view"][:2].tolist() == ["frontal", "unknown"]
    assert "fracture_count" in data.frame
    assert data.metadata_columns == ("body_part", "view", "hardware", "multiscan")


def test_bad_fracatlas(tmp_path):
    with pytest.raises(DatasetError, match="no such csv"):
        load_fracatlas(tmp_path)
    fracatlas(tmp_path)
    (tmp_path / "images/Fractured/IMG0000003.jpg").unlink()
    with pytest.raises(DatasetError, match="1 of 25 images are not there, the first is 'images/Fractured/IMG0000003"):
        load_fracatlas(tmp_path)
    table = pd.read_csv(tmp_path / "dataset.csv")
    table.drop(columns="hardware").to_csv(tmp_path / "dataset.csv", index=False)
    with pytest.raises(DatasetError, match="no column 'hardware'"):
        load_fracatlas(tmp_path)
    table.assign(fractured=2).to_csv(tmp_path / "dataset.csv", index=False)
    with pytest.raises(DatasetError, match=r"holds \[2\]; expected 0 and 1"):
        load_fracatlas(tmp_path)


MURA = [
    f"{split}/XR_{part}/patient{patient}/study{k}_{label}/image{i}.png"
    for split, part, patient, k, label in [
        ("train", "WRIST", "00011", 1, "positive"),
        ("train", "HAND", "00011", 1, "negative"),
        ("valid", "HAND", "00012", 2, "negative"),
    ]
    for i in (1, 2)
]


def test_mura_layout(tmp_path):
    data = load_mura(touch(tmp_path, *MURA, "MURA.csv"))
    assert data.target_names == ["negative", "positive"]
    assert data.y.tolist() == [0, 0, 1, 1, 0, 0]
    assert data.groups.tolist() == [0, 0, 0, 0, 1, 1]
    assert data.frame["study"].unique().tolist() == [
        "patient00011/XR_HAND/study1",
        "patient00011/XR_WRIST/study1",
        "patient00012/XR_HAND/study2",
    ]
    assert data.frame["split"].tolist() == ["train"] * 4 + ["val"] * 2
    assert data.metadata_columns == ("body_part",)
    one_part = load_mura(tmp_path / "train")
    assert "split" not in one_part.frame
    assert len(one_part) == 4


def test_bad_mura(tmp_path):
    with pytest.raises(NoReadableImagesError, match="no images"):
        load_mura(tmp_path)
    touch(tmp_path, *MURA, "train/XR_HAND/image1.png")
    with pytest.raises(DatasetError, match=r"'train/XR_HAND/image1.png' does not lie as in MURA"):
        load_mura(tmp_path)


def test_real_fracatlas(shared_data):
    root = shared_data / "fracatlas"
    data = load_fracatlas(root, groups=root / "groups.csv")
    assert data.class_counts() == {"Non_fractured": 2075, "Fractured": 424}
    assert len(np.unique(data.groups)) == 109


def test_real_folder_with_splits(shared_data):
    data = load_folder(shared_data / "multiregion")
    assert len(data) == 1179
    assert data.target_names == ["not fractured", "fractured"]
    assert set(data.frame["split"]) == {"train", "test"}


def write_dicom(path, **elements):
    """A small whole DICOM file."""
    pydicom = pytest.importorskip("pydicom")
    dataset = pydicom.dataset.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = pydicom.uid.DigitalXRayImageStorageForPresentation, "1.2.3"
    dataset.PatientName = "Doe^Jane"
    dataset.Rows = dataset.Columns = 8
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = bytes(range(64))
    for name, value in elements.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def dicom_folder(tmp_path):
    for i, (name, patient) in enumerate([("fractured/a.dcm", "P1"), ("fractured/b", "P2"), ("normal/c.dcm", "P1")]):
        write_dicom(tmp_path / name, PatientID=patient, ViewPosition="AP", StudyInstanceUID=f"1.2.{i}")
    return touch(tmp_path, "normal/notes")


def test_dicom_headers_are_columns_and_groups(dicom_folder):
    data = load_folder(dicom_folder, groups="PatientID")
    assert [path.rpartition("/")[2] for path in data.paths] == ["a.dcm", "b", "c.dcm"]
    assert data.n_ignored == 1
    assert data.groups.tolist() == [0, 1, 0]
    assert data.metadata_columns == ("ViewPosition",)
    assert data.frame["StudyInstanceUID"].nunique() == 3
    assert "Doe" not in data.frame.to_string()
    assert "P1" not in data.frame.to_string()


def hashed_in_another_process(folder, *arguments):
    code = "import sys; from fracture_features import load_folder as load; print(*load(sys.argv[1], groups='PatientID'"
    run = [sys.executable, "-c", f"{code}{''.join(arguments)}).frame['PatientID'])", str(folder)]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()


def test_hashes_of_ids_have_a_random_key_unless_one_is_given(dicom_folder):
    """With an empty key an id of eight digits was found in half a second, by trying all."""
    here = load_folder(dicom_folder, groups="PatientID")
    for salted in (load_folder(dicom_folder, groups="PatientID"), load_folder(dicom_folder, groups="PatientID")):
        assert salted.frame["PatientID"].tolist() == here.frame["PatientID"].tolist()  # comparable in one process
    assert set(hashed_in_another_process(dicom_folder)).isdisjoint(here.frame["PatientID"])
    secret = load_folder(dicom_folder, groups="PatientID", salt="secret")
    assert hashed_in_another_process(dicom_folder, ", salt='secret'") == secret.frame["PatientID"].tolist()
    assert set(secret.frame["PatientID"]).isdisjoint(here.frame["PatientID"])
    assert secret.groups.tolist() == here.groups.tolist() == [0, 1, 0]
    assert digest_of(secret) == digest_of(here)


def test_a_missing_patient_id_is_never_invented(dicom_folder):
    write_dicom(dicom_folder / "normal/d.dcm")
    assert load_folder(dicom_folder).groups is None
    with pytest.raises(DatasetError, match=r"1 images have none, the first is 'normal/d.dcm'"):
        load_folder(dicom_folder, groups="PatientID")


def test_dicom_in_a_csv(dicom_folder):
    table = pd.DataFrame({"image": ["fractured/a.dcm", "normal/c.dcm"], "label": ["fracture", "normal"], "age": [1, 2]})
    table.to_csv(dicom_folder / "table.csv", index=False)
    data = load_csv(dicom_folder / "table.csv", groups="PatientID")
    assert data.groups.tolist() == [0, 0]
    assert list(data.frame.columns)[:2] == ["age", "PatientID"]
