"""From a limb to the file of a radiograph: where it lies in the image, and what film and console make of it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ._anatomy import Image, Patient, Random
from ._attenuation import attenuation
from ._fracture import Fracture

AIR = np.float32(0.15)  # attenuation below which the console shows nothing, not even noise
MARGIN = 0.04  # drawn beyond the edges of the image, for it to turn in; the length of a limb is 1


class View(NamedTuple):
    """What one exposure adds."""

    roll: float
    turn: float
    scale: float
    shift: tuple[float, float]
    size: tuple[int, int]
    seed: int


def draw_view(random: Random, patient: Patient) -> View:
    long, aspect = patient.size[0] * random.uniform(0.95, 1.05), patient.size[1] * random.uniform(0.93, 1.07)
    return View(
        roll=random.uniform(0.85, 1.0),
        turn=random.normal(0, 1.8),
        scale=random.uniform(1.36, 1.5),
        shift=(random.normal(0, 0.012), random.normal(0, 0.012)),
        size=(round(long), round(long * aspect)),
        seed=int(random.integers(2**63)),
    )


def _frame(view: View, focus: float) -> tuple[Image, Image]:
    """Places along and across the limb of the rows and columns drawn."""
    unit = view.size[0] * view.scale
    rows, columns = (round(n + 2 * MARGIN * unit) for n in view.size)
    s = focus + (np.arange(rows) - (rows - 1) / 2) / unit
    x = (np.arange(columns) - (columns - 1) / 2) / unit
    return s.astype(np.float32), x.astype(np.float32)


def _affine(view: View, patient: Patient) -> NDArray[np.float64]:
    """From the pixels of the limb's frame to those of the image."""
    height, width = view.size
    turn = np.deg2rad(view.turn)
    c, d = np.cos(turn), np.sin(turn)
    linear = np.array([[c, -d], [d, c]]) * [patient.side, 1]
    s, x = _frame(view, patient.limb.focus)
    middle = np.array([len(x) - 1, len(s) - 1]) / 2
    target = np.array([width * (0.5 + view.shift[0]), height * (0.5 + view.shift[1])])
    return np.column_stack([linear, target - linear @ middle])


def box(patient: Patient, view: View, fracture: Fracture) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the fracture in pixels of the image."""
    low, high, reach = _extent(patient, view.roll, fracture)
    s, x = _frame(view, patient.limb.focus)
    unit = view.size[0] * view.scale
    corners = [((a - x[0]) * unit, (fracture.site + b - s[0]) * unit, 1) for a in (low, high) for b in (-reach, reach)]
    columns, rows = _affine(view, patient) @ np.transpose(corners)
    height, width = view.size
    top, left = np.floor([max(rows.min(), 0), max(columns.min(), 0)]).astype(int).tolist()
    bottom, right = np.ceil([min(rows.max(), height), min(columns.max(), width)]).astype(int).tolist()
    return top, left, bottom, right


def _extent(patient: Patient, roll: float, fracture: Fracture) -> tuple[float, float, float]:
    """From where to where the fracture reaches across the limb, and how far to both sides along it."""
    bones = patient.limb.bones[: fracture.n_bones]
    s = np.array([fracture.site], np.float32)
    middles = np.array([bone.axis(s, roll)[0] for bone in bones]) + patient.bow * np.cos(4 * fracture.site)
    radius = max(float(bone.outline(s)[0][0]) for bone in bones)
    low = middles.min() - 1.3 * radius + min(fracture.step, 0)
    high = middles.max() + 1.3 * radius + max(fracture.step, 0)
    reach = radius * (0.6 + 1.2 * abs(fracture.slope)) + fracture.spread + abs(fracture.gap)
    for along, across, size, _ in fracture.fragments:
        low = min(low, middles[0] + across - 1.6 * size)
        high = max(high, middles[0] + across + 1.6 * size)
        reach = max(reach, abs(along) + 1.6 * size)
    return float(low), float(high), float(reach)


def expose(patient: Patient, view: View, fracture: Fracture | None, field: Image) -> NDArray[np.uint8]:
    """The radiograph, (height, width)."""
    s, x = _frame(view, patient.limb.focus)
    limb = attenuation(patient, fracture, view.roll, s, x, field)
    thick = patient.tissue * 2 * float(np.median(patient.limb.tissue[1]))
    reference = thick + patient.bone * 1.3 * patient.limb.bones[0].radius
    image = cv2.warpAffine(limb, _affine(view, patient), view.size[::-1], borderMode=cv2.BORDER_REPLICATE)
    random = np.random.default_rng(view.seed)
    grey = _develop(_photons(image, random), reference, random)
    if random.random() < 0.4:
        _collimate(grey, random)
    film = cv2.convertScaleAbs(grey, alpha=255)
    if random.random() < 0.5:
        _letter(film, "L" if patient.side < 0 else "R", random)
    return film


def _photons(attenuation: Image, random: Random) -> Image:
    """Return the photons that arrive: blurred, unevenly lit, and the noisier the fewer come through."""
    height, width = attenuation.shape
    lamp = random.normal(0, 0.05, (3, 3)).astype(np.float32)
    signal = cv2.GaussianBlur(attenuation, (0, 0), random.uniform(0.5, 1.0))
    signal += cv2.resize(lamp, (width, height), interpolation=cv2.INTER_CUBIC)
    dose = np.exp(random.uniform(np.log(1500), np.log(12000)))
    # blurred, uniform numbers are as good as normal ones, and sooner drawn
    noise = random.random((height, width), dtype=np.float32)
    noise -= 0.5
    noise = cv2.GaussianBlur(noise, (0, 0), random.uniform(0.4, 0.7))
    signal += noise * cv2.exp(0.5 * signal) * np.float32(1.5 * np.sqrt(12 / dose))
    return signal


def _develop(signal: Image, reference: float, random: Random) -> Image:
    """The curve from attenuation to grey, 0 to 1."""
    white, gamma, black = random.uniform(0.95, 1.35), random.uniform(0.75, 1.15), random.uniform(0.02, 0.14)
    signal -= AIR
    signal *= 1 / (white * reference)
    grey = cv2.exp(gamma * cv2.log(np.clip(signal, 1e-6, 1, out=signal)))  # sooner than its power
    grey *= 1 - black
    grey += black
    return grey


def _letter(film: NDArray[np.uint8], letter: str, random: Random) -> None:
    height, width = film.shape
    place = (int(random.uniform(0.04, 0.9) * width), int(random.uniform(0.06, 0.96) * height))
    cv2.putText(film, letter, place, cv2.FONT_HERSHEY_SIMPLEX, height / 600, 240, 1 + height // 300, cv2.LINE_AA)


def _collimate(grey: Image, random: Random) -> None:
    """The shutter's shadow: bright as unexposed film is, or blacked out by the console."""
    height, width = grey.shape
    edges = random.uniform(0, 0.05, 4) * [height, width, height, width] * random.integers(0, 2, 4)
    top, left, bottom, right = edges
    skew = random.normal(0, 0.008) * height
    corners = np.array(
        [
            [left + skew, top],
            [width - right, top + skew],
            [width - right - skew, height - bottom],
            [left, height - bottom - skew],
        ]
    )
    corners += (corners - [width / 2, height / 2]) * 0.01
    inside = np.zeros_like(grey)
    cv2.fillConvexPoly(inside, corners.round().astype(np.int32), 1.0)
    inside = cv2.GaussianBlur(inside, (0, 0), 1.5)
    grey *= inside
    grey += (1 - inside) * random.choice([0.0, 0.02, 0.93])
