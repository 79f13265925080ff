import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, PredefinedSplit, StratifiedGroupKFold
from sklearn.svm import SVC

from fracture_features import evaluate, load_folder, make_pipeline
from fracture_features.evaluation import BASELINES, MAJORITY, exclude_unreadable
from fracture_features.exceptions import DatasetError, NoReadableImagesError, UngroupedDataWarning
from fracture_features.metrics import MEASURES
from fracture_features.results import EvaluationResult, FoldResult


@pytest.fixture(scope="module")
def result(data):
    models = {
        "hog": make_pipeline("hog", "svm", image_size=96, random_state=0),
        "edges": make_pipeline("edges", "random_forest", image_size=96, random_state=0),
    }
    return evaluate(models, data, cv=3, random_state=0)


def test_frame_has_a_row_for_each_model_and_measure(result):
    frame = result.frame()
    assert list(frame.columns) == [
        "model",
        "measure",
        "value",
        "low",
        "high",
        "inference",
        "above_baselines",
        "withheld",
    ]
    assert list(frame["model"].unique()) == [*BASELINES, "hog", "edges"] == result.models
    times = ["fit_minutes", "predict_ms"]
    without_probabilities = [name for name, measure in MEASURES.items() if measure.takes != "probabilities"]
    assert list(frame.loc[frame["model"] == "hog", "measure"]) == without_probabilities + times
    assert list(frame.loc[frame["model"] == "edges", "measure"]) == [*MEASURES, *times]
    with_interval = frame[frame["measure"].isin(["roc_auc", "accuracy", "sensitivity", "brier_score"])]
    assert (with_interval["low"] <= with_interval["value"]).all()
    assert (with_interval["value"] <= with_interval["high"]).all()
    pd.testing.assert_frame_equal(frame, result.frame())


def test_values_are_means_over_folds_of_scikit_learns(result):
    frame = result.frame().set_index(["model", "measure"])["value"]
    for model, predictions in result.predictions().groupby("model"):
        by_fold = []
        for _, fold in predictions.groupby("fold"):
            y, predicted = fold["label"] == "fractured", fold["predicted"] == "fractured"
            by_fold.append(
                (
                    reference.roc_auc_score(y, fold["score"]),
                    reference.accuracy_score(y, predicted),
                    reference.balanced_accuracy_score(y, predicted),
                    reference.recall_score(y, predicted),
                    reference.recall_score(y, predicted, pos_label=0),
                    reference.matthews_corrcoef(y, predicted),
                    reference.cohen_kappa_score(y, predicted),
                )
            )
        names = ["roc_auc", "accuracy", "balanced_accuracy", "sensitivity", "specificity", "mcc"]
        if model != MAJORITY:  # it calls nothing fractured: mcc has no value
            np.testing.assert_allclose(frame[model][[*names, "kappa"]], np.mean(by_fold, axis=0))


def test_the_majority_class_is_a_row_of_its_own(result):
    values = result.frame().set_index(["model", "measure"]).loc[MAJORITY, "value"]
    assert values["roc_auc"] == values["balanced_accuracy"] == 0.5
    assert values["sensitivity"] + values["specificity"] == pytest.approx(1)


def test_every_image_is_predicted_once_and_no_group_is_split(result, data):
    for _, predictions in result.predictions().groupby("model"):
        assert sorted(predictions["path"]) == sorted(data.paths)
        assert predictions.groupby("group")["fold"].nunique().max() == 1


def test_folds_are_those_of_the_stated_splitter(result, data):
    splits = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(data.paths, data.y, data.groups)
    for k, (_, test) in enumerate(splits, start=1):
        (fold,) = [fold for fold in result.fold_results if fold.model == "hog" and fold.fold == k]
        np.testing.assert_array_equal(fold.test, test)


