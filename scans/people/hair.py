"""Hair and beards: shells grown from the skin inside a hairline, long hair as a curtain that hangs outside the body."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from datasets.conventions import Array
from scans.people.noise import Waves
from scans.people.surface import Surface, clip, hem, keep_faces, normals

CENTRE = np.array([0.0, -0.020, 0.745])  # of the skull on the template, m

#: Hairline: azimuth from the face (degrees) -> elevation above the centre of the skull (degrees).
LINE = np.array([[0, 36], [22, 35], [42, 30], [56, 18], [70, 0], [80, -12], [88, 4], [105, 6], [118, -14], [132, -36], [180, -42]], float)

#: Style -> (thickness in m at the top, at the sides; unevenness in m; length below the ear in m, 0: none)
STYLES = {
    "shaved": (0.0, 0.0, 0.0, 0.0),
    "cropped": (0.006, 0.004, 0.0010, 0.0),
    "short": (0.020, 0.010, 0.003, 0.0),
    "side part": (0.028, 0.012, 0.004, 0.0),
    "curly": (0.040, 0.032, 0.007, 0.0),
    "afro": (0.070, 0.065, 0.006, 0.0),
    "bob": (0.020, 0.018, 0.003, 0.10),
    "long": (0.018, 0.016, 0.003, 0.30),
    "bun": (0.012, 0.008, 0.002, 0.0),
}


@dataclass(frozen=True)
class Skin:
    """The posed skin that hair grows on: positions and normals (V,3), faces (F,3), and the template's positions (V,3)."""

    vertices: Array
    normals: Array
    faces: Array
    template: Array
    ears: Array


def hairline(template: Array) -> Array:
    """How far (m) inside the hairline points of the template are."""
    azimuth, elevation, radius = _spherical(template)
    line = np.interp(np.abs(azimuth), LINE[:, 0], LINE[:, 1])
    return np.where(radius < 0.2, np.deg2rad(elevation - line) * 0.1, -0.1)


def beard_line(template: Array) -> Array:
    """How far (m) inside the region of a full beard points of the template are."""
    x, y, z = np.abs(template[:, 0]), template[:, 1], template[:, 2]
    back = y + 0.14
    upper = 0.684 + 0.75 * np.maximum(back - 0.035, 0) - np.interp(x, [0.018, 0.036], [-0.003, 0.012]) - z
    lower = z - (0.625 + 0.30 * np.maximum(back - 0.02, 0))
    return np.where(np.linalg.norm(template - CENTRE, axis=1) < 0.2, np.minimum.reduce([upper, lower, -0.015 - y]), -0.1)


def grow(style: str, skin: Skin, clothes: tuple[Array, Array], rng: np.random.Generator) -> list[Surface]:
    """The pieces of a hairdo, posed, outside of `clothes` (vertices, normals); none when shaved.

    Texture u runs around the head, v along the strands (metres).
    """
    top, sides, rough, length = STYLES[style]
    if top == 0:
        return []
    level = np.minimum(hairline(skin.template), (0.35 - skin.ears) * 0.03)
    azimuth, elevation, _ = _spherical(skin.template)
    high = np.clip((elevation + 10) / 70, 0, 1)
    thick = (sides + (top - sides) * high) * _ease(level / 0.04) + 0.0012
    if style == "side part":
        thick *= 1 - 0.65 * np.exp(-(((azimuth - rng.choice([-1, 1]) * 35) / 9) ** 2)) * np.clip(elevation / 30, 0, 1)
    level = level + 0.002 * Waves(rng, 0.03, 10)(skin.template)
    waves, locks = Waves(rng, 0.05 if style in ("curly", "afro") else 0.10, 10), rng.integers(14, 26)
    ridge = np.sin(np.deg2rad(azimuth) * locks + 3 * waves(skin.template)) * (style not in ("curly", "afro"))
    thick += rough * (waves(skin.template) + 0.5 * ridge) * _ease(level / 0.03)
    pieces = [_shell(skin, level, np.maximum(thick, 0.001), 0.004)]
    if length:
        pieces.append(_curtain(skin, clothes, length * rng.uniform(0.8, 1.25), max(sides, 0.014), rough, rng))
    if style == "bun":
        pieces.append(_bun(skin, rng))
    return pieces


