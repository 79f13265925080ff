"""How long models will take: a few fits on some of the images, and what that makes for all."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context

from ..datasets import FractureDataset
from ._fit import INNER_FOLDS, Runner

N_WARM, N_TIMED = 12, 48  # images


def estimate_seconds(
    models: Mapping[str, Any],
    data: FractureDataset,
    *,
    n_folds: int,
    train_fraction: float,
    fits_per_fold: int = 1,
    random_state: int | None = None,
) -> dict[str, float]:
    """Return about how many seconds each model will take on all folds.

    A model is fitted on 12 images, which loads and compiles what it needs, then twice on 48 others. What the second of
    these saves is the time to read and describe images, which a run does once for each image; the rest grows with
    the training part and the number of fits. Both are taken to grow in proportion, which is rough: networks may stop
    early, and kernel machines grow faster.

    Parameters
    ----------
    models : mapping of str to classifier
        Their caches are used, and filled.
    data : FractureDataset
        Readable images.
    n_folds : int
        Repetitions included.
    train_fraction : float
        Share of the images that a fold trains on.
    fits_per_fold : int, default=1
        As `fits_per_fold` gives it.
    random_state : int, default=None
        Which images.

    Returns
    -------
    seconds : dict of str to float
        NaN for a model that cannot be fitted on so few images.
    """
    order = _alternating(data.y, random_state)
    runner = Runner(data, None, False, random_state)
    growth = train_fraction * len(data) / N_TIMED
    seconds = {}
    for name, model in models.items():
        try:
            _time(runner, model, order[:N_WARM])
            first, again = (_time(runner, model, order[N_WARM:][:N_TIMED]) for _ in range(2))
        except (ValueError, RuntimeError):  # of so few images; what all make of it the run will tell
            seconds[name] = np.nan
            continue
        seconds[name] = max(0.0, first - again) * len(data) / N_TIMED + again * growth * n_folds * fits_per_fold
    return seconds


def fits_per_fold(*, operating_point: bool, calibrate: bool) -> int:
    """How often a model is fitted in each fold.

    Calibration fits it on five inner folds and on all of the training part; an operating point fits what is to be
    fitted on five inner folds more.

    Examples
    --------
    >>> from fracture_features.evaluation import fits_per_fold
    >>> fits_per_fold(operating_point=True, calibrate=False), fits_per_fold(operating_point=True, calibrate=True)
    (6, 36)
    """
    return (1 + INNER_FOLDS * operating_point) * (1 + INNER_FOLDS * calibrate)


def _alternating(y: NDArray[np.int64], random_state: int | None) -> NDArray[np.int64]:
    """Rows in random order, the classes by turns as long as there are any."""
    order = np.random.default_rng(random_state).permutation(len(y))
    turns = np.zeros(len(y), dtype=np.int64)
    for k in np.unique(y):
        rows = order[y[order] == k]
        turns[rows] = np.arange(len(rows))
    place: NDArray[np.int64] = order[np.argsort(turns[order], kind="stable")]
    return place


def _time(runner: Runner, model: Any, rows: NDArray[np.int64]) -> float:
    with config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        runner.fit(model, rows, "estimate")
        return time.perf_counter() - start
