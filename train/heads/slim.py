"""The slim head: few channels, and a convolutional pyramid of the picture for fine detail.

A ViT's tokens are coarse and, trained from scratch on little data, slow to carry edges. The pyramid (as the "ConvStream" of ViTMatte,
Yao et al. 2023, arXiv:2305.15272) hands the picture itself to every upsampling stage.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.heads.deconv import activated


def _convolution(inputs: int, channels: int, stride: int = 1) -> nn.Sequential:
    return activated(nn.Conv2d(inputs, channels, 3, stride, 1, bias=False), channels)


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


class Slim(nn.Module):
    """Last feature map (B,c,h,w) to (B,outputs,h·2^n,w·2^n), n the number of entries of `widths`.

    widths   of the transposed convolutions, each twice the resolution
    hidden   of the 1x1 convolutions that follow
    detail   channels of the pyramid at half the picture's size, merged in before the first stage and after each
    """

    def __init__(
        self, channels: list[int], strides: list[int], widths: Sequence[int] = (128, 64), hidden: Sequence[int] = (64,), detail: int = 24
    ) -> None:
        super().__init__()
        octaves = round(math.log2(strides[-1]))
        self.pyramid = Pyramid(detail, octaves)
        #: Pyramid level merged in before the first stage and after each; none where the picture itself would be it.
        self.sources = [octaves - 1 - i if i < octaves else -1 for i in range(len(widths) + 1)]
        self.stages, self.merges = nn.ModuleList(), nn.ModuleList()
        width = channels[-1]
        for i, source in enumerate(self.sources):
            if i:
                self.stages.append(activated(nn.ConvTranspose2d(width, widths[i - 1], 4, stride=2, padding=1, bias=False), widths[i - 1]))
                width = widths[i - 1]
            self.merges.append(_convolution(width + self.pyramid.channels[source], width) if source >= 0 else nn.Identity())
        self.hidden = nn.Sequential(*(activated(nn.Conv2d(c, d, 1), d) for c, d in zip([width, *hidden], hidden, strict=False)))
        self.outputs = [width, *hidden][-1]

    def forward(self, features: list[Tensor], image: Tensor) -> Tensor:
        levels = self.pyramid(image)
        raised = features[-1]
        for stage, merge, source in zip([nn.Identity(), *self.stages], self.merges, self.sources, strict=True):
            raised = stage(raised)
            if source >= 0:
                level = levels[source]
                if level.shape[-2:] != raised.shape[-2:]:  # patches of 14 pixels
                    level = F.interpolate(level, raised.shape[-2:], mode="bilinear", align_corners=False)
                raised = torch.cat([raised, level], 1)
            raised = merge(raised)
        result: Tensor = self.hidden(raised)
        return result
