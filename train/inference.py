"""A trained model on pictures of any size: the whole frame in, values at the picture's own resolution out."""

import torch
from torch import Tensor

from conf.command import UserError
from datasets import geometry
from datasets.conventions import Array
from train.model import Model
from train.tasks import TASKS


def device(name: str) -> torch.device:
    """`auto` is a GPU when there is one. Raises UserError for a device torch does not have."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name} is not here ({str(error).splitlines()[0]}): give device=cpu or device=auto") from error
    return torch.device(name)


@torch.inference_mode()
def infer(model: Model, image: Tensor, sizes: Tensor) -> list[dict[str, Array]]:
    """Predictions for pictures (B,3,H,W) uint8, padded at right and bottom beyond their sizes (B,2).

    Each picture is fitted, whole and in proportion, into the size the model was trained at; predictions go back the same
    way, bilinearly. Returns per picture: task -> float32 (h,w) or (h,w,3) at its own size. Depth is relative (about 0
    at the nearest point of the person and 1 at the farthest), normals have length 1.
    """
    where = next(model.parameters()).device
    view = geometry.fit(sizes, model.size)
    seen = geometry.warp_smooth(image.to(where).float() / 255.0, view.A, model.size, sizes, geometry.FILL)
    height, width = image.shape[-2:]
    raw = {name: geometry.warp_smooth(values, view.inverse().A, (height, width)) for name, values in model(seen).items()}
    maps = {name: TASKS[name].finish(raw).permute(0, 2, 3, 1).cpu().numpy() for name in model.tasks}
    results = []
    for i, (h, w) in enumerate(sizes.tolist()):
        cut = {name: values[i, :h, :w] for name, values in maps.items()}
        results.append({name: values[..., 0] if values.shape[-1] == 1 else values for name, values in cut.items()})
    return results
