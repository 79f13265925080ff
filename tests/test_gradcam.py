import pickle

import cv2
import numpy as np
import pytest
from lines import bright_lines

from fracture_features import make_pipeline
from fracture_features.cnn import CNNClassifier, _classifier
from fracture_features.cnn._gradcam import BLOCK, grad_cam
from fracture_features.explain import explain_images

keras = pytest.importorskip("keras")

X, y = bright_lines(48, (64, 48))


@pytest.fixture(scope="module")
def fitted():
    return CNNClassifier(epochs=8, batch_size=12, validation_fraction=None, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def three():
    images, labels = bright_lines(24, n_classes=3)
    return CNNClassifier(epochs=2, validation_fraction=None, random_state=0).fit(images, labels), images


def by_differences(classifier, images, column):
    """Grad-CAM from its definition: how log-odds move when a whole map is lifted a little, through keras' own head."""
    network = classifier.model_
    pooling = next(each for each in network.layers if each.__class__.__name__ == "GlobalAveragePooling2D")
    maps = keras.ops.convert_to_numpy(keras.Model(network.input, pooling.input)(images, training=False))
    head = keras.Model(pooling.input, network.output)

    def log_odds(values):
        p = keras.ops.convert_to_numpy(head(values, training=False)).astype(np.float64)
        return np.log(p[:, column] / np.delete(p, column, axis=1).sum(axis=1))

    weights, step = np.empty(maps.shape[::3]), 1e-2
    for k in range(maps.shape[3]):
        lift = np.zeros(maps.shape[3], dtype=np.float32)
        lift[k] = step
        weights[:, k] = (log_odds(maps + lift) - log_odds(maps - lift)) / (2 * step)
    return np.einsum("nrck,nk->nrc", maps, weights / (maps.shape[1] * maps.shape[2]))


def test_is_the_gradient_of_the_log_odds(fitted, three):
    for classifier, images, column in ((fitted, X[:5], 1), (three[0], three[1][:5], 0), (three[0], three[1][:5], 2)):
        levels = grad_cam(classifier, images, column)
        assert levels.dtype == np.float64
        expected = by_differences(classifier, images, column)
        np.testing.assert_allclose(levels, expected, atol=2e-3 * np.abs(expected).max())


def test_of_two_classes_one_is_the_others_negative(fitted, three):
    np.testing.assert_allclose(grad_cam(fitted, X, 0), -grad_cam(fitted, X, 1), atol=1e-12)
    classifier, images = three
    assert np.abs(grad_cam(classifier, images, 0) + grad_cam(classifier, images, 1)).max() > 1e-3


def test_any_number_of_images(fitted):
    levels = grad_cam(fitted, X, 1)
    assert levels.shape == (len(X), 8, 6)
    assert len(X) > 2 * BLOCK
    np.testing.assert_allclose(grad_cam(fitted, X[-1:], 1)[0], levels[-1], atol=1e-5 * np.abs(levels).max())


def test_pickled_is_the_same(fitted):
    np.testing.assert_array_equal(grad_cam(pickle.loads(pickle.dumps(fitted)), X, 1), grad_cam(fitted, X, 1))


def test_lies_on_the_line(fitted):
    """Class 1 has a bright bar across, anywhere."""
    images = np.random.default_rng(1).integers(0, 80, (20, 64, 48), dtype=np.uint8)
    at = np.random.default_rng(2).integers(8, 53, 20)
    for image, row in zip(images, at, strict=True):
        image[row : row + 3] += 90
    assert (fitted.predict(images) == 1).all()
    profile = grad_cam(fitted, images, 1).mean(axis=2)
    # The bar's row of the map, or the next to it: a pixel of the map stands for 8.
    assert np.mean(np.abs(profile.argmax(axis=1) - (at + 1) / 8 + 0.5) <= 1.5) > 0.8


@pytest.mark.parametrize("architecture", ["residual", "EfficientNetB0"])
def test_any_architecture(architecture, monkeypatch):
    """EfficientNet pools in its blocks too. As drawn, for what is asked is not about training."""
    monkeypatch.setattr(_classifier, "train_network", lambda *_, **__: {"loss": [1.0]})
    classifier = CNNClassifier(architecture=architecture, random_state=0).fit(X, y)
    levels = grad_cam(classifier, X[:2], 1)
    network = classifier.model_
    maps = {id(layer.output): layer.input for layer in network.layers if "global_average" in layer.name}
    concatenated = next(layer for layer in reversed(network.layers) if isinstance(layer, keras.layers.Concatenate))
    values = keras.Model(network.input, maps[id(concatenated.input[0])])(X[:2], training=False)
    kernel = network.layers[-1].get_weights()[0].astype(np.float64)
    weights = np.add(*np.split(kernel[:, 1] - kernel[:, 0], 2))
    expected = keras.ops.convert_to_numpy(values).astype(np.float64) @ weights / levels[0].size
    np.testing.assert_allclose(levels, expected, atol=1e-5 * np.abs(expected).max())


def test_explains_pipelines(tmp_path):
    """On files of other shapes than the network's."""
    paths = []
    for i, image in enumerate(X):
        paths.append(str(tmp_path / f"{i}.png"))
        cv2.imwrite(paths[-1], cv2.resize(image, (60, 80)))
    network = CNNClassifier(epochs=6, batch_size=12, validation_fraction=None)
    model = make_pipeline(classifier=network, image_size=64, random_state=0).fit(paths, y)
    rows = np.flatnonzero(y == 1)[:10]
    maps = explain_images(model, np.array(paths)[rows])
    assert {each.shape for each in maps} == {(80, 60)}
    assert all(each.dtype == np.float64 for each in maps)
    # A bar 3 pixels wide, enlarged by 1.25.
    bars = [X[row].astype(float).mean(axis=1).argmax() * 1.25 for row in rows]
    assert np.median(np.abs([each.mean(axis=1).argmax() for each in maps] - np.array(bars))) < 10
    again = explain_images(pickle.loads(pickle.dumps(model)), np.array(paths)[rows])
    np.testing.assert_equal(again, maps)
    for each, opposite in zip(maps, explain_images(model, np.array(paths)[rows], target=0), strict=True):
        np.testing.assert_allclose(each, -opposite, atol=1e-9)
