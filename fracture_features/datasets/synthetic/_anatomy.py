"""Limbs of which radiographs are drawn: bones, soft tissue, and how people differ."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]  # float32; also its rows or columns
Random = np.random.Generator


class Bone(NamedTuple):
    """A thick-walled tube from `top` to `bottom`, its axis from `x_top` to `x_bottom`, wider at its ends.

    Lengths are in units of the limb.
    """

    top: float
    bottom: float
    x_top: float
    x_bottom: float
    radius: float
    flare_top: float = 0.25
    flare_bottom: float = 0.25
    cortex: float = 0.42  # wall over radius, in mid-shaft
    bow: float = 0.0

    def axis(self, s: Image, roll: float) -> Image:
        """Return where its middle is at each of the places `s`, the limb turned about its own axis by `roll`."""
        u = (s - self.top) / (self.bottom - self.top)
        axis = roll * (self.x_top + (self.x_bottom - self.x_top) * u) + self.bow * np.sin(np.pi * u.clip(0, 1))
        return axis.astype(np.float32)

    def outline(self, s: Image) -> tuple[Image, Image]:
        """Outer radius, and how near to an end (0 to 1), at each of the places `s`."""
        length = self.bottom - self.top
        near, far = (s - self.top).clip(0), (self.bottom - s).clip(0)
        reach = min(5 * self.radius, 0.35 * length)
        flare_top, flare_bottom = np.exp(-((near / reach) ** 1.5)), np.exp(-((far / reach) ** 1.5))
        outer = self.radius * (1 + self.flare_top * flare_top + self.flare_bottom * flare_bottom)
        rounded = 0.5 if self.flare_top or self.flare_bottom else 0.9
        cap = np.minimum(np.minimum(near, far) / np.minimum(rounded * outer, 0.5 * length), 1)
        return outer * (1 - (1 - cap) ** 2.4) ** np.float32(0.55), np.maximum(flare_top, flare_bottom)

    def thickness(self, s: Image, across: Image, porosity: float, texture: Image) -> Image:
        """Path length through the wall and, thinned, the cavity, at each of `s` and distances from the axis."""
        outer, ends = self.outline(s)
        wall = self.radius * (self.cortex * (1 - 0.8 * ends) + 0.06)
        depth = 2 * np.sqrt(self.radius / np.maximum(outer, self.radius))  # flared ends are wider than deep
        squared = np.square(across)
        out = chord(outer, squared)
        cavity = chord((outer - wall).clip(0), squared)
        filling = porosity * (0.25 + 0.75 * ends)
        cavity *= 1 - filling[:, None] - (0.14 * filling)[:, None] * texture
        out -= cavity
        out *= depth[:, None]
        return out

    def window(self, s: Image, x: Image, swung: Image, step: float = 0) -> tuple[slice, slice]:
        """Rows and columns of the limb that it can touch, its middle moved sideways by `swung` and up to `step`."""
        first, last = np.searchsorted(s, (self.top - 0.01, self.bottom + 0.02))
        last = max(last, first + 1)
        margin = self.radius * (1.1 + max(self.flare_top, self.flare_bottom)) + abs(self.bow) + abs(step)
        ends = (self.x_top, self.x_bottom, 0)
        low = min(ends) + swung[first:last].min(initial=0) - margin
        high = max(ends) + swung[first:last].max(initial=0) + margin
        return slice(first, last), slice(*np.searchsorted(x, (low, high)))


def chord(radius: Image, squared: Image) -> Image:
    """Half the path through a circle of `radius`, by the square of the distance from its middle."""
    left = np.square(radius)[:, None] - squared
    left.clip(0, out=left)
    return np.sqrt(left, out=left)


class Limb(NamedTuple):
    """Bones (the first `n_shafts` are those that break) and the half width of the soft tissue along the limb."""

    bones: tuple[Bone, ...]
    n_shafts: int
    focus: float  # what radiographs of it are centred on
    tissue: tuple[tuple[float, ...], tuple[float, ...]]
    fingers: tuple[Bone, ...] = ()


def _hand() -> tuple[tuple[Bone, ...], tuple[Bone, ...]]:
    carpals = tuple(
        Bone(top, top + length, x, x, radius, 0, 0, 0.12)
        for top, length, x, radius in (
            (0.69, 0.042, 0.032, 0.017),
            (0.685, 0.036, 0.004, 0.016),
            (0.69, 0.034, -0.024, 0.015),
            (0.7, 0.025, -0.034, 0.009),
            (0.732, 0.034, 0.043, 0.013),
            (0.734, 0.03, 0.022, 0.01),
            (0.72, 0.046, 0.001, 0.014),
            (0.725, 0.04, -0.025, 0.015),
        )
    )
    bones, fingers = [], []
    for k, reach in enumerate((0.95, 1.0, 1.02, 1.0, 0.86)):
        along = np.array([0.77, 0.885, 0.965, 1.02]) * np.array([1, *[reach**0.5] * 3])
        fan = ((k - 2) * (0.022 + 0.15 * (along - 0.77)) + 0.004).tolist()
        knuckles = along.tolist()
        for i in range(3):
            radius = 0.0085 - 0.001 * i
            bones.append(Bone(knuckles[i], knuckles[i + 1] - 0.007, fan[i], fan[i + 1], radius, 0.5, 0.5))
        fingers.append(Bone(0.82, knuckles[3] + 0.04, fan[1] * 0.7, fan[3] * 1.1, 0.021, 0, 0, cortex=1.0))
    return (*carpals, *bones), tuple(fingers)


def _limbs() -> tuple[Limb, ...]:
    hand, fingers = _hand()
    forearm = (
        Bone(0.125, 0.68, 0.036, 0.026, 0.0175, 0.3, 1.1, 0.5, 0.012),
        Bone(0.082, 0.672, -0.022, -0.034, 0.0155, 0.9, 0.15, 0.5, -0.006),
    )
    leg = (
        Bone(0.131, 0.875, 0.012, 0.02, 0.027, 1.4, 0.8, 0.45, 0.004),
        Bone(0.175, 0.9, -0.058, -0.038, 0.012, 0.6, 0.6, 0.55, -0.008),
        Bone(0.88, 0.965, 0.008, 0.012, 0.042, 0, 0, 0.12),
        Bone(0.945, 1.06, 0.0, -0.01, 0.044, 0, 0, 0.12),
    )
    thigh = (
        Bone(-0.25, 0.705, 0.03, -0.004, 0.03, 0, 1.55, 0.5, 0.01),
        Bone(0.702, 1.5, 0.0, 0.015, 0.031, 1.4, 0, 0.45),
        Bone(0.748, 1.5, -0.066, -0.05, 0.013, 0.6, 0, 0.5),
        Bone(0.585, 0.675, 0.008, 0.008, 0.036, 0, 0, 0.15),
    )
    return (
        Limb(
            (*forearm, *hand),
            2,
            0.58,
            ((0, 0.15, 0.35, 0.66, 0.78, 0.88, 0.9), (0.105, 0.11, 0.1, 0.068, 0.082, 0.08, 0.03)),
            fingers,
        ),
        Limb(leg, 2, 0.73, ((0, 0.12, 0.35, 0.6, 0.85, 0.93, 1.15), (0.125, 0.105, 0.125, 0.085, 0.062, 0.075, 0.085))),
        Limb(thigh, 1, 0.58, ((-0.15, 0.4, 0.65, 0.75, 1.15), (0.18, 0.135, 0.112, 0.098, 0.12))),
    )


LIMBS = _limbs()


class Patient(NamedTuple):
    """What all images of one person share."""

    limb: Limb
    side: int  # 1 or, mirrored, -1
    bow: float
    flexion: float  # slope of what lies beyond the joint
    tissue: float  # mean attenuation
    bone: float
    texture: tuple[int, int]  # where in the noise field
    porosity: float
    plates: float  # darkness of growth plates
    canals: list[list[float]]  # nutrient canals: shaft, place along it, darkness
    folds: list[list[float]]  # soft-tissue folds: place along the limb, slope, width, attenuation
    sclerosis: list[list[float]]  # transverse dense lines: shaft, place along it, density
    size: tuple[float, float]  # long side in pixels, aspect


def draw_patient(random: Random, kind: int) -> Patient:
    """Somebody whose limb is LIMBS[kind]."""
    limb = LIMBS[kind]
    tissue = np.array(limb.tissue[1]) * random.uniform(0.85, 1.2)
    child = random.random() < 0.3
    n_canals, n_folds, n_lines = random.integers(0, 3, 3).tolist()
    return Patient(
        limb=limb._replace(bones=_grown(random, limb.bones), tissue=(limb.tissue[0], tuple(tissue.tolist()))),
        side=int(random.choice([-1, 1])),
        bow=random.normal(0, 0.006),
        flexion=random.normal(0, 0.05),
        tissue=random.uniform(4, 7),
        bone=random.uniform(32, 48),
        texture=(int(random.integers(400)), int(random.integers(400))),
        porosity=random.uniform(0.25, 0.4),
        plates=random.uniform(0.4, 0.8) if child else 0.0,
        canals=_columns(
            random.integers(0, limb.n_shafts, n_canals),
            random.uniform(0.3, 0.65, n_canals),
            random.uniform(0.15, 0.4, n_canals),
        ),
        folds=_columns(
            random.uniform(0.05, 0.95, n_folds),
            random.normal(0, 0.5, n_folds),
            random.uniform(0.01, 0.05, n_folds),
            random.uniform(-0.2, 0.2, n_folds),
        ),
        sclerosis=_columns(
            random.integers(0, limb.n_shafts, n_lines),
            random.choice([0.12, 0.16, 0.84, 0.88], n_lines),
            random.uniform(0.1, 0.4, n_lines),
        ),
        size=(random.uniform(315, 500), random.uniform(0.62, 0.85)),
    )


def _grown(random: Random, bones: tuple[Bone, ...]) -> tuple[Bone, ...]:
    """The bones of one person: all of them stouter or slighter, and each a little its own way."""
    girth, wall = np.exp(random.normal(0, 0.07, 2)).tolist()
    return tuple(
        b._replace(
            radius=b.radius * girth * float(np.exp(random.normal(0, 0.04))),
            flare_top=b.flare_top * random.uniform(0.8, 1.2),
            flare_bottom=b.flare_bottom * random.uniform(0.8, 1.2),
            cortex=b.cortex * wall * random.uniform(0.8, 1.1),
            bow=b.bow + random.normal(0, 0.003),
            top=b.top + random.normal(0, 0.002),
            x_bottom=b.x_bottom + random.normal(0, 0.002),
        )
        for b in bones
    )


def _columns(*columns: NDArray[Any]) -> list[list[float]]:
    return np.column_stack(columns).tolist()
