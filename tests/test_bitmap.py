"""GIF and BMP against Pillow, which wrote them, and against values worked out by hand."""

import io
import struct

import numpy as np
import pytest
from encoders import assert_no_part_gives_other_pixels
from PIL import Image

from fracture_features.images import _decode, _errors

RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 256, (23, 37, 4), dtype=np.uint8))


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decode(data):
    image = _decode.decode(data)
    assert image.shape == _decode.decode_shape(io.BytesIO(data))
    return image


def by_pillow(data):
    rgba = Image.open(io.BytesIO(data)).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("L")).astype(int)


def bmp(header, pixels, palette=b""):
    """A file with a header of 40 bytes or more."""
    start = 14 + len(header) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start) + header + palette + pixels


def info(width, height, bits, compression=0):
    return struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)


BMPS = {
    **{mode: encoded(NOISE.convert("RGB").convert(mode), "BMP") for mode in ("1", "L", "P", "RGB")},
    "RGBA": encoded(NOISE, "BMP"),
    "top down": bmp(info(4, -3, 24), RNG.bytes(36)),
    "16 bits": bmp(info(4, 3, 16), RNG.bytes(24)),
    "4 bits": bmp(info(4, 3, 4), RNG.bytes(12), RNG.bytes(64)),
    "runs": bmp(info(4, 2, 8, 1), b"\4\7\0\0\2\1\2\2\0\0\0\1", bytes(range(256)) * 4),
}


@pytest.mark.parametrize("name", BMPS)
def test_bmp_is_read_as_by_pillow(name):
    assert np.abs(decode(BMPS[name]) - by_pillow(BMPS[name])).max() <= 1


def test_the_fourth_byte_of_a_plain_bmp_is_no_opacity():
    data = bmp(info(2, 1, 32), bytes([10, 10, 10, 0, 200, 200, 200, 9]))
    assert decode(data).tolist() == [[10, 200]]


@pytest.mark.parametrize("name", BMPS)
def test_a_bmp_cut_short_never_gives_other_pixels(name):
    assert_no_part_gives_other_pixels(decode, BMPS[name])


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_gif_is_read_as_by_pillow(mode, interlaced):
    data = encoded(NOISE.convert("RGB").convert(mode), "GIF", interlace=interlaced)
    assert np.abs(decode(data) - by_pillow(data)).max() <= 1


def gif(left=0, top=0, *, transparent=None, frames=1):
    """A screen of 4 x 3 pixels, and a frame of 2 x 1: white and grey of a table of four."""
    colours = bytes([0] * 3 + [255] * 3 + [100] * 3 + [9] * 3)
    control = b"" if transparent is None else bytes([0x21, 0xF9, 4, 1, 0, 0, transparent, 0])
    # Codes of 3 bits: clear (4), 1, 2, end (5).
    codes = (4 | 1 << 3 | 2 << 6 | 5 << 9).to_bytes(2, "little")
    frame = control + struct.pack("<cHHHHB", b",", left, top, 2, 1, 0) + bytes([2, 2, *codes, 0])
    return b"GIF89a" + struct.pack("<HHBBB", 4, 3, 0x81, 0, 0) + colours + frame * frames + b";"


def test_a_gif_lies_where_its_frame_says():
    expected = np.zeros((3, 4), int)
    expected[2, 1:3] = 255, 100
    np.testing.assert_array_equal(decode(gif(1, 2)), expected)
    expected[2, 1] = 0
    np.testing.assert_array_equal(decode(gif(1, 2, transparent=1)), expected)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gif(3, 0), "lies outside the image"),
        (gif(frames=2), "2 pages or frames"),
        (gif(frames=0), "0 pages or frames"),
        (gif()[:-3], "cut short"),
        (gif().replace(b"GIF89a\4\0\3\0\x81", b"GIF89a\4\0\3\0\x01").replace(b"\x01\0\0", b"\x01\0\0", 1), "damaged"),
    ],
    ids=["outside", "frames", "none", "short", "no colours"],
)
def test_a_damaged_gif_is_named(data, reason):
    with pytest.raises(_errors.DecodeError, match=reason):
        decode(data)


def test_a_gif_cut_short_never_gives_other_pixels():
    assert_no_part_gives_other_pixels(decode, encoded(NOISE.convert("L"), "GIF"))
