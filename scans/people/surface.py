"""Small algebra of triangle surfaces: subdivide, clip along a smooth line, give a hem, keep texture coordinates per corner."""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from datasets.conventions import Array


@dataclass(frozen=True)
class Surface:
    """A triangle mesh.

    vertices (V,3) metres; faces (F,3) counter-clockwise from outside; uv (F,3,2) per corner, so that seams need no
    double vertices; attributes: name -> (V,...) numbers that are interpolated wherever vertices are.
    """

    vertices: Array
    faces: Array
    uv: Array
    attributes: dict[str, Array] = field(default_factory=dict)

    def moved(self, vertices: Array) -> "Surface":
        """The same surface with other positions."""
        return replace(self, vertices=vertices)


def triangulate(quads: Array) -> Array:
    """Quads (Q,4[,k]) to triangles (2Q,3[,k]), each quad's two triangles side by side."""
    return np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3, *quads.shape[2:])


def catmull_clark(quads: Array, count: int, split: Array) -> tuple[sparse.csr_matrix, Array, Array]:
    """One step of Catmull-Clark subdivision (Catmull & Clark 1978; boundaries as cubic B-splines, DeRose et al. 1998).

    quads (Q,4) index `count` vertices; `split` (Q,) says which of them become four. Returns the matrix (V',count) that
    makes the new vertices from the old ones, the quads that the split ones became, and the outlines (W,8) of the others:
    corner, middle of the edge, corner, ..., the middle being -1 where the neighbour is not split. Old vertices keep
    their index. The matrix depends on the topology only: compute it once.
    """
    number = len(quads)
    pairs = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    edges, which, uses = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    rows = np.repeat(np.arange(number), 4)
    face_points = _sparse(rows, quads.reshape(-1), 0.25, (number, count))
    ends = np.repeat(np.arange(len(edges)), 2)
    midpoints = _sparse(ends, edges.reshape(-1), 0.5, (len(edges), count))
    inner = uses == 2
    beside = _sparse(which, rows, 1.0, (len(edges), number)) @ face_points
    edge_points = _scale(midpoints, np.where(inner, 0.5, 1.0)) + _scale(beside, np.where(inner, 0.25, 0.0))

    valence = np.bincount(quads.reshape(-1), minlength=count).astype(float)
    share = 1.0 / np.maximum(valence, 1.0)
    around = _sparse(quads.reshape(-1), rows, 1.0, (count, number)) @ face_points
    touching = _sparse(edges.reshape(-1), ends, 1.0, (count, len(edges)))
    degree = np.bincount(edges.reshape(-1), minlength=count)
    inside = _scale(around, share**2) + _scale(touching @ midpoints, 2 * share / np.maximum(degree, 1))
    inside = inside + sparse.diags((valence - 3) * share)
    rim = _sparse(edges[~inner].reshape(-1), np.repeat(np.arange((~inner).sum()), 2), 1.0, (count, int((~inner).sum())))
    on_rim = np.asarray(rim.sum(axis=1)).ravel()
    border = _scale(rim @ midpoints[~inner], 0.5 / np.maximum(on_rim, 1)) + 0.5 * sparse.identity(count)
    vertex_points = _scale(inside, ((on_rim == 0) & (valence > 0)).astype(float)) + _scale(border, (on_rim > 0).astype(float))

    divided = np.bincount(which, np.repeat(split, 4), len(edges)) > 0
    corner_edges = (count + which).reshape(number, 4)
    centre = np.broadcast_to((count + len(edges) + np.arange(number))[:, None], (number, 4))
    new = np.stack([quads, corner_edges, centre, np.roll(corner_edges, 1, axis=1)], axis=-1)
    middles = np.where(divided[which].reshape(number, 4), corner_edges, -1)
    outlines = np.stack([quads, middles], axis=-1).reshape(-1, 8)[~split]
    return sparse.vstack([vertex_points, edge_points, face_points]).tocsr(), new[split].reshape(-1, 4), outlines


