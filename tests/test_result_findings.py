"""What a result's findings say, and that they say nothing of a sound one."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from results import make_result, with_three_classes
from scipy import stats
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from fracture_features import EvaluationResult, evaluate, make_pipeline
from fracture_features.audit import CODES, Finding
from fracture_features.cli._output import show_findings
from fracture_features.datasets import FractureDataset
from fracture_features.evaluation import METADATA
from fracture_features.evaluation._nested import weights_classes
from fracture_features.metrics import MEASURES, jackknife
from fracture_features.metrics._heterogeneity import heterogeneity_p_value, welch
from fracture_features.report import write_report
from fracture_features.report._summary import describe_findings
from fracture_features.results import FoldResult
from fracture_features.results._findings import _differ

N, N_FOLDS = 600, 4


def make(models, *, prevalence=0.4, baseline=None, n_repeats=1, seed=0, n=N):
    """A result of scores drawn here: each model a function of (y, in_fold, rng) to scores that are log-odds."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 100 < 100 * prevalence).astype(np.int64)
    data = FractureDataset(
        paths=np.array([f"{i}.png" for i in range(n)]),
        y=y,
        target_names=["normal", "fractured"],
        groups=np.arange(n),
        frame=pd.DataFrame(index=range(n)),
    )
    data = data.with_files(pd.DataFrame({"sha256": [f"{i}" for i in range(n)]}))
    folds = []
    of_role = {**({METADATA: baseline} if baseline else {}), **models}
    for model, scores_of in of_role.items():
        for repetition in range(n_repeats):
            in_fold = np.random.default_rng(repetition).permutation(n) % N_FOLDS
            score = scores_of(y, in_fold, rng)
            for k in range(N_FOLDS):
                test, train = np.flatnonzero(in_fold == k), np.flatnonzero(in_fold != k)
                p = expit(score[test])
                folds.append(
                    FoldResult(
                        model,
                        repetition * N_FOLDS + k + 1,
                        train,
                        test,
                        (score[test] >= 0).astype(np.int64),
                        np.column_stack([-score[test], score[test]]),
                        np.column_stack([1 - p, p]),
                        role="baseline" if model == METADATA else "model",
                    )
                )
    return EvaluationResult(data, folds, pd.DataFrame(columns=["path", "label", "reason"]), random_state=0)


def good(y, in_fold, rng, strength=2.0, prevalence=0.4):
    """Normal scores of both classes with their true log-odds: calibrated, the same in every fold."""
    x = strength * y + rng.normal(size=len(y))
    return strength * (x - strength / 2) + np.log(prevalence / (1 - prevalence))


def noise(y, in_fold, rng):
    return rng.normal(size=len(y))


def changed(result, model=None, **functions):
    """The same result; of one model, or all, each named field is a function of the fold."""
    folds = [
        replace(f, **{name: make_field(f) for name, make_field in functions.items()}) if model in (None, f.model) else f
        for f in result.fold_results
    ]
    return EvaluationResult(result.data, folds, result.excluded, 0)


def found(result):
    return {finding.code: finding for finding in result.findings()}


def test_a_sound_result_has_no_finding():
    assert make({"svm": good, "forest": good}, baseline=noise).findings() == []
    empty = make({"svm": good})
    assert EvaluationResult(empty.data, [], empty.excluded, 0).findings() == []


def test_welch_is_scipys():
    rng = np.random.default_rng(0)
    samples = [rng.normal(loc=n / 10, scale=n, size=n) for n in (5, 9, 20, 40)]
    p = welch(
        np.array([x.mean() for x in samples]),
        np.array([x.var(ddof=1) / len(x) for x in samples]),
        np.array([len(x) - 1.0 for x in samples]),
    )
    assert p == pytest.approx(stats.f_oneway(*samples, equal_var=False).pvalue)


def parts_of(y, scores):
    return [jackknife(y, [("roc_auc", s)]) for s in scores]


def test_parts_at_the_end_of_the_scale_have_a_variance():
    """Three folds without a mistake and one with hardly any: by chance; with one that guesses, not."""
    y = np.repeat([0, 1], 20)
    perfect = [np.arange(40.0)] * 3
    nearly = np.r_[np.arange(39.0), 18.5]
    assert heterogeneity_p_value(parts_of(y, perfect)) == 1.0
    assert heterogeneity_p_value(parts_of(y, [*perfect, nearly])) > 0.2
    assert heterogeneity_p_value(parts_of(y, [*perfect, np.arange(40.0) % 20])) < 0.01
    assert heterogeneity_p_value(parts_of(y, perfect[:1])) == 1.0


