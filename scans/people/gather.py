"""Hair drawn together at the back of the head: ponytails, buns and braids."""

import numpy as np

from datasets.conventions import Array
from scans.people.hairtexture import CAP_U
from scans.people.scalp import CENTRE, Obstacle, ease, unit
from scans.people.strands import Combing, Roots, Strands, clump, comb, curl, settle, stray
from scans.people.styles import Style
from scans.people.surface import Surface
from scans.people.volume import Fibres

Made = tuple[list[Fibres], list[Surface]]


def build(cut: Style, roots: Roots, obstacle: Obstacle, down: Array, rng: np.random.Generator) -> Made:
    """Hair combed to a tie, and what hangs or sits there; and the bands around it."""
    low, high = {"tail": (-8, 48), "bun": (-12, 62), "braid": (-22, 20)}[cut.gather]
    angle = np.deg2rad(rng.uniform(low, high))
    axis = np.array([0.0, np.cos(angle), np.sin(angle)])
    tie = CENTRE + 0.25 * axis
    for _ in range(40):  # down onto the head along the axis
        height, _ = obstacle.height(tie[None])
        tie = tie - axis * (float(height[0]) - 0.012) * 0.5
    swept = _swept(roots, tie, axis, cut, obstacle, rng)
    make = {"tail": _tail, "bun": _bun, "braid": _braid}[cut.gather]
    fibres, pieces = make(cut, tie, axis, obstacle, down, rng)
    return [_fibres(swept, 0.0016, roots.position[:, 0] * 8, rng), *fibres], pieces


def _swept(roots: Roots, tie: Array, axis: Array, cut: Style, obstacle: Obstacle, rng: np.random.Generator) -> Strands:
    """From every root around the skull to the tie."""
    count = 10
    start, end = unit(roots.position - CENTRE), unit(tie - CENTRE)
    angle = np.arccos(np.clip(start @ end, -0.999, 0.999))[:, None, None]
    t = np.linspace(0, 1, count)[None, :, None]
    way = (np.sin((1 - t) * angle) * start[:, None] + np.sin(t * angle) * end) / np.sin(angle)
    radius = np.linalg.norm(roots.position - CENTRE, axis=1)[:, None, None]
    radius = radius * (1 - t) + np.linalg.norm(tie - CENTRE) * t
    points = CENTRE + way * radius
    points[:, 0] = roots.position
    layer = rng.random((len(roots), 1))
    clearance = (cut.volume[1] * (0.2 + 0.8 * layer) + 0.004 * t[..., 0] ** 4) * ease(t[..., 0] / 0.25) + 0.0014
    flat = points[:, 1:].reshape(-1, 3)
    height, normal = obstacle.height(flat)
    points[:, 1:] = (flat + (clearance[:, 1:].reshape(-1) - height)[:, None] * normal).reshape(points[:, 1:].shape)
    near = ease((t - 0.75) / 0.25)
    points = points * (1 - near) + near * (tie - 0.010 * axis + 0.25 * (points - tie))
    outward = np.concatenate([roots.normal[:, None], normal.reshape(points[:, 1:].shape)], axis=1)
    return clump(stray(Strands(points, outward), roots, 0.02, 0.03, rng), roots, cut.clump[0], 0.3, rng)


def _tail(cut: Style, tie: Array, axis: Array, obstacle: Obstacle, down: Array, rng: np.random.Generator) -> Made:
    number, count = 170, 20
    roots = _disc(tie, axis, 0.011, number, rng)
    radial = roots.position - tie
    length = 0.10 + cut.drop * rng.uniform(0.80, 1.0, number)
    combing = Combing(length, 0.002 + 0.022 * rng.random(number), np.full(number, 90.0), 0.05, 0.035, 0.02, crowding=1.0)
    strands = comb(roots, combing, lambda p: np.broadcast_to(down, p.shape), np.zeros_like, down, obstacle, count)
    t = np.linspace(0, 1, count)
    lead = strands.points[np.argmin(np.linalg.norm(radial, axis=1))]
    apart = strands.points - lead  # a tail stays a bundle
    far = np.linalg.norm(apart, axis=2)
    limit = np.interp(t, [0, 0.15, 0.4, 1.0], [0.010, 0.020, 0.023, 0.015]) * rng.uniform(0.25, 1.0, (number, 1)) ** 0.5
    points = lead + apart * np.minimum(1, limit / np.maximum(far, 1e-6))[..., None]
    strands = Strands(points, unit(strands.outward + 60 * (points - lead)))
    strands = clump(stray(strands, roots, 0.04, 0.02, rng), roots, 0.006, 0.4, rng)
    strands = settle(curl(strands, roots, *cut.curl, 0.01, rng), obstacle, 0.002)
    return [_fibres(strands, 0.0022, radial[:, 0] * 8, rng)], [_band(tie, axis, 0.0135, 0.011)]


