"""Augmentation: passed randomness, sane pictures, labels that still agree with the camera."""

import numpy as np
import pytest
import torch

from datasets.augment import Augmentation, augment, photograph
from datasets.batch import Batch, collate
from datasets.conventions import normals_from_depth
from tests.fixtures import sphere_triplet


@pytest.fixture(scope="module")
def batch() -> Batch:
    rng = np.random.default_rng(0)
    return collate([sphere_triplet(f"{i:09d}", rng, 96, 72) for i in range(6)])


def test_the_generator_decides_and_nothing_else(batch: Batch) -> None:
    state = torch.get_rng_state()
    a, b, c = (augment(Augmentation(), batch, (48, 36), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a["image"], b["image"]) and torch.equal(a["depth"], b["depth"]) and torch.equal(a["K"], b["K"])
    assert not torch.equal(a["image"], c["image"]) and not torch.equal(a["K"], c["K"])
    assert torch.equal(torch.get_rng_state(), state), "the global generator was touched"


def test_what_comes_out_is_a_batch_of_the_asked_size(batch: Batch) -> None:
    out = augment(Augmentation(), batch, (48, 36), torch.Generator().manual_seed(0))
    assert out["image"].shape == (6, 3, 48, 36) and out["depth"].shape == (6, 1, 48, 36)
    assert out["image"].min() >= 0 and out["image"].max() <= 1 and out["image"].isfinite().all()
    assert batch["image"].dtype == torch.uint8, "the batch that went in is unchanged"


def test_depth_normals_and_camera_agree_after_augmentation(batch: Batch) -> None:
    """Normals derived from the new depth with the new K must equal the new normals: all three moved together."""
    rng = np.random.default_rng(2)
    large = collate([sphere_triplet(f"{i:09d}", rng, 480, 360) for i in range(6)])
    out = augment(Augmentation(zoom=[0.9, 1.5], rotation=180.0), large, (96, 72), torch.Generator().manual_seed(5))
    errors = []
    for i in range(6):
        derived = normals_from_depth(out["depth"][i, 0].double().numpy(), out["K"][i].numpy())
        normal = out["normal"][i].double().numpy().transpose(1, 2, 0)
        inner = derived.any(-1) & (normal[..., 2] > 0.6)
        errors.append(np.degrees(np.arccos(np.clip((derived * normal).sum(-1)[inner], -1, 1))))
    # Nearest depth is up to half a source pixel off, hence rough; a wrong turn or sign would be off by far more.
    assert np.median(np.concatenate(errors)) < 6


def test_without_any_change_the_photograph_is_the_picture() -> None:
    still = Augmentation(brightness=0, contrast=0, saturation=0, hue=0, grey=0, blur=0, noise=0, jpeg=0)
    image = torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(photograph(still, image.clone(), torch.Generator().manual_seed(0)), image, atol=1e-4)
