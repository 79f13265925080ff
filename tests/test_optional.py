"""What a model needs that is not always installed."""

import configparser
import re
import sys
from pathlib import Path

import pytest

from fracture_features._optional import EXTRAS, check_extra
from fracture_features.exceptions import MissingDependencyError
from fracture_features.pipeline import CLASSIFIERS, check_installed


@pytest.mark.parametrize("name", ["cnn", "mobilenetv2+svm", "hog+vgg16", "hog+resnet50+xgboost"])
def test_what_a_model_needs_is_known_before_it_is_fitted(name, monkeypatch):
    check_installed(name)
    monkeypatch.setitem(sys.modules, "keras", None)  # not to be found
    message = f"the model '{name}' needs the package 'keras': pip install 'fracture_features[cnn]'"
    with pytest.raises(MissingDependencyError, match=re.escape(message)):
        check_installed(name)


def test_other_models_need_no_extra(monkeypatch):
    for package in EXTRAS.values():
        monkeypatch.setitem(sys.modules, package, None)
    for name in (
        "hog+lbp+edges+gabor+fisher",
        "fast",
        "accurate",
        *CLASSIFIERS.keys() - {"best", "cnn", "mobilenetv2-regions"},
    ):
        check_installed(name)
    with pytest.raises(ValueError, match="'knn' is unknown"):
        check_installed("hog+knn")


def test_extras_are_those_of_the_package(monkeypatch):
    config = configparser.ConfigParser()
    config.read(Path(__file__).parents[1] / "setup.cfg")
    extras = config["options.extras_require"]
    assert set(EXTRAS) == set(extras) - {"all", "completion", "dev", "docs"}
    for extra, package in EXTRAS.items():
        assert re.search(rf"\b{package}\b", extras[extra]), extra
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingDependencyError, match=rf"x needs the package '{package}'.*\[{extra}\]"):
            check_extra(extra, needed_for="x")
