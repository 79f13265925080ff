import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
import warnings

import cv2
import joblib
import numpy as np
import pandas as pd
import pytest

from fracture_features import (
    GaborExtractor,
    HOGExtractor,
    ImageReader,
    evaluate,
    load_folder,
    make_pipeline,
    make_radiographs,
    write_report,
)
from fracture_features.cache import (
    _store,
    bypassed_caches,
    cache_size,
    clear_cache,
    close_cache,
    code_version,
    damaged_files,
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


@pytest.mark.parametrize("spoiled", ["cache", f"cache/{_store.STORE}"])
def test_a_folder_that_cannot_be_used_warns_and_results_are_computed(spoiled, tmp_path, stack):
    (tmp_path / spoiled).parent.mkdir(exist_ok=True)
    (tmp_path / spoiled).write_text("something else")
    folder = tmp_path / "cache"
    extractor = HOGExtractor(pixels_per_cell=8, cache=folder).fit(stack)
    with pytest.warns(CacheWarning, match=r"cache in .* is not used"):
        features = extractor.transform(stack)
    np.testing.assert_array_equal(features, HOGExtractor(pixels_per_cell=8).fit_transform(stack))
    np.testing.assert_array_equal(extractor.transform(stack), features)  # said once


def test_size_and_clear(folder):
    open_cache(folder).put((bytes([i]), bytes(10_000)) for i in range(50))
    n_values, n_bytes = cache_size(folder)
    assert n_values == 50
    assert n_bytes > 500_000
    (folder / "mine.txt").write_text("not the cache's")
    clear_cache(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    cache = open_cache(folder)
    assert cache.get([bytes([0])]) == [None]
    cache.put([(b"a", b"1")])
    assert cache.get([b"a"]) == [b"1"]


def test_only_a_cache_is_cleared(folder, tmp_path):
    with pytest.raises(CacheError, match="there is no cache"):
        clear_cache(tmp_path)
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(CacheError, match="no cache"):
        clear_cache(folder)
    assert (folder / "data.mdb").exists()


FULL = """
import resource, sys, warnings
import numpy as np
from fracture_features import HOGExtractor
stack = np.load(sys.argv[1])
extractor = HOGExtractor(pixels_per_cell=8, cache=sys.argv[2]).fit(stack)
expected = HOGExtractor(pixels_per_cell=8).fit_transform(stack)
before = extractor.transform(stack[:2])
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    np.testing.assert_array_equal(extractor.transform(stack), expected)
    np.testing.assert_array_equal(extractor.transform(stack), expected)
print(*(str(warning.message) for warning in caught), sep="\\n")
"""


def test_a_full_disk_warns_once_and_goes_on(folder, tmp_path, stack):
    """What was kept before is still found, and nothing is left of what was not."""
    np.save(tmp_path / "stack.npy", stack)
    run = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path / "stack.npy", folder], check=True, capture_output=True, text=True
    )
    assert run.stderr == ""
    assert len(run.stdout.splitlines()) == 1
    assert "is not used: [Errno 27] File too large" in run.stdout
    assert len(files_of(folder)) == cache_size(folder)[0] == 3
    assert damaged_files(folder) == []


# --- damage


def files_of(folder):
    return sorted(path for path in (folder / _store.STORE).iterdir() if path.is_file())


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << at % 8
    path.write_bytes(data)


def swap(path, other):
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


