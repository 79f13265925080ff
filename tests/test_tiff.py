"""Golden values are arithmetic on the samples that tifffile writes; Pillow writes what tifffile does not."""

import io
import struct

import numpy as np
import pytest
from encoders import assert_no_part_gives_other_pixels
from PIL import Image

from fracture_features import read_image
from fracture_features.exceptions import ImageReadError
from fracture_features.images import _decode, _errors

tifffile = pytest.importorskip("tifffile", reason="scikit-image, which brings it, is not installed")
WEIGHTS = [0.299, 0.587, 0.114]
FULL = {np.uint8: 255, np.uint16: 65535}


def written(samples, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def decode(data):
    image = _decode.decode(data)
    assert image.shape == _decode.decode_shape(io.BytesIO(data))
    return image


def noise(dtype, n=None, largest=None):
    largest = FULL[dtype] if largest is None else largest
    samples = np.random.default_rng(0).integers(0, largest + 1, (43, 51) if n is None else (43, 51, n)).astype(dtype)
    samples[0, 0] = largest
    return samples


def levels(samples):
    """Grey levels of 0 to full scale."""
    return samples if samples.ndim == 2 else samples @ WEIGHTS


def set_tag(data, tag, value):
    """The little-endian file with another number under a tag of its first directory that has one."""
    out = bytearray(data)
    (start,) = struct.unpack("<I", data[4:8])
    for i in range(struct.unpack("<H", data[start : start + 2])[0]):
        place = start + 2 + 12 * i
        if struct.unpack("<H", data[place : place + 2])[0] == tag:
            kind = "<H2x" if data[place + 2] == 3 else "<I"
            out[place + 8 : place + 12] = struct.pack(kind, value)
            return bytes(out)
    raise AssertionError(tag)


LAYOUTS = {
    "strips": {"rowsperstrip": 7},
    "one strip": {},
    "tiles": {"tile": (16, 32)},
    "zlib": {"compression": "zlib", "rowsperstrip": 10},
    "zlib predictor": {"compression": "zlib", "predictor": True},
    "zlib predictor tiles": {"compression": "zlib", "predictor": True, "tile": (16, 16)},
    "lzw": {"compression": "lzw", "rowsperstrip": 9},
    "lzw predictor tiles": {"compression": "lzw", "predictor": True, "tile": (32, 16)},
    "packbits": {"compression": "packbits", "rowsperstrip": 7},
    "bigtiff": {"bigtiff": True},
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb", "planar rgb"])
def test_every_depth_order_and_layout(photometric, dtype, layout, order):
    pytest.importorskip("imagecodecs")
    samples = noise(dtype, None if "minis" in photometric else 3)
    options = {"photometric": photometric.removeprefix("planar "), "byteorder": order, **LAYOUTS[layout]}
    stored = samples
    if photometric == "planar rgb":
        options["planarconfig"], stored = "separate", np.moveaxis(samples, 2, 0)
    image = decode(written(stored, **options))
    expected = levels(samples) * (255 / FULL[dtype])
    np.testing.assert_allclose(image, 255 - expected if photometric == "miniswhite" else expected, atol=1.01)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
@pytest.mark.parametrize(("largest", "full"), [(200, 255), (1000, 1023), (4095, 4095), (9000, 16383), (65535, 65535)])
@pytest.mark.parametrize("order", "<>")
def test_16_bits_are_scaled_from_the_depth_in_use(order, largest, full, photometric):
    samples = noise(np.uint16, 3 if photometric == "rgb" else None, largest)
    expected = levels(samples) * (255 / full)
    expected = 255 - expected if photometric == "miniswhite" else expected
    np.testing.assert_allclose(decode(written(samples, photometric=photometric, byteorder=order)), expected, atol=1.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_opacity(kind, colours, dtype):
    samples = noise(dtype, colours + 1)
    data = written(samples, photometric="rgb" if colours == 3 else "minisblack", extrasamples=[kind], planarconfig=1)
    alpha = samples[:, :, -1] / FULL[dtype] if kind == "unassalpha" else 1
    expected = levels(samples[:, :, :3] if colours == 3 else samples[:, :, 0]) * (255 / FULL[dtype]) * alpha
    np.testing.assert_allclose(decode(data), expected, atol=1.01)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint32])
def test_signed_and_wide_levels_are_kept_or_refused(dtype, order):
    """They run from 0 to 100 of 8 bits; a negative one is never wrapped."""
    samples = np.arange(101).reshape(1, 101).astype(dtype)
    image = decode(written(samples, photometric="minisblack", byteorder=order))
    assert image[0].tolist() == list(range(101))
    samples[0, 5] = -3 if samples.dtype.kind == "i" else 70_000
    with pytest.raises(_errors.DecodeError, match=r"its grey levels run from (-3 to 100|0 to 70000)"):
        decode(written(samples, photometric="minisblack", byteorder=order))


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_packed_levels(bits, photometric):
    samples = np.random.default_rng(0).integers(0, 1 << bits, (9, 16))
    samples[0, 0] = (1 << bits) - 1
    digits = (samples[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(digits.reshape(9, -1).astype(np.uint8), axis=1)
    data = written(rows, photometric="minisblack")
    for tag, value in {256: 16, 258: bits, 262: photometric}.items():
        data = set_tag(data, tag, value)
    expected = samples * (255 / ((1 << bits) - 1))
    np.testing.assert_allclose(decode(data), expected if photometric else 255 - expected, atol=0.51)


@pytest.mark.parametrize("scale", [1, 257], ids=["8 bits of 16", "16 bits"])
def test_palette(scale):
    rng = np.random.default_rng(0)
    indices, colours = rng.integers(0, 256, (9, 16), dtype=np.uint8), rng.integers(0, 256, (3, 256))
    data = written(indices, photometric="palette", colormap=(colours * scale).astype(np.uint16))
    np.testing.assert_allclose(decode(data), (colours.T @ WEIGHTS)[indices], atol=1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "LA", "RGBA"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_8_bits_are_read_as_by_pillow(mode, compression):
    rgb = np.random.default_rng(0).integers(0, 256, (43, 51, 4), dtype=np.uint8)
    buffer, image = io.BytesIO(), Image.fromarray(rgb).convert(mode)
    image.save(buffer, "TIFF", compression=compression)
    rgba = Image.open(buffer).convert("RGBA")
    theirs = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("L")
    np.testing.assert_allclose(decode(buffer.getvalue()).astype(int), np.asarray(theirs), atol=1)


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr"])
def test_jpeg_strips(mode):
    rows, columns = np.mgrid[:43, :51]
    smooth = Image.fromarray(np.dstack([rows * 5, columns * 4, rows + columns]).astype(np.uint8)).convert(mode)
    buffer = io.BytesIO()
    smooth.save(buffer, "TIFF", compression="jpeg", quality=95)
    np.testing.assert_allclose(decode(buffer.getvalue()).astype(int), np.asarray(smooth.convert("L")), atol=6)


def test_bytes_whose_lowest_bit_comes_first():
    samples = noise(np.uint16)
    data = written(samples, photometric="minisblack", software="x")
    place = data.find(struct.pack("<HH", 305, 2))
    data = data[:place] + struct.pack("<HHII", 266, 3, 1, 2) + data[place + 12 :]
    reversed_ = np.packbits(np.unpackbits(samples.view(np.uint8), bitorder="little"), bitorder="big")
    start = data.find(samples.tobytes())
    data = data[:start] + reversed_.tobytes() + data[start + samples.nbytes :]
    np.testing.assert_allclose(decode(data), samples * (255 / 65535), atol=0.51)


def test_a_tag_of_no_numbers_says_nothing():
    samples = noise(np.uint8, 4)
    data = written(samples, photometric="rgb", extrasamples=["unassalpha"])
    place = data.find(struct.pack("<HH", 338, 3))
    empty = data[: place + 4] + bytes(4) + data[place + 8 :]
    np.testing.assert_array_equal(decode(empty), decode(data))


def test_thumbnails_and_masks_are_no_images():
    samples, buffer = noise(np.uint8), io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for each, kind in ((samples, 0), (np.ascontiguousarray(samples[::4, ::4]), 1)):
            file.write(each, photometric="minisblack", subfiletype=kind)
    np.testing.assert_array_equal(decode(buffer.getvalue()), samples)
    thumbnail = written(samples, photometric="minisblack", subfiletype=1)
    for data in (thumbnail, set_tag(thumbnail, 254, 4)):
        with pytest.raises(_errors.DecodeError, match="its first page is a thumbnail or a mask"):
            decode(data)


def test_one_strip_of_unknown_length():
    samples = noise(np.uint8)
    data = written(samples, photometric="minisblack")
    place = data.find(struct.pack("<HH", 279, 4))
    data = data[:place] + struct.pack("<H", 65000) + data[place + 2 :]
    np.testing.assert_array_equal(decode(data), samples)


GREY = written(noise(np.uint8), photometric="minisblack")
# Its 256 tiles announce 80 million bytes each, and could all be the same few compressed ones.
HUGE_TILES = set_tag(written(np.zeros((128, 4096), np.uint8), photometric="minisblack", tile=(16, 16)), 323, 5_000_000)
REFUSED = {
    "half": (written(noise(np.uint8).astype(np.float16), photometric="minisblack"), "16-bit floating-point"),
    "float": (written(noise(np.uint8).astype(np.float32), photometric="minisblack"), "32-bit floating-point"),
    "10 bits": (set_tag(GREY, 258, 10), "10-bit unsigned integers"),
    "14 bits": (set_tag(GREY, 258, 14), "14-bit unsigned integers"),
    "complex": (written(noise(np.uint8).astype(np.complex64), photometric="minisblack"), "numbers of kind 6"),
    "pages": (written(np.zeros((3, 20, 30), np.uint8), photometric="minisblack"), "3 pages or frames"),
    "fax": (set_tag(GREY, 259, 4), "compression is 4"),
    "old jpeg": (set_tag(GREY, 259, 6), "compression is 6"),
    "lab": (set_tag(GREY, 262, 8), "PhotometricInterpretation"),
    "huge": (set_tag(set_tag(GREY, 256, 65535), 257, 65535), "header announces"),
    "strips": (set_tag(GREY, 278, 5), "strips or tiles of 9"),
    "tiles": (HUGE_TILES, "20,480,000,000 bytes of pixels; at most"),
    "short": (GREY[:-5], "cut short"),
    "header": (GREY[:20], "directory is damaged or cut short"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_as_what_it_is(case, tmp_path):
    data, reason = REFUSED[case]
    path = tmp_path / "x.tif"
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match=rf"x\.tif.*{reason}"):
        read_image(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cut_short_never_gives_other_pixels(layout):
    pytest.importorskip("imagecodecs")
    samples = noise(np.uint16)
    data = written(samples, photometric="minisblack", **LAYOUTS[layout])
    assert_no_part_gives_other_pixels(decode, data, step=101)
