import io
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fracture_features import ImageReader, read_image
from fracture_features._threads import map_threads
from fracture_features.datasets import take_inventory
from fracture_features.exceptions import ImageReadError
from fracture_features.images import _decode, _errors, _reader, read_header, read_shape


def gradient(height=60, width=90):
    """A smooth image that no rotation or reflection leaves alone."""
    rows, columns = np.mgrid[:height, :width]
    return (40 + 1.5 * columns + rows * columns / 60).clip(0, 255).astype(np.uint8)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def read(path):
    """The image, whose shape is the one that the header gives."""
    image = read_image(path)
    assert read_shape(path) == image.shape
    return image


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


GREY = gradient()
RGB = np.dstack([GREY, GREY, GREY])
LOSSLESS = {
    "png 8 bit": encoded(GREY, "PNG"),
    "png interlaced": encoded(GREY, "PNG", interlace=1),
    "png colour": encoded(RGB, "PNG"),
    "png palette": encoded(Image.fromarray(GREY).convert("P"), "PNG"),
    "png opaque alpha": encoded(np.dstack([RGB, np.full_like(GREY, 255)]), "PNG"),
    "tiff": encoded(GREY, "TIFF"),
    "tiff lzw": encoded(GREY, "TIFF", compression="tiff_lzw"),
    "bmp": encoded(GREY, "BMP"),
    "gif": encoded(GREY, "GIF"),
}
JPEGS = {
    "grey": encoded(GREY, "JPEG", quality=95),
    "progressive": encoded(GREY, "JPEG", quality=95, progressive=True),
    "colour": encoded(RGB, "JPEG", quality=95),
    "cmyk": encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG", quality=95),
}


@pytest.mark.parametrize("data", LOSSLESS.values(), ids=LOSSLESS)
def test_lossless_formats_give_the_pixels(data, tmp_path):
    image = read(write(tmp_path, "ä name with spaces.png", data))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, GREY)


@pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS)
def test_jpeg_is_near_the_pixels(data, tmp_path):
    image = read(write(tmp_path, "x.jpg", data)).astype(int)
    assert image.shape == GREY.shape
    assert np.abs(image - GREY).mean() < 1


def test_colour_becomes_itu_601_luminance(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = write(tmp_path, "x.png", encoded(colour, "PNG"))
    np.testing.assert_allclose(read(path), colour @ [0.299, 0.587, 0.114], atol=1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind, orientation, tmp_path):
    """The reference is the EXIF standard's table of where the stored first row and column lie."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path, "x", encoded(GREY, kind, exif=exif))
    turned = {
        1: GREY,
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: GREY[::-1].T,
        7: GREY[::-1, ::-1].T,
        8: GREY[:, ::-1].T,
    }
    np.testing.assert_allclose(read(path), turned[orientation].astype(int), atol=6)


def behind_the_pixels(data):
    """A PNG whose chunks other than the first stand where its last stood."""
    chunks, position = [], 8
    while position < len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        chunks.append(data[position:end])
        position = end
    return data[:8] + b"".join(
        sorted(chunks, key=lambda chunk: (chunk[4:8] == b"IEND", chunk[4:8] not in b"IHDR IDAT"))
    )


@pytest.mark.parametrize("place", ["exif", "behind the pixels", "xmp", "xmp behind the pixels"])
def test_a_png_is_turned_wherever_it_says_so(place, tmp_path):
    options = {"exif": Image.Exif()}
    options["exif"][0x0112] = 6
    if "xmp" in place:
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    data = encoded(GREY, "PNG", **options)
    path = write(tmp_path, "x.png", behind_the_pixels(data) if "behind" in place else data)
    np.testing.assert_array_equal(read(path), GREY[::-1].T)


def bytes_read():
    """By this process so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "DICOM"])
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="bytes are counted as Linux does")
def test_a_shape_takes_the_header_alone(kind, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1200, 2000), dtype=np.uint8)
    if kind == "DICOM":
        pytest.importorskip("pydicom", reason="the dicom extra is not installed")
        from test_dicom import encoded as encoded_dicom
    data = encoded_dicom(noise) if kind == "DICOM" else encoded(noise, kind)
    path = write(tmp_path, "x", data)
    read(path)  # which imports what it needs
    before = bytes_read()
    assert read_shape(path) == noise.shape
    assert bytes_read() - before < 70_000 < len(data) / 10


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("largest", "bits"), [(200, 8), (1000, 10), (4095, 12), (9000, 14), (65535, 16)])
def test_deep_images_are_scaled_from_the_smallest_usual_depth(kind, largest, bits, tmp_path):
    levels = np.linspace(0, largest, 600).astype(np.uint16).reshape(20, 30)
    image = read(write(tmp_path, "x", encoded(Image.fromarray(levels), kind)))
    np.testing.assert_allclose(image, levels * (255 / (2**bits - 1)), atol=0.51)


