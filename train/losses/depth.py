"""Losses of depth."""

import math

import torch
from torch import Tensor

from train.losses.masked import average, differences, inside, mean, neighbours

#: Below it the logarithm goes on as its tangent. Sapiens v1 clamps at 1e-6 instead: no gradient below, and t = 0 dropped.
#: A hundredth of the person's extent: finer differences at the nearest point are no better known than that.
FLOOR = 1e-2


def normalised_depth(depth: Tensor, mask: Tensor) -> Tensor:
    """v1's target: (d - min) / (max - min) over each picture's person; near 0, far 1; 0 outside and where depth is constant."""
    known = mask > 0
    near = torch.where(known, depth, torch.inf).amin((1, 2, 3), keepdim=True)
    far = torch.where(known, depth, -torch.inf).amax((1, 2, 3), keepdim=True)
    span = far - near
    return torch.where(known & (span > 0), (depth - near) / torch.where(span > 0, span, 1.0), 0.0)


def extended_log(x: Tensor, floor: float = FLOOR) -> Tensor:
    """log x, continued below the floor by its tangent: defined, increasing and of slope at most 1/floor everywhere."""
    return torch.where(x > floor, x.clamp(min=floor).log(), math.log(floor) + (x - floor) / floor)


def silog(prediction: Tensor, target: Tensor, mask: Tensor, variance: float = 0.5) -> Tensor:
    """Scale-invariant log loss, sqrt(mean g² - variance (mean g)²) with g = log t - log p, per picture.

    Eigen et al. 2014 (arXiv:1406.2283), as Sapiens v1 uses it on `normalised_depth`. Two repairs: `extended_log` gives
    every pixel a value and a gradient, and the root is taken of x + 1e-8 (less 1e-4), whose slope stays finite at 0.
    """
    prediction, target = inside(prediction, mask), inside(target, mask)
    g = extended_log(target) - extended_log(prediction)
    return average(((mean(g * g, mask) - variance * mean(g, mask) ** 2).clamp(min=0.0) + 1e-8).sqrt() - 1e-4, mask)


def silog_v1(prediction: Tensor, target: Tensor, mask: Tensor, variance: float = 0.5, eps: float = 1e-6) -> Tensor:
    """`silog` as Sapiens v1 published it, to compare with: over all pixels of the batch, targets of 0 left out, p clamped at
    eps (no gradient below). Only what is not finite there is mended: an empty mask gives 0, and the root has a slope at 0.
    """
    known = (mask > 0) & (inside(target, mask) > 0)
    g = inside(target, known).clamp(min=eps).log() - inside(prediction, known).clamp(min=eps).log()
    count = known.sum().clamp(min=1)
    g = torch.where(known, g, 0.0)
    return ((g * g).sum() / count - variance * (g.sum() / count) ** 2).clamp(min=eps**2).sqrt() - eps


def scale_shift_invariant(prediction: Tensor, target: Tensor, mask: Tensor, gradient: float = 0.5, scales: int = 4) -> Tensor:
    """Mean |p̂ - t̂| plus `gradient` times its slopes at `scales` resolutions; ^ is less the median, over the mean deviation from it.

    Ranftl et al. 2020 (MiDaS, arXiv:1907.01341, equations 5, 7 and 11), per picture, without trimming: rendered depth has no
    outliers. Blind to the scale and the shift of either map, and to nothing else. Deviations below 1e-3 are not divided by.
    """
    error = inside(_standardised(prediction, mask) - _standardised(target, mask), mask, 0.0)
    loss = mean(error.abs(), mask)
    for step in (2**k for k in range(scales)):
        thin, where = error[..., ::step, ::step], mask[..., ::step, ::step]
        for slope, same in zip(differences(thin), neighbours(where), strict=True):
            # The paper divides by the pixels of the mask, not by the pairs of neighbours within it.
            loss = loss + gradient * torch.where(same, slope.abs(), 0.0).sum((1, 2, 3)) / (where > 0).sum((1, 2, 3)).clamp(min=1)
    return average(loss, mask)


def _standardised(values: Tensor, mask: Tensor) -> Tensor:
    """Less the median over the mask, over the mean deviation from it. NaN in pictures without a mask, whose pixels are never read."""
    values = inside(values, mask, 0.0)
    middle = torch.where(mask > 0, values, torch.nan).flatten(1).nanmedian(1).values[:, None, None, None]
    return (values - middle) / mean((values - middle).abs(), mask).clamp(min=1e-3)[:, None, None, None]
