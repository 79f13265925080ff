"""Training a model, what it says of files, and what its decision promises."""

import json
import math
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from fracture_features import evaluate, load_folder, load_model, make_pipeline, make_radiographs, train_model
from fracture_features.cli import ExitCode, main
from fracture_features.evaluation._splits import inner_splits
from fracture_features.exceptions import DatasetError, DatasetWarning, ModelFileError, UngroupedDataWarning
from fracture_features.model import (
    Calibration,
    Decision,
    FractureModel,
    Novelty,
    evaluate_model,
    read_manifest,
    write_model_file,
)
from fracture_features.model._decision import choose_decision, estimate_decision, rule_out_threshold

PATIENT = r"patient(\d+)"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = make_radiographs(60, folder=tmp_path_factory.mktemp("model") / "drawn", random_state=1)
    return load_folder(folder, groups=PATIENT)


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline("edges", "svm", image_size=48)


@pytest.fixture(scope="module")
def model(data, pipeline):
    return train_model(pipeline, data, operating_point=("rule-out", 0.8), calibrate=True, name="edges", random_state=0)


def test_it_is_a_classifier_over_paths(model, data):
    assert is_classifier(model)
    assert model.classes_.tolist() == [0, 1]
    assert roc_auc_score(data.y, model.decision_function(data.paths)) > 0.9
    probabilities = model.predict_proba(data.paths)
    assert probabilities.shape == (60, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    expected = model.decision_function(data.paths) >= model.decision.low
    np.testing.assert_array_equal(model.predict(data.paths), expected)
    with pytest.raises(TypeError, match="fitted already"):
        model.fit(data.paths, data.y)
    plain = train_model(make_pipeline("edges", "svm", image_size=48), data, random_state=0)
    assert not hasattr(plain, "predict_proba")
    assert plain.decision is None


def test_the_pipeline_is_fitted_on_all_images(model, data, pipeline):
    alone = make_pipeline("edges", "svm", image_size=48).fit(data.paths, data.y)
    np.testing.assert_array_equal(model.decision_function(data.paths), alone.decision_function(data.paths))
    assert not hasattr(pipeline[-1], "classes_")  # the one that was given is not fitted


def test_calibration_is_that_of_scikit_learn_around_the_whole_pipeline(model, data, pipeline):
    folds = inner_splits(data, 5, 0, "here")
    reference = CalibratedClassifierCV(pipeline, cv=folds, ensemble=False).fit(data.paths, data.y)
    np.testing.assert_allclose(
        model.predict_proba(data.paths), reference.predict_proba(data.paths), rtol=1e-6, atol=1e-9
    )


def test_calibration_of_three_classes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    scores = rng.standard_normal((300, 3)) + 2 * np.eye(3)[y]
    probabilities = Calibration.fit(scores, y).probabilities(scores)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(probabilities.mean(axis=0), np.bincount(y) / 300, atol=0.03)


def test_a_frame_names_what_it_cannot_read_and_goes_on(model, data, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    paths = [data.paths[0], str(bad), str(tmp_path / "none.png"), data.paths[1], data.paths[0]]
    frame = model.predict_frame(paths)
    assert frame["path"].tolist() == paths
    assert frame["error"].isna().tolist() == [True, False, False, True, True]
    assert frame["error"][2] == "there is no such file"
    assert frame["label"].isna().tolist() == [False, True, True, False, False]
    good = [0, 3, 4]
    scores = model.decision_function([paths[row] for row in good])
    np.testing.assert_array_equal(frame["score"][good].astype(float), scores)
    answers = np.array([*data.target_names, "inconclusive"])[model.decision.answers(scores)]
    assert frame["label"][good].tolist() == answers.tolist()
    assert model.predict_frame([]).columns.tolist() == frame.columns.tolist()
    for column in (np.array(paths)[:, None], pd.DataFrame({"x": paths}, index=list("abcde"))):
        pd.testing.assert_frame_equal(model.predict_frame(column), frame)
    with pytest.raises(ValueError, match="got the single path"):
        model.predict_frame(paths[0])


def test_groups_are_kept_together_in_the_inner_folds(data, pipeline):
    """Labels by patient that no image tells: whoever sees the patient in training scores far too well."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(len(np.unique(data.groups))) % 2)
    noise = replace(data, y=labels[np.unique(data.groups, return_inverse=True)[1]])
    told = train_model(pipeline, noise, operating_point="youden", random_state=0)
    kept = {row["measure"]: row["value"] for row in told.info["estimates"]}
    assert kept["fractures_kept"] < 0.9


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (("rule-out", 1.0), "rule-out"),
        (("rule-out", "x"), "rule-out"),
        (("thresholds", 2, 1), "low no higher than high"),
        (("thresholds", 1), "thresholds"),
        ("best", "operating_point must be"),
    ],
)
def test_rules_that_there_are_not(data, pipeline, point, message):
    with pytest.raises(ValueError, match=message):
        train_model(pipeline, data, operating_point=point)


def test_wrong_data(data, pipeline):
    with pytest.raises(ValueError, match="pipeline must be a classifier"):
        train_model("accurate", data)
    with pytest.raises(ValueError, match="must be a FractureDataset"):
        train_model(pipeline, [1])
    with pytest.raises(DatasetError, match="cannot split"):
        train_model(pipeline, data.subset([0, 1, 2, 30, 31, 32]))


def test_unreadable_files_and_missing_groups_are_said(data, pipeline, tmp_path):
    folder = shutil.copytree(Path(data.paths[0]).parent.parent, tmp_path / "x")
    next((folder / "fractured").iterdir()).write_bytes(b"no image")
    with pytest.warns(DatasetWarning, match="1 files are left out"), pytest.warns(UngroupedDataWarning):
        told = train_model(pipeline, load_folder(folder), random_state=0)
    assert told.info["data"]["left_out"] == 1
    assert told.info["data"]["groups"] is None


def test_measures_of_a_result_go_with_the_model(data, pipeline):
    result = evaluate({"edges": pipeline}, data, cv=3, random_state=0)
    told = train_model(pipeline, data, result=result, name="edges", random_state=0)
    kept = {row["measure"]: row["value"] for row in told.info["measures"]}
    values = result.frame().query("model == 'edges'").set_index("measure")["value"]
    assert kept["roc_auc"] == values["roc_auc"]
    assert "roc auc" in told.card()
    assert told.info["subgroups"] == []
    with pytest.raises(ValueError, match="name must be one of"):
        train_model(pipeline, data, result=result, name="hog")
    with pytest.raises(ValueError, match="result must be of the same data"):
        train_model(pipeline, data.subset(np.arange(10, 60)), result=result, name="edges")


def test_the_card_has_subgroups_and_what_the_audit_found(data, pipeline):
    view = np.where(np.arange(len(data)) % 3 == 0, "frontal|view", "lateral")
    known = replace(data, frame=data.frame.assign(view=view), metadata_columns=("view",), groups=None)
    with pytest.warns(UngroupedDataWarning):
        result = evaluate({"edges": pipeline}, known, cv=3, random_state=0)
    with pytest.warns(UngroupedDataWarning):
        told = train_model(pipeline, known, result=result, name="edges", random_state=0)
    expected = result.subgroups("view", measures=["roc_auc"]).query("model == 'edges'").set_index("view")
    assert {row["subgroup"]: row["value"] for row in told.info["subgroups"]} == expected["value"].to_dict()
    card = told.card()
    value = expected.loc["lateral", "value"]
    assert f"| view | lateral | {expected.loc['lateral', 'n_evaluated']} | {value:.3f} (" in card
    assert "| view | frontal\\|view |" in card
    assert told.info["findings"] == [{"code": "FF402", "title": "images have no group", "count": len(data)}]
    assert f"FF402 images have no group: {len(data)}" in card


def test_nothing_of_a_patient_or_path_is_in_the_model(model, data, tmp_path):
    text = json.dumps(model.info) + model.card()
    assert not re.search(r"patient\d", text)
    assert str(tmp_path.parent) not in text
    assert "To be filled in" in model.card()


def test_saved_and_loaded_it_is_the_same(model, data, tmp_path):
    path = tmp_path / "model.ff"
    model.save(path)
    again = load_model(path)
    pd.testing.assert_frame_equal(again.predict_frame(data.paths), model.predict_frame(data.paths), check_exact=True)
    assert again.decision == model.decision
    assert again.calibration == model.calibration
    assert again.card() == model.card()
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelFileError):
        load_model(path)
    write_model_file(path, model.pipeline, {"info": {}}, {})
    with pytest.raises(ModelFileError, match="an estimator alone, without"):
        load_model(path)


def test_another_hospital(model, tmp_path):
    folder = make_radiographs(40, folder=tmp_path / "there", random_state=7)
    there = load_folder(folder, groups=PATIENT)
    result = evaluate_model(model, there)
    frame = result.frame().set_index("measure")
    assert frame.loc["roc_auc", "value"] == pytest.approx(roc_auc_score(there.y, model.decision_function(there.paths)))
    assert (frame["inference"].dropna() == "models").all()
    with pytest.raises(DatasetError, match="the data have the classes"):
        evaluate_model(model, replace(there, target_names=["a", "b"]))


def test_recalibration_learns_from_other_groups_alone(model, data):
    """An intercept by hand: of each fold it makes the others' mean probability their share of fractures."""
    fewer = data.subset(np.r_[np.flatnonzero(data.y == 0), np.flatnonzero(data.y == 1)[:12]])
    result = evaluate_model(model, fewer, recalibration="intercept", random_state=0)
    before, after = (fold.probabilities[:, 1] for fold in result.fold_results)
    assert result.models == ["edges", "edges, recalibrated"]
    for train, test in inner_splits(fewer, 5, 0, "the data"):
        shifts = logit(after[test]) - logit(before[test])
        np.testing.assert_allclose(shifts, shifts[0], atol=1e-6)
        assert expit(logit(before[train]) + shifts[0]).mean() == pytest.approx((fewer.y[train] == 1).mean(), abs=1e-6)
    frame = result.frame().set_index(["model", "measure"])["value"]
    assert abs(frame["edges, recalibrated", "calibration_intercept"]) < abs(frame["edges", "calibration_intercept"])
    for measure in ("roc_auc", "sensitivity"):
        assert frame["edges, recalibrated", measure] == pytest.approx(frame["edges", measure], abs=1e-12)


def test_recalibration_wants_probabilities(model, data):
    bare = FractureModel(model.pipeline, model.target_names, model.decision, None, model.novelty, model.info)
    with pytest.raises(ValueError, match="probabilities of two classes"):
        evaluate_model(bare, data, recalibration="logistic")
    with pytest.raises(ValueError, match="recalibration must be one of"):
        evaluate_model(model, data, recalibration="platt")


class TestDecision:
    """Thresholds in closed form, and what is promised of them."""

    @pytest.mark.parametrize(("npv", "low"), [(0.99, 3.0), (0.75, 5.0), (0.5, 7.0)])
    def test_rule_out(self, npv, low):
        y = np.array([0, 0, 1, 0, 1, 1, 0])
        scores = np.array([1.0, 2, 3, 4, 5, 6, 7])
        # below 3 are two healthy, below 5 three of four, below 7 three of six
        assert rule_out_threshold(y, scores, npv) == low

    def test_ties_go_together(self):
        assert rule_out_threshold(np.array([0, 0, 1]), np.array([1.0, 2.0, 2.0]), 0.9) == 2.0
        assert rule_out_threshold(np.array([0, 1, 1]), np.array([1.0, 1.0, 2.0]), 0.9) == -math.inf

    def test_three_answers(self):
        decision = Decision(1.0, 2.0)
        assert decision.answers(np.array([0.9, 1.0, 1.9, 2.0])).tolist() == [0, -1, -1, 1]
        assert choose_decision(("thresholds", 1, 2), np.array([0, 1]), np.array([0.0, 1.0])) == decision

    @pytest.mark.slow
    @pytest.mark.parametrize("n_patients", [150, 400])
    def test_what_is_promised_holds_on_new_patients(self, n_patients):
        """95 % intervals of what the rule will do, in 150 studies: a Monte Carlo error is 1.8 %, three are allowed."""
        rng = np.random.default_rng(n_patients)
        y, scores, _ = draw(100_000, rng)
        covered = {name: [] for name in ("set_aside", "fractures_kept", "npv", "inconclusive")}
        for study in range(150):
            mine = draw(n_patients, rng)
            folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=study).split(mine[1], mine[0], mine[2]))
            rule = ("rule-out", 0.96)
            estimates = estimate_decision(rule, mine[0], mine[1], mine[2], folds, study)
            answers = choose_decision(rule, mine[0], mine[1]).answers(scores)
            truth = {
                "set_aside": (answers == 0).mean(),
                "fractures_kept": (answers[y == 1] != 0).mean(),
                "npv": (y[answers == 0] == 0).mean() if (answers == 0).any() else np.nan,
                "inconclusive": (answers == -1).mean(),
            }
            for name, value in truth.items():
                row = estimates.loc[name]
                covered[name].append(np.isnan(value) or row["low"] <= value <= row["high"])
        for name, hits in covered.items():
            # The share between two thresholds, one of them at the highest Youden index, is less sure.
            assert np.mean(hits) >= (0.85 if name == "inconclusive" else 0.95 - 3 * 0.018), name