def test_transparent_pixels_are_black(tmp_path):
    alpha = np.zeros_like(GREY)
    alpha[:30] = 255
    for kind, image in [("LA", np.dstack([GREY, alpha])), ("RGBA", np.dstack([RGB, alpha]))]:
        seen = read(write(tmp_path, f"{kind}.png", encoded(Image.fromarray(image, kind), "PNG")))
        np.testing.assert_array_equal(seen[:30], GREY[:30])
        assert not seen[30:].any()


def bomb():
    """A few hundred kB that announce 400 megapixels."""
    with Image.new("1", (20_000, 20_000)) as image:
        return encoded(image, "PNG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not an image at all", "not an image of a known format"),
        (b"\xff\xd8\xff", "JPEG header is damaged or cut short"),
        (encoded(GREY.astype(np.float32), "TIFF"), "floating-point"),
        (encoded(GREY, "TIFF", save_all=True, append_images=[Image.fromarray(GREY)]), "2 pages or frames"),
        (encoded(GREY, "GIF", save_all=True, append_images=[Image.fromarray(255 - GREY)]), "2 pages or frames"),
        (encoded(Image.fromarray(GREY.astype(np.int32) - 100), "TIFF"), "grey levels run from"),
    ],
    ids=["empty", "text", "stub", "float", "pages", "frames", "negative"],
)
def test_refused_with_the_name_and_the_reason(data, reason, tmp_path):
    path = write(tmp_path, "case.jpg", data)
    with pytest.raises(ImageReadError, match=f"case.jpg.*{reason}") as caught:
        read_image(path)
    assert caught.value.path == str(path)


def test_bomb_is_refused_from_its_header(tmp_path):
    path = write(tmp_path, "bomb.png", bomb())
    assert path.stat().st_size < 500_000
    with pytest.raises(ImageReadError, match=r"bomb.png.*header announces"):
        read_image(path)


def test_missing_file_and_folder(tmp_path):
    for function in (read_image, read_shape):
        with pytest.raises(ImageReadError, match=r"nowhere.png.*no such file"):
            function(tmp_path / "nowhere.png")
        with pytest.raises(ImageReadError, match="is a folder"):
            function(tmp_path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"not an image at all", "not an image of a known format"),
        (LOSSLESS["png 8 bit"][:20], "cut short"),
        (JPEGS["grey"][:100], "JPEG header is damaged or cut short"),
        (LOSSLESS["tiff"][:100], "TIFF directory is damaged or cut short"),
        (LOSSLESS["bmp"][:20], "BMP header is damaged"),
        (LOSSLESS["gif"][:8], "GIF header is damaged or cut short"),
    ],
    ids=["empty", "text", "png", "jpeg", "tiff", "bmp", "gif"],
)
def test_a_header_that_cannot_be_read_is_named(data, reason, tmp_path):
    with pytest.raises(ImageReadError, match=rf"case\.jpg.*{reason}"):
        read_shape(write(tmp_path, "case.jpg", data))


