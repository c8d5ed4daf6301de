"""Smooth random fields in space: sums of plane waves for vertices, lattice noise for texels."""

import numpy as np
from scipy.ndimage import map_coordinates

from datasets.conventions import Array


class Waves:
    """A smooth random function of 3D points, about -1 to 1: `count` plane waves of about `length` metres."""

    def __init__(self, rng: np.random.Generator, length: float, count: int) -> None:
        direction = rng.normal(size=(count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        self.waves = direction * (2 * np.pi / length * rng.uniform(0.6, 1.6, size=(count, 1)))
        self.phases = rng.uniform(0, 2 * np.pi, count)

    def __call__(self, points: Array) -> Array:
        """Values (V,) at points (V,3)."""
        return np.sin(points @ self.waves.T + self.phases).sum(axis=1) * (1.4 / np.sqrt(2 * len(self.phases)))


def lattice(rng: np.random.Generator, points: Array, length: float) -> Array:
    """Value noise, standard normal on a periodic lattice of cells of `length` metres, at points (...,3), interpolated."""
    values = rng.normal(size=(32, 32, 32)).astype(np.float32)
    coordinates = np.moveaxis(points / length, -1, 0)
    return np.asarray(map_coordinates(values, coordinates, order=1, mode="grid-wrap"))
