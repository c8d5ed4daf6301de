"""The Lightning module that trains a model."""

import logging
import math
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from datasets.batch import Batch
from datasets.conventions import Array
from train import metrics, optim, speed
from train.config import TrainConfig
from train.model import Model
from train.tasks import TASKS

log = logging.getLogger(__name__)


class Learner(lightning.LightningModule):
    """Any set of tasks, each with its loss; the losses are summed.

    A loss is the mean over the pictures of a batch that show a person. Batches of one step, on several devices or accumulated,
    count the same: equal to one large batch as long as each shows as many such pictures, which they do but for views that
    augmentation has moved off the person.
    """

    def __init__(self, model: Model, config: TrainConfig) -> None:
        super().__init__()
        self.model, self.config = model, config
        self.tasks = {name: TASKS[name] for name in config.tasks}
        self.losses = {name: task.losses[config.losses.get(name, next(iter(task.losses)))] for name, task in self.tasks.items()}
        # Not synchronised, so not registered either: every process validates everything.
        self.tallies = {name: metrics.Tally(task.measure, sync_on_compute=False) for name, task in self.tasks.items()}
        self.diverged: set[str] = set()
        self._sharded = False

    def configure_model(self) -> None:
        """Divide the model between devices, where the strategy asks for it."""
        if self.config.strategy == "fsdp" and not self._sharded:
            speed.shard(self.model, self.device_mesh["data_parallel"], self.config.precision)  # type: ignore[index]
            self._sharded = True

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        # Dropout draws from the global generator. Seeded by place, as augmentation is, a resumed run drops the same.
        place = np.random.SeedSequence([self.config.seed, 1, self.trainer.fit_loop.total_batch_idx, self.global_rank])
        torch.manual_seed(int(place.generate_state(1, np.uint64)[0]))

    def _losses(self, batch: Batch, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: loss(raw, batch) for name, loss in self.losses.items()}

    def training_step(self, batch: Batch, index: int) -> Tensor:
        losses = self._losses(batch, self.model(batch["image"]))
        total = torch.stack(list(losses.values())).sum()
        size = len(batch["image"])
        self.log_dict({f"train/{name}": value for name, value in losses.items()}, prog_bar=True, batch_size=size)
        self.log("train/loss", total, batch_size=size)
        return total

    def validation_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        raw = self.model(batch["image"])
        losses = self._losses(batch, raw)
        size = len(batch["image"])
        logged = {f"val/{name}": value for name, value in losses.items()}
        logged["val/loss"] = torch.stack(list(losses.values())).sum()
        self.log_dict(logged, batch_size=size)
        for name, task in self.tasks.items():
            values, (truth, known) = task.finish(raw), task.truth(batch)
            for i, sample in enumerate(batch["key"]):
                self._tally(name, sample, _array(values[i]), _array(truth[i]), _array(known[i]))
        return raw

    def _tally(self, name: str, sample: str, values: Array, truth: Array, known: Array) -> None:
        tally = self.tallies[name]
        try:
            tally.update(len(tally.seen), self.tasks[name].measure.errors(values, truth, known, sample))
        except ValueError as error:  # not finite: training goes on, its figures are NaN
            log.warning("step %d, %s: %s", self.global_step, name, error)
            self.diverged.add(name)

    def on_validation_epoch_start(self) -> None:
        self.diverged.clear()
        for tally in self.tallies.values():
            tally.reset()

    def on_validation_epoch_end(self) -> None:
        for name, tally in self.tallies.items():
            figures = tally.compute()[metrics.EVERYTHING].macro()
            self.log_dict({f"val/{name}_{figure}": math.nan if name in self.diverged else value for figure, value in figures.items()})

    def configure_optimizers(self) -> Any:
        settings = self.config.optimiser
        groups = optim.parameter_groups(self.model, self.model.backbone.network, settings)
        optimiser = torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.999), fused=True)
        scheduler = optim.schedule(optimiser, settings.warmup, self.config.steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None) -> None:
        # Lightning's own refuses fused optimisers, for the sake of float16's loss scaling, which is not used here.
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)
        self.log("train/gradient", norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["recipe"] = self.model.recipe()


def _array(values: Tensor) -> Array:
    """(C,H,W) tensor to an (H,W) or (H,W,C) array."""
    array: Array = values.permute(1, 2, 0).squeeze(-1).cpu().numpy()
    return array
