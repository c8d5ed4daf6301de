"""Scores of values in 0..1: albedo, coverage."""

from collections.abc import Mapping

import numpy as np

from datasets.conventions import Array
from train.metrics.measure import Figure, Measure

FIGURES = {"mae": Figure("MAE", form=".4f"), "rmse": Figure("RMSE", form=".4f")}


def _usable(truth: Array) -> Array:
    return np.isfinite(truth).all(0)


def _compare(p: Array, t: Array, known: Array) -> dict[str, Array]:
    return {"absolute": np.mean(np.abs(p - t), 0), "square": np.mean((p - t) ** 2, 0)}


def _total(values: Mapping[str, Array]) -> Array:
    return np.array([len(values["square"]), np.sum(values["absolute"]), np.sum(values["square"])])


def _figure(sums: Array, median: Array) -> dict[str, Array]:
    return {"mae": sums[..., 1] / sums[..., 0], "rmse": np.sqrt(sums[..., 2] / sums[..., 0])}


#: Mean absolute and root mean squared error over pixels and channels.
COLOUR = Measure(FIGURES, _usable, _compare, 3, _total, _figure)
