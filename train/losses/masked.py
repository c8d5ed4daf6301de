"""What all losses share: values within a mask, means over it, and differences of neighbours within one person."""

import torch
from torch import Tensor


def inside(values: Tensor, mask: Tensor, fill: float = 0.5) -> Tensor:
    """Float values, replaced (not multiplied) outside the mask: what is unknown may be NaN."""
    return torch.where(mask > 0, values if values.dtype == torch.float64 else values.float(), fill)


def mean(values: Tensor, where: Tensor) -> Tensor:
    """Sum of values (B,C,H,W) over channels and over `where` (B,1,H,W), over the number of pixels there: (B,); 0 without any."""
    return torch.where(where > 0, values, 0.0).sum((1, 2, 3)) / (where > 0).sum((1, 2, 3)).clamp(min=1)


def average(losses: Tensor, mask: Tensor) -> Tensor:
    """Mean of losses (B,) over the pictures that show a person; 0 without any."""
    present = (mask > 0).flatten(1).any(1)
    return torch.where(present, losses, 0.0).sum() / present.sum().clamp(min=1)


def differences(values: Tensor) -> tuple[Tensor, Tensor]:
    """Right minus left and lower minus upper neighbour of values (B,C,H,W): (B,C,H,W-1) and (B,C,H-1,W)."""
    return values[..., 1:] - values[..., :-1], values[..., 1:, :] - values[..., :-1, :]


def neighbours(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Where both of two neighbours show the same person: (B,1,H,W-1) and (B,1,H-1,W). Across people there is a step, not a slope."""
    across = (mask[..., 1:] == mask[..., :-1]) & (mask[..., 1:] > 0)
    down = (mask[..., 1:, :] == mask[..., :-1, :]) & (mask[..., 1:, :] > 0)
    return across, down
