"""What users see of the package as a whole: names, docstrings, versions."""

import configparser
import importlib
import inspect
import pkgutil
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import fracture_features
from fracture_features import show_versions
from fracture_features._versions import PACKAGES
from fracture_features.cli import main

ROOT = Path(__file__).parents[1]
MODULES = ["fracture_features"] + [
    module.name
    for module in pkgutil.walk_packages(fracture_features.__path__, "fracture_features.")
    if "._" not in module.name
]


def test_the_public_names_are_these():
    assert fracture_features.__all__ == [
        "AuditReport",
        "CNNClassifier",
        "EdgeExtractor",
        "EvaluationResult",
        "FisherVectorExtractor",
        "FractureDataset",
        "FractureModel",
        "GaborExtractor",
        "HOGExtractor",
        "ImageReader",
        "LBPExtractor",
        "MetadataLookup",
        "PretrainedExtractor",
        "RecalibratedClassifier",
        "audit_dataset",
        "evaluate",
        "load_coco",
        "load_csv",
        "load_folder",
        "load_fracatlas",
        "load_model",
        "load_mura",
        "load_yolo",
        "make_pipeline",
        "make_radiographs",
        "read_image",
        "show_versions",
        "train_model",
        "write_report",
    ]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_module_says_what_is_public_and_documents_it(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__) > 0
    for public in module.__all__:
        value = getattr(module, public)
        assert value.__doc__, public
        if inspect.isclass(value):
            # A named tuple that has no docstring gets its signature for one.
            assert not value.__doc__.startswith(f"{public}("), public


def test_every_public_module_is_looked_at():
    assert {"fracture_features.cache", "fracture_features.cnn", "fracture_features.pipeline"} < set(MODULES)


def test_the_command_says_its_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"fracture-features {fracture_features.__version__}\n"


def test_the_version_is_read_without_importing_the_package(tmp_path):
    """Where a package is built, none of its dependencies is installed."""
    pytest.importorskip("setuptools")
    code = "import sys, setuptools; setuptools.setup(); assert 'numpy' not in sys.modules"
    command = [sys.executable, "-c", code, "--quiet", "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    text = (tmp_path / "fracture_features.egg-info" / "PKG-INFO").read_text()
    assert f"\nVersion: {fracture_features.__version__}\n" in text


def test_show_versions_lists_every_dependency(capsys):
    show_versions()
    shown = dict(line.strip().split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert shown["python"].startswith(platform.python_version())
    assert shown["fracture-features"] == fracture_features.__version__
    assert shown["numpy"] == version("numpy")
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    required = config["options"]["install_requires"]
    required += "".join(
        text for extra, text in config["options.extras_require"].items() if extra not in ("all", "dev", "docs")
    )
    names = set(re.findall(r"^([\w-]+)", required, re.MULTILINE))
    assert {"numpy", "keras", "xgboost-cpu", "dask"} < names
    assert names <= set(PACKAGES)
