"""Results that may stand side by side, and their paired differences."""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conf.command import UserError
from train.metrics import EVERYTHING, Difference, Scores, difference
from train.results import AVERAGES, Images, Part, Results, Row, read, read_images
from train.tasks import TASKS

#: Of every pair's resamples, so that a pair's digits do not depend on the others.
SEED = 0


@dataclass(frozen=True)
class Entry:
    """One method's results, and what it is called here."""

    label: str
    folder: Path
    results: Results
    images: Images

    def alignments(self, task: str) -> list[str | None]:
        """By which the task was scored, the leading one first; empty where it was not scored."""
        return list(dict.fromkeys(row.alignment for row in self.results.rows if row.task == task))

    def groups(self, task: str) -> list[str]:
        """The task's groups of pixels, with the one of all."""
        return list(dict.fromkeys(row.group for row in self.results.rows if row.task == task))

    def row(self, part: Part, average: str) -> Row | None:
        """The row of this part and average."""
        return next((row for row in self.results.rows if (*part, average) == (row.task, row.alignment, row.group, row.average)), None)


@dataclass(frozen=True)
class Pair:
    """First less second: average -> figure -> difference. images: those that both scored; people: who they show."""

    first: Entry
    second: Entry
    part: Part
    images: int
    people: int
    differences: dict[str, dict[str, Difference]]


def gather(folders: Sequence[Path]) -> list[Entry]:
    """Read results. Raises UserError where one cannot be read, is given twice, or is of another benchmark or dataset than the first."""
    if not folders:
        raise UserError("results=[] names no results: give the out= folders of train.evaluate, results=[A,B]")
    twice = [folder for folder, count in Counter(folder.resolve() for folder in folders).items() if count > 1]
    if twice:
        raise UserError(f"results= names {twice[0].name} twice: give each folder once")
    read_all = [(folder, results := read(folder), read_images(folder, results)) for folder in folders]
    for folder, results, images in read_all[1:]:
        _refuse_others(read_all[0], (folder, results, images))
    names = Counter(results.method.name for _, results, _ in read_all)
    entries = [Entry(_label(folder, results, names), folder, results, images) for folder, results, images in read_all]
    alike = [label for label, count in Counter(entry.label for entry in entries).items() if count > 1]
    if alike:
        raise UserError(f"results= has two that would both be called {alike[0]!r}: rename one folder")
    return entries


def _label(folder: Path, results: Results, names: Counter[str]) -> str:
    name = results.method.name
    return name if names[name] == 1 else f"{name} ({folder.resolve().name})"


def _refuse_others(first: tuple[Path, Results, Images], other: tuple[Path, Results, Images]) -> None:
    """Refuse results of other data: other shards, or other images. A named set may have been made twice: its bytes hang on the machine."""
    ours, theirs = (dataclasses.asdict(results.benchmark) for _, results, _ in (first, other))
    names = {"name": "benchmark", "version": "benchmark version", "images": "images", "whole": "whole dataset"}
    for name, what in (names if ours["name"] else names | {"sha256": "the shards' sha256"}).items():
        if ours[name] != theirs[name]:
            raise UserError(
                f"results= differ: {what} is {ours[name]} in {first[0]}, {theirs[name]} in {other[0]}: score both on one dataset"
            )
    keys = [{*images.keys, *(skipped.key for skipped in results.skipped)} for _, results, images in (first, other)]
    if different := sorted(keys[0] ^ keys[1]):
        where = first[0] if different[0] in keys[0] else other[0]
        raise UserError(
            f"results= differ: image {different[0]} is in {where} alone, of {len(different)} such images: score both on one dataset"
        )


def tasks(entries: Sequence[Entry]) -> list[str]:
    """Tasks that any of them scored."""
    scored = {row.task for entry in entries for row in entry.results.rows}
    return [task for task in TASKS if task in scored]


def pairs(entries: Sequence[Entry]) -> Iterator[Pair]:
    """Every two results, per task and alignment that both have, over the images that both scored."""
    for first, second in itertools.combinations(entries, 2):
        for task in tasks([first, second]):
            for alignment in first.alignments(task):
                if alignment in second.alignments(task):
                    yield _pair(first, second, Part(task, alignment, EVERYTHING))


def makes(entries: Sequence[Entry]) -> dict[str | None, list[str]]:
    """SHA-256 of the shards -> the results that were scored on them; several where a named set was made more than once."""
    found: dict[str | None, list[str]] = {}
    for entry in entries:
        found.setdefault(entry.results.benchmark.sha256, []).append(entry.label)
    return found


def unpaired(entries: Sequence[Entry]) -> list[str]:
    """Which pairs cannot be, in words: both scored a task, but by no common alignment."""
    found = []
    for first, second in itertools.combinations(entries, 2):
        for task in tasks([first, second]):
            ours, theirs = ([how or "none" for how in entry.alignments(task)] for entry in (first, second))
            if ours and theirs and not {*ours} & {*theirs}:
                methods = f"{first.label} is aligned by {', '.join(ours)}, {second.label} by {', '.join(theirs)}"
                found.append(f"{task}: {methods}: no paired difference, unless evaluate scores both with one alignment=")
    return found


def _pair(first: Entry, second: Entry, part: Part) -> Pair:
    ours, theirs, people = shared(first.images, second.images, part)
    found: dict[str, dict[str, Difference]] = {}
    for average in AVERAGES:
        try:
            found[average] = difference(ours, theirs, average, np.random.default_rng(SEED), people)
        except ValueError as error:
            raise UserError(f"{first.folder} and {second.folder}, {part.task}: {error}") from error
    return Pair(first, second, part, len(ours), len({*people}), found)


def shared(first: Images, second: Images, part: Part) -> tuple[Scores, Scores, list[str]]:
    """The scores of both for the images that both have, in one order, and whom each shows.

    The median of all pixels is known of all images only: NaN where one has more than these.
    """
    ours, theirs = first.scores[part], second.scores[part]
    places = {second.keys[place]: i for i, place in enumerate(theirs.places)}
    keys = [first.keys[place] for place in ours.places]
    both = np.array([[i, places[key]] for i, key in enumerate(keys) if key in places], int).reshape(-1, 2)

    def chosen(scores: Scores, which: int) -> Scores:
        own = both[:, which]
        median = scores.median if len(own) == len(ours) == len(theirs) else math.nan
        return Scores(scores.measure, np.arange(len(own)), scores.sums[own], scores.medians[own], median)

    return chosen(ours, 0), chosen(theirs, 1), [first.persons[ours.places[i]] for i in both[:, 0]]
