import pickle
import tracemalloc

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.metrics.pairwise import linear_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from fracture_features import (
    EdgeExtractor,
    FisherVectorExtractor,
    HOGExtractor,
    ImageReader,
    LBPExtractor,
    make_pipeline,
    make_radiographs,
    read_image,
)
from fracture_features.cache import cache_size
from fracture_features.exceptions import ImageReadError
from fracture_features.explain import _explain, explain_images
from fracture_features.explain._features import absent_features
from fracture_features.explain._fisher import place_descriptors
from fracture_features.explain._frames import Frame, enlarge, find_frame, spread
from fracture_features.explain._pixels import occlude_pixels
from fracture_features.explain._scores import find_line
from fracture_features.features._mixture import collect, gradients

SMALL_FISHER = FisherVectorExtractor(n_components=12, n_gaussians=6, n_samples=4000, random_state=0)


def linear_svm():
    return SVC(kernel="linear", class_weight="balanced")


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """Parts of radiographs that hold the fracture anywhere: as drawn, it is always close to the middle.

    Paths, labels, boxes in shares of the image, and which images, half of the patients, to test on.
    """
    folder = make_radiographs(240, folder=tmp_path_factory.mktemp("moved"), difficulty=0.1, random_state=1)
    truth = pd.read_csv(folder / "truth.csv")
    corners = truth[["top", "left", "bottom", "right"]].to_numpy().reshape(-1, 2, 2)
    rng, paths, boxes = np.random.default_rng(0), [], []
    for name, own in zip(truth["image"], corners, strict=True):
        image = read_image(folder / name)
        # A healthy limb is cut where a broken one would be.
        box = own if np.isfinite(own).all() else corners[rng.choice(np.flatnonzero(truth["fractured"]))]
        size = np.array(image.shape) * (0.6, 0.8) // 1
        low, high = (box[1] - size).clip(0), np.minimum(box[0], image.shape - size).clip(0)
        start = rng.uniform(np.minimum(low, high), high).astype(int)
        end = start + size.astype(int)
        paths.append(write(folder / f"{len(paths)}.png", image[start[0] : end[0], start[1] : end[1]]))
        boxes.append(((own - start) / size).ravel().clip(0, 1))
    return np.array(paths), truth["fractured"].to_numpy(), np.array(boxes), truth["patient"].to_numpy() % 2 == 0


@pytest.fixture(scope="module")
def few(data):
    """Paths to fit on, their labels, and paths to explain."""
    return data.paths[::2], data.y[::2], data.paths[1::8]


def sums(maps):
    return np.array([each.sum() for each in maps])


def write(path, image):
    cv2.imwrite(str(path), image)
    return str(path)


# --- a linear score: the sum of the map


LINEAR = {
    "scaled and reduced": make_pipeline("hog", "logistic", image_size=128),
    "several extractors": make_pipeline(["hog", "lbp", "edges"], LinearSVC(C=1e-3), image_size=128),
    "scaled": make_pipeline("edges", SGDClassifier(random_state=0), image_size=96),
    "as they are": make_pipeline("edges", "logistic", image_size=96).set_params(scaler="passthrough"),
    "not centred": make_pipeline("edges", RidgeClassifier(), image_size=96).set_params(scaler__with_mean=False),
    "whitened": make_pipeline("lbp", "logistic").set_params(scaler=PCA(8, whiten=True, random_state=0)),
    "scaled twice": Pipeline(
        [
            ("images", ImageReader(image_size=(80, 112), resize="stretch")),
            ("features", LBPExtractor()),
            ("one", PCA(10, random_state=0)),
            ("another", StandardScaler()),
            ("classifier", LogisticRegression()),
        ]
    ),
    "weighted union": make_pipeline(["hog", "lbp"], linear_svm(), image_size=96).set_params(
        features__transformer_weights={"lbp": 3.0}
    ),
    "one dropped": make_pipeline(["hog", "lbp"], linear_svm(), image_size=96).set_params(features__hog="drop"),
    "Fisher vectors": make_pipeline(SMALL_FISHER, linear_svm(), image_size=128),
    "Fisher vectors and HOG": make_pipeline([SMALL_FISHER, "hog"], "logistic", image_size=128),
}


