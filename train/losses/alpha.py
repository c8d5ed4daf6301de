"""Losses of alpha mattes."""

from kornia.filters import spatial_gradient
from kornia.geometry.transform import pyrdown
from torch import Tensor
from torch.nn import functional as F

from train.losses.masked import average, inside, mean


def matting(prediction: Tensor, target: Tensor, mask: Tensor, levels: int = 5) -> Tensor:
    """Sapiens2's loss for mattes in 0..1: L1 + L1 of the Sobel gradient's length + a Laplacian pyramid of `levels`.

    The pyramid is Hou and Liu's (2019, arXiv:1909.09725): 2^k mean |L_k(p) - L_k(t)|; as in Sapiens2, over the number of levels.
    It is linear, so it is taken of the difference; where the target is unknown, there is none.
    """
    prediction, target = inside(prediction, mask, 0.0), inside(target, mask, 0.0)
    slopes = (_steepness(prediction) - _steepness(target)).abs()
    loss = mean((prediction - target).abs() + slopes, mask)
    rest = prediction - target
    for level in range(levels):
        band = rest
        if level < levels - 1 and min(rest.shape[-2:]) > 4:  # the 5-pixel kernel reflects at the border
            coarse = pyrdown(rest)
            band = rest - F.interpolate(coarse, rest.shape[-2:], mode="bilinear", align_corners=False)
            rest = coarse
        where = F.interpolate((mask > 0).to(band.dtype), band.shape[-2:])
        loss = loss + 2**level * mean(band.abs(), where) / levels
        if band is rest:
            break
    return average(loss, mask)


def _steepness(alpha: Tensor) -> Tensor:
    gradient = spatial_gradient(alpha, "sobel", normalized=False)[:, 0]
    steepness: Tensor = (gradient.square().sum(1, keepdim=True) + 1e-6).sqrt()
    return steepness