def test_the_same_seed_gives_the_same_numbers(data):
    runs = [
        evaluate({"m": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=1).frame()
        for _ in range(2)
    ]
    timeless = [run[~run["measure"].isin(["fit_minutes", "predict_ms"])] for run in runs]
    pd.testing.assert_frame_equal(*timeless)


def test_models_are_not_touched(data):
    model = make_pipeline("edges", "svm", image_size=48)
    evaluate({"m": model}, data, cv=2, random_state=0)
    assert not hasattr(model[-1], "classes_")
    assert model["images"].cache is None


class TakesGroups(ClassifierMixin, BaseEstimator):
    """Remembers the groups it was fitted with."""

    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    seen = []  # noqa: RUF012

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        self.seen.append((list(X), list(groups)))
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_groups_are_routed_to_models_that_ask_and_to_searches(data):
    TakesGroups.seen.clear()
    search = GridSearchCV(make_pipeline("edges", "svm", image_size=48), {"classifier__C": [1, 2]}, cv=GroupKFold(2))
    evaluate({"asks": TakesGroups(), "search": search}, data, cv=2, random_state=0)
    assert len(TakesGroups.seen) == 2
    known = dict(zip(data.paths, data.groups, strict=True))
    for paths, groups in TakesGroups.seen:
        assert groups == [known[path] for path in paths]


def test_unreadable_files_are_left_out_and_listed(radiographs, tmp_path):
    copy = tmp_path / "copy"
    for path in sorted(radiographs.rglob("*.*")):
        if path.suffix != ".csv":
            (copy / path.parent.name).mkdir(parents=True, exist_ok=True)
            (copy / path.parent.name / path.name).write_bytes(path.read_bytes())
    cut, text = sorted((copy / "fractured").iterdir())[:2]
    cut.write_bytes(cut.read_bytes()[:-500])
    text.write_text("no image")
    data = load_folder(copy, groups=r"patient(\d+)")
    seen = []
    result = evaluate(
        {"m": make_pipeline("edges", "svm", image_size=48)}, data, cv=2, random_state=0, on_fold=seen.append
    )
    assert result.excluded["path"].tolist() == [str(cut), str(text)]
    assert result.excluded["label"].tolist() == ["fractured"] * 2
    assert "cut short" in result.excluded["reason"][0]
    assert len(result.data) == len(data) - 2
    assert [(fold.model, fold.fold) for fold in seen] == [(m, k) for m in (*BASELINES, "m") for k in (1, 2)]


def test_given_folds_are_of_the_images_before_unreadable_ones_are_left_out(data, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    paths = data.paths.copy()
    paths[3] = bad
    with_bad = replace(data, paths=paths)
    even = data.groups % 2 == 0
    kept = np.arange(len(data)) != 3
    expected = data.paths[kept & ~even]
    rows = np.flatnonzero(even), np.flatnonzero(~even)
    for cv in ([rows], [(even, ~even)], PredefinedSplit(np.where(even, -1, 0)), iter([(list(rows[0]), list(rows[1]))])):
        result = evaluate({"m": TakesGroups()}, with_bad, cv=cv, random_state=0)
        assert result.excluded["path"].tolist() == [str(bad)]
        predictions = result.predictions()
        assert predictions.loc[predictions["model"] == "m", "path"].tolist() == expected.tolist()


def test_no_readable_file(tmp_path):
    for name in ("fractured", "normal"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"")
    data = load_folder(tmp_path, groups=[0, 1])
    with pytest.raises(NoReadableImagesError, match=r"none of 2 files can be read.*empty"):
        exclude_unreadable(data)


def test_a_warning_where_groups_are_missing(radiographs):
    with pytest.warns(UngroupedDataWarning, match="No groups are given"):
        result = evaluate(
            {"m": make_pipeline("edges", "svm", image_size=48)}, load_folder(radiographs), cv=2, random_state=0
        )
    assert "group" not in result.predictions()


def test_given_splits_are_used(data):
    even = data.groups % 2 == 0
    splits = [(np.flatnonzero(even), np.flatnonzero(~even))]
    result = evaluate({"m": make_pipeline("edges", "svm", image_size=48)}, data, cv=splits, random_state=0)
    assert len(result.predictions()) == 4 * (~even).sum()


class PredictsOnly(ClassifierMixin, BaseEstimator):
    """Has labels, no scores."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({}, "models must map names to classifiers"),
        ([make_pipeline()], "models must map names to classifiers"),
        ({"m": "svm"}, r"models\['m'\] must be a classifier, got 'svm'"),
        ({"m": BaseEstimator}, r"models\['m'\] must be a classifier"),
        ({"m": LinearRegression()}, r"models\['m'\] must be a classifier, got LinearRegression\(\)"),
        ({"m": PredictsOnly()}, r"models\['m'\] must have predict_proba or decision_function, got PredictsOnly"),
        *(({name: make_pipeline()}, f"models: '{name}' is the name of a baseline") for name in BASELINES),
    ],
)
def test_bad_models(models, message, data):
    with pytest.raises(ValueError, match=message):
        evaluate(models, data)


def test_bad_data_and_seeds(data):
    with pytest.raises(ValueError, match="data must be a FractureDataset, got tuple"):
        evaluate({"m": make_pipeline()}, (data.paths, data.y))
    with pytest.raises(ValueError, match="external must be a FractureDataset, got str"):
        evaluate({"m": make_pipeline()}, data, external="folder")
    for bad in ("x", -1, 1.5, True):
        with pytest.raises(ValueError, match=f"random_state must be None or an integer .*, got {bad!r}"):
            evaluate({"m": make_pipeline()}, data, random_state=bad)


def test_a_file_that_is_named_twice(data):
    twice = data.subset([*range(len(data)), 7])
    with pytest.raises(DatasetError, match=f"data must name each file once, got '{data.paths[7]}' 2 times"):
        evaluate({"m": make_pipeline()}, twice)
    with pytest.raises(DatasetError, match="external must name each file once"):
        evaluate({"m": make_pipeline()}, data, external=twice)


def test_one_against_one_is_refused_for_three_classes(data):
    three = replace(data, y=np.arange(len(data)) % 3, target_names=["a", "b", "c"])
    model = make_pipeline("edges", SVC(decision_function_shape="ovo"))
    with pytest.raises(ValueError, match=r"classifier__decision_function_shape must be 'ovr', .* 3 classes, got 'ovo'"):
        evaluate({"m": model}, three)


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([], r"cv must be a number, a splitter, folds or 'split', got \[\], which has no fold"),
        (None, "cv must be a number, a splitter, folds or 'split', got None"),
        (2.5, "cv must be a number, a splitter, folds or 'split', got 2.5"),
        (True, "cv must be a number, a splitter, folds or 'split', got True"),
        (1, "cv must be at least 2 folds, got 1"),
        ([1, 2], "cv must give the rows that train and those that test, got 1 as fold 1 of 2"),
        ([([0, 1], [2, 60])], "cv: the test part of fold 1 of 1 must have rows from 0 to 59, got 60"),
        ([([0, -1], [2, 3])], "cv: the training part of fold 1 of 1 must have rows from 0 to 59, got -1"),
        ([([0.5], [2, 3])], "cv: the training part of fold 1 of 1 must be row numbers or a mask of 60 images"),
        ([([0, 1], [True])], "cv: the test part of fold 1 of 1 must be row numbers or a mask of 60 images, got bool"),
    ],
)
def test_bad_cv(cv, message, data):
    with pytest.raises(ValueError, match=message):
        evaluate({"m": TakesGroups()}, data, cv=cv)


def test_numpy_counts_folds_too(data):
    result = evaluate({"m": TakesGroups()}, data, cv=np.int64(2), n_repeats=np.int64(1), random_state=np.int64(0))
    assert result.folds()["fold"].max() == 2
    assert json.dumps(result.manifest()["random_state"]) == "0"


@pytest.mark.parametrize("cv", [GroupKFold(2), [([0], [1])], "split"])
def test_only_a_number_of_folds_is_repeated(cv, data):
    with pytest.raises(ValueError, match="n_repeats must be 1 where cv is no number of folds, got 2"):
        evaluate({"m": TakesGroups()}, data, cv=cv, n_repeats=2)


@pytest.mark.filterwarnings("ignore::fracture_features.exceptions.UngroupedDataWarning")
def test_no_image_is_in_both_parts(data):
    everything = np.arange(len(data))
    with pytest.raises(DatasetError, match="fold 1 of 1: 60 images stand in both training and test part"):
        evaluate({"m": TakesGroups()}, replace(data, groups=None), cv=[(everything, everything)])


def test_a_part_without_a_class_is_named(data):
    healthy = np.flatnonzero(data.y == 0)
    with pytest.raises(DatasetError, match=r"test part of fold 1 of 1 has no image of \['fractured'\]"):
        evaluate({"m": TakesGroups()}, data, cv=[(np.arange(len(data)), healthy)])
    with pytest.raises(DatasetError, match=r"training part of fold 1 of 1 has no image of \['fractured'\]"):
        evaluate({"m": TakesGroups()}, data, cv=[(healthy, np.arange(len(data)))])


def synthetic_result(data, n_classes, seed=0):
    """Random scores on two folds, without any model."""
    rng = np.random.default_rng(seed)
    folds = []
    for k, test in enumerate(np.array_split(rng.permutation(len(data)), 2), start=1):
        scores = rng.normal(size=(len(test), n_classes)) + 1.5 * np.eye(n_classes)[data.y[test]]
        train = np.setdiff1d(np.arange(len(data)), test)
        predicted = scores.argmax(axis=1)
        folds.append(FoldResult("m", k, train, test, predicted, scores, fit_seconds=60.0, predict_ms=2.5))
    return EvaluationResult(data, folds, pd.DataFrame(), random_state=0)


def test_studies_of_several_groups(data):
    frame = data.frame.assign(study=data.y)
    with pytest.raises(DatasetError, match="'study': 2 studies have images of several groups, '0' among them"):
        synthetic_result(replace(data, frame=frame), 2).by_study()


def test_studies_on_both_sides_of_a_split(data):
    rows = np.arange(len(data))
    order = np.argsort(data.y, kind="stable")
    ungrouped = replace(data.subset(order), groups=None, frame=pd.DataFrame({"study": rows // 2}, index=rows))
    ungrouped = replace(ungrouped, y=ungrouped.y[rows // 2 * 2])
    result = synthetic_result(ungrouped, 2)
    with pytest.raises(DatasetError, match=r"fold 1: \d+ studies have images in both training and test part"):
        result.by_study()
    scored = [replace(fold, train=np.empty(0, dtype=np.int64)) for fold in result.fold_results]
    assert len(EvaluationResult(ungrouped, scored, pd.DataFrame()).by_study().data) == 30


def test_more_than_two_classes_are_macro_averaged(tmp_path):
    for i in range(90):
        path = tmp_path / "abc"[i % 3] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    data = load_folder(tmp_path)
    result = synthetic_result(data, 3)
    values = result.frame().set_index("measure")["value"]
    auc, specificity = [], []
    for fold in result.fold_results:
        y, predicted = data.y[fold.test], fold.y_pred
        for k in range(3):
            auc.append(reference.roc_auc_score(y == k, fold.scores[:, k]))
            specificity.append(reference.recall_score(y != k, predicted != k))
    assert values["roc_auc"] == pytest.approx(np.mean(auc))
    assert values["specificity"] == pytest.approx(np.mean(specificity))
    assert values["sensitivity"] == pytest.approx(values["balanced_accuracy"])
    assert values["fit_minutes"] == 2
    assert values["predict_ms"] == 2.5
    assert {"score_a", "score_b", "score_c"} <= set(result.predictions())


def test_confidence_level(result):
    wide, narrow = (result.frame(confidence_level=level).set_index(["model", "measure"]) for level in (0.95, 0.5))
    at = ("hog", "roc_auc")
    assert wide.loc[at, "low"] < narrow.loc[at, "low"] <= narrow.loc[at, "high"] < wide.loc[at, "high"]
