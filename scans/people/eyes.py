"""Eyeballs seen from their front pole: the distance from the middle of the unit square is the angle from the pole."""

import numpy as np

from datasets.conventions import Array
from scans.people.atlas import Texels
from scans.people.grain import Noise, ease

#: sRGB of the iris's outer zone, by name.
IRISES = {
    "black brown": (0.12, 0.075, 0.055), "brown": (0.20, 0.125, 0.080), "light brown": (0.29, 0.19, 0.11), "hazel": (0.30, 0.25, 0.15),
    "green": (0.28, 0.33, 0.24), "blue": (0.27, 0.36, 0.46), "grey": (0.35, 0.39, 0.42),
}  # fmt: skip
DARK = {"black brown": 3.0, "brown": 2.0, "light brown": 0.5}  # how often eyes have it with dark skin
LIGHT = {"brown": 1.5, "light brown": 1.0, "hazel": 0.8, "green": 0.6, "blue": 1.6, "grey": 0.5}  # with the lightest
EDGE_DEG = 115.0  # angle from the pole at the border of the square; behind it nobody sees
IRIS_DEG, PUPIL_DEG = 23.5, (6.0, 9.5)  # the eyeball is 3.1 cm across: an iris of 12 mm, as in people


def draw_iris(tone: float, rng: np.random.Generator) -> Array:
    """The colour (3,) of somebody's iris; tone: of the skin, 0 to 9 on the Monk scale."""
    light = float(np.clip(1 - tone / 4, 0, 1))
    odds = np.array([light * LIGHT.get(name, 0.0) + (1 - light) * DARK.get(name, 0.0) for name in IRISES])
    return np.array(list(IRISES.values()))[rng.choice(len(odds), p=odds / odds.sum())]


class Eye:
    """The look of somebody's eyes: iris with fibres, collarette and limbal ring; sclera with veins, pinker to its sides."""

    def __init__(self, iris: Array, age: int, rng: np.random.Generator) -> None:
        self.iris = np.asarray(iris)
        self.inner = np.clip(self.iris * np.array([1.25, 1.10, 0.90]) + rng.uniform(0.0, 0.05) * np.array([1.0, 0.7, 0.2]), 0, 1)
        self.pupil = float(rng.uniform(*PUPIL_DEG))
        self.yellow = float(np.interp(age, [20, 80], [0.0, 0.06]) + rng.uniform(0, 0.03))
        self.red = float(rng.uniform(0.4, 1.2))
        self.noise = Noise(rng, 2)

    def paint(self, uv: Array, pitch: float, patch: int) -> tuple[Texels, Array | float]:
        """As `atlas.Look` has it."""
        x, y = uv[..., 0] - 0.5, uv[..., 1] - 0.5
        degrees, turn = np.hypot(x, y) * 2 * EDGE_DEG, np.arctan2(y, x)
        image = self._sclera(uv, x, y, degrees, turn)
        soft = max(1.5, 2 * pitch * 2 * EDGE_DEG)  # degrees
        amount = ease((IRIS_DEG + soft / 2 - degrees) / soft)[..., None]
        image = image * (1 - amount) + self._iris(degrees, turn) * amount
        pupil = ease((self.pupil - degrees) / soft + 0.5)[..., None]
        image = image * (1 - pupil) + 0.012 * pupil
        lid = 1 - 0.35 * ease((y * 2 * EDGE_DEG - 8) / 30)  # the shadow of the upper lid and its lashes
        return Texels(np.clip(image * lid[..., None], 0, 1), np.full(x.shape, 0.04), np.zeros(x.shape)), 0.02

    def _sclera(self, uv: Array, x: Array, y: Array, degrees: Array, turn: Array) -> Array:
        white = np.array([0.79, 0.75, 0.72]) - self.yellow * np.array([0.3, 0.5, 1.6])
        aside = ease((degrees - 30) / 55) * np.abs(np.cos(turn))
        wander = 2.2 * self.noise(uv, 0.05) + 1.1 * self.noise(uv, 0.015)
        veins = sum(np.abs(np.sin(turn * n + wander + n)) ** 24 for n in (4.5, 7.5, 11.0)) * np.abs(np.cos(turn))
        taken = self.red * (0.13 * aside + 0.16 * veins * ease((degrees - 32) / 40) + 0.02 * self.noise(uv, 0.08))
        return np.asarray(white - taken[..., None] * np.array([0.25, 1.0, 0.9]) - 0.18 * aside[..., None])

    def _iris(self, degrees: Array, turn: Array) -> Array:
        inward = np.clip((degrees - self.pupil) / (IRIS_DEG - self.pupil), 0, 1)
        polar = np.stack([turn / (2 * np.pi), degrees / 60], axis=-1)
        ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)  # noise along the angle, without a seam
        fibres = self.noise(ring + 0.12 * degrees[..., None] / 60, 0.045) + 0.7 * self.noise(1.37 * ring + polar[..., 1:] * 0.2, 0.022)
        mix = ease((inward + 0.10 * fibres - 0.32) / 0.3)[..., None]
        colour = self.inner * (1 - mix) + self.iris * mix
        limbus = 1 - 0.62 * ease((inward - 0.78) / 0.22)
        return np.asarray(colour * ((1.12 + 0.20 * fibres) * limbus * (0.80 + 0.2 * ease(inward / 0.2)))[..., None])


def eye_uv(template: Array, faces: Array) -> Array:
    """Corner coordinates (F,3,2) for `Eye` of an eyeball on the template, which looks toward -Y."""
    centre = (template.min(axis=0) + template.max(axis=0)) / 2
    d = (template - centre) / np.linalg.norm(template - centre, axis=1, keepdims=True)
    angle = np.minimum(np.degrees(np.arccos(np.clip(-d[:, 1], -1, 1))), EDGE_DEG) / (2 * EDGE_DEG)
    turn = np.arctan2(d[:, 2], d[:, 0])
    return np.asarray(np.stack([0.5 + angle * np.cos(turn), 0.5 + angle * np.sin(turn)], axis=1)[faces])
