"""Where does the time of a training step go, and how much faster is ours than the plain Sapiens v1 configuration?

On a GPU: the 0.3b network at 1024x768, ours (bfloat16, slim head, compiled) beside plain (float32, v1's head, not compiled), with the
share of the device's bfloat16 peak. Without one: a small ViT at 192x144 on one core, both in float32 and not compiled, so only the
heads differ; it says nothing about a GPU.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from train import backbones, estimate, optim, speed
from train.config import BackboneConfig, HeadConfig, TrainConfig
from train.model import Model
from train.tasks import TASKS
from train.throughput import PEAKS

PARTS = ("backbone", "head", "loss", "loss back", "head back", "backbone back", "optimiser")
WARM, STEPS = 3, 10
Batch = dict[str, Any]


def configurations(gpu: bool) -> dict[str, TrainConfig]:
    """What is compared."""
    large = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    small = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3}
    backbone = BackboneConfig(name=None, type="sapiens", options=large if gpu else small)
    size, batch_size = ([1024, 768], 4) if gpu else ([192, 144], 2)
    plain = TrainConfig("", out="", backbone=backbone, head=HeadConfig("deconv"), tasks=["depth"], size=size, batch_size=batch_size)
    ours = replace(plain, head=HeadConfig("slim"))
    return {"plain v1": plain, "ours": replace(ours, precision="bf16-mixed", compile=True) if gpu else ours}


def spheres(config: TrainConfig, device: torch.device) -> Batch:
    """A batch of ramps within discs: what the loss costs does not depend on what is shown."""
    height, width = config.size
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    mask = ((x**2 + y**2) < 0.8).to(torch.uint8).expand(config.batch_size, 1, -1, -1)
    image = torch.rand(config.batch_size, 3, height, width, generator=torch.Generator().manual_seed(0))
    maps = {"image": image, "mask": mask, "depth": (2 + y).expand_as(mask) * mask}
    return {name: values.to(device) for name, values in maps.items()}


def measure(config: TrainConfig, device: torch.device) -> dict[str, float]:
    """Median seconds of each part of a step."""
    torch.manual_seed(0)
    model = Model(backbones.build(config.backbone), config.tasks, config.head, (config.size[0], config.size[1])).to(device).train()
    speed.prepare(model, config)
    groups = optim.parameter_groups(model, model.backbone.network, config.optimiser)
    optimiser = torch.optim.AdamW(groups, fused=config.compile)
    batch = spheres(config, device)
    taken: dict[str, list[float]] = {part: [] for part in PARTS}
    for _ in range(WARM + STEPS):
        one_step(model, optimiser, batch, config, lambda part, run: taken[part].append(timed(run, device)))
    return {part: sorted(seconds[WARM:])[STEPS // 2] for part, seconds in taken.items()}


def timed(run: Callable[[], None], device: torch.device) -> float:
    began = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def one_step(model: Model, optimiser: Any, batch: Batch, config: TrainConfig, part: Callable[[str, Callable[[], None]], None]) -> None:
    """A step, cut where the backbone meets the head and the head meets the loss."""
    made: dict[str, Any] = {}
    half = torch.autocast(batch["image"].device.type, torch.bfloat16, enabled=config.precision != "32-true", cache_enabled=False)

    def leaf(values: torch.Tensor) -> torch.Tensor:
        return values.detach().requires_grad_()

    def backbone() -> None:
        with half:
            made["maps"] = model.backbone(batch["image"])
        made["cut"] = [leaf(m) for m in made["maps"]]

    def head() -> None:
        with half:
            made["raw"] = model.heads(made["cut"], batch["image"])
        made["ends"] = {name: leaf(values) for name, values in made["raw"].items()}

    def loss() -> None:
        made["loss"] = TASKS["depth"].loss(made["ends"], batch)  # type: ignore[arg-type]

    def head_back() -> None:
        torch.autograd.backward(list(made["raw"].values()), [values.grad for values in made["ends"].values()])

    def backbone_back() -> None:
        torch.autograd.backward(made["maps"], [values.grad for values in made["cut"]])

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.optimiser.clip)
        optimiser.step()
        optimiser.zero_grad()

    runs = (backbone, head, loss, lambda: made["loss"].backward(), head_back, backbone_back, update)
    for name, run in zip(PARTS, runs, strict=True):
        part(name, run)


def main() -> None:
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    name = torch.cuda.get_device_name() if gpu else "one CPU core (no GPU here: a small ViT, float32, not compiled; only the heads differ)"
    if not gpu:
        torch.set_num_threads(1)
    peak = next((flops for part, flops in PEAKS.items() if part in name), None)
    print(f"training step on {name}, ms a picture")
    print(f"{'':10}" + "".join(f"{part:>14}" for part in PARTS) + f"{'images/s':>10}{'MFU':>7}")
    rates = {}
    for label, config in configurations(gpu).items():
        seconds = measure(config, device)
        rates[label] = config.batch_size / sum(seconds.values())
        with torch.device("meta"):
            model = Model(backbones.build(config.backbone), config.tasks, config.head, (config.size[0], config.size[1]))
        share = f"{100 * rates[label] * estimate.flops(model.recipe()) / peak:6.1f}%" if peak else "      -"
        cells = "".join(f"{1000 * seconds[part] / config.batch_size:14.2f}" for part in PARTS)
        print(f"{label:10}{cells}{rates[label]:10.2f}{share}")
    print(f"ours over plain v1: {rates['ours'] / rates['plain v1']:.2f} times the images/s")


if __name__ == "__main__":
    main()
