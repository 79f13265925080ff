import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import KINDS, make_image
from scipy.signal import fftconvolve
from skimage.filters import gabor_kernel

from fracture_features.features import GaborExtractor
from fracture_features.features._gabor import gabor_energy


def sigma_of(frequency):
    return 3 * np.sqrt(np.log(2) / 2) / np.pi / frequency


def reference(image, frequency, orientations):
    """Magnitudes by scikit-image's kernels with a round Gaussian, cut at three sigmas, less a share of the Gaussian."""
    sigma, out = sigma_of(frequency), []
    radius = int(np.ceil(3 * sigma))
    # Padded by hand: SciPy 1.17.1's ndimage.convolve goes wrong where a small image is mirrored more than once.
    padded = np.pad(image.astype(float), radius, mode="symmetric")
    for k in range(orientations):
        # scikit-image's cut depends on the angle; the middle of a larger kernel does not.
        large = gabor_kernel(frequency, np.pi * k / orientations, sigma_x=sigma, sigma_y=sigma, n_stds=6)
        row, column = large.shape[0] // 2, large.shape[1] // 2
        wave = large[row - radius : row + radius + 1, column - radius : column + radius + 1]
        wave = wave - np.abs(wave) * wave.sum() / np.abs(wave).sum()
        out.append(np.abs(fftconvolve(padded, wave, mode="valid")))
    return np.stack(out)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    # Sides below the kernel's radius are mirrored more than once.
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    frequency=st.floats(0.08, 0.5),
    orientations=st.integers(1, 7),
    seed=st.integers(0, 2**32 - 1),
)
def test_energy_is_that_of_scikit_images_kernels(kind, shape, frequency, orientations, seed):
    image = make_image(kind, *shape, seed)
    energy = gabor_energy(image, frequency=frequency, orientations=orientations)
    assert energy.dtype == np.float32
    np.testing.assert_allclose(energy, reference(image, frequency, orientations), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("orientation", range(5))
def test_kernels_are_opencvs(orientation):
    impulse = np.zeros((61, 61), dtype=np.uint8)
    impulse[30, 30] = 255
    ours = gabor_energy(impulse, frequency=0.1, orientations=5)[orientation] / 255
    sigma = sigma_of(0.1)
    radius = int(np.ceil(3 * sigma))
    size, angle = (2 * radius + 1, 2 * radius + 1), np.pi * orientation / 5
    real, imaginary = (cv2.getGaborKernel(size, sigma, angle, 10, 1, phase) for phase in (0, -np.pi / 2))
    gaussian = cv2.getGaborKernel(size, sigma, 0, 1e9, 1, 0)
    real -= gaussian * real.sum() / gaussian.sum()
    middle = slice(30 - radius, 31 + radius)
    expected = np.hypot(real, imaginary) / (2 * np.pi * sigma**2)
    np.testing.assert_allclose(ours[middle, middle], expected, rtol=1e-4, atol=1e-8)
    ours[middle, middle] = 0
    assert not ours.any()


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(7, 40), st.integers(7, 40)),
    grid=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    pooling=st.sampled_from([("mean", "max", "std"), ("std", "mean"), "max"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_features_are_the_energies_pooled(kind, shape, grid, pooling, seed):
    images = np.stack([make_image(kind, *shape, seed + i) for i in range(2)])
    extractor = GaborExtractor(frequencies=(0.3, 0.15), orientations=3, pooling=pooling, grid=grid)
    features = extractor.fit_transform(images)
    assert features.dtype == np.float32
    names, regions = extractor.get_feature_names_out(), extractor.feature_regions()
    for image, row in zip(images, features, strict=True):
        energies = [gabor_energy(image, frequency=f, orientations=3).astype(float) for f in (0.3, 0.15)]
        for (top, left, bottom, right), name, value in zip(regions, names, row, strict=True):
            _, frequency, orientation, pool = name.split("_")
            cell = energies[int(frequency[-1])][int(orientation[-1]), top:bottom, left:right]
            np.testing.assert_allclose(value, getattr(cell, pool)(), rtol=1e-5, atol=1e-5)


def test_golden_energies():
    # By `reference` with scikit-image 0.26.0 and SciPy 1.17.1, for the image (7 r² + 3 c² + r c) modulo 256.
    r, c = np.indices((6, 6))
    image = ((7 * r * r + 3 * c * c + r * c) % 256).astype(np.uint8)
    features = GaborExtractor(frequencies=(0.25, 0.1), orientations=4, pooling="mean", grid=1).fit_transform(
        image[None]
    )
    golden = [3.94543, 5.45712, 4.82052, 5.20259, 11.8956, 4.51129, 32.0862, 4.33117]
    np.testing.assert_allclose(features[0], golden, rtol=1e-5)


@pytest.mark.parametrize("orientation", range(6))
def test_a_grating_has_half_its_amplitude(orientation):
    rows, columns = np.indices((96, 96))
    angle = np.pi * orientation / 6
    phase = 2 * np.pi * 0.125 * (columns * np.cos(angle) + rows * np.sin(angle))
    image = np.rint(128 + 100 * np.cos(phase)).astype(np.uint8)
    energy = gabor_energy(image, frequency=0.125, orientations=6)[orientation, 20:-20, 20:-20]
    np.testing.assert_allclose(energy, 50, rtol=0.01)
    bank = GaborExtractor(frequencies=(0.03125, 0.125, 0.5), orientations=6, pooling="mean", grid=1)
    assert bank.fit_transform(image[None])[0].argmax() == 6 + orientation


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 3), (40, 40)])
@pytest.mark.parametrize("value", [0, 77, 255])
def test_constant_images_of_any_size_have_no_energy(shape, value):
    assert not GaborExtractor(grid=1).fit_transform(np.full((1, *shape), value, dtype=np.uint8)).any()


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(KINDS), shift=st.integers(0, 127), seed=st.integers(0, 2**32 - 1))
def test_adding_a_constant_changes_nothing(kind, shift, seed):
    image = make_image(kind, 30, 41, seed) // 2
    first, second = GaborExtractor().fit_transform(np.stack([image, image + np.uint8(shift)]))
    np.testing.assert_array_equal(first, second)


