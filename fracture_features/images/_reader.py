"""Files → stacks of equally sized grey images."""

from __future__ import annotations

import functools
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import distributions
from numbers import Integral
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import StrOptions

from .._fingerprint import fingerprint
from .._threads import map_threads
from .._validation import as_pair, check_paths
from .._write import reserve
from ..cache import Cache, Cached, code_version, digest, open_cache
from ..exceptions import FractureFeaturesError, ImageReadError
from . import _decode, _image
from ._errors import MAX_PIXELS
from ._file import ImageFile
from ._image import decode_file, exact, resize
from ._stack import Origin, keep_origin

BLOCK = 16
# Above this many bytes a stack is a memory map over a temporary file.
MAX_IN_MEMORY = 1 << 30
DECODERS = ("pillow", "simplejpeg", "imagecodecs")


def _stretch_percentiles(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, (1, 99))
    table = (np.arange(256) - low) * (255 / max(high - low, 1))
    return cv2.LUT(image, np.rint(table.clip(0, 255)).astype(np.uint8))


def _equalise(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    with exact():
        return cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(image)


CONTRASTS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "none": lambda image: image,
    "percentile": _stretch_percentiles,
    "clahe": _equalise,
}


class ImageReader(Cached, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Read files into a stack of equally sized grey images.

    What cannot be read raises, naming the file: a row is never dropped. `set_output` has no effect, so that the
    one of a whole pipeline works; the index of a Series or DataFrame of paths is handed on, so that tables made of its
    images have it. Nothing is fitted: parameters may be set at any time.

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

    See Also
    --------
    read_image : One file at its own size.

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
        X : array-like of shape (n_samples,) or (n_samples, 1) of str or path-like
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
        self.image_shape()
        if self.cache is not None:
            open_cache(self.cache)  # makes the folder
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Read every file.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1) of str or path-like

        Returns
        -------
        images : ndarray of shape (n_samples, height, width), dtype uint8
            A memory map over a temporary file where it would take more than 1 GiB; of a Series or DataFrame an array
            with its `index`.

        Raises
        ------
        ImageReadError
            At a file that cannot be read.
        FractureFeaturesError
            If the temporary folder has no room for that file.

        Warns
        -----
        CacheWarning
            If there is no folder `cache`, which `fit` makes and `transform` does not; if it cannot be used, or what is
            in it is damaged. Files are then read.
        """
        paths = check_paths(X, estimator=self)
        stack = _allocate((len(paths), *self.image_shape()))

        def read(rows: slice) -> None:
            for i, image in zip(range(rows.start, rows.stop), self._read_block(paths[rows]), strict=True):
                if isinstance(image, ImageReadError):
                    raise image
                stack[i] = image

        map_threads(read, gen_batches(len(paths), BLOCK), self.n_jobs)
        return keep_origin(stack, Origin(paths, self.resize), X)

    def _read_block(self, paths: Sequence[str]) -> list[NDArray[np.uint8] | ImageReadError]:
        """The image or the error of each path."""
        images: list[NDArray[np.uint8] | ImageReadError] = []
        keep: list[tuple[bytes, bytes]] = []
        cache = None if self.cache is None else open_cache(self.cache, make=False)
        recipe = b"" if cache is None else self._recipe()
        for path in paths:
            try:
                images.append(self.read(ImageFile(path), cache, keep, recipe))
            except ImageReadError as error:
                images.append(error)
        if cache is not None and keep:
            cache.put(keep)
        return images

    def read(
        self, file: ImageFile, cache: Cache | None, keep: list[tuple[bytes, bytes]], recipe: bytes = b""
    ) -> NDArray[np.uint8]:
        """Read one file, from the cache where it is there.

        Parameters
        ----------
        file : ImageFile
        cache : Cache or None
            That of `self.cache`, opened.
        keep : list of (key, value)
            Takes what is to be put into the cache.
        recipe : bytes, default=b""
            That of this reader, where many files are read.

        Returns
        -------
        image : ndarray of shape (height, width), dtype uint8

        Raises
        ------
        ImageReadError
            If it cannot be read.
        """
        if cache is None:
            return self._prepare(file)
        key = digest(recipe or self._recipe(), file.sha256(cache, keep))
        (pixels,) = cache.get([key])
        if pixels is not None:
            return np.frombuffer(pixels, dtype=np.uint8).reshape(self.image_shape())
        image = self._prepare(file)
        keep.append((key, image.tobytes()))
        return image

    def _recipe(self) -> bytes:
        """Return what the pixels depend on beside the file's content."""
        version = code_version(type(self), _decode, *_decode.MODULES, _image)
        return digest(version, *_decoder_versions(), fingerprint(self.image_shape(), self.resize, self.contrast))

    def image_shape(self) -> tuple[int, int]:
        """Height and width of the images, in pixels.

        Raises
        ------
        ValueError
            If `image_size` is neither an integer nor a pair, or more than 80 million pixels.
        """
        height, width = as_pair(self.image_size, name="image_size")
        if height * width > MAX_PIXELS:
            raise ValueError(f"image_size must be at most {MAX_PIXELS:,} pixels, got {height:,} x {width:,}.")
        return height, width

    def _prepare(self, file: ImageFile) -> NDArray[np.uint8]:
        """The image, resized and with its contrast adjusted."""
        height, width = self.image_shape()
        image = decode_file(file.path, file.data, max(height, width))
        if self.resize == "stretch":
            return CONTRASTS[self.contrast](resize(image, height, width))
        scale = min(height / image.shape[0], width / image.shape[1])
        inner = resize(image, *(max(1, round(side * scale)) for side in image.shape))
        top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
        out = np.zeros((height, width), dtype=np.uint8)
        out[top : top + inner.shape[0], left : left + inner.shape[1]] = CONTRASTS[self.contrast](inner)
        return out

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: images are not a table."""
        return self

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return one name, for the image as a whole."""
        return np.asarray(["image"], dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is a list of paths and that nothing is fitted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.requires_fit = False
        return tags


@functools.cache
def _decoder_versions() -> tuple[str, ...]:
    installed = {distribution.name.lower(): distribution.version for distribution in distributions()}
    return tuple(installed.get(name, "none") for name in DECODERS)


def _allocate(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    if math.prod(shape) <= MAX_IN_MEMORY:
        return np.empty(shape, dtype=np.uint8)
    try:
        with tempfile.TemporaryFile(prefix="fracture_features_") as file:
            reserve(file.fileno(), math.prod(shape))
            return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)
    except OSError as error:
        raise FractureFeaturesError(
            f"{shape[0]} images of {shape[1]} x {shape[2]} pixels need {math.prod(shape) / 2**30:.1f} GiB in the "
            f"temporary folder {tempfile.gettempdir()!r}: {error.strerror}. TMPDIR names another folder."
        ) from error
