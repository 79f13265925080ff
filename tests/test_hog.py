import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import KINDS, make_image
from skimage.feature import hog

from fracture_features.features import HOGExtractor

NORMS = ["L1", "L1-sqrt", "L2", "L2-Hys"]


def reference(image, orientations, cell, block, norm):
    return hog(image, orientations=orientations, pixels_per_cell=cell, cells_per_block=block, block_norm=norm)


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    orientations=st.integers(1, 36),
    cell=st.tuples(st.integers(1, 17), st.integers(1, 17)),
    block=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    norm=st.sampled_from(NORMS),
    extra=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_scikit_image(kind, orientations, cell, block, norm, extra, seed):
    # scikit-image needs two pixels to take a difference, ours takes any image the blocks fit in.
    height, width = (max(2, cell[k] * block[k] + extra[k]) for k in range(2))
    images = np.stack([make_image(kind, height, width, seed + i) for i in range(2)])
    extractor = HOGExtractor(orientations=orientations, pixels_per_cell=cell, cells_per_block=block, block_norm=norm)
    expected = [reference(image, orientations, cell, block, norm) for image in images]
    np.testing.assert_allclose(extractor.fit_transform(images), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("orientations", range(1, 37))
def test_every_gradient_falls_into_scikit_images_bin(orientations):
    # Noise below, above it flat squares: many gradients along one axis and many along both.
    rng = np.random.default_rng(orientations)
    image = rng.integers(0, 256, (96, 96)).astype(np.uint8)
    image[:48] = np.repeat(np.repeat(image[:12, :24], 4, axis=0), 4, axis=1)
    extractor = HOGExtractor(orientations=orientations, pixels_per_cell=4, cells_per_block=1)
    expected = reference(image, orientations, (4, 4), (1, 1), "L2-Hys")
    np.testing.assert_allclose(extractor.fit_transform(image[None])[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", [64, (100, 31)])
def test_large_cells_add_up_as_scikit_images_do(cell):
    image = make_image("noise", 224, 224, 0)
    pair = (cell, cell) if isinstance(cell, int) else cell
    result = HOGExtractor(pixels_per_cell=cell).fit_transform(image[None])[0]
    np.testing.assert_allclose(result, reference(image, 9, pair, (2, 2), "L2-Hys"), rtol=0, atol=1e-6)


def test_golden_vector():
    # Printed by scikit-image 0.26.0 for the image (7 r² + 3 c² + r c) modulo 256.
    r, c = np.indices((16, 16))
    image = ((7 * r * r + 3 * c * c + r * c) % 256).astype(np.uint8)
    golden = [
        *(0.297697, 0.297697, 0.229516, 0.044908, 0.297697, 0.297697, 0.140039, 0.185294),
        *(0.285122, 0.09248, 0.297697, 0.297697, 0.297697, 0.062456, 0.297697, 0.297697),
    ]
    result = HOGExtractor(orientations=4, pixels_per_cell=8).fit_transform(image[None])[0]
    np.testing.assert_allclose(result, golden, atol=1e-6)


@pytest.mark.parametrize(("shape", "cell", "block"), [((64, 48), 8, 2), ((65, 50), (7, 5), (3, 1)), ((16, 16), 16, 1)])
def test_length_names_and_regions(shape, cell, block):
    extractor = HOGExtractor(orientations=7, pixels_per_cell=cell, cells_per_block=block)
    extractor.fit(np.zeros((1, *shape), dtype=np.uint8))
    cells, blocks = (np.broadcast_to(pair, 2) for pair in (cell, block))
    positions = np.array(shape) // cells - blocks + 1
    length = positions.prod() * blocks.prod() * 7
    names, regions = extractor.get_feature_names_out(), extractor.feature_regions()
    assert len(names) == len(set(names)) == len(regions) == length
    assert names[-1] == "block{}x{}_cell{}x{}_bin6".format(*(positions - 1), *(blocks - 1))
    assert (regions[:, 2:] - regions[:, :2] == cells).all()
    assert regions[-1, 2:].tolist() == (np.array(shape) // cells * cells).tolist()


@pytest.mark.parametrize("norm", NORMS)
def test_constant_images_have_no_gradient(norm):
    images = np.stack([make_image("constant", 40, 40, value) for value in (0, 77, 255)])
    assert not HOGExtractor(pixels_per_cell=8, block_norm=norm).fit_transform(images).any()


def test_adding_a_constant_changes_nothing():
    image = make_image("noise", 48, 64, 0) // 2
    stack = np.stack([image, image + 100])
    first, second = HOGExtractor(pixels_per_cell=8).fit_transform(stack)
    np.testing.assert_array_equal(first, second)


def test_mirrored_images_have_mirrored_cells():
    image = make_image("noise", 48, 64, 0)
    extractor = HOGExtractor(orientations=1, pixels_per_cell=8, cells_per_block=1, block_norm="L1-sqrt")
    first, second = extractor.fit_transform(np.stack([image, image[:, ::-1]])).reshape(2, 6, 8)
    np.testing.assert_allclose(first, second[:, ::-1], atol=1e-6)


def test_a_step_across_a_row_is_in_the_first_bin_and_down_a_column_in_the_middle():
    image = np.zeros((2, 16, 16), dtype=np.uint8)
    image[0, :, 8:] = 255
    image[1, 8:, :] = 255
    first, second = HOGExtractor(orientations=4, pixels_per_cell=16, cells_per_block=1).fit_transform(image)
    assert np.flatnonzero(first).tolist() == [0]
    assert np.flatnonzero(second).tolist() == [2]


@pytest.mark.parametrize("block", [1, 2])
def test_pixels_beyond_region_block_and_neighbours_have_no_say(block):
    rng = np.random.default_rng(0)
    image = make_image("noise", 64, 64, 0)
    extractor = HOGExtractor(pixels_per_cell=8, cells_per_block=block).fit(image[None])
    margin = 8 * (block - 1) + 1
    before = extractor.transform(image[None])[0]
    for feature in rng.integers(0, len(before), 20):
        top, left, bottom, right = extractor.feature_regions()[feature]
        other = make_image("noise", 64, 64, 1)
        keep = slice(max(top - margin, 0), bottom + margin), slice(max(left - margin, 0), right + margin)
        other[keep] = image[keep]
        after = extractor.transform(other[None])[0]
        assert after[feature] == before[feature]
        assert (after != before).any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"orientations": 0}, "'orientations' parameter of HOGExtractor must be an int in the range"),
        ({"orientations": 181}, "'orientations' parameter of HOGExtractor"),
        ({"block_norm": "max"}, "'block_norm' parameter of HOGExtractor must be a str among"),
        ({"pixels_per_cell": 0}, r"pixels_per_cell must be .* at least 1, got 0"),
        ({"cells_per_block": (2, 2, 2)}, r"cells_per_block must be .* got \(2, 2, 2\)"),
        ({"pixels_per_cell": (8, 17)}, r"images of at least \(16, 34\) pixels, got \(32, 33\)"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        HOGExtractor(**parameters).fit(np.zeros((1, 32, 33), dtype=np.uint8))
