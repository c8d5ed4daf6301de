"""How far a run has come: which shards are whole, what is missing, who is left out, and what the disk has room for.

The truth lies beside the shards: `shards/shard-000000.json`, written after its tar, and `quarantine/<people>.json`. From these
`dataset.json` is made, an index. So any number of drivers, on any machines, can render disjoint shards into one folder, and
the last of them to write the index lists everything.
"""

import errno
import hashlib
import json
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from conf.command import UserError
from datasets.triplet import DATASET_FILE, Dataset, abandoned, entry_path, read_entry, write_atomically
from render.config import RenderConfig
from render.plan import Plan
from scans.catalogue import ScanRecord

SAVE_EVERY_S = 5.0
FULL = {errno.ENOSPC, errno.EDQUOT}
BYTES_PER_PIXEL = 2.4  # of a triplet, as long as none has been made: 1.85 MB at 1024x768, a mean over the three framings


def shard_name(number: int) -> str:
    """File name of shard `number`."""
    return f"shard-{number:06d}.tar"


def shard_numbers(config: RenderConfig) -> range:
    """The shards that this run is to make. Raises UserError when `shards` is not a part of the plan."""
    number = math.ceil(config.count / config.shard_size)
    if config.shards is None:
        return range(number)
    first, _, last = config.shards.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise UserError(f"shards={config.shards}: give the first and the last one, as in shards=0-{number - 1}")
    if int(last) >= number:
        plan = f"count={config.count} with shard_size={config.shard_size} has the shards 0-{number - 1}"
        raise UserError(f"shards={config.shards}: {plan}: stay inside, or give a larger count=")
    return range(int(first), int(last) + 1)


def group_name(people: list[ScanRecord]) -> str:
    """How the people of a scene are named together."""
    return "+".join(record.id for record in people)


def left_out(people: list[ScanRecord], quarantined: dict[str, list[str]]) -> str | None:
    """The quarantined group that a scene with these people would show, if any."""
    ids = {record.id for record in people}
    return next((name for name, members in quarantined.items() if ids.issuperset(members)), None)


def plan_digest(plan: Plan) -> str:
    """Tells shards of one configuration from those of another."""
    return hashlib.sha256(json.dumps(plan.fingerprint(), sort_keys=True).encode()).hexdigest()[:16]


