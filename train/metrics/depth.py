"""Scores of depth."""

from collections.abc import Mapping

import numpy as np

from datasets.conventions import Array
from train.metrics import boundary
from train.metrics.alignment import ALIGNMENTS
from train.metrics.measure import Figure, Measure

#: Metres. Aligned depths count as at least this in all that takes a ratio: delta, log10, SILog, boundaries (Lee et al. 2019, BTS).
NEAREST = 1e-3

FIGURES = {
    "rmse": Figure("RMSE", "m"),
    "rmse_rel": Figure("RMSErel", form=".4f"),
    "absrel": Figure("AbsRel", form=".4f"),
    "log10": Figure("log10", form=".4f"),
    "silog": Figure("SILog", form=".3f"),
    **{f"delta{power}": Figure(f"delta{power}", "%", 100, ".1f", max) for power in (1, 2, 3)},
    "boundary_f1": Figure("edges F1", "%", 100, ".1f", max),
}


def _usable(truth: Array) -> Array:
    return (truth[0] > 0) & np.isfinite(truth[0])


def _compare(p: Array, t: Array, known: Array, alignment: str = "lsq") -> dict[str, Array]:
    t = t[0]
    p = ALIGNMENTS[alignment](p[0], t)
    positive = np.maximum(p, NEAREST)
    return {
        "metres": p - t,
        "relative": (p - t) / t,
        "ratio": np.maximum(positive / t, t / positive),
        "log": np.log(positive / t),
        **boundary.pairs(positive, t, known),
    }


def _total(values: Mapping[str, Array]) -> Array:
    metres, relative, ratio, log = (values[name] for name in ("metres", "relative", "ratio", "log"))
    of_pixels = [
        len(metres),
        np.sum(metres * metres),
        np.sum(relative * relative),
        np.sum(np.abs(relative)),
        np.sum(np.abs(log)),
        np.sum(log),
        np.sum(log * log),
        *(np.count_nonzero(ratio < 1.25**power) for power in (1, 2, 3)),
    ]
    return np.concatenate([of_pixels, boundary.total(values["right"], values["down"])])


def _figure(sums: Array, median: Array) -> dict[str, Array]:
    pixels = sums[..., 0]
    square, square_relative, relative, log_size, log, log_square, *deltas = np.moveaxis(sums[..., 1:10] / pixels[..., None], -1, 0)
    return {
        "rmse": np.sqrt(square),
        "rmse_rel": np.sqrt(square_relative),
        "absrel": relative,
        "log10": log_size / np.log(10),
        "silog": 100 * np.sqrt(np.maximum(log_square - log * log, 0.0)),
        **{f"delta{power}": delta for power, delta in enumerate(deltas, 1)},
        "boundary_f1": boundary.f1(sums[..., 10:]),
    }


#: RMSE, AbsRel and log10 of Eigen et al. 2014, delta of Ladicky et al. 2014, SILog of KITTI's development kit. Option: alignment.
DEPTH = Measure(FIGURES, _usable, _compare, 10 + boundary.SUMS, _total, _figure)
