"""Augmentation: passed randomness, sane pictures, labels that still agree with the camera."""

import numpy as np
import pytest
import torch
from kornia.enhance import jpeg_codec_differentiable

from datasets.augment import RESAMPLING, Augmentation, augment, colour, compress, motion_blur, photograph, resample
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
    still = Augmentation(brightness=0, contrast=0, saturation=0, hue=0, grey=0, blur=0, motion=0, resample=0, noise=0, jpeg=0)
    image = torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(photograph(still, image.clone(), torch.Generator().manual_seed(0)), image, atol=1e-4)


def one(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def test_colour_is_the_affine_map_it_says_it_is() -> None:
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    grey = colour(image, one(1), one(1), one(0), one(0))
    luma = (image[0] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    assert torch.allclose(grey, luma.expand(1, 3, 8, 8), atol=1e-6), "without saturation the luma is left"
    third = colour(image, one(1), one(1), one(1), one(2 * np.pi / 3))
    assert torch.allclose(third, image.roll(1, 1), atol=1e-6), "a third of a turn takes red to green to blue"
    plain = colour(image, one(1.1), one(0.5), one(1), one(0))
    assert torch.allclose(plain, 1.1 * (0.5 * (image - image.mean()) + image.mean()), atol=1e-6)


def test_each_picture_gets_its_own_colours() -> None:
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    factors = [torch.tensor(pair, dtype=torch.float64) for pair in ([0.8, 1.1], [1.2, 0.9], [0.5, 1.3], [0.2, -0.2])]
    both = colour(image, *factors)
    for i in range(2):
        assert torch.allclose(both[i : i + 1], colour(image[i : i + 1], *(f[i : i + 1] for f in factors)), atol=1e-6)


@pytest.mark.parametrize("mode", RESAMPLING)
def test_a_reduction_and_back_takes_the_fine_and_leaves_the_coarse(mode: str) -> None:
    x = torch.arange(48.0).expand(64, 48)
    fine, coarse = 0.5 + 0.4 * torch.cos(np.pi * (x + 0.5)), 0.2 + 0.6 * x / 48
    flat, kept = (resample(picture.expand(1, 3, 64, 48), 0.25, mode) for picture in (fine, coarse))
    assert flat.std() < 0.01 and kept.shape == (1, 3, 64, 48)
    assert (kept - coarse).abs().mean() < 0.02


def test_motion_smears_along_its_line_only() -> None:
    dot = torch.zeros(1, 3, 31, 31)
    dot[..., 15, 15] = 1
    smeared = motion_blur(dot, 9, 0.0, 0.0)[0, 0]
    assert (smeared.sum(1) > 1e-3).sum() <= 3 and (smeared.sum(0) > 1e-3).sum() >= 7
    assert abs(smeared.sum() - 1) < 1e-5


def test_jpeg_errs_more_at_lower_quality_and_keeps_colours_in_their_channels() -> None:
    rng = np.random.default_rng(0)
    image = collate([sphere_triplet("000000000", rng, 96, 72)])["image"].float() / 255
    errors = [(compress(image.clone(), quality) - image).abs().mean() for quality in (30, 60, 95)]
    assert errors[0] > errors[1] > errors[2] > 0 and errors[0] < 0.04
    kornia = jpeg_codec_differentiable(image.contiguous(), torch.tensor([60.0]))
    assert (compress(image.clone(), 60) - kornia).abs().mean() < 0.02, "as on a GPU"
