import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import KINDS, make_image

from fracture_features.features import EdgeExtractor


def reference(image, sigma, low, high, orientations, grid):
    """Compute the same measures in plain numpy from OpenCV's edges."""
    radius = max(1, round(2 * sigma))
    smooth = cv2.GaussianBlur(image, (2 * radius + 1, 2 * radius + 1), sigma)
    dx, dy = cv2.Sobel(smooth, cv2.CV_16S, 1, 0), cv2.Sobel(smooth, cv2.CV_16S, 0, 1)
    edges = cv2.Canny(dx, dy, 8 * low, 8 * high, L2gradient=True) > 0
    angles = np.rad2deg(np.arctan2(dy.astype(float), dx.astype(float))) % 180
    bins = np.floor(angles / (180 / orientations) + 0.5).astype(int) % orientations
    height, width = image.shape
    out = []
    for i in range(grid[0]):
        for j in range(grid[1]):
            rows = slice(i * height // grid[0], (i + 1) * height // grid[0])
            columns = slice(j * width // grid[1], (j + 1) * width // grid[1])
            cell = edges[rows, columns]
            counts = np.bincount(bins[rows, columns][cell], minlength=orientations)
            out += [cell.mean(), *(counts / max(cell.sum(), 1))]
    return np.array(out)


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(7, 60), st.integers(7, 60)),
    sigma=st.floats(0.3, 4),
    # Thresholds a rounding error below a whole number differ in OpenCV's ways to compare them.
    thresholds=st.tuples(st.integers(0, 2000), st.integers(0, 2000)).map(lambda pair: sorted(x / 100 for x in pair)),
    # Those of which 180 degrees is a whole multiple, so that the reference has exact limits.
    orientations=st.sampled_from([1, 2, 4, 6, 8, 9, 12, 18]),
    grid=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_plain_numpy_on_opencvs_edges(kind, shape, sigma, thresholds, orientations, grid, seed):
    images = np.stack([make_image(kind, *shape, seed + i) for i in range(2)])
    low, high = thresholds
    extractor = EdgeExtractor(sigma=sigma, low_threshold=low, high_threshold=high, orientations=orientations, grid=grid)
    features = extractor.fit_transform(images)
    assert features.dtype == np.float32
    expected = [reference(image, sigma, low, high, orientations, grid) for image in images]
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("column", [10, 31, 40])
def test_a_step_has_one_edge_pixel_a_row_at_its_column(column):
    images = np.zeros((1, 48, 64), dtype=np.uint8)
    images[:, :, column:] = 120
    extractor = EdgeExtractor(grid=(1, 64)).fit(images)
    features = extractor.transform(images).reshape(64, 9)
    found = np.flatnonzero(features[:, 0])
    assert len(found) == 1
    assert found[0] in (column - 1, column)
    np.testing.assert_array_equal(features[found[0]], [1, 1, *[0] * 7])


def test_density_is_the_share_of_the_cells_pixels():
    images = np.zeros((1, 64, 64), dtype=np.uint8)
    images[:, :, 30:] = 120
    features = EdgeExtractor(grid=2).fit_transform(images).reshape(2, 2, 9)
    np.testing.assert_allclose(features[:, :, 0], [[1 / 32, 0], [1 / 32, 0]])


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_orientation_is_the_gradients(angle):
    rows, columns = np.indices((64, 64)) - 32
    direction = np.deg2rad(angle)
    image = np.where(columns * np.cos(direction) + rows * np.sin(direction) > 0.1, 200, 20).astype(np.uint8)
    for step in (image, 255 - image):
        features = EdgeExtractor(grid=1).fit_transform(step[None])[0]
        assert features[1:].argmax() == angle // 22.5
        assert features[1:].max() > 0.9


def test_mirroring_turns_the_orientation_about_bin_0():
    rows, columns = np.indices((65, 65)) - 32
    image = np.where(2 * columns + rows > 0, 200, 20).astype(np.uint8)
    features = EdgeExtractor(grid=1).fit_transform(np.stack([image, image[:, ::-1]]))
    assert features[0, 1:].argmax() == 1
    assert features[1, 1:].argmax() == 7
    np.testing.assert_allclose(features[0, 0], features[1, 0], rtol=0.1)


def test_thresholds_are_grey_levels_per_pixel():
    # A roof: its flank rises by 3 a column and, once, by 6: a gradient of 4.5 there.
    image = np.zeros((1, 40, 60), dtype=np.uint8)
    image[:, :, 20:40] = 3 * np.arange(20)
    image[:, :, 40:] = 57
    image[:, :, 30:] += 3

    def count(high):
        return EdgeExtractor(sigma=0.5, low_threshold=3.5, high_threshold=high, grid=1).fit_transform(image)[0, 0]

    assert count(4) > 0
    assert count(5) == 0


def test_constant_images_have_no_edges():
    images = np.stack([make_image("constant", 40, 40, value) for value in (0, 77, 255)])
    assert not EdgeExtractor(low_threshold=0, high_threshold=0).fit_transform(images).any()


def test_adding_a_constant_changes_nothing():
    image = make_image("two-valued", 48, 64, 0) // 2
    first, second = EdgeExtractor().fit_transform(np.stack([image, image + 100]))
    np.testing.assert_array_equal(first, second)
    assert first.any()


def test_names_and_regions():
    extractor = EdgeExtractor(grid=(3, 2), orientations=4).fit(np.zeros((1, 20, 31), dtype=np.uint8))
    names, regions = extractor.get_feature_names_out(), extractor.feature_regions()
    assert len(names) == len(set(names)) == len(regions) == 6 * 5
    assert names[:5].tolist() == ["cell0x0_edge_density", *(f"cell0x0_orientation{k}" for k in range(4))]
    assert names[-1] == "cell2x1_orientation3"
    boxes = [
        [0, 0, 6, 15],
        [0, 15, 6, 31],
        [6, 0, 13, 15],
        [6, 15, 13, 31],
        [13, 0, 20, 15],
        [13, 15, 20, 31],
    ]
    np.testing.assert_array_equal(regions, np.repeat(boxes, 5, axis=0))


def test_what_is_not_connected_to_a_cell_has_no_say_in_it():
    image = np.full((64, 64), 30, dtype=np.uint8)
    extractor = EdgeExtractor().fit(image[None])
    regions = extractor.feature_regions()
    for top, left, bottom, right in np.unique(regions, axis=0):
        # Smoothing, Sobel and the search for maxima reach 2 + 1 + 1 pixels; the blob leaves 5 free on each side.
        drawn = image.copy()
        drawn[top + 5 : bottom - 5, left + 5 : right - 5] = 200
        features = extractor.transform(drawn[None])[0]
        inside = (regions == (top, left, bottom, right)).all(axis=1)
        assert features[inside].any()
        assert not features[~inside].any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sigma": 0}, "'sigma' parameter of EdgeExtractor must be a float in the range"),
        ({"low_threshold": -1}, "'low_threshold' parameter of EdgeExtractor"),
        ({"low_threshold": 7}, "low_threshold must be at most .* low_threshold=7 and high_threshold=6"),
        ({"orientations": 0}, "'orientations' parameter of EdgeExtractor must be an int"),
        ({"grid": (1, 2, 3)}, r"grid must be .* got \(1, 2, 3\)"),
        ({"grid": 13}, r"grid=13 needs images of at least \(13, 13\) pixels.* got \(12, 30\)"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        EdgeExtractor(**parameters).fit(np.zeros((1, 12, 30), dtype=np.uint8))


def test_too_small_images():
    with pytest.raises(ValueError, match=r"images of at least \(3, 3\) pixels, got \(2, 9\)"):
        EdgeExtractor(grid=1).fit(np.zeros((1, 2, 9), dtype=np.uint8))
