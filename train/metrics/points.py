"""Scores of point maps."""

from collections.abc import Mapping

import numpy as np

from datasets.conventions import Array
from train.metrics.measure import Figure, Measure

CENTIMETRES = (1, 2, 5)

FIGURES = {
    "epe": Figure("EPE", "m"),
    "epe_scale": Figure("scaled", "m"),
    "epe_lsq": Figure("lsq", "m"),
    "rel": Figure("rel", form=".4f"),
    "delta1": Figure("delta1", "%", 100, ".1f", max),
    **{f"within_{limit}cm": Figure(f"<{limit} cm", "%", 100, ".1f", max) for limit in CENTIMETRES},
}


def scaled(p: Array, t: Array) -> Array:
    """s p with the s of least squared distance. (3,N)."""
    square = np.sum(p * p)
    return (np.sum(p * t) / square if square > 0 else 0.0) * p


def fitted(p: Array, t: Array) -> Array:
    """s p + b, b a vector, of least squared distance. (3,N)."""
    if not p.size:
        return p
    centre = np.mean(t, 1, keepdims=True)
    return centre + scaled(p - np.mean(p, 1, keepdims=True), t - centre)


def _usable(truth: Array) -> Array:
    return np.isfinite(truth).all(0) & (truth[2] > 0)


def _length(vectors: Array) -> Array:
    return np.sqrt(np.sum(vectors * vectors, 0))


def _compare(p: Array, t: Array, known: Array) -> dict[str, Array]:
    error, distance = _length(p - t), _length(t)
    return {
        "metres": error,
        "scale": _length(scaled(p, t) - t),
        "lsq": _length(fitted(p, t) - t),
        "relative": error / distance,
        "close": error < 0.25 * np.minimum(distance, _length(p)),
    }


def _total(values: Mapping[str, Array]) -> Array:
    metres = values["metres"]
    means = [np.sum(values[name]) for name in ("metres", "scale", "lsq", "relative")]
    within = [np.count_nonzero(metres < limit / 100) for limit in CENTIMETRES]
    return np.array([len(metres), *means, np.count_nonzero(values["close"]), *within], np.float64)


def _figure(sums: Array, median: Array) -> dict[str, Array]:
    return dict(zip(FIGURES, np.moveaxis(sums[..., 1:] / sums[..., :1], -1, 0), strict=True))


#: End-point error as predicted, after one scale, after a scale and a shift; the rest as predicted. rel, delta1: Wang et al. 2025, MoGe.
POINTS = Measure(FIGURES, _usable, _compare, 1 + len(FIGURES), _total, _figure)
