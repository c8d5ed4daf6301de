"""`python -m scans.people`: people from nothing but a seed, as a catalogue of textured scans."""

import json
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from conf.command import UserError, command, key, required
from datasets.triplet import abandoned, write_atomically
from scans import catalogue, glb
from scans.catalogue import ScanRecord
from scans.people.wanted import CHOICES, RANGES, Wanted

#: Raise when the same (seed, index) makes another person than before: old folders are then refused, not mixed.
GENERATOR = 3
CONFIGURATION_FILE = "people.json"
QUALITIES = ("draft", "full")


def _range(name: str, meaning: str) -> Any:
    return key(None, f"{meaning}, a number or '{name}=[least,most]', within {RANGES[name][0]:g} to {RANGES[name][1]:g}; null: any")


def _names(name: str, meaning: str) -> Any:
    return key(None, f"{meaning}, one or a list of {'|'.join(CHOICES[name])}; null: any")


@dataclass
class Config:
    """Make people: anny bodies with drawn age, build, pose, face, hair and clothes, one textured GLB each.

    The same seed gives the same people, whatever the count, the workers and the order. Run again to finish or extend a folder."""

    out: str = required("folder of the catalogue; made if absent")
    count: int = key(100, "how many people the catalogue holds")
    seed: int = key(0, "another seed makes other people")
    quality: str = key("full", "draft|full: cloth of few folds within 12 s a person, or of many within 150 s")
    texture: int = key(2048, "edge of the atlas that all textures of a person share, pixels (256 to 8192)")
    age: Any = _range("age", "years")
    sex: Any = _names("sex", "sex")
    build: Any = _range("build", "from the slimmest to the heaviest")
    tone: Any = _range("tone", "skin tone on the Monk scale")
    stature_m: Any = _range("stature_m", "stature in metres")
    garments: Any = _names("garments", "something that is worn")
    pose: Any = _names("pose", "kind of pose")
    workers: int = key(0, "processes; 0: one per CPU")
    ray_address: str | None = key(None, "a Ray cluster (host:port or auto) that shares the folder out=; null: this machine")


def run(config: Config, **options: Any) -> list[ScanRecord]:
    """Make the people that are missing and write the catalogue of all that there are. Options are `scans.people.run.make`'s.

    Raises UserError before any work.
    """
    folder, wanted = _prepare(config)
    records = {index: _kept(folder, index) for index in range(config.count)}
    try:
        if None in records.values():
            _fill(folder, records, config, wanted, options)
    finally:
        final = _catalogue(folder, records)
    return final


def _fill(folder: Path, records: dict[int, ScanRecord | None], config: Config, wanted: Wanted, options: dict[str, Any]) -> None:
    """Make the people that have no record yet, and fill these in. Says who is left out, and why."""
    from scans.people.run import Task, make  # loads Ray: only when there is work

    for path in folder.glob(".*.tmp"):  # what killed runs left
        if abandoned(path):
            path.unlink(missing_ok=True)
    missing = {index: _path(folder, index) for index, record in records.items() if record is None}
    task = Task(config.seed, config.texture, config.quality, wanted)
    pause = 0.1 if sys.stderr.isatty() else 10  # seconds: a log file needs fewer lines
    with tqdm(desc="people", unit="person", initial=config.count - len(missing), total=config.count, mininterval=pause) as bar:
        for index, fault in make(task, missing, config.workers, config.ray_address, **options):
            records[index] = None if fault else _kept(folder, index)
            if records[index] is None:
                why = fault or "its file is not there; do all machines share the folder out=?"
                bar.write(f"{missing[index].stem} is left out: {why}", file=sys.stderr)
            bar.update()


