import io
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from encoders import assert_no_part_gives_other_pixels
from hypothesis import given, settings
from hypothesis import strategies as st

from fracture_features import ImageReader, read_image
from fracture_features.exceptions import ImageReadError, MissingDependencyError
from fracture_features.images import _decode, _dicom, _errors
from fracture_features.images._dicom import read_header
from fracture_features.images._dicom_elements import is_dicom

pydicom = pytest.importorskip("pydicom", reason="the dicom extra is not installed")
from pydicom import uid  # noqa: E402
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate, get_frame  # noqa: E402

WEIGHTS = [0.299, 0.587, 0.114]


def decode_dicom(data):
    """The image, whose shape is that of the header."""
    image = _dicom.decode_dicom(data)
    assert _dicom.dicom_shape(io.BytesIO(data)) == image.shape
    return image


def ramp(bits, height=24, width=30, signed=False):
    """Levels from the smallest to the largest of so many bits, on a plane that no reflection leaves alone."""
    levels = np.linspace(0, (1 << bits) - 1, height * width).round().reshape(height, width)
    kind = "i" if signed else "u"
    return (levels - (1 << (bits - 1)) * signed).astype(f"{kind}{1 if bits <= 8 else 2}")


def dataset(pixels, bits=None, photometric="MONOCHROME2", syntax=uid.ExplicitVRLittleEndian, **elements):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    image.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    image.PatientName, image.PatientBirthDate, image.PatientID = "Doe^Jane", "19700102", "MRN 0042"
    image.Rows, image.Columns = pixels.shape[:2]
    image.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    if image.SamplesPerPixel == 3:
        image.PlanarConfiguration = 0
    image.PhotometricInterpretation = photometric
    image.BitsAllocated = 8 * pixels.dtype.itemsize
    image.BitsStored = bits or image.BitsAllocated
    image.HighBit = image.BitsStored - 1
    image.PixelRepresentation = int(pixels.dtype.kind == "i")
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    image.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    image.PixelData += b"\0" * (len(image.PixelData) % 2)
    image["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    for name, value in elements.items():
        setattr(image, name, value)
    return image


def saved(image):
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def encoded(pixels, **options):
    return saved(dataset(pixels, **options))


def table(entries, first, bits, vr="US"):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 65536, first, bits])
    data = np.asarray(entries, "<u2").tobytes() if vr == "OW" else [int(entry) for entry in entries]
    item.add_new("LUTData", vr, data)
    return [item]


def min_max(levels):
    levels = levels.astype(float)
    return (levels - levels.min()) / (levels.max() - levels.min()) * 255


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_without_a_window_the_levels_run_from_black_to_white(bits, signed, syntax):
    pixels = ramp(bits, signed=signed)
    image = decode_dicom(encoded(pixels, bits=bits, syntax=syntax))
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image, min_max(pixels), atol=0.501)


def test_odd_number_of_bytes():
    np.testing.assert_array_equal(decode_dicom(encoded(ramp(8, 5, 7))), min_max(ramp(8, 5, 7)).round())


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # PS3.3 C.11.2.1.2.1: (x - (c - 0.5)) / (w - 1) + 0.5 = 0, 10/99, 50/99, 1
        ({}, [0, 0, 26, 129, 255, 255]),
        ({"VOILUTFunction": "LINEAR"}, [0, 0, 26, 129, 255, 255]),
        # C.11.2.1.3.2: (x - c) / w + 0.5 = 0, 0.1, 0.5, 1
        ({"VOILUTFunction": "LINEAR_EXACT"}, [0, 0, 26, 128, 255, 255]),
        # C.11.2.1.3.1: 1 / (1 + exp(-4 (x - c) / w)) = 0.018, 0.119, 0.168, 0.5, 0.881, 1
        ({"VOILUTFunction": "SIGMOID"}, [5, 30, 43, 128, 225, 255]),
    ],
)
def test_window_golden_values(function, expected):
    levels = np.array([[0, 50, 60, 100, 150, 4095]], np.uint16)
    image = decode_dicom(encoded(levels, bits=12, WindowCenter=100, WindowWidth=100, **function))
    assert image.tolist() == [expected]


def test_window_is_the_one_of_pydicom():
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    pixels = ramp(12, signed=True)
    image = dataset(pixels, bits=12, WindowCenter=300.5, WindowWidth=1500, RescaleSlope=2.5, RescaleIntercept=-77)
    theirs = apply_voi_lut(apply_modality_lut(pixels, image), image)
    low, high = (2.5 * level - 77 for level in (-2048, 2047))
    np.testing.assert_allclose(decode_dicom(saved(image)), (theirs - low) / (high - low) * 255, atol=0.501)


def test_the_first_of_several_windows():
    pixels = ramp(12)
    one = encoded(pixels, bits=12, WindowCenter=1000, WindowWidth=500)
    two = encoded(pixels, bits=12, WindowCenter=[1000, 3000], WindowWidth=[500, 20])
    np.testing.assert_array_equal(decode_dicom(two), decode_dicom(one))


@pytest.mark.parametrize("window", [{"WindowCenter": None, "WindowWidth": None}, {"WindowCenter": 0, "WindowWidth": 0}])
def test_an_empty_window_is_none(window):
    pixels = ramp(12)
    np.testing.assert_array_equal(decode_dicom(encoded(pixels, bits=12, **window)), decode_dicom(encoded(pixels)))


