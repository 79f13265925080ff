"""Radiographs drawn from geometry and physics, for examples and tests that have no real ones at hand."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Random = np.random.Generator

MARGIN = 0.04  # drawn beyond the edges of the image, for it to turn in; the length of a limb is 1


class _Bone(NamedTuple):
    """A thick-walled tube from `top` to `bottom`, its axis from `x_top` to `x_bottom`, wider at its ends."""

    top: float
    bottom: float
    x_top: float
    x_bottom: float
    radius: float
    flare_top: float = 0.25
    flare_bottom: float = 0.25
    cortex: float = 0.42  # wall over radius, in mid-shaft
    bow: float = 0.0


class _Limb(NamedTuple):
    """Bones (the first `n_shafts` are those that break) and the half width of the soft tissue along the limb."""

    bones: tuple[_Bone, ...]
    n_shafts: int
    focus: float  # what radiographs of it are centred on
    tissue: tuple[tuple[float, ...], tuple[float, ...]]
    fingers: tuple[_Bone, ...] = ()


def _hand() -> tuple[tuple[_Bone, ...], tuple[_Bone, ...]]:
    carpals = tuple(
        _Bone(top, top + length, x, x, radius, 0, 0, 0.12)
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
        knuckles = np.array([0.77, 0.885, 0.965, 1.02]) * np.array([1, *[reach**0.5] * 3])
        fan = (k - 2) * (0.022 + 0.15 * (knuckles - 0.77)) + 0.004
        for i in range(3):
            radius = 0.0085 - 0.001 * i
            bones.append(_Bone(knuckles[i], knuckles[i + 1] - 0.007, fan[i], fan[i + 1], radius, 0.5, 0.5))
        fingers.append(_Bone(0.82, knuckles[3] + 0.04, fan[1] * 0.7, fan[3] * 1.1, 0.021, 0, 0))
    return (*carpals, *bones), tuple(fingers)


def _limbs() -> tuple[_Limb, ...]:
    hand, fingers = _hand()
    forearm = (
        _Bone(0.125, 0.68, 0.036, 0.026, 0.0175, 0.3, 1.1, 0.5, 0.012),
        _Bone(0.082, 0.672, -0.022, -0.034, 0.0155, 0.9, 0.15, 0.5, -0.006),
        _Bone(-0.5, 0.118, 0.0, 0.004, 0.024, 0, 1.1),
    )
    leg = (
        _Bone(0.131, 0.875, 0.012, 0.02, 0.027, 1.4, 0.8, 0.45, 0.004),
        _Bone(0.175, 0.9, -0.058, -0.038, 0.012, 0.6, 0.6, 0.55, -0.008),
        _Bone(-0.6, 0.134, 0.0, 0.008, 0.03, 0, 1.5),
        _Bone(0.03, 0.115, 0.01, 0.01, 0.034, 0, 0, 0.15),
        _Bone(0.88, 0.965, 0.008, 0.012, 0.042, 0, 0, 0.12),
        _Bone(0.945, 1.06, 0.0, -0.01, 0.044, 0, 0, 0.12),
    )
    thigh = (
        _Bone(-0.25, 0.705, 0.03, -0.004, 0.03, 0, 1.55, 0.5, 0.01),
        _Bone(0.702, 1.5, 0.0, 0.015, 0.031, 1.4, 0, 0.45),
        _Bone(0.748, 1.5, -0.066, -0.05, 0.013, 0.6, 0, 0.5),
        _Bone(0.585, 0.675, 0.008, 0.008, 0.036, 0, 0, 0.15),
    )
    return (
        _Limb((*forearm, *hand), 2, 0.58, ((0, 0.15, 0.35, 0.66, 0.78, 0.88, 0.9), (0.105, 0.11, 0.1, 0.068, 0.082, 0.08, 0.03)), fingers),
        _Limb(leg, 2, 0.73, ((0, 0.12, 0.35, 0.6, 0.85, 0.93, 1.15), (0.125, 0.105, 0.125, 0.085, 0.062, 0.075, 0.085))),
        _Limb(thigh, 1, 0.58, ((-0.15, 0.4, 0.65, 0.75, 1.15), (0.18, 0.135, 0.112, 0.098, 0.12))),
    )


class _Fracture(NamedTuple):
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
        """How far everything beyond the fracture swings out; soft tissue bends over a length, as skin does."""
        return np.float32(self.angle * 0.02) * np.logaddexp(0, (s - self.site) / np.float32(0.02))


class _Patient(NamedTuple):
    """What all images of one person share."""

    limb: _Limb
    bow: float
    tissue: float  # mean attenuation
    bone: float
    texture: tuple[int, int]  # where in the noise field
    porosity: float
    plates: float  # darkness of growth plates
    canals: NDArray[np.float64]  # nutrient canals, (n, 3): shaft, place along it, darkness
    folds: NDArray[np.float64]  # soft-tissue folds, (n, 4): place along the limb, slope, width, attenuation
    sclerosis: NDArray[np.float64]  # transverse dense lines, (n, 3): shaft, place along it, density
    size: tuple[float, float]  # long side in pixels, aspect


class _View(NamedTuple):
    """What one exposure adds."""

    roll: float
    turn: float
    scale: float
    shift: tuple[float, float]
    size: tuple[int, int]
    seed: int


def _draw_patient(random: Random) -> _Patient:
    limb = _LIMBS[random.integers(len(_LIMBS))]
    growth, n_shafts = np.exp(random.normal(0, 0.07, 2)), limb.n_shafts
    bones = tuple(
        b._replace(
            radius=b.radius * float(growth[0] * np.exp(random.normal(0, 0.04))),
            flare_top=b.flare_top * random.uniform(0.8, 1.2),
            flare_bottom=b.flare_bottom * random.uniform(0.8, 1.2),
            cortex=b.cortex * float(growth[1]) * random.uniform(0.8, 1.1),
            bow=b.bow + random.normal(0, 0.003),
            top=b.top + random.normal(0, 0.002),
            x_bottom=b.x_bottom + random.normal(0, 0.002),
        )
        for b in limb.bones
    )
    tissue = np.array(limb.tissue[1]) * random.uniform(0.85, 1.2)
    child = random.random() < 0.3
    n = random.integers(0, 3, 3)
    return _Patient(
        limb=limb._replace(bones=bones, tissue=(limb.tissue[0], tuple(tissue))),
        bow=random.normal(0, 0.006),
        tissue=random.uniform(4, 7),
        bone=random.uniform(32, 48),
        texture=(int(random.integers(_FIELD // 2)), int(random.integers(_FIELD // 2))),
        porosity=random.uniform(0.25, 0.4),
        plates=random.uniform(0.4, 0.8) if child else 0.0,
        canals=np.column_stack(
            [random.integers(0, n_shafts, n[0]), random.uniform(0.3, 0.65, n[0]), random.uniform(0.15, 0.4, n[0])]
        ),
        folds=np.column_stack(
            [
                random.uniform(0.05, 0.95, n[1]),
                random.normal(0, 0.5, n[1]),
                random.uniform(0.01, 0.05, n[1]),
                random.uniform(-0.2, 0.2, n[1]),
            ]
        ),
        sclerosis=np.column_stack(
            [random.integers(0, n_shafts, n[2]), random.choice([0.12, 0.16, 0.84, 0.88], n[2]), random.uniform(0.1, 0.4, n[2])]
        ),
        size=(random.uniform(315, 500), random.uniform(0.62, 0.85)),
    )


def _draw_fracture(random: Random, patient: _Patient, ease: float) -> _Fracture:
    """A fracture that shows the more, the larger `ease` (0 to 1)."""
    limb = patient.limb
    both = limb.n_shafts == 1 or random.random() < 0.7
    bone = limb.bones[0]
    radius = bone.radius
    n = random.binomial(3, 0.6 * ease)
    side = random.choice([-1, 1], n)
    return _Fracture(
        n_bones=limb.n_shafts if both else 1,
        site=limb.focus + random.uniform(-0.11, 0.01),
        slope=random.normal(0, 0.45),
        jag=random.normal(0, 0.16 * radius, 9),
        spread=random.uniform(0.0, 0.5) * radius,
        gap=radius * (0.05 + 0.35 * ease) * random.uniform(0.6, 1.3) * (1 if random.random() < 0.7 or ease < 0.4 else -3),
        step=radius * 1.6 * ease * random.uniform(0.6, 1.0) * random.choice([-1, 1]),
        angle=0.34 * ease * random.uniform(0.6, 1.0) * random.choice([-1, 1]) * both,
        fragments=np.column_stack(
            [random.normal(0, 1.0, n) * radius, side * random.uniform(0.8, 1.5, n) * radius, random.uniform(0.3, 0.7, n) * radius, random.uniform(0, 6.3, n)]
        ),
    )


def _draw_view(random: Random, patient: _Patient) -> _View:
    long, aspect = patient.size[0] * random.uniform(0.95, 1.05), patient.size[1] * random.uniform(0.93, 1.07)
    return _View(
        roll=random.uniform(0.85, 1.0),
        turn=random.normal(0, 2.0),
        scale=random.uniform(1.36, 1.5),
        shift=(random.normal(0, 0.012), random.normal(0, 0.012)),
        size=(round(long), round(long * aspect)),
        seed=int(random.integers(2**63)),
    )


def _outline(rows: Image, bone: _Bone) -> tuple[Image, Image]:
    """Outer radius, and how near to an end (0 to 1), at each of `rows`."""
    length = bone.bottom - bone.top
    near, far = (rows - bone.top).clip(0), (bone.bottom - rows).clip(0)
    reach = min(5 * bone.radius, 0.35 * length)
    flare_top, flare_bottom = np.exp(-((near / reach) ** 1.5)), np.exp(-((far / reach) ** 1.5))
    outer = bone.radius * (1 + bone.flare_top * flare_top + bone.flare_bottom * flare_bottom)
    rounded = 0.5 if bone.flare_top or bone.flare_bottom else 0.9
    cap = np.minimum(np.minimum(near, far) / np.minimum(rounded * outer, 0.5 * length), 1)
    return outer * (1 - (1 - cap) ** 2.4) ** np.float32(0.55), np.maximum(flare_top, flare_bottom)


def _tube(rows: Image, bone: _Bone, centre: Image, x: Image, porosity: float, texture: Image) -> Image:
    """Path length through the bone's wall and, thinned, through its cavity, at each of `rows` and `x`."""
    outer, ends = _outline(rows, bone)
    wall = bone.radius * (bone.cortex * (1 - 0.8 * ends) + 0.06)
    inner = (outer - wall).clip(0)
    depth = np.sqrt(bone.radius / np.maximum(outer, bone.radius))  # flared ends are wider than deep
    t2 = np.square(x - centre[:, None])
    shell = np.sqrt(np.maximum(np.square(outer)[:, None] - t2, 0))
    cavity = np.sqrt(np.maximum(np.square(inner)[:, None] - t2, 0))
    filling = (porosity * (0.25 + 0.75 * ends))[:, None] * (1 + 0.14 * texture)
    return (2 * depth[:, None] * (shell - cavity * (1 - filling))).astype(np.float32)


