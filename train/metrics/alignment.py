"""How a relative prediction is brought to metres, per image, before it is compared.

Each takes the prediction p and the true depths t, (N,) float64, and gives depths (N,). No sign is forced on a fitted scale, as in the
public evaluations. Sums are NumPy's, not BLAS', whose digits depend on threads.
"""

from collections.abc import Callable

import numpy as np

from datasets.conventions import Array


def none(p: Array, t: Array) -> Array:
    """p, as predicted."""
    return p


def scale(p: Array, t: Array) -> Array:
    """s p with the s of least squared error: for depth known up to its unit alone."""
    square = np.sum(p * p)
    return (np.sum(p * t) / square if square > 0 else 0.0) * p


def median(p: Array, t: Array) -> Array:
    """s p + b that gives p the truth's median and mean absolute deviation from it (Ranftl et al. 2020, MiDaS)."""
    if not len(p):
        return p
    centred, middle = p - np.median(p), np.median(t)
    spread = np.mean(np.abs(centred))
    return middle + (np.mean(np.abs(t - middle)) / spread if spread > 0 else 0.0) * centred


def lsq(p: Array, t: Array) -> Array:
    """s p + b with the s and b of least squared error in depth (MiDaS; Marigold's protocol). Never worse in RMSE than a constant."""
    if not len(p):
        return p
    centred, mean = p - np.mean(p), np.mean(t)
    variance = np.sum(centred * centred)
    return mean + (np.sum(centred * (t - mean)) / variance if variance > 0 else 0.0) * centred


def lsq_disparity(p: Array, t: Array) -> Array:
    """1 / (s p + b), of a disparity p, with the s and b of least squared error in 1/t (MiDaS; Depth Anything's protocol).

    The fitted disparity is at least that of the image's farthest true point, so that depth stays finite (MoGe's evaluation).
    """
    if not len(p):
        return p
    return 1.0 / np.maximum(lsq(p, 1.0 / t), 1.0 / np.max(t))


#: Name of the key's value -> method.
ALIGNMENTS: dict[str, Callable[[Array, Array], Array]] = {
    "none": none,
    "scale": scale,
    "median": median,
    "lsq": lsq,
    "lsq_disparity": lsq_disparity,
}
