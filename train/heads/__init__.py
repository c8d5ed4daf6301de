"""Heads: feature maps and the picture to maps of pixels. A trunk does the work; a last 1x1 convolution per task reads it."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from conf.command import UserError
from train.config import HeadConfig
from train.heads.deconv import Deconv
from train.heads.slim import Slim

#: Kind -> trunk. A trunk is made from (channels, strides) of the backbone's maps and its own keyword options; it takes
#: (maps, picture) and gives (B,outputs,h,w), of any resolution.
TRUNKS: dict[str, Any] = {"deconv": Deconv, "slim": Slim}


class Heads(nn.Module):
    """All heads of a model: a trunk each, or one for all, and a last 1x1 convolution per task.

    channels, strides: of the backbone's maps; outputs: task -> (channels, initial bias).
    Returns task -> (B,channels,H,W) at the picture's resolution.
    """

    def __init__(self, channels: list[int], strides: list[int], outputs: dict[str, tuple[int, float]], config: HeadConfig) -> None:
        super().__init__()
        self.stride = max(strides)
        made = {name: trunk(channels, strides, config) for name in (["shared"] if config.shared else outputs)}
        self.trunks = nn.ModuleDict(made)
        self.last = nn.ModuleDict()
        for name, (count, bias) in outputs.items():
            layer = nn.Conv2d(made["shared" if config.shared else name].outputs, count, 1)
            nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
            self.last[name] = layer

    def forward(self, features: list[Tensor], image: Tensor) -> dict[str, Tensor]:
        height, width = image.shape[-2:]
        padded = (height + -height % self.stride, width + -width % self.stride)
        image = F.pad(image, (0, padded[1] - width, 0, padded[0] - height))
        deep = {name: trunk(features, image) for name, trunk in self.trunks.items()}
        raw = {name: layer(deep.get(name, deep.get("shared"))) for name, layer in self.last.items()}
        return {name: resize(values, padded)[..., :height, :width] for name, values in raw.items()}


def trunk(channels: list[int], strides: list[int], config: HeadConfig) -> Any:
    """The trunk that a configuration names. Raises UserError."""
    if config.kind not in TRUNKS:
        raise UserError(f"head.kind={config.kind}: choose from {', '.join(TRUNKS)}")
    try:
        return TRUNKS[config.kind](channels, strides, **config.options)
    except TypeError as error:
        raise UserError(
            f"head.options={config.options} do not fit head.kind={config.kind} ({error}): see train/heads/{config.kind}.py"
        ) from error


def resize(values: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, where needed: patches of 14 pixels have no power of two."""
    return values if values.shape[-2:] == size else F.interpolate(values, tuple(size), mode="bilinear", align_corners=False)
