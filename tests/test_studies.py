"""Studies and patients with images of both classes, on scores that can be pooled by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fracture_features import evaluate, make_pipeline
from fracture_features.datasets import FractureDataset
from fracture_features.exceptions import DatasetError
from fracture_features.results import EvaluationResult, FoldResult

# patient, view, fractured, probability of a fracture; the first fold tests patients a to d
IMAGES = [
    ("a", "ap", 0, 0.2),
    ("a", "lateral", 1, 0.9),
    ("b", "ap", 0, 0.4),
    ("b", "lateral", 0, 0.6),
    ("c", "ap", 1, 0.8),
    ("c", "lateral", 0, 0.2),
    ("c", "oblique", 0, 0.2),
    ("d", "ap", 0, 0.1),
    ("e", "ap", 1, 0.7),
    ("e", "lateral", 1, 0.5),
    ("f", "ap", 0, 0.3),
    ("f", "lateral", 0, 0.4),
]
LABEL = {"a": 1, "b": 0, "c": 1, "d": 0, "e": 1, "f": 0}
POOLED = {
    "mean": {"a": 0.55, "b": 0.5, "c": 0.4, "d": 0.1, "e": 0.6, "f": 0.35},
    "max": {"a": 0.9, "b": 0.6, "c": 0.8, "d": 0.1, "e": 0.7, "f": 0.4},
}


def make(threshold=np.nan, images=IMAGES, **columns):
    patients, views, y, p = (np.array(column) for column in zip(*images, strict=True))
    frame = pd.DataFrame({"patient": patients, "view": views, **columns})
    data = FractureDataset(
        paths=np.array([f"{i}.png" for i in range(len(images))]),
        y=y.astype(np.int64),
        target_names=["normal", "fractured"],
        groups=patients,
        frame=frame,
    )
    folds = []
    for k, is_tested in enumerate((patients < "e", patients >= "e"), start=1):
        test, train = np.flatnonzero(is_tested), np.flatnonzero(~is_tested)
        scores = np.column_stack([1 - p[test], p[test]])
        y_pred = (p[test] >= (0.5 if np.isnan(threshold) else threshold)).astype(np.int64)
        folds.append(FoldResult("m", k, train, test, y_pred, scores, scores, threshold))
    return EvaluationResult(data, folds, pd.DataFrame(columns=["path", "label", "reason"]), random_state=0)


def test_a_patient_at_the_threshold_is_called_fractured():
    """Patient f has the largest score 0.4, which is the threshold."""
    predictions = make(threshold=0.4).by_study("patient", how="max", label="any").predictions().set_index("group")
    assert predictions.loc["f", "score"] == 0.4
    assert predictions.loc["f", "predicted"] == "fractured"
    assert predictions.loc["d", "predicted"] == "normal"


@pytest.mark.parametrize("how", ["mean", "max"])
def test_a_patient_is_fractured_if_any_view_is(how):
    patients = make(threshold=0.5).by_study("patient", how=how, label="any")
    assert dict(zip(patients.data.groups, patients.data.y, strict=True)) == LABEL
    predictions = patients.predictions().set_index("group")
    assert (predictions["label"] == "fractured").astype(int).to_dict() == LABEL
    for column in ("score", "probability"):
        assert predictions[column].to_dict() == pytest.approx(POOLED[how])
    called = {name: score >= 0.5 for name, score in predictions["score"].items()}
    assert (predictions["predicted"] == "fractured").to_dict() == called
    values = patients.frame().set_index("measure")["value"]
    # Of the pairs in the first fold c comes after b by the mean alone; the second fold has one pair.
    assert values["roc_auc"] == {"mean": (3 / 4 + 1) / 2, "max": 1}[how]
    assert values["sensitivity"] == {"mean": (1 / 2 + 1) / 2, "max": 1}[how]
    assert values["specificity"] == {"mean": (1 / 2 + 1) / 2, "max": (1 / 2 + 1) / 2}[how]
    assert patients.folds()["groups_shared"].eq(0).all()
    assert patients.folds()["n_train"].tolist() == [2, 4]


def test_the_row_of_a_study_is_an_image_of_its_class():
    """The path that a table names beside "fractured" is one that shows the fracture."""
    data = make().by_study("patient", label="any").data
    assert data.frame["view"].tolist() == ["lateral", "ap", "ap", "ap", "ap", "ap"]
    assert data.paths.tolist() == [f"{i}.png" for i in (1, 2, 4, 7, 8, 10)]


def test_studies_smaller_than_patients():
    """One view of d's wrist is called fractured, and of a's none of the wrist is."""
    images = [*IMAGES, ("a", "wrist", 0, 0.3), ("a", "wrist", 0, 0.4), ("d", "wrist", 0, 0.5), ("d", "wrist", 1, 0.7)]
    study = [f"{p} {'wrist' if v == 'wrist' else 'elbow'}" for p, v, *_ in images]
    studies = make(images=images, study=study).by_study(how="max", label="any")
    predictions = studies.predictions()
    rows = predictions[predictions["group"].isin(["a", "d"])]
    assert rows["label"].tolist() == ["fractured", "normal", "normal", "fractured"]  # elbow and wrist of a, of d
    assert rows["score"].tolist() == [0.9, 0.4, 0.1, 0.7]


def test_mixed_labels_are_refused_unless_asked_for():
    with pytest.raises(DatasetError, match="2 studies have images of different classes, 'a' among them; label='any'"):
        make().by_study("patient")
    result = make()
    three = replace(result.data, y=np.array([0, 2, *result.data.y[2:]]), target_names=["x", "y", "z"])
    many = [
        replace(fold, scores=np.eye(3)[three.y[fold.test]], probabilities=None, y_pred=three.y[fold.test])
        for fold in result.fold_results
    ]
    with pytest.raises(DatasetError, match=r"2 studies have images of different classes, 'a' among them$"):
        EvaluationResult(three, many, result.excluded).by_study("patient", label="any")


def test_any_changes_nothing_where_labels_agree():
    images = [(p, v, LABEL[p], s) for p, v, _, s in IMAGES]
    same, other = (make(images=images).by_study("patient", label=label) for label in ("same", "any"))
    pd.testing.assert_frame_equal(same.predictions(), other.predictions())


def test_a_class_that_no_study_has_any_more():
    images = [(p, v, 1 if p in "ef" and v == "lateral" else y, s) for p, v, y, s in IMAGES]
    with pytest.raises(DatasetError, match="fold 2: of 2 studies in its test part none is 'normal'"):
        make(images=images).by_study("patient", label="any")


def test_images_that_no_model_was_tested_on_count_for_the_label():
    kept = make().subset(np.array([view != "lateral" for _, view, _, _ in IMAGES]))
    predictions = kept.by_study("patient", label="any").predictions().set_index("group")
    assert predictions.loc["a", "label"] == "fractured"
    assert predictions.loc["a", "score"] == 0.2


def test_external_images_by_patient_too():
    outside = make()
    result = make()
    result.external = outside
    pooled = result.by_study("patient", how="max", label="any").external
    assert pooled.predictions().set_index("group")["score"].to_dict() == pytest.approx(POOLED["max"])


def test_patients_of_an_evaluation(data):
    """Groups hold images of both classes, as a patient's healthy side does."""
    y = np.where(data.groups % 2 == 0, np.arange(len(data)) % 2, 0).astype(np.int64)
    mixed = replace(data, y=y, frame=data.frame.assign(PatientID=data.groups))
    assert any(len(np.unique(y[data.groups == group])) == 2 for group in data.groups)
    model = make_pipeline("edges", "logistic", image_size=48)
    result = evaluate({"m": model}, mixed, cv=2, random_state=0).by_study("PatientID", how="max", label="any")
    expected = pd.Series(y).groupby(data.groups).max()
    found = pd.Series(result.data.y, index=result.data.groups).sort_index()
    assert found.to_dict() == expected.to_dict()
    assert result.frame().query("measure == 'roc_auc'")["value"].notna().all()
