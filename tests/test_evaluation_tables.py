"""Tables from predictions that are drawn here: no model is fitted."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_score, roc_auc_score
from sklearn.model_selection import StratifiedShuffleSplit

from fracture_features.datasets import FractureDataset
from fracture_features.evaluation import MAJORITY, METADATA
from fracture_features.exceptions import DatasetError
from fracture_features.metrics import MEASURES, effective_test_fraction
from fracture_features.results import (
    EvaluationResult,
    FoldResult,
    count_copies,
    describe_dominance,
    describe_withheld,
    digest_of,
)

N = 400


def draw(strengths, n_folds=4, seed=0, **columns):
    """Two images a patient; models whose scores are normal, apart by their strength."""
    rng = np.random.default_rng(seed)
    patients = np.arange(N) // 2
    y = (rng.random(N // 2) < 0.4).astype(np.int64)[patients]
    data = FractureDataset(
        paths=np.array([f"{i}.png" for i in range(N)]),
        y=y,
        target_names=["normal", "fractured"],
        groups=patients,
        frame=pd.DataFrame({"study": patients, **columns}, index=range(N)),
    )
    in_fold = patients % n_folds
    noise = rng.normal(size=N)
    folds = []
    for model, strength in strengths.items():
        score = strength * y + noise + rng.normal(scale=0.3, size=N)
        for k in range(n_folds):
            test, train = np.flatnonzero(in_fold == k), np.flatnonzero(in_fold != k)
            s = score[test]
            p = 1 / (1 + np.exp(-s))
            both = np.column_stack([-s, s]), np.column_stack([1 - p, p])
            role = "baseline" if model in (MAJORITY, METADATA) else "model"
            folds.append(FoldResult(model, k + 1, train, test, (s > 0).astype(np.int64), *both, role=role))
    return EvaluationResult(data, folds, pd.DataFrame(columns=["path", "label", "reason"]), random_state=0)


@pytest.fixture(scope="module")
def result():
    side = np.where(np.arange(N) < 380, np.where(np.arange(N) % 4 < 2, "left", "right"), "both")
    return draw({MAJORITY: 0.0, METADATA: 0.8, "weak": 0.8, "strong": 2.0}, side=side)


def test_a_comparison_is_paired_corrected_and_against_the_best_baseline(result):
    frame = result.comparison().set_index("model")
    assert set(frame["reference"]) == {METADATA}
    values = result.frame().set_index(["measure", "model"]).loc["roc_auc", "value"]
    for model, row in frame.iterrows():
        assert row["difference"] == pytest.approx(values[model] - values[METADATA])
        assert row["low"] <= row["difference"] <= row["high"]
        if model == MAJORITY:  # no model that was tried: not in the family
            assert np.isnan(row["p_holm"])
        else:
            assert row["p_value"] <= row["p_holm"] <= 1
    assert frame.loc["strong", "p_holm"] < 0.01
    assert frame.loc["weak", "p_holm"] > 0.05
    # the scores share most of their noise: unpaired, the interval would be about as wide as that of a value
    own = result.frame().set_index(["measure", "model"]).loc["roc_auc", "weak"]
    assert frame.loc["weak", "high"] - frame.loc["weak", "low"] < 0.6 * (own["high"] - own["low"])


def test_what_a_fold_leaves_undefined_is_of_all_folds_together(result):
    """One fold calls nothing fractured: PPV has a value and a comparison."""
    folds = [
        replace(f, y_pred=np.zeros_like(f.y_pred)) if f.model == "weak" and f.fold == 1 else f
        for f in result.fold_results
    ]
    changed = EvaluationResult(result.data, folds, result.excluded, random_state=0)
    values = changed.frame().set_index(["model", "measure"])["value"]
    own = [fold for fold in folds if fold.model == "weak"]
    y, predicted = (np.concatenate(x) for x in ([result.data.y[f.test] for f in own], [f.y_pred for f in own]))
    assert values["weak", "ppv"] == pytest.approx(precision_score(y, predicted))
    p = np.concatenate([fold.probabilities[:, 1] for fold in own])
    for name in ("calibration_intercept", "calibration_slope"):
        expected = MEASURES[name](y, p, np.ones((1, len(y))))[0]
        assert values["weak", name] == pytest.approx(expected)
    row = changed.comparison("strong", measure="ppv").set_index("model").loc["weak"]
    assert np.isfinite(row[["difference", "low", "high", "p_holm"]].astype(float)).all()


def test_repetitions_of_pooled_measures_are_averaged():
    """The same predictions twice, in other folds: the same value."""
    once = draw({"m": 1.0})
    again = draw({"m": 1.0}, n_folds=5)
    twice = [*once.fold_results, *(replace(fold, fold=fold.fold + 4) for fold in again.fold_results)]
    both = EvaluationResult(once.data, twice, once.excluded, random_state=0)
    for measure in ("ppv", "calibration_slope"):
        a, b = (x.frame(inference="models").set_index("measure").loc[measure] for x in (once, both))
        assert b["value"] == pytest.approx(a["value"])
        assert (b["low"], b["high"]) == pytest.approx((a["low"], a["high"]))


def test_random_splits_are_repetitions_of_their_own():
    """Ten test parts that overlap: each is one whole repetition, with every class, whatever was tested before."""
    plain = draw({"m": 1.0}, n_folds=1)
    (fold,), y = plain.fold_results, plain.data.y
    splits = StratifiedShuffleSplit(10, test_size=0.1, random_state=0).split(y, y)
    folds = [replace(fold.subset(test), fold=k, train=train) for k, (train, test) in enumerate(splits, start=1)]
    frame = EvaluationResult(plain.data, folds, plain.excluded, 0).frame().set_index("measure")
    expected = [precision_score(y[each.test], each.y_pred) for each in folds]
    assert frame.loc["ppv", "value"] == pytest.approx(np.mean(expected))
    assert frame.loc["ppv", "low"] < frame.loc["ppv", "value"] < frame.loc["ppv", "high"]


def test_a_subset_of_repetitions_may_lack_folds():
    """Two folds of different repetitions are left, which share images of one class alone."""
    whole = draw({"m": 1.0}, n_folds=1)
    (fold,), y = whole.fold_results, whole.data.y
    fractured, others = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    tests = [np.r_[fractured[:40], others[:60]], np.r_[fractured[20:60], others[60:120]]]
    folds = [replace(fold.subset(np.sort(test)), fold=k) for k, test in enumerate(tests, start=1)]
    value = EvaluationResult(whole.data, folds, whole.excluded, 0).frame().set_index("measure").loc["ppv", "value"]
    assert value == pytest.approx(np.mean([precision_score(y[each.test], each.y_pred) for each in folds]))


def test_a_model_without_the_measure_is_left_out_of_the_comparison(result):
    folds = [replace(f, probabilities=None) if f.model == "weak" else f for f in result.fold_results]
    changed = EvaluationResult(result.data, folds, result.excluded, random_state=0)
    assert set(changed.comparison(measure="brier_score")["model"]) == {MAJORITY, "strong"}
    with pytest.raises(ValueError, match=r"measure='brier_score' is none of the measures .* of 'weak'"):
        changed.comparison("weak", measure="brier_score")
    none = EvaluationResult(result.data, [f for f in folds if f.model == "weak"], result.excluded)
    assert len(none.reliability()) == 0


def test_what_was_trained_once_has_intervals_of_the_models_alone(result):
    single = EvaluationResult(result.data, [fold for fold in result.fold_results if fold.fold == 1], result.excluded, 0)
    assert set(single.frame()["inference"].dropna()) == {"models"}
    nothing_trained = [replace(fold, train=np.empty(0, np.int64)) for fold in result.fold_results]
    external = EvaluationResult(result.data, nothing_trained, result.excluded, 0)
    for each in (single, external):
        with pytest.raises(ValueError, match="needs several folds with training parts in these data"):
            each.frame(inference="method")
    with pytest.raises(ValueError, match=r"inference must be None or one of \('method', 'models'\), got 'model'"):
        result.comparison(inference="model")


def test_few_groups_of_the_rarer_class_are_told(result):
    """Kish: (Σ n)² / Σ n² of the fractured images of each patient."""
    assert describe_dominance(result) == ""
    fractured = np.flatnonzero(result.data.y == 1)
    for sizes, said in (
        ([len(fractured)], "count like 1 group."),
        ([20, 20, 20], "count like 3 groups of equal size."),
    ):
        groups = np.full(N, -1)
        groups[fractured[: sum(sizes)]] = np.repeat(range(len(sizes)), sizes)
        kept = (groups >= 0) | (result.data.y == 0)
        few = EvaluationResult(replace(result.data, groups=groups), result.fold_results, result.excluded, 0)
        assert said in describe_dominance(few.subset(kept))


def test_a_model_no_better_than_a_baseline_is_marked(result):
    marks = result.frame().drop_duplicates("model").set_index("model")["above_baselines"]
    assert marks["strong"] is True
    assert marks["weak"] is False
    assert marks[METADATA] is None


def test_what_is_not_known_to_be_shared_is_empty(result, tmp_path):
    unknown = EvaluationResult(replace(result.data, groups=None), result.fold_results, result.excluded, 0)
    folds = unknown.folds()
    assert folds["groups_shared"].isna().all()
    folds.to_csv(tmp_path / "folds.csv", index=False)
    assert (tmp_path / "folds.csv").read_text().splitlines()[1].split(",")[4] == ""
    assert str(folds["groups_shared"].dtype) == str(result.folds()["groups_shared"].dtype) == "Int64"


def test_copies_in_the_training_part_are_counted(result):
    content = [f"{i}" for i in range(N)]
    content[0], content[1], content[7] = content[2], None, None  # patients 0 and 1 are in different folds
    data = result.data.with_files(pd.DataFrame({"sha256": content}))
    assert count_copies(EvaluationResult(data, result.fold_results, result.excluded, 0)) == 2
    assert count_copies(EvaluationResult(data, [], result.excluded, 0)) == 0


def test_folds_share_no_patient_and_have_scikit_learns_values(result):
    frame = result.folds()
    assert (frame["groups_shared"] == 0).all()
    assert (frame["n_train"] + frame["n_test"] == N).all()
    for fold, row in zip(result.fold_results, frame.itertuples(), strict=True):
        assert row.roc_auc == pytest.approx(roc_auc_score(result.data.y[fold.test], fold.scores[:, 1]))


def test_subgroups(result):
    frame = result.subgroups("side")
    columns = ["model", "side", "n", "n_fractured", "n_evaluated", "measure", "value", "low", "high"]
    assert list(frame.columns) == columns
    both = frame[frame["side"] == "both"]
    assert both["n"].max() <= 20
    assert both["n_fractured"].max() < 10
    assert both["value"].isna().all()
    assert (both["n_evaluated"] == 0).all()
    left = frame[(frame["side"] == "left") & (frame["measure"] == "roc_auc") & (frame["model"] == "strong")].iloc[0]
    rows = (result.data.frame["side"] == "left").to_numpy()
    own = [
        roc_auc_score(result.data.y[f.test][rows[f.test]], f.scores[rows[f.test], 1])
        for f in result.fold_results
        if f.model == "strong" and len(set(result.data.y[f.test][rows[f.test]])) == 2
    ]
    assert left["value"] == pytest.approx(np.mean(own))
    assert left["low"] < left["value"] < left["high"]


def lacking_classes():
    """Wrists lack fractures in the first fold, shoulders a class in every fold; elbows are few."""
    plain = draw({"m": 1.0})
    y, fold = plain.data.y, np.arange(N) // 2 % 4
    part = np.where(np.arange(N) < 200, "wrist", "hand").astype(object)
    part[(part == "wrist") & (fold == 0) & (y == 1)] = "hand"
    part[np.flatnonzero((fold == 1) & (y == 0))[-12:]] = "shoulder"
    part[np.flatnonzero((fold == 2) & (y == 1))[-12:]] = "shoulder"
    part[np.flatnonzero((fold == 3) & (y == 0))[-5:]] = "elbow"
    return replace(plain.data, frame=plain.data.frame.assign(part=part)), plain


def test_a_subgroup_has_all_its_tested_images_and_the_value_is_of_folds_with_every_class():
    data, plain = lacking_classes()
    result = EvaluationResult(data, plain.fold_results, plain.excluded, 0)
    part, y = data.frame["part"].to_numpy(), data.y
    frame = result.subgroups("part", measures=["roc_auc", "sensitivity"]).set_index(["part", "measure"])
    for name in ("elbow", "hand", "shoulder", "wrist"):
        assert (frame.loc[name, "n"] == (part == name).sum()).all()
        assert (frame.loc[name, "n_fractured"] == y[part == name].sum()).all()
    assert np.bincount(y[part == "shoulder"]).tolist() == [12, 12]
    for name in ("elbow", "shoulder"):
        assert (frame.loc[name, "n_evaluated"] == 0).all()
        assert frame.loc[name, ["value", "low", "high"]].isna().all(axis=None)
    own = [fold.subset(part[fold.test] == "wrist") for fold in plain.fold_results[1:]]
    assert (frame.loc["wrist", "n_evaluated"] == sum(len(fold.test) for fold in own)).all()
    assert (frame.loc["wrist", "n_evaluated"] < frame.loc["wrist", "n"]).all()
    values = [roc_auc_score(y[fold.test], fold.scores[:, 1]) for fold in own]
    assert frame.loc[("wrist", "roc_auc"), "value"] == pytest.approx(np.mean(values))
    found = [fold.y_pred[y[fold.test] == 1].mean() for fold in own]
    assert frame.loc[("wrist", "sensitivity"), "value"] == pytest.approx(np.mean(found))
    assert (frame.loc["hand", "n_evaluated"] == frame.loc["hand", "n"]).all()


@pytest.mark.parametrize(("n_fractured", "has_a_value"), [(9, False), (10, True)])
def test_a_subgroup_needs_ten_images_of_each_class(n_fractured, has_a_value):
    plain = draw({"m": 0.8}, n_folds=1)
    fractured, healthy = np.flatnonzero(plain.data.y == 1), np.flatnonzero(plain.data.y == 0)
    part = np.full(N, "other")
    part[[*fractured[:n_fractured], *healthy[:50]]] = "wrist"
    data = replace(plain.data, frame=plain.data.frame.assign(part=part))
    table = EvaluationResult(data, plain.fold_results, plain.excluded, 0).subgroups("part", measures=["roc_auc"])
    row = table.set_index("part").loc["wrist"]
    assert row["n_fractured"] == n_fractured
    assert (row["n_evaluated"] > 0) == has_a_value == np.isfinite(row["value"])


def test_a_subgroup_of_one_fold_has_an_interval_of_what_all_others_have():
    """Of the method: the variance of these fitted models times 2 less the share that a test part holds."""
    plain = draw({"m": 0.8})
    where = np.where(np.isin(np.arange(N), plain.fold_results[0].test), "first", "others")
    data = replace(plain.data, frame=plain.data.frame.assign(side=where))
    result = EvaluationResult(data, plain.fold_results, plain.excluded, 0)
    table = result.subgroups("side", measures=["roc_auc"]).set_index("side")
    alone = EvaluationResult(data, plain.fold_results[:1], plain.excluded, 0)
    alone.estimates.value("m", "roc_auc")
    expected = alone.estimates.interval("m", "roc_auc", 0.95, 0.25)
    assert tuple(table.loc["first", ["low", "high"]]) == pytest.approx(tuple(expected))


def test_a_subgroup_counts_an_image_once_however_often_it_is_tested():
    data, plain = lacking_classes()
    again = [replace(fold, fold=fold.fold + 4) for fold in plain.fold_results]
    columns = ["part", "n", "n_fractured", "n_evaluated", "measure", "value"]
    once, twice = (
        EvaluationResult(data, folds, plain.excluded, 0).subgroups("part")[columns]
        for folds in (plain.fold_results, plain.fold_results + again)
    )
    pd.testing.assert_frame_equal(once, twice)


def test_a_subgroup_counts_what_was_tested():
    data, plain = lacking_classes()
    frame = EvaluationResult(data, plain.fold_results[:1], plain.excluded, 0).subgroups("part").set_index("part")
    tested = data.frame["part"].iloc[plain.fold_results[0].test].value_counts()
    assert frame["n"].groupby("part").first().to_dict() == {"elbow": 0, "shoulder": 0, **tested}


def test_ppv_at_a_prevalence_is_bayes(result):
    values = result.frame(prevalences=[0.02]).set_index(["model", "measure"])["value"]["strong"]
    rows = result.predictions().query("model == 'strong'")
    true, called = rows["label"] == "fractured", rows["predicted"] == "fractured"
    sensitivity, false_alarms = called[true].mean(), called[~true].mean()
    expected = sensitivity * 0.02 / (sensitivity * 0.02 + false_alarms * 0.98)
    assert values["ppv at 0.02"] == pytest.approx(expected)


@pytest.mark.parametrize(("how", "pool"), [("mean", np.mean), ("max", np.max)])
def test_studies_pool_their_images(result, how, pool):
    studies = result.by_study(how=how)
    assert len(studies.data) == N // 2
    predictions = studies.predictions().query("model == 'strong'").set_index("group")
    images = result.predictions().query("model == 'strong'").groupby("group")
    np.testing.assert_allclose(predictions["score"].sort_index(), images["score"].apply(pool))
    np.testing.assert_allclose(predictions["probability"].sort_index(), images["probability"].apply(pool))
    assert ((predictions["predicted"] == "fractured") == (predictions["score"] > 0)).all()
    assert (studies.folds()["n_train"] == 150).all()


def test_reliability_is_scikit_learns_calibration_curve(result):
    frame = result.reliability(n_bins=5).query("model == 'strong'")
    predictions = result.predictions().query("model == 'strong'")
    observed, predicted = calibration_curve(predictions["label"] == "fractured", predictions["probability"], n_bins=5)
    np.testing.assert_allclose(frame["observed"], observed)
    np.testing.assert_allclose(frame["predicted"], predicted)
    assert frame["n"].sum() == N
    assert set(frame["class"]) == {"fractured"}


def test_a_probability_of_1_is_in_the_last_bin(result):
    fold = result.folds_of("strong")[0]
    sure = replace(fold, probabilities=np.tile([0.0, 1.0], (len(fold.test), 1)))
    frame = EvaluationResult(result.data, [sure], result.excluded, 0).reliability(n_bins=5)
    assert frame[["predicted", "n"]].values.tolist() == [[1.0, len(fold.test)]]
    almost = np.where(np.arange(len(fold.test)) < 2, 0.9, 1.0)
    mixed = replace(fold, probabilities=np.column_stack([1 - almost, almost]))
    assert len(EvaluationResult(result.data, [mixed], result.excluded, 0).reliability(n_bins=5)) == 1


def test_bad_studies(result):
    with pytest.raises(ValueError, match="column='x' is none of the columns"):
        result.by_study("x")
    with pytest.raises(ValueError, match="how must be one of"):
        result.by_study(how="median")
    with pytest.raises(ValueError, match=r"label must be one of \['any', 'same'\], got 'all'"):
        result.by_study(label="all")
    with pytest.raises(DatasetError, match=r"studies have images of different classes, '0.0' among them; label='any'"):
        draw({"m": 1.0}, study=np.zeros(N)).by_study()
    with pytest.raises(DatasetError, match="must name the study of every image, got 1 missing"):
        draw({"m": 1.0}, study=[None, *range(N - 1)]).by_study()


def test_bad_names(result):
    with pytest.raises(ValueError, match="reference='svm' is none of the models"):
        result.comparison("svm")
    with pytest.raises(ValueError, match="measure='auc' is none of the measures"):
        result.comparison(measure="auc")
    with pytest.raises(ValueError, match="there is no baseline among the models"):
        draw({"m": 1.0}).comparison()
    with pytest.raises(ValueError, match="column='age' is none of the columns"):
        result.subgroups("age")


def test_the_manifest_tells_of_files_and_folds(tmp_path):
    result = draw({"m": 1.0})
    paths = [tmp_path / f"{i}.png" for i in range(N)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i % 256]))
    object.__setattr__(result.data, "paths", np.array([str(path) for path in paths]))
    manifest = result.manifest()
    assert manifest["data"]["files"][str(paths[3])] == hashlib.sha256(b"\3").hexdigest()
    assert manifest["data"]["images"] == N
    assert manifest["folds"][2]["train"]["groups"] == 150
    assert sum(manifest["folds"][2]["test"]["classes"].values()) == 100
    assert manifest["random_state"] == 0
    assert "scikit-learn" in manifest["versions"]
    before = manifest["data"]["digest"]
    paths[5].write_bytes(b"other")
    assert result.manifest()["data"]["digest"] == before  # of the files as they were read
    assert digest_of(replace(result.data)) != before


def test_models_that_fit_their_training_images_no_better_have_narrower_intervals(result):
    """Nadeau and Bengio's correlation counts as far as training images are told apart better than others."""
    model, scores, y = result.folds_of("strong"), np.empty((N, 2)), result.data.y
    for fold in model:
        scores[fold.test] = fold.scores
    value = result.estimates.value("strong", "roc_auc")

    def fraction(train_scores, of=result):
        folds = [replace(fold, train_scores=train_scores[fold.train]) for fold in model]
        return EvaluationResult(of.data, folds, of.excluded, 0).estimates.fraction_for(None, "strong")

    assert fraction(np.column_stack([-y, y])) == result.estimates.test_fraction == 0.25
    assert fraction(scores) > 0.9
    better = scores + 0.5 * np.column_stack([-y, y])
    fitted = np.mean([roc_auc_score(y[fold.train], better[fold.train, 1]) for fold in model])
    assert fraction(better) == pytest.approx(effective_test_fraction(0.25, fitted, value))
    folds = [replace(fold, train_scores=better[fold.train]) for fold in model]
    both = EvaluationResult(result.data, [*folds, *result.folds_of("weak")], result.excluded, 0)
    estimates = both.estimates
    assert estimates.fraction_for(None, "weak") == 0.25
    assert estimates.fraction_for("models", "strong") is None
    assert estimates.fraction_for(None, "weak", "strong") == pytest.approx((fraction(better) + 0.25) / 2)
    limits, low, high = (
        both.frame().set_index(["model", "measure"]).loc[("strong", "roc_auc"), ["low", "high"]],
        *estimates.interval("strong", "roc_auc", 0.95, 0.25),
    )
    assert low < limits["low"] < limits["high"] < high
    some = both.subset(np.arange(N) % 4 < 2)  # whose training images are others
    assert some.estimates.fraction_for(None, "strong") == 0.25


