"""Breaks across the shafts of a limb."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ._anatomy import Bone, Image, Patient, Random

SHARPNESS = 700.0  # of a fracture's edge


class Fracture(NamedTuple):
    """A break across the first `n_bones` shafts; lengths are in units of the limb."""

    n_bones: int
    site: float  # along the limb
    slope: float  # of the line against the transverse
    jag: NDArray[np.float64]  # of the line, at equal steps across the bone
    spread: float  # between the line in the near and in the far cortex
    gap: float  # along the limb; an overlap where negative
    step: float  # sideways
    angle: float
    fragments: NDArray[np.float64]  # (n, 4): along, across, size, turn

    def bend(self, s: Image) -> Image:
        """Return how far everything beyond the fracture swings out; soft tissue bends over a length, as skin does."""
        out = self.angle * 0.02 * np.logaddexp(0, (s - self.site) / 0.02)
        return out.astype(np.float32)


def draw_eases(n: int, difficulty: float, random: Random) -> NDArray[np.float64]:
    """How plainly each of `n` fractures shows, 0 to 1: hairlines, and displaced ones; any three in a row differ."""
    # one from each n-th of the distribution, so that small sets are as hard as large ones
    level = (np.arange(n) + random.uniform(0, 1, n)) / max(n, 1)
    hairlines = difficulty**2.8
    displaced = 1 - 0.9 * difficulty * ((level - hairlines) / max(1 - hairlines, 1e-9))
    return np.where(level < hairlines, 0.1 * (1 - difficulty), displaced)


def draw_fracture(random: Random, patient: Patient, ease: float) -> Fracture:
    """A fracture that shows the more, the larger `ease` (0 to 1)."""
    limb = patient.limb
    both = limb.n_shafts == 1 or random.random() < 0.9
    radius = limb.bones[0].radius
    apart = 1 if random.random() < 0.7 or ease < 0.4 else -2  # or overlapping
    n = random.binomial(3, 0.6 * ease)
    splinters = [
        random.normal(0, 1.0, n),
        random.choice([-1, 1], n) * random.uniform(0.8, 1.5, n),
        random.uniform(0.3, 0.7, n),
    ]
    return Fracture(
        n_bones=limb.n_shafts if both else 1,
        site=limb.focus + random.uniform(-0.11, 0.01),
        slope=random.normal(0, 0.45),
        jag=random.normal(0, 0.16 * radius, 9),
        spread=random.uniform(0.0, 0.5) * radius,
        gap=radius * (0.05 + 0.5 * ease) * random.uniform(0.6, 1.3) * apart,
        step=radius * 1.6 * ease * random.uniform(0.6, 1.0) * random.choice([-1, 1]),
        angle=0.2 * ease * random.uniform(0.6, 1.0) * random.choice([-1, 1]) * both,
        fragments=np.column_stack([*(radius * v for v in splinters), random.uniform(0, 2 * np.pi, n)]),
    )


def broken(bone: Bone, s: Image, x: Image, centre: Image, porosity: float, texture: Image, fracture: Fracture) -> Image:
    """Path length through a broken bone: each of its two ends is the whole bone cut along the line."""
    # muscles and the other bone hold the far end in place
    held = ((bone.bottom - s) / (bone.bottom - fracture.site)).clip(0, 1)
    swung = fracture.step * held + fracture.bend(s)
    opened = fracture.gap * (1 - (s - fracture.site) / (4 * bone.radius)).clip(0, 1)
    across = x - centre[:, None]
    jag = np.interp(across, np.linspace(-2.5, 2.5, len(fracture.jag)) * bone.radius, fracture.jag)
    line = fracture.site + fracture.slope * across + jag.astype(np.float32)
    low, high = np.searchsorted(s, (line.min() - 0.03, line.max() + 0.03))
    out = np.zeros_like(across)
    for sign, rows in ((1, slice(None, high)), (-1, slice(low, None))):
        here, beside = s[rows], across[rows]
        moved = np.zeros_like(here) if sign > 0 else swung[rows]
        if sign < 0:
            here = here - opened[rows]
        piece = bone.thickness(here, beside - moved[:, None], porosity, texture[rows])
        past = here[:, None] - line[rows] + fracture.slope * moved[:, None]
        out[rows] += piece * _share(sign * past, fracture.spread)
    return out


def _share(past: Image, spread: float) -> Image:
    """Share of the wall that is on this side of the fracture, whose lines in near and far wall are apart."""
    far, near = (1 / (1 + cv2.exp((SHARPNESS * (past + d)).clip(-30, 30))) for d in (-spread, spread))
    return 0.5 * (far + near)


def fragments(fracture: Fracture, patient: Patient, middle: Image, s: Image, x: Image) -> Image:
    """Path length through splinters of cortex beside the fracture, the bone's `middle` given at `s`."""
    out = np.zeros((len(s), len(x)), np.float32)
    radius = patient.limb.bones[0].radius
    unit = 1 / (x[1] - x[0])
    centre = np.interp(fracture.site, s, middle)
    shape = np.array([[1.6, 0], [-0.5, 0.5], [-1.2, -0.3], [0.2, -0.5]])
    for along, across, size, turn in fracture.fragments:
        c, d = np.cos(turn), np.sin(turn)
        place = np.array([centre + across - x[0], fracture.site + along - s[0]])
        corners = (place + size * shape @ [[c, d], [-d, c]]) * unit
        cv2.fillConvexPoly(out, (corners * 16).round().astype(np.int32), 0.55 * radius, cv2.LINE_AA, 4)
    return out
