"""Losses against closed forms, and finite where the originals are not."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from datasets.conventions import camera_rays
from train import losses
from train.losses import cosine_l1, extended_log, normalised_depth, silog, silog_v1

CAMERA = torch.tensor([[[4.0, 0.0, 1.5], [0.0, 4.0, 1.0], [0.0, 0.0, 1.0]]], dtype=torch.float64)


def pointmap(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return losses.pointmap(prediction, target, mask, CAMERA.expand(len(mask), 3, 3))


LOSSES = {
    "silog": (silog, 1),
    "ssi": (losses.scale_shift_invariant, 1),
    "cosine_l1": (cosine_l1, 3),
    "cosine_l1_gradient": (losses.cosine_l1_gradient, 3),
    "albedo": (losses.albedo, 3),
    "matting": (losses.matting, 1),
    "pointmap": (pointmap, 3),
}
#: Published as a mean over all pixels of a batch, and kept so.
PUBLISHED = {**LOSSES, "silog_v1": (silog_v1, 1)}
#: Compare neighbours, which a border between two people parts.
SLOPES = ["ssi", "cosine_l1_gradient", "albedo", "pointmap"]


def ones(*shape: int) -> Tensor:
    return torch.ones(shape, dtype=torch.uint8)


def test_silog_is_its_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(3, 1, 8, 6, generator=generator) * 0.9 + 0.1
    prediction = torch.rand(3, 1, 8, 6, generator=generator) * 0.9 + 0.1
    mask = (torch.rand(3, 1, 8, 6, generator=generator) > 0.4).to(torch.uint8)
    wanted = []
    for t, p, m in zip(target.double().numpy(), prediction.double().numpy(), mask.numpy() > 0, strict=True):
        g = np.log(t[m]) - np.log(p[m])
        wanted.append(math.sqrt((g**2).mean() - 0.5 * g.mean() ** 2))
    assert float(silog(prediction, target, mask)) == pytest.approx(np.mean(wanted), abs=2e-4)


def test_silog_halves_the_price_of_a_wrong_scale() -> None:
    target = torch.linspace(0.1, 0.5, 20).reshape(1, 1, 4, 5)
    assert float(silog(target * 2, target, ones(1, 1, 4, 5))) == pytest.approx(math.log(2) / math.sqrt(2), abs=2e-4)
    assert float(silog(target, target, ones(1, 1, 4, 5))) == pytest.approx(0.0, abs=1e-6)


def test_extended_log_meets_the_logarithm_smoothly_and_stays_increasing() -> None:
    x = torch.linspace(-1, 1, 4001, dtype=torch.float64, requires_grad=True)
    y = extended_log(x)
    y.sum().backward()
    above = x > 1e-2
    assert torch.allclose(y[above], x[above].log()) and bool((y.diff() > 0).all())
    assert x.grad is not None and float(x.grad.max()) <= 1e2 + 1e-9


def test_cosine_l1_is_its_formula() -> None:
    target = torch.tensor([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1)
    prediction = torch.tensor([3.0, 0.0, 4.0]).reshape(1, 3, 1, 1)
    assert float(cosine_l1(prediction, target, ones(1, 1, 1, 1))) == pytest.approx((1 - 0.8) + (3 + 0 + 3) / 3, abs=1e-5)


def test_normalised_depth_is_0_near_and_1_far_over_the_person_alone() -> None:
    depth = torch.tensor([[9.0, 2.0, 3.0, 4.0, 0.0]]).reshape(1, 1, 1, 5)
    mask = torch.tensor([0, 1, 1, 2, 0], dtype=torch.uint8).reshape(1, 1, 1, 5)
    assert normalised_depth(depth, mask).flatten().tolist() == [0.0, 0.0, 0.5, 1.0, 0.0]
    assert not normalised_depth(torch.full((1, 1, 2, 2), 3.0), ones(1, 1, 2, 2)).any(), "constant depth"
    assert not normalised_depth(depth, torch.zeros_like(mask)).any(), "no person"


@pytest.mark.parametrize("name", LOSSES)
def test_each_picture_counts_once_and_empty_ones_not_at_all(name: str) -> None:
    loss, channels = LOSSES[name]
    generator = torch.Generator().manual_seed(1)
    prediction, target = (torch.rand(3, channels, 4, 4, generator=generator) + 0.1 for _ in range(2))
    mask = ones(3, 1, 4, 4)
    mask[1] = 0
    mask[2, :, :2] = 0
    alone = [loss(prediction[i : i + 1], target[i : i + 1], mask[i : i + 1]) for i in (0, 2)]
    assert torch.allclose(loss(prediction, target, mask), torch.stack(alone).mean())
    assert loss(prediction, target, torch.zeros_like(mask)) == 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_outside_the_mask_does_not_matter(name: str) -> None:
    loss, channels = PUBLISHED[name]
    prediction = torch.rand(1, channels, 4, 4, generator=torch.Generator().manual_seed(2), requires_grad=True)
    target = torch.full((1, channels, 4, 4), 0.4)
    mask = ones(1, 1, 4, 4)
    mask[..., 2:] = 0
    value = loss(torch.where(mask > 0, prediction, torch.nan), torch.where(mask > 0, target, torch.nan), mask)
    value.backward()
    assert torch.equal(value, loss(prediction, target, mask))
    assert prediction.grad is not None and prediction.grad.isfinite().all() and not prediction.grad[..., 2:].any()


@pytest.mark.parametrize("name", SLOPES)
def test_nothing_is_asked_of_the_step_between_two_people(name: str) -> None:
    """Two halves, each off by a constant: no slope within a person is wrong, so the loss is that of pixels alone."""
    loss, channels = LOSSES[name]
    generator = torch.Generator().manual_seed(3)
    target = torch.rand(1, channels, 4, 6, generator=generator, dtype=torch.float64) / 2 + 0.25
    prediction = target.clone()
    prediction[..., 3:] += 0.2
    one = ones(1, 1, 4, 6)
    two = one.clone()
    two[..., 3:] = 2
    assert loss(prediction, target, two) < loss(prediction, target, one) - 1e-3


VALUES = st.sampled_from([-1e3, -1.0, -1e-6, 0.0, 1e-12, 1e-6, 1e-3, 0.5, 1.0, 1e3])
TARGETS = st.sampled_from([0.0, 1e-7, 0.5, 1.0])


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(PUBLISHED)), data=st.data())
def test_any_input_gives_a_finite_loss_and_finite_gradients(kind: torch.dtype, name: str, data: st.DataObject) -> None:
    loss, channels = PUBLISHED[name]
    shape = (2, channels, 2, 3)
    prediction = torch.from_numpy(data.draw(arrays(np.float32, shape, elements=VALUES.map(np.float32)))).to(kind)
    target = torch.from_numpy(data.draw(arrays(np.float32, shape, elements=TARGETS.map(np.float32))))
    mask = torch.from_numpy(data.draw(arrays(np.uint8, (2, 1, 2, 3), elements=st.sampled_from([0, 0, 1, 2]))))
    prediction.requires_grad_()
    value = loss(prediction, torch.where(mask > 0, target, torch.nan), mask)
    value.backward()
    assert value.isfinite() and prediction.grad is not None and prediction.grad.isfinite().all()
    assert float(value.detach()) >= -1e-4


@pytest.mark.parametrize("people", [0, 1, 20])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_perfect_prediction_costs_nothing_and_has_finite_gradients(name: str, people: int) -> None:
    """On a constant map, on one pixel, on none: the slope of a root at 0 is infinite, the spread of one value 0."""
    loss, channels = PUBLISHED[name]
    target = torch.full((1, channels, 4, 5), channels**-0.5)
    if name == "pointmap":  # points that lie on their pixels' rays
        target = losses.points(torch.full((1, 1, 4, 5), 2.0), CAMERA)
    prediction = target.clone().requires_grad_()
    mask = (torch.arange(20) < people).to(torch.uint8).reshape(1, 1, 4, 5)
    value = loss(prediction, target, mask)
    value.backward()
    assert prediction.grad is not None and prediction.grad.isfinite().all()
    assert float(value.detach()) == pytest.approx(0.0, abs=2e-5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_gradients_are_those_of_the_loss(name: str) -> None:
    loss, channels = PUBLISHED[name]
    generator = torch.Generator().manual_seed(4)
    prediction, target = (torch.rand(2, channels, 5, 6, generator=generator, dtype=torch.float64) * 0.8 + 0.1 for _ in range(2))
    mask = torch.randint(0, 3, (2, 1, 5, 6), generator=generator, dtype=torch.uint8)
    assert torch.autograd.gradcheck(lambda p: loss(p, target, mask), prediction.requires_grad_(), eps=1e-7, atol=1e-4)


def test_the_published_silog_differs_where_it_is_broken() -> None:
    prediction = torch.tensor([0.5, -0.2, 0.7, 0.6]).reshape(1, 1, 2, 2).requires_grad_()
    target = torch.tensor([0.0, 0.4, 1.0, 0.3]).reshape(1, 1, 2, 2)
    value = silog_v1(prediction, target, ones(1, 1, 2, 2))
    value.backward()
    g = np.log([0.4, 1.0, 0.3]) - np.log([1e-6, 0.7, 0.6])
    assert float(value.detach()) == pytest.approx(math.sqrt((g**2).mean() - 0.5 * g.mean() ** 2), rel=1e-5)
    assert prediction.grad is not None and (prediction.grad != 0).flatten().tolist() == [False, False, True, True]


def pixels(mask: np.ndarray) -> list[tuple[int, int]]:
    return [(y, x) for y in range(mask.shape[0]) for x in range(mask.shape[1]) if mask[y, x]]


def pairs(mask: np.ndarray) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Neighbours of one person."""
    steps = [((y, x), (y + dy, x + dx)) for y, x in pixels(mask) for dy, dx in ((0, 1), (1, 0))]
    return [(a, b) for a, b in steps if b[0] < mask.shape[0] and b[1] < mask.shape[1] and mask[a] == mask[b]]


