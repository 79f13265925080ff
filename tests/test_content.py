import io
import json

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fracture_features import ImageReader, load_folder
from fracture_features.audit import APPEARANCE, CONTENT, describe_content, file_findings
from fracture_features.audit._appearance import FIELDS, PLACE, measure_appearance
from fracture_features.audit._content import appearance_frame, count_levels, find_fill
from fracture_features.audit._encoder import read_encoding
from fracture_features.audit._files import wrong_endings
from fracture_features.datasets import take_inventory
from fracture_features.exceptions import ImageReadError
from fracture_features.images import ImageFile

NOISE = np.random.default_rng(0).integers(0, 256, (120, 90), dtype=np.uint8)


def saved(image, kind, **how):
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind, **how)
    return out.getvalue()


def described(tmp_path, data, name="a"):
    path = tmp_path / name
    path.write_bytes(data)
    return describe_content(ImageFile(path))


def value(image, name):
    return float(measure_appearance(image)[PLACE[name]])


def limb(height=400, width=300):
    """A bright shaft on a dark background."""
    rng = np.random.default_rng(1)
    image = rng.normal(20, 2, (height, width))
    image[:, width // 3 : 2 * width // 3] += 60
    image[:, 9 * width // 20 : 11 * width // 20] += 100
    return cv2.GaussianBlur(image, (0, 0), 1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [30, 50, 75, 92, 100])
def test_quality_is_the_one_that_was_asked_for(quality):
    for colour in (NOISE, np.dstack([NOISE] * 3)):
        found = read_encoding(saved(colour, "JPEG", quality=quality))
        assert abs(found.quality - quality) <= (quality == 100)  # all its entries are 1, as many of quality 99 are
        assert found.components == (1 if colour.ndim == 2 else 3)


def test_what_changes_an_encoder_changes_its_name():
    colour = np.dstack([NOISE] * 3)
    files = [
        *(saved(colour, "JPEG", quality=90, subsampling=k) for k in (0, 1, 2)),
        saved(colour, "JPEG", quality=90, progressive=True),
        saved(colour, "JPEG", quality=90, optimize=True),
        saved(colour, "JPEG", quality=90, dpi=(72, 72)),
        cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_RST_INTERVAL, 4])[1].tobytes(),
        *(saved(image, "PNG") for image in (NOISE, colour, NOISE.astype(np.uint16))),
        saved(NOISE, "PNG", compress_level=1),
        saved(NOISE, "PNG", dpi=(72, 72)),
        *(saved(NOISE, "TIFF", compression=kind) for kind in (None, "tiff_lzw")),
        *(saved(NOISE, kind) for kind in ("GIF", "BMP")),
    ]
    assert len({read_encoding(data).encoder for data in files}) == len(files)
    tables = {read_encoding(saved(NOISE, "JPEG", quality=q)).tables for q in (50, 60, 70)}
    assert len(tables) == 3


def test_one_encoder_has_one_name_whatever_the_size_and_the_tags():
    exif = Image.Exif()
    exif[305] = "Console"
    for kind in ("JPEG", "PNG", "TIFF"):
        names = {read_encoding(saved(NOISE[:n, :n], kind)).encoder for n in (20, 40, 80)}
        assert names == {read_encoding(saved(NOISE, kind, exif=exif)).encoder}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_embedded_text_names_nobody(kind):
    exif = Image.Exif()
    exif[271], exif[305], exif[306], exif[315], exif[274] = "AGFA", "Console 2.1", "2015:02:01 10:00:00", "Jane Doe", 1
    found = read_encoding(saved(NOISE, kind, exif=exif)).embedded
    assert found["tag 271"] == "AGFA"
    assert found["tag 305"] == "Console 2.1"
    assert found["tag 306"] == "2015-02"
    assert found["tag 274"] == "1"
    assert len(found["tag 315"]) == 5
    assert "Jane" not in json.dumps(found)
    exif[315] = "John Doe"
    assert read_encoding(saved(NOISE, kind, exif=exif)).embedded["tag 315"] != found["tag 315"]


