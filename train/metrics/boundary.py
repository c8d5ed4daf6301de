"""Sharpness of depth: the boundary F1 of Depth Pro (Bochkovskii et al. 2024, arXiv:2410.02073), on person pixels.

Two neighbours are a boundary at threshold k where the farther one's depth exceeds k times the nearer one's; right is a predicted one
whose true depths exceed it in the same direction. Thresholds are 1.05 to 1.25 in ten steps, weighted by their value. As published
but for two things, without which a perfect prediction of a person scores less than 1: pairs of the four directions are counted
together, and an image's thresholds at which the truth has no boundary are left out instead of scoring 0.

A pair counts where both pixels are known, and belongs to its left or upper pixel. How many thresholds it exceeds, with the sign of the
direction, is its level: -10..10.
"""

from typing import Any

import numpy as np

from datasets.conventions import Array

THRESHOLDS = np.linspace(1.05, 1.25, 10)
#: Sums: right pairs, predicted pairs and true pairs, per threshold.
SUMS = 3 * len(THRESHOLDS)

_SPAN = 2 * len(THRESHOLDS) + 1


def _counted() -> Array:
    """(SUMS, codes): what a pair of each code adds to the sums. Code: (predicted level + 10) · 21 + true level + 10."""
    levels = np.arange(_SPAN) - len(THRESHOLDS)
    predicted, true = (grid.ravel() for grid in np.meshgrid(levels, levels, indexing="ij"))
    step = np.arange(len(THRESHOLDS))[:, None]
    exceeded = np.abs(predicted) > step, np.abs(true) > step
    return np.concatenate([exceeded[0] & exceeded[1] & (predicted * true > 0), *exceeded]).astype(np.float64)


_COUNTED = _counted()
#: The code of no pair, and of one that is a boundary for nobody.
_NOTHING = len(THRESHOLDS) * (_SPAN + 1)


def pairs(prediction: Array, truth: Array, known: Array) -> dict[str, Array]:
    """Codes (N,) int16 of each known pixel's pair with its right and with its lower neighbour. Depths (N,) above 0; known (H,W)."""
    rows, columns = (slice(*(known.any(axis).nonzero()[0][[0, -1]] + [0, 1])) if known.any() else slice(0) for axis in (1, 0))
    box = known[rows, columns]
    p, t = np.ones((2, *box.shape))
    p[box], t[box] = prediction, truth
    return {"right": _codes(p, t, box, np.s_[:, :-1], np.s_[:, 1:])[box], "down": _codes(p, t, box, np.s_[:-1], np.s_[1:])[box]}


def _codes(prediction: Array, truth: Array, known: Array, first: Any, second: Any) -> Array:
    """Of the pairs of each pixel in `first` and its neighbour in `second`. All (H,W)."""
    code = np.full(known.shape, _NOTHING, np.int16)
    edge = _stepped(prediction[first], prediction[second]) | _stepped(truth[first], truth[second])
    edge &= known[first] & known[second]
    predicted, true = (_level(depth[first][edge], depth[second][edge]) for depth in (prediction, truth))
    code[first][edge] = predicted * _SPAN + true + _NOTHING
    return code


def _stepped(first: Array, second: Array) -> Array:
    """Where a threshold may be exceeded, in two products instead of a division; rounding cannot hide one."""
    low = THRESHOLDS[0] * (1 - 1e-9)
    return (first > low * second) | (second > low * first)


def _level(first: Array, second: Array) -> Array:
    """Number of thresholds that the ratio of neighbours exceeds, negative where the first is the farther. (N,)."""
    ratio = np.maximum(first, second) / np.minimum(first, second)
    return np.searchsorted(THRESHOLDS, ratio, side="left") * np.where(first < second, 1, -1)


def total(right: Array, down: Array) -> Array:
    """Sums (SUMS,) over pixels with these codes."""
    codes = np.concatenate([right, down])
    # No matrix product: its threads would spin on after it.
    return np.sum(_COUNTED * np.bincount(codes[codes != _NOTHING], minlength=_SPAN**2), axis=1)


def f1(sums: Array) -> Array:
    """The weighted mean over thresholds of 2 · right / (predicted + true), from sums (...,SUMS); NaN where the truth has no boundary."""
    right, predicted, true = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, len(THRESHOLDS)), -2, 0)
    weight = THRESHOLDS * (true > 0)
    return np.sum(weight * 2 * right / np.maximum(predicted + true, 1), axis=-1) / np.sum(weight, axis=-1)
