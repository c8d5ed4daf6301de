"""The Lightning module that trains a model."""

from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from datasets.batch import Batch
from train import metrics, optim
from train.config import TrainConfig
from train.model import Model
from train.tasks import TASKS


class Learner(lightning.LightningModule):
    """Any set of tasks, each with its loss; the losses are summed."""

    def __init__(self, model: Model, config: TrainConfig) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.tasks = {name: TASKS[name] for name in config.tasks}

    def _losses(self, batch: Batch, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: task.loss(raw, batch) for name, task in self.tasks.items()}

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
            values = task.finish(raw)
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
