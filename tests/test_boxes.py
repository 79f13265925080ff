"""Boxes: read from what data sets publish, in the pixels of the file, checked, kept and drawn."""

import json
import pickle
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fracture_features import audit_dataset, load_coco, load_csv, load_folder, load_fracatlas, load_yolo
from fracture_features.datasets._box_tables import read_voc
from fracture_features.exceptions import DatasetError, DatasetWarning, NoReadableImagesError
from fracture_features.images import read_image
from fracture_features.plotting import plot_samples

HEIGHT, WIDTH = 40, 60


@pytest.fixture
def root(tmp_path):
    """Four images of 40 x 60 pixels, two of them broken."""
    for name in ("fractured/a.png", "fractured/b.png", "normal/c.png", "normal/d.png"):
        write(tmp_path / name)
    return tmp_path


def write(path, height=HEIGHT, width=WIDTH):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width), 90, dtype=np.uint8))


def table(root, *lines, header="image,top,left,bottom,right,label"):
    path = root / "boxes.csv"
    path.write_text("\n".join([header, *lines]))
    return path


def boxes_of(data):
    return {Path(p).name: None if b is None else b.tolist() for p, b in zip(data.paths, data.boxes, strict=True)}


def test_a_csv_of_boxes(root):
    path = table(root, "fractured/a.png,1,2,30,40.5,distal radius", "fractured/a.png,3,4,10,20,", "normal/c.png,,,,,")
    data = load_folder(root, boxes=path)
    assert boxes_of(data) == {"a.png": [[1, 2, 30, 40.5], [3, 4, 10, 20]], "b.png": None, "c.png": [], "d.png": []}
    assert data.boxes[0].dtype == np.float64
    assert data.boxes[2].shape == (0, 4)
    assert data.box_labels.tolist() == [("distal radius", "fracture"), None, (), ()]
    assert "2 boxes on 1 image" in repr(data)
    assert load_folder(root).boxes is None
    assert "box" not in repr(load_folder(root))


@pytest.mark.parametrize(
    "header",
    ["image,x_min,y_min,x_max,y_max", "Image ID,xmin,ymin,xmax,ymax", "file;X1;Y1;X2;Y2", "f\tX Max\tXMin\tYmax\tymin"],
)
def test_spellings_of_the_sides_and_names(root, header):
    separator = next(each for each in ",;\t" if each in header)
    values = {"min": "5,7", "max": "20,30"}
    x1, y1, x2, y2 = f"{values['min']},{values['max']}".split(",")
    order = [x2, x1, y2, y1] if "X Max" in header else [x1, y1, x2, y2]
    data = load_folder(root, boxes=table(root, separator.join(["b", *order]), header=header))
    assert boxes_of(data)["b.png"] == [[7, 5, 30, 20]]


@pytest.mark.parametrize(
    "name", ["a", "a.png", "fractured/a", "./fractured/a.png", "C:\\data\\fractured\\a.png", "/x/fractured/a.png"]
)
def test_an_image_is_named_by_path_or_name(root, name):
    assert boxes_of(load_folder(root, boxes=table(root, f"{name},1,2,3,4,")))["a.png"] == [[1, 2, 3, 4]]


def test_a_folder_that_is_none_of_the_data_set_is_not_passed_over(root):
    """Another folder's image of the same name is another image."""
    with pytest.raises(
        DatasetError, match=r"1 of 1 rows name no image of the data set; the first: line 2, 'other/a.png'"
    ):
        load_folder(root, boxes=table(root, "other/a.png,1,2,3,4,"))
    with pytest.warns(DatasetWarning, match=r"boxes.csv: 1 of 2 rows name no image of the data set"):
        load_folder(root, boxes=table(root, "other/a.png,1,2,3,4,", "b,1,2,3,4,"))


