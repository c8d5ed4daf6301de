"""`python -m train.evaluate`: the scores of any method on a benchmark or on any folder of triplets."""

import csv
import importlib.metadata
import io
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from conf.command import UserError, command, key, required
from datasets.triplet import write_atomically
from train import errormaps, results
from train.benchmarks import Data, opened, refuse_lacking
from train.inference import device
from train.metrics import ALIGNMENTS, EVERYTHING, interval
from train.predictors import KINDS, Predictor, Stated
from train.results import Images, Method, Results, Row, Skipped
from train.scoring import Scored, score
from train.tasks import TASKS

#: Of which the version may change digits.
PACKAGES = ("numpy", "torch", "transformers", "onnxruntime", "opencv-python-headless")
#: Of the bootstrap. With the same one, two groups get the same intervals.
SEED = 0


@dataclass
class EvaluateConfig:
    """Score one method on person pixels, at the pictures' own resolution; the whole frame is the input.

    The method is one of checkpoint, model, onnx, predictions and baseline. What is not stated about its depth is fitted to each
    image's truth first (alignment). Each figure is given as the mean of images (macro) and over all pixels (micro), with a 95 %
    interval over people: docs/metrics.md. How a number is made so that others get the same one: docs/benchmark.md.
    """

    benchmark: str = required("thuman2, hi4d, or a folder of triplets: rendered (has dataset.json), or SynthHuman's files")
    data: str | None = key(None, "folder of the named benchmark's set; null: data/<benchmark>")
    checkpoint: str | None = key(None, "out= of a training run, a .ckpt, an exported folder, or a file of Meta's Sapiens or Sapiens2")
    model: str | None = key(None, "depth or normal model of Hugging Face's transformers: a name on the hub, or a folder")
    onnx: str | None = key(None, "ONNX file, as DAViD's, or with the onnx_* keys any other")
    predictions: str | None = key(None, "folder of predictions made elsewhere: depth/KEY.npy, normal/KEY.exr, KEY.depth.png, ...")
    baseline: str | None = key(None, "trivial: the best constant depth of each image, every normal facing the camera, ...")
    out: str | None = key(None, "folder for results.json, per_image.csv, per_image.npz and pictures; null: print only")
    name: str | None = key(None, "what tables call the method; null: its file, folder or name")
    tasks: list[str] | None = key(None, "what is scored, of depth, normal, ...; null: all that method and benchmark have")
    alignment: str | None = key(
        None, "of depth, per image: " + ", ".join(ALIGNMENTS) + "; null: what suits the method, and what the benchmark shows"
    )
    depth_kind: str | None = key(
        None, "depth (planar), disparity (nearer is larger), distance (along the ray); null: what is known, or depth"
    )
    depth_unit: str | None = key(None, "m, cm, mm of a metric depth; null: what is known, or none, for relative depth")
    normal_axes: str | None = key(None, "what the channels hold; null: xyz, x right, y up, z toward the camera; OpenCV's: x-y-z")
    png_scale: float | None = key(None, "predictions=: what a code of 1 in a PNG of depth stands for, in depth_unit")
    resize: bool = key(False, "predictions=: bring those of another size to the picture's, bilinear; else they are refused")
    on_bad: str = key(
        "refuse", "missing, unreadable or non-finite predictions: refuse, or skip (left out, counted and named in the results)"
    )
    onnx_outputs: list[str] | None = key(None, "the task of each output, '' of others; null: by name and shape")
    onnx_channels: str | None = key(None, "order of the input's channels, bgr or rgb; null: as the file tells, else bgr")
    onnx_size: list[int] | None = key(None, "height and width of an input that leaves them open; null: as the file tells, else 512, 512")
    onnx_mean: list[float] = key([0.0, 0.0, 0.0], "taken from the input's channels, values 0..1")
    onnx_std: list[float] = key([1.0, 1.0, 1.0], "by which they are divided then")
    pictures: bool = key(True, "photograph, truth, prediction and error of the worst, median and best image of each task, into out=")
    resamples: int = key(10_000, "of people, for the intervals; 0: none")
    batch_size: int = key(4, "pictures at once")
    device: str = key("auto", "auto, cpu, cuda, cuda:1, ...")


