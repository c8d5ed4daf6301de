"""Beards: a body of hair on the lower face."""

from dataclasses import dataclass, replace

import numpy as np

from datasets.conventions import Array
from scans.people.noise import Waves
from scans.people.scalp import Frame, Obstacle, Skin, beard_line, ease, spherical
from scans.people.strands import Combing, clump, comb, scatter, settle, sow, stray
from scans.people.surface import Surface
from scans.people.volume import Edge, Fibres, body, fill

STEP_M = 0.0015  # of the grid at full detail
BELOW_M = 0.004  # how deep in the skin a beard ends
FACES = 16_000  # at full detail, at most


@dataclass(frozen=True)
class Beard:
    """Lengths (m) on the chin, the cheeks and above the mouth, 0: shaved there; curl: bend per length."""

    chin: float
    cheeks: float
    mouth: float
    curl: float = 0.12

    @property
    def long(self) -> bool:
        """Whether it hangs."""
        return self.chin > 0.02


BEARDS = {
    "short": Beard(0.009, 0.007, 0.008),
    "full": Beard(0.034, 0.018, 0.011, 0.14),
    "goatee": Beard(0.015, 0.0, 0.010),
    "moustache": Beard(0.0, 0.0, 0.013, 0.06),
}


def grow_beard(style: str, skin: Skin, lips: Array, rng: np.random.Generator, *, detail: float = 1.0) -> list[Surface]:
    """A beard of one of `BEARDS`, posed; `lips` (V,) 0 to 1 stay free. It grows on skin painted with stubble."""
    beard, frame = BEARDS[style], Frame.fit(skin)
    scale = rng.uniform(0.75, 1.3)
    beard = replace(beard, chin=beard.chin * scale, cheeks=beard.cheeks * scale, mouth=beard.mouth * scale)
    mouth = skin.template[lips > 0.5].mean(axis=0)
    local = replace(skin, vertices=frame.inward(skin.vertices), normals=skin.normals @ frame.rotation)
    near = spherical(skin.template)[2] < 0.22
    obstacle = Obstacle(local.vertices[near], local.normals[near])
    level = np.minimum.reduce([beard_line(skin.template), (0.35 - lips) * 0.05, (0.35 - skin.ears) * 0.1])
    level = level + 0.002 * Waves(rng, 0.012, 10)(skin.template) + 0.003 * Waves(rng, 0.03, 10)(skin.template)
    step = STEP_M / np.sqrt(detail)
    fibres = _hairs(beard, local, level, mouth, obstacle, frame.down, detail, rng)
    ground = scatter(local.faces, local.vertices, local.normals, local.template, level, step, rng)
    depth = _lengths(beard, ground.template, mouth)
    ground, depth = ground.pick(depth > 0.002), depth[depth > 0.002]
    upper = ground.template[:, 2] > mouth[2]
    covered = ease(ground.level / np.where(upper, 0.005, 0.012))
    thick = np.where(upper, 0.15, 0.45 if beard.long else 0.25) * np.minimum(depth, 0.012)
    filling = fill(ground.position, ground.normal, (0.0003 + thick) * covered, step**2 * len(ground), step, BELOW_M, rng)
    edge = Edge(ground.position, spherical(ground.template)[0], 0.3 + 0.7 * covered)
    return [frame.posed(body([fibres], filling, edge, obstacle, obstacle, step, FACES * detail))]


def _hairs(
    beard: Beard, skin: Skin, level: Array, mouth: Array, obstacle: Obstacle, down: Array, detail: float, rng: np.random.Generator
) -> Fibres:
    """What grows where `level` (V,) is positive, combed down and away from the middle."""
    upper = np.minimum(skin.template[:, 2] - mouth[2] - 0.002, 0.030 - np.abs(skin.template[:, 0]))
    spacing = 0.0018 / detail**0.25
    face = skin.faces, skin.vertices, skin.normals, skin.template
    roots = sow(*face, np.minimum(level, -upper), spacing, rng).joined(sow(*face, np.minimum(level, upper), 0.8 * spacing, rng))
    length = _lengths(beard, roots.template, mouth)
    roots, length = roots.pick(length > 0.002), length[length > 0.002]
    number = len(roots)
    above = ease((roots.template[:, 2] - mouth[2]) / 0.004) * (np.abs(roots.template[:, 0]) < 0.033)
    edge = np.where(above > 0.5, 0.004, 0.012)
    length = length * (0.35 + 0.65 * ease(roots.level / edge)) * rng.uniform(0.75, 1.15, number)
    aside = np.sign(roots.template[:, 0])
    flow = np.stack([aside * (0.12 + 0.8 * above), -0.25 * (1 - above), -1.0 + 0.35 * above], axis=1)
    off = (0.0008 + 0.20 * length) * rng.random(number)
    combing = Combing(length, off, rng.uniform(14, 32, number) * (1 - 0.4 * above), 0.015, 1.0)
    strands = comb(roots, combing, lambda _: flow, np.zeros_like, down, obstacle, 6 if beard.long else 4)
    strands = settle(clump(stray(strands, roots, beard.curl, 0.01, rng), roots, 0.005, 0.35, rng), obstacle, 0.0006)
    radius = 0.0007 * rng.uniform(0.6, 1.2, number) * (0.3 + 0.7 * ease(roots.level / edge))
    tone = np.clip(0.8 * Waves(rng, 0.03, 10)(roots.position) + rng.normal(0, 0.04, number), -1, 1)
    return Fibres(strands, radius, tone, rng.normal(0, 0.0004, number) * ease(roots.level / edge))


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