def test_a_window_of_width_1_is_a_threshold():
    image = decode_dicom(encoded(np.array([[9, 10, 11]], np.uint16), WindowCenter=10.5, WindowWidth=1))
    assert image.tolist() == [[0, 0, 255]]


def test_rescale_comes_before_the_window():
    levels = np.array([[0, 100, 200, 300]], np.uint16)
    rescale = {"RescaleSlope": 2, "RescaleIntercept": -1000}
    image = decode_dicom(encoded(levels, **rescale, WindowCenter=-600, WindowWidth=401))
    np.testing.assert_allclose(image, [[0, 255 * (0.5 - 199.5 / 400), 255 * (0.5 + 0.5 / 400), 255]], atol=0.501)
    negative = decode_dicom(encoded(levels, RescaleSlope=-1, RescaleIntercept=0))
    assert negative.tolist() == [[255, 170, 85, 0]]


@pytest.mark.parametrize("vr", ["US", "OW"])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_voi_lut_goes_before_the_window_and_clamps(bits, vr):
    entries = np.linspace((1 << bits) - 1, 0, 300).astype(int)
    levels = np.array([[0, 10, 11, 309, 400]], np.uint16)
    image = encoded(levels, VOILUTSequence=table(entries, 10, bits, vr), WindowCenter=5, WindowWidth=3)
    expected = entries[[0, 0, 1, 299, 299]] / ((1 << bits) - 1) * 255
    np.testing.assert_allclose(decode_dicom(image), [expected], atol=0.501)


def test_voi_lut_over_negative_levels():
    levels = np.array([[-50, -20, 0, 30]], np.int16)
    entries = np.arange(0, 256, 5)
    image = decode_dicom(encoded(levels, VOILUTSequence=table(entries, -20, 8)))
    assert image.tolist() == [[0, 0, 100, 250]]


def test_modality_lut_comes_first():
    levels = np.array([[0, 1, 2, 3]], np.uint16)
    image = encoded(
        levels, ModalityLUTSequence=table([0, 4000, 1000, 3000], 0, 12), WindowCenter=2000, WindowWidth=4001
    )
    np.testing.assert_allclose(decode_dicom(image), np.array([[0, 4000, 1000, 3000]]) / 4000 * 255, atol=0.6)


@settings(max_examples=60, deadline=None)
@given(
    bits=st.sampled_from([8, 10, 12, 16]),
    seed=st.integers(0, 1000),
    window=st.none() | st.tuples(st.integers(-100, 70000), st.integers(1, 70000)),
)
def test_monochrome1_of_the_inverted_levels_is_monochrome2(bits, seed, window):
    largest = (1 << bits) - 1
    pixels = np.random.default_rng(seed).integers(0, largest + 1, (6, 8)).astype("u1" if bits == 8 else "u2")
    two, one = {}, {}
    if window is not None:
        center, width = window
        two = {"WindowCenter": center, "WindowWidth": width, "VOILUTFunction": "LINEAR_EXACT"}
        one = two | {"WindowCenter": largest - center}
    np.testing.assert_array_equal(
        decode_dicom(encoded(largest - pixels, bits=bits, photometric="MONOCHROME1", **one)),
        decode_dicom(encoded(pixels, bits=bits, **two)),
    )


@pytest.mark.parametrize(("photometric", "shown"), [("MONOCHROME1", [[255, 0]]), ("MONOCHROME2", [[0, 255]])])
def test_the_largest_level_is_black_in_monochrome1_alone(photometric, shown):
    levels = np.array([[0, 4095]], np.uint16)
    assert decode_dicom(encoded(levels, bits=12, photometric=photometric)).tolist() == shown


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_one_level_only_is_black(photometric):
    assert not decode_dicom(encoded(np.full((4, 5), 77, np.uint16), photometric=photometric)).any()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padded_pixels_are_black_and_do_not_count(photometric):
    pixels = ramp(12).copy()
    expected = decode_dicom(encoded(pixels, bits=12, photometric=photometric))
    pixels[:, 5:8] = 5000
    pixels[0, 5] = 4998
    padding = {"PixelPaddingValue": 5000, "PixelPaddingRangeLimit": 4998}
    image = decode_dicom(encoded(pixels, photometric=photometric, **padding))
    assert not image[:, 5:8].any()
    np.testing.assert_array_equal(np.delete(image, np.s_[5:8], 1), np.delete(expected, np.s_[5:8], 1))


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_becomes_luminance(colours, planar):
    image = dataset(colours, photometric="RGB", PlanarConfiguration=planar)
    if planar:
        image.PixelData = colours.transpose(2, 0, 1).tobytes()
    np.testing.assert_allclose(decode_dicom(saved(image)), colours @ WEIGHTS, atol=1)


def test_deep_rgb_is_scaled_from_its_bits(colours):
    image = decode_dicom(encoded(colours.astype(np.uint16) * 16, bits=12, photometric="RGB"))
    np.testing.assert_allclose(image, colours @ WEIGHTS * (16 * 255 / 4095), atol=1)