def test_a_name_that_may_be_several_images(root):
    write(root / "normal" / "a.png")
    with pytest.raises(DatasetError, match=r"line 2: 'a' may be any of 2 images"):
        load_folder(root, boxes=table(root, "a,1,2,3,4,"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,1,2,x,4,", r"boxes.csv, line 2: expected 4 finite numbers, got \['1', '2', 'x', '4'\]"),
        ("a,1,2,,4,", r"line 2: expected 4 finite numbers"),
        ("a,1,2,inf,4,", r"line 2: expected 4 finite numbers"),
        ("a,1,200,30,400,", r"line 2: box \(1, 200, 30, 400\) of '.*a.png', 40 x 60 pixels: the box lies outside"),
        ("a,-9,2,-3,4,", r"the box lies outside the image"),
    ],
)
def test_what_is_no_box_of_the_image_is_an_error(root, line, message):
    with pytest.raises(DatasetError, match=message):
        load_folder(root, boxes=table(root, line))


def test_columns_that_lack(root):
    with pytest.raises(
        DatasetError, match=r"expected the columns top, left, bottom and right, or x_min.*\['image', 'x'\]"
    ):
        load_folder(root, boxes=table(root, "a,1", header="image,x"))
    with pytest.raises(DatasetError, match="there is no such csv file"):
        load_folder(root, boxes=root / "none.csv")


def test_boxes_over_the_edge_empty_ones_and_those_of_healthy_images_are_said(root):
    with pytest.warns(DatasetWarning, match=r"boxes over the edge, cut there: 2, the first .*line 2: box"):
        data = load_folder(root, boxes=table(root, "a,-5,2,20,30,", "b,1,2,39,75,"))
    assert boxes_of(data)["a.png"] == [[0, 2, 20, 30]]
    assert boxes_of(data)["b.png"] == [[1, 2, 39, 60]]
    # Tools that count from 1, or round, are a pixel off.
    assert boxes_of(load_folder(root, boxes=table(root, "a,-1,2,41,61,")))["a.png"] == [[0, 2, 40, 60]]
    with pytest.warns(DatasetWarning, match=r"empty boxes, left away: 1, the first .*line 2: box \(5, 2, 5, 9\)"):
        data = load_folder(root, boxes=table(root, "a,5,2,5,9,"))
    assert boxes_of(data)["a.png"] == []
    with pytest.warns(
        DatasetWarning,
        match=r"on images of the class 'normal': 1, the first .*line 2: box \(1, 2, 3, 4\) of '.*c.png'",
    ):
        data = load_folder(root, boxes=table(root, "c,1,2,3,4,"))
    assert boxes_of(data)["c.png"] == [[1, 2, 3, 4]]


def test_of_three_classes_nobody_knows_which_has_no_fractures(root):
    write(root / "sprained" / "e.png")
    data = load_folder(root, boxes=table(root, "c,1,2,3,4,", "e,,,,,"))
    assert boxes_of(data) == {"a.png": None, "b.png": None, "c.png": [[1, 2, 3, 4]], "d.png": None, "e.png": []}


def test_of_an_image_that_cannot_be_read_no_box_is_known(root):
    (root / "fractured" / "a.png").write_bytes(b"no image")
    assert boxes_of(load_folder(root, boxes=table(root, "a,1,2,3,4,")))["a.png"] is None


def test_copies_keep_boxes(root):
    data = load_folder(root, boxes=table(root, "a,1,2,3,4,", "b,5,6,7,8,"))
    for rows in ([1, 0], np.array([True, True, False, False])):
        assert boxes_of(data.subset(rows)) == {"a.png": [[1, 2, 3, 4]], "b.png": [[5, 6, 7, 8]]}
    assert data.subset([1]).boxes[0].tolist() == [[5, 6, 7, 8]]
    assert data.subset([1, 2]).box_labels.tolist() == [("fracture",), ()]
    for copy in (data.with_files(data.files), replace(data), pickle.loads(pickle.dumps(data))):
        assert boxes_of(copy) == boxes_of(data)


