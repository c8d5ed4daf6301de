"""What is scored on: the named benchmarks, whose protocol is fixed, and any other folder of triplets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conf.command import UserError
from datasets.source import Source, open_source, require
from datasets.triplet import DATASET_FILE, Dataset
from train.results import Benchmark
from train.tasks import fields

#: Alignment that suits a method's depth -> those that are shown. What is asked of relative depth, metric depth is asked too.
SHOWN = {
    "none": ("none", "scale", "lsq", "median"),
    "scale": ("scale", "lsq", "median"),
    "lsq": ("lsq", "median"),
    "lsq_disparity": ("lsq_disparity",),
}


@dataclass(frozen=True)
class Protocol:
    """A named benchmark: its dataset.json must say this name, version and seed.

    made   how its set is made
    tasks  what is scored on it
    """

    name: str
    version: int
    seed: int | None
    made: str
    tasks: tuple[str, ...] = ("depth", "normal")

    @property
    def folder(self) -> Path:
        """Where its set is looked for."""
        return Path("data") / self.name


PROTOCOLS = {
    "thuman2": Protocol("thuman2", 1, 2024, "python -m render plan=thuman2 scans=CATALOGUE out=DIR"),
    "hi4d": Protocol("hi4d", 1, None, "python -m render.hi4d source=HI4D out=DIR pairs=[28,32,37] cameras=[4]"),
}


@dataclass(frozen=True)
class Data:
    """A dataset to score on, and its protocol; None: a folder of one's own. planned: images that there should be, without those
    left_out, by rule, when it was made."""

    folder: Path
    source: Source
    facts: Benchmark
    planned: int
    left_out: int = 0
    protocol: Protocol | None = None

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.protocol.name} v{self.protocol.version}" if self.protocol else self.facts.data

    def alignments(self, suits: str, stated: str | None) -> Sequence[str]:
        """Those of depth that are shown, the most telling one first."""
        return (stated,) if stated else SHOWN[suits] if self.protocol else (suits,)


def opened(benchmark: str, data: str | None) -> Data:
    """The dataset of `benchmark=` and `data=`. Raises UserError where it is none, or not the named benchmark's."""
    protocol = PROTOCOLS.get(benchmark)
    if protocol is None and data is not None:
        raise UserError(f"data={data} goes with benchmark={'|'.join(PROTOCOLS)}; of a folder of your own, give benchmark={data}")
    if protocol is None and not Path(benchmark).is_dir():
        raise UserError(f"benchmark={benchmark}: give {', '.join(PROTOCOLS)}, or a folder of triplets")
    folder = Path(benchmark) if protocol is None else Path(data) if data else protocol.folder
    key = "benchmark" if protocol is None else "data"
    if protocol and not folder.is_dir():
        raise UserError(f"data={folder} does not exist: make it with `{protocol.made}`")
    try:
        source = open_source(folder)
        told = Dataset.load(folder) if (folder / DATASET_FILE).is_file() else None
    except (OSError, ValueError) as error:
        raise UserError(f"{key}={folder}: {error}") from error
    if protocol:
        _refuse_others(protocol, folder, told.benchmark if told else {})
    images, left_out = sum(source.counts), told.given_up if told else 0
    planned = told.count - left_out if told else images
    facts = Benchmark(
        name=protocol.name if protocol else None,
        version=protocol.version if protocol else None,
        data=folder.resolve().name,
        sha256=told.digest if told else None,
        images=images,
        whole=images == planned,
    )
    return Data(folder, source, facts, planned, left_out, protocol)


def _refuse_others(protocol: Protocol, folder: Path, told: Mapping[str, object]) -> None:
    """Raise UserError where dataset.json does not tell that this is the protocol's set."""
    wanted = {"name": protocol.name, "version": protocol.version} | ({} if protocol.seed is None else {"seed": protocol.seed})
    wrong = [f"{name} {told.get(name)}, not {value}" for name, value in wanted.items() if told.get(name) != value]
    if wrong:
        raise UserError(f"{folder / DATASET_FILE} says benchmark {'; '.join(wrong)}: make the set with `{protocol.made}`")
    if not told.get("standard", True):
        raise UserError(f"{folder} was not made as published (benchmark.standard in dataset.json): score it as benchmark={folder}")


def refuse_lacking(data: Data, tasks: Sequence[str]) -> None:
    """Raise UserError where the dataset has no truth of a task."""
    try:
        require(data.source, fields(tasks))
    except ValueError as error:
        raise UserError(f"benchmark={data.folder}: {error}") from error
