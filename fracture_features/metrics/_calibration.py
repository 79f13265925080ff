"""Measures of probabilities, for many weighted resamples at once.

Each takes y_true (0 or 1) and y_prob of shape (n_samples,), weights of shape (n_resamples, n_samples), and gives one
value for each resample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._types import Floats, Labels, ratio

# What CalibrationCurves::val.prob.ci.2 (R) puts in the place of 0 and 1, whose logits are infinite.
SMALLEST = 1e-8
# The last step's length, in squared standard errors; what is left after it is shorter than that.
TOLERANCE = 1e-5
MAX_STEPS = 100
# A first step longer than this is no third-order step any more: probabilities of 0 and 1 make it as long as 1e6.
LONGEST_FIRST = 5.0


def brier_score(y_true: Labels, y_prob: Floats, weights: Floats) -> Floats:
    """Mean squared difference of probability and label (0 or 1); 0 is best."""
    return ratio(weights @ (y_prob - y_true) ** 2, weights.sum(axis=1))


def calibration_intercept(y_true: Labels, y_prob: Floats, weights: Floats) -> Floats:
    """See `metrics.calibration_intercept`; NaN where a resample has one class only."""
    one_class = (weights @ (y_true == 1) == 0) | (weights @ (y_true != 1) == 0)
    return _fit(np.ones((1, len(y_true))), _logit(y_prob), y_true, weights, one_class)[:, 0]


def calibration_slope(y_true: Labels, y_prob: Floats, weights: Floats) -> Floats:
    """See `metrics.calibration_slope`; NaN where a resample's classes are separated by the probability."""
    logit = _logit(y_prob)
    columns = np.stack([np.ones(len(logit)), logit])
    return _fit(columns, np.zeros(len(logit)), y_true, weights, _separated(logit, y_true, weights))[:, 1]


def _logit(probability: Floats) -> Floats:
    clipped = np.clip(probability, SMALLEST, 1 - SMALLEST)
    return np.log(clipped) - np.log1p(-clipped)


def _separated(x: Floats, y: Labels, weights: Floats) -> NDArray[np.bool_]:
    """Return whether a threshold on `x` parts the classes of a resample, up to ties at the threshold itself."""
    lowest, highest = {}, {}
    if len(np.unique(y)) < 2:
        return np.ones(len(weights), dtype=bool)
    for label in (0, 1):
        order = np.flatnonzero(y == label)[np.argsort(x[y == label])]
        drawn = np.take(weights, order, axis=1) > 0
        some, last = drawn.any(axis=1), len(order) - 1
        lowest[label] = np.where(some, x[order[drawn.argmax(axis=1)]], np.inf)
        highest[label] = np.where(some, x[order[last - drawn[:, ::-1].argmax(axis=1)]], -np.inf)
    return (lowest[1] >= highest[0]) | (highest[1] <= lowest[0])


def _fit(columns: Floats, offset: Floats, y: Labels, weights: Floats, undefined: NDArray[np.bool_]) -> Floats:
    """Coefficients (n_resamples, n_columns) of logistic regressions, one for each resample, NaN where `undefined`."""
    coefficients = np.full((len(weights), len(columns)), np.nan)
    if not undefined.all():
        drawn = weights[~undefined]
        at = _newton(columns, offset, y, np.ones((1, len(y))), np.zeros((1, len(columns))))
        first = _first_step(at, columns, offset, y, drawn)
        first[(np.abs(first) > LONGEST_FIRST).any(axis=1)] = 0
        coefficients[~undefined] = _newton(columns, offset, y, drawn, at + first)
    return coefficients


def _first_step(at: Floats, columns: Floats, offset: Floats, y: Labels, weights: Floats) -> Floats:
    """Chebyshev's third-order step of all resamples from the same place, which costs matrix products only."""
    p = len(columns)
    probability = _probability(at, columns, offset)[0]
    variance, products = probability * (1 - probability), _products(columns)
    step = _solve(weights, variance * products, weights @ ((y - probability) * columns).T)
    skewness = variance * (1 - 2 * probability) * (products[:, None] * columns).reshape(p**3, -1)
    bend = np.einsum("rijk,ri,rj->rk", (weights @ skewness.T).reshape(-1, p, p, p), step, step)
    return step - _solve(weights, variance * products, bend) / 2


def _newton(columns: Floats, offset: Floats, y: Labels, weights: Floats, start: Floats) -> Floats:
    """Maximise log-likelihoods by Newton's method from `start` (n_resamples, n_columns), halving steps too long.

    A log-likelihood is concave: a step has gone too far where it falls more steeply behind the summit than it rose
    before.
    """
    result, active, products = np.full_like(start, np.nan), np.arange(len(start)), _products(columns)
    at, step, rise = start, np.zeros_like(start), np.full(len(start), np.inf)
    buffers = np.empty((2, *weights.shape))  # fresh memory costs more than what is computed in it
    for _ in range(MAX_STEPS):
        drawn = weights if len(active) == len(weights) else weights[active]
        probability, residual = buffers[:, : len(active)]
        _probability(at + step, columns, offset, out=probability)
        np.subtract(y, probability, out=residual)
        residual *= drawn
        gradient = residual @ columns.T
        np.subtract(1, probability, out=residual)
        residual *= probability
        residual *= drawn
        newton = _solve(residual, products, gradient)
        too_far = (gradient * step).sum(axis=1) < -rise
        at = np.where(too_far[:, None], at, at + step)
        step = np.where(too_far[:, None], step / 2, newton)
        rise = np.where(too_far, rise / 2, (gradient * newton).sum(axis=1))
        done = ~too_far & (rise < TOLERANCE)
        result[active[done]] = (at + step)[done]
        active, at, step, rise = active[~done], at[~done], step[~done], rise[~done]
        if len(active) == 0:
            break
    return result


def _probability(coefficients: Floats, columns: Floats, offset: Floats, out: Floats | None = None) -> Floats:
    """Probabilities (n_resamples, n_samples), in place: most of the time goes here."""
    values = np.matmul(-coefficients, columns, out=out)
    values -= offset
    with np.errstate(over="ignore"):  # to infinity where the probability is 0, as it should
        np.exp(values, out=values)
    values += 1
    return np.reciprocal(values, out=values)


def _products(columns: Floats) -> Floats:
    """Products of each pair of columns, (n_columns ** 2, n_samples)."""
    return (columns[:, None] * columns).reshape(len(columns) ** 2, -1)


def _solve(weights: Floats, products: Floats, gradient: Floats) -> Floats:
    """Newton's steps (n_resamples, n_columns)."""
    p = gradient.shape[1]
    # what is added keeps a flat log-likelihood's equations solvable
    curvature = (weights @ products.T).reshape(-1, p, p) + 1e-10 * np.eye(p)
    return np.asarray(np.linalg.solve(curvature, gradient[..., None])[..., 0], dtype=np.float64)
