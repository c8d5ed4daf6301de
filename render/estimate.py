"""`python -m render.estimate`: how long a plan will take, how much room and money, from a few of its frames made like all the others."""

import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from conf.command import UserError, command, key
from datasets.triplet import Dataset
from render import run
from render.__main__ import prepare
from render.config import RenderConfig
from render.plan import Plan
from render.spec import SceneSpec
from render.worker import Worker
from scans.catalogue import ScanRecord

TURN = 3  # frames measured of a scene: the first, which pays for loading it, and some that do not


@dataclass
class EstimateConfig(RenderConfig):
    """Time a few frames of a plan, spread over all of it, with the workers and threads of a real run, and tell what the whole plan
    will take. Give the keys of the `python -m render` that is meant; nothing is written."""

    out: str = key("", "not needed")
    frames: int = key(24, "frames to time: the more, the surer; at least six per worker tell something")
    machines: int = key(1, "how many machines like this one will share the plan")
    price: float | None = key(None, "of a machine for an hour, in any currency; null: tell no cost")


class Trial(Plan):
    """A few frames of a plan: the first `length` ones of some turns, spread evenly."""

    def __init__(self, whole: Plan, frames: int) -> None:
        config, size = whole.config, whole.config.frames_per_scan
        length = min(TURN, size, config.count)
        there = whole.turns()
        number = min(math.ceil(frames / length), len(there))
        super().__init__(
            replace(config, count=number * length, shard_size=length, shards=None), whole.records, whole.environments, whole.photographs
        )
        self.whole, self.length = whole, length
        self.picked = [there[place * len(there) // number] for place in range(number)]

    def original(self, index: int) -> int:
        """The index in the whole plan of this plan's frame."""
        turn, within = divmod(index, self.length)
        return self.picked[turn] * self.whole.config.frames_per_scan + within

    def people(self, index: int) -> list[ScanRecord]:
        """As the whole plan has it."""
        return self.whole.people(self.original(index))

    def spec(self, index: int, attempt: int = 0) -> SceneSpec:
        """As the whole plan has it."""
        return self.whole.spec(self.original(index), attempt)


@dataclass(frozen=True)
class Frame:
    """When a worker process worked on a frame, in seconds of one clock; first: of its scene; cold: of its process."""

    process: str
    begin: float
    end: float
    first: bool
    cold: bool

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


class TimedWorker(Worker):
    """A worker that leaves the times of its frames beside each shard, and what it renders on."""

    cold = True

    def shard(self, path: Path, *rest: Any) -> Iterator[tuple[int, int] | dict[str, Any]]:
        """As every worker does."""
        begins = []
        for said in super().shard(path, *rest):
            begins.append(time.time())
            if isinstance(said, dict):
                spans = pairwise(begins)
                frames = [(str(os.getpid()), begin, end, not place, self.cold and not place) for place, (begin, end) in enumerate(spans)]
                path.with_suffix(".times").write_text(json.dumps({"frames": frames, "device": self.start()}))
                self.cold = False
            yield said


@dataclass(frozen=True)
class Measurement:
    """What a trial found: triplets per hour, the relative standard error of that, bytes per triplet, seconds until the first frame
    was made, workers, and frames that count."""

    rate: float
    error: float
    bytes: float
    start: float
    workers: int
    frames: int


def steady(frames: list[Frame]) -> list[Frame]:
    """The frames that were made while all processes worked: a process that starts or is done leaves its CPUs to the others.

    Of a trial too short for that, all frames.
    """
    processes = {frame.process for frame in frames}
    begin = max(min(frame.begin for frame in frames if frame.process == process) for process in processes)
    end = min(max(frame.end for frame in frames if frame.process == process) for process in processes)
    kept = [frame for frame in frames if begin <= frame.begin and frame.end <= end and not frame.cold]
    kinds = [{frame.first for frame in some} for some in (kept, frames)]
    return kept if kinds[0] == kinds[1] else frames


def measured(frames: list[Frame], begun: float, frames_per_scan: int, dataset: Dataset) -> Measurement:
    """Throughput of a real run, in which one of `frames_per_scan` frames is the first of its scene. begun: when the trial was."""
    counted = steady(frames)
    groups = {first: [frame.seconds for frame in counted if frame.first == first] for first in (True, False)}
    shares = {True: 1 / frames_per_scan, False: 1 - 1 / frames_per_scan} if groups[False] else {True: 1.0}
    mean = sum(share * statistics.mean(groups[first]) for first, share in shares.items())
    variance = sum(
        share**2 * statistics.variance(groups[first]) / len(groups[first]) for first, share in shares.items() if groups[first][1:]
    )
    workers = len({frame.process for frame in frames})
    size = sum(entry["bytes"] for entry in dataset.shards.values()) / dataset.samples
    start = min(frame.end for frame in frames) - begun
    return Measurement(3600 * workers / mean, math.sqrt(variance) / mean, size, start, workers, len(counted))


def told(found: Measurement, config: EstimateConfig, device: str) -> str:
    """The estimate in words."""
    # A shard is one worker's: the last ones are not shared.
    rounds = math.ceil(math.ceil(config.count / config.shard_size) / (found.workers * config.machines))
    hours = min(rounds * config.shard_size, config.count) * found.workers / found.rate + found.start / 3600
    workers = f"{found.workers} worker{'s' * (found.workers > 1)}"
    machine = f"this machine ({os.cpu_count()} CPUs, rendering on {device}, {workers})"
    price = "" if config.price is None else f", for {hours * config.machines * config.price:,.2f} at {config.price:g} per machine-hour"
    return (
        f"measured {found.frames} frames on {machine}: {found.rate:,.0f} triplets/hour (standard error {found.error:.0%}), "
        f"{found.bytes / 1e6:.2f} MB each; {found.start:.0f} s until the first one\n"
        f"{config.count:,} triplets: {duration(hours)} on {config.machines} machine{'s' * (config.machines > 1)}, "
        f"{room(found.bytes * config.count)}{price}"
    )


def duration(hours: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60)):
        if hours >= 2 * size:
            return f"{hours / size:.1f} {unit}"
    return f"{hours * 3600:.0f} seconds"


def room(size: float) -> str:
    """A number of bytes in the unit that suits it."""
    unit = "TB" if size >= 1e12 else "GB" if size >= 1e9 else "MB"
    return f"{size / {'TB': 1e12, 'GB': 1e9, 'MB': 1e6}[unit]:.3g} {unit}"


@command("render.estimate", EstimateConfig, groups=("experiment/render",))
def main(config: EstimateConfig) -> None:
    for name in ("frames", "machines"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    if config.ray_address is not None:
        raise UserError(f"ray_address={config.ray_address}: this machine is measured: leave it out, and give machines=N")
    plan, files = prepare(config)
    trial, begun = Trial(plan, config.frames), time.time()
    with tempfile.TemporaryDirectory(prefix="phidias-estimate-") as folder:
        dataset = run.execute(trial, Path(folder), files, TimedWorker)
        logs = [json.loads(path.read_text()) for path in sorted((Path(folder) / "shards").glob("*.times"))]
    if not dataset.samples:
        raise UserError(f"none of the {config.frames} frames could be made, as said above: nothing can be told")
    frames = [Frame(*values) for log in logs for values in log["frames"]]
    found = measured(frames, begun, plan.config.frames_per_scan, dataset)
    print(told(found, replace(config, count=plan.frames(), shard_size=plan.config.shard_size), logs[0]["device"]))


if __name__ == "__main__":
    main()
