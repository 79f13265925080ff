"""Which models of a result are to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._result import EvaluationResult


def model_names(result: EvaluationResult, models: Sequence[str] | None = None, *, baselines: bool = False) -> list[str]:
    """Return the names of the models to show.

    Parameters
    ----------
    result : EvaluationResult
    models : sequence of str, default=None
        None takes those that are no baseline, or all where there are no others.
    baselines : bool, default=False
        Whether None takes the baselines too, other than those that give every image the same score.

    Returns
    -------
    names : list of str

    Raises
    ------
    ValueError
        If one of `models` is not in the result, or the result has no fold.
    """
    if not result.fold_results:
        raise ValueError("the result has no fold: of a subset those are left out whose test part loses a class")
    if models is not None:
        names = [models] if isinstance(models, str) else list(models)
        if not names or any(name not in result.models for name in names):
            raise ValueError(f"models must be some of {result.models}, got {models!r}")
        return names
    hidden = [name for name in result.baselines if not baselines or _is_constant(result, name)]
    return [name for name in result.models if name not in hidden] or result.models


def _is_constant(result: EvaluationResult, model: str) -> bool:
    return all((fold.scores == fold.scores[:1]).all() for fold in result.folds_of(model))
