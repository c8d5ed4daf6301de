"""A flat sheet of triangles for tests of surfaces."""

import numpy as np

from scans.people.surface import Surface, normals, triangulate


def sheet(n=9):
    """A unit square of n by n vertices in z = 0 that looks up, with its plan as texture and `x` as attribute."""
    x, y = (g.reshape(-1) for g in np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n)))
    i = np.arange(n * n).reshape(n, n)
    faces = triangulate(np.stack([i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]], axis=-1).reshape(-1, 4))
    vertices = np.stack([x, y, 0 * x], axis=1)
    return Surface(vertices, faces, vertices[faces][..., :2], {"x": x, "normal": normals(vertices, faces)})


def areas(surface):
    """Signed areas (F,) of faces seen from above."""
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)[:, 2] / 2
