"""Backbones from the files their makers publish, against plain torch; and the files that are refused."""

import logging
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import Tensor
from transformers import Sapiens2Backbone, ViTMAEConfig, ViTMAEModel

from conf.command import UserError
from tests.train import published
from tests.train.conftest import ROOT
from tests.train.published import WIDTH, Weights
from train import backbones, optim
from train.backbones import files
from train.backbones.sapiens import SapiensBackbone, SapiensConfig
from train.config import BackboneConfig


def built(path: Path | str, **keys: Any) -> backbones.Backbone:
    return backbones.build(BackboneConfig(name=str(path), **keys)).eval()


def saved(weights: Any, path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in weights.items()}, path)
    else:
        torch.save(weights, path)
    return path


def largest_difference(made: Tensor, expected: Tensor) -> float:
    assert made.shape == expected.shape and expected.std() > 0.1
    return (made - expected).abs().max().item()


def mae_file(class_token: bool = True) -> Weights:
    """A Sapiens pretraining file: a square of positions; a decoder and a mask token beside."""
    beside = {"mask_token": (1, 1, 8), "decoder_embed.weight": (8, WIDTH), "decoder_blocks.0.ln1.weight": (8,), "decoder_pred.bias": (8,)}
    return published.draw(published.sapiens_shapes((4, 4), class_token) | beside)


@pytest.mark.parametrize("padding", [None, 0, 2])
def test_sapiens_pretraining_files_lose_their_class_token_and_resize_positions(tmp_path: Path, padding: int | None) -> None:
    w = mae_file()
    image = published.picture(80, 48)
    network = built(saved({"state_dict": w}, tmp_path / "mae.pth"), patch_padding=padding)
    assert network.channels == [WIDTH] and network.strides == [16]
    with torch.no_grad():
        assert largest_difference(network(image)[0], published.sapiens(w, image, (4, 4), padding or 0)) < 1e-4


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["backbone.", "module.", "module.backbone.", ""])
def test_sapiens_fine_tuned_files_load_under_any_prefix(tmp_path: Path, prefix: str, suffix: str) -> None:
    w = published.draw(published.sapiens_shapes((4, 3), class_token=False))
    image = published.picture(64, 48)
    network = built(saved({prefix + name: value for name, value in w.items()}, tmp_path / f"tuned{suffix}"))
    with torch.no_grad():
        assert largest_difference(network(image)[0], published.sapiens(w, image, (4, 3))) < 1e-4


