"""Writes what `train.evaluate` leaves, without a model: triplets' own maps with noise, scored by `train.metrics`."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datasets.conventions import Array
from datasets.triplet import Triplet
from tests.fixtures import sphere_triplet
from train import results
from train.errormaps import cells
from train.metrics import EVERYTHING, Errors, Scores, Tally, interval
from train.results import Benchmark, Images, Method, Part, Picture, Results, Row, Skipped
from train.tasks import TASKS

#: A name that Markdown, LaTeX and HTML would each take for their own.
HOSTILE = "light=50%_of<b>|it</b> & {more}\\.hdr"
ALIGNMENTS: dict[str, Sequence[str]] = {"depth": ("lsq", "median"), "normal": ("",)}


def spheres(count: int) -> list[Triplet]:
    """Pictures of three people."""
    return [sphere_triplet(f"{i:09d}", np.random.default_rng(i), 48, 36, f"person-{i % 3}") for i in range(count)]


def groups(triplet: Triplet, place: int) -> dict[str, Array]:
    """Pixels by framing, part and light: whole images and parts of them."""
    upper = np.arange(triplet.mask.shape[0])[:, None] < triplet.mask.any(1).nonzero()[0].mean()
    inside = triplet.mask > 0
    framing = {f"framing={('face', 'full')[place % 2]}": inside}
    light = {HOSTILE if place % 3 else "light=city.exr": inside}
    return {**framing, "part=head": inside & upper, "part=legs": inside & ~upper, **light}


def predicted(task: str, triplet: Triplet, noise: float, random: np.random.Generator) -> Array:
    """The truth with noise: in metres of depth, and tenfold on the unit sphere."""
    true = getattr(triplet, task).astype(np.float64)
    return true + noise * (1 if task == "depth" else 10) * random.standard_normal(true.shape)


def write(
    folder: Path,
    name: str = "ours",
    noise: float = 0.02,
    triplets: Sequence[Triplet] | None = None,
    alignments: dict[str, Sequence[str]] = ALIGNMENTS,
    skip: Iterable[str] = (),
    benchmark: dict[str, Any] | None = None,
    doubt: str | None = None,
) -> Results:
    """A folder of results; alignments: task -> those scored by ("": none); skip: keys left out; benchmark: fields that differ."""
    triplets = spheres(6) if triplets is None else triplets
    keys, people = [t.key for t in triplets], [t.meta["subjects"][0]["scan"] for t in triplets]
    about = {"name": "hi4d", "version": 1, "data": "hi4d", "sha256": hashlib.sha256(b"set").hexdigest(), "images": len(keys), "whole": True}
    scores, pictures = {}, []
    for task, hows in alignments.items():
        for how in hows:
            found, drawn = _scored(folder, task, how, noise, triplets, {*skip})
            scores |= {Part(task, how or None, group): of_group for group, of_group in found.items() if len(of_group)}
            pictures += drawn if how == hows[0] else []
    rows = [row for part, of_part in scores.items() for row in _rows(part, of_part, [people[place] for place in of_part.places])]
    made = Results(
        Benchmark(**{**about, **(benchmark or {})}),
        Method(name, "folder", "predictions", "48x36", {"normal_axes": "xyz"}),
        tuple(rows),
        tuple(Skipped(key, "depth: the prediction is not finite") for key in skip),
        {"phidias": "v0.1.0", "torch": None},
        tuple(pictures),
        {"part=head": "the upper half"},
        doubt,
    )
    results.write(folder, made, Images(keys, people, scores))
    return made


def _scored(
    folder: Path, task: str, how: str, noise: float, triplets: Sequence[Triplet], skip: set[str]
) -> tuple[dict[str, Scores], list[Picture]]:
    random, measure = np.random.default_rng(7), TASKS[task].measure
    named = [groups(t, place) for place, t in enumerate(triplets)]
    tally = Tally(measure, list(dict.fromkeys(name for each in named for name in each)))
    errors: dict[int, Errors] = {}
    guesses = [predicted(task, t, noise, random) for t in triplets]
    for place, (t, guess) in enumerate(zip(triplets, guesses, strict=True)):
        if t.key not in skip:
            errors[place] = measure.errors(guess, getattr(t, task), t.mask, t.key, **({"alignment": how} if how else {}))
            tally.update(place, errors[place], named[place])
    scores = tally.compute()
    figure = "absrel" if task == "depth" else "mean"
    ranked = scores[EVERYTHING].places[np.argsort(-scores[EVERYTHING].figures[figure])]
    pictures = []
    for which, place in zip(("worst", "median", "best"), ranked[[0, len(ranked) // 2, -1]].tolist(), strict=True):
        t = triplets[place]
        strip = np.concatenate(cells(t, Part(task, how or None, EVERYTHING), guesses[place]), axis=1)
        file = f"pictures/{task}-{which}-{t.key}.png"
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / file), strip[..., ::-1])
        pictures.append(Picture(task, which, t.key, figure, measure.score(errors[place])[figure], file))  # type: ignore[arg-type]
    return scores, pictures


def _rows(part: Part, scores: Scores, people: Sequence[str]) -> Iterable[Row]:
    for average in results.AVERAGES:
        ends = interval(scores, average, np.random.default_rng(0), people, resamples=200)
        figures = getattr(scores, average)()
        bounds = {name: (of_figure.low, of_figure.high) for name, of_figure in ends.items()}
        yield Row(*part, average, len(scores), int(scores.pixels.sum()), figures, bounds)  # type: ignore[arg-type]
