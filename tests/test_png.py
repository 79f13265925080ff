"""Golden values are arithmetic on the samples written; Pillow and OpenCV read the 8 and 16 bit files too."""

import io
import zlib

import cv2
import numpy as np
import pytest
from encoders import chunk, chunks_of, png
from PIL import Image

from fracture_features import read_image
from fracture_features.exceptions import ImageReadError
from fracture_features.images import _decode, _errors

WEIGHTS = [0.299, 0.587, 0.114]
DEPTHS = {"grey": (1, 2, 4, 8, 16), "rgb": (8, 16), "grey alpha": (8, 16), "rgba": (8, 16), "palette": (1, 2, 4, 8)}
SAMPLES = {"grey": 1, "palette": 1, "grey alpha": 2, "rgb": 3, "rgba": 4}
CASES = [(colour, bits) for colour, depths in DEPTHS.items() for bits in depths]


def noise(colour, bits, largest=None, shape=(13, 19)):
    largest = (1 << bits) - 1 if largest is None else largest
    samples = np.random.default_rng(0).integers(0, largest + 1, (*shape, SAMPLES[colour]))
    samples[0, 0] = largest
    return samples


def shown(samples, colour, full):
    """What a display shows on black."""
    n = 3 if colour.startswith("rgb") else 1
    levels = samples[:, :, :n] @ WEIGHTS if n == 3 else samples[:, :, 0]
    alpha = samples[:, :, n] / full if samples.shape[2] > n else 1
    return levels * (255 / full) * alpha


def decode(data):
    image = _decode.decode(data)
    assert image.shape == _decode.decode_shape(io.BytesIO(data))
    return image


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "bits"), CASES)
def test_every_colour_type_depth_filter_and_interlacing(colour, bits, interlaced):
    samples, extra = noise(colour, bits), []
    expected = shown(samples, colour, (1 << bits) - 1)
    if colour == "palette":
        colours = np.random.default_rng(1).integers(0, 256, (1 << bits, 3), dtype=np.uint8)
        extra, expected = [(b"PLTE", colours.tobytes())], (colours @ WEIGHTS)[samples[:, :, 0]]
    data = png(samples, bits, colour, extra=extra, filters=(0, 1, 2, 3, 4), interlaced=interlaced)
    np.testing.assert_allclose(decode(data), expected, atol=1.01)


@pytest.mark.parametrize("colour", ["grey", "rgb", "grey alpha", "rgba"])
@pytest.mark.parametrize(("largest", "full"), [(200, 255), (1000, 1023), (4095, 4095), (9000, 16383), (65535, 65535)])
def test_16_bits_are_scaled_from_the_depth_in_use(colour, largest, full):
    samples = noise(colour, 16, largest)
    np.testing.assert_allclose(decode(png(samples, 16, colour)), shown(samples, colour, full), atol=1.01)


@pytest.mark.parametrize("colour", ["grey alpha", "rgba"])
def test_opacity_that_fills_16_bits_over_12(colour):
    samples = noise(colour, 16, 4095)
    opaque = samples.copy()
    opaque[:, :, -1], samples[:, :, -1] = 65535, 4095
    np.testing.assert_array_equal(decode(png(opaque, 16, colour)), decode(png(samples, 16, colour)))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour", ["grey", "rgb", "grey alpha", "rgba"])
def test_samples_are_those_of_opencv(colour, bits):
    samples = noise(colour, bits)
    data = png(samples, bits, colour, filters=(4, 3, 2, 1, 0))
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).astype(float)
    theirs = theirs[:, :, None] if theirs.ndim == 2 else theirs[:, :, [2, 1, 0, 3][: theirs.shape[2]]]
    name = {1: "grey", 3: "rgb", 4: "rgba"}[theirs.shape[2]]  # which has no grey with alpha
    np.testing.assert_allclose(decode(data), shown(theirs, name, (1 << bits) - 1), atol=1.01)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_level_is_black(bits):
    samples, level = noise("grey", bits), (1 << bits) - 1
    transparent = chunk(b"tRNS", level.to_bytes(2, "big"))[8:-4]
    seen = decode(png(samples, bits, "grey", extra=[(b"tRNS", transparent)]))
    plain = decode(png(samples, bits, "grey"))
    hidden = samples[:, :, 0] == level
    assert hidden.any()
    assert not seen[hidden].any()
    np.testing.assert_array_equal(seen[~hidden], plain[~hidden])


