"""Turned collars and lapels: stiff leaves that stand up along a draped neckline, fold over and come down on the cloth around it."""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.accessories.shapes import unit
from scans.people.grain import ease
from scans.people.panels import APART_M, COLLAR
from scans.people.surface import Surface, normals, triangulate

STEP_M = 0.005  # between points along a neckline
ROLL_M = 0.0045  # radius of the fold
CLEAR_M = 0.0045  # of a leaf's outside from what it lies on
GIVE_M = 0.010  # how far what it lies on bends it
TURNS = np.deg2rad(np.linspace(60, 174, 30))  # how far a leaf may fold over, least first
LEANS = np.deg2rad(np.linspace(0, 30, 16))  # how far a stand may lean toward the neck
ROOM_M = 0.007  # between neck and stand
STAND, FOLD, FALL = np.linspace(0, 1, 5)[1:], np.linspace(0, 1, 6)[1:], np.linspace(0, 1, 9)[1:]  # rows of a leaf's parts
GORGE, SLANT, OPENING = 0.034, 0.15, 1.1  # how long the seam of collar and lapel is (m), how it leans, how the notch opens


@dataclass(frozen=True)
class Collar:
    """The shape of a turned collar, metres.

    stand, fall: heights at the back; tip: length of the fall at its ends; spread: how far back the ends of its edge are; gap: half
    of what is open between them; notch: where along the neckline from the middle of the back its ends meet lapels, 0: no lapels;
    lapel: their width there; below: where they end, past the notch.
    """

    stand: float
    fall: float
    tip: float
    spread: float = 0.0
    gap: float = 0.0
    notch: float = 0.0
    lapel: float = 0.0
    below: float = 0.0


@dataclass(frozen=True)
class Neckline:
    """A smooth line (N,) along an open edge, from the right of the front around the back to the left.

    along (N,): metres from the middle of the back, negative on the right; points, out, into (N,3): places, directions out of the
    cloth and back into it across the line; source (N,): the cloth's vertex there.
    """

    along: Array
    points: Array
    out: Array
    into: Array
    source: Array

    @staticmethod
    def of(cloth: Surface, chain: Array, smooth: float) -> "Neckline":
        """Through vertices `chain` of an open edge, as `seams.loops` orders them, without waves shorter than `smooth` metres; closed
        where the first is the last. Uses the attributes `normal` and `position`."""
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(cloth.vertices[chain], axis=0), axis=1))])
        place = np.linspace(0, length[-1], int(length[-1] / STEP_M) + 2)
        width = 4 * int(smooth / place[1] + 1)

        def even(values: Array) -> Array:
            columns = np.stack([np.interp(place, length, column) for column in values[chain].T], axis=1)
            if chain[0] == chain[-1]:
                columns = np.pad(columns[:-1], ((width, width + 1), (0, 0)), "wrap")
            else:
                columns = np.pad(columns, ((width, width), (0, 0)), "reflect", reflect_type="odd")
            return np.asarray(ndimage.gaussian_filter1d(columns, smooth / place[1], axis=0)[width : width + len(place)])

        points, out = even(cloth.vertices), even(cloth.attributes["normal"])
        tangent = unit(np.gradient(points, axis=0))
        out = _across(out, tangent)
        source = chain[np.searchsorted(length, place - 1e-9).clip(0, len(chain) - 1)]
        template = cloth.attributes["position"][source]
        back = place[np.argmin(np.abs(template[:, 0]) + (template[:, 1] < template[:, 1].mean()))]
        return Neckline(place - back, points, out, np.cross(out, tangent), source)

    @property
    def tangent(self) -> Array:
        """Unit directions (N,3) along the line."""
        return unit(np.gradient(self.points, axis=0))


