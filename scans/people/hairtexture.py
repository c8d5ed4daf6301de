"""The texture of hair: strands in one band, and beside it what shows between their roots."""

import numpy as np
from scipy import ndimage

from datasets.conventions import Array

#: Bands of u: strands, v running from root to tip; lashes; and scalp, v running from bare skin to covered by hair.
HAIR_U, LASH_U, CAP_U = (0.01, 0.80), (0.83, 0.85), (0.88, 0.99)
ROUGHNESS = (0.38, 0.55)  # sleek to dull


def paint(shade: Array, scalp: Array, grey: float, size: int, rng: np.random.Generator) -> Array:
    """Hair of a colour (3,), sRGB, on a `scalp` (3,), as a picture (size,size,3) uint8, row 0 at v = 1.

    grey: share of the strands that have lost their colour.
    """
    v = ((np.arange(size) + 0.5) / size)[::-1, None]
    strand = _noise(rng, size, size / 3, 0.6)
    lock = _noise(rng, size, size, size / 40)
    light = float(np.mean(shade))
    contrast = 1 - 0.6 * min(1.0, light / 0.5)  # fair hair is translucent: its shadows are faint
    tone = contrast * (0.26 * strand + 0.16 * lock + np.interp(v, [0, 0.25, 1], [-0.40, -0.05, 0.10])) + 0.15 * light * v
    image = shade * np.exp(tone)[..., None]
    image = image + (0.015 * np.maximum(strand, 0))[..., None]
    drawn = _noise(rng, size, size * 2, 0.7)
    lost = ndimage.gaussian_filter((drawn < np.quantile(drawn, grey)).astype(float), 0.5) if grey else np.zeros((size, size))
    silver = np.array([0.60, 0.59, 0.58]) * np.exp(0.12 * strand + 0.1 * (v - 0.5))[..., None]
    image = image * (1 - lost)[..., None] + silver * lost[..., None]
    specks = np.clip(_noise(rng, size, 2.0, 1.0), -2, 2)
    covered = np.clip(v * 1.25 - 0.1 + 0.20 * specks * (1 - np.abs(2 * v - 1)), 0, 1)[..., None]
    middle = image[:, : int(HAIR_U[1] * size)].mean(axis=(0, 1)) * 0.72
    ground = scalp * (1 - covered) + middle * covered * np.exp(0.10 * specks)[..., None]
    u = (np.arange(size) + 0.5) / size
    image = np.where((u > (LASH_U[1] + CAP_U[0]) / 2)[None, :, None], ground, image)
    dark = ((u > (HAIR_U[1] + LASH_U[0]) / 2) & (u < (LASH_U[1] + CAP_U[0]) / 2))[None, :, None]
    image = np.where(dark, 0.02 + 0.25 * shade, image)
    return np.asarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))


def _noise(rng: np.random.Generator, size: int, rows: float, columns: float) -> Array:
    """Noise of unit variance, smooth over so many texels down and across."""
    values = ndimage.gaussian_filter(rng.normal(size=(size, size)), (rows / 2, columns), mode="wrap")
    return np.asarray((values - values.mean()) / values.std())