def test_a_whole_normal_file_as_backbone_has_its_padding(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    w = published.draw(published.sapiens_shapes((4, 3), class_token=False))
    head = published.draw(published.deconv_shapes([8], [8], outputs=3))
    path = saved({f"backbone.{name}": value for name, value in w.items()} | head, tmp_path / "normal.pth")
    image = published.picture(64, 48)
    with caplog.at_level(logging.INFO, "train"), torch.no_grad():
        assert largest_difference(built(path)(image)[0], published.sapiens(w, image, (4, 3), padding=2)) < 1e-4
    assert "patch padding 2" in caplog.text
    with torch.no_grad():
        assert largest_difference(built(path, patch_padding=0)(image)[0], published.sapiens(w, image, (4, 3))) < 1e-4


@pytest.mark.parametrize("registers", [0, 4])
@pytest.mark.parametrize("gated", [False, True])
def test_dinov2_files(tmp_path: Path, registers: int, gated: bool) -> None:
    hidden = (int(4 * WIDTH * 2 / 3) + 7) // 8 * 8 if gated else 4 * WIDTH
    shapes = published.timm_shapes(14, "w12" if gated else None, hidden) | {"pos_embed": (1, 17, WIDTH), "mask_token": (1, WIDTH)}
    w = published.draw(shapes | ({"register_tokens": (1, registers, WIDTH)} if registers else {}))
    image = published.picture(42, 70)
    with torch.no_grad():
        made = built(saved(w, tmp_path / "dinov2.pth"))(image)[0]
        assert largest_difference(made, published.timm_vit(w, image, (4, 4))) < 1e-4


@pytest.mark.parametrize("gated", [None, "w1"])
def test_dinov3_files(tmp_path: Path, gated: str | None) -> None:
    w = published.dinov3_weights(gated, 96)
    image = published.picture(48, 80)
    network = built(saved(w, tmp_path / "dinov3.pth"))
    with torch.no_grad():
        assert largest_difference(network(image)[0], published.dinov3(w, image)) < 1e-4
    w |= {"rope_embed.periods": w["rope_embed.periods"] * 2}
    with pytest.raises(UserError, match=r"rope_embed\.periods"):
        built(saved(w, tmp_path / "other.pth"))


def test_mae_files(tmp_path: Path) -> None:
    w = published.draw(published.timm_shapes(16, scaled=False) | {"pos_embed": (1, 17, WIDTH)})
    image = published.picture(48, 80)
    with torch.no_grad():
        made = built(saved({"model": w}, tmp_path / "mae.pth"))(image)[0]
        assert largest_difference(made, published.timm_vit(w, image, (4, 4))) < 1e-4


def test_a_vit_mae_in_hugging_faces_layout(tmp_path: Path) -> None:
    settings_ = ViTMAEConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=64, mask_ratio=0.0, layer_norm_eps=0.1
    )
    model = ViTMAEModel(settings_).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(0))
    model.save_pretrained(tmp_path)
    image = published.picture(32, 48)
    with torch.no_grad():
        in_order = torch.arange(6.0)[None].expand(2, -1)
        tokens = model(published.normalise(image), noise=in_order, interpolate_pos_encoding=True).last_hidden_state
        assert largest_difference(built(tmp_path)(image)[0], published.feature_map(tokens, (2, 3))) < 1e-4


def test_a_sapiens_backbone_is_one_of_transformers(tmp_path: Path) -> None:
    network = built(saved(mae_file(), tmp_path / "mae.pth"), layers=[2, 3], patch_padding=2)
    network.network.save_pretrained(tmp_path / "folder")
    image = published.picture(80, 48)
    with torch.no_grad():
        for again in (built(tmp_path / "folder"), built(tmp_path / "folder", layers=[2, 3])):
            assert all(torch.equal(a, b) for a, b in zip(again(image), network(image), strict=True))
    rebuilt = backbones.rebuild(network.network.config.to_dict())
    rebuilt.load_state_dict(network.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(rebuilt(image), network(image), strict=True))
    assert optim.layer_ids(network.network)[0]["pos_embed"] == 0


def test_sapiens2_files_and_folders(tmp_path: Path) -> None:
    w = published.draw(published.sapiens2_shapes())
    image = published.picture(48, 80)
    network = built(saved(w, tmp_path / "sapiens2_0.1b_pretrain.safetensors"))
    with torch.no_grad():
        assert largest_difference(network(image)[0], published.sapiens2(w, image)) < 1e-4
    assert isinstance(network.network, Sapiens2Backbone)
    network.network.save_pretrained(tmp_path / "folder")
    assert torch.equal(built(tmp_path / "folder")(image)[0], network(image)[0])


@pytest.mark.parametrize("layers", [[3], [1, 2, 3]])
def test_maps_of_several_blocks_can_be_had_from_a_file(tmp_path: Path, layers: list[int]) -> None:
    network = built(saved(mae_file(), tmp_path / "mae.pth"), layers=layers)
    image = published.picture(64, 48)
    whole = built(tmp_path / "mae.pth")(image)[0]
    maps = network(image)
    assert len(maps) == len(layers) and torch.equal(maps[-1], whole)
    assert network.channels == [WIDTH] * len(layers)


