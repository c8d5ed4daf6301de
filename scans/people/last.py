"""Shoemaker's lasts: the form of a shoe around a posed foot, as taut outlines of slices from the toe, round the heel, up the leg."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import ConvexHull, cKDTree

from datasets.conventions import Array
from scans.people.accessories.shapes import closed, resample, unit
from scans.people.accessories.wearer import Wearer, cut
from scans.people.surface import normals

COLUMNS = 64
STEP_M = 0.006  # between slices


class Misfit(ValueError):
    """A foot, in a pose, that no shoe of this kind goes around."""


SHIN_Z, FOOT_Z = -0.52, -0.88  # heights on the template: middle of the shin, ankle


@dataclass(frozen=True)
class Form:
    """A shoe's measures in metres. throat: height of the foot's top where the opening begins; collar: height of the opening
    at the heel; shaft: how far a boot goes up the leg from there; gap: from skin to the outside of the shoe; slack: more of it
    up a shaft; toe: how far the shoe goes beyond the toes; point: how much narrower than round the toe is, 0 to 1;
    sole: thickness under the heel; fore: thickness of the sole under the ball; welt: how far the sole stands out."""

    throat: float
    collar: float
    gap: float
    toe: float
    point: float
    sole: float
    fore: float
    welt: float
    shaft: float = 0.0
    slack: float = 0.0


@dataclass(frozen=True)
class Foot:
    """A foot standing flat: x to the left, y forward from the heel, z up from the floor under the bare foot.

    vertices (V,3), faces (F,3): skin of foot and leg; length: heel to toe, m; top (2,): y and z where the opening begins.
    """

    vertices: Array
    faces: Array
    length: float
    axes: Array
    heel: Array
    side: int

    @staticmethod
    def of(wearer: Wearer, side: int) -> "Foot":
        """The left (+1) or right (-1) foot of a wearer."""
        bone = "foot.L" if side > 0 else "foot.R"
        points, faces = wearer.soup("foot", "leg", side=side, bare=True)
        faces = faces[(wearer.template[faces, 2] < SHIN_Z).all(axis=1)]  # a bent knee would lie below the sole
        used, faces = np.unique(faces, return_inverse=True)
        points, faces = wearer.local(bone, points[used]), faces.reshape(-1, 3)
        floor = points[wearer.template[used, 2] < FOOT_Z, 2].min()
        low = points[points[:, 2] < floor + 0.04]
        flat = low[:, :2] - low[:, :2].mean(axis=0)
        forward = np.append(np.linalg.svd(flat, full_matrices=False)[2][0], 0.0)
        forward *= -np.sign(forward[1])
        axes = np.stack([np.cross(forward, [0.0, 0, 1]), forward, [0.0, 0, 1]])
        heel = axes.T @ np.array([np.median(low @ axes[0]), (low @ forward).min(), floor])
        return Foot((points - heel) @ axes.T, faces, float(np.ptp(low @ forward)), axes, heel, side)

    def posed(self, wearer: Wearer, points: Array) -> Array:
        """Points (...,3) of this frame in the pose."""
        flat = points.reshape(-1, 3) @ self.axes + self.heel
        return wearer.posed("foot.L" if self.side > 0 else "foot.R", flat).reshape(points.shape)

    def local(self, wearer: Wearer, points: Array) -> Array:
        """Posed points (N,3) in this frame."""
        return np.asarray((wearer.local("foot.L" if self.side > 0 else "foot.R", points) - self.heel) @ self.axes.T)

    def shin(self) -> Array:
        """Direction of the leg above the ankle, within the foot's upright plane."""
        height = self.vertices[:, 2]
        low, high = (self.vertices[(height > h) & (height < h + 0.03)].mean(axis=0) for h in (0.10, 0.20))
        return np.asarray(unit((high - low) * np.array([0.0, 1, 1])))


def ground(form: Form, y: Array, length: float) -> Array:
    """Height of the upper's lower edge: level with the foot at the heel, down to the thin sole under the ball."""
    t = np.clip((y / length - 0.27) / 0.35, 0, 1)
    return np.asarray(-(form.sole - form.fore) * t * t * (3 - 2 * t))


def upper(foot: Foot, form: Form) -> tuple[Array, Array, Array]:
    """The outside of a shoe without its sole: a grid (S,COLUMNS,3) from the toe to the opening, column 0 along the top;
    and the plane of the opening, a point and the direction up and out of it."""
    origins, downs = _stations(foot, form)
    soup = _walled(foot, form)
    rings = [_ring(soup, form, origin, down) for origin, down in zip(origins, downs, strict=True)]
    grid = np.stack(_toe(foot, form, rings[0]) + rings)
    grid = gaussian_filter1d(grid, 1.0, axis=1, mode="wrap")
    fan = np.clip((np.arange(len(grid)) - (len(grid) - (downs[:, 2] > -1).sum())) / 6, 0, 1)[:, None, None]  # heels have a corner
    smooth = gaussian_filter1d(grid, 1.8, axis=0, mode="nearest") * (1 - fan) + gaussian_filter1d(grid, 0.6, axis=0, mode="nearest") * fan
    smooth = _outside(smooth, foot, 0.5 * form.gap)
    normal = np.cross(downs[-1], [1.0, 0, 0])
    return smooth, origins[-1], normal * np.sign(normal[2])