def _bun(cut: Style, tie: Array, axis: Array, obstacle: Obstacle, down: Array, rng: np.random.Generator) -> Made:
    size = rng.uniform(0.028, 0.042)
    centre = tie + axis * size * 0.55
    number, count = 150, 18
    layer = np.where(np.arange(number) < number // 4, 0.80, rng.uniform(0.9, 1.06, number))
    tilt = unit(axis + rng.normal(0, 0.28, (number, 3)))
    a = unit(np.cross(tilt, rng.normal(size=(number, 3))))
    b = np.cross(tilt, a)
    polar = np.arccos(rng.uniform(-0.85, 0.95, number))[:, None] + rng.normal(0, 0.25, (number, 1)) * np.linspace(-1, 1, count)
    turn = np.linspace(0, rng.uniform(2.0, 4.2, number), count).T
    ring = np.cos(turn)[..., None] * a[:, None] + np.sin(turn)[..., None] * b[:, None]
    out = np.sin(polar)[..., None] * ring + np.cos(polar)[..., None] * tilt[:, None]
    ends = 1 - 0.22 * (1 - np.sin(np.pi * np.linspace(0, 1, count)) ** 0.5)
    spread = out - 0.22 * np.einsum("nkd,d->nk", out, axis)[..., None] * axis
    points = centre + size * (layer[:, None] * ends)[..., None] * spread
    strands = Strands(points, out)
    return [_fibres(strands, 0.0024 * size / 0.035, rng.normal(0, 0.3, number), rng)], []


def _braid(cut: Style, tie: Array, axis: Array, obstacle: Obstacle, down: Array, rng: np.random.Generator) -> Made:
    """Three strands about a hanging curve, each a bundle; a band, and loose ends."""
    count, size = 64, rng.uniform(0.010, 0.014)
    root = Roots(tie[None], axis[None], tie[None], np.ones(1))
    length = 0.08 + cut.drop
    middle = comb(
        root,
        Combing(np.array([length]), np.array([size * 1.5]), np.array([90.0]), 0.05, 0.02, 0.025, 1.0),
        lambda p: np.broadcast_to(down, p.shape),
        np.zeros_like,
        down,
        obstacle,
        count,
    )
    centre, along = middle.points[0], middle.along[0]
    tangent = unit(np.gradient(centre, axis=0))
    side = unit(np.cross(tangent, middle.outward[0]))
    up = np.cross(side, tangent)
    t = along / length
    thick = size * np.interp(t, [0, 0.06, 0.7, 1.0], [0.75, 1.0, 0.8, 0.5])
    turn = 2 * np.pi * along / (size * 5.2)
    tubes, per = [], 12
    for strand in range(3):
        phase = turn + 2 * np.pi * strand / 3
        path = centre + (thick * np.sin(phase))[:, None] * side + (0.5 * thick * np.sin(2 * phase))[:, None] * up
        way = unit(np.gradient(path, axis=0))
        a = unit(np.cross(way, up))
        b = np.cross(a, way)
        angle = 2 * np.pi * np.arange(per) / per + 0.3 * rng.normal(size=per)
        out = np.cos(angle)[:, None, None] * a + np.sin(angle)[:, None, None] * b
        tubes.append(Strands(path + out * (0.62 * thick)[:, None] * rng.uniform(0.85, 1.08, (per, 1, 1)), out))
    bundle = Strands(np.concatenate([s.points for s in tubes]), np.concatenate([s.outward for s in tubes]))
    number = len(bundle.points)
    loose = _disc(centre[-1], tangent[-1], size * 0.4, 30, rng)
    combing = Combing(rng.uniform(0.04, 0.07, len(loose)), np.full(len(loose), 0.006), np.full(len(loose), 80.0), 0.05, 0.03, 0.02, 1.0)
    ends = comb(loose, combing, lambda p: p - centre[-1], np.zeros_like, down, obstacle, 6)
    fibres = [_fibres(bundle, 0.0020, rng.normal(0, 0.3, number), rng), _fibres(ends, 0.0016, rng.normal(0, 0.3, len(loose)), rng)]
    return fibres, [_band(centre[-1], tangent[-1], size * 0.72, 0.008), _band(tie, axis, 0.013, 0.009)]


def _disc(centre: Array, axis: Array, radius: float, number: int, rng: np.random.Generator) -> Roots:
    """Roots on a disc across an axis; the outer ones lean outward."""
    a = unit(np.cross(axis, [1.0, 0.1, 0.2]))
    b = np.cross(axis, a)
    turn, reach = rng.uniform(0, 2 * np.pi, number), radius * np.sqrt(rng.random(number))
    across = reach[:, None] * (np.cos(turn)[:, None] * a + np.sin(turn)[:, None] * b)
    normal = unit(axis + 0.35 * across / radius)
    return Roots(centre + across, normal, np.broadcast_to(centre, across.shape), np.full(number, 0.05))


def _band(centre: Array, axis: Array, radius: float, width: float) -> Surface:
    """A tie of cloth or hair around a bundle: a bulging ring, darker than the hair."""
    around = np.linspace(0, 2 * np.pi, 25)[:-1]
    a = unit(np.cross(axis, [1.0, 0.1, 0.2]))
    b = np.cross(axis, a)
    ring = np.cos(around)[:, None] * a + np.sin(around)[:, None] * b
    rows = np.deg2rad([-90, -45, 0, 45, 90])
    points = centre + ((radius + 0.003 * np.cos(rows))[:, None, None] * ring + (0.5 * width * np.sin(rows))[:, None, None] * axis)
    index = np.arange(5 * 24).reshape(5, 24)
    right = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], right[:-1], right[1:], index[1:]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    uv = np.tile(np.array([[np.mean(CAP_U), 0.97]]), (5 * 24, 1))
    return Surface(points.reshape(-1, 3), faces, uv[faces])


def _fibres(strands: Strands, radius: float, place: Array, rng: np.random.Generator) -> Fibres:
    """Strands of about `radius`, whose colour follows `place` (N,), about -1 to 1."""
    number = len(strands.points)
    tone = np.clip(place + rng.normal(0, 0.04, number), -1, 1)
    return Fibres(strands, radius * rng.uniform(0.7, 1.2, number), tone, rng.normal(0, 0.0005, number))
