"""What can be predicted: one row per task. To add a task, add a row (and its map to the triplet)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from datasets import geometry
from datasets.batch import Batch
from datasets.conventions import Array, normal_to_rgb
from datasets.reader import FIELDS
from train import losses, metrics

#: What a model predicts: task -> (B,C,H,W), and the tasks' numbers -> (B,1).
Raw = Mapping[str, Tensor]
#: (prediction, target, mask) -> scalar.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """One kind of map.

    meaning   of its values, in words
    fields    members of the triplet that it needs, besides the picture and the mask
    truth     batch -> the true values (B,C,H,W), and where they are known (B,1,H,W): a mask of people, or of all pixels
    channels  of the prediction
    bias      of the last layer before training: a sensible first guess
    losses    name -> (raw predictions of the model, batch) -> scalar; the first is the default
    finish    raw predictions of the model -> values (B,C,H,W)
    measure   how predictions are scored
    baseline  (truth, mask) -> a trivial prediction, called `trivial`
    picture   (values, mask) -> uint8 RGB
    exr       names of the channels on disk
    pixels    where the truth is known, in words
    numbers   names of further predictions, one number per picture
    align     whether a scale and a shift are fitted to each image before it is scored: `measure` takes the name of a method
    relative  whether values hang on what the picture shows: a window's are fitted to the whole's by a scale and a shift
    range     least and greatest value; None: no bounds
    turn      how vectors of the camera's axes (B,3,H,W) turn with a map G (B,3,3) of these axes; None: not vectors
    mended    values (C,H,W) brought back among the possible ones after they were averaged
    """

    meaning: str
    fields: tuple[str, ...]
    truth: Callable[[Batch], tuple[Tensor, Tensor]]
    channels: int
    bias: float
    losses: Mapping[str, Callable[[Raw, Batch], Tensor]]
    finish: Callable[[Raw], Tensor]
    measure: metrics.Measure
    baseline: Callable[[Array, Array], Array]
    trivial: str
    picture: Callable[[Array, Array], Array]
    exr: tuple[str, ...]
    pixels: str = "person pixels"
    numbers: tuple[str, ...] = ()
    align: bool = False
    relative: bool = False
    range: tuple[float, float] | None = None
    turn: Callable[[Tensor, Tensor], Tensor] | None = None
    mended: Callable[[Tensor], Tensor] = lambda values: values

    def loss(self, raw: Raw, batch: Batch) -> Tensor:
        """The default loss."""
        return next(iter(self.losses.values()))(raw, batch)


def fields(tasks: Iterable[str]) -> tuple[str, ...]:
    """Members of a triplet that a reader decodes for these tasks."""
    return tuple(dict.fromkeys((*FIELDS, *(field for task in tasks for field in TASKS[task].fields))))


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


def alpha_picture(alpha: Array, mask: Array) -> Array:
    """Grey, everywhere: a matte has no outside. (H,W) to uint8 (H,W,3)."""
    return np.repeat((np.clip(alpha, 0, 1) * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)


def albedo_picture(albedo: Array, mask: Array) -> Array:
    """As it is; black outside the mask. (H,W,3) sRGB in 0..1 to uint8 (H,W,3)."""
    return np.where(mask[..., None] > 0, (np.clip(albedo, 0, 1) * 255 + 0.5).astype(np.uint8), np.uint8(0))


def pointmap_picture(points: Array, mask: Array) -> Array:
    """The picture of its depth. (H,W,3) to uint8 (H,W,3)."""
    return depth_picture(points[..., 2], mask)


def _unit(values: Tensor) -> Tensor:
    """Readers give uint8, views give floats in 0..1."""
    return values.float() / 255.0 if values.dtype == torch.uint8 else values


def _on_people(field: str) -> Callable[[Batch], tuple[Tensor, Tensor]]:
    return lambda batch: (_unit(batch[field]), batch["mask"])  # type: ignore[literal-required]


def _everywhere(field: str) -> Callable[[Batch], tuple[Tensor, Tensor]]:
    return lambda batch: (_unit(batch[field]), torch.ones_like(batch["mask"]))  # type: ignore[literal-required]


def _on_points(batch: Batch) -> tuple[Tensor, Tensor]:
    return losses.points(batch["depth"], batch["K"]), batch["mask"]


def _of_relative_depth(function: Loss) -> Callable[[Raw, Batch], Tensor]:
    def loss(raw: Raw, batch: Batch) -> Tensor:
        return function(raw["depth"], losses.normalised_depth(batch["depth"], batch["mask"]), batch["mask"])

    return loss


def _pointmap_loss(raw: Raw, batch: Batch) -> Tensor:
    """Of canonical points and, weighted by 4 as in Sapiens2, of the number between them and metres."""
    (metres, mask), K = _on_points(batch), batch["K"]
    scale = losses.canonical_scale(K, mask.shape[-1]).to(metres.device, metres.dtype)
    of_points = losses.pointmap(raw["pointmap"], metres * scale[..., None, None], mask, K)
    return of_points + 4.0 * losses.number_l1(_scale(raw), scale, mask)


def _scale(raw: Raw) -> Tensor:
    return F.softplus(raw["pointmap_scale"].float())


def _constant(truth: Array, mask: Array) -> Array:
    """The truth's mean over the mask, everywhere: the constant of least squared error."""
    inside = truth[mask > 0].astype(np.float64)
    return np.broadcast_to(inside.mean(0) if len(inside) else np.zeros(truth.shape[2:]), truth.shape)


