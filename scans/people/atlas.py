"""One picture for all that a person is and wears: charts packed into a square, painted texel by texel, their uv moved along."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from datasets.conventions import Array
from scans.mesh import Picture

PAD = 3  # texels painted around every rectangle: filtered texture look-ups reach beyond the triangles


@dataclass(frozen=True)
class Texels:
    """What a look has on a grid: colour (H,W,3) sRGB 0 to 1; roughness (H,W) 0 to 1; height (H,W) metres above the surface."""

    colour: Array
    roughness: Array
    height: Array


class Look(Protocol):
    """What can be painted."""

    def paint(self, uv: Array, pitch: float, patch: int) -> tuple[Texels, Array | float]:
        """Texels at uv (H,W,2), a grid with u along rows of texels, v up their columns, `pitch` apart; and how many metres
        one unit of u and of v is there, (H,W,2) or a number. patch: which patch of the chart it is."""


@dataclass(frozen=True)
class Painting:
    """A look that is a picture of the unit square, (h,w,3) uint8 sRGB, row 0 at v = 1; metres: length of the square's edge;
    relief: metres by which white stands above black."""

    image: Array
    roughness: float
    metres: float = 1.0
    relief: float = 0.0

    def paint(self, uv: Array, pitch: float, patch: int) -> tuple[Texels, float]:
        """As `Look` has it."""
        rows, columns = self.image.shape[:2]
        soft = max(0.35 * pitch * min(rows, columns), 0.01)  # texels of the picture that one of the atlas covers
        image = cv2.GaussianBlur(self.image.astype(np.float32) / 255, (0, 0), soft)
        x, y = uv[..., 0] * columns - 0.5, (1 - uv[..., 1]) * rows - 0.5
        found = cv2.remap(image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return Texels(found, np.full(found.shape[:2], self.roughness), found.mean(axis=-1) * self.relief), self.metres


@dataclass(frozen=True)
class Chart:
    """A surface to be painted: corner coordinates uv (F,3,2) in the unit of its look, and the patch (F,) of every face.

    Each patch gets one rectangle, so faces of a patch that overlap in uv share texels. density: how many texels a unit
    of uv gets, for each patch, in proportion to other charts.
    """

    look: Look
    uv: Array
    patch: Array
    density: dict[int, float]


@dataclass(frozen=True)
class Atlas:
    """colour (S,S,3) sRGB, normal (S,S,3) tangent-space with glTF's axes (x along u, y up, z out), roughness (S,S): all uint8,
    row 0 at the top; uv: chart -> (F,3,2) in the atlas, origin bottom left."""

    colour: Array
    normal: Array
    roughness: Array
    uv: dict[str, Array]

    def pictures(self) -> tuple[Picture, Picture, Picture]:
        """Base colour, normal map, and glTF's metallic-roughness picture (green is roughness, blue metal), as JPEG."""
        metal = np.zeros_like(self.roughness)
        surface = np.stack([metal, self.roughness, metal], axis=-1)
        return jpeg(self.colour, 92), jpeg(self.normal, 90), jpeg(surface, 85)


def bake(charts: dict[str, Chart], size: int) -> Atlas:
    """Paint all charts into an atlas of `size` by `size` texels."""
    keys, low, high, density = [], [], [], []
    for name, chart in charts.items():
        for patch in np.unique(chart.patch):
            corners = chart.uv[chart.patch == patch].reshape(-1, 2)
            keys.append((name, int(patch)))
            low.append(corners.min(axis=0))
            high.append(corners.max(axis=0))
            density.append(chart.density[int(patch)])
    lower, upper, wanted = np.array(low), np.array(high), np.array(density)
    corner, extent, scale = _fit(upper - lower, wanted, size)
    colour, normal = np.full((size, size, 3), 0.5, np.float32), np.full((size, size, 3), [0, 0, 1], np.float32)
    roughness = np.full((size, size), 0.8, np.float32)
    moved = {name: np.empty(chart.uv.shape) for name, chart in charts.items()}
    for (name, patch), first, (width, height), texels, start, end in zip(keys, corner, extent, scale, lower, upper, strict=True):
        chart = charts[name]
        u = start[0] + (np.arange(width) + 0.5 - PAD) / texels
        v = end[1] - (np.arange(height) + 0.5 - PAD) / texels
        grid = np.stack(np.meshgrid(u, v), axis=-1)
        found, metres = chart.look.paint(grid, 1 / texels, patch)
        window = np.s_[first[1] : first[1] + height, first[0] : first[0] + width]
        colour[window], roughness[window] = found.colour, found.roughness
        normal[window] = tangent_normals(found.height, metres / texels)
        faces = chart.patch == patch
        place = first + PAD + np.stack([chart.uv[faces, :, 0] - start[0], end[1] - chart.uv[faces, :, 1]], axis=-1) * texels
        moved[name][faces] = np.array([0, 1]) + np.array([1, -1]) * place / size
    return Atlas(_bytes(colour), _bytes(normal * 0.5 + 0.5), _bytes(roughness), moved)


