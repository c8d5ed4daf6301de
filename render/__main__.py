"""`python -m render`: a catalogue of people in, shards of triplets out."""

import math
from collections import Counter
from pathlib import Path

from conf.command import UserError, command
from render import assets, run
from render.config import RenderConfig
from render.plan import FRAMINGS, Plan
from scans import catalogue
from scans.catalogue import SPLITS, ScanRecord


def people(config: RenderConfig) -> list[ScanRecord]:
    """The catalogue's records of the wanted split. Raises UserError when there are none, or a file is missing."""
    try:
        records = catalogue.read(Path(config.scans))
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
    kept = [record for record in records if config.split in ("all", record.split)]
    if not kept:
        have = ", ".join(f"{split}: {count}" for split, count in sorted(Counter(r.split for r in records).items()))
        raise UserError(f"{config.scans} has no scan with split={config.split} (it has {have or 'none'}): choose another split, or all")
    for record in kept:
        if not (Path(config.scans) / record.path).is_file():
            raise UserError(f"{Path(config.scans) / record.path}, of scan {record.id}, does not exist: make the catalogue again")
    return kept


def check(config: RenderConfig) -> None:
    """Refuse values that cannot be rendered. Raises UserError naming key, value and mend."""
    choices = {"framing": ("mix", *FRAMINGS), "split": (*SPLITS, "all")}
    for name, allowed in choices.items():
        if getattr(config, name) not in allowed:
            raise UserError(f"{name}={getattr(config, name)}: choose one of {', '.join(allowed)}")
    for name in ("count", "height", "width", "samples", "frames_per_scan", "shard_size"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    for group, name in [("camera", n) for n in ("lens_mm", "orbit_deg", "face_orbit_deg", "elevation_deg", "fill")] + [
        ("light", "strength")
    ]:
        limits = getattr(getattr(config, group), name)
        if len(limits) != 2 or not limits[0] <= limits[1] or not all(map(math.isfinite, limits)):
            raise UserError(f"{group}.{name}={limits}: give a range, '{group}.{name}=[low,high]'")


@command("render", RenderConfig)
def main(config: RenderConfig) -> None:
    check(config)
    records = people(config)
    environments = assets.environments(config.hdris, config.split)
    photographs = assets.photographs(config.backdrops)
    plan = Plan(config, records, list(environments), list(photographs))
    scans = {record.id: (Path(config.scans) / record.path).resolve() for record in records}
    dataset = run.execute(plan, Path(config.out), (scans, environments, photographs))
    rejections = sum((Counter(shard["rejections"]) for shard in dataset.shards.values()), Counter())
    samples = sum(shard["samples"] for shard in dataset.shards.values())
    shown = {plan.record(index).subject for index in range(dataset.count)}
    print(f"{samples} triplets of {len(shown)} people in {config.out}" + "".join(f"; redrawn {n}: {r}" for r, n in rejections.items()))


if __name__ == "__main__":
    main()
