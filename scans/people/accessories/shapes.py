"""Closed solids: swept, turned, cut from plate, blown up, or a sheet made thick. All face outward; uv are metres."""

import numpy as np

from datasets.conventions import Array
from scans.people.surface import Surface, normals


def closed(rows: Array) -> Surface:
    """A closed surface over a grid (R,C,3): columns run around, the first and the last row are closed by fans."""
    count, columns, _ = rows.shape
    index = np.arange(count * columns).reshape(count, columns)
    uv = _grid_uv(rows)
    faces, corners = _quads(index, uv, True)
    vertices = rows.reshape(-1, 3)
    for row, flip in ((0, False), (count - 1, True)):
        ring = index[row]
        fan = np.stack([np.roll(ring, -1), ring, np.full(columns, len(vertices))], axis=1)
        centre = rows[row].mean(axis=0)
        flat = np.linalg.norm(rows[row] - centre, axis=1)[:, None] * np.stack(
            [np.cos(2 * np.pi * np.arange(columns) / columns), np.sin(2 * np.pi * np.arange(columns) / columns)], axis=1
        )
        faces = np.concatenate([faces, fan[:, ::-1] if flip else fan])
        corner = np.stack([np.roll(flat, -1, axis=0), flat, np.zeros_like(flat)], axis=1)
        corners = np.concatenate([corners, corner[:, ::-1] if flip else corner])
        vertices = np.concatenate([vertices, centre[None]])
    return outward(Surface(vertices, faces, corners))


def ring(rows: Array) -> Surface:
    """A closed surface over a grid (R,C,3) that wraps both ways: a torus."""
    rows_closed = np.concatenate([rows, rows[:1]])
    index = np.arange(rows.shape[0] * rows.shape[1]).reshape(rows.shape[:2])
    faces, corners = _quads(np.concatenate([index, index[:1]]), _grid_uv(rows_closed), True)
    return outward(Surface(rows.reshape(-1, 3), faces, corners))


def _grid_uv(rows: Array) -> Array:
    """Coordinates (R,C+1,2) of a grid's corners, metres along its rows and columns on average."""
    across = np.linalg.norm(np.roll(rows, -1, axis=1) - rows, axis=2).mean(axis=0)
    down = np.linalg.norm(np.diff(rows, axis=0), axis=2).mean(axis=1)
    u, v = np.concatenate([[0.0], np.cumsum(across)]), np.concatenate([[0.0], np.cumsum(down)])
    return np.stack(np.broadcast_arrays(u[None], v[:, None]), axis=-1)


def _quads(index: Array, uv: Array, wrap: bool) -> tuple[Array, Array]:
    columns = index.shape[1]
    last = columns if wrap else columns - 1
    here, there = np.arange(last), (np.arange(last) + 1) % columns
    quads = np.stack([index[:-1][:, here], index[:-1][:, there], index[1:][:, there], index[1:][:, here]], axis=-1).reshape(-1, 4)
    corners = np.stack([uv[:-1, :last], uv[:-1, 1 : last + 1], uv[1:, 1 : last + 1], uv[1:, :last]], axis=-2).reshape(-1, 4, 2)
    triangles, corner = ([values[:, [0, 1, 2]], values[:, [0, 2, 3]]] for values in (quads, corners))
    return np.concatenate(triangles), np.concatenate(corner)


def outward(surface: Surface) -> Surface:
    """A closed surface with its faces turned so that the volume is positive."""
    if volume(surface) >= 0:
        return surface
    return Surface(surface.vertices, surface.faces[:, ::-1], surface.uv[:, ::-1], surface.attributes)


def volume(surface: Surface) -> float:
    """Signed volume (cubic metres) of a closed surface: positive when faces are counter-clockwise from outside."""
    a, b, c = (surface.vertices[surface.faces[:, i]] - surface.vertices.mean(axis=0) for i in range(3))
    return float(np.einsum("ij,ij->", np.cross(a, b), c) / 6)


def rounded(width: float, height: float, radius: float, steps: int = 3) -> Array:
    """A rectangle (M,2) with round corners, and with a vertex beside each corner so that its flat sides look flat."""
    radius = min(radius, 0.499 * width, 0.499 * height)
    turn = np.linspace(0, np.pi / 2, steps + 1)
    arc = radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    beside = 0.3 * min(radius, width / 2 - radius, height / 2 - radius)
    arc = np.concatenate([[[radius, -beside]], arc, [[-beside, radius]]])
    corner = np.array([width / 2 - radius, height / 2 - radius])
    quarter = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]).round() for a in np.pi / 2 * np.arange(4)]
    return np.concatenate(
        [arc @ q.T + np.abs(corner) * np.array(s) for q, s in zip(quarter, ((1, 1), (-1, 1), (-1, -1), (1, -1)), strict=True)]
    )