@pytest.mark.parametrize(("name", "published_size"), [("0.3b", 0.336), ("0.6b", 0.664), ("1b", 1.169), ("2b", 2.163)])
def test_the_four_sizes_have_the_published_number_of_parameters(name: str, published_size: float) -> None:
    # The paper counts the network that was pretrained: 1024x1024, with a class token, and MAE's decoder of eight blocks of width 512.
    options: Any = OmegaConf.load(ROOT / f"conf/backbone/sapiens_{name}.yaml").options
    with torch.device("meta"):
        encoder = SapiensBackbone(SapiensConfig(**options, image_size=[1024, 1024], class_token=True))
    width = options.hidden_size
    block = 12 * 512**2 + 13 * 512
    decoder = (width + 1) * 512 + 512 + (64 * 64 + 1) * 512 + 8 * block + 2 * 512 + (512 + 1) * 16 * 16 * 3
    total = sum(parameter.numel() for parameter in encoder.parameters()) + decoder
    assert round(total / 1e9, 3) == published_size


KINDS: dict[str, dict[str, Any]] = {
    "sapiens": {"image_size": [64, 48], "mlp_ratio": 2},
    "dinov2": {"image_size": 64, "patch_size": 16},
    "dinov3_vit": {"intermediate_size": 64, "pos_embed_rescale": None},
    "sapiens2": {"intermediate_size": 64, "num_key_value_attention_heads": 2, "pos_embed_rescale": None},
}


@pytest.mark.parametrize("kind", KINDS)
def test_checkpointed_blocks_give_the_same_gradients_and_are_computed_twice(kind: str) -> None:
    options = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2} | KINDS[kind]
    network = backbones.build(BackboneConfig(name=None, type=kind, options=options)).train()
    image = published.picture(64, 48)
    stack, count = optim.blocks(network.network)
    assert count == 3
    passes: list[int] = []
    first = network.network.get_submodule(f"{stack}.0").get_submodule("ln2" if kind == "sapiens" else "norm2")
    first.register_forward_hook(lambda *_: passes.append(1))

    def gradients() -> list[Tensor]:
        network.zero_grad()
        network(image)[0].square().sum().backward()
        return [p.grad.clone() for p in network.parameters() if p.grad is not None]

    plain = gradients()
    assert len(passes) == 1
    network.network.activation_checkpointing_enable()
    again = gradients()
    assert len(passes) == 3, "once forwards and once more for the backward pass"
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(plain, again, strict=True))


# What is refused


def spoiled(w: Weights, how: str) -> tuple[Weights, str]:
    """Weights with one thing wrong, and the key that the message must name."""
    name = "layers.1.attn.proj.bias"
    if how == "renamed":
        return {("layers.1.attn.out.bias" if key == name else key): value for key, value in w.items()}, "layers.1.attn.out.bias"
    if how == "missing":
        return {key: value for key, value in w.items() if key != name}, name
    return w | {name: torch.zeros(7)}, name


@pytest.mark.parametrize("how", ["renamed", "missing", "of another shape"])
def test_a_file_that_does_not_fit_is_refused_by_name(tmp_path: Path, how: str) -> None:
    w, named = spoiled(mae_file(), how)
    with pytest.raises(UserError) as error:
        built(saved(w, tmp_path / "mae.pth"))
    message = str(error.value)
    assert named in message and "mae.pth" in message and "\n" not in message
    if how == "renamed":
        assert "missing: layers.1.attn.proj.bias" in message


