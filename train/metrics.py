"""Errors and their summaries, on the pixels of people, in float64.

A summary of all pixels together is "micro"; the mean of the pictures' own summaries is "macro". Medians are exact.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from datasets.conventions import Array

Errors = dict[str, Array]
Summary = dict[str, float]


class Figure(NamedTuple):
    """How a number of a summary is shown: heading with the unit, factor to that unit, format; `best` of rivals is the min or max."""

    heading: str
    factor: float = 1.0
    form: str = ".3f"
    best: Callable[[Iterable[float]], float] = min


DEPTH = {
    "rmse": Figure("RMSE m"),
    "absrel": Figure("AbsRel", form=".4f"),
    "delta1": Figure("delta1 %", 100, ".1f", max),
}
NORMAL = {
    "mean": Figure("mean °", form=".2f"),
    "median": Figure("median °", form=".2f"),
    **{f"within_{limit}": Figure(f"<{limit}° %", 100, ".1f", max) for limit in (11.25, 22.5, 30)},
}
COLOUR = {"mae": Figure("MAE", form=".4f"), "rmse": Figure("RMSE", form=".4f")}
POINTS = {"mean": Figure("mean m"), "scaled": Figure("scaled m")}


def align_least_squares(prediction: Array, truth: Array) -> Array:
    """s p + b with the s and b of least squared error. By construction its RMSE is never above the best constant's."""
    p, t = prediction - prediction.mean(), truth - truth.mean()
    variance = p @ p
    return truth.mean() + ((p @ t) / variance if variance > 0 else 0.0) * p


def align_median(prediction: Array, truth: Array) -> Array:
    """s p + b that gives the prediction the truth's median and mean absolute deviation from it (Ranftl et al. 2020, MiDaS)."""
    p, t = prediction - np.median(prediction), truth - np.median(truth)
    spread = np.abs(p).mean()
    return np.median(truth) + (np.abs(t).mean() / spread if spread > 0 else 0.0) * p


#: How a relative depth is brought to metres, per picture, before it is compared.
ALIGNMENTS: dict[str, Callable[[Array, Array], Array]] = {
    "least_squares": align_least_squares,
    "median": align_median,
    "none": lambda prediction, truth: prediction,
}


def depth_errors(prediction: Array, truth: Array, mask: Array, alignment: str = "least_squares") -> Errors:
    """Per pixel of the mask: error (metres), its part of the true depth, and the ratio max(p/t, t/p). All maps (H,W)."""
    known = (mask > 0) & (truth > 0)
    t = truth[known].astype(np.float64)
    p = ALIGNMENTS[alignment](prediction[known].astype(np.float64), t) if t.size else t
    ratio = np.where(p > 0, np.maximum(p / t, t / np.where(p > 0, p, 1.0)), np.inf)
    return {"metres": np.abs(p - t), "relative": np.abs(p - t) / t, "ratio": ratio}


def depth_summary(errors: Mapping[str, Array]) -> Summary:
    """RMSE in metres, mean relative error, and the part of pixels whose ratio is below 1.25."""
    return {
        "rmse": float(np.sqrt(np.mean(errors["metres"] ** 2))),
        "absrel": float(np.mean(errors["relative"])),
        "delta1": float(np.mean(errors["ratio"] < 1.25)),
    }


def normal_errors(prediction: Array, truth: Array, mask: Array) -> Errors:
    """Angle in degrees between the directions, per pixel of the mask. prediction and truth (H,W,3), of any length.

    From the half-angle tangent |a - b| / |a + b| of unit vectors, which unlike arccos is exact near 0. A zero vector counts as 90.
    """
    known = mask > 0
    a, b = (values[known].astype(np.float64) for values in (prediction, truth))
    a, b = (v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12) for v in (a, b))
    angle = 2.0 * np.degrees(np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)))
    return {"degrees": angle}


def normal_summary(errors: Mapping[str, Array]) -> Summary:
    """Mean and median angle in degrees, and the parts of pixels within 11.25, 22.5 and 30 degrees."""
    degrees = errors["degrees"]
    within = {f"within_{limit}": float(np.mean(degrees < limit)) for limit in (11.25, 22.5, 30)}
    return {"mean": float(degrees.mean()), "median": float(np.median(degrees)), **within}


def colour_errors(prediction: Array, truth: Array, mask: Array) -> Errors:
    """Absolute error per pixel of the mask and channel, of values in 0..1. All maps (H,W) or (H,W,3)."""
    known = mask > 0
    return {"absolute": np.abs(prediction[known].astype(np.float64) - truth[known]).reshape(-1)}


def colour_summary(errors: Mapping[str, Array]) -> Summary:
    """Mean absolute error and root mean squared error."""
    return {"mae": float(np.mean(errors["absolute"])), "rmse": float(np.sqrt(np.mean(errors["absolute"] ** 2)))}


def point_errors(prediction: Array, truth: Array, mask: Array) -> Errors:
    """Distance in metres between points, per pixel of the mask: as predicted, and after the scale of least squared error. Maps (H,W,3)."""
    known = (mask > 0) & (truth[..., 2] > 0)
    p, t = (values[known].astype(np.float64) for values in (prediction, truth))
    square = np.sum(p * p)
    scale = np.sum(p * t) / square if square > 0 else 0.0
    return {"metres": np.linalg.norm(p - t, axis=-1), "scaled": np.linalg.norm(scale * p - t, axis=-1)}


def point_summary(errors: Mapping[str, Array]) -> Summary:
    """Mean distance in metres, as predicted and after one scale per picture."""
    return {"mean": float(np.mean(errors["metres"])), "scaled": float(np.mean(errors["scaled"]))}


class Scores:
    """Collects the errors of one predictor picture by picture (8 bytes per pixel and kind), then summarises them."""

    def __init__(self, summary: Callable[[Mapping[str, Array]], Summary]) -> None:
        self.summary = summary
        self.errors: list[Errors] = []
        self.per_image: dict[str, Summary] = {}

    def add(self, key: str, errors: Errors) -> None:
        """Count one picture. Pictures without a person have no errors and are left out."""
        if next(iter(errors.values())).size:
            self.errors.append(errors)
            self.per_image[key] = self.summary(errors)

    def micro(self) -> Summary:
        """The summary of all pixels of all pictures."""
        return self.summary({name: np.concatenate([e[name] for e in self.errors]) for name in self.errors[0]})

    def macro(self) -> Summary:
        """The mean over pictures of their own summaries."""
        rows = list(self.per_image.values())
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
