"""`python -m render`: a catalogue of people in, shards of triplets out."""

import sys
from collections import Counter
from pathlib import Path

from conf.command import UserError, command
from datasets.triplet import Dataset
from render import assets, run
from render.benchmark import THuman2
from render.config import RenderConfig, check
from render.plan import Plan
from scans import catalogue
from scans.catalogue import ScanRecord

#: What `plan=` may be.
PLANS: dict[str, type[Plan]] = {"drawn": Plan, "thuman2": THuman2}


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


def prepare(config: RenderConfig) -> tuple[Plan, tuple[dict[str, Path], ...]]:
    """The plan of a configuration, and its scans, environments and photographs: name -> file. Raises UserError when it has none."""
    check(config)
    if config.plan not in PLANS:
        raise UserError(f"plan={config.plan}: choose one of {', '.join(PLANS)}")
    kind = PLANS[config.plan]
    config = kind.settled(config)
    records = people(config)
    environments = assets.environments(config.hdris, config.split)
    photographs = assets.photographs(config.backdrops)
    plan = kind(config, records, list(environments), list(photographs))
    for line in plan.notes():
        print(line)
    scans = {record.id: (Path(config.scans) / record.path).resolve() for record in records}
    return plan, (scans, environments, photographs)


@command("render", RenderConfig, groups=("experiment/render",))
def main(config: RenderConfig) -> None:
    plan, files = prepare(config)
    try:
        dataset = run.execute(plan, Path(config.out), files)
    except KeyboardInterrupt:
        print(f"stopped; what is finished is listed in {config.out}, and the same command makes the rest", file=sys.stderr)
        sys.exit(130)
    print(f"{summary(dataset)} in {config.out}")


def summary(dataset: Dataset) -> str:
    """What a dataset holds, what had to be redrawn, and what is left out."""
    entries = dataset.shards.values()
    subjects = {subject for entry in entries for subject in entry["subjects"]}
    redrawn = sum((Counter(entry["rejections"]) for entry in entries), Counter[str]())
    skipped = sum((Counter({group: len(indices) for group, indices in entry["skipped"].items()}) for entry in entries), Counter[str]())
    given_up = sum(len(entry["given_up"]) for entry in entries)
    parts = [f"{dataset.samples} triplets of {len(subjects)} people"]
    parts += [f"redrawn {number}: {reason}" for reason, number in redrawn.items()]
    parts += [f"left out {number} of {group}: {dataset.quarantined.get(group)}" for group, number in skipped.items()]
    parts += [f"left out {given_up}: rejected too often"] if given_up else []
    return "; ".join(parts)


if __name__ == "__main__":
    main()
