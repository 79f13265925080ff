import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import KINDS, make_image
from skimage.feature import local_binary_pattern as reference
from sklearn.base import clone

from fracture_features.features import LBPExtractor
from fracture_features.features._lbp import METHODS, local_binary_pattern


def cells(codes, rows, columns):
    """Cut codes into cells, in the order of the features."""
    height, width = codes.shape
    for i in range(rows):
        for j in range(columns):
            yield codes[
                i * height // rows : (i + 1) * height // rows,
                j * width // columns : (j + 1) * width // columns,
            ]


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    n_points=st.integers(1, 32),
    radius=st.one_of(st.sampled_from([1, 1.5, 2, 3, 5]), st.floats(0.01, 9)),
    method=st.sampled_from(METHODS),
    seed=st.integers(0, 2**32 - 1),
)
def test_codes_are_scikit_images(kind, shape, n_points, radius, method, seed):
    if method in ("default", "ror"):
        n_points = min(n_points, 16)
    image = make_image(kind, *shape, seed)
    codes = local_binary_pattern(image, n_points=n_points, radius=radius, method=method)
    np.testing.assert_array_equal(codes, reference(image, n_points, radius, method))


@pytest.mark.parametrize(("n_points", "radius"), [(8, 1), (24, 3), (40, 5)])
@pytest.mark.parametrize("kind", ["constant", "smooth", "two-valued"])
def test_ties_far_from_the_origin_round_as_scikit_images_do(kind, n_points, radius):
    # On flat areas the last bit of the interpolation decides, and it changes with the absolute coordinate.
    image = make_image(kind, 300, 520, 131)
    for method in ("uniform", "nri_uniform"):
        codes = local_binary_pattern(image, n_points=n_points, radius=radius, method=method)
        np.testing.assert_array_equal(codes, reference(image, n_points, radius, method))


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    n_points=st.integers(1, 10),
    radius=st.sampled_from([1, 1.5, 3]),
    method=st.sampled_from(METHODS),
    grid=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    shape=st.tuples(st.integers(7, 40), st.integers(7, 40)),
    seed=st.integers(0, 2**32 - 1),
)
def test_features_are_the_shares_of_scikit_images_codes(kind, n_points, radius, method, grid, shape, seed):
    images = np.stack([make_image(kind, *shape, seed + i) for i in range(2)])
    extractor = LBPExtractor(n_points=n_points, radius=radius, method=method, grid=grid).fit(images)
    features = extractor.transform(images)
    assert features.dtype == np.float32
    names = extractor.get_feature_names_out()
    possible = [int(name.split("code")[1]) for name in names[: len(names) // (grid[0] * grid[1])]]
    for image, row in zip(images, features, strict=True):
        codes = reference(image, n_points, radius, method)
        expected = [[(cell == code).mean() for code in possible] for cell in cells(codes, *grid)]
        np.testing.assert_allclose(row, np.ravel(expected), rtol=0, atol=1e-7)
    np.testing.assert_allclose(features.reshape(2, grid[0] * grid[1], -1).sum(axis=2), 1, atol=1e-6)


def test_offsets_halfway_between_two_roundings_go_where_scikit_images_go():
    image = make_image("noise", 20, 24, 0)
    codes = local_binary_pattern(image, n_points=4, radius=1.000005, method="default")
    np.testing.assert_array_equal(codes, reference(image, 4, 1.000005, "default"))


def test_golden_codes():
    # Printed by scikit-image 0.26.0 for the image (7 r² + 3 c² + r c) modulo 256, its first two rows.
    r, c = np.indices((6, 6))
    image = ((7 * r * r + 3 * c * c + r * c) % 256).astype(np.uint8)
    golden = {
        "default": [[255, 225, 193, 193, 193, 64], [193, 227, 227, 227, 227, 64]],
        "ror": [[255, 15, 7, 7, 7, 1], [7, 31, 31, 31, 31, 1]],
        "uniform": [[8, 4, 3, 3, 3, 1], [3, 5, 5, 5, 5, 1]],
        "nri_uniform": [[57, 28, 19, 19, 19, 3], [19, 36, 36, 36, 36, 3]],
    }
    for method, codes in golden.items():
        assert local_binary_pattern(image, method=method)[:2].tolist() == codes
    features = LBPExtractor(grid=1).fit_transform(image[None])[0]
    np.testing.assert_allclose(features * 36, [2, 6, 2, 7, 11, 6, 0, 0, 1, 1], atol=1e-5)


@pytest.mark.parametrize(
    ("method", "n_points", "n_codes"),
    # Rotation classes of 8 bits: 36 necklaces.
    [("default", 8, 256), ("ror", 8, 36), ("uniform", 24, 26), ("nri_uniform", 8, 59), ("uniform", 1, 3)],
)
def test_length_names_and_regions(method, n_points, n_codes):
    extractor = LBPExtractor(method=method, n_points=n_points, grid=(3, 2))
    extractor.fit(np.zeros((1, 20, 31), dtype=np.uint8))
    names, regions = extractor.get_feature_names_out(), extractor.feature_regions()
    assert len(names) == len(set(names)) == len(regions) == 6 * n_codes
    assert names[0] == "cell0x0_code0"
    assert names[-1].startswith("cell2x1_code")
    boxes = [
        [0, 0, 6, 15],
        [0, 15, 6, 31],
        [6, 0, 13, 15],
        [6, 15, 13, 31],
        [13, 0, 20, 15],
        [13, 15, 20, 31],
    ]
    np.testing.assert_array_equal(regions, np.repeat(boxes, n_codes, axis=0))


@pytest.mark.parametrize("method", METHODS)
def test_several_scales_are_each_of_them_cell_by_cell(method):
    images = np.stack([make_image(kind, 30, 41, 0) for kind in KINDS])
    scales = [(8, 1), (12, 2.5), (8, 3)]
    n_points, radius = zip(*scales, strict=True)
    several = LBPExtractor(n_points=n_points, radius=radius, method=method, grid=(2, 3)).fit(images)
    single = [LBPExtractor(n_points=n, radius=r, method=method, grid=(2, 3)).fit(images) for n, r in scales]
    parts = [extractor.transform(images).reshape(len(images), 6, -1) for extractor in single]
    np.testing.assert_array_equal(several.transform(images), np.concatenate(parts, axis=2).reshape(len(images), -1))
    names = [
        name.replace("code", f"points{n}_radius{r}_code")
        for cell in range(6)
        for extractor, (n, r) in zip(single, scales, strict=True)
        for name in extractor.get_feature_names_out().reshape(6, -1)[cell]
    ]
    assert several.get_feature_names_out().tolist() == names
    assert len(set(names)) == len(names) == len(several.feature_regions())


@pytest.mark.parametrize("make", [tuple, list, np.array])
def test_scales_are_cloned_and_set(make):
    images = make_image("noise", 20, 24, 0)[None]
    extractor = LBPExtractor(n_points=make([8, 16]), radius=make([1, 2]))
    copy = clone(extractor)
    np.testing.assert_array_equal(copy.get_params()["radius"], [1, 2])
    np.testing.assert_array_equal(copy.fit_transform(images), extractor.fit_transform(images))
    assert copy.set_params(n_points=8, radius=1).fit_transform(images).shape == (1, 160)
    assert LBPExtractor(n_points=(8,), radius=(1,)).fit(images).get_feature_names_out()[0] == (
        "cell0x0_points8_radius1_code0"
    )


def test_constant_images_have_one_pattern_inside():
    codes = local_binary_pattern(np.full((9, 9), 50, dtype=np.uint8), n_points=4, method="default")
    assert (codes[1:-1, 1:-1] == 15).all()
    black = LBPExtractor(n_points=4, grid=1).fit_transform(np.zeros((1, 9, 9), dtype=np.uint8))
    np.testing.assert_array_equal(black, [[0, 0, 0, 0, 1, 0]])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(METHODS))
def test_rising_grey_transforms_change_nothing(seed, method):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 64, (20, 24))
    # Black stays black, for that is what surrounds the image.
    transform = np.concatenate([[0], np.sort(rng.choice(np.arange(1, 256), 63, replace=False))])
    images = np.stack([image, transform[image]]).astype(np.uint8)
    first, second = LBPExtractor(n_points=4, method=method, grid=2).fit_transform(images)
    np.testing.assert_array_equal(first, second)


