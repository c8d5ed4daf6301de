"""What makes edges of cloth: clip or split along a smooth line, add rows beyond an edge, smooth it, give it a hem."""

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.mesh import weld
from scans.people.surface import Surface, keep_faces, merge, smoothing


def clip(surface: Surface, level: Array) -> Surface:
    """The part where `level` (V,) is positive, cut through triangles along its zero line: a clean hem, no saw teeth."""
    inside = level[surface.faces] > 0
    kept = inside.sum(axis=1)
    pieces, corners = [surface.faces[kept == 3]], [surface.uv[kept == 3]]
    cuts: list[Array] = []
    offset = 0

    def turned(count: int) -> tuple[Array, Array]:
        """Faces with `count` corners inside, turned so that the odd corner comes first."""
        chosen = kept == count
        odd = np.argmax(inside[chosen] == (count == 1), axis=1)
        order = (odd[:, None] + np.arange(3)) % 3
        return np.take_along_axis(surface.faces[chosen], order, 1), np.take_along_axis(surface.uv[chosen], order[..., None], 1)

    def cut(faces: Array, uv: Array, end: int) -> tuple[Array, Array]:
        """New vertices on the edge from corner 0 to corner `end`: their indices and texture coordinates."""
        nonlocal offset
        a, b = faces[:, 0], faces[:, end]
        low, high = np.minimum(a, b), np.maximum(a, b)
        cuts.append(np.stack([low, high], axis=1))
        ids = len(surface.vertices) + offset + np.arange(len(faces))
        offset += len(faces)
        t = (level[a] / (level[a] - level[b]))[:, None]
        return ids, uv[:, 0] * (1 - t) + uv[:, end] * t

    faces, uv = turned(1)
    first, first_uv = cut(faces, uv, 1)
    second, second_uv = cut(faces, uv, 2)
    pieces.append(np.stack([faces[:, 0], first, second], axis=1))
    corners.append(np.stack([uv[:, 0], first_uv, second_uv], axis=1))
    faces, uv = turned(2)
    first, first_uv = cut(faces, uv, 1)
    second, second_uv = cut(faces, uv, 2)
    pieces += [np.stack([first, faces[:, 1], faces[:, 2]], axis=1), np.stack([first, faces[:, 2], second], axis=1)]
    corners += [np.stack([first_uv, uv[:, 1], uv[:, 2]], axis=1), np.stack([first_uv, uv[:, 2], second_uv], axis=1)]

    edges, merged = np.unique(np.concatenate(cuts), axis=0, return_inverse=True)
    a, b = level[edges[:, 0]], level[edges[:, 1]]
    t = a / np.where(a == b, 1.0, a - b)
    made = np.where(t < 1e-6, edges[:, 0], np.where(t > 1 - 1e-6, edges[:, 1], len(surface.vertices) + np.arange(len(edges))))
    remap = np.concatenate([np.arange(len(surface.vertices)), made[merged.reshape(-1)]])

    def extended(values: Array) -> Array:
        if values.dtype == bool:
            return np.concatenate([values, values[edges].all(axis=1)])
        weight = t.reshape(-1, *[1] * (values.ndim - 1))
        return np.concatenate([values, values[edges[:, 0]] * (1 - weight) + values[edges[:, 1]] * weight])

    attributes = {name: extended(values) for name, values in surface.attributes.items()}
    whole = Surface(extended(surface.vertices), remap[np.concatenate(pieces)], np.concatenate(corners), attributes)
    return keep_faces(whole, (whole.faces != np.roll(whole.faces, 1, axis=1)).all(axis=1))  # cuts through a vertex leave flat faces


def open_edges(faces: Array) -> Array:
    """Edges that only one face uses, as numbers 3 * face + corner; the edge runs from that corner to the next."""
    start, end = faces.reshape(-1).astype(np.int64), np.roll(faces, -1, axis=1).reshape(-1).astype(np.int64)
    key = (np.minimum(start, end) << 32) | np.maximum(start, end)
    _, which, uses = np.unique(key, return_inverse=True, return_counts=True)
    return np.flatnonzero(uses[which] == 1)


def edge_ends(faces: Array) -> Array:
    """The open edges' vertices (E,2), in the direction of their face."""
    face, corner = np.divmod(open_edges(faces), 3)
    return faces[face[:, None], np.stack([corner, (corner + 1) % 3], axis=1)]


