"""Disks that are full and readers that end: no command ends in a traceback, or loses what it has found out."""

import os
import pty
import resource
import subprocess
import sys

import pytest

from fracture_features import load_folder, make_pipeline, train_model

GROUPS = ("--groups", r"patient(\d+)")
QUICK = ("--models", "edges+svm", "--folds", "2", "--image-size", "48")
LIMIT = 1500  # bytes of a file, less than any command writes


@pytest.fixture(scope="module")
def model(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.ff"
    train_model(make_pipeline("edges", "svm", image_size=48), data, random_state=0).save(path)
    return path


def run(*command, limit=None, **options):
    def prepare():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "fracture_features", *map(str, command)],
        check=False,
        preexec_fn=prepare if limit else None,
        **{"capture_output": True, "text": True} | options,
    )


COMMANDS = {
    "compare": lambda model, folder, out: ["compare", folder, *GROUPS, *QUICK, "--out", out],
    "audit": lambda model, folder, out: ["audit", folder, *GROUPS, "--out", out],
    "demo": lambda model, folder, out: ["demo", "--n-samples", "12", *QUICK, "--out", out],
    "train": lambda model, folder, out: ["train", folder, *GROUPS, "--model", "edges+svm", "--out", out / "m"],
    "predict": lambda model, folder, out: ["predict", model, folder, "--out", out / "p.csv"],
    "maps": lambda model, folder, out: ["predict", model, folder, "--maps", out],
    "explain": lambda model, folder, out: ["explain", model, next(folder.glob("*/*.jpg")), "--out", out / "map.png"],
}
# What each has printed, although it could write nothing.
PRINTED = {"compare": "edges+svm", "audit": "Nothing found.", "predict": "unlike_training"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_said_and_costs_nothing_that_is_printed(name, model, radiographs, tmp_path):
    done = run(*COMMANDS[name](model, radiographs, tmp_path / "out"), limit=LIMIT)
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr
    assert done.returncode in (1, 2)
    assert PRINTED.get(name, "") in done.stdout
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".csv", ".png", ".part") or path.name == "m"]


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.parametrize("name", ["compare", "predictions", "audit as json"])
def test_whoever_reads_what_is_said_may_end(name, closed, model, radiographs, tmp_path):
    """As `head` does: what is to be written is written, and nothing is said of it."""
    commands = {
        "compare": COMMANDS["compare"](model, radiographs, tmp_path),
        "predictions": ["predict", model, radiographs],
        "audit as json": ["audit", radiographs, *GROUPS, "--json"],
    }
    reading, writing = os.pipe()
    os.close(reading)
    files = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, closed: writing}
    done = run(*commands[name], capture_output=False, **files)
    os.close(writing)
    assert done.returncode == 0
    assert "BrokenPipe" not in (done.stderr or "")
    if name == "compare":
        assert {"measures.csv", "manifest.json", "report.html"} <= {path.name for path in tmp_path.iterdir()}


def on_a_terminal(*command):
    """What a command prints where stdout is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "fracture_features", *map(str, command)], stdout=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # how Linux says that it has ended
        pass
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


def test_names_in_a_model_and_of_files_are_no_escapes_on_a_terminal(radiographs, tmp_path):
    folder = tmp_path / "a\x1b[31mb"
    folder.mkdir()
    for name in ("fractured", "non-fractured"):
        (folder / f"{name}\x1b[7m").symlink_to(radiographs / name)
    path = tmp_path / "model.ff"
    data = load_folder(folder, groups=r"patient(\d+)", positive="fractured\x1b[7m")
    train_model(make_pipeline("edges", "svm", image_size=48), data, random_state=0).save(path)
    for command in (["info", path], ["info", path, "--json"], ["predict", path, data.paths[0]]):
        shown = on_a_terminal(*command)
        assert "fractured" in shown
        assert "\x1b" not in shown
    piped = run("predict", path, data.paths[0])
    assert data.paths[0] in piped.stdout