def test_load_csv_takes_boxes(root):
    labels = root / "labels.csv"
    labels.write_text("image,label\nnormal/d.png,0\nfractured/b.png,1\nfractured/a.png,1\n")
    data = load_csv(labels, positive="1", boxes=table(root, "a,1,2,3,4,"))
    assert boxes_of(data) == {"d.png": [], "b.png": None, "a.png": [[1, 2, 3, 4]]}


def test_drawn_radiographs_have_boxes(radiographs):
    data = load_folder(radiographs, boxes=radiographs / "truth.csv")
    assert all(len(boxes) == label for boxes, label in zip(data.boxes, data.y, strict=True))
    truth = pd.read_csv(radiographs / "truth.csv", index_col="image")
    for path, boxes in zip(data.paths, data.boxes, strict=True):
        if len(boxes):
            row = truth.loc[Path(path).relative_to(radiographs).as_posix()]
            assert boxes[0].tolist() == row[["top", "left", "bottom", "right"]].tolist()


VOC = """<annotation><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"""
OBJECT = (
    "<object><name>{name}</name><bndbox>"
    + "".join(f"<{side}>{{{k}}}</{side}>" for k, side in enumerate(("xmin", "ymin", "xmax", "ymax")))
    + "</bndbox></object>"
)


def voc(path, *boxes, height=HEIGHT, width=WIDTH):
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(OBJECT.format(*box, name="fractured") for box in boxes)
    path.write_text(VOC.format(height=height, width=width, objects=objects))
    return path


@pytest.fixture
def atlas(tmp_path):
    """FracAtlas as published: IMG1 and IMG2 broken, IMG3 not."""
    columns = "hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,frontal,lateral,oblique"
    rows = [f"IMG{k}.jpg,1,0,0,0,0,0,0,{int(k < 3)},{int(k < 3)},1,0,0" for k in (1, 2, 3)]
    (tmp_path / "dataset.csv").write_text("\n".join([f"image_id,{columns}", *rows]))
    for k, folder in ((1, "Fractured"), (2, "Fractured"), (3, "Non_fractured")):
        write(tmp_path / "images" / folder / f"IMG{k}.jpg")
    return tmp_path


def test_fracatlas_boxes_are_brought_to_the_size_of_the_file(atlas):
    assert load_fracatlas(atlas).boxes is None
    folder = atlas / "Annotations" / "PASCAL VOC"
    voc(folder / "IMG1.xml", (10, 20, 30, 40), (1, 2, 3, 4))
    voc(folder / "IMG2.xml", (10, 20, 30, 40), height=4 * HEIGHT, width=2 * WIDTH)
    data = load_fracatlas(atlas)
    assert boxes_of(data) == {
        "IMG1.jpg": [[20, 10, 40, 30], [2, 1, 4, 3]],
        "IMG2.jpg": [[5, 5, 10, 15]],
        "IMG3.jpg": [],
    }
    assert data.box_labels.tolist() == [("fractured",) * 2, ("fractured",), ()]


