"""Losses against closed forms, and finite where the originals are not."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from train.losses import cosine_l1, extended_log, normalised_depth, silog

LOSSES = {"silog": (silog, 1), "cosine_l1": (cosine_l1, 3)}


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


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_outside_the_mask_does_not_matter(name: str) -> None:
    loss, channels = LOSSES[name]
    prediction = torch.rand(1, channels, 4, 4, generator=torch.Generator().manual_seed(2), requires_grad=True)
    target = torch.full((1, channels, 4, 4), 0.4)
    mask = ones(1, 1, 4, 4)
    mask[..., 2:] = 0
    spoilt = torch.where(mask > 0, target, torch.nan)
    value = loss(prediction, spoilt, mask)
    value.backward()
    assert torch.equal(value, loss(prediction, target, mask))
    assert prediction.grad is not None and prediction.grad.isfinite().all() and not prediction.grad[..., 2:].any()


TARGETS = st.sampled_from([0.0, 1e-7, 0.5, 1.0])
VALUES = st.sampled_from([-1e3, -1.0, -1e-6, 0.0, 1e-12, 1e-6, 1e-3, 0.5, 1.0, 1e3])


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(LOSSES)), st.data())
def test_any_input_gives_a_finite_loss_and_finite_gradients(name: str, data: st.DataObject) -> None:
    loss, channels = LOSSES[name]
    shape = (2, channels, 2, 3)
    prediction = torch.from_numpy(data.draw(arrays(np.float32, shape, elements=VALUES.map(np.float32))))
    target = torch.from_numpy(data.draw(arrays(np.float32, shape, elements=TARGETS.map(np.float32))))
    mask = torch.from_numpy(data.draw(arrays(np.uint8, (2, 1, 2, 3), elements=st.sampled_from([0, 1, 2]))))
    prediction.requires_grad_()
    value = loss(prediction, target, mask)
    value.backward()
    assert value.isfinite() and prediction.grad is not None and prediction.grad.isfinite().all()
    assert float(value.detach()) >= -1e-4


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_has_finite_gradients(name: str) -> None:
    """The slope of a root at 0 is infinite."""
    loss, channels = LOSSES[name]
    target = torch.full((1, channels, 2, 2), channels**-0.5)
    prediction = target.clone().requires_grad_()
    loss(prediction, target, ones(1, 1, 2, 2)).backward()
    assert prediction.grad is not None and prediction.grad.isfinite().all()


def test_pixels_at_the_edges_of_the_range_still_learn() -> None:
    """v1 gives no gradient where the target is 0 or the prediction below 1e-6."""
    prediction = torch.tensor([0.5, -0.2, 0.7, 0.6]).reshape(1, 1, 2, 2).requires_grad_()
    target = torch.tensor([0.0, 0.4, 1.0, 0.3]).reshape(1, 1, 2, 2)
    silog(prediction, target, ones(1, 1, 2, 2)).backward()
    assert prediction.grad is not None and (prediction.grad != 0).all()
    assert prediction.grad.flatten()[0] > 0 > prediction.grad.flatten()[1], "down where too far, up where too near"
