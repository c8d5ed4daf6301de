"""Beards of short tufts."""

from dataclasses import dataclass, replace

import numpy as np

from datasets.conventions import Array
from scans.people.noise import Waves
from scans.people.scalp import Frame, Obstacle, Skin, beard_line, ease, spherical
from scans.people.strands import Combing, clump, comb, settle, sow, stray
from scans.people.surface import Surface
from scans.people.tufts import mesh, of_roots


@dataclass(frozen=True)
class Beard:
    """Lengths (m) on the chin, the cheeks and above the mouth, 0: shaved there; curl: bend per length."""

    chin: float
    cheeks: float
    mouth: float
    curl: float = 0.12


BEARDS = {
    "short": Beard(0.009, 0.007, 0.008),
    "full": Beard(0.034, 0.018, 0.013, 0.14),
    "goatee": Beard(0.015, 0.0, 0.010),
    "moustache": Beard(0.0, 0.0, 0.013, 0.06),
}


def grow_beard(style: str, skin: Skin, lips: Array, rng: np.random.Generator, *, detail: float = 1.0) -> list[Surface]:
    """A beard of one of `BEARDS`, posed; `lips` (V,) 0 to 1 stay free. It grows on skin painted with stubble."""
    beard, frame = BEARDS[style], Frame.fit(skin)
    scale = rng.uniform(0.75, 1.3)
    mouth = skin.template[lips > 0.5].mean(axis=0)
    local = replace(skin, vertices=frame.inward(skin.vertices), normals=skin.normals @ frame.rotation)
    near = spherical(skin.template)[2] < 0.22
    obstacle = Obstacle(local.vertices[near], local.normals[near])
    level = np.minimum.reduce([beard_line(skin.template), (0.35 - lips) * 0.012, (0.35 - skin.ears) * 0.03])
    level = level + 0.002 * Waves(rng, 0.012, 10)(skin.template) + 0.003 * Waves(rng, 0.03, 10)(skin.template)
    spacing = (0.0030 if beard.chin < 0.02 else 0.0036) / np.sqrt(detail)
    upper = np.minimum(skin.template[:, 2] - mouth[2] - 0.002, 0.030 - np.abs(skin.template[:, 0]))
    scalp = local.faces, local.vertices, local.normals, local.template
    roots = sow(*scalp, np.minimum(level, -upper), spacing, rng).joined(sow(*scalp, np.minimum(level, upper), 0.72 * spacing, rng))
    length = _lengths(beard, roots.template, mouth) * scale
    roots, length = roots.pick(length > 0.002), length[length > 0.002]
    number = len(roots)
    above = ease((roots.template[:, 2] - mouth[2]) / 0.004) * (np.abs(roots.template[:, 0]) < 0.033)
    edge = np.where(above > 0.5, 0.004, 0.012)
    length = length * (0.35 + 0.65 * ease(roots.level / edge)) * rng.uniform(0.75, 1.15, number)
    aside = np.sign(roots.template[:, 0])
    flow = np.stack([aside * (0.12 + 0.8 * above), -0.25 * (1 - above), -1.0 + 0.35 * above], axis=1)
    off = (0.0012 + 0.16 * length) * rng.random(number)
    combing = Combing(length, off, rng.uniform(16, 36, number) * (1 - 0.4 * above), 0.015, 1.0)
    count = 4 if beard.chin > 0.02 and detail > 0.6 else 3
    strands = comb(roots, combing, lambda _: flow, np.zeros_like, frame.down, obstacle, count)
    strands = settle(clump(stray(strands, roots, beard.curl, 0.01, rng), roots, 0.006, 0.4, rng), obstacle, 0.0010)
    made = mesh(strands, replace(of_roots(roots, 1.35 * spacing, np.full(number, 0.03), rng), tip=0.25))
    return [frame.posed(made)]


def _lengths(beard: Beard, template: Array, mouth: Array) -> Array:
    """Length (N,) of beard at points of the template."""
    x, above = np.abs(template[:, 0]), template[:, 2] - mouth[2]
    beside = ease((x - 0.020) / 0.018)
    lower = beard.chin * (1 - beside) + beard.cheeks * beside
    if beard.cheeks == 0:
        lower = np.where(x > 0.030 - 0.25 * np.maximum(-above - 0.035, 0), 0, lower)
    upper = beard.mouth * (1 - beside) + beard.cheeks * beside
    if beard.cheeks == 0:
        upper = np.where(x > 0.034, 0, upper)
    t = ease(above / 0.008 + 0.5)
    return np.asarray(lower * (1 - t) + upper * t)