def snap(surface: Surface, line: str) -> Surface:
    """Move vertices close to the zero line of the attribute `line` onto it, along an edge, so that `clip` leaves no slivers.

    Other attributes and texture coordinates move along. What is on an open edge stays on it.
    """
    faces, level = surface.faces, surface.attributes[line]
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    corner_uv = np.concatenate([surface.uv[:, [0, 1]], surface.uv[:, [1, 2]], surface.uv[:, [2, 0]]])
    pairs, corner_uv = np.concatenate([pairs, pairs[:, ::-1]]), np.concatenate([corner_uv, corner_uv[:, ::-1]])
    a, b = level[pairs[:, 0]], level[pairs[:, 1]]
    share = np.where(a * b < 0, a / np.where(a == b, 1.0, a - b), 1.0)
    on_rim = np.isin(pairs, edge_ends(faces))
    share[on_rim[:, 0] & ~on_rim[:, 1]] = 1.0
    order = np.argsort(share, kind="stable")
    _, first = np.unique(pairs[order, 0], return_index=True)
    chosen = order[first]
    chosen = chosen[share[chosen] < 0.35]
    start, end, t = pairs[chosen, 0], pairs[chosen, 1], share[chosen]

    def moved(values: Array) -> Array:
        values = values.astype(float) if values.dtype != bool else values.copy()
        if values.dtype != bool:
            weight = t.reshape(-1, *[1] * (values.ndim - 1))
            values[start] = values[start] * (1 - weight) + values[end] * weight
        return values

    shift = np.zeros((len(level), 2))
    shift[start] = (corner_uv[chosen, 1] - corner_uv[chosen, 0]) * t[:, None]
    attributes = {name: moved(values) for name, values in surface.attributes.items()}
    attributes[line][start] = 1e-12  # inside, by a hair
    return Surface(moved(surface.vertices), faces, surface.uv + shift[faces], attributes)


def extend(surface: Surface, rim: Array, rows: Array) -> Surface:
    """Add rows (R,N,3) of vertices beyond the open edges between vertices `rim` (N,), each row beyond the former.

    New vertices have their rim vertex's attributes; the attribute `extended` (V,) tells them. Texture coordinates go on along v, downward.
    """
    face, corner = np.divmod(open_edges(surface.faces), 3)
    ends = np.stack([corner, (corner + 1) % 3], axis=1)
    edges, uv = surface.faces[face[:, None], ends], surface.uv[face[:, None], ends]
    local = np.full(len(surface.vertices), -1)
    local[rim] = np.arange(len(rim))
    both = (local[edges] >= 0).all(axis=1)
    local, uv = local[edges[both]], uv[both]
    ids = np.concatenate([rim[None], len(surface.vertices) + np.arange(rows.shape[0] * len(rim)).reshape(rows.shape[:2])])
    whole = np.concatenate([surface.vertices[rim][None], rows])
    depth = np.cumsum(np.linalg.norm(np.diff(whole, axis=0), axis=2).mean(axis=1))
    faces, corners = [surface.faces], [surface.uv]
    above = 0.0
    for outer, under, below in zip(ids[:-1], ids[1:], depth, strict=True):
        a, b, c, d = outer[local[:, 0]], outer[local[:, 1]], under[local[:, 0]], under[local[:, 1]]
        faces += [np.stack([b, a, c], axis=1), np.stack([b, c, d], axis=1)]
        high, low = uv - [0.0, above], uv - [0.0, below]
        corners += [np.stack([high[:, 1], high[:, 0], low[:, 0]], axis=1), np.stack([high[:, 1], low[:, 0], low[:, 1]], axis=1)]
        above = below
    source = np.concatenate([np.arange(len(surface.vertices)), np.tile(rim, len(rows))])
    attributes = {name: values[source] for name, values in surface.attributes.items()}
    attributes["extended"] = np.arange(len(source)) >= len(surface.vertices)
    vertices = np.concatenate([surface.vertices, rows.reshape(-1, 3)])
    return Surface(vertices, np.concatenate(faces), np.concatenate(corners), attributes)


def split(surface: Surface, level: Array) -> Surface:
    """The whole surface, with edges along the zero line of `level` (V,)."""
    whole = merge([clip(surface, level), clip(surface, -level)])
    first, place = weld(whole.vertices)
    attributes = {name: values[first] for name, values in whole.attributes.items()}
    return Surface(whole.vertices[first], place[whole.faces], whole.uv, attributes)