def _broken_tube(rows: Image, bone: _Bone, centre: Image, x: Image, fracture: _Fracture, *rest: Image) -> Image:
    """The two ends of a broken bone: each is the whole bone cut along the fracture line, the far one moved."""
    # muscles and the other bone hold the far end in place
    beyond = fracture.step * ((bone.bottom - rows) / (bone.bottom - fracture.site)).clip(0, 1)
    if fracture.angle:
        beyond += fracture.bend(rows)
    across = x - centre[:, None]
    jag = np.interp(across, np.linspace(-2.5, 2.5, len(fracture.jag)) * bone.radius, fracture.jag)
    line = fracture.site + fracture.slope * across + jag.astype(np.float32)
    sharp = 700.0
    ends = []
    for sign, shift, move in ((1, 0.0, 0.0), (-1, beyond, fracture.gap)):
        piece = _tube(rows - np.float32(move), bone, centre + shift, x, *rest)
        cut = 0
        for spread in (-fracture.spread, fracture.spread):
            at = rows[:, None] - move - line + (fracture.slope * np.asarray(shift).reshape(-1, 1)) - spread
            cut = cut + 0.5 / (1 + np.exp((sign * sharp * at).clip(-30, 30)))
        ends.append(piece * cut)
    return ends[0] + ends[1]


