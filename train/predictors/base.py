"""What a predictor is, and how its values come to the conventions of the house."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from conf.command import UserError
from datasets.conventions import Array, camera_rays
from train import axes

#: What values of depth may mean; metres of each unit.
DEPTH_KINDS = ("depth", "disparity", "distance")
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}


class Bad(Exception):
    """Why a picture has no usable prediction, in one line."""


@dataclass(frozen=True)
class Shown:
    """What a predictor may look at.

    key    of the sample
    rgb    (H,W,3) uint8 sRGB
    K      (3,3) pixels
    truth  task -> true values and mask, for baselines alone
    """

    key: str
    rgb: Array
    K: Array
    truth: Callable[[str], tuple[Array, Array]]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.rgb.shape[0], self.rgb.shape[1]


#: Task -> values (H,W) or (H,W,3) at the picture's own size, in the conventions of the house; or why there are none.
Prediction = dict[str, Array | Bad]


@dataclass(frozen=True)
class Stated:
    """What a user states about a method: the keys of train.evaluate of the same names. None: not stated."""

    device: torch.device = torch.device("cpu")
    tasks: Sequence[str] | None = None
    depth_kind: str | None = None
    depth_unit: str | None = None
    normal_axes: str | None = None
    png_scale: float | None = None
    resize: bool = False
    onnx_outputs: Sequence[str] | None = None
    onnx_channels: str | None = None
    onnx_size: Sequence[int] | None = None
    onnx_mean: Sequence[float] = (0.0, 0.0, 0.0)
    onnx_std: Sequence[float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Conversion:
    """How values of others are to be read. Raises UserError for what cannot be.

    depth_kind   depth: planar; disparity: its inverse, nearer is larger; distance: along the ray
    depth_unit   m, cm or mm (of a disparity: 1/m ...); None: no unit, relative
    normal_axes  what the three channels hold, in the house's axes x right, y up, z toward the camera: `x-y-z` is OpenCV's
    """

    depth_kind: str = "depth"
    depth_unit: str | None = None
    normal_axes: str = axes.spelt(axes.HOUSE)

    def __post_init__(self) -> None:
        if self.depth_kind not in DEPTH_KINDS:
            raise UserError(f"depth_kind={self.depth_kind}: choose from {', '.join(DEPTH_KINDS)}")
        if self.depth_unit is not None and self.depth_unit not in UNITS:
            raise UserError(f"depth_unit={self.depth_unit}: choose from {', '.join(UNITS)}, or null for depth without a unit")
        try:
            axes.read(self.normal_axes)
        except ValueError as error:
            raise UserError(f"normal_axes={self.normal_axes}: {error}") from error

    @staticmethod
    def of(stated: Stated, **known: Any) -> "Conversion":
        """What is stated, else what is known of the method, else the house's conventions."""
        given = {name: getattr(stated, name) for name in ("depth_kind", "depth_unit", "normal_axes")}
        return Conversion(**{**known, **{name: value for name, value in given.items() if value is not None}})

    @property
    def suits(self) -> str:
        """The alignment of depth that leaves out what is not known, and no more."""
        if self.depth_unit:
            return "none"
        return {"depth": "lsq", "disparity": "lsq_disparity", "distance": "scale"}[self.depth_kind]

    def facts(self, tasks: Sequence[str]) -> dict[str, Any]:
        """What tables record."""
        facts: dict[str, Any] = {"depth_kind": self.depth_kind, "depth_unit": self.depth_unit} if "depth" in tasks else {}
        return facts | ({"normal_axes": axes.spelt(axes.read(self.normal_axes))} if "normal" in tasks else {})

    def __call__(self, task: str, values: Array, K: Array) -> Array:
        """Values (H,W) or (H,W,3) of a task in the conventions of the house; disparity without a unit stays as it is."""
        if task == "depth":
            return self._depth(values, K)
        return self._normal(values) if task == "normal" else values

    def _depth(self, values: Array, K: Array) -> Array:
        factor = UNITS[self.depth_unit] if self.depth_unit else 1.0
        if self.depth_kind == "disparity":
            if not self.depth_unit:
                return values
            with np.errstate(divide="ignore"):
                return factor / values.astype(np.float64)
        if self.depth_kind == "distance":
            values = values / np.linalg.norm(camera_rays(K, *values.shape), axis=-1)
        return factor * values

    def _normal(self, values: Array) -> Array:
        channels = axes.read(self.normal_axes)
        if channels == axes.HOUSE:
            return values
        turned = np.empty_like(values)
        for channel, (axis, sign) in enumerate(channels):
            turned[..., axis] = sign * values[..., channel]
        return turned


class Predictor(ABC):
    """Any method that gives maps for pictures. Attributes are for tables.

    kind        as in `KINDS`
    name        what tables call it
    source      where it came from, without paths of the machine
    resolution  what it looked at
    tasks       what it predicts
    suits       the alignment of its depth that leaves out what is not known, and no more
    conversion  how its values became the house's
    """

    kind: str
    name: str
    source: str
    resolution: str
    tasks: tuple[str, ...]
    suits: str = "none"
    conversion: dict[str, Any]

    @abstractmethod
    def predict(self, shown: Sequence[Shown]) -> list[Prediction]:
        """Of each picture, for each of its tasks. Raises UserError for what no image can do without."""

    def lacking(self, keys: Sequence[str]) -> dict[str, str]:
        """Of which samples a prediction is known to be missing, before any is made -> what was looked for."""
        return {}


def asked(stated: Stated, there: Sequence[str], what: str) -> tuple[str, ...]:
    """The tasks of a method that are asked for. Raises UserError for one that it does not have."""
    absent = [task for task in stated.tasks or () if task not in there]
    if absent:
        raise UserError(f"tasks={list(stated.tasks or ())}: {what} has no {absent[0]}; it has {', '.join(there) or 'none that is known'}")
    return tuple(stated.tasks or there)


def fitting(values: Array, channels: int) -> Array:
    """Values as (H,W), or (H,W,channels), from any usual order of axes. Raises Bad."""
    squeezed = np.squeeze(values)
    if channels == 1 and squeezed.ndim == 2:
        return squeezed
    if channels > 1 and squeezed.ndim == 3:
        if squeezed.shape[-1] == channels:
            return squeezed
        if squeezed.shape[0] == channels:
            return np.moveaxis(squeezed, 0, -1)
    wanted = "(H,W)" if channels == 1 else f"(H,W,{channels}) or ({channels},H,W)"
    raise Bad(f"its shape is {'x'.join(map(str, values.shape))}, not {wanted}")


def finite(values: float) -> bool:
    """Whether a number can be used as a scale."""
    return math.isfinite(values) and values > 0
