"""Models that learn from boxes."""

import os
import pickle
from copy import copy
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from fracture_features import ImageReader, evaluate, load_folder, make_pipeline, make_radiographs
from fracture_features.exceptions import FractureFeaturesError, ModelFileError
from fracture_features.explain import explain_images
from fracture_features.images import read_image
from fracture_features.metrics import box_overlaps, place_measures
from fracture_features.model import read_model_file, write_model_file
from fracture_features.regions import RegionClassifier, RegionStack
from fracture_features.regions._boxes import Frames, suppress
from fracture_features.regions._candidates import Candidates, find_peaks, fit_places
from fracture_features.regions._looks import RINGS, describe_look, fit_usual_score
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
    everything = model[0].transform(test.paths)
    maps = model[-1].score_map(everything)
    assert maps.shape == everything.shape
    # Positive where there is a box at the model's own threshold, and nowhere else.
    tops = np.array([each.scores[0] for each in model[-1].detect(everything, -np.inf)])
    regions = copy(model[-1])
    regions.threshold_ = float(np.median(tops)) - 0.2
    maps = regions.score_map(everything)
    np.testing.assert_allclose(maps.max(axis=(1, 2)), tops - regions.threshold_, atol=0.3)
    found_any = [len(each.boxes) > 0 for each in regions.detect(everything)]
    assert 0 < sum(found_any) < len(found_any)
    assert all(found for each, found in zip(maps, found_any, strict=True) if each.max() > 0)
    assert maps.min() < 0 < maps.max()
    rows = np.flatnonzero(test.y)[:3]
    stack = model[0].transform(test.paths[rows])
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


def test_images_of_several_sizes(model, drawn, tmp_path):
    """Files twice as large have boxes twice as large, and a set may hold both."""
    _, test = drawn
    paths = test.paths.copy()
    for k in range(0, len(paths), 2):
        image = read_image(paths[k])
        paths[k] = tmp_path / f"{k}.png"
        cv2.imwrite(str(paths[k]), cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
    scales = [2 if k % 2 == 0 else 1 for k in range(len(paths))]
    marked = [boxes * scale for boxes, scale in zip(test.boxes, scales, strict=True)]
    found = model[-1].detect(model[0].transform(paths), -np.inf)
    measures = place_measures(
        [each.points[0] for each in found], [each.boxes for each in found], [each.scores for each in found], marked
    )
    assert measures["pointing"].value >= 0.8
    as_they_are = model[-1].detect(model[0].transform(test.paths), -np.inf)
    for each, other, scale in zip(found[1::2], as_they_are[1::2], scales[1::2], strict=True):
        np.testing.assert_allclose(each.boxes, other.boxes * scale)


def test_a_saved_network_is_the_same(tmp_path):
    """Its maps too; and a file that names another network is refused."""
    pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 90, (24, 64, 96), dtype=np.uint8)
    stack[::2, 20:40, 40:60] = 255 * (np.indices((20, 20)).sum(axis=0) % 6 < 3)
    model = RegionClassifier(architecture="MobileNetV2", weights=None, n_estimators=5, random_state=0)
    model.fit(stack, [1, 0] * 12, boxes=[[[20, 40, 40, 60]], []] * 12)
    path = tmp_path / "model.ff"
    write_model_file(path, model, {}, {})
    loaded = read_model_file(path)[0]
    np.testing.assert_array_equal(loaded.score_map(stack[:3]), model.score_map(stack[:3]))
    model._network = replace_recipe(model._network, image_shape=(96, 64))
    with pytest.raises(ModelFileError, match="its network is for other images"):
        write_model_file(path, model, {}, {})
    model.architecture = None
    with pytest.raises(ModelFileError, match="it has a network too many or too few"):
        write_model_file(path, model, {}, {})


def replace_recipe(network, **changes):
    changed = pickle.loads(pickle.dumps(network))
    changed.recipe = network.recipe._replace(**changes)
    return changed


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


# Sharpness


def smooth_noise(rng, sigma, shape=(96, 128), contrast=1.0):
    image = cv2.GaussianBlur(rng.normal(size=shape), (0, 0), sigma)
    return np.clip(128 + contrast * 40 * image / image.std(), 0, 255).astype(np.uint8)