@pytest.mark.parametrize("how", ["missing", "left over"])
def test_a_folder_that_does_not_fit_is_refused_by_name(tmp_path: Path, how: str) -> None:
    options = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 8, "image_size": 32}
    network = backbones.build(BackboneConfig(name=None, type="dinov2", options=options)).network
    network.save_pretrained(tmp_path)
    state = dict(network.state_dict())
    if how == "missing":
        del state["layernorm.bias"]
    else:
        state["layernorm.gain"] = torch.zeros(3)
    saved(state, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"layernorm\.(bias|gain)") as error:
        built(tmp_path)
    assert "\n" not in str(error.value)
    state = dict(network.state_dict()) | {"pooler.weight": torch.zeros(3), "classifier.bias": torch.zeros(2)}
    saved(state, tmp_path / "model.safetensors")
    built(tmp_path)  # of other tasks: harmless


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_does_not_run(tmp_path: Path, legacy: bool) -> None:
    target = tmp_path / "ran"
    torch.save(mae_file() | {"meta": Bomb(target)}, tmp_path / "bomb.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match="holds more than tensors") as error:
        built(tmp_path / "bomb.pth")
    assert not target.exists() and "\n" not in str(error.value)
    pickle.loads(pickle.dumps(Bomb(target)))
    assert target.exists(), "the bomb works"


def test_what_mmengine_stores_beside_the_weights_is_read_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("mmengine.logging.history_buffer")

    class HistoryBuffer:
        def __init__(self) -> None:
            self.log, self.ratio, self.methods = np.arange(3.0), np.float64(0.5), {"mean": HistoryBuffer.mean}

        def mean(self) -> None: ...

    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = module.__name__, "HistoryBuffer"
    HistoryBuffer.mean.__module__, HistoryBuffer.mean.__qualname__ = module.__name__, "HistoryBuffer.mean"
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
        monkeypatch.setitem(sys.modules, name, module)
    hub = {"log_scalars": {"train/loss": HistoryBuffer()}}
    torch.save({"meta": {"epoch": 3}, "message_hub": hub, "state_dict": mae_file()}, tmp_path / "mm.pth")
    assert built(tmp_path / "mm.pth").channels == [WIDTH]


def test_files_that_hold_no_weights_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_bytes(b"<!DOCTYPE html><html>not found</html>")
    whole = saved(mae_file(), tmp_path / "mae.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    torch.save(mae_file(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "oldcut.pth").write_bytes((tmp_path / "old.pth").read_bytes()[:4000])
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "scripted.pt2")
    (tmp_path / "cut.safetensors").write_bytes(saved(mae_file(), tmp_path / "mae.safetensors").read_bytes()[:5000])
    saved({"a": 1}, tmp_path / "numbers.pth")
    saved([1, 2], tmp_path / "list.pth")
    saved({"conv.weight": torch.zeros(3)}, tmp_path / "resnet.pth")
    for name in ("page.pth", "cut.pth", "oldcut.pth", "scripted.pt2", "cut.safetensors", "numbers.pth", "list.pth", "resnet.pth"):
        with pytest.raises(UserError, match=name.replace(".", r"\.")) as error:
            built(tmp_path / name)
        assert "\n" not in str(error.value) and len(str(error.value)) < 500


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_are_refused_or_read_but_never_crash(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / data.draw(st.sampled_from(["a.pth", "b.pth", "c.safetensors"]))
    torch.save({"w": torch.ones(3)}, path, _use_new_zipfile_serialization=path.name == "a.pth") if path.suffix == ".pth" else save_file(
        {"w": torch.ones(3)}, path
    )
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    try:
        files.weights(files.read(path, "backbone.name=x"), "backbone.name=x")
    except UserError as error:
        assert "\n" not in str(error)


def test_a_repository_with_one_file_of_weights_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(mae_file(), tmp_path / "sapiens_0.3b_epoch_1600_clean.pth")
    there = [path.name, "README.md"]

    def nothing(*_: Any, **__: Any) -> None:
        raise OSError("no config.json here")

    monkeypatch.setattr(backbones.AutoConfig, "from_pretrained", nothing)
    monkeypatch.setattr(files.HfApi, "list_repo_files", lambda self, name: there)
    monkeypatch.setattr(files, "hf_hub_download", lambda repository, file: str(tmp_path / file))
    assert built("facebook/sapiens-pretrain-0.3b").channels == [WIDTH]
    there.append("sapiens_0.3b_other.pth")
    with pytest.raises(UserError, match="holds 2 files of weights"):
        built("facebook/sapiens-pretrain-0.3b")


def test_without_a_network_a_name_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: Any, **__: Any) -> None:
        raise httpx.ConnectError("[Errno -2] Name or service not known")

    monkeypatch.setattr(files.HfApi, "list_repo_files", cut)
    monkeypatch.setattr(backbones.AutoConfig, "from_pretrained", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    with pytest.raises(UserError, match=r"facebook/sapiens-pretrain-0\.3b cannot be fetched .*Name or service not known"):
        built("facebook/sapiens-pretrain-0.3b")
