"""Soles of shoes: rings around the plan of an upper."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import ConvexHull

from datasets.conventions import Array
from scans.people.accessories.shapes import closed, resample, unit
from scans.people.last import Form, ground
from scans.people.surface import Surface


def outline(grid: Array, form: Form) -> Array:
    """The plan of the sole (120,2): the upper's lower part, and the welt around it."""
    low = grid.reshape(-1, 3)
    low = low[low[:, 2] < 0.022][:, :2]
    hull = low[ConvexHull(low).vertices]
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    support = hull[np.argmax(direction @ hull.T, axis=1)] + form.welt * direction
    return even(support)


def even(outline: Array) -> Array:
    smooth = gaussian_filter1d(resample(outline, 120, loop=True), 2.5, axis=0, mode="wrap")
    return resample(smooth, 120, loop=True)


def stack(outline: Array, rows: Sequence[tuple[float | Array, Array]]) -> Surface:
    """A sole of rings: an outline (M,2), for each ring how far it is moved out (m), and its heights (M,)."""
    step = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    out = unit(np.stack([step[:, 1], -step[:, 0]], axis=1))
    rings = [np.column_stack([outline + out * np.reshape(off, (-1, 1)), z]) for off, z in rows]
    ends = [np.column_stack([r[:, :2].mean(axis=0) + 0.5 * (r[:, :2] - r[:, :2].mean(axis=0)), r[:, 2]]) for r in (rings[0], rings[-1])]
    return closed(np.stack([ends[0], *rings, ends[1]]))


def rubber_sole(outline: Array, form: Form, length: float) -> dict[str, Surface]:
    """A midsole that comes up the upper a little, and the outsole under it, which springs up at the toe."""
    t = outline[:, 1] / length
    spring = 0.010 * np.clip((t - 0.78) / 0.25, 0, 1) ** 2 + 0.004 * np.clip((0.08 - t) / 0.1, 0, 1)
    top = 0.008 + 0.004 * np.clip((t - 0.85) / 0.2, 0, 1) + 0.004 * np.clip((0.15 - t) / 0.2, 0, 1) + ground(form, outline[:, 1], length)
    low = -form.sole + 0.005 + spring
    middle = [(0.0, top), (0.0014, top - 0.0015), (0.0006, top - 0.004), (0.0026, 0.45 * top + 0.55 * low), (0.0024, low + 0.001),
              (0.001, low)]  # fmt: skip
    tread = [(0.0026, low), (0.0026, low - 0.0035), (0.0012, low - 0.005)]
    return {"midsole": stack(outline, [(-0.012, top), *middle, (-0.012, low)]), "outsole": stack(outline, [(-0.012, low), *tread])}


def leather_sole(outline: Array, form: Form, length: float) -> dict[str, Surface]:
    """A thin sole with a welt, and a heel block under it."""
    top = ground(form, outline[:, 1], length) + 0.002
    spring = 0.006 * np.clip((outline[:, 1] / length - 0.80) / 0.25, 0, 1) ** 2
    low = ground(form, outline[:, 1], length) - min(form.fore, form.sole) + spring
    waist = -0.006 * np.exp(-(((outline[:, 1] / length - 0.42) / 0.12) ** 2))
    ring = [(-0.012, top), (-0.0006, top), (0.0, top - 0.0007), (0.0002, low + 0.0012), (-0.0008, low), (-0.012, low)]
    sole = stack(outline, [(off + waist, z) for off, z in ring])
    order = np.roll(outline, -int(np.argmax(outline[:, 1])), axis=0)
    back = even(order[order[:, 1] < 0.27 * length])[:: 240 // len(outline)]
    heights = np.full(len(back), -form.fore + 0.002), np.full(len(back), -form.sole)
    block = [(-0.003, heights[0]), (-0.0012, heights[0]), (-0.0022, heights[1] + 0.0012), (-0.003, heights[1])]
    return {"sole": sole, "heel": stack(back, block)}
