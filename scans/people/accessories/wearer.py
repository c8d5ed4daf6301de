"""The posed and dressed body as accessories see it: zones, bones' frames, slices, and bands stretched around them."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, cKDTree

from datasets.conventions import Array
from scans.people.accessories.shapes import unit
from scans.people.body import Body
from scans.people.surface import Surface

#: Zone -> prefixes of the bones that make it.
ZONES = {
    "head": ("head", "eye", "jaw", "tongue", "special", "oris", "levator", "temporalis", "orbicularis", "risorius"),
    "neck": ("neck",),
    "trunk": ("root", "pelvis", "spine", "breast", "clavicle"),
    "arm": ("shoulder01", "upperarm", "lowerarm"),
    "hand": ("wrist", "finger", "metacarpal"),
    "leg": ("upperleg", "lowerleg"),
    "foot": ("foot", "toe"),
}


@dataclass(frozen=True)
class Item:
    """One solid of one colour. colour: sRGB 0 to 1 (3,); stuff: knit, cloth, leather, rubber, plastic, metal, straw or glass."""

    name: str
    surface: Surface
    colour: Array
    roughness: float
    stuff: str


@dataclass(frozen=True)
class Layer:
    """Triangles (F,3) over posed vertices (V,3), with each vertex's zone (an index into ZONES) and side (+1 left)."""

    vertices: Array
    faces: Array
    zone: Array
    side: Array


@dataclass(frozen=True)
class Wearer:
    """A posed body in its clothes.

    skin, clothed: the bare body, and everything that cloth or skin shows outside; frames: bone -> transform (4,4) from the
    rest shape, in which people face -Y and stand upright, to the pose; joints: bone -> posed head of the bone (3,);
    template: of the skin's vertices; ears (V,) 0 to 1 on the skin; eyes: centres of the left and right eye (2,3).
    """

    skin: Layer
    clothed: Layer
    frames: dict[str, Array]
    joints: dict[str, Array]
    template: Array
    ears: Array
    eyes: Array

    @staticmethod
    def of(body: Body, ears: Array, rest_joints: Array, base: Array, bones: Array, worn: list[Surface]) -> "Wearer":
        """A body whose base mesh (19158,3) is posed by `bones` (B,4,4), its clothes with their attribute `position`.

        ears: the mask at the skin's vertices; rest_joints (B,3): heads of bones in the rest shape.
        """
        part = body.parts["body"]
        weights = np.stack([body.weight_of(*prefixes) for prefixes in ZONES.values()], axis=1)
        zones = (part.matrix @ weights).argmax(axis=1)
        side = np.where(part.template[:, 0] >= 0, 1, -1)
        skin = Layer(part.matrix @ base, part.faces, zones, side)
        tree = cKDTree(part.template)
        near = [tree.query(cloth.attributes["position"])[1] for cloth in worn]
        offsets = np.cumsum([len(skin.vertices), *(len(cloth.vertices) for cloth in worn)])
        clothed = Layer(
            np.concatenate([skin.vertices, *(cloth.vertices for cloth in worn)]),
            np.concatenate([skin.faces, *(cloth.faces + offset for cloth, offset in zip(worn, offsets, strict=False))]),
            np.concatenate([zones, *(zones[index] for index in near)]),
            np.concatenate([side, *(side[index] for index in near)]),
        )
        frames = dict(zip(body.labels, bones, strict=True))
        joints = {label: frames[label][:3, :3] @ rest_joints[i] + frames[label][:3, 3] for i, label in enumerate(body.labels)}
        eyes = np.stack([(body.parts[f"helper-{side}-eye"].matrix @ base).mean(axis=0) for side in "lr"])
        return Wearer(skin, clothed, frames, joints, part.template, ears, eyes)

    def local(self, bone: str, points: Array) -> Array:
        """Posed points (N,3) in a bone's rest frame."""
        frame = self.frames[bone]
        return np.asarray((points - frame[:3, 3]) @ frame[:3, :3])

    def posed(self, bone: str, points: Array) -> Array:
        """Points (N,3) of a bone's rest frame in the pose."""
        frame = self.frames[bone]
        return np.asarray(points @ frame[:3, :3].T + frame[:3, 3])

    def place(self, bone: str, surface: Surface) -> Surface:
        """A surface made in a bone's rest frame, in the pose."""
        return surface.moved(self.posed(bone, surface.vertices))

    def soup(self, *zones: str, side: int = 0, bare: bool = False) -> tuple[Array, Array]:
        """Vertices and the faces that lie in the zones (of one side), clothed or bare."""
        layer = self.skin if bare else self.clothed
        chosen = np.isin(layer.zone, [list(ZONES).index(zone) for zone in zones])
        chosen &= (layer.side == side) | (side == 0)
        return layer.vertices, layer.faces[chosen[layer.faces].all(axis=1)]


