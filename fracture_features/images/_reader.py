"""Files → stacks of equally sized grey images."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import distributions
from itertools import chain
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import StrOptions

from .._threads import map_threads
from .._validation import as_pair, check_paths
from ..cache import Cache, code_version, digest, open_cache
from ..exceptions import ImageReadError
from . import _decode, _dicom, _dicom_pixels, _jpeg
from ._errors import named_errors

BLOCK = 16
# Above this many bytes a stack is a memory map over a temporary file.
MAX_IN_MEMORY = 1 << 30
DECODERS = ("pillow", "simplejpeg", "pydicom", "imagecodecs")


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read one file as one grey image.

    JPEG, PNG, TIFF, BMP, GIF and DICOM are told apart by their content, not their name. Colour becomes luminance
    (ITU-R 601), transparent pixels become black, an EXIF orientation is applied. Grey levels of more than 8 bits
    are scaled so that full scale, the smallest of 10, 12, 14 and 16 bits that holds the largest level in the file,
    becomes 255; those of DICOM go through its modality and VOI transformations instead, MONOCHROME1 inverted last.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    image : ndarray of shape (height, width), dtype uint8

    Raises
    ------
    ImageReadError
        If the file is missing, damaged, cut short, holds several images or more than 80 million pixels, or is
        no image; the message names it and says which.
    MissingDependencyError
        If it is DICOM and the `dicom` extra is not installed.

    Examples
    --------
    >>> import tempfile, cv2, numpy as np
    >>> from fracture_features import read_image
    >>> path = tempfile.mktemp(suffix=".png")
    >>> _ = cv2.imwrite(path, np.full((4, 6), 7, dtype=np.uint8))
    >>> read_image(path).shape
    (4, 6)
    """
    return _decode_file(path, _read_bytes(path), None)


