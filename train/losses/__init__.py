"""Losses: pure functions (prediction, target, mask) -> scalar, finite with finite gradients for any finite prediction.

prediction and target (B,C,H,W), computed in float32 (float64 stays); mask (B,1,H,W), nonzero where the target is known; what
is elsewhere may be NaN. In masks of people the numbers tell people apart: neighbours are compared within one person alone.
Each picture with a person counts the same, whatever the person's size; a picture without one counts nothing, and a batch
without any gives 0.
"""

from train.losses.albedo import albedo, chromaticity
from train.losses.alpha import matting
from train.losses.depth import extended_log, normalised_depth, scale_shift_invariant, silog, silog_v1
from train.losses.normal import cosine_l1, cosine_l1_gradient
from train.losses.pointmap import canonical_scale, number_l1, pointmap, points

__all__ = [
    "albedo",
    "canonical_scale",
    "chromaticity",
    "cosine_l1",
    "cosine_l1_gradient",
    "extended_log",
    "matting",
    "normalised_depth",
    "number_l1",
    "pointmap",
    "points",
    "scale_shift_invariant",
    "silog",
    "silog_v1",
]
