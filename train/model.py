"""The model: a backbone and its heads."""

import dataclasses
from typing import Any

from torch import Tensor, nn

from train import backbones
from train.config import HeadConfig
from train.heads import Heads
from train.tasks import TASKS


class Model(nn.Module):
    """Pictures (B,3,H,W) sRGB in 0..1 to raw predictions: task -> (B,channels,H,W), number -> (B,1). `size`: trained at."""

    def __init__(self, backbone: backbones.Backbone, tasks: list[str], head: HeadConfig, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone, self.tasks, self.head, self.size = backbone, tasks, head, size
        outputs = {name: (TASKS[name].channels, TASKS[name].bias) for name in tasks}
        numbers = [number for name in tasks for number in TASKS[name].numbers]
        self.heads = Heads(backbone.channels, backbone.strides, outputs, head, numbers)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        raw: dict[str, Tensor] = self.heads(self.backbone(image), image)
        return raw

    def recipe(self) -> dict[str, Any]:
        """Plain values from which `from_recipe` builds the same network, without weights."""
        return {
            "backbone": self.backbone.network.config.to_dict(),
            "tasks": self.tasks,
            "head": dataclasses.asdict(self.head),
            "size": list(self.size),
        }


def from_recipe(recipe: dict[str, Any]) -> Model:
    """The network of a checkpoint, with random weights."""
    height, width = recipe["size"]
    return Model(backbones.rebuild(recipe["backbone"]), recipe["tasks"], HeadConfig(**recipe["head"]), (height, width))
