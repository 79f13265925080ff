"""What stands in a folder: links, litter, DICOM under any name, and what is no radiograph."""

import os
import re
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from fracture_features import evaluate, load_csv, load_folder, load_mura, make_pipeline, read_image
from fracture_features.datasets._files import LITTER, count_kinds, find_images
from fracture_features.evaluation import exclude_unreadable
from fracture_features.exceptions import DatasetError, ImageReadError, NoReadableImagesError
from fracture_features.images import FileContent, read_content, read_header, read_shape

pydicom = pytest.importorskip("pydicom")
STORAGE = "1.2.840.10008.5.1.4.1.1."


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def write_dicom(path, *, sop_class=f"{STORAGE}1.1", pixels=True, syntax=None, **elements):
    """A small whole DICOM file."""
    dataset = pydicom.dataset.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax or pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, "1.2.3"
    if pixels:
        dataset.Rows = dataset.Columns = 8
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.PixelData = bytes(range(64))
    for name, value in elements.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def dicoms(tmp_path):
    """Six radiographs of three patients, none of them called .dcm."""
    names = ["1.2.840.113619.2.5", "b.dicom", "c.IMA", "d.img", "1.2.3.IMG0001", "f"]
    for i, name in enumerate(names):
        folder = ("fractured", "normal")[i % 2]
        write_dicom(tmp_path / folder / name, PatientID=f"P{i % 3}", PixelData=bytes(range(i, 64 + i)))
    return tmp_path


def test_content_decides_what_is_dicom(dicoms):
    data = load_folder(dicoms, groups="PatientID")
    assert len(data) == 6
    assert data.n_ignored == 0
    assert Counter(data.groups.tolist()) == {0: 2, 1: 2, 2: 2}
    assert data.files["reason"].isna().all()


def test_dicom_under_the_ending_of_another_format_has_a_patient(dicoms, tmp_path):
    os.rename(tmp_path / "normal" / "f", tmp_path / "normal" / "f.jpg")
    os.rename(tmp_path / "normal" / "b.dicom", tmp_path / "normal" / "b.tiff")
    data = load_folder(dicoms, groups="PatientID")
    assert len(data) == 6
    assert len(np.unique(data.groups)) == 3
    assert load_folder(dicoms).frame["PatientID"].notna().all()
    names = pd.DataFrame({"image": ["normal/f.jpg", "normal/b.tiff"], "label": ["normal", "fractured"]})
    names.to_csv(tmp_path / "x.csv", index=False)
    assert load_csv(tmp_path / "x.csv").frame["PatientID"].notna().all()


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        (f"{STORAGE}11.1", "DICOM presentation state"),
        (f"{STORAGE}11.8", "DICOM presentation state"),
        (f"{STORAGE}88.33", "DICOM structured report"),
        (f"{STORAGE}104.1", "DICOM encapsulated document"),
        (f"{STORAGE}481.3", "DICOM radiotherapy object"),
        (f"{STORAGE}66.4", "DICOM segmentation"),
        ("1.2.840.10008.1.3.10", "DICOMDIR"),
        ("1.2.840.10008.3.1.2.3.3", "DICOM object without an image"),
    ],
)
@pytest.mark.parametrize("ending", [".dcm", "", ".pre", ".jpg"])
def test_objects_without_a_radiograph_are_counted_by_kind(dicoms, sop_class, kind, ending):
    for i in range(12):
        write_dicom(dicoms / "normal" / f"x{i}{ending}", sop_class=sop_class, pixels=False)
    data = load_folder(dicoms)
    assert len(data) == 6
    assert data.ignored == {kind: 12}
    assert data.n_ignored == 12
    assert count_kinds({kind: 12}) in repr(data)


def test_kinds_are_said_in_words():
    assert count_kinds({"DICOM presentation state": 12}) == "12 files left out: 12 DICOM presentation states"
    found = count_kinds(
        {".csv file": 1, "DICOM object without an image": 2, "file of no known format": 3, "DICOMDIR": 2}
    )
    assert found == (
        "8 files left out: 3 files of no known format, 2 DICOM objects without an image, 2 DICOMDIR, 1 .csv file"
    )
    assert count_kinds({}) == ""


def test_an_image_that_lacks_its_rows_is_an_image_that_cannot_be_read(dicoms):
    write_dicom(dicoms / "normal" / "x", pixels=False)
    data = load_folder(dicoms)
    assert len(data) == 7
    assert data.files["reason"].notna().sum() == 1


