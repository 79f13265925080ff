"""The part of the training images that decides when to stop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DRAWS = 64


def validation_split(
    codes: NDArray[np.intp], groups: NDArray[np.intp] | None, fraction: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to train on and rows to validate on, every class on both sides.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class of each image, 0 to n_classes - 1.
    groups : ndarray of shape (n_samples,) or None
        Group of each image, 0 to n_groups - 1; a group stays on one side.
    fraction : float
        Part of each class to validate on: met to the image without groups, as well as they allow with them.
    rng : Generator

    Returns
    -------
    train, validation : ndarrays of int

    Raises
    ------
    ValueError
        If some class cannot stand on both sides.
    """
    codes = np.unique(codes, return_inverse=True)[1]  # some class may have no image
    held_out = _stratified(codes, fraction, rng) if groups is None else _grouped(codes, groups, fraction, rng)
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _stratified(codes: NDArray[np.intp], fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    counts = np.bincount(codes)
    if counts.min() < 2:
        raise ValueError(_too_few(fraction, "images", int(counts.min())))
    held_out = np.zeros(len(codes), dtype=bool)
    for code, count in enumerate(counts):
        n_validation = min(max(round(fraction * count), 1), count - 1)
        held_out[rng.permutation(np.flatnonzero(codes == code))[:n_validation]] = True
    return held_out


def _grouped(
    codes: NDArray[np.intp], groups: NDArray[np.intp], fraction: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Of the prefixes of many random orders of the groups, the one nearest to `fraction` in every class."""
    counts = np.zeros((groups.max() + 1, codes.max() + 1))
    np.add.at(counts, (groups, codes), 1)
    best, chosen = np.inf, np.empty(0, dtype=np.intp)
    for draw in range(2 * DRAWS):
        order = rng.permutation(len(counts))
        if draw >= DRAWS:  # of many classes chance alone may never meet each: begin with a group of each
            if len(chosen):
                break
            first = order[(counts[order] > 0).argmax(axis=0)]
            order = np.concatenate([np.unique(first), order[~np.isin(order, first)]])
        validation = counts[order].cumsum(axis=0)
        usable = ((validation > 0) & (validation < validation[-1])).all(axis=1)
        error = np.abs(validation / validation[-1] - fraction).sum(axis=1)
        error[~usable] = np.inf
        if error.min() < best:
            best, chosen = error.min(), order[: error.argmin() + 1]
    if not len(chosen):
        raise ValueError(_too_few(fraction, "groups", int((counts > 0).sum(axis=0).min())))
    return np.isin(groups, chosen)


def _too_few(fraction: float, what: str, n: int) -> str:
    return (
        f"validation_fraction={fraction} asks for a training part and a validation part that both hold every "
        f"class, but the rarest class has {n} {what}. Give more data, or validation_fraction=None to train "
        "without a validation part."
    )
