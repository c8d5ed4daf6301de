"""What makes a step faster or smaller changes no name, and the numbers only as far as its precision says."""

import copy
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conf.command import UserError
from tests.train.conftest import configuration
from train import backbones, estimate, speed
from train import run as runs
from train.config import BackboneConfig, HeadConfig
from train.model import Model
from train.report import curves
from train.throughput import PEAKS

SIZE = (64, 48)
HEADS = 2
VITS: dict[str, dict[str, Any]] = {
    "dinov2": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": HEADS, "patch_size": 16, "image_size": 64},
    "sapiens": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": HEADS},
    "sapiens2": {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": HEADS,
        "intermediate_size": 64,
        "pos_embed_rescale": None,
    },
}


def network(kind: str) -> Model:
    torch.manual_seed(0)
    head = HeadConfig(kind="deconv", options={"widths": [8], "hidden": [8], "dropout": 0.0})
    return Model(backbones.build(BackboneConfig(name=None, type=kind, options=VITS[kind])), ["depth"], head, SIZE).train()


def step(model: Model) -> dict[str, torch.Tensor]:
    """Gradients of one picture."""
    image = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    model(image)["depth"].square().mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def kept(model: Model, image: torch.Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, besides parameters and the inputs of checkpointed blocks."""
    found: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(values: torch.Tensor) -> torch.Tensor:
        storage = values.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return values

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda values: values):
        estimate.total(model(image))
    return sum(found.values())


@pytest.mark.parametrize("kind", VITS)
def test_attention_is_fused_and_recomputed_blocks_give_the_same_gradients(kind: str) -> None:
    plain = network(kind)
    assert plain.backbone.network.config._attn_implementation == "sdpa"
    saving = copy.deepcopy(plain)
    speed.prepare(saving, configuration("data=x", "out=y", checkpoint_blocks=True))
    ours, theirs = step(saving), step(plain)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient)
    image = torch.rand(1, 3, *SIZE)
    assert kept(saving, image) < 0.5 * kept(plain, image)


def test_compiled_parts_keep_their_names_and_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = functools.partialmethod(nn.Module.compile, backend="aot_eager")  # all but writing kernels, which takes a minute
    monkeypatch.setattr(nn.Module, "compile", compiler)
    plain = network("dinov2")
    compiled = copy.deepcopy(plain)
    speed.prepare(compiled, configuration("data=x", "out=y", compile=True))
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    parts: list[Any] = speed.parts(compiled)
    assert len(parts) == 3 + 1 and all(part._compiled_call_impl is not None for part in parts)
    ours, theirs = step(compiled), step(plain)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("precision", "stored"), [("bf16-mixed", torch.float32), ("bf16-true", torch.bfloat16)])
def test_bfloat16_trains_close_to_float32(spheres: Path, tmp_path: Path, precision: str, stored: torch.dtype) -> None:
    def trained(name: str, precision: str) -> tuple[dict[str, Any], Path]:
        keys = {"data": str(spheres), "out": str(tmp_path / name), "precision": precision}
        runs.train(configuration("steps=2", "ema=0.9", "optimiser.lr=1e-4", "head.options.dropout=0", **keys))
        return torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True), tmp_path / name

    low, ours = trained("low", precision)
    _, theirs = trained("full", "32-true")
    assert {values.dtype for name, values in low["state_dict"].items() if name.endswith("weight")} == {stored}
    assert {values.dtype for name, values in low["ema"].items() if name.endswith("weight")} == {torch.float32}
    for name in ("train/depth", "train/normal"):
        np.testing.assert_allclose(*([value for _, value in curves(run)[name]] for run in (ours, theirs)), rtol=0.03)


def test_what_shards_do_already_is_refused() -> None:
    with pytest.raises(UserError, match="bf16-mixed"):
        runs.check(configuration("data=x", "out=y", "strategy=fsdp", "precision=bf16-true"))
    with pytest.raises(UserError, match="precision=16-mixed: choose from 32-true"):
        runs.check(configuration("data=x", "out=y", "precision=16-mixed"))


def test_flops_are_those_of_the_closed_form() -> None:
    width, blocks, tokens = 32, 3, 64 * 48 // 16**2
    linear = blocks * tokens * 12 * width**2 + tokens * 3 * 16**2 * width  # qkv, projection, 4x and back; patches
    attention = blocks * 2 * tokens**2 * width
    head = (2 * 64 // 16) * (2 * 48 // 16) * 4 * 4 / 4 * width * 8 + (2 * 64 // 16) * (2 * 48 // 16) * (8 * 8 + 8)
    counted = estimate.flops(network("sapiens").recipe())
    first = tokens * 3 * 16**2 * width  # no gradient of the picture itself
    assert counted == pytest.approx(2 * (3 * (linear + attention + head) - first), rel=0.01)


def test_the_estimate_of_memory_adds_up() -> None:
    options = {**VITS["sapiens"], "hidden_size": 128, "num_hidden_layers": 6}
    backbone = BackboneConfig(name=None, type="sapiens", options=options)

    def estimated(**keys: Any) -> dict[str, int]:
        config = configuration("data=x", "out=y", "size=[128,96]", "tasks=[depth]", "batch_size=16", **keys)
        config.backbone = backbone
        return estimate.memory(config)

    plain, saving = estimated(), estimated(checkpoint_blocks=True)
    model = Model(backbones.build(backbone), ["depth"], configuration("data=x", "out=y").head, (128, 96)).train()
    parameters = sum(p.numel() for p in model.parameters())
    assert plain["weights"] == pytest.approx(4 * parameters, rel=0.01)
    assert plain["moments"] == pytest.approx(8 * parameters, rel=0.01)
    # What a real forward pass keeps, and a little that is alive but not kept.
    assert 1.0 <= plain["activations"] / kept(model, torch.rand(16, 3, 128, 96)) < 1.15
    assert plain["activations"] - saving["activations"] > 0.5 * plain["activations"]
    half = estimated(precision="bf16-true", compile=True)
    assert half["weights"] + half["moments"] == pytest.approx(6 * parameters, rel=0.01)
    assert estimated(ema=0.9)["averages"] == pytest.approx(4 * parameters, rel=0.01)


def test_every_run_logs_its_speed(trained: Path) -> None:
    logged = curves(trained)
    for name in ("images_per_s", "data_wait_percent", "memory_gb"):
        values = [value for _, value in logged[f"speed/{name}"]]
        assert len(values) == 2 and min(values) >= 0
    assert 0 < logged["speed/data_wait_percent"][0][1] < 100 and 0.1 < logged["speed/memory_gb"][0][1] < 100
    assert "speed/mfu_percent" not in logged, "no peak is known of a CPU"


def test_the_first_peak_that_fits_a_name_is_the_right_one() -> None:
    names = {
        "NVIDIA H100 80GB HBM3": 989.5e12,
        "NVIDIA H100 PCIe": 756e12,
        "NVIDIA L40S": 362e12,
        "NVIDIA L40": 181e12,
        "NVIDIA L4": 121e12,
    }
    for name, peak in names.items():
        assert next(value for part, value in PEAKS.items() if part in name) == peak
