"""The slim head: few channels, few of them at high resolution, and a pyramid of the picture itself for fine detail.

Nine tenths of the v1 head's compute and memory go into hundreds of channels at the picture's own resolution, all made from a
sixteenth of it. Here channels halve as pixels double, the last stage stops at half the picture's size, and detail that tokens do
not carry comes from the picture, through a few strided convolutions (the "ConvStream" of ViTMatte, Yao et al. 2023,
arXiv:2305.15272), merged in at every stage.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def block(layer: nn.Module, channels: int) -> nn.Sequential:
    """The layer, instance normalisation without parameters, ReLU.

    Normalised as in Sapiens' heads; GroupNorm, with parameters, learned slower in a small trial. ReLU in place keeps two maps per
    layer for the backward pass (what is normalised, what comes out); SiLU would keep three.
    """
    return nn.Sequential(layer, nn.InstanceNorm2d(channels), nn.ReLU(inplace=True))


def _convolution(inputs: int, channels: int, stride: int = 1) -> nn.Sequential:
    return block(nn.Conv2d(inputs, channels, 3, stride, 1, bias=False), channels)


class Slim(nn.Module):
    """Last feature map (B,c,h,w) and the picture to (B,outputs,h·2^n,w·2^n), n the number of entries of `widths`.

    widths   channels after each stage, which doubles the resolution; the first also of the projection before them. Stages that
             would go beyond the picture's resolution are left out.
    detail   channels of the pyramid at half the picture's size, twice as many at each coarser level
    """

    def __init__(self, channels: list[int], strides: list[int], widths: Sequence[int] = (384, 192, 96), detail: int = 24) -> None:
        super().__init__()
        octaves = round(math.log2(strides[-1]))
        #: Channels of the picture, at 1/2, 1/4, ...
        levels = [3, *(detail * 2**i for i in range(octaves))]
        self.pyramid = nn.ModuleList(_convolution(a, b, stride=2) for a, b in pairwise(levels))
        width = widths[0]
        self.project = block(nn.Conv2d(channels[-1], width, 1, bias=False), width)
        self.stages, self.merges = nn.ModuleList(), nn.ModuleList([_convolution(width + levels[octaves], width)])
        for i, following in enumerate(widths[:octaves], 1):
            self.stages.append(block(nn.ConvTranspose2d(width, following, 4, 2, 1, bias=False), following))
            self.merges.append(_convolution(following + levels[octaves - i], following))
            width = following
        self.outputs = width

    def forward(self, features: list[Tensor], image: Tensor) -> Tensor:
        levels = [image]
        for layer in self.pyramid:
            levels.append(layer(levels[-1]))
        raised: Tensor = self.project(features[-1])
        for i, merge in enumerate(self.merges):
            raised = self.stages[i - 1](raised) if i else raised
            level = levels[-1 - i]
            if level.shape[-2:] != raised.shape[-2:]:  # patches of 14 pixels
                level = F.interpolate(level, raised.shape[-2:], mode="bilinear", align_corners=False)
            raised = merge(torch.cat([raised, level], 1))
        return raised