def test_fracatlas_boxes_are_those_of_the_image_as_it_is_turned(atlas):
    """By EXIF: the file holds 60 x 40 pixels, what is displayed is 40 x 60, as its annotation says."""
    path = atlas / "images" / "Fractured" / "IMG1.jpg"
    picture = np.zeros((WIDTH, HEIGHT), np.uint8)
    picture[0:10, 30:40] = 255  # its corner at the top right
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    turned = b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0"
    path.write_bytes(data[:2] + turned + data[2:])
    voc(atlas / "Annotations" / "PASCAL VOC" / "IMG1.xml", (0, 0, 10, 10))
    (box,) = load_fracatlas(atlas).boxes[0].astype(int).tolist()
    image = read_image(path)
    assert image.shape == (HEIGHT, WIDTH)
    top, left, bottom, right = box
    assert image[top:bottom, left:right].min() > 200
    assert image.mean() < 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><object>", "IMG1.xml: cannot be read as XML"),
        ("", "cannot be read as XML"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>', "has a document type"),
        (
            '<!DOCTYPE a [<!ENTITY x "xxxx">]><annotation><object><name>&x;</name></object></annotation>',
            "document type",
        ),
        (
            VOC.format(height=9, width=9, objects="<object><name>x</name></object>"),
            "IMG1.xml, object 1: expected 4 finite",
        ),
        (
            VOC.format(height=0, width=9, objects=OBJECT.format(1, 1, 2, 2, name="x")),
            "expected a size above 0, got 9 x 0",
        ),
        (
            VOC.format(height="", width=9, objects=OBJECT.format(1, 1, 2, 2, name="x")),
            "IMG1.xml, size: expected 2 finite",
        ),
        (VOC.format(height=9, width=9, objects=OBJECT.format(1, "1e999", 2, 2, name="x")), "expected 4 finite numbers"),
    ],
)
def test_a_damaged_annotation_is_named(atlas, text, message):
    path = atlas / "Annotations" / "PASCAL VOC" / "IMG1.xml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_fracatlas(atlas)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 300))
def test_any_bytes_are_an_annotation_or_a_dataset_error(tmp_path, noise, place):
    path = voc(tmp_path / "x.xml", (1, 2, 3, 4))
    data = path.read_bytes()
    path.write_bytes(data[:place] + noise + data[place + len(noise) :])
    with suppress(DatasetError):
        assert len(read_voc(path).marks) <= 1


def coco(root, **changes):
    """Two categories; `b` and `d` have a box each, that of `d` is of metal."""
    sizes = {"height": 2 * HEIGHT, "width": 2 * WIDTH}
    names = ["fractured/a.png", "fractured/b.png", "normal/c.png", "normal/d.png"]
    content = {
        "images": [{"id": k, "file_name": name, "patient": f"p{k}", **sizes} for k, name in enumerate(names)],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": [10, 20, 30, 40], "segmentation": {"counts": "x"}},
            {"id": 2, "image_id": 3, "category_id": 8, "bbox": [0, 0, 9, 9]},
        ],
        "categories": [{"id": 7, "name": "fracture"}, {"id": 8, "name": "metal"}, {"id": 0, "name": "bone-fracture"}],
    }
    path = root / "annotations.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_coco(root):
    data = load_coco(coco(root), groups="patient", metadata_columns=["patient"])
    assert data.target_names == ["non-fractured", "fractured"]
    assert data.y.tolist() == [0, 1, 0, 0]
    assert boxes_of(data) == {"a.png": [], "b.png": [[10, 5, 30, 20]], "c.png": [], "d.png": []}
    assert data.groups.tolist() == [0, 1, 2, 3]
    assert data.frame.columns.tolist() == ["patient"]
    assert load_coco(coco(root), positive=["metal", "fracture"]).y.tolist() == [0, 1, 0, 1]


