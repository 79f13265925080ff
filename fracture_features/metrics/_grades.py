"""Agreement on grades that have an order."""

from __future__ import annotations

import numpy as np

from ._measures import Measure
from ._types import Floats, Labels, ratio


def quadratic_kappa() -> Measure:
    """Compute Cohen's kappa of ordered grades with quadratic weights.

    Returns
    -------
    measure : Measure
        Of labels that are whole numbers, any number of grades, each as far from the next as their numbers say: as
        `sklearn.metrics.cohen_kappa_score` gives with `weights="quadratic"` and all grades from the lowest to the
        highest as `labels`; with the grades alone that occur, as it takes by itself, a resample without grade 2 would
        have 1 and 3 next to each other. 1 for full agreement, 0 for that of chance, for two grades plain kappa. NaN
        where labels and predictions are one and the same grade throughout.

    See Also
    --------
    metric_interval : Its interval.

    References
    ----------
    .. [1] J. Cohen, "Weighted kappa: nominal scale agreement with provision for scaled disagreement or partial credit",
       Psychological Bulletin 70(4), 1968.
    .. [2] J. L. Fleiss and J. Cohen, "The equivalence of weighted kappa and the intraclass correlation coefficient as
       measures of reliability", Educational and Psychological Measurement 33(3), 1973.

    Examples
    --------
    A mistake of two grades weighs as four of one:

    >>> from fracture_features.metrics import bootstrap_interval, quadratic_kappa, resample
    >>> grades = [0, 1, 2, 3] * 5
    >>> near, far = [1, 0, 3, 2] + grades[4:], [2, 3, 0, 1] + grades[4:]
    >>> of_both = resample(grades, [(quadratic_kappa(), near), (quadratic_kappa(), far)], random_state=0)
    >>> of_both.values.round(3).tolist()
    [0.92, 0.68]
    >>> interval = bootstrap_interval(quadratic_kappa(), grades, near, random_state=0)
    >>> interval.low < 0.92 < interval.high
    True
    """
    return Measure(_quadratic_kappa, "labels", n_classes=None)


def _quadratic_kappa(y_true: Labels, y_pred: Labels, weights: Floats) -> Floats:
    """Twice the covariance over the mean square difference of independent grades, which is Lin's concordance."""
    lowest = min(y_true.min(), y_pred.min())
    true, predicted = (np.subtract(side, lowest, dtype=np.float64) for side in (y_true, y_pred))
    total, of_true, of_predicted = weights.sum(axis=1), weights @ true, weights @ predicted
    # in sums and not means: of whole numbers they are exact, and so is 0
    by_chance = total * (weights @ (true**2 + predicted**2)) - 2 * of_true * of_predicted
    return ratio(2 * (total * (weights @ (true * predicted)) - of_true * of_predicted), by_chance)
