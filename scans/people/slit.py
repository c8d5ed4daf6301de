"""Cutting a triangle mesh along a line without taking it apart: faces end at the line."""

import numpy as np
from scipy import sparse

from datasets.conventions import Array

NEAR = 0.3  # vertices that close to the line, in edges, are moved onto it: no slivers


def slit(faces: Array, level: Array, on: Array) -> tuple[sparse.csr_matrix, Array]:
    """Faces (F',3) none of which is on both sides of the zero line of `level` (V,), and the matrix (V',V) that makes their vertices.

    on (V,): vertices on lines cut before, which may move along those only.
    """
    moved, level = _snapped(faces, level, on)
    sign = np.sign(level)[faces]
    pairs = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1)
    crossed = sign * np.roll(sign, -1, axis=1) < 0
    edges, which = np.unique(np.sort(pairs[crossed], axis=1), axis=0, return_inverse=True)
    middle = np.full(faces.shape, -1)
    middle[crossed] = len(level) + which.reshape(-1)
    share = level[edges[:, 0]] / (level[edges[:, 0]] - level[edges[:, 1]])
    matrix = sparse.vstack([moved, _blend(edges, share, len(level)) @ moved]).tocsr()
    pieces = [faces[~crossed.any(axis=1)]]
    for count in (1, 2):  # turned so that the crossed edges come first
        chosen = crossed.sum(axis=1) == count
        uncrossed = np.argmin(crossed[chosen], axis=1)
        first = (uncrossed + 1) % 3 if count == 2 else np.argmax(crossed[chosen], axis=1)
        order = (first[:, None] + np.arange(3)) % 3
        (a, b, c), (ab, bc, _) = (np.take_along_axis(values[chosen], order, 1).T for values in (faces, middle))
        if count == 1:
            pieces += [np.stack(corners, axis=1) for corners in ((a, ab, c), (ab, b, c))]
        else:
            pieces += [np.stack(corners, axis=1) for corners in ((ab, b, bc), (a, ab, bc), (a, bc, c))]
    return matrix, np.concatenate(pieces)


def _snapped(faces: Array, level: Array, on: Array) -> tuple[sparse.csr_matrix, Array]:
    """The matrix (V,V) that moves vertices close to the line onto it along an edge, and the level (V,) with zeros there."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    a, b = level[pairs[:, 0]], level[pairs[:, 1]]
    share = np.where((a * b < 0) & (~on[pairs[:, 0]] | on[pairs[:, 1]]), a / np.where(a == b, 1.0, a - b), 1.0)
    order = np.argsort(share, kind="stable")
    chosen = order[np.unique(pairs[order, 0], return_index=True)[1]]
    chosen = chosen[share[chosen] < NEAR]
    steps = np.zeros(len(level))
    ends = np.stack([np.arange(len(level))] * 2, axis=1)
    ends[pairs[chosen, 0], 1], steps[pairs[chosen, 0]] = pairs[chosen, 1], share[chosen]
    return _blend(ends, steps, len(level)), np.where(steps > 0, 0.0, level)


def _blend(ends: Array, share: Array, count: int) -> sparse.csr_matrix:
    """Rows of points that lie a share (E,) of the way between vertices ends (E,2)."""
    rows = np.arange(len(ends))
    first = sparse.coo_matrix((1 - share, (rows, ends[:, 0])), (len(ends), count))
    return (first + sparse.coo_matrix((share, (rows, ends[:, 1])), (len(ends), count))).tocsr()