def loops(faces: Array) -> list[Array]:
    """Vertices (N,) of every closed line of open edges, in the order in which its edges follow each other."""
    ends = edge_ends(faces)
    rim, local = np.unique(ends, return_inverse=True)
    local = local.reshape(-1, 2)
    graph = sparse.coo_matrix((np.ones(len(local)), (local[:, 0], local[:, 1])), (len(rim), len(rim))).tocsr()
    count, member = csgraph.connected_components(graph, directed=False)
    starts = [int(np.argmax(member == loop)) for loop in range(count)]
    return [rim[csgraph.depth_first_order(graph, start, return_predecessors=False)] for start in starts]


def away(surface: Surface, rim: Array) -> Array:
    """Distance (V,) in metres of every vertex from the open edges between vertices `rim` (N,)."""
    ends = edge_ends(surface.faces)
    ends = surface.vertices[ends[np.isin(ends, rim).all(axis=1)]]
    if not len(ends):
        return np.full(len(surface.vertices), np.inf)
    along = np.linspace(0, 1, 8)[:, None, None]
    return np.asarray(cKDTree((ends[:, 0] * (1 - along) + ends[:, 1] * along).reshape(-1, 3)).query(surface.vertices)[0])


def press(surface: Surface, distance: Array, depth: float, rounds: int) -> Surface:
    """Iron the cloth within `depth` metres of its open edges, from which vertices are `distance` (V,): edges are smoothed along
    themselves, what is behind them toward its neighbours, less and less. Nothing shrinks (Taubin 1995)."""
    ends, count = edge_ends(surface.faces), len(surface.vertices)
    beside = sparse.coo_matrix((np.full(2 * len(ends), 0.25), (ends.reshape(-1), ends[:, ::-1].reshape(-1))), (count, count))
    on_rim = np.bincount(ends.reshape(-1), minlength=count) == 2
    near = np.flatnonzero(distance < depth)
    along, across = sparse.diags(on_rim.astype(float)), sparse.diags((~on_rim).astype(float))
    mean = (across @ smoothing(surface.faces, count) + along @ (beside + 0.5 * sparse.identity(count))).tocsr()[near]
    share = (1 - distance[near] / depth)[:, None]
    vertices = surface.vertices.copy()
    for way in (1.0, -1.03) * rounds:
        vertices[near] += way * share * (mean @ vertices - vertices[near])
    return surface.moved(vertices)


def hem(surface: Surface, thickness: float, depth: float, distance: Array) -> Surface:
    """Fold every open edge inward by `thickness` and back along the inside of the surface by `depth` (metres): cloth has an edge.

    distance (V,): of vertices from the edges. Uses the attribute `normal` (V,3): the surface's own are bad beside slivers.
    Adds the attribute `folded` (V,): which vertices are new.
    """
    face, corner = np.divmod(open_edges(surface.faces), 3)
    ends = np.stack([corner, (corner + 1) % 3], axis=1)
    edges, uv = surface.faces[face[:, None], ends], surface.uv[face[:, None], ends]
    behind = (distance[surface.faces] <= depth).all(axis=1)
    behind[face] = True
    source, lining = np.unique(surface.faces[behind], return_inverse=True)
    first = len(surface.vertices)
    under = np.zeros(first, int)
    under[source] = first + np.arange(len(source))
    a, b = edges.T
    c, d = under[a], under[b]
    walls = np.concatenate([np.stack([b, a, c], axis=1), np.stack([b, c, d], axis=1)])
    faces = np.concatenate([surface.faces, first + lining.reshape(-1, 3)[:, ::-1], walls])
    corners = np.concatenate([surface.uv, surface.uv[behind][:, ::-1], uv[:, [1, 0, 0]], uv[:, [1, 0, 1]]])
    slope = 1 - 0.8 * np.clip(distance[source] / depth, 0, 1)  # so that the inner end does not show
    inner = surface.vertices[source] - (thickness * slope)[:, None] * surface.attributes["normal"][source]
    attributes = {name: np.concatenate([values, values[source]]) for name, values in surface.attributes.items()}
    attributes["normal"][first:] *= -1
    attributes["folded"] = np.arange(first + len(source)) >= first
    return Surface(np.concatenate([surface.vertices, inner]), faces, corners, attributes)
