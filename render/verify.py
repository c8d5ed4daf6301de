"""`python -m render.verify`: is a finished dataset whole? The checks of rendering again, and every file against `dataset.json`."""

import multiprocessing
import os
import sys
import tarfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from conf.command import UserError, command, key, required
from datasets.triplet import MEMBERS, Dataset, decode, read_members, sha256
from render.benchmark import missing_frames
from render.checks import reject, whole
from render.progress import shard_name
from render.spec import SceneSpec

NAMED = 50  # faults that are printed; more are counted


@dataclass
class VerifyConfig:
    """Check a finished dataset: sha256 and size of every shard, that its samples are those planned, that all can be read, and
    that each satisfies what rendering demands of it. Every fault is one line. Exits with 0 when there is none, else with 1."""

    data: str = required("folder of the dataset, from `python -m render`")
    workers: int = key(0, "processes; 0: one per CPU")


def check_sample(name: str, members: Mapping[str, bytes]) -> str | None:
    """What is wrong with a sample, given its key and its members (suffix -> bytes) as they lie in the shard; None when nothing is."""
    wanted = [member.suffix for member in MEMBERS.values() if not member.optional or member.suffix in members]
    lacking, foreign = set(wanted) - set(members), set(members) - set(wanted)
    if lacking or foreign:
        return "; ".join(f"{what} {' '.join(sorted(which))}" for what, which in (("lacks", lacking), ("has a strange", foreign)) if which)
    if list(members) != wanted:
        return f"members are out of order: {' '.join(members)}"
    try:
        triplet = decode(name, members)
    except ValueError as error:
        return str(error).removeprefix(f"sample {name}: ").splitlines()[0]
    if "source" in triplet.meta:  # a photograph, which nobody planned
        return whole(triplet)
    try:
        made = SceneSpec.from_meta(triplet.meta).key
        if made != name:
            return f"json is of sample {made}"
        if "versions" not in triplet.meta:
            return "json lacks 'versions'"
        return reject(triplet)
    except KeyError as error:
        return f"json lacks {error}"
    except (ValueError, TypeError) as error:
        return f"json is not a record of this picture: {str(error).splitlines()[0]}"


def check_shard(path: Path, entry: dict[str, Any], planned: list[str] | None) -> list[str]:
    """What is wrong with a shard, one line each. entry: what `dataset.json` says of it; planned: the keys it should hold, if known."""
    cv2.setNumThreads(1)  # processes share the CPUs
    if not path.is_file():
        return [f"{path.name}: is not there"]
    faults, keys = [], list[str]()
    if path.stat().st_size != entry["bytes"]:
        faults.append(f"{path.name}: has {path.stat().st_size} bytes, dataset.json says {entry['bytes']}")
    elif sha256(path) != entry["sha256"]:
        faults.append(f"{path.name}: sha256 is not that of dataset.json")
    try:
        for name, members in read_members(path):
            keys.append(name)
            fault = check_sample(name, members)
            if fault:
                faults.append(f"{path.name} {name}: {fault}")
    except (tarfile.TarError, OSError) as error:
        faults.append(f"{path.name}: cannot be read after {len(keys)} samples: {error}")
    if planned is not None and keys != planned:
        lacking, foreign = sorted(set(planned) - set(keys)), sorted(set(keys) - set(planned))
        told = (
            f"lacks {' '.join(lacking) or 'none'}, has beyond it {' '.join(foreign) or 'none'}"
            if lacking or foreign
            else "in another order"
        )
        faults.append(f"{path.name}: samples are not those planned: {told}")
    elif len(keys) != entry["samples"]:
        faults.append(f"{path.name}: holds {len(keys)} samples, dataset.json says {entry['samples']}")
    return faults


def planned_keys(dataset: Dataset) -> dict[str, list[str] | None]:
    """Shard -> keys it should hold: of a rendered dataset those of the plan without what was left out, of others unknown (None)."""
    size = dataset.configuration.get("shard_size")
    if size is None:
        return dict.fromkeys(dataset.shards)
    planned: dict[str, list[str] | None] = {}
    lacking = missing_frames(dataset.benchmark)
    for number, first in enumerate(range(0, dataset.count, size)):
        entry = dataset.shards.get(shard_name(number), {})
        out = lacking | {
            *map(int, entry.get("given_up", {})),
            *(index for indices in entry.get("skipped", {}).values() for index in indices),
        }
        indices = range(first, min(first + size, dataset.count))
        if not lacking.issuperset(indices):
            planned[shard_name(number)] = [f"{i:09d}" for i in indices if i not in out]
    return planned


@command("render.verify", VerifyConfig)
def main(config: VerifyConfig) -> None:
    folder = Path(config.data)
    try:
        dataset = Dataset.load(folder)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
    planned = planned_keys(dataset)
    faults: list[str] = []

    def tell(found: list[str]) -> None:
        for line in found[: max(NAMED - len(faults), 0)]:
            tqdm.write(line, file=sys.stdout)
        faults.extend(found)

    processes = max(1, min(config.workers or os.cpu_count() or 1, len(dataset.shards)))
    with (
        tqdm(total=dataset.samples, desc=f"verify {folder}", unit="sample", smoothing=0.1) as bar,
        ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool,
    ):
        jobs = {
            pool.submit(check_shard, folder / "shards" / name, entry, planned.get(name, [])): entry
            for name, entry in dataset.shards.items()
        }
        for job in as_completed(jobs):
            tell(job.result())
            bar.update(jobs[job]["samples"])
    tell([f"{name}: is not rendered yet" for name in planned if name not in dataset.shards])
    if not faults:
        print(f"{dataset.samples} samples in {len(dataset.shards)} shards are whole")
        return
    bad = {line.split(":")[0].split()[0] for line in faults}
    more = f" ({len(faults) - NAMED} of them not printed)" if len(faults) > NAMED else ""
    print(f"{len(faults)} faults in {len(bad)} of {len(planned)} shards{more}: remove those shards and give the same render command again")
    sys.exit(1)


if __name__ == "__main__":
    main()
