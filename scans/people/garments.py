"""Garments cut from the helper geometry of the base mesh: fitted over the posed body, loosened, folded, hemmed."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.body import Body
from scans.people.noise import Waves
from scans.people.regions import Regions
from scans.people.surface import Surface, clip, hem, keep_faces, normals, smoothing

COLLARS = {"crew": 0.0, "scoop": 0.06, "v": 0.10, "high": -0.055}  # depth of the neckline below a crew neck, m


#: Garment -> the part of the body it is cut from.
PART = {"top": "helper-tights", "bottom": "helper-tights", "skirt": "helper-skirt", "shoes": "shoes"}


@dataclass(frozen=True)
class Cut:
    """What garment it is and how it is cut; lengths in metres on the template, `along` as in `Regions`.

    name: top, bottom, skirt or shoes. sleeve and leg: where the hem is along the limb. waist: height of the waistband or
    of a top's hem. fit: gap between skin and cloth where it is tight; loose: gap added toward the hem; width: radius of
    the leg's or sleeve's opening; folds: height of folds.
    """

    name: str
    fit: float
    loose: float = 0.0
    width: float = 0.0
    folds: float = 0.002
    sleeve: float = 0.0
    collar: str = "crew"
    waist: float = 0.1
    leg: float = 0.0
    thickness: float = 0.003


@dataclass(frozen=True)
class Solid:
    """What cloth must stay outside of: vertices and outward normals (V,3), and where they are on the template (V,3)."""

    vertices: Array
    normals: Array
    template: Array

    @staticmethod
    def of(surface: Surface) -> "Solid":
        """The outside of a garment, without its folded edges."""
        outer = ~surface.attributes["folded"]
        return Solid(surface.vertices[outer], surface.attributes["normal"][outer], surface.attributes["position"][outer])

    def nearest(self, vertices: Array, template: Array, count: int) -> tuple[Array, Array]:
        """Distances (P,count) in metres and heights (P,count) of points above the nearest vertices of the same part of
        the body: a hand that touches the hip is not near the trousers."""
        tree = cKDTree(np.concatenate([self.vertices, 0.5 * self.template], axis=1))
        _, index = tree.query(np.concatenate([vertices, 0.5 * template], axis=1), k=count)
        offset = vertices[:, None] - self.vertices[index.reshape(-1, count)]
        height = np.einsum("vki,vki->vk", offset, self.normals[index.reshape(-1, count)])
        return np.linalg.norm(offset, axis=2), height


def inside(cut: Cut, at: Regions) -> Array:
    """How far (m, roughly) inside the garment's outline points of the template are; negative outside."""
    if cut.name == "top":
        return np.minimum.reduce([neckline(cut, at), at.trunk_z - cut.waist, (cut.sleeve - at.along_arm) * 0.55])
    if cut.name == "shoes":
        return (at.along_leg - cut.leg) * 0.8
    return np.minimum(cut.waist - at.trunk_z, (cut.leg - at.along_leg) * 0.8)


def neckline(cut: Cut, at: Regions) -> Array:
    """How far (m) below the neckline of a top points of the template are."""
    depth = COLLARS[cut.collar]
    front = np.clip(0.5 - at.position[:, 1] / 0.06, 0, 1)
    across = np.abs(at.position[:, 0])
    shape = np.maximum(0, 1 - across / 0.10) if cut.collar == "v" else np.exp(-((across / 0.08) ** 2))
    return np.asarray(0.562 - (depth * shape * front if depth > 0 else depth) - at.collar)


def gap(cut: Cut, at: Regions) -> Array:
    """How far (m) the cloth should at least stand off the skin."""
    if cut.name == "top":
        fall = _ease((0.36 - at.position[:, 2]) / 0.3)
        close = _ease((neckline(cut, at) - 0.005) / 0.06)  # a collar lies on the skin
        trunk = 0.004 + (cut.fit - 0.004) * close + cut.loose * fall
        opening = 0.066 + (cut.width - 0.066) * np.clip(at.along_arm / max(cut.sleeve, 0.1), 0, 1)
        sleeve = np.maximum(cut.fit, (opening - at.arm_radius) * _ease((at.along_arm - 0.05) / 0.25))
        return trunk + (sleeve - trunk) * _ease((at.arm - 0.4) / 0.5)
    if cut.name == "bottom":
        down = np.clip(at.along_leg / max(cut.leg, 0.1), 0, 1)
        opening = 0.094 + (cut.width - 0.094) * down
        return cut.fit + np.maximum(0, (opening - at.leg_radius) * _ease((at.along_leg - 0.02) / 0.3))
    return np.full(len(at.arm), cut.fit)


