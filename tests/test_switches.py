"""What a program has set in another library changes no pixel, no feature and no error."""

import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b

import cv2
import joblib
import numpy as np
import PIL.BmpImagePlugin
import PIL.GifImagePlugin
import PIL.Image
import PIL.ImageFile
import PIL.PngImagePlugin
import pytest
import sklearn
from encoders import chunk, png
from PIL import Image

from fracture_features import HOGExtractor, ImageReader, LBPExtractor, read_image
from fracture_features.exceptions import ImageReadError
from fracture_features.images import read_shape
from fracture_features.images._stack import ReadStack

GREY = np.random.default_rng(0).integers(0, 256, (48, 70), dtype=np.uint8)
DEEP = (np.arange(48 * 70).reshape(48, 70, 1) % 4096).repeat(3, axis=2)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def whole():
    """A file of each format, and some with what a switch decides on."""
    colour = Image.fromarray(np.dstack([GREY, GREY.T[:48, :1].repeat(70, 1), 255 - GREY]))
    note = chunk(b"zTXt", b"Comment\0\0" + bytes(100))
    grey_png = encoded(GREY, "PNG")
    return {
        "jpeg": encoded(GREY, "JPEG"),
        "cmyk": encoded(colour.convert("CMYK"), "JPEG"),
        "png": grey_png,
        "noted png": grey_png[:33] + note + grey_png[33:],
        "palette": encoded(colour.convert("P"), "PNG"),
        "deep png": png(DEEP, 16, "rgb"),
        "tiff": encoded(GREY, "TIFF"),
        "lzw": encoded(GREY, "TIFF", compression="tiff_lzw"),
        "bmp": encoded(GREY, "BMP"),
        "gif": encoded(colour.convert("P"), "GIF"),
        "bmp of 32 bits": encoded(Image.fromarray(np.dstack([GREY] * 4)), "BMP"),
    }


