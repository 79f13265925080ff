"""Where models find fractures: what evaluate measures, its controls, figures, report and command."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs, train_model, write_report
from fracture_features.cli import main
from fracture_features.evaluation._places import find_boxes
from fracture_features.exceptions import ResultFileError
from fracture_features.explain import found_boxes
from fracture_features.images import read_image
from fracture_features.model import evaluate_model, load_model
from fracture_features.plotting import overlay_boxes, plot_froc
from fracture_features.regions import Detections, RegionClassifier, find_detector
from fracture_features.results import EvaluationResult, FoldResult, froc_table
from fracture_features.results._places import USUAL, found_by
from fracture_features.results._usual_places import usual_places

SIDE = 100  # pixels of the images made here
MEASURES = ["pointing", "best_box_iou", "sensitivity_at_0.25", "sensitivity_at_1", "ap50", "pointing_unbroken"]


@pytest.fixture(scope="module")
def plain_data(tmp_path_factory):
    """Twelve patients of one fractured and one whole image each, a box at (10, 10, 20, 20) in each of the former."""
    root = tmp_path_factory.mktemp("plain")
    for name in ("fractured", "normal"):
        for k in range(12):
            path = root / name / f"patient{k}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), np.full((SIDE, SIDE), 10 * k, np.uint8))
    table = root / "boxes.csv"
    rows = [f"fractured/patient{k}.png,10,10,20,20" for k in range(12)]
    table.write_text("\n".join(["image,top,left,bottom,right", *rows]))
    return load_folder(root, groups=r"patient(\d+)", boxes=table)


def a_box(image, box, score):
    return [image, *box, score, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2]


def result_of(data, found, *, test=None, model="finder"):
    """A result of one model and two folds, its boxes given by `found(row)`."""
    rows = np.arange(len(data)) if test is None else test
    folds = []
    for k in (0, 1):
        part = rows[data.groups[rows] % 2 == k]
        boxes = [a_box(place, *each) for place, row in enumerate(part.tolist()) for each in found(row)]
        train = np.setdiff1d(np.arange(len(data)), part)
        scores = np.column_stack([1 - data.y[part], data.y[part]]).astype(float)
        given = np.array(boxes).reshape(-1, 8)
        folds.append(FoldResult(model, k + 1, train, part, data.y[part], scores, found=given))
    return EvaluationResult(data, folds, pd.DataFrame({"path": [], "label": [], "reason": []}), 0)


def values_of(result, model="finder"):
    frame = result.places()
    return frame[frame["model"] == model].set_index("measure")["value"].to_dict()


def test_measures_of_a_result_by_hand(plain_data):
    """All boxes found but that of one patient; a false one in every whole image, of a lower score."""

    def found(row):
        if not plain_data.y[row]:
            return [((70, 70, 80, 80), 0.2)]
        return [((10, 10, 20, 20), 0.9)] if plain_data.groups[row] else [((50, 50, 60, 60), 0.9)]

    result = result_of(plain_data, found)
    values = values_of(result)
    assert list(values) == MEASURES
    assert values["pointing"] == pytest.approx(11 / 12)
    assert values["best_box_iou"] == pytest.approx(11 / 12)
    assert values["sensitivity_at_0.25"] == pytest.approx(11 / 12)
    assert values["pointing_unbroken"] == 0
    row = result.places().iloc[0]
    assert row["low"] < row["value"] < row["high"] <= 1
    # Nobody looks, and all boxes lie in one place: the control knows it.
    control = values_of(result, USUAL)
    assert control["pointing"] == 1
    assert "pointing_unbroken" not in control


def test_a_model_that_points_at_anatomy_is_told(plain_data):
    """It points at the same place whether there is a fracture or not."""
    values = values_of(result_of(plain_data, lambda _: [((10, 10, 20, 20), 1.0)]))
    assert values["pointing"] == 1
    assert values["pointing_unbroken"] == 0.5  # the mirrored boxes are met by none
    mirrored = values_of(result_of(plain_data, lambda _: [((10, 80, 20, 90), 1.0)]))
    assert (mirrored["pointing"], mirrored["pointing_unbroken"]) == (0, 0.5)


def test_unbroken_images_are_of_the_same_body_part(plain_data):
    """Fractured hands, whole feet: there is nothing to compare with."""
    parts = np.where(plain_data.y == 1, "hand", "foot")
    data = replace(plain_data, frame=pd.DataFrame({"body_part": parts}))
    values = values_of(result_of(data, lambda _: [((10, 10, 20, 20), 1.0)]))
    assert values["pointing"] == 1
    assert np.isnan(values["pointing_unbroken"])


def test_usual_places_are_those_of_the_body_part(plain_data):
    parts = np.where(plain_data.groups < 6, "hand", "foot")
    data = replace(plain_data, boxes=plain_data.boxes.copy(), frame=pd.DataFrame({"body_part": parts}))
    for row in np.flatnonzero((parts == "foot") & (data.y == 1)).tolist():
        data.boxes[row] = np.array([[60.0, 70.0, 80.0, 90.0]])
    hands, feet = (np.flatnonzero(parts == part) for part in ("hand", "foot"))
    everything = np.arange(len(data))
    (hand,) = usual_places(data, everything, hands[:1])
    (foot,) = usual_places(data, everything, feet[:1])
    np.testing.assert_allclose(hand.points[0], [15, 15], atol=3)
    np.testing.assert_allclose(foot.points[0], [70, 80], atol=3)
    assert hand.scores[0] > 0
    (nothing,) = usual_places(data, hands, feet[:1])  # no training image of a foot
    assert len(nothing.scores) == 0


def test_images_whose_boxes_are_unknown_are_left_out(plain_data):
    boxes = plain_data.boxes.copy()
    unknown = np.flatnonzero(plain_data.y)[:4]
    boxes[unknown] = None
    data = replace(plain_data, boxes=boxes)
    result = result_of(data, lambda row: [((10, 10, 20, 20), 1.0)] if row not in unknown else [])
    assert values_of(result)["pointing"] == 1
    assert len(found_by(result, "finder").rows) == len(data) - 4


def test_without_boxes_there_is_no_table(plain_data):
    result = result_of(replace(plain_data, boxes=None), lambda _: [])
    assert result.places().empty
    assert result.places().columns.tolist() == ["model", "measure", "value", "low", "high"]
    assert froc_table(result).empty
    with pytest.raises(ValueError, match="result has no boxes that were found: expected data with boxes"):
        plot_froc(result)
    # Nothing found is a result too.
    assert values_of(result_of(plain_data, lambda _: []))["pointing"] == 0


def test_a_part_of_a_fold_keeps_its_boxes(plain_data):
    fold = result_of(plain_data, lambda row: [((row, 0, 50, 50), 1.0)] * (row % 3)).folds_of("finder")[0]
    for kept in (np.array([4, 0, 2]), np.arange(len(fold.test)) % 2 == 1):
        part = fold.subset(kept)
        counts = np.bincount(part.found[:, 0].astype(int), minlength=len(part.test))
        assert counts.tolist() == (part.test % 3).tolist()
        assert (part.found[:, 1] == np.repeat(part.test, counts)).all()


def test_studies_have_no_boxes(plain_data):
    data = replace(plain_data, frame=pd.DataFrame({"study": [f"s{k}" for k in range(len(plain_data))]}))
    assert result_of(data, lambda _: [((10, 10, 20, 20), 1.0)]).by_study().places().empty


def test_the_curve_by_hand(plain_data):
    """Every box at score 1, a false one in each whole image at 0.5: a step at half a false box an image."""

    def found(row):
        return [((10, 10, 20, 20), 1.0)] if plain_data.groups[row] % 4 else [((70, 70, 80, 80), 0.5)]

    result = result_of(plain_data, found)
    table = froc_table(result).query("model == 'finder'")
    assert table["sensitivity"].iloc[-1] == pytest.approx(9 / 12)
    assert table["false_boxes"].iloc[[0, -1]].tolist() == [1 / 16, 8]
    assert (np.diff(table["sensitivity"]) >= 0).all()
    assert ((table["low"] <= table["sensitivity"]) & (table["sensitivity"] <= table["high"])).all()
    pytest.importorskip("matplotlib")
    ax = plot_froc(result)
    assert [line.get_label() for line in ax.lines] == ["finder", USUAL]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), table["sensitivity"])


def test_boxes_are_drawn_where_they_are():
    painted = overlay_boxes(np.zeros((40, 60), np.uint8), found=[[5, 10, 15, 30]], marked=[[20, 20, 30, 40]])
    orange, green = (painted[..., 0] > painted[..., 1]), (painted[..., 1] > painted[..., 0])
    for mask, (top, left, bottom, right) in ((orange, (5, 10, 15, 30)), (green, (20, 20, 30, 40))):
        rows, columns = np.nonzero(mask)
        assert [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1] == [top, left, bottom, right]
    rgb = np.full((5, 5, 3), 7, np.uint8)
    assert (overlay_boxes(rgb) == 7).all()
    with pytest.raises(ValueError, match=r"image must be a uint8 array of shape \(height, width\)"):
        overlay_boxes(np.zeros((2, 2)))


# Models that find boxes


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = make_radiographs(45, folder=tmp_path_factory.mktemp("drawn"), difficulty=0.3, random_state=1)
    return load_folder(folder, groups=r"patient(\d+)", boxes=folder / "truth.csv")


def quick(**options):
    return make_pipeline(classifier=RegionClassifier(n_estimators=8), image_size=160, random_state=0, **options)


@pytest.fixture(scope="module")
def evaluated(drawn):
    models = {"regions": quick(), "edges": make_pipeline("edges", "svm", image_size=48)}
    return evaluate(models, drawn, cv=2, audit=False, random_state=0)


def test_evaluate_measures_places(evaluated, drawn):
    frame = evaluated.places()
    assert frame["model"].unique().tolist() == ["regions", USUAL]
    assert frame["measure"].tolist() == [*MEASURES, *MEASURES[:-1]]
    values = values_of(evaluated, "regions")
    assert values["pointing"] > values["pointing_unbroken"]
    assert all(fold.found is None for fold in evaluated.folds_of("edges"))
    # They are those of the fitted model, in pixels of the files.
    fold = evaluated.folds_of("regions")[0]
    limits = np.array([read_image(drawn.paths[row]).shape for row in fold.test])[fold.found[:, 0].astype(int)]
    assert (fold.found[:, 1:5] >= 0).all()
    assert (fold.found[:, 3:5] <= limits).all()


def test_a_checkpoint_keeps_them(drawn, tmp_path):
    results = [
        evaluate({"regions": quick()}, drawn, cv=2, audit=False, random_state=0, checkpoint=tmp_path) for _ in range(2)
    ]
    first, again = (result.folds_of("regions")[1].found for result in results)
    np.testing.assert_array_equal(first, again)
    pd.testing.assert_frame_equal(results[0].places(), results[1].places())


def test_a_saved_result_keeps_them(evaluated, tmp_path):
    evaluated.save(tmp_path)
    loaded = EvaluationResult.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.places(), evaluated.places())
    for model in ("regions", "edges"):
        for fold, other in zip(loaded.folds_of(model), evaluated.folds_of(model), strict=True):
            np.testing.assert_array_equal(fold.found, other.found)


def test_a_saved_result_with_boxes_of_other_images_is_refused(plain_data, tmp_path):
    result = result_of(plain_data, lambda _: [((10, 10, 20, 20), 1.0)])
    result.fold_results[0].found[0, 0] = 99
    result.save(tmp_path)
    with pytest.raises(ResultFileError, match="the boxes of 'finder', fold 1, are not of these images"):
        EvaluationResult.load(tmp_path)


def test_another_source_and_no_training_images(drawn, tmp_path):
    folder = make_radiographs(12, folder=tmp_path / "other", difficulty=0.3, random_state=2)
    outside = load_folder(folder, groups=r"patient(\d+)", boxes=folder / "truth.csv")
    result = evaluate({"regions": quick()}, drawn, cv=2, external=outside, audit=False, random_state=0)
    frame = result.external.places()
    assert frame["model"].unique().tolist() == ["regions"]  # the usual places are not known there
    assert frame["value"].notna().all()


def test_boxes_of_several_classes_are_not_measured(drawn):
    """A model of two classes refuses three, and other models go on."""
    data = replace(drawn, y=drawn.groups % 3, target_names=["a", "b", "c"])
    models = {"regions": quick(), "edges": make_pipeline("edges", "svm", image_size=48)}
    result = evaluate(models, data, cv=2, audit=False, random_state=0, on_error="record")
    assert set(result.failures["model"]) == {"regions"}
    assert "takes two classes, y has 3" in result.failures["reason"].iloc[0]
    assert result.places().empty
    assert find_boxes(Finder(), data) is None


def test_a_set_without_boxes_is_said_and_others_go_on(drawn):
    data = replace(drawn, boxes=None)
    models = {"regions": quick(), "edges": make_pipeline("edges", "svm", image_size=48)}
    with pytest.raises(ValueError, match=r"RegionClassifier learns from boxes: give boxes="):
        evaluate(models, data, cv=2, audit=False, random_state=0)
    result = evaluate(models, data, cv=2, audit=False, random_state=0, on_error="record")
    assert set(result.failures["model"]) == {"regions"}
    assert result.places().empty


def test_boxes_on_some_images_alone(drawn):
    boxes = drawn.boxes.copy()
    unknown = np.flatnonzero(drawn.y)[::3]
    boxes[unknown] = None
    result = evaluate({"regions": quick()}, replace(drawn, boxes=boxes), cv=2, audit=False, random_state=0)
    assert len(found_by(result, "regions").rows) == len(drawn) - len(unknown)
    assert result.places()["value"].notna().all()


class Finder:
    """Finds a box of the image's number."""

    def detect(self, X, threshold=None):
        boxes = [np.array([[0.0, 0.0, 5.0 + k, 5.0]]) for k in range(len(X))]
        return [Detections(box, np.ones(1), box[:, :2]) for box in boxes]