def no_preamble(path, patient="P9"):
    write_dicom(path, PatientID=patient)
    path.write_bytes(path.read_bytes()[132:])


def deflated(path, patient="P9"):
    write_dicom(path, PatientID=patient, syntax=pydicom.uid.DeflatedExplicitVRLittleEndian)


def garbage(path):
    path.write_bytes(b"\0" * 40)


@pytest.mark.parametrize(
    ("damage", "reason"), [(no_preamble, "preamble"), (deflated, "Deflated"), (garbage, "DICM|DICOM")]
)
def test_one_unreadable_dicom_stands_among_the_excluded_and_stops_nothing(dicoms, damage, reason):
    bad = dicoms / "normal" / "bad.dcm"
    damage(bad)
    data = load_folder(dicoms)
    assert len(data) == 7
    assert data.frame.loc[data.paths == str(bad)].isna().all(axis=None)
    readable, excluded = exclude_unreadable(data)
    assert len(readable) == 6
    assert excluded["path"].tolist() == [str(bad)]
    assert re.search(reason, excluded["reason"][0])
    # Whose image it is nobody can say.
    grouped = load_folder(dicoms, groups="PatientID")
    assert len(grouped) == 6
    assert "1 labelled files not taken" in repr(grouped)
    readable, excluded = exclude_unreadable(grouped)
    assert excluded[["path", "label"]].to_numpy().tolist() == [[str(bad), "normal"]]
    assert re.search(reason, excluded["reason"][0])
    assert len(readable.left_out) == 0


def test_left_out_files_are_in_the_result(dicoms):
    no_preamble(dicoms / "normal" / "bad.dcm")
    result = evaluate(
        {"m": make_pipeline("edges", "svm", image_size=48)},
        load_folder(dicoms, groups="PatientID"),
        cv=2,
        audit=False,  # the images are all alike
    )
    assert [Path(path).name for path in result.excluded["path"]] == ["bad.dcm"]
    assert result.manifest()["excluded"][0]["label"] == "normal"


def test_nothing_but_unreadable_headers(tmp_path):
    for folder in ("fractured", "normal"):
        (tmp_path / folder).mkdir()
        no_preamble(tmp_path / folder / "bad.dcm")
    with pytest.raises(NoReadableImagesError, match="none of 2 files can be taken"):
        load_folder(tmp_path, groups="PatientID")


@pytest.mark.parametrize("groups", [None, "PatientID"])
def test_the_loader_opens_each_file_once(dicoms, groups):
    os.rename(dicoms / "normal" / "f", dicoms / "normal" / "f.jpg")
    script = (
        "import collections, sys\n"
        "from fracture_features import load_folder\n"
        "opened = collections.Counter()\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.update([str(args[0])]))\n"
        "data = load_folder(sys.argv[1], groups=eval(sys.argv[2]))\n"
        "print(sorted({opened[path] for path in data.paths}))\n"
        "data.files\n"
        "print(sorted({opened[path] for path in data.paths}))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(dicoms), repr(groups)], check=True, capture_output=True, text=True
    )
    assert run.stdout.splitlines() == ["[1]", "[2]"]


def test_images_without_an_ending_and_unreadable_formats_are_images(tmp_path):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    cv2.imwrite(str(touch(tmp_path, "normal/x") / "normal/a.jpg"), image)
    os.rename(tmp_path / "normal/a.jpg", tmp_path / "normal/a")
    cv2.imwrite(str(tmp_path / "normal/b.png"), image)
    os.rename(tmp_path / "normal/b.png", tmp_path / "normal/b.image")
    touch(tmp_path, "fractured/c.gif")
    (tmp_path / "fractured/f.webp").write_bytes(b"RIFF\0\0\0\0WEBPVP8 ")
    for spare in ("d.jpg.bak", "e.png~"):
        (tmp_path / "fractured" / spare).write_bytes((tmp_path / "normal/b.image").read_bytes())
    data = load_folder(tmp_path)
    assert [Path(path).name for path in data.paths] == ["c.gif", "f.webp", "a", "b.image"]
    assert data.ignored == {".bak file": 1, ".png~ file": 1, "file of no known format": 1}
    assert data.files["reason"].isna().tolist() == [False, False, True, True]