def dicom():
    """Files of DICOM whose text is longer than allowed, with a wrong VR, and compressed."""
    test_dicom = pytest.importorskip("test_dicom", reason="pydicom is not installed")
    pixels = test_dicom.ramp(12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = test_dicom.dataset(pixels, bits=12, WindowCenter=2000, WindowWidth=3000)
        odd.add_new("RescaleSlope", "LO", "0.500000000000000000001")
        odd.add_new("RescaleIntercept", "LO", "-3.00000000000000000001")
        odd["RescaleSlope"].VR = "DS"
        files = {"dicom": test_dicom.saved(odd), "rle": test_dicom.small("rle")}
    return files | {"jpeg 2000": test_dicom.small("jpeg 2000")}


def bits(set_, get):
    """A switch by its setter and getter."""

    @contextmanager
    def on(value):
        before = get()
        set_(value)
        try:
            yield
        finally:
            set_(before)

    return on


@contextmanager
def attribute(owner, name, value):
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def pydicom_strict():
    config = pytest.importorskip("pydicom").config
    with (
        attribute(config.settings, "reading_validation_mode", config.RAISE),
        attribute(config, "use_DS_decimal", True),
        attribute(config, "convert_wrong_length_to_UN", True),
    ):
        yield


@contextmanager
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


SWITCHES = {
    "Pillow: truncated": lambda: attribute(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True),
    "Pillow: few pixels": lambda: attribute(PIL.Image, "MAX_IMAGE_PIXELS", 10),
    "Pillow: any pixels": lambda: attribute(PIL.Image, "MAX_IMAGE_PIXELS", None),
    "Pillow: text": lambda: attribute(PIL.PngImagePlugin, "MAX_TEXT_CHUNK", 1),
    "Pillow: block": lambda: attribute(PIL.ImageFile, "MAXBLOCK", 64),
    "Pillow: alpha of BMP": lambda: attribute(PIL.BmpImagePlugin, "USE_RAW_ALPHA", True),
    "Pillow: GIF": lambda: attribute(
        PIL.GifImagePlugin, "LOADING_STRATEGY", PIL.GifImagePlugin.LoadingStrategy.RGB_ALWAYS
    ),
    "OpenCV: plain": lambda: bits(cv2.setUseOptimized, cv2.useOptimized)(False),
    "OpenCV: threads": lambda: bits(cv2.setNumThreads, cv2.getNumThreads)(3),
    "OpenCV: no IPP": lambda: bits(cv2.ipp.setUseIPP, cv2.ipp.useIPP)(False),
    "OpenCV: not exact": lambda: bits(cv2.ipp.setUseIPP_NotExact, cv2.ipp.useIPP_NotExact)(True),
    "pydicom": pydicom_strict,
    "NumPy: errors": lambda: np.errstate(all="raise"),
    "NumPy: print": lambda: np.printoptions(precision=1, threshold=1),
    "warnings": warnings_are_errors,
    "scikit-learn: pandas": lambda: sklearn.config_context(transform_output="pandas"),
    "scikit-learn: finite": lambda: sklearn.config_context(assume_finite=True),
    "joblib: threads": lambda: joblib.parallel_config("threading", n_jobs=2),
    "joblib: processes": lambda: joblib.parallel_config("loky", n_jobs=2),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Whole files, each cut short at three places, and one with a damaged byte."""
    folder = tmp_path_factory.mktemp("files")
    paths = []
    for name, data in (whole() | dicom()).items():
        versions = {"": data, " damaged": data[:-60] + b"\xff\0\xff" + data[-57:]}
        versions |= {f" to {part}": data[: int(len(data) * part)] for part in (0.1, 0.6, 0.95)}
        for version, content in versions.items():
            paths.append(folder / f"{name}{version}")
            paths[-1].write_bytes(content)
    huge = folder / "huge"
    huge.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes([0, 0, 80, 0, 0, 0, 80, 0, 8, 0, 0, 0, 0])) + bytes(90)
    )
    return [*paths, huge]


def outcome(path):
    """Digest of the pixels and shape, or errors."""
    results = []
    for function in (read_image, read_shape, lambda path: read_image(path, max_side=20)):
        try:
            result = np.asarray(function(path))
            results.append((result.shape, blake2b(result.tobytes(), digest_size=8).hexdigest()))
        except ImageReadError as error:
            results.append(str(error))
    return results


@pytest.fixture(scope="module")
def expected(files):
    return {path: outcome(path) for path in files}


def test_the_files_are_read_or_refused(expected):
    read = {path.name for path, (image, *_) in expected.items() if not isinstance(image, str)}
    assert {*whole(), *dicom()} <= read
    assert len(expected) - len(read) > 30


@pytest.mark.parametrize("switch", SWITCHES)
def test_no_pixel_and_no_error_depends_on_a_switch(switch, files, expected):
    with SWITCHES[switch]():
        seen = {path: outcome(path) for path in files}
    assert {path.name: (seen[path], expected[path]) for path in files if seen[path] != expected[path]} == {}


def test_switches_flipped_by_another_thread(files, expected):
    """They are on and off while four threads read."""
    done = threading.Event()

    def flip():
        while not done.is_set():
            with SWITCHES["Pillow: truncated"](), SWITCHES["Pillow: few pixels"](), SWITCHES["pydicom"]():
                done.wait(0.001)

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            seen = list(zip(files * 3, pool.map(outcome, files * 3), strict=True))
            assert {path.name: (result, expected[path]) for path, result in seen if result != expected[path]} == {}
    finally:
        done.set()
        thread.join()


def state():
    """What reading could change for other threads."""
    return (
        list(warnings.filters),
        [PIL.ImageFile.LOAD_TRUNCATED_IMAGES, PIL.Image.MAX_IMAGE_PIXELS, PIL.PngImagePlugin.MAX_TEXT_CHUNK],
        [cv2.useOptimized(), cv2.getNumThreads(), cv2.ipp.useIPP(), cv2.ipp.useIPP_NotExact()],
        [np.geterr(), np.get_printoptions(), sklearn.get_config()],
    )


def test_reading_changes_nothing_that_another_thread_sees(files):
    before, seen, done = state(), [], threading.Event()

    def look():
        while not done.is_set():
            seen.append(state())

    thread = threading.Thread(target=look)
    thread.start()
    for path in files:
        outcome(path)
    done.set()
    thread.join()
    assert len(seen) > 3
    assert all(one == before for one in seen)
    assert state() == before


@pytest.mark.parametrize("switch", ["scikit-learn: pandas", "OpenCV: not exact", "NumPy: errors", "joblib: threads"])
@pytest.mark.parametrize("contrast", ["none", "percentile", "clahe"])
def test_no_stack_and_no_feature_depends_on_a_switch(switch, contrast, files):
    paths = [path for path in files if path.name in whole()]
    readers = [ImageReader(image_size=(64, 96), resize=resize, contrast=contrast) for resize in ("pad", "stretch")]
    extractors = [HOGExtractor(), LBPExtractor()]

    def run():
        stacks = [reader.fit_transform(paths) for reader in readers]
        return stacks, [np.asarray(extractor.fit_transform(stacks[0])) for extractor in extractors]

    plain = run()
    with SWITCHES[switch]():
        flipped = run()
    assert all(type(stack) is ReadStack for stack in flipped[0])
    for one, other in zip([*plain[0], *plain[1]], [*flipped[0], *flipped[1]], strict=True):
        np.testing.assert_array_equal(one, other)


def test_features_do_not_depend_on_the_dtype_policy_of_keras(files):
    keras = pytest.importorskip("keras", reason="the cnn extra is not installed")
    paths = [path for path in files if path.name in whole()]
    plain = HOGExtractor().fit_transform(ImageReader(image_size=64).fit_transform(paths))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float16")
    try:
        flipped = HOGExtractor().fit_transform(ImageReader(image_size=64).fit_transform(paths))
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(flipped, plain)
