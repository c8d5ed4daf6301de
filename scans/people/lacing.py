"""Laces and tongues of shoes, laid on the grid of an upper (`last.upper`)."""

import numpy as np

from datasets.conventions import Array
from scans.people.accessories.shapes import merged, slab, superellipse, sweep, unit
from scans.people.last import COLUMNS
from scans.people.surface import Surface, normals

SIDES = {1: 5, 2: 3}  # of a lace's section


def _at(grid: Array, row: Array, column: Array, lift: float) -> Array:
    """Points (N,3) over the upper at fractional rows and columns, `lift` metres outside."""
    index = np.arange(grid.shape[0] * grid.shape[1]).reshape(grid.shape[:2])
    a, b = index[:-1, :], index[1:, :]
    right = np.roll(index, -1, axis=1)
    faces = np.concatenate(
        [np.stack([a, right[:-1], b], axis=-1).reshape(-1, 3), np.stack([right[:-1], right[1:], b], axis=-1).reshape(-1, 3)]
    )
    normal = normals(grid.reshape(-1, 3), faces).reshape(grid.shape)
    if np.einsum("i,i->", normal[len(grid) // 3, 0], [0.0, 0, 1]) < 0:
        normal = -normal
    r, c = np.floor(row).astype(int), np.floor(column).astype(int)
    fr, fc = (row - r)[:, None], (column - c)[:, None]

    def pick(values: Array) -> Array:
        values = values[:, np.arange(-1, COLUMNS + 1) % COLUMNS]
        top = values[r, (c + 1) % (COLUMNS + 2)] * (1 - fc) + values[r, (c + 2) % (COLUMNS + 2)] * fc
        low = values[r + 1, (c + 1) % (COLUMNS + 2)] * (1 - fc) + values[r + 1, (c + 2) % (COLUMNS + 2)] * fc
        return np.asarray(top * (1 - fr) + low * fr)

    centred = np.roll(grid, COLUMNS // 2, axis=1), np.roll(normal, COLUMNS // 2, axis=1)
    c = c + COLUMNS // 2
    place, out = pick(centred[0]), pick(centred[1])
    return np.asarray(place + lift * out)


def laces(grid: Array, throat: int, shaft: int, coarse: int) -> Surface:
    """Bars across the throat, and up the last `shaft` rows, crossing; and a bow. coarse: 1 or, for drafts, 2."""
    t = np.linspace(0, 1, 7 - 2 * coarse)
    profile = superellipse(0.0058, 0.0024, 3.0, SIDES[coarse])
    pieces = []
    for row in (*range(throat - 9, throat - 1, 2), *range(len(grid) - shaft - 1, len(grid) - 3, 1)):
        for sign in (1, -1):
            path = _at(grid, row + 2.0 * t, sign * (5.5 - 11 * t), 0.0030 + 0.0008 * sign)
            pieces.append(sweep(path, profile, np.array([0.0, 0.2, 1])))
    knot = _at(grid, np.array([len(grid) - 2.5 if shaft else throat - 0.5]), np.array([0.0]), 0.006)[0]
    turn = np.linspace(0, 2 * np.pi, 16 - 4 * coarse)[1:-1]
    for sign in (1, -1):
        loop = knot + np.stack([sign * 0.017 * (1 - np.cos(turn)), 0.012 * np.sin(turn) + 0.006 * (1 - np.cos(turn)),
                                -0.006 * (1 - np.cos(turn)) + 0.001 * np.sin(turn)], axis=1)  # fmt: skip
        end = knot + np.stack([sign * 0.026 * t, 0.030 * t, 0.004 * np.sin(3 * t) - 0.016 * t * t], axis=1)
        pieces += [sweep(path, superellipse(0.0042, 0.0026, 3.0, SIDES[coarse]), np.array([0.0, 0.3, 1])) for path in (loop, end)]
    return merged(pieces)


def tongue(grid: Array, throat: int, out: Array) -> Surface:
    """A padded flap under the laces that comes out at the top."""
    columns = np.linspace(-5.0, 5.0, 7)
    rows = [_at(grid, np.full(7, float(row)), columns, 0.0004) for row in range(throat - 8, throat + 1, 2)]
    last, before = rows[-1], rows[-2]
    direction = unit(unit(last - before) + out + np.array([0.0, 0.15, 0.1]))
    rows += [last + direction * step for step in (0.006, 0.014, 0.023)]
    return slab(np.stack(rows), 0.0028, around=grid.mean(axis=(0, 1)))
