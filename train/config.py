"""The keys of `python -m train`."""

from dataclasses import dataclass
from typing import Any

from conf.command import key, required
from datasets.augment import Augmentation


@dataclass
class BackboneConfig:
    """Which network sees the picture: one of transformers' AutoBackbone, pretrained or from scratch."""

    name: str | None = key(
        "facebook/dinov2-base", "pretrained: a file of weights, a folder or a Hugging Face name (docs/models.md); null: from scratch"
    )
    type: str = key("dinov2", "from scratch: transformers' model_type")
    options: dict[str, Any] = key({}, "from scratch: keys of that type's configuration, each as +backbone.options.hidden_size=384")
    patch_padding: int | None = key(None, "of a Sapiens v1 file: 0 or 2; null: 2 where it is Meta's normal model, else 0")
    layers: list[int] | None = key(None, "blocks whose feature maps the heads get, counted from 1; null: the last alone")


@dataclass
class HeadConfig:
    """How feature maps become maps of pixels."""

    kind: str = key("slim", "which head: deconv (Sapiens v1's), dpt, pixelshuffle (Sapiens2's), slim")
    options: dict[str, Any] = key({}, "keywords of that head's class in train/heads/, each as +head.options.widths=[64,32]")
    shared: bool = key(False, "one trunk for all tasks instead of one each")


@dataclass
class OptimiserConfig:
    """AdamW with layer decay, warm-up and linear decay to zero. The defaults are Sapiens v1's."""

    lr: float = key(5e-4, "peak learning rate, of the heads")
    weight_decay: float = key(0.1, "of weights; biases, norms, positions and tokens have none")
    layer_decay: float = key(0.85, "learning rate of a block over that of the block above it")
    warmup: int = key(400, "steps of linear warm-up")
    clip: float = key(1.0, "largest norm of the gradient")


@dataclass
class TrainConfig:
    """Train depth and normal heads on a backbone, from rendered triplets.

    Running the same command again goes on from the last checkpoint, and does nothing once it has finished.
    """

    data: Any = required("folder of triplets, or several: data=[DIR,DIR2]")
    weights: list[float] | None = key(None, "how often each folder of data is drawn from; null: by its size")
    out: str = required("folder of the run: checkpoints, logs, config.yaml")
    val_data: str | None = key(None, "folder of triplets to validate on; null: hold out people of data")
    val_fraction: float = key(0.1, "part of the people held out when val_data is null")
    tasks: list[str] = key(["depth", "normal"], "what to predict: depth, normal, alpha, albedo, pointmap")
    size: list[int] = key([1024, 768], "height and width of the pictures the model sees, pixels")
    backbone: BackboneConfig = key(BackboneConfig, "")
    head: HeadConfig = key(HeadConfig, "")
    losses: dict[str, str] = key({}, "other losses than the usual ones, by task, each as +losses.depth=silog_v1; see train/tasks.py")
    init: str | None = key(None, "checkpoint whose weights, backbone and heads, training begins with; null: the backbone's own")
    optimiser: OptimiserConfig = key(OptimiserConfig, "")
    augmentation: Augmentation = key(Augmentation, "")
    steps: int = key(10000, "optimiser steps")
    batch_size: int = key(8, "pictures per device and step")
    accumulate: int = key(1, "batches per optimiser step")
    val_every: int = key(500, "steps between validations")
    save_every: int = key(500, "steps between checkpoints")
    log_every: int = key(10, "steps between log entries")
    seed: int = key(0, "of initial weights, order and augmentation")
    workers: int = key(4, "processes that read and decode, per device")
    in_memory: bool = key(False, "keep decoded triplets in memory (about 14 bytes a pixel) and read without workers")
    accelerator: str = key("auto", "Lightning's: auto, cpu, gpu")
    devices: str = key("auto", "Lightning's: auto, or how many per machine")
    nodes: int = key(1, "machines")
    strategy: str = key("auto", "several devices: ddp (also auto), or fsdp: weights, gradients and moments in shards")
    precision: str = key("32-true", "32-true, bf16-mixed (computes in bfloat16) or bf16-true (weights and moments too: least memory)")
    compile: bool = key(False, "torch.compile of every block and head: a minute at the start, faster after")
    checkpoint_blocks: bool = key(False, "keep only each block's input for the backward pass and compute the rest again")
    ema: float = key(0.0, "decay of the averaged weights that are validated, saved beside and later used; 0: none")
    logger: list[str] = key(["csv", "tensorboard"], "where figures go: csv, tensorboard, wandb")
    pictures: int = key(4, "held-out pictures drawn, with truth and prediction, at every validation; 0: none")
    threads: int = key(0, "CPU threads for computing; 0: torch's choice")