@pytest.mark.parametrize("classifier", ["logistic", "svm", "random_forest"])
def test_tables_between_the_steps_change_nothing(classifier, few):
    train, y, paths = few
    model = make_pipeline("edges", classifier, image_size=96, random_state=0).fit(train, y)
    expected = explain_images(model, paths[:2])
    found = explain_images(FrozenEstimator(model.set_output(transform="pandas").fit(train, y)), paths[:2])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_occlusion_takes_the_memory_of_a_batch(few):
    """961 regions of 34596 features: all at once they are 130 MB for each copy."""
    train, y, paths = few
    model = make_pipeline(HOGExtractor(pixels_per_cell=8), "svm", image_size=256).fit(train, y)
    tracemalloc.start()
    explain_images(model, paths[:1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


@pytest.mark.parametrize("name", LINEAR)
def test_sums_to_decision_less_intercept(name, few):
    train, y, paths = few
    model = LINEAR[name].fit(train, y)
    maps = explain_images(model, paths)
    # In float64: NumPy would take float32's difference.
    expected = model.decision_function(paths).astype(np.float64) - float(model[-1].intercept_.item())
    np.testing.assert_allclose(sums(maps), expected, rtol=0, atol=1e-6)
    assert expected.std() > 1e-3
    assert find_line(model[2:], model[:2].transform(paths), 1) is not None
    for path, each in zip(paths, maps, strict=True):
        assert each.shape == read_image(path).shape
        assert each.dtype == np.float64
    for each, opposite in zip(maps, explain_images(model, paths, target=0), strict=True):
        np.testing.assert_allclose(each, -opposite, rtol=0, atol=1e-9)


def test_sums_to_the_column_of_more_than_two_classes(few):
    train, _, paths = few
    names = np.array(["finger", "none", "wrist"])[np.arange(len(train)) % 3]
    model = make_pipeline("edges", "logistic", image_size=96).fit(train, names)
    for column, name in enumerate(model.classes_):
        expected = model.decision_function(paths)[:, column] - model[-1].intercept_[column]
        np.testing.assert_allclose(sums(explain_images(model, paths, target=name)), expected, rtol=0, atol=1e-6)


def test_each_contribution_lies_on_its_region(tmp_path):
    rng = np.random.default_rng(0)
    paths = [write(tmp_path / f"{i}.png", rng.integers(0, 256, (64, 48), dtype=np.uint8)) for i in range(8)]
    model = make_pipeline(HOGExtractor(), "logistic", image_size=(64, 48)).fit(paths, [0, 1] * 4)
    row = model[:2].transform(paths[:1])[0].astype(np.float64)
    # The weight of each feature, from the definition of its gradient.
    score = model[2:].decision_function
    steps = np.vstack([row, row + 1e-2 * np.eye(len(row))])
    weights = np.diff(score(steps)[[0] * len(row) + [*range(1, len(row) + 1)]].reshape(2, -1), axis=0)[0] / 1e-2
    extractor, slow = model[1].transformer_list[0][1], np.zeros((64, 48))
    mean = model.named_steps["scaler"].mean_
    for (top, left, bottom, right), value in zip(extractor.feature_regions(), weights * (row - mean), strict=True):
        slow[top:bottom, left:right] += value / ((bottom - top) * (right - left))
    np.testing.assert_allclose(explain_images(model, paths[:1])[0], slow, atol=1e-6 * np.abs(slow).max() + 1e-9)


def test_fisher_shares_are_those_of_single_patches(data):
    stack = ImageReader(image_size=96).transform(data.paths[:6])
    extractor = FisherVectorExtractor(n_components=8, n_gaussians=4, n_samples=2000, random_state=0).fit(stack)
    vector = extractor.transform(stack[:1])[0]
    weights = np.random.default_rng(0).normal(size=len(vector))
    boxes, values = place_descriptors(extractor, stack[0], vector, weights)
    assert values.sum() == pytest.approx(weights @ vector, abs=1e-3)
    patches = extractor._describe(stack[0])
    assert len(boxes) == len(patches.positions)
    np.testing.assert_allclose((boxes[:, :2] + boxes[:, 2:]) / 2 / 96 - 0.5, patches.positions, atol=1e-6)
    assert set((boxes[:, 2] - boxes[:, 0]).tolist()) == {16, 24, 32}
    # Of one patch alone the gradient is what it adds to the mean.
    rows, n_odd = extractor._project(patches), extractor._n_odd
    whole = gradients(collect(rows, extractor.mixture_, n_odd), extractor.mixture_)
    for k in (0, len(rows) // 2, len(rows) - 1):
        alone = gradients(collect(rows[k : k + 1], extractor.mixture_, n_odd), extractor.mixture_)
        share = (weights * vector * alone / whole).sum() / len(rows)
        assert values[k] == pytest.approx(share, rel=1e-3, abs=1e-4 * np.abs(values).max())


@pytest.mark.parametrize("mirror", [True, False])
def test_fisher_of_an_image_without_patches(tmp_path, data, mirror):
    # Square: the edge of padding would be something to see.
    paths = [*data.paths[:8], write(tmp_path / "grey.png", np.full((70, 70), 90, dtype=np.uint8))]
    extractor = FisherVectorExtractor(n_components=8, n_gaussians=4, n_samples=2000, mirror=mirror, random_state=0)
    model = make_pipeline(extractor, linear_svm(), image_size=96).fit(paths, [0, 1] * 4 + [0])
    assert not explain_images(model, paths[-1:])[0].any()
    expected = model.decision_function(paths[:3]) - model[-1].intercept_
    np.testing.assert_allclose(sums(explain_images(model, paths[:3])), expected, rtol=0, atol=1e-6)


# --- occlusion among the features


@pytest.mark.parametrize("features", ["hog", ["hog", "lbp", "edges"]])
def test_occlusion_agrees_with_the_linear_map(features, few):
    train, y, paths = few
    exact = make_pipeline(features, linear_svm(), image_size=128).fit(train, y)
    # The same machine; without coefficients it is not known to be linear.
    opaque = make_pipeline(features, SVC(kernel=linear_kernel, class_weight="balanced"), image_size=128).fit(train, y)
    assert find_line(opaque[2:], opaque[:2].transform(paths), 1) is None
    for one, other in zip(explain_images(exact, paths), explain_images(opaque, paths), strict=True):
        assert spearmanr(one.ravel(), other.ravel())[0] >= 0.9
        np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(one).max())


def test_pairs_of_classes_are_no_line(few):
    train, _, paths = few
    model = make_pipeline("edges", linear_svm(), image_size=96).fit(train, np.arange(len(train)) % 3)
    assert model[-1].coef_.shape[0] == 3  # as many pairs as classes
    assert find_line(model[2:], model[:2].transform(paths), 1) is None
    assert all(each.any() for each in explain_images(model, paths, target=2))


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline("edges", "xgboost", image_size=96, random_state=0),
        make_pipeline("edges", RandomForestClassifier(20, random_state=0), image_size=96),
        make_pipeline("lbp", GaussianNB(), image_size=96).set_params(scaler=MinMaxScaler()),
    ],
    ids=["xgboost", "forest", "naive Bayes"],
)
def test_probabilities_are_explained_by_their_log_odds(model, few):
    train, y, paths = few
    model.fit(train, y)
    maps = explain_images(model, paths)
    for each, opposite in zip(maps, explain_images(model, paths, target=0), strict=True):
        np.testing.assert_allclose(each, -opposite, atol=1e-3 * np.abs(each).max())
    # One region by hand.
    features, row = model[1], model[:2].transform(paths[:1])[0]
    region = features.transformer_list[0][1].feature_regions()
    hidden = (region == region[-1]).all(axis=1)
    both = np.vstack([row, np.where(hidden, absent_features(features, model[2:], (96, 96)), row)]).astype(np.float32)
    p = model[2:].predict_proba(both).clip(1e-6)
    loss = -np.diff(np.log(p[:, 1] / p[:, 0]))[0]
    frame = find_frame(read_image(paths[0]).shape, model[0], (96, 96))
    expected = spread(region[-1:], np.array([loss]), loss, frame)
    last = np.s_[-frame.shape[0] // 8 :, -frame.shape[1] // 8 :]
    if not np.allclose(frame.box, (0, 0, 96, 96)):  # whose corner has what lies in the padding as well
        last = np.s_[:0]
    np.testing.assert_allclose(maps[0][last], expected[last], atol=1e-4 * max(np.abs(expected).max(), 1e-6))


def test_features_are_replaced_by_the_training_mean(few):
    train, y, _ = few
    for steps in ("xgboost", "svm"):
        model = make_pipeline("hog", steps, image_size=96, random_state=0).fit(train, y)
        mean = model[:2].transform(train).mean(axis=0)
        np.testing.assert_allclose(absent_features(model[1], model[2:], (96, 96)), mean, atol=1e-5)
    model = make_pipeline("edges", "xgboost", image_size=96, random_state=0).fit(train, y)
    assert not absent_features(model[1], model[2:], (96, 96)).any()


# --- does it show anything


def inside(shape, box):
    """The pixels of a box, given in shares of the image."""
    top, left, bottom, right = np.rint(box * [*shape, *shape]).astype(int)
    mask = np.zeros(shape, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def points_at(maps, boxes):
    """Share of the highest pixels of each map that lie in its box, and of what is positive, on average."""
    hits, energies = [], []
    for each, box in zip(maps, boxes, strict=True):
        mask, positive = inside(each.shape, box), each.clip(0)
        hits.append(mask[each >= each.max() - 1e-9 * np.abs(each).max()].mean())
        energies.append(positive[mask].sum() / (positive.sum() or 1))
    return np.array([np.mean(hits), np.mean(energies)])


def by_chance(maps, boxes):
    """The same, of boxes that belong to other images: what a map gets that knows where fractures mostly are."""
    turns = range(5, len(maps) - 5, 7)
    return np.mean([points_at(maps, np.roll(boxes, turn, axis=0)) for turn in turns], axis=0)


FINDERS = {
    "Fisher vectors, linear": make_pipeline(
        FisherVectorExtractor(n_components=24, n_gaussians=12, n_samples=10_000, random_state=0),
        linear_svm(),
        image_size=160,
    ),
    "edges, linear": make_pipeline(EdgeExtractor(grid=8), "logistic", random_state=0),
    "edges, RBF": make_pipeline(EdgeExtractor(grid=8), "svm", random_state=0),
    "edges, XGBoost": make_pipeline(EdgeExtractor(grid=8), "xgboost", random_state=0),
}


@pytest.mark.parametrize("name", FINDERS)
def test_a_fracture_lies_under_the_map_of_a_model_that_finds_it(name, moved):
    paths, y, boxes, test = moved
    rows = np.flatnonzero(test & (y == 1))
    maps = explain_images(FINDERS[name].fit(paths[~test], y[~test]), paths[rows])
    found = points_at(maps, boxes[rows])
    assert (found > 1.25 * by_chance(maps, boxes[rows])).all()
    assert (found > 1.25 * points_at([-each for each in maps], boxes[rows])).all()


@pytest.mark.parametrize("name", ["edges, linear", pytest.param("edges, RBF", marks=pytest.mark.slow)])
def test_a_model_of_shuffled_labels_has_maps_that_say_nothing(name, moved):
    """A fracture is a rare sight, and rare features make large contributions: but no more often for than against."""
    paths, y, boxes, test = moved
    rows = np.flatnonzero(test & (y == 1))
    pros, cons = [], []
    for seed in range(5):
        shuffled = np.random.default_rng(seed).permutation(y[~test])
        maps = explain_images(FINDERS[name].fit(paths[~test], shuffled), paths[rows])
        pros.append(points_at(maps, boxes[rows]))
        cons.append(points_at([-each for each in maps], boxes[rows]))
    ratio = np.mean(pros, axis=0) / np.mean(cons, axis=0)
    assert (ratio > 0.65).all()
    assert (ratio < 1.2).all()


# --- pixels


class CornerBrightness(TransformerMixin, BaseEstimator):
    """The mean of the pixels of the upper left and of the lower right quarter: no regions."""

    def fit(self, X, y=None):
        self.n_features_in_ = 2
        return self

    def transform(self, X):
        height, width = (side // 2 for side in X.shape[1:])
        return np.column_stack([X[:, :height, :width].mean(axis=(1, 2)), X[:, height:, width:].mean(axis=(1, 2))])


def spots(folder, n=12):
    """Images with a bright spot, upper left in class 1, lower right in class 0."""
    paths, y = [], np.arange(n) % 2
    for i, label in enumerate(y):
        image = np.full((120, 80), 10 + i, dtype=np.uint8)
        at = (30, 20) if label else (90, 60)
        cv2.circle(image, at[::-1], 8, 220, -1)
        paths.append(write(folder / f"{i}.png", image))
    return np.array(paths), y


def test_pixel_occlusion_finds_what_counts(tmp_path):
    paths, y = spots(tmp_path)
    model = make_pipeline(CornerBrightness(), "logistic", image_size=64).fit(paths, y)
    for label, each in zip(y, explain_images(model, paths), strict=True):
        assert each.shape == (120, 80)
        best = np.unravel_index(each.argmax() if label else each.argmin(), each.shape)
        assert np.hypot(*np.subtract(best, (30, 20) if label else (90, 60))) < 8
        # What has one grey level cannot be hidden.
        assert np.abs(each[:20, 60:]).max() < 1e-3 * np.abs(each).max()


def test_pixel_occlusion_on_images_themselves(tmp_path):
    """Any classifier of stacks, and pipelines of other steps."""
    paths, y = spots(tmp_path)

    class Difference(CornerBrightness):
        classes_ = np.array([0, 1])

        def decision_function(self, X):
            return self.transform(X) @ [1.0, -1.0]

    model = Pipeline([("images", ImageReader(image_size=64)), ("classifier", Difference())]).fit(paths, y)
    best = [np.unravel_index(each.argmax(), each.shape) for each in explain_images(model, paths[1:4:2])]
    assert np.hypot(*(np.array(best) - (30, 20)).T).max() < 8


def test_pixel_occlusion_leaves_the_cache_alone(tmp_path, few):
    train, y, paths = few
    extractor = FisherVectorExtractor(n_components=6, n_gaussians=4, n_samples=2000, random_state=0)
    model = make_pipeline([extractor, "lbp"], "svm", image_size=64, cache=tmp_path / "cache").fit(train, y)
    model.predict(paths[:2])
    before = cache_size(tmp_path / "cache")
    maps = explain_images(model, paths[:2])
    assert cache_size(tmp_path / "cache") == before
    assert model[1].transformer_list[0][1].cache == model[1].transformer_list[1][1].cache == tmp_path / "cache"
    assert all(each.any() for each in maps)


def test_windows_cover_every_pixel_of_any_shape():
    image = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    for box in ((0, 0, 40, 60), (0, 25, 40, 33), (20, 0, 21, 60), (3, 3, 4, 4)):
        frame = Frame(box, (10, 10))
        levels = occlude_pixels(lambda images: images.mean(axis=(1, 2)), image, frame)
        assert np.isfinite(levels).all()
        outside = levels.copy()
        outside[frame.inner] = 0
        assert not outside.any()


def test_levels_are_mean_losses():
    """A score that loses 1 by whatever is hidden has the level 1 everywhere."""
    image = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    for box in ((0, 0, 40, 60), (4, 25, 36, 43)):
        frame = Frame(box, (10, 10))
        levels = occlude_pixels(lambda images: (images == image).all(axis=(1, 2)).astype(float), image, frame)
        np.testing.assert_allclose(levels[frame.inner], 1, rtol=1e-5)


# --- the way back to the file


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(16, 64), st.integers(16, 64))
def test_frame_is_where_the_reader_puts_the_image(tmp_path_factory, height, width, rows, columns):
    path = write(tmp_path_factory.mktemp("white") / "white.png", np.full((height, width), 255, dtype=np.uint8))
    for resize in ("pad", "stretch"):
        reader = ImageReader(image_size=(rows, columns), resize=resize)
        frame = find_frame((height, width), reader, (rows, columns))
        expected = np.zeros((rows, columns), dtype=np.uint8)
        expected[frame.inner] = 255
        np.testing.assert_array_equal(reader.transform([path])[0], expected)
        assert frame.shape == (height, width)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 90))
