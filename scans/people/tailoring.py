"""From a cut to a garment: a form around the body in its rest shape, with what hangs from it, carried along by the bones."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, cKDTree

from datasets.conventions import Array
from scans.people.body import Part
from scans.people.drape import Threads
from scans.people.garments import EDGES, TIGHT_M, Cut, edges, gap
from scans.people.grain import ease
from scans.people.panels import hung_uv
from scans.people.regions import Regions
from scans.people.seams import clip, edge_ends, extend, snap
from scans.people.surface import Surface, keep_faces, normals, smoothing

UNDER_M = 0.008  # between garments
BAND_M, RIM_M = 0.05, 0.012  # width of ribbing, and of what is held of a rim
ARMPIT_Z = 0.34  # height on the template below which a top is one tube


@dataclass(frozen=True)
class Solid:
    """What cloth must stay outside of: vertices and outward normals (V,3), where they are on the template (V,3), faces (F,3)."""

    vertices: Array
    normals: Array
    template: Array
    faces: Array

    @staticmethod
    def of(surface: Surface) -> "Solid":
        return Solid(surface.vertices, normals(surface.vertices, surface.faces), surface.attributes["position"], surface.faces)

    def nearest(self, vertices: Array, template: Array, count: int) -> tuple[Array, Array]:
        """Distances (P,count) in metres and heights (P,count) of points above the nearest vertices of the same part of
        the body: a hand that touches the hip is not near the trousers."""
        tree = cKDTree(np.concatenate([self.vertices, 0.5 * self.template], axis=1))
        _, index = tree.query(np.concatenate([vertices, 0.5 * template], axis=1), k=count)
        offset = vertices[:, None] - self.vertices[index.reshape(-1, count)]
        height = np.einsum("vki,vki->vk", offset, self.normals[index.reshape(-1, count)])
        return np.linalg.norm(offset, axis=2), height


def form(cut: Cut, part: Part, at: Regions, rest: Array, weights: Array, skin: Solid, beneath: list[Surface]) -> Surface:
    """The garment on its form in the rest pose.

    part: the tights; at: their fields; rest (V,3): their smoothed vertices; weights (V,B): of bones; skin, and the garments `beneath`,
    in the rest pose. Attributes of the result: the fields, weights, the edges by name, `level` (the least of them), `pinned`, and
    the `Threads` by name.
    """
    everywhere = at.position
    lines = edges(cut, at)
    attributes = {**vars(at), **lines, "weights": weights, "level": np.minimum.reduce(list(lines.values()))}
    cloth = Surface(rest, part.faces, part.uv, attributes)
    cloth = keep_faces(cloth, (attributes["level"][part.faces] > -0.05).any(axis=1))  # some more than the garment: edges behave badly
    at = Regions(**{name: cloth.attributes[name] for name in vars(at)})
    cloth = cloth.moved(stand_off(cloth, gap(cut, at), skin, shins=True))
    if cut.name == "top" or cut.leg < 0:
        cloth = cloth.moved(_spanned(cloth, (1 - ease(at.arm / 0.2)) * ease((ARMPIT_Z - at.position[:, 2]) / 0.15), cut.span))
    cloth = cloth.moved(_smoothed(cloth, 20))
    cloth = cloth.moved(stand_off(cloth, np.full(len(cloth.vertices), TIGHT_M), skin))
    for under in beneath:
        cloth = cloth.moved(stand_off(cloth, np.full(len(cloth.vertices), UNDER_M), Solid.of(under), reach=0.05))
    cloth = cloth.moved(_smoothed(cloth, 3))
    cloth = snap(cloth, "level")
    cloth = clip(cloth, cloth.attributes["level"])
    if cut.length:
        cloth = extend(cloth, _rim(cloth, "hem"), _hanging(cut, cloth))
        cloth = _weighted(replace(cloth, uv=hung_uv(cloth)), rest, weights, everywhere)
        cloth = cloth.moved(stand_off(cloth, np.where(cloth.attributes["extended"], cut.fit, -np.inf), skin))
    if cut.hood:
        cloth = extend(cloth, _rim(cloth, "neck"), _hood(cut, cloth))
        cloth = replace(cloth, uv=hung_uv(cloth))
    cloth.attributes.update(vars(_threads(cut, cloth)))
    cloth.attributes["pinned"] = _held(cut, cloth)
    return cloth


def _threads(cut: Cut, cloth: Surface) -> Threads:
    """Longer than the form along limbs, and between chest and hips: what is held at its ends falls into folds."""
    at = cloth.attributes
    grain = np.tile([0.0, 0.0, -1.0], (len(cloth.vertices), 1))
    hangs = at.get("extended", np.zeros(len(cloth.vertices), bool))
    along = 1 + (cut.blouse - 1) * ease((at["trunk_z"] - 0.03) / 0.08) * ease((ARMPIT_Z - at["trunk_z"]) / 0.08)
    for limb, place in ((at["arm"] > 0.5, at["along_arm"]), ((at["along_leg"] > 0) & ~hangs, at["along_leg"])):
        for own in (limb & (at["side"] > 0), limb & (at["side"] < 0)):
            if own.any():
                low = place > np.median(place[own])
                axis = cloth.vertices[own & low].mean(axis=0) - cloth.vertices[own & ~low].mean(axis=0)
                grain[own] = axis / np.linalg.norm(axis)
                along[own] = 1 + (cut.slack - 1) * ease(place[own] / 0.25) * ease((place[own].max() - place[own]) / 0.2)
    bands = (["hem"] * (cut.length == 0) + ["cuff"]) if cut.name == "top" else []
    near = np.min([at[name] for name in bands], axis=0) if bands else np.ones(len(cloth.vertices))
    return Threads(grain, np.where(hangs, 1.0, along), np.where(near < BAND_M, cut.gather, 1.0))


def _held(cut: Cut, cloth: Surface) -> Array:
    """What does not move against the body: waistbands, cuffs, ribbed and tucked hems, and where a top catches on the hips."""
    at = cloth.attributes
    held = at["waist"] < 0.02 if "waist" in at else np.zeros(len(cloth.vertices), bool)
    if cut.cuff >= 0:
        held |= at["cuff"] < RIM_M
    if cut.name == "top" and cut.caught:
        turn = np.arctan2(at["position"][:, 0], -at["position"][:, 1])
        # uneven around the hips, elsewhere on every garment, from nowhere (0) to everywhere (1)
        catches = np.sin(3 * turn + 9 * cut.caught) + np.sin(5 * turn + 31 * cut.caught) > 2 - 4 * cut.caught
        held |= (at["hem"] < RIM_M) & catches
    return np.asarray(held)


def _spanned(cloth: Surface, share: Array, span: float) -> Array:
    """Vertices moved out onto the convex outline of their horizontal slice, by `share` (V,) 0 to 1 and at most
    `span` metres: cloth spans hollows."""
    vertices = cloth.vertices
    chosen = vertices[share > 0]
    middle = np.array([0.0, (chosen[:, 1].min() + chosen[:, 1].max()) / 2])
    heights, angles = np.linspace(chosen[:, 2].min(), chosen[:, 2].max(), 40), np.linspace(-np.pi, np.pi, 91)
    around = np.stack([np.sin(angles), np.cos(angles)])
    radius = np.zeros((len(heights), len(angles)))
    step = heights[1] - heights[0]
    for row, height in enumerate(heights):
        ring = chosen[np.abs(chosen[:, 2] - height) < 1.2 * step, :2] - middle
        if len(ring) < 3:
            continue
        planes = ConvexHull(ring).equations
        reach = planes[:, :2] @ around
        radius[row] = np.where(reach > 1e-9, -planes[:, 2:] / np.maximum(reach, 1e-9), np.inf).min(axis=0)
    flat = vertices[:, :2] - middle
    distance, turn = np.linalg.norm(flat, axis=1), np.arctan2(flat[:, 0], flat[:, 1])
    place = np.stack([(vertices[:, 2] - heights[0]) / step, (turn + np.pi) / (angles[1] - angles[0])])
    wanted = ndimage.map_coordinates(ndimage.gaussian_filter1d(radius, 1.0, axis=0), place, order=1, mode="nearest")
    grow = 1 + share * np.clip(wanted - distance, 0, span) / np.maximum(distance, 1e-6)
    vertices = np.concatenate([middle + flat * grow[:, None], vertices[:, 2:]], axis=1)
    mean = smoothing(cloth.faces, len(vertices))
    for _ in range(12):  # what was in a hollow lies close together now
        vertices[:, :2] += share[:, None] * (mean @ vertices - vertices)[:, :2]
    return np.asarray(vertices)


def _smoothed(cloth: Surface, rounds: int) -> Array:
    """Vertices that moved toward their neighbours' mean, along normals only (hems stay straight), and not at open edges."""
    mean, vertices = smoothing(cloth.faces, len(cloth.vertices)), cloth.vertices.copy()
    inner = np.setdiff1d(np.arange(len(vertices)), edge_ends(cloth.faces))
    mean = mean[inner]
    for _ in range(rounds):
        out = normals(vertices, cloth.faces)[inner]
        vertices[inner] += out * np.einsum("vi,vi->v", mean @ vertices - vertices[inner], out)[:, None]
    return vertices


