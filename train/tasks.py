"""What can be predicted: one row per task. To add a task, add a row (and its map to the triplet)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor
from torch.nn import functional as F

from datasets.batch import Batch
from datasets.conventions import Array, normal_to_rgb
from train import losses, metrics

#: What a model predicts: task -> (B,C,H,W).
Raw = Mapping[str, Tensor]


@dataclass(frozen=True)
class Task:
    """One kind of map.

    field     the batch's map that holds the truth
    channels  of the prediction
    bias      of the last layer before training: a sensible first guess
    loss      (raw predictions of the model, batch) -> scalar
    finish    raw predictions of the model -> values (B,C,H,W)
    errors    (prediction, truth, mask) as (H,W[,3]) arrays -> errors per pixel
    summary   errors -> named numbers
    baseline  (truth, mask) -> a trivial prediction, called `trivial`
    picture   (values, mask) -> uint8 RGB
    exr       names of the channels on disk
    """

    field: str
    channels: int
    bias: float
    loss: Callable[[Raw, Batch], Tensor]
    finish: Callable[[Raw], Tensor]
    errors: Callable[..., metrics.Errors]
    summary: Callable[[Mapping[str, Array]], metrics.Summary]
    baseline: Callable[[Array, Array], Array]
    trivial: str
    picture: Callable[[Array, Array], Array]
    exr: str


def depth_picture(depth: Array, mask: Array) -> Array:
    """Near bright, far dark (inferno), over the range within the mask; black outside. (H,W) to uint8 (H,W,3)."""
    inside = mask > 0
    if not inside.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    near, far = np.percentile(depth[inside], [0.5, 99.5])
    level = 1.0 - np.clip((depth - near) / max(far - near, 1e-9), 0, 1) * 0.9
    colours = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    return np.where(inside[..., None], colours, np.uint8(0))


def normal_picture(normal: Array, mask: Array) -> Array:
    """(n + 1) / 2; black outside the mask. (H,W,3) to uint8 (H,W,3)."""
    return normal_to_rgb(np.where(mask[..., None] > 0, normal, 0.0))


def _depth_loss(raw: Raw, batch: Batch) -> Tensor:
    # Sapiens takes the raw value for the depth, which the loss cannot follow below zero.
    target = losses.normalised_depth(batch["depth"], batch["mask"])
    return losses.silog(F.softplus(raw["depth"].float()), target, batch["mask"])


def _mean_depth(truth: Array, mask: Array) -> Array:
    return np.full(truth.shape, truth[mask > 0].astype(np.float64).mean() if mask.any() else 0.0)


def _facing(truth: Array, mask: Array) -> Array:
    return np.broadcast_to(np.array([0.0, 0.0, 1.0]), truth.shape)


TASKS: dict[str, Task] = {
    "depth": Task(
        field="depth",
        channels=1,
        bias=0.0,
        loss=_depth_loss,
        finish=lambda raw: F.softplus(raw["depth"].float()),
        errors=metrics.depth_errors,
        summary=metrics.depth_summary,
        baseline=_mean_depth,
        trivial="best constant depth per image",
        picture=depth_picture,
        exr="Z",
    ),
    "normal": Task(
        field="normal",
        channels=3,
        bias=0.0,
        loss=lambda raw, batch: losses.cosine_l1(raw["normal"], batch["normal"], batch["mask"]),
        finish=lambda raw: F.normalize(raw["normal"].float(), dim=1),
        errors=metrics.normal_errors,
        summary=metrics.normal_summary,
        baseline=_facing,
        trivial="every normal facing the camera",
        picture=normal_picture,
        exr="RGB",
    ),
}
