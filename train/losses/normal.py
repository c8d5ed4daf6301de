"""Losses of normals."""

from torch import Tensor

from train.losses.masked import average, differences, inside, mean, neighbours


def cosine_l1(prediction: Tensor, target: Tensor, mask: Tensor, cosine: float = 1.0, l1: float = 1.0) -> Tensor:
    """(1 - cos) + L1 on the raw prediction (Sapiens v1's loss for normals). The length is taken of x² + 1e-6, for its slope at 0."""
    prediction, target = inside(prediction, mask), inside(target, mask)
    length = (prediction.square().sum(1, keepdim=True) + 1e-6).sqrt()
    angle = 1.0 - (prediction * target).sum(1, keepdim=True) / length
    return average(cosine * mean(angle, mask) + l1 * mean((prediction - target).abs(), mask) / 3, mask)


def cosine_l1_gradient(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Sapiens2's loss for normals: 10 (1 - cos) + L1 + 10 times the squared error of finite differences, within each person."""
    slopes = zip(differences(inside(prediction, mask)), differences(inside(target, mask)), neighbours(mask), strict=True)
    edges = sum(mean((p - t).square(), same) for p, t, same in slopes)
    return cosine_l1(prediction, target, mask, cosine=10.0) + 10.0 * average(edges, mask)  # type: ignore[arg-type]
