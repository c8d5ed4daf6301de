"""Value noise for texels: random numbers on a lattice that repeats, smoothly interpolated, in the plane or in space."""

import cv2
import numpy as np
from scipy.ndimage import map_coordinates

from datasets.conventions import Array

CELLS = {2: 128, 3: 32}
STEPS = 6  # samples that a cell of noise needs


class Noise:
    """A smooth random function of about unit variance, of points with 2 or 3 coordinates."""

    def __init__(self, rng: np.random.Generator, dimensions: int) -> None:
        self.values = rng.normal(size=(CELLS[dimensions],) * dimensions).astype(np.float32)
        self.turn = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))[0].round(6).astype(np.float32)  # cells must not show
        self.gain = np.float32({2: 1.80, 3: 1.60}[dimensions])  # interpolation takes variance

    def __call__(self, points: Array, length: float, pitch: float = np.inf) -> Array:
        """Values (H,W) at the points (H,W,2 or 3) of a grid, for cells of `length`. pitch: distance of neighbouring points,
        in the same unit; broad noise on a narrow grid is computed on a coarser one."""
        step = max(1, int(length / STEPS / pitch))
        height, width = points.shape[:2]
        if step > 1 and min(height, width) > 4 * step:
            coarse = cv2.resize(np.ascontiguousarray(points, np.float32), (width // step, height // step), interpolation=cv2.INTER_LINEAR)
            return np.asarray(cv2.resize(self(coarse, length), (width, height), interpolation=cv2.INTER_CUBIC))
        cell = np.moveaxis(np.asarray(points, np.float32) @ (self.turn / np.float32(length)), -1, 0)
        if len(cell) == 2:
            return self._at(cell, 2)
        whole = np.floor(cell)
        cell = cell - whole
        return self._at(whole + cell * cell * (3 - 2 * cell), 1)

    def _at(self, cell: Array, order: int) -> Array:
        return np.asarray(map_coordinates(self.values, cell, order=order, mode="grid-wrap", prefilter=False, output=np.float32) * self.gain)


def ease(t: Array) -> Array:
    """Smooth step: 0 below 0, 1 above 1."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def bump(x: Array, width: float | Array) -> Array:
    """A bell of height 1, `width` its standard deviation times the root of two."""
    return np.exp(-np.square(x / width))