def draw(n_patients, rng, prevalence=0.25, auc=0.9):
    y = (rng.random(n_patients) < prevalence).astype(np.int64)
    groups = np.repeat(np.arange(n_patients), rng.integers(1, 4, n_patients))
    noise = np.sqrt(0.4) * rng.standard_normal(n_patients)[groups] + np.sqrt(0.6) * rng.standard_normal(len(groups))
    return y[groups], noise + np.sqrt(2) * norm.ppf(auc) * y[groups], groups


def test_unlike_images_are_told(model, data, tmp_path):
    other = load_folder(make_radiographs(60, folder=tmp_path / "held", random_state=5))
    assert model.predict_frame(other.paths)["unlike_training"].mean() < 0.1
    odd = []
    for k, path in enumerate(data.paths[:5]):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        for name, changed in {"inverted": 255 - image, "blank": np.full_like(image, 90)}.items():
            odd.append(str(tmp_path / f"{name}{k}.png"))
            cv2.imwrite(odd[-1], changed)
    assert model.predict_frame(odd)["unlike_training"].mean() > 0.8


def test_distances_in_closed_form():
    """Of independent features with as many components as there are: Mahalanobis' distance, nothing beside it."""
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((5000, 4)) * [1, 2, 3, 4]).astype(np.float32)
    novelty = Novelty.fit([features], 0)
    (block,) = novelty.blocks
    far = np.array([[3, 0, 0, 0], [0, 6, 0, 0]], dtype=np.float32)
    assert block.distances(far).sum(axis=1) == pytest.approx([9, 9], rel=0.2)
    again = Novelty.from_arrays(novelty.with_limit(novelty.distances([features])).arrays())
    assert (again.unlikeness([features]) > 1).mean() == pytest.approx(0.015, abs=0.003)


