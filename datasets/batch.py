"""A batch: triplets as tensors. What readers yield, transforms change and models take."""

from typing import NotRequired, TypedDict

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
    alpha   (B,1,H,W) uint8 soft coverage from the reader; float in 0..1 once `geometry.apply` has run
    albedo  (B,3,H,W) uint8 sRGB, or float as image; only where it was asked for (`fields` of a reader)
    K       (B,3,3) float64 pixels
    size    (B,2) int64 height and width of each picture; smaller ones are padded at the right and the bottom, so K holds
    key     the samples' keys
    skipped what could not be read while this batch was made, as "file: sample: reason"; only from `reader.Training`
    """

    image: Tensor
    depth: Tensor
    normal: Tensor
    mask: Tensor
    alpha: Tensor
    albedo: NotRequired[Tensor]
    K: Tensor
    size: Tensor
    key: list[str]
    skipped: NotRequired[list[str]]


def collate(triplets: list[Triplet]) -> Batch:
    """Stack triplets, of one size or of several, on the CPU. All have albedo, or none."""
    height = max(t.mask.shape[0] for t in triplets)
    width = max(t.mask.shape[1] for t in triplets)

    def stack(field: str) -> Tensor:
        maps = [np.atleast_3d(getattr(t, field)) for t in triplets]
        stacked = np.zeros((len(maps), height, width, maps[0].shape[2]), maps[0].dtype)
        for row, values in zip(stacked, maps, strict=True):
            row[: values.shape[0], : values.shape[1]] = values
        return torch.from_numpy(stacked).permute(0, 3, 1, 2)  # channels last in memory, as decoded: a copy, no transposition

    batch = Batch(
        image=stack("rgb"),
        depth=stack("depth"),
        normal=stack("normal"),
        mask=stack("mask"),
        alpha=stack("alpha"),
        K=torch.from_numpy(np.stack([t.K for t in triplets])),
        size=torch.tensor([t.mask.shape for t in triplets]),
        key=[t.key for t in triplets],
    )
    if triplets[0].albedo is not None:
        batch["albedo"] = stack("albedo")
    return batch