def make(cut: Cut, body: Body, base: Array, at: Regions, skin: Solid, beneath: list[Surface], rng: np.random.Generator) -> Surface:
    """A garment over the posed base mesh (19158,3), outside of its `skin` and of the garments `beneath`.

    at: fields of the part it is cut from. Attributes of the result: the fields, `normal`, and `level`, metres inside the outline.
    """
    part = body.parts[PART[cut.name]]
    attributes = {**vars(at), "level": inside(cut, at)}
    cloth = Surface(part.matrix @ (body.cloth_smoothing @ base), part.faces, cloth_uv(at, part.faces, cut.name), attributes)
    cloth = keep_faces(cloth, (attributes["level"][part.faces] > -0.02).any(axis=1))  # some more than the garment: edges behave badly
    at = Regions(**{name: cloth.attributes[name] for name in vars(at)})
    if cut.name == "skirt":
        cloth = cloth.moved(_flared(cut, cloth.vertices, at, rng))
    cloth = cloth.moved(stand_off(cloth, gap(cut, at) + _folds(cut, at, rng), skin, shins=cut.name == "bottom"))
    for under in beneath:
        cloth = cloth.moved(stand_off(cloth, np.full(len(cloth.vertices), 0.007), Solid.of(under), reach=0.03))
    if cut.name == "shoes":
        cloth = cloth.moved(_leather(cloth))
    cloth.attributes["normal"] = normals(cloth.vertices, cloth.faces)
    return hem(clip(cloth, cloth.attributes["level"]), cut.thickness, 0.04 if cut.name == "skirt" else 0.025, closed=True)


def _leather(shoes: Surface) -> Array:
    """Smooth a shoe so that toes do not show, and give back the volume that smoothing takes."""
    step = smoothing(shoes.faces, len(shoes.vertices))
    vertices = shoes.vertices
    for _ in range(12):
        vertices = step @ vertices
    return vertices + 0.006 * normals(vertices, shoes.faces)


def stand_off(cloth: Surface, target: Array, solid: Solid, reach: float = np.inf, shins: bool = False) -> Array:
    """Move cloth outward until it stands `target` (V,) metres off what is within `reach`; the moves are smoothed, the last is not.

    shins: move trousers square to the lower legs.
    """
    smooth = smoothing(cloth.faces, len(cloth.vertices))
    vertices = cloth.vertices
    for rounds in (6, 2, 0):
        distance, heights = solid.nearest(vertices, cloth.attributes["position"], 4)
        weight = 1 / (distance + 1e-3) ** 2
        height = (heights * weight).sum(axis=1) / weight.sum(axis=1)
        push = np.where(distance[:, 0] < reach, np.maximum(0, target - height), 0)
        for _ in range(rounds):
            push = smooth @ push
        out = normals(vertices, cloth.faces)
        if shins:
            out = _across_shins(out, vertices, cloth.attributes["along_leg"], cloth.attributes["side"])
        vertices = vertices + out * push[:, None]
    return vertices


def _across_shins(out: Array, vertices: Array, along: Array, side: Array) -> Array:
    """Turn outward directions square to the shins: where the heel flares, normals would tear a wide hem apart."""
    out = out.copy()
    for sign in (1.0, -1.0):
        knee, ankle = ((side == sign) & (np.abs(along - place) < 0.08) for place in (0.55, 0.85))
        if not ankle.any():
            continue
        axis = vertices[ankle].mean(axis=0) - vertices[knee].mean(axis=0)
        axis /= np.linalg.norm(axis)
        lean = (out @ axis) * _ease((along - 0.5) / 0.2) * (side == sign)
        out -= lean[:, None] * axis
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)


