import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fracture_features import FractureDataset, ImageReader, load_folder, read_image
from fracture_features.datasets import take_inventory
from fracture_features.evaluation import exclude_unreadable
from fracture_features.images import read_header


@pytest.fixture
def opened(monkeypatch):
    """Paths of the files whose bytes are read, in order."""
    seen = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: seen.append(str(path)) or real(path))
    return seen


@pytest.fixture
def folder(tmp_path):
    """One file of each kind: plain, turned by EXIF, cut short, no image, missing."""
    image = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "b.jpg", exif=exif)
    (tmp_path / "c.jpg").write_bytes((tmp_path / "b.jpg").read_bytes()[:-200])
    (tmp_path / "d.png").write_bytes(b"nothing")
    return tmp_path


def paths_of(folder):
    return [str(folder / name) for name in ("a.png", "b.jpg", "c.jpg", "d.png", "e.png")]


def test_each_file_is_described_after_one_opening(folder, opened):
    files = take_inventory(paths_of(folder))
    assert sorted(set(opened)) == paths_of(folder)
    assert [path for path in opened if "e.png" not in path] == paths_of(folder)[:4]
    assert files["format"].tolist()[:3] == ["PNG", "JPEG", "JPEG"]
    assert (files["height"][0], files["width"][0]) == (40, 30)
    assert (files["height"][1], files["width"][1]) == read_image(folder / "b.jpg").shape == (30, 40)
    for row, name in enumerate(("a.png", "b.jpg", "c.jpg", "d.png")):
        status = (folder / name).stat()
        assert files["sha256"][row] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert files["size"][row] == status.st_size
        assert files["mtime"][row] == pd.Timestamp(status.st_mtime_ns, tz="UTC")
    assert files["reason"].isna().tolist() == [True, True, False, False, False]
    assert "cut short" in files["reason"][2]
    assert "not an image" in files["reason"][3]
    assert "no such file" in files["reason"][4]
    assert files.loc[4, ["size", "sha256", "format", "height"]].isna().all()


def test_one_opening_fills_the_caches_of_all_readers(folder, tmp_path, opened):
    readers = [ImageReader(image_size=size, cache=tmp_path / name) for size, name in ((16, "x"), (24, "x"), (16, "y"))]
    paths = paths_of(folder)[:2]
    first = take_inventory(paths, readers)
    assert sorted(opened) == paths
    opened.clear()
    stacks = [reader.fit_transform(paths) for reader in readers]
    assert opened == []
    np.testing.assert_array_equal(stacks[0], ImageReader(image_size=16).fit_transform(paths))
    np.testing.assert_array_equal(stacks[1], ImageReader(image_size=24).fit_transform(paths))
    opened.clear()
    pd.testing.assert_frame_equal(take_inventory(paths, readers[::-1]), first)
    assert opened == []


def test_another_version_of_a_file_is_noticed_whatever_its_time_and_size(folder, tmp_path):
    path, cache = folder / "a.png", tmp_path / "cache"
    (before,) = take_inventory([str(path)], [ImageReader(cache=cache)])["sha256"]
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (after,) = take_inventory([str(path)], [ImageReader(cache=cache)])["sha256"]
    assert after == hashlib.sha256(content).hexdigest() != before


def test_files_are_those_of_the_rows(radiographs, opened):
    data = load_folder(radiographs)
    part = data.subset([3, 1])
    assert opened == []
    assert len(data.files) == 60
    assert opened != []
    opened.clear()
    pd.testing.assert_frame_equal(data.subset([3, 1]).files, data.files.iloc[[3, 1]].reset_index(drop=True))
    assert opened == []
    pd.testing.assert_frame_equal(part.files, data.files.iloc[[3, 1]].reset_index(drop=True))


def test_the_reason_does_not_depend_on_the_order_of_readers(folder, tmp_path):
    readers = [
        ImageReader(image_size=8),
        ImageReader(image_size=2000),
        ImageReader(image_size=16, cache=tmp_path / "c"),
    ]
    reasons = [take_inventory(paths_of(folder), order)["reason"].tolist() for order in (readers, readers[::-1])]
    assert reasons[0] == reasons[1]


def test_dicom_elements_are_those_of_the_loader(shared_data):
    paths = sorted(str(path) for path in (shared_data / "dicom").glob("*.dcm"))
    files = take_inventory(paths)
    assert set(files["format"]) == {"DICOM"}
    readable = files["reason"].isna()
    assert readable.sum() >= 7
    assert [read_image(path).shape for path, good in zip(paths, readable, strict=True) if good] == list(
        zip(files["height"][readable], files["width"][readable], strict=True)
    )
    for name in ("ViewPosition", "BodyPartExamined", "Laterality"):
        elements = [read_header(path)[name] for path in np.array(paths)[readable]]
        assert files.loc[readable, name].astype(object).where(files[name].notna(), None).tolist() == elements
    assert not {"PatientID", "StudyInstanceUID", "SeriesInstanceUID"} & {*files}, "the cache would keep them"


def test_excluded_files_keep_their_reason_and_the_others_their_files(folder):
    paths = np.array(paths_of(folder))
    data = FractureDataset(paths, np.array([0, 1, 0, 1, 1]), ["no", "yes"], None, pd.DataFrame(index=range(5)))
    readable, excluded = exclude_unreadable(data)
    assert readable.paths.tolist() == paths[:2].tolist()
    assert readable.files["reason"].isna().all()
    assert excluded["path"].tolist() == paths[2:].tolist()
    assert excluded["label"].tolist() == ["no", "yes", "yes"]
