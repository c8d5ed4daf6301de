"""The Lightning module that trains a model."""

from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from datasets.batch import Batch
from train import metrics, optim, speed
from train.config import TrainConfig
from train.model import Model
from train.tasks import TASKS


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
        self.log_dict(logged, batch_size=size)  # not synchronised: every process validates everything
        for name, task in self.tasks.items():
            scores = metrics.Scores(task.summary)
            values = task.finish(raw)
            truth, known = task.truth(batch)
            for i, sample in enumerate(batch["key"]):
                scores.add(sample, task.errors(_array(values[i]), _array(truth[i]), _array(known[i])))
            if scores.errors:
                figures = {f"val/{name}_{figure}": value for figure, value in scores.macro().items()}
                self.log_dict(figures, batch_size=len(scores.errors))
        return raw

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


def _array(values: Tensor) -> np.ndarray[Any, Any]:
    """(C,H,W) tensor to an (H,W) or (H,W,C) array."""
    return values.permute(1, 2, 0).squeeze(-1).cpu().numpy()
