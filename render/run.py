"""The run: spreads shards over Blender workers with Ray, and lists in `dataset.json` what is whole. One writer: the driver."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayTaskError
from tqdm import tqdm

from conf.command import UserError
from datasets.triplet import DATASET_FILE, Dataset
from render.plan import Plan


def open_dataset(folder: Path, plan: Plan, count: int) -> Dataset:
    """The dataset in `folder`, new or to be continued. Raises UserError when it was made with another configuration."""
    fingerprint = plan.fingerprint()
    if not (folder / DATASET_FILE).exists():
        return Dataset(configuration=fingerprint, seed=plan.config.seed, count=count)
    dataset = Dataset.load(folder)
    names = sorted(set(dataset.configuration) | set(fingerprint))
    changed = [
        f"{n}: {dataset.configuration.get(n)} there, {fingerprint.get(n)} now"
        for n in names
        if dataset.configuration.get(n) != fingerprint.get(n)
    ]
    if changed:
        raise UserError(f"{folder / DATASET_FILE} was made with another configuration ({'; '.join(changed)}): give another out=")
    dataset.count = max(dataset.count, count)
    return dataset


def shard_name(number: int) -> str:
    """File name of shard `number`."""
    return f"shard-{number:06d}.tar"


def missing(dataset: Dataset, folder: Path, shard_size: int) -> dict[str, range]:
    """Shard name -> indices of the shards that are not there whole: unlisted, shorter than planned, or changed in size."""
    todo = {}
    for number, first in enumerate(range(0, dataset.count, shard_size)):
        name, indices = shard_name(number), range(first, min(first + shard_size, dataset.count))
        entry, path = dataset.shards.get(name), folder / "shards" / name
        whole = entry and entry["samples"] == len(indices) and path.is_file() and path.stat().st_size == entry["bytes"]
        if not whole:
            todo[name] = indices
    return todo


def execute(plan: Plan, folder: Path, files: tuple[dict[str, Path], ...]) -> Dataset:
    """Render what is missing of the first `plan.config.count` frames; files: scans, environments, photographs by name."""
    config = plan.config
    dataset = open_dataset(folder, plan, config.count)
    todo = missing(dataset, folder, config.shard_size)
    for name in todo:
        dataset.shards.pop(name, None)
    dataset.save(folder)
    for leftover in (folder / "shards").glob(".*.tmp"):  # of a run that was killed
        leftover.unlink()
    frames = sum(len(indices) for indices in todo.values())
    with tqdm(total=dataset.count, initial=dataset.count - frames, desc=f"render {folder}", unit="frame", smoothing=0.1) as bar:
        for name, entry in _work(plan, folder, files, todo):
            if entry is None:
                bar.update()
            else:
                dataset.shards[name] = entry
                dataset.save(folder)
    return dataset


def _work(
    plan: Plan, folder: Path, files: tuple[dict[str, Path], ...], todo: dict[str, range]
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """(shard, None) after every frame and (shard, entry) after every shard, as the workers get to them."""
    if not todo:
        return
    _connect(plan.config.ray_address)
    waiting = iter(todo.items())
    running: dict[Any, tuple[str, Any]] = {}

    def start(worker: Any) -> None:
        for name, indices in waiting:
            stream = worker.shard.options(num_returns="streaming").remote(folder.resolve() / "shards" / name, indices)
            running[stream] = (name, worker)
            return

    try:
        number = min(plan.config.workers or int(ray.cluster_resources()["CPU"]), len(todo))
        for _ in range(number):
            start(_remote_worker().remote(plan, *files, threads=1))
        while running:
            stream: Any = ray.wait(list(running), num_returns=1)[0][0]
            name, worker = running[stream]
            reference: Any = next(stream, None)
            if reference is None:
                del running[stream]
                start(worker)
            else:
                yield name, ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise UserError(str(error.cause)) from error
        raise
    finally:
        ray.shutdown()


def _remote_worker() -> Any:
    from render.worker import Worker

    return ray.remote(num_cpus=1)(Worker)


def _connect(address: str | None) -> None:
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    os.environ.update({name: value for name, value in quiet.items() if name not in os.environ})
    local: dict[str, Any] = {} if address else {"num_cpus": os.cpu_count(), "include_dashboard": False}
    ray.init(address=address, logging_level=logging.ERROR, **local)
