"""MURA, as it is published."""

from __future__ import annotations

import os
import re

import pandas as pd

from ..exceptions import DatasetError, NoReadableImagesError
from ._dataset import FractureDataset, make_dataset
from ._files import existing_folder, find_images, no_images
from ._layout import SPLITS

LAYOUT = re.compile(
    r"(?:(?P<split>train|valid)/)?XR_(?P<body_part>[A-Z]+)/(?P<patient>patient\d+)/"
    r"(?P<study>study\d+)_(?P<label>positive|negative)/[^/]+"
)


def load_mura(root: str | os.PathLike[str]) -> FractureDataset:
    """Load MURA from its folder, the one that holds `train/` and `valid/`, or one of these.

    Its positive studies are abnormal, which a fracture is one way to be. The patient is the group.

    Parameters
    ----------
    root : str or path-like
        The folder that holds `train/` and `valid/`.

    Returns
    -------
    data : FractureDataset
        Sorted by path. `frame` has `body_part` (the metadata column), `patient`, `study` (unique across patients) and,
        where the folders tell, `split`.

    Raises
    ------
    DatasetError
        If `root` is no folder, holds no images (NoReadableImagesError) or one class only, or an image lies where MURA
        has none.

    See Also
    --------
    fracture_features.EvaluationResult.by_study : Measure by study, as its labels are.
    load_folder : Any other folder.

    References
    ----------
    .. [1] P. Rajpurkar et al., "MURA: large dataset for abnormality detection in musculoskeletal radiographs",
       MIDL 2018.

    Examples
    --------
    >>> import tempfile, cv2, numpy as np
    >>> from pathlib import Path
    >>> from fracture_features import load_mura
    >>> folder = Path(tempfile.mkdtemp())
    >>> for study in ("patient00001/study1_positive", "patient00002/study1_negative"):
    ...     (folder / "train" / "XR_WRIST" / study).mkdir(parents=True)
    ...     path = folder / "train" / "XR_WRIST" / study / "image1.png"
    ...     _ = cv2.imwrite(str(path), np.zeros((40, 30), dtype=np.uint8))
    >>> load_mura(folder).frame["body_part"].tolist()
    ['WRIST', 'WRIST']
    """
    folder = existing_folder(root)
    found = find_images(folder)
    relative = found.images
    if not relative:
        raise NoReadableImagesError(f"{folder}: {no_images(found)}")
    matches = [LAYOUT.fullmatch(path) for path in relative]
    rows = [match.groupdict() for match in matches if match is not None]
    if len(rows) < len(relative):
        stray = relative[matches.index(None)]
        raise DatasetError(
            f"{folder}: {stray!r} does not lie as in MURA, XR_WRIST/patient00011/study1_positive/image1.png, "
            "below train/ or valid/"
        )
    frame = pd.DataFrame(rows)
    labels = frame.pop("label")
    frame["study"] = frame["patient"] + "/XR_" + frame["body_part"] + "/" + frame["study"]
    frame["split"] = frame["split"].map(SPLITS)
    if frame["split"].isna().any():
        del frame["split"]
    return make_dataset(
        folder,
        relative,
        labels.tolist(),
        frame,
        groups="patient",
        positive="positive",
        metadata_columns=["body_part"],
        ignored=found.ignored,
        contents=found.contents,
    )
