"""What `train.evaluate` leaves in a folder and `train.compare` reads: results.json, per_image.npz and pictures of errors.

results.json holds `Results`, field by field as below: every figure, and all that says how it was measured. per_image.npz holds
`Images`: each image's sums and medians, from which figures of any part of the images, and paired differences, are computed again.
"""

import dataclasses
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from conf.command import UserError
from datasets.conventions import Array
from datasets.triplet import temporary, write_atomically
from train.metrics import EVERYTHING, Scores
from train.tasks import TASKS

SCHEMA = 1
FILE, ARRAYS = "results.json", "per_image.npz"
Average = Literal["macro", "micro"]
AVERAGES: tuple[Average, ...] = ("macro", "micro")

_MEND = "evaluate again, with this version"


@dataclass(frozen=True)
class Benchmark:
    """What was scored on. name and version: of a named protocol, or null; data: the folder's last part; sha256: of its shards
    (`Dataset.digest`), null for SynthHuman; images: scored or skipped; whole: whether these are all that the dataset should have, but for
    those that were left out by rule.
    """

    name: str | None
    version: int | None
    data: str
    sha256: str | None
    images: int
    whole: bool


@dataclass(frozen=True)
class Method:
    """What was scored: its kind of predictor, where it came from, what it looked at, and how its values became the house's."""

    name: str
    kind: str
    source: str
    resolution: str
    conversion: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """An image that is in no figure."""

    key: str
    why: str


@dataclass(frozen=True)
class Row:
    """One average over the images of one group. Figures are as `train.metrics` gives them, null where not defined; interval: 95 %."""

    task: str
    alignment: str | None
    group: str
    average: Average
    images: int
    pixels: int
    figures: dict[str, float | None]
    interval: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """Photograph, truth, prediction and error side by side, each of equal size, in `file`, relative to the folder."""

    task: str
    which: Literal["worst", "median", "best"]
    key: str
    figure: str
    value: float
    file: str


@dataclass(frozen=True)
class Results:
    """One method on one benchmark. meanings: of groups whose names do not tell, such as the limits of `distance=near`; doubt: what speaks
    against what was stated about the method."""

    benchmark: Benchmark
    method: Method
    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...] = ()
    versions: dict[str, str | None] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    meanings: dict[str, str] = field(default_factory=dict)
    doubt: str | None = None


class Part(NamedTuple):
    """Of what some scores are."""

    task: str
    alignment: str | None
    group: str


@dataclass(frozen=True)
class Images:
    """Every image of the dataset, in order: its key and its people; and scores, whose places are in this order."""

    keys: Sequence[str]
    persons: Sequence[str]
    scores: Mapping[Part, Scores]


def write(folder: Path, results: Results, images: Images) -> None:
    """Write both files; results.json last, so that where it is, all is."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Array] = {"keys": np.asarray(images.keys, str), "persons": np.asarray(images.persons, str)}
    for part, scores in images.scores.items():
        name = f"{part.task}/{part.alignment or '-'}/{part.group}"
        arrays |= {f"{name}/places": scores.places, f"{name}/sums": scores.sums, f"{name}/medians": scores.medians}
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    hidden = temporary(folder / ARRAYS)
    try:
        hidden.write_bytes(packed.getvalue())
        os.replace(hidden, folder / ARRAYS)
    finally:
        hidden.unlink(missing_ok=True)
    data = {"schema": SCHEMA, **dataclasses.asdict(results), "rows": [_written(row) for row in results.rows]}
    write_atomically(folder / FILE, json.dumps(data, indent=1, allow_nan=False) + "\n")


def _written(row: Row) -> dict[str, Any]:
    """JSON knows no NaN: a figure becomes null, an interval is left out."""
    figures = {name: value if value is not None and math.isfinite(value) else None for name, value in row.figures.items()}
    interval = {name: ends for name, ends in row.interval.items() if all(math.isfinite(end) for end in ends)}
    return {**dataclasses.asdict(row), "figures": figures, "interval": interval}


def read(folder: Path) -> Results:
    """The results in a folder. Raises UserError, naming file, value and mend, where it has none or they are not of this schema."""
    path = folder / FILE
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{folder} has no {FILE}: give the out= of a finished train.evaluate") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): {_MEND}") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise UserError(f"{path} is of schema {schema}, this version reads {SCHEMA}: {_MEND}")
    try:
        results = TypeAdapter(Results).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UserError(f"{path}: {where} is {str(first['input'])[:60]!r} ({first['msg']}): {_MEND}") from error
    for row in results.rows:
        _check(path, row.task, {*row.figures, *row.interval})
    for picture in results.pictures:
        _check(path, picture.task, {picture.figure})
    return results


def _check(path: Path, task: str, figures: set[str]) -> None:
    if task not in TASKS:
        raise UserError(f"{path}: task {task!r} is unknown, this version has {', '.join(TASKS)}: {_MEND}")
    unknown = sorted(figures - {*TASKS[task].measure.figures})
    if unknown:
        raise UserError(f"{path}: figure {unknown[0]!r} of {task} is unknown: {_MEND}")


def read_images(folder: Path, results: Results) -> Images:
    """The images of these results. The median of all pixels, which no sums give, is taken from their rows."""
    path = folder / ARRAYS
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        keys, persons = arrays.pop("keys").tolist(), arrays.pop("persons").tolist()
    except FileNotFoundError:
        raise UserError(f"{folder} has no {ARRAYS}, without which images cannot be compared: {_MEND}") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({error}): {_MEND}") from error
    medians = {Part(row.task, row.alignment, row.group): row.figures.get("median") for row in results.rows if row.average == "micro"}
    scores = {}
    for name in (name.removesuffix("/places") for name in arrays if name.endswith("/places")):
        task, alignment, group = name.split("/", 2)
        part = Part(task, None if alignment == "-" else alignment, group)
        scores[part] = _scores(path, name, part, arrays, len(keys), medians.get(part))
    absent = {Part(row.task, row.alignment, row.group) for row in results.rows if row.group == EVERYTHING} - {*scores}
    if absent:
        raise UserError(f"{path} lacks {'/'.join(str(step) for step in min(absent, key=str))}, which {FILE} has: {_MEND}")
    return Images(keys, persons, scores)


def _scores(path: Path, name: str, part: Part, arrays: Mapping[str, Array], images: int, median: float | None) -> Scores:
    try:
        places, sums, medians = (arrays[f"{name}/{kind}"] for kind in ("places", "sums", "medians"))
    except KeyError as error:
        raise UserError(f"{path} lacks {error}: {_MEND}") from error
    shape, wanted = sums.shape, (len(places), TASKS[part.task].measure.terms) if part.task in TASKS else None
    if shape != wanted or medians.shape != places.shape or not np.all((places >= 0) & (places < images)):
        raise UserError(f"{path}: {name} is {shape} sums, not {wanted}, or of images that are not among the {images}: {_MEND}")
    return Scores(TASKS[part.task].measure, places, sums, medians, math.nan if median is None else median)
