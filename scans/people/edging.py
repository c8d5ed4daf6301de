"""How garments' edges are finished after they hang: ironed, with bands, ribs, cuffs and waistbands, collars, and hems."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.collars import Collar, Near, Neckline, turned
from scans.people.garments import EDGES, TIGHT_M, Cut
from scans.people.panels import APART_M, COLLAR
from scans.people.seams import away, edge_ends, hem, loops, press, snap, split
from scans.people.surface import Surface, merge, normals
from scans.people.tailoring import Solid, stand_off

HEM_M, THICKNESS_M = 0.025, 0.0025
#: Across the step up onto a band: places (m, inside of its line) and heights. The outer two keep its shading off the cloth.
STEP_M, RISE = (-0.0025, 0.0, 0.0015, 0.004), (0.0, 0.0, 1.0, 1.0)
IRONED_M = 0.035  # how far from edges cloth is pressed
SMOOTH_M = 0.015  # shortest wave of a neckline that carries a collar


@dataclass(frozen=True)
class Band:
    """A band of cloth, `width` metres wide, that stands `proud` metres out along the edges cut along `lines`."""

    lines: tuple[str, ...]
    width: float
    proud: float = 0.0016


WAIST = Band(("waist",), 0.040, 0.0014)
HEM = Band(("hem",), 0.06)
BANDS: dict[str, tuple[Band, ...]] = {
    "t-shirt": (Band(("neck",), 0.019, 0.0012),), "long-sleeved top": (Band(("neck",), 0.017, 0.0012),),
    "tank top": (Band(("neck",), 0.012, 0.001), Band(("cuff",), 0.012, 0.001)),
    "sweater": (Band(("neck",), 0.024), Band(("cuff",), 0.06), HEM), "hoodie": (Band(("cuff",), 0.06), HEM),
    "cardigan": (Band(("neck", "front"), 0.032), Band(("cuff",), 0.06), HEM), "shirt": (Band(("cuff",), 0.06),),
    "jacket": (Band(("cuff",), 0.045), Band(("hem",), 0.045)),
    "trousers": (WAIST,), "jeans": (WAIST,), "shorts": (WAIST,), "skirt": (WAIST,), "leggings": (WAIST,),
    "joggers": (WAIST, Band(("cuff",), 0.05)),
}  # fmt: skip
TURNED = {
    "shirt": Collar(0.032, 0.044, 0.068, spread=0.028, gap=0.004), "jacket": Collar(0.026, 0.052, 0.070, spread=0.02, gap=0.003),
    "coat": Collar(0.030, 0.056, 0.046, notch=0.20, lapel=0.066, below=0.19),
}  # fmt: skip
HIGH_M = 0.055  # a rolled neck is all rib
LONG = 0.6  # where along the arm a sleeve ends that has a cuff


def shell(cut: Cut, hung: Surface, body: Solid, beneath: list[Solid]) -> Surface:
    """The outside of a garment that hangs: its cloth, ironed along its edges, with bands that stand out, and its collar.

    body: the posed skin; beneath: the garments under it, as `outside` has them. Bones' weights end here; the attributes `normal` (V,3)
    and `edge` (V,), metres from the nearest edge, begin.
    """
    cloth = replace(hung, attributes={name: values for name, values in hung.attributes.items() if name not in ("weights", "grain")})
    cloth = press(cloth, away(cloth, _rim(cloth)), IRONED_M, 20)
    cloth = cloth.moved(stand_off(cloth, np.full(len(cloth.vertices), TIGHT_M), body, reach=0.02))
    for band in BANDS.get(cut.kind, ()):
        if band.lines != ("cuff",) or cut.name == "bottom" or not 0 < cut.sleeve < LONG:
            cloth = _banded(cloth, band, cut)
    cloth.attributes["normal"] = normals(cloth.vertices, cloth.faces)
    cloth.attributes["edge"] = away(cloth, _rim(cloth))
    if cut.kind not in TURNED:
        return cloth
    collar = TURNED[cut.kind]
    inner = [(body.vertices, body.normals), *((under.vertices, under.normals) for under in beneath)]
    near = [
        Near(*map(np.concatenate, zip(*layers, strict=True))) for layers in (inner, [*inner, (cloth.vertices, cloth.attributes["normal"])])
    ]
    line = Neckline.of(cloth, _chain(cut, cloth, collar.notch + collar.below), SMOOTH_M)
    leaves = turned(collar, cloth, line, _neck(body), *near)
    for leaf in leaves:
        leaf.attributes["edge"][:] = 0.0
    return merge([cloth, *leaves])


def hemmed(garment: Surface) -> Surface:
    """A shell with edges as thick as cloth, and collars with an underside. Adds the attribute `folded` (V,): what was added."""
    return hem(garment, THICKNESS_M, HEM_M, garment.attributes["edge"])


def outside(shell: Surface, body: Solid) -> Solid:
    """What other garments must stay clear of: a shell without what faces the body, like the stand of a collar."""
    solid = Solid.of(shell)
    _, near = cKDTree(body.vertices).query(shell.vertices)
    facing = np.einsum("vi,vi->v", shell.vertices - body.vertices[near], solid.normals) > 0
    used = facing | (shell.attributes["edge"] > 0)
    return Solid(solid.vertices[used], solid.normals[used], solid.template[used], np.zeros((0, 3), int))


def _rim(cloth: Surface, *lines: str) -> Array:
    """Vertices of the open edges that were cut along these lines, or of all."""
    rim = np.unique(edge_ends(cloth.faces))
    known = [line for line in EDGES if line in cloth.attributes]
    nearest = np.argmin([np.abs(cloth.attributes[line][rim]) for line in known], axis=0)
    return np.asarray(rim[np.isin(nearest, [known.index(line) for line in lines if line in known])] if lines else rim)


def _banded(cloth: Surface, band: Band, cut: Cut) -> Surface:
    """The cloth with a band along its edges that stands out, in a clean line; along a neckline with texture of its own."""
    width = HIGH_M if cut.collar == "high" and "neck" in band.lines else band.width
    far = np.min([cloth.attributes[line] for line in band.lines], axis=0) > 3 * width  # a sleeve may touch the trunk
    cloth.attributes["normal"] = normals(cloth.vertices, cloth.faces)
    cloth.attributes["inside"] = width - away(cloth, _rim(cloth, *band.lines)) - far
    if not (cloth.attributes["inside"] > 0).any():
        return cloth
    cloth = snap(cloth, "inside")
    for place in STEP_M:
        cloth = split(cloth, cloth.attributes["inside"] - place)
    inside = cloth.attributes.pop("inside")
    lift = band.proud * np.interp(inside, STEP_M, RISE)
    cloth = cloth.moved(cloth.vertices + lift[:, None] * cloth.attributes["normal"])
    if "neck" not in band.lines:
        return cloth
    own = (inside[cloth.faces] > -1e-6).all(axis=1)
    uv = cloth.uv.copy()
    uv[own] = _along(cloth, _rim(cloth, *band.lines), cloth.faces[own])
    return replace(cloth, uv=uv)


def _along(cloth: Surface, rim: Array, faces: Array) -> Array:
    """Texture coordinates (F,3,2) of faces near the edge through vertices `rim`: metres along it, and away from it."""
    loop = next(loop for loop in loops(cloth.faces) if np.isin(loop, rim).any())
    points = cloth.vertices[np.append(loop, loop[0])]
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    place = np.arange(0.0, length[-1], 0.001)
    dense = np.stack([np.interp(place, length, column) for column in points.T], axis=1)
    distance, found = cKDTree(dense).query(cloth.vertices[faces])
    ahead = place[found] - place[found[:, :1]]
    ahead = (ahead + length[-1] / 2) % length[-1] - length[-1] / 2  # across the end of the line
    return np.stack([place[found[:, :1]] + ahead + APART_M * COLLAR, distance], axis=-1)


def _chain(cut: Cut, cloth: Surface, reach: float) -> Array:
    """Vertices of the neckline from the right of the front around the back to the left; with reach (m), so far on either side."""
    neck = cloth.attributes["neck"]
    loop = min(loops(cloth.faces), key=lambda rim: float(np.median(np.sort(np.abs(neck[rim]))[:12])))
    if cut.front < 0:
        place = cloth.attributes["position"][loop]
        first = int(np.argmin(np.abs(place[:, 0]) + (place[:, 1] > place[:, 1].mean())))
        loop = np.roll(loop, -first)
        return np.concatenate([loop, loop[:1]])
    loop = np.roll(loop, -int(np.argmax(neck[loop])))
    found = np.flatnonzero(np.isin(loop, _rim(cloth, "neck")))
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(cloth.vertices[loop], axis=0), axis=1))])
    middle = (length[found[0]] + length[found[-1]]) / 2
    half = reach or (length[found[-1]] - length[found[0]]) / 2
    return np.asarray(loop[np.abs(length - middle) <= half + 1e-9])


def _neck(body: Solid) -> Array:
    """The direction (3,) of the neck, from how it has turned since the template."""
    x, _, z = body.template.T
    chosen = (np.abs(x) < 0.06) & (z > 0.555) & (z < 0.60)
    before, after = (points[chosen] - points[chosen].mean(axis=0) for points in (body.template, body.vertices))
    left, _, right = np.linalg.svd(before.T @ after)
    turn = right.T @ np.diag([1, 1, np.sign(np.linalg.det(right.T @ left.T))]) @ left.T
    return np.asarray(turn @ np.array([0.0, -0.30, 0.95]))