def _folds(cut: Cut, at: Regions, rng: np.random.Generator) -> Array:
    """Extra gap (m): broad unevenness, drapery down the trunk, and rings where a limb bends or cloth stacks."""
    broad, fine, patch = Waves(rng, 0.20, 8), Waves(rng, 0.06, 8), Waves(rng, 0.12, 8)
    warp, strength = broad(at.position), np.clip(0.6 + patch(at.position), 0, 1.4)
    x, y, z = at.position.T
    angle = np.arctan2(x, -y)

    def creases(s: Array, length: float) -> Array:
        """Rounded ridges between narrow valleys, wandering, `length` metres apart along s (metres)."""
        phase = np.pi * s / length + 2.5 * warp + rng.uniform(0, 6.28)
        return np.abs(np.sin(phase)) ** 0.8

    if cut.name == "shoes":
        return 0.0 * z
    if cut.name == "top":
        bend = np.exp(-(((at.along_arm - 0.5) / 0.13) ** 2)) + 0.5 * np.exp(-(((at.along_arm - 0.97) / 0.08) ** 2))
        limb = 0.45 * bend * creases(at.along_arm * 0.55 + 0.02 * np.sin(2 * angle), 0.028)
        drape = 0.7 * creases(angle * 0.16 + 0.5 * x * z, 0.07) * _ease((0.30 - z) / 0.25)
        waist = np.exp(-(((z - 0.16) / 0.08) ** 2)) * creases(z + 0.3 * np.abs(x), 0.04)
        share = _ease((at.arm - 0.3) / 0.5)
        folds = limb * share + (drape + waist) * (1 - share)
    else:
        leg = at.along_leg
        bend = 0.4 * np.exp(-(((leg - 0.45) / 0.06) ** 2)) + 0.45 * np.exp(-(((leg - 0.98) / 0.07) ** 2))
        length = 0.6 * creases(0.085 * np.arctan2(np.abs(x) - 0.15, -y) + 0.1 * leg, 0.06) * _ease(leg / 0.2)
        hips = 0.6 * np.exp(-(((z + 0.08) / 0.05) ** 2)) * creases(z + 0.5 * np.abs(x), 0.04)
        folds = bend * creases(leg * 0.8 + 0.015 * np.sin(angle + 3 * x), 0.038) + length + hips
    return cut.folds * strength * folds + 0.5 * cut.folds * (1 + fine(at.position))


def _flared(cut: Cut, vertices: Array, at: Regions, rng: np.random.Generator) -> Array:
    """A skirt's cone and its soft pleats, about the vertical axis through its own middle."""
    drop = np.clip((cut.waist - at.position[:, 2]) / 0.8, 0, 1)
    middle = vertices.mean(axis=0) * np.array([1.0, 1.0, 0.0])
    radial = (vertices - middle) * np.array([1.0, 1.0, 0.0])
    angle = np.arctan2(at.position[:, 0], -at.position[:, 1])
    pleats = np.sin(angle * rng.integers(9, 22) + 1.5 * np.sin(2 * angle + rng.uniform(0, 6)))
    grow = cut.loose * drop + 6 * cut.folds * pleats * drop
    return vertices + radial / np.maximum(np.linalg.norm(radial, axis=1, keepdims=True), 1e-6) * grow[:, None]


def cloth_uv(at: Regions, faces: Array, name: str) -> Array:
    """Texture coordinates (F,3,2) in metres of cloth: wrapped around trunk, sleeves and legs, with seams where tailors have them."""
    x, y, z = at.position.T
    leg = (at.along_leg > 0.0) & (name != "skirt")
    part = np.where(at.arm > 0.5, 1, np.where(leg, 2, 0))[faces]
    kind = np.where((part == 1).sum(axis=1) >= 2, 1, np.where((part == 2).sum(axis=1) >= 2, 2, 0))
    centre_x = np.where(leg, np.abs(x) - 0.125 - 0.06 * np.clip(at.along_leg, 0, 1), 0)
    angles = np.stack(
        [np.arctan2(x / 0.16, (0.02 - y) / 0.11), np.arctan2(y + 0.05, np.abs(x) * 0.75 - z * 0.66), np.arctan2(centre_x, -y)]
    )
    along = np.stack([z, at.along_arm * 0.55, z])
    radius = np.array([0.14, 0.055, 0.085])[kind]
    corner = np.take_along_axis(angles[:, faces], kind[None, :, None], 0)[0]
    corner = corner[:, :1] + (corner - corner[:, :1] + np.pi) % (2 * np.pi) - np.pi
    v = np.take_along_axis(along[:, faces], kind[None, :, None], 0)[0]
    return np.stack([corner * radius[:, None], v], axis=-1)


def _ease(t: Array) -> Array:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def soled(shoes: Surface, ankles: dict[float, Array], floor: float, thickness: float) -> Surface:
    """Shoes with flat soles; their texture has the sole below v = 0.5, the upper above.

    ankles: side (+1 left, -1 right) -> transform of that foot's bone from the rest shape, in which feet stand flat on
    height `floor`.
    """
    vertices = shoes.vertices.copy()
    v = np.zeros(len(vertices))
    for side, transform in ankles.items():
        chosen = shoes.attributes["side"] * side > 0
        flat = (vertices[chosen] - transform[:3, 3]) @ transform[:3, :3]
        height = flat[:, 2] - floor
        flat[:, 2] = floor + np.where(height < 0.05, np.interp(height, [0.012, 0.05], [-thickness, 0.05]), height)
        vertices[chosen] = flat @ transform[:3, :3].T + transform[:3, 3]
        v[chosen] = np.clip(0.5 + 10 * (flat[:, 2] - floor - 0.004), 0.02, 0.98)
    uv = np.stack([shoes.attributes["position"][:, 1] / 0.1, v], axis=1)
    return Surface(vertices, shoes.faces, uv[shoes.faces], shoes.attributes)
