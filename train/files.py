"""A run's checkpoints: the last and the best, written whole or not at all."""

import os
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from train.config import TrainConfig


class AtomicFiles(TorchCheckpointIO):
    """Writes under a temporary name, to the disk, then renames. Lightning's own holds the whole file in memory first."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


class Checkpoints(lightning.Callback):
    """last.ckpt every `save_every` steps and at the end; best.ckpt where the validation's loss was lowest.

    A step that is validated is saved afterwards, with what the validation found: a run resumed from it does not
    validate again, and must know the best so far.
    """

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        self.folder, self.steps = folder, config.steps
        self.save_every, self.val_every = config.save_every, min(config.val_every, config.steps)
        self.best = float("inf")
        self._step = 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.global_step == self._step:  # a batch that only accumulates
            return
        self._step = trainer.global_step
        if self._step % self.val_every:
            self._save_last(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, learner: Any) -> None:
        loss = float(trainer.callback_metrics["val/loss"])
        if loss < self.best:
            self.best = loss
            trainer.save_checkpoint(self.folder / "best.ckpt", weights_only=False)
        self._save_last(trainer)

    def _save_last(self, trainer: lightning.Trainer) -> None:
        if trainer.global_step % self.save_every == 0 or trainer.global_step == self.steps:
            trainer.save_checkpoint(self.folder / "last.ckpt", weights_only=False)
