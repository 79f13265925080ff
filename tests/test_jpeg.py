"""What libjpeg-turbo is given, and what it is not."""

import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from encoders import segment, without_segments
from PIL import Image

from fracture_features import read_image
from fracture_features.exceptions import ImageReadError
from fracture_features.images import ImageFile, _decode, _errors

WEIGHTS = [0.299, 0.587, 0.114]
ROWS, COLUMNS = np.mgrid[:61, :90]
GREY = (40 + 1.5 * COLUMNS + ROWS * COLUMNS / 60).clip(0, 255).astype(np.uint8)
RGB = np.dstack([GREY, GREY[::-1], GREY[:, ::-1]])


def encoded(image, **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def decode(data, wanted=None):
    image = _decode.decode(data, wanted)
    if wanted is None:
        assert image.shape == _decode.decode_shape(io.BytesIO(data))
    return image


def near(image, expected):
    return image.shape == expected.shape and np.abs(image.astype(float) - expected).mean() < 2


@pytest.fixture(scope="module")
def codecs():
    return pytest.importorskip("imagecodecs", reason="the dicom extra is not installed")


def test_a_lossless_jpeg_asked_for_fewer_pixels_is_decoded_at_full_size(codecs, tmp_path):
    """simplejpeg writes behind its buffer and ends the process; so another process tries."""
    lossless = {
        "grey": (codecs.jpeg8_encode(GREY, lossless=True), GREY),
        "rgb": (codecs.jpeg8_encode(RGB, lossless=True, colorspace="RGB", outcolorspace="RGB"), RGB @ WEIGHTS),
    }
    for name, (data, expected) in lossless.items():
        assert 0xC3 in [data[i + 1] for i in range(len(data) - 1) if data[i] == 0xFF]
        (tmp_path / name).write_bytes(data)
        code = (
            "import sys, numpy as np; from fracture_features.images._decode import decode;"
            "data = open(sys.argv[1], 'rb').read();"
            "assert all(np.array_equal(decode(data, n), decode(data)) for n in (1, 8, 20, 1000))"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=False)
        assert done.returncode == 0, name
        np.testing.assert_allclose(decode(data), expected, atol=0.51)
        assert read_image(tmp_path / name, max_side=30).shape == (20, 30)


def reason(decoder, data):
    """What is said against a file; "" where it is read."""
    try:
        decoder(data)
    except _errors.DecodeError as error:
        return str(error)
    return ""


def damaged(data):
    """A file cut short at many places, with and without an end put behind it, and with other bytes at many places."""
    rng = np.random.default_rng(0)
    for end in np.linspace(3, len(data), 150, dtype=int):
        yield data[:end]
        yield data[:end] + b"\xff\xd9"
        yield data[:end] + data[end + 40 :]
    for _ in range(300):
        changed = bytearray(data)
        for position in rng.integers(3, len(data), rng.integers(1, 4)):
            changed[position] = rng.choice([0xFF, 0xD9, 0, rng.integers(256)])
        yield bytes(changed)


LARGE = np.random.default_rng(0).normal(cv2.resize(GREY, (410, 391)), 8).clip(0, 255).astype(np.uint8)
STORED = {
    "grey": encoded(LARGE),
    "progressive": encoded(LARGE, progressive=True),
    "colour": encoded(np.dstack([LARGE, LARGE[::-1], LARGE]), subsampling=2),
    "cmyk": encoded(Image.fromarray(LARGE).convert("CMYK")),
    "restarts": cv2.imencode(".jpg", LARGE, [cv2.IMWRITE_JPEG_RST_INTERVAL, 5])[1].tobytes(),
    "turned": encoded(LARGE, exif=b"Exif\0\0II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"),
}


@pytest.mark.parametrize("name", STORED)
def test_a_reduced_image_has_the_errors_of_the_whole(name):
    reasons = [
        [reason(decoder, data) for data in damaged(STORED[name])]
        for decoder in (_decode.decode, lambda data: _decode.decode_reduced(data, 96))
    ]
    assert reasons[0] == reasons[1]
    assert 300 < sum(map(bool, reasons[0])) < len(reasons[0])
    assert len(set(reasons[0])) > 5


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize(("shorter", "factor"), [(392, 1), (195, 2), (97, 4), (48, 8), (1, 8)])
def test_a_reduced_image_is_the_whole_in_fewer_pixels(name, shorter, factor):
    whole = _decode.decode(STORED[name])
    image, height, width = _decode.decode_reduced(STORED[name], shorter)
    assert (height * factor, width * factor) == whole.shape == ((410, 391) if name == "turned" else (391, 410))
    assert image.shape == (np.ceil(height), np.ceil(width))
    rows, columns = (n // factor for n in whole.shape)
    if name == "turned":  # its partial column is the first
        whole, image = whole[:, -columns * factor :], image[:, -columns:]
    means = whole[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    assert np.abs(image[:rows, :columns] - means).mean() < (3 if factor > 1 else 0.01)


def test_files_of_other_formats_are_not_reduced(tmp_path):
    for name, data in {"a.jpg": STORED["grey"], "a.png": cv2.imencode(".png", LARGE)[1].tobytes()}.items():
        (tmp_path / name).write_bytes(data)
    assert ImageFile(tmp_path / "a.jpg").reduced.image.shape == (98, 103)
    np.testing.assert_array_equal(ImageFile(tmp_path / "a.png").reduced.image, LARGE)
    (tmp_path / "a.jpg").write_bytes(STORED["grey"][:-9])
    for name in ("image", "reduced"):
        with pytest.raises(ImageReadError, match=r"a\.jpg.*cut short"):
            getattr(ImageFile(tmp_path / "a.jpg"), name)


HARMLESS = {
    "jfif 0.00": lambda data: data.replace(b"JFIF\0\1\1", b"JFIF\0\0\0"),
    "jfif 9.99": lambda data: data.replace(b"JFIF\0\1\1", b"JFIF\0\x09\x63"),
    "profile cut short": lambda data: data[:20] + segment(0xE2, b"ICC_PROFILE\0") + data[20:],
    "profile out of order": lambda data: data[:20] + segment(0xE2, b"ICC_PROFILE\0\7\2abc") * 2 + data[20:],
    "exif": lambda data: data[:20] + segment(0xE1, b"Exif\0\0not a directory") + data[20:],
    "exif cut short": lambda data: data[:20] + segment(0xE1, b"Exif\0\0II*\0\10\0\0\0\5\0") + data[20:],
    "photoshop": lambda data: data[:20] + segment(0xED, b"Photoshop 3.0\x008BIM") + data[20:],
    "adobe too short": lambda data: data[:20] + segment(0xEE, b"Adobe") + data[20:],
    "comment": lambda data: data[:20] + segment(0xFE, b"") + data[20:],
    "behind the end": lambda data: data + b"\xff\xd8 another image, or a camera's table of contents",
    "fill bytes": lambda data: data[:20] + b"\xff\xff\xff" + data[20:],
}


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
@pytest.mark.parametrize("case", HARMLESS)
@pytest.mark.parametrize("wanted", [None, 20])
def test_what_tells_nothing_of_the_pixels_is_no_damage(case, pixels, progressive, wanted):
    data = encoded(pixels, progressive=progressive)
    np.testing.assert_array_equal(decode(HARMLESS[case](data), wanted), decode(data, wanted))


def test_ycbcr_with_and_without_its_marker_is_one():
    data = encoded(RGB)
    assert b"JFIF" not in without_segments(data, 0xE0)
    np.testing.assert_array_equal(decode(without_segments(data, 0xE0)), decode(data))


def test_cmyk_is_what_its_inks_show():
    """Adobe's are stored as what is left of the paper; those without its marker as they are."""
    cmyk = Image.fromarray(np.dstack([255 - RGB, np.full_like(GREY, 40)]), "CMYK")
    paper = (RGB.astype(float) * (215 / 255)) @ WEIGHTS
    data = encoded(cmyk)
    assert near(decode(data), paper)
    plain = without_segments(encoded(Image.fromarray(255 - np.asarray(cmyk), "CMYK")), 0xEE)
    assert near(decode(plain), paper)
    assert near(decode(plain[:2] + segment(0xEE, b"Adobe") + plain[2:]), paper)
    assert decode(data, 20).shape[1] < 90


REFUSED = {
    "12 bits": (lambda codecs: codecs.jpeg8_encode(GREY.astype(np.uint16) * 16, bitspersample=12), "JPEG of 12 bits"),
    "lossless 16 bits": (lambda codecs: codecs.ljpeg_encode(GREY.astype(np.uint16), bitspersample=16), "of 16 bits"),
    "jpeg-ls": (lambda codecs: codecs.jpegls_encode(GREY), "JPEG-LS image, which is not read outside of DICOM"),
    "lossless ycbcr": (lambda codecs: codecs.jpeg8_encode(RGB, colorspace="YCBCR", lossless=True), "kind that is not"),
    "sampling": (lambda _: with_sampling(0x22, 0x12, 0x21), "of a kind that is not read .*subsampling"),
    "scans": (lambda _: with_scans(300), "more than 200 scans"),
    "huge": (lambda _: with_size(65500, 65500), "header announces 65500 x 65500 pixels"),
    "no size": (lambda _: with_size(0, 90), "header announces 90 x 0 pixels"),
}


def with_scans(n):
    data = encoded(GREY, progressive=True)
    scan = data.rfind(b"\xff\xda")
    return data[:scan] + data[scan:-2] * n + data[-2:]


def with_sampling(*factors):
    data = bytearray(encoded(RGB))
    frame = data.find(b"\xff\xc0")
    data[frame + 11 : frame + 20 : 3] = factors
    return bytes(data)


def with_size(height, width):
    data = encoded(GREY)
    frame = data.find(b"\xff\xc0")
    return data[: frame + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[frame + 9 :]


@pytest.mark.parametrize("case", REFUSED)
def test_refused_as_what_it_is(case, codecs, tmp_path):
    make, reason = REFUSED[case]
    path = tmp_path / "x.jpg"
    path.write_bytes(make(codecs))
    with pytest.raises(ImageReadError, match=rf"x\.jpg.*{reason}"):
        read_image(path)


@pytest.mark.parametrize("name", ["grey", "rgb"])
def test_a_lossless_jpeg_cut_short_at_any_byte_is_an_error(name, codecs):
    pixels, colours = (GREY, {}) if name == "grey" else (RGB, {"colorspace": "RGB", "outcolorspace": "RGB"})
    data = codecs.jpeg8_encode(np.ascontiguousarray(pixels[:20, :20]), lossless=True, **colours)
    for end in range(len(data)):
        with pytest.raises(_errors.DecodeError):
            decode(data[:end])


def test_luminance_is_that_of_opencv():
    data = encoded(RGB, subsampling=0)
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.abs(decode(data).astype(int) - theirs).max() <= 1
