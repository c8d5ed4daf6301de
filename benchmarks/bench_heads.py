"""Heads: what they cost at 1024x768, and how well they learn, side by side.

Costs are counted, not timed: forward FLOPs (2 x MAC) and the bytes kept for the backward pass in float32. Accuracy is of one small
ViT (4 blocks of width 192, patches of 16) from scratch, with Sapiens v1's head and the default one, both scaled by 192 / 1024, its
share of Sapiens 0.3b; scored on other people under other lights. Same pictures, steps, seeds and optimiser for both. 40 minutes.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bench_learning import data
from datasets import reader
from datasets.augment import Augmentation, augment
from datasets.batch import collate
from datasets.triplet import Triplet
from train import backbones, optim
from train.config import BackboneConfig, HeadConfig, OptimiserConfig
from train.heads import TRUNKS
from train.inference import infer
from train.metrics import EVERYTHING, Tally
from train.model import Model
from train.tasks import TASKS

WIDTHS = {"0.3b": 1024, "2b": 1920}
#: Heads at full size, their options there, and what a fiftieth as large a model takes: widths times 192 / 1024.
HEADS: dict[str, tuple[str, dict[str, Any]]] = {
    "v1 depth": ("deconv", {"widths": [384] * 4, "hidden": [384] * 2}),
    "v1 normal": ("deconv", {"widths": [768] * 3, "hidden": [768] * 3}),
    "v2 normal": ("pixelshuffle", {"widths": [768, 512, 256, 128], "hidden": [64, 32, 16]}),
    "dpt": ("dpt", {"widths": [256, 512, 1024, 1024], "fused": 256, "outputs": 128}),
    "slim": ("slim", {"widths": [384, 192, 96], "detail": 24}),
}
BACKBONE = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3, "patch_size": 16, "image_size": 192}
COMPARED = ("v1 depth", "slim")
SIZE, BATCH, STEPS, SEEDS = (128, 96), 4, 3000, (0, 1)


def cost(kind: str, channels: int, options: dict[str, Any]) -> tuple[float, float, float]:
    """TFLOP forward, GiB kept for backward and million parameters, for one picture of 1024x768. Nothing is computed."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    counter = FlopCounterMode(display=False)
    with torch.device("meta"):
        trunk = TRUNKS[kind]([channels], [16], **options)
        maps, image = [torch.empty(1, channels, 64, 48, requires_grad=True)], torch.empty(1, 3, 1024, 768)
        with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            out = trunk(maps, image)  # kept alive, as is all that it keeps
    assert out.requires_grad
    return counter.get_total_flops() / 1e12, sum(kept.values()) / 2**30, sum(p.numel() for p in trunk.parameters()) / 1e6


