import subprocess
import sys
import threading
from functools import cached_property, partial

import numpy as np
import pandas as pd
import pytest
import xgboost
from scipy.stats import loguniform
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.svm import SVC

from fracture_features import make_pipeline
from fracture_features._fingerprint import fingerprint


def scale(x, factor=2):
    return x * factor


def make_class(body):
    """A class as a notebook's cell would define it."""
    namespace = {"BaseEstimator": BaseEstimator, "np": np, "__name__": "notebook"}
    exec(f"class Mine(BaseEstimator):\n    def fit(self, X, y=None):\n        {body}\n", namespace)
    return namespace["Mine"]


class Loop:
    """Holds itself."""

    def __init__(self):
        self.me = self


CASES = [
    *(None, True, 1, 1.0, "1", b"1", (1,), [1], {1: 2}, {1, 2}, np.float32(1), np.float64(1)),
    *(np.arange(3), np.arange(3.0), np.arange(3)[None], np.array(["a", None], dtype=object)),
    *(1 / np.array([33, 13]), 1 / np.array([30, 12])),
    *(pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), pd.DataFrame({"a": [2]}), pd.Series([1]), pd.Index([1])),
    *(scale, partial(scale, factor=3), partial(scale, factor=4), np.mean, np.add, lambda x: x, lambda x: x + 1),
    *(SVC(), SVC(C=2), SVC(C=np.float32(2)), make_pipeline("hog", "svm"), make_pipeline("lbp", "svm")),
    *(GridSearchCV(SVC(), {"C": [1, 2]}), GridSearchCV(SVC(), {"C": [1, 3]}), StratifiedGroupKFold(3)),
    *(loguniform(1, 2), loguniform(1, 3), np.random.RandomState(0), np.random.RandomState(1), Loop()),
    *(make_class("return self"), make_class("return None"), make_class("return self")()),
]


def function_of(source, **globals_):
    namespace = {"__name__": "notebook"} | globals_
    exec(source, namespace)
    return namespace["f"]


class Slotted:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.arange(20) % 2
KERNEL = "def f(x):\n    return SVC(kernel='{}')"
CASES += [
    *(function_of(KERNEL.format(name)) for name in ("rbf", "linear")),
    *(function_of("def f(x):\n    return x * N", N=n) for n in (2, 3)),
    *(function_of("def f(x):\n    return g(x)", g=function_of(f"def f(x):\n    return x + {n}")) for n in (1, 2)),
    *(function_of(f"def f(x):\n    def g(y):\n        return y + {n}\n    return g(x)") for n in (1, 2)),
    *(pd.Timestamp(f"2020-01-0{n}") for n in (1, 2)),
    *(pd.Series(pd.to_datetime([f"2020-01-0{n}"], utc=True)) for n in (1, 2)),
    *(Slotted(n) for n in (1, 2)),
    *(FrozenEstimator(SVC().fit(X, y)) for y in (Y, 1 - Y)),
    *(FrozenEstimator(xgboost.XGBClassifier(n_estimators=2).fit(X, y)) for y in (Y, 1 - Y)),
    *(make_class(f"return {text!r}") for text in ("one", "two")),
    *(type("Held", (), {"__module__": "notebook", "values": np.arange(n)}) for n in (2, 3)),
    *(type("Held", (), {"__module__": "notebook", "x": cached_property(f)}) for f in (lambda s: 1, lambda s: 2)),
]


def test_what_cannot_be_looked_into_is_an_error():
    with pytest.raises(TypeError, match="cannot pickle"):
        fingerprint([threading.Lock()])


def test_a_closure_that_is_not_filled_yet():
    def outer():
        def inner():
            return later

        made = fingerprint(inner)
        later = 1
        return made, later

    assert len(outer()[0]) == 32


def test_different_things_have_different_fingerprints():
    found = [fingerprint(case) for case in CASES]
    same = [(a, b) for i, a in enumerate(CASES) for j, b in enumerate(CASES[:i]) if found[i] == found[j]]
    assert same == []


def test_equal_things_have_equal_fingerprints():
    for make in (lambda: make_pipeline("accurate", random_state=0), lambda: {"b": 1, "a": {"x", "y"}}, Loop):
        assert fingerprint(make()) == fingerprint(make())
    assert fingerprint(make_class("return self")) == fingerprint(make_class("return self"))


@pytest.mark.parametrize("precision", [2, 8])
def test_print_options_change_nothing(precision):
    frequencies = 1 / np.array([33, 13])
    before = fingerprint(frequencies, [np.float64(1 / 3)])
    with np.printoptions(precision=precision, legacy="1.13"):
        assert fingerprint(frequencies, [np.float64(1 / 3)]) == before


def test_what_python_notes_on_a_class_changes_nothing():
    mine = make_class("return self")
    before = fingerprint(mine)
    mine.__slotnames__ = []
    assert fingerprint(mine) == before


def test_a_fingerprint_is_the_same_in_every_process():
    code = (
        "from fracture_features import make_pipeline; from fracture_features._fingerprint import fingerprint;"
        "from sklearn.model_selection import GridSearchCV;"
        "print(fingerprint(GridSearchCV(make_pipeline('accurate', random_state=0), {'a': [1]}), {'x', 'y'}).hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