@dataclass(frozen=True)
class Near:
    """Points and outward normals (P,3) that leaves must stay clear of."""

    points: Array
    normals: Array
    tree: cKDTree = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", cKDTree(self.points))

    def height(self, points: Array) -> Array:
        """How far (...,) points (...,3) are above what is nearest; no less than their distance where that is far."""
        distance, index = self.tree.query(points, k=4)
        offset = points[..., None, :] - self.points[index]
        weight = 1 / (distance + 1e-3) ** 2
        height = (np.einsum("...ki,...ki->...k", offset, self.normals[index]) * weight).sum(axis=-1) / weight.sum(axis=-1)
        return np.asarray(np.where(distance[..., 0] > 0.04, distance[..., 0], height))


def turned(collar: Collar, cloth: Surface, line: Neckline, up: Array, body: Near, below: Near) -> list[Surface]:
    """The leaves of a collar, and its lapels: sheets that look outward where they lie, with the attributes of the cloth.

    up (3,): along the neck; body: what the stand must be clear of; below: what the leaves must be clear of as well.
    """
    end = float(line.along[-1])
    if not collar.notch:
        width = collar.fall + (collar.tip - collar.fall) * (np.abs(line.along) / end) ** 3
        sheet = _sheet(line, np.full(len(width), collar.stand), np.ones(len(width)), width, up, body, below)
        depth = np.concatenate([np.zeros(6 + len(FOLD)), FALL])
        stop = end - collar.gap * np.clip((np.arange(len(depth)) - 5) / 5, 0.05, 1) - collar.spread * depth
        return [_leaf(cloth, line, sheet, width, -stop, stop)]
    far = np.abs(line.along) / collar.notch
    stand = np.maximum(collar.stand * (1 - ease(far)), 0.002)
    width = collar.fall + (collar.tip - collar.fall) * np.minimum(far, 1) ** 2
    sheet = _sheet(line, stand, 1 - ease(far), width, up, body, below)
    depth = np.concatenate([np.zeros(6 + len(FOLD)), FALL * collar.tip])
    stop = collar.notch - SLANT * depth - OPENING * np.maximum(depth - GORGE, 0)
    made = [_leaf(cloth, line, sheet, width, -stop, stop)]
    width = collar.lapel * np.clip(1 - (np.abs(line.along) - collar.notch) / collar.below, 0, 1) + 0.003
    sheet = _sheet(line, np.zeros(len(width)), np.zeros(len(width)), width, up, body, below)[5:]
    start = collar.notch - SLANT * depth[5:] / collar.tip * collar.lapel
    finish = np.full(len(start), min(collar.notch + collar.below, end))
    return [*made, _leaf(cloth, line, sheet, width, start, finish), _leaf(cloth, line, sheet, width, -finish, -start)]


def _sheet(line: Neckline, stand: Array, steep: Array, width: Array, up: Array, body: Near, below: Near) -> Array:
    """The outside (R,N,3) of a leaf over every point of a neckline: rows of its foot, its stand, its fold and its fall.

    stand, width (N,): metres; steep (N,): 1 where it stands along the neck, 0 where it goes on from the cloth.
    """
    rise = _leaning(line, stand, _across(steep[:, None] * up - (1 - steep[:, None]) * line.into, line.tangent), steep, body)
    out = np.cross(rise, line.tangent)
    roll = ROLL_M * np.clip(width / 0.03, 0.25, 1)[:, None]
    foot = np.stack([line.points + 0.006 * line.into + 0.002 * line.out, line.points + 0.001 * line.out])
    upright = line.points + STAND[:, None, None] * stand[:, None] * rise
    press = np.clip(CLEAR_M - body.height(upright), 0, 0.02).max(axis=0)
    press = ndimage.gaussian_filter1d(ndimage.maximum_filter1d(press, 9), 6, mode="nearest")
    upright = upright + STAND[:, None, None] * press[:, None] * out
    top = upright[-1]

    def folded(turn: Array, depth: Array) -> Array:
        """Points (len(depth),...,N,3) on the fold (depth below 0) and the fall, turned over by (...,N)."""
        angle = turn * np.minimum(depth + 1, 1).reshape(-1, *[1] * turn.ndim)
        bend = roll * (np.sin(angle)[..., None] * rise + (1 - np.cos(angle))[..., None] * out)
        ahead = np.cos(angle)[..., None] * rise + np.sin(angle)[..., None] * out
        return np.asarray(top + bend + np.maximum(depth, 0).reshape(-1, *[1] * (turn.ndim + 1)) * width[:, None] * ahead)

    trial = folded(np.broadcast_to(TURNS[:, None], (len(TURNS), len(width))), FALL[1::2])
    free = (below.height(trial) > CLEAR_M - GIVE_M).all(axis=0)
    best = TURNS[len(TURNS) - 1 - np.argmax(free[::-1], axis=0)]
    best = np.where(free.any(axis=0), best, TURNS[0])
    turn = ndimage.gaussian_filter1d(ndimage.minimum_filter1d(best, 5), 4)
    rows = np.concatenate([foot, upright, folded(turn, FOLD - 1), folded(turn, FALL)])
    grid = np.arange(rows.shape[0] * rows.shape[1]).reshape(rows.shape[:2])
    for soft in (6.0, 3.0):
        fall = rows[-len(FALL) :]
        lack = np.clip(CLEAR_M - below.height(fall), 0, 1.5 * GIVE_M)
        lift = ndimage.gaussian_filter(ndimage.maximum_filter(lack, (3, 9)), (1.0, soft), mode="nearest")
        rows[-len(FALL) :] += lift[..., None] * normals(rows.reshape(-1, 3), _faces(grid)).reshape(rows.shape)[-len(FALL) :]
    return rows


