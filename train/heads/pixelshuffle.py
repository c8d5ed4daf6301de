"""Sapiens2's head for normals, albedo and pointmaps: convolutions whose channels are shuffled into pixels, doubling the resolution."""

from collections.abc import Sequence

from torch import Tensor, nn

from train.heads.deconv import activated


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class PixelShuffle(nn.Module):
    """Last feature map (B,c,h,w) to (B,outputs,h·2^n,w·2^n), n the number of entries of `widths`. The defaults are the normal head's.

    widths   of the stages (3x3 convolution to four times as many channels, shuffled); [1536, 768, 512, 256] in Sapiens2's pointmap head
    hidden   of the 3x3 convolutions that follow at full resolution
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],
        widths: Sequence[int] = (768, 512, 256, 128),
        hidden: Sequence[int] = (64, 32, 16),
    ) -> None:
        super().__init__()
        width = channels[-1]
        layers: list[nn.Module] = [activated(_convolution(width, width), width)]
        for following in widths:
            layers.append(activated(nn.Sequential(_convolution(width, 4 * following), nn.PixelShuffle(2)), following))
            width = following
        for following in hidden:
            layers.append(activated(_convolution(width, following), following))
            width = following
        self.layers = nn.Sequential(*layers)
        self.outputs = width

    def forward(self, features: list[Tensor], image: Tensor) -> Tensor:
        raised: Tensor = self.layers(features[-1])
        return raised
