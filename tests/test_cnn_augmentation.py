import numpy as np
import pytest

from fracture_features.cnn import CNNClassifier, _augmentation, augment_images
from fracture_features.cnn._augmentation import vary


def test_images_vary_within_bounds():
    image = np.zeros((64, 48), dtype=np.uint8)
    image[24:40, 18:30] = 128
    varied = vary(np.repeat(image[None], 40, axis=0), np.random.default_rng(0))
    assert varied.shape == (40, 64, 48)
    assert varied.dtype == np.uint8
    assert len({v.tobytes() for v in varied}) == 40
    levels = np.array([np.median(v[v > 80]) for v in varied])
    assert 98 < levels.min() < 125
    assert 131 < levels.max() < 150
    rows, columns = np.array([[m.mean() for m in np.nonzero(v > 50)] for v in varied]).T
    assert 2 < np.abs(rows - 31.5).max() < 64 * 0.08 + 1
    assert 2 < np.abs(columns - 23.5).max() < 48 * 0.08 + 1
    area = (varied > 50).sum(axis=(1, 2)) / (16 * 12)
    assert 0.75 < area.min() < 0.95 < 1.05 < area.max() < 1.3


def test_about_half_are_mirrored():
    image = np.zeros((64, 64), dtype=np.uint8)
    image[20:44, 40:50] = 200
    varied = vary(np.repeat(image[None], 100, 0), np.random.default_rng(0))
    left = [np.nonzero(v > 100)[1].mean() < 32 for v in varied]
    assert 30 < sum(left) < 70


def test_noise_is_nearly_normal_and_stops_at_black_and_white():
    varied = vary(np.full((200, 64, 64), 128, dtype=np.uint8), np.random.default_rng(0))[:, 20:44, 20:44]
    noise = varied - np.median(varied, axis=(1, 2), keepdims=True)
    deviations = noise.std(axis=(1, 2))
    assert deviations.min() < 0.5
    assert 0.9 * _augmentation.NOISE < deviations.max() < 1.1 * _augmentation.NOISE
    loud = noise[deviations > 3]
    assert abs(loud.mean()) < 0.1
    assert 0.62 < (np.abs(loud) <= deviations[deviations > 3][:, None, None]).mean() < 0.75
    neighbours = np.corrcoef(loud[:, :, 1:].ravel(), loud[:, :, :-1].ravel())[0, 1]
    assert abs(neighbours) < 0.02
    white = vary(np.full((9, 64, 64), 255, dtype=np.uint8), np.random.default_rng(0))[:, 20:44, 20:44]
    assert white.min() > 200


def test_varies_the_same_on_one_thread_and_on_many(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (12, 40, 32), dtype=np.uint8)
    serial = vary(images, np.random.default_rng(3))
    real = _augmentation.map_threads
    monkeypatch.setattr(_augmentation, "map_threads", lambda function, items, n_jobs: real(function, items, 4))
    np.testing.assert_array_equal(vary(images, np.random.default_rng(3)), serial)


def test_examples_for_a_picture():
    images = np.repeat(np.array([40, 120, 200], dtype=np.uint8), 40 * 32).reshape(3, 40, 32)
    varied = augment_images(images, 4, random_state=0)
    assert varied.shape == (3, 4, 40, 32)
    assert varied.dtype == np.uint8
    levels = np.median(varied[:, :, 12:28, 10:22], axis=(2, 3))
    assert (np.abs(levels - [[40], [120], [200]]) < 35).all()
    assert len({v.tobytes() for v in varied.reshape(12, -1)}) == 12
    np.testing.assert_array_equal(augment_images(images, 4, random_state=0), varied)
    assert not np.array_equal(augment_images(images, 4), augment_images(images, 4))


def test_refuses_other_images():
    with pytest.raises(ValueError, match="dtype uint8"):
        augment_images(np.zeros((2, 40, 32)))
    with pytest.raises(ValueError, match="n_variations must be an integer of at least 1, got 0"):
        augment_images(np.zeros((2, 40, 32), dtype=np.uint8), 0)


def test_default_is_what_training_sees():
    assert CNNClassifier().augment
    assert augment_images(np.zeros((1, 32, 32), dtype=np.uint8)).shape == (1, 1, 32, 32)
