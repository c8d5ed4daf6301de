"""The recipes under conf/experiment: composed as the command line does, and trained for two steps on a tiny network."""

from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import OmegaConf

import train.__main__  # noqa: F401  registers the command
from conf.command import FOLDER
from train import run as runs
from train.config import TrainConfig

RECIPES = sorted(path.stem for path in (FOLDER / "experiment").glob("*.yaml"))
#: A small network of each kind, with as many blocks as any recipe reads maps from.
SMALL: dict[str, dict[str, Any]] = {
    "sapiens": {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2},
    "sapiens2": {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32},
    "dinov2": {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "patch_size": 16, "image_size": 64},
}


def composed(recipe: str, *overrides: str) -> TrainConfig:
    with hydra.initialize_config_dir(str(FOLDER), version_base="1.3"):
        config = OmegaConf.to_object(hydra.compose("train", [f"experiment={recipe}", *overrides]))
    assert isinstance(config, TrainConfig)
    return config


def test_all_recipes_that_are_promised_are_there() -> None:
    assert {"sapiens_depth", "sapiens_normal", "sapiens2_normal", "david", "smoke", "demo"} <= set(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains(recipe: str, spheres: Path, tmp_path: Path) -> None:
    config = composed(recipe, f"data={spheres}", f"out={tmp_path}", "size=[64,48]", "steps=2", "batch_size=2", "workers=0", "threads=1")
    config.backbone.options = SMALL[config.backbone.type]
    if config.backbone.layers:
        config.backbone.layers = [1, 2, 3, 4]
    config.backbone.name, config.accelerator, config.devices, config.compile = None, "cpu", "1", False
    assert 0 < runs.train(config) < 100
    assert (tmp_path / "pictures" / "000002.png").is_file()


def test_sapiens_recipes_are_as_published() -> None:
    depth, normal, second = (composed(name, "data=x", "out=y") for name in ("sapiens_depth", "sapiens_normal", "sapiens2_normal"))
    for config in (depth, normal):
        settings = config.optimiser
        assert (settings.lr, settings.weight_decay, settings.layer_decay, settings.warmup, settings.clip) == (5e-4, 0.1, 0.85, 400, 1.0)
        assert config.size == [1024, 768] and config.augmentation.zoom == [0.2, 2.0] and config.head.kind == "deconv"
    assert (depth.losses, normal.losses, second.losses) == ({"depth": "silog_v1"}, {}, {"normal": "sapiens2"})
    assert (depth.augmentation.rotation, normal.augmentation.rotation) == (60, 0)
    assert normal.head.options["widths"] == normal.head.options["hidden"] == [768] * 3
    assert (second.optimiser.warmup, second.optimiser.layer_decay, second.steps) == (500, 0.8, 20000)
