"""Pictures of errors, in colours that mean the same in every picture of a task."""

from dataclasses import dataclass

import cv2
import numpy as np

from datasets.conventions import Array
from train.metrics import Errors

_COLOURS = cv2.COLORMAP_VIRIDIS


@dataclass(frozen=True)
class Scale:
    """Colours run from no error to `limit` of `unit`, and stay at the last one beyond. values: which of a measure's errors they show."""

    values: str
    limit: float
    unit: str = ""


SCALES = {
    "depth": Scale("metres", 0.2, "m"),
    "normal": Scale("degrees", 60.0, "°"),
    "pointmap": Scale("metres", 0.2, "m"),
    "alpha": Scale("absolute", 0.5),
    "albedo": Scale("absolute", 0.5),
}


def error_map(task: str, errors: Errors) -> Array:
    """uint8 RGB (H,W,3) of one image's errors, from dark to bright; black where nothing was scored."""
    scale = SCALES[task]
    picture = np.zeros((*errors.known.shape, 3), np.uint8)
    picture[errors.known] = colours(np.abs(errors.values[scale.values]) / scale.limit)
    return picture


def colours(levels: Array) -> Array:
    """uint8 RGB (N,3) of levels (N,): 0 is no error, 1 and more the limit."""
    grey = (np.clip(levels, 0, 1) * 255).round().astype(np.uint8).reshape(-1, 1)
    found: Array = cv2.applyColorMap(grey, _COLOURS)[:, 0, ::-1]
    return found


def gradient() -> str:
    """The scale's colours as a CSS gradient, from no error to the limit."""
    stops = ", ".join("#{:02x}{:02x}{:02x}".format(*colour) for colour in colours(np.linspace(0, 1, 9)))
    return f"linear-gradient(90deg, {stops})"