def test_what_was_enlarged_has_less_in_the_outer_rings():
    rng = np.random.default_rng(0)
    image = smooth_noise(rng, 0.5)
    enlarged = cv2.resize(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), image.shape[::-1])
    sharp, soft = (describe_look(each) for each in (image, enlarged))
    assert sharp.shape == (RINGS - 1,)
    # Nothing is left from half of Nyquist's frequency on: summed differences compare the last ring with one before.
    half = RINGS // 2
    assert soft[half - 4 :].sum() < sharp[half - 4 :].sum() - 2
    np.testing.assert_allclose(describe_look(image // 2), sharp, atol=0.4)
    assert describe_look(np.full((40, 40), 9, np.uint8)).tolist() == [0] * (RINGS - 1)
    assert np.isfinite(describe_look(image[:32, :32])).all()


def test_a_spectrum_by_hand():
    """Of a wave of 16 periods in 128 pixels the power lies at 1/8, a quarter of Nyquist's frequency."""
    wave = np.tile(np.rint(100 + 90 * np.cos(2 * np.pi * 16 * np.arange(128) / 128)), (128, 1)).astype(np.uint8)
    highest = int(np.argmax(np.cumsum(describe_look(wave)))) + 1
    assert highest in (RINGS // 4 - 1, RINGS // 4)


def test_the_usual_score_is_a_parabola_of_sharpness():
    rng = np.random.default_rng(0)
    place = rng.normal(size=400)
    looks = np.outer(place, np.linspace(1, 2, RINGS - 1)).astype(np.float32)
    usual = fit_usual_score(looks, 1 + 2 * place - place**2)
    np.testing.assert_allclose(usual.of(looks), 1 + 2 * place - place**2, atol=0.35)
    farther = looks[[place.argmax()]] * 9  # what was not seen counts as the nearest that was
    np.testing.assert_allclose(usual.of(farther), usual.of(looks[[place.argmax()]]), rtol=1e-6)
    flat = fit_usual_score(np.zeros((5, RINGS - 1), np.float32), np.full(5, 3.0))
    assert flat.of(np.zeros((1, RINGS - 1), np.float32)).tolist() == [3.0]


def test_sharp_images_without_a_fracture_score_as_soft_ones_do():
    """Most sharp images are fractured, most soft ones are not: the score knows, until the usual one is subtracted."""
    rng = np.random.default_rng(0)
    sharp = rng.permutation(np.repeat([True, False], 60))
    y = (rng.random(120) < np.where(sharp, 0.7, 0.3)).astype(int)
    stack = np.stack([smooth_noise(rng, 0.6 if each else 1.5, (64, 64)) for each in sharp])
    boxes = [[[24, 24, 40, 40]] if each else [] for each in y]
    for row in np.flatnonzero(y):
        stack[row, 24:40, 24:40] = np.clip(stack[row, 24:40, 24:40] * 0.7 + 70, 0, 255)
    model = RegionClassifier(n_estimators=20, random_state=0).fit(stack, y, boxes=boxes)
    scores, whole = model.held_out_scores_, y == 0
    raw = scores + model._usual.of(np.array([describe_look(image) for image in stack]))

    def gap(values):
        return (values[whole & sharp].mean() - values[whole & ~sharp].mean()) / values[whole].std()

    assert gap(raw) > 0.5
    assert abs(gap(scores)) < 0.3


# A stack with a classifier of whole images


@pytest.fixture(scope="module")
def stacked(drawn):
    train, _ = drawn
    places = make_pipeline(classifier=RegionClassifier(n_estimators=N_TREES), image_size=160, random_state=0)
    stack = RegionStack(places, make_pipeline("edges", "svm", image_size=64), random_state=0)
    return stack.fit(train.paths, train.y, boxes=train.boxes, groups=train.groups)


def test_a_stack_weighs_both(stacked, drawn):
    train, test = drawn
    places, whole = stacked.places_, stacked.whole_
    scores = stacked.decision_function(test.paths)
    both = np.column_stack([part.decision_function(test.paths) for part in (places, whole)])
    scaler, line = stacked._weighing.steps[0][1], stacked._weighing.steps[1][1]
    np.testing.assert_allclose(scores, scaler.transform(both) @ stacked.weights_ + line.intercept_[0])
    probabilities = stacked.predict_proba(test.paths)
    np.testing.assert_allclose(np.log(probabilities[:, 1] / probabilities[:, 0]), scores, atol=1e-9)
    assert stacked.predict(test.paths).tolist() == (scores > 0).astype(int).tolist()
    assert roc_auc_score(test.y, scores) > 0.6
    # The weights come from scores of images that were held out, those of the places as these keep them.
    assert len(places[-1].held_out_scores_) == len(train)
    np.testing.assert_allclose(scaler.mean_[0], places[-1].held_out_scores_.mean())
    alone = clone(stacked.whole).fit(train.paths, train.y)
    assert alone.decision_function(test.paths).tolist() == both[:, 1].tolist()


def test_a_stack_has_the_boxes_and_the_map_of_its_places(stacked, drawn):
    paths = drawn[1].paths[:4]
    places = stacked.places_
    for each, other in zip(
        stacked.detect(paths, -np.inf), places[-1].detect(places[0].transform(paths), -np.inf), strict=True
    ):
        np.testing.assert_array_equal(each.boxes, other.boxes)
    pipeline = Pipeline([("classifier", stacked)])
    for each, other in zip(explain_images(pipeline, paths), explain_images(places, paths), strict=True):
        np.testing.assert_array_equal(each, other)
    again = pickle.loads(pickle.dumps(stacked))
    assert again.decision_function(paths).tolist() == stacked.decision_function(paths).tolist()


def test_a_stack_is_saved_and_loaded(stacked, drawn, tmp_path):
    paths = drawn[1].paths[:6]
    write_model_file(tmp_path / "stack.ff", Pipeline([("classifier", stacked)]), {}, {})
    loaded = read_model_file(tmp_path / "stack.ff")[0]
    assert loaded.decision_function(paths).tolist() == stacked.decision_function(paths).tolist()
    for each, other in zip(loaded[-1].detect(paths), stacked.detect(paths), strict=True):
        np.testing.assert_array_equal(each.boxes, other.boxes)


def test_a_stack_refuses_what_its_places_refuse(drawn):
    train, _ = drawn
    stack = RegionStack(make_pipeline("regions", image_size=64), make_pipeline("edges", image_size=64))
    with pytest.raises(ValueError, match=r"learns from boxes: give boxes="):
        stack.fit(train.paths, train.y)
    with pytest.raises(ValueError, match="'places' parameter of RegionStack must be an instance"):
        RegionStack("regions", stack.whole).fit(train.paths, train.y, boxes=train.boxes)


def test_the_best_reads_at_two_sizes():
    model = make_pipeline("best", resize="stretch", cache="x", random_state=3, n_jobs=2)
    stack = model[-1]
    assert [part[0].image_shape() for part in (stack.places, stack.whole)] == [(640, 640), (256, 256)]
    assert {part[0].resize for part in (stack.places, stack.whole)} == {"stretch"}
    assert stack.places[-1].architecture == "MobileNetV2"
    assert (stack.random_state, stack.places[-1].random_state, stack.places[-1].n_jobs) == (3, 3, 2)
    assert stack.whole[1].transformer_list[0][0] == "fisher"
    with pytest.raises(ValueError, match="classifier='best' reads at two sizes of its own; got image_size=64"):
        make_pipeline("best", image_size=64)
    with pytest.raises(ValueError, match="takes the paths themselves"):
        make_pipeline("hog", "best")


def test_the_threshold_is_that_of_a_false_box_in_every_fourth_image():
    """Of 8 unbroken images with a candidate each, two lie above it."""
    levels = np.array([*range(8), 20.0, 21.0], np.float32)
    inside = np.array([False] * 8 + [True] * 2)
    found, threshold = fit_places(Candidates(np.arange(10), levels, inside), np.zeros(10))
    above = found.decision_function(np.column_stack([levels, np.zeros(10)])) > threshold
    assert above.tolist() == [False] * 6 + [True] * 4
    assert found.coef_[0, 0] > 0


def test_candidates_are_higher_than_their_neighbours():
    levels = np.zeros((5, 6), np.float32)
    levels[1, 1], levels[1, 2], levels[4, 5], levels[2, 5] = 3, 2, 1, 5
    empty = np.zeros((5, 6), bool)
    empty[2, 5] = True
    peaks = find_peaks(levels, empty.ravel()).tolist()
    assert [1, 1] in peaks
    assert [4, 5] in peaks
    assert [1, 2] not in peaks
    assert [2, 5] not in peaks
