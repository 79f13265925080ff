"""What a limb takes from the rays that pass through it."""

from __future__ import annotations

import cv2
import numpy as np

from ._anatomy import Image, Patient, Random, chord
from ._fracture import Fracture, broken, fragments


def noise_field(random: Random) -> Image:
    """Grain of cavities and of muscle; each patient is cut from another place of it."""
    field = random.standard_normal((1200, 1200), dtype=np.float32)
    field = cv2.GaussianBlur(field, (0, 0), 1.2, sigmaY=2.5)
    muscle = cv2.blur(field, (15, 61))
    return np.stack([field / field.std(), muscle / muscle.std()])


def attenuation(patient: Patient, fracture: Fracture | None, roll: float, s: Image, x: Image, field: Image) -> Image:
    """Of the limb at each of the places `s` along and `x` across it."""
    limb = patient.limb
    axis = patient.bow * np.cos(4 * s) + patient.flexion * (s - limb.bones[0].bottom).clip(0)
    swung = axis if fracture is None else axis + fracture.bend(s)
    row, column = patient.texture
    texture, muscle = field[:, row : row + len(s), column : column + len(x)]
    image = _soft_tissue(patient, s, x, swung, muscle)
    for k, bone in enumerate(limb.bones):
        breaks = fracture if fracture is not None and k < fracture.n_bones else None
        rows, columns = bone.window(s, x, swung, breaks.step if breaks else 0)
        here, beside, grain = s[rows], x[columns], texture[rows, columns]
        centre = (axis if k < limb.n_shafts else swung)[rows] + bone.axis(here, roll)
        if breaks:
            part = broken(bone, here, beside, centre, patient.porosity, grain, breaks)
        else:
            part = bone.thickness(here, beside - centre[:, None], patient.porosity, grain)
        if k < limb.n_shafts:
            part *= _marks(patient, k, here, beside - centre[:, None])
        image[rows, columns] += patient.bone * part
    if fracture is not None and len(fracture.fragments):
        image += patient.bone * fragments(fracture, patient, axis + limb.bones[0].axis(s, roll), s, x)
    return image


def _soft_tissue(patient: Patient, s: Image, x: Image, centre: Image, muscle: Image) -> Image:
    """Attenuation of everything but bone; fingers do not add to the palm they grow from."""
    limb = patient.limb
    half = np.interp(s, *limb.tissue, right=0 if limb.fingers else limb.tissue[1][-1]).astype(np.float32)
    half = cv2.blur(half.reshape(-1, 1), (1, round(0.15 / (s[1] - s[0]))))
    depth = chord(half[:, 0], np.square(x - centre[:, None]))
    for finger in limb.fingers:
        rows, columns = finger.window(s, x, centre)
        middle = centre[rows] + finger.axis(s[rows], 1.0)
        part = finger.thickness(s[rows], x[columns] - middle[:, None], 0.0, muscle[rows, columns])
        depth[rows, columns] = np.maximum(depth[rows, columns], 0.5 * part)
    image = 1 + 0.012 * muscle
    image *= depth
    image *= 2 * patient.tissue
    for place, slope, width, density in patient.folds:
        fold = np.tanh((s[:, None] - place) * (3 / width) + x * (3 * slope / width))
        fold *= 0.5 * density
        fold += 1
        image *= fold
    return image


def _marks(patient: Patient, k: int, s: Image, across: Image) -> Image:
    """Draw what looks like a fracture and is none: growth plates, nutrient canals, dense transverse lines."""
    bone = patient.limb.bones[k]
    length = bone.bottom - bone.top
    u = (s - bone.top) / length
    factor = np.ones_like(across)
    for end in (0.07, 0.93) if patient.plates else ():
        wave = 0.05 * bone.radius * np.sin(across / bone.radius * 4 + k)
        at = (u[:, None] - end) * length + wave
        factor *= 1 - patient.plates * np.exp(-np.square(at / (0.1 * bone.radius)))
    for _, place, darkness in (mark for mark in patient.canals if mark[0] == k):
        at = across / bone.radius - 0.7 + (u[:, None] - place) * 9
        factor *= 1 - darkness * np.exp(-np.square(at / 0.08) - np.square((u[:, None] - place) / 0.05))
    for _, place, density in (mark for mark in patient.sclerosis if mark[0] == k):
        factor *= 1 + density * np.exp(-np.square((u[:, None] - place) * length / (0.1 * bone.radius)))
    return factor