def test_comments_profiles_and_chunks_are_embedded():
    assert "comment" in read_encoding(saved(NOISE, "JPEG", comment=b"Jane Doe")).embedded
    assert any(
        "ICC_PROFILE" in key or "APP2" in key for key in read_encoding(saved(NOISE, "JPEG", icc_profile=b"x")).embedded
    )
    chunk = b"\0\0\0\x0ctEXtSoftware\0abc" + b"\0" * 4
    data = saved(NOISE, "PNG")
    found = read_encoding(data[:33] + chunk + data[33:]).embedded
    assert found == {"tEXt Software": "abc"}
    assert read_encoding(data).embedded == {}


@pytest.mark.parametrize("end", [10, 25, 60, 200])
def test_damaged_exif_blocks_are_passed_over(end):
    exif = Image.Exif()
    exif[305], exif[33432] = "Console 2.1", "x" * 300
    block = exif.tobytes()[:end]
    data = saved(NOISE, "JPEG")
    segment = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    assert isinstance(read_encoding(data[:2] + segment + data[2:]).embedded, dict)


def test_colour_is_what_is_coloured(tmp_path):
    grey = np.dstack([NOISE] * 3)
    half = grey.copy()
    half[:60] = [200, 60, 60]
    for kind in ("JPEG", "PNG", "BMP", "TIFF"):
        assert described(tmp_path, saved(NOISE, kind))["colour"] == 0
        assert described(tmp_path, saved(grey, kind))["colour"] == 0
        assert described(tmp_path, saved(half, kind))["colour"] == pytest.approx(0.5, abs=0.07)
    palette = Image.fromarray(half).quantize(16)
    out = io.BytesIO()
    palette.save(out, "PNG")
    assert described(tmp_path, out.getvalue())["colour"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_a_cut_short_file_that_was_saved_again_has_a_fill(share):
    image = limb()
    rows = round(400 * share)
    image[-rows:] = 128
    for quality in (70, 95):
        again = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)
        fill = find_fill(again, count_levels(again))
        assert fill.area == pytest.approx(share, abs=0.03)
        assert fill.rows == pytest.approx(share, abs=0.03)
        assert abs(fill.level - 128) <= 1


def test_rows_of_a_fill_are_filled_throughout():
    """A grey bar down two fifths of the picture makes no row of it a row of the fill."""
    image = limb()[:, :160]
    image[:, :64] = 128
    image[-100:] = 128
    fill = find_fill(image, count_levels(image))
    assert fill.rows == pytest.approx(0.25, abs=0.01)
    assert fill.area > 0.5


@pytest.mark.parametrize("level", [0, 20, 45, 240, 255])
def test_a_shutter_is_no_fill(level):
    image = limb()
    image[-250:] = level
    assert find_fill(image, count_levels(image))[:2] == (0, 0)


def test_radiographs_have_no_fill_colour_or_blank(radiographs):
    paths = [str(path) for path in sorted(radiographs.glob("*/*.jpg"))]
    files = take_inventory(paths, descriptions=[CONTENT, APPEARANCE])
    assert (files["constant"] < 0.2).all()
    assert (files["constant_rows"] < 0.05).all()
    assert not files["blank"].any()
    assert (files["colour"] == 0).all()
    assert files["encoder"].nunique() == 1
    assert (files["quality"] == 92).all()


def test_blank_images_show_nothing(tmp_path):
    assert described(tmp_path, saved(np.full((50, 40), 7, dtype=np.uint8), "PNG"))["blank"]
    faint = np.full((200, 200), 7, dtype=np.uint8)
    faint[:5, :5] = 255
    assert described(tmp_path, saved(faint, "PNG"))["blank"]
    assert not described(tmp_path, saved(NOISE, "PNG"))["blank"]