IMAGE = {"id": 0, "file_name": "fractured/a.png", "height": 40, "width": 60}
MARK = {"image_id": 0, "category_id": 7, "bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "expected a json object with a list of objects 'images'"),
        ({"annotations": [3]}, "a list of objects 'annotations'"),
        ({"images": [IMAGE, IMAGE]}, r"images\[1\]: has the id 0, twice"),
        ({"images": [IMAGE, IMAGE | {"id": 1}]}, "several images are 'fractured/a.png'"),
        ({"images": [IMAGE | {"id": [1]}]}, r"has the id \[1\], which is no number or text"),
        ({"images": [IMAGE | {"file_name": "../../etc/passwd"}]}, "leads out of the folder"),
        ({"images": [IMAGE | {"file_name": 3}]}, "expected a text 'file_name', got 3"),
        ({"images": [IMAGE | {"height": None}]}, "images, id 0, height and width: expected 2 finite numbers"),
        ({"images": [IMAGE | {"height": 0}]}, "expected a size above 0"),
        ({"images": [IMAGE], "annotations": [MARK | {"image_id": 5}]}, r"annotations\[0\]: image_id 5 is none"),
        ({"images": [IMAGE], "annotations": [MARK | {"category_id": {}}]}, r"category_id {} is none of the file's"),
        ({"images": [IMAGE], "annotations": [MARK | {"bbox": [1, 2]}]}, r"annotations\[0\], bbox: expected 4 finite"),
        ({"images": [IMAGE], "annotations": [MARK | {"bbox": [1, 2, 3, 10**400]}]}, "bbox: expected 4 finite"),
        ({"images": [IMAGE], "annotations": [MARK | {"bbox": [1, 2, 3, float("nan")]}]}, "bbox: expected 4 finite"),
        ({"categories": [{"id": 7, "name": "cast"}, {"id": 8, "name": "metal"}]}, "do not tell which mark a fracture"),
    ],
)
def test_a_damaged_coco_is_named(root, changes, message):
    with pytest.raises(DatasetError, match=message):
        load_coco(coco(root, **changes))


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, "\x00\xff"])
def test_what_is_no_json_is_named(root, text):
    path = root / "x.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match=r"x\.json: (cannot be read as json|expected a json object)"):
        load_coco(path)


def test_positive_is_a_label_of_boxes(root):
    with pytest.raises(
        DatasetError, match=r"positive='bone-fracture' is not among the labels of boxes \['fracture', 'metal'\]"
    ):
        load_coco(coco(root), positive="bone-fracture")


@pytest.fixture(params=["split above", "split below", "no split"])
def yolo(request, tmp_path):
    """Six images; `1` of each split is broken, `2` shows metal, `3` has an empty file of labels or none."""
    splits = ("train", "valid") if request.param != "no split" else ("",)
    for split in splits:
        above, below = (f"{split}/", "") if request.param == "split above" else ("", f"{split}/")
        for k, text in (
            (1, "0 0.5 0.25 0.2 0.1\n\n0 0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2\n"),
            (2, "1 0.5 0.5 1 1"),
            (3, ""),
        ):
            write(tmp_path / f"{above}images/{below}{k}.png")
            if k < 3 or split == "train":
                path = tmp_path / f"{above}labels/{below}{k}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    (tmp_path / "data.yaml").write_text("train: ../train/images\nnc: 2\nnames: ['fracture', \"metal\"]  # two\n")
    return request.param, tmp_path


def test_yolo(yolo):
    layout, root = yolo
    data = load_yolo(root)
    n = 1 if layout == "no split" else 2
    assert data.target_names == ["non-fractured", "fractured"]
    assert data.y.tolist() == [1, 0, 0] * n
    for boxes in data.boxes[::3]:
        np.testing.assert_allclose(boxes, [[8, 24, 12, 36], [4, 6, 8, 18]], atol=1e-9)
    assert [len(boxes) for boxes in data.boxes] == [2, 0, 0] * n
    expected = [] if n == 1 else ["train"] * 3 + ["val"] * 3
    assert list(data.frame.get("split", [])) == expected
    assert load_yolo(root, positive="metal").y.tolist() == [0, 1, 0] * n


@pytest.mark.parametrize(
    "text",
    [
        "names:\n- fracture\n- metal\nnc: 2\n",
        "nc: 2\nnames:\n  0: fracture\n  1: 'metal'\n\npath: x\n",
        "names: [fracture,\n  metal]\n",
        "names: {0: fracture, 1: metal}",
        "# names: [x]\nnames:\n\n  - fracture\n  - metal",
    ],
)
def test_names_of_classes(yolo, text):
    _, root = yolo
    (root / "data.yaml").write_text(text)
    assert set(load_yolo(root).box_labels[0]) == {"fracture"}


