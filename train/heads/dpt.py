"""DPT's head: several feature maps of a transformer, reassembled into a pyramid and fused from coarse to fine.

Ranftl et al. 2021, "Vision Transformers for Dense Prediction" (arXiv:2103.13413), as Depth Anything and DAViD use it: without
normalisation, and with the upsampling to the picture's size left to the last step.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def _convolution(inputs: int, outputs: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias)


def _enlarged(values: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(values, tuple(size), mode="bilinear", align_corners=True)


class Residual(nn.Module):
    """x + conv(ReLU(conv(ReLU(x)))): (B,c,h,w) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.ReLU(), _convolution(channels, channels), nn.ReLU(), _convolution(channels, channels))

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = values + self.layers(values)
        return result


class DPT(nn.Module):
    """Feature maps, coarsest or deepest last, to (B,outputs,h,w) at half the picture's size where patches have 16 pixels.

    widths    of the pyramid's levels, finest first: 4, 2, 1 and 1/2 times the last map's resolution
    fused     channels that the levels are brought to and fused in
    outputs   of the convolution after the fusion

    The four levels are read from four of the backbone's maps (`backbone.layers`), evenly spread; from fewer, some are read again.
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],
        widths: Sequence[int] = (256, 512, 1024, 1024),
        fused: int = 256,
        outputs: int = 128,
    ) -> None:
        super().__init__()
        levels = len(widths)
        #: Which map each level is read from.
        self.sources = [round(i * (len(channels) - 1) / (levels - 1)) for i in range(levels)]
        self.reassemble = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels[source], width, 1), self._resample(width, i), _convolution(width, fused, bias=False))
            for i, (source, width) in enumerate(zip(self.sources, widths, strict=True))
        )
        self.lateral = nn.ModuleList(Residual(fused) for _ in range(levels - 1))
        self.fuse = nn.ModuleList(nn.Sequential(Residual(fused), nn.Conv2d(fused, fused, 1)) for _ in range(levels))
        self.last = nn.Sequential(_convolution(fused, outputs), nn.ReLU())
        self.outputs = outputs

    @staticmethod
    def _resample(width: int, level: int) -> nn.Module:
        """Times 4, 2, 1, 1/2."""
        if level < 2:
            factor = (4, 2)[level]
            return nn.ConvTranspose2d(width, width, factor, stride=factor)
        return nn.Identity() if level == 2 else _convolution(width, width, stride=2)

    def forward(self, features: list[Tensor], image: Tensor) -> Tensor:
        maps = [layer(features[source]) for layer, source in zip(self.reassemble, self.sources, strict=True)]
        path = maps[-1]
        for level in reversed(range(len(maps))):
            if level < len(maps) - 1:
                path = _enlarged(path, maps[level].shape[-2:]) + self.lateral[level](maps[level])
            path = self.fuse[level](path)
        height, width = path.shape[-2:]
        result: Tensor = self.last(_enlarged(path, (2 * height, 2 * width)))
        return result
