"""Panels: the pieces that tailors cut cloth in. The tights are split along their seams and laid flat, once for all people.

Front and back have u = 0 in the middle and v = height below the chest, on the template; a sleeve, closed at the underarm, has
u = 0 on its outside and v from the shoulder down. Left and right sleeves share one, and so do the gores of a wide skirt.
"""

from dataclasses import replace

import numpy as np

from datasets.conventions import Array
from scans.people.body import Part
from scans.people.flatten import flatten
from scans.people.garments import Cut, gap
from scans.people.grain import ease
from scans.people.regions import CROTCH_M, Regions
from scans.people.slit import slit
from scans.people.surface import Surface, normals, smoothing

PANELS = 5
FRONT, BACK, SLEEVE, COLLAR, SKIRT = range(PANELS)  # patches of a garment's texture
APART_M = 10.0  # from one patch to the next in texture coordinates, until they are baked
ARM_M = 0.55  # length of an arm on the template
ARMHOLE_X = 0.182  # where sleeves are set in
PIN = 3e3  # how much more than the distortion of a square metre it counts that a panel hangs straight
NECK_Y = -0.02
STRAIGHT = 1.45  # what grows wider than that on its way down is cut in gores
#: Height -> where the seam at the sides, between the legs and on the shoulders runs (y), on the template.
SIDE_SEAM = np.array([[-1.0, 0.012], [-0.70, 0.006], [-0.45, -0.020], [-0.15, -0.018], [-0.05, -0.010], [0.10, -0.026], [0.25, -0.033],
                      [0.37, -0.030], [0.50, -0.012], [0.65, -0.012]])  # fmt: skip
#: |x| -> y of the arm's axis.
ARM_SEAM = np.array([[0.24, -0.010], [0.376, -0.015], [0.507, -0.190]])


def armhole(position: Array) -> Array:
    """How far (m) outward of the seam that sets the sleeves in points of the template (V,3) are."""
    return np.where(position[:, 2] > 0.05, np.abs(position[:, 0]) - ARMHOLE_X, -0.1)


def side(position: Array) -> Array:
    """How far (m) behind the seam between front and back points of the template (V,3) are."""
    out = np.clip((np.abs(position[:, 0]) - ARMHOLE_X) / (ARM_SEAM[0, 0] - ARMHOLE_X), 0, 1) * (position[:, 2] > 0.05)
    trunk = np.interp(position[:, 2], *SIDE_SEAM.T)
    return np.asarray(position[:, 1] - trunk - out * (np.interp(np.abs(position[:, 0]), *ARM_SEAM.T) - trunk))


def seamed(part: Part) -> Part:
    """The tights with seams: no face is on both sides of one."""
    sleeve, faces = slit(part.faces, armhole(part.template), np.zeros(len(part.template), bool))
    template = sleeve @ part.template
    halves, faces = slit(faces, side(template), np.abs(armhole(template)) < 1e-6)
    whole = halves @ sleeve
    return replace(part, matrix=(whole @ part.matrix).tocsr(), faces=faces, template=whole @ part.template)


def cloth_uv(at: Regions, faces: Array) -> Array:
    """Texture coordinates (F,3,2) of the seamed tights, in metres of cloth on the template, panels APART_M apart."""
    centre = at.position[faces].mean(axis=1)
    panel = np.where(armhole(centre) > 0, SLEEVE, np.where(side(centre) > 0, BACK, FRONT))
    form = _form(at, faces)
    uv = np.empty((len(faces), 3, 2))
    for patch, left in ((FRONT, None), (BACK, None), (SLEEVE, True), (SLEEVE, False)):
        chosen = panel == patch if left is None else (panel == patch) & ((centre[:, 0] > 0) == left)
        uv[chosen] = _laid(patch, at, faces[chosen], form) + np.array([APART_M * patch, 0.0])
    return uv


def _form(at: Regions, faces: Array) -> Array:
    """Vertices of a garment of usual width over the tights: what is laid flat."""
    top, bottom = Cut("top", "", 0.0, 0.020, 0.013, 0.97, width=0.066), Cut("bottom", "", 0.1, leg=0.97, width=0.062)
    off = np.where(at.position[:, 2] > 0.05, gap(top, at), gap(bottom, at))
    mean = smoothing(faces, len(off))
    out = normals(at.position, faces)
    for _ in range(10):
        off, out = mean @ off, mean @ out
    out[:, 2] *= 1 - ease((-0.2 - at.position[:, 2]) / 0.2)  # where the heel flares, normals would fold the legs
    return np.asarray(at.position + out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6) * off[:, None])


