"""AdamW with a learning rate that falls with depth in the backbone, a warm-up and a linear decay."""

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from train.config import OptimiserConfig

#: Besides biases and norms (1-D), what weight decay does not touch.
UNDECAYED = ("position_embedding", "pos_embed", "cls_token", "register_token", "mask_token", "relative_position_bias")


def blocks(network: nn.Module) -> tuple[str, int]:
    """Name and length of a backbone's stack of blocks: the ModuleList that holds most parameters (in a pyramid, its stages)."""
    lists = {name: module for name, module in network.named_modules() if isinstance(module, nn.ModuleList) and len(module) > 1}
    if not lists:
        return "", 0
    name = max(lists, key=lambda n: (sum(p.numel() for p in lists[n].parameters()), -n.count(".")))
    return name, len(lists[name])


def layer_ids(network: nn.Module) -> tuple[dict[str, int], int]:
    """Parameter name -> layer, and the layer of the heads.

    As in Sapiens and BEiT: embeddings are layer 0, block i (from 0) is i + 1, what follows the blocks is with the heads, N + 1.
    """
    stack, count = blocks(network)
    ids, passed = {}, False
    for name, _ in network.named_parameters():
        inside = bool(stack) and name.startswith(f"{stack}.")
        passed = passed or inside
        ids[name] = int(name[len(stack) + 1 :].split(".")[0]) + 1 if inside else (count + 1 if passed else 0)
    return ids, count + 1


def parameter_groups(model: nn.Module, network: nn.Module, config: OptimiserConfig) -> list[dict[str, Any]]:
    """One group per layer and kind: learning rate lr · layer_decay^(N + 1 - layer); weight decay on matrices alone."""
    ids, top = layer_ids(network)
    layers = {id(parameter): ids[name] for name, parameter in network.named_parameters()}
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        layer = layers.get(id(parameter), top)
        decayed = parameter.ndim > 1 and not any(part in name for part in UNDECAYED)
        if (layer, decayed) not in groups:
            rate = config.lr * config.layer_decay ** (top - layer)
            groups[layer, decayed] = {"params": [], "lr": rate, "weight_decay": config.weight_decay if decayed else 0.0, "layer": layer}
        groups[layer, decayed]["params"].append(parameter)
    return [groups[key] for key in sorted(groups)]


def schedule(optimiser: torch.optim.Optimizer, warmup: int, steps: int) -> LambdaLR:
    """Factor (k + 1) / warmup at step k of the warm-up, then linearly to 0 at `steps`."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return max(0.0, (steps - step) / max(1, steps - warmup))

    return LambdaLR(optimiser, factor)
