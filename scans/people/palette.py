"""Colours that people wear, and that go together."""

import cv2
import numpy as np

from datasets.conventions import Array

#: sRGB of hair, by name.
HAIR_COLOURS = {
    "black": (0.045, 0.036, 0.032), "dark brown": (0.12, 0.075, 0.05), "brown": (0.24, 0.15, 0.09), "chestnut": (0.30, 0.15, 0.08),
    "blond": (0.70, 0.56, 0.37), "red": (0.44, 0.18, 0.08), "grey": (0.47, 0.46, 0.45), "white": (0.78, 0.77, 0.74),
}  # fmt: skip
#: What most clothes are: (sRGB, weight).
NEUTRALS = [
    ((0.06, 0.06, 0.065), 5.0), ((0.90, 0.89, 0.87), 4.0), ((0.22, 0.22, 0.24), 2.5), ((0.52, 0.52, 0.53), 2.5), ((0.72, 0.72, 0.71), 1.5),
    ((0.10, 0.13, 0.22), 4.0), ((0.17, 0.22, 0.34), 1.5), ((0.86, 0.81, 0.71), 2.0), ((0.70, 0.61, 0.47), 2.0), ((0.49, 0.40, 0.31), 1.2),
    ((0.29, 0.21, 0.16), 1.2), ((0.33, 0.34, 0.24), 1.5), ((0.24, 0.12, 0.13), 1.0), ((0.78, 0.74, 0.70), 1.0),
]  # fmt: skip
MUTED = [
    ((0.47, 0.56, 0.66), 2.0), ((0.62, 0.72, 0.81), 2.0), ((0.44, 0.15, 0.18), 1.5), ((0.20, 0.33, 0.28), 1.5), ((0.53, 0.58, 0.47), 1.5),
    ((0.76, 0.60, 0.58), 1.2), ((0.72, 0.54, 0.26), 1.0), ((0.60, 0.32, 0.22), 1.2), ((0.40, 0.34, 0.46), 0.8), ((0.24, 0.38, 0.46), 1.2),
    ((0.85, 0.75, 0.74), 1.0), ((0.80, 0.84, 0.78), 0.8), ((0.30, 0.40, 0.55), 1.5),
]  # fmt: skip
VIVID = [
    ((0.75, 0.12, 0.14), 2.0), ((0.13, 0.30, 0.66), 2.0), ((0.90, 0.70, 0.14), 1.0), ((0.10, 0.48, 0.34), 1.0), ((0.88, 0.42, 0.14), 0.8),
    ((0.80, 0.26, 0.46), 1.0), ((0.20, 0.58, 0.68), 0.9), ((0.44, 0.22, 0.54), 0.7), ((0.50, 0.70, 0.28), 0.4), ((0.95, 0.50, 0.45), 0.6),
]  # fmt: skip


def garment_colour(rng: np.random.Generator, vivid: float = 0.22, dark: bool = False) -> Array:
    """sRGB (3,) of a garment: mostly neutral or muted, `vivid` of them not; `dark`, as trousers are."""
    table = NEUTRALS if (draw := rng.random()) < 0.55 else VIVID if draw > 1 - vivid else MUTED
    weights = np.array([weight * (1.6 - float(np.mean(colour)) if dark else 1.0) for colour, weight in table])
    chosen = np.array(table[rng.choice(len(table), p=weights / weights.sum())][0])
    return _shifted(chosen, rng.normal(0, 3.0) - (6.0 * dark), 1 + rng.normal(0, 0.12), rng.normal(0, 4.0))


def harmony(first: Array, count: int, rng: np.random.Generator) -> Array:
    """Colours (count,3) that go with a first one: neutrals, its own lighter and darker shades, a neighbour or its complement."""
    colours = [np.asarray(first)]
    for kind in rng.choice(4, count - 1, p=[0.45, 0.30, 0.15, 0.10]):
        lightness = _lab(colours[0])[0]
        if kind == 0:
            other = garment_colour(rng, vivid=0.0)
        elif kind == 1:
            other = _shifted(colours[0], rng.choice([-1, 1]) * rng.uniform(18, 40), rng.uniform(0.6, 1.2), rng.normal(0, 8))
        else:
            other = _shifted(colours[0], rng.uniform(-15, 15), rng.uniform(0.8, 1.4), 180.0 if kind == 3 else rng.choice([-1, 1]) * 40.0)
        if abs(_lab(other)[0] - lightness) < 14 and len(colours) == 1:  # a pattern must show
            other = _shifted(other, -32 if lightness > 50 else 32, 1.0, 0.0)
        colours.append(other)
    return np.stack(colours)


def _shifted(colour: Array, lightness: float, chroma: float, turn: float) -> Array:
    """A colour with other lightness (CIE L, added), chroma (times) and hue (degrees, added)."""
    lab = _lab(colour)
    angle = np.deg2rad(turn)
    a, b = chroma * lab[1], chroma * lab[2]
    moved = [np.clip(lab[0] + lightness, 12, 94), a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)]
    return np.clip(cv2.cvtColor(np.array(moved, np.float32).reshape(1, 1, 3), cv2.COLOR_LAB2RGB)[0, 0], 0.02, 0.96).astype(float)


def _lab(colour: Array) -> Array:
    return np.asarray(cv2.cvtColor(np.asarray(colour, np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2LAB)[0, 0])