def test_folders_that_are_links_are_followed_each_once(tmp_path):
    store = tmp_path / "store"
    touch(store, *(f"{c}/{k}.png" for c in "ab" for k in range(20)))
    root = touch(tmp_path / "data", *(f"normal/{k}.png" for k in range(8)))
    (root / "fractured").symlink_to(store / "a")
    (root / "normal" / "more").symlink_to(store / "b")
    assert load_folder(root).class_counts() == {"normal": 28, "fractured": 20}
    (root / "normal" / "loop").symlink_to(root)
    (root / "normal" / "above").symlink_to(tmp_path)
    (root / "normal" / "own").symlink_to(root / "normal")
    (root / "twice").symlink_to(store / "a")
    (store / "a" / "back").symlink_to(store)
    touch(tmp_path, "other/of nobody.png")
    (root / "normal" / "nowhere").symlink_to(tmp_path / "nowhere")
    data = load_folder(root)
    assert data.class_counts() == {"normal": 28, "fractured": 20}
    assert data.ignored["link to a folder that is read already"] >= 4
    (root / "normal" / "gone.png").symlink_to(tmp_path / "gone.png")
    assert load_folder(root).class_counts()["normal"] == 29  # an image that cannot be read, which is said later


def test_real_folders_come_before_links_to_them(tmp_path):
    touch(tmp_path, "normal/1.png", "zz/fractured/1.png")
    (tmp_path / "aa").symlink_to(tmp_path / "zz")
    assert find_images(tmp_path).images == ["normal/1.png", "zz/fractured/1.png"]


def test_folders_that_cannot_be_opened_are_counted(tmp_path, monkeypatch):
    touch(tmp_path, "fractured/1.png", "normal/1.png", "normal/secret/2.png")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    data = load_folder(tmp_path)
    assert data.ignored == {"folder that cannot be opened": 1}
    assert "1 file left out: 1 folder that cannot be opened" in repr(data)


@pytest.mark.parametrize("litter", [*sorted(LITTER), "@eaDir", "__MACOSX", ".thumbnails", ".AppleDouble"])
def test_litter_is_no_data(litter, tmp_path):
    touch(tmp_path, "fractured/1.png", "normal/1.png", f"normal/{litter}/1.png", f"{litter}/fractured/1.png")
    touch(
        tmp_path,
        "normal/._1.png",
        f"normal/{litter}/1.jpg/SYNOPHOTO_THUMB_M.jpg",
    )
    data = load_folder(tmp_path)
    assert len(data) == 2
    assert data.n_ignored == 0


@pytest.fixture
def special(tmp_path):
    """Files that never end when they are read."""
    os.mkfifo(tmp_path / "fifo.png")
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / "fifo.csv")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(tmp_path / "s.png"))
    yield tmp_path
    server.close()


@pytest.mark.timeout(60)
def test_fifos_and_devices_hang_nothing(special):
    touch(special, "fractured/1.png", "normal/1.png")
    found = find_images(special)
    assert found.images == ["fractured/1.png", "normal/1.png"]
    assert found.ignored == {"FIFO, device or socket": 5}
    for function in (read_image, read_shape, read_header):
        for name in ("fifo.png", "device.png", "s.png", "fifo"):
            with pytest.raises(ImageReadError, match="a FIFO, a device or a socket"):
                function(special / name)
    assert read_content(special / "fifo") == read_content(special / "device.png") == FileContent()
    for groups in (special / "fifo.csv", str(special / "fifo.csv")):
        with pytest.raises(DatasetError, match="no regular file"):
            load_folder(touch(special / "x", "fractured/1.png", "normal/1.png"), groups=groups)
    with pytest.raises(DatasetError, match="no regular file"):
        load_csv(special / "fifo.csv")
    pd.DataFrame({"image": ["fifo.png", "fractured/1.png"], "label": ["normal", "fracture"]}).to_csv(
        special / "x.csv", index=False
    )
    with pytest.raises(DatasetError, match="no regular file"):
        load_csv(special / "x.csv")


def test_mura_says_what_it_leaves_out(tmp_path):
    touch(
        tmp_path,
        *(f"train/XR_HAND/patient0001{k}/study1_{c}/image1.png" for k, c in enumerate(("positive", "negative"))),
    )
    touch(tmp_path, "MURA.csv")
    assert load_mura(tmp_path).ignored == {".csv file": 1}
    with pytest.raises(DatasetError, match="load_mura loads MURA"):
        load_folder(touch(tmp_path, "train/XR_ELBOW/patient00013/study2_negative/image1.png"))