def drawn(channels: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    prediction, target = (torch.rand(1, channels, 9, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    return prediction, target, torch.randint(0, 3, (1, 1, 9, 8), generator=generator, dtype=torch.uint8)


def test_the_scale_and_shift_invariant_loss_is_its_formula() -> None:
    prediction, target, mask = drawn(1, 5)
    m = mask[0, 0].numpy()
    hat = []
    for values in (prediction, target):
        known = sorted(float(values[0, 0, y, x]) for y, x in pixels(m))
        middle = known[(len(known) - 1) // 2]
        hat.append((values[0, 0].numpy() - middle) / np.mean([abs(v - middle) for v in known]))
    r = hat[0] - hat[1]
    wanted = np.mean([abs(r[p]) for p in pixels(m)])
    for step in (1, 2, 4, 8):
        thin, where = r[::step, ::step], m[::step, ::step]
        wanted += 0.5 * sum(abs(thin[a] - thin[b]) for a, b in pairs(where)) / max(1, len(pixels(where)))
    assert float(losses.scale_shift_invariant(prediction, target, mask)) == pytest.approx(wanted, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.1, 10), shift=st.floats(-5, 5), seed=st.integers(0, 99))
def test_ssi_sees_neither_scale_nor_shift_but_a_mirrored_depth(scale: float, shift: float, seed: int) -> None:
    prediction, target, mask = drawn(1, seed)
    there = losses.scale_shift_invariant(prediction, target, mask)
    assert torch.allclose(losses.scale_shift_invariant(prediction * scale + shift, target, mask), there, rtol=1e-6)
    assert torch.allclose(losses.scale_shift_invariant(prediction, target * scale + shift, mask), there, rtol=1e-6)
    assert losses.scale_shift_invariant(-target, target, mask) > 1.0


def test_sapiens2s_normal_loss_is_its_formula() -> None:
    prediction, target, mask = drawn(3, 6)
    target = torch.nn.functional.normalize(target, dim=1)
    p, t, m = prediction[0].numpy(), target[0].numpy(), mask[0, 0].numpy()
    wanted = 0.0
    for at in pixels(m):
        a, b = p[:, *at], t[:, *at]
        wanted += (10 * (1 - a @ b / math.sqrt(a @ a + 1e-6)) + np.abs(a - b).mean()) / len(pixels(m))
    for axis in (0, 1):
        along = [(a, b) for a, b in pairs(m) if b[axis] > a[axis]]
        wanted += 10 * sum((((p[:, *b] - p[:, *a]) - (t[:, *b] - t[:, *a])) ** 2).sum() for a, b in along) / len(along)
    assert float(losses.cosine_l1_gradient(prediction, target, mask)) == pytest.approx(wanted, rel=1e-9)


def test_the_albedo_loss_is_its_formula() -> None:
    prediction, target, mask = drawn(3, 7)
    p, t, m = prediction[0].numpy(), target[0].numpy(), mask[0, 0].numpy()
    wanted = 0.0
    for at in pixels(m):
        a, b = p[:, *at], t[:, *at]
        wanted += (2 * np.abs(a - b).mean() + np.abs(a / (a.sum() + 0.05) - b / (b.sum() + 0.05)).sum()) / len(pixels(m))
    for axis in (0, 1):
        along = [(a, b) for a, b in pairs(m) if b[axis] > a[axis]]
        wanted += sum((((p[:, *b] - p[:, *a]) - (t[:, *b] - t[:, *a])) ** 2).sum() for a, b in along) / len(along)
    assert float(losses.albedo(prediction, target, mask)) == pytest.approx(wanted, rel=1e-9)
    darker = losses.albedo(target * 0.5, target, mask) - losses.albedo(target, target, mask)
    tinted = losses.albedo(target * torch.tensor([0.5, 1.0, 0.5])[:, None, None], target, mask)
    assert tinted > darker / 2, "a tint is dearer than its brightness"


def test_the_matting_loss_is_cheap_in_the_flat_and_dear_at_an_edge() -> None:
    target = torch.zeros(1, 1, 32, 32)
    target[..., 16:] = 1.0
    everywhere = ones(1, 1, 32, 32)
    flat = losses.matting(target * 0.9 + 0.05, target, everywhere)
    blurred = target.clone()
    blurred[..., 14:18] = torch.tensor([0.2, 0.4, 0.6, 0.8])
    moved = losses.matting(target.roll(1, -1), target, everywhere)
    l1 = [(v - target).abs().mean() for v in (target * 0.9 + 0.05, blurred)]
    assert losses.matting(blurred, target, everywhere) / l1[1] > 2 * flat / l1[0]
    assert moved > losses.matting(target, target, everywhere) == pytest.approx(0.0, abs=1e-6)


def test_a_matte_off_by_a_constant_costs_its_l1_and_the_top_of_the_pyramid() -> None:
    grey = torch.full((1, 1, 128, 160), 0.25)
    assert float(losses.matting(grey, torch.zeros_like(grey), ones(1, 1, 128, 160))) == pytest.approx(0.25 * (1 + 2**4 / 5), abs=1e-5)


def test_points_are_the_conventions_points() -> None:
    depth = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(8), dtype=torch.float64) + 1
    K = CAMERA[0].numpy() + np.array([[0, 0, 0.3], [0, 0.5, 0], [0, 0, 0]])
    wanted = camera_rays(K, 4, 5) * depth[0, 0, ..., None].numpy()
    np.testing.assert_allclose(losses.points(depth, torch.from_numpy(K)[None])[0].permute(1, 2, 0).numpy(), wanted, rtol=1e-12)
    assert losses.canonical_scale(torch.tensor([[[768.0, 0, 384], [0, 768, 512], [0, 0, 1]]]), 768) == 1.0


@pytest.mark.parametrize("error", ["shift", "scale", "tilt"])
def test_the_pointmap_loss_adds_its_terms(error: str) -> None:
    """A shift along x by d: 2 d (L1) + d (half resolution) + d (off the ray); the centroid, Z and normals are right."""
    target = losses.points(torch.full((1, 1, 4, 6), 2.0, dtype=torch.float64), CAMERA)
    mask = ones(1, 1, 4, 6)
    if error == "shift":
        assert float(pointmap(target + torch.tensor([0.3, 0, 0])[:, None, None], target, mask)) == pytest.approx(0.3 * 4, abs=1e-5)
    elif error == "scale":
        off = 0.1 * target
        l1 = off.abs().sum(1).mean()
        half = torch.nn.functional.avg_pool2d(off, 2).abs().sum(1).mean()
        centred = (off - off.mean((2, 3), keepdim=True)).abs().sum(1).mean()
        silog_of_a_scale = math.log(1.1) / math.sqrt(2)
        assert float(pointmap(target * 1.1, target, mask)) == pytest.approx(float(2 * l1 + half + centred) + silog_of_a_scale, abs=2e-3)
    else:
        tilted = target.clone()
        tilted[:, 2] += 0.05 * tilted[:, 0]
        assert pointmap(tilted, target, mask) > 2 * (tilted - target).abs().sum(1).mean() + 0.01


def test_pixels_at_the_edges_of_the_range_still_learn() -> None:
    """v1 gives no gradient where the target is 0 or the prediction below 1e-6."""
    prediction = torch.tensor([0.5, -0.2, 0.7, 0.6]).reshape(1, 1, 2, 2).requires_grad_()
    target = torch.tensor([0.0, 0.4, 1.0, 0.3]).reshape(1, 1, 2, 2)
    silog(prediction, target, ones(1, 1, 2, 2)).backward()
    assert prediction.grad is not None and (prediction.grad != 0).all()
    assert prediction.grad.flatten()[0] > 0 > prediction.grad.flatten()[1], "down where too far, up where too near"