@pytest.mark.parametrize(("strength", "n"), [(0.0, 20), (1.0, 40), (2.5, 40)])
def test_folds_that_differ_by_chance_are_seldom_said_to_differ(strength, n):
    """At most 5 % of 200, but for three standard errors (0.046); Cochran's Q would say it of up to 17 %."""
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [n, n // 2])
    tests = [heterogeneity_p_value(parts_of(y, strength * y + rng.normal(size=(5, len(y))))) for _ in range(200)]
    assert np.mean(np.array(tests) <= 0.05) < 0.096


def one_fold_guesses(y, in_fold, rng):
    return np.where(in_fold == 2, noise(y, in_fold, rng), good(y, in_fold, rng))


def test_folds_that_disagree():
    finding = found(make({"svm": good, "odd": one_fold_guesses}))["FF601"]
    assert finding.count == 1
    (example,) = finding.examples
    assert re.fullmatch(r"odd: ROC AUC 0\.\d\d in fold 3, 0\.\d\d in fold \d \(p \S+\)", example)


def test_repetitions_are_tested_apart():
    """All eight folds together would be twice the images there are; the smallest p-value counts, times two."""
    result = make({"odd": good}, n_repeats=2, seed=3)
    measure = MEASURES["roc_auc"]
    tests = [
        heterogeneity_p_value(
            [
                jackknife(result.data.y[fold.test], [("roc_auc", fold.scores[:, 1])])
                for fold in result.fold_results[4 * k : 4 * k + 4]
            ]
        )
        for k in range(2)
    ]
    assert tests[1] < tests[0] < 1
    assert _differ(result, "odd", measure) == pytest.approx(min(1, 2 * tests[1]))
    assert "FF601" in found(make({"odd": one_fold_guesses}, n_repeats=2))
    assert "FF601" not in found(make({"svm": good}, n_repeats=2))


def test_a_model_no_better_than_the_metadata():
    same = make({"svm": good, "weak": noise}, baseline=noise)
    finding = found(same)["FF602"]
    assert finding.count == 1
    row = same.comparison(METADATA).set_index("model").loc["weak"]
    assert finding.examples == (
        f"weak: difference in ROC AUC {row['difference']:+.2f} ({row['low']:.2f} to {row['high']:.2f})",
    )
    worse = found(make({"weak": noise}, baseline=good))["FF602"]
    assert worse.examples[0].startswith("weak: difference in ROC AUC -0.")
    little = make({"svm": lambda *given: good(*given, strength=0.1)}, baseline=noise)
    assert 0 < little.comparison(METADATA).set_index("model").loc["svm", "difference"] < 0.1
    assert "FF602" in found(little)
    assert "FF602" not in found(make({"weak": noise}))  # no metadata: nothing to hold it against


@pytest.mark.parametrize(("factor", "said"), [(1.0, False), (1 / 0.9, False), (2.0, True)])
def test_a_calibration_slope_below(factor, said):
    """Log-odds that are twice too far from 0 have a slope of one half, of 0.9 too far one of 0.9."""
    result = make({"svm": lambda *given: factor * good(*given)})
    slope = result.frame().set_index("measure").loc["calibration_slope"]
    assert slope["value"] == pytest.approx(1 / factor, abs=0.15)
    assert ("FF603" in found(result)) == said
    if said:
        text = f"svm: slope {slope['value']:.2f} ({slope['low']:.2f} to {slope['high']:.2f})"
        assert found(result)["FF603"].examples == (text,)


def test_a_slope_whose_interval_holds_1_is_not_said():
    result = make({"svm": lambda *given: 1.6 * good(*given)})
    rows = np.isin(np.arange(N), np.random.default_rng(0).permutation(N)[:80])
    few = result.subset(rows)
    slope = few.frame().set_index("measure").loc["calibration_slope"]
    assert slope["value"] < 0.8
    assert slope["high"] > 1
    assert "FF603" not in found(few)


def test_a_slope_shown_to_be_below_1_and_above_0_8_is_not_said():
    result = make({"svm": lambda *given: good(*given) / 0.88}, n=8000)
    slope = result.frame().set_index("measure").loc["calibration_slope"]
    assert 0.8 < slope["value"] < slope["high"] < 1
    assert "FF603" not in found(result)


def with_grid(values, scores, best, name="classifier__C"):
    """Every fold with one grid and the best setting, or one for each fold."""
    best = best if isinstance(best, list) else [best] * N_FOLDS
    grid = {"params": [{name: value} for value in values], "mean_test_score": list(scores)}
    return found(changed(make({"svm": good}), grid=lambda fold: grid, params=lambda fold: {name: best[fold.fold - 1]}))


def test_the_best_setting_at_the_edge_of_its_grid():
    text = "svm: classifier__C = 10, the largest, in 4 of 4 folds"
    assert with_grid([0.1, 1, 10], [0.6, 0.7, 0.8], 10)["FF604"].examples == (text,)
    text = "svm: classifier__C = 0.1, the smallest, in 3 of 4 folds"
    assert with_grid([10, 1, 0.1], [0.6, 0.7, 0.8], [0.1, 0.1, 1, 0.1])["FF604"].examples == (text,)


@pytest.mark.parametrize(
    ("values", "scores", "best"),
    [
        ([0.1, 1, 10], [0.6, 0.8, 0.7], 1),
        ([0.1, 1, 10], [0.6, 0.7, 0.8], [10, 10, 1, 0.1]),  # in half of the folds alone
        ([1, 10], [0.6, 0.8], 10),  # of two, one end is always the best
        ([0.1, 1, 10], [0.8, 0.8, 0.7], 0.1),  # a tie, of which a search takes the first
        ([True, False], [0.6, 0.8], False),
        (["rbf", "linear", "poly"], [0.6, 0.7, 0.8], "poly"),
        ([None, 2, 4], [0.6, 0.7, 0.8], 4),
    ],
)
def test_a_setting_that_is_no_edge(values, scores, best):
    assert "FF604" not in with_grid(values, scores, best)


def at_thresholds(thresholds, model=good):
    """Folds called at one threshold each, on scores that are the same in every fold."""
    return changed(
        make({"svm": model}),
        threshold=lambda fold: thresholds[fold.fold - 1],
        y_pred=lambda fold: (fold.scores[:, 1] >= thresholds[fold.fold - 1]).astype(np.int64),
    )


def test_a_threshold_that_moves():
    finding = found(at_thresholds([-3.0, 0.0, 3.0, 0.1]))["FF605"]
    pattern = (
        r"svm: sensitivity 0\.\d\d in fold 3, (0|1)\.\d\d in fold 1; "
        r"specificity 0\.\d\d in fold 1, (0|1)\.\d\d in fold 3 \(p \S+\)"
    )
    assert re.fullmatch(pattern, finding.examples[0])


def test_a_threshold_that_hardly_moves_or_moves_with_its_scores():
    assert "FF605" not in found(at_thresholds([-0.1, 0.0, 0.1, 0.05]))
    assert "FF605" not in found(at_thresholds([0.0, 0.0, 0.0, 0.0]))  # a given one
    assert "FF605" not in found(at_thresholds([np.nan] * 4))  # none was chosen
    # scores of other units in each fold, as of searches that choose other settings, and thresholds with them
    units = np.array([1.0, 10.0, 100.0, 1000.0])

    def scaled(y, in_fold, rng):
        return (good(y, in_fold, rng) + 1) * units[in_fold]

    assert "FF605" not in found(at_thresholds(list(units), scaled))


def test_a_fold_of_difficult_images_has_no_other_threshold():
    """It lowers sensitivity and specificity together."""

    def difficult(y, in_fold, rng):
        s = good(y, in_fold, rng)
        return np.where(in_fold == 1, good(y, in_fold, rng, strength=0.8), s)

    said = found(at_thresholds([0.0, -0.3, 0.01, 0.02], difficult))
    assert "FF601" in said
    assert "FF605" not in said


def test_one_group_that_holds_a_third_of_a_fold():
    result = make({"svm": good})
    fractured = result.folds_of("svm")[1].test
    fractured = fractured[result.data.y[fractured] == 1]
    groups = np.arange(N)
    groups[fractured[: len(fractured) // 2]] = fractured[0]
    mixed = EvaluationResult(replace(result.data, groups=groups), result.fold_results, result.excluded, 0)
    finding = found(mixed)["FF606"]
    share = (len(fractured) // 2) / len(fractured)
    assert (finding.count, finding.examples) == (1, (f"fold 2: {share:.0%} of 'fractured'",))
    assert mixed.folds()["largest_group"].max() == pytest.approx(share)
    unknown = EvaluationResult(replace(result.data, groups=None), result.fold_results, result.excluded, 0)
    assert "FF606" not in found(unknown)


@pytest.mark.parametrize(("flipped", "said"), [(0.0, True), (0.2, False)])
def test_training_scores_far_above(flipped, said):
    """The test ROC AUC of a weak model, 0.71, is held against training scores without or with mistakes."""
    result = make({"svm": lambda *given: good(*given, strength=0.8)})

    def on_train(fold):
        y = result.data.y[fold.train].astype(float)
        y[: int(flipped * len(y))] = 1 - y[: int(flipped * len(y))]
        return np.column_stack([-y, y])

    of_both = found(changed(result, train_scores=on_train))
    (fold, *_), test = result.fold_results, result.folds()["roc_auc"].mean()
    assert roc_auc_score(result.data.y[fold.train], on_train(fold)[:, 1]) > test + 0.05
    assert ("FF607" in of_both) == said
    if said:
        assert of_both["FF607"].examples == (f"svm: ROC AUC 1.00 on training images, {test:.2f} on test images",)


def test_weighted_classes_where_it_shows():
    """Log-odds of balanced classes, where a tenth is fractured."""
    balanced = make({"svm": lambda *given: good(*given, prevalence=0.5)}, prevalence=0.1)
    finding = found(changed(balanced, weighted=lambda fold: True))["FF608"]
    mean = np.mean([fold.probabilities[:, 1].mean() for fold in balanced.fold_results])
    assert finding.examples == (f"svm: mean probability of 'fractured' {mean:.2f}, its share 0.10",)
    assert mean > 0.2
    assert "FF608" not in found(balanced)
    as_frequent = make({"svm": lambda *given: good(*given, prevalence=0.5)}, prevalence=0.5)
    assert "FF608" not in found(changed(as_frequent, weighted=lambda fold: True))
    without = changed(balanced, weighted=lambda fold: True, probabilities=lambda fold: None)
    assert "FF608" not in found(without)


WEIGHTED = LogisticRegression(class_weight="balanced")


@pytest.mark.parametrize(
    ("model", "weighted"),
    [
        (WEIGHTED, True),
        (LogisticRegression(), False),
        (LogisticRegression(class_weight={0: 1, 1: 5}), True),
        (DummyClassifier(), False),
        (Pipeline([("classifier", WEIGHTED)]), True),
        (make_pipeline("hog", "random_forest"), True),
        (make_pipeline("hog", "xgboost"), True),
        (make_pipeline(classifier="cnn"), True),
        (CalibratedClassifierCV(WEIGHTED), False),
        (Pipeline([("classifier", CalibratedClassifierCV(WEIGHTED))]), False),
        (SVC(class_weight="balanced"), False),
        (GridSearchCV(WEIGHTED, {}), True),
        (VotingClassifier([("a", LogisticRegression()), ("b", RandomForestClassifier(class_weight="balanced"))]), True),
        (StackingClassifier([("a", WEIGHTED)]), False),
        (StackingClassifier([("a", LogisticRegression())], WEIGHTED), True),
    ],
)
def test_which_models_weight_classes(model, weighted):
    assert weights_classes(model) == weighted


def test_a_search_is_asked_what_it_chose():
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    search = GridSearchCV(LogisticRegression(), {"class_weight": ["balanced"]}, cv=2).fit(X, y)
    assert weights_classes(search)


def prefers_large(model, X, y):
    return model[-1].C


def test_what_evaluate_keeps_is_found_again(data, tmp_path):
    """Classes that are weighted, and a grid: through the checkpoint too; two baselines weight classes."""
    search = GridSearchCV(
        make_pipeline("edges", "logistic", image_size=32),
        {"classifier__C": [0.0001, 0.001, 0.01]},
        scoring=prefers_large,
        cv=3,
    )
    models = {"search": search, "svm": make_pipeline("edges", "svm", image_size=32)}
    options = {"cv": 2, "random_state": 0, "checkpoint": tmp_path}
    first, again = evaluate(models, data, **options), evaluate(models, data, **options)
    for result in (first, again):
        weighted = {fold.model for fold in result.fold_results if fold.weighted}
        assert weighted == {METADATA, "shortcut probe", "search"}
        (example,) = found(result)["FF604"].examples
        assert example == "search: classifier__C = 0.01, the largest, in 2 of 2 folds"
    assert first.findings() == again.findings()
    calibrated = evaluate({"logistic": search.estimator}, data, cv=2, calibrate=True)
    assert not any(fold.weighted for fold in calibrated.fold_results)


def test_worst_first_and_at_most_three_examples():
    models = {f"model {k}": lambda *given, k=k: (1.5 + k) * good(*given) for k in range(5)}
    result = changed(make(models, prevalence=0.4), train_scores=lambda fold: np.zeros((len(fold.train), 2)))
    result = changed(result, "model 0", grid=lambda f: {"params": [], "mean_test_score": []})
    finding = found(result)["FF603"]
    assert finding.count == 5
    assert [text.split(":")[0] for text in finding.examples] == ["model 4", "model 3", "model 2"]
    weights = changed(result, weighted=lambda fold: True, probabilities=lambda f: 0.5 * f.probabilities + 0.25)
    assert [f.code for f in weights.findings()] == sorted(f.code for f in weights.findings())


def test_three_classes(data):
    """Measures are macro, the class named that is furthest off."""
    three = make_result(with_three_classes(replace(data, groups=np.arange(len(data)))), models=("hog",))
    said = found(changed(three, "hog", weighted=lambda f: True, probabilities=lambda f: f.scores * [1, 1, 0.1]))
    assert said["FF608"].examples[0].startswith("hog: mean probability of 'normal' 0.0")
    assert "FF601" not in said


def test_the_manifest_lists_findings():
    result = make({"weak": noise}, baseline=good)
    (listed,) = [each for each in json.loads(json.dumps(result.manifest()))["findings"] if each["code"] == "FF602"]
    assert listed["severity"] == CODES["FF602"].severity
    assert listed["count"] == 1
    assert listed["examples"] == list(found(result)["FF602"].examples)
    assert make({"svm": good}).manifest()["findings"] == []


MARKUP = Finding("FF601", 2, examples=("[red]<b>m</b>[/red]\x1b[31m: 0.5",), detail="by chance, `never`")


def test_the_screen_shows_five_and_no_markup(capsys):
    show_findings([MARKUP, *(Finding(f"FF10{k}", 1) for k in range(1, 7))], "Findings")
    shown = capsys.readouterr().err
    assert shown.startswith("Findings:\n  warning FF601 models differ")
    assert "[red]<b>m</b>[/red]\\x1b[31m: 0.5" in shown
    assert "\x1b" not in shown
    assert f"→ {CODES['FF601'].advice}" in shown
    assert "FF104" in shown
    assert "FF105" not in shown
    assert shown.endswith("and 2 more\n")
    show_findings([], "Findings")
    assert capsys.readouterr().err == ""


def test_the_page_lists_them(data, tmp_path):
    result = make_result(replace(data, groups=np.arange(len(data))), models=("edges",))
    assert result.findings() == []
    plain = write_report(result, tmp_path / "plain.html").read_text("utf-8")
    assert 'id="findings"' not in plain
    result = changed(make_result(data), train_scores=lambda f: np.column_stack([1 - data.y[f.train], data.y[f.train]]))
    named = [replace(fold, model=f"<i>{fold.model}</i>") for fold in result.fold_results]
    result = EvaluationResult(data, named, result.excluded, 0)
    page = write_report(result, tmp_path / "page.html").read_text("utf-8")
    section = page[page.index('<section id="findings">') : page.index('<section id="question">')]
    assert "<code>FF607</code>" in section
    assert "&lt;i&gt;hog&lt;/i&gt;: ROC AUC 1.00 on training images" in section
    assert "<i>" not in section
    assert "<code>FoldResult.train_scores</code>." in section
    assert '<a href="#findings">' in page


def test_findings_of_anything_go_on_the_page():
    (told,) = describe_findings([MARKUP])
    assert told["title"] == "Models differ between folds by more than chance allows: 2"
    assert told["advice"].endswith("has most of.")
    assert told["advice"][0].isupper()