def _laid(patch: int, at: Regions, faces: Array, form: Array) -> Array:
    """Corners (F,3,2) of one panel, laid flat."""
    used, faces = np.unique(faces, return_inverse=True)
    at = Regions(**{name: values[used] for name, values in vars(at).items()})
    form, faces = form[used], faces.reshape(-1, 3)
    if patch == SLEEVE:
        return _sleeve(at, faces, form)
    x, z = at.position[:, 0], at.position[:, 2]
    upright = (1 - normals(form, faces)[:, 2] ** 2) ** 6
    level = upright * ease((0.40 - z) / 0.25) ** 4
    middle = (np.abs(x) < 1e-6) & (z > CROTCH_M)
    start = np.stack([-x if patch == BACK else x, z], axis=1)
    uv = flatten(form, faces, start, start, PIN * np.stack([middle, level], axis=1))
    return np.asarray((uv + _apart(uv[:, 0], np.sign(start[:, 0]), z))[faces])


def _apart(u: Array, sign: Array, z: Array) -> Array:
    """Moves (V,2) that bring two legs beside each other: they are a little wider than the hips."""
    inner = 0.013 * np.maximum(0, 1 - sign * u / 0.28) * ease((CROTCH_M - 0.012 - z) / 0.04) * ease((z + 0.6) / 0.25)
    return np.stack([sign * (inner + 0.018 * ease((CROTCH_M - z) / 0.2)), 0 * u], axis=1)


def _sleeve(at: Regions, faces: Array, form: Array) -> Array:
    """A sleeve, cut open along its underside."""
    z = at.position[:, 2] - np.interp(np.abs(at.position[:, 0]), [ARMHOLE_X, 0.376, 0.507], [0.47, 0.268, 0.134])
    back = side(at.position[faces].mean(axis=1)) > 0
    seam = np.isin(np.arange(len(z)), np.intersect1d(faces[back], faces[~back])) & (z < 0)
    cut = np.where(back[:, None] & seam[faces], faces + len(form), faces)
    used, faces = np.unique(cut, return_inverse=True)
    faces, source = faces.reshape(-1, 3), used % len(form)
    behind = np.where(used >= len(form), 1.0, np.where(seam[source], -1.0, np.sign(side(at.position[source]))))
    turn = np.arctan2(np.abs(side(at.position[source])), z[source]) * behind
    v = at.along_arm[source] * ARM_M
    start = np.stack([turn * 0.06, v], axis=1)
    hold = np.full((len(v), 2), PIN / len(v) / 1000)
    return np.asarray(flatten(form[source], faces, start, start, hold)[faces])


def hung_uv(cloth: Surface) -> Array:
    """Texture coordinates (F,3,2) of a garment to which `extend` has just added something: skirts in gores, collars as strips."""
    extended = cloth.attributes["extended"]
    hangs = extended[cloth.faces].any(axis=1)
    faces, uv = cloth.faces[hangs], cloth.uv.copy()
    rim = np.unique(faces[~extended[faces]])
    rows = np.concatenate([cloth.vertices[rim], cloth.vertices[extended]]).reshape(-1, len(rim), 3)
    fallen = np.cumsum(np.linalg.norm(np.diff(rows, axis=0), axis=2), axis=0)
    depth, level = np.zeros(len(extended)), fallen.mean(axis=1)
    if "neck" in cloth.attributes and np.abs(cloth.attributes["neck"][rim]).max() < 0.01:
        length = _length(cloth.vertices, faces, ~extended)
        depth[extended] = fallen.ravel()
        uv[hangs] = _strip(cloth.attributes["position"][faces], depth[faces], length)
    else:
        depth[extended] = np.repeat(level, len(rim))
        growth = _length(cloth.vertices, faces, depth == level[-1]) / _length(cloth.vertices, faces, ~extended)
        uv[hangs] = _flared(uv[hangs], depth[faces] / level[-1], growth)
    return uv


def _length(vertices: Array, faces: Array, on: Array) -> float:
    """Length (m) of the edges whose ends are both on a line (V,)."""
    pairs = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1)
    ends = vertices[pairs[on[pairs].all(axis=-1)]]
    return float(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1).sum())


def _strip(position: Array, up: Array, length: float) -> Array:
    """A collar or hood, open in front: around the neck and up."""
    turn = np.arctan2(position[..., 0], position[..., 1] - NECK_Y)
    turn = turn[:, :1] + (turn - turn[:, :1] + np.pi) % (2 * np.pi) - np.pi
    return np.stack([turn * length / (2 * np.pi) + APART_M * COLLAR, up], axis=-1)


def _flared(uv: Array, down: Array, growth: float) -> Array:
    """What hangs on, `growth` times as wide at its end: as it is, or in gores, which share texels."""
    panel = np.round(uv[:, :1, 0] / APART_M)
    u, grown = uv[..., 0] - APART_M * panel, 1 + (growth - 1) * down
    if growth < STRAIGHT:
        return np.stack([u * grown + APART_M * panel, uv[..., 1]], axis=-1)
    middle = (u.min(axis=1, keepdims=True) + u.max(axis=1, keepdims=True)) / 2
    gore = np.abs(u).max() / 1.5  # three in front, three behind
    return np.stack([(u - gore * np.round(middle / gore)) * grown + APART_M * SKIRT, uv[..., 1]], axis=-1)