def test_the_road_from_folder_to_prediction(data, tmp_path, capsys):
    folder = str(data.paths[0].rsplit("/", 2)[0])
    out = str(tmp_path / "model.ff")
    arguments = ["train", folder, "--groups", PATIENT, "--model", "edges+svm", "--image-size", "48", "--out", out]
    assert main([*arguments, "--operating-point", "rule-out=0.8", "--calibrate"]) == ExitCode.DONE
    assert "fractures kept" in capsys.readouterr().err
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"x")
    assert main(["predict", out, data.paths[0], str(bad), "--json"]) == ExitCode.FAILURES
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told[0]["label"] in (*data.target_names, "inconclusive")
    assert told[1]["error"]
    assert "bad.png" in printed.err
    table, maps = tmp_path / "p.csv", tmp_path / "maps"
    assert main(["predict", out, folder, "--out", str(table), "--maps", str(maps)]) == ExitCode.DONE
    assert len(pd.read_csv(table)) == 60
    assert len(list(maps.iterdir())) == 60
    pd.DataFrame({"image": data.paths[:3]}).to_csv(tmp_path / "list.csv", index=False)
    assert main(["predict", out, str(tmp_path / "list.csv"), f"{folder}/fractured/*"]) == ExitCode.DONE
    capsys.readouterr()
    assert main(["evaluate", out, folder, "--groups", PATIENT]) == ExitCode.DONE
    assert "of these fitted models" in capsys.readouterr().out
    assert main(["explain", out, data.paths[0], "--out", str(tmp_path / "map.png")]) == ExitCode.DONE
    assert cv2.imread(str(tmp_path / "map.png")).ndim == 3
    assert main(["explain", out, data.paths[0], "--out", str(tmp_path / "map.xyz")]) == ExitCode.USAGE
    assert "expected a .png or .jpg" in capsys.readouterr().err
    assert main(["info", out]) == ExitCode.DONE
    assert "Not a medical device" in capsys.readouterr().out
    assert main(["info", out, "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)
    assert main(["predict", out, str(tmp_path / "nothing" / "*.png")]) == ExitCode.USAGE
    assert main(["predict", str(bad), folder]) == ExitCode.USAGE


def test_pipes_and_devices_are_no_model_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        for read in (load_model, read_manifest):
            with pytest.raises(ModelFileError, match="no regular file"):
                read(path)


@pytest.mark.parametrize(
    "arguments", [["predict", "x.png"], ["evaluate", "x"], ["explain", "x.png", "--out", "y.png"], ["info"], ["serve"]]
)
def test_a_model_file_that_is_not_there_is_wrong_usage(arguments, tmp_path, capsys):
    command, *others = arguments
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none.ff", tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(SystemExit) as caught:
            main([command, str(path), *others])
        assert caught.value.code == ExitCode.USAGE
        assert f"{str(path)!r} cannot be opened" in capsys.readouterr().err
