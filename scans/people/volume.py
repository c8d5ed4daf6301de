"""A body of hair: strands and the hair between them as a density in space, and the skin of that density as a mesh.

Scans show hair like this: a closed, smooth volume with locks as its relief.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.hairtexture import edge_uv, strand_uv
from scans.people.nets import isosurface
from scans.people.scalp import Obstacle, unit
from scans.people.strands import Strands
from scans.people.surface import Surface, normals

BLUR = 0.8  # steps of the grid: less would show the grid
SHADE_M = 0.005  # within which hair takes light from hair
CRUMB, SHRED = 40, 150  # voxels, and faces, of the smallest piece that stays
GAP_M, RELIEF_M = 0.010, 0.003  # gaps so wide are closed, but for so much at their surface


@dataclass(frozen=True)
class Fibres:
    """Strands as what they are in a volume: radius (N,) at their thickest and tip, the share of it that is left at their ends;
    tone (N,): which of the texture's strands they show, about -1 to 1; ridge (N,): how far each stands out of the surface, m."""

    strands: Strands
    radius: Array
    tone: Array
    ridge: Array
    tip: float = 0.4


@dataclass(frozen=True)
class Filling:
    """Hair that is not told apart: points (N,3), the volume (m3) that each stands for."""

    points: Array
    volume: Array


@dataclass(frozen=True)
class Edge:
    """Points (N,3) on skin, and there: the way around the head, degrees (N,), and how much hair covers it (N,), 0 to 1."""

    points: Array
    around: Array
    covered: Array


def fill(position: Array, normal: Array, depth: Array, area: float, step: float, below: float, rng: np.random.Generator) -> Filling:
    """What fills the space from `below` under points (N,3) on skin to `depth` (N,) above it; the points stand for `area` m2 in all."""
    layers = int(np.ceil((depth.max() + below) / step)) + 1
    share = (np.arange(layers)[None] + rng.random((len(position), layers))) / layers
    high = -below + share * (depth + below)[:, None]
    volume = (depth + below) * area / len(position) / layers
    return Filling((position[:, None] + high[..., None] * normal[:, None]).reshape(-1, 3), np.repeat(volume, layers))


def body(fibres: list[Fibres], filling: Filling, edge: Edge, skin: Obstacle, obstacle: Obstacle, step: float, faces: float) -> Surface:
    """The surface of hair on a grid of about `step` metres, of about `faces` faces, without what lies in the
    `skin`, or faces the `obstacle` that it lies on."""
    made = _body(fibres, filling, skin, obstacle, step)
    if not 0.8 < (much := len(made[1]) / faces) < 1.1:
        made = _body(fibres, filling, skin, obstacle, step * float(np.clip(np.sqrt(much), 0.85, 2.0)))
    return _textured(*made, edge)


def _body(
    fibres: list[Fibres], filling: Filling, skin: Obstacle, obstacle: Obstacle, step: float
) -> tuple[Array, Array, Array, list[Array]]:
    """Vertices, faces, how open the vertices lie (V,), 0 to 1, and points along the strands, as `_samples` has them."""
    made = [_samples(each, step) for each in fibres]
    points, weight, *strands = (np.concatenate(values) for values in zip(*made, strict=True))
    places, weight = np.concatenate([points, filling.points]), np.concatenate([weight, 2 * filling.volume])
    low = places.min(axis=0) - 6 * step
    size = np.ceil((places.max(axis=0) + 6 * step - low) / step).astype(int) + 1
    density = ndimage.gaussian_filter(_splat((places - low) / step, weight / step**3, size), BLUR, truncate=3.0)
    field = _whole(np.log(np.maximum(density, 1e-4)), step)  # of a sum of Gaussians, the logarithm is the smooth function
    vertices, faces = isosurface(field, 0.0)
    vertices = _settled(field, vertices) * step + low
    faces = faces[(skin.height(vertices)[0] > -0.0012)[faces].any(axis=1)]
    high, outward = obstacle.height(vertices)
    facing = np.einsum("fd,fd->f", _normal(vertices, faces), outward[faces[:, 0]])
    faces = faces[(facing > -0.3) | (np.abs(high[faces[:, 0]]) > 0.012)]  # nobody looks between hair and what it lies on
    faces = _without_shreds(faces, len(vertices))
    used, faces = np.unique(faces, return_inverse=True)
    near = ndimage.gaussian_filter((field > 0).astype(np.float32), SHADE_M / step)
    buried = ndimage.map_coordinates(near, ((vertices[used] - low) / step).T, order=1)
    light = np.clip(0.5 + 2.4 * (0.47 - buried), 0, 1)
    return vertices[used], faces.reshape(-1, 3), light, [points, *strands]


