"""How much folds depend on each other by the images that their models share for training."""

from __future__ import annotations

import numpy as np
from scipy import stats

from ._checks import check_share


def effective_test_fraction(test_fraction: float, fitted_auc: float, tested_auc: float) -> float:
    r"""Compute the share of test images to use where models score training images hardly better than others.

    Nadeau and Bengio take the results of two folds for correlated by the test share, so that the variance of the mean
    is that of its test parts times 2 - `test_fraction` [1]_. That is right for models that learn mostly the chance of
    their training images, and too much for others. Results of folds alone cannot tell which: nothing but the variance
    between folds, known with one degree of freedom less than there are folds, depends on the correlation [2]_. What the
    models make of their own training images can: the training share counts by

    .. math:: 1 - (\Phi^{-1}(A_{tested}) / \Phi^{-1}(A_{fitted}))^2,

    the part of the squared distance of the classes' scores on training images, both normal, that is gone on test
    images. Of two linear models that do not differ, in five folds, `benchmarks/bench_coverage.py` rejects equality in
    1.0, 2.0, 2.0 and 5.6 % for the whole share (300 patients with 30 features, 100 with 30, 30 with 10, 300 with 200),
    and in 3.1, 3.4, 3.4 and 5.9 % for this part of it, with 5 % nominal; without any, in 7, 9, 8 and 17 %. No constant
    does it: the variance is 1.2 times that of the test parts in the first and 1.9 times in the last.

    Parameters
    ----------
    test_fraction : float
        Share of the images that a fold's test part holds.
    fitted_auc, tested_auc : float
        ROC AUC on training images, of the models fitted on them, and on test images; means over the folds.

    Returns
    -------
    fraction : float
        From `test_fraction`, where all training images are told apart or a model is no better than chance, to 1, where
        test images are told apart as well as training images. Goes where `metric_interval` and the others take a
        `test_fraction`; of two models that are compared the mean does.

    Raises
    ------
    ValueError
        If `test_fraction` lies outside 0 to 1.

    See Also
    --------
    metric_interval : Takes it as `test_fraction`.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003.
    .. [2] Y. Bengio and Y. Grandvalet, "No unbiased estimator of the variance of k-fold cross-validation", Journal of
       Machine Learning Research 5, 2004.

    Examples
    --------
    >>> from fracture_features.metrics import effective_test_fraction
    >>> [round(effective_test_fraction(0.2, fitted, 0.85), 2) for fitted in (1, 0.95, 0.85)]
    [0.2, 0.52, 1.0]
    """
    check_share(test_fraction, name="test_fraction")
    if not (fitted_auc > 0.5 and tested_auc > 0.5):  # of nothing learned, nothing is known
        return test_fraction
    kept = float(stats.norm.ppf(tested_auc) / stats.norm.ppf(fitted_auc)) if fitted_auc < 1 else 0.0
    return float(1 - (1 - test_fraction) * np.clip(1 - kept**2, 0, 1))
