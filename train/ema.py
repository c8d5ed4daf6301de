"""An exponential moving average of the weights, whole or in shards."""

from typing import Any

import lightning
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


class Ema(lightning.Callback):
    """Keeps the average in float32, validates with it and saves it as checkpoint["ema"], a state_dict of the model.

    After step t the average a becomes d·a + (1 - d)·w with d = min(decay, (1 + t) / (10 + t)), so that a short run is not
    left with its first weights. Lightning's own callback averages whole modules, which shards (FSDP2) are not.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.averages: dict[str, Tensor] = {}
        self._saved: dict[str, Tensor] = {}
        self._aside: dict[str, Tensor] = {}
        self._step = 0

    def on_load_checkpoint(self, trainer: lightning.Trainer, learner: Any, checkpoint: dict[str, Any]) -> None:
        self._saved = checkpoint["ema"]

    def on_train_start(self, trainer: lightning.Trainer, learner: Any) -> None:
        self.averages = {name: _beside(self._saved.get(name, p.detach()), p) for name, p in _trained(learner).items()}
        self._saved = {}
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: lightning.Trainer, learner: Any, *_: Any) -> None:
        if trainer.global_step == self._step:  # a batch that only accumulates
            return
        self._step = trainer.global_step
        decay = min(self.decay, (1 + self._step) / (10 + self._step))
        weights = [parameter.detach().float() for parameter in _trained(learner).values()]
        torch._foreach_lerp_(list(self.averages.values()), weights, 1 - decay)

    @torch.no_grad()
    def on_validation_start(self, trainer: lightning.Trainer, learner: Any) -> None:
        for name, parameter in _trained(learner).items():
            self._aside[name] = parameter.detach().clone()
            parameter.copy_(self.averages[name])

    @torch.no_grad()
    def on_validation_end(self, trainer: lightning.Trainer, learner: Any) -> None:
        for name, parameter in _trained(learner).items():
            parameter.copy_(self._aside.pop(name))

    def on_save_checkpoint(self, trainer: lightning.Trainer, learner: Any, checkpoint: dict[str, Any]) -> None:
        whole = {name: _whole(average) for name, average in self.averages.items()}  # all processes take part
        model = {name.removeprefix("model."): values for name, values in checkpoint["state_dict"].items()}
        checkpoint["ema"] = {name: whole.get(name, values) for name, values in model.items()}


def _trained(learner: Any) -> dict[str, Tensor]:
    return {name: parameter for name, parameter in learner.model.named_parameters() if parameter.requires_grad}


def _beside(values: Tensor, parameter: Tensor) -> Tensor:
    """A float32 copy, where and as the parameter is."""
    if isinstance(parameter, DTensor) and not isinstance(values, DTensor):
        values = distribute_tensor(values.to(parameter.device), parameter.device_mesh, parameter.placements)
    return values.to(parameter.device, torch.float32, copy=True)


def _whole(values: Tensor) -> Tensor:
    return (values.full_tensor() if isinstance(values, DTensor) else values).cpu()
