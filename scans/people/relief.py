"""Relief of skin: pores, wrinkles and creases, metres above the smooth surface."""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.anatomy import KNUCKLES, Anatomy
from scans.people.grain import Noise, bump, ease


@dataclass(frozen=True)
class Lines:
    """Where somebody's wrinkles are: heights (N,) of forehead and neck lines, phases of crow's feet, how deep each kind is."""

    forehead: Array
    neck: Array
    feet: Array
    depth: Array


def draw_lines(rng: np.random.Generator) -> Lines:
    forehead = 0.036 + 0.0105 * np.arange(4) + rng.normal(0, 0.0012, 4)
    neck = np.array([-0.135, -0.152, -0.172]) + rng.normal(0, 0.003, 3)
    return Lines(forehead, neck, rng.uniform(0, 6.28, 2), rng.uniform(0.4, 1.3, 6))


def relief(region: Anatomy, lines: Lines, age: int, noises: list[Noise], texel: float) -> tuple[Array, Array]:
    """Height (H,W) in metres, and how deep in a crease a texel lies (H,W), 0 to about 1. texel: metres."""
    p = region.at.position
    side = np.abs(p[..., 0])
    fine, grain, waves = noises[0](p, 0.0011, texel), noises[1](p, 0.0022, texel), noises[2](p, 0.018, texel)
    lips = region.at.masks["lips"]
    pores = np.clip(fine - 0.7, 0, 1.2) * (0.4 + 0.8 * region.oily + 0.5 * region.flush) * (1 - lips)
    cells = np.abs(grain) ** 0.7  # creases between the fields of skin, where noise crosses zero
    height = 0.00005 * cells + 0.000015 * fine - 0.00007 * pores
    height = height - 0.00009 * lips * np.abs(np.sin(side * 2400 + 1.2 * grain + 0.6 * waves)) ** 0.6
    creases = _face(region, lines, age, waves) if region.head else region.empty
    if region.hands:
        creases = creases + 0.7 * _fingers(region, waves)
    nails = np.maximum(region.at.masks["fingernails"], region.at.masks["toenails"])
    height = height * (1 - nails) + 0.0002 * nails - 0.00032 * creases
    return np.asarray(height, np.float32), np.clip(creases, 0, 1.5) + 0.5 * pores


def _face(region: Anatomy, lines: Lines, age: int, waves: Array) -> Array:
    """Creases of face and neck."""
    x, (y, z) = np.abs(region.at.position[..., 0]), np.moveaxis(region.at.position[..., 1:] - region.eye[1:], -1, 0)
    old = float(np.interp(age, [18, 30, 45, 65, 85], [0.06, 0.15, 0.42, 0.9, 1.3])) * lines.depth
    wander = 0.0018 * waves
    front = ease((0.02 - y) / 0.02)
    brow = sum(bump(z + 0.8 * wander - level + 1.2 * x**2, 0.0012) for level in lines.forehead)
    creases = old[0] * brow * ease((0.046 - x) / 0.02) * front * ease((waves + 1.4) / 1.2)
    across, up = y - 0.004, z + 0.003  # from the outer corner of the eye backward
    reach, angle = np.hypot(across, up), np.arctan2(up, across)
    feet = np.abs(np.sin(4.5 * angle + lines.feet[0] + 0.5 * waves)) ** 6
    creases = creases + 0.8 * old[1] * feet * bump(reach - 0.013, 0.008) * ease((x - 0.046) / 0.006) * ease(1.2 - np.abs(angle))
    fold = bump(x - (0.019 + 0.45 * np.clip(-0.040 - z, 0, 0.05)) + wander, 0.0022) * ease((z + 0.082) / 0.02) * ease((-0.034 - z) / 0.008)
    creases = creases + (0.25 + 0.9 * old[2]) * fold * front
    frown = bump(x - 0.0075 + wander, 0.0010) * bump(z - 0.020, 0.011) * front
    creases = creases + 0.6 * old[3] * frown
    under = sum(bump(z + 0.016 + step + 6.0 * (x - region.eye[0]) ** 2 * -1.5 + 0.5 * wander, 0.0011) for step in (0.0, 0.005))
    creases = creases + 0.7 * old[4] * under * bump(x - region.eye[0], 0.016) * front
    neck = sum(bump(z - level + 2 * wander - 0.25 * y, 0.0014) for level in lines.neck)
    creases = creases + (0.18 + 0.6 * old[5]) * neck * ease((0.06 - y) / 0.05) * ease((-0.118 - z) / 0.01)
    return np.asarray(creases)


def _fingers(region: Anatomy, waves: Array) -> Array:
    """Folds across the finger joints."""
    creases = region.empty
    folded = np.abs(region.at.position) * np.array([1, 0, 0], np.float32) + region.at.position * np.array([0, 1, 1], np.float32)
    for name in KNUCKLES:
        stem, joint = name[:-3], int(name[-3])
        start, end = region.joints[name], region.joints[f"{stem}{joint + 1 if joint < 3 else 2}.L"]
        axis = ((end - start) / np.linalg.norm(end - start)).astype(np.float32)
        offset: Array = folded - start.astype(np.float32)
        along = offset @ axis
        near = np.einsum("hwi,hwi->hw", offset, offset) < 0.016**2
        creases = np.maximum(creases, near * bump(along, 0.004) * np.abs(np.sin(along * 1700 + waves)) ** 3)
    return creases
