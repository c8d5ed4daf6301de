"""`python -m train.evaluate`: a trained model's scores on a folder of triplets, beside trivial baselines."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from tqdm import tqdm

from conf.command import UserError, command, key, required
from datasets import reader
from datasets.batch import Batch, collate
from datasets.conventions import Array
from datasets.source import open_source, require
from datasets.triplet import write_atomically
from train.checkpoint import load
from train.inference import device, infer
from train.metrics import ALIGNMENTS, EVERYTHING, Scores, Tally
from train.model import Model
from train.tasks import TASKS, fields


@dataclass
class EvaluateConfig:
    """Score a model on person pixels, at the triplets' own resolution; the whole frame is the input.

    Depth is relative, so a scale and a shift are fitted to each image's truth first (alignment). With lsq the RMSE cannot
    exceed the best constant's by construction: beating that baseline by a little says nothing.
    Each figure is given over all pixels together (micro) and as the mean over images (macro): docs/metrics.md.
    """

    checkpoint: str = required("out= of a training run, or a .ckpt file")
    data: str = required("folder of rendered triplets (has dataset.json)")
    out: str | None = key(None, "folder for metrics.json and per_image.csv; null: print only")
    alignment: str = key("lsq", "of depth, per image: " + ", ".join(ALIGNMENTS))
    batch_size: int = key(4, "pictures at once")
    workers: int = key(0, "processes that read and decode")
    device: str = key("auto", "auto, cpu, cuda, cuda:1, ...")


@dataclass(frozen=True)
class Result:
    """Scores of the model and of the baseline, per task; keys: of all images, in order."""

    keys: list[str]
    model: dict[str, Scores]
    baseline: dict[str, Scores]
    alignment: str


def predictions(model: Model, data: Path, batch_size: int = 4, workers: int = 0) -> Iterator[tuple[Batch, list[dict[str, Array]]]]:
    """Every batch of a dataset, in order, with the model's predictions."""
    stream = reader.evaluation(data, batch_size, fields=fields(model.tasks))
    for batch in DataLoader(stream, batch_size, num_workers=workers, collate_fn=collate):
        yield batch, infer(model, batch["image"], batch["size"])


def truth(batch: Batch, name: str, index: int) -> tuple[Array, Array]:
    """A sample's true map of a task and where it is known, at the sample's own size, as (h,w[,C]) and (h,w)."""
    height, width = batch["size"][index].tolist()
    values, known = (maps[index, :, :height, :width] for maps in TASKS[name].truth(batch))
    return values.permute(1, 2, 0).squeeze(-1).numpy(), known[0].numpy()


def evaluate(model: Model, data: Path, alignment: str = "lsq", batch_size: int = 4, workers: int = 0) -> Result:
    """Score the model and the baselines on every triplet of a folder."""
    names, source = model.tasks, open_source(data)
    try:
        require(source, fields(names))
    except ValueError as error:
        raise UserError(f"data={data}: {error}") from error
    keys: list[str] = []
    tallies = {name: (Tally(TASKS[name].measure), Tally(TASKS[name].measure)) for name in names}
    with tqdm(total=sum(source.counts), desc="Scoring", unit="image") as bar:
        for batch, predicted in predictions(model, data, batch_size, workers):
            for i, sample in enumerate(batch["key"]):
                for name in names:
                    score(tallies[name], name, len(keys), sample, alignment, predicted[i][name], *truth(batch, name, i))
                keys.append(sample)
                bar.update()
    ours, theirs = ({name: pair[which].compute()[EVERYTHING] for name, pair in tallies.items()} for which in range(2))
    if not all(len(scores) for scores in ours.values()):
        raise UserError(f"data={data} shows no person in any image: render it again")
    return Result(keys, ours, theirs, alignment)


