"""Names of the arrays that the other modules speak of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
# kernel(y_true, y_score, weights of shape (n_resamples, n_samples)) -> values of shape (n_resamples,)
Kernel = Callable[..., Floats]


class Interval(NamedTuple):
    """Limits of a confidence interval.

    Parameters
    ----------
    low, high : float
        The limits; NaN where there is no interval.

    See Also
    --------
    metric_interval : Make one.

    Examples
    --------
    >>> from fracture_features.metrics import Interval
    >>> Interval(0.8, 0.9).low
    0.8
    """

    low: float
    high: float


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """`numerator / denominator`, NaN where the denominator is not positive."""
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)
