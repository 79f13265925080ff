"""The one policy on threads: the outermost parallel loop owns the cores."""

import threading

import cv2
import pytest
from joblib import Parallel, delayed, parallel_config

from fracture_features._threads import count_threads, inside_worker, map_threads


def test_outside_of_a_loop_threads_are_what_is_asked_for():
    assert not inside_worker()
    assert count_threads(3) == 3
    assert count_threads(None) == 1
    with parallel_config(n_jobs=2):
        assert count_threads(3) == 3


@pytest.mark.parametrize("n_jobs", [3, -1])
def test_within_a_loop_of_ours_there_is_one_thread(n_jobs):
    assert map_threads(lambda _: count_threads(n_jobs), range(4), 2) == [1, 1, 1, 1]


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_within_a_loop_of_joblib_there_is_one_thread(backend):
    assert Parallel(n_jobs=2, backend=backend)(delayed(count_threads)(3) for _ in range(4)) == [1, 1, 1, 1]


def test_a_loop_within_a_loop_runs_in_the_thread_of_the_outer_one():
    def inner(_):
        return {threading.get_ident() for _ in map_threads(lambda _: None, range(3), 3)} | set(
            map_threads(lambda _: threading.get_ident(), range(3), 3)
        )

    assert all(len(threads) == 1 for threads in map_threads(inner, range(4), 2))


def test_opencv_has_one_thread_within_a_loop_and_its_own_after_it():
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        assert map_threads(lambda _: cv2.getNumThreads(), range(4), 2) == [1, 1, 1, 1]
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_results_are_in_the_order_of_the_items_and_an_error_is_raised():
    assert map_threads(lambda k: k * k, range(40), 3) == [k * k for k in range(40)]
    with pytest.raises(ZeroDivisionError):
        map_threads(lambda k: 1 / k, range(3), 2)
