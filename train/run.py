"""A training run in its folder: begun, continued, finished, or refused."""

import dataclasses
import importlib.util
import logging
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from omegaconf import OmegaConf

from conf.command import UserError
from datasets.module import TripletData
from datasets.source import open_source
from datasets.triplet import write_atomically
from train import backbones, checkpoint, speed
from train.config import TrainConfig
from train.ema import Ema
from train.files import AtomicFiles, Checkpoints
from train.model import Model
from train.module import Learner
from train.pictures import Pictures
from train.tasks import TASKS, fields
from train.throughput import Throughput, Waiting

#: Keys that say where and how fast a run computes, not what: they may differ when it is continued. The order of the
#: samples depends on the number of workers and devices, and on in_memory.
FREE = ("out", "threads", "accelerator", "compile", "checkpoint_blocks", "log_every", "logger", "pictures")
#: Logger -> its class, made in the folder of the logs.
LOGGERS: dict[str, Any] = {
    "csv": lambda folder: CSVLogger(folder, "csv", flush_logs_every_n_steps=1),
    "tensorboard": lambda folder: TensorBoardLogger(folder, "tensorboard"),
    "wandb": lambda folder: WandbLogger(folder.parent.name, folder, project="phidias", group=folder.parent.name),
}
CONFIG_FILE = "config.yaml"


def train(config: TrainConfig) -> float:
    """Begin or continue the run in `config.out`; do nothing when it has finished. Raises UserError before any long work.

    Returns the lowest loss on the held-out pictures (val/loss), which sweeps minimise.
    """
    out = Path(config.out)
    check(config)
    claim(out, config)
    last = out / "checkpoints" / "last.ckpt"
    done = steps_done(last)
    if done >= config.steps:
        print(f"{out}: finished, {done} steps; nothing to do")
        return float(torch.load(last, map_location="cpu", weights_only=True, mmap=True)["callbacks"]["Checkpoints"]["best"])
    _quieten()
    if config.threads:
        torch.set_num_threads(config.threads)
    lightning.seed_everything(config.seed, verbose=False)  # the initial weights; everything else has its own generator
    model = Model(backbones.build(config.backbone), config.tasks, config.head, picture_size(config))
    if config.init and not done:
        checkpoint.initialise(model, Path(config.init))
    speed.prepare(model, config)
    data = dataset(config)
    runner = trainer(config, out)
    runner.fit(Learner(model, config), data, ckpt_path=last if done else None, weights_only=True)
    for logger in runner.loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()  # Lightning leaves it open, also for the next run of a sweep
    if runner.global_step < config.steps:
        raise UserError(f"{out}: interrupted after {runner.global_step} of {config.steps} steps: run the same command to continue")
    if runner.is_global_zero:
        print(f"{out}: finished, {config.steps} steps; score it with `python -m train.evaluate benchmark=DIR checkpoint={out}`")
    return next(callback.best for callback in runner.callbacks if isinstance(callback, Checkpoints))  # type: ignore[attr-defined]


def picture_size(config: TrainConfig) -> tuple[int, int]:
    """Height and width that the model sees."""
    height, width = config.size
    return height, width


def folders(config: TrainConfig) -> list[Path]:
    """The folders of training data: data= takes one or a list."""
    return [Path(folder) for folder in (config.data if isinstance(config.data, list) else [config.data])]


def dataset(config: TrainConfig) -> TripletData:
    """What the run reads. Raises UserError."""
    data = TripletData(
        folders(config),
        picture_size(config),
        config.batch_size,
        validation=Path(config.val_data) if config.val_data else None,
        validation_fraction=config.val_fraction,
        workers=config.workers,
        in_memory=config.in_memory,
        augmentation=config.augmentation,
        seed=config.seed,
        weights=config.weights,
        fields=fields(config.tasks),
        skipped=Path(config.out) / "skipped.txt",
    )
    try:
        data.setup("fit")
    except (ValueError, OSError) as error:
        raise UserError(f"data={config.data}: {error}") from error
    return data


