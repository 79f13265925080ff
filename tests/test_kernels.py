"""A first run compiles the extractors' kernels: it says so, and no fit's time counts it."""

import json
import os
import subprocess
import sys

import numba
import numpy as np

from fracture_features._kernels import seconds_compiling, told_of_compilation
from fracture_features.evaluation._progress import COMPILING

RUN = """
import json, sys
from fracture_features import evaluate, load_folder, make_pipeline
from fracture_features._kernels import seconds_compiling

data = load_folder(sys.argv[1], groups=r"patient(\\d+)")
before = seconds_compiling()
result = evaluate({"m": make_pipeline("hog", "svm", image_size=48)}, data, cv=2, random_state=0, verbose=1)
print(json.dumps({"fit": result.folds_of("m")[0].fit_seconds, "compiling": seconds_compiling() - before}))
"""


def test_a_first_run_says_that_it_compiles_and_counts_it_nowhere(radiographs, tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", RUN, str(radiographs)], env=environment, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    )
    assert first.stderr.count(COMPILING) == 1
    assert COMPILING not in second.stderr
    compiled, found = json.loads(first.stdout), json.loads(second.stdout)
    assert compiled["compiling"] > 1
    assert found["compiling"] == 0
    assert compiled["fit"] < found["fit"] + compiled["compiling"] / 2


SMALL = """
import resource, sys
from fracture_features._kernels import kernel, seconds_compiling

@kernel
def double(x):
    return 2 * x

if limit := int(sys.argv[1]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
seconds_compiling()
print(double(21), seconds_compiling() > 0)
"""


def test_a_full_disk_and_damaged_files_cost_a_compilation(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    script = tmp_path / "small.py"
    script.write_text(SMALL)

    def run(limit=0):
        command = [sys.executable, script, str(limit)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    on_full_disk = run(limit=100)
    assert on_full_disk == ["42", "True"]
    assert run() == on_full_disk
    assert run() == [on_full_disk[0], "False"]
    for suffix in (".nbi", ".nbc"):
        files = list(tmp_path.rglob(f"*{suffix}"))
        assert files
        for path in files:
            path.write_bytes(path.read_bytes()[:20])
        assert run() == on_full_disk
        assert run() == [on_full_disk[0], "False"]


def test_a_kernel_within_a_kernel_is_counted_once():
    """Parts would add up to more than the whole."""
    from time import perf_counter

    @numba.njit
    def inner(values):
        return np.sort(values).sum()

    @numba.njit
    def outer(values):
        return inner(values) + inner(values * 2)

    told, before, start = [], seconds_compiling(), perf_counter()
    with told_of_compilation(lambda: told.append(1)):
        assert outer(np.arange(4.0)) == 18
    spent = seconds_compiling() - before
    assert 0 < spent < perf_counter() - start
    assert told == [1]
    assert outer(np.arange(5.0)) == 30
    assert seconds_compiling() == before + spent