@pytest.mark.parametrize("bits", [8, 16])
def test_the_transparent_colour_is_black_and_no_other(bits):
    samples, white = noise("rgb", bits), (1 << bits) - 1
    samples[0, 1] = white, white, white - 1
    seen = decode(png(samples, bits, "rgb", extra=[(b"tRNS", white.to_bytes(2, "big") * 3)]))
    assert seen[0, 0] == 0
    assert seen[0, 1] == 255


def test_transparent_entries_of_a_palette():
    samples = np.array([[[0], [1], [2]]])
    extra = [(b"PLTE", bytes([200] * 9)), (b"tRNS", bytes([0, 128]))]
    assert decode(png(samples, 8, "palette", extra=extra)).tolist() == [[0, 100, 200]]


@pytest.mark.parametrize(("mode", "options"), [("1", {}), ("L", {}), ("P", {}), ("LA", {}), ("RGB", {}), ("RGBA", {})])
def test_8_bits_are_read_as_by_pillow(mode, options):
    image = Image.fromarray(noise("rgba", 8).astype(np.uint8)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    rgba = image.convert("RGBA")
    theirs = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("L")
    np.testing.assert_allclose(decode(buffer.getvalue()).astype(int), np.asarray(theirs), atol=1)


WHOLE = png(noise("grey", 8), 8, "grey")


def with_chunk(kind, data):
    """The file with a chunk of a wrong checksum before its pixels."""
    return WHOLE[:33] + chunk(kind, data)[:-4] + b"bad!" + WHOLE[33:]


@pytest.mark.parametrize(
    "data",
    [
        WHOLE + b"\0" * 100,
        WHOLE + b"a comment that a hospital's archive appended",
        with_chunk(b"iCCP", b"profile\0\0not zlib"),
        with_chunk(b"tEXt", b"Comment\0x"),
        WHOLE[:33] + chunk(b"iCCP", b"") + chunk(b"pHYs", b"") + chunk(b"zTXt", b"x\0\0" + b"y" * 9) + WHOLE[33:],
        WHOLE[:33] + chunk(b"eXIf", b"no directory") + WHOLE[33:],
    ],
    ids=["zeros behind", "text behind", "profile", "comment", "empty chunks", "exif"],
)
def test_what_tells_nothing_of_the_pixels_is_no_damage(data):
    np.testing.assert_array_equal(decode(data), noise("grey", 8)[:, :, 0])


def with_pixels(pixels):
    return b"".join([WHOLE[:33], chunk(b"IDAT", pixels), chunk(b"IEND", b"")])


RAW = zlib.decompress(dict(chunks_of(WHOLE))[b"IDAT"][8:-4])
BROKEN = {
    "checksum": (WHOLE[:60] + bytes([WHOLE[60] ^ 1]) + WHOLE[61:], "checksum of its IDAT chunk differs"),
    "zlib": (with_pixels(zlib.compress(RAW)[:-1] + b"?"), "compressed pixels are damaged"),
    "few": (with_pixels(zlib.compress(RAW[:-1])), "cut short"),
    "filter": (with_pixels(zlib.compress(b"\7" + RAW[1:])), "no filter"),
    "no end": (WHOLE[:-12], "cut short"),
    "no pixels": (WHOLE[:33] + chunk(b"IEND", b""), "cut short"),
    "frames": (WHOLE[:33] + chunk(b"acTL", b"\0\0\0\2\0\0\0\0") + WHOLE[33:], "2 pages or frames"),
    "palette": (png(noise("palette", 8), 8, "palette", extra=[(b"PLTE", bytes(6))]), "of a palette of 2"),
    "depth": (png(noise("rgb", 8), 4, "rgb"), "colour type 2 of 4 bits"),
    "transparent": (png(noise("rgb", 8), 8, "rgb", extra=[(b"tRNS", b"\0")]), "transparent colour is cut short"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_damage_is_named(case, tmp_path):
    data, reason = BROKEN[case]
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match=rf"x\.png.*{reason}"):
        read_image(path)


def test_cut_short_at_any_byte_is_an_error():
    for end in range(len(WHOLE) - 12):
        with pytest.raises(_errors.DecodeError):
            _decode.decode(WHOLE[:end])