@pytest.mark.parametrize("name", ["grey", "progressive", "colour", "cmyk"])
def test_jpeg_cut_short_at_any_byte_is_an_error(name, tmp_path):
    data = JPEGS[name]
    for wanted in (None, 16):
        for end in range(len(data)):
            with pytest.raises(_errors.DecodeError):
                _decode.decode(data[:end], wanted)


@pytest.mark.parametrize("name", sorted(LOSSLESS))
def test_other_formats_cut_short_never_give_other_pixels(name):
    data = LOSSLESS[name]
    for end in range(0, len(data), max(1, len(data) // 200)):
        try:
            image = _decode.decode(data[:end])
        except _errors.DecodeError:
            continue
        np.testing.assert_array_equal(image, GREY)


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(LOSSLESS | JPEGS)), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 8))
def test_mutated_files_give_an_image_or_a_decode_error(name, seed, n):
    data = bytearray((LOSSLESS | JPEGS)[name])
    rng = np.random.default_rng(seed)
    for position in rng.integers(0, len(data), n):
        data[position] = rng.integers(256)
    with suppress(_errors.DecodeError):
        _decode.decode_shape(io.BytesIO(data))
    try:
        image = _decode.decode(bytes(data))
    except _errors.DecodeError:
        return
    assert image.dtype == np.uint8
    assert image.shape == _decode.decode_shape(io.BytesIO(data))


def test_real_cut_short_files_are_refused(shared_data):
    """The README of the data counts 40 of them, all non-fractured; no other file is refused."""
    paths = sorted((shared_data / "fracatlas" / "images").glob("*/*"))
    reasons = take_inventory([str(path) for path in paths])["reason"]
    bad = reasons.notna()
    assert len(paths) == 2499
    assert bad.sum() == 40
    assert {path.parent.name for path, is_bad in zip(paths, bad, strict=True) if is_bad} == {"Non_fractured"}
    assert reasons[bad].str.contains("cut short").all()


def test_every_real_file_of_mixed_formats_is_read(shared_data):
    paths = sorted(path for path in (shared_data / "multiregion").rglob("*") if path.is_file())
    assert len(paths) == 1179
    assert take_inventory([str(path) for path in paths])["reason"].isna().all()


@pytest.fixture
def files(tmp_path):
    big = cv2.resize(GREY, (900, 600), interpolation=cv2.INTER_CUBIC)
    return [
        write(tmp_path, "a.jpg", encoded(big, "JPEG", quality=95)),
        write(tmp_path, "b.png", LOSSLESS["png 8 bit"]),
        write(tmp_path, "c.png", encoded(GREY.T.copy(), "PNG")),
    ]


def test_pad_keeps_proportions_and_stretch_fills(files):
    padded = ImageReader(image_size=48).fit_transform(files)
    assert padded.shape == (3, 48, 48)
    assert not padded[:2, :8].any()
    assert not padded[:2, 40:].any()
    assert padded[:2, 8:40].all()
    assert not padded[2, :, :8].any()
    stretched = ImageReader(image_size=(48, 32), resize="stretch").fit_transform(files)
    assert stretched.shape == (3, 48, 32)
    assert stretched.all()


def test_contrast_leaves_the_padding_alone(files):
    plain = ImageReader(image_size=48).fit_transform(files)
    for contrast in ("percentile", "clahe"):
        adjusted = ImageReader(image_size=48, contrast=contrast).fit_transform(files)
        assert not adjusted[:2, :8].any()
        assert not np.array_equal(adjusted, plain)
    stretched = ImageReader(image_size=48, resize="stretch", contrast="percentile").fit_transform(files)
    assert (stretched.min(axis=(1, 2)) == 0).all()
    assert (stretched.max(axis=(1, 2)) == 255).all()