def _draw_limb(patient: _Patient, view: _View, fracture: _Fracture | None, field: Image) -> Image:
    """Attenuation of the limb in its own frame."""
    unit = view.size[0] * view.scale
    limb = patient.limb
    s, x = _frame(view, limb.focus)
    axis = patient.bow * np.cos(4 * s)
    swung = axis if fracture is None or fracture.n_bones < limb.n_shafts else axis + fracture.bend(s)
    row, column = patient.texture
    texture, muscle = field[:, row : row + len(s), column : column + len(x)]
    half = np.interp(s, *limb.tissue, right=limb.tissue[1][-1] if not limb.fingers else 0).astype(np.float32)
    half = cv2.blur(half.reshape(-1, 1), (1, round(0.15 * unit)))[:, 0]
    depth = np.sqrt(np.maximum(half[:, None] ** 2 - np.square(x - swung[:, None]), 0))
    for finger in limb.fingers:
        rows, columns = _window(finger, s, x, swung)
        centre = swung[rows] + _axis(finger, s[rows], 1.0)
        part = _tube(s[rows], finger._replace(cortex=1.0), centre, x[columns], 0.0, texture[rows, columns])
        depth[rows, columns] = np.maximum(depth[rows, columns], 0.5 * part)
    image = 2 * patient.tissue * depth * (1 + 0.012 * muscle)
    for place, slope, width, density in patient.folds.tolist():
        edge = np.tanh((s[:, None] - place + slope * x) / width * 3)
        image *= 1 + 0.5 * density * edge
    for k, bone in enumerate(limb.bones):
        broken = fracture is not None and k < fracture.n_bones
        whole = broken or fracture is None or k < limb.n_shafts or bone.bottom < fracture.site
        rows, columns = _window(bone, s, x, swung)
        here, across = s[rows], x[columns]
        centre = (axis if whole else swung)[rows] + _axis(bone, here, view.roll)
        args = (here, bone, centre.astype(np.float32), across)
        part = _broken_tube(*args, fracture, patient.porosity, texture[rows, columns]) if broken else _tube(*args, patient.porosity, texture[rows, columns])
        if k < limb.n_shafts:
            part *= _marks(patient, k, here, across - centre[:, None])
        image[rows, columns] += patient.bone * part
    if fracture is not None:
        image += patient.bone * _fragments(fracture, patient, axis, s, x, view.roll)
    return image