def tangent_normals(height: Array, metres: Array | float) -> Array:
    """Unit normals (H,W,3) of a height (H,W) in metres: x along the columns' order, y up (row 0 is the top), z out of the surface.

    metres: distance of neighbouring texels along u and v, (H,W,2) or a number.
    """
    spacing = np.maximum(np.broadcast_to(np.asarray(metres, np.float32), (*height.shape, 2)), np.float32(1e-7))
    down, right = np.gradient(np.asarray(height, np.float32))
    normal = np.stack([-right / spacing[..., 0], down / spacing[..., 1], np.ones_like(right)], axis=-1)
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True))


def islands(uv: Array) -> Array:
    """Patch (F,) of every face, 0 on: faces with corners uv (F,3,2) that share a corner's coordinates are of one patch."""
    _, corner = np.unique(np.round(uv.reshape(-1, 2), 7), axis=0, return_inverse=True)
    corner = corner.reshape(-1, 3)
    pairs = np.concatenate([corner[:, :2], corner[:, 1:]])
    count = corner.max() + 1
    graph = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    return np.asarray(csgraph.connected_components(graph, directed=False)[1][corner[:, 0]])


def rasterise(uv: Array, values: Array, size: int) -> tuple[Array, Array]:
    """Corner values (F,3,C) interpolated at the centres of `size` by `size` texels that triangles uv (F,3,2) cover: (S,S,C),
    row 0 at the top, elsewhere the nearest covered texel's; and the distance to that, (S,S), in texels."""
    points = np.stack([uv[..., 0], 1 - uv[..., 1]], axis=-1) * size - 0.5
    low = np.ceil(points.min(axis=1) - 1e-6).astype(int)
    span = np.floor(points.max(axis=1) + 1e-6).astype(int) - low + 1
    made = np.full((size, size, values.shape[-1]), np.nan, np.float32)
    group = np.max(span, axis=1)
    for reach in np.unique(group[(span > 0).all(axis=1)]):
        chosen = np.flatnonzero(group == reach)
        y, x = np.mgrid[0:reach, 0:reach].reshape(2, -1)
        texel = low[chosen, None] + np.stack([x, y], axis=-1)
        a, b, c = (points[chosen, None, i] for i in range(3))
        area = np.cross(b - a, c - a)
        weights = np.stack([np.cross(c - b, texel - b), np.cross(a - c, texel - c), np.cross(b - a, texel - a)], axis=-1)
        weights = weights / np.where(area == 0, np.inf, area)[..., None]
        hit = (weights > -1e-4).all(axis=-1) & (area != 0) & ((texel >= 0) & (texel < size)).all(axis=-1)
        which, spot = np.nonzero(hit)
        row, column = texel[which, spot, 1], texel[which, spot, 0]
        made[row, column] = np.einsum("nk,nkc->nc", weights[which, spot], values[chosen[which]])
    distance, nearest = ndimage.distance_transform_edt(np.isnan(made[..., 0]), return_indices=True)
    return made[tuple(nearest)], distance


def jpeg(image: Array, quality: int) -> Picture:
    """An RGB picture (H,W,3) uint8 as JPEG, without loss of resolution in its colours."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    ok, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), options)
    if not ok:
        raise ValueError(f"cannot encode a texture of shape {image.shape}, {image.dtype}")
    return Picture(data.tobytes(), "image/jpeg")


def _fit(extent: Array, density: Array, size: int) -> tuple[Array, Array, Array]:
    """Corners (N,2) and sizes (N,2), texels, of rectangles of extent (N,2) in uv at the largest common factor on the densities
    (N,) at which they fit, and texels per unit of uv (N,)."""
    low, high = 0.0, 2 * size / float(np.sqrt((np.prod(extent, axis=1) * density**2).sum()))
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if _pack(_texels(extent, middle * density), size) is not None else (low, middle)
    sizes = _texels(extent, low * density)
    corners = _pack(sizes, size)
    if corners is None:
        raise ValueError(f"{len(extent)} charts do not fit into an atlas of {size} texels: make it larger")
    return corners, sizes, low * density


def _texels(extent: Array, scale: Array) -> Array:
    return np.asarray(np.ceil(extent * scale[:, None]).astype(int) + 2 * PAD)


def _pack(sizes: Array, size: int) -> Array | None:
    """Corners (N,2) of rectangles (N,2) in a square, tallest first, each where its top comes lowest; None when they do not fit."""
    skyline = np.zeros(size, int)
    corners = np.zeros((len(sizes), 2), int)
    for i in np.lexsort([-sizes[:, 0], -sizes[:, 1]]):
        width, height = sizes[i]
        if width > size or height > size:
            return None
        base = np.lib.stride_tricks.sliding_window_view(skyline, width).max(axis=1) if width > 1 else skyline
        x = int(np.argmin(base))
        if base[x] + height > size:
            return None
        corners[i] = x, base[x]
        skyline[x : x + width] = base[x] + height
    return corners


def _bytes(image: Array) -> Array:
    return np.asarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))
