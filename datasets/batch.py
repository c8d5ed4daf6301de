"""A batch: triplets as tensors. What readers yield, transforms change and models take."""

from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from datasets.triplet import Triplet


class Batch(TypedDict):
    """B samples; conventions in `datasets/conventions.py`. Maps may be on any device; K and size stay on the CPU.

    image   (B,3,H,W) uint8 sRGB from the reader; float in 0..1 once `geometry.apply` has run
    depth   (B,1,H,W) float32 planar metres, 0 outside the mask
    normal  (B,3,H,W) float, unit, 0 outside the mask
    mask    (B,1,H,W) uint8 instance id, 0 background
    K       (B,3,3) float64 pixels
    size    (B,2) int64 height and width of each picture; smaller ones are padded at the right and the bottom, so K holds
    key     the samples' keys
    """

    image: Tensor
    depth: Tensor
    normal: Tensor
    mask: Tensor
    K: Tensor
    size: Tensor
    key: list[str]


def collate(triplets: list[Triplet]) -> Batch:
    """Stack triplets, of one size or of several, on the CPU."""
    height = max(t.mask.shape[0] for t in triplets)
    width = max(t.mask.shape[1] for t in triplets)

    def stack(field: str) -> Tensor:
        maps = [np.atleast_3d(getattr(t, field)) for t in triplets]
        stacked = np.zeros((len(maps), maps[0].shape[2], height, width), maps[0].dtype)
        for row, values in zip(stacked, maps, strict=True):
            row[:, : values.shape[0], : values.shape[1]] = values.transpose(2, 0, 1)
        return torch.from_numpy(stacked)

    return Batch(
        image=stack("rgb"),
        depth=stack("depth"),
        normal=stack("normal"),
        mask=stack("mask"),
        K=torch.from_numpy(np.stack([t.K for t in triplets])),
        size=torch.tensor([t.mask.shape for t in triplets]),
        key=[t.key for t in triplets],
    )
