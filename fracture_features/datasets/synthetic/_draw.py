"""Radiographs drawn from geometry and physics, for examples and tests that have no real ones at hand."""

from __future__ import annotations

import csv
import os
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..._validation import check_count
from ._anatomy import LIMBS, Patient, Random, draw_patient
from ._attenuation import noise_field
from ._exposure import View, box, draw_view, expose
from ._fracture import Fracture, draw_eases, draw_fracture

NAMES = ("non-fractured", "fractured")
HEADINGS = ("image", "patient", "fractured", "top", "left", "bottom", "right")


class _Case(NamedTuple):
    """What is to be drawn for a patient."""

    n_images: int
    kind: int  # which limb
    ease: float | None  # how plain the fracture is, None where there is none


def make_radiographs(
    n_samples: int = 300,
    *,
    folder: str | os.PathLike[str],
    images_per_patient: int = 3,
    fractured_fraction: float = 0.5,
    difficulty: float = 0.5,
    random_state: int | None = None,
) -> Path:
    """Draw radiographs of forearms, shins and thighs into a folder, some of them broken.

    Bones are thick-walled tubes in soft tissue; what the film sees is the path length through them, with noise,
    blur, exposure, shutter edges and side letters. A patient has one limb, healthy or broken, in several images
    that share its anatomy: a random split of the images leaks, one by patient does not. As many of the
    broken as of the healthy limbs are forearms, shins and thighs, and left or right at random. Healthy limbs too have
    growth plates, nutrient canals, dense lines and folds of soft tissue. Nothing but the fracture depends on the
    label.

    Parameters
    ----------
    n_samples : int, default=300
        Number of images.
    folder : str or path-like
        Where they are written, a folder that is empty or does not exist yet: as
        `fractured/patient007_2.jpg` and `non-fractured/patient012_1.jpg`.
    images_per_patient : int, default=3
        Mean number of images of a patient: most have this many, others one more or one less.
    fractured_fraction : float, default=0.5
        Share of the images, 0 to 1, that show a fracture.
    difficulty : float, default=0.5
        From 0, plainly displaced fractures, to 1, hairlines only: the share of undisplaced hairlines, and how
        little the others are displaced.
    random_state : int, default=None
        The same number gives the same files, bit for bit, on the same machine; None gives others each time.

    Returns
    -------
    folder : pathlib.Path
        The folder. Its `truth.csv` has a row for each image: `image` (its path in the folder), `patient`,
        `fractured` (0 or 1), and `top, left, bottom, right`, the box around the fracture in pixels of the file
        (bottom and right excluded), empty where there is none: `load_folder(folder, boxes=folder / "truth.csv")`.

    Raises
    ------
    FileExistsError
        If the folder holds anything already.
    ValueError
        If a parameter is out of its range.

    See Also
    --------
    load_folder : Load what was drawn.

    Notes
    -----
    `benchmarks/bench_synthetic.py` measures how hard they are: at the default difficulty HOG and an SVM reach an area
    under the ROC curve of about 0.8 across patients, plainly less than edges and XGBoost, more than LBP and an SVM,
    and rise with the number of images; at difficulty 1 they know nothing.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from fracture_features.datasets import make_radiographs
    >>> with TemporaryDirectory() as parent:
    ...     folder = make_radiographs(6, folder=parent + "/radiographs", random_state=0)
    ...     sorted(path.name for path in folder.iterdir())
    ...     len(list(folder.glob("*/*.jpg")))
    ['fractured', 'non-fractured', 'truth.csv']
    6
    """
    _check(n_samples, images_per_patient, fractured_fraction, difficulty, random_state)
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"make_radiographs writes into a new or an empty folder, {str(folder)!r} is neither.")
    sequence = np.random.SeedSequence(random_state)
    random = np.random.default_rng(sequence)
    field = noise_field(random)
    cases = _plan(n_samples, round(n_samples * fractured_fraction), images_per_patient, difficulty, random)
    for name in NAMES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    with open(folder / "truth.csv", "w", newline="", encoding="utf-8") as file:
        truth = csv.writer(file)
        truth.writerow(HEADINGS)
        for number, (case, seed) in enumerate(zip(cases, sequence.spawn(len(cases)), strict=True), 1):
            patient, views, fracture = _draw_case(seed, case)
            for k, view in enumerate(views, 1):
                name = f"{NAMES[fracture is not None]}/patient{number:03d}_{k}.jpg"
                _write(folder / name, expose(patient, view, fracture, field))
                where = box(patient, view, fracture) if fracture else [""] * 4
                truth.writerow((name, number, int(fracture is not None), *where))
    return folder


def is_drawn(folder: str | os.PathLike[str]) -> bool:
    """Whether the images of a folder were drawn by `make_radiographs`, by its truth.csv."""
    try:
        with open(Path(folder) / "truth.csv", encoding="utf-8") as file:
            return file.readline().strip() == ",".join(HEADINGS)
    except (OSError, ValueError):  # ValueError: not UTF-8, or no name that a folder can have
        return False


def _check(
    n_samples: int, images_per_patient: int, fraction: float, difficulty: float, random_state: int | None
) -> None:
    counts = {"n_samples": n_samples, "images_per_patient": images_per_patient}
    for name, value in counts.items():
        check_count(value, name=name)
    for name, share in {"fractured_fraction": fraction, "difficulty": difficulty}.items():
        if not isinstance(share, Real) or not 0 <= share <= 1:
            raise ValueError(f"{name} must be a number from 0 to 1, got {share!r}.")
    if random_state is not None and (not isinstance(random_state, Integral) or random_state < 0):
        raise ValueError(f"random_state must be an integer of at least 0 or None, got {random_state!r}.")


def _plan(n: int, n_fractured: int, mean: int, difficulty: float, random: Random) -> list[_Case]:
    """The patients in random order, with the same mixture of limbs among the healthy and the broken."""
    healthy, broken = _shares(n - n_fractured, mean, random), _shares(n_fractured, mean, random)
    eases = draw_eases(len(broken), difficulty, random).tolist()
    kinds = random.permutation(len(LIMBS)).tolist()
    cases = [
        _Case(count, kinds[i % len(kinds)], ease)
        for counts, plain in ((healthy, [None] * len(healthy)), (broken, eases))
        for i, (count, ease) in enumerate(zip(counts, plain, strict=True))
    ]
    return [cases[i] for i in random.permutation(len(cases))]


def _draw_case(seed: np.random.SeedSequence, case: _Case) -> tuple[Patient, list[View], Fracture | None]:
    """A patient, the views and the fracture, whose random numbers are its own: without it all else is the same."""
    own, damage = (np.random.default_rng(s) for s in seed.spawn(2))
    patient = draw_patient(own, case.kind)
    views = [draw_view(own, patient) for _ in range(case.n_images)]
    return patient, views, None if case.ease is None else draw_fracture(damage, patient, case.ease)


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    path.write_bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())


def _shares(n: int, mean: int, random: Random) -> list[int]:
    """`n` images cut into patients of `mean` each, give or take one."""
    if n == 0:
        return []
    shares = np.full(max(1, round(n / mean)), mean)
    spread = random.permutation(len(shares))
    half = len(shares) // 3
    if mean > 1:
        shares[spread[:half]] += 1
        shares[spread[half : 2 * half]] -= 1
    while shares.sum() != n:
        k = np.argmin(shares) if shares.sum() < n else np.argmax(shares)
        shares[k] += np.sign(n - shares.sum())
    return [int(k) for k in shares]
