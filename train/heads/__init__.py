"""Heads: feature maps and the picture to maps of pixels. A trunk does the work; a last 1x1 convolution per task reads it."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from conf.command import UserError
from train.config import HeadConfig
from train.heads.deconv import Deconv
from train.heads.dpt import DPT
from train.heads.pixelshuffle import PixelShuffle
from train.heads.slim import Slim

#: Kind -> trunk. A trunk is made from (channels, strides) of the backbone's maps and its own keyword options; it takes
#: (maps, picture) and gives (B,outputs,h,w), of any resolution.
TRUNKS: dict[str, Any] = {"deconv": Deconv, "dpt": DPT, "pixelshuffle": PixelShuffle, "slim": Slim}


class Heads(nn.Module):
    """All heads of a model: a trunk each, or one for all, and a last 1x1 convolution per task.

    channels, strides: of the backbone's maps; outputs: task -> (channels, initial bias); numbers: names of what is one number
    per picture, read from the mean of the last map.
    Returns task -> (B,channels,H,W) at the picture's resolution, and number -> (B,1).
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],
        outputs: dict[str, tuple[int, float]],
        config: HeadConfig,
        numbers: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.stride = max(strides)
        made = {name: trunk(channels, strides, config) for name in (["shared"] if config.shared else outputs)}
        self.trunks = nn.ModuleDict(made)
        self.last = nn.ModuleDict()
        for name, (count, bias) in outputs.items():
            layer = nn.Conv2d(made["shared" if config.shared else name].outputs, count, 1)
            nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
            self.last[name] = layer
        self.numbers = nn.ModuleDict({name: Number(channels[-1]) for name in numbers})

    def forward(self, features: list[Tensor], image: Tensor) -> dict[str, Tensor]:
        height, width = image.shape[-2:]
        padded = (height + -height % self.stride, width + -width % self.stride)
        image = F.pad(image, (0, padded[1] - width, 0, padded[0] - height))
        deep = {name: trunk(features, image) for name, trunk in self.trunks.items()}
        raw = {name: layer(deep.get(name, deep.get("shared"))) for name, layer in self.last.items()}
        maps = {name: resize(values, padded)[..., :height, :width] for name, values in raw.items()}
        return maps | {name: number(features[-1]) for name, number in self.numbers.items()}


class Number(nn.Sequential):
    """One number per picture, (B,1), from a feature map (B,c,h,w): its mean, and a perceptron of one hidden layer."""

    def __init__(self, channels: int, hidden: int = 128) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, 1))


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
