"""A scan's mesh in memory: parts of one material each; cleaning, and the smooth normals that labels follow."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix

from datasets.conventions import Array

#: Linear base colour of a scan that brings none. File defaults (black, 0.8, ...) say nothing about the person.
GREY = (0.4, 0.4, 0.4, 1.0)
WHITE = (1.0, 1.0, 1.0, 1.0)
#: Scans hold no measured roughness, and glTF's own defaults (metallic 1, roughness 1) are wrong for people.
ROUGHNESS = 0.8


class Refused(Exception):
    """The scan cannot be used; the message says why and how to mend it, in one line."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture, JPEG or PNG, byte for byte as it came where its format allows."""

    data: bytes
    mime: str


@dataclass(frozen=True)
class Material:
    """colour: linear RGBA factor; texture: sRGB base colour, repeated; normal_map: tangent-space, OpenGL axes (glTF's);
    roughness: factor of roughness_map's green channel, or the roughness itself where there is no map."""

    colour: tuple[float, float, float, float] = GREY
    texture: Picture | None = None
    normal_map: Picture | None = None
    cutout: bool = False
    roughness: float = ROUGHNESS
    roughness_map: Picture | None = None


@dataclass(frozen=True)
class Part:
    """Triangles of one material. vertices (V,3) float64; faces (F,3) int64; uv (V,2), origin bottom left; colours (V,4) linear;
    labels (F,) uint8: what each face is of, 0 for nothing in particular (of people from a seed: `scans.people.labels`)."""

    vertices: Array
    faces: Array
    material: Material = field(default_factory=Material)
    uv: Array | None = None
    colours: Array | None = None
    name: str = ""
    labels: Array | None = None

    def separated(self) -> "Part":
        """The part with a vertex for each label that meets there, so that a file can hold labels per vertex."""
        if self.labels is None:
            return self
        corners = (self.faces.astype(np.int64) << 8) | self.labels[:, None]
        keys, faces = np.unique(corners, return_inverse=True)
        return replace(self.picked(keys >> 8), faces=faces.reshape(-1, 3))

    def picked(self, rows: Array) -> "Part":
        """The part with vertices (rows), and faces that still number the old ones."""
        pick: Callable[[Array | None], Array | None] = lambda values: None if values is None else np.asarray(values)[rows]
        return replace(self, vertices=self.vertices[rows], uv=pick(self.uv), colours=pick(self.colours))


@dataclass(frozen=True)
class Mesh:
    """A scan: its parts, what a user should know about it (`issues`), and the files it was read from."""

    parts: list[Part]
    issues: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    @property
    def vertices(self) -> Array:
        """All vertices, (V,3) float64."""
        return np.concatenate([part.vertices for part in self.parts])

    @property
    def faces(self) -> Array:
        """All triangles, (F,3), indexing `vertices`."""
        offsets = np.cumsum([0] + [len(part.vertices) for part in self.parts[:-1]])
        return np.concatenate([part.faces + offset for part, offset in zip(self.parts, offsets, strict=True)])

    @property
    def albedo(self) -> str:
        """Where the colour comes from: 'texture', 'vertex colours' or 'none'."""
        if any(part.material.texture for part in self.parts):
            return "texture"
        return "vertex colours" if any(part.colours is not None for part in self.parts) else "none"

    def normals(self) -> list[Array]:
        """Smooth unit normals of each part's vertices, (V,3): seams of texture and of material do not show."""
        splits = np.cumsum([len(part.vertices) for part in self.parts[:-1]], dtype=int)
        return np.split(smooth_normals(self.vertices, self.faces), splits)

    def separated(self) -> "Mesh":
        """The mesh with all its parts `separated`, as a file stores it."""
        return replace(self, parts=[part.separated() for part in self.parts])

    def transformed(self, matrix: Array) -> "Mesh":
        """The mesh moved by a 4x4 matrix that does not mirror."""
        moved = [replace(part, vertices=part.vertices @ matrix[:3, :3].T + matrix[:3, 3]) for part in self.parts]
        return replace(self, parts=moved)


