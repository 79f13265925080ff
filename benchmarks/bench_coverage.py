"""Simulate studies with known truth: how often intervals hold it, and how often tests find what is not there.

    OPENBLAS_NUM_THREADS=1 python benchmarks/bench_coverage.py [--studies 1000] [--fitted 400] [--jobs 2] [--only NAME]

- Fixed scores: normal, of two classes apart by what their ROC AUC says, half of their variance the patient's. Patients
  have one image, one to twelve, very uneven numbers, or images of both classes. Every measure's truth is known in
  closed form or by quadrature; the probabilities are those of the true model, so that their calibration slope is 1.
- Fitted models: shrunken linear discriminants, whose true ROC AUC is known in closed form, and support vector machines
  (by 2000 new patients), really fitted in five folds; the interval is that of the method, trained anew, as `evaluate`
  gives it, with `metrics.effective_test_fraction`. It is asked to hold the mean of the fitted models' true values, and
  the algorithm's expectation over studies.
- Tests: models truly equal, on the same images, fixed scores and fitted; the mark "not shown to be better than" of a
  family of models that are all equal to the best baseline.

Of each cell: coverage, misses below (the whole interval lies above the truth: too optimistic) and above, the share of
studies in which the interval is withheld, and the Monte Carlo standard error of a coverage of 95 %. Studies in which
fewer than two patients have a class are drawn again. Writes benchmarks/results/coverage.json.

Intervals of the calibration slope, and no others, may be withheld in the cells of `SEPARATED`: the classes of a study
are separated by their probabilities, which leaves no slope, or separated but for one patient, without whom there is
none. The tables of `evaluate` say so. Nothing may be withheld elsewhere.

Intervals and tests err on the safe side where few patients are misplaced, and stay so:

- Equal models are rejected in 0.1 and 0.5 % instead of 5 % at an AUC of 0.99 with 30 patients and with 100 of whom 10 %
  have a fracture. In 24 and 6 % of the studies the models do not differ at all; in the median study 2.3 and 2.7
  patients make up the difference, and a sign test needs six on one side for a p-value below 0.05. A t test without any
  correction for the few (normal quantile, no variance for a model without a mistake) rejects in 0.5 % with 30 patients.
  Exchanging the two models' scores, patient by patient, is exact if both have the same distribution: it reaches 2 and
  4 % ("special" in the results), but tests more than equal AUCs and has no interval to it.
- Of 10 fractured patients or fewer, and of AUCs near 1, the intervals of AUC, average precision, MCC, kappa and the
  calibration slope hold the truth in 98 to 99.5 %. Their degrees of freedom (`KNOWN`) cannot be more: with twice as
  many, coverage of the Brier score falls to 85 % at an AUC of 0.99, and of the AUC to 89 % with 30 patients of very
  uneven numbers of images.
- Where groups have images of both classes, likelihood ratios and balanced accuracy have intervals as of independent
  sensitivity and specificity; scores that a patient shifts make them depend on each other: 98.5 to 99 %.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from _about import write_results
from joblib import Parallel, delayed
from scipy import integrate, special, stats
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.svm import SVC

from fracture_features import metrics

ENOUGH = 2  # patients of a class: of one, no interval can be
WITHIN = 0.5  # share of a score's variance that is the patient's
N_FOLDS = 5


class Cell(NamedTuple):
    """What studies of fixed scores are like; `images` a patient are a number, a range or "uneven"."""

    patients: int
    images: Any = 1
    prevalence: float = 0.5
    auc: float = 0.9
    mixed: bool = False

    @property
    def name(self) -> str:
        """In words."""
        images = f"{self.images[0]}-{self.images[1]}" if isinstance(self.images, tuple) else self.images
        mixed = ", both classes" if self.mixed else ""
        return f"{self.patients} patients, {images} images{mixed}, {self.prevalence:.0%} fractured, AUC {self.auc}"


CELLS = [
    *(Cell(n, auc=auc) for n in (30, 100, 300) for auc in (0.6, 0.9, 0.99)),
    Cell(1000, auc=0.9),
    Cell(1000, prevalence=0.1, auc=0.99),
    *(Cell(100, prevalence=0.1, auc=auc) for auc in (0.6, 0.9, 0.99)),
    Cell(300, prevalence=0.1, auc=0.99),
    *(Cell(n, prevalence=0.1) for n in (300, 1000)),
    Cell(30, prevalence=0.2),
    Cell(100, prevalence=0.05),
    Cell(300, prevalence=0.05),
    *(Cell(n, (1, 12), 0.3) for n in (30, 100, 300)),
    *(Cell(n, "uneven", 0.3) for n in (30, 100, 300)),
    *(Cell(n, "uneven", 0.2, 0.79, mixed=True) for n in (40, 109)),
]

# In which the interval of the calibration slope may be withheld.
SEPARATED = [
    *(Cell(30, auc=auc) for auc in (0.6, 0.9, 0.99)),
    Cell(100, auc=0.99),
    *(Cell(100, prevalence=0.1, auc=auc) for auc in (0.9, 0.99)),
    Cell(300, prevalence=0.1, auc=0.99),
    Cell(30, prevalence=0.2),
    Cell(100, prevalence=0.05),
    Cell(30, (1, 12), 0.3),
    Cell(30, "uneven", 0.3),
]
# In which too few patients are misplaced for a difference to be found.
ALL_BUT_PERFECT = [Cell(30, auc=0.99), Cell(100, prevalence=0.1, auc=0.99)]


def draw_patients(cell: Cell, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels and patients of the images of one study."""
    n = cell.patients
    if cell.images == "uneven":
        sizes = np.ceil(rng.lognormal(1.5, 1.2, n)).astype(int)
    else:
        low, high = cell.images if isinstance(cell.images, tuple) else (cell.images, cell.images)
        sizes = rng.integers(low, high + 1, n)
    groups = np.repeat(np.arange(n), sizes)
    if cell.mixed:
        share = rng.beta(2 * cell.prevalence, 2 * (1 - cell.prevalence), n)
        return (rng.random(len(groups)) < share[groups]).astype(np.int64), groups
    return (rng.random(n) < cell.prevalence)[groups].astype(np.int64), groups