def test_found_boxes_name_their_image(drawn):
    found = find_boxes(Finder(), drawn, np.array([7, 3]))
    assert found[:, 0].tolist() == [0, 1]
    assert found[:, 3].tolist() == [5, 6]
    assert find_boxes(Finder(), replace(drawn, boxes=None)) is None


def test_what_stands_around_a_finder_is_seen_through(drawn):
    model = quick().fit(drawn.paths, drawn.y, classifier__boxes=drawn.boxes)
    paths = drawn.paths[:3]
    expected = model[-1].detect(model[0].transform(paths), -np.inf)
    search = GridSearchCV(model, {})
    search.best_estimator_ = model
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), cv=StratifiedKFold(2), ensemble=False)
    calibrated.fit(drawn.paths, drawn.y)
    for held in (model, search, FrozenEstimator(model), calibrated):
        for each, other in zip(find_detector(held)(paths, -np.inf), expected, strict=True):
            np.testing.assert_array_equal(each.boxes, other.boxes)
    edges = make_pipeline("edges", "svm", image_size=48).fit(drawn.paths, drawn.y)
    assert find_detector(edges) is None
    assert found_boxes(edges, paths[0], (10, 10)).shape == (0, 4)


def test_boxes_in_a_picture_are_scaled(drawn):
    model = quick().fit(drawn.paths, drawn.y, classifier__boxes=drawn.boxes)
    path = next(p for p, y in zip(drawn.paths, drawn.y, strict=True) if y)
    height, width = read_image(path).shape
    half = found_boxes(model, path, (height // 2, width // 2))
    whole = found_boxes(model, path, (height, width))
    np.testing.assert_allclose(half * np.tile([height / (height // 2), width / (width // 2)], 2), whole)


def test_a_saved_model_draws_its_boxes(drawn, tmp_path, capsys):
    """Saved and loaded it finds the same; `predict --maps` and the page draw what it finds."""
    from fracture_features.serve._service import Service
    from fracture_features.serve._uploads import Upload

    model = train_model(quick(), drawn, random_state=0)
    model.save(tmp_path / "model.ff")
    loaded = load_model(tmp_path / "model.ff")
    np.testing.assert_array_equal(loaded.decision_function(drawn.paths), model.decision_function(drawn.paths))
    shapes = [read_image(path).shape for path in drawn.paths]
    counts = [len(found_boxes(loaded, path, shape)) for path, shape in zip(drawn.paths, shapes, strict=True)]
    shown = int(np.argmax(counts))
    assert counts[shown] > 0
    path = drawn.paths[shown]
    assert main(["predict", str(tmp_path / "model.ff"), path, "--maps", str(tmp_path / "maps")]) == 0
    (picture,) = (tmp_path / "maps").iterdir()
    top, left, _, right = np.rint(found_boxes(loaded, path, shapes[shown])[0]).astype(int)
    painted = cv2.imread(str(picture))
    orange = [0, 94, 213]
    assert painted[top, left:right].tolist().count(orange) > 0.9 * (right - left)
    upload = Upload("a.png", Path(path).read_bytes())
    answer = Service(loaded).heat_map(upload)
    assert answer["error"] is None
    values = values_of(evaluate_model(loaded, drawn), "model")
    assert values["pointing"] > 0.3


def test_the_report_shows_hits_misses_and_false_alarms(evaluated, tmp_path):
    pytest.importorskip("jinja2")
    page = write_report(evaluated, tmp_path / "report.html").read_text()
    section = page[page.index('id="places"') : page.index('id="examples"')]
    for text in ("Where the fractures are found", USUAL, "Hits:", "False alarms:", "Highest place in a box"):
        assert text in section
    assert section.count("<figure>") >= 5
    without = evaluate({"edges": make_pipeline("edges", "svm", image_size=48)}, evaluated.data, cv=2, random_state=0)
    assert 'id="places"' not in write_report(without, tmp_path / "other.html").read_text()
