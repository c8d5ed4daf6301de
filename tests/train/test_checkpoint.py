"""Whole models from Meta's files and from ours, against plain torch; training that begins from them."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import Sapiens2Config, Sapiens2ForImageMatting, Sapiens2ForNormalEstimation
from transformers.models.sapiens2.configuration_sapiens2 import Sapiens2HeadConfig

from conf.command import UserError
from tests.train import published
from tests.train.published import Weights
from train import backbones, checkpoint
from train.config import BackboneConfig, HeadConfig
from train.model import Model
from train.tasks import TASKS

DEPTH = {"widths": [24, 16, 16, 16], "hidden": [16, 12]}
NORMAL = {"widths": [24, 16, 16], "hidden": [16, 12, 12]}


def meta_v1(options: dict[str, Any], outputs: int) -> Weights:
    """A fine-tuned Sapiens v1 file at 64x48, with an auxiliary head beside."""
    inside = published.draw(published.sapiens_shapes((4, 3), class_token=False))
    head = published.draw(published.deconv_shapes(options["widths"], options["hidden"], outputs), seed=3)
    beside = {"auxiliary_head.conv_seg.weight": torch.zeros(2, 2, 1, 1)}
    return {f"backbone.{name}": value for name, value in inside.items()} | head | beside


def expected_v1(w: Weights, image: Tensor, padding: int) -> Tensor:
    inside = {name.removeprefix("backbone."): value for name, value in w.items()}
    raw = published.deconv(w, published.sapiens(inside, image, (4, 3), padding))
    return F.interpolate(raw, image.shape[-2:], mode="bilinear", align_corners=False)


def saved(w: Any, path: Path) -> Path:
    torch.save(w, path)
    return path


def close(made: Tensor, expected: Tensor) -> bool:
    assert made.shape == expected.shape and expected.std() > 0.05
    return (made - expected).abs().max().item() < 1e-4


@pytest.mark.parametrize("shape", [(64, 48), (96, 64)])
def test_metas_v1_depth_loads_whole_and_its_last_layer_is_the_depth(tmp_path: Path, shape: tuple[int, int]) -> None:
    w = meta_v1(DEPTH, 1)
    model = checkpoint.load(saved({"meta": {"epoch": 3}, "state_dict": w}, tmp_path / "depth.pth"))
    image = published.picture(*shape)
    with torch.no_grad():
        assert close(TASKS["depth"].finish(model(image)), expected_v1(w, image, padding=0))
    assert model.tasks == ["depth"] and model.size == (64, 48) and not model.training


def test_metas_v1_normals_load_whole_with_padding_and_come_at_full_size(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    w = meta_v1(NORMAL, 3)
    with caplog.at_level(logging.INFO, "train"):
        model = checkpoint.load(saved(w, tmp_path / "normal.pth"))
    image = published.picture(64, 48)
    with torch.no_grad():
        raw = expected_v1(w, image, padding=2)
        assert close(model(image)["normal"], raw)
        assert close(TASKS["normal"].finish(model(image)), raw / raw.norm(dim=1, keepdim=True))
    assert model.head.options == NORMAL and "auxiliary_head" in caplog.text


def test_the_defaults_of_deconv_are_metas_depth_head() -> None:
    with torch.device("meta"):
        head = Model(
            backbones.build(BackboneConfig(name=None, type="sapiens", options={"num_hidden_layers": 1})),
            ["depth"],
            HeadConfig("deconv"),
            (64, 48),
        )
    shapes = {name: tuple(value.shape) for name, value in head.heads.state_dict().items()}
    assert shapes["trunks.depth.layers.0.0.weight"] == (1024, 384, 4, 4) and shapes["last.depth.weight"] == (1, 384, 1, 1)


@pytest.mark.parametrize(("last", "outputs", "task"), [("conv_normal", 3, "normal"), ("conv_matting", 4, "alpha")])
def test_metas_sapiens2_models_load_whole(tmp_path: Path, last: str, outputs: int, task: str) -> None:
    inside = published.draw(published.sapiens2_shapes())
    head = published.draw(published.shuffle_shapes([16, 12, 8, 8], [8, 6], last, outputs), seed=4)
    path = tmp_path / "sapiens2.safetensors"
    save_file({f"backbone.{name}": value for name, value in inside.items()} | head, path)
    model = checkpoint.load(path)
    image = published.picture(48, 64)
    with torch.no_grad():
        expected = published.shuffle(head, published.sapiens2(inside, image), last)
        assert close(model(image)[task], expected[:, 3:] if task == "alpha" else expected)
    assert model.head.kind == "pixelshuffle" and model.tasks == [task]


@pytest.mark.parametrize("task", ["normal", "alpha"])
def test_sapiens2_folders_give_what_transformers_gives(tmp_path: Path, task: str) -> None:
    head = Sapiens2HeadConfig(
        upsample_out_channels=[16, 12, 8, 8], upsample_kernel_size=3, conv_out_channels=[8, 6], conv_kernel_size=3, use_pixel_shuffle=True
    )
    settings = Sapiens2Config(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=[64, 48],
        head_config=head,
        num_labels=3,
    )
    if task == "alpha":
        settings.num_labels = 4
    whole = (Sapiens2ForNormalEstimation if task == "normal" else Sapiens2ForImageMatting)(settings).eval()
    whole.save_pretrained(tmp_path)
    model = checkpoint.load(tmp_path)
    image = published.picture(64, 48)
    with torch.no_grad():
        theirs = whole(published.normalise(image))
        assert close(
            *((model(image)["normal"], theirs.normals) if task == "normal" else (TASKS["alpha"].finish(model(image)), theirs.alphas))
        )
        theirs = whole.model(published.normalise(image)).last_hidden_state
        backbone = backbones.build(BackboneConfig(name=str(tmp_path))).eval()
        assert close(backbone(image)[0], published.feature_map(theirs, (4, 3)))
    assert model.size == (64, 48)


@pytest.mark.parametrize("how", ["renamed", "missing", "of another shape"])
def test_a_head_that_does_not_fit_is_refused_by_name(tmp_path: Path, how: str) -> None:
    w, name = meta_v1(DEPTH, 1), "decode_head.conv_layers.3.bias"
    value = w.pop(name)
    if how == "renamed":
        w["decode_head.conv_layers.3.offset"] = value
    elif how == "of another shape":
        w[name] = torch.zeros(5)
    with pytest.raises(UserError, match=r"trunks\.depth\.layers\.5\.0\.bias") as error:
        checkpoint.load(saved(w, tmp_path / "depth.pth"))
    assert "\n" not in str(error.value) and (how != "renamed" or "offset" in str(error.value))


def test_files_without_depth_or_normals_are_refused(tmp_path: Path) -> None:
    segmentation = saved(meta_v1(DEPTH, 28), tmp_path / "segmentation.pth")
    bare = saved(published.draw(published.sapiens_shapes((4, 4), class_token=True)), tmp_path / "mae.pth")
    folder = tmp_path / "vit"
    options = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    backbones.build(BackboneConfig(name=None, type="dinov2", options=options)).network.save_pretrained(folder)
    for path, told in (
        (segmentation, "28 channels"),
        (bare, "without head"),
        (folder, "Dinov2Backbone"),
        (tmp_path, "without checkpoints"),
    ):
        with pytest.raises(UserError, match=told) as error:
            checkpoint.load(path)
        assert "\n" not in str(error.value) and f"checkpoint={path}" in str(error.value)


# Ours

VIT = BackboneConfig(
    name=None, type="sapiens", options={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": [64, 48]}
)
HEAD = HeadConfig("deconv", {"widths": [8], "hidden": [8]})


def ours(tasks: list[str], head: HeadConfig = HEAD, **options: Any) -> Model:
    made = BackboneConfig(name=None, type=VIT.type, options=VIT.options | options)
    return Model(backbones.build(made), tasks, head, (64, 48)).eval()


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_averaged_weights_are_preferred(tmp_path: Path) -> None:
    model, average = ours(["depth"]), ours(["depth"])
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    path = saved({"recipe": model.recipe(), "state_dict": state}, tmp_path / "plain.ckpt")
    image = published.picture(64, 48)
    assert equal(checkpoint.load(path)(image), model(image))
    path = saved({"recipe": model.recipe(), "state_dict": state, "ema": average.state_dict()}, tmp_path / "averaged.ckpt")
    assert equal(checkpoint.load(path)(image), average(image))


def test_an_exported_folder_loads(tmp_path: Path) -> None:
    model = ours(["depth", "normal"])
    (tmp_path / "config.json").write_text(json.dumps({"phidias": model.recipe()}))
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert equal(checkpoint.load(tmp_path)(published.picture(64, 48)), model(published.picture(64, 48)))


def test_training_begins_with_the_backbone_and_the_heads_both_have(tmp_path: Path) -> None:
    w = meta_v1(DEPTH, 1)
    path = saved(w, tmp_path / "depth.pth")
    wide = backbones.build(
        BackboneConfig(
            name=None,
            type="sapiens",
            options={"hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": [64, 48]},
        )
    )
    model = Model(wide, ["depth", "alpha"], HeadConfig("deconv", DEPTH), (64, 48)).eval()
    before = {name: value.clone() for name, value in model.heads.state_dict().items()}
    checkpoint.initialise(model, path)
    image = published.picture(64, 48)
    with torch.no_grad():
        assert close(model(image)["depth"], expected_v1(w, image, padding=0))
    after = model.heads.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in after if ".alpha." in name)


def test_positions_of_another_grid_are_resized_where_training_begins(tmp_path: Path) -> None:
    small, large = ours(["depth"]), ours(["depth"], image_size=[128, 96])
    path = saved(
        {"recipe": small.recipe(), "state_dict": {f"model.{n}": v for n, v in small.state_dict().items()}}, tmp_path / "small.ckpt"
    )
    checkpoint.initialise(large, path)
    image = published.picture(128, 96)
    with torch.no_grad():
        assert close(large(image)["depth"], small(image)["depth"])


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda: ours(["depth"], HeadConfig("deconv", {"widths": [16], "hidden": [8]})), r"head\.options=\{widths: \[8\]"),
        (lambda: ours(["depth"], HeadConfig("slim", {"widths": [16, 8], "detail": 4})), r"head\.kind=deconv"),
        (lambda: ours(["depth"], num_attention_heads=4), "num_attention_heads is 2, here 4"),
        (lambda: ours(["depth"], patch_padding=2), "patch_padding is 0, here 2"),
    ],
)
def test_other_networks_are_refused_where_training_begins(tmp_path: Path, model: Any, told: str) -> None:
    source = ours(["depth"])
    path = saved({"recipe": source.recipe(), "state_dict": {f"model.{n}": v for n, v in source.state_dict().items()}}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=told) as error:
        checkpoint.initialise(model(), path)
    assert str(error.value).startswith(f"init={path}")


def test_a_run_of_an_earlier_version_is_one_line(tmp_path: Path) -> None:
    torch.save({"recipe": {"heads": ["depth"]}, "state_dict": {}}, tmp_path / "old.ckpt")
    with pytest.raises(UserError, match=r"old\.ckpt was trained by an earlier version"):
        checkpoint.load(tmp_path / "old.ckpt")