def grow_beard(length: float, skin: Skin, lips: Array, rng: np.random.Generator) -> Surface:
    """A full beard of `length` metres; `lips` (V,) 0 to 1 stay free."""
    level = np.minimum.reduce([beard_line(skin.template), (0.3 - lips) * 0.02, (0.35 - skin.ears) * 0.03])
    level = level + 0.002 * Waves(rng, 0.012, 10)(skin.template)
    waves = Waves(rng, 0.02, 10)
    thick = 0.001 + length * _ease(level / 0.02) * (0.8 + 0.25 * waves(skin.template))
    return _shell(skin, level, thick, 0.003)


def _shell(skin: Skin, level: Array, thick: Array, edge: float) -> Surface:
    azimuth, elevation, _ = _spherical(skin.template)
    whole = Surface(
        skin.vertices + skin.normals * thick[:, None],
        skin.faces,
        _strand_uv(azimuth, 90 - elevation, skin.faces),
        {"level": level, "normal": skin.normals},
    )
    near = keep_faces(whole, (level[skin.faces] > -0.02).any(axis=1))
    return hem(clip(near, near.attributes["level"]), edge, 0.004)


def _curtain(skin: Skin, clothes: tuple[Array, Array], length: float, thick: float, rough: float, rng: np.random.Generator) -> Surface:
    """Hair that falls from the back of the head, closed like a thick sheet: a radius for every direction and height
    about the vertical axis through the head, outside of head, neck, back and clothes."""
    columns, rows, width = 49, 28, 84.0
    azimuth, elevation, radius = _spherical(skin.template)
    head = skin.vertices[(radius < 0.16) & (elevation > -5) & (hairline(skin.template) > 0)]
    middle = (head.min(axis=0) + head.max(axis=0)) / 2
    top, drop = float(np.quantile(head[:, 2], 0.5)), 0.12 + length
    down = np.linspace(0, 1, rows)[:, None]
    around = np.linspace(-width, width, columns)[None] * (1 - 0.45 * down * min(1.0, length / 0.2))  # narrower below: behind the shoulders

    face = (radius < 0.16) & (np.abs(azimuth) < 25) & (np.abs(elevation) < 30)
    facing = np.degrees(np.arctan2(*(skin.vertices[face].mean(axis=0) - middle)[:2] * np.array([1, -1])))
    ears = (np.abs(skin.template[:, 0]) > 0.068) & (radius < 0.14) & (elevation < 15)  # hair falls over them
    solid = np.concatenate([skin.vertices[~ears], clothes[0]])
    flat = solid[:, :2] - middle[:2]
    distance, angle = np.linalg.norm(flat, axis=1), np.degrees(np.arctan2(flat[:, 0], flat[:, 1])) + facing
    angle = (angle + 180) % 360 - 180
    row = np.round((top - solid[:, 2]) / drop * (rows - 1)).astype(int)
    near = (row >= 0) & (row < rows) & (distance < 0.24) & (np.abs(angle) <= width)
    column = np.round((angle[near] / width + 1) / 2 * (columns - 1)).astype(int)
    needed = np.zeros((rows, columns))
    np.maximum.at(needed, (row[near], column), distance[near])
    straight = (around / width + 1) / 2 * (columns - 1)
    needed = ndimage.gaussian_filter(ndimage.maximum_filter(needed, 3, mode="nearest"), 1.2, mode="nearest")
    needed = ndimage.map_coordinates(needed, [np.broadcast_to(np.arange(rows)[:, None], straight.shape), straight], order=1, mode="nearest")

    reach = np.maximum(needed, needed[:1] * (1 - 0.25 * down)) + thick * np.minimum(0.3 + 4 * down, 1)
    reach = np.minimum(reach, reach[:1] + 0.07 * down)  # a raised shoulder disappears in hair, it does not spread it
    for i in range(1, rows):  # what lies on the shoulders does not turn in below them
        reach[i] = np.maximum(reach[i], reach[i - 1] - 0.35 * drop / (rows - 1))
    reach = ndimage.gaussian_filter(reach, 1.5, mode="nearest")
    reach = reach - 0.035 * np.abs(np.linspace(-1, 1, columns)) ** 4  # its edges turn in, toward the head
    reach = reach - 0.022 * np.clip(1 - 8 * down * drop / 0.3, 0, 1)  # and its upper edge lies under the cap
    locks = np.sin(np.deg2rad(around) * rng.integers(12, 20) + rng.uniform(0, 6) + 2 * np.sin(3 * down + rng.uniform(0, 6)))
    reach = reach + rough * locks * np.clip(4 * down, 0, 1)
    ends = 1 - 0.12 * np.abs(around / width) ** 2 + 0.02 * np.sin(np.deg2rad(around) * 7 + rng.uniform(0, 6))
    turn = np.deg2rad(around - facing)
    z = np.broadcast_to(top - drop * down * ends, reach.shape)
    grid = np.stack([middle[0] + reach * np.sin(turn), middle[1] + reach * np.cos(turn), z], axis=-1)
    return _thick_sheet(grid, around[0], thick)