def _leaning(line: Neckline, stand: Array, rise: Array, steep: Array, body: Near) -> Array:
    """Directions (N,3) in which the stand rises that lean toward the neck as far as there is room."""
    out = np.cross(rise, line.tangent)
    lean = LEANS[:, None, None]
    trial = line.points + stand[:, None] * (np.cos(lean) * rise - np.sin(lean) * out)
    free = body.height(trial) > ROOM_M
    most = ndimage.gaussian_filter1d(LEANS[np.argmin(free, axis=0) - 1].clip(0) * free[0], 6, mode="nearest") * steep
    return np.asarray(np.cos(most)[:, None] * rise - np.sin(most)[:, None] * out)


def _leaf(cloth: Surface, line: Neckline, sheet: Array, width: Array, start: Array, end: Array) -> Surface:
    """The part of a sheet (R,N,3) from `start` to `end` (R,), metres along the neckline, row by row."""
    share = np.linspace(0, 1, int(np.max(end - start) / STEP_M) + 2)
    along = start[:, None] + (end - start)[:, None] * share
    place = np.clip((along - line.along[0]) / (line.along[1] - line.along[0]), 0, len(line.along) - 1.001)
    before, rest = place.astype(int), (place % 1)[..., None]
    row = np.arange(len(sheet))[:, None]
    points = sheet[row, before] * (1 - rest) + sheet[row, before + 1] * rest
    above = np.linalg.norm(np.diff(sheet, axis=0), axis=2)[:, np.argmin(np.abs(line.along))]
    height = np.concatenate([np.cumsum(above[: -len(FALL)][::-1])[::-1], [0.0]])
    across = np.concatenate([height[:, None] + width[before[-1]], (1 - FALL)[:, None] * width[before[-1]]])
    uv = np.stack([along + APART_M * COLLAR, across], axis=-1).reshape(-1, 2)
    faces = _faces(np.arange(points.shape[0] * points.shape[1]).reshape(points.shape[:2]))
    source = line.source[before].reshape(-1)
    vertices = points.reshape(-1, 3)
    attributes = {name: values[source] for name, values in cloth.attributes.items()}
    return Surface(vertices, faces, uv[faces], {**attributes, "normal": normals(vertices, faces)})


def _faces(grid: Array) -> Array:
    """Triangles over a grid (R,N) of vertices: along, then up."""
    return triangulate(np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=-1).reshape(-1, 4))


def _across(vectors: Array, tangent: Array) -> Array:
    """Unit vectors (N,3) without what they have along tangents (N,3)."""
    return unit(vectors - tangent * np.einsum("ni,ni->n", vectors, tangent)[:, None])
