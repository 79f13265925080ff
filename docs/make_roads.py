"""Run three walk-throughs and write roads.md: the commands, and what they printed.

python docs/make_roads.py

Radiographs are drawn; those of the second are written as DICOM, which needs pydicom.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fracture_features import make_radiographs, read_image

MOST = 6  # commands of a walk-through
OWN = """\
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression

from fracture_features import evaluate, load_folder, make_pipeline, train_model

data = load_folder("radiographs", groups=r"patient(\\d+)")
parts = [("trees", ExtraTreesClassifier(200, random_state=0)), ("line", LogisticRegression(max_iter=1000))]
own = make_pipeline(["edges", "lbp"], VotingClassifier(parts, voting="soft"), image_size=128)
result = evaluate({"own": own, "fast": make_pipeline("fast", random_state=0)}, data, cv=3, random_state=0)
result.save("results")
print(result.table().to_markdown())
train_model(own, data, operating_point="sensitivity", calibrate=True, result=result, name="own").save("own.ff")
"""


class Road(NamedTuple):
    """A sentence on the files that are there at first, and the commands."""

    title: str
    before: str
    prepare: Callable[[Path], None]
    commands: tuple[str, ...]


def draw_folder(folder: Path) -> None:
    """A folder of radiographs, and one of a patient who is in none."""
    make_radiographs(120, folder=folder / "radiographs", random_state=0)
    make_radiographs(4, folder=folder / "new", random_state=9)


def draw_hospitals(folder: Path) -> None:
    """Two hospitals' DICOM files, each with a table as German spreadsheets write it."""
    for seed, (name, n) in enumerate({"hospital": 90, "other": 36}.items()):
        drawn = make_radiographs(n, folder=folder / "drawn" / name, random_state=seed)
        truth = pd.read_csv(drawn / "truth.csv")
        (folder / name).mkdir()
        files = []
        for k, row in enumerate(truth.itertuples()):
            view = "AP" if k % 2 else "LL"
            write_dicom(folder / name / f"{k:03}.dcm", read_image(drawn / row.image), f"{name}{row.patient}", view)
            files.append(f"{name}/{k:03}.dcm")
        table = pd.DataFrame({"Datei": files, "Befund": np.where(truth["fractured"] == 1, "Fraktur", "keine")})
        table.assign(Patient=truth["patient"]).to_csv(folder / f"{name}.csv", sep=";", index=False)


def write_dicom(path: Path, pixels: np.ndarray, patient: str, view: str) -> None:
    """An uncompressed radiograph."""
    import pydicom

    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    image.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[str(path.name), patient])
    image.PatientID, image.ViewPosition, image.Modality = patient, view, "DX"
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    image.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    image["PixelData"].VR = "OB"
    image.save_as(path, enforce_file_format=True)


def write_own(folder: Path) -> None:
    """A folder of radiographs, and a script of ten lines."""
    draw_folder(folder)
    (folder / "own.py").write_text(OWN)


COLUMNS = "--image Datei --label Befund --positive Fraktur --groups Patient"
ROADS = (
    Road(
        "A folder",
        "`radiographs/` contains `fractured/` and `non-fractured/`; the name of a file begins with its patient.",
        draw_folder,
        (
            r'fracture-features show radiographs --groups "patient(\d+)" --out data.html',
            r'fracture-features audit radiographs --groups "patient(\d+)" --out audit',
            r'fracture-features compare radiographs --groups "patient(\d+)" --models fast,hog+svm --out results',
            r'fracture-features train radiographs --groups "patient(\d+)" --model fast --calibrate --out model.ff',
            "fracture-features predict model.ff new --out predictions.csv --maps maps",
        ),
    ),
    Road(
        "DICOM, a table with semicolons, and an external hospital",
        "`hospital.csv` and `other.csv` have the columns `Datei;Befund;Patient`, in German; the files are DICOM.",
        draw_hospitals,
        (
            f"fracture-features audit hospital.csv {COLUMNS} --out audit",
            f"fracture-features compare hospital.csv {COLUMNS} --models fast --folds 3 --external other.csv "
            "--subgroups ViewPosition --by-study Patient --operating-point sensitivity=0.9 --out results",
            f"fracture-features train hospital.csv {COLUMNS} --model fast --calibrate --operating-point "
            "sensitivity=0.9 --out model.ff",
            f"fracture-features evaluate model.ff other.csv {COLUMNS} --out measures.csv",
            "fracture-features explain model.ff other/000.dcm --out map.png",
        ),
    ),
    Road(
        "An estimator of your own, passed on as a file",
        f"`own.py` is\n\n```python\n{OWN}```\n\nWhoever receives `own.ff` does not need this script.",
        write_own,
        (
            "python own.py",
            "fracture-features info own.ff",
            "fracture-features predict own.ff new",
            "fracture-features serve --help",
        ),
    ),
)
HEAD = """# Three walk-throughs

`python docs/make_roads.py` ran these commands on drawn radiographs and recorded what each printed. The figures say
nothing about patients.
"""


def walk(road: Road, folder: Path) -> list[tuple[str, str, int]]:
    """Each command with what it printed and its exit code."""
    road.prepare(folder)
    environment = {**os.environ, "COLUMNS": "120", "TF_CPP_MIN_LOG_LEVEL": "3"}
    walked = []
    for command in road.commands:
        program, *arguments = shlex.split(command)
        module = ["-m", "fracture_features"] if program == "fracture-features" else []
        run = subprocess.run(
            [sys.executable, *module, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        walked.append((command, run.stdout.replace(str(folder), "."), run.returncode))
    return walked


def render(roads: list[tuple[Road, list[tuple[str, str, int]]]]) -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for road, walked in roads:
        parts.append(f"## {road.title}\n\n{road.before}\n")
        for command, printed, _ in walked:
            told = re.sub(r"[ \t]+$", "", printed, flags=re.MULTILINE).strip("\n")
            parts.append(f"```console\n$ {command}\n{told}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    done = []
    for each in ROADS:
        with tempfile.TemporaryDirectory() as place:
            done.append((each, walk(each, Path(place))))
        for told, printed, code in done[-1][1]:
            assert code == 0, (told, printed)
    Path(__file__).with_name("roads.md").write_text(render(done), encoding="utf-8")