def test_descriptions_travel_through_the_cache(radiographs, tmp_path):
    paths = [str(path) for path in sorted(radiographs.glob("*/*.jpg"))[:4]]
    reader = ImageReader(image_size=16, cache=tmp_path / "cache")
    first, second = (take_inventory(paths, [reader], descriptions=[CONTENT, APPEARANCE]) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    table = appearance_frame(second)
    np.testing.assert_array_equal(table.loc[1], measure_appearance(ImageFile(paths[1]).image))


def test_what_cannot_be_decoded_is_an_error_with_its_path(tmp_path):
    with pytest.raises(ImageReadError, match="broken"):
        described(tmp_path, saved(NOISE, "JPEG")[:200], "broken.jpg")


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (17, 2000), (161, 161), (1000, 900)])
def test_any_size_is_measured(shape):
    values = measure_appearance(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    assert values.shape == (len(FIELDS),)
    assert np.isfinite(values).all()


def test_levels_are_those_of_numpy():
    image = np.random.default_rng(0).integers(0, 200, (60, 50), dtype=np.uint8)
    assert value(image, "mean") == pytest.approx(image.mean())
    assert value(image, "std") == pytest.approx(image.std())
    for p in (5, 50, 95):
        assert value(image, f"p{p}") == np.percentile(image, p, method="inverted_cdf")
    thumbnail = cv2.resize(image[:56, :48], (8, 8), interpolation=cv2.INTER_AREA)
    found = [value(image[:56, :48], f"thumbnail_{k}") for k in range(64)]
    np.testing.assert_allclose(found, thumbnail.ravel(), atol=0.51)


@pytest.mark.parametrize(("side", "turns"), [("top", 0), ("left", 1), ("bottom", 2), ("right", 3)])
@pytest.mark.parametrize(("width", "level"), [(0, 20), (5, 0), (12, 255), (20, 90)])
def test_frames_are_measured_on_each_side(side, turns, width, level):
    image = np.random.default_rng(0).integers(0, 256, (300, 300), dtype=np.uint8)
    image[:width] = level
    turned = np.rot90(image, turns)
    assert value(turned, f"frame_{side}") * 300 == pytest.approx(width)
    if width:
        assert value(turned, f"frame_{side}_level") == level


@pytest.mark.parametrize(
    ("row", "column", "zone"), [(20, 20, "00"), (20, 270, "03"), (380, 20, "30"), (380, 270, "33")]
)
def test_markers_are_counted_by_corner(row, column, zone):
    image = limb()
    before = value(image, "objects")
    cv2.circle(image, (column, row), 6, 230, -1)
    assert value(image, "objects") == before + 1
    assert value(image, f"objects_{zone}") > 0.5
    assert value(image, "object_x") == pytest.approx(column / 300, abs=0.02)
    assert value(image, "object_y") == pytest.approx(row / 400, abs=0.02)
    assert value(image, "object_fill") == pytest.approx(np.pi / 4, abs=0.13)


def test_letters_have_their_shapes():
    def of(letter):
        image = limb()
        cv2.putText(image, letter, (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1, 240, 3, cv2.LINE_AA)
        return {name: value(image, f"object_{name}") for name in ("holes", "fill", "part_2", "part_6", "part_4")}

    assert [of(letter)["holes"] for letter in "LOB"] == [0, 1, 2]
    assert of("L")["part_2"] == 0 < of("L")["part_6"]
    assert of("O")["part_4"] == 0


def test_a_bar_is_found_at_any_angle_and_a_bone_is_none():
    assert value(limb(), "bar_count") == 0
    for angle in np.linspace(0, np.pi, 7):
        image = limb()
        along = np.array([np.cos(angle), np.sin(angle)]) * 60
        ends = [tuple(np.round([150, 200] + sign * along).astype(int).tolist()) for sign in (-1, 1)]
        cv2.line(image, *ends, 255, 9)
        assert value(image, "bar_count") == 1, angle
        assert value(image, "bar_length") * 400 == pytest.approx(128, abs=16)


def test_an_inverted_picture_has_the_opposite_polarity():
    for name in ("middle_above_edge", "ridges", "inner_skewness"):
        assert value(limb(), name) == pytest.approx(-value(255 - limb(), name), abs=0.15)
        assert value(limb(), name) > 0


def test_enlarging_leaves_less_fine_detail():
    image = np.random.default_rng(0).integers(0, 30, (300, 300), dtype=np.uint8)
    small = cv2.resize(cv2.resize(image, (150, 150), interpolation=cv2.INTER_AREA), (300, 300))

    def detail(picture):
        return value(picture, "row_lag_1") / value(picture, "row_lag_4")

    assert detail(small) < 0.8 < detail(image)


def test_endings_are_compared_with_the_content():
    paths = ["a.jpg", "a.JPEG", "a.png", "a.webp", "a", "a.dcm", "a.ima", "a.tif"]
    kinds = ["JPEG", "JPEG", "JPEG", "PNG", "PNG", "DICOM", "DICOM", None]
    assert wrong_endings(paths, kinds).tolist() == [False, False, True, True, False, False, False, False]


@pytest.fixture
def spoiled(tmp_path, radiographs):
    """Radiographs in two splits, one file of each kind of fault among the fractured of the test part."""
    sources = sorted(radiographs.glob("*/*.jpg"))[:40:2]
    for k, source in enumerate(sources):
        for split in ("train", "test"):
            target = tmp_path / split / source.parent.name / f"{k}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    for split in ("train", "test"):
        for name in ("fractured", "non-fractured"):
            target = tmp_path / split / name / "x.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(sources[0].read_bytes())
    folder = tmp_path / "test" / "fractured"
    whole = sources[0].read_bytes()
    image = cv2.imread(str(sources[0]), cv2.IMREAD_GRAYSCALE)
    half = image.copy()
    half[image.shape[0] // 3 :] = 128
    (folder / "cut.jpg").write_bytes(whole[:-300])
    (folder / "text.jpg").write_bytes(b"nothing")
    (folder / "wrong.png").write_bytes(whole)
    (folder / "half.jpg").write_bytes(saved(half, "JPEG"))
    (folder / "blank.jpg").write_bytes(saved(np.full((90, 90), 128, np.uint8), "JPEG"))
    colour = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    (folder / "photo.jpg").write_bytes(saved(cv2.resize(colour, (300, 300)), "JPEG"))
    frames = [Image.fromarray(NOISE), Image.fromarray(255 - NOISE)]
    frames[0].save(folder / "film.gif", save_all=True, append_images=frames[1:])
    return tmp_path


def test_each_fault_is_found_by_class_and_split(spoiled):
    data = load_folder(spoiled)
    files = take_inventory(data.paths.tolist(), descriptions=[CONTENT, APPEARANCE])
    found = {finding.code: finding for finding in file_findings(data, files)}
    names = ["cut.jpg", "text.jpg", "wrong.png", "half.jpg", "blank.jpg", "photo.jpg", "film.gif"]
    assert [*found] == [f"FF10{k}" for k in range(1, 8)]
    for finding, name in zip(found.values(), names, strict=True):
        assert finding.count == len(finding.rows) == 1, finding
        assert finding.examples[0].endswith(name)
        assert data.paths[finding.rows[0]].endswith(name)
        assert finding.counts == {"fractured": 1, "fractured, test": 1}
    assert found["FF103"].detail == "1 JPEG"
    assert "cut short" in found["FF101"].detail


def test_counts_add_up_and_the_worst_comes_first(spoiled):
    for split, share in (("train", 0.6), ("test", 0.9), ("train", 0.8)):
        image = limb()
        image[-round(400 * share) :] = 128
        (spoiled / split / "non-fractured" / f"half{share}.png").write_bytes(saved(image, "PNG"))
    data = load_folder(spoiled)
    (finding,) = (
        f
        for f in file_findings(data, take_inventory(data.paths.tolist(), descriptions=[CONTENT, APPEARANCE]))
        if f.code == "FF104"
    )
    assert finding.count == 4
    assert [path.rpartition("/")[2] for path in finding.examples] == ["half0.9.png", "half0.8.png", "half.jpg"]
    expected = {"non-fractured": 3, "fractured": 1}
    expected |= {"fractured, test": 1, "non-fractured, test": 1, "non-fractured, train": 2}
    assert finding.counts == expected


def test_a_clean_set_has_no_finding(radiographs):
    data = load_folder(radiographs)
    assert file_findings(data, take_inventory(data.paths.tolist(), descriptions=[CONTENT, APPEARANCE])) == []


def test_fracatlas_has_forty_cut_short_files_of_one_class(shared_data):
    folder = shared_data / "fracatlas" / "images"
    data = load_folder(folder)
    rows = np.flatnonzero([path.rpartition("IMG")[2] > "0003800" for path in data.paths])
    part = data.subset(rows)
    files = take_inventory(part.paths.tolist(), descriptions=[CONTENT, APPEARANCE])
    found = {finding.code: finding for finding in file_findings(part, files)}
    assert set(found["FF101"].counts) == {"Non_fractured"}
    assert found["FF101"].count == (files["reason"].notna()).sum() > 20
    assert not {"FF102", "FF105", "FF106"} & set(found)