def _thick_sheet(grid: Array, around: Array, thick: float) -> Surface:
    """A closed slab whose outer side is a grid (R,C,3); columns run counter-clockwise seen from above, rows down."""
    rows, columns, _ = grid.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    flat = grid.reshape(-1, 3)
    inward = -normals(flat, faces) * thick
    edge = np.minimum.reduce(
        np.broadcast_arrays(np.arange(columns)[None], np.arange(columns)[::-1][None], np.arange(rows)[::-1][:, None] * 0.6)
    )
    taper = np.clip(edge / 4 + 0.15, 0, 1).reshape(-1, 1)
    count = len(flat)
    inner = flat + inward
    outer = inner - inward * taper
    rim = np.concatenate([index[:, 0], index[-1, 1:], index[-2::-1, -1], index[0, -2:0:-1]])
    following = np.roll(rim, -1)
    wall = np.concatenate([np.stack([following, rim, rim + count], axis=1), np.stack([following, rim + count, following + count], axis=1)])
    v = np.repeat(np.linspace(0, 1, rows) * np.linalg.norm(grid[-1].mean(0) - grid[0].mean(0)), columns)
    uv = np.tile(np.stack([np.tile(np.deg2rad(around) * 0.1, rows), v], axis=1), (2, 1))
    faces = np.concatenate([faces, faces[:, ::-1] + count, wall])
    return Surface(np.concatenate([outer, inner]), faces, uv[faces])


def _bun(skin: Skin, rng: np.random.Generator) -> Surface:
    """A knot at the back of the head."""
    azimuth, elevation, radius = _spherical(skin.template)
    angle = rng.uniform(0, 40)
    place = np.argmin((np.abs(np.abs(azimuth) - 180) + np.abs(elevation - angle)) + 1000 * (radius > 0.2))
    size = rng.uniform(0.028, 0.042)
    centre = skin.vertices[place] + skin.normals[place] * size * 0.8
    rows, columns = 24, 36
    polar, turn = np.meshgrid(np.linspace(0.0, np.pi, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False), indexing="ij")
    swirl = 1 + 0.06 * np.sin(6 * turn + 5 * polar)
    axis = skin.normals[place]
    side = np.cross(axis, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    up = np.cross(side, axis)
    points = (
        size
        * swirl[..., None]
        * (
            0.75 * np.cos(polar)[..., None] * axis
            + np.sin(polar)[..., None] * (np.cos(turn)[..., None] * side + np.sin(turn)[..., None] * up)
        )
    )
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], index[1:], right[1:], right[:-1]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices = centre + points.reshape(-1, 3)
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    if np.einsum("ij,ij->", np.cross(b - a, c - a), a - centre) < 0:
        faces = faces[:, ::-1]
    uv = np.stack([polar.reshape(-1) * size + 0.15 * turn.reshape(-1) * size, turn.reshape(-1) * size], axis=1)
    return Surface(vertices, faces, uv[faces])


def _spherical(template: Array) -> tuple[Array, Array, Array]:
    """Azimuth (degrees, 0 at the face, positive to the left) and elevation about the skull's centre, and distance (m)."""
    d = template - CENTRE
    radius = np.linalg.norm(d, axis=1)
    azimuth = np.degrees(np.arctan2(d[:, 0], -d[:, 1]))
    return azimuth, np.degrees(np.arcsin(np.clip(d[:, 2] / np.maximum(radius, 1e-9), -1, 1))), radius


def _strand_uv(azimuth: Array, down: Array, faces: Array) -> Array:
    """Texture coordinates (F,3,2), metres on a head of radius 0.1 m: u around, v down from the crown; u is unwrapped per face."""
    u = np.deg2rad(azimuth)[faces]
    u = u[:, :1] + (u - u[:, :1] + np.pi) % (2 * np.pi) - np.pi
    return np.stack([u * 0.1, np.deg2rad(down)[faces] * 0.1], axis=-1)


def _ease(t: Array) -> Array:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)