def _rim(cloth: Surface, name: str) -> Array:
    """Vertices of the open edge that was cut along a line of this name."""
    rim = np.unique(edge_ends(cloth.faces))
    lines = [line for line in EDGES if line in cloth.attributes]
    nearest = np.argmin([np.abs(cloth.attributes[line][rim]) for line in lines], axis=0)
    return np.asarray(rim[nearest == lines.index(name)])


def _spacing(cloth: Surface) -> float:
    """The length (m) of a typical edge."""
    ends = cloth.vertices[edge_ends(cloth.faces)]
    return float(np.median(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)))


def _hanging(cut: Cut, cloth: Surface) -> Array:
    """Rows (R,N,3) of what hangs from the lower edge: a cone with pleats."""
    rim = cloth.vertices[_rim(cloth, "hem")]
    out = (rim - (rim.min(axis=0) + rim.max(axis=0)) / 2) * [1.0, 1.0, 0.0]
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    waves = 0.3 * np.sin(cut.pleats * np.arctan2(out[:, 0], out[:, 1]))[:, None]
    down = np.linspace(0, 1, int(cut.length / _spacing(cloth)) + 2)[1:, None, None]
    level = np.concatenate([rim[:, :2], np.full((len(rim), 1), rim[:, 2].mean())], axis=1)
    rows = level + down * (cut.flare * (1 + waves) * out - np.array([0.0, 0.0, cut.length]))
    return rows + (rim - level) * np.maximum(0, 1 - 4 * down)


