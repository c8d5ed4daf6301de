"""A trained model on pictures of any size; values at each picture's own resolution out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from conf.command import UserError
from datasets import geometry
from datasets.conventions import Array
from train.model import Model
from train.tasks import TASKS

Values = dict[str, Tensor]

#: How the whole picture comes into the size the model sees: (sizes (B,2), size) -> view.
VIEWS: dict[str, Callable[[Tensor, tuple[int, int]], geometry.View]] = {
    "letterbox": geometry.fit,
    "resize": lambda sizes, size: geometry.scale((torch.tensor(size, dtype=torch.float64) / sizes).flip(1)),
}
MODES = (*VIEWS, "sliding")
OVERLAP = 1 / 3  # of neighbouring windows
BAND = 256  # rows that are brought back to the picture's resolution at once


@dataclass(frozen=True)
class How:
    """How a model is applied.

    mode  letterbox: the whole frame in proportion; resize: stretched; sliding: windows at the picture's own resolution
    flip  average with the prediction for the mirrored picture
    size  height and width the model sees; None: those it was trained at
    bf16  compute in bfloat16, on a GPU
    """

    mode: str = "letterbox"
    flip: bool = False
    size: tuple[int, int] | None = None
    bf16: bool = False


def device(name: str) -> torch.device:
    """`auto` is a GPU when there is one. Raises UserError for a device torch does not have."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name} is not here ({str(error).splitlines()[0]}): give device=cpu or device=auto") from error
    return torch.device(name)


def infer(model: Model, image: Tensor, sizes: Tensor, how: How = How()) -> list[dict[str, Array]]:
    """Predictions for a batch's pictures (B,3,H,W) uint8, padded at right and bottom beyond their sizes (B,2). See `predict`."""
    return predict(model, [picture[:, :h, :w] for picture, (h, w) in zip(image, sizes.tolist(), strict=True)], how)


@torch.inference_mode()
def predict(model: Model, pictures: list[Tensor], how: How = How()) -> list[dict[str, Array]]:
    """Values for pictures (3,h,w) uint8 sRGB, each of its own size; they share one batch.

    Returns per picture: task -> float32 (h,w) or (h,w,C) at its own size. Depth is relative (about 0 at the nearest point of
    the person and 1 at the farthest), normals have length 1. Memory: about 60 bytes per pixel of the pictures.
    """
    size = how.size or model.size
    where = next(model.parameters()).device
    sizes = torch.tensor([picture.shape[-2:] for picture in pictures])
    view = VIEWS.get(how.mode, geometry.fit)(sizes, size)
    seen = [_see(p.to(where), view.A[i : i + 1], size) for i, p in enumerate(pictures)]
    predicted = _values(model, torch.cat(seen), how)
    results = []
    for i, picture in enumerate(pictures):
        back = view.inverse().A[i : i + 1]
        whole = {name: TASKS[name].mended(_enlarge(v[i : i + 1], back, picture.shape[-2:])) for name, v in predicted.items()}
        if how.mode == "sliding" and (picture.shape[1] > size[0] or picture.shape[2] > size[1]):
            whole = _slide(model, picture, whole, size, how)
        arrays = {name: values.permute(1, 2, 0).numpy() for name, values in whole.items()}
        results.append({name: values[..., 0] if values.shape[-1] == 1 else values for name, values in arrays.items()})
    return results


def _see(picture: Tensor, A: Tensor, size: tuple[int, int]) -> Tensor:
    return geometry.warp_smooth(picture[None].float() / 255.0, A, size, fill=geometry.FILL)


def _values(model: Model, seen: Tensor, how: How) -> Values:
    """Finished values (B,C,H,W) of what the model sees; averaged with the mirror image's where asked for."""
    with torch.autocast(seen.device.type, torch.bfloat16, enabled=how.bf16 and seen.device.type == "cuda"):
        raw = model(seen)
        mirrored = model(seen.flip(-1)) if how.flip else {}
    values = {name: TASKS[name].finish(raw).float() for name in model.tasks}
    if how.flip:
        G = geometry.flip(torch.full((len(seen),), seen.shape[-1]), torch.ones(len(seen), dtype=torch.bool)).G
        for name in model.tasks:
            other = TASKS[name].finish(mirrored).float().flip(-1)
            turn = TASKS[name].turn
            values[name] = (values[name] + (turn(other, G) if turn else other)) / 2
    return values


def _enlarge(values: Tensor, A: Tensor, size: tuple[int, ...]) -> Tensor:
    """Values (1,C,H,W) at the picture's resolution: (C,*size) on the CPU, bilinear, in bands of rows, which bounds memory."""
    result = torch.empty(values.shape[1], *size)
    for top in range(0, size[0], BAND):
        rows = min(BAND, size[0] - top)
        band = geometry.View(A, A).then(geometry.shift(torch.tensor([[0.0, -top]]))).A
        result[:, top : top + rows] = geometry.warp_smooth(values, band, (rows, size[1]))[0].cpu()
    return result


def _slide(model: Model, picture: Tensor, whole: Values, size: tuple[int, int], how: How) -> Values:
    """Windows of the model's size at the picture's own resolution, blended; relative ones fitted to the whole frame's values."""
    total = {name: torch.zeros_like(values) for name, values in whole.items()}
    weight = torch.zeros(picture.shape[-2:])
    ramps = [torch.sin((torch.arange(n) + 0.5) / n * torch.pi) ** 2 for n in size]
    hat = ramps[0][:, None] * ramps[1]
    where = next(model.parameters()).device
    for y, x in _corners(picture.shape[-2:], size):
        tile = picture[:, y : y + size[0], x : x + size[1]]
        height, width = tile.shape[-2:]
        shift = torch.eye(3, dtype=torch.float64)[None]
        there = (..., slice(y, y + height), slice(x, x + width))
        for name, values in _values(model, _see(tile.to(where), shift, size), how).items():
            window = values[0, :, :height, :width].cpu()
            if TASKS[name].relative:
                window = _fitted(window, whole[name][there])
            total[name][there] += window * hat[:height, :width]
        weight[there] += hat[:height, :width]
    return {name: TASKS[name].mended(values / weight) for name, values in total.items()}


def _corners(picture: tuple[int, ...], size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Top-left corners (y, x) of windows that cover a picture evenly and overlap by at least OVERLAP."""
    starts = []
    for length, window in zip(picture, size, strict=True):
        rest = max(length - window, 0)
        count = -(-rest // max(1, round(window * (1 - OVERLAP))))
        starts.append([round(rest * i / max(count, 1)) for i in range(count + 1)])
    yield from ((y, x) for y in starts[0] for x in starts[1])


def _fitted(window: Tensor, reference: Tensor) -> Tensor:
    """scale · window + shift, nearest to the reference in least squares: one scale, not negative, and a shift per channel. (C,h,w)."""
    middle, goal = window.mean((1, 2), keepdim=True), reference.mean((1, 2), keepdim=True)
    spread = window - middle
    scale = (spread * (reference - goal)).sum() / (spread * spread).sum().clamp(min=1e-12)
    return spread * scale.clamp(min=0) + goal
