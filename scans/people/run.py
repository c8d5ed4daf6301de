"""The run: workers with a studio each make people over Ray, a file each; workers that die are replaced."""

import errno
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from conf.cluster import connect, cpus
from conf.command import UserError
from scans import glb
from scans.people.wanted import Wanted

CRASHES = 2  # processes that may die over one person
PATIENCE = 10  # failures with no person in between, after which the run ends
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class Task:
    """What every worker is told: seed, edge of the texture in pixels, quality, and what people are drawn from."""

    seed: int
    texture: int
    quality: str
    wanted: Wanted


class Worker:
    """Makes people, one after the other, on one thread."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @cached_property
    def studio(self) -> Any:
        """Loaded here, and only here: it takes seconds and a gigabyte."""
        import cv2
        import torch

        from scans.people.person import Studio

        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        return Studio(self.task.texture, self.task.quality)

    def make(self, index: int, path: Path) -> None:
        """Make one person and write its file, its record inside. Raises ValueError when no draw is good enough."""
        person = self.studio.person(self.task.seed, index, self.task.wanted)
        mesh = person.mesh.separated()
        record = {
            "id": path.stem, "path": path.name, "subject": path.stem, "split": "", "source": "phidias.people", "licence": "CC0-1.0",
            "height_m": round(person.height_m, 4), "textured": True, "vertices": len(mesh.vertices), "faces": len(mesh.faces),
            "bounds": person.bounds, "head": person.head, "head_radius": person.head_radius,
            "attributes": {**person.attributes, "rejections": person.rejections},
            "keypoints": person.keypoints,
        }  # fmt: skip
        glb.write(mesh, path, {"record": record})


def make(task: Task, files: dict[int, Path], workers: int, address: str | None, worker: type[Worker] = Worker) -> Iterator[tuple[int, str]]:
    """Make people into `files` (index -> path), in any order. Yields (index, why its file could not be made: "" when it was).

    workers: processes, 0 for one per CPU. Raises UserError when the disk is full, or no worker gets anywhere.
    """
    local = connect(address)
    try:
        number = min(workers or cpus(local), len(files))
        share = min(1.0, cpus(local) / number) if local else 1.0
        actor = ray.remote(num_cpus=math.floor(1e4 * share) / 1e4)(worker)  # with one CPU or less, Ray sets OMP_NUM_THREADS=1
        yield from _drive(actor, task, files, number)
    finally:
        ray.shutdown()


def _drive(actor: Any, task: Task, files: dict[int, Path], number: int) -> Iterator[tuple[int, str]]:
    waiting, running = sorted(files), dict[Any, tuple[int, Any]]()
    crashes, fruitless = Counter[int](), 0
    idle = [actor.remote(task) for _ in range(number)]
    while waiting or running:
        while waiting and idle:
            process, index = idle.pop(), waiting.pop(0)
            running[process.make.remote(index, files[index].resolve())] = (index, process)
        (done,), _ = ray.wait(list(running), num_returns=1)
        index, process = running.pop(done)
        fault = ""
        try:
            ray.get(done)
        except RayTaskError as error:
            fault = _reason(error)
        except RayActorError as error:
            process = actor.remote(task)
            crashes[index] += 1
            fault = f"{crashes[index]} workers died of it ({' '.join(str(error).split())[:120]})"
            if crashes[index] < CRASHES:
                waiting.insert(0, index)
        idle.append(process)
        fruitless = fruitless + 1 if fault else 0
        if fruitless >= PATIENCE:
            raise UserError(f"no worker gets anywhere; at last, person {index}: {fault}")
        if index not in waiting:
            yield index, fault


def _reason(error: RayTaskError) -> str:
    """Why a person could not be made. Raises UserError where that is not the person's fault."""
    cause = error.cause
    if isinstance(cause, UserError):
        raise UserError(str(cause)) from error
    if isinstance(cause, OSError) and cause.errno in FULL:
        raise UserError(f"{cause.filename}: {cause.strerror}; make room, and run the same command for the rest") from error
    if not isinstance(cause, ValueError):
        print(error, file=sys.stderr)
    return " ".join(str(cause).split())
