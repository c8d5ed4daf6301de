"""Backbones, heads and optimiser groups."""

from pathlib import Path
from typing import Any

import pytest
import torch

from conf.command import UserError
from train import backbones, optim
from train.config import BackboneConfig, HeadConfig, OptimiserConfig
from train.model import Model, from_recipe

SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
VIT = BackboneConfig(name=None, type="dinov2", options={**SMALL, "patch_size": 8, "image_size": 32})
HEAD = HeadConfig(kind="slim", options={"widths": [16, 8], "detail": 4})


def test_a_saved_backbone_loads_identically_from_its_folder(tmp_path: Path) -> None:
    made = backbones.build(VIT).eval()
    made.network.save_pretrained(tmp_path / "vit")
    loaded = backbones.build(BackboneConfig(name=str(tmp_path / "vit"), layers=[1, 3])).eval()
    image = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(image)[-1], made(image)[0]), "the last block's map comes last"
    assert loaded.channels == [32, 32] and [m.shape for m in loaded(image)] == [(1, 32, 3, 5)] * 2


@pytest.mark.parametrize(
    ("kind", "options", "stride"),
    [
        ("dinov2", {**SMALL, "patch_size": 14}, 14),
        ("sapiens2", {**SMALL, "intermediate_size": 64, "num_key_value_heads": 2}, 16),
        ("swin", {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [2, 2, 2, 2]}, 32),
    ],
)
def test_any_backbone_gives_maps_of_the_pictures_size(kind: str, options: dict[str, Any], stride: int) -> None:
    model = Model(backbones.build(BackboneConfig(name=None, type=kind, options=options)), ["depth", "normal"], HEAD, (50, 37))
    assert model.backbone.strides == [stride]
    out = model(torch.rand(2, 3, 50, 37))
    assert out["depth"].shape == (2, 1, 50, 37) and out["normal"].shape == (2, 3, 50, 37)
    sum(values.sum() for values in out.values()).backward()  # type: ignore[union-attr]
    idle = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle, "distributed training would wait for these"


def test_a_backbone_that_does_not_exist_is_one_line() -> None:
    with pytest.raises(UserError, match=r"backbone\.name=/nowhere") as error:
        backbones.build(BackboneConfig(name="/nowhere"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shared", [True, False])
def test_a_recipe_rebuilds_the_model(shared: bool) -> None:
    head = HeadConfig(kind="slim", options=HEAD.options, shared=shared)
    model = Model(backbones.build(VIT), ["normal", "depth"], head, (24, 40)).eval()
    again = from_recipe(model.recipe()).eval()
    again.load_state_dict(model.state_dict())
    image = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(model(image).values(), again(image).values(), strict=True))


def test_layers_are_numbered_from_the_picture_up() -> None:
    ids, top = optim.layer_ids(backbones.build(VIT).network)
    assert top == 4
    assert {ids[name] for name in ids if name.startswith("embeddings.")} == {0}
    for block in range(3):
        assert {ids[name] for name in ids if f".layer.{block}." in name} == {block + 1}
    assert ids["layernorm.weight"] == ids["layernorm.bias"] == 4


def test_learning_rates_fall_and_only_matrices_decay() -> None:
    model = Model(backbones.build(VIT), ["depth"], HEAD, (24, 40))
    settings = OptimiserConfig(lr=1.0, weight_decay=0.1, layer_decay=0.5)
    groups = optim.parameter_groups(model, model.backbone.network, settings)
    found = {id(p): group for group in groups for p in group["params"]}
    assert len(found) == sum(p.requires_grad for p in model.parameters())

    def group(name: str) -> dict[str, Any]:
        return found[id(model.get_parameter(name))]

    assert group("heads.last.depth.weight")["lr"] == 1.0
    assert group("backbone.network.layernorm.weight")["lr"] == 1.0
    assert group("backbone.network.encoder.layer.2.mlp.fc1.weight")["lr"] == 0.5
    assert group("backbone.network.embeddings.patch_embeddings.projection.weight")["lr"] == 0.5**4
    decays = {name: found[id(p)]["weight_decay"] for name, p in model.named_parameters() if p.requires_grad}
    assert decays["backbone.network.encoder.layer.2.mlp.fc1.weight"] == 0.1
    for name in ("embeddings.position_embeddings", "embeddings.cls_token", "encoder.layer.0.norm1.weight", "encoder.layer.0.mlp.fc1.bias"):
        assert decays[f"backbone.network.{name}"] == 0.0


def test_the_schedule_warms_up_then_falls_to_zero() -> None:
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = optim.schedule(optimiser, warmup=4, steps=12)
    rates = []
    for _ in range(12):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[:5] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert rates[5:] == pytest.approx([2.0 * (12 - k) / 8 for k in range(5, 12)])
