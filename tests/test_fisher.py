import os
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.feature import fisher_vector
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from fracture_features.features import _fisher
from fracture_features.features._descriptors import dense_descriptors, mirrored, patch_starts, unfold
from fracture_features.features._fisher import FisherVectorExtractor, encode
from fracture_features.features._mixture import Mixture, Statistics, collect, gradients, maximise

SMALL = {"cell_sizes": (3, 4), "step": 4, "min_contrast": 0.5, "n_components": 10, "n_gaussians": 5}
SMALL |= {"n_samples": 2000, "random_state": 0}


def make_images(n, height=40, width=36, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (n, height, width)).astype(np.uint8)
    return np.stack([cv2.GaussianBlur(image, (0, 0), 0.5 + i % 3) for i, image in enumerate(noise)])


@pytest.fixture(scope="module")
def images():
    return make_images(12)


@pytest.fixture(scope="module")
def fitted(images):
    return FisherVectorExtractor(**SMALL).fit(images)


def slow_descriptor(image, top, left, cell):
    """One RootSIFT descriptor (4, 4, 8), straight from its definition, and the patch's contrast."""
    height, width = image.shape
    padded = np.pad(image.astype(float), 1, mode="edge")
    g_row, g_column = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2, (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    magnitude = np.hypot(g_row, g_column)
    orientation = np.rint(np.arctan2(g_row, g_column) % (2 * np.pi) * 4 / np.pi * 2**20) / 2**20 % 8
    sums = np.zeros((4, 4, 8))
    for i, j, b in np.ndindex(4, 4, 8):
        rows = np.maximum(1 - np.abs(np.arange(height) - (top + i * cell + (cell - 1) / 2)) / cell, 0)
        columns = np.maximum(1 - np.abs(np.arange(width) - (left + j * cell + (cell - 1) / 2)) / cell, 0)
        apart = np.abs(orientation - b)
        share = np.maximum(1 - np.minimum(apart, 8 - apart), 0)
        sums[i, j, b] = rows @ (magnitude * share) @ columns
    contrast = sums.sum() / (4 * cell) ** 2
    clipped = np.minimum(sums / max(np.linalg.norm(sums), 1e-30), 0.2)
    return np.sqrt(clipped / max(clipped.sum(), 1e-30)), contrast


@settings(max_examples=25, deadline=None)
@given(
    cell_sizes=st.lists(st.integers(1, 7), min_size=1, max_size=2),
    step=st.integers(1, 9),
    extra=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    min_contrast=st.sampled_from([0, 5, 20]),
    seed=st.integers(0, 1000),
)
def test_descriptors_are_those_of_the_definition(cell_sizes, step, extra, min_contrast, seed):
    height, width = (4 * max(cell_sizes) + more for more in extra)
    image = make_images(1, height, width, seed)[0]
    patches = dense_descriptors(image, cell_sizes=cell_sizes, step=step, min_contrast=min_contrast)
    expected, centres = [], []
    for cell in cell_sizes:
        for top in patch_starts(height, cell, step):
            for left in patch_starts(width, cell, step):
                descriptor, contrast = slow_descriptor(image, top, left, cell)
                if abs(contrast - min_contrast) < 1e-4 * contrast:
                    return  # either is right
                if contrast > min_contrast:
                    expected.append(descriptor)
                    centres.append([(top + 2 * cell) / height - 0.5, (left + 2 * cell) / width - 0.5])
    assert len(patches.descriptors) == len(patches.positions) == len(expected)
    if expected:
        np.testing.assert_allclose(unfold(patches.descriptors), expected, atol=1e-5)
        np.testing.assert_allclose(patches.positions, centres, atol=1e-6)


@given(length=st.integers(0, 300), cell=st.integers(1, 20), step=st.integers(1, 30))
def test_patches_are_a_step_apart_and_symmetric(length, cell, step):
    starts = patch_starts(length, cell, step)
    space = length - 4 * cell
    assert len(starts) == 0 if space < 0 else len(starts) > 0
    if space >= 0:
        np.testing.assert_array_equal(np.sort(space - starts), starts)
        gaps = np.diff(starts)
        odd = (gaps != step).sum()
        assert odd <= 1
        assert (np.abs(gaps - step) <= 1).all() or space < step
        assert 0 <= starts[0] < max(step, 1)


@pytest.mark.parametrize("shape", [(40, 36), (37, 41), (33, 36)])
@pytest.mark.parametrize("step", [3, 4])
def test_the_mirrored_image_has_mirrored_descriptors(shape, step):
    image = make_images(1, *shape)[0]
    options = {"cell_sizes": (4, 5), "step": step, "min_contrast": 1.0}
    here = mirrored(dense_descriptors(image, **options))
    there = dense_descriptors(np.ascontiguousarray(image[:, ::-1]), **options)
    for a, b in zip(sorted_patches(here), sorted_patches(there), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def sorted_patches(patches):
    """By position, and there by the descriptors' first number: patches of several sizes can share a centre."""
    keys = np.column_stack([np.round(patches.positions, 4), np.round(patches.descriptors[:, :1], 4)])
    order = np.lexsort(keys.T[::-1])
    return patches.descriptors[order], patches.positions[order]


def test_folding_keeps_distances():
    descriptors = dense_descriptors(make_images(1)[0], cell_sizes=(4,), step=4, min_contrast=0).descriptors
    whole = unfold(descriptors).reshape(len(descriptors), -1)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(whole @ whole.T, descriptors @ descriptors.T, atol=1e-6)


def test_turning_up_the_contrast_changes_nothing_but_what_is_left_out():
    image = make_images(1)[0] // 4
    options = {"cell_sizes": (4,), "step": 4}
    one, two = (dense_descriptors(k * image, min_contrast=0, **options).descriptors for k in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)
    one, two = (dense_descriptors(k * image, min_contrast=3 * k, **options).descriptors for k in (1, 2))
    assert 0 < len(one) < 60
    np.testing.assert_allclose(one, two, atol=1e-6)


def random_mixture(n_gaussians, n_dimensions, seed):
    rng = np.random.default_rng(seed)
    data = rng.normal(rng.normal(size=(n_gaussians, 1, n_dimensions)), 1, (n_gaussians, 60, n_dimensions))
    gmm = GaussianMixture(n_gaussians, covariance_type="diag", max_iter=300, random_state=seed)
    return gmm.fit(data.reshape(-1, n_dimensions)), rng


@pytest.mark.parametrize(("n_gaussians", "n_dimensions"), [(1, 3), (4, 6), (16, 66), (64, 10)])
def test_encoding_equals_scikit_image(n_gaussians, n_dimensions):
    gmm, rng = random_mixture(n_gaussians, n_dimensions, n_gaussians)
    mixture = Mixture(gmm.weights_, gmm.means_, gmm.covariances_)
    rows = rng.normal(scale=2, size=(500, n_dimensions)).astype(np.float32)
    expected = fisher_vector(rows.astype(np.float64), gmm)[n_gaussians:]
    expected[len(expected) // 2 :] *= -1  # scikit-image's gradients by the variances have the other sign
    np.testing.assert_allclose(gradients(collect(rows, mixture), mixture), expected, atol=1e-5)
    improved = np.sign(expected) * np.sqrt(np.abs(expected))
    result = encode(rows, mixture)
    assert result.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(result), 1, atol=1e-6)
    np.testing.assert_allclose(result, improved / np.linalg.norm(improved), atol=1e-5)


@pytest.mark.parametrize("n_odd", [1, 3, 8])
def test_pooling_over_the_mirror_is_pooling_over_both(n_odd):
    gmm, rng = random_mixture(7, 8, 0)
    mixture = Mixture(gmm.weights_, gmm.means_, gmm.covariances_)
    rows = rng.normal(size=(300, 8)).astype(np.float32)
    other = rows * np.where(np.arange(8) < n_odd, -1, 1).astype(np.float32)
    for one, both in zip(collect(rows, mixture, n_odd), collect(np.vstack([rows, other]), mixture), strict=True):
        np.testing.assert_allclose(one, both, rtol=1e-5, atol=1e-3)


def test_far_descriptors_have_posteriors():
    """No overflow, no division by 0, whatever the distance."""
    mixture = Mixture(np.array([0.5, 0.5]), np.zeros((2, 3)), np.array([[1.0] * 3, [1e-6] * 3]))
    zeroth = collect(np.full((4, 3), 1000, dtype=np.float32), mixture).zeroth
    np.testing.assert_allclose(zeroth, [4, 0], atol=1e-6)


def test_expectation_maximisation_climbs_as_scikit_learns():
    """From the same start the same steps."""
    gmm, rng = random_mixture(3, 4, 1)
    rows = rng.normal(scale=2, size=(2000, 4)).astype(np.float32)
    start = Mixture(gmm.weights_, gmm.means_, gmm.covariances_)
    reference = GaussianMixture(
        3, covariance_type="diag", max_iter=1, reg_covar=0, tol=0, weights_init=start.weights, means_init=start.means
    ).set_params(precisions_init=1 / start.variances)
    with pytest.warns(UserWarning, match="converge"):
        reference.fit(rows.astype(np.float64))
    mixture = maximise(collect(rows, start), np.zeros(4))
    np.testing.assert_allclose(mixture.means, reference.means_, atol=1e-4)
    np.testing.assert_allclose(mixture.variances, reference.covariances_, atol=1e-4)
    np.testing.assert_allclose(mixture.weights, reference.weights_, atol=1e-5)


def test_a_gaussian_that_lost_all_descriptors_does_no_harm():
    statistics = Statistics(10, np.array([10.0, 0.0]), np.ones((2, 3)) * [[1], [0]], np.ones((2, 3)) * [[1], [0]])
    mixture = maximise(statistics, np.full(3, 1e-3))
    assert all(np.isfinite(part).all() for part in mixture)
    assert np.isfinite(encode(np.ones((5, 3), dtype=np.float32), mixture)).all()


def test_mirroring_an_image_changes_nothing(images, fitted):
    expected = fitted.transform(images)
    mirror = np.ascontiguousarray(images[:, :, ::-1])
    np.testing.assert_allclose(fitted.transform(mirror), expected, atol=2e-4)
    without = FisherVectorExtractor(**SMALL, mirror=False).fit(images)
    assert np.abs(without.transform(mirror) - without.transform(images)).max() > 0.05


@pytest.mark.parametrize("mirror", [True, False])
def test_rows_are_the_encoded_descriptors(images, mirror):
    """From the descriptors as they are defined, through the components, to the vector, without any short cut."""
    extractor = FisherVectorExtractor(**SMALL, mirror=mirror).fit(images)
    patches = dense_descriptors(images[0], cell_sizes=(3, 4), step=4, min_contrast=extractor.min_contrast)
    mean, components, is_odd = extractor.projection_
    rows = []
    for part in (patches, mirrored(patches))[: 1 + mirror]:
        projected = (part.descriptors - mean) @ components.T
        y, x = part.positions.T[:, :, None]
        rows.append(np.hstack([projected[:, is_odd], x, projected[:, ~is_odd], y] if mirror else [x, projected, y]))
    expected = encode(np.vstack(rows), extractor.mixture_)
    np.testing.assert_allclose(extractor.transform(images[:1])[0], expected, atol=2e-4)


def test_components_are_those_of_the_images_and_their_mirror_images(images, fitted):
    options = {"cell_sizes": (3, 4), "step": 4, "min_contrast": fitted.min_contrast}
    pairs = [(p, mirrored(p)) for p in (dense_descriptors(image, **options) for image in images)]
    descriptors = np.vstack([p.descriptors for pair in pairs for p in pair]).astype(np.float64)
    components = fitted.projection_.components
    np.testing.assert_allclose(components @ components.T, np.eye(10), atol=1e-5)
    captured = np.var(descriptors @ components.T, axis=0)
    largest = np.linalg.eigvalsh(np.cov(descriptors.T))[::-1][:10]
    np.testing.assert_allclose(captured, largest, rtol=2e-3)


def test_names_and_width(images, fitted):
    names = fitted.get_feature_names_out()
    assert len(names) == len(set(names)) == 2 * 5 * 12 == fitted.transform(images).shape[1]
    assert {"gaussian4_mean_pc9", "gaussian0_variance_x", "gaussian3_variance_y"} <= set(names)
    assert [name.split("_")[1] for name in names] == ["mean"] * 60 + ["variance"] * 60
    without = FisherVectorExtractor(**SMALL, mirror=False).fit(images).get_feature_names_out()
    assert without[:3].tolist() == ["gaussian0_mean_x", "gaussian0_mean_pc0", "gaussian0_mean_pc1"]


def test_a_name_says_what_its_feature_is(images, fitted):
    """Moving all descriptors of an image down moves no gradient by a mean but that of y."""
    rows = fitted._project(fitted._describe(images[0]))
    place = [name.split("_")[2] for name in fitted.get_feature_names_out()[:12]].index("y")
    moved = rows.copy()
    moved[:, place] += 0.1
    single = Mixture(np.ones(1), fitted.mixture_.means[:1], fitted.mixture_.variances[:1])
    before, after = (gradients(collect(r, single), single)[:12] for r in (rows, moved))
    assert np.flatnonzero(np.abs(after - before) > 1e-4).tolist() == [place]
    assert after[place] > before[place]


def test_there_are_no_regions(fitted):
    assert not hasattr(fitted, "feature_regions")
    with pytest.raises(AttributeError, match="feature_regions"):
        _ = fitted.feature_regions


def test_a_constant_image_has_the_vector_zero(images, fitted):
    constant = np.stack([np.full(images.shape[1:], value, dtype=np.uint8) for value in (0, 77, 255)])
    result = fitted.transform(np.concatenate([constant, images[:1]]))
    assert not result[:3].any()
    np.testing.assert_allclose(np.linalg.norm(result[3]), 1, atol=1e-6)


@pytest.mark.parametrize("random_state", [0, 7])
def test_the_same_seed_gives_the_same_bits(images, random_state):
    options = SMALL | {"random_state": random_state, "n_samples": 300}
    first, second = (FisherVectorExtractor(**options, n_jobs=n).fit_transform(images) for n in (1, 2))
    np.testing.assert_array_equal(first, second)
    other = FisherVectorExtractor(**options | {"random_state": 1}).fit_transform(images)
    assert np.abs(first - other).max() > 0.01


def test_code_just_compiled_and_code_found_on_disk_give_the_same_bits(tmp_path):
    code = """
import hashlib, numpy as np
from fracture_features.features import FisherVectorExtractor
images = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
print(hashlib.sha256(FisherVectorExtractor(n_gaussians=4, random_state=0).fit_transform(images).tobytes()).hexdigest())
"""
    command, environment = [sys.executable, "-c", code], os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (subprocess.check_output(command, env=environment) for _ in range(2))
    assert first == second
    assert any(tmp_path.rglob("*.nbc"))


def test_what_is_fitted_comes_from_the_training_images_alone(images, fitted):
    """Whatever else is transformed, before or after, has no say in it."""
    state = pickle.dumps((fitted.projection_, fitted.mixture_))
    expected = fitted.transform(images[:3])
    fitted.transform(make_images(9, seed=1))
    assert pickle.dumps((fitted.projection_, fitted.mixture_)) == state
    np.testing.assert_array_equal(fitted.transform(np.concatenate([images[:3], make_images(9, seed=2)]))[:3], expected)
    refitted = clone(fitted).fit(make_images(9, seed=1)).fit(images)
    assert pickle.dumps((refitted.projection_, refitted.mixture_)) == state
    assert pickle.dumps(clone(fitted).fit(images[:-1]).mixture_) != pickle.dumps(fitted.mixture_)


def test_rows_do_not_depend_on_each_other(images, fitted):
    whole = fitted.transform(images)
    np.testing.assert_array_equal(fitted.transform(images[[7, 0]]), whole[[7, 0]])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(images), whole)


def test_cached_rows_belong_to_the_fitted_mixture(images, tmp_path):
    cached = FisherVectorExtractor(**SMALL, cache=tmp_path / "cache")
    for training in (images, images[:6], images):
        expected = FisherVectorExtractor(**SMALL).fit(training).transform(images)
        np.testing.assert_array_equal(cached.fit(training).transform(images), expected)


def test_a_cached_grid_over_the_classifier_fits_one_codebook_for_each_training_part(images, tmp_path, monkeypatch):
    fits, counts, grids = [], [], []
    fit_mixture = _fisher._fit_mixture
    monkeypatch.setattr(_fisher, "_fit_mixture", lambda *given: fits.append(1) or fit_mixture(*given))
    for cache in (tmp_path / "cache", tmp_path / "cache", None):
        steps = [("fisher", FisherVectorExtractor(**SMALL, cache=cache)), ("classifier", SVC())]
        grids.append(
            GridSearchCV(Pipeline(steps), {"classifier__C": [0.1, 1, 10]}, cv=2).fit(images, np.arange(12) % 2)
        )
        counts.append(len(fits) - sum(counts))
    # Two folds and the refit: once; from the cache: never; without one: for every candidate.
    assert counts == [3, 0, 7]
    for grid in grids[1:]:
        np.testing.assert_array_equal(grid.cv_results_["mean_test_score"], grids[0].cv_results_["mean_test_score"])
        np.testing.assert_array_equal(grid.decision_function(images), grids[0].decision_function(images))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cell_sizes": (4, 10)}, r"cell_sizes=\(4, 10\) needs images of at least \(40, 40\) pixels.*got \(40, 36\)"),
        ({"cell_sizes": ()}, "cell_sizes must be integers of at least 1"),
        ({"cell_sizes": (4, 0)}, "cell_sizes must be integers of at least 1"),
        ({"cell_sizes": (4.5,)}, "cell_sizes must be integers of at least 1"),
        ({"step": 0}, "'step' parameter of FisherVectorExtractor"),
        ({"min_contrast": -1}, "'min_contrast' parameter of FisherVectorExtractor"),
        ({"n_components": 129}, "'n_components' parameter of FisherVectorExtractor"),
        ({"n_gaussians": 0}, "'n_gaussians' parameter of FisherVectorExtractor"),
        ({"n_gaussians": 500, "n_samples": 400}, "n_gaussians=500 needs at least as many patches.*have 408"),
        ({"min_contrast": 1e3}, "n_gaussians=5 needs at least as many patches.*12 images it is fitted on have 0"),
    ],
)
def test_what_cannot_be_fitted(images, parameters, message):
    with pytest.raises(ValueError, match=message):
        FisherVectorExtractor(**SMALL | parameters).fit(images)


def test_the_smallest_image():
    images = make_images(30, 16, 16)
    result = FisherVectorExtractor(**SMALL).fit_transform(images)
    assert result.shape == (30, 120)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("n_gaussians", [64, 408])
def test_few_descriptors(images, n_gaussians):
    """As many Gaussians as descriptors, more components than the descriptors have: no warning, no NaN."""
    options = {"n_components": 128, "n_gaussians": n_gaussians, "n_samples": 408}
    result = FisherVectorExtractor(**SMALL | options).fit_transform(images)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1, atol=1e-5)
