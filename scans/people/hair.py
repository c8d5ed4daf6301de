"""Hairdos: strands sown on the scalp and combed, the body of hair that they make, and fine hairs on it."""

from dataclasses import replace

import numpy as np

from datasets.conventions import Array
from scans.people import gather
from scans.people.noise import Waves
from scans.people.scalp import CENTRE, EYE, Frame, Obstacle, Skin, beard_line, ease, hairline, spherical, unit
from scans.people.strands import Combing, Roots, Strands, clump, comb, curl, scatter, settle, sow, stray
from scans.people.styles import STYLES, Style
from scans.people.surface import Surface
from scans.people.volume import Edge, Fibres, Filling, body, fill
from scans.people.wisps import loose, soft_edge

__all__ = ["STYLES", "Skin", "beard_line", "grow", "hairline"]

SLOPE_M = 0.03  # from the hairline to where hair is as thick as it gets
STEP_M = 0.0019  # of the grid, for short hair at full detail
FACES = 70_000  # of a body of hair at full detail
LOOSE = 600  # hairs over it
RIDGE_M = 0.0006  # how far locks stand out
BELOW_M = 0.005  # how deep in the head a body of hair ends


def grow(
    style: str,
    skin: Skin,
    clothes: tuple[Array, Array],
    rng: np.random.Generator,
    *,
    detail: float = 1.0,
    recession: float = 0.0,
    crown: float = 0.0,
) -> list[Surface]:
    """The pieces of a hairdo, posed, outside of `clothes` (vertices, normals); none when shaved.

    detail: 1 for some 50,000 to 80,000 faces, a quarter of it for drafts; recession, crown: see `hairline`, metres.
    Texture coordinates are `hairtexture.paint`'s.
    """
    if style == "shaved":
        return []
    cut, frame = STYLES[style].drawn(rng), Frame.fit(skin)
    local = replace(skin, vertices=frame.inward(skin.vertices), normals=skin.normals @ frame.rotation)
    obstacle = _obstacle(local, (frame.inward(clothes[0]), clothes[1] @ frame.rotation))
    level = _level(skin, recession, crown, rng)
    step = STEP_M * (1 + 0.9 * min(cut.reach, 0.35) / 0.35) / np.sqrt(detail)
    spacing, radius, count = cut.strands
    roots = sow(local.faces, local.vertices, local.normals, local.template, level, spacing / detail**0.25, rng)
    filling, edge = _filling(cut, local, level, step, rng)
    if cut.standing:
        high = 0.8 * cut.rises(roots.template) * _tapered(cut, roots, 0.35) * ease(roots.level / SLOPE_M)
        roots = replace(roots, position=roots.position + high[:, None] * roots.normal)
    if cut.gather:
        fibres, pieces = gather.build(cut, roots, obstacle, frame.down, rng)
    else:
        strands = _comb(cut, roots, obstacle, frame.down, count, rng)
        kept = _off_face(strands.points)
        strands, roots = Strands(strands.points[kept], strands.outward[kept]), roots.pick(kept)
        fibres = [_fibres(strands, roots, radius, cut.tip, rng)]
        pieces = [loose(strands, roots, round(LOOSE * detail * min(1, cut.reach / 0.05)), rng)]
    if not cut.standing:
        pieces.append(soft_edge(cut, local, level, obstacle, frame.down, detail, rng))
    pieces = [body(fibres, filling, edge, _obstacle(local), obstacle, step, FACES * detail), *pieces]
    return [frame.posed(piece) for piece in pieces]


def _tapered(cut: Style, roots: Roots, least: float) -> Array:
    """Short hair is cut thinner toward the neck and the ears: from `least` at the hairline to 1."""
    _, _, fringe = cut.zones(roots.template)
    short = 0.0 if cut.drop else 1 - fringe
    return 1 - short * (1 - least) * (1 - ease(roots.level / 0.045))


def _fibres(strands: Strands, roots: Roots, radius: float, tip: float, rng: np.random.Generator) -> Fibres:
    """Strands that are finer at the hairline; neighbours have like colours, and stand out of the surface each as far as it likes."""
    number = len(roots)
    wide = radius * rng.uniform(0.6, 1.2, number) * (0.3 + 0.7 * ease(roots.level / 0.014))
    tone = np.clip(0.8 * Waves(rng, 0.05, 10)(roots.position) + rng.normal(0, 0.04, number), -1, 1)
    return Fibres(strands, wide, tone, rng.normal(0, RIDGE_M, number) * ease(roots.level / 0.010), tip)


