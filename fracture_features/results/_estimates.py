"""Values of measures over the folds and what groups add to them, computed once for all tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..datasets import FractureDataset
from ..metrics import Interval, Jackknifed, Measure, ResampledCurve
from ._fold import FoldResult

Floats = NDArray[np.float64]
PRIMARY = "roc_auc"
N_RESAMPLES = 2000  # of curves
# What an interval is of: the method, trained anew on other patients, or the models that were fitted.
INFERENCES = ("method", "models")


class Estimates:
    """Measures of every model, computed where they are asked for and kept.

    Parameters
    ----------
    data : FractureDataset
    fold_results : list of FoldResult
    seed : int
        Of the resamples of curves, the same for all models, and of blocks of many groups.
    """

    def __init__(self, data: FractureDataset, fold_results: list[FoldResult], seed: int):
        self._data = data
        self._fold_results = fold_results
        self._seed = seed
        self._known: dict[tuple[str, str], tuple[Jackknifed, int]] = {}
        self._effective: dict[str, float] = {}

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

    @property
    def test_fraction(self) -> float | None:
        """Share of the images that a fold does not train on, where folds share training data; None elsewhere."""
        sizes = {fold.fold: len(fold.train) for fold in self._fold_results}
        n_train = float(np.mean([*sizes.values()])) if sizes else 0.0
        return 1 - n_train / len(self._data) if len(sizes) > 1 and n_train else None

    def fraction_for(self, inference: str | None, *models: str) -> float | None:
        """`test_fraction` for intervals of the "method", None for those of the "models"; None takes what there is.

        Of models, the mean of their `metrics.effective_test_fraction`.

        Raises
        ------
        ValueError
            If `inference` is another, or is "method" where the models were trained once.
        """
        if inference not in (None, *INFERENCES):
            raise ValueError(f"inference must be None or one of {INFERENCES}, got {inference!r}")
        fraction = self.test_fraction
        if inference == "method" and fraction is None:
            raise ValueError(
                "inference='method' needs several folds with training parts in these data, which one split and "
                "external images lack"
            )
        if inference == "models" or fraction is None:
            return None
        return float(np.mean([self._effective_fraction(model, fraction) for model in models])) if models else fraction

    def _effective_fraction(self, model: str, fraction: float) -> float:
        """Computed once; the whole fraction where training images have no scores, or some images are left out."""
        if model not in self._effective:
            folds, fitted = self.folds_of(model), []
            if len(np.unique(np.concatenate([fold.test for fold in folds]))) == len(self._data):
                fitted = [fold.of_training() for fold in folds if fold.train_scores is not None]
            if len(fitted) < len(folds):
                return fraction
            measure = self.measures(model)[PRIMARY]
            values = [self._value_of(measure, fold.train, scores) for fold, scores in zip(folds, fitted, strict=True)]
            self._effective[model] = metrics.effective_test_fraction(
                fraction, float(np.mean(values)), self.value(model, PRIMARY)
            )
        return self._effective[model]

    def estimate(self, model: str, measures: dict[str, Measure]) -> None:
        """Compute measures of a model, all together, that are not known yet."""
        new = {name: measure for name, measure in measures.items() if (model, name) not in self._known}
        for pooled in (False, True):
            self._jackknife(model, {name: measure for name, measure in new.items() if measure.pooled == pooled})

    def value(self, model: str, name: str) -> float:
        """One measure, a name of `measures`."""
        jackknifed, row = self._one(model, name)
        return float(jackknifed.values[row])

    def interval(self, model: str, name: str, confidence_level: float, fraction: float | None) -> Interval:
        """Interval of one measure that is known."""
        jackknifed, row = self._known[model, name]
        return jackknifed.interval(row, confidence_level, test_fraction=fraction)

    def why_withheld(self, model: str, name: str) -> str:
        """Why one measure that is known has no interval."""
        jackknifed, row = self._known[model, name]
        is_slope, group = name.startswith("calibration_slope"), "image" if self._data.groups is None else "group"
        if jackknifed.n_groups < 2:
            return f"a class has fewer than two {group}s"
        if np.isnan(jackknifed.values[row]):
            return "the probabilities part the classes or are all the same" if is_slope else "undefined"
        if np.isnan(jackknifed.influences[row]).any():
            return f"the classes are separated but for one {group}" if is_slope else f"undefined without one {group}"
        return f"the same without any {group}"

    def compare(
        self, model: str, reference: str, name: str, confidence_level: float, fraction: float | None
    ) -> metrics.Comparison:
        """Difference of two models in one measure."""
        (first, row), (second, other) = self._one(model, name), self._one(reference, name)
        both = first.joined(second, row, other)
        return metrics.compare(both, 0, 1, confidence_level=confidence_level, test_fraction=fraction)

    def power(self, model: str, reference: str, name: str, difference: float, fraction: float | None) -> float:
        """Share of studies like this one in which a difference of that size would be found."""
        (first, row), (second, other) = self._one(model, name), self._one(reference, name)
        _, error, df = metrics.difference_error(first.joined(second, row, other), 0, 1, fraction)
        return metrics.power_of_difference(difference, error, df) if error > 0 else np.nan

    def _one(self, model: str, name: str) -> tuple[Jackknifed, int]:
        if (model, name) not in self._known:
            self.estimate(model, {name: self.measures(model)[name]})
        return self._known[model, name]

    def curve(self, model: str, curve: Callable[..., Floats], takes: str = "scores") -> ResampledCurve:
        """A curve of the scores and its resamples, as far from it as those of the method, trained anew, would be."""
        rows, folds = self._tested(model)
        scores = np.concatenate([fold.of(takes) for fold in self.folds_of(model)])
        found = metrics.resample_curve(
            self._data.y[rows],
            scores,
            curve,
            groups=self._groups(rows),
            folds=folds,
            n_resamples=N_RESAMPLES,
            random_state=self._seed,
        )
        fraction = self.fraction_for(None, model)
        widened = 1.0 if fraction is None else np.sqrt(2 - fraction)
        return found._replace(draws=found.values + widened * (found.draws - found.values))

    def of_fold(self, fold: FoldResult, measure: Measure) -> float:
        """A measure on one fold's test part."""
        return self._value_of(measure, fold.test, fold.of(measure.takes))

    def _value_of(self, measure: Measure, rows: NDArray[np.int64], scores: NDArray) -> float:
        return float(measure(self._data.y[rows], scores, np.ones((1, len(rows))))[0])

    def best_baseline(self) -> str:
        """Of the models that cannot see a fracture the one with the highest ROC AUC."""
        if not self.baselines:
            raise ValueError(f"there is no baseline among the models {self.models}; name a reference")
        return max(self.baselines, key=lambda name: self.value(name, PRIMARY))

    def above_baselines(self, confidence_level: float, inference: str | None) -> dict[str, bool]:
        """Which models are shown to lie above the best baseline, at one error rate for all that were tried."""
        tried = [model for model in self.models if model not in self.baselines]
        if not self.baselines or not tried:
            return {}
        best = self.best_baseline()
        found = [
            self.compare(model, best, PRIMARY, confidence_level, self.fraction_for(inference, model, best))
            for model in tried
        ]
        adjusted = metrics.holm([1.0 if np.isnan(each.p_value) else each.p_value for each in found])
        return {
            model: bool(each.difference > 0 and p <= 1 - confidence_level)
            for model, each, p in zip(tried, found, adjusted, strict=True)
        }

    def _jackknife(self, model: str, measures: dict[str, Measure]) -> None:
        """Compute measures together, which are all pooled or all not."""
        if not measures:
            return
        rows, folds = self._tested(model)
        parts = self.folds_of(model)
        repetitions = np.repeat(find_repetitions([fold.test for fold in parts]), [len(fold.test) for fold in parts])
        found = metrics.jackknife(
            self._data.y[rows],
            [(measure, np.concatenate([fold.of(measure.takes) for fold in parts])) for measure in measures.values()],
            groups=self._groups(rows),
            folds=repetitions if next(iter(measures.values())).pooled else folds,
            repetitions=repetitions,
            random_state=self._seed,
        )
        for row, name in enumerate(measures):
            self._known[model, name] = found, row

    def _tested(self, model: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the data in the model's test parts, one after the other, and the fold of each."""
        folds = self.folds_of(model)
        rows = np.concatenate([fold.test for fold in folds])
        return rows, np.concatenate([np.full(len(fold.test), fold.fold) for fold in folds])

    def _groups(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows if self._data.groups is None else self._data.groups[rows]


def find_repetitions(tests: list[NDArray[np.int64]]) -> list[int]:
    """Which repetition of the folds each test part is of: the first that has tested none of its images yet.

    Parts that overlap as they like, of random splits, are mostly repetitions of their own.
    """
    tested: list[set[int]] = []
    found = []
    for rows in (set(test.tolist()) for test in tests):
        k = next((k for k, before in enumerate(tested) if before.isdisjoint(rows)), len(tested))
        if k == len(tested):
            tested.append(set())
        tested[k] |= rows
        found.append(k)
    return found
