"""One pass over a dataset: every picture is predicted, scored and forgotten; what stays of it is a few numbers."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from tqdm import tqdm

from conf.command import UserError
from datasets import parts, reader
from datasets.batch import collate
from datasets.conventions import Array
from datasets.triplet import Triplet
from train.axes import Agreement
from train.benchmarks import Data
from train.metrics import EVERYTHING, Errors, Scores, Tally
from train.predictors import Bad, Predictor, Shown
from train.results import Part, Skipped
from train.tasks import TASKS, fields

PART_GROUPS = tuple(f"part={name}" for name in parts.PARTS)
THIRDS = ("near", "middle", "far")


@dataclass(frozen=True)
class About:
    """One image: its key, its people (joined by +), its framing and light ('' where they are not told), and the median true depth of
    people, metres (NaN without any)."""

    key: str
    persons: str
    framing: str
    light: str
    distance: float


@dataclass(frozen=True)
class Scored:
    """All that came of a pass. images: of the whole dataset, in order; meanings: of groups that their names do not tell; doubt: whether
    what was stated about axes is right, in words."""

    images: list[About]
    scores: dict[Part, Scores]
    skipped: list[Skipped]
    meanings: dict[str, str] = field(default_factory=dict)
    doubt: str | None = None

    @property
    def keys(self) -> list[str]:
        """Of all images."""
        return [image.key for image in self.images]

    def whole(self) -> dict[Part, Scores]:
        """Of each task, the scores over everything; of depth, after the first alignment."""
        found: dict[str, tuple[Part, Scores]] = {}
        for part, scores in self.scores.items():
            if part.group == EVERYTHING:
                found.setdefault(part.task, (part, scores))
        return dict(found.values())


def truth(triplet: Triplet, task: str) -> tuple[Array, Array]:
    """True values of a task and where they are known, (H,W[,C]) and (H,W)."""
    values, known = (maps[0] for maps in TASKS[task].truth(collate([triplet])))
    return values.permute(1, 2, 0).squeeze(-1).numpy(), known[0].numpy()


def shown(triplet: Triplet) -> Shown:
    """What a predictor gets of a sample."""
    return Shown(triplet.key, triplet.rgb, triplet.K, lambda task: truth(triplet, task))


def triplets(data: Data, tasks: Sequence[str], keys: frozenset[str] | None = None) -> Iterator[Triplet]:
    """The dataset in order, or the samples of some keys."""
    yield from reader.evaluation(data.folder, 1, keys, fields=fields(tasks))


def batches(data: Data, tasks: Sequence[str], size: int) -> Iterator[list[tuple[Triplet, Array]]]:
    """The dataset in order, `size` samples at a time, each with the parts of its people; a thread makes the next ones meanwhile."""
    stream = ((triplet, parts.labels(triplet.depth, triplet.mask, triplet.meta)) for triplet in triplets(data, tasks))
    with ThreadPoolExecutor(1) as reading:
        coming = reading.submit(lambda: list(islice(stream, size)))
        while batch := coming.result():
            coming = reading.submit(lambda: list(islice(stream, size)))
            yield batch


class Scoring:
    """Collects the errors of one method. alignments: of depth. skip: leave out bad predictions instead of refusing the first one."""

    def __init__(self, predictor: Predictor, tasks: Sequence[str], alignments: Sequence[str], skip: bool) -> None:
        self.predictor, self.tasks, self.skip = predictor, tasks, skip
        kinds = {task: alignments if TASKS[task].align else [None] for task in tasks}
        self.tallies = {(task, how): Tally(TASKS[task].measure, PART_GROUPS) for task in tasks for how in kinds[task]}
        self.agreement = Agreement()
        self.images: list[About] = []
        self.skipped: list[Skipped] = []

    def add(self, triplet: Triplet, label: Array, prediction: Mapping[str, Array | Bad]) -> None:
        """Score one image, the next of the dataset; label: the part of each pixel."""
        place = len(self.images)
        self.images.append(about(triplet))
        groups = {f"part={name}": pixels for name, pixels in parts.groups(label).items()}
        for task in self.tasks:
            of_people = groups if TASKS[task].pixels == "person pixels" else {}
            try:
                for how, errors in self._errors(task, triplet, prediction[task]):
                    self.tallies[task, how].update(place, errors, of_people)
            except Bad as error:
                self._leave(triplet.key, f"{task}: {error}")

    def _errors(self, task: str, triplet: Triplet, values: Array | Bad) -> list[tuple[str | None, Errors]]:
        """Of each alignment. Raises Bad where the prediction cannot be scored, UserError where it has another size."""
        if isinstance(values, Bad):
            raise values
        true, mask = truth(triplet, task)
        if values.shape != true.shape:
            sizes = f"{'x'.join(map(str, values.shape))}, its picture {'x'.join(map(str, true.shape))}"
            raise UserError(
                f"{self.predictor.name}, image {triplet.key}: its prediction of {task} is {sizes}: give it at the picture's size"
            )
        ways = [how for name, how in self.tallies if name == task]
        measure = TASKS[task].measure
        try:
            errors = [(how, measure.errors(values, true, mask, **({"alignment": how} if how else {}))) for how in ways]
        except ValueError as error:
            raise Bad(str(error)) from error
        if task == "normal":
            self.agreement.add(values, true, errors[0][1].known)
        return errors

    def _leave(self, key: str, why: str) -> None:
        if not self.skip:
            mend = "mend it, or give on_bad=skip, which leaves such images out and says so"
            raise UserError(f"{self.predictor.name}, image {key}, {why}: {mend}")
        self.skipped.append(Skipped(key, why))

    def result(self) -> Scored:
        """Scores of all groups of pixels and of all groups of images."""
        ways, meanings = image_groups(self.images)
        scores: dict[Part, Scores] = {}
        for (task, how), tally in self.tallies.items():
            found = tally.compute() if tally.seen else {}
            if not found or not len(found[EVERYTHING]):
                who = f"all {len(self.skipped)} predictions were left out" if self.skipped else "the images show no person"
                raise UserError(f"{self.predictor.name}: nothing to score of {task}, {who}")
            chosen = {name: of for name, of in found.items() if len(of)} | {name: only(found[EVERYTHING], at) for name, at in ways.items()}
            scores |= {Part(task, how, name): of for name, of in chosen.items() if len(of)}
        stated = self.predictor.conversion.get("normal_axes")
        return Scored(self.images, scores, self.skipped, meanings, self.agreement.doubt(stated) if stated else None)


def about(triplet: Triplet) -> About:
    """What groups of images need to know of one."""
    meta: Mapping[str, Any] = triplet.meta
    people = "+".join(dict.fromkeys(str(subject.get("subject", subject["scan"])) for subject in meta.get("subjects", ())))
    light = str((meta.get("lighting") or {}).get("environment", "")).rsplit(".", 1)[0]
    known = triplet.depth[(triplet.mask > 0) & (triplet.depth > 0)]
    distance = float(np.median(known)) if len(known) else float("nan")
    return About(triplet.key, people or triplet.key, str(meta.get("framing", "")), light, distance)


def image_groups(images: Sequence[About]) -> tuple[dict[str, Array], dict[str, str]]:
    """Group -> which images (n,) bool; and what `distance=` means. A kind of which there is one group only is `all`, and left out."""
    found: dict[str, Array] = {}
    for kind in ("framing", "light"):
        told = np.array([getattr(image, kind) for image in images], dtype=str)
        names = sorted(set(told) - {""})
        found |= {f"{kind}={name}": told == name for name in names} if len(names) > 1 else {}
    distance = np.array([image.distance for image in images])
    known = distance[~np.isnan(distance)]
    if len(np.unique(known)) < len(THIRDS):
        return found, {}
    low, high = np.quantile(known, [1 / 3, 2 / 3], method="inverted_cdf")
    found |= {
        f"distance={name}": at
        for name, at in zip(THIRDS, (distance <= low, (distance > low) & (distance <= high), distance > high), strict=True)
    }
    words = f"median depth of people up to {low:.3f} m", f"{low:.3f} to {high:.3f} m", f"beyond {high:.3f} m"
    return found, {f"distance={name}": text for name, text in zip(THIRDS, words, strict=True)}


def only(scores: Scores, chosen: Array) -> Scores:
    """The scores of some images; chosen (n,) over the whole dataset. The median of all their pixels is not known."""
    here = chosen[scores.places]
    return Scores(scores.measure, scores.places[here], scores.sums[here], scores.medians[here])


def score(
    data: Data, predictor: Predictor, tasks: Sequence[str], alignments: Sequence[str], skip: bool = False, batch_size: int = 4
) -> Scored:
    """Score a method on every image of a dataset. Raises UserError; see `Scoring`."""
    scoring = Scoring(predictor, tasks, alignments, skip)
    if not skip:
        refuse_missing(data, predictor)
    with tqdm(total=data.facts.images, desc="Scoring", unit="image") as bar:
        for batch in batches(data, tasks, batch_size):
            predictions = predictor.predict([shown(triplet) for triplet, _ in batch])
            for (triplet, label), prediction in zip(batch, predictions, strict=True):
                scoring.add(triplet, label, prediction)
            bar.update(len(batch))
    return scoring.result()


def refuse_missing(data: Data, predictor: Predictor) -> None:
    """Raise UserError, before any work, for predictions that are known to be missing."""
    keys = [key for part in range(len(data.source.counts)) for key, _ in data.source.people(part)]
    absent = predictor.lacking(keys)
    if absent:
        key, why = next(iter(absent.items()))
        many = f"{len(absent)} of {len(keys)} predictions are missing, the first one of image {key} ({why})"
        raise UserError(f"{predictor.name}: {many}: make them, or give on_bad=skip, which leaves such images out and says so")
