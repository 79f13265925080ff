import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fracture_features import HOGExtractor
from fracture_features import cache as cache_module
from fracture_features.cache import (
    Cache,
    bypassed_caches,
    cache_size,
    clear_cache,
    close_cache,
    code_version,
    digest,
    open_cache,
)
from fracture_features.exceptions import CacheError, CacheWarning


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "cache"
    close_cache(tmp_path / "cache")


def test_what_is_put_is_got(folder):
    cache = open_cache(folder)
    cache.put([(b"a", b"1"), (b"b", b"")])
    assert cache.get([b"b", b"c", b"a"]) == [b"", None, b"1"]
    close_cache(folder)
    assert open_cache(folder).get([b"a"]) == [b"1"]


def test_parts_of_a_digest_are_kept_apart():
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest(b"ab", "c", "")}) == 4
    pixels = np.arange(6, dtype=np.uint8)
    assert digest(pixels) == digest(pixels.reshape(2, 3)) == digest(pixels.tobytes())


def test_other_code_has_another_version():
    class Other(HOGExtractor):
        pass

    assert code_version(HOGExtractor) == code_version(HOGExtractor)
    assert code_version(Other) != code_version(HOGExtractor)


def test_bypassed_caches_find_and_keep_nothing(folder):
    cache = open_cache(folder)
    cache.put([(b"a", b"1")])
    with bypassed_caches():
        assert cache.get([b"a"]) == [None]
        cache.put([(b"b", b"2")])
    assert cache.get([b"a", b"b"]) == [b"1", None]


def test_features_are_found_again_and_kept_apart_by_parameters(folder, stack, monkeypatch):
    calls = []
    real = HOGExtractor._extract
    monkeypatch.setattr(HOGExtractor, "_extract", lambda self, images: calls.append(len(images)) or real(self, images))
    for orientations in (9, 9, 6):
        extractor = HOGExtractor(pixels_per_cell=8, orientations=orientations, cache=folder).fit(stack)
        plain = HOGExtractor(pixels_per_cell=8, orientations=orientations).fit(stack)
        np.testing.assert_array_equal(extractor.transform(stack), real(plain, stack))
    assert sum(calls) == 2 * 12
    extractor.transform(np.concatenate([stack[::-1], stack[:1] // 2]))
    assert sum(calls) == 2 * 12 + 1


@pytest.mark.parametrize("spoil", ["file", "other"])
def test_a_folder_that_cannot_be_used_warns_and_results_are_computed(spoil, tmp_path, stack):
    folder = tmp_path / "cache"
    if spoil == "file":
        folder.write_text("something else")
    else:
        cache = Cache(folder)
        cache.put([(b"format", b"fracture_features cache 0")])
        cache.close()
    extractor = HOGExtractor(pixels_per_cell=8, cache=folder).fit(stack)
    with pytest.warns(CacheWarning, match=r"cache in .* is not used"):
        features = extractor.transform(stack)
    np.testing.assert_array_equal(features, HOGExtractor(pixels_per_cell=8).fit_transform(stack))
    close_cache(folder)


def test_size_and_clear(folder):
    open_cache(folder).put((bytes([i]), bytes(10_000)) for i in range(50))
    n_values, n_bytes = cache_size(folder)
    assert n_values == 50
    assert n_bytes > 500_000
    clear_cache(folder)
    assert list(folder.iterdir()) == []
    assert open_cache(folder).get([bytes([0])]) == [None]


def test_only_a_cache_is_cleared(folder, tmp_path):
    with pytest.raises(CacheError, match="there is no cache"):
        clear_cache(tmp_path)
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(CacheError, match="no cache"):
        clear_cache(folder)
    assert (folder / "data.mdb").exists()


def test_a_full_disk_warns_and_goes_on(folder, monkeypatch, stack):
    monkeypatch.setattr(cache_module, "MAP_SIZE", 40_000)
    extractor = HOGExtractor(pixels_per_cell=8, cache=folder).fit(stack)
    with pytest.warns(CacheWarning, match=r"not used.*MAP_FULL"):
        features = extractor.transform(stack)
    np.testing.assert_array_equal(features, HOGExtractor(pixels_per_cell=8).fit_transform(stack))


def _put_many(folder, name):
    cache = open_cache(folder)
    for i in range(200):
        cache.put([(f"{name} {i}".encode(), os.urandom(2000))])


def test_several_processes_write_at_once(folder):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put_many, args=(folder, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    values = open_cache(folder).get([f"{name} {i}".encode() for name in "ab" for i in range(200)])
    assert [len(value or b"") for value in values] == [2000] * 400


WRITER = """
import sys
from fracture_features.cache import digest, open_cache
cache = open_cache(sys.argv[1])
i = 0
while True:
    value = str(i).encode() * 5000
    cache.put([(str(i).encode(), value), (b"sum" + str(i).encode(), digest(value))])
    i += 1
    print(i, flush=True)
"""


def test_whole_after_a_kill_at_any_moment(folder):
    """Each transaction is there in full or not at all."""
    for delay in (0.0, 0.013, 0.1):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
        done = int(writer.stdout.readline())
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        done += len(writer.communicate()[0].split())
        close_cache(folder)
        cache = open_cache(folder)
        for i in range(done - 1):
            value, check = cache.get([str(i).encode(), b"sum" + str(i).encode()])
            assert digest(value) == check
