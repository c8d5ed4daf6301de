"""Where hair grows: fields on the template's head, and the frame in which hair is combed whatever the pose."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.surface import Surface

CENTRE = np.array([0.0, -0.020, 0.745])  # of the skull on the template, m
RADIUS_M = 0.105  # of the skull, about
EYE = np.array([0.0313, -0.1142, 0.7332])  # the left one

#: Hairline: azimuth from the face (degrees) -> elevation above the centre of the skull (degrees).
LINE = np.array(
    [[0, 36], [22, 35], [42, 30], [56, 18], [70, 0], [75, -16], [83, -18], [88, 4], [105, 6], [118, -14], [132, -36], [180, -42]], float
)
_AROUND = np.arange(0.0, 181.0)
_LINE = gaussian_filter1d(np.interp(_AROUND, LINE[:, 0], LINE[:, 1]), 2.5, mode="nearest")
#: Where a hairline recedes first: the temples; the crown is the middle of a bald patch.
TEMPLE_DEG = (38.0, 16.0)
CROWN = np.array([0.0, 0.45, 0.89])


@dataclass(frozen=True)
class Skin:
    """The posed skin that hair grows on: positions and normals (V,3), faces (F,3), the template's positions (V,3), and how
    far vertices belong to ears (V,), 0 to 1."""

    vertices: Array
    normals: Array
    faces: Array
    template: Array
    ears: Array


@dataclass(frozen=True)
class Frame:
    """A similarity from the template's head to the posed one: x = scale * rotation @ t + shift.

    Hair is combed in the template's coordinates, so the face looks toward -Y there; gravity is what turns.
    """

    rotation: Array
    shift: Array
    scale: float

    @classmethod
    def fit(cls, skin: Skin) -> "Frame":
        """The similarity nearest to how the scalp has moved (Umeyama 1991)."""
        scalp = hairline(skin.template) > 0
        source, target = skin.template[scalp], skin.vertices[scalp]
        a, b = source - source.mean(axis=0), target - target.mean(axis=0)
        u, stretch, v = np.linalg.svd(b.T @ a)
        sign = np.array([1.0, 1.0, np.linalg.det(u @ v)])
        rotation = (u * sign) @ v
        scale = float((stretch * sign).sum() / (a**2).sum())
        return cls(rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0), scale)

    def inward(self, points: Array) -> Array:
        """Posed points (...,3) in the template's coordinates."""
        return (points - self.shift) @ self.rotation / self.scale

    def outward(self, points: Array) -> Array:
        """Points (...,3) in the template's coordinates, posed."""
        return self.scale * points @ self.rotation.T + self.shift

    def posed(self, surface: Surface) -> Surface:
        """A surface in the template's coordinates, posed. Rounded, as libraries' threads may differ in the last bit."""
        return replace(surface, vertices=np.round(self.outward(surface.vertices), 7), uv=np.round(surface.uv, 6))

    @property
    def down(self) -> Array:
        """Gravity's direction (3,) in the template's coordinates."""
        return -self.rotation[2]


def hairline(template: Array, recession: float = 0.0, crown: float = 0.0) -> Array:
    """How far (m) inside the hairline points of the template are.

    recession: how far (m) the line has drawn back at the temples; crown: radius (m) of a bald patch.
    """
    azimuth, elevation, radius = spherical(template)
    side = np.abs(azimuth)
    line = np.interp(side, _AROUND, _LINE)
    back = np.exp(-(((side - TEMPLE_DEG[0]) / TEMPLE_DEG[1]) ** 2)) + 0.45 * (side < TEMPLE_DEG[0]) * (1 - side / TEMPLE_DEG[0])
    level = np.deg2rad(elevation - line) * 0.1 - recession * back
    if crown:
        unit = (template - CENTRE) / np.maximum(radius, 1e-9)[:, None]
        level = np.minimum(level, np.arccos(np.clip(unit @ CROWN / np.linalg.norm(CROWN), -1, 1)) * RADIUS_M - crown)
    return np.where(radius < 0.2, level, -0.1)


def beard_line(template: Array) -> Array:
    """How far (m) inside the region of a full beard points of the template are."""
    x, y, z = np.abs(template[:, 0]), template[:, 1], template[:, 2]
    back = y + 0.14
    upper = 0.684 + 0.75 * np.maximum(back - 0.035, 0) - np.interp(x, [0.018, 0.036], [-0.003, 0.012]) - z
    lower = z - (0.625 + 0.30 * np.maximum(back - 0.02, 0))
    return np.where(np.linalg.norm(template - CENTRE, axis=1) < 0.2, np.minimum.reduce([upper, lower, -0.028 - y]), -0.1)


def spherical(template: Array) -> tuple[Array, Array, Array]:
    """Azimuth (degrees, 0 at the face, positive to the left) and elevation about the skull's centre, and distance (m)."""
    d = template - CENTRE
    radius = np.linalg.norm(d, axis=1)
    azimuth = np.degrees(np.arctan2(d[:, 0], -d[:, 1]))
    return azimuth, np.degrees(np.arcsin(np.clip(d[:, 2] / np.maximum(radius, 1e-9), -1, 1))), radius


class Obstacle:
    """What hair may not enter: points and outward normals (P,3) of skin and clothes."""

    def __init__(self, points: Array, normals: Array) -> None:
        self.tree = cKDTree(points)
        self.normals = normals

    def height(self, points: Array) -> tuple[Array, Array]:
        """How far points (N,3) are outside, in metres (N,), and in which direction outside is (N,3)."""
        distance, index = self.tree.query(points, 4)
        weight = 1 / (distance + 1e-4) ** 2
        weight /= weight.sum(axis=1, keepdims=True)
        normal = np.einsum("nk,nkd->nd", weight, self.normals[index])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        nearest = np.einsum("nk,nkd->nd", weight, self.tree.data[index])
        return np.einsum("nd,nd->n", points - nearest, normal), normal

    def push(self, points: Array, clearance: Array) -> tuple[Array, Array, Array]:
        """Points (N,3) moved until they are at least `clearance` (N,) outside, the outward direction there (N,3), and how far
        outside they are now (N,)."""
        height, normal = self.height(points)
        return points + np.maximum(clearance - height, 0)[:, None] * normal, normal, np.maximum(height, clearance)


def ease(t: Array) -> Array:
    """0 below 0, 1 above 1, smooth in between."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def unit(vectors: Array) -> Array:
    """Vectors (...,3) of length one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
