import time

import cv2
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fracture_features.audit import near_pairs, perceptual_hash
from fracture_features.audit._hashes import turned_hashes
from fracture_features.audit._pairs import LARGEST, Pairs


def every_pair(hashes, max_distance):
    """The definition: every hash, in each of its turns, against every other."""
    found = []
    for i, turns in enumerate(turned_hashes(hashes)):
        distances = np.bitwise_count(turns[:, None] ^ hashes[None]).sum(axis=2)
        for j in range(i + 1, len(hashes)):
            if distances[:, j].min() <= max_distance:
                found.append((i, j, int(distances[:, j].argmin()), int(distances[:, j].min())))
    return found


def draw(rng, n, centres, flips):
    """Hashes around some centres, each turned at random and with a share of its bits flipped, `flips` at most."""
    middles = rng.integers(0, 2**64, (centres, 4), dtype=np.uint64)
    hashes = turned_hashes(middles)[rng.integers(0, centres, n), rng.integers(0, 8, n)]
    bits = rng.random((n, 256)) < flips * rng.random((n, 1))
    return hashes ^ np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


def without_equals(hashes):
    """The first hash of each class of those equal up to a turn."""
    keys = [min(map(tuple, turns.tolist())) for turns in turned_hashes(hashes)]
    return hashes[sorted({key: i for i, key in reversed(list(enumerate(keys)))}.values())]


def listed(pairs):
    return list(zip(*(values.tolist() for values in pairs), strict=True))


@pytest.mark.parametrize("max_distance", [0, 1, 15, 16, 23, 31, 32, 39, LARGEST])
def test_all_pairs_and_no_others(max_distance):
    hashes = without_equals(draw(np.random.default_rng(max_distance), 300, 30, 0.2))
    expected = every_pair(hashes, max_distance)
    assert listed(near_pairs(hashes, max_distance)) == expected
    assert len(expected) > 10 or max_distance < 15


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 40),
    centres=st.integers(1, 5),
    flips=st.floats(0, 0.4),
    max_distance=st.integers(0, LARGEST),
)
def test_pairs_of_any_hashes(seed, n, centres, flips, max_distance):
    hashes = without_equals(draw(np.random.default_rng(seed), n, centres, flips))
    assert listed(near_pairs(hashes, max_distance)) == every_pair(hashes, max_distance)


@pytest.mark.parametrize("word", range(4))
def test_bits_that_differ_may_be_anywhere(word):
    """All in one word, or as even over the bands as can be: the worst for banded buckets."""
    rng = np.random.default_rng(word)
    hashes = rng.integers(0, 2**64, (2, 4), dtype=np.uint64)
    for bits in (np.arange(40) + 64 * word % 216, np.arange(40) * 16 % 256 + np.arange(40) // 16 + word):
        flipped = np.zeros(256, np.uint8)
        flipped[bits] = 1
        hashes[1] = hashes[0] ^ np.packbits(flipped, bitorder="little").view(np.uint64)
        for turn in range(8):
            pair = np.stack([hashes[0], turned_hashes(hashes[1:])[0, turn]])
            assert listed(near_pairs(pair, 40)) == [(0, 1, turn, 40)]
            assert listed(near_pairs(pair, 39)) == []


def test_equal_hashes_are_chained_to_their_first():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (6, 4), dtype=np.uint64)
    hashes[[3, 5]] = hashes[1], turned_hashes(hashes[1:2])[0, 6]
    hashes[4] = hashes[1] ^ np.array([1, 0, 0, 0], dtype=np.uint64)
    assert listed(near_pairs(hashes, 10)) == [(1, 3, 0, 0), (1, 4, 0, 1), (1, 5, 6, 0)]


def test_pairs_that_two_turns_bring_within_the_distance_are_given_once():
    """A picture that is nearly its own transpose."""
    rng = np.random.default_rng(0)
    bits = rng.random((16, 16)) < 0.5
    bits = np.triu(bits) | np.triu(bits).T
    image = cv2.resize(np.where(bits, 200, 50).astype(np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC)
    image[:3, 40:50] += 30
    hashes = np.stack([perceptual_hash(image), perceptual_hash(image)])
    hashes[1] ^= np.array([7, 0, 0, 7], dtype=np.uint64)
    assert (np.bitwise_count(turned_hashes(hashes[:1])[0, [0, 4]] ^ hashes[1]).sum(axis=1) <= 39).all()
    assert listed(near_pairs(hashes, 39)) == every_pair(hashes, 39)


def test_many_equals_give_as_many_pairs():
    hashes = np.zeros((5000, 4), np.uint64)
    hashes[2500:] = np.random.default_rng(0).integers(0, 2**64, (1, 4), dtype=np.uint64)
    pairs = near_pairs(hashes, 39)
    assert pairs.first.tolist() == [0] * 2499 + [2500] * 2499
    assert (pairs.distance == 0).all()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_hashes(n):
    pairs = near_pairs(np.arange(4 * n, dtype=np.uint64).reshape(n, 4), 0)
    assert isinstance(pairs, Pairs)
    assert [values.dtype for values in pairs] == [np.int64, np.int64, np.uint8, np.uint8]
    assert all(len(values) == 0 for values in pairs)


@pytest.mark.parametrize("max_distance", [-1, LARGEST + 1])
def test_distances_that_are_not_searched(max_distance):
    with pytest.raises(ValueError, match=f"max_distance must be from 0 to 47, got {max_distance}"):
        near_pairs(np.zeros((3, 4), np.uint64), max_distance)


def test_memory_grows_with_the_number_and_not_its_square():
    """benchmarks/results/duplicates.json has 100 000."""
    rng = np.random.default_rng(0)
    for n in (100, 5_000, 20_000):
        hashes = rng.integers(0, 2**64, (n, 4), dtype=np.uint64)
        before = psutil.Process().memory_info().rss
        assert len(near_pairs(hashes, 39).first) == 0
    assert psutil.Process().memory_info().rss - before < 200 * 2**20


def test_near_alike_hashes_by_the_thousand():
    """Buckets that hold a large part of the hashes: the pairs are many, their search is not slower for it."""
    hashes = without_equals(draw(np.random.default_rng(0), 1500, 1, 0.02))
    start = time.process_time()
    pairs = near_pairs(hashes, 39)
    assert len(pairs.first) == len(hashes) * (len(hashes) - 1) // 2
    assert time.process_time() - start < 20