def _prepare(config: Config) -> tuple[Path, Wanted]:
    """Check the keys, and that the folder is free or holds people of this configuration; claim it."""
    if not 1 <= config.count <= 1_000_000:
        raise UserError(f"count={config.count}: give a number from 1 to 1000000")
    for name in ("seed", "workers"):
        if getattr(config, name) < 0:
            raise UserError(f"{name}={getattr(config, name)}: give 0 or a positive number")
    if not 256 <= config.texture <= 8192:
        raise UserError(f"texture={config.texture}: give a size from 256 to 8192 pixels")
    if config.quality not in QUALITIES:
        raise UserError(f"quality={config.quality}: give one of {', '.join(QUALITIES)}")
    wanted = Wanted.parse(vars(config))
    folder = Path(config.out)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"out={config.out} is a file: give a folder")
    _claim(folder, {"generator": GENERATOR, "seed": config.seed, "quality": config.quality, "texture": config.texture, **wanted.record()})
    return folder, wanted


def _claim(folder: Path, ours: dict[str, Any]) -> None:
    """Write the configuration that makes these people, or check that the folder's is the same."""
    path = folder / CONFIGURATION_FILE
    if path.is_file():
        try:
            found = dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} cannot be read ({error}): remove the folder or give another out=") from error
        names = sorted(found.keys() | ours.keys())
        differences = [f"{name}={json.dumps(found.get(name))}" for name in names if found.get(name) != ours.get(name)]
        if differences:
            raise UserError(f"{folder} holds people made with {', '.join(differences)}: give the same, or another out=")
    elif (folder / catalogue.CATALOGUE_FILE).exists():
        raise UserError(f"{folder} holds a catalogue that is not of this command: give another out=")
    else:
        write_atomically(path, json.dumps(ours, sort_keys=True) + "\n")


def _path(folder: Path, index: int) -> Path:
    return folder / f"person-{index:06d}.glb"


def _kept(folder: Path, index: int) -> ScanRecord | None:
    """The record of a person whose file is there and whole, to the last byte."""
    extras = glb.read_extras(_path(folder, index))
    return _record(extras["record"]) if extras else None


def _record(values: dict[str, Any]) -> ScanRecord:
    low, high = (tuple(corner) for corner in values["bounds"])
    return ScanRecord(**{**values, "bounds": (low, high), "head": tuple(values["head"])})


def _catalogue(folder: Path, records: dict[int, ScanRecord | None]) -> list[ScanRecord]:
    """Give every record its split, keeping those of an older catalogue and its further people, and write."""
    known = {record.id: record for record in catalogue.read(folder)} if (folder / catalogue.CATALOGUE_FILE).is_file() else {}
    people: dict[str, ScanRecord | None] = {**known, **{_path(folder, index).stem: record for index, record in records.items()}}
    everyone = [record for _, record in sorted(people.items()) if record is not None]
    splits = catalogue.assign_splits([record.subject for record in everyone], {record.subject: record.split for record in known.values()})
    final = [replace(record, split=splits[record.subject]) for record in everyone]
    if final != list(known.values()):
        catalogue.write(folder, final)
    return final


@command("scans.people", Config)
def main(config: Config) -> None:
    try:
        records = run(config)
    except KeyboardInterrupt:
        print(f"stopped; what is finished is listed in {config.out}, and the same command makes the rest", file=sys.stderr)
        sys.exit(130)
    if not records:
        raise UserError("nobody could be made: what stands above says why")
    splits = Counter(record.split for record in records)
    counts = ", ".join(f"{splits[name]} {name}" for name in catalogue.SPLITS)
    print(f"{Path(config.out) / catalogue.CATALOGUE_FILE}: {len(records)} people ({counts})")
    rejections = sum((Counter(record.attributes.get("rejections", {})) for record in records), Counter[str]())
    for reason, number in rejections.most_common():
        print(f"drawn again {number} times: {reason}")
    wanted = {_path(Path(config.out), index).stem for index in range(config.count)}
    if left_out := wanted - {record.id for record in records}:
        print(f"left out {len(left_out)}: give a larger count for others in their place")


if __name__ == "__main__":
    main()