def _frame(view: _View, focus: float) -> tuple[Image, Image]:
    """Places along and across the limb of the rows and columns drawn."""
    unit = view.size[0] * view.scale
    rows, columns = (round(n + 2 * MARGIN * unit) for n in view.size)
    return tuple((np.arange(n, dtype=np.float32) - (n - 1) / 2) / np.float32(unit) + c for n, c in ((rows, focus), (columns, 0.0)))


def _axis(bone: _Bone, s: Image, roll: float) -> Image:
    u = (s - bone.top) / (bone.bottom - bone.top)
    return roll * (bone.x_top + (bone.x_bottom - bone.x_top) * u) + bone.bow * np.sin(np.pi * u.clip(0, 1))


def _window(bone: _Bone, s: Image, x: Image, swung: Image) -> tuple[slice, slice]:
    """Rows and columns of the limb that a bone can touch."""
    first, last = np.searchsorted(s, (bone.top - 0.01, bone.bottom + 0.02))
    last = max(last, first + 1)
    margin = bone.radius * (2.4 + max(bone.flare_top, bone.flare_bottom)) + abs(bone.bow)
    low = min(bone.x_top, bone.x_bottom, 0.7 * bone.x_top, 0.7 * bone.x_bottom) + swung[first:last].min(initial=0) - margin
    high = max(bone.x_top, bone.x_bottom, 0.7 * bone.x_top, 0.7 * bone.x_bottom) + swung[first:last].max(initial=0) + margin
    return slice(first, last), slice(*np.searchsorted(x, (low, high)))


def _marks(patient: _Patient, k: int, s: Image, across: Image) -> Image:
    """What looks like a fracture and is none: growth plates, nutrient canals, dense transverse lines."""
    bone = patient.limb.bones[k]
    length = bone.bottom - bone.top
    u = (s - bone.top) / length
    factor = np.ones_like(across)
    for end in (0.07, 0.93) if patient.plates else ():
        wave = 0.05 * bone.radius * np.sin(across / bone.radius * 4 + k)
        at = (u[:, None] - end) * length + wave
        factor *= 1 - patient.plates * np.exp(-np.square(at / (0.1 * bone.radius)))
    for _, place, darkness in patient.canals[patient.canals[:, 0] == k].tolist():
        at = across / bone.radius - 0.7 + (u[:, None] - place) * 9
        factor *= 1 - darkness * np.exp(-np.square(at / 0.08) - np.square((u[:, None] - place) / 0.05))
    for _, place, density in patient.sclerosis[patient.sclerosis[:, 0] == k].tolist():
        factor *= 1 + density * np.exp(-np.square((u[:, None] - place) * length / (0.1 * bone.radius)))
    return factor


