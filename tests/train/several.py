"""`python -m tests.train.several CUT key=value ...`: the real trainer and learner on fixed batches, dealt to its processes in order.

What the data module deals depends on the number of processes, so runs on one and on two are compared on batches from here.
"""

import os
import sys
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from datasets import geometry
from datasets.batch import Batch, collate
from tests.fixtures import sphere_triplet
from tests.train.conftest import configuration
from train import backbones, run, speed
from train.model import Model
from train.module import Learner

SIZE = (32, 24)
#: Pictures of a step, of all processes and accumulated batches together.
GLOBAL = 4


def batch(keys: range) -> Batch:
    """Spheres that differ with their keys, as a model sees them."""
    made = collate([sphere_triplet(f"{key:09d}", np.random.default_rng(key), *SIZE) for key in keys])
    return geometry.apply(geometry.fit(made["size"], SIZE), made, SIZE)


class Fixed(IterableDataset[Batch]):
    """Batch i of a process: its part of pictures that are the same however they are dealt."""

    def __init__(self, rank: int, world: int, accumulate: int, start: int) -> None:
        self.rank, self.world, self.accumulate, self.start = rank, world, accumulate, start

    def __iter__(self) -> Any:
        share = GLOBAL // self.world // self.accumulate
        index = self.start
        while True:
            step, part = divmod(index, self.accumulate)
            whole = batch(range(step * GLOBAL, (step + 1) * GLOBAL))
            first = (self.rank * self.accumulate + part) * share
            yield {name: values[first : first + share] for name, values in whole.items()}
            index += 1


class FixedData(lightning.LightningDataModule):
    def __init__(self, accumulate: int) -> None:
        super().__init__()
        self.accumulate = accumulate

    def train_dataloader(self) -> Any:
        trainer: Any = self.trainer
        start = trainer.fit_loop.total_batch_idx + 1
        return DataLoader(Fixed(trainer.global_rank, trainer.world_size, self.accumulate, start), batch_size=None)

    def val_dataloader(self) -> Any:
        return DataLoader([batch(range(1000, 1002))], batch_size=None)


class PowerCut(lightning.Callback):
    """Ends every process at the start of a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            os._exit(0)


def main(*arguments: str, cut: int | None = None) -> None:
    """Train, from the last checkpoint if there is one; `cut`: to the power cut at the start of that step."""
    config = configuration(*arguments)
    out = Path(config.out)
    lightning.seed_everything(0, verbose=False)
    torch.set_num_threads(1)
    model = Model(backbones.build(config.backbone), config.tasks, config.head, SIZE)
    speed.prepare(model, config)
    last = out / "checkpoints" / "last.ckpt"
    runner = run.trainer(config, out)
    if cut is not None:
        runner.callbacks.append(PowerCut(cut))  # type: ignore[attr-defined]
    runner.fit(Learner(model, config), FixedData(config.accumulate), ckpt_path=last if last.is_file() else None, weights_only=True)


if __name__ == "__main__":
    main(*sys.argv[2:], cut=int(sys.argv[1]) if sys.argv[1] else None)
