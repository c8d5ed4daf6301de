"""The model, and the Lightning module that trains it."""

import dataclasses
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from conf.command import UserError
from datasets.batch import Batch
from train import backbone as backbones
from train import metrics, optim
from train.config import HeadConfig, TrainConfig
from train.heads import Heads
from train.tasks import TASKS


class Model(nn.Module):
    """Pictures (B,3,H,W) sRGB in 0..1 to raw predictions: task -> (B,channels,H,W). `size` is the size it was trained at."""

    def __init__(self, backbone: backbones.Backbone, heads: list[str], head: HeadConfig, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone, self.head, self.size = backbone, head, size
        outputs = {name: (TASKS[name].channels, TASKS[name].bias) for name in heads}
        self.heads = Heads(backbone.channels, backbone.stride, outputs, head)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return self.heads(self.backbone(image), image)

    def recipe(self) -> dict[str, Any]:
        """Plain values from which `from_recipe` builds the same network, without weights."""
        return {
            "backbone": self.backbone.network.config.to_dict(),
            "heads": list(self.heads.last),
            "head": dataclasses.asdict(self.head),
            "size": list(self.size),
        }


def from_recipe(recipe: dict[str, Any]) -> Model:
    """The network of a checkpoint, with random weights."""
    height, width = recipe["size"]
    return Model(backbones.rebuild(recipe["backbone"]), recipe["heads"], HeadConfig(**recipe["head"]), (height, width))


def load(checkpoint: Path) -> Model:
    """The trained model of a checkpoint file, or of a run's folder (its best checkpoint). Raises UserError."""
    path = Path(checkpoint)
    if path.is_dir():
        found = [path / "checkpoints" / name for name in ("best.ckpt", "last.ckpt") if (path / "checkpoints" / name).is_file()]
        if not found:
            raise UserError(f"checkpoint={checkpoint} is a folder without checkpoints: give the out= of a training run, or a .ckpt file")
        path = found[0]
    if not path.is_file():
        raise UserError(f"checkpoint={checkpoint} does not exist: give the out= of a training run, or a .ckpt file")
    stored = torch.load(path, map_location="cpu", weights_only=True)
    if "recipe" not in stored:
        raise UserError(f"checkpoint={checkpoint} was not written by `python -m train`: give the out= of a training run")
    model = from_recipe(stored["recipe"])
    model.load_state_dict({name.removeprefix("model."): values for name, values in stored["state_dict"].items()})
    return model.eval()


class Learner(lightning.LightningModule):
    """Any set of heads, each with its loss; the losses are summed."""

    def __init__(self, model: Model, config: TrainConfig) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.tasks = {name: TASKS[name] for name in config.heads}

    def _losses(self, batch: Batch, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: task.loss(raw[name], task.target(batch), batch["mask"]) for name, task in self.tasks.items()}

    def training_step(self, batch: Batch, index: int) -> Tensor:
        losses = self._losses(batch, self.model(batch["image"]))
        total = torch.stack(list(losses.values())).sum()
        size = len(batch["image"])
        self.log_dict({f"train/{name}": value for name, value in losses.items()}, prog_bar=True, batch_size=size)
        self.log("train/loss", total, batch_size=size)
        return total

    def validation_step(self, batch: Batch, index: int) -> None:
        raw = self.model(batch["image"])
        losses = self._losses(batch, raw)
        size = len(batch["image"])
        logged = {f"val/{name}": value for name, value in losses.items()}
        logged["val/loss"] = torch.stack(list(losses.values())).sum()
        self.log_dict(logged, batch_size=size)  # not synchronised: every process validates everything
        for name, task in self.tasks.items():
            scores = metrics.Scores(task.summary)
            values = task.finish(raw[name].float())
            for i, sample in enumerate(batch["key"]):
                truth: Tensor = batch[task.field][i]  # type: ignore[literal-required]
                scores.add(sample, task.errors(_array(values[i]), _array(truth), _array(batch["mask"][i])))
            if scores.errors:
                figures = {f"val/{name}_{figure}": value for figure, value in scores.macro().items()}
                self.log_dict(figures, batch_size=len(scores.errors))

    def configure_optimizers(self) -> Any:
        settings = self.config.optimiser
        groups = optim.parameter_groups(self.model, self.model.backbone.network, settings)
        optimiser = torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.999))
        scheduler = optim.schedule(optimiser, settings.warmup, self.config.steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["recipe"] = self.model.recipe()


def _array(values: Tensor) -> np.ndarray[Any, Any]:
    """(C,H,W) tensor to an (H,W) or (H,W,C) array."""
    return values.permute(1, 2, 0).squeeze(-1).cpu().numpy()
