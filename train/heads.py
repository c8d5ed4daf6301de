"""The head: Sapiens v1's transposed convolutions, with an optional convolutional pyramid of the picture for fine detail.

A ViT's tokens are coarse and, trained from scratch on little data, slow to carry edges. The pyramid (as the "ConvStream" of ViTMatte,
Yao et al. 2023, arXiv:2305.15272) hands the picture itself to every upsampling stage.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.config import HeadConfig


def _activate(layer: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.InstanceNorm2d(channels), nn.SiLU())


def _convolution(inputs: int, channels: int, stride: int = 1) -> nn.Sequential:
    return _activate(nn.Conv2d(inputs, channels, 3, stride, 1, bias=False), channels)


def _resize(values: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, where needed: patches of 14 pixels have no power of two."""
    return values if values.shape[-2:] == size else F.interpolate(values, tuple(size), mode="bilinear", align_corners=False)


class Pyramid(nn.Module):
    """The picture at 1/2, 1/4, ... of its size, finest first; `channels` at 1/2, twice as many at each coarser level."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.channels = [channels * 2**i for i in range(levels)]
        inputs = [3, *self.channels[:-1]]
        self.levels = nn.ModuleList(
            nn.Sequential(_convolution(c, d, stride=2), _convolution(d, d) if i else nn.Identity())
            for i, (c, d) in enumerate(zip(inputs, self.channels, strict=True))
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = [image]
        for level in self.levels:
            maps.append(level(maps[-1]))
        return maps[1:]


class Trunk(nn.Module):
    """Feature map (B,inputs,h,w) to (B,outputs,h·2^n,w·2^n), n the number of entries of config.channels."""

    def __init__(self, inputs: int, stride: int, config: HeadConfig) -> None:
        super().__init__()
        octaves = round(math.log2(stride))
        self.pyramid = Pyramid(config.detail, octaves) if config.detail else None
        #: Pyramid level merged in before the first stage and after each; none where the picture itself would be it.
        self.sources = [octaves - 1 - i if self.pyramid and i < octaves else -1 for i in range(len(config.channels) + 1)]
        self.stages, self.merges = nn.ModuleList(), nn.ModuleList()
        width = inputs
        for i, source in enumerate(self.sources):
            if i:
                up = nn.ConvTranspose2d(width, config.channels[i - 1], 4, stride=2, padding=1, bias=False)
                width = config.channels[i - 1]
                self.stages.append(_activate(up, width))
            detail = self.pyramid.channels[source] if self.pyramid and source >= 0 else 0
            self.merges.append(_convolution(width + detail, width) if detail else nn.Identity())
        self.hidden = nn.ModuleList()
        for channels in config.hidden:
            self.hidden.append(_activate(nn.Conv2d(width, channels, 1), channels))
            width = channels
        self.dropout = nn.Dropout2d(config.dropout)
        self.outputs = width

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        levels = self.pyramid(image) if self.pyramid is not None else []
        for stage, merge, source in zip([nn.Identity(), *self.stages], self.merges, self.sources, strict=True):
            features = stage(features)
            if source >= 0:
                features = torch.cat([features, _resize(levels[source], features.shape[-2:])], 1)
            features = merge(features)
        for layer in self.hidden:
            features = layer(features)
        return self.dropout(features)


class Heads(nn.Module):
    """All heads of a model: a trunk each, or one for all, and a last 1x1 convolution per task.

    outputs: task -> (channels, initial bias). Returns task -> (B,channels,H,W) at the picture's resolution.
    """

    def __init__(self, inputs: int, stride: int, outputs: dict[str, tuple[int, float]], config: HeadConfig) -> None:
        super().__init__()
        trunks = ["shared"] if config.shared else list(outputs)
        self.stride = stride
        made = {name: Trunk(inputs, stride, config) for name in trunks}
        self.trunks = nn.ModuleDict(made)
        self.last = nn.ModuleDict()
        for name, (channels, bias) in outputs.items():
            layer = nn.Conv2d(made[trunks[0]].outputs, channels, 1)
            with torch.no_grad():
                layer.bias.fill_(bias)  # type: ignore[union-attr]
            self.last[name] = layer

    def forward(self, features: Tensor, image: Tensor) -> dict[str, Tensor]:
        height, width = image.shape[-2:]
        padded = features.shape[-2] * self.stride, features.shape[-1] * self.stride
        image = F.pad(image, (0, padded[1] - width, 0, padded[0] - height))
        deep = {name: trunk(features, image) for name, trunk in self.trunks.items()}
        raw = {name: layer(deep.get(name, deep.get("shared"))) for name, layer in self.last.items()}
        return {name: _resize(values, padded)[..., :height, :width] for name, values in raw.items()}