def _hood(cut: Cut, cloth: Surface) -> Array:
    """Rows (R,N,3) of a hood that stands up from the neckline, high at the back, before it falls."""
    rim = cloth.vertices[_rim(cloth, "neck")]
    out = (rim - rim.mean(axis=0)) * [1.0, 1.0, 0.0]
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    high = 0.03 + (cut.hood - 0.03) * ease(0.3 + 0.8 * out[:, 1:2])
    up = np.linspace(0, 1, int(cut.hood / _spacing(cloth)) + 2)[1:, None, None]
    return rim + high * (0.35 * np.sin(np.pi * up) * np.array([0.0, 0.0, 1.0]) + 0.7 * up * out)


def _weighted(cloth: Surface, rest: Array, weights: Array, template: Array) -> Surface:
    """Let what hangs follow the bones that the tights nearest to it follow, smoothly from one leg to the other."""
    hanging = cloth.attributes["extended"]
    _, near = cKDTree(rest).query(cloth.vertices[hanging], k=6)
    for name, values in (("weights", weights), ("position", template)):
        cloth.attributes[name][hanging] = values[near].mean(axis=1)
    mean = smoothing(cloth.faces, len(cloth.vertices))[np.flatnonzero(hanging)]
    for _ in range(30):
        cloth.attributes["weights"][hanging] = mean @ cloth.attributes["weights"]
    return cloth


def carried(cloth: Surface, motion: Array) -> Array:
    """The garment (T,V,3) carried from the rest pose by bone transforms (T,B,4,4)."""
    blend = np.einsum("vb,tbij->tvij", cloth.attributes["weights"], motion[:, :, :3], optimize=True)
    return np.asarray(np.einsum("tvij,vj->tvi", blend[..., :3], cloth.vertices) + blend[..., 3])


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
        lean = (out @ axis) * ease((along - 0.5) / 0.2) * (side == sign)
        out -= lean[:, None] * axis
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