def subdivide_uv(uv: Array, split: Array) -> tuple[Array, Array]:
    """Corner coordinates of what `catmull_clark` makes of quads with corners uv (Q,4,2): of quads (...,4,2) and outlines (W,8,2)."""
    middle = (uv + np.roll(uv, -1, axis=1)) / 2
    centre = np.broadcast_to(uv.mean(axis=1, keepdims=True), uv.shape)
    made = np.stack([uv, middle, centre, np.roll(middle, 1, axis=1)], axis=2)[split].reshape(-1, 4, 2)
    return made, np.stack([uv, middle], axis=2).reshape(-1, 8, 2)[~split]


def fill(outlines: Array, uv: Array) -> tuple[Array, Array]:
    """Triangles (F,3) and corner coordinates (F,3,2) of `catmull_clark`'s outlines (W,8), fanned so that no crack opens."""
    faces, corners = [np.zeros((0, 3), int)], [np.zeros((0, 3, 2))]
    present = outlines >= 0
    for pattern in np.unique(present, axis=0):
        chosen = (present == pattern).all(axis=1)
        places = np.flatnonzero(pattern)
        odd = places[places % 2 == 1]  # from the middle of an edge no triangle of the fan is flat
        ring = np.roll(places, -int(np.flatnonzero(places == odd[0])[0])) if len(odd) else places
        for second, third in itertools.pairwise(ring[1:]):
            faces.append(outlines[chosen][:, [ring[0], second, third]])
            corners.append(uv[chosen][:, [ring[0], second, third]])
    return np.concatenate(faces), np.concatenate(corners)


def normals(vertices: Array, faces: Array) -> Array:
    """Smooth unit vertex normals (V,3), weighted by face area."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    total = np.stack([np.bincount(faces.reshape(-1), np.repeat(face[:, i], 3), len(vertices)) for i in range(3)], axis=-1)
    return total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-20)


def smoothing(faces: Array, count: int) -> sparse.csr_matrix:
    """The matrix that moves every vertex half-way to the mean of its neighbours."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    graph = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count)).tocsr()
    graph = ((graph + graph.T) > 0).astype(float)
    degree = np.asarray(graph.sum(axis=1)).ravel()
    return (0.5 * _scale(graph, 1 / np.maximum(degree, 1)) + sparse.diags(np.where(degree > 0, 0.5, 1.0))).tocsr()


def merge(surfaces: list[Surface]) -> Surface:
    """Several surfaces as one, without attributes."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in surfaces[:-1])])
    faces = np.concatenate([s.faces + offset for s, offset in zip(surfaces, offsets, strict=True)])
    return Surface(np.concatenate([s.vertices for s in surfaces]), faces, np.concatenate([s.uv for s in surfaces]))


def keep_faces(surface: Surface, chosen: Array) -> Surface:
    """The surface of some faces, without the vertices that nothing uses any more."""
    used, faces = np.unique(surface.faces[chosen], return_inverse=True)
    attributes = {name: values[used] for name, values in surface.attributes.items()}
    return Surface(surface.vertices[used], faces.reshape(-1, 3), surface.uv[chosen], attributes)


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
        weight = t.reshape(-1, *[1] * (values.ndim - 1))
        return np.concatenate([values, values[edges[:, 0]] * (1 - weight) + values[edges[:, 1]] * weight])

    attributes = {name: extended(values) for name, values in surface.attributes.items()}
    whole = Surface(extended(surface.vertices), remap[np.concatenate(pieces)], np.concatenate(corners), attributes)
    return keep_faces(whole, (whole.faces != np.roll(whole.faces, 1, axis=1)).all(axis=1))  # cuts through a vertex leave flat faces


def open_edges(faces: Array) -> Array:
    """Edges that only one face uses, as numbers 3 * face + corner; the edge runs from that corner to the next."""
    pairs = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    _, which, uses = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.flatnonzero(uses[which.reshape(-1)] == 1)


def edge_ends(faces: Array) -> Array:
    """The open edges' vertices (E,2), in the direction of their face."""
    face, corner = np.divmod(open_edges(faces), 3)
    return faces[face[:, None], np.stack([corner, (corner + 1) % 3], axis=1)]


