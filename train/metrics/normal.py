"""Scores of normals."""

from collections.abc import Mapping

import numpy as np

from datasets.conventions import Array
from train.metrics.measure import Figure, Measure

LIMITS = (5, 11.25, 22.5, 30)

FIGURES = {
    "mean": Figure("mean", "°", form=".2f"),
    "median": Figure("median", "°", form=".2f"),
    "rmse": Figure("RMSE", "°", form=".2f"),
    **{f"within_{limit}": Figure(f"<{limit}°", "%", 100, ".1f", max) for limit in LIMITS},
}


def angle(p: Array, t: Array) -> Array:
    """Degrees (N,) between vectors (3,N) of any length: atan2(|p × t|, p · t), which unlike arccos is exact near 0. A zero vector: 90."""
    (px, py, pz), (tx, ty, tz) = p, t
    x, y, z = py * tz - pz * ty, pz * tx - px * tz, px * ty - py * tx
    sine, cosine = np.sqrt(x * x + y * y + z * z), px * tx + py * ty + pz * tz
    return np.where((sine == 0) & (cosine == 0), 90.0, np.degrees(np.arctan2(sine, cosine)))


def _usable(truth: Array) -> Array:
    return np.isfinite(truth).all(0) & (truth != 0).any(0)


def _compare(p: Array, t: Array, known: Array) -> dict[str, Array]:
    return {"degrees": angle(p, t)}


def _total(values: Mapping[str, Array]) -> Array:
    degrees = values["degrees"]
    within = [np.count_nonzero(degrees < limit) for limit in LIMITS]
    return np.array([len(degrees), np.sum(degrees), np.sum(degrees * degrees), *within], np.float64)


def _figure(sums: Array, median: Array) -> dict[str, Array]:
    mean, square, *within = np.moveaxis(sums[..., 1:] / sums[..., :1], -1, 0)
    shares = {f"within_{limit}": share for limit, share in zip(LIMITS, within, strict=True)}
    return {"mean": mean, "median": median, "rmse": np.sqrt(square), **shares}


#: Angular errors as since Fouhey et al. 2013; 5 degrees as in Sapiens2.
NORMAL = Measure(FIGURES, _usable, _compare, 3 + len(LIMITS), _total, _figure, median="degrees")
