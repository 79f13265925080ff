"""Models that learn from boxes."""

import os
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from fracture_features import ImageReader, evaluate, load_folder, make_pipeline, make_radiographs
from fracture_features.exceptions import FractureFeaturesError
from fracture_features.explain import explain_images
from fracture_features.images import read_image
from fracture_features.metrics import box_overlaps, place_measures
from fracture_features.regions import RegionClassifier
from fracture_features.regions._boxes import Frames, suppress
from fracture_features.regions._places import (
    EMPTY,
    MARKED,
    N_FEATURES,
    OTHER,
    STEP,
    UNSURE,
    centres,
    describe_places,
    find_targets,
    grid_shape,
    is_empty,
    mirrored,
)

N_TREES = 40


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Radiographs with the boxes that were drawn; a third of the patients for testing."""
    folder = make_radiographs(75, folder=tmp_path_factory.mktemp("regions"), difficulty=0.3, random_state=0)
    data = load_folder(folder, groups=r"patient(\d+)", boxes=folder / "truth.csv")
    return data.subset(data.groups % 3 != 0), data.subset(data.groups % 3 == 0)


@pytest.fixture(scope="module")
def model(drawn):
    train, _ = drawn
    pipeline = make_pipeline(classifier=RegionClassifier(n_estimators=N_TREES), image_size=320, random_state=0)
    with config_context(enable_metadata_routing=True):
        return pipeline.fit(train.paths, train.y, boxes=train.boxes, groups=train.groups)


def test_it_points_at_what_was_drawn(model, drawn):
    _, test = drawn
    found = model[-1].detect(model[0].transform(test.paths), -np.inf)
    measures = place_measures(
        [each.points[0] for each in found], [each.boxes for each in found], [each.scores for each in found], test.boxes
    )
    assert measures["pointing"].value >= 0.8
    assert measures["best_box_iou"].value >= 0.4
    assert measures["sensitivity_at_1"].value >= 0.8
    assert roc_auc_score(test.y, model.decision_function(test.paths)) > 0.75
    for each, path in zip(found, test.paths, strict=True):
        limits = np.tile(read_image(path).shape, 2)
        assert (each.boxes >= 0).all()
        assert (each.boxes <= limits).all()
        assert (np.diff(each.scores) <= 0).all()
        overlaps = box_overlaps(each.boxes, each.boxes)
        assert (overlaps[~np.eye(len(overlaps), dtype=bool)] < 0.2).all()


def test_a_threshold_leaves_the_higher_boxes(model, drawn):
    stack = model[0].transform(drawn[1].paths[:6])
    all_found = model[-1].detect(stack, -np.inf)
    for each, every in zip(model[-1].detect(stack, 0.5), all_found, strict=True):
        assert each.scores.tolist() == every.scores[every.scores >= 0.5].tolist()
        assert each.boxes.tolist() == every.boxes[: len(each.boxes)].tolist()


def test_it_is_a_classifier(model, drawn):
    _, test = drawn
    scores, probabilities = model.decision_function(test.paths), model.predict_proba(test.paths)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(np.log(probabilities[:, 1] / probabilities[:, 0]), scores, atol=1e-9)
    assert model.predict(test.paths).tolist() == (scores > 0).astype(int).tolist()
    again = pickle.loads(pickle.dumps(model))
    assert again.decision_function(test.paths).tolist() == scores.tolist()


def test_labels_of_any_kind_and_a_seed(drawn):
    train, _ = drawn
    stack = ImageReader(image_size=96).transform(train.paths)
    names = np.array(["a: whole", "b: broken"])[train.y]
    models = [RegionClassifier(n_estimators=5, random_state=seed) for seed in (0, 0, 1)]
    fits = [model.fit(stack, names, boxes=train.boxes) for model in models]
    scores = [fit.decision_function(stack).tolist() for fit in fits]
    assert scores[0] == scores[1] != scores[2]
    assert fits[0].classes_.tolist() == ["a: whole", "b: broken"]
    assert set(fits[0].predict(stack)) <= set(names)


def test_the_map_is_signed_and_of_the_files_shape(model, drawn):
    _, test = drawn
    rows = np.flatnonzero(test.y)[:3]
    stack = model[0].transform(test.paths[rows])
    maps = model[-1].score_map(stack)
    assert maps.shape == stack.shape
    assert maps.min() < 0 < maps.max()
    explained = explain_images(model, test.paths[rows])
    against = explain_images(model, test.paths[rows], target=0)
    found_in = model[-1].detect(stack, -np.inf)
    for each, other, path, found in zip(explained, against, test.paths[rows], found_in, strict=True):
        assert each.shape == read_image(path).shape
        np.testing.assert_allclose(each, -other)
        highest = np.unravel_index(each.argmax(), each.shape)
        scale = max(each.shape) / 320
        np.testing.assert_allclose(highest, found.points[0], atol=3 * scale + 1)


@pytest.mark.parametrize("resize", ["pad", "stretch"])
def test_boxes_go_to_the_readers_pixels_and_back(tmp_path, resize):
    """A white square in a file of another shape is white where its box is in the stack."""
    image = np.zeros((300, 200), np.uint8)
    image[30:90, 120:180] = 255
    cv2.imwrite(str(tmp_path / "a.png"), image)
    stack = ImageReader(image_size=(128, 160), resize=resize).transform([str(tmp_path / "a.png")])
    box = np.array([[30.0, 120.0, 90.0, 180.0]])
    placed = Frames(stack).to_stack(0, box)
    top, left, bottom, right = np.rint(placed[0]).astype(int)
    assert stack[0, top + 1 : bottom - 1, left + 1 : right - 1].min() == 255
    assert stack[0].astype(float).sum() / 255 == pytest.approx((bottom - top) * (right - left), rel=0.1)
    np.testing.assert_allclose(Frames(stack).to_file(0, placed), box)
    # What nobody has read has its own pixels.
    np.testing.assert_allclose(Frames(np.asarray(stack)).to_stack(0, box), box)


def test_a_stack_from_a_reader_keeps_its_files_when_pickled(drawn):
    paths = drawn[0].paths[:2]
    for given in (paths, pd.Series(paths, index=[7, 9])):
        stack = pickle.loads(pickle.dumps(ImageReader(image_size=64).transform(given)))
        assert stack.origin.paths == paths.tolist()
        assert getattr(stack, "origin", None).resize == "pad"
        assert stack[:1].origin is None


def test_routing_reaches_it_in_searches_and_evaluate(drawn):
    train, _ = drawn
    quick = make_pipeline(classifier=RegionClassifier(n_estimators=5), image_size=96, random_state=0)
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(quick, {"classifier__n_estimators": [5]}, cv=StratifiedGroupKFold(2))
        search.fit(train.paths, train.y, boxes=train.boxes, groups=train.groups)
    assert search.best_score_ > 0
    result = evaluate({"regions": quick}, train, cv=2, random_state=0)
    assert result.frame().query("model == 'regions'")["value"].notna().any()


def scores_of(result):
    (fold,) = result.folds_of("regions")
    return fold.scores


def test_evaluate_hands_on_training_boxes_alone(drawn):
    """Boxes of test images change nothing."""
    train, _ = drawn
    folds = [(np.flatnonzero(train.groups % 2), np.flatnonzero(train.groups % 2 == 0))]
    other = train.boxes.copy()
    for row in folds[0][1]:
        other[row] = np.array([[0.0, 0.0, 9.0, 9.0]])
    quick = make_pipeline(classifier=RegionClassifier(n_estimators=5), image_size=96, random_state=0)
    scores = [
        scores_of(evaluate({"regions": quick}, replace(train, boxes=boxes), cv=folds, random_state=0))
        for boxes in (train.boxes, other)
    ]
    np.testing.assert_array_equal(*scores)


def test_without_boxes_it_refuses(drawn):
    train, _ = drawn
    stack = ImageReader(image_size=64).transform(train.paths)
    model = RegionClassifier(n_estimators=2)
    with pytest.raises(ValueError, match=r"learns from boxes: give boxes=.*data\.boxes"):
        model.fit(stack, train.y)
    with pytest.raises(ValueError, match=r"expected some on fractured images of at least 3 groups .* got 0"):
        model.fit(stack, train.y, boxes=[None] * len(stack))
    with pytest.raises(ValueError, match=r"of at least 3 groups .* got 1"):
        model.fit(stack, train.y, boxes=train.boxes, groups=train.y)
    with pytest.raises(ValueError, match="expected some on fractured"):  # those of whole bones are not looked at
        model.fit(stack, train.y, boxes=[None if y else [[1, 1, 9, 9]] for y in train.y])


def test_boxes_on_some_images_are_enough(drawn):
    train, test = drawn
    boxes = train.boxes.copy()
    boxes[np.flatnonzero(train.y)[::2]] = None
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(classifier=RegionClassifier(n_estimators=N_TREES), image_size=160, random_state=0)
        model.fit(train.paths, train.y, boxes=boxes)
    assert roc_auc_score(test.y, model.decision_function(test.paths)) > 0.6


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (lambda b: b[:-1], r"one entry for each of \d+ images, got"),
        (lambda b: [[[1, 2, 3]], *list(b[1:])], r"boxes\[0\] must be finite and of shape \(n_boxes, 4\)"),
        (lambda b: [[[1, 2, np.nan, 4]], *list(b[1:])], r"boxes\[0\] must be finite"),
        (lambda b: [[[5, 2, 5, 4]], *list(b[1:])], r"boxes\[0\] must be top, left, bottom and right of an area"),
    ],
)
def test_what_are_no_boxes_is_an_error(drawn, boxes, message):
    train, _ = drawn
    stack = ImageReader(image_size=64).transform(train.paths)
    with pytest.raises(ValueError, match=message):
        RegionClassifier(n_estimators=2).fit(stack, train.y, boxes=boxes(train.boxes))


def test_three_classes_one_class_and_small_images_are_errors(drawn):
    train, _ = drawn
    stack = ImageReader(image_size=64).transform(train.paths)
    with pytest.raises(ValueError, match=r"takes two classes, y has 3: \[0, 1, 2\]"):
        RegionClassifier().fit(stack, np.arange(len(stack)) % 3, boxes=train.boxes)
    with pytest.raises(ValueError, match="takes two classes, y has 1"):
        RegionClassifier().fit(stack, np.zeros(len(stack), int), boxes=train.boxes)
    with pytest.raises(ValueError, match="at least 32 x 32 pixels"):
        RegionClassifier().fit(stack[:, :20], train.y, boxes=train.boxes)
    with pytest.raises(ValueError, match="n_estimators"):
        RegionClassifier(n_estimators=0).fit(stack, train.y, boxes=train.boxes)


def test_the_cache_changes_nothing(drawn, tmp_path):
    train, _ = drawn
    stack = ImageReader(image_size=96).transform(train.paths)
    scores = []
    for cache in (None, tmp_path, tmp_path):
        model = RegionClassifier(n_estimators=3, cache=cache, random_state=0)
        scores.append(model.fit(stack, train.y, boxes=train.boxes).decision_function(stack[:9]).tolist())
    assert scores[0] == scores[1] == scores[2]


def test_a_networks_maps_and_their_places():
    """Random weights: the maps change the scores, and a pickle knows them."""
    pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 90, (24, 96, 64), dtype=np.uint8)
    stack[::2, 40:60, 20:40] = 255 * (np.indices((20, 20)).sum(axis=0) % 6 < 3)
    boxes = [[[40, 20, 60, 40]], []] * 12
    model = RegionClassifier(architecture="MobileNetV2", weights=None, n_estimators=10, random_state=0)
    with config_context(enable_metadata_routing=True):
        fitted = clone(model).fit(stack, [1, 0] * 12, boxes=boxes)
    assert (fitted.predict(stack) == [1, 0] * 12).mean() > 0.9
    scores = fitted.decision_function(stack[:3])
    assert pickle.loads(pickle.dumps(fitted)).decision_function(stack[:3]).tolist() == scores.tolist()
    alone = RegionClassifier(n_estimators=10, random_state=0).fit(stack, [1, 0] * 12, boxes=boxes)
    assert not np.allclose(alone.decision_function(stack[:3]), scores)
    point = fitted.detect(stack[:1], -np.inf)[0].points[0]
    assert 36 <= point[0] <= 64
    assert 16 <= point[1] <= 44


# Places


@pytest.mark.parametrize("shape", [(64, 64), (65, 100), (33, 47), (250, 129)])
def test_descriptors_are_those_of_the_places(shape):
    """An image that is shifted by a step has its descriptors a place further."""
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(rng.integers(0, 255, (500, 500), dtype=np.uint8), (0, 0), 2)
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)
    first = describe_places(np.ascontiguousarray(wide[100 : 100 + shape[0], 100 : 100 + shape[1]]))
    rows, columns = grid_shape(shape)
    assert first.shape == (rows * columns, N_FEATURES)
    moved = describe_places(np.ascontiguousarray(wide[84 : 84 + shape[0], 84 : 84 + shape[1]]))
    a, b = (each.reshape(rows, columns, -1)[..., :128] for each in (first, moved))
    # Patches of 32 pixels that do not reach over the edge of either image.
    inner = (slice(1, rows - 2), slice(1, columns - 2))
    np.testing.assert_allclose(a[inner], b[inner[0].start + 1 : rows - 1, inner[1].start + 1 : columns - 1], atol=1e-5)


def test_mirrored_features_are_those_of_the_mirror_image():
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (96, 128), dtype=np.uint8), (0, 0), 3)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    other = describe_places(np.ascontiguousarray(image[:, ::-1])).reshape(6, 8, -1)[:, ::-1]
    np.testing.assert_allclose(
        mirrored(describe_places(image)).reshape(6, 8, -1)[..., :128], other[..., :128], atol=1e-5
    )


def test_flat_places_are_empty():
    image = np.zeros((128, 128), np.uint8)
    image[:, 64:] = np.random.default_rng(0).integers(0, 255, (128, 64))
    empty = is_empty(describe_places(image)).reshape(8, 8)
    assert empty[:, 0].all()
    assert not empty[:, 4:].any()


def test_targets_by_hand():
    y = x = centres(8)  # 8, 24, 40, ...
    bare = np.zeros(64, bool)
    bare[0] = True
    boxes = np.array([[36.0, 36.0, 60.0, 60.0], [100.0, 100.0, 103.0, 104.0]])
    states, weights, sides = find_targets(boxes, bare, y, x, fractured=True)
    grid = states.reshape(8, 8)
    assert np.argwhere(grid == MARKED).tolist() == [
        [2, 2],
        [2, 3],
        [3, 2],
        [3, 3],
        [6, 6],
    ]  # the nearest, for the small one
    assert grid[0, 0] == EMPTY
    assert grid[1, 1] == UNSURE
    assert grid[0, 7] == OTHER
    np.testing.assert_allclose(weights.reshape(8, 8)[[2, 6], [2, 6]], [0.5, 1])
    np.testing.assert_allclose(sides.reshape(8, 8, 4)[2, 3], [4, 20, 20, 4])
    assert find_targets(boxes, bare, y, x, fractured=False).states.tolist() == [EMPTY] + [OTHER] * 63
    for none in (None, np.empty((0, 4))):
        assert find_targets(none, bare, y, x, fractured=True).states.tolist() == [EMPTY] + [UNSURE] * 63


def test_suppression_leaves_the_highest_of_those_that_overlap():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [8, 8, 18, 18]], float)
    kept = suppress(boxes, np.array([0.5, 0.9, 0.1, 0.3]), boxes[:, :2])
    assert kept.scores.tolist() == [0.9, 0.3, 0.1]
    assert kept.points.tolist() == [[1, 1], [8, 8], [20, 20]]
    assert len(suppress(np.repeat(boxes[:1], 0, axis=0), np.empty(0), np.empty((0, 2))).boxes) == 0


def test_a_temporary_file_takes_what_memory_should_not(drawn, monkeypatch):
    train, _ = drawn
    stack = ImageReader(image_size=64).transform(train.paths)
    model = RegionClassifier(n_estimators=2, random_state=0)
    scores = model.fit(stack, train.y, boxes=train.boxes).decision_function(stack)
    monkeypatch.setattr("fracture_features.regions._scorer.IN_MEMORY", 1000)
    assert model.fit(stack, train.y, boxes=train.boxes).decision_function(stack).tolist() == scores.tolist()
    monkeypatch.setattr("fracture_features.regions._scorer.reserve", lambda *_: os.posix_fallocate(0, 0, -1))
    with pytest.raises(FractureFeaturesError, match="TMPDIR names another folder"):
        model.fit(stack, train.y, boxes=train.boxes)


def test_names_in_make_pipeline():
    model = make_pipeline("regions", cache="x", random_state=3, n_jobs=2)
    assert model[0].image_shape() == (640, 640)
    parameters = model[-1].get_params()
    assert (parameters["architecture"], parameters["cache"], parameters["random_state"], parameters["n_jobs"]) == (
        None,
        "x",
        3,
        2,
    )
    assert make_pipeline("mobilenetv2-regions")[-1].architecture == "MobileNetV2"
    assert STEP == 16