def snap(surface: Surface, line: str) -> Surface:
    """Move vertices close to the zero line of the attribute `line` onto it, along an edge, so that `clip` leaves no slivers.

    Other attributes and texture coordinates move along.
    """
    faces, level = surface.faces, surface.attributes[line]
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    corner_uv = np.concatenate([surface.uv[:, [0, 1]], surface.uv[:, [1, 2]], surface.uv[:, [2, 0]]])
    pairs, corner_uv = np.concatenate([pairs, pairs[:, ::-1]]), np.concatenate([corner_uv, corner_uv[:, ::-1]])
    a, b = level[pairs[:, 0]], level[pairs[:, 1]]
    share = np.where(a * b < 0, a / np.where(a == b, 1.0, a - b), 1.0)
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


def hem(surface: Surface, thickness: float, depth: float, closed: bool = False) -> Surface:
    """Fold every open edge inward by `thickness` and back under the surface by `depth` (metres): cloth has an edge.

    Uses the attribute `normal` (V,3), the surface's normals from before it was cut: slivers along a cut have bad ones.
    `closed` spans each opening behind its fold, so that nobody looks through a sleeve. Adds the attribute `folded` (V,):
    which vertices are new.
    """
    face, corner = np.divmod(open_edges(surface.faces), 3)
    ends = np.stack([corner, (corner + 1) % 3], axis=1)
    edges, uv = surface.faces[face[:, None], ends], surface.uv[face[:, None], ends]
    rim, local = np.unique(edges, return_inverse=True)
    local = local.reshape(-1, 2)
    position, up = surface.vertices[rim], surface.attributes["normal"][rim]
    step = surface.vertices[edges[:, 1]] - surface.vertices[edges[:, 0]]
    along = np.zeros_like(position)
    np.add.at(along, local[:, 0], step)
    np.add.at(along, local[:, 1], step)
    back = np.cross(up, along)  # a face lies to the left of its edges
    back /= np.maximum(np.linalg.norm(back, axis=1, keepdims=True), 1e-12)
    inner = position - up * thickness
    first = len(surface.vertices)
    rows = [rim, first + np.arange(len(rim)), first + len(rim) + np.arange(len(rim))]
    faces, corners = [surface.faces], [surface.uv]
    for outer, under in itertools.pairwise(rows):
        a, b, c, d = outer[local[:, 0]], outer[local[:, 1]], under[local[:, 0]], under[local[:, 1]]
        faces += [np.stack([b, a, c], axis=1), np.stack([b, c, d], axis=1)]
        corners += [uv[:, [1, 0, 0]], uv[:, [1, 0, 1]]]
    vertices = np.concatenate([surface.vertices, inner, inner + back * depth])
    source = [np.arange(first), rim, rim]
    if closed:
        pairs = sparse.coo_matrix((np.ones(len(local)), (local[:, 0], local[:, 1])), (len(rim), len(rim)))
        openings, member = csgraph.connected_components(pairs, directed=False)
        ring = vertices[rows[2]]  # doubled: the fold ends in an edge there
        centres = np.stack([ring[member == opening].mean(axis=0) for opening in range(openings)])
        faces.append(np.stack([local[:, 1], local[:, 0], len(rim) + member[local[:, 0]]], axis=1) + len(vertices))
        corners.append(uv[:, [1, 0, 0]])
        vertices = np.concatenate([vertices, ring, centres])
        source += [rim, rim[np.unique(member, return_index=True)[1]]]
    everyone = np.concatenate(source)
    attributes = {name: values[everyone] for name, values in surface.attributes.items()}
    attributes["folded"] = np.arange(len(vertices)) >= first
    return Surface(vertices, np.concatenate(faces), np.concatenate(corners), attributes)


def _sparse(rows: Array, columns: Array, value: float, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.coo_matrix((np.full(len(rows), value), (rows, columns)), shape).tocsr()


def _scale(matrix: sparse.spmatrix, by: Array) -> sparse.csr_matrix:
    return sparse.diags(by) @ matrix