def chosen(config: EvaluateConfig) -> tuple[str, str]:
    """The key that names the method, and its value. Raises UserError for none, several, or keys that it does not heed."""
    given = [name for name in KINDS if getattr(config, name) is not None]
    if len(given) != 1:
        mend = "give one of " + ", ".join(f"{name}=" for name in KINDS)
        raise UserError(f"no method is named: {mend}" if not given else f"{'= and '.join(given)}= name {len(given)} methods: {mend}")
    default = EvaluateConfig(benchmark="")
    of_some = {name for kind in KINDS.values() for name in kind.takes}
    for name in sorted(of_some - {*KINDS[given[0]].takes}):
        if getattr(config, name) != getattr(default, name):
            takers = [f"{other}=" for other, kind in KINDS.items() if name in kind.takes]
            raise UserError(f"{name}={getattr(config, name)} goes with {', '.join(takers)}, not with {given[0]}=: leave it out")
    return given[0], getattr(config, given[0])


def check(config: EvaluateConfig) -> None:
    """Refuse what cannot work, before anything is loaded."""
    if config.alignment is not None and config.alignment not in ALIGNMENTS:
        raise UserError(f"alignment={config.alignment}: choose from {', '.join(ALIGNMENTS)}")
    if config.on_bad not in ("refuse", "skip"):
        raise UserError(f"on_bad={config.on_bad}: choose from refuse, skip")
    if config.onnx_channels not in (None, "bgr", "rgb"):
        raise UserError(f"onnx_channels={config.onnx_channels}: choose from bgr, rgb")
    for name, count in {"onnx_size": 2, "onnx_mean": 3, "onnx_std": 3}.items():
        if (value := getattr(config, name)) is not None and len(value) != count:
            raise UserError(f"{name}={value}: give {count} numbers")
    if min(config.onnx_size or [1]) < 1 or not all(config.onnx_std):
        raise UserError(f"onnx_size={config.onnx_size}, onnx_std={config.onnx_std}: give sizes of at least 1 and no std of 0")
    unknown = [task for task in config.tasks or () if task not in TASKS]
    if unknown or config.tasks == []:
        raise UserError(f"tasks={config.tasks}: choose from {', '.join(TASKS)}")
    for name, least in {"batch_size": 1, "resamples": 0}.items():
        if getattr(config, name) < least:
            raise UserError(f"{name}={getattr(config, name)}: must be at least {least}")


def check_alignment(alignment: str | None, predictor: Predictor) -> None:
    """Refuse to fit a disparity as a depth, or the other way round."""
    if alignment and "depth" in predictor.tasks and (alignment == "lsq_disparity") != (predictor.suits == "lsq_disparity"):
        mend = "alignment=lsq_disparity, or depth_unit= for 1/depth" if predictor.suits == "lsq_disparity" else "another one"
        raise UserError(f"alignment={alignment} does not go with {predictor.name}, which needs {predictor.suits}: give {mend}")


def scored_tasks(data: Data, predictor: Predictor, stated: list[str] | None) -> tuple[str, ...]:
    """Those of a method that the benchmark scores."""
    wanted = data.protocol.tasks if data.protocol and not stated else TASKS
    common = tuple(task for task in predictor.tasks if task in wanted)
    if not common:
        raise UserError(f"{predictor.name} predicts {', '.join(predictor.tasks)}, {data.name} scores {', '.join(wanted)}: give tasks=")
    refuse_lacking(data, common)
    return common


def evaluate(config: EvaluateConfig) -> tuple[Data, Predictor, Scored]:
    """Score what a configuration names. Raises UserError."""
    kind, value = chosen(config)
    check(config)
    data = opened(config.benchmark, config.data)
    stated = {field.name: getattr(config, field.name) for field in fields(Stated) if field.name != "device"}
    predictor = KINDS[kind].make(value, Stated(device=device(config.device), **stated))
    predictor.name = config.name or predictor.name
    check_alignment(config.alignment, predictor)
    tasks = scored_tasks(data, predictor, config.tasks)
    ways = data.alignments(predictor.suits, config.alignment)
    return data, predictor, score(data, predictor, tasks, ways, config.on_bad == "skip", config.batch_size)


def rows(scored: Scored, resamples: int = 0) -> Iterator[Row]:
    """Every group of every task, alignment and average; with resamples, its intervals over people."""
    for part, scores in scored.scores.items():
        people = [scored.images[place].persons for place in scores.places]
        for average in results.AVERAGES:
            sure = interval(scores, average, np.random.default_rng(SEED), people, resamples) if resamples else {}
            yield Row(
                part.task,
                part.alignment,
                part.group,
                average,
                images=len(scores),
                pixels=int(scores.pixels.sum()),
                figures=getattr(scores, average)(),
                interval={name: (low, high) for name, (_, low, high) in sure.items()},
            )


def gathered(data: Data, predictor: Predictor, scored: Scored, resamples: int = 0) -> Results:
    """All that tables are made of, but for pictures."""
    return Results(
        benchmark=data.facts,
        method=Method(predictor.name, predictor.kind, predictor.source, predictor.resolution, predictor.conversion),
        rows=tuple(rows(scored, resamples)),
        skipped=tuple(scored.skipped),
        versions=versions(),
        meanings=scored.meanings,
        doubt=scored.doubt,
    )


