"""Where samples come from: a folder in one of the layouts that are read, told to the reader in one small protocol."""

import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import webdataset as wds

from datasets import synthhuman
from datasets.triplet import DATASET_FILE, MEMBERS, Dataset, Triplet, decode

People = tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """A sample that is at hand, not decoded yet. `decode(fields)` gives the triplet, or raises ValueError naming the member."""

    key: str
    decode: Callable[[Sequence[str]], Triplet]


class Source(Protocol):
    """A dataset in parts that are best read from one end to the other."""

    @property
    def folder(self) -> Path:
        """What error messages call it."""
        ...

    @property
    def counts(self) -> Sequence[int]:
        """Samples of each part."""
        ...

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a triplet that its first sample has."""
        ...

    def name(self, part: int) -> str:
        """What a part is called: a file, relative to the folder."""
        ...

    def read(self, part: int, places: Sequence[int]) -> Iterator[tuple[int, Sample]]:
        """The samples at `places` (ascending positions within the part), as far as they can be reached."""
        ...

    def people(self, part: int) -> list[tuple[str, People | None]]:
        """Key and people of the samples of a part, in order, as far as can be read: it may end early, and None is unknown."""
        ...


class Shards:
    """Our own layout: the tar shards that `dataset.json` lists, in order. Nothing else on disk is ever read.

    Raises FileNotFoundError or ValueError, naming the file and the mend.
    """

    def __init__(self, folder: Path) -> None:
        dataset, self.folder = Dataset.load(folder), Path(folder)
        self.paths = [path.absolute() for path in dataset.paths(folder)]
        if not self.paths:
            raise ValueError(f"{folder} lists no shards: render it again with a larger count")
        for path in self.paths:
            if not path.is_file():
                raise FileNotFoundError(f"{path} is listed in dataset.json but does not exist: copy it here, or render it again")
        self.counts = [dataset.shards[path.name]["samples"] for path in self.paths]
        self._people: dict[int, list[tuple[str, People | None]]] = {}

    @property
    def fields(self) -> frozenset[str]:
        try:
            with tarfile.open(self.paths[0]) as tar:
                names = [info.name.partition(".") for info, _ in zip(tar, MEMBERS, strict=False)]
        except tarfile.TarError as error:
            raise ValueError(f"{self.paths[0]} cannot be read ({error}): copy or render it again") from error
        suffixes = {suffix for key, _, suffix in names if key == names[0][0]}
        return frozenset(name for name, member in MEMBERS.items() if member.suffix in suffixes)

    def name(self, part: int) -> str:
        return self.paths[part].name

    def read(self, part: int, places: Sequence[int]) -> Iterator[tuple[int, Sample]]:
        wanted = set(places)
        stop = lambda error: False  # at damage, after the samples before it; the reader names those that do not come
        for place, members in enumerate(wds.tarfile_to_samples(handler=stop)([{"url": str(self.paths[part])}])):
            if place in wanted:
                yield place, Sample(members["__key__"], partial(decode, members["__key__"], members))
            if place == places[-1]:
                return

    def people(self, part: int) -> list[tuple[str, People | None]]:
        if part not in self._people:
            self._people[part] = list(_people(self.paths[part]).items())
        return self._people[part]


def _people(path: Path) -> dict[str, People | None]:
    found: dict[str, People | None] = {}
    try:
        with tarfile.open(path) as tar:
            for info in tar:
                key, _, suffix = info.name.partition(".")
                found.setdefault(key, None)
                stream = tar.extractfile(info) if suffix == MEMBERS["meta"].suffix else None
                if stream is not None:
                    found[key] = _subjects(stream.read())
    except (tarfile.TarError, OSError):
        return found  # whoever reads the rest will say that it is damaged
    return found


def _subjects(meta: bytes) -> People | None:
    try:
        return tuple(person.get("subject", person["scan"]) for person in json.loads(meta)["subjects"])
    except (ValueError, KeyError):
        return None


class SynthHuman:
    """DAViD's layout, in its own files; see `datasets/synthhuman.py`. Parts are runs of consecutive samples.

    Who is in a picture is not told: each sample counts as a person of its own.
    """

    PART = 64

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers = Path(folder), synthhuman.find(folder)
        self.counts = [len(self.numbers[start : start + self.PART]) for start in range(0, len(self.numbers), self.PART)]
        self.fields = frozenset(synthhuman.FIELDS)

    def _number(self, part: int, place: int) -> str:
        return self.numbers[part * self.PART + place]

    def name(self, part: int) -> str:
        return f"rgb_{self._number(part, 0)}.png and the {self.counts[part] - 1} that follow"

    def read(self, part: int, places: Sequence[int]) -> Iterator[tuple[int, Sample]]:
        for place in places:
            number = self._number(part, place)
            yield place, Sample(number, partial(synthhuman.decode, self.folder, number))

    def people(self, part: int) -> list[tuple[str, People | None]]:
        numbers = [self._number(part, place) for place in range(self.counts[part])]
        return [(number, (f"synthhuman-{number}",)) for number in numbers]


class InMemory:
    """Another source, whose samples are kept decoded once they have been read: fastest for what fits."""

    def __init__(self, source: Source, fields: Sequence[str]) -> None:
        self.source, self.wanted = source, fields
        self.folder, self.counts, self.fields = source.folder, source.counts, source.fields
        self.name, self.people = source.name, source.people
        self._kept: dict[tuple[int, int], Sample] = {}

    def read(self, part: int, places: Sequence[int]) -> Iterator[tuple[int, Sample]]:
        lacking = [place for place in places if (part, place) not in self._kept]
        if lacking:
            for place, sample in self.source.read(part, lacking):
                self._kept[part, place] = self._decoded(sample)
        for place in places:
            if (part, place) in self._kept:
                yield place, self._kept[part, place]

    def _decoded(self, sample: Sample) -> Sample:
        try:
            triplet = sample.decode(self.wanted)
        except ValueError:
            return sample  # whoever asks for it will be told
        return Sample(sample.key, lambda fields: triplet)


def open_source(folder: Path) -> Source:
    """The dataset in a folder, whatever its layout. Raises FileNotFoundError or ValueError, naming the file and the mend."""
    if not (Path(folder) / DATASET_FILE).is_file() and synthhuman.is_layout(folder):
        return SynthHuman(folder)
    return Shards(folder)


def require(source: Source, fields: Iterable[str]) -> None:
    """Raise ValueError when a dataset lacks a field that is asked for."""
    lacking = sorted(set(fields) - source.fields)
    if lacking:
        mend = "render it with albedo=true" if lacking == ["albedo"] else "render it again"
        raise ValueError(f"{source.folder} has no {' and no '.join(lacking)} in its first sample: {mend}, or use another dataset")
