"""The run: spreads shards over Blender workers with Ray, and replaces workers that die, fail or have grown."""

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError
from tqdm import tqdm

from conf import cluster
from conf.command import UserError
from datasets.triplet import Dataset
from render.plan import Plan
from render.progress import FULL, Progress, group_name
from render.worker import Worker
from scans.catalogue import ScanRecord

CRASHES = 3  # failures at one frame, or hopeless frames in a row, after which a scene's people are quarantined
PATIENCE = 10  # failures of one place with no frame in between, after which it is given up: that is not the scans' fault
RECYCLE = 1000  # frames after which a worker is replaced at the end of its shard: Blender grows by 1.7 MB per change of people


def execute(plan: Plan, folder: Path, files: tuple[dict[str, Path], ...], worker: type[Worker] = Worker) -> Dataset:
    """Render what is missing of the plan's `count` frames, or of its part `shards`. files: scans, environments, photographs by name.

    Raises UserError when it cannot begin or go on, as on a full disk; what was finished before is kept and listed.
    """
    progress = Progress(plan, folder)
    try:
        todo = progress.begin()
    except OSError as error:
        raise UserError(f"out={folder} cannot be written ({error.strerror}): make room, or give another folder") from error
    total, missing = (sum(map(len, shards.values())) for shards in (progress.wanted(), todo))
    progress.check_room(missing)
    pause = 0.1 if sys.stderr.isatty() else 10  # seconds: a log file needs fewer lines
    with tqdm(total=total, initial=total - missing, desc=f"render {folder}", unit="frame", smoothing=0.1, mininterval=pause) as bar:
        try:
            try:
                Run(plan, progress, todo, files, worker, bar).work()
            finally:
                progress.finish()
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise progress.full(sum(map(len, progress.missing().values())), _elsewhere(error, folder)) from error
    return progress.dataset


@dataclass
class Job:
    """A shard that is being made."""

    name: str
    indices: Sequence[int]
    index: int = -1  # the frame in hand; -1: none yet
    samples: int = 0  # made so far
    done: int = 0  # frames dealt with so far


@dataclass
class Place:
    """Room for one worker process, whoever fills it."""

    worker: Any = None
    made: int = 0  # samples, by this process
    job: Job | None = None
    failed: list[str] = field(default_factory=list)  # shards it failed at since it last made a frame; "" when a process did not start


