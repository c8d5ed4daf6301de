"""Reading datasets: shuffled and endless for training; in order and exactly once for evaluation."""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from conf.command import UserError
from datasets.batch import Batch, collate
from datasets.conventions import Array
from datasets.order import Mixture, Order, Stretch
from datasets.source import People, Sample, Source, open_source
from datasets.triplet import Triplet

FIELDS = ("rgb", "mask", "alpha", "depth", "normal", "meta")
#: So many samples in a row that cannot be read end a run at once.
HOPELESS = 100

Key = TypeVar("Key", bound=Hashable)
Place = tuple[int, int]


class Unreadable(UserError):
    """A sample, or all there are, cannot be read. One line, also out of a loader worker: from there torch passes on a
    traceback as the message, which ends with the line that counts."""

    def __init__(self, message: str) -> None:
        super().__init__(message.strip().splitlines()[-1].removeprefix(f"{__name__}.{type(self).__name__}: "))


def people_by_sample(folder: Path) -> dict[str, People]:
    """Sample key -> the people in it (a person may have several scans). Reads only the small JSON members."""
    return known_people(open_source(folder))


def known_people(source: Source) -> dict[str, People]:
    """As `people_by_sample`, of a source."""
    entries = (entry for part in range(len(source.counts)) for entry in source.people(part))
    return {key: people for key, people in entries if people is not None}


def hold_out(samples: dict[Key, People], fraction: float, seed: int) -> tuple[frozenset[Key], frozenset[Key]]:
    """Keys to train on and keys to validate on, which share no person.

    About `fraction` of the people, at least one, are held out. A sample that shows both kinds of people is in neither.
    Raises ValueError when one side would be empty.
    """
    people = sorted({person for names in samples.values() for person in names})
    count = max(1, round(fraction * len(people)))
    held = set(np.random.default_rng(seed).permutation(people)[:count].tolist())
    train = frozenset(key for key, names in samples.items() if not held & set(names))
    validation = frozenset(key for key, names in samples.items() if set(names) <= held)
    if not train or not validation:
        raise ValueError(f"cannot hold out {count} of {len(people)} people for validation: render more, or give val_data=DIR")
    return train, validation


def places(source: Source, keys: frozenset[str] | None, unknown: bool = False) -> list[Array]:
    """The positions to read in each part: all, or those of `keys`; with `unknown`, those too whose people cannot be read."""

    if keys is None:
        return [np.arange(count) for count in source.counts]
    wanted = []
    for part, count in enumerate(source.counts):
        known = source.people(part)[:count]
        chosen = [unknown if people is None else key in keys for key, people in known]
        wanted.append(np.flatnonzero(chosen + [unknown] * (count - len(known))))
    return wanted


def _arriving(source: Source, rows: Array) -> Iterator[tuple[Place, Sample | str]]:
    """The samples of rows (part, place) in order, or why one cannot be had."""
    for part, group in groupby(rows.tolist(), key=lambda row: row[0]):
        wanted = [place for _, place in group]
        found = source.read(part, wanted)
        for place in wanted:
            _, sample = next(found, (place, None))
            lost = (
                f"{source.name(part)}: sample {place + 1} of {source.counts[part]} cannot be reached: the file is cut or damaged before it"
            )
            yield (part, place), sample or lost


def _decoded(source: Source, part: int, sample: Sample | str, fields: Sequence[str]) -> Triplet | str:
    if isinstance(sample, str):
        return f"{source.folder}/{sample}"
    try:
        return sample.decode(fields)
    except ValueError as error:
        return f"{source.folder}/{source.name(part)}: {error}"


def _in_turn(source: Source, stretches: Iterable[Stretch], fields: Sequence[str]) -> Iterator[Triplet | str]:
    """The triplets of stretches in their shuffled order. Each stretch is read from one end to the other; samples wait,
    encoded, for their turn. What has had its turn before is not read."""
    for stretch in stretches:
        rows = stretch.rows[np.sort(stretch.turns)]
        arriving = _arriving(source, rows)
        waiting: dict[Place, Sample | str] = {}
        for row in stretch.rows[stretch.turns].tolist():
            place = (row[0], row[1])
            while place not in waiting:
                waiting.update([next(arriving)])
            yield _decoded(source, place[0], waiting.pop(place), fields)


