"""What leaving out each group gives: values, the influence of each group on them, and intervals from these."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._checks import check_share
from ._limits import Scale, centred_interval, degrees_of_freedom
from ._measures import Measure
from ._types import Floats, Interval, Kernel

TINY = 1e-14


class Spread(NamedTuple):
    """Variance of an estimate and the degrees of freedom with which it is known."""

    variance: float
    df: float


class Jackknifed(NamedTuple):
    """Values of several metrics or models on the same samples, and how far each group moves them; a row for each.

    Parameters
    ----------
    values : ndarray of shape (n_metrics,), dtype float64
        Means over the folds.
    influences : ndarray of shape (n_metrics, n_groups), dtype float64
        What each group adds to the deviation of the value from what it estimates; their squares add up to the
        jackknife's variance.
    of_folds : ndarray of shape (n_metrics, n_folds), dtype float64
        Values in each fold.
    repetition : ndarray of shape (n_folds,)
        Which repetition of the folds each fold belongs to.
    is_rare : ndarray of shape (n_groups,), dtype bool
        Which groups have the class that fewest have.
    n_groups : int
        How many these are.
    scales : tuple of Scale
        Between what limits each metric lies, and how many samples and groups it is of.
    parts : tuple of (tuple of int)
        Rows, among all, of the measures that a metric's interval is made from; empty where it has one of its own.
    kernels : tuple of (Measure or callable)
        What computes each metric.

    See Also
    --------
    jackknife : Make one.
    compare : The difference of two rows.

    Examples
    --------
    >>> from fracture_features.metrics import jackknife
    >>> jackknifed = jackknife([0, 1] * 10, [("roc_auc", range(20))])
    >>> jackknifed.influences.shape, jackknifed.n_groups
    ((1, 20), 10)
    """

    values: Floats
    influences: Floats
    of_folds: Floats
    repetition: NDArray[np.intp]
    is_rare: NDArray[np.bool_]
    n_groups: int
    scales: tuple[Scale, ...]
    parts: tuple[tuple[int, ...], ...]
    kernels: tuple[Kernel, ...]

    def joined(self, other: Jackknifed, row: int, other_row: int) -> Jackknifed:
        """Join rows of several objects on the same samples; the rows for their intervals follow."""
        pick, parts = [(self, row), (other, other_row)], []
        for one, k in tuple(pick):
            parts.append(tuple(range(len(pick), len(pick) + len(one.parts[k]))))
            pick += [(one, part) for part in one.parts[k]]
        return self._replace(
            values=np.array([one.values[k] for one, k in pick]),
            influences=np.stack([one.influences[k] for one, k in pick]),
            of_folds=np.stack([one.of_folds[k] for one, k in pick]),
            scales=tuple(one.scales[k] for one, k in pick),
            parts=(*parts, *[()] * (len(pick) - 2)),
            kernels=tuple(one.kernels[k] for one, k in pick),
        )

    def interval(self, row: int, confidence_level: float = 0.95, *, test_fraction: float | None = None) -> Interval:
        """Return the interval of a metric, which contains its value: see `metric_interval`.

        Parameters
        ----------
        row : int
        confidence_level : float, default=0.95
        test_fraction : float, default=None
            As in `metric_interval`.
        """
        check_share(confidence_level, name="confidence_level")
        value = float(self.values[row])
        if np.isnan(value):
            return Interval(np.nan, np.nan)
        low, high = self._limits(row, confidence_level, test_fraction)
        # A value that is a mean of ratios, or moved below its scale, need not lie between limits that are made apart.
        return Interval(min(float(low), value), max(float(high), value))

    def _limits(self, row: int, confidence_level: float, test_fraction: float | None) -> Interval:
        if self.parts[row]:
            inner = [self.interval(part, confidence_level, test_fraction=test_fraction) for part in self.parts[row]]
            kernel = self.kernels[row]
            assert isinstance(kernel, Measure)
            assert kernel.limits is not None
            return kernel.limits(
                *((self.values[part], each) for part, each in zip(self.parts[row], inner, strict=True))
            )
        spread = self.spread(np.eye(len(self.values))[row], test_fraction)
        return centred_interval(self.values[row], *spread, self.scales[row], confidence_level)

    def spread(self, combination: Floats, test_fraction: float | None = None) -> Spread:
        """Return the variance of a combination (n_metrics,) of the rows, such as a difference."""
        rows = np.flatnonzero(combination)
        with np.errstate(invalid="ignore"):
            u, folds = (combination[rows] @ part[rows] for part in (self.influences, self.of_folds))
        variance, df = float(u @ u), degrees_of_freedom(u, self.is_rare)
        if variance < TINY and len(folds) > 1 and np.ptp(folds) > TINY:
            # each fold's images are all called alike, and differently in other folds
            return Spread(float(folds.var(ddof=1)) / len(folds), len(folds) - 1)
        if test_fraction is None:
            return Spread(variance, df)
        # Nadeau and Bengio's correlation of folds is the share of the data that a test part holds.
        variance *= 2 - test_fraction
        means = [folds[self.repetition == k].mean() for k in np.unique(self.repetition)]
        if len(means) < 2:
            return Spread(variance, df)
        other = float(np.var(means, ddof=1)) / len(means)
        total = variance + other
        if total == 0:
            return Spread(0.0, df)
        return Spread(total, 1 / ((variance / total) ** 2 / df + (other / total) ** 2 / (len(means) - 1)))
