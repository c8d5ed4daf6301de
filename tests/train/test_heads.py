"""Heads: shapes on any backbone, gradients everywhere, and what the slim head may cost."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.bench_heads import cost
from conf.command import UserError
from train.config import HeadConfig
from train.heads import TRUNKS, Heads

#: Options that make each head tiny.
TINY: dict[str, dict[str, Any]] = {
    "deconv": {"widths": [8, 8], "hidden": [8]},
    "pixelshuffle": {"widths": [8, 8], "hidden": [8]},
    "dpt": {"widths": [4, 6, 8, 8], "fused": 8, "outputs": 6},
    "slim": {"widths": [16, 8], "detail": 2},
}


def features(channels: list[int], strides: list[int], size: tuple[int, int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, c, -(-size[0] // s), -(-size[1] // s)) for c, s in zip(channels, strides, strict=True)]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def test_every_head_is_tested_here() -> None:
    assert TINY.keys() == TRUNKS.keys()


@pytest.mark.parametrize("kind", TINY)
@pytest.mark.parametrize(
    ("channels", "strides"),
    [([12], [16]), ([12], [14]), ([12] * 4, [16] * 4), ([4, 8, 12, 16], [4, 8, 16, 32]), ([12], [8])],
    ids=["ViT/16", "ViT/14", "four maps", "pyramid", "ViT/8"],
)
def test_any_backbones_maps_become_maps_of_the_pictures_size(kind: str, channels: list[int], strides: list[int]) -> None:
    size = (52, 70)
    heads = Heads(channels, strides, {"depth": (1, 0.5), "normal": (3, 0.0)}, HeadConfig(kind=kind, options=TINY[kind]), ["scale"])
    out = heads(features(channels, strides, size), torch.rand(2, 3, *size))
    assert {name: tuple(values.shape) for name, values in out.items()} == {
        "depth": (2, 1, *size),
        "normal": (2, 3, *size),
        "scale": (2, 1),
    }
    sum(values.square().sum() for values in out.values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in heads.parameters()), "distributed training waits for all"


def test_one_trunk_serves_all_tasks_when_it_is_shared() -> None:
    outputs = {"depth": (1, 0.5), "normal": (3, 0.0)}
    made = [Heads([12], [16], outputs, HeadConfig(kind="slim", options=TINY["slim"], shared=shared)) for shared in (True, False)]
    assert [len(heads.trunks) for heads in made] == [1, 2]
    maps, image = features([12], [16], (32, 32)), torch.rand(2, 3, 32, 32)
    assert made[0](maps, image).keys() == made[1](maps, image).keys()


def test_options_a_head_does_not_have_are_one_line() -> None:
    with pytest.raises(UserError, match=r"head\.options=.*head\.kind=slim.*train/heads/slim\.py") as error:
        Heads([12], [16], {"depth": (1, 0.0)}, HeadConfig(kind="slim", options={"width": 3}))
    assert "\n" not in str(error.value)


def test_dpt_reads_four_maps_from_near_the_picture_to_deep_and_repeats_where_there_are_fewer() -> None:
    assert TRUNKS["dpt"]([8] * 4, [16] * 4, **TINY["dpt"]).sources == [0, 1, 2, 3]
    assert TRUNKS["dpt"]([8] * 12, [16] * 12, **TINY["dpt"]).sources == [0, 4, 7, 11]
    assert TRUNKS["dpt"]([8], [16], **TINY["dpt"]).sources == [0, 0, 0, 0]


def test_the_slim_head_sees_detail_that_the_tokens_do_not_carry() -> None:
    """One pixel of the picture changes what comes out around it, and nothing far away but through the norms' statistics."""
    torch.manual_seed(0)
    trunk = TRUNKS["slim"]([12], [16], **TINY["slim"]).eval()
    for module in trunk.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda values: values  # type: ignore[method-assign]
    maps, image = [torch.randn(1, 12, 8, 8)], torch.rand(1, 3, 128, 128)
    dotted = image.clone()
    dotted[..., 64, 64] = 1 - dotted[..., 64, 64]
    with torch.no_grad():
        moved = (trunk(maps, image) - trunk(maps, dotted)).abs().amax(1)[0]
    rows, columns = moved.nonzero().unbind(1)
    assert moved[16, 16] > 0 and moved.shape == (32, 32)
    assert not moved[0].any() and not moved[:, 0].any() and len(rows) and len(columns)


@pytest.mark.parametrize("channels", [1024, 1280, 1536, 1920])
@pytest.mark.parametrize("v1", [{}, {"widths": [768] * 3, "hidden": [768] * 3}], ids=["depth head", "normal head"])
def test_the_slim_head_costs_at_most_a_quarter_of_v1s(channels: int, v1: dict[str, Any]) -> None:
    """In compute and in memory, at the widths of Sapiens 0.3b to 2b. The v1 heads' compute is the published one."""
    flops, kept, _ = cost("slim", channels, {})
    theirs, theirs_kept, _ = cost("deconv", channels, v1)
    if channels == 1024:
        assert theirs == pytest.approx(1.93 if v1 else 1.72, abs=0.01)
    assert flops <= theirs / 4 and kept <= theirs_kept / 4
