"""The boxes that a model finds in one image, whatever the model."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images import read_shape
from ..regions import find_detector


def found_boxes(model: Any, image: str | os.PathLike[str], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the boxes that a model finds in an image.

    Parameters
    ----------
    model : fitted classifier of paths
        Whatever stands around what finds them; see `regions.find_detector`.
    image : str or path-like
        Path of the image.
    shape : tuple of (int, int)
        Height and width to which the image is scaled.

    Returns
    -------
    boxes : ndarray of shape (n_boxes, 4), dtype float64
        Top, left, bottom and right, highest score first: those that the model's own threshold leaves; none where the
        model finds no boxes.

    Raises
    ------
    ImageReadError
        If the image cannot be read.

    See Also
    --------
    explain_images : Where the model looks.
    fracture_features.plotting.overlay_boxes : Draw them.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.explain import found_boxes
    >>> data = load_folder(make_radiographs(4, folder=tempfile.mkdtemp(), random_state=0))
    >>> model = make_pipeline("edges", "svm", image_size=48).fit(data.paths, data.y)  # finds none
    >>> found_boxes(model, data.paths[0], (480, 360)).shape
    (0, 4)
    """
    detect = find_detector(model)
    if detect is None:
        return np.empty((0, 4))
    (found,) = detect([os.fspath(image)], None)
    return np.asarray(found.boxes * np.tile(np.divide(shape, read_shape(image)), 2))
