"""Give the command wrong arguments and damaged manifests for a while: each must end with a code of its own.

    python benchmarks/fuzz_command.py [--minutes 10] [--seed 0]

Takes true command lines and true manifests, changes them at random, and runs them in a folder of small radiographs. An
exception that leaves the command, or an exit code that is none of its own, stops the fuzzing; what did it is printed.
Runs that take longer than some seconds (`--repeats 1000`) are ended, and counted.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fracture_features import make_radiographs
from fracture_features.cli import main as command
from fracture_features.cli._exit import ExitCode

PATIENCE = 10  # seconds of a run
QUICK = ["--models", "edges+svm", "--folds", "2", "--image-size", "32"]
GROUPS = ["--groups", r"patient(\d+)"]
TRUE = [
    ["compare", "data", *GROUPS, *QUICK],
    ["compare", "data", *GROUPS, *QUICK, "--out", "out", "--cache", "cache", "--seed", "1", "--repeats", "2"],
    ["compare", "data", *GROUPS, *QUICK, "--external", "outside", "--external-groups", r"t(\d+)", "--salt", "s"],
    ["compare", "table.csv", "--layout", "csv", "--image", "file", "--label", "class", "--groups", "who", *QUICK],
    ["compare", "table.csv", "--image", "file", "--label", "class", "--metadata", "age,view", "--root", ".", *QUICK],
    ["compare", "split", *GROUPS, "--split", "--positive", "fractured", "--operating-point", "youden", *QUICK],
    ["compare", "data", *GROUPS, "--operating-point", "sensitivity=0.9", "--calibrate", "--jobs", "2", *QUICK],
    ["demo", "--n-samples", "40", "--out", "demo", *QUICK],
    ["audit", "data", *GROUPS, "--json", "--out", "audited"],
    ["train", "data", *GROUPS, "--model", "edges+svm", "--image-size", "32", "--out", "new.ff", "--calibrate"],
    ["predict", "model.ff", "data", "outside/*/*.jpg", "--out", "predicted.csv"],
    ["predict", "model.ff", "table.csv", "notes.txt", "--json", "--maps", "maps"],
    ["evaluate", "model.ff", "outside", "--groups", r"t(\d+)", "--positive", "fractured", "--out", "measured.csv"],
    ["explain", "model.ff", "picture.jpg", "--out", "map.png"],
    ["export", "model.ff", "data", "--onnx", "model.onnx"],
    ["info", "model.ff", "--json"],
    ["cache", "info", "cache"],
    ["cache", "clear", "cache"],
    ["--version"],
]
# Nothing here leads out of the folder to where something could be written.
VALUES = [
    *("", " ", "-", "--", "-1", "0", "1", "2", "3", "1.5", "1e3", "nan", "inf", "٣", "1000", "99999999999999999999"),
    *("\x1b[31m", "[bold]x[/]", "(", "(?P<x>", r"(\d+)", ".", "a\udcffb", "x" * 5000, "a\nb", "\u202e", "=1+1", "%s"),
    *(
        "model.ff",
        "picture.jpg",
        "data",
        "table.csv",
        "pipe",
        "nowhere",
        "/dev/null",
        "/dev/zero",
        "data/fractured",
        "empty",
        "notes.txt",
        "~x",
    ),
    *(
        "folder",
        "csv",
        "fracatlas",
        "mura",
        "auto",
        "fractured",
        "non-fractured",
        "file",
        "class",
        "who",
        "view",
        "age",
    ),
    *(
        "sensitivity",
        "sensitivity=2",
        "sensitivity=nan",
        "youden=1",
        "threshold",
        "=",
        "hog++svm",
        "edges+svm,edges+svm",
    ),
    *("cnn", "accurate", "hog", "svm", "+", ",", "edges+svm,", "mobilenetv2+svm", "EDGES+SVM"),
]
OPTIONS = sorted({part for line in TRUE for part in line if part.startswith("--")} | {"--empty", "--rerun", "--help"})
ODD: list[Any] = [None, True, 0, -1, 1e308, "", "x", "\x1b[31m", "\ud800", [], {}, [[]], ["compare"], {"a": 1}, "../.."]


class TooLong(BaseException):
    """A run that is ended."""


def prepare() -> None:
    """What the command lines name, in the working folder."""
    make_radiographs(24, folder="data", random_state=0)
    make_radiographs(12, folder="outside", random_state=1)
    for part, seed in (("train", 2), ("test", 3)):
        make_radiographs(24, folder=Path("split") / part, random_state=seed)
    rows = [
        f"{path},{path.parent.name},{k // 2},{k % 3},{('ap', 'lateral')[k % 2]}"
        for k, path in enumerate(sorted(Path("data").rglob("*.jpg")))
    ]
    Path("table.csv").write_text("\n".join(["file,class,who,age,view", *rows]))
    Path("empty").mkdir()
    Path("notes.txt").write_text("no radiograph")
    shutil.copy(next(Path("data").rglob("*.jpg")), "picture.jpg")
    run(["train", "data", *GROUPS, "--model", "edges+svm", "--image-size", "32", "--out", "model.ff"])
    os.mkfifo("pipe")


def changed(line: list[str], rng: np.random.Generator) -> list[str]:
    """A command line with some of its parts exchanged, doubled, left out or added."""
    line = list(line)
    for _ in range(rng.integers(0, 4)):
        at = int(rng.integers(len(line) + 1))
        match rng.integers(6):
            case 0 | 1:
                line[at : at + 1] = [str(rng.choice(VALUES))]
            case 2:
                del line[at : at + 1]
            case 3:
                line[at:at] = [str(rng.choice(OPTIONS)), str(rng.choice(VALUES))]
            case 4:
                line[at:at] = [str(rng.choice(OPTIONS))]
            case _:
                line[at:at] = line[at : at + 2]
    # Folders that are written have names of their own.
    written = {k + 1 for k, part in enumerate(line) if part in ("--out", "--cache", "--maps", "--onnx")}
    return [f"out{k}" if k in written and "/" in part else part for k, part in enumerate(line)]


def damaged(manifest: Any, rng: np.random.Generator) -> bytes:
    """A manifest with values exchanged or lost, or its text damaged."""
    value = copy.deepcopy(manifest)
    for _ in range(rng.integers(1, 4)):
        place = value
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = keys[rng.integers(len(keys))]
            if rng.random() < 0.4 or not isinstance(place[key], dict | list):
                if rng.random() < 0.2:
                    del place[key]
                else:
                    place[key] = ODD[rng.integers(len(ODD))]
                break
            place = place[key]
    if rng.random() < 0.3:
        value["run"] = {**manifest["run"], "argv": changed(manifest["run"]["argv"], rng)}
    text = bytearray(json.dumps(value).encode())
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 4)):
            text[rng.integers(len(text))] = rng.integers(256)
    return bytes(text[: rng.integers(len(text))] if rng.random() < 0.1 else text)


def run(line: list[str]) -> str:
    """How the command ended; SystemExit alone is an end too, by argparse."""
    signal.alarm(PATIENCE)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return ExitCode(command(line)).name
    except SystemExit as stop:
        return f"usage, by argparse: {ExitCode(stop.code or 0).name}"
    except TooLong:
        return "ended after some seconds"
    finally:
        signal.alarm(0)


def end(number: int, frame: Any) -> None:
    """Raise TooLong."""
    raise TooLong


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, counts = np.random.default_rng(options.seed), Counter[str]()
    signal.signal(signal.SIGALRM, end)
    home = tempfile.mkdtemp()
    os.chdir(home)
    prepare()
    manifests = []
    for line in (TRUE[0] + ["--out", "first"], ["demo", "--n-samples", "40", "--out", "own", *QUICK]):
        run(line)
        manifests.append(json.loads((Path(line[line.index("--out") + 1]) / "manifest.json").read_text()))
    deadline, n = time.monotonic() + 60 * options.minutes, 0
    while time.monotonic() < deadline:
        os.chdir(home)  # --rerun enters the folder of a manifest
        line = changed(TRUE[rng.integers(len(TRUE))], rng)
        if rng.random() < 0.5:
            Path("manifest.json").write_bytes(damaged(manifests[rng.integers(len(manifests))], rng))
            line = ["compare", "--rerun", "manifest.json", *changed(["--out", "again"], rng)]
        try:
            counts[run(line)] += 1
        except BaseException as error:
            error.add_note(f"{line}, in {home}")
            raise
        n += 1
    os.chdir("/")
    shutil.rmtree(home)
    print(f"{n} runs in {options.minutes} minutes, no foreign exception, no exit code of another kind")
    print(*(f"{count:6} {what}" for what, count in sorted(counts.items())), sep="\n")


if __name__ == "__main__":
    main()