def draw_scores(y: np.ndarray, groups: np.ndarray, auc: float, rng: np.random.Generator) -> np.ndarray:
    """Scores of variance 1 in each class, apart by what the AUC says."""
    patient = rng.normal(0, np.sqrt(WITHIN), groups.max() + 1)[groups]
    return distance(auc) * y + patient + rng.normal(0, np.sqrt(1 - WITHIN), len(y))


def distance(auc: float) -> float:
    """Of the means of two classes of variance 1."""
    return float(np.sqrt(2) * stats.norm.ppf(auc))


def truths(auc: float, prevalence: float) -> dict[str, float]:
    """Every measure's true value, the threshold in the middle between the classes."""
    d, p = distance(auc), prevalence
    hit = float(stats.norm.cdf(d / 2))  # sensitivity and specificity
    called = p * hit + (1 - p) * (1 - hit)
    accuracy, by_chance = hit, p * called + (1 - p) * (1 - called)

    def precision(x: float) -> float:
        found = p * stats.norm.sf(x - d)
        return float(stats.norm.pdf(x - d) * found / (found + (1 - p) * stats.norm.sf(x)))

    def loss(x: float) -> float:
        q = special.expit(d * (x - d / 2) + special.logit(p))
        return float(p * stats.norm.pdf(x - d) * (1 - q) ** 2 + (1 - p) * stats.norm.pdf(x) * q**2)

    return {
        "roc_auc": auc,
        "average_precision": integrate.quad(precision, -9, 9 + d)[0],
        "sensitivity": hit,
        "specificity": hit,
        "ppv": p * hit / called,
        "npv": (1 - p) * hit / (1 - called),
        "positive_likelihood_ratio": hit / (1 - hit),
        "negative_likelihood_ratio": (1 - hit) / hit,
        "accuracy": accuracy,
        "balanced_accuracy": hit,
        "mcc": (2 * hit - 1) * np.sqrt(p * (1 - p) / (called * (1 - called))),
        "kappa": (accuracy - by_chance) / (1 - by_chance),
        "brier_score": integrate.quad(loss, -9, 9 + d)[0],
        "calibration_intercept": 0.0,
        "calibration_slope": 1.0,
    }