def weld(rows: Array) -> tuple[Array, Array]:
    """Equal rows made one: (index of each distinct row's first occurrence, distinct row of each row)."""
    rows = np.ascontiguousarray(rows + 0.0)  # -0.0 becomes 0.0, so equal numbers have equal bytes
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first, inverse


def clean(mesh: Mesh) -> Mesh:
    """The mesh without degenerate and double faces and loose vertices. Raises Refused when its vertices make no surface."""
    vertices, faces, issues = mesh.vertices, mesh.faces, list(mesh.issues)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise Refused("faces name vertices that do not exist: export it again")
    used = vertices[np.unique(faces)]
    if bad := int(np.sum(~np.isfinite(used).all(axis=1))):
        raise Refused(f"{bad} of {len(used)} vertices are NaN or infinite: export it again")
    if not used.any():
        raise Refused("all vertices are zero (compressed geometry that was never decoded?): decode or export it again")
    if np.ptp(used, axis=0).max() <= 1e-9 * np.abs(used).max():
        raise Refused("all vertices coincide: export it again")
    _, point = weld(vertices.astype(np.float32))
    corners = np.sort(point[faces], axis=1)
    degenerate = (corners[:, 0] == corners[:, 1]) | (corners[:, 1] == corners[:, 2])
    first, _ = weld(corners)
    keep = np.zeros(len(faces), bool)
    keep[first] = True
    doubles = int(np.sum(~keep & ~degenerate))
    keep &= ~degenerate
    if not keep.any():
        raise Refused("all faces are degenerate: export it again")
    issues += [f"{degenerate.sum()} degenerate faces removed"] if degenerate.any() else []
    issues += [f"{doubles} double faces removed"] if doubles else []
    issues += _openness(point[faces[keep]])
    splits = np.cumsum([len(part.faces) for part in mesh.parts[:-1]], dtype=int)
    parts = [_compact(part, kept) for part, kept in zip(mesh.parts, np.split(keep, splits), strict=True) if kept.any()]
    return Mesh(parts, issues, mesh.files)


def _openness(faces: Array) -> list[str]:
    """Edges with one face, of welded faces (F,3), as an issue."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    first, inverse = weld(edges)
    open_edges = int(np.sum(np.bincount(inverse, minlength=len(first)) == 1))
    return [f"not watertight ({open_edges} open edges)"] if open_edges else []


def _compact(part: Part, kept: Array) -> Part:
    """The part with some of its faces (F,) bool, its equal vertices made one and its unused ones dropped."""
    columns = [part.vertices, *([part.uv] if part.uv is not None else []), *([part.colours] if part.colours is not None else [])]
    first, inverse = weld(np.column_stack(columns))
    used, faces = np.unique(inverse[part.faces[kept]], return_inverse=True)
    labels = None if part.labels is None else part.labels[kept]
    return replace(part.picked(first[used]), faces=faces.reshape(-1, 3), labels=labels)


def smooth_normals(vertices: Array, faces: Array) -> Array:
    """Unit vertex normals (V,3): face normals weighted by corner angle, summed over equal positions, so seams do not show.

    Angle weights after Thürmer and Wüthrich, "Computing vertex normals from polygonal facets", 1998.
    """
    stored = np.asarray(vertices, np.float32)  # as in a file, so that slivers give anyone who reads it the same normal
    first, point = weld(stored)
    corners = stored.astype(np.float64)[faces]
    ahead = np.roll(corners, -1, axis=1) - corners
    behind = np.roll(corners, 1, axis=1) - corners
    cross = np.cross(ahead[:, 0], behind[:, 0])
    normal = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-300)
    angles = np.arctan2(np.linalg.norm(np.cross(ahead, behind), axis=2), np.sum(ahead * behind, axis=2))
    weights = coo_matrix((angles.ravel(), (point[faces].ravel(), np.repeat(np.arange(len(faces)), 3))), (len(first), len(faces)))
    sums = weights.tocsr() @ normal
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(length > 1e-12, sums / np.maximum(length, 1e-300), [0.0, 0.0, 1.0])[point]