def _filling(cut: Style, skin: Skin, level: Array, step: float, rng: np.random.Generator) -> tuple[Filling, Edge]:
    """Hair close to the scalp, as a whole: thin at the hairline, none along a parting."""
    ground = scatter(skin.faces, skin.vertices, skin.normals, skin.template, level, step, rng)
    top, _, _ = cut.zones(ground.template)
    high = cut.rises(ground.template) * _tapered(cut, ground, 0.35) * ease(ground.level / SLOPE_M)
    high = high + np.minimum(0.15 * high, 0.0015) * Waves(rng, 0.012, 12)(ground.position) + 0.0012 * ease(ground.level / 0.010)
    if cut.part is not None:
        y = unit(ground.template - CENTRE)[:, 1]
        line = np.exp(-(((ground.template[:, 0] - cut.part) / 0.0035) ** 2)) * ease((0.45 - y) / 0.2) * top
        high = high * (1 - line)
    around, _, _ = spherical(ground.template)
    filling = fill(ground.position, ground.normal, high, step**2 * len(high), step, BELOW_M, rng)
    return filling, Edge(ground.position, around, ease(ground.level / 0.014))


def _comb(cut: Style, roots: Roots, obstacle: Obstacle, down: Array, count: int, rng: np.random.Generator) -> Strands:
    """From every root, as the cut has it: longer and shorter, higher and lower; down the sides of the face, and kept out of skin."""
    top, _, fringe = cut.zones(roots.template)
    number = len(roots)
    slow = Waves(rng, 0.045, 10)(roots.position)
    length = (
        cut.lengths(roots.template)
        * (1 + (0.03 * slow + rng.normal(0, 0.025, number)) * (cut.layers + 0.25 if cut.drop else 2.4))
        * (0.5 + 0.5 * ease(roots.level / 0.012))
        * _tapered(cut, roots, 0.5)
    )
    length = length - 0.75 * cut.rises(roots.template) if cut.standing else length
    layer = rng.random(number)
    off = (
        (cut.volume[1] + (cut.volume[0] - cut.volume[1]) * top)
        * (0.25 + 0.75 * layer)
        * (1 + 0.15 * slow)
        * ease(roots.level / SLOPE_M + 0.2)
        * _tapered(cut, roots, 0.35)
    )
    lift = (cut.lift[1] + (cut.lift[0] - cut.lift[1]) * top) * (1 - fringe) + cut.lift[2] * fringe
    lift = lift * (0.6 + 0.8 * layer) * (1 + 0.15 * slow)
    lift = np.where(rng.random(number) < 0.03, lift + 12, lift)
    combing = Combing(length, off, np.minimum(lift, 88), cut.rise, cut.hold, cut.stiffness, cut.weight, 1.0 if cut.curl[0] else 1.35)
    before = np.where(roots.template[:, 1] < CENTRE[1] - 0.035 + 0.02 * rng.normal(size=number), -1.0, 1.0)
    side = np.sign(roots.position[:, 0] - (cut.part or 0.0))

    def drape(points: Array) -> Array:
        """In front of or behind the shoulders, and never over the face."""
        x, y = points[:, 0] * side, points[:, 1]
        face = ease((0.100 - x) / 0.03) * ease((-0.040 - y) / 0.03) * (1 - fringe * (cut.fringe.back < 0))
        return np.stack([side * (0.06 + 1.2 * face), 0.22 * before + 0.5 * face, np.zeros(number)], axis=1)

    strands = comb(roots, combing, cut.field, drape, down, obstacle, count)
    strands = clump(stray(strands, roots, cut.stray, 0.03, rng), roots, *cut.clump, rng)
    if cut.curl[0]:
        strands = curl(strands, roots, *cut.curl, cut.clump[0], rng)
    return settle(strands, obstacle, 0.0015)


def _off_face(points: Array) -> Array:
    """Which strands, points (N,K,3), stay off the face and the throat (N,)."""
    x, y, z = np.moveaxis(points, -1, 0)
    return ~((np.abs(x) < 0.050) & (y < CENTRE[1] - 0.035) & (z < EYE[2] + 0.022)).any(axis=1)


def _level(skin: Skin, recession: float, crown: float, rng: np.random.Generator) -> Array:
    """How far vertices (V,) are inside of an irregular hairline, m."""
    level = np.minimum(hairline(skin.template, recession, crown), (0.35 - skin.ears) * 0.2)
    return level + 0.0025 * Waves(rng, 0.03, 10)(skin.template) + 0.0015 * Waves(rng, 0.009, 12)(skin.template)


def _obstacle(skin: Skin, clothes: tuple[Array, Array] = (np.zeros((0, 3)), np.zeros((0, 3)))) -> Obstacle:
    """Skin and clothes; of the ears only what looks away from the head."""
    _, _, radius = spherical(skin.template)
    sideways = skin.normals[:, 0] * np.sign(skin.template[:, 0])
    kept = (radius < 0.75) & ((skin.ears < 0.3) | (sideways > 0.4))
    return Obstacle(np.concatenate([skin.vertices[kept], clothes[0]]), np.concatenate([skin.normals[kept], unit(clothes[1])]))
