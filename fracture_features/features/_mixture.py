"""Gaussian mixtures of local descriptors: fitted by expectation-maximisation, encoded as Fisher vectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._kernels import ANY_ORDER, kernel

BLOCK = 512  # rows at a time: their posteriors stay in the processor's cache
NEGLIGIBLE = 20.0  # a posterior below about 2**-20 of the largest counts as 0
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
    factors, n_rows = _factors(mixture), min(len(rows), BLOCK)
    all_terms = np.empty((n_rows, 2 * n_dimensions + 1), dtype=np.float32)
    # Side by side: two arrays whose rows lie a multiple of 4096 bytes apart would wait for each other.
    all_logits = np.empty((n_rows, 2 * n_gaussians), dtype=np.float32)
    sums = np.zeros((n_gaussians, 2 * n_dimensions + 1))
    for start in range(0, len(rows), BLOCK):
        x = rows[start : start + BLOCK]
        terms, logits = all_terms[: len(x)], all_logits[: len(x)]
        even, odd = logits[:, :n_gaussians], logits[:, n_gaussians:]
        _fill_terms(x, terms)
        # Of the mirrored rows' logits only the odd terms' part differs, and in its sign alone: a pair of rows costs
        # the products of one.
        np.matmul(terms[:, n_odd:], factors[n_odd:], out=even)
        np.matmul(terms[:, :n_odd], factors[:n_odd], out=odd)
        _posteriors(logits, n_odd > 0)
        sums[:, :n_odd] += odd.T @ terms[:, :n_odd]
        sums[:, n_odd:] += even.T @ terms[:, n_odd:]
    first, second = sums[:, :n_dimensions], sums[:, n_dimensions:-1]
    return Statistics(len(rows) * (2 if n_odd else 1), sums[:, -1], first, second)


def _factors(mixture: Mixture) -> NDArray[np.float32]:
    """What a descriptor's terms (itself, its squares, 1) are multiplied with for its logits, to the base 2."""
    precisions = 1 / mixture.variances
    linear = mixture.means * precisions
    constants = np.log(mixture.weights) - 0.5 * (mixture.means * linear - np.log(precisions)).sum(axis=1)
    factors = np.concatenate([linear.T, -0.5 * precisions.T, constants[None]])
    return (factors / np.log(2)).astype(np.float32)


@kernel
def _fill_terms(rows, terms):  # type: ignore[no-untyped-def]
    n_dimensions = rows.shape[1]
    for i in range(len(rows)):
        x, out, squares = rows[i], terms[i], terms[i, n_dimensions:]
        for k in range(n_dimensions):
            out[k] = x[k]
            squares[k] = x[k] * x[k]
        squares[n_dimensions] = 1


@kernel(fastmath=ANY_ORDER)
def _posteriors(logits, mirror):  # type: ignore[no-untyped-def]
    """Turn logits (to the base 2) into posteriors, in place.

    The two halves of a row are its even and its odd part. Their sum is the descriptor's logits and, if `mirror`, their
    difference those of the mirrored one; then the sum of both descriptors' posteriors takes the place of the even
    part, the difference that of the odd one.
    """
    n = logits.shape[1] // 2
    one, other = np.empty(n, np.float32), np.empty(n, np.float32)
    for i in range(len(logits)):
        even, odd = logits[i, :n], logits[i, n:]
        for k in range(n):
            one[k] = even[k] + odd[k]
            other[k] = even[k] - odd[k]
        scale = _powers(one)
        if mirror:
            other_scale = _powers(other)
            for k in range(n):
                posterior, other_posterior = scale * one[k], other_scale * other[k]
                even[k] = posterior + other_posterior
                odd[k] = posterior - other_posterior
        else:
            for k in range(n):
                even[k] = scale * one[k]


@kernel(fastmath=ANY_ORDER)
def _powers(values):  # type: ignore[no-untyped-def]
    """Turn logits into numbers in proportion to the powers of 2, in place, and return what scales them to sum 1.

    A power is 2**n, n the nearest integer, times the polynomial of degree 5 that is nearest in relative terms to
    2**r for r from -0.5 to 0.5: its relative error is 1e-7, and a loop of such powers runs on vectors.
    """
    largest = np.int32(values[0])  # to the integer: as good for the purpose, and found on vectors
    for k in range(len(values)):
        largest = max(largest, np.int32(values[k]))
    # The largest becomes 2**24 or so, the least that counts 2**4: none is negative, which truncation would round up.
    shift, least = np.float32(24) - np.float32(largest), np.float32(24 - NEGLIGIBLE)
    total = np.float32(0)
    for k in range(len(values)):
        x = max(values[k] + shift, least)
        n = np.int32(x + np.float32(0.5))
        r = x - np.float32(n)
        p = np.float32(1.326697e-3) * r + np.float32(9.67546e-3)
        p = p * r + np.float32(5.5507426e-2)
        p = p * r + np.float32(2.4022122e-1)
        p = p * r + np.float32(6.9314695e-1)
        p = p * r + np.float32(1.00000007)
        values[k] = p * np.float32(np.int32(np.int32(1) << n)) if x > least else np.float32(0)
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