def _textured(vertices: Array, faces: Array, light: Array, strands: list[Array], edge: Edge) -> Surface:
    """Every face shows the strand that is nearest, or the scalp through thin hair; every vertex stands out as its strand does."""
    tree = cKDTree(strands[0])
    vertices = _ridged(vertices, faces, strands[-1][tree.query(vertices)[1]])
    at, along, share, length, tone, _ = (values[tree.query(vertices[faces].mean(axis=1))[1]] for values in strands)
    across = unit(np.cross(_normal(vertices, faces), along))
    offset = vertices[faces] - at[:, None]
    sideways, forward = np.einsum("fcd,fd->fc", offset, across), np.einsum("fcd,fd->fc", offset, along)
    uv = strand_uv(sideways, forward, share, length, tone, light[faces])
    close, at_edge = cKDTree(edge.points).query(vertices)
    thin = ((edge.covered[at_edge] < 0.95) & (close < 0.0025))[faces].all(axis=1)
    uv[thin] = edge_uv(edge.around[at_edge], edge.covered[at_edge])[faces[thin]]
    return Surface(vertices, faces, uv)


def _ridged(vertices: Array, faces: Array, height: Array) -> Array:
    """Vertices (V,3) moved out by `height` (V,), smoothed over neighbours: the strands that the grid is too coarse for."""
    corner = normals(vertices, faces)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = np.bincount(ends[:, 0], minlength=len(vertices))
    mean = np.bincount(ends[:, 0], height[ends[:, 1]], len(vertices)) / np.maximum(count, 1)
    return np.asarray(vertices + (0.6 * height + 0.4 * mean)[:, None] * corner)


def _normal(vertices: Array, faces: Array) -> Array:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return unit(np.cross(b - a, c - a))


def _samples(fibres: Fibres, step: float) -> tuple[Array, ...]:
    """Points along strands, about a step apart: position (M,3), weight (M,), direction (M,3), share of the way (M,),
    the strand's length (M,), tone (M,), ridge (M,)."""
    points, along = fibres.strands.points, fibres.strands.along
    count = points.shape[1]
    gap = np.diff(along, axis=1)
    pieces = np.maximum(np.ceil(gap / step), 1).astype(int).reshape(-1)
    which = np.repeat(np.arange(len(pieces)), pieces)
    place = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    t = (place + 0.5) / pieces[which]
    strand, first = np.divmod(which, count - 1)
    start, end = points[strand, first], points[strand, first + 1]
    at = start + t[:, None] * (end - start)
    metres = along[strand, first] + t * gap[strand, first]
    share = metres / np.maximum(along[strand, -1], 1e-9)
    blur = BLUR * step
    radius = fibres.radius[strand] * np.interp(share, [0, 0.6, 1.0], [1.0, 1.0, fibres.tip])
    weight = 2 * np.pi * blur**2 * np.exp(np.clip(radius**2 / (2 * blur**2), 0, 4)) * np.minimum(1, radius / (0.5 * blur))
    weight = weight * gap[strand, first] / pieces[which]
    return at, weight, unit(end - start), share, along[strand, -1], fibres.tone[strand], fibres.ridge[strand]


def _without_shreds(faces: Array, count: int) -> Array:
    """Faces (F,3) over `count` vertices that hang together with many others: what lies in clothes is cut out, and leaves shreds."""
    pairs = faces[:, :2], faces[:, 1:]
    rows, columns = (np.concatenate([pair[:, i] for pair in pairs]) for i in (0, 1))
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count))
    piece = csgraph.connected_components(graph, directed=False)[1][faces[:, 0]]
    return np.asarray(faces[np.bincount(piece)[piece] >= SHRED])


def _splat(places: Array, weight: Array, size: Array) -> Array:
    """Weights (N,) spread on the eight nodes around places (N,3), in steps of a grid of `size`."""
    first = np.floor(places).astype(np.int64)
    t = places - first
    total = np.zeros(int(np.prod(size)))
    for x in (0, 1):
        for y in (0, 1):
            for z in (0, 1):
                share = np.abs(1 - x - t[:, 0]) * np.abs(1 - y - t[:, 1]) * np.abs(1 - z - t[:, 2])
                index = ((first[:, 0] + x) * size[1] + first[:, 1] + y) * size[2] + first[:, 2] + z
                total += np.bincount(index, share * weight, len(total))
    return np.asarray(total.reshape(size).astype(np.float32))


def _whole(field: Array, step: float) -> Array:
    """The field without gaps deep inside of the hair and without crumbs beside it."""
    inside = field > 0
    label, count = ndimage.label(inside)
    small = np.bincount(label.reshape(-1), minlength=count + 1) < CRUMB
    small[0] = False
    field = np.where(small[label], np.minimum(field, -1.0), field)
    reach, deep = round(GAP_M / step), 2 + round(RELIEF_M / step)
    solid = ndimage.maximum_filter((field > 0).astype(np.uint8), 2 * reach + 1)
    solid = ndimage.minimum_filter(solid, 2 * (reach + deep) + 1, mode="constant")
    return np.where((solid > 0) & (field < 0.5), 0.5, field)


def _settled(field: Array, vertices: Array) -> Array:
    """Vertices (V,3), in steps of the grid, moved along the slope to where the field is zero, by half a step at most."""
    slope = np.stack([ndimage.map_coordinates(np.gradient(field, axis=axis), vertices.T, order=1) for axis in range(3)], axis=1)
    value = ndimage.map_coordinates(field, vertices.T, order=1)
    move = -slope * (value / np.maximum((slope**2).sum(axis=1), 0.02))[:, None]
    length = np.linalg.norm(move, axis=1, keepdims=True)
    return np.asarray(vertices + move * np.minimum(1, 0.5 / np.maximum(length, 1e-9)))