class Run:
    """The driver's side of one run."""

    def __init__(
        self,
        plan: Plan,
        progress: Progress,
        todo: dict[str, Sequence[int]],
        files: tuple[dict[str, Path], ...],
        worker: type[Worker],
        bar: Any,
    ) -> None:
        self.plan, self.progress, self.todo, self.files, self.worker, self.bar = plan, progress, todo, files, worker, bar
        self.waiting = list(todo)
        self.running: dict[Any, Place] = {}  # by what Ray waits for: the start of a process, or the stream of a shard
        self.idle: list[Place] = []
        self.crashes: Counter[int] = Counter()  # by frame, until it is made
        self.hopeless: Counter[str] = Counter()  # by people, until one of their frames is made
        self.said: set[str] = set()
        self.last = ""  # failure

    def work(self) -> None:
        """Make all shards of `todo`."""
        if not self.todo:
            return
        local = cluster.connect(self.plan.config.ray_address)
        try:
            have = {**ray.cluster_resources(), "CPU": cluster.cpus(local)}
            self.number, self.threads, self.resources = places(self.plan.config.workers, have, local)
            for _ in range(min(self.number, len(self.todo))):
                self._next(Place())
            while self.waiting or any(place.job for place in self.running.values()):
                self._hear(ray.wait(list(self.running), num_returns=1)[0][0])
        finally:
            ray.shutdown()

    def _next(self, place: Place) -> None:
        """Give a place a process, or a shard: if possible one it has not just failed at, to tell bad people from a bad place."""
        if len(place.failed) >= PATIENCE or place.failed.count("") >= CRASHES:
            self._say(f"this worker is given up: it failed {len(place.failed)} times and made nothing")
            if not self.running:
                raise UserError(f"no worker gets anywhere; the last one {self.last}")
        elif not self.waiting:
            self.idle.append(place)
        elif place.worker is None or place.made >= RECYCLE:
            self._discard(place)
            place.worker = ray.remote(**self.resources)(self.worker).remote(self.plan, *self.files, threads=self.threads)
            self.running[place.worker.start.remote()] = place
        else:
            name = min(self.waiting, key=lambda name: name in place.failed)
            self.waiting.remove(name)
            place.job = Job(name, self.todo[name])
            path = self.progress.folder.resolve() / "shards" / name
            # One object at a time: the worker goes on when its word has arrived, so the frame it dies at is known.
            call = place.worker.shard.options(num_returns="streaming", _generator_backpressure_num_objects=1)
            self.running[call.remote(path, place.job.indices, self.progress.quarantined, self.progress.digest)] = place

    def _discard(self, place: Place) -> None:
        if place.worker is not None:
            ray.kill(place.worker)
        place.worker, place.made, place.job = None, 0, None

    def _hear(self, source: Any) -> None:
        """One word of a worker: what it renders on, (frame it begins, samples so far), the entry of its shard; or that it has failed."""
        place = self.running[source]
        try:
            said: Any = ray.get(next(source) if place.job else source)
        except (RayActorError, RayTaskError) as error:
            del self.running[source]
            self._failed(place, error)
            return
        if isinstance(said, tuple):
            assert place.job
            index, samples = said
            self._advance(place, place.job, samples, place.job.indices.index(index))
            place.job.index = index
            return
        del self.running[source]
        if place.job:
            self._finished(place, place.job, said)
        else:
            self._say(f"rendering on {said}: {self.number} worker(s) of {self.threads} CPU threads", once=True)
        self._next(place)

    def _advance(self, place: Place, job: Job, samples: int, done: int) -> None:
        if samples > job.samples:  # the frame in hand was made: neither its people nor this place are to blame for former failures
            self.crashes.pop(job.index, None)
            place.failed.clear()
        self.bar.update(done - job.done)
        job.samples, job.done = samples, done

    def _finished(self, place: Place, job: Job, entry: dict[str, Any]) -> None:
        self._advance(place, job, entry["samples"], len(job.indices))
        self.progress.add(job.name, entry)
        place.made, place.job = place.made + entry["samples"], None
        for index in job.indices:
            people, why = self.plan.people(index), entry["given_up"].get(str(index))
            name = group_name(people)
            self.hopeless[name] = self.hopeless[name] + 1 if why else 0
            if why:
                self._say(f"frame {index} ({name}) is left out: {why}")
            if self.hopeless[name] == CRASHES:
                place.failed.append(job.name)
                self._quarantine(people, f"{CRASHES} frames in a row could not be made; {index}: {why}")

    def _failed(self, place: Place, error: RayActorError | RayTaskError) -> None:
        """A worker died or raised. Its shard is begun again, and without people it was begun too often with."""
        cause = getattr(error, "cause", None)
        if isinstance(cause, UserError):
            raise UserError(str(cause)) from error
        if isinstance(cause, OSError) and cause.errno in FULL:
            raise cause
        job, index = place.job, place.job.index if place.job else -1
        if index < 0:
            self.last = f"{_how(error)} before its first frame"
            self._say(f"a worker {self.last}")
        else:
            people = self.plan.people(index)
            self.last = f"{_how(error)} at frame {index} ({group_name(people)})"
            self._say(f"a worker {self.last}")
            self.crashes[index] += 1
            theirs = [frame for frame in self.crashes if self.plan.people(frame) == people]
            if sum(self.crashes[frame] for frame in theirs) >= CRASHES:
                self._quarantine(people, f"{CRASHES} workers failed on them, the last one {_how(error)} at frame {index}", str(error))
                for frame in theirs:
                    del self.crashes[frame]
        if job:
            self.waiting.insert(0, job.name)
            self.bar.update(-job.done)
        place.failed.append(job.name if job else "")
        self._discard(place)
        free, self.idle = [*self.idle, place], []
        for place in free:
            self._next(place)

    def _quarantine(self, people: list[ScanRecord], reason: str, details: str = "") -> None:
        note = self.progress.quarantine(people, reason, details)
        self._say(f"{group_name(people)} is left out from now on: {reason} (to have it tried again, delete {note})")

    def _say(self, line: str, once: bool = False) -> None:
        if not (once and line in self.said):
            self.bar.write(line, file=sys.stderr)
        self.said.add(line)


def _elsewhere(error: OSError, folder: Path) -> str | None:
    """The place outside `folder` that an error names."""
    return error.filename if error.filename and not Path(error.filename).resolve().is_relative_to(folder.resolve()) else None


def _how(error: RayActorError | RayTaskError) -> str:
    if isinstance(error, RayTaskError) or error.actor_init_failed:
        return f"failed ({str(error).strip().splitlines()[-1]})"
    return "ran out of memory" if "OUT_OF_MEMORY" in str(error) else "died"


def places(workers: int, have: dict[str, float], local: bool) -> tuple[int, int, dict[str, Any]]:
    """How many workers, the CPU threads of each, and what each takes of the resources that Ray has.

    One worker per GPU, or per CPU where there is none. Two threads each at least: one thread idles while Blender syncs and while
    pictures are encoded (on two CPUs, two workers of two threads beat two of one, and one of two).
    """
    cpus, gpus = max(int(have.get("CPU", 0)), 1), int(have.get("GPU", 0))
    number = workers or gpus or cpus
    if not local:  # on a cluster a worker waits until there is a machine for it
        return number, max(2, cpus // number), {"num_cpus": 1, "num_gpus": min(gpus, 1)}
    share = {"num_cpus": cpus / number, "num_gpus": gpus / number}  # below one: workers share; Ray counts in parts of 10,000
    return number, max(2, cpus // number), {name: min(1, math.floor(1e4 * part) / 1e4) for name, part in share.items()}
