"""Small algebra of triangle surfaces: subdivide, smooth, merge, keep texture coordinates per corner."""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

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
    """Several surfaces as one, with the attributes that all of them have."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in surfaces[:-1])])
    faces = np.concatenate([s.faces + offset for s, offset in zip(surfaces, offsets, strict=True)])
    names = [name for name in surfaces[0].attributes if all(name in s.attributes for s in surfaces)]
    attributes = {name: np.concatenate([s.attributes[name] for s in surfaces]) for name in names}
    return Surface(np.concatenate([s.vertices for s in surfaces]), faces, np.concatenate([s.uv for s in surfaces]), attributes)


def keep_faces(surface: Surface, chosen: Array) -> Surface:
    """The surface of some faces, without the vertices that nothing uses any more."""
    used, faces = np.unique(surface.faces[chosen], return_inverse=True)
    attributes = {name: values[used] for name, values in surface.attributes.items()}
    return Surface(surface.vertices[used], faces.reshape(-1, 3), surface.uv[chosen], attributes)


def _sparse(rows: Array, columns: Array, value: float, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.coo_matrix((np.full(len(rows), value), (rows, columns)), shape).tocsr()


def _scale(matrix: sparse.spmatrix, by: Array) -> sparse.csr_matrix:
    return sparse.diags(by) @ matrix