def versions() -> dict[str, str | None]:
    """Of this code, if it is a git checkout, and of what it computes with."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--tags"]
    try:
        described: str | None = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        described = None
    found: dict[str, str | None] = {"phidias": described, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def caption(data: Data, found: Sequence[Row], task: str, alignment: str | None, skipped: Sequence[Skipped] = ()) -> str:
    """What a table shows, in words."""
    images = next(row.images for row in found if (row.task, row.alignment) == (task, alignment))
    absent = sum(skip.why.startswith(f"{task}:") for skip in skipped)
    left = f", {absent} left out" if absent else ""
    part = "" if data.facts.whole else f", not whole: {data.facts.images} of {data.planned} images"
    part += f", {data.left_out} left out when it was made" if data.left_out else ""
    how = f"; aligned per image: {alignment}" if alignment else ""
    where = f"{data.name} ({data.facts.sha256[:8]})" if data.facts.sha256 else data.name
    return f"{task} on {where}: {images} images, {TASKS[task].pixels}{left}{part}{how}"


def table(data: Data, found: Results) -> str:
    """The scores over everything, as text."""
    lines = [f"{found.method.name} ({found.method.kind}), looked at {found.method.resolution}"]
    for task, alignment in dict.fromkeys((row.task, row.alignment) for row in found.rows):
        figures = TASKS[task].measure.figures
        lines += [
            "",
            caption(data, found.rows, task, alignment, found.skipped),
            f"{'':8}" + "".join(f"{figure.title:>13}" for figure in figures.values()),
        ]
        for row in found.rows:
            if (row.task, row.alignment, row.group) == (task, alignment, EVERYTHING):
                cells = (_shown(row, name) for name in figures)
                lines.append(f"{row.average:8}" + "".join(f"{cell:>13}" for cell in cells))
                if row.interval:
                    lines.append(f"{'± 95 %':>8}" + "".join(f"{_half(row, name):>13}" for name in figures))
    return "\n".join([*lines, "", "macro: mean of images; micro: all pixels; ±: half the interval over people"])


def _shown(row: Row, name: str) -> str:
    figure, value = TASKS[row.task].measure.figures[name], row.figures[name]
    return "" if value is None or np.isnan(value) else f"{value * figure.factor:{figure.form}}"


def _half(row: Row, name: str) -> str:
    figure, (low, high) = TASKS[row.task].measure.figures[name], row.interval.get(name, (np.nan, np.nan))
    return "" if np.isnan(high - low) else f"{(high - low) / 2 * figure.factor:{figure.form}}"


def per_image(scored: Scored) -> str:
    """A CSV of every image: what it is, and its figures, of depth after the first alignment."""
    first = {part.task: scores for part, scores in scored.whole().items()}
    of_keys = {task: scores.per_image(scored.keys) for task, scores in first.items()}
    columns = {task: list(scores.measure.figures) for task, scores in first.items()}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["key", "persons", "framing", "light", "distance_m", *(f"{task}_{name}" for task in columns for name in columns[task])])
    for image in scored.images:
        about = [image.key, image.persons, image.framing, image.light, _plain(image.distance)]
        cells = [of_keys[task].get(image.key, {}).get(name, np.nan) for task in columns for name in columns[task]]
        writer.writerow([*about, *map(_plain, cells)])
    return text.getvalue()


def _plain(value: float) -> str:
    return "" if np.isnan(value) else repr(float(value))


def save(out: Path, found: Results, scored: Scored) -> None:
    """Write per_image.csv, per_image.npz and, last, results.json."""
    write_atomically(out / "per_image.csv", per_image(scored))
    results.write(out, found, Images(scored.keys, [image.persons for image in scored.images], scored.scores))


@command("train.evaluate", EvaluateConfig)
def main(config: EvaluateConfig) -> None:
    data, predictor, scored = evaluate(config)
    found = gathered(data, predictor, scored, config.resamples)
    print(table(data, found))
    if found.doubt:
        print(f"warning: {found.doubt}: is what was stated right?")
    for left in scored.skipped[:10]:
        print(f"left out: image {left.key}, {left.why}")
    if len(scored.skipped) > 10:
        print(f"left out: {len(scored.skipped) - 10} more, in results.json")
    if config.out:
        out = Path(config.out)
        if config.pictures:
            found = replace(found, pictures=errormaps.write(out, data, predictor, scored))
        save(out, found, scored)
        print(f"\nwritten: {out / results.FILE}, {out / 'per_image.csv'}")


if __name__ == "__main__":
    main()
