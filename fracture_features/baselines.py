"""Models that cannot see a fracture: what they reach, a shortcut reaches."""

from __future__ import annotations

import os
from typing import Any, Self

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from .datasets import FractureDataset
from .images import ImageReader, read_shape

MAJORITY, METADATA, PROBE = "majority class", "metadata only", "shortcut probe"
BASELINES = (MAJORITY, METADATA, PROBE)
THUMBNAIL = 8  # pixels along each side
LEVELS = 16  # bins of the histogram
BORDER = 1 / 16  # of the shorter side


def baseline_models(
    data: FractureDataset, reader: ImageReader, *, random_state: int | None = None, n_jobs: int | None = None
) -> dict[str, Any]:
    """Models to hold beside every result, by name.

    "majority class" knows how frequent the classes are; "metadata only" `data.metadata_columns`, the height and width
    in the file's header, and the size of the file, but no pixel; "shortcut probe" what can be seen from across the
    room: brightness, border, histogram and a thumbnail of 8 x 8 pixels. The last two are random forests. A model that
    is no better may have learnt no more than how, where or of what a radiograph was taken.

    Parameters
    ----------
    data : FractureDataset
        All images that will be asked for.
    reader : ImageReader
        How the probe reads.
    random_state, n_jobs : int, default=None
        Of the forests.

    Returns
    -------
    models : dict of str to classifier
        Take paths.

    Raises
    ------
    ImageReadError
        If a file has no readable header.

    References
    ----------
    .. [1] J. Zech et al., "Variable generalization performance of a deep learning model to detect pneumonia in chest
       radiographs", PLOS Medicine 15(11), 2018.
    .. [2] M. Badgeley et al., "Deep learning predicts hip fracture using confounding patient and healthcare
       variables", npj Digital Medicine 2(31), 2019.
    """

    def forest() -> RandomForestClassifier:
        return RandomForestClassifier(
            100, min_samples_leaf=3, class_weight="balanced", random_state=random_state, n_jobs=n_jobs
        )

    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
    )
    lookup = TableLookup(metadata_table(data))
    probe = FunctionTransformer(describe_appearance)
    return {
        MAJORITY: DummyClassifier(strategy="prior"),
        METADATA: Pipeline([("metadata", lookup), ("encoder", encoder), ("classifier", forest())]),
        PROBE: Pipeline([("images", clone(reader)), ("appearance", probe), ("classifier", forest())]),
    }


def metadata_table(data: FractureDataset) -> pd.DataFrame:
    """What is known of each image without a look at its pixels.

    Returns
    -------
    table : DataFrame of n_samples rows
        Indexed by path: `data.metadata_columns`, `image_height` and `image_width` as displayed, and `file_size`
        in bytes.
    """
    shapes = np.array([read_shape(path) for path in data.paths]).reshape(-1, 2)
    sizes = [os.path.getsize(path) for path in data.paths]
    table = data.frame[list(data.metadata_columns)].assign(
        image_height=shapes[:, 0], image_width=shapes[:, 1], file_size=sizes
    )
    # Booleans with gaps are objects, which no encoder can sort.
    other = table.select_dtypes(exclude="number").columns
    table[other] = table[other].astype("string").fillna("unknown").astype(object)
    return table.set_axis(pd.Index(data.paths, name="path"))


class TableLookup(TransformerMixin, BaseEstimator):
    """Rows of a table, found by path.

    Parameters
    ----------
    table : DataFrame
        Indexed by path.
    """

    def __init__(self, table: pd.DataFrame):
        self.table = table

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Do nothing."""
        return self

    def transform(self, X: ArrayLike) -> pd.DataFrame:
        """Look up `X`, paths of shape (n_samples,); KeyError where one is not in the table."""
        return self.table.loc[np.asarray(X)]

    def __sklearn_is_fitted__(self) -> bool:
        """Nothing is learnt."""
        return True


def describe_appearance(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How images look from afar.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), dtype uint8

    Returns
    -------
    features : ndarray of shape (n, 84), dtype float32
        Mean, standard deviation, mean of the border (a sixteenth of the shorter side), the share of black pixels, a
        histogram of 16 bins, and the 8 x 8 thumbnail row by row.
    """
    return np.stack([_describe_one(image) for image in images])


def _describe_one(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    width = max(1, round(min(image.shape) * BORDER))
    inside = np.zeros(image.shape, dtype=bool)
    inside[width:-width, width:-width] = True
    border = image[~inside].mean()
    histogram = np.bincount(image.ravel() // (256 // LEVELS), minlength=LEVELS) / image.size
    thumbnail = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    whole = [image.mean(), image.std(), border, (image == 0).mean()]
    return np.concatenate([whole, histogram, thumbnail.ravel()], dtype=np.float32)
