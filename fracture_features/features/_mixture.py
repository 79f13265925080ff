"""Gaussian mixtures of local descriptors: fitted by expectation-maximisation, encoded as Fisher vectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._kernels import ANY_ORDER, kernel

BLOCK = 1024  # rows at a time: their posteriors stay in the processor's cache
NEGLIGIBLE = 14.0  # a posterior below about exp(-14) of the largest counts as 0
MIN_VARIANCE = 1e-3  # of a feature within a Gaussian, as a share of its variance among all descriptors


class Mixture(NamedTuple):
    """Gaussians with diagonal covariances.

    Parameters
    ----------
    weights : ndarray of shape (n_gaussians,), dtype float64
    means, variances : ndarray of shape (n_gaussians, n_dimensions), dtype float64
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]


class Statistics(NamedTuple):
    """What a mixture and an encoding need to know of descriptors.

    Parameters
    ----------
    n : int
        Number of descriptors.
    zeroth : ndarray of shape (n_gaussians,), dtype float64
        Sum of each Gaussian's posteriors.
    first, second : ndarray of shape (n_gaussians, n_dimensions), dtype float64
        Sums of the descriptors, and of their squares, weighted with the posteriors.
    """

    n: int
    zeroth: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]


def collect(rows: NDArray[np.float32], mixture: Mixture, n_odd: int = 0) -> Statistics:
    """Posteriors of the descriptors under the mixture, summed.

    Parameters
    ----------
    rows : ndarray of shape (n_descriptors, n_dimensions), dtype float32
    mixture : Mixture
    n_odd : int, default=0
        Where it is not 0, each descriptor counts twice, the second time with its first `n_odd` dimensions negated.

    Returns
    -------
    statistics : Statistics
    """
    n_gaussians, n_dimensions = mixture.means.shape
    precisions = 1 / mixture.variances
    factors = np.hstack([mixture.means * precisions, -0.5 * precisions]).astype(np.float32).T
    constants = np.log(mixture.weights) - 0.5 * (mixture.means**2 * precisions - np.log(precisions)).sum(axis=1)
    sums = np.zeros((n_gaussians, 1 + 2 * n_dimensions))
    for start in range(0, len(rows), BLOCK):
        x = rows[start : start + BLOCK]
        terms = np.empty((len(x), 2 * n_dimensions), dtype=np.float32)
        terms[:, :n_dimensions] = x
        np.multiply(x, x, out=terms[:, n_dimensions:])
        # Of the mirrored rows' logits only the odd terms' part differs, and in its sign alone: a pair of rows costs
        # the products of one.
        even, odd = terms[:, n_odd:] @ factors[n_odd:], terms[:, :n_odd] @ factors[:n_odd]
        _posteriors(even, odd, constants.astype(np.float32), n_odd > 0)
        sums[:, 0] += np.ones(len(x), dtype=np.float32) @ even
        sums[:, 1 : 1 + n_odd] += odd.T @ terms[:, :n_odd]
        sums[:, 1 + n_odd :] += even.T @ terms[:, n_odd:]
    first, second = np.hsplit(sums[:, 1:], 2)
    return Statistics(len(rows) * (2 if n_odd else 1), sums[:, 0], first, second)


@kernel(fastmath=ANY_ORDER)
def _posteriors(even, odd, constants, mirror):  # type: ignore[no-untyped-def]
    """Turn logits into posteriors, in place.

    `even` + `odd` + `constants` are the logits of the rows. If `mirror`, `even` - `odd` + `constants` are those of
    the mirrored ones, and the sums of both rows' posteriors take the place of `even`, the differences that of `odd`.
    """
    n_rows, n = even.shape
    one, other = np.empty(n, np.float32), np.empty(n, np.float32)
    for i in range(n_rows):
        logits, difference = even[i], odd[i]
        for k in range(n):
            shifted = logits[k] + constants[k]
            one[k] = shifted + difference[k]
            other[k] = shifted - difference[k]
        scale = _exponentials(one)
        if mirror:
            other_scale = _exponentials(other)
            for k in range(n):
                posterior, other_posterior = scale * one[k], other_scale * other[k]
                logits[k] = posterior + other_posterior
                difference[k] = posterior - other_posterior
        else:
            for k in range(n):
                logits[k] = scale * one[k]


@kernel(fastmath=ANY_ORDER)
def _exponentials(values):  # type: ignore[no-untyped-def]
    """Turn logits into numbers in proportion to their exponentials, in place, and return what scales them to sum 1.

    The exponential is that of the Cephes library, here on vectors: 2**n times a polynomial of degree 7, its relative
    error 1e-7.
    """
    largest = np.int32(values[0])  # to the integer: as good for the purpose, and found on vectors
    for k in range(len(values)):
        largest = max(largest, np.int32(values[k]))
    total = np.float32(0)
    for k in range(len(values)):
        x = max(values[k] - np.float32(largest), np.float32(-NEGLIGIBLE))
        n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
        r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
        p = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
        p = p * r + np.float32(8.3334519073e-3)
        p = p * r + np.float32(4.1665795894e-2)
        p = p * r + np.float32(1.6666665459e-1)
        p = p * r + np.float32(5.0000001201e-1)
        p = p * r * r + r + np.float32(1)
        power = np.float32(np.int32(np.int32(1) << (np.int32(n) + np.int32(24))))  # n is from -21 to 2
        values[k] = p * power if x > np.float32(-NEGLIGIBLE) else np.float32(0)
        total += values[k]
    return np.float32(1) / total


def maximise(statistics: Statistics, floor: NDArray[np.float64]) -> Mixture:
    """The mixture most likely given the statistics, no variance below `floor` (n_dimensions,)."""
    weights = np.maximum(statistics.zeroth, 1e-10 * statistics.n)
    means = statistics.first / weights[:, None]
    variances = np.maximum(statistics.second / weights[:, None] - means**2, floor)
    return Mixture(weights / weights.sum(), means, variances)


def gradients(statistics: Statistics, mixture: Mixture) -> NDArray[np.float64]:
    """Fisher vector, not normalised: gradients by the means, then by the variances, each (n_gaussians * n_dimensions,).

    Of the log-likelihood per descriptor, in units of their standard deviations (Sánchez et al., equations 17 and
    18).
    """
    zeroth, weights = statistics.zeroth[:, None], mixture.weights[:, None]
    by_mean = statistics.first - zeroth * mixture.means
    by_variance = statistics.second - 2 * mixture.means * statistics.first
    by_variance += zeroth * (mixture.means**2 - mixture.variances)
    by_mean /= statistics.n * np.sqrt(weights * mixture.variances)
    by_variance /= statistics.n * np.sqrt(2 * weights) * mixture.variances
    return np.concatenate([by_mean.ravel(), by_variance.ravel()])
