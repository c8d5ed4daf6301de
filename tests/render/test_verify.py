"""What verification lets through, and what it stops."""

import dataclasses

import numpy as np
import pytest

from datasets.triplet import Triplet
from render.verify import reject
from tests.fixtures import sphere_triplet


@pytest.fixture
def good() -> Triplet:
    return sphere_triplet("000000000", np.random.default_rng(0))


def test_a_good_sample_passes(good: Triplet) -> None:
    assert reject(good) is None


def spoil(sample: Triplet, name: str) -> Triplet:
    inside = sample.mask > 0
    y, x = np.argwhere(inside)[inside.sum() // 2]
    depth, normal, mask, rgb = sample.depth.copy(), sample.normal.copy(), sample.mask.copy(), sample.rgb.copy()
    if name == "nan":
        depth[y, x] = np.nan
    elif name == "hole":
        depth[y, x] = 0
    elif name == "outside":
        depth[0, 0] = 1
    elif name == "short normal":
        normal[y, x] *= 0.5
    elif name == "swapped axes":
        normal = normal[..., ::-1].copy()
    elif name == "y down":
        normal[..., 1] *= -1
    elif name == "empty":
        mask[:], depth[:], normal[:] = 0, 0, 0
    elif name == "black":
        rgb[:] = 0
    return dataclasses.replace(sample, depth=depth, normal=normal, mask=mask, rgb=rgb)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nan", "depth is not finite"),
        ("hole", "depth is not finite exactly on the mask"),
        ("outside", "depth is not finite exactly on the mask"),
        ("short normal", "normals are not unit"),
        ("swapped axes", "normals disagree with the depth"),
        ("y down", "normals disagree with the depth"),
        ("empty", "covers too little"),
        ("black", "too dark"),
    ],
)
def test_a_spoiled_sample_is_stopped_with_its_reason(good: Triplet, name: str, reason: str) -> None:
    assert reason in str(reject(spoil(good, name)))
