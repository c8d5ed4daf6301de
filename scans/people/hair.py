"""Hairdos of tufts: sown on the scalp, combed, and built over a cap in the hair's colour."""

from dataclasses import replace

import numpy as np

from datasets.conventions import Array
from scans.people import gather
from scans.people.hairtexture import CAP_U
from scans.people.noise import Waves
from scans.people.scalp import CENTRE, Frame, Obstacle, Skin, beard_line, ease, hairline, spherical, unit
from scans.people.strands import Combing, Roots, Strands, clump, comb, curl, settle, sow, stray
from scans.people.styles import STYLES, Style
from scans.people.surface import Surface, clip, keep_faces
from scans.people.tufts import CARD, TUBE, mesh, of_roots

__all__ = ["STYLES", "Skin", "beard_line", "grow", "hairline"]

SLOPE_M = 0.03  # from the hairline to where hair is as thick as it gets
COIL_M = 0.013  # a thicker tube would sink into the head


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

    detail: 1 for some 30,000 to 80,000 faces, a third of it for drafts; recession, crown: see `hairline`, metres.
    Texture coordinates are `hairtexture.paint`'s.
    """
    if style == "shaved":
        return []
    cut, frame = STYLES[style].drawn(rng), Frame.fit(skin)
    local = replace(skin, vertices=frame.inward(skin.vertices), normals=skin.normals @ frame.rotation)
    obstacle = _obstacle(local, (frame.inward(clothes[0]), clothes[1] @ frame.rotation))
    level = _level(skin, recession, crown, rng)
    pieces = [_cap(cut, local, level)]
    spacing, width, count = cut.tuft
    spacing, width, count = spacing / np.sqrt(detail), width / np.sqrt(detail), max(3, round(count * detail**0.25))
    roots = sow(local.faces, local.vertices, local.normals, local.template, level, spacing, rng)
    if cut.standing:
        high = 0.85 * cut.rises(roots.template) * ease(roots.level / SLOPE_M)
        roots = replace(roots, position=roots.position + high[:, None] * roots.normal)
    if cut.gather:
        pieces += gather.build(cut, roots, obstacle, frame.down, (spacing, width), detail, rng)
    else:
        strands = _comb(cut, roots, obstacle, frame.down, count, rng)
        section = TUBE if style == "coils" else CARD
        width = min(width, COIL_M) if section is TUBE else width
        pieces.append(mesh(strands, replace(of_roots(roots, width, strands.along[:, -1], rng), tip=cut.tip), section))
    return [frame.posed(piece) for piece in pieces]


def _comb(cut: Style, roots: Roots, obstacle: Obstacle, down: Array, count: int, rng: np.random.Generator) -> Strands:
    top, _, fringe = cut.zones(roots.template)
    number = len(roots)
    slow = Waves(rng, 0.045, 10)(roots.position)
    length = (
        cut.lengths(roots.template)
        * (1 + (0.03 * slow + rng.normal(0, 0.025, number)) * (1 if cut.drop else 2.4))
        * (0.5 + 0.5 * ease(roots.level / 0.012))
    )
    length = length - 0.75 * cut.rises(roots.template) if cut.standing else length
    layer = rng.random(number)
    off = (
        (cut.volume[1] + (cut.volume[0] - cut.volume[1]) * top)
        * (0.25 + 0.75 * layer)
        * (1 + 0.15 * slow)
        * ease(roots.level / SLOPE_M + 0.2)
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


def _level(skin: Skin, recession: float, crown: float, rng: np.random.Generator) -> Array:
    """How far vertices (V,) are inside of an irregular hairline, m."""
    level = np.minimum(hairline(skin.template, recession, crown), (0.35 - skin.ears) * 0.03)
    return level + 0.0025 * Waves(rng, 0.03, 10)(skin.template) + 0.0015 * Waves(rng, 0.009, 12)(skin.template)


def _obstacle(skin: Skin, clothes: tuple[Array, Array]) -> Obstacle:
    """Skin and clothes; of the ears only what looks away from the head."""
    _, _, radius = spherical(skin.template)
    sideways = skin.normals[:, 0] * np.sign(skin.template[:, 0])
    kept = (radius < 0.75) & ((skin.ears < 0.3) | (sideways > 0.4))
    return Obstacle(np.concatenate([skin.vertices[kept], clothes[0]]), np.concatenate([skin.normals[kept], unit(clothes[1])]))


def _cap(cut: Style, skin: Skin, level: Array) -> Surface:
    """What shows between the tufts: the scalp, raised under thick hair, thinly haired at the hairline and along a parting."""
    top, _, _ = cut.zones(skin.template)
    rise = cut.rises(skin.template)
    covered = ease(level / 0.014)
    if cut.part is not None:
        y = unit(skin.template - CENTRE)[:, 1]
        line = np.exp(-(((skin.template[:, 0] - cut.part) / 0.0035) ** 2)) * ease((0.45 - y) / 0.2) * top
        covered, rise = covered * (1 - 0.85 * line), rise * (1 - line)
    high = rise * ease(level / SLOPE_M) + 0.0008 - 0.0016 * ease(1 - level / 0.007)
    azimuth, _, _ = spherical(skin.template)
    u = CAP_U[0] + (CAP_U[1] - CAP_U[0]) * np.abs((azimuth / 12) % 2 - 1)
    uv = np.stack([u, 0.02 + 0.96 * covered], axis=1)
    whole = Surface(skin.vertices + skin.normals * high[:, None], skin.faces, uv[skin.faces], {"level": level})
    near = keep_faces(whole, (level[skin.faces] > -0.02).any(axis=1))
    return clip(near, near.attributes["level"] - 0.002)  # its edge lies under the first tufts