def with_probabilities(p, groups=True):
    """A model in four folds that gives these probabilities of a fracture."""
    plain = draw({"m": 0.0})
    both = np.column_stack([1 - p, p])
    folds = [replace(fold, probabilities=both[fold.test], scores=both[fold.test]) for fold in plain.fold_results]
    data = plain.data if groups else replace(plain.data, groups=None)
    return EvaluationResult(data, folds, plain.excluded, random_state=0)


@pytest.mark.parametrize(
    ("change", "groups", "why"),
    [
        (lambda p, first: p, True, "the probabilities part the classes or are all the same"),
        (lambda p, first: np.where(np.isin(np.arange(N), [first, first + 1]), 0.1, p), True, "but for one group"),
        (
            lambda p, first: np.where(np.arange(N) == first, 0.1, p),
            False,
            "the classes are separated but for one image",
        ),
        (lambda p, first: np.where(np.arange(N) % 10 == 0, 1 - p, p), True, None),
    ],
)
def test_a_withheld_slope_says_why(change, groups, why):
    y = draw({"m": 0.0}).data.y
    p = 0.2 + 0.6 * y + np.linspace(0, 0.05, N)
    result = with_probabilities(change(p, int(np.flatnonzero(y)[0])), groups)
    frame = result.frame().set_index("measure")
    withheld = frame.loc["calibration_slope", "withheld"]
    assert np.isnan(frame.loc["calibration_slope", "low"]) == (why is not None)
    assert pd.isna(withheld) if why is None else why in withheld
    assert pd.isna(frame.loc["roc_auc", "withheld"])
    said = describe_withheld(result.frame(), {"calibration_slope": "Slope", "roc_auc": "ROC AUC"})
    assert said == ("" if why is None else f"No interval: Slope of m ({withheld}).")


def test_too_few_groups_are_said_once_for_all_models(result):
    few = EvaluationResult(replace(result.data, groups=result.data.y), result.fold_results, result.excluded, 0)
    said = describe_withheld(few.frame(), {"roc_auc": "ROC AUC", "sensitivity": "Sensitivity"})
    models = ", ".join([MAJORITY, METADATA, "weak", "strong"])
    assert said == f"No interval: ROC AUC, Sensitivity of {models} (a class has fewer than two groups)."
