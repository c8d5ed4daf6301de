"""Laying a surface flat with little distortion: as rigid as possible (Liu et al. 2008, A Local/Global Approach)."""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from datasets.conventions import Array


def flatten(vertices: Array, faces: Array, start: Array, pins: Array, weights: Array, rounds: int = 40) -> Array:
    """Coordinates (V,2) in metres at which triangles keep their shape as well as they can.

    vertices (V,3) metres; faces (F,3), all used; start (V,2): from where it is found, and which side is up; pins (V,2): where vertices
    should be, with weights (V,2) against the distortion of a square metre, 0 for free.
    """
    plane, area = _planes(vertices, faces)
    sides = np.swapaxes(start[faces[:, 1:]] - start[faces[:, :1]], 1, 2)
    plane[..., 1] *= np.sign(np.linalg.det(sides).sum())
    count, number = len(vertices), len(faces)
    # the gradient of a hat function: its opposite edge turned by a right angle over twice the area
    edges = np.roll(plane, 1, axis=1) - np.roll(plane, -1, axis=1)
    slopes = np.stack([-edges[..., 1], edges[..., 0]], axis=-1) / np.cross(plane[:, 1], plane[:, 2])[:, None, None]
    rows = np.repeat(np.arange(number), 3)
    gradient = sparse.vstack([sparse.coo_matrix((slopes[..., i].ravel(), (rows, faces.ravel())), (number, count)) for i in (0, 1)]).tocsr()
    weighted = gradient.T @ sparse.diags(np.tile(area, 2))
    stiffness = (weighted @ gradient).tocsc()
    floor = 1e-9 * stiffness.diagonal().mean()
    solve = [splu(stiffness + sparse.diags(weights[:, i] + floor)).solve for i in (0, 1)]
    uv = start
    for _ in range(rounds):
        jacobian = (gradient @ uv).reshape(2, number, 2)  # [rest axis, face, flat axis]
        turn = np.arctan2(jacobian[0, :, 1] - jacobian[1, :, 0], jacobian[0, :, 0] + jacobian[1, :, 1])
        cosine, sine = np.cos(turn), np.sin(turn)
        rotation = np.stack([np.concatenate([cosine, -sine]), np.concatenate([sine, cosine])], axis=-1)
        pull = weighted @ rotation
        uv = np.stack([solve[i](pull[:, i] + weights[:, i] * pins[:, i] + floor * uv[:, i]) for i in (0, 1)], axis=-1)
    return uv


def stretch(vertices: Array, faces: Array, uv: Array) -> tuple[Array, Array, Array]:
    """Least and largest metres of texture (F,) that a metre of surface gets in any direction, and the faces' areas (F,), m2.

    The least is negative where uv (F,3,2) runs clockwise.
    """
    plane, area = _planes(vertices, faces)
    rest = np.swapaxes(plane[:, 1:] - plane[:, :1], 1, 2)
    jacobian = np.swapaxes(uv[:, 1:] - uv[:, :1], 1, 2) @ np.linalg.inv(rest)
    values = np.linalg.svd(jacobian, compute_uv=False)
    return values[:, 1] * np.sign(np.linalg.det(jacobian)), values[:, 0], area


def _planes(vertices: Array, faces: Array) -> tuple[Array, Array]:
    """Triangles laid into a plane (F,3,2), counter-clockwise, and their areas (F,)."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    length = np.linalg.norm(b - a, axis=1)
    x = np.einsum("fi,fi->f", c - a, b - a) / length
    y = np.linalg.norm(np.cross(b - a, c - a), axis=1) / length
    zero = np.zeros_like(x)
    plane = np.stack([np.stack([zero, zero], -1), np.stack([length, zero], -1), np.stack([x, y], -1)], axis=1)
    return plane, length * y / 2