def _fragments(fracture: _Fracture, patient: _Patient, axis: Image, s: Image, x: Image, roll: float) -> Image:
    """Splinters of cortex beside the fracture."""
    out = np.zeros((len(s), len(x)), np.float32)
    bone = patient.limb.bones[0]
    unit = 1 / (x[1] - x[0])
    centre = np.interp(fracture.site, s, axis + _axis(bone, s, roll))
    for along, across, size, turn in fracture.fragments:
        corners = np.array([[1.6, 0], [-0.5, 0.5], [-1.2, -0.3], [0.2, -0.5]]) @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
        place = np.array([centre + across - x[0], fracture.site + along - s[0]])
        cv2.fillConvexPoly(out, ((place + size * corners) * unit * 16).round().astype(np.int32), 0.55 * bone.radius, cv2.LINE_AA, 4)
    return out


def _affine(view: _View, patient: _Patient) -> NDArray[np.float64]:
    """From the pixels of the limb's frame to those of the image."""
    height, width = view.size
    turn = np.deg2rad(view.turn)
    c, d = np.cos(turn), np.sin(turn)
    linear = np.array([[c, -d], [d, c]])
    s, x = _frame(view, patient.limb.focus)
    middle = np.array([len(x) - 1, len(s) - 1]) / 2
    target = np.array([width * (0.5 + view.shift[0]), height * (0.5 + view.shift[1])])
    return np.column_stack([linear, target - linear @ middle])