def inputs(name: str, score: np.ndarray, cell: Cell) -> np.ndarray:
    """What a measure takes of the scores."""
    d = distance(cell.auc)
    if metrics.MEASURES[name].takes == "labels":
        return (score >= d / 2).astype(np.int64)
    if metrics.MEASURES[name].takes == "scores":
        return score
    return special.expit(d * (score - d / 2) + special.logit(cell.prevalence))


def draw_study(cell: Cell, seed: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Labels, patients and the scores of two equal models of one study."""
    rng = np.random.default_rng([seed, zlib.crc32(cell.name.encode())])
    while True:
        y, groups = draw_patients(cell, rng)
        if min(len(np.unique(groups[y == label])) for label in (0, 1)) >= ENOUGH:
            break
    return y, groups, [draw_scores(y, groups, cell.auc, rng) for _ in range(2)]


def fixed_study(cell: Cell, names: Sequence[str], seed: int) -> list[tuple[float, float]]:
    """Intervals of the measures of a study, and the p-value of its model and an equal one."""
    y, groups, (first, second) = draw_study(cell, seed)
    jobs = [(name, inputs(name, first, cell)) for name in names]
    found = metrics.jackknife(y, [*jobs, ("roc_auc", first), ("roc_auc", second)], groups=groups)
    test = metrics.compare(found, len(names), len(names) + 1)
    return [*(found.interval(k) for k in range(len(names))), (test.p_value, np.sign(test.difference))]


def summarise(intervals: Sequence[tuple[float, float]], truth: float) -> dict[str, float]:
    """Coverage and misses of intervals."""
    limits = np.array(intervals)
    known = limits[~np.isnan(limits).any(axis=1)]
    low, high = known.T if len(known) else (np.empty(0), np.empty(0))
    return {
        "coverage": round(float(((low <= truth) & (truth <= high)).mean()), 4),
        "too_optimistic": round(float((low > truth).mean()), 4),
        "too_pessimistic": round(float((high < truth).mean()), 4),
        "withheld": round(1 - len(known) / len(limits), 4),
        "median_width": round(float(np.median(high - low)), 4),
        "standard_error": round(float(np.sqrt(0.95 * 0.05 / max(len(known), 1))), 4),
    }


def fixed_cell(cell: Cell, n_studies: int, jobs: int, names: Sequence[str] = tuple(metrics.MEASURES)) -> dict[str, Any]:
    """Coverage of every measure's interval, and false positives of a comparison of equals."""
    run = Parallel(jobs, batch_size=10)
    studies = run(delayed(fixed_study)(cell, names, seed) for seed in range(n_studies))
    known = truths(cell.auc, cell.prevalence)
    rows = {name: summarise([study[k] for study in studies], known[name]) for k, name in enumerate(names)}
    p_values = np.array([study[-1][0] for study in studies])
    return {"measures": rows, "equal_models_rejected": round(float((p_values <= 0.05).mean()), 4)}


class Fitted(NamedTuple):
    """What studies of fitted models are like: patients of one image, and features of which a third tell."""

    patients: int
    features: int
    kind: str
    repeats: int = 1
    auc: float = 0.9  # of all features, were their weights known

    @property
    def name(self) -> str:
        """In words."""
        repeats = f", {self.repeats} repetitions" if self.repeats > 1 else ""
        return f"{self.kind}, {self.patients} patients x {self.features} features{repeats}"


FITTED = [
    Fitted(100, 30, "shrunken LDA"),
    Fitted(300, 200, "shrunken LDA"),
    Fitted(100, 40, "RBF SVC"),
    Fitted(100, 30, "shrunken LDA", repeats=5),
    Fitted(30, 10, "shrunken LDA"),
    Fitted(300, 30, "shrunken LDA"),
]


def fit_score(kind: str, X: np.ndarray, y: np.ndarray, mean: np.ndarray, rng: Any) -> tuple[Callable[..., Any], float]:
    """A fitted model's decision function, and its true ROC AUC."""
    if kind == "shrunken LDA":
        centres = [X[y == k].mean(axis=0) for k in (0, 1)]
        covariance = np.cov(np.vstack([X[y == k] - centres[k] for k in (0, 1)]).T)
        shrunken = (covariance + np.trace(covariance) / len(mean) * np.eye(len(mean))) / 2
        weights = np.linalg.solve(shrunken, centres[1] - centres[0])
        return lambda new: new @ weights, float(stats.norm.cdf(weights @ mean / np.sqrt(2 * weights @ weights)))
    model = SVC().fit(X, y)
    truth = np.repeat([0, 1], 1000)
    others = model.decision_function(rng.normal(size=(2000, len(mean))) + truth[:, None] * mean)
    return model.decision_function, float(metrics.MEASURES["roc_auc"](truth, others, np.ones((1, 2000)))[0])


def fitted_study(cell: Fitted, seed: int) -> dict[str, Any]:
    """Interval of the method, truth of the fitted models, and the p-value of two algorithms that are equal."""
    rng = np.random.default_rng([seed, zlib.crc32(cell.name.encode())])
    n, telling = cell.patients, max(1, cell.features // 3)
    mean = np.zeros(cell.features)
    mean[:telling] = distance(cell.auc) / np.sqrt(telling)
    y = np.arange(n) % 2
    features = [rng.normal(size=(n, cell.features)) + y[:, None] * mean for _ in range(2)]
    rows, folds, repetitions, scores, true, fitted = [], [], [], ([], []), ([], []), ([], [])
    for repetition in range(cell.repeats):
        split = StratifiedKFold(N_FOLDS, shuffle=True, random_state=int(rng.integers(2**31))).split(y, y)
        for k, (train, test) in enumerate(split):
            rows.append(test)
            folds.append(np.full(len(test), N_FOLDS * repetition + k))
            repetitions.append(np.full(len(test), repetition))
            for one, X in enumerate(features):
                decide, truth = fit_score(cell.kind, X[train], y[train], mean, rng)
                scores[one].append(decide(X[test]))
                fitted[one].append(metrics.MEASURES["roc_auc"](y[train], decide(X[train]), np.ones((1, len(train)))))
                true[one].append(truth)
    index = np.concatenate(rows)
    found = metrics.jackknife(
        y[index],
        [("roc_auc", np.concatenate(score)) for score in scores],
        groups=index,
        folds=np.concatenate(folds),
        repetitions=np.concatenate(repetitions),
    )
    fractions = [
        metrics.effective_test_fraction(1 / N_FOLDS, float(np.mean(each)), value)
        for each, value in zip(fitted, found.values, strict=False)
    ]
    return {
        "method": found.interval(0, test_fraction=fractions[0]),
        "models": found.interval(0),
        "truth": float(np.mean(true[0])),
        "p": metrics.compare(found, 0, 1, test_fraction=float(np.mean(fractions))).p_value,
    }


def fitted_cell(cell: Fitted, n_studies: int, jobs: int) -> dict[str, Any]:
    """Coverage of the method's interval, of the folds' mean and of the expectation, and of the models' interval."""
    studies = Parallel(jobs, batch_size=5)(delayed(fitted_study)(cell, seed) for seed in range(n_studies))
    expectation = float(np.mean([study["truth"] for study in studies]))
    shifted = {
        kind: [(study[kind][0] - study["truth"], study[kind][1] - study["truth"]) for study in studies]
        for kind in ("method", "models")
    }
    return {
        "method, folds' mean": summarise(shifted["method"], 0.0),
        "method, expectation": summarise([study["method"] for study in studies], expectation),
        "models, folds' mean": summarise(shifted["models"], 0.0),
        "equal_algorithms_rejected": round(float(np.mean([study["p"] <= 0.05 for study in studies])), 4),
    }


def family_study(n_models: int, seed: int, *, n_baselines: int = 3, auc: float = 0.75) -> tuple[bool, bool]:
    """Whether some of models that all equal the best baseline is taken to be above it, or below."""
    rng = np.random.default_rng([seed, n_models])
    y, groups = draw_patients(Cell(100, (1, 4), 0.4), rng)
    folds = groups % N_FOLDS
    levels = [0.5, 0.6, auc][-n_baselines:] + [auc] * n_models
    found = metrics.jackknife(
        y, [("roc_auc", draw_scores(y, groups, level, rng)) for level in levels], groups=groups, folds=folds
    )
    best = int(np.argmax(found.values[:n_baselines]))
    tests = [metrics.compare(found, n_baselines + k, best, test_fraction=1 / N_FOLDS) for k in range(n_models)]
    adjusted = metrics.holm([test.p_value for test in tests]) <= 0.05
    signs = np.array([np.sign(test.difference) for test in tests])
    return bool((adjusted & (signs > 0)).any()), bool((adjusted & (signs < 0)).any())


def layout_study(n_groups: int, seed: int) -> tuple[float, float, float]:
    """Groups of about 23 images of both classes in five folds, two equal models: difference, its limits."""
    rng = np.random.default_rng([seed, n_groups, 23])
    while True:
        sizes = np.maximum(1, np.round(rng.lognormal(np.log(23) - 0.5, 1.0, n_groups))).astype(int)
        groups = np.repeat(np.arange(n_groups), sizes)
        share = rng.beta(0.3, 1.5, n_groups)
        y = (rng.random(len(groups)) < share[groups]).astype(np.int64)
        folds = np.empty(len(y), dtype=int)
        for k, (_, test) in enumerate(
            StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed).split(y, y, groups)
        ):
            folds[test] = k
        if all(len(np.unique(y[folds == k])) == 2 for k in range(N_FOLDS)):
            break
    models = [("roc_auc", draw_scores(y, groups, 0.789, rng)) for _ in range(2)]
    test = metrics.compare(metrics.jackknife(y, models, groups=groups, folds=folds), 0, 1)
    return test.difference, test.low, test.high


def guessing_study(seed: int) -> tuple[float, float, float]:
    """Average precision of random scores, 100 patients, 10 % fractured, five folds; p of a constant; prevalence."""
    rng = np.random.default_rng([seed, 10])
    y = (np.arange(100) % 10 == 0).astype(np.int64)
    folds, score = np.arange(100) // 10 % N_FOLDS, rng.normal(size=100)
    found = metrics.jackknife(y, [("average_precision", score), ("average_precision", np.zeros(100))], folds=folds)
    return float(found.values[0]), metrics.compare(found, 0, 1).p_value, float(y.mean())


def exchange_study(cell: Cell, seed: int, n_exchanges: int = 399) -> tuple[float, float, float]:
    """Of two equal models of patients with one image: difference, how many patients make it up, p of exchanging them.

    So many as equal contributions would be: the squared sum of squared influences over that of their fourth powers.
    """
    y, _, scores = draw_study(cell, seed)
    swapped = np.random.default_rng(seed).random((n_exchanges + 1, len(y))) < 0.5
    swapped[0] = False
    areas = []
    for one, other in (scores, scores[::-1]):
        drawn = np.where(swapped, other, one)
        areas.append((drawn[:, y == 1, None] > drawn[:, None, y == 0]).mean(axis=(1, 2)))
    differences = np.abs(areas[0] - areas[1])
    p_value = float((differences >= differences[0] - 1e-12).mean())
    influences = np.subtract(*metrics.jackknife(y, [("roc_auc", score) for score in scores]).influences)
    total = float(influences @ influences)
    return float(differences[0]), total**2 / float((influences**4).sum()) if total > 0 else 0.0, p_value


def special_cells(n_studies: int, jobs: int) -> dict[str, Any]:
    """Families, the layout of FracAtlas, guessing, and models that get everything right."""
    run = Parallel(jobs, batch_size=10)
    out: dict[str, Any] = {}
    for n_models in (6, 12):
        family = np.array(run(delayed(family_study)(n_models, seed) for seed in range(n_studies)))
        out[f"{n_models} models equal to the best baseline: some is marked as above, below"] = family.mean(
            axis=0
        ).tolist()
    for n_groups in (109, 40):
        rows = np.array(run(delayed(layout_study)(n_groups, seed) for seed in range(n_studies)))
        out[f"{n_groups} groups of about 23 images, both classes, equal models"] = {
            "mark wrongly gone": float((rows[:, 1] > 0).mean()),
            "wrongly below": float((rows[:, 2] < 0).mean()),
            "difference covered": float(((rows[:, 1] <= 0) & (rows[:, 2] >= 0)).mean()),
        }
    rows = np.array(run(delayed(guessing_study)(seed) for seed in range(n_studies)))
    out["average precision of guessing, 10 % fractured, 100 patients, five folds"] = {
        "mean": float(rows[:, 0].mean()),
        "prevalence": float(rows[0, 2]),
        "rejected against a constant": float((rows[:, 1] <= 0.05).mean()),
    }
    for cell in ALL_BUT_PERFECT:
        rows = np.array(run(delayed(exchange_study)(cell, seed) for seed in range(n_studies)))
        out[f"exchanged scores of equal models, {cell.name}"] = {
            "no difference": float((rows[:, 0] < 1e-12).mean()),
            "patients that make it up, median": float(np.median(rows[:, 1])),
            "rejected": float((rows[:, 2] <= 0.05).mean()),
        }
    right = np.repeat([0, 1], 20)
    perfect = metrics.jackknife(right, [(name, right) for name in metrics.MEASURES])
    out["everything right, 20 + 20 patients"] = {
        name: [float(perfect.values[k]), *map(float, perfect.interval(k))] for k, name in enumerate(metrics.MEASURES)
    }
    return out


def main() -> None:
    """Run all cells, print them and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="of a cell of fixed scores (%(default)s)")
    parser.add_argument("--fitted", type=int, default=400, help="of a cell of fitted models (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="cells whose name has this text; writes nothing")
    options = parser.parse_args()
    fixed, fitted = {}, {}
    for cell in CELLS:
        if options.only in cell.name:
            fixed[cell.name] = fixed_cell(cell, options.studies, options.jobs)
            print(f"{cell.name}: equal models rejected {fixed[cell.name]['equal_models_rejected']:.3f}")
            for name, row in fixed[cell.name]["measures"].items():
                shown = " ".join(f"{key} {row[key]:.3f}" for key in ("coverage", "too_optimistic", "too_pessimistic"))
                print(f"  {name:26} {shown} withheld {row['withheld']:.3f}", flush=True)
    for model in FITTED:
        if options.only in model.name:
            fitted[model.name] = fitted_cell(model, options.fitted, options.jobs)
            print(f"{model.name}: {fitted[model.name]}", flush=True)
    if options.only in "special":
        special = special_cells(options.studies, options.jobs)
        print(*(f"{name}: {value}" for name, value in special.items()), sep="\n")
        if not options.only:
            results = {"fixed scores": fixed, "fitted models": fitted, "special": special}
            write_results("coverage", results, studies=options.studies, fitted_studies=options.fitted)


if __name__ == "__main__":
    main()
