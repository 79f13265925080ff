"""The page on a data set before any model."""

import re
import shutil

import cv2
import numpy as np
import pytest
from test_report import Page, check_contained

from fracture_features import load_folder, read_image
from fracture_features.cli import ExitCode, main
from fracture_features.cnn import augment_images
from fracture_features.exceptions import NoReadableImagesError
from fracture_features.report import write_data
from fracture_features.report._pictures import SIZE, to_jpeg


@pytest.fixture(scope="module")
def text(data, tmp_path_factory):
    return write_data(data, tmp_path_factory.mktemp("show") / "page.html", random_state=0).read_text("utf-8")


def test_it_is_contained_and_says_how_many(text):
    check_contained(text)
    shown = Page(text).text
    assert "60 radiographs: 30 non-fractured, 30 fractured" in shown
    assert "20 groups, such as patients" in shown
    assert "Not a medical device" in shown
    assert text.count('alt="Radiograph') == 2 * 8 + 1
    assert text.count('alt="Variation') == 7


def test_samples_are_of_different_patients(text):
    names = re.findall(r'alt="Radiograph [^"]*patient(\d+)_', text)
    assert len(set(names[:8])) == len(set(names[8:16])) == 8


def test_sizes_are_those_of_the_files(text, data):
    row = re.search(r"<td>Height, pixels</td>(.*?)</tr>", text, re.DOTALL)[1]
    quartiles = [float(value) for value in re.findall(r'data-sort="([\d.]+)"', row)]
    heights = [read_image(path).shape[0] for path in data.paths]
    np.testing.assert_allclose(quartiles, np.quantile(heights, [0, 0.25, 0.5, 0.75, 1]))


def test_variations_are_what_a_network_is_shown(text, data):
    name = re.findall(r'alt="Radiograph ([^"]*)"', text)[-1]
    path = next(path for path in data.paths if path.endswith(name))
    image = read_image(path, max_side=SIZE)
    for varied in augment_images(image[None], 7, random_state=0)[0]:
        assert to_jpeg(varied) in text


def test_metadata_by_class_and_missing_groups(data, radiographs, tmp_path):
    rows = ["image,label,view\n"]
    rows += [f"{path},{k % 2},{'AP' if k % 3 else '<b>LAT'}\n" for k, path in enumerate(data.paths)]
    (tmp_path / "t.csv").write_text("".join(rows))
    argv = ["show", str(tmp_path / "t.csv"), "--root", str(radiographs), "--metadata", "view", "--positive", "1"]
    assert main([*argv, "--out", str(tmp_path / "p.html")]) == 0
    text = (tmp_path / "p.html").read_text()
    check_contained(text)
    assert "Classes by view" in text
    assert "&lt;b&gt;LAT" in text
    assert "No groups are given" in Page(text).text


def test_what_cannot_be_read_is_listed_and_the_exit_code_says_so(radiographs, tmp_path, capsys):
    folder = shutil.copytree(radiographs, tmp_path / "data")
    broken = sorted(folder.glob("fractured/*"))[0]
    broken.write_bytes(broken.read_bytes()[:500])
    out = tmp_path / "page.html"
    assert main(["show", str(folder), "--out", str(out)]) == ExitCode.FAILURES
    shown = Page(out.read_text()).text
    assert "1 files cannot be read" in shown
    assert broken.name in shown


def test_nothing_readable(tmp_path):
    for name in ("fractured", "normal"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_text("text")
    with pytest.raises(NoReadableImagesError, match="none of 2 files can be read"):
        write_data(load_folder(tmp_path), tmp_path / "x.html")
    assert main(["show", str(tmp_path), "--out", str(tmp_path / "x.html")]) == ExitCode.NOTHING_READABLE
    assert not (tmp_path / "x.html").exists()


def test_one_image_of_one_class_is_enough_for_the_page(tmp_path):
    for name in ("fractured", "normal"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.png"), np.random.default_rng(0).integers(0, 255, (60, 50), np.uint8))
    assert write_data(load_folder(tmp_path), tmp_path / "x.html").exists()
