"""How often what is predicted with a probability is so, as a smooth curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ._models import model_names

if TYPE_CHECKING:
    from ._result import EvaluationResult

Floats = NDArray[np.float64]
N_PLACES = 101
SPAN = 0.75  # share of the images that each place looks at, as R's loess takes


def smooth_reliability(result: EvaluationResult, model: str) -> pd.DataFrame:
    r"""Return a calibration curve without bins: the observed share near each predicted probability [1]_.

    The test parts of all folds together, smoothed by local regression (loess): a straight line at each place, fitted to
    the 75 % of the images nearest to it, with tricube weights.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    model : str
        One that gives probabilities.

    Returns
    -------
    curve : DataFrame
        Columns class, predicted and observed: 101 places for each class, from its smallest to its largest probability;
        of two classes for the second alone.

    Raises
    ------
    ValueError
        If there is no such model, or it gives no probabilities.

    See Also
    --------
    fracture_features.plotting.plot_calibration : The curve by bins, drawn.

    References
    ----------
    .. [1] P. C. Austin and E. W. Steyerberg, "Graphical assessment of internal and external calibration of logistic
       regression models by using loess smoothers", Statistics in Medicine 33(3), 2014.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.results import smooth_reliability
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> model = make_pipeline("edges", "logistic", image_size=48)
    >>> result = evaluate({"edges": model}, data, cv=2, random_state=0)
    >>> len(smooth_reliability(result, "edges"))
    101
    """
    (model,) = model_names(result, [model])
    folds = [fold for fold in result.folds_of(model) if fold.probabilities is not None]
    if not folds:
        raise ValueError(f"{model!r} gives no probabilities")
    y = np.concatenate([result.data.y[fold.test] for fold in folds])
    probabilities = np.concatenate([fold.probabilities for fold in folds if fold.probabilities is not None])
    names = list(enumerate(result.data.target_names))
    parts = []
    for k, name in names[1:] if len(names) == 2 else names:
        places = np.linspace(probabilities[:, k].min(), probabilities[:, k].max(), N_PLACES)
        observed = loess(probabilities[:, k], (y == k).astype(np.float64), places)
        parts.append(pd.DataFrame({"class": name, "predicted": places, "observed": observed.clip(0, 1)}))
    return pd.concat(parts, ignore_index=True)


def loess(x: Floats, y: Floats, places: Floats, span: float = SPAN) -> Floats:
    """Local linear regression of y (n,) on x (n,) at `places` (m,), with tricube weights of the nearest `span` [1]_.

    References
    ----------
    .. [1] W. S. Cleveland, "Robust locally weighted regression and smoothing scatterplots", Journal of the American
       Statistical Association 74(368), 1979.
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    n_near = max(2, int(np.ceil(span * len(x))))
    smoothed = np.empty(len(places))
    for k, place in enumerate(places):
        distances = np.abs(x - place)
        width = np.partition(distances, min(n_near, len(x)) - 1)[min(n_near, len(x)) - 1]
        # Where all that are near lie at one place, those alone.
        weights = (1 - (distances / width).clip(0, 1) ** 3) ** 3 if width > 0 else (distances == 0).astype(np.float64)
        smoothed[k] = _line_at(x - place, y, weights)
    return smoothed


def _line_at(x: Floats, y: Floats, weights: Floats) -> float:
    """Height at x = 0 of the weighted regression line; the weighted mean where x does not vary."""
    total = weights.sum()
    if total == 0:  # both of two points, each at the edge of what is near
        return float(y.mean())
    mean_x, mean_y = weights @ x / total, weights @ y / total
    spread = weights @ (x - mean_x) ** 2
    if spread <= 1e-12 * total:
        return float(mean_y)
    slope = weights @ ((x - mean_x) * (y - mean_y)) / spread
    return float(mean_y - slope * mean_x)
