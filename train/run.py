"""A training run in its folder: begun, continued, finished, or refused."""

import dataclasses
import logging
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from omegaconf import OmegaConf

from conf.command import UserError
from datasets.module import TripletData
from datasets.triplet import Dataset, write_atomically
from train import backbones
from train.config import TrainConfig
from train.model import Model
from train.module import Learner
from train.tasks import TASKS

#: Keys that say where and how fast a run computes, not what: they may differ when it is continued.
FREE = ("out", "workers", "in_memory", "threads", "accelerator", "log_every")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
CONFIG_FILE = "config.yaml"


def train(config: TrainConfig) -> None:
    """Begin or continue the run in `config.out`; do nothing when it has finished. Raises UserError before any long work."""
    out = Path(config.out)
    check(config)
    claim(out, config)
    last = out / "checkpoints" / "last.ckpt"
    done = steps_done(last)
    if done >= config.steps:
        print(f"{out}: finished, {done} steps; nothing to do")
        return
    _quieten()
    if config.threads:
        torch.set_num_threads(config.threads)
    lightning.seed_everything(config.seed, verbose=False)  # the initial weights; everything else has its own generator
    height, width = config.size
    model = Model(backbones.build(config.backbone), config.tasks, config.head, (height, width))
    data = TripletData(
        Path(config.data),
        (height, width),
        config.batch_size,
        validation=Path(config.val_data) if config.val_data else None,
        validation_fraction=config.val_fraction,
        workers=config.workers,
        in_memory=config.in_memory,
        augmentation=config.augmentation,
        seed=config.seed,
    )
    try:
        data.setup("fit")
    except (ValueError, OSError) as error:
        raise UserError(f"data={config.data}: {error}") from error
    runner = trainer(config, out)
    runner.fit(Learner(model, config), data, ckpt_path=last if done else None, weights_only=True)
    if runner.global_step < config.steps:
        raise UserError(f"{out}: interrupted after {runner.global_step} of {config.steps} steps: run the same command to continue")
    runner.save_checkpoint(last, weights_only=False)
    if runner.is_global_zero:
        print(f"{out}: finished, {config.steps} steps; score it with `python -m train.evaluate checkpoint={out} data=DIR`")


def trainer(config: TrainConfig, out: Path) -> lightning.Trainer:
    """The Lightning trainer: one "epoch" of all steps, so that its bar shows how far the run is."""
    checkpoints = out / "checkpoints"
    batches = config.steps * config.accumulate
    return lightning.Trainer(
        accelerator=config.accelerator,
        devices=config.devices if not config.devices.isdigit() else int(config.devices),
        num_nodes=config.nodes,
        precision=config.precision,  # type: ignore[arg-type]
        max_steps=config.steps,
        limit_train_batches=batches,
        val_check_interval=min(config.val_every * config.accumulate, batches),
        num_sanity_val_steps=0,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=config.optimiser.clip,
        log_every_n_steps=config.log_every,
        callbacks=[
            ModelCheckpoint(checkpoints, "last", every_n_train_steps=min(config.save_every, config.steps), enable_version_counter=False),
            ModelCheckpoint(checkpoints, "best", monitor="val/loss", enable_version_counter=False),
            LearningRateMonitor("step"),
            TQDMProgressBar(refresh_rate=1),
        ],
        logger=[CSVLogger(out / "logs", "csv", flush_logs_every_n_steps=10), TensorBoardLogger(out / "logs", "tensorboard")],
        enable_model_summary=False,
    )


def check(config: TrainConfig) -> None:
    """Refuse what cannot work, before anything is loaded."""
    unknown = [name for name in config.tasks if name not in TASKS]
    if unknown or not config.tasks:
        raise UserError(f"tasks={config.tasks}: choose from {sorted(TASKS)}")
    if len(config.size) != 2 or min(config.size) < 1:
        raise UserError(f"size={config.size}: give height and width in pixels, as size=[1024,768]")
    if config.precision not in PRECISIONS:
        raise UserError(f"precision={config.precision}: choose from {', '.join(PRECISIONS)}; labels do not survive less")
    for name in ("steps", "batch_size", "accumulate", "val_every", "save_every", "log_every"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    for folder in filter(None, (config.data, config.val_data)):
        try:
            Dataset.load(Path(folder))
        except (OSError, ValueError) as error:
            raise UserError(str(error)) from error


def claim(out: Path, config: TrainConfig) -> None:
    """Write the run's config.yaml, or compare with the one already there. Raises UserError naming the keys that differ."""
    path = out / CONFIG_FILE
    wanted = _identity(dataclasses.asdict(config))
    if path.is_file():
        there = _identity(OmegaConf.to_container(OmegaConf.load(path)))
        changed = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
        if changed:
            shown = ", ".join(f"{name}={wanted.get(name)} (there {there.get(name)})" for name in changed)
            raise UserError(f"{out} holds a run of another configuration: {shown}; give another out=, or the same keys")
    else:
        write_atomically(path, OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(config))))


def _identity(values: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of everything that makes a run what it is."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if prefix == "" and name in FREE:
            continue
        if isinstance(value, dict):
            flat |= _identity(value, f"{prefix}{name}.")
        elif prefix == "" and name in ("data", "val_data") and value:
            flat[name] = str(Path(value).resolve())
        else:
            flat[prefix + name] = value
    return flat


def steps_done(checkpoint: Path) -> int:
    """Optimiser steps a checkpoint has behind it; 0 when there is none."""
    if not checkpoint.is_file():
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"])


def _quieten() -> None:
    """Lightning's advice that does not apply here: how many workers, and that an endless stream cannot be rewound."""
    for message in (
        ".*does not have many workers.*",
        ".*dataloader is not resumable.*",
        ".*exists and is not empty.*",
        ".*LeafSpec.*",
        ".*sync_dist=True.*",
    ):
        warnings.filterwarnings("ignore", message)
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
