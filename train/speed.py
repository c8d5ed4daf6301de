"""How a model computes, without changing what: attention kernels, recomputation, compilation, shards."""

from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from conf.command import UserError
from train import optim
from train.config import TrainConfig
from train.model import Model

#: What a configuration calls a way to use several devices.
STRATEGIES = ("auto", "ddp", "fsdp")
#: Precision -> what Lightning calls the arithmetic. Lightning's own bf16-true would round the labels too.
PRECISIONS = {"32-true": "32-true", "bf16-mixed": "bf16-mixed", "bf16-true": "bf16-mixed"}


def parts(model: Model) -> list[nn.Module]:
    """What is compiled and sharded one by one: the backbone's blocks and the heads' trunks."""
    stack, _ = optim.blocks(model.backbone.network)
    blocks: Any = model.backbone.network.get_submodule(stack) if stack else []
    return [*blocks, *model.heads.trunks.values()]


def prepare(model: Model, config: TrainConfig) -> None:
    """Make the model compute as configured. Names of parameters stay. Raises UserError."""
    network = model.backbone.network
    if config.precision == "bf16-true":
        model.to(torch.bfloat16)
    if config.checkpoint_blocks:
        if not network.supports_gradient_checkpointing:
            raise UserError(f"checkpoint_blocks=true: {type(network).__name__} cannot; use another backbone, or checkpoint_blocks=false")
        network.activation_checkpointing_enable({"use_reentrant": False})
    if config.compile:
        for part in parts(model):
            part.compile()


def shard(model: Model, mesh: DeviceMesh, precision: str) -> None:
    """FSDP2: each part's weights are gathered when it computes and dropped after, also after the forward pass."""
    policy = MixedPrecisionPolicy() if precision == "32-true" else MixedPrecisionPolicy(torch.bfloat16, torch.float32)
    for part in [*parts(model), model]:
        # The root too is dropped: else it would keep what it gathered while the averaged weights were in its place.
        fully_shard(part, mesh=mesh, mp_policy=policy, reshard_after_forward=True)


def strategy(config: TrainConfig) -> Strategy | str:
    """Lightning's strategy."""
    if config.strategy == "fsdp":
        count = int(config.devices) if config.devices.isdigit() else torch.cuda.device_count()
        return ModelParallelStrategy(count * config.nodes, 1, save_distributed_checkpoint=False)
    return DDPStrategy(gradient_as_bucket_view=True) if config.strategy == "ddp" else "auto"
