"""In which order training reads a dataset: integers alone, so that any place in it can be computed without reading.

A pass puts the parts (shards) in a random order and cuts the row of all their samples into one stretch per consumer; a
part may be cut in two. Each consumer shuffles its stretch through a window, as one does who reads it from one end to the
other and holds WINDOW samples. Consumers change stretches with every pass, so none gets ahead by more than a sample.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array

#: Samples that wait, still encoded, to be drawn from: neighbours in a shard share a scan, batches should not.
WINDOW = 128
#: Draws of a mixture that are made at once.
_BLOCK = 4096


@dataclass(frozen=True)
class Stretch:
    """A consumer's samples of one pass: rows (N,2) of part and place in the order of reading, and `turns` (N,), which of the
    rows comes first, second, ..."""

    rows: Array
    turns: Array


@dataclass(frozen=True)
class Order:
    """The endless order of one dataset for one of `consumers` that share it: a pure function of these values.

    places: for each part, the positions that are read. Raises ValueError when there are none.
    """

    places: Sequence[Array]
    seed: int
    consumer: int = 0
    consumers: int = 1

    def __post_init__(self) -> None:
        if not self.samples:
            raise ValueError("there is nothing to read")

    @property
    def samples(self) -> int:
        """Samples of one pass, of all consumers together."""
        return sum(len(places) for places in self.places)

    def _bounds(self, epoch: int) -> tuple[int, int]:
        place = (self.consumer + epoch) % self.consumers
        return self.samples * place // self.consumers, self.samples * (place + 1) // self.consumers

    def stretch(self, epoch: int) -> Stretch:
        """What this consumer reads in one pass."""
        parts = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.places))
        row = np.concatenate([np.stack([np.full(len(self.places[part]), part), self.places[part]], 1) for part in parts])
        start, end = self._bounds(epoch)
        generator = np.random.default_rng([self.seed, 1, epoch, self.consumer, self.consumers])
        return Stretch(row[start:end], through_window(end - start, WINDOW, generator))

    def after(self, taken: int) -> Iterator[Stretch]:
        """The order from the sample after the first `taken` on: a stretch per pass, of which the first may be a rest."""
        epoch = taken // self.samples * self.consumers  # as many passes give every consumer `samples` samples
        taken %= self.samples
        while True:
            start, end = self._bounds(epoch)
            if taken < end - start:
                whole = self.stretch(epoch)
                yield Stretch(whole.rows, whole.turns[taken:])
            taken = max(0, taken - (end - start))
            epoch += 1


def through_window(count: int, window: int, generator: np.random.Generator) -> Array:
    """A permutation of range(count) by drawing from a window that is refilled in order, as webdataset's shuffle does."""
    waiting, turns = list(range(min(window, count))), []
    for arriving, draw in zip(range(window, count), generator.random(max(0, count - window)), strict=True):
        chosen = int(draw * window)
        turns.append(waiting[chosen])
        waiting[chosen] = arriving
    return np.array([*turns, *generator.permutation(waiting)], dtype=np.int64)


@dataclass(frozen=True)
class Mixture:
    """Which of several datasets the n-th sample of a consumer comes from: independent draws by weight."""

    weights: Sequence[float]
    seed: int
    consumer: int = 0

    def _block(self, number: int) -> Array:
        share = np.asarray(self.weights, dtype=np.float64)
        return np.random.default_rng([self.seed, 2, self.consumer, number]).choice(len(share), _BLOCK, p=share / share.sum())

    def taken(self, count: int) -> list[int]:
        """How many of the first `count` samples come from each dataset."""
        blocks = [self._block(number) for number in range(-(-count // _BLOCK))]
        drawn = np.concatenate(blocks)[:count] if blocks else np.zeros(0, np.int64)
        return np.bincount(drawn, minlength=len(self.weights)).tolist()

    def after(self, count: int) -> Iterator[int]:
        """The draws from the one after the first `count` on."""
        number, offset = divmod(count, _BLOCK)
        while True:
            yield from self._block(number)[offset:].tolist()
            number, offset = number + 1, 0
