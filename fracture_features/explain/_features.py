"""Maps from features whose places are known, without extracting any again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from ..features import FisherVectorExtractor
from ._fisher import place_descriptors
from ._frames import Frame, spread
from ._scores import Line, target_scores

BATCH = 64  # regions hidden at a time, each in a row of its own
Places = tuple[NDArray[np.int64], NDArray[np.float64]]


def extractors_of(features: Any) -> list[Any]:
    """The extractors of a FeatureUnion that it uses, or the one extractor."""
    if not isinstance(features, FeatureUnion):
        return [features]
    return [extractor for _, extractor in features.transformer_list if extractor != "drop"]


def has_regions(extractor: Any) -> bool:
    """Tell whether each of its features is computed from a box of pixels."""
    return hasattr(extractor, "feature_regions")


def linear_map(
    features: Any, image: NDArray[np.uint8], row: NDArray[np.floating], line: Line, score: float, frame: Frame
) -> NDArray[np.float64]:
    """Each feature's contribution to a linear score, where its pixels are; Fisher vectors', where descriptors are.

    Parameters
    ----------
    features : FeatureUnion or extractor
        All of its extractors have regions or are FisherVectorExtractors.
    image : ndarray of shape (height, width), dtype uint8
    row : ndarray of shape (n_features,)
        Its features.
    line : Line
    score : float
        Of the image.
    frame : Frame

    Returns
    -------
    map : ndarray of shape `frame.shape`, dtype float64
        Sums to `score - line.intercept`.
    """
    places = []
    for extractor, part in _parts(features):
        if has_regions(extractor):
            places.append((extractor.feature_regions(), line.weights[part] * (row[part] - line.reference[part])))
        else:
            # What the weights make of the reference is the same for all images: it has no place.
            places.append(place_descriptors(extractor, image, row[part], line.weights[part]))
    boxes, values = (np.concatenate(part) for part in zip(*places, strict=True))
    return spread(boxes, values, score - line.intercept, frame)


def is_placed(extractor: Any) -> bool:
    """Tell whether what a linear score owes to the extractor has places."""
    return has_regions(extractor) or isinstance(extractor, FisherVectorExtractor)


def _parts(features: Any) -> Iterator[tuple[Any, slice]]:
    """Each extractor and its columns."""
    start = 0
    for extractor in extractors_of(features):
        n_features = len(extractor.get_feature_names_out())
        yield extractor, slice(start, start + n_features)
        start += n_features


def group_regions(features: Any) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The regions that there are (n_regions, 4), and the number of each feature's (n_features,)."""
    boxes = np.concatenate([extractor.feature_regions() for extractor in extractors_of(features)])
    regions, numbers = np.unique(boxes, axis=0, return_inverse=True)
    return regions, numbers.ravel()


def absent_features(features: Any, steps: Pipeline, stack_shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return what features are replaced by (n_features,): their mean over the training images.

    The scaler or the reducer knows it. Where there is neither, as before trees, the features of a black image, which
    shows nothing.
    """
    first = next((step for _, step in steps.steps[:-1] if step is not None and step != "passthrough"), None)
    if isinstance(first, StandardScaler | PCA) and first.mean_ is not None:
        return np.asarray(first.mean_, dtype=np.float64)
    black = np.asarray(features.transform(np.zeros((1, *stack_shape), dtype=np.uint8)))
    return black[0].astype(np.float64)


def occlude_regions(
    steps: Pipeline,
    row: NDArray[np.floating],
    regions: tuple[NDArray[np.int64], NDArray[np.intp]],
    absent: NDArray[np.float64],
    column: int,
    frame: Frame,
) -> NDArray[np.float64]:
    """Measure what the score loses when a region's features are replaced, region after region.

    Parameters
    ----------
    steps : Pipeline
        What follows the features.
    row : ndarray of shape (n_features,)
    regions : tuple
        As `group_regions` returns them.
    absent : ndarray of shape (n_features,), dtype float64
        What features are replaced by.
    column : int
        Number of the target class.
    frame : Frame

    Returns
    -------
    map : ndarray of shape `frame.shape`, dtype float64
    """
    boxes, numbers = regions
    losses = np.full(len(boxes), target_scores(steps, row[None], column)[0])
    for batch in gen_batches(len(boxes), BATCH):
        hidden = numbers == np.arange(batch.start, batch.stop)[:, None]
        losses[batch] -= target_scores(steps, np.where(hidden, absent.astype(row.dtype), row), column)
    # No feature is replaced twice, so the losses of regions that overlap add up like a linear score's parts.
    return spread(boxes, losses, losses.sum(), frame)