def read_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Read the height and width that `read_image` would give, from the header alone.

    Raises
    ------
    ImageReadError
        If the file is missing or its header cannot be read; not if what follows is damaged or cut short.
    MissingDependencyError
        If it is DICOM and the `dicom` extra is not installed.
    """
    # A buffer would read on behind every part of the header.
    with named_errors(path), Path(path).open("rb", buffering=0) as file:
        return _decode.decode_shape(file)


def _read_bytes(path: str | os.PathLike[str]) -> bytes:
    with named_errors(path):
        return Path(path).read_bytes()


def _decode_file(path: str | os.PathLike[str], data: bytes, wanted: int | None) -> NDArray[np.uint8]:
    with named_errors(path):
        return _decode.decode(data, wanted)


def _stretch_percentiles(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, (1, 99))
    table = (np.arange(256) - low) * (255 / max(high - low, 1))
    return cv2.LUT(image, np.rint(table.clip(0, 255)).astype(np.uint8))


def _equalise(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(image)


CONTRASTS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "none": lambda image: image,
    "percentile": _stretch_percentiles,
    "clahe": _equalise,
}


class ImageReader(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Read files into a stack of equally sized grey images.

    What cannot be read raises, naming the file: a row is never dropped. `set_output` has no effect, so that the
    one of a whole pipeline works.

    Parameters
    ----------
    image_size : int or (int, int), default=256
        Height and width of the images in pixels; one number stands for both.
    resize : {"pad", "stretch"}, default="pad"
        "pad" keeps the proportions and centres the image on black; "stretch" does not keep them. Shrinking
        averages areas, enlarging interpolates linearly.
    contrast : {"none", "percentile", "clahe"}, default="none"
        "percentile" stretches the grey levels between the 1st and the 99th percentile of the resized image to 0 and
        255; "clahe" equalises their histogram in 8 x 8 tiles, with OpenCV's clip limit of 2. The padding has no part
        in it.
    cache : str or path-like, default=None
        Folder in which the resized pixels of each file are kept, found again by the file's content.
    n_jobs : int, default=None
        Number of threads that read files; None means 1, -1 all cores.

    Examples
    --------
    >>> import tempfile, cv2, numpy as np
    >>> from fracture_features import ImageReader
    >>> path = tempfile.mktemp(suffix=".png")
    >>> _ = cv2.imwrite(path, np.full((40, 60), 7, dtype=np.uint8))
    >>> ImageReader(image_size=32).fit_transform([path, path]).shape
    (2, 32, 32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "image_size": [Integral, "array-like"],
        "resize": [StrOptions({"pad", "stretch"})],
        "contrast": [StrOptions(set(CONTRASTS))],
        "cache": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        image_size: int | tuple[int, int] = 256,
        resize: str = "pad",
        contrast: str = "none",
        cache: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
    ):
        self.image_size = image_size
        self.resize = resize
        self.contrast = contrast
        self.cache = cache
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Validate the parameters; there is nothing to learn.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str or path-like
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `X` is no such list of paths or a parameter is out of its range.
        """
        check_paths(X, estimator=self)
        as_pair(self.image_size, name="image_size")
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Read every file.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str or path-like

        Returns
        -------
        images : ndarray of shape (n_samples, height, width), dtype uint8
            A memory map over a temporary file where it would take more than 1 GiB.

        Raises
        ------
        ImageReadError
            At a file that cannot be read.
        """
        paths = check_paths(X, estimator=self)
        stack = _allocate((len(paths), *self._shape()))

        def read(rows: slice) -> None:
            for i, image in zip(range(rows.start, rows.stop), self._read_block(paths[rows]), strict=True):
                if isinstance(image, ImageReadError):
                    raise image
                stack[i] = image

        map_threads(read, gen_batches(len(paths), BLOCK), self.n_jobs)
        return stack

    def unreadable(self, X: ArrayLike) -> list[ImageReadError]:
        """Read every file, filling the cache if there is one, and return the errors, by the order of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str or path-like

        Returns
        -------
        errors : list of ImageReadError
            One for each file that cannot be read, with its `path` and `reason`.
        """
        paths = check_paths(X, estimator=self)

        def errors(rows: slice) -> list[ImageReadError]:
            return [image for image in self._read_block(paths[rows]) if isinstance(image, ImageReadError)]

        return list(chain.from_iterable(map_threads(errors, gen_batches(len(paths), BLOCK), self.n_jobs)))

    def _read_block(self, paths: Sequence[str]) -> list[NDArray[np.uint8] | ImageReadError]:
        """The image or the error of each path."""
        images: list[NDArray[np.uint8] | ImageReadError] = []
        keep: list[tuple[bytes, bytes]] = []
        cache = None if self.cache is None else open_cache(self.cache)
        recipe = b"" if cache is None else self._recipe()
        for path in paths:
            try:
                images.append(
                    self._prepare(path, _read_bytes(path)) if cache is None else self._find(path, recipe, cache, keep)
                )
            except ImageReadError as error:
                images.append(error)
        if cache is not None and keep:
            cache.put(keep)
        return images

    def _find(self, path: str, recipe: bytes, cache: Cache, keep: list[tuple[bytes, bytes]]) -> NDArray[np.uint8]:
        """The image from the cache; if it is not there, what is to be kept is added to `keep`."""
        data = None
        file_key = _file_key(path)
        (content,) = cache.get([file_key])
        if content is None:
            data = _read_bytes(path)
            content = digest(data)
            keep.append((file_key, content))
        pixels_key = digest(recipe, content)
        (pixels,) = cache.get([pixels_key])
        if pixels is None:
            image = self._prepare(path, _read_bytes(path) if data is None else data)
            keep.append((pixels_key, image.tobytes()))
            return image
        return np.frombuffer(pixels, dtype=np.uint8).reshape(self._shape())

    def _recipe(self) -> bytes:
        """What the pixels depend on beside the file's content."""
        version = code_version(type(self), _decode, _dicom, _dicom_pixels, _jpeg)  # type: ignore[arg-type]
        return digest(version, *_decoder_versions(), repr((self._shape(), self.resize, self.contrast)))

    def _shape(self) -> tuple[int, int]:
        return as_pair(self.image_size, name="image_size")

    def _prepare(self, path: str, data: bytes) -> NDArray[np.uint8]:
        """The image of the file's bytes, resized and with its contrast adjusted."""
        height, width = self._shape()
        image = _decode_file(path, data, max(height, width))
        if self.resize == "stretch":
            return CONTRASTS[self.contrast](_resize(image, height, width))
        scale = min(height / image.shape[0], width / image.shape[1])
        inner = _resize(image, *(max(1, round(side * scale)) for side in image.shape))
        top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
        out = np.zeros((height, width), dtype=np.uint8)
        out[top : top + inner.shape[0], left : left + inner.shape[1]] = CONTRASTS[self.contrast](inner)
        return out

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: images are no table."""
        return self

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """One name, for the image as a whole."""
        return np.asarray(["image"], dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is a list of paths and that nothing is fitted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.requires_fit = False
        return tags


def _resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    shrinks = height * width < image.size
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


@functools.cache
def _decoder_versions() -> tuple[str, ...]:
    installed = {distribution.name.lower(): distribution.version for distribution in distributions()}
    return tuple(installed.get(name, "none") for name in DECODERS)


def _file_key(path: str) -> bytes:
    """Key under which the digest of the file's content is found without opening it."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise ImageReadError(path, reason) from error
    return digest("file", os.path.abspath(path), f"{status.st_size} {status.st_mtime_ns}")


def _allocate(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    if np.prod(shape) <= MAX_IN_MEMORY:
        return np.empty(shape, dtype=np.uint8)
    with tempfile.TemporaryFile(prefix="fracture_features_") as file:
        return np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)