class Training(IterableDataset[Batch]):
    """Endless, shuffled batches of one process, made by its loader workers: for a DataLoader with batch_size=None.

    Each dataset is read over and over, each time each of its samples (those at `places`) exactly once by all consumers
    together: the loader workers of all processes, or the processes themselves where there are none. `weights` mix
    several datasets, sample by sample; each counts its own passes.

    The order depends on seed, batch_size, weights, world and the number of workers, not on history: with `start`, the
    number of batches that this process has taken before, it goes on where an unbroken run would, and opens no shard
    that has passed.

    In the place of a sample that cannot be read, the batch has the next one that can; `batch["skipped"]` names it.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        batch_size: int,
        seed: int,
        wanted: Sequence[Sequence[Array]],
        weights: Sequence[float],
        fields: Sequence[str] = FIELDS,
        rank: int = 0,
        world: int = 1,
        start: int = 0,
    ) -> None:
        self.sources, self.batch_size, self.seed, self.wanted, self.weights = sources, batch_size, seed, wanted, weights
        self.fields, self.rank, self.world, self.start = fields, rank, world, start

    def __iter__(self) -> Iterator[Batch]:
        worker, workers = _worker()
        # A DataLoader always asks worker 0 first: after `start` batches it acts as the one whose turn it is.
        turn = (worker + self.start) % workers
        batches = (self.start - turn + workers - 1) // workers
        results = self._triplets(self.rank * workers + turn, self.world * workers, batches * self.batch_size)
        ahead: deque[Triplet | str] = deque()
        while True:
            ahead.extend(next(results) for _ in range(self.batch_size - len(ahead)))
            slots = [ahead.popleft() for _ in range(self.batch_size)]
            found = [slot for slot in slots if isinstance(slot, Triplet)]
            ahead.extendleft(reversed(self._fill(found, ahead, results)))
            batch = collate(found)
            batch["skipped"] = [slot for slot in slots if isinstance(slot, str)]
            yield batch

    def _fill(self, found: list[Triplet], ahead: deque[Triplet | str], results: Iterator[Triplet | str]) -> list[Triplet | str]:
        """Complete a batch with copies of what comes next. Returns what had to be looked at for that, in order."""
        seen: list[Triplet | str] = []
        while len(found) < self.batch_size:
            following = ahead.popleft() if ahead else next(results)
            seen.append(following)
            if isinstance(following, Triplet):
                found.append(following)
            elif len(seen) >= HOPELESS and not any(isinstance(slot, Triplet) for slot in seen):
                raise Unreadable(f"{HOPELESS} samples in a row cannot be read, the last one being {following}: mend or copy the data again")
        return seen

    def _triplets(self, consumer: int, consumers: int, taken: int) -> Iterator[Triplet | str]:
        mixture = Mixture(self.weights, self.seed, consumer)
        streams = [
            _in_turn(source, Order(wanted, _seed(self.seed, number), consumer, consumers).after(passed), self.fields)
            for number, (source, wanted, passed) in enumerate(zip(self.sources, self.wanted, mixture.taken(taken), strict=True))
        ]
        for choice in mixture.after(taken):
            yield next(streams[choice])


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _worker() -> tuple[int, int]:
    info = get_worker_info()
    return (info.id, info.num_workers) if info is not None else (0, 1)


class Evaluation(IterableDataset[Triplet]):
    """Every triplet (of `keys`, where given) of sources, one after the other, exactly once and in order, also through several
    loader workers; the share of one of `world` processes.

    Order survives workers because whole batches of `batch_size` are dealt to them in turn, as a DataLoader collects them.
    A sample that cannot be read raises Unreadable: no score is of less than was asked for.
    """

    def __init__(
        self,
        sources: Sequence[tuple[Source, frozenset[str] | None]],
        batch_size: int,
        rank: int = 0,
        world: int = 1,
        fields: Sequence[str] = FIELDS,
    ) -> None:
        self.sources = [source for source, _ in sources]
        self.batch_size, self.rank, self.world, self.fields = batch_size, rank, world, fields
        wanted = enumerate(places(source, keys) for source, keys in sources)
        rows = [(number, part, place) for number, parts in wanted for part, found in enumerate(parts) for place in found.tolist()]
        self.rows = np.array(rows, dtype=np.int64).reshape(-1, 3)

    def __iter__(self) -> Iterator[Triplet]:
        worker, workers = _worker()
        position = np.arange(len(self.rows))
        mine = self.rows[(position % self.world == self.rank) & (position // self.world // self.batch_size % workers == worker)]
        for number, source in enumerate(self.sources):
            for (part, _), sample in _arriving(source, mine[mine[:, 0] == number, 1:]):
                triplet = _decoded(source, part, sample, self.fields)
                if isinstance(triplet, str):
                    raise Unreadable(f"{triplet}: copy or make this file again")
                yield triplet


def evaluation(
    folder: Path,
    batch_size: int,
    keys: frozenset[str] | None = None,
    rank: int = 0,
    world: int = 1,
    fields: Sequence[str] = FIELDS,
) -> Evaluation:
    """Every triplet of a folder, in any layout that is read; see `Evaluation`."""
    return Evaluation([(open_source(folder), keys)], batch_size, rank, world, fields)
