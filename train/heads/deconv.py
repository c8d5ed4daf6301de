"""Sapiens v1's head: transposed convolutions on the last feature map, each doubling the resolution, then 1x1 convolutions."""

from collections.abc import Sequence

from torch import Tensor, nn


def activated(layer: nn.Module, channels: int) -> nn.Sequential:
    """The layer, instance normalisation without parameters, SiLU."""
    return nn.Sequential(layer, nn.InstanceNorm2d(channels), nn.SiLU())


class Deconv(nn.Module):
    """Last feature map (B,c,h,w) to (B,outputs,h·2^n,w·2^n), n the number of entries of `widths`. The defaults are the depth head's.

    widths   of the transposed convolutions (4x4, stride 2); [768, 768, 768] in Sapiens' normal head
    hidden   of the 1x1 convolutions that follow; [768, 768, 768] there
    dropout  before the task's last 1x1 convolution
    """

    def __init__(
        self,
        channels: list[int],
        strides: list[int],
        widths: Sequence[int] = (384, 384, 384, 384),
        hidden: Sequence[int] = (384, 384),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        width = channels[-1]
        layers: list[nn.Module] = []
        for following in widths:
            layers.append(activated(nn.ConvTranspose2d(width, following, 4, stride=2, padding=1, bias=False), following))
            width = following
        for following in hidden:
            layers.append(activated(nn.Conv2d(width, following, 1), following))
            width = following
        self.layers = nn.Sequential(*layers, nn.Dropout2d(dropout))
        self.outputs = width

    def forward(self, features: list[Tensor], image: Tensor) -> Tensor:
        raised: Tensor = self.layers(features[-1])
        return raised