class Progress:
    """The state of a run's folder. What is kept here in memory can all be read from there again."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        """Raises UserError when the folder holds a dataset of another configuration."""
        self.plan, self.folder, self.numbers = plan, folder, shard_numbers(plan.config)
        self.digest = plan_digest(plan)
        self.dataset = _open(plan, folder)
        self.quarantined: dict[str, list[str]] = {}  # group -> scan ids
        self._next_save = 0.0
        self._collect()

    def begin(self) -> dict[str, Sequence[int]]:
        """Shard name -> indices of all that is missing. From now on what lies there in its place counts no more."""
        todo = self.missing()
        for name in todo:
            entry_path(self.folder / "shards" / name).unlink(missing_ok=True)
        self.finish()
        return todo

    def wanted(self) -> dict[str, Sequence[int]]:
        """Shard name -> indices of all that this run is about."""
        size = self.plan.config.shard_size
        shards = {shard_name(n): self.plan.planned(range(n * size, min((n + 1) * size, self.dataset.count))) for n in self.numbers}
        return {name: indices for name, indices in shards.items() if indices}

    def missing(self) -> dict[str, Sequence[int]]:
        """Those of the wanted shards that are not whole: unlisted, shorter than wanted, or without people who are in quarantine no
        more."""

        def whole(entry: dict[str, Any] | None, indices: Sequence[int]) -> bool:
            return entry is not None and _frames(entry) >= len(indices) and self.quarantined.keys() >= entry["skipped"].keys()

        return {name: indices for name, indices in self.wanted().items() if not whole(self.dataset.shards.get(name), indices)}

    def add(self, name: str, entry: dict[str, Any]) -> None:
        """A shard is whole. The index grows long, so it is written only now and then."""
        self.dataset.shards[name] = entry
        start = time.monotonic()
        if start > self._next_save:
            self._collect(known=self.dataset.shards)
            self.dataset.save(self.folder)
            self._next_save = start + max(SAVE_EVERY_S, 20 * (time.monotonic() - start))

    def quarantine(self, people: list[ScanRecord], reason: str, details: str) -> Path:
        """From now on leave out all frames that show these people together. Returns the file that says so."""
        name, ids = group_name(people), [record.id for record in people]
        self.quarantined[name], self.dataset.quarantined[name] = ids, reason
        path = self.folder / "quarantine" / f"{quote(name, safe='+')}.json"
        write_atomically(path, json.dumps({"people": ids, "reason": reason, "details": details}, indent=1) + "\n")
        return path

    def finish(self) -> None:
        """List all there is, until nothing came up between looking and writing: so the last driver's list has everything."""
        self._sweep()
        before: object = None
        while before != (now := self._listing()):
            self._collect()
            self.dataset.save(self.folder)
            before = now

    def check_room(self, frames: int) -> None:
        """Raises UserError when the disk has no room for so many more triplets."""
        if shutil.disk_usage(self.folder).free < frames * self._triplet_bytes():
            raise self.full(frames)

    def full(self, frames: int, place: str | None = None) -> UserError:
        """The complaint about a full disk, or about a `place` elsewhere that is full."""
        free = _size(shutil.disk_usage(place or self.folder).free)
        if place:
            return UserError(f"{place} is full ({free} free): workers hand over frames there; make room, or give fewer workers=")
        need = f"the {frames} frames that are missing need about {_size(frames * self._triplet_bytes())}"
        mend = "make room and give the same command again, or a smaller count= (a larger one adds to it later)"
        return UserError(f"{self.folder} has {free} free, and {need}: {mend}")

    def _triplet_bytes(self) -> float:
        if self.dataset.samples:
            return sum(entry["bytes"] for entry in self.dataset.shards.values()) / self.dataset.samples
        return BYTES_PER_PIXEL * self.plan.config.height * self.plan.config.width

    def _listing(self) -> set[Path]:
        return {path for folder in ("shards", "quarantine") for path in (self.folder / folder).glob("[!.]*.json")}

    def _collect(self, known: dict[str, dict[str, Any]] | None = None) -> None:
        """Read the folder; of shards only those not `known`."""
        found, self.quarantined, self.dataset.quarantined, self.dataset.shards = sorted(self._listing()), {}, {}, {}
        for path in found:
            if path.parent.name == "quarantine":
                try:
                    note = json.loads(path.read_text())
                except FileNotFoundError:  # taken away just now
                    continue
                name = "+".join(note["people"])
                self.quarantined[name], self.dataset.quarantined[name] = note["people"], note["reason"]
                continue
            shard = path.with_suffix(".tar")
            entry = (known or {}).get(shard.name) or read_entry(shard)
            if entry and entry["plan"] == self.digest:
                self.dataset.shards[shard.name] = entry

    def _sweep(self) -> None:
        """Remove what killed writers left under temporary names: of the wanted shards, and of the index."""
        names = {Path(name).stem for name in self.wanted()}
        for path in [*(self.folder / "shards").glob(".*.tmp"), *self.folder.glob(f".{DATASET_FILE}.*.tmp")]:
            if (path.parent == self.folder or path.name.split(".")[1] in names) and abandoned(path):
                path.unlink(missing_ok=True)


def _open(plan: Plan, folder: Path) -> Dataset:
    config = plan.config
    dataset = open_dataset(folder, plan.fingerprint(), config.seed, config.count)
    dataset.count, dataset.benchmark = max(dataset.count, config.count), plan.benchmark()
    given = {"scans": config.scans, "hdris": config.hdris, "backdrops": config.backdrops}
    dataset.sources = {name: value and str(Path(value).resolve()) for name, value in given.items()}
    return dataset


def open_dataset(folder: Path, fingerprint: dict[str, Any], seed: int, count: int) -> Dataset:
    """What `folder` lists, or a new list. Raises UserError when it was made with another configuration than `fingerprint`."""
    if not (folder / DATASET_FILE).exists():
        return Dataset(fingerprint, seed, count)
    dataset = Dataset.load(folder)
    there, names = dataset.configuration, sorted(set(dataset.configuration) | set(fingerprint))
    changed = [f"{n}: {there.get(n)} there, {fingerprint.get(n)} now" for n in names if there.get(n) != fingerprint.get(n)]
    if changed:
        raise UserError(f"{folder / DATASET_FILE} was made with another configuration ({'; '.join(changed)}): give another out=")
    return dataset


def _frames(entry: dict[str, Any]) -> int:
    """How many frames a shard accounts for: made, skipped or given up."""
    return entry["samples"] + sum(map(len, entry["skipped"].values())) + len(entry["given_up"])


def _size(count: float) -> str:
    power = min(max(int(math.log10(max(count, 1))) // 3, 1), 4)
    return f"{count / 1000**power:.1f} {' kMGT'[power]}B"