def _expose(attenuation: Image, view: _View, reference: float) -> NDArray[np.uint8]:
    """Photons, noise, the shutter's edges, the curve from dose to grey, and a letter."""
    random = np.random.default_rng(view.seed)
    height, width = attenuation.shape
    lamp = cv2.resize(random.normal(0, 0.05, (3, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    signal = cv2.GaussianBlur(attenuation, (0, 0), random.uniform(0.5, 1.0)) + lamp
    dose = np.exp(random.uniform(np.log(1500), np.log(12000)))
    noise = random.standard_normal((height, width), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), random.uniform(0.4, 0.7))
    signal += noise * cv2.exp(0.5 * signal) * np.float32(1.5 / np.sqrt(dose))
    white, gamma, black = random.uniform(0.95, 1.35), random.uniform(0.75, 1.15), random.uniform(0.02, 0.14)
    grey = black + (1 - black) * cv2.pow(np.clip(signal * np.float32(1 / (white * reference)), 1e-4, 1), gamma)
    if random.random() < 0.4:
        _collimate(grey, random)
    image = cv2.convertScaleAbs(grey, alpha=255)
    if random.random() < 0.5:
        letter = "LR"[random.integers(2)]
        place = (int(random.uniform(0.04, 0.9) * width), int(random.uniform(0.06, 0.96) * height))
        cv2.putText(image, letter, place, cv2.FONT_HERSHEY_SIMPLEX, height / 600, 240, 1 + height // 300, cv2.LINE_AA)
    return image


def _collimate(grey: Image, random: Random) -> None:
    """The shutter's shadow: bright as unexposed film is, or blacked out by the console."""
    height, width = grey.shape
    edges = random.uniform(0, 0.05, 4) * [height, width, height, width] * random.integers(0, 2, 4)
    top, left, bottom, right = edges
    skew = random.normal(0, 0.008) * height
    corners = np.array([[left + skew, top], [width - right, top + skew], [width - right - skew, height - bottom], [left, height - bottom - skew]])
    corners += (corners - [width / 2, height / 2]) * 0.01
    inside = np.zeros_like(grey)
    cv2.fillConvexPoly(inside, corners.round().astype(np.int32), 1.0)
    inside = cv2.GaussianBlur(inside, (0, 0), 1.5)
    grey *= inside
    grey += (1 - inside) * random.choice([0.0, 0.02, 0.93])


def _box(patient: _Patient, view: _View, fracture: _Fracture) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the fracture in pixels of the image."""
    bones = patient.limb.bones[: fracture.n_bones]
    s = np.array([fracture.site], np.float32)
    middles = np.array([_axis(b, s, view.roll)[0] for b in bones]) + patient.bow * np.cos(4 * fracture.site)
    radius = max(float(_outline(s, b)[0][0]) for b in bones)
    reach = radius * (0.6 + 1.2 * abs(fracture.slope)) + fracture.spread + abs(fracture.gap)
    low, high = middles.min() - 1.3 * radius + min(fracture.step, 0), middles.max() + 1.3 * radius + max(fracture.step, 0)
    if len(fracture.fragments):
        along, across, size = fracture.fragments[:, :3].T
        reach = max(reach, np.max(abs(along) + 1.6 * size))
        low, high = min(low, middles[0] + np.min(across - 1.6 * size)), max(high, middles[0] + np.max(across + 1.6 * size))
    unit = view.size[0] * view.scale
    rows, columns = _frame(view, patient.limb.focus)
    corners = [((x - columns[0]) * unit, (fracture.site + r - rows[0]) * unit) for x in (low, high) for r in (-reach, reach)]
    x, y = _affine(view, patient) @ np.column_stack([corners, np.ones(4)]).T
    height, width = view.size
    top, left = np.floor([max(y.min(), 0), max(x.min(), 0)]).astype(int)
    bottom, right = np.ceil([min(y.max(), height), min(x.max(), width)]).astype(int)
    return int(top), int(left), int(bottom), int(right)


def _draw(patient: _Patient, view: _View, fracture: _Fracture | None, field: Image) -> NDArray[np.uint8]:
    limb = _draw_limb(patient, view, fracture, field)
    thick = patient.tissue * 2 * float(np.median(patient.limb.tissue[1]))
    reference = thick + patient.bone * 1.3 * patient.limb.bones[0].radius
    image = cv2.warpAffine(limb, _affine(view, patient), view.size[::-1], borderMode=cv2.BORDER_REPLICATE)
    return _expose(image, view, reference)


_FIELD = 800
_LIMBS = _limbs()


def _noise_field(random: Random) -> Image:
    field = random.standard_normal((_FIELD // 2 + 800, _FIELD // 2 + 800), dtype=np.float32)
    field = cv2.GaussianBlur(field, (0, 0), 1.2, sigmaY=2.5)
    muscle = cv2.blur(field, (15, 61))
    return np.stack([field / field.std(), muscle / muscle.std()])


def make_radiographs(
    n_samples: int = 200,
    *,
    folder: str | os.PathLike[str],
    images_per_patient: int = 3,
    fractured_fraction: float = 0.5,
    difficulty: float = 0.5,
    random_state: int | None = None,
) -> Path:
    """Draw radiographs."""
    folder = Path(folder)
    sequence = np.random.SeedSequence(random_state)
    random = np.random.default_rng(sequence)
    field = _noise_field(random)
    n_fractured = round(n_samples * fractured_fraction)
    healthy, broken = (_shares(n, images_per_patient, random) for n in (n_samples - n_fractured, n_fractured))
    eases = _eases(len(broken), difficulty, random)
    plan = [(k, None) for k in healthy] + [(k, e) for k, e in zip(broken, eases, strict=True)]
    plan = [plan[i] for i in random.permutation(len(plan))]
    for name in ("fractured", "non-fractured"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for number, ((count, ease), seed) in enumerate(zip(plan, sequence.spawn(len(plan)), strict=True), 1):
        own, damage = (np.random.default_rng(s) for s in seed.spawn(2))
        patient = _draw_patient(own)
        fracture = None if ease is None else _draw_fracture(damage, patient, ease)
        for k in range(1, count + 1):
            view = _draw_view(own, patient)
            name = f"{'non-' if ease is None else ''}fractured/patient{number:03d}_{k}.jpg"
            cv2.imwrite(str(folder / name), _draw(patient, view, fracture, field), [cv2.IMWRITE_JPEG_QUALITY, 92])
            rows.append([name, number, int(ease is not None), *(_box(patient, view, fracture) if fracture else [""] * 4)])
    with open(folder / "truth.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "patient", "fractured", "top", "left", "bottom", "right"), *rows])
    return folder


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


def _eases(n: int, difficulty: float, random: Random) -> NDArray[np.float64]:
    """How plainly each of `n` fractures shows: one from each n-th of the distribution, so that small sets vary little."""
    levels = (np.arange(n) + random.uniform(0, 1, n)) / max(n, 1)
    return random.permutation(np.where(levels < difficulty**1.75, 0.1 * (1 - difficulty), 1 - 0.8 * difficulty * random.uniform(0, 1, n)))
