"""Sheets of held-out pictures while training: photograph, and per task truth and prediction."""

from pathlib import Path
from typing import Any

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from datasets.conventions import Array
from train.tasks import TASKS


class Pictures(lightning.Callback):
    """One sheet per validation, of the first picture of each of its first `count` batches: <folder>/000500.png, and the loggers'."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.rows: list[Array] = []

    def on_validation_batch_end(self, trainer: lightning.Trainer, learner: Any, outputs: Any, batch: Any, index: int, *_: Any) -> None:
        if trainer.is_global_zero and index < self.count:
            self.rows.append(row(batch, outputs, learner.model.tasks))

    def on_validation_end(self, trainer: lightning.Trainer, learner: Any) -> None:
        if not self.rows:
            return
        sheet = np.concatenate(self.rows)
        self.rows = []
        self.folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(self.folder / f"{trainer.global_step:06d}.png"), sheet[..., ::-1])
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("predictions", sheet, trainer.global_step, dataformats="HWC")
            if isinstance(logger, WandbLogger):
                logger.log_image("predictions", [sheet], trainer.global_step)


def row(batch: Any, raw: dict[str, torch.Tensor], tasks: list[str]) -> Array:
    """The batch's first picture, and truth and prediction of every task: uint8 (H, W·(1 + 2·tasks), 3)."""
    mask = _array(batch["mask"])
    cells = [(_array(batch["image"]) * 255).round().astype(np.uint8)]
    for name in tasks:
        task = TASKS[name]
        cells += [task.picture(_array(values), mask) for values in (task.truth(batch)[0], task.finish(raw))]
    return np.concatenate(cells, axis=1)


def _array(values: torch.Tensor) -> Array:
    """The first of (B,C,H,W) as (H,W) or (H,W,C)."""
    array: Array = values[0].permute(1, 2, 0).squeeze(-1).cpu().numpy()
    return array