def test_ybr_is_its_luminance(colours):
    ybr = cv2.cvtColor(colours, cv2.COLOR_RGB2YCrCb)[:, :, [0, 2, 1]]
    np.testing.assert_allclose(decode_dicom(encoded(ybr, photometric="YBR_FULL")), colours @ WEIGHTS, atol=1)
    pairs = np.dstack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]])
    image = dataset(ybr, photometric="YBR_FULL_422")
    image.PixelData = np.ascontiguousarray(pairs).tobytes()
    np.testing.assert_array_equal(decode_dicom(saved(image)), ybr[:, :, 0])


@pytest.mark.parametrize("bits", [8, 16])
def test_palette(bits):
    rng = np.random.default_rng(0)
    palette, indices = rng.integers(0, 1 << bits, (20, 3)), rng.integers(0, 30, (6, 8), dtype=np.uint8)
    image = dataset(indices, photometric="PALETTE COLOR")
    for i, colour in enumerate(["Red", "Green", "Blue"]):
        image.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [20, 5, bits])
        image.add_new(f"{colour}PaletteColorLookupTableData", "OW", palette[:, i].astype(f"<u{bits // 8}").tobytes())
    rgb = palette[np.clip(indices.astype(int) - 5, 0, 19)]
    np.testing.assert_allclose(decode_dicom(saved(image)), rgb @ WEIGHTS * (255 / ((1 << bits) - 1)), atol=1.5)


PIXELS = {
    "8 bit": (ramp(8), 8),
    "12 bit": (ramp(12), 12),
    "16 bit": (ramp(16), 16),
    "signed": (ramp(12, signed=True), 12),
}
ENCODERS = {
    "jpeg lossless": (uid.JPEGLosslessSV1, lambda codecs, a, bits: codecs.ljpeg_encode(a, bitspersample=bits)),
    "jpeg lossless turbo": (
        uid.JPEGLossless,
        lambda codecs, a, bits: codecs.jpeg8_encode(a, lossless=True, bitspersample=bits),
    ),
    "jpeg-ls": (uid.JPEGLSLossless, lambda codecs, a, bits: codecs.jpegls_encode(a)),
    "jpeg 2000": (
        uid.JPEG2000Lossless,
        lambda codecs, a, bits: codecs.jpeg2k_encode(a, codecformat="j2k", reversible=True, bitspersample=bits),
    ),
}


def compressed(name, pixels, bits, **elements):
    """The pixels in a lossless encoding; signed levels travel as their two's complement of so many bits."""
    codecs = pytest.importorskip("imagecodecs", reason="the dicom extra is not installed")
    syntax, encode = ENCODERS[name]
    unsigned = pixels.view(f"u{pixels.dtype.itemsize}")
    if pixels.dtype.kind == "i" and name != "jpeg-ls":
        unsigned = unsigned & ((1 << bits) - 1)
    image = dataset(pixels, bits=bits, syntax=syntax, **elements)
    image.PixelData = encapsulate([encode(codecs, unsigned, bits)])
    image["PixelData"].VR = "OB"
    return saved(image)


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("name", ENCODERS)
def test_lossless_encodings_give_the_pixels(name, pixels):
    pixels, bits = PIXELS[pixels]
    plain = decode_dicom(encoded(pixels, bits=bits))
    np.testing.assert_array_equal(decode_dicom(compressed(name, pixels, bits)), plain)


@pytest.mark.parametrize("pixels", [*PIXELS, "colour"])
def test_rle_gives_the_pixels(pixels, colours):
    pixels, bits = (colours, 8) if pixels == "colour" else PIXELS[pixels]
    image = dataset(pixels, bits=bits, photometric="RGB" if pixels.ndim == 3 else "MONOCHROME2")
    plain = decode_dicom(saved(image))
    image.compress(uid.RLELossless, encoding_plugin="pydicom")
    np.testing.assert_array_equal(decode_dicom(saved(image)), plain)


@pytest.mark.parametrize(("name", "photometric"), [("jpeg-ls", "RGB"), ("jpeg 2000", "RGB"), ("jpeg 2000", "YBR_RCT")])
def test_compressed_colour(name, photometric, colours):
    image = decode_dicom(compressed(name, colours, 8, photometric=photometric))
    np.testing.assert_array_equal(image, decode_dicom(encoded(colours, photometric="RGB")))


def jpeg(pixels, bits=8, photometric="MONOCHROME2", syntax=uid.JPEGBaseline8Bit, stream=None):
    image = dataset(pixels, bits=bits, photometric=photometric, syntax=syntax)
    stream = stream or cv2.imencode(".jpg", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()
    image.PixelData = encapsulate([stream])
    image["PixelData"].VR = "OB"
    return saved(image)


def test_jpeg_baseline_and_extended(colours):
    pixels = ramp(8)
    for syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit):
        image = decode_dicom(jpeg(pixels, syntax=syntax)).astype(int)
        assert np.abs(image - pixels).max() <= 4
    smooth = cv2.resize(colours, (64, 48), interpolation=cv2.INTER_CUBIC)
    for photometric in ("YBR_FULL_422", "RGB"):  # its JFIF marker has the last word
        image = decode_dicom(jpeg(smooth, photometric=photometric))
        assert np.abs(image - smooth @ WEIGHTS).mean() < 2