def test_spread_keeps_the_sum(seed, height, width):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.integers(0, 33, (2, 20, 2)), axis=0)
    boxes, values = np.hstack(corners), rng.normal(size=20)
    frame = Frame((4, 0, 28, 32), (height, width))
    assert spread(boxes, values, 1.5, frame).sum() == pytest.approx(1.5, abs=1e-12)


def test_spread_puts_a_value_on_its_box():
    frame = Frame((0, 4, 16, 12), (32, 16))  # twice as large in the file
    boxes = np.array([[2, 5, 4, 8], [0, 0, 4, 6], [0, 0, 4, 4]])  # on the image, half in the padding, all of it
    one, half, none = (spread(boxes[k : k + 1], np.ones(1), 1.0, frame) for k in range(3))
    expected = np.zeros((32, 16))
    expected[4:8, 2:8] = 1 / 24
    np.testing.assert_allclose(one, expected, atol=1e-15)
    expected = np.zeros((32, 16))
    expected[:8, :4] = 1 / 32
    np.testing.assert_allclose(half, expected, atol=1e-15)
    np.testing.assert_allclose(none, 1 / 512)


def test_enlarge_undoes_the_padding():
    levels = np.zeros((16, 16))
    levels[:, 4:12] = np.arange(8)
    out = enlarge(levels, Frame((0, 4, 16, 12), (64, 32)), (16, 16))
    assert out.shape == (64, 32)
    assert (np.diff(out, axis=1) >= 0).all()
    assert out.min() == 0
    assert out.max() == 7
    assert enlarge(np.ones((2, 3)), Frame((0, 4, 16, 12), (64, 32)), (16, 16)).tolist() == np.ones((64, 32)).tolist()


