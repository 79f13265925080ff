"""What is learned of places: trees with hard negatives, a line on a network's maps, the sides of boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ._places import MARKED, ODD, OTHER, Targets, mirrored

Rows = Callable[[int, Any], NDArray[np.float32]]  # features of some places of an image
PARTS = 3  # marked places weigh a third of the others
HARD_FROM = 600  # images with the most to be mistaken: more say the same


def sample_others(
    targets: Sequence[Targets], images: NDArray[np.int64], n: int, rng: np.random.Generator
) -> dict[int, NDArray[np.int64]]:
    """Up to `n` places of each image that are in no box."""
    found = {}
    for i in images.tolist():
        places = np.flatnonzero(targets[i].states == OTHER)
        found[i] = rng.choice(places, min(n, len(places)), replace=False)
    return found


def highest_others(
    score: Callable[[int], NDArray[np.floating]],
    targets: Sequence[Targets],
    images: NDArray[np.int64],
    n: int,
    known: dict[int, NDArray[np.int64]],
) -> dict[int, NDArray[np.int64]]:
    """Hard negatives: the `n` places of each image that score highest in no box, without those `known`."""
    found = {}
    for i in images.tolist():
        places = np.setdiff1d(np.flatnonzero(targets[i].states == OTHER), known[i])
        found[i] = places[np.argsort(-score(i)[places], kind="stable")[:n]]
    return found


def gather(rows: Rows, places: dict[int, NDArray[np.int64]]) -> NDArray[np.float32]:
    """Features of those places of each image."""
    return np.concatenate([rows(i, which) for i, which in places.items()])


def marked_places(targets: Sequence[Targets], images: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Places in boxes, of the images that have any."""
    found = {i: np.flatnonzero(targets[i].states == MARKED) for i in images.tolist()}
    return {i: places for i, places in found.items() if len(places)}


def fit_twice(
    make: Callable[[], Any],
    rows: Rows,
    targets: Sequence[Targets],
    images: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    n_others: int,
    n_hard: int,
    mirror: bool,
) -> Any:
    """Fit a classifier of places on marked ones and others, then again with the others that it takes for marked [1]_.

    Parameters
    ----------
    make : callable
        Gives a classifier that takes sample weights.
    rows : callable
        From an image's number, and the numbers of some of its places, to their features.
    targets : sequence of Targets
        Of every image.
    images : ndarray of int
        Numbers of those to learn from.
    n_others, n_hard : int
        Places of each image that are drawn, and that are added.
    mirror : bool
        Whether marked places count mirrored too.

    References
    ----------
    .. [1] N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.
    """
    marked = marked_places(targets, images)
    weights = np.concatenate([targets[i].weights[places] for i, places in marked.items()])
    positives = gather(rows, marked)
    if mirror:
        positives, weights = np.concatenate([positives, mirrored(positives)]), np.tile(weights, 2)
    others = sample_others(targets, images, n_others, rng)
    model = _fit(make(), positives, weights, negatives := gather(rows, others))
    some = np.sort(rng.choice(images, min(HARD_FROM, len(images)), replace=False))
    hard = highest_others(lambda i: margins(model, rows(i, slice(None))), targets, some, n_hard, others)
    return _fit(make(), positives, weights, np.concatenate([negatives, gather(rows, hard)]))


def _fit(
    model: Any, positives: NDArray[np.float32], weights: NDArray[np.float32], negatives: NDArray[np.float32]
) -> Any:
    y = np.repeat([1, 0], [len(positives), len(negatives)])
    each = np.concatenate([weights * (len(negatives) / PARTS / weights.sum()), np.ones(len(negatives))])
    name = f"{model.steps[-1][0]}__sample_weight" if isinstance(model, Pipeline) else "sample_weight"
    with config_context(enable_metadata_routing=False):  # which would have the line's pipeline ask for weights
        return model.fit(np.concatenate([positives, negatives]), y, **{name: each})


def margins(model: Any, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-odds of places by trees or by a line."""
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(rows), dtype=np.float32)
    return np.asarray(model.predict(rows, output_margin=True), dtype=np.float32)


def make_line() -> Pipeline:
    """A logistic regression on standardised maps, shrunk hard: there are as many channels as marked places."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=100, tol=1e-3))


def fit_sides(rows: Rows, targets: Sequence[Targets], images: NDArray[np.int64]) -> Any:
    """Learn how far the sides of the box are from a marked place, as logarithms, by ridge regression."""
    marked = marked_places(targets, images)
    features = gather(rows, marked)
    sides = np.log(np.concatenate([targets[i].sides[places] for i, places in marked.items()]))
    flipped = features.copy()
    flipped[:, ODD] *= -1
    both = np.concatenate([features, flipped]), np.concatenate([sides, sides[:, [0, 3, 2, 1]]])
    return make_pipeline(StandardScaler(), Ridge(alpha=300.0)).fit(*both)
