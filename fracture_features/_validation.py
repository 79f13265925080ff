"""Checks on what comes in, shared by every room."""

from __future__ import annotations

import os
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def check_image_stack(X: ArrayLike | None, *, estimator: object) -> NDArray[np.uint8]:
    """`X` as a uint8 array of shape (n_samples, height, width), never a copy of one.

    Raises
    ------
    ValueError
        If it has another number of dimensions, another dtype, or no image; the message names `estimator`.
    """
    stack: NDArray[Any] = X if isinstance(X, np.ndarray) else np.asarray(X)
    name = getattr(estimator, "__name__", type(estimator).__name__)
    if stack.ndim != 3:
        hint = " Paths go through ImageReader first, as in make_pipeline." if stack.dtype.kind in "OUT" else ""
        raise ValueError(
            f"{name} expects a stack of grey images of shape (n_samples, height, width), "
            f"got an array of shape {stack.shape} and dtype {stack.dtype}.{hint}"
        )
    if stack.dtype != np.uint8:
        raise ValueError(f"{name} expects images of dtype uint8 (0 to 255), got dtype {stack.dtype}.")
    if 0 in stack.shape:
        raise ValueError(f"{name} expects at least one image with at least one pixel, got shape {stack.shape}.")
    return stack


def check_image_shape(stack: NDArray[np.uint8], fitted: tuple[int, int], *, estimator: object) -> None:
    """Raise ValueError unless the images of `stack` have the shape the estimator was fitted on."""
    if stack.shape[1:] != fitted:
        raise ValueError(
            f"{type(estimator).__name__} was fitted on images of shape {fitted} (height, width), "
            f"got images of shape {stack.shape[1:]}."
        )


def is_whole(value: Any) -> bool:
    """Tell whether a value is an integer; a bool is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_count(value: Any, *, name: str, minimum: int = 1) -> int:
    """`value` as an int of at least `minimum`, ValueError otherwise."""
    if not is_whole(value) or value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {value!r}.")
    return int(value)


def check_groups(groups: ArrayLike | None, n_samples: int, *, name: str = "groups") -> tuple[NDArray[np.intp], int]:
    """Index of each sample's group, (n_samples,), and the number of groups; None gives each sample its own.

    Raises
    ------
    ValueError
        If there is not one group per sample, or one of them is missing (NaN or None).
    """
    if groups is None:
        return np.arange(n_samples), n_samples
    array = np.asarray(groups)
    if array.shape != (n_samples,):
        raise ValueError(f"{name} must have one entry for each of {n_samples} images, got shape {array.shape}.")
    if missing := int(pd.isna(array).sum()):
        raise ValueError(f"{name} must be known for every image, got {missing} missing.")
    index, names = pd.factorize(array, sort=True)
    return index, len(names)


def as_pair(value: Any, *, name: str, minimum: int = 1) -> tuple[int, int]:
    """`value` as (rows, columns): one integer stands for both.

    Raises
    ------
    ValueError
        If it is neither an integer nor a pair of integers of at least `minimum`.
    """
    pair = (value, value) if isinstance(value, int | np.integer) else tuple(np.ravel(value).tolist())
    if len(pair) != 2 or not all(isinstance(v, int | np.integer) and v >= minimum for v in pair):
        raise ValueError(f"{name} must be an integer or a pair of integers of at least {minimum}, got {value!r}.")
    return int(pair[0]), int(pair[1])


def check_paths(X: ArrayLike, *, estimator: object) -> list[str]:
    """`X`, of shape (n_samples,) or (n_samples, 1), as a list of paths.

    Raises
    ------
    ValueError
        If it is one path, is empty, has several columns, or holds anything but str and path-like.
    """
    name = type(estimator).__name__
    if isinstance(X, str | os.PathLike):
        raise ValueError(f"{name} expects a list of paths, got the single path {os.fspath(X)!r}.")
    paths = np.asarray(X, dtype=object)
    if paths.ndim == 2 and paths.shape[1] == 1:  # a column of a table
        paths = paths[:, 0]
    if paths.ndim != 1 or len(paths) == 0:
        raise ValueError(f"{name} expects a list of at least one path, got an array of shape {paths.shape}.")
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise ValueError(
                f"{name} expects paths of type str or path-like, got {path!r} of type {type(path).__name__}."
            )
    return [os.fspath(path) for path in paths]