def test_turned_files(tmp_path, few):
    """An EXIF rotation turns the map with the image."""
    train, y, _ = few
    pixels = read_image(train[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    model = make_pipeline("hog", "logistic", image_size=96).fit(train, y)
    turned, plain = explain_images(model, [tmp_path / "turned.png", tmp_path / "plain.png"])
    np.testing.assert_array_equal(turned, plain)


def test_maps_of_other_shapes(few, tmp_path, monkeypatch):
    """Half as high and as wide, each pixel has the sum of four; no file is opened for its shape."""
    train, y, paths = few
    path = write(tmp_path / "x.png", cv2.resize(read_image(paths[0]), (120, 160)))
    model = make_pipeline("hog", "logistic", image_size=96).fit(train, y)
    full = explain_images(model, [path, paths[1]])[0]
    monkeypatch.setattr(_explain, "read_shape", pytest.fail)
    small, wide = explain_images(model, [path, paths[1]], shapes=np.array([(80, 60), (30, 70)]))
    np.testing.assert_allclose(small, full.reshape(80, 2, 60, 2).sum(axis=(1, 3)), atol=1e-12)
    assert wide.shape == (30, 70)
    by_pixels = make_pipeline(CornerBrightness(), "logistic", image_size=32).fit(train, y)
    assert explain_images(by_pixels, [path], shapes=[(8, 6)])[0].shape == (8, 6)


@pytest.mark.parametrize("shapes", [[(8, 6)], [(8, 6), (8,)], [(8, 6), (0, 6)], [(8, 6), (8, 6.0)], 8])
def test_shapes_that_are_none(shapes, few):
    train, y, paths = few
    model = make_pipeline("edges", "svm", image_size=96).fit(train, y)
    with pytest.raises(ValueError, match=r"shapes must be a height and a width.*for each of 2 images"):
        explain_images(model, paths[:2], shapes=shapes)


# --- models and errors


def test_searches_pickles_and_parts_of_a_list(few):
    train, y, paths = few
    search = GridSearchCV(make_pipeline("edges", "svm", image_size=96), {"classifier__C": [1, 10]}, cv=3)
    search.fit(train, y)
    maps = explain_images(search, paths)
    for model in (search.best_estimator_, pickle.loads(pickle.dumps(search))):
        np.testing.assert_equal(explain_images(model, list(paths)), maps)
    np.testing.assert_allclose(explain_images(search, paths[-1:])[0], maps[-1], atol=1e-9)
    many = explain_images(search, np.tile(paths[:2], 10))
    assert len(many) == 20
    np.testing.assert_allclose(many[-1], maps[1], atol=1e-9)


def test_unfitted_models():
    for model in (make_pipeline(), GridSearchCV(make_pipeline(), {})):
        with pytest.raises(NotFittedError, match="not fitted"):
            explain_images(model, ["x.png"])


def test_what_is_no_pipeline_of_paths(few):
    train, y, paths = few
    pipeline = make_pipeline("edges", "svm", image_size=96)
    refused = {
        "DummyClassifier": make_pipeline(classifier="majority").fit(train, y),
        "StackingClassifier": StackingClassifier([("a", pipeline)], cv=2).fit(train, y),
        "GridSearchCV": GridSearchCV(pipeline, {}, cv=2, refit=False).fit(train, y),
        "SVC": SVC().fit([[0.0], [1.0]], [0, 1]),
    }
    for name, model in refused.items():
        with pytest.raises(ValueError, match=f"begins with an ImageReader.*{name}"):
            explain_images(model, paths)
    for wrong in ("hog", None, SVC):
        with pytest.raises(ValueError, match="model must be a fitted pipeline"):
            explain_images(wrong, paths)


def test_classifiers_without_a_score(few):
    train, y, paths = few
    model = make_pipeline("edges", DummyClassifier(), image_size=96).fit(train, y)
    assert not any(each.any() for each in explain_images(model, paths))  # it has one, that no image changes
    model = make_pipeline("edges", SVC(decision_function_shape="ovo"), image_size=96)
    model.fit(train, np.arange(len(train)) % 3)
    with pytest.raises(ValueError, match=r"'ovo' of SVC gives a score to pairs.*expected 'ovr'"):
        explain_images(model, paths)
    model = make_pipeline("edges", LogisticRegression(), image_size=96).fit(train, y)
    model.steps[-1] = ("classifier", Voiceless().fit(train, y))
    with pytest.raises(ValueError, match="Voiceless has neither decision_function nor predict_proba"):
        explain_images(model, paths)


class Voiceless(BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self


def test_target_and_images(few, tmp_path):
    train, y, paths = few
    model = make_pipeline("edges", "svm", image_size=96).fit(train, np.where(y, "broken", "whole"))
    with pytest.raises(ValueError, match=r"target=1 is none of the classes \['broken', 'whole'\]"):
        explain_images(model, paths)
    assert len(explain_images(model, paths[:1], target="broken")) == 1
    with pytest.raises(ValueError, match="got the single path"):
        explain_images(model, paths[0], target="broken")
    with pytest.raises(ImageReadError, match=r"missing\.png"):
        explain_images(model, [str(tmp_path / "missing.png")], target="broken")


def test_union_of_what_has_places_and_what_has_none(few):
    train, y, paths = few
    model = Pipeline(
        [
            ("images", ImageReader(image_size=64)),
            ("features", FeatureUnion([("hog", HOGExtractor()), ("corners", CornerBrightness())])),
            ("scaler", StandardScaler()),
            ("classifier", LogisticRegression()),
        ]
    ).fit(train, y)
    assert all(each.any() for each in explain_images(model, paths[:2]))