DAMAGE = {
    **{f"bit of byte {at} flipped": lambda path, at=at: flip(path, at) for at in (0, 20, 36, 45, 70, 100, 2000, -1)},
    **{f"cut to {size}": lambda path, size=size: os.truncate(path, size) for size in (0, 1, 39, 100, 3000)},
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "sparse": lambda path: os.truncate(path, 1 << 40),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "text": lambda path: path.write_text("of another program"),
    "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("when", ["before it is opened", "after"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_computed_again_and_said(folder, stack, damage, when):
    expected = HOGExtractor(pixels_per_cell=8).fit_transform(stack)
    extractor = HOGExtractor(pixels_per_cell=8, cache=folder).fit(stack)
    extractor.transform(stack)
    damaged = files_of(folder)[1]
    if when != "after":
        close_cache(folder)
    damage(damaged)
    if when == "after" and damaged.is_file() and damaged.stat().st_size > 40:
        close_cache(folder)  # what lies outside of the values is no more looked at
    assert damaged_files(folder) == [str(damaged)]
    with pytest.warns(CacheWarning, match=f"damaged in the cache: '{damaged}'"):
        np.testing.assert_array_equal(extractor.transform(stack), expected)
    np.testing.assert_array_equal(extractor.transform(stack), expected)  # said once
    if not damaged.is_dir():
        assert damaged_files(folder) == []
        close_cache(folder)
        np.testing.assert_array_equal(extractor.transform(stack), expected)  # mended: nothing is said


def test_damage_is_said_once_however_much_there_is(folder, stack):
    extractor = HOGExtractor(pixels_per_cell=8, cache=folder).fit(stack)
    expected = extractor.transform(stack)
    for path in files_of(folder):
        flip(path, 500)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(extractor.transform(stack), expected)
    assert [warning.category for warning in caught] == [CacheWarning]


def test_values_under_one_anothers_names_are_not_mixed_up(folder, stack):
    extractor = HOGExtractor(pixels_per_cell=8, cache=folder).fit(stack)
    expected = extractor.transform(stack)
    swap(*files_of(folder)[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        np.testing.assert_array_equal(extractor.transform(stack), expected)
        close_cache(folder)
        np.testing.assert_array_equal(extractor.transform(stack), expected)


def test_values_of_one_key_leave_the_later(folder):
    cache = open_cache(folder)
    cache.put([(b"a", b"1"), (b"a", b"2")])
    cache.put([(b"b", b"3")])
    cache.put([(b"b", b"4")])
    for _ in range(2):
        assert open_cache(folder).get([b"a", b"b", b"a"]) == [b"2", b"4", b"2"]
        close_cache(folder)
    assert cache_size(folder)[0] == 2
    assert damaged_files(folder) == []


def test_a_broken_cache_can_be_cleared(folder):
    open_cache(folder).put([(b"a", b"1")])
    os.truncate(files_of(folder)[0], 3)
    clear_cache(folder)
    (folder / _store.STORE).write_text("no folder")
    with pytest.raises(CacheError, match="cannot be read"):
        cache_size(folder)
    clear_cache(folder)
    assert list(folder.iterdir()) == []


# --- where it is and who reads it


def test_only_the_owner_can_read_it(tmp_path, stack):
    before = os.umask(0)
    try:
        HOGExtractor(pixels_per_cell=8, cache=tmp_path / "cache").fit_transform(stack)
    finally:
        os.umask(before)
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.rglob("*")}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_home_is_expanded_and_no_name_is_an_error(tmp_path, monkeypatch, stack):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    HOGExtractor(pixels_per_cell=8, cache="~/x").fit_transform(stack)
    assert cache_size("~/x")[0] == cache_size(tmp_path / "home" / "x")[0] == 12
    for name in ("", "~nobody_of_that_name/x"):
        with pytest.raises(ValueError, match=r"cache='.*' names no folder"):
            HOGExtractor(pixels_per_cell=8, cache=name).fit(stack)
        with pytest.raises(ValueError, match="names no folder"):
            ImageReader(cache=name).fit(["a.png"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


def test_two_spellings_are_one_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = open_cache("folder")
    (tmp_path / "link").symlink_to("folder")
    for name in (tmp_path / "folder", "./folder/../folder", "link", tmp_path / "link"):
        assert open_cache(name) is cache


def test_a_model_in_another_folder_makes_none(radiographs, data, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    model = make_pipeline("edges", "svm", image_size=48, cache="cache", random_state=0).fit(data.paths, data.y)
    expected = model.predict(data.paths)
    assert (tmp_path / "mine" / "cache").is_dir()
    joblib.dump(model, tmp_path / "model.joblib")
    (tmp_path / "theirs").mkdir()
    monkeypatch.chdir(tmp_path / "theirs")
    loaded = joblib.load(tmp_path / "model.joblib")
    with pytest.warns(CacheWarning, match="there is no such folder, and only fitting makes one"):
        np.testing.assert_array_equal(loaded.predict(data.paths), expected)
    np.testing.assert_array_equal(loaded.predict(data.paths), expected)  # said once
    assert list((tmp_path / "theirs").iterdir()) == []
    os.mkdir("cache")
    close_cache("cache")
    loaded.predict(data.paths)
    assert cache_size("cache")[0] > 60


def _read_from(folder, keys, answers):
    answers.put(open_cache(folder).get(keys))


def test_a_forked_child_finds_and_keeps(folder):
    context = multiprocessing.get_context("fork")
    cache, answers = open_cache(folder), context.SimpleQueue()
    cache.put([(b"a", b"1")])
    assert cache.get([b"b 7"]) == [None]
    for target, arguments in ((_read_from, (folder, [b"a"], answers)), (_put_many, (folder, "b"))):
        child = context.Process(target=target, args=arguments)
        child.start()
        child.join()
        assert child.exitcode == 0
    assert answers.get() == [b"1"]
    assert len(cache.get([b"b 7"])[0]) == 2000


def test_hundreds_of_caches_at_once(tmp_path):
    for _ in range(2):
        for i in range(300):
            open_cache(tmp_path / str(i)).put([(b"a", str(i).encode())])
    assert [open_cache(tmp_path / str(i)).get([b"a"])[0] for i in range(300)] == [str(i).encode() for i in range(300)]


# --- what a value belongs to


def test_print_options_do_not_confuse_parameters(folder, stack):
    with np.printoptions(precision=2):
        for periods in ([33, 13], [30, 12]):
            frequencies = 1 / np.array(periods)
            cached = GaborExtractor(frequencies=frequencies, grid=1, cache=folder).fit_transform(stack)
            expected = GaborExtractor(frequencies=frequencies, grid=1).fit_transform(stack)
            np.testing.assert_array_equal(cached, expected)


CELL = """
{before}
class Mine(HOGExtractor):
    def _extract(self, images):
        return np.full((len(images), len(self._names)), {value}, dtype=np.float32)
"""
EDITS = {
    "a number": (("", "1"), ("", "2")),
    "a text": (("", "getattr(images, 'min')()"), ("", "getattr(images, 'max')()")),
    "a constant": (("N = 1", "N"), ("N = 2", "N")),
    "an array": (("N = np.arange(3)", "N[1]"), ("N = np.arange(3) + 1", "N[1]")),
    "a function": (("def f(): return 1", "f()"), ("def f(): return 2", "f()")),
    "a function's function": (
        ("def f(): return g()\ndef g(): return 1", "f()"),
        ("def f(): return g()\ndef g(): return 2", "f()"),
    ),
    "a class": (("class C: n = 1", "C().n"), ("class C: n = 2", "C().n")),
    "a compiled function": (
        ("import numba\n@numba.njit\ndef f(): return 1", "f()"),
        ("import numba\n@numba.njit\ndef f(): return 2", "f()"),
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_class_edited_in_a_notebook_gets_its_own_features(folder, stack, edit):
    found = []
    for before, value in (*edit, edit[0]):
        namespace = {"HOGExtractor": HOGExtractor, "np": np, "__name__": "__main__"}
        exec(CELL.format(before=before, value=value), namespace)
        cached = namespace["Mine"](pixels_per_cell=8, cache=folder).fit_transform(stack)
        np.testing.assert_array_equal(cached, namespace["Mine"](pixels_per_cell=8).fit_transform(stack))
        found.append((cached[0, 0], cache_size(folder)[0]))
    assert found[0][0] != found[1][0]
    assert found[2][1] == found[1][1] == 24  # the first is found again


@pytest.mark.parametrize("how", ["replaced", "in place"])
def test_a_file_with_the_same_size_and_time_is_another(folder, tmp_path, how):
    path, other = tmp_path / "a.bmp", tmp_path / "b.bmp"
    cv2.imwrite(str(path), np.full((20, 20), 10, dtype=np.uint8))
    cv2.imwrite(str(other), np.full((20, 20), 200, dtype=np.uint8))
    status = path.stat()
    reader = ImageReader(image_size=20, cache=folder)
    assert reader.fit_transform([path]).max() == 10
    time.sleep(0.02)  # a tick of the file system's clock
    if how == "replaced":
        other.replace(path)
    else:
        path.write_bytes(other.read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert reader.fit_transform([path]).min() == 200


# --- names that are not UTF-8


@pytest.fixture
def odd_folder(tmp_path):
    """Radiographs in a folder, and one of them with a name, that is not UTF-8; one cannot be read."""
    folder = make_radiographs(30, folder=tmp_path / "radio\udce9", random_state=0)
    first = sorted((folder / "fractured").iterdir())[0]
    first.rename(first.with_name(f"{first.stem}\udcff[b].jpg"))
    (folder / "fractured" / "patient0_\udcfe.jpg").write_bytes(b"\xff\xd8 no more")
    return folder


def test_names_that_are_not_utf8_are_evaluated(odd_folder, tmp_path):
    data = load_folder(odd_folder, groups=r"patient(\d+)")
    model = make_pipeline("edges", "svm", image_size=48, cache=tmp_path / "cache\udce9")
    result = evaluate({"m": model}, data, cv=2, random_state=0, checkpoint=tmp_path / "checkpoint\udce9")
    assert result.excluded["path"].tolist() == [str(odd_folder / "fractured" / "patient0_\udcfe.jpg")]
    assert result.predictions()["path"].str.contains("\udcff[b]", regex=False).sum() > 0
    page = write_report(result, tmp_path / "report\udce9.html").read_text(encoding="utf-8")
    assert "patient0_\\udcfe.jpg" in page


COMMANDS = """
import itertools, sys
from fracture_features.cli import main

for is_then, argv in itertools.groupby(sys.argv[1:], "then".__eq__):
    if not is_then and main(list(argv)):
        sys.exit(f"Error: {sys.argv}")
"""


def test_names_that_are_not_utf8_are_compared(odd_folder, tmp_path):
    """In a process of its own for each encoding, which is the system's."""
    out, cache = tmp_path / "out\udce9", tmp_path / "cache\udce9"
    quick = ["--models", "edges+svm", "--folds", "2", "--image-size", "48"]
    compare = ["compare", odd_folder, "--groups", r"patient(\d+)", *quick, "--out", out, "--cache", cache]
    for encoding in ("utf-8", "ascii"):
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        run = subprocess.run(
            [sys.executable, "-c", COMMANDS, *compare, "then", "cache", "info", cache, "then", "cache", "clear", cache],
            capture_output=True,
            env=environment,
            check=False,
        )
        assert (run.returncode, b"Error" in run.stderr) == (0, False), run.stderr.decode()
    for name, column in (("predictions", "path"), ("excluded", "path")):
        assert pd.read_csv(out / f"{name}.csv")[column].str.contains("\\udcf", regex=False).any()
    assert any("\udcff[b]" in path for path in json.loads((out / "manifest.json").read_text())["data"]["files"])
    assert b"patient0_\\udcfe.jpg" in (out / "report.html").read_bytes()


# --- processes


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