def trainer(config: TrainConfig, out: Path) -> lightning.Trainer:
    """The Lightning trainer: one "epoch" of all steps, so that its bar shows how far the run is."""
    batches = config.steps * config.accumulate
    waiting = Waiting()
    return lightning.Trainer(
        accelerator=config.accelerator,
        devices=config.devices if not config.devices.isdigit() else int(config.devices),
        num_nodes=config.nodes,
        strategy=speed.strategy(config),
        precision=speed.PRECISIONS[config.precision],  # type: ignore[arg-type]
        max_steps=config.steps,
        limit_train_batches=batches,
        val_check_interval=min(config.val_every * config.accumulate, batches),
        num_sanity_val_steps=0,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=config.optimiser.clip,
        log_every_n_steps=config.log_every,
        callbacks=callbacks(config, out, waiting),
        plugins=[AtomicFiles()],
        profiler=waiting,
        logger=[LOGGERS[name](out / "logs") for name in config.logger],
        enable_checkpointing=False,  # Lightning's; ours is among the callbacks
        enable_model_summary=False,
    )


def callbacks(config: TrainConfig, out: Path, waiting: Waiting) -> list[lightning.Callback]:
    """In the order in which they act: the averaged weights are put aside again before anything is saved."""
    return [
        *([Ema(config.ema)] if config.ema else []),
        *([Pictures(out / "pictures", config.pictures)] if config.pictures else []),
        Throughput(waiting, config.log_every),
        LearningRateMonitor("step"),
        TQDMProgressBar(refresh_rate=config.log_every),  # to show a loss is to wait for the GPU
        Checkpoints(out / "checkpoints", config),
    ]


def check(config: TrainConfig) -> None:
    """Refuse what cannot work, before anything is loaded."""
    unknown = [name for name in config.tasks if name not in TASKS]
    if unknown or not config.tasks:
        raise UserError(f"tasks={config.tasks}: choose from {sorted(TASKS)}")
    if len(config.size) != 2 or min(config.size) < 1:
        raise UserError(f"size={config.size}: give height and width in pixels, as size=[1024,768]")
    for name, allowed in (("precision", speed.PRECISIONS), ("strategy", speed.STRATEGIES)):
        if getattr(config, name) not in allowed:
            raise UserError(f"{name}={getattr(config, name)}: choose from {', '.join(allowed)}")
    if config.strategy == "fsdp" and config.precision == "bf16-true":
        raise UserError("precision=bf16-true: strategy=fsdp already divides weights and moments; give precision=bf16-mixed")
    for name in ("steps", "batch_size", "accumulate", "val_every", "save_every", "log_every"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    if config.weights is not None and (len(config.weights) != len(folders(config)) or min(config.weights) <= 0):
        raise UserError(f"weights={config.weights}: give one above 0 for each of the {len(folders(config))} folders of data")
    if not 0 <= config.ema < 1:
        raise UserError(f"ema={config.ema}: give a decay below 1, as 0.999, or 0 for none")
    strange = [name for name in config.logger if name not in LOGGERS]
    if strange:
        raise UserError(f"logger={config.logger}: choose from {', '.join(LOGGERS)}")
    if "wandb" in config.logger and importlib.util.find_spec("wandb") is None:
        raise UserError("logger=wandb: it is not installed: pip install -c constraints.txt -e '.[wandb]'")
    check_losses(config)
    for folder in [*folders(config), *([Path(config.val_data)] if config.val_data else [])]:
        try:
            open_source(folder)
        except (OSError, ValueError) as error:
            raise UserError(str(error)) from error


def check_losses(config: TrainConfig) -> None:
    """Refuse losses that a task does not have."""
    for name, loss in config.losses.items():
        if name not in config.tasks:
            raise UserError(f"losses.{name}={loss}: tasks={config.tasks} has no {name}")
        if loss not in TASKS[name].losses:
            raise UserError(f"losses.{name}={loss}: choose from {', '.join(TASKS[name].losses)}")


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
        elif prefix == "" and name in ("data", "val_data", "init") and value:
            flat[name] = ",".join(str(Path(path).resolve()) for path in (value if isinstance(value, list) else [value]))
        else:
            flat[prefix + name] = value
    return flat


def steps_done(file: Path) -> int:
    """Optimiser steps a checkpoint has behind it; 0 when there is none."""
    if not file.is_file():
        return 0
    return int(torch.load(file, map_location="cpu", weights_only=True, mmap=True)["global_step"])


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
