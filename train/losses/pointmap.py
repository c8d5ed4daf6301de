"""Point maps: the camera-space point of each pixel, and Sapiens2's loss for it.

Points are (X, Y, Z) in OpenCV's camera axes: x right, y down, z forward. What the model predicts is canonical: s (X, Y, Z) with
s = width / fx, as if one field of view had taken every picture (Sapiens2: 768 / fx at its width of 768; after Metric3D, Yin et
al. 2023, arXiv:2307.10984). A single number per picture predicts s, and metres are points over s.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from train.losses.depth import silog
from train.losses.masked import average, differences, inside, mean, neighbours
from train.losses.normal import cosine_l1


def points(depth: Tensor, K: Tensor) -> Tensor:
    """Camera-space points in metres of planar depth (B,1,H,W), by K (B,3,3) in pixels: (B,3,H,W), 0 where depth is."""
    return _rays(K, depth) * depth


def canonical_scale(K: Tensor, width: int) -> Tensor:
    """s = width / fx of K (B,3,3), in pixels of a picture that wide: (B,1)."""
    return width / K[:, :1, 0]


def pointmap(prediction: Tensor, target: Tensor, mask: Tensor, K: Tensor) -> Tensor:
    """Sapiens2's loss of canonical points: 2 L1 + L1 at half the resolution + SiLog of Z + |X - x Z| + |Y - y Z| for each pixel's
    ray (x, y, 1) + L1 less the mean error + 2 (cosine + L1) of the normals across neighbouring points.

    prediction and target (B,3,H,W), K (B,3,3) in pixels. The scale's own term is the caller's: it needs no pixels.
    """
    prediction, target = inside(prediction, mask), inside(target, mask)
    error = torch.where(mask > 0, prediction - target, 0.0)
    known = (mask > 0).to(error.dtype)
    half, share = (F.avg_pool2d(values, 2, ceil_mode=True, count_include_pad=False) for values in (error, known))
    off_ray = (prediction - _rays(K, prediction) * prediction[:, 2:]).abs()
    centred = error - error.sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1.0)
    loss = 2.0 * mean(error.abs(), mask) + mean((half / share.clamp(min=0.1)).abs(), share)
    loss = loss + mean(off_ray, mask) + mean(centred.abs(), mask)
    return average(loss, mask) + silog(prediction[:, 2:], target[:, 2:], mask) + 2.0 * _bending(prediction, target, mask)


def number_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """L1 of a number per picture, (B,1), over the pictures with a person (mask (B,1,H,W))."""
    return average((prediction - target).abs().mean(1), mask)


def _rays(K: Tensor, like: Tensor) -> Tensor:
    """Points at z = 1 through every pixel centre: (B,3,H,W), of the type and on the device of `like` (.,.,H,W)."""
    height, width = like.shape[-2:]
    y, x = torch.meshgrid(*(torch.arange(n, device=like.device, dtype=like.dtype) + 0.5 for n in (height, width)), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)])
    return torch.einsum("bij,jhw->bihw", torch.linalg.inv(K).to(like.device, like.dtype), pixels)


def _bending(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Cosine + L1 between the normals of two point maps, where three neighbours are one person's."""
    (across, down), (right, below) = differences(target), neighbours(mask)
    known = right[..., :-1, :] & below[..., :-1]
    # In units of the picture's mean step between neighbours, so that one small number serves near and far cameras.
    step = mean(across.square().sum(1, keepdim=True), right).sqrt().clamp(min=1e-6)[:, None, None, None]

    def normal(across: Tensor, down: Tensor) -> Tensor:
        cross = torch.linalg.cross(across[..., :-1, :] / step, down[..., :-1] / step, dim=1)
        return cross / (cross.square().sum(1, keepdim=True) + 1e-6).sqrt()

    return cosine_l1(normal(*differences(prediction)), normal(across, down), known)
