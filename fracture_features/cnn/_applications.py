"""The networks of keras.applications, made to take grey radiographs."""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from http.client import HTTPException
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ._keras import load_keras, one_at_a_time

# By name the smallest side of an image in pixels, as keras.applications checks it where it is told the shape.
SMALLEST = {
    **dict.fromkeys(["VGG16", "VGG19", "MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"], 32),
    **{f"ResNet{depth}{version}": 32 for depth in (50, 101, 152) for version in ("", "V2")},
    **{f"DenseNet{depth}": 32 for depth in (121, 169, 201)},
    **{f"EfficientNetB{i}": 32 for i in range(8)},
    **{f"EfficientNetV2{size}": 32 for size in ("B0", "B1", "B2", "B3", "S", "M", "L")},
    **{f"ConvNeXt{size}": 32 for size in ("Tiny", "Small", "Base", "Large", "XLarge")},
    **dict.fromkeys(["NASNetMobile", "NASNetLarge"], 32),
    "Xception": 71,
    **dict.fromkeys(["InceptionV3", "InceptionResNetV2"], 75),
}


def check_side(architecture: str, smallest: int, image_shape: tuple[int, ...]) -> None:
    """Raise ValueError where a side of `image_shape` (height, width) is below `smallest`, in pixels."""
    if min(image_shape) < smallest:
        raise ValueError(
            f"architecture={architecture!r} needs images of at least {smallest} x {smallest} pixels, "
            f"got {image_shape} (height, width)."
        )


def application_names() -> list[str]:
    """Names of the networks of keras.applications that `build_backbone` builds, sorted."""
    return sorted(SMALLEST)


def build_backbone(
    name: str,
    pixels: Any,
    *,
    weights: str | os.PathLike[str] | None = None,
    layer: str | None = None,
    seed: int = 0,
) -> Any:
    """Build a network of keras.applications, without its classifier, on grey images.

    Grey is repeated to three channels, and the application's own preprocessing becomes layers. Nothing is nested:
    every layer belongs to the model that the caller makes of `pixels` and what is returned.

    Parameters
    ----------
    name : str
        One of `application_names()`.
    pixels : keras tensor of shape (n, height, width)
        Grey values, 0 to 255: an input, or what layers without weights make of one.
    weights : {"imagenet"}, str, path-like or None, default=None
        "imagenet" has keras fetch its file, or find it under `~/.keras/models`. A path is that of a file that
        `save_weights` of the same application, with `include_top=False`, has written: `.weights.h5`, or `.h5` of
        older versions. None draws fresh weights.
    layer : str, default=None
        Name of the layer whose maps are returned; None means the last.
    seed : int, default=0
        Of fresh weights and of the application's own dropout; Python's global random state stays as it is.

    Returns
    -------
    maps : keras tensor of shape (n, rows, columns, channels)

    Raises
    ------
    ValueError
        If there is no such name or layer, the images are too small, or the file holds the weights of another
        network.
    FileNotFoundError
        If there is no such file.
    ConnectionError
        If "imagenet" cannot be fetched.
    """
    smallest = _known(name, SMALLEST, "architecture", "a network of keras.applications")
    check_side(name, smallest, tuple(pixels.shape[1:]))
    if weights not in (None, "imagenet") and not os.path.isfile(weights):
        raise FileNotFoundError(
            f"weights={os.fspath(weights)!r} is no file; expected 'imagenet', None or the path of a file with "
            f"the weights of {name}."
        )
    keras = load_keras(needed_for=name)
    application = getattr(keras.applications, name)
    x = _preprocess(keras, application, pixels)
    with _drawn_from(seed), warnings.catch_warnings():
        # MobileNet's, that ImageNet's weights were learned at another size than this one.
        warnings.filterwarnings("ignore", message=r"`input_shape` is undefined or non-square")
        # keras rejoins the layers before `x`; they have no weights, so files of the application alone still fit.
        if weights == "imagenet":
            model = _fetched(application, name, x)
        else:
            model = application(include_top=False, weights=None, input_tensor=x)
    if weights not in (None, "imagenet"):
        _load(model, name, os.fspath(weights))
    if layer is None:
        return model.output
    maps = {each.name: each.output for each in model.layers if len(getattr(each.output, "shape", ())) == 4}
    return _known(layer, maps, "layer", f"a layer of {name} that gives maps")


def restore_weights(model: Any, weights: Sequence[NDArray[Any]]) -> None:
    """Give a model the weights that `get_weights` of one like it has returned, EfficientNet's moments among them.

    `set_weights` alone leaves keras' Normalization layers with the moments that they were built with.

    Parameters
    ----------
    model : keras.Model
    weights : sequence of ndarray
    """
    model.set_weights(weights)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def _known(name: str, known: dict[str, Any], parameter: str, what: str) -> Any:
    """Return what is known by `name`, or an error that proposes names like it."""
    if name not in known:
        folded = {each.lower(): each for each in known}
        close = [folded[each] for each in get_close_matches(str(name).lower(), folded, n=4, cutoff=0.5)]
        proposal = f"Close names: {close}." if close else f"There are {sorted(known)}."
        raise ValueError(f"{parameter}={name!r} is unknown; expected {what}. {proposal}")
    return known[name]


def _preprocess(keras: Any, application: Any, pixels: Any) -> Any:
    """Three channels, and the application's `preprocess_input`, which on grey values is linear in each channel."""
    x = keras.layers.Reshape((*pixels.shape[1:], 1))(pixels)
    x = keras.layers.Concatenate()([x, x, x])
    preprocess_input = sys.modules[application.__module__].preprocess_input
    black, white = (np.ravel(preprocess_input(np.full((1, 1, 1, 3), grey))) for grey in (0.0, 255.0))
    scale, offset = (white - black) / 255, black
    if np.array_equal(scale, np.ones(3)) and not offset.any():
        return x  # this application has it among its layers
    return keras.layers.Rescaling(scale.tolist(), offset.tolist())(x)


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Give keras' initializers, which draw their seeds from Python's global state, another state."""
    with one_at_a_time:
        before = random.getstate()
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(before)


def _fetched(application: Any, name: str, x: Any) -> Any:
    try:
        return application(include_top=False, weights="imagenet", input_tensor=x)
    except Exception as error:  # keras raises Exception itself where the address does not answer
        if not isinstance(error, OSError | HTTPException) and "URL fetch failure" not in str(error):
            raise
        raise ConnectionError(
            f"weights='imagenet': keras could not fetch the weights of {name} ({error}). Without a network, give the "
            f"file: put it where keras looks for it, under ~/.keras/models, or say weights='path of the file'."
        ) from error


def _load(model: Any, name: str, path: str) -> None:
    try:
        with warnings.catch_warnings():
            # That parts of the file are missing, before the error that says which.
            warnings.filterwarnings("ignore", message="Skipping nested container")
            model.load_weights(path)
    except (ValueError, KeyError, OSError, BadZipFile) as error:
        raise ValueError(
            f"weights={path!r} does not hold the weights of {name} without its classifier: {error}"
        ) from error