def _facing(truth: Array, mask: Array) -> Array:
    return np.broadcast_to(np.array([0.0, 0.0, 1.0]), truth.shape)


def _flat(truth: Array, mask: Array) -> Array:
    """Each pixel's point moved along its ray to the mean depth."""
    return truth * (_constant(truth[..., 2], mask) / np.where(mask > 0, truth[..., 2], 1.0))[..., None]


TASKS: dict[str, Task] = {
    "depth": Task(
        meaning="planar depth, larger is farther; relative: known up to a scale and a shift per picture, not metres",
        fields=("depth",),
        truth=_on_people("depth"),
        channels=1,
        bias=0.5,
        losses={
            "silog": _of_relative_depth(losses.silog),
            "silog_v1": _of_relative_depth(losses.silog_v1),
            "ssi": lambda raw, batch: losses.scale_shift_invariant(raw["depth"], batch["depth"], batch["mask"]),
        },
        finish=lambda raw: raw["depth"].float(),
        measure=metrics.DEPTH,
        align=True,
        relative=True,
        baseline=_constant,
        trivial="best constant depth per image",
        picture=depth_picture,
        exr=("Z",),
    ),
    "normal": Task(
        meaning="unit vectors; x right, y up, z toward the camera",
        fields=("normal",),
        truth=_on_people("normal"),
        channels=3,
        bias=0.0,
        losses={  # of the raw vector: their L1 term brings its length to 1
            "cosine_l1": lambda raw, batch: losses.cosine_l1(raw["normal"], batch["normal"], batch["mask"]),
            "sapiens2": lambda raw, batch: losses.cosine_l1_gradient(raw["normal"], batch["normal"], batch["mask"]),
        },
        finish=lambda raw: F.normalize(raw["normal"].float(), dim=1),
        measure=metrics.NORMAL,
        baseline=_facing,
        trivial="every normal facing the camera",
        picture=normal_picture,
        exr=("R", "G", "B"),
        range=(-1.0, 1.0),
        turn=geometry.turn_normals,
        mended=lambda normal: F.normalize(normal, dim=0),
    ),
    "alpha": Task(
        meaning="soft coverage by people, 0..1",
        fields=("alpha",),
        truth=_everywhere("alpha"),
        pixels="all pixels",
        channels=1,
        bias=-1.0,
        losses={"sapiens2": lambda raw, batch: losses.matting(raw["alpha"].float().sigmoid(), *_everywhere("alpha")(batch))},
        finish=lambda raw: raw["alpha"].float().sigmoid(),
        measure=metrics.COLOUR,
        baseline=lambda truth, mask: np.zeros(truth.shape),
        trivial="nobody anywhere",
        picture=alpha_picture,
        exr=("A",),
        range=(0.0, 1.0),
    ),
    "albedo": Task(
        meaning="colour without light, sRGB in 0..1",
        fields=("albedo",),
        truth=_on_people("albedo"),
        channels=3,
        bias=0.0,
        losses={"sapiens2": lambda raw, batch: losses.albedo(raw["albedo"].float().sigmoid(), *_on_people("albedo")(batch))},
        finish=lambda raw: raw["albedo"].float().sigmoid(),
        measure=metrics.COLOUR,
        baseline=_constant,
        trivial="best constant colour per image",
        picture=albedo_picture,
        exr=("R", "G", "B"),
        range=(0.0, 1.0),
    ),
    "pointmap": Task(
        meaning="camera-space points in metres; x right, y down, z forward",
        fields=("depth",),
        truth=_on_points,
        channels=3,
        bias=0.0,
        numbers=("pointmap_scale",),
        losses={"sapiens2": _pointmap_loss},
        finish=lambda raw: raw["pointmap"].float() / _scale(raw)[..., None, None],
        measure=metrics.POINTS,
        baseline=_flat,
        trivial="flat, at the true mean depth",
        picture=pointmap_picture,
        exr=("X", "Y", "Z"),
        relative=True,
        turn=lambda points, G: torch.einsum("bij,bjhw->bihw", G.to(points), points),
    ),
}