def test_percentile_contrast_is_numpys(tmp_path):
    image = np.random.default_rng(0).normal(100, 9, (40, 40)).clip(0, 255).astype(np.uint8)
    path = write(tmp_path, "x.png", encoded(image, "PNG"))
    low, high = np.percentile(image, (1, 99))
    expected = ((image - low) / (high - low) * 255).clip(0, 255)
    adjusted = ImageReader(image_size=40, contrast="percentile").fit_transform([path])[0]
    np.testing.assert_allclose(adjusted, expected, atol=0.51)
    flat = write(tmp_path, "flat.png", encoded(np.full((40, 40), 7, np.uint8), "PNG"))
    assert not ImageReader(image_size=40, contrast="percentile").fit_transform([flat]).any()


def test_shrinking_averages_areas(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = write(tmp_path, "x.png", encoded(image, "PNG"))
    means = image.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(ImageReader(image_size=16).fit_transform([path])[0], means, atol=0.51)


def test_reduced_jpeg_decoding_is_faithful(files):
    """At most half a grey level from decoding every pixel, in the mean."""
    image = read_image(files[0])
    full = cv2.resize(image, (96, 64), interpolation=cv2.INTER_AREA).astype(int)
    reduced = ImageReader(image_size=(64, 96)).fit_transform(files[:1])[0]
    assert _decode.decode(files[0].read_bytes(), 96).shape[0] < image.shape[0]
    assert np.abs(reduced - full).mean() < 0.5


def test_a_row_is_never_dropped(files, tmp_path):
    bad = write(tmp_path, "bad.jpg", files[0].read_bytes()[:3000])
    with pytest.raises(ImageReadError, match=r"bad\.jpg"):
        ImageReader().fit_transform([*files, bad])
    assert take_inventory([*map(str, files), str(bad)])["reason"].notna().tolist() == [False] * 3 + [True]


def test_cache_opens_no_file_twice_and_notices_another(files, tmp_path, monkeypatch):
    reader = ImageReader(image_size=32, cache=tmp_path / "cache")
    first = reader.fit_transform(files)
    opened = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path) or real(path))
    np.testing.assert_array_equal(reader.fit_transform(files), first)
    assert opened == []
    write(tmp_path, "b.png", encoded(255 - GREY, "PNG"))
    assert not np.array_equal(reader.fit_transform(files)[1], first[1])
    assert opened == [files[1]]


def test_large_stacks_are_memory_maps(files, monkeypatch):
    expected = ImageReader(image_size=32).fit_transform(files)
    monkeypatch.setattr(_reader, "MAX_IN_MEMORY", 1000)
    stack = ImageReader(image_size=32).fit_transform(files)
    assert isinstance(stack.base, np.memmap)
    np.testing.assert_array_equal(stack, expected)


@pytest.mark.parametrize("has_fallocate", [True, False])
def test_a_memory_map_has_its_room_on_the_disk_before_it_is_written_to(monkeypatch, has_fallocate):
    """Where the disk is full, writing to a map without it ends the process."""
    blocks = []
    real = np.memmap
    monkeypatch.setattr(_reader, "MAX_IN_MEMORY", 1000)
    monkeypatch.setattr(np, "memmap", lambda file, **_: blocks.append(os.fstat(file.fileno()).st_blocks) or real)
    if not has_fallocate:
        monkeypatch.delattr(os, "posix_fallocate")
    _reader._allocate((50, 300, 301))
    assert blocks[0] * 512 >= 50 * 300 * 301


STACK = """
import resource, sys
from fracture_features.exceptions import FractureFeaturesError
from fracture_features.images import _reader
_reader.MAX_IN_MEMORY = 1000
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    _reader.ImageReader(image_size=200).fit_transform(sys.argv[1:])
except FractureFeaturesError as error:
    print(error)
"""


def test_a_temporary_folder_without_room_is_an_error(files):
    run = subprocess.run([sys.executable, "-c", STACK, *files], check=True, capture_output=True, text=True)
    assert run.stderr == ""
    assert re.match(r"3 images of 200 x 200 pixels need 0\.0 GiB in the temporary folder '.*': File too", run.stdout)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_size": 0}, "image_size must be an integer or a pair of integers of at least 1, got 0"),
        ({"image_size": (4, 5, 6)}, "image_size must be"),
        ({"image_size": 4.5}, "image_size"),
        ({"resize": "crop"}, "resize"),
        ({"n_jobs": "all"}, "n_jobs"),
    ],
)
def test_bad_parameters(params, message, files):
    with pytest.raises(ValueError, match=message):
        ImageReader(**params).fit(files)