def score(
    tallies: tuple[Tally, Tally], name: str, place: int, sample: str, alignment: str, predicted: Array, true: Array, mask: Array
) -> None:
    """Add one image of one task to the tallies of the model and of the baseline. Raises UserError for a prediction that is not finite."""
    task = TASKS[name]
    guesses = ((predicted, alignment), (task.baseline(true, mask), "none"))
    for tally, (values, method) in zip(tallies, guesses, strict=True):
        try:
            errors = task.measure.errors(values, true, mask, sample, **({"alignment": method} if task.align else {}))
        except ValueError as error:
            raise UserError(f"{name}: {error}") from error
        tally.update(place, errors)


def rows(result: Result, name: str) -> list[tuple[str, str, dict[str, float]]]:
    """(who, micro or macro, figures) for the table of one task."""
    who = {"model": result.model[name], TASKS[name].trivial: result.baseline[name]}
    return [(label, kind, getattr(scores, kind)()) for kind in ("micro", "macro") for label, scores in who.items()]


def caption(result: Result, name: str) -> str:
    """What a table shows, in words."""
    how = f"; scale and shift per image: {result.alignment}" if TASKS[name].align else ""
    return f"{name}: {len(result.model[name])} images, {TASKS[name].pixels}{how}; micro: all pixels, macro: mean of images"


def table(result: Result) -> str:
    """The scores as text."""
    lines = []
    for name in result.model:
        body = rows(result, name)
        heads = [figure.title for figure in TASKS[name].measure.figures.values()]
        lines += ["", caption(result, name), f"{'':32}{'':7}" + "".join(f"{head:>11}" for head in heads)]
        for label, kind, values in body:
            cells = (f"{values[column] * f.factor:{f.form}}" for column, f in TASKS[name].measure.figures.items())
            lines.append(f"{label:32}{kind:7}" + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join(lines)


def save(result: Result, out: Path) -> None:
    """Write metrics.json and per_image.csv."""
    metrics: dict[str, Any] = {"alignment": result.alignment}
    for name in result.model:
        table_rows = rows(result, name)
        metrics[name] = {"images": len(result.model[name])}
        for label, kind, figures in table_rows:
            metrics[name].setdefault("model" if label == "model" else "baseline", {"name": label})[kind] = _defined(figures)
    write_atomically(out / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    per_image: dict[str, dict[str, float | None]] = {}
    for name, scores in result.model.items():
        for sample, figures in scores.per_image(result.keys).items():
            per_image.setdefault(sample, {}).update({f"{name}_{column}": value for column, value in _defined(figures).items()})
    text = io.StringIO()
    columns = list(dict.fromkeys(column for figures in per_image.values() for column in figures))
    writer = csv.DictWriter(text, ["key", *columns])
    writer.writeheader()
    writer.writerows({"key": sample, **figures} for sample, figures in sorted(per_image.items()))
    write_atomically(out / "per_image.csv", text.getvalue())


def _defined(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Figures as files hold them: nothing instead of NaN, which JSON does not know."""
    return {column: None if math.isnan(value) else value for column, value in figures.items()}


def check(name: str, folder: str, alignment: str) -> None:
    """Refuse what cannot be scored: an unknown alignment, or a folder (given by the key `name`) that is no whole dataset."""
    if alignment not in ALIGNMENTS:
        raise UserError(f"alignment={alignment}: choose from {', '.join(ALIGNMENTS)}")
    try:
        open_source(Path(folder))
    except (OSError, ValueError) as error:
        raise UserError(f"{name}={folder}: {error}") from error


@command("train.evaluate", EvaluateConfig)
def main(config: EvaluateConfig) -> None:
    check("data", config.data, config.alignment)
    model = load(Path(config.checkpoint)).to(device(config.device))
    result = evaluate(model, Path(config.data), config.alignment, config.batch_size, config.workers)
    print(table(result))
    if config.out:
        save(result, Path(config.out))
        print(f"\nwritten: {Path(config.out) / 'metrics.json'}, {Path(config.out) / 'per_image.csv'}")


if __name__ == "__main__":
    main()
