"""Predictions of each image, and the most confident mistakes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .._text import any_text
from .._validation import check_count
from ._fold import FoldResult
from ._models import model_names
from ._result import EvaluationResult


def example_table(result: EvaluationResult, model: str) -> pd.DataFrame:
    """Return what a model called each image, and how sure it was.

    Parameters
    ----------
    result : EvaluationResult
    model : str

    Returns
    -------
    table : DataFrame
        Columns fold, path, label, predicted, score and probability (of the predicted class; NaN where the model gives
        none) and margin: how far the score lies from where another class would have been predicted, from the
        operating point where there is one, otherwise from the highest score of another class.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    (model,) = model_names(result, [model])
    parts = [_fold_table(result, fold) for fold in result.folds_of(model)]
    return pd.concat(parts, ignore_index=True)


@any_text
def _fold_table(result: EvaluationResult, fold: FoldResult) -> pd.DataFrame:
    names, rows = np.array(result.data.target_names, dtype=object), np.arange(len(fold.test))
    score = fold.scores[rows, fold.y_pred]
    others = fold.scores.copy()
    others[rows, fold.y_pred] = -np.inf
    margin = score - others.max(axis=1)
    if not np.isnan(fold.threshold):
        margin = np.abs(fold.scores[:, 1] - fold.threshold)
    probability = np.full(len(rows), np.nan) if fold.probabilities is None else fold.probabilities[rows, fold.y_pred]
    return pd.DataFrame(
        {
            "fold": fold.fold,
            "path": result.data.paths[fold.test],
            "label": names[result.data.y[fold.test]],
            "predicted": names[fold.y_pred],
            "score": score,
            "probability": probability,
            "margin": margin,
        }
    )


def confident_mistakes(result: EvaluationResult, model: str, n: int = 8) -> pd.DataFrame:
    r"""Return the mistakes a model was surest of.

    Parameters
    ----------
    result : EvaluationResult
        From `evaluate`.
    model : str
        A name in the result.
    n : int, default=8
        At most.

    Returns
    -------
    table : DataFrame
        Rows of `example_table`, each image once, from the largest margin down; empty where there is no mistake.

    Raises
    ------
    ValueError
        If there is no such model, or `n` is no integer of at least 1.

    See Also
    --------
    fracture_features.plotting.plot_mistakes : Draw them.

    Examples
    --------
    >>> import tempfile
    >>> from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs
    >>> from fracture_features.results import confident_mistakes
    >>> data = load_folder(make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0), groups=r"patient(\d+)")
    >>> result = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0)
    >>> len(confident_mistakes(result, "edges", n=3)) <= 3
    True
    """
    check_count(n, name="n")
    table = example_table(result, model)
    wrong = table[table["label"] != table["predicted"]].sort_values("margin", ascending=False, kind="stable")
    return wrong.drop_duplicates("path").head(n).reset_index(drop=True)


def some_predictions(result: EvaluationResult, model: str, n: int, random_state: int | None) -> pd.DataFrame:
    """Rows of `example_table` at random, each image once."""
    check_count(n, name="n")
    table = example_table(result, model).drop_duplicates("path")
    chosen = np.random.default_rng(random_state).permutation(len(table))[:n]
    return table.iloc[chosen].reset_index(drop=True)
