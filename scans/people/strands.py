"""Curves of hair: sown on the scalp, combed along a field, bent by gravity, kept out of head and clothes, clumped, curled.

Everything here is in the template's coordinates of `scalp.Frame`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.noise import Waves
from scans.people.scalp import Obstacle, ease, unit

SUBSTEPS = 2
BEND_M = 0.05  # radius of what hair has to go around: shoulders, cheeks


@dataclass(frozen=True)
class Roots:
    """Places where hair grows: position, outward normal and place on the template (N,3), and metres inside the hairline (N,)."""

    position: Array
    normal: Array
    template: Array
    level: Array

    def pick(self, chosen: Array) -> "Roots":
        """Some of the roots."""
        return Roots(self.position[chosen], self.normal[chosen], self.template[chosen], self.level[chosen])

    def joined(self, other: "Roots") -> "Roots":
        """These roots and others."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Roots(*(np.concatenate(pair) for pair in pairs))

    def __len__(self) -> int:
        return len(self.position)


@dataclass(frozen=True)
class Strands:
    """Curves: points (N,K,3) from root to tip, and the outward direction at each (N,K,3)."""

    points: Array
    outward: Array

    @property
    def along(self) -> Array:
        """Length of the curve up to each point (N,K), metres."""
        steps = np.linalg.norm(np.diff(self.points, axis=1), axis=2)
        return np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)


@dataclass(frozen=True)
class Combing:
    """How strands (N) run; every field is a number or one number a strand (N,).

    length, and clearance: how far the strand lies off the skin, m; lift: degrees off the skin at the root, and rise: m after which
    it has gone; hold: m after which gravity has taken over from the comb; stiffness: m over which a strand keeps its direction;
    weight: of gravity; crowding: 1 puts points evenly, more crowds them at the root, where heads are round.
    """

    length: Array
    clearance: Array
    lift: Array
    rise: Array | float
    hold: Array | float
    stiffness: float = 0.015
    weight: float = 1.0
    crowding: float = 1.35


def sow(faces: Array, position: Array, normal: Array, template: Array, level: Array, spacing: float, rng: np.random.Generator) -> Roots:
    """Roots about `spacing` metres apart wherever the vertices' `level` (V,) is positive, evenly but at random."""
    roots = scatter(faces, position, normal, template, level, spacing / 2, rng)
    return roots.pick(apart(roots.position, 0.8 * spacing))


