"""Where a field on a grid crosses a level, as a mesh: naive surface nets (Gibson 1998)."""

import itertools

import numpy as np

from datasets.conventions import Array

CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))
EDGES = [(a, b) for a, b in itertools.combinations(range(8), 2) if np.abs(CORNERS[a] - CORNERS[b]).sum() == 1]


def isosurface(field: Array, level: float) -> tuple[Array, Array]:
    """Vertices (V,3) in steps of the grid (X,Y,Z) and faces (F,3), counter-clockwise seen from where the field is lower.

    The field must be below the level at the grid's rim.
    """
    inside = field > level
    cells = tuple(size - 1 for size in field.shape)
    shifted = [inside[x : x + cells[0], y : y + cells[1], z : z + cells[2]] for x, y, z in CORNERS]
    active = np.logical_or.reduce(shifted) & ~np.logical_and.reduce(shifted)
    place = np.argwhere(active)
    number = np.full(cells, -1, np.int64)
    number[active] = np.arange(len(place))
    values = np.stack([field[tuple((place + corner).T)] for corner in CORNERS], axis=1).astype(float) - level
    total, count = np.zeros((len(place), 3)), np.zeros(len(place))
    for a, b in EDGES:
        crossed = (values[:, a] > 0) != (values[:, b] > 0)
        t = values[:, a] / np.where(crossed, values[:, a] - values[:, b], 1.0)
        total += np.where(crossed[:, None], CORNERS[a] + t[:, None] * (CORNERS[b] - CORNERS[a]), 0.0)
        count += crossed
    return place + total / count[:, None], _faces(inside, number)


def _faces(inside: Array, number: Array) -> Array:
    """Two triangles for each edge of the grid that is crossed; number: cell -> its vertex, -1 for none."""
    faces = []
    for axis in range(3):
        low, high = (np.moveaxis(inside, axis, 0)[part] for part in (np.s_[:-1], np.s_[1:]))
        low, high = low[:, 1:-1, 1:-1], high[:, 1:-1, 1:-1]
        cell = np.moveaxis(number, axis, 0)
        for chosen, turn in ((low & ~high, 1), (high & ~low, -1)):
            i, j, k = np.nonzero(chosen)
            ring = np.stack([cell[i, j, k], cell[i, j + 1, k], cell[i, j + 1, k + 1], cell[i, j, k + 1]], axis=1)
            if axis == 1:
                turn = -turn  # moveaxis of the middle axis mirrors
            faces.append(ring[:, ::turn])
    quads = np.concatenate(faces)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