def _stations(foot: Foot, form: Form) -> tuple[Array, Array]:
    """Where slices begin, on top of the foot, and which way down they go: upright along the foot, then fanned about the throat."""
    instep = foot.vertices[np.abs(foot.vertices[:, 2] - form.throat - 0.006) < 0.006]  # of an ankle, where the leg goes up
    throat = float(instep[:, 1].max())
    pivot = np.array([0.0, throat, form.throat + form.gap + 0.003 + 0.012 * (form.shaft > 0)])
    start = foot.length - 0.032
    along = np.linspace(start, throat, max(4, round((start - throat) / STEP_M)), endpoint=False)
    shin = foot.shin()
    last = np.arctan2(throat, pivot[2] - form.collar) if form.shaft == 0 else np.pi / 2 + np.arctan2(-shin[1], shin[2])
    angles = np.linspace(0, last, max(6, round(0.85 * throat * last / STEP_M)))
    up = np.linspace(0, form.shaft, round(form.shaft / 0.012) + 1)[1:, None] * shin
    downs = np.stack([np.zeros_like(angles), -np.sin(angles), -np.cos(angles)], axis=1)
    origins = np.concatenate([np.stack([0 * along, along, pivot[2] + 0 * along], axis=1), np.tile(pivot, (len(angles), 1)), pivot + up])
    return origins, np.concatenate([np.tile([0.0, 0, -1], (len(along), 1)), downs, np.tile(downs[-1], (len(up), 1))])


def _ring(soup: tuple[Array, Array], form: Form, origin: Array, down: Array) -> Array:
    """One outline (COLUMNS,3), from its top to the left and round."""
    points = cut(*soup, origin, np.cross(down, [1.0, 0, 0])) - origin
    flat = np.stack([points[:, 0], points @ down], axis=1)
    flat = flat[flat[:, 1] > -0.002]  # not the shin that leans over the throat
    if len(flat) < 3 or np.ptp(flat, axis=0).min() < 0.001:  # missed, or all but missed
        raise Misfit("a shoe does not fit the foot")
    hull = flat[ConvexHull(flat).vertices]
    grown = _grow(hull, form.gap + form.slack * min(1.0, max(0.0, origin[2] - 0.11) / 0.08))
    start = np.argmin(grown[:, 1] + 0.3 * np.abs(grown[:, 0] - grown[:, 0].mean()))
    ring = resample(np.roll(grown, -start, axis=0), COLUMNS, loop=True)
    return np.asarray(origin + ring[:, :1] * np.array([1.0, 0, 0]) + ring[:, 1:] * down)


def _walled(foot: Foot, form: Form) -> tuple[Array, Array]:
    """The foot, standing in a wall of the sole's plan: an upper goes straight down where a foot rounds off."""
    low = foot.vertices[foot.vertices[:, 2] < 0.03][:, :2]
    plan = resample(low[ConvexHull(low).vertices], 90, loop=True)
    rows = []
    for inset, height in ((0.97, 0.018 * np.ones(len(plan))), (0.985, ground(form, plan[:, 1], foot.length))):
        rows.append(np.column_stack([plan.mean(axis=0) + inset * (plan - plan.mean(axis=0)), height]))
    wall = closed(np.stack(rows))
    return np.concatenate([foot.vertices, wall.vertices]), np.concatenate([foot.faces, wall.faces + len(foot.vertices)])


def _grow(hull: Array, gap: float) -> Array:
    """A convex outline (H,2), `gap` further out, evenly and finely sampled, left side first."""
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False) + np.pi / 2
    direction = np.stack([-np.cos(angle), -np.sin(angle)], axis=1)
    support = hull[np.argmax(direction @ hull.T, axis=1)] + gap * direction
    return resample(resample(support, 360, loop=True), 360, loop=True)


def _outside(grid: Array, foot: Foot, gap: float) -> Array:
    """The grid with what smoothing sank into the foot pushed out to `gap` from the skin."""
    tree = cKDTree(foot.vertices)
    flat = grid.reshape(-1, 3)
    normal = normals(foot.vertices, foot.faces)
    for _ in range(2):
        distance, near = tree.query(flat)
        height = np.einsum("ij,ij->i", flat - foot.vertices[near], normal[near])
        push = np.where(distance < 0.015, np.clip(gap - height, 0, 0.01), 0)
        flat = flat + normal[near] * push[:, None]
    return gaussian_filter1d(gaussian_filter1d(flat.reshape(grid.shape), 0.7, axis=1, mode="wrap"), 0.7, axis=0, mode="nearest")


def _toe(foot: Foot, form: Form, ring: Array) -> list[Array]:
    """Rings from the tip of the shoe to the first slice: it gets narrower and lower, around the toes."""
    start, tip = ring[0, 1], foot.length + form.toe
    turn = np.linspace(0, 1, 12)[:-1]
    share = np.cos(turn * np.pi / 2) ** 0.9  # 1 at the tip
    low, centre = ring[:, 2].min(), (ring[:, 0].min() + ring[:, 0].max()) / 2
    toes = foot.vertices[(foot.vertices[:, 1] > foot.length - 0.012) & (foot.vertices[:, 2] < 0.06)]
    aside = 0.6 * (np.median(toes[:, 0]) - centre)
    rings = []
    for t in share:
        wide = (1 - t ** (2.6 - form.point)) ** (1 / (2.4 - 0.6 * form.point))
        high = (1 - t**3.2) ** (1 / 2.6) * (1 - 0.18 * t)
        scaled = ring.copy()
        scaled[:, 0] = centre + aside * t**1.5 + (ring[:, 0] - centre) * wide
        scaled[:, 1] = start + (tip - start) * t
        scaled[:, 2] = low + (ring[:, 2] - low) * max(high, 0.12)
        rings.append(scaled)
    return rings
