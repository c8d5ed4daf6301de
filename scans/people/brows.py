"""Eyebrows and eyelashes: hairs one by one."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from datasets.conventions import Array
from scans.people.body import Body
from scans.people.hairtexture import HAIR_U, LASH_U
from scans.people.scalp import EYE, Frame, Obstacle, Skin, ease, unit
from scans.people.strands import Combing, Strands, comb, sow
from scans.people.surface import Surface
from scans.people.tufts import Look, mesh

LASHES = ("helper-l-eyelashes-2", "helper-r-eyelashes-2", "helper-l-eyelashes-1", "helper-r-eyelashes-1")  # two upper, two lower


def lash_rails(body: Body) -> list[Array]:
    """Per row of lashes, in the order of LASHES, the base vertices (2,C) at the roots and at the tips."""
    return [_rails(body.groups[name], body.template) for name in LASHES]


def grow_brows_and_lashes(
    skin: Skin, lashes: Sequence[Array], rng: np.random.Generator, *, bushy: float = 0.5, detail: float = 1.0
) -> list[Surface]:
    """Brows and lashes, posed. lashes: `lash_rails` of the posed base mesh, (2,C,3) each; bushy: 0 thin to 1 thick brows.

    Brows take the dark part of the hair's texture, lashes their own band.
    """
    frame = Frame.fit(skin)
    brows = _brows(skin, frame, bushy, detail, rng)
    return [frame.posed(brows), *(_row(rails, i < 2, frame.rotation[:, 2], detail, rng) for i, rails in enumerate(lashes))]


def _brows(skin: Skin, frame: Frame, bushy: float, detail: float, rng: np.random.Generator) -> Surface:
    near = np.linalg.norm(skin.template - [0, EYE[1], EYE[2] + 0.02], axis=1) < 0.075
    position, normal = frame.inward(skin.vertices), skin.normals @ frame.rotation
    beside = np.abs(np.abs(skin.template[:, 0]) - EYE[0])
    level = np.where(near, np.minimum(0.035 - beside, 0.014 - np.abs(skin.template[:, 2] - EYE[2] - 0.020)), -1.0)
    roots = sow(skin.faces, position, normal, skin.template, level, 0.00095 / np.sqrt(detail), rng)
    across = np.abs(roots.template[:, 0]) - EYE[0]
    raised, bend = rng.uniform(-0.002, 0.003), rng.uniform(14, 26)
    arch = EYE[2] + 0.020 + raised - bend * np.maximum(across - 0.004, 0) ** 2 - 1.5 * np.minimum(across, 0) ** 2
    width = (0.0016 + 0.0022 * bushy) * np.interp(across, [-0.022, -0.014, 0.006, 0.026], [0.7, 1.0, 0.85, 0.2])
    inside = 1 - ((roots.template[:, 2] - arch) / (1.5 * width)) ** 2
    inside = inside * ease((across + 0.024) / 0.006) * ease((0.029 - across) / 0.006)
    roots = roots.pick((inside > 0.75 * rng.random(len(roots)) ** 2) & (roots.template[:, 1] < EYE[1] + 0.03))
    number, across = len(roots), np.abs(roots.template[:, 0]) - EYE[0]
    turn = np.deg2rad(np.interp(across, [-0.024, -0.012, 0.008, 0.026], [75, 35, 8, -22]) + rng.normal(0, 9, number))
    flow = np.stack([np.sign(roots.template[:, 0]) * np.cos(turn), 0 * turn, np.sin(turn)], axis=1)
    length = (0.0055 + 0.003 * bushy) * rng.uniform(0.6, 1.2, number) * ease((0.034 - across) / 0.016)
    combing = Combing(length, 0.0006 * rng.random(number), rng.uniform(3, 10, number), 0.006, 1.0)
    close = np.linalg.norm(position - [0, EYE[1], EYE[2]], axis=1) < 0.09
    obstacle = Obstacle(position[close], normal[close])
    strands = _laid(comb(roots, combing, lambda _: flow, np.zeros_like, frame.down, obstacle, 4), obstacle, rng)
    return _hairs(strands, (0.00022 + 0.00010 * bushy) / np.sqrt(detail), HAIR_U, 0.5, rng)


def _laid(strands: Strands, obstacle: Obstacle, rng: np.random.Generator) -> Strands:
    """Strands laid on the skin, each at a height of its own: brows neither stand off nor cut in."""
    flat = strands.points.reshape(-1, 3)
    height, normal = obstacle.height(flat)
    wanted = np.repeat(rng.uniform(0.0002, 0.0007, len(strands.points)), strands.points.shape[1])
    points = flat + (wanted - height)[:, None] * normal
    return Strands(points.reshape(strands.points.shape), normal.reshape(strands.points.shape))


def _row(rails: Array, upper: bool, head_up: Array, detail: float, rng: np.random.Generator) -> Surface:
    """One row of lashes between two rails (2,C,3): roots, tips."""
    number = round((95 if upper else 55) * np.sqrt(detail)) + 5
    t = np.sort(rng.uniform(0.02, 0.98, number)) * (rails.shape[1] - 1)
    root, tip = _along(rails[0], t), _along(rails[1], t + rng.normal(0, 0.25, number))
    reach = (tip - root) * (rng.uniform(0.75, 1.05, (number, 1)) if upper else rng.uniform(0.5, 0.75, (number, 1)))
    long = np.linalg.norm(reach, axis=1, keepdims=True)
    up = np.cross(rails[0, -1] - rails[0, 0], rails[1].mean(axis=0) - rails[0].mean(axis=0))
    up = unit(up * np.sign(up @ head_up)) * (1.0 if upper else -1.0)
    s = np.linspace(0, 1, 4)[None, :, None]
    points = root[:, None] + reach[:, None] * s - 0.55 * long[:, None] * (s - s**2) * up
    return _hairs(Strands(points, np.broadcast_to(up, points.shape)), 0.0003 / np.sqrt(detail), LASH_U, 1.0, rng)


def _along(rail: Array, t: Array) -> Array:
    t = np.clip(t, 0, len(rail) - 1.001)
    first = t.astype(int)
    share = (t - first)[:, None]
    return np.asarray(rail[first] * (1 - share) + rail[first + 1] * share)


def _hairs(strands: Strands, width: float, band: tuple[float, float], far: float, rng: np.random.Generator) -> Surface:
    """Fine hairs in a band of the texture, from v = 0 to `far`."""
    number = len(strands.points)
    middle = rng.uniform(band[0] + 0.005, band[1] - 0.005, number)
    look = Look(np.full(number, width), rng.normal(0, 0.12, number), middle, 0.004, root=0.9)
    made = mesh(strands, look)
    return replace(made, vertices=np.round(made.vertices, 7), uv=np.round(made.uv * [1.0, far], 6))


def _rails(quads: Array, template: Array) -> Array:
    """The two long sides (2,C) of a strip of quads, the one nearer to the eyeball first."""
    pairs = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    _, which, uses = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True, return_counts=True)
    rim = dict(pairs[uses[which.reshape(-1)] == 1].tolist())
    vertices, count = np.unique(quads, return_counts=True)
    corners = set(vertices[count == 1].tolist())
    loop = [min(corners)]
    while (following := rim[loop[-1]]) != loop[0]:
        loop.append(following)
    places = [*(i for i, vertex in enumerate(loop) if vertex in corners), len(loop)]
    loop.append(loop[0])
    sides = sorted((loop[a : b + 1] for a, b in itertools.pairwise(places)), key=len)[-2:]
    centre = EYE * np.array([np.sign(template[quads[0, 0], 0]), 1, 1])
    inner, outer = sorted(sides, key=lambda side: float(np.linalg.norm(template[side] - centre, axis=1).mean()))
    return np.array([inner, outer[::-1]])
