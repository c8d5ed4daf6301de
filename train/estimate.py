"""`python -m train.estimate`: what a training step of a configuration computes and how much memory it takes, without computing it."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode

from conf.command import command, key
from train import backbones, optim, speed
from train.config import TrainConfig
from train.model import Model, from_recipe

#: What the tracker calls it.
KINDS = {"weights": "Parameter", "gradients": "Gradient", "moments": "Optstate", "activations": "Activation"}


@dataclass
class EstimateConfig(TrainConfig):
    """Memory and FLOPs of a training step, from shapes alone: takes the keys of `python -m train`, needs no GPU and no data.

    The step runs on tensors without contents, as on the CPU (whose attention, like a GPU's, keeps no matrix of weights);
    the augmentation, the allocator's waste and CUDA's own few hundred MB come on top.
    """

    data: Any = key(None, "not used")
    out: str = key("", "not used")


def flops(recipe: dict[str, Any]) -> float:
    """FLOPs (2 per multiply-add) of the forward and backward passes of one picture of a model's own size."""
    with torch.device("meta"):
        model = from_recipe(recipe).train()
        image = torch.zeros(1, 3, *model.size)
    counter = FlopCounterMode(display=False)
    with counter:
        total(model(image)).backward()
    return float(counter.get_total_flops())


def memory(config: TrainConfig) -> dict[str, int]:
    """Bytes at the peak of a training step, by what they hold: weights, gradients, moments, averages, activations, rest, and total.

    Activations are what the forward pass keeps; the rest is what is on its way at that moment.
    """
    with torch.device("meta"):
        model = Model(backbones.build(config.backbone), config.tasks, config.head, (config.size[0], config.size[1])).train()
        speed.prepare(model, replace(config, compile=False))
    with FakeTensorMode(allow_non_fake_inputs=True):
        model.to_empty(device="cpu")
        model.requires_grad_(True)  # the tracker takes no others; those few that are frozen are small
        optimiser = torch.optim.AdamW(optim.parameter_groups(model, model.backbone.network, config.optimiser), lr=1e-3, fused=True)
        image = torch.zeros(config.batch_size, 3, *model.size)
        tracker = MemTracker()
        tracker.track_external(model, optimiser, image)
        with tracker:
            for _ in range(2):  # the moments appear in the first
                with torch.autocast("cpu", torch.bfloat16, enabled=config.precision != "32-true", cache_enabled=False):
                    raw = model(image)
                total(raw).backward()
                optimiser.step()
                optimiser.zero_grad()
                tracker.reset_mod_stats()
        peak = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]
    found = {str(getattr(kind, "value", kind)): size for kind, size in peak.items()}
    figures = {name: found[kind] for name, kind in KINDS.items()}
    figures["averages"] = 4 * sum(parameter.numel() for parameter in model.parameters()) if config.ema else 0
    figures["rest"] = found["Total"] - sum(found[kind] for kind in KINDS.values())
    return {**figures, "total": found["Total"] + figures["averages"]}


def total(raw: dict[str, torch.Tensor]) -> torch.Tensor:
    """A stand-in for a loss."""
    return torch.stack([values.float().square().mean() for values in raw.values()]).sum()


@command("train.estimate", EstimateConfig, groups=("backbone", "experiment"))
def main(config: EstimateConfig) -> None:
    for name, size in memory(config).items():
        print(f"{name:12}{size / 1e9:8.2f} GB")
    with torch.device("meta"):
        model = Model(backbones.build(config.backbone), config.tasks, config.head, (config.size[0], config.size[1]))
    print(f"{'a picture':12}{flops(model.recipe()) / 1e12:8.2f} TFLOP, forward and backward")


if __name__ == "__main__":
    main()
