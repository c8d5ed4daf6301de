"""Verification: what every sample must satisfy before its shard is committed. Reasons are short and are counted."""

import numpy as np

from datasets.conventions import normals_from_depth
from datasets.triplet import Triplet

MINIMUM_COVERAGE = 0.01  # of the frame
MINIMUM_BRIGHTNESS, MAXIMUM_BRIGHTNESS = 12, 245  # mean of the person's 8-bit values
MAXIMUM_DISAGREEMENT_DEG = 12.0  # median angle between the normals and the depth's own gradient


def reject(triplet: Triplet) -> str | None:
    """Why a sample may not enter a dataset, or None when it may."""
    inside = triplet.mask > 0
    if inside.mean() < MINIMUM_COVERAGE:
        return "person covers too little of the frame"
    if not np.isfinite(triplet.depth).all() or not np.array_equal(triplet.depth > 0, inside):
        return "depth is not finite exactly on the mask"
    normal = triplet.normal.astype(np.float32)
    length = np.linalg.norm(normal, axis=-1)
    if not np.allclose(length[inside], 1, atol=2e-3) or np.any(length[~inside] > 0):
        return "normals are not unit exactly on the mask"
    if not triplet.meta.get("normal_maps") and _disagreement(triplet, normal) > MAXIMUM_DISAGREEMENT_DEG:
        return "normals disagree with the depth"
    brightness = triplet.rgb[inside].mean()
    if not MINIMUM_BRIGHTNESS < brightness < MAXIMUM_BRIGHTNESS:
        return "person is too dark" if brightness <= MINIMUM_BRIGHTNESS else "person is too bright"
    return None


def _disagreement(triplet: Triplet, normal: np.ndarray) -> float:
    gradient = normals_from_depth(triplet.depth, triplet.K)
    both = np.any(gradient != 0, axis=-1) & np.any(normal != 0, axis=-1)
    if both.sum() < 100:
        return 0.0
    cosine = np.clip((gradient[both] * normal[both]).sum(axis=-1), -1, 1)
    return float(np.degrees(np.median(np.arccos(cosine))))