def test_mirroring_swaps_the_points_left_and_right():
    image = make_image("noise", 20, 24, 0)
    first = local_binary_pattern(image, n_points=4, method="default")
    second = local_binary_pattern(image[:, ::-1], n_points=4, method="default")[:, ::-1]
    # Point 0 lies to the right, then above, left and below.
    swapped = (second & 0b1010) | ((second & 1) << 2) | ((second & 0b100) >> 2)
    np.testing.assert_array_equal(first, swapped)


@pytest.mark.parametrize(("n_points", "radius"), [(8, 1), (12, 2.5)])
def test_pixels_beyond_region_and_radius_have_no_say(n_points, radius):
    image, other = make_image("noise", 40, 41, 0), make_image("noise", 40, 41, 1)
    extractor = LBPExtractor(n_points=n_points, radius=radius).fit(image[None])
    margin = int(np.ceil(radius))
    before = extractor.transform(image[None])[0]
    for feature in range(0, len(before), n_points + 2):
        top, left, bottom, right = extractor.feature_regions()[feature]
        keep = slice(max(top - margin, 0), bottom + margin), slice(max(left - margin, 0), right + margin)
        changed = other.copy()
        changed[keep] = image[keep]
        after = extractor.transform(changed[None])[0]
        same = slice(feature, feature + n_points + 2)
        np.testing.assert_array_equal(after[same], before[same])
        assert (after != before).any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_points": 0}, "'n_points' parameter of LBPExtractor must be an int in the range"),
        ({"n_points": 17, "method": "default"}, 'at most 16 with method="default".* got 17'),
        ({"n_points": 20, "method": "ror"}, 'at most 16 with method="ror".* got 20'),
        ({"radius": 0}, "'radius' parameter of LBPExtractor must be a float in the range"),
        ({"radius": 6}, r"radius=6 needs images of at least \(13, 13\) pixels, got \(12, 30\)"),
        ({"n_points": (8, 16)}, r"two sequences of equal length, got n_points=\(8, 16\) and radius=1"),
        ({"n_points": 8, "radius": (1, 2)}, r"two sequences of equal length, got n_points=8 and radius=\(1, 2\)"),
        ({"n_points": (8, 16), "radius": (1, 2, 3)}, r"two sequences of equal length, got n_points=\(8, 16\)"),
        ({"n_points": (), "radius": ()}, r"two sequences of equal length, got n_points=\(\)"),
        ({"n_points": (8, 0), "radius": (1, 2)}, "n_points must be integers from 1 to 1000, got 0 among them"),
        ({"n_points": (8, 8.5), "radius": (1, 2)}, "n_points must be integers from 1 to 1000, got 8.5 among them"),
        ({"n_points": (8, 16), "radius": (1, -2)}, "radius must be finite numbers above 0, got -2 among them"),
        ({"n_points": (8, 16), "radius": (1, "a")}, "radius must be finite numbers above 0, got 'a' among them"),
        ({"n_points": (8, 8), "radius": (1, 1)}, "n_points and radius must be scales that differ"),
        ({"n_points": (8, 24), "radius": (1, 6)}, r"radius=\(1, 6\) needs images of at least \(13, 13\) pixels"),
        ({"n_points": (8, 20), "radius": (1, 2), "method": "ror"}, 'at most 16 with method="ror".* got 20'),
        ({"method": "var"}, "'method' parameter of LBPExtractor must be a str among"),
        ({"grid": 0}, "grid must be .* at least 1, got 0"),
        ({"grid": (13, 2)}, r"grid=\(13, 2\) needs images of at least \(13, 2\) pixels.* got \(12, 30\)"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        LBPExtractor(**parameters).fit(np.zeros((1, 12, 30), dtype=np.uint8))
