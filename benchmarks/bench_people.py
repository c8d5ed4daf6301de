"""How long does a person take, and where does the time go? Both qualities, side by side, as the command's workers make people."""

import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scans import glb
from scans.people import beard, brows, dressing, hair, person
from scans.people.run import Task, Worker
from scans.people.wanted import Wanted

SEED, PEOPLE = 7, 2
FOLDER = Path("outputs/bench/made")
TEXTURE = {"draft": 512, "full": 2048}
LIMIT_S = {"draft": 12, "full": 150}
#: Part of the work -> the functions that do it, where they are called; none of them calls another.
PARTS: dict[str, list[tuple[Any, str]]] = {
    "pose": [(person, "draw_pose"), (person, "take")],
    "drape": [(dressing, "drape")],
    "hair": [(hair, "grow"), (beard, "grow_beard"), (brows, "grow_brows_and_lashes")],
    "atlas": [(person, "look_of"), (person.Studio, "_baked")],
    "file": [(glb, "write")],
}


@dataclass(frozen=True)
class Cost:
    """Of a person, on average: CPU seconds by part, faces, MB; the studio's CPU seconds; the draws thrown away in all."""

    seconds: dict[str, float]
    faces: float
    megabytes: float
    start: float
    rejections: int

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def measure(quality: str) -> Cost:
    """Make the people, in a process of its own."""
    spent: dict[str, float] = defaultdict(float)
    for part, places in PARTS.items():
        for holder, name in places:
            setattr(holder, name, _timed(getattr(holder, name), part, spent))
    worker = Worker(Task(SEED, TEXTURE[quality], quality, Wanted()))
    files = [FOLDER / f"{quality}-{index}.glb" for index in range(PEOPLE)]
    begun = time.process_time()
    assert worker.studio
    ready = time.process_time()
    for index, path in enumerate(files):
        worker.make(index, path)
    spent["rest"] = time.process_time() - ready - sum(spent.values())
    records = [extras["record"] for path in files if (extras := glb.read_extras(path))]
    return Cost(
        {part: seconds / PEOPLE for part, seconds in spent.items()},
        sum(record["faces"] for record in records) / PEOPLE,
        sum(path.stat().st_size for path in files) / PEOPLE / 1e6,
        ready - begun,
        sum(sum(record["attributes"]["rejections"].values()) for record in records),
    )


def _timed(function: Callable[..., Any], part: str, spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        before = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            spent[part] += time.process_time() - before

    return timed


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # as Ray has it in the command's workers
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        _, *costs = pool.map(measure, ("draft", *LIMIT_S), chunksize=1)  # the first one may compile cloth's kernels, once a machine
    for (quality, limit), cost in zip(LIMIT_S.items(), costs, strict=True):
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in cost.seconds.items())
        print(
            f"{quality}, texture={TEXTURE[quality]}: {cost.total:.1f} s of one core a person ({parts}), "
            f"{cost.total / limit:.2f} of the limit of {limit} s; {cost.faces:.0f} faces, {cost.megabytes:.1f} MB; "
            f"studio {cost.start:.1f} s; drawn again: {cost.rejections}"
        )
    draft, full = costs
    print(f"full over draft: {full.total / draft.total:.1f} times the time, {full.faces / draft.faces:.1f} times the faces")


if __name__ == "__main__":
    main()
