"""Losses of albedo."""

from torch import Tensor

from train.losses.masked import average, differences, inside, mean, neighbours

#: Added to R + G + B. Sapiens2 adds 1e-6, which makes the slope of a black pixel a million.
DARK = 0.05


def albedo(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Sapiens2's loss for albedo, sRGB in 0..1: 2 L1 + 2 times the squared error of differences (mean of both ways) + chromaticity's L1."""
    prediction, target = inside(prediction, mask), inside(target, mask)
    slopes = zip(differences(prediction), differences(target), neighbours(mask), strict=True)
    edges = sum(mean((p - t).square(), same) for p, t, same in slopes) / 2
    hue = mean((chromaticity(prediction) - chromaticity(target)).abs(), mask)
    return average(2.0 * mean((prediction - target).abs(), mask) / 3 + 2.0 * edges + hue, mask)


def chromaticity(colour: Tensor) -> Tensor:
    """Colour without brightness: RGB / (R + G + B + 0.05). (B,3,H,W); below 0 counts as 0, above 1 as 1."""
    colour = colour.clamp(0.0, 1.0)
    return colour / (colour.sum(1, keepdim=True) + DARK)