def test_classes_without_names_are_numbers(yolo):
    _, root = yolo
    (root / "data.yaml").unlink()
    with pytest.raises(DatasetError, match=r"labels of boxes \['0', '1'\] do not tell which mark a fracture"):
        load_yolo(root)
    assert load_yolo(root, positive="0").y[:3].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.1", r"1\.txt, line 1: expected a class and 4 numbers, or the corners of an outline, got 3"),
        ("0 0.5 0.5 0.1 x", r"1\.txt, line 1: expected 4 finite numbers"),
        ("\n9 0.5 0.5 0.1 0.1", r"1\.txt, line 2: '9' is the number of no class"),
        ("-1 0.5 0.5 0.1 0.1", "'-1' is the number of no class"),
        ("0 30 20 10 10", "the box lies outside the image"),
        ("0 .1 .1 .2 .2 .3", "got 5"),
    ],
)
def test_a_damaged_line_is_named(yolo, text, message):
    _, root = yolo
    next(root.rglob("1.txt")).write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_yolo(root)


def test_yolo_without_its_folders_or_names(root):
    with pytest.raises(NoReadableImagesError, match="that lie in a folder 'images', as YOLO's do"):
        load_yolo(root)
    write(root / "images" / "x.png")
    (root / "data.yaml").write_text("names: 3")
    with pytest.raises(DatasetError, match=r"data\.yaml: expected the classes under 'names:'"):
        load_yolo(root)


def test_samples_are_drawn_with_their_boxes(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("fractured/a.png", "normal/c.png"):
        write(tmp_path / name, height=800, width=400)
    data = load_folder(tmp_path, boxes=table(tmp_path, "a,100,40,200,80,"))
    axes = plot_samples(data, n_per_class=1).child_axes
    drawn = {panel.get_title(loc="left"): panel.patches for panel in axes}
    assert drawn["normal"] == [] or len(drawn["normal"]) == 0
    (frame,) = drawn["fractured"]
    # Shown at 384 pixels of 800; the centre of the first pixel is 0.
    np.testing.assert_allclose(frame.get_bbox().extents, [40 * 0.48 - 0.5, 48 - 0.5, 80 * 0.48 - 0.5, 96 - 0.5])
    assert len(plot_samples(replace(data, boxes=None), n_per_class=1).child_axes[1].patches) == 0


def test_boxes_of_fracatlas(shared_data):
    """Those of the development slice: all on fractured images, of the published share of the image."""
    data = load_fracatlas(shared_data / "fracatlas")
    assert "532 boxes on 424 images" in repr(data)
    marked = np.flatnonzero(data.y)
    assert all(len(data.boxes[row]) for row in marked)
    assert not any(len(data.boxes[row]) for row in np.flatnonzero(data.y == 0))
    turned = next(row for row in marked if "IMG0002628" in data.paths[row])
    height, width = read_image(data.paths[turned]).shape
    assert (height, width) == (373, 454)
    assert (data.boxes[turned][:, 2:] <= [height, width]).all()
    areas = []
    for row in marked[::10]:
        height, width = read_image(data.paths[row]).shape
        top, left, bottom, right = data.boxes[row].T
        areas += ((bottom - top) * (right - left) / (height * width)).tolist()
    assert 0.002 < np.median(areas) < 0.005


def test_labels_that_boxes_contradict_are_found(root):
    """A fracture marked in a whole image, and a fractured image that is known to have none."""
    boxes = table(root, "a,1,2,3,4,")
    data = load_folder(root, boxes=boxes)
    assert not [each for each in audit_dataset(data).findings if each.code == "FF303"]
    marks = data.boxes.copy()
    names = [Path(path).name for path in data.paths]
    marks[names.index("c.png")] = np.array([[1.0, 2.0, 3.0, 4.0]])
    marks[names.index("a.png")] = np.empty((0, 4))
    (found,) = [each for each in audit_dataset(replace(data, boxes=marks)).findings if each.code == "FF303"]
    assert found.count == 2
    assert any("c.png: labelled 'normal', against its boxes" in each for each in found.examples)
    assert any("a.png: labelled 'fractured', against its boxes" in each for each in found.examples)