def scaled(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a head for a backbone of 192 channels instead of 1024."""
    factor = BACKBONE["hidden_size"] / 1024
    return {
        name: [round(v * factor) for v in value] if isinstance(value, list) else round(value * factor) for name, value in options.items()
    }


def batches(triplets: list[Triplet], seed: int) -> Iterator[Any]:
    """The same augmented batches for every head."""
    generator, order = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    varied = Augmentation(brightness=0.6, contrast=0.6, saturation=0.9, hue=1.5, grey=0.25)
    for _ in range(STEPS):
        chosen = [triplets[i] for i in order.choice(len(triplets), BATCH, replace=False)]
        yield augment(varied, collate(chosen), SIZE, generator)


def learn(kind: str, options: dict[str, Any], triplets: list[Triplet], seed: int) -> tuple[Model, float, float]:
    """A trained model, and CPU seconds a step of the head (with its loss) and of all."""
    torch.manual_seed(seed)
    backbone = backbones.build(BackboneConfig(name=None, type="dinov2", options=BACKBONE))
    model = Model(backbone, ["depth", "normal"], HeadConfig(kind=kind, options=options, shared=True), SIZE)
    settings = OptimiserConfig(lr=1e-3, weight_decay=0.05, layer_decay=1.0, warmup=40)
    optimiser = torch.optim.AdamW(optim.parameter_groups(model, backbone.network, settings), lr=settings.lr)
    schedule = optim.schedule(optimiser, settings.warmup, STEPS)
    spent = {"head": 0.0, "all": 0.0}
    for batch in batches(triplets, seed):
        start = time.process_time()
        maps = backbone(batch["image"])
        fed = [m.detach().requires_grad_() for m in maps]
        before = time.process_time()
        raw = model.heads(fed, batch["image"])
        torch.stack([TASKS[name].loss(raw, batch) for name in model.tasks]).sum().backward()
        spent["head"] += time.process_time() - before
        torch.autograd.backward(maps, [m.grad for m in fed])
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        spent["all"] += time.process_time() - start
    return model.eval(), spent["head"] / STEPS, spent["all"] / STEPS


def score(model: Model, triplets: list[Triplet]) -> dict[str, float]:
    """Micro scores at the pictures' own resolution."""
    tallies = {name: Tally(TASKS[name].measure) for name in model.tasks}
    for place, triplet in enumerate(triplets):
        (predicted,) = infer(model, collate([triplet])["image"], torch.tensor([triplet.mask.shape]))
        for name, tally in tallies.items():
            tally.update(place, TASKS[name].measure.errors(predicted[name], getattr(triplet, name), triplet.mask, triplet.key))
    figures = {name: tally.compute()[EVERYTHING].micro() for name, tally in tallies.items()}
    return {f"{name} {figure}": value for name, found in figures.items() for figure, value in found.items()}


def counted() -> None:
    """Print the table of costs."""
    print(
        f"{'at 1024x768':12}"
        + "".join(f"{f'{size}: TFLOP':>14}{'of v1':>8}{'kept GiB':>10}{'of v1':>8}{'M params':>10}" for size in WIDTHS)
    )
    for name, (kind, options) in HEADS.items():
        line = f"{name:12}"
        for channels in WIDTHS.values():
            (flops, kept, parameters), first = cost(kind, channels, options), cost(*_at(channels))
            line += f"{flops:14.3f}{flops / first[0]:8.2f}{kept:10.2f}{kept / first[1]:8.2f}{parameters:10.1f}"
        print(line)


def _at(channels: int) -> tuple[str, int, dict[str, Any]]:
    kind, options = HEADS["v1 depth"]
    return kind, channels, options


def learned() -> None:
    """Print the table of accuracies: mean over the seeds, and half the range."""
    folders, folder = data()
    train, test = ([triplet for each in given for triplet in reader.evaluation(each, 1)] for given in (folders, [folder]))
    print(f"\n{len(train)} pictures, {len(test)} of other people, {SIZE[0]}x{SIZE[1]}, {STEPS} steps of {BATCH}, {len(SEEDS)} seeds")
    print(
        f"{'192/1024':12}{'normal °':>14}{'<11.25° %':>14}{'AbsRel %':>14}{'RMSE cm':>14}{'head ms':>9}{'of v1':>7}{'step ms':>9}",
        flush=True,
    )
    first = 0.0
    for name in COMPARED:
        kind, options = HEADS[name]
        rows, times = [], []
        for seed in SEEDS:
            model, *spent = learn(kind, scaled(options), train, seed)
            s = score(model, test)
            rows.append((s["normal mean"], 100 * s["normal within_11.25"], 100 * s["depth absrel"], 100 * s["depth rmse"]))
            times.append(1e3 * np.array(spent))
        head, whole = np.mean(times, axis=0)
        first = first or head
        cells = (f"{f'{mean:.2f} ±{spread / 2:.2f}':>14}" for mean, spread in zip(np.mean(rows, 0), np.ptp(rows, 0), strict=True))
        print(f"{name:12}{''.join(cells)}{head:9.0f}{head / first:7.2f}{whole:9.0f}", flush=True)


def main() -> None:
    counted()
    torch.set_num_threads(1)
    learned()


if __name__ == "__main__":
    main()
