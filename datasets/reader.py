"""Reading datasets of shards: shuffled and endless for training; in order and exactly once for evaluation."""

import json
import random
import tarfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import webdataset as wds
from torch.utils.data import get_worker_info

from datasets.triplet import Dataset, Triplet, decode

FIELDS = ("rgb", "mask", "depth", "normal", "meta")
#: Samples that wait, still encoded, to be drawn from: neighbours in a shard share a scan, batches should not.
SHUFFLE = 128

Sample = dict[str, Any]


def shards(folder: Path) -> list[Path]:
    """The shards `dataset.json` lists, in order; nothing else on disk is ever read.

    Raises FileNotFoundError or ValueError, naming the file and the mend.
    """
    paths = [path.absolute() for path in Dataset.load(folder).paths(folder)]
    if not paths:
        raise ValueError(f"{folder} lists no shards: render it again with a larger count")
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is listed in dataset.json but does not exist: copy it here, or render it again")
    return paths


def people_by_sample(folder: Path) -> dict[str, tuple[str, ...]]:
    """Sample key -> the people in it (a person may have several scans). Reads only the small JSON members."""
    found = {}
    for path in shards(folder):
        with tarfile.open(path) as tar:
            for info in tar:
                key, suffix = info.name.split(".", 1)
                stream = tar.extractfile(info) if suffix == "json" else None
                if stream is not None:
                    found[key] = tuple(person.get("subject", person["scan"]) for person in json.load(stream)["subjects"])
    return found


def hold_out(samples: dict[str, tuple[str, ...]], fraction: float, seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """Keys to train on and keys to validate on, which share no person.

    About `fraction` of the people, at least one, are held out. A sample that shows both kinds of people is in neither.
    Raises ValueError when one side would be empty.
    """
    people = sorted({person for names in samples.values() for person in names})
    count = max(1, round(fraction * len(people)))
    held = set(np.random.default_rng(seed).permutation(people)[:count].tolist())
    train = frozenset(key for key, names in samples.items() if not held & set(names))
    validation = frozenset(key for key, names in samples.items() if set(names) <= held)
    if not train or not validation:
        raise ValueError(f"cannot hold out {count} of {len(people)} people for validation: render more, or give val_data=DIR")
    return train, validation


def training(folder: Path, seed: int, keys: frozenset[str] | None = None, rank: int = 0, world: int = 1) -> wds.DataPipeline:
    """An endless, shuffled stream of triplets; this process's share of it when `world` processes read together.

    The order depends on `seed` alone. Within a pass every sample (of `keys`, if given) is dealt to exactly one consumer:
    whole shards when there are enough of them for all processes and their loader workers, else every n-th sample.
    """
    return wds.DataPipeline(
        partial(_endless, shards(folder), keys, seed, rank, world),
        wds.shuffle(SHUFFLE, initial=SHUFFLE, rng=random.Random(seed)),
        wds.map(_decode),
    )


def evaluation(folder: Path, batch_size: int, keys: frozenset[str] | None = None, rank: int = 0, world: int = 1) -> wds.DataPipeline:
    """Every triplet (of `keys`, if given) exactly once, in order, also through several loader workers.

    Order survives workers because whole batches of `batch_size` are dealt to them in turn, as a DataLoader collects them.
    """
    return wds.DataPipeline(partial(_once, shards(folder), keys, batch_size, rank, world), wds.map(_decode))


def _worker() -> tuple[int, int]:
    info = get_worker_info()
    return (info.id, info.num_workers) if info is not None else (0, 1)


def _open(paths: Iterable[Path], keys: frozenset[str] | None) -> Iterator[Sample]:
    samples = wds.tarfile_to_samples()({"url": str(path)} for path in paths)
    return (sample for sample in samples if keys is None or sample["__key__"] in keys)


def _endless(paths: list[Path], keys: frozenset[str] | None, seed: int, rank: int, world: int) -> Iterator[Sample]:
    worker, workers = _worker()
    consumer, consumers = rank * workers + worker, world * workers
    whole_shards = len(paths) >= consumers
    epoch = 0
    while True:
        order = np.random.default_rng([seed, epoch]).permutation(len(paths))
        mine = [paths[i] for i in (order[consumer::consumers] if whole_shards else order)]
        for position, sample in enumerate(_open(mine, keys)):
            if whole_shards or position % consumers == consumer:
                yield sample
        epoch += 1


def _once(paths: list[Path], keys: frozenset[str] | None, batch_size: int, rank: int, world: int) -> Iterator[Sample]:
    worker, workers = _worker()
    for position, sample in enumerate(_open(paths, keys)):
        if position % world == rank and position // world // batch_size % workers == worker:
            yield sample


def _decode(sample: Sample) -> Triplet:
    return decode(sample["__key__"], sample, FIELDS)