def test_doubling_the_contrast_doubles_all():
    image = make_image("noise", 30, 41, 0) // 2
    first, second = GaborExtractor().fit_transform(np.stack([image, 2 * image]))
    np.testing.assert_allclose(2 * first, second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("orientations", [1, 5, 6])
def test_mirroring_exchanges_orientations(orientations):
    image = make_image("noise", 31, 40, 0)
    energy = gabor_energy(image, frequency=0.2, orientations=orientations)
    exchanged = -np.arange(orientations) % orientations
    for axis in (0, 1):
        mirrored = gabor_energy(np.ascontiguousarray(np.flip(image, axis)), frequency=0.2, orientations=orientations)
        np.testing.assert_allclose(np.flip(mirrored, 1 + axis)[exchanged], energy, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("orientations", [2, 4, 6])
def test_a_quarter_turn_moves_orientations_on_by_half(orientations):
    image = make_image("noise", 48, 48, 0)
    features = GaborExtractor(orientations=orientations, grid=3).fit_transform(np.stack([image, np.rot90(image)]))
    first, second = features.reshape(2, 3, 3, -1, orientations, 3)
    np.testing.assert_allclose(np.roll(np.rot90(first), orientations // 2, axis=3), second, rtol=1e-4, atol=1e-4)


def test_names_and_regions():
    extractor = GaborExtractor(frequencies=(0.25, 0.125), orientations=2, pooling=("max", "mean"), grid=(3, 2))
    extractor.fit(np.zeros((1, 20, 31), dtype=np.uint8))
    names, regions = extractor.get_feature_names_out(), extractor.feature_regions()
    assert len(names) == len(set(names)) == len(regions) == 6 * 8
    expected = ["frequency0_orientation0_max", "frequency0_orientation0_mean", "frequency0_orientation1_max"]
    assert names[:3].tolist() == [f"cell0x0_{label}" for label in expected]
    assert names[-1] == "cell2x1_frequency1_orientation1_mean"
    np.testing.assert_array_equal(regions[[0, 8, -1]], [[0, 0, 6, 15], [0, 15, 6, 31], [13, 15, 20, 31]])


def test_pixels_beyond_region_and_radius_have_no_say():
    image, other = make_image("noise", 60, 61, 0), make_image("noise", 60, 61, 1)
    extractor = GaborExtractor(frequencies=(0.25,), orientations=3, grid=4).fit(image[None])
    before = extractor.transform(image[None])[0]
    for feature in range(0, len(before), 9):
        top, left, bottom, right = extractor.feature_regions()[feature]
        keep = slice(max(top - 7, 0), bottom + 7), slice(max(left - 7, 0), right + 7)
        changed = other.copy()
        changed[keep] = image[keep]
        after = extractor.transform(changed[None])[0]
        # Another mean of the whole image is subtracted, and sums round elsewhere.
        np.testing.assert_allclose(after[feature : feature + 9], before[feature : feature + 9], rtol=1e-4)
        assert not np.allclose(after, before, rtol=1e-2)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"frequencies": 0.25}, "'frequencies' parameter of GaborExtractor must be an array-like"),
        ({"frequencies": ()}, r"frequencies must be a sequence of at least one number, got \(\)"),
        ({"frequencies": ("a",)}, r"frequencies must be a sequence of at least one number, got \('a',\)"),
        ({"frequencies": (0.2, 0)}, r"frequencies must lie between 0.001 and 0.5 .* got \(0.2, 0\)"),
        ({"frequencies": (0.6,)}, r"frequencies must lie between 0.001 and 0.5 .* got \(0.6,\)"),
        ({"frequencies": (np.nan,)}, r"frequencies must lie between 0.001 and 0.5 .* got \(nan,\)"),
        ({"orientations": 0}, "'orientations' parameter of GaborExtractor must be an int"),
        ({"pooling": "median"}, r"pooling must be one or several of \('mean', 'max', 'std'\).* got 'median'"),
        ({"pooling": ()}, r"pooling must be one or several of .* got \(\)"),
        ({"pooling": ("max", "max")}, r"pooling must be .* each once, got \('max', 'max'\)"),
        ({"grid": 13}, r"grid=13 needs images of at least \(13, 13\) pixels.* got \(12, 30\)"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        GaborExtractor(**parameters).fit(np.zeros((1, 12, 30), dtype=np.uint8))
