"""Losses: pure functions (prediction, target, mask) -> scalar, in float32, finite with finite gradients for any finite input.

prediction and target (B,C,H,W); mask (B,1,H,W), nonzero where the target is known. Each picture with a person counts
the same, whatever the person's size; a picture without one counts nothing, and a batch without any gives 0.
"""

import math

import torch
from torch import Tensor

#: Below it the logarithm goes on as its tangent. Sapiens v1 clamps at 1e-6 instead: no gradient below, and t = 0 dropped.
#: A hundredth of the person's extent: finer differences at the nearest point are no better known than that.
FLOOR = 1e-2


def normalised_depth(depth: Tensor, mask: Tensor) -> Tensor:
    """v1's target: (d - min) / (max - min) over each picture's person; near 0, far 1; 0 outside and where depth is constant."""
    inside = mask > 0
    near = torch.where(inside, depth, torch.inf).amin((1, 2, 3), keepdim=True)
    far = torch.where(inside, depth, -torch.inf).amax((1, 2, 3), keepdim=True)
    span = far - near
    return torch.where(inside & (span > 0), (depth - near) / torch.where(span > 0, span, 1.0), 0.0)


def extended_log(x: Tensor, floor: float = FLOOR) -> Tensor:
    """log x, continued below the floor by its tangent: defined, increasing and of slope at most 1/floor everywhere."""
    return torch.where(x > floor, x.clamp(min=floor).log(), math.log(floor) + (x - floor) / floor)


def silog(prediction: Tensor, target: Tensor, mask: Tensor, variance: float = 0.5) -> Tensor:
    """Scale-invariant log loss, sqrt(mean g² - variance (mean g)²) with g = log t - log p, per picture.

    Eigen et al. 2014 (arXiv:1406.2283), as Sapiens v1 uses it on `normalised_depth`. Two repairs: `extended_log` gives
    every pixel a value and a gradient, and the root is taken of x + 1e-8 (less 1e-4), whose slope stays finite at 0.
    """
    weight, count = _weights(mask)
    prediction, target = _inside(prediction, mask), _inside(target, mask)
    g = (extended_log(target) - extended_log(prediction)) * weight
    square, mean = (g * g).sum((1, 2, 3)) / count, g.sum((1, 2, 3)) / count
    return _average(((square - variance * mean * mean).clamp(min=0.0) + 1e-8).sqrt() - 1e-4, mask)


def cosine_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """(1 - cos) + L1 on the raw prediction (Sapiens v1's loss for normals). The length is taken of x² + 1e-6, for its slope at 0."""
    weight, count = _weights(mask)
    prediction, target = _inside(prediction, mask), _inside(target, mask)
    length = (prediction.square().sum(1, keepdim=True) + 1e-6).sqrt()
    cosine = (prediction * target).sum(1, keepdim=True) / length
    l1 = (prediction - target).abs().mean(1, keepdim=True)
    return _average((((1.0 - cosine) + l1) * weight).sum((1, 2, 3)) / count, mask)


def _inside(values: Tensor, mask: Tensor) -> Tensor:
    """Values are replaced, not multiplied, outside the mask: what is unknown may be NaN."""
    return torch.where(mask > 0, values.float(), 0.5)


def _weights(mask: Tensor) -> tuple[Tensor, Tensor]:
    weight = (mask > 0).float()
    return weight, weight.sum((1, 2, 3)).clamp(min=1.0)


def _average(losses: Tensor, mask: Tensor) -> Tensor:
    present = (mask > 0).flatten(1).any(1).float()
    return (losses * present).sum() / present.sum().clamp(min=1.0)