def cut(vertices: Array, faces: Array, origin: Array, normal: Array) -> Array:
    """Points (P,3) where triangles' edges cross a plane."""
    height = (vertices - origin) @ normal
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[(height[edges[:, 0]] > 0) != (height[edges[:, 1]] > 0)]
    a, b = edges[:, 0], edges[:, 1]
    t = (height[a] / (height[a] - height[b]))[:, None]
    return np.asarray(vertices[a] * (1 - t) + vertices[b] * t)


def band(
    soup: tuple[Array, Array],
    origin: Array,
    normal: Array,
    forward: Array,
    offsets: Array,
    count: int,
    gap: float,
    extra: Array | None = None,
) -> Array:
    """A taut band around a body: a grid (len(offsets),count,3) whose rows are the convex outlines of parallel slices, `gap` outside.

    A row's slice goes through `origin` + its offset along `normal`; columns begin at the direction `forward` and are spaced evenly
    along the middle row. extra: points (P,3) that the band must go around too.
    """
    normal = unit(normal)
    x = unit(forward - normal * (forward @ normal))
    y = np.cross(normal, x)
    plane = np.stack([x, y])
    extra = np.zeros((0, 3)) if extra is None else extra
    hulls = []
    for offset in offsets:
        points = (np.concatenate([cut(*soup, origin + offset * normal, normal), extra]) - origin) @ plane.T
        hulls.append(points[ConvexHull(points).vertices])
    middle = (hulls[len(hulls) // 2].min(axis=0) + hulls[len(hulls) // 2].max(axis=0)) / 2
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    radii = np.stack([_radius(hull - middle, angles) for hull in hulls]) + gap
    outline = radii[len(hulls) // 2][:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(outline, axis=0, append=outline[:1]), axis=1))])
    turn = np.interp(np.linspace(0, at[-1], count, endpoint=False), at, np.append(angles, 2 * np.pi))
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    flat = [middle + np.interp(turn, angles, radius, period=2 * np.pi)[:, None] * around for radius in radii]
    rows = [origin + offset * normal + row @ plane for offset, row in zip(offsets, flat, strict=True)]
    grid = np.stack(rows)
    middle_row = grid[len(hulls) // 2]
    away = np.linalg.norm(grid - middle_row, axis=2, keepdims=True)
    width = np.abs(offsets - offsets[len(hulls) // 2])[:, None, None]  # constant, also where the slice is nearly along the surface
    return np.asarray(middle_row + (grid - middle_row) * np.minimum(1, width / np.maximum(away, 1e-9)))


def _radius(hull: Array, angles: Array) -> Array:
    """Distance (A,) from the origin to a convex polygon (H,2), counter-clockwise, in each direction."""
    following = np.roll(hull, -1, axis=0)
    edge = following - hull
    outward = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
    reach = np.einsum("ij,ij->i", outward, hull)
    facing = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ outward.T
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(facing > 1e-12, reach / facing, np.inf)
    return np.asarray(distance.min(axis=1))