def rgb_stream(codecs, rgb, adobe=b""):
    """A JPEG of red, green and blue that are numbered as Y, Cb and Cr are, with another segment or none of Adobe's."""
    stream = codecs.jpeg8_encode(rgb, level=98, colorspace="RGB", outcolorspace="RGB")
    marker, scan = stream.find(b"\xff\xee"), stream.find(b"\xff\xda")
    frame = stream.find(b"\xff\xc0")
    numbered = bytearray(stream)
    for first, step in ((frame + 10, 3), (scan + 5, 2)):
        assert numbered[first : first + 3 * step : step] == b"RGB"
        numbered[first : first + 3 * step : step] = b"\1\2\3"
    stream = bytes(numbered[:marker]) + adobe + bytes(numbered[marker + 16 :])
    assert b"JFIF" not in stream
    return stream


def test_jpeg_of_rgb_without_a_marker():
    """Three components that neither JFIF nor Adobe explains are what the header says."""
    codecs = pytest.importorskip("imagecodecs")
    rgb = np.dstack([ramp(8), ramp(8)[::-1], ramp(8)[:, ::-1]])
    image = decode_dicom(jpeg(rgb, photometric="RGB", stream=rgb_stream(codecs, rgb)))
    assert np.abs(image - rgb @ WEIGHTS).mean() < 2


def test_12_bit_jpeg_extended():
    codecs = pytest.importorskip("imagecodecs")
    pixels = ramp(12)
    stream = codecs.jpeg8_encode(pixels, level=98, bitspersample=12)
    image = decode_dicom(jpeg(pixels, bits=12, syntax=uid.JPEGExtended12Bit, stream=stream))
    assert np.abs(image - min_max(pixels)).max() < 2


def changed(**elements):
    return encoded(ramp(12), **elements)


def without(*names, **elements):
    image = dataset(ramp(12), **elements)
    for name in names:
        delattr(image, name)
    return saved(image)


def deflated():
    return encoded(ramp(12), syntax=uid.DeflatedExplicitVRLittleEndian)


def of_syntax(syntax):
    image = dataset(ramp(12), bits=12, syntax=syntax)
    image.PixelData = encapsulate([b"abcd"])
    image["PixelData"].VR = "OB"
    return saved(image)


REFUSED = {
    "frames": (lambda: changed(NumberOfFrames=3), "it holds 3 frames; expected one image"),
    "no pixels": (lambda: without("PixelData"), "no pixel data"),
    "no rows": (lambda: without("Rows"), "its Rows is None; expected a number"),
    "huge": (lambda: changed(Rows=65535, Columns=65535), "header announces 65535 x 65535 pixels"),
    "empty": (lambda: changed(Rows=0), "header announces 30 x 0 pixels"),
    "too few": (lambda: changed(Rows=25), r"it holds 1,440 bytes of pixels; its header announces 1,500"),
    "too many": (lambda: changed(Rows=23), r"it holds 1,440 bytes of pixels; its header announces 1,380"),
    "bits": (lambda: changed(BitsAllocated=32, BitsStored=32), "32 of 32 bits"),
    "hsv": (lambda: changed(PhotometricInterpretation="HSV"), "HSV, which is not read"),
    "samples": (lambda: changed(SamplesPerPixel=3), "3 samples a pixel mean MONOCHROME2"),
    "slope": (lambda: changed(RescaleSlope="1e308", RescaleIntercept="1e308"), "no finite levels"),
    "voi": (lambda: changed(VOILUTFunction="CUBIC", WindowCenter=1, WindowWidth=5), "VOILUTFunction is CUBIC"),
    "lut": (lambda: changed(VOILUTSequence=table([1, 2], 0, 7)), "LUT has 2 entries of 7 bits"),
    "deflated": (deflated, "Deflated Explicit VR Little Endian, is not read"),
    "mpeg": (lambda: of_syntax(uid.MPEG2MPML), "transfer syntax, MPEG2 .*, is not read"),
    "jpeg": (lambda: of_syntax(uid.JPEGBaseline8Bit), r"JPEG Baseline \(Process 1\) stream is cut short"),
    "rle": (lambda: of_syntax(uid.RLELossless), "damaged or cut short"),
    "preamble": (lambda: changed()[132:], "no 'DICM' at byte 128"),
    "dicm": (lambda: changed()[:132], "damaged or cut short|transfer syntax, None"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_name_and_the_reason(case, tmp_path):
    make, reason = REFUSED[case]
    path = tmp_path / "case.dcm"
    path.write_bytes(make())
    with pytest.raises(ImageReadError, match=rf"case\.dcm.*({reason})"):
        read_image(path)


@pytest.mark.parametrize("case", ["no pixels", "deflated", "mpeg", "preamble", "dicm"])
def test_what_the_header_tells_is_refused_by_it(case):
    make, reason = REFUSED[case]
    with pytest.raises(_errors.DecodeError, match=reason):
        _dicom.dicom_shape(io.BytesIO(make()))


def test_huge_images_are_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(_dicom, "read_cells", pytest.fail)
    with pytest.raises(_errors.DecodeError, match="header announces"):
        decode_dicom(changed(Rows=65535, Columns=65535))


@pytest.mark.parametrize("name", ["jpeg lossless", "jpeg-ls", "jpeg 2000"])
def test_a_stream_of_another_size_is_refused(name):
    data = compressed(name, ramp(12), 12, Rows=23)
    with pytest.raises(_errors.DecodeError, match=r"stream holds \(24, 30, 1\).*announces \(23, 30, 1\)"):
        decode_dicom(data)


def small(name):
    """A small file of each way to store pixels."""
    if name in ENCODERS:
        return compressed(name, ramp(12), 12, WindowCenter=2000, WindowWidth=3000)
    if name == "jpeg":
        return jpeg(ramp(8))
    image = dataset(ramp(12), bits=12, WindowCenter=2000, WindowWidth=3000, VOILUTSequence=table(range(256), 0, 8))
    if name == "rle":
        image.compress(uid.RLELossless, encoding_plugin="pydicom")
    return saved(image)


STORED = ["native", "rle", "jpeg", *ENCODERS]


@pytest.mark.parametrize("name", STORED)
def test_cut_short_at_any_byte_never_gives_other_pixels(name):
    assert_no_part_gives_other_pixels(decode_dicom, small(name), start=132, step=3)


@pytest.mark.parametrize("name", STORED[1:])
def test_streams_cut_short_in_an_intact_file_never_give_other_pixels(name):
    image = pydicom.dcmread(io.BytesIO(small(name)))
    whole, stream = decode_dicom(saved(image)), get_frame(image.PixelData, 0, number_of_frames=1)
    for end in range(2, len(stream), 7):
        image.PixelData = encapsulate([stream[:end]])
        try:
            seen = decode_dicom(saved(image))
        except _errors.DecodeError:
            continue
        np.testing.assert_array_equal(seen, whole)


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(STORED), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 8), cut=st.booleans())
def test_mutated_files_give_an_image_or_a_decode_error(name, seed, n, cut):
    rng = np.random.default_rng(seed)
    data = bytearray(small(name))
    for position in rng.integers(132, len(data), n):
        data[position] = rng.integers(256)
    if cut:
        del data[rng.integers(132, len(data)) :]
    with suppress(_errors.DecodeError):
        _decode.decode_shape(io.BytesIO(data))
    try:
        image = _decode.decode(bytes(data))
    except _errors.DecodeError:
        return
    assert image.dtype == np.uint8
    assert image.shape == _decode.decode_shape(io.BytesIO(data))


