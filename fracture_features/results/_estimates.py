"""Values of measures over the folds, and their resamples: each is drawn once, for all tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import metrics
from ..datasets import FractureDataset
from ..metrics import Measure, Resampled, ResampledCurve
from ._fold import FoldResult

Floats = NDArray[np.float64]
PRIMARY = "roc_auc"
N_RESAMPLES = 2000


class Estimates:
    """Measures of every model, computed where they are asked for and kept.

    Parameters
    ----------
    data : FractureDataset
    fold_results : list of FoldResult
    seed : int
        Of the resamples, the same for all models.
    """

    def __init__(self, data: FractureDataset, fold_results: list[FoldResult], seed: int):
        self._data = data
        self._fold_results = fold_results
        self._seed = seed
        self._known: dict[tuple[str, str], Resampled] = {}

    @property
    def models(self) -> list[str]:
        """Names, in the order they were run."""
        return list(dict.fromkeys(fold.model for fold in self._fold_results))

    @property
    def baselines(self) -> list[str]:
        """Names of the models that cannot see a fracture, in the order they were run."""
        return list(dict.fromkeys(fold.model for fold in self._fold_results if fold.role == "baseline"))

    def folds_of(self, model: str) -> list[FoldResult]:
        """The folds of one model."""
        return [fold for fold in self._fold_results if fold.model == model]

    def measures(self, model: str, prevalences: Sequence[float] = ()) -> dict[str, Measure]:
        """Those that the model's predictions allow, by name."""
        targets = self._data.target_names
        known: dict[str, Measure] = dict(metrics.MEASURES)
        if prevalences and len(targets) > 2:
            raise ValueError(f"prevalences={prevalences!r} are shares of fractures; there are {len(targets)} classes")
        for prevalence in prevalences:
            known |= {f"{name} at {prevalence}": metrics.at_prevalence(name, prevalence) for name in ("ppv", "npv")}
        if len(targets) > 2:
            known = {name: m if m.n_classes is None else metrics.macro(m, len(targets)) for name, m in known.items()}
            known |= {
                f"{name} of {target}": metrics.one_vs_rest(measure, k)
                for name, measure in metrics.MEASURES.items()
                if measure.n_classes == 2
                for k, target in enumerate(targets)
            }
        has_probabilities = all(fold.probabilities is not None for fold in self.folds_of(model))
        return {name: m for name, m in known.items() if has_probabilities or m.takes != "probabilities"}

    def of(self, model: str, measures: dict[str, Measure]) -> list[Resampled]:
        """Values and resamples of some measures of a model, one job each."""
        new = {name: measure for name, measure in measures.items() if (model, name) not in self._known}
        for pooled in (False, True):
            self._resample(model, {name: measure for name, measure in new.items() if measure.pooled == pooled})
        return [self._known[model, name] for name in measures]

    def one(self, model: str, name: str) -> Resampled:
        """Value and resamples of one measure."""
        return self.of(model, {name: self.measures(model)[name]})[0]

    def curve(self, model: str, curve: Callable[..., Floats], takes: str = "scores") -> ResampledCurve:
        """A curve of the scores, or probabilities, and its resamples, which are those of the measures."""
        rows, folds = self._tested(model)
        scores = np.concatenate([fold.of(takes) for fold in self.folds_of(model)])
        return metrics.resample_curve(self._data.y[rows], scores, curve, folds=folds, **self._how(rows))

    def pair(self, model: str, reference: str, name: str) -> Resampled:
        """One measure of two models, on the same resamples."""
        first, second = self.one(model, name), self.one(reference, name)
        return Resampled(
            np.concatenate([first.values, second.values]),
            np.concatenate([first.draws, second.draws]),
            first.n_groups,
            first.shares + second.shares,
        )

    def of_fold(self, fold: FoldResult, measure: Measure) -> float:
        """A measure on one fold's test part."""
        y = self._data.y[fold.test]
        return float(measure(y, fold.of(measure.takes), np.ones((1, len(y))))[0])

    def corrected_t(self, model: str, reference: str, name: str) -> float:
        """P-value of Nadeau and Bengio's test; NaN where the measure is undefined in a fold."""
        measure = self.measures(model)[name]
        pairs = list(zip(self.folds_of(model), self.folds_of(reference), strict=True))
        differences = [self.of_fold(a, measure) - self.of_fold(b, measure) for a, b in pairs]
        if len(differences) < 2 or not len(pairs[0][0].train) or not np.isfinite(differences).all():
            return np.nan
        n_train, n_test = np.mean([(len(fold.train), len(fold.test)) for fold, _ in pairs], axis=0)
        return metrics.corrected_resampled_ttest(differences, n_train, n_test).p_value

    def best_baseline(self) -> str:
        """Of the models that cannot see a fracture the one with the highest ROC AUC."""
        if not self.baselines:
            raise ValueError(f"there is no baseline among the models {self.models}; name a reference")
        return max(self.baselines, key=lambda name: self.one(name, PRIMARY).values[0])

    def above_baselines(self, model: str, confidence_level: float) -> bool | None:
        """Whether the whole interval of the difference from the best baseline lies above 0."""
        if model in self.baselines or not self.baselines:
            return None
        pair = self.pair(model, self.best_baseline(), PRIMARY)
        return bool(metrics.compare(pair, 0, 1, confidence_level=confidence_level).low > 0)

    def _resample(self, model: str, measures: dict[str, Measure]) -> None:
        """Resample measures together, which are all pooled or all not: drawing costs as much as a measure."""
        if not measures:
            return
        rows, folds = self._tested(model)
        if next(iter(measures.values())).pooled:
            # Each image once in each: the repetitions of the folds.
            folds = pd.Series(rows).groupby(rows).cumcount().to_numpy().astype(np.int64)
        parts = self.folds_of(model)
        found = metrics.resample(
            self._data.y[rows],
            [(measure, np.concatenate([fold.of(measure.takes) for fold in parts])) for measure in measures.values()],
            folds=folds,
            **self._how(rows),
        )
        for k, name in enumerate(measures):
            one = slice(k, k + 1)
            self._known[model, name] = Resampled(found.values[one], found.draws[one], found.n_groups, found.shares[one])

    def _tested(self, model: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the data in the model's test parts, one after the other, and the fold of each."""
        folds = self.folds_of(model)
        rows = np.concatenate([fold.test for fold in folds])
        return rows, np.concatenate([np.full(len(fold.test), fold.fold) for fold in folds])

    def _how(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """The one bootstrap of all tables and curves."""
        groups = rows if self._data.groups is None else self._data.groups[rows]
        return {"groups": groups, "n_resamples": N_RESAMPLES, "random_state": self._seed}
