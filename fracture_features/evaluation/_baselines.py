"""Models that cannot see a fracture: what they reach, a shortcut reaches."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from ..datasets import FractureDataset, MetadataLookup
from ..exceptions import ImageReadError
from ..images import ImageReader

__all__ = ["BASELINES", "baseline_models", "describe_appearance", "metadata_table"]

MAJORITY, METADATA, PROBE = "majority class", "metadata only", "shortcut probe"
# What each goes by.
BASELINES = {
    MAJORITY: "the most frequent class",
    METADATA: "what is known without a pixel",
    PROBE: "brightness, border and an 8 x 8 thumbnail",
}
# Which of them are evaluated.
BASELINE_SETS = {"all": (MAJORITY, METADATA, PROBE), "metadata": (MAJORITY, METADATA), "none": ()}
PROBE_SIZE = 256  # pixels along each side
THUMBNAIL = 8  # pixels along each side
LEVELS = 16  # bins of the histogram
BORDER = 1 / 16  # of the shorter side


def baseline_models(
    data: FractureDataset,
    *,
    cache: str | os.PathLike[str] | None = None,
    random_state: int | None = None,
    n_jobs: int | None = None,
) -> dict[str, Any]:
    r"""Return the baselines that every result is compared with, by name.

    "majority class" knows how frequent the classes are; "metadata only" `data.metadata_columns`, height and width of
    the image, and the size of the file, but no pixel; "shortcut probe" what can be seen from across the room:
    brightness, border, histogram and a thumbnail of 8 x 8 pixels, of images of 256 x 256 pixels whatever other models
    read. The last two are random forests. A model that is not shown to be better may have learnt no more than how,
    where or of what a radiograph was taken.

    Parameters
    ----------
    data : FractureDataset
        All images that will be asked for.
    cache : str or path-like, default=None
        Folder in which the probe keeps pixels.
    random_state, n_jobs : int, default=None
        Of the forests.

    Returns
    -------
    models : dict of str to classifier
        Take paths.

    See Also
    --------
    fracture_features.evaluate : Puts them beside every result.
    shortcut_ledger : Which shortcut it is.

    References
    ----------
    .. [1] J. Zech et al., "Variable generalization performance of a deep learning model to detect pneumonia in chest
       radiographs", PLOS Medicine 15(11), 2018.
    .. [2] M. Badgeley et al., "Deep learning predicts hip fracture using confounding patient and healthcare
       variables", npj Digital Medicine 2(31), 2019.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_radiographs
    >>> from fracture_features.evaluation import baseline_models
    >>> folder = make_radiographs(20, folder=tempfile.mkdtemp(), random_state=0)
    >>> data = load_folder(folder, groups=r"patient(\d+)")
    >>> list(baseline_models(data, random_state=0))
    ['majority class', 'metadata only', 'shortcut probe']
    """

    def forest() -> RandomForestClassifier:
        return RandomForestClassifier(
            100, min_samples_leaf=3, class_weight="balanced", random_state=random_state, n_jobs=n_jobs
        )

    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
    )
    lookup = MetadataLookup(metadata_table(data))
    probe = FunctionTransformer(describe_appearance)
    return {
        MAJORITY: DummyClassifier(strategy="prior"),
        METADATA: Pipeline([("metadata", lookup), ("encoder", encoder), ("classifier", forest())]),
        PROBE: Pipeline([("images", probe_reader(cache)), ("appearance", probe), ("classifier", forest())]),
    }


def probe_reader(cache: str | os.PathLike[str] | None) -> ImageReader:
    """Make the reader of the shortcut probe."""
    return ImageReader(image_size=PROBE_SIZE, cache=cache)


def metadata_table(data: FractureDataset) -> pd.DataFrame:
    """Collect what is known of each image without a look at its pixels.

    Returns
    -------
    table : DataFrame of n_samples rows
        Indexed by path: `data.metadata_columns`, `image_height` and `image_width` as displayed, and `file_size` in
        bytes.

    Raises
    ------
    ImageReadError
        If a file cannot be read.
    """
    for row in np.flatnonzero(data.files["reason"].notna())[:1]:
        raise ImageReadError(data.paths[row], data.files["reason"][row])
    files = data.files[["height", "width", "size"]].to_numpy(dtype=np.int64)
    return data.metadata().assign(image_height=files[:, 0], image_width=files[:, 1], file_size=files[:, 2])


def describe_appearance(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe how images look from afar.

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