def test_loops_of_threads_that_overlap_leave_opencv_as_it_was():
    """The first to begin is the first to end."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    first_runs, second_runs, first_ended = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def first(_):
        first_runs.set()
        assert second_runs.wait(10)

    def second(_):
        second_runs.set()
        assert first_ended.wait(10)
        seen.append(cv2.getNumThreads())

    def run_first():
        map_threads(first, [0], n_jobs=1)
        first_ended.set()

    threads = threading.Thread(target=run_first), threading.Thread(target=map_threads, args=(second, [0], 1))
    threads[0].start()
    assert first_runs.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(10)
    assert (seen, cv2.getNumThreads()) == ([1], 2)
    cv2.setNumThreads(before)


def test_reading_uses_threads_and_leaves_opencv_as_it_was(files, monkeypatch):
    seen = set()
    real = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: seen.add((threading.get_ident(), cv2.getNumThreads())) or real(path)
    )
    before = cv2.getNumThreads()
    ImageReader(n_jobs=2).fit_transform(files * 40)
    assert {n for _, n in seen} == {1}
    assert len(seen) == 2
    assert cv2.getNumThreads() == before


OTHERS = {
    "a WebP image": encoded(GREY, "WEBP"),
    "an AVIF image": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1",
    "a HEIF image": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "a video": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2mp41",
    "a JPEG 2000 image": b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ",
    "a JPEG 2000 image, bare": b"\xff\x4f\xff\x51\0\x29",
    "a JPEG XL image": b"\xff\x0a\0\0",
    "an HTML page": b"\n<!-- 404 --><!DOCTYPE HTML>\n<html><body>Not found</body>",
    "an HTML page, in capitals": b"<HTML><HEAD>",
    "an HTML page, of Windows": b"\xef\xbb\xbf<!DOCTYPE html>",
    "a JSON file": b'{"code": 403, "message": "You must accept the rules"}',
    "a video, without a brand": b"\0\0\0\x20moov\0\0\0\x6cmvhd",
    "a git-annex pointer": b"/annex/objects/MD5E-s1--0.jpg\n",
    "an archive": b"7z\xbc\xaf\x27\x1c\0\4",
    "an Office document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "a git-LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "an XML file": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "an SVG drawing": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a PDF document": b"%PDF-1.4",
    "a PostScript document": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "a ZIP archive": b"PK\3\4\x14\0",
    "a gzip archive": b"\x1f\x8b\x08\0",
    "a PNM image": b"P5\n2 2\n255\n",
    "a NIfTI image": bytes(344) + b"n+1\0",
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_read_is_named_as_what_it_is(name, tmp_path):
    path = write(tmp_path, "case.png", OTHERS[name])
    for function in (read_image, read_shape):
        with pytest.raises(ImageReadError, match=rf"case\.png.*it is {name.split(', ')[0]}"):
            function(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_would_hang_or_fill_the_memory_is_not_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    large = tmp_path / "large.png"
    large.touch()
    os.truncate(large, 1 << 40)
    monkeypatch.setattr(Path, "read_bytes", pytest.fail)
    monkeypatch.setattr(Path, "open", pytest.fail)
    for function in (read_image, read_shape, read_header):
        with pytest.raises(ImageReadError, match=r"pipe\.png.*a FIFO, a device or a socket"):
            function(tmp_path / "pipe.png")
        with pytest.raises(ImageReadError, match=r"/dev/zero.*a FIFO, a device or a socket"):
            function("/dev/zero")
        with pytest.raises(ImageReadError, match=r"large\.png.*1,099,511,627,776 bytes"):
            function(large)
