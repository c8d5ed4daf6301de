"""`python -m scans.people`: people from nothing but a seed, as a catalogue of textured scans."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from conf.command import UserError, command, key, required
from datasets.triplet import write_atomically
from scans import catalogue, glb
from scans.catalogue import ScanRecord

#: Raise when the same (seed, index) makes another person than before: old folders are then refused, not mixed.
GENERATOR = 1
CONFIGURATION_FILE = "people.json"


@dataclass
class Config:
    """Make people: anny bodies with drawn age, build, pose, face, hair and clothes, one textured GLB each.

    The same seed gives the same people, whatever the count. Run again to finish or extend a folder."""

    out: str = required("folder of the catalogue; made if absent")
    count: int = key(100, "how many people the catalogue holds; 2 to 3 seconds each")
    seed: int = key(0, "another seed makes other people")
    texture: int = key(1024, "edge of the skin texture, pixels (64 to 8192); cloth takes half")


def run(config: Config) -> list[ScanRecord]:
    """Make the people that are missing and write the catalogue of all. Raises UserError before any work."""
    folder = _prepare(config)
    records = {index: _kept(folder, index) for index in range(config.count)}
    missing = [index for index, record in records.items() if record is None]
    if missing:
        from scans.people.person import Studio  # loads torch and anny: only when there is work

        studio = Studio(config.texture)
        for index in tqdm(missing, desc="people", unit="person", initial=config.count - len(missing), total=config.count):
            person = studio.person(config.seed, index)
            name = _name(index)
            path = folder / f"{name}.glb"
            record = {
                "id": name, "path": path.name, "subject": name, "split": "", "source": "phidias.people", "licence": "CC0-1.0",
                "height_m": round(person.height_m, 4), "textured": True,
                "vertices": len(person.mesh.vertices), "faces": len(person.mesh.faces),
                "bounds": person.bounds, "head": person.head, "head_radius": person.head_radius, "attributes": person.attributes,
            }  # fmt: skip
            glb.write(person.mesh, path, {"record": record})
            records[index] = _record(record)
    return _catalogue(folder, [record for record in records.values() if record is not None])


def _prepare(config: Config) -> Path:
    """Check the keys, and that the folder is free or holds people of this configuration; claim it."""
    if not 1 <= config.count <= 1_000_000:
        raise UserError(f"count={config.count}: give a number from 1 to 1000000")
    if config.seed < 0:
        raise UserError(f"seed={config.seed}: give 0 or a positive number")
    if not 64 <= config.texture <= 8192:
        raise UserError(f"texture={config.texture}: give a size from 64 to 8192 pixels")
    folder = Path(config.out)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"out={config.out} is a file: give a folder")
    wanted: dict[str, Any] = {"generator": GENERATOR, "seed": config.seed, "texture": config.texture}
    path = folder / CONFIGURATION_FILE
    if path.is_file():
        try:
            found = json.loads(path.read_text())
        except ValueError as error:
            raise UserError(f"{path} cannot be read ({error}): remove the folder or give another out=") from error
        differences = [f"{name}={found.get(name)}" for name, value in wanted.items() if found.get(name) != value]
        if differences:
            raise UserError(f"{folder} holds people made with {', '.join(differences)}: give the same, or another out=")
    elif (folder / catalogue.CATALOGUE_FILE).exists():
        raise UserError(f"{folder} holds a catalogue that is not of this command: give another out=")
    else:
        write_atomically(path, json.dumps(wanted, sort_keys=True) + "\n")
    return folder


def _name(index: int) -> str:
    return f"person-{index:06d}"


def _kept(folder: Path, index: int) -> ScanRecord | None:
    """The record of a person whose file is there and whole, to the last byte."""
    extras = glb.read_extras(folder / f"{_name(index)}.glb")
    return _record(extras["record"]) if extras else None


def _record(values: dict[str, Any]) -> ScanRecord:
    low, high = (tuple(corner) for corner in values["bounds"])
    return ScanRecord(**{**values, "bounds": (low, high), "head": tuple(values["head"])})


def _catalogue(folder: Path, records: list[ScanRecord]) -> list[ScanRecord]:
    """Give every record its split, keeping those of an older catalogue and its further people, and write."""
    known = {record.id: record for record in catalogue.read(folder)} if (folder / catalogue.CATALOGUE_FILE).is_file() else {}
    everyone = {**known, **{record.id: record for record in records}}
    splits = catalogue.assign_splits(sorted(everyone), {record.subject: record.split for record in known.values()})
    final = [ScanRecord(**{**vars(record), "split": splits[record.subject]}) for _, record in sorted(everyone.items())]
    if final != list(known.values()):
        catalogue.write(folder, final)
    return final


@command("scans.people", Config)
def main(config: Config) -> None:
    records = run(config)
    splits = Counter(record.split for record in records)
    counts = ", ".join(f"{splits[name]} {name}" for name in catalogue.SPLITS)
    print(f"{Path(config.out) / catalogue.CATALOGUE_FILE}: {len(records)} people ({counts})")


if __name__ == "__main__":
    main()