def scatter(faces: Array, position: Array, normal: Array, template: Array, level: Array, spacing: float, rng: np.random.Generator) -> Roots:
    """Roots at random, one for every `spacing` by `spacing` metres of the skin where the vertices' `level` (V,) is positive."""
    faces = faces[(level[faces] > 0).any(axis=1)]
    a, b, c = (position[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    count = int(area.sum() / spacing**2) + 1
    face = faces[np.searchsorted(np.cumsum(area), rng.random(count) * area.sum())]
    share = np.sort(rng.random((count, 2)), axis=1)
    weights = np.stack([share[:, 0], share[:, 1] - share[:, 0], 1 - share[:, 1]], axis=1)
    mixed = [np.einsum("nc,ncd->nd", weights, values[face]) for values in (position, normal, template)]
    roots = Roots(mixed[0], unit(mixed[1]), mixed[2], np.einsum("nc,nc->n", weights, level[face]))
    return roots.pick(roots.level > 0)


def apart(points: Array, distance: float) -> Array:
    """Indices of points (N,3), in their order, of which no two are nearer than `distance`: of near ones the first stays (Luby 1986)."""
    pairs = cKDTree(points).query_pairs(distance, output_type="ndarray")
    alive, chosen = np.ones(len(points), bool), np.zeros(len(points), bool)
    while alive.any():
        first = np.where(alive, np.arange(len(points)), len(points))
        low = first.copy()
        np.minimum.at(low, pairs[:, 0], first[pairs[:, 1]])
        np.minimum.at(low, pairs[:, 1], first[pairs[:, 0]])
        winners = alive & (low == np.arange(len(points)))
        chosen |= winners
        alive &= ~winners
        beaten = np.concatenate([pairs[winners[pairs[:, 0]], 1], pairs[winners[pairs[:, 1]], 0]])
        alive[beaten] = False
        pairs = pairs[alive[pairs].all(axis=1)]
    return np.flatnonzero(chosen)


def comb(
    roots: Roots,
    combing: Combing,
    field: Callable[[Array], Array],
    drape: Callable[[Array], Array],
    down: Array,
    obstacle: Obstacle,
    count: int,
) -> Strands:
    """Grow strands of `count` points from the roots.

    field: points (N,3) -> directions (N,3) in which the hair is combed there; drape: points (N,3) -> what is added to gravity (N,3) there,
    such as to which side of a shoulder a strand falls; down (3,): gravity.
    """
    ends = SUBSTEPS * (count - 1)
    share = np.diff((np.arange(ends + 1) / ends) ** combing.crowding)
    lift = np.deg2rad(combing.lift)[:, None]
    position, outward = roots.position, roots.normal
    heading = unit(np.cos(lift) * _tangent(field(position), outward) + np.sin(lift) * outward)
    points, outwards = [position], [outward]
    gone, above = np.zeros(len(roots)), np.zeros(len(roots))
    for i in range(ends):
        step = share[i] * combing.length
        gone = gone + step
        held = np.exp(-gone / combing.hold)[:, None]
        angle = lift * np.exp(-gone / combing.rise)[:, None]
        clearance = combing.clearance * ease(gone / (2.5 * combing.clearance + 0.006)) + 0.0012
        sink = np.clip((above - clearance) / 0.025, 0, 0.8) * (1 - np.exp(-gone / combing.rise))
        wanted = held * (np.cos(angle) * _tangent(field(position), outward) + np.sin(angle) * outward - sink[:, None] * outward)
        wanted = wanted + (1 - held) * combing.weight * (down + drape(position) * ease((gone - 0.05) / 0.06)[:, None])
        keep = np.exp(-step / combing.stiffness)[:, None]
        heading = unit(keep * heading + (1 - keep) * wanted)
        before = position
        position, normal, above = obstacle.push(position + heading * step[:, None], clearance)
        heading = unit(position - before)
        outward = unit(outward + 0.4 * normal)
        if i % SUBSTEPS == SUBSTEPS - 1:
            points.append(position)
            outwards.append(outward)
    return Strands(np.stack(points, axis=1), np.stack(outwards, axis=1))


def clump(strands: Strands, roots: Roots, spacing: float, amount: float, rng: np.random.Generator) -> Strands:
    """Draw strands together into locks about `spacing` metres apart at the root, by `amount` (0 to 1) at the tip."""
    spread = spacing * 0.35
    order = rng.permutation(len(roots))
    leaders = order[apart(roots.position[order], spacing)]
    ragged = roots.position + rng.normal(0, spread, roots.position.shape)
    leader = leaders[cKDTree(roots.position[leaders]).query(ragged)[1]]
    share = np.linspace(0, 1, strands.points.shape[1])[None, :, None] ** 1.3
    pull = amount * rng.uniform(0.5, 1.0, (len(roots), 1, 1)) * share
    return replace(strands, points=strands.points * (1 - pull) + strands.points[leader] * pull)


def curl(strands: Strands, roots: Roots, radius: float, pitch: float, flat: float, spacing: float, rng: np.random.Generator) -> Strands:
    """Wind strands into helices of `radius` and `pitch` metres; flat 1: waves within the surface of the hair.

    Neighbours, by a field of about `spacing` metres, wind in step.
    """
    along = strands.along
    phase = 4 * Waves(rng, spacing * 4, 8)(roots.position) + rng.normal(0, 0.35, len(roots))
    rate = 1 + 0.12 * Waves(rng, spacing * 4, 8)(roots.position) + rng.normal(0, 0.06, len(roots))
    turn = 2 * np.pi * along / pitch * rate[:, None] + phase[:, None]
    tangent = unit(np.gradient(strands.points, axis=1))
    side = unit(np.cross(tangent, strands.outward))
    up = np.cross(side, tangent)
    size = radius * ease(along / (1.2 * pitch)) * rng.uniform(0.7, 1.2, (len(roots), 1))
    offset = (size * np.cos(turn))[..., None] * side + ((1 - flat) * size * np.sin(turn))[..., None] * up
    return replace(strands, points=strands.points + offset)


def stray(strands: Strands, roots: Roots, amount: float, length: float, rng: np.random.Generator) -> Strands:
    """Bend strands away by `amount` metres per metre of their length, neighbours within `length` metres alike."""
    fields = np.stack([Waves(rng, length, 12)(roots.position) for _ in range(3)], axis=1) + rng.normal(0, 0.35, (len(roots), 3))
    along = strands.along
    return replace(strands, points=strands.points + amount * (along * ease(along / 0.02))[..., None] * fields[:, None])


def settle(strands: Strands, obstacle: Obstacle, clearance: float) -> Strands:
    """Strands moved out of the obstacle again, but for their roots; the farther their points are apart, the farther out, as the
    way from one to the next is straight."""
    points = strands.points.copy()
    loose = points[:, 1:].reshape(-1, 3)
    gap = np.diff(strands.along, axis=1).reshape(-1)
    points[:, 1:] = obstacle.push(loose, clearance + gap**2 / (8 * BEND_M))[0].reshape(points[:, 1:].shape)
    return replace(strands, points=points)


def _tangent(directions: Array, normal: Array) -> Array:
    return unit(directions - np.einsum("nd,nd->n", directions, normal)[:, None] * normal)