def superellipse(width: float, height: float, exponent: float, count: int) -> Array:
    """An outline (count,2) between an ellipse (exponent 2) and a rectangle (large)."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    radius = (np.abs(2 * cosine / width) ** exponent + np.abs(2 * sine / height) ** exponent) ** (-1 / exponent)
    return radius[:, None] * np.stack([cosine, sine], axis=1)


def sweep(path: Array, profile: Array, up: Array, loop: bool = False, scale: Array | None = None) -> Surface:
    """A profile (M,2) moved along a path (N,3): its first axis lies across, its second along `up` (3,) or (N,3), made
    square to the path. `loop`: the path is closed; otherwise the ends are, with a bevel. scale (N,) or (N,2) of the profile."""
    step = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    if not loop:
        step[0], step[-1] = path[1] - path[0], path[-1] - path[-2]
    along = unit(step)
    up = np.broadcast_to(up, path.shape)
    up = unit(up - along * np.einsum("ij,ij->i", up, along)[:, None])
    across = np.cross(along, up)
    factor = np.ones((len(path), 2)) if scale is None else np.broadcast_to(np.reshape(scale, (len(path), -1)), (len(path), 2))
    if loop:
        return ring(_swept(path, across, up, profile, factor))
    bevel = 0.35 * float(np.abs(profile).max(axis=0).min())
    grid = _swept(path, across, up, profile, factor)
    caps = [end + 0.75 * (row - end) + out * bevel for end, row, out in ((path[0], grid[0], -along[0]), (path[-1], grid[-1], along[-1]))]
    return closed(np.concatenate([caps[0][None], grid, caps[1][None]]))


def _swept(path: Array, across: Array, up: Array, profile: Array, factor: Array) -> Array:
    local = profile[None] * factor[:, None]
    return np.asarray(path[:, None] + local[..., :1] * across[:, None] + local[..., 1:] * up[:, None])


def lathe(profile: Array, columns: int = 48) -> Surface:
    """A solid of revolution about z from its profile (R,2): radius and height, from one end to the other."""
    turn = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], axis=1)
    return closed(profile[:, None, :1] * circle + profile[:, None, 1:] * np.array([0.0, 0, 1]))


def plate(outline: Array, thickness: float, bevel: float) -> Surface:
    """A plate in the xy plane, centred, cut along a star-shaped outline (M,2), its edges bevelled."""
    centre = outline.mean(axis=0)
    size = np.abs(outline - centre).max()
    z = thickness / 2
    inset = 1 - bevel / size
    levels = [(0.5 * inset, z), (inset - 0.02, z), (inset, z), (1 - 0.3 * bevel / size, z - 0.3 * bevel), (1.0, z - bevel)]
    levels += [(scale, -height) for scale, height in levels[::-1]]
    rows = [np.column_stack([centre + scale * (outline - centre), np.full(len(outline), height)]) for scale, height in levels]
    return closed(np.stack(rows))


def cushion(size: Array, soft: float = 0.4, rows: int = 33, columns: int = 64) -> Surface:
    """A superellipsoid of the given size (3,) about the origin: a box for small `soft`, an ellipsoid at 1."""
    turn = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    lift = np.linspace(-np.pi / 2, np.pi / 2, rows + 2)[1:-1, None]

    def power(values: Array) -> Array:
        return np.asarray(np.sign(values) * np.abs(values) ** soft)

    around = power(np.cos(lift))
    points = np.stack(np.broadcast_arrays(around * power(np.cos(turn)), around * power(np.sin(turn)), power(np.sin(lift))), axis=-1)
    return closed(points * np.asarray(size) / 2)


def slab(grid: Array, thickness: float, loop: bool = False, around: Array | None = None) -> Surface:
    """A sheet (R,C,3) made `thickness` metres thick toward its outside, away from `around` (3,), or from the middle of a loop.

    loop: its columns close.
    """
    rows, columns, _ = grid.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    faces, _ = _quads(index, np.zeros((rows, columns + 1, 2)), loop)
    normal = normals(grid.reshape(-1, 3), faces).reshape(grid.shape)
    middle = grid.mean(axis=(0, 1)) if around is None else around
    if np.einsum("rci,rci->", normal, grid - middle) < 0:
        normal = -normal
    bevel = np.ones((rows, columns, 1))
    bevel[[0, -1]] *= 0.7
    if not loop:
        bevel[:, [0, -1]] *= 0.7
    outer, inner = grid + normal * thickness * bevel, grid + normal * thickness * (1 - bevel)
    if loop:
        return ring(np.concatenate([inner, outer[::-1]]))
    around = np.concatenate([inner, outer[:, ::-1]], axis=1)  # each row runs out and back
    return closed(around)


def unit(vectors: Array) -> Array:
    """Vectors (...,3) of length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def moved(surface: Surface, rotation: Array, offset: Array) -> Surface:
    """A surface turned, or mirrored, by axes (3,3) in columns, and moved by (3,)."""
    placed = surface.moved(surface.vertices @ rotation.T + offset)
    return placed if np.linalg.det(rotation) > 0 else Surface(placed.vertices, placed.faces[:, ::-1], placed.uv[:, ::-1])


def merged(surfaces: list[Surface]) -> Surface:
    """Several surfaces as one."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in surfaces[:-1])])
    faces = np.concatenate([s.faces + offset for s, offset in zip(surfaces, offsets, strict=True)])
    return Surface(np.concatenate([s.vertices for s in surfaces]), faces, np.concatenate([s.uv for s in surfaces]))


def resample(path: Array, count: int, loop: bool = False) -> Array:
    """Points (count,3) evenly along a polyline (N,3), or along a closed one."""
    whole = np.concatenate([path, path[:1]]) if loop else path
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(whole, axis=0), axis=1))])
    wanted = np.linspace(0, at[-1], count, endpoint=not loop)
    return np.stack([np.interp(wanted, at, whole[:, i]) for i in range(whole.shape[1])], axis=1)