def test_content_not_name_decides_and_kinds_mix(tmp_path):
    pixels = ramp(8, 40, 40)
    (tmp_path / "really.png").write_bytes(encoded(pixels))
    cv2.imwrite(str(tmp_path / "plain.png"), pixels)
    paths = [tmp_path / name for name in ("really.png", "plain.png")] * 20
    stack = ImageReader(image_size=40, n_jobs=2).fit_transform(paths)
    np.testing.assert_array_equal(stack, np.broadcast_to(pixels, stack.shape))


def test_the_missing_package_is_named_with_its_extra(monkeypatch):
    data = small("jpeg-ls")
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(MissingDependencyError, match=r"'imagecodecs'.*fracture_features\[dicom\]"):
        decode_dicom(data)


def test_importing_and_reading_other_formats_never_imports_pydicom(tmp_path):
    path = str(tmp_path / "x.png")
    cv2.imwrite(path, ramp(8))
    code = (
        f"import sys, fracture_features as f; f.read_image({path!r});"
        "assert not {'pydicom', 'imagecodecs'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def header_file(tmp_path):
    def write(name="x.dcm", **elements):
        path = tmp_path / name
        path.write_bytes(encoded(ramp(8), **elements))
        return path

    return write


def test_read_header_hashes_ids_and_knows_no_names(header_file):
    elements = {"StudyInstanceUID": "1.2.840.1", "ViewPosition": "AP", "BodyPartExamined": "WRIST"}
    path = header_file(**elements, ImageLaterality="L", StudyDate="20200304", PatientAge="041Y")
    header = read_header(path, salt="secret")
    assert set(header) == {
        *("PatientID", "StudyInstanceUID", "SeriesInstanceUID"),
        *("ViewPosition", "BodyPartExamined", "Laterality"),
    }
    assert (header["ViewPosition"], header["BodyPartExamined"], header["Laterality"]) == ("AP", "WRIST", "L")
    assert header["SeriesInstanceUID"] is None
    for secret in ("Doe", "Jane", "1970", "0042", "MRN", "1.2.840", "2020", "041"):
        assert not any(secret in str(value) for name, value in header.items() if value and len(value) != 16)
    assert len(header["PatientID"]) == 16
    int(header["PatientID"], 16)


def test_read_header_equal_ids_have_equal_hashes_under_one_salt(header_file):
    one, same = header_file("a"), header_file("b", PatientID=" MRN 0042 ")
    other, none = header_file("c", PatientID="MRN 0043"), header_file("d", PatientID="")
    ids = [read_header(path, salt="s")["PatientID"] for path in (one, same, other, none)]
    assert ids[0] == ids[1] != ids[2]
    assert ids[3] is None
    assert read_header(one, salt="t")["PatientID"] != ids[0]
    assert read_header(one)["PatientID"] == read_header(same)["PatientID"]


def test_read_header_reads_neither_pixels_nor_other_elements(header_file, monkeypatch):
    path = header_file(StudyDate="20200304")
    seen = {}
    real = _dicom.read_elements
    monkeypatch.setattr(_dicom, "read_elements", lambda *args, **options: seen.update(real(*args, **options)) or seen)
    read_header(path)
    assert seen["PixelData"].value == b""
    assert not {"PatientName", "PatientBirthDate", "StudyDate"} & set(seen)


def test_read_header_of_what_is_no_dicom(tmp_path, header_file):
    cv2.imwrite(str(tmp_path / "x.png"), ramp(8))
    with pytest.raises(ImageReadError, match=r"x\.png.*no DICOM file"):
        read_header(tmp_path / "x.png")
    with pytest.raises(ImageReadError, match=r"nowhere.*no such file"):
        read_header(tmp_path / "nowhere")
    with pytest.raises(ImageReadError):
        read_header(tmp_path)


LOSSLESS_TWINS = [("RG2_J2KR", "RG2_JPLL"), ("RG3_UNC", "RG3_RLE"), ("RG3_UNC", "RG3_JLSL")]
LOSSY_TWINS = [("RG2_JPLL", "RG2_JPLY"), ("RG3_UNC", "RG3_J2KI"), ("RG3_UNC", "RG3_JPLY")]


def test_real_encodings_of_one_radiograph_agree(shared_data):
    pytest.importorskip("imagecodecs")
    images = {path.stem: read_image(path) for path in sorted((shared_data / "dicom").glob("*.dcm"))}
    assert len(images) == 9
    for one, other in LOSSLESS_TWINS:
        np.testing.assert_array_equal(images[one], images[other], err_msg=f"{one} {other}")
    for one, other in LOSSY_TWINS:
        assert np.abs(images[one].astype(int) - images[other]).mean() < 1, (one, other)


def test_real_monochrome1_and_colour_show_bone_bright(shared_data):
    """Boxes in the tibia's shaft and in the dark beside it; a film that is mostly dark."""
    tibia = read_image(shared_data / "dicom" / "RG3_UNC.dcm")
    assert tibia[300:400, 780:840].mean() > tibia[300:400, 460:500].mean() + 50
    colour = read_image(shared_data / "dicom" / "DX_ybr422_jpegbaseline.dcm")
    assert colour.mean() < 100


@pytest.mark.parametrize("name", ["RG2_J2KR", "RG2_JPLL", "RG2_JPLY", "RG3_J2KI", "RG3_JLSL", "RG3_RLE", "RG3_UNC"])
def test_real_files_cut_short(name, shared_data):
    pytest.importorskip("imagecodecs")
    data = (shared_data / "dicom" / f"{name}.dcm").read_bytes()
    whole = decode_dicom(data)
    for end in [*np.linspace(1, len(data) - 20, 40).astype(int), *range(len(data) - 20, len(data))]:
        try:
            image = decode_dicom(data[:end])
        except _errors.DecodeError:
            continue
        np.testing.assert_array_equal(image, whole)


@pytest.mark.parametrize("vr", ["US", "OW"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("declared", "largest"), [(16, 4095), (16, 1023), (12, 1023), (8, 4095), (16, 65535)])
def test_white_of_a_voi_lut_is_the_depth_in_use(declared, largest, photometric, vr):
    """Some makers of CR declare 16 bits and fill 12."""
    entries = np.linspace(0, largest, 300).astype(int)
    levels = np.arange(300, dtype=np.uint16).reshape(1, 300)
    image = encoded(levels, photometric=photometric, VOILUTSequence=table(entries, 0, declared, vr))
    shown = entries / largest * 255
    expected = 255 - shown if photometric == "MONOCHROME1" else shown
    np.testing.assert_allclose(decode_dicom(image)[0], expected, atol=0.501)


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_the_first_level_of_a_lut_has_the_sign_of_the_levels(syntax):
    """Whatever its VR: -20 is written as 65516 too, and a table over 40000 is none over -25536."""
    entries = np.arange(0, 256, 5)
    item = table(entries, 0, 8)
    item[0]["LUTDescriptor"].value = [len(entries), 65516, 8]
    levels = np.array([[-50, -20, 0, 30]], np.int16)
    assert decode_dicom(encoded(levels, syntax=syntax, VOILUTSequence=item)).tolist() == [[0, 0, 100, 250]]
    high = encoded(np.array([[39000, 40000, 40051]], np.uint16), VOILUTSequence=table(entries, 40000, 8))
    assert decode_dicom(high).tolist() == [[0, 0, 255]]


CELLS = {
    "unsigned": np.array([[0, 1, 2048, 4095, 77, 1000]], np.uint16),
    "signed": np.array([[-2048, -1, 0, 2047, 77, -1000]], np.int16),
}


def overlaid(levels):
    """The cells of 16 bits with something else in the four that are not stored."""
    unsigned = levels.view(np.uint16) & 4095
    return (unsigned | np.arange(levels.size, dtype=np.uint16).reshape(levels.shape) * 3 % 16 << 12).view(levels.dtype)


@pytest.mark.parametrize("sign", CELLS)
@pytest.mark.parametrize("name", ["native", "rle", *ENCODERS])
def test_bits_that_are_not_stored_do_not_count(name, sign):
    levels = np.tile(CELLS[sign], (4, 2))
    expected = decode_dicom(encoded(levels, bits=12))
    if name in ENCODERS:
        if name == "jpeg lossless turbo" or (name == "jpeg 2000" and sign == "signed"):
            pytest.skip("its encoder writes no such bits")
        codecs = pytest.importorskip("imagecodecs")
        image = dataset(overlaid(levels), bits=12, syntax=ENCODERS[name][0])
        image.PixelData = encapsulate([ENCODERS[name][1](codecs, overlaid(levels).view(np.uint16), 16)])
        image["PixelData"].VR = "OB"
    else:
        image = dataset(overlaid(levels), bits=12)
        if name == "rle":
            image.compress(uid.RLELossless, encoding_plugin="pydicom")
    np.testing.assert_array_equal(decode_dicom(saved(image)), expected)


@pytest.mark.parametrize("sign", CELLS)
@pytest.mark.parametrize("name", ["native", "rle", "jpeg-ls", "jpeg lossless"])
@pytest.mark.parametrize("high", [12, 15])
def test_the_stored_bits_lie_below_the_high_bit(high, name, sign):
    levels = np.tile(CELLS[sign], (4, 2))
    expected = decode_dicom(encoded(levels, bits=12))
    shift = high - 11
    cells = ((levels.view(np.uint16) & 4095) << shift | ((1 << shift) - 1)).view(levels.dtype)
    image = dataset(cells, bits=12, HighBit=high)
    if name == "rle":
        image.compress(uid.RLELossless, encoding_plugin="pydicom")
    elif name != "native":
        codecs = pytest.importorskip("imagecodecs")
        image = dataset(cells, bits=12, HighBit=high, syntax=ENCODERS[name][0])
        image.PixelData = encapsulate([ENCODERS[name][1](codecs, cells.view(np.uint16), 16)])
        image["PixelData"].VR = "OB"
    np.testing.assert_array_equal(decode_dicom(saved(image)), expected)


def test_bits_of_colour_that_are_not_stored_do_not_count(colours):
    cells = colours.astype(np.uint16) | 0xA000
    image = decode_dicom(encoded(cells, bits=8, photometric="RGB"))
    np.testing.assert_array_equal(image, decode_dicom(encoded(colours, photometric="RGB")))
    image = decode_dicom(encoded(colours.astype(np.uint16) << 8, bits=8, HighBit=15, photometric="RGB"))
    np.testing.assert_array_equal(image, decode_dicom(encoded(colours, photometric="RGB")))


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize(("levels", "padding"), [(CELLS["signed"], -2048), (CELLS["unsigned"].astype("u2"), 65535)])
def test_padding_in_the_vr_of_the_other_sign(levels, padding, syntax):
    cells = np.tile(levels, (3, 3))
    cells[:, 4] = padding if padding > 0 else -2000
    cells[0] = cells[1]
    value = padding if padding > 0 else -2000
    image = dataset(cells, syntax=syntax)
    right = dataset(cells, syntax=syntax)
    right.add_new("PixelPaddingValue", "SS" if value < 0 else "US", value)
    wrong_vr, wrong = ("US", value + 65536) if value < 0 else ("SS", value - 65536)
    image.add_new("PixelPaddingValue", wrong_vr, wrong)
    seen = decode_dicom(saved(image))
    assert not seen[:, 4].any()
    np.testing.assert_array_equal(seen, decode_dicom(saved(right)))
    assert len(np.unique(seen)) > 3


def test_padding_may_fill_the_bits_that_are_not_stored():
    cells = np.array([[0, 1000, 4095, 65535]], np.uint16)
    assert decode_dicom(encoded(cells, bits=12, PixelPaddingValue=65535)).tolist() == [[0, 62, 255, 0]]


def test_a_range_of_padding_has_the_sign_of_the_pixels():
    levels = np.array([[-900, -5, 0, 3, 4, 1000]], np.int16)
    image = dataset(levels)
    image.add_new("PixelPaddingValue", "US", 65531)
    image.add_new("PixelPaddingRangeLimit", "US", 3)
    assert decode_dicom(saved(image)).tolist() == [[0, 0, 0, 0, 121, 255]]


def test_a_rescale_slope_of_0_is_an_error():
    with pytest.raises(_errors.DecodeError, match="RescaleSlope is 0"):
        decode_dicom(changed(RescaleSlope=0, RescaleIntercept=5))


@pytest.mark.parametrize("length", [0, 5, 6, 9])
def test_an_adobe_marker_too_short_to_say_anything(length):
    """libjpeg passes it over, and would take three components for YCbCr."""
    codecs = pytest.importorskip("imagecodecs")
    rgb = np.dstack([ramp(8), ramp(8)[::-1], ramp(8)[:, ::-1]])
    short = b"\xff\xee" + (2 + length).to_bytes(2, "big") + b"Adobe\0\0\0\0"[:length]
    image = decode_dicom(jpeg(rgb, photometric="RGB", stream=rgb_stream(codecs, rgb, short)))
    assert np.abs(image - rgb @ WEIGHTS).mean() < 2


def item_of(**elements):
    item = Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return item


@pytest.mark.parametrize("place", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_transformations_of_an_enhanced_object(place):
    """The same values in the functional groups and at the top."""
    pixels = ramp(12)
    window = {"WindowCenter": 900, "WindowWidth": 500}
    rescale = {"RescaleSlope": 2, "RescaleIntercept": -300}
    macros = {"FrameVOILUTSequence": [item_of(**window)], "PixelValueTransformationSequence": [item_of(**rescale)]}
    enhanced = [item_of(**macros)]
    for frames in ({}, {"NumberOfFrames": 1}):
        image = encoded(pixels, bits=12, **{place: enhanced}, **frames)
        np.testing.assert_array_equal(decode_dicom(image), decode_dicom(encoded(pixels, bits=12, **window, **rescale)))


def test_the_group_of_the_frame_comes_before_the_shared_one():
    pixels = ramp(12)
    shared, own = ([item_of(FrameVOILUTSequence=[item_of(WindowCenter=c, WindowWidth=500)])] for c in (900, 3000))
    image = encoded(pixels, SharedFunctionalGroupsSequence=shared, PerFrameFunctionalGroupsSequence=own)
    np.testing.assert_array_equal(
        decode_dicom(image), decode_dicom(encoded(pixels, WindowCenter=3000, WindowWidth=500))
    )


@pytest.mark.parametrize("excess", [1, 2, 60, 512, 100_000])
def test_padding_after_the_pixels_is_none_of_them(excess):
    pixels = ramp(12)
    image = dataset(pixels, bits=12)
    image.PixelData += bytes(excess + excess % 2)
    np.testing.assert_array_equal(decode_dicom(saved(image)), decode_dicom(encoded(pixels, bits=12)))


@pytest.mark.parametrize("rle", [False, True])
def test_rgb_without_planar_configuration_has_its_samples_together(colours, rle):
    image = dataset(colours, photometric="RGB")
    if rle:
        image.compress(uid.RLELossless, encoding_plugin="pydicom")
    del image.PlanarConfiguration
    np.testing.assert_allclose(decode_dicom(saved(image)), colours @ WEIGHTS, atol=1)


def test_8_bits_in_big_endian_words_are_swapped():
    pixels = ramp(8, 4, 6)
    image = dataset(pixels, syntax=uid.ExplicitVRBigEndian)
    image.PixelData = pixels.reshape(-1, 2)[:, ::-1].tobytes()
    image["PixelData"].VR = "OW"
    np.testing.assert_array_equal(decode_dicom(saved(image)), min_max(pixels).round())


@pytest.mark.parametrize("high", [10, 16, 40])
def test_a_high_bit_that_cannot_be_is_refused(high):
    with pytest.raises(_errors.DecodeError, match=f"its HighBit is {high} of 12 bits stored"):
        decode_dicom(encoded(ramp(12), bits=12, HighBit=high))


def test_lossless_rgb_is_its_luminance(colours):
    codecs = pytest.importorskip("imagecodecs")
    stream = codecs.jpeg8_encode(colours, lossless=True, colorspace="RGB", outcolorspace="RGB")
    image = decode_dicom(jpeg(colours, photometric="RGB", syntax=uid.JPEGLosslessSV1, stream=stream))
    np.testing.assert_array_equal(image, decode_dicom(encoded(colours, photometric="RGB")))


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", "\\ISO 2022 IR 87"])
def test_ids_are_equal_in_any_character_set(charset, header_file):
    name = "患者" if "87" in charset else "Müller"
    image = header_file("a", SpecificCharacterSet=charset.split("\\") if "87" in charset else charset, PatientID=name)
    other = header_file("b", SpecificCharacterSet="ISO_IR 192", PatientID=name)
    assert read_header(image)["PatientID"] == read_header(other)["PatientID"]


def compared(path):
    """Ours and pydicom's grey levels of an uncompressed grey file, where they are no padding; None of others."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    image = pydicom.dcmread(path, force=True)
    try:
        seen = read_image(path)
    except ImageReadError:
        return None
    if not str(image.PhotometricInterpretation).startswith("MONO") or image.file_meta.TransferSyntaxUID.is_compressed:
        return None
    theirs = apply_voi_lut(apply_modality_lut(image.pixel_array, image), image).astype(float)
    kept = image.pixel_array != image.get("PixelPaddingValue")
    low, high = theirs[kept].min(), theirs[kept].max()
    if image.get("WindowWidth"):
        ends = np.array([0, (1 << image.BitsStored) - 1]) - (image.PixelRepresentation << image.BitsStored - 1)
        low, high = sorted(apply_modality_lut(ends, image))
    expected = (theirs - low) / (high - low) * 255
    expected = 255 - expected if image.PhotometricInterpretation == "MONOCHROME1" else expected
    return seen[kept], expected[kept]


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_uncompressed_files_of_pydicom_are_read_as_by_its_functions():
    """Whatever their data sets look like; `benchmarks/compare_dicom.py` has the compressed ones, and colour.

    They are those that it brings: its own function would download others.
    """
    paths = sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*"))
    pairs = {path.name: compared(path) for path in paths if path.is_file() and is_dicom(path.read_bytes()[:132])}
    pairs = {name: pair for name, pair in pairs.items() if pair is not None}
    assert len(pairs) >= 30
    for name, (seen, expected) in pairs.items():
        np.testing.assert_allclose(seen, expected, atol=0.501, err_msg=name)
