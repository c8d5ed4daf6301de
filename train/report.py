"""`python -m train.report`: one self-contained HTML page about a run: triplets, predictions beside the truth, curves, scores."""

import base64
import csv
import html
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import cv2
import numpy as np
import torch
from omegaconf import OmegaConf

from conf.command import UserError, command, key, required
from datasets import reader
from datasets.batch import collate
from datasets.conventions import Array
from datasets.source import open_source
from datasets.triplet import Triplet, write_atomically
from train import evaluate
from train.checkpoint import load
from train.inference import device, infer
from train.metrics import ALIGNMENTS, alignment
from train.model import Model
from train.run import CONFIG_FILE
from train.tasks import TASKS, fields

TEMPLATE = Path(__file__).with_name("report.html")
COLOURS = ("#e4572e", "#2e86ab", "#5b8e7d", "#8d6a9f")


@dataclass
class ReportConfig:
    """Write one HTML page about a training run. It holds its pictures and needs nothing else."""

    run: str = required("out= of a training run")
    test: str = required("folder of rendered triplets never trained on")
    out: str = required("the HTML file to write")
    title: str = key("Phidias", "heading")
    samples: int = key(4, "training triplets shown")
    predictions: int = key(8, "test images shown, from the best to the worst by normal error")
    alignment: str = key("lsq", "of depth, per image: " + ", ".join(ALIGNMENTS))
    device: str = key("auto", "auto, cpu, cuda, cuda:1, ...")


def picture(image: Array, caption: str = "") -> str:
    """A figure whose picture is part of the page: lossy for photographs, small for both."""
    height = min(384, image.shape[0])
    small = cv2.resize(image, (round(image.shape[1] * height / image.shape[0]), height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])
    text = base64.b64encode(data.tobytes()).decode()
    label = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{html.escape(caption)}" src="data:image/jpeg;base64,{text}">{label}</figure>'


def spread(items: Sequence[str], count: int) -> list[str]:
    """`count` items at even distances, first and last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(1, count - 1))] for i in range(count)]


def triplets(folder: Path, keys: Iterable[str], tasks: Iterable[str] = ()) -> Iterator[Triplet]:
    """Some samples of a dataset, in order, with what the tasks need."""
    yield from reader.evaluation(folder, 1, frozenset(keys), fields=fields(tasks))


def sample_rows(folder: Path, count: int) -> str:
    """Triplets as the model gets them: picture, mask, depth, normal."""
    rows = []
    for t in triplets(folder, spread(sorted(reader.people_by_sample(folder)), count)):
        mask = np.repeat((t.mask > 0).astype(np.uint8)[..., None] * np.uint8(235), 3, axis=2)
        cells = {
            f"{t.key} · {t.meta.get('framing', '')}": t.rgb,
            "mask": mask,
            "depth": TASKS["depth"].picture(t.depth, t.mask),
            "normal": TASKS["normal"].picture(t.normal, t.mask),
        }
        rows.append('<div class="row">' + "".join(picture(image, caption) for caption, image in cells.items()) + "</div>")
    return "\n".join(rows)


def prediction_rows(model: Model, folder: Path, result: evaluate.Result, count: int) -> str:
    """Test images from the best to the worst: picture, then prediction and truth of each task, in one scale of colours."""
    by = "normal" if "normal" in result.model else next(iter(result.model))
    main = next(iter(TASKS[by].measure.figures))
    figures = {name: scores.per_image(result.keys) for name, scores in result.model.items()}
    ranked = sorted(figures[by], key=lambda sample: figures[by][sample][main])
    chosen = spread(ranked, count)
    rows = {}
    for t in triplets(folder, chosen, model.tasks):
        (predicted,) = infer(model, torch.from_numpy(t.rgb).permute(2, 0, 1)[None], torch.tensor([t.mask.shape]))
        cells = [picture(t.rgb, t.key)]
        for name, values in predicted.items():
            column, figure = next(iter(TASKS[name].measure.figures.items()))
            score = figures[name][t.key][column] * figure.factor
            true, known = evaluate.truth(collate([t]), name, 0)
            cells += [picture(_aligned(name, values, true, known), f"{name}, predicted: {figure.title} {score:{figure.form}}")]
            cells += [picture(TASKS[name].picture(true, known), f"{name}, truth")]
        rows[t.key] = '<div class="row">' + "".join(cells) + "</div>"
    return "\n".join(rows[sample] for sample in chosen)


def _aligned(name: str, values: Array, true: Array, known: Array) -> Array:
    """The picture of a prediction; depth in metres first, on the truth's range, so that equal colours are equal depths."""
    inside = known > 0
    if not TASKS[name].align or not inside.any():
        return TASKS[name].picture(values, known)
    metres = np.zeros_like(true)
    metres[inside] = alignment.lsq(values[inside].astype(np.float64), true[inside].astype(np.float64))
    return TASKS[name].picture(np.clip(metres, true[inside].min(), true[inside].max()), known)


def curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Logged name -> (step, value), from all CSV logs of a run; what a continued run logged again counts last."""
    found: dict[str, dict[int, float]] = {}
    logs = sorted((run / "logs" / "csv").glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1]))
    for path in logs:
        for row in csv.DictReader(path.read_text().splitlines()):
            for name, value in row.items():
                if name not in ("step", "epoch") and value:
                    found.setdefault(name, {})[int(row["step"])] = float(value)
    return {name: sorted(points.items()) for name, points in found.items()}


def plot(title: str, lines: dict[str, list[tuple[int, float]]], width: int = 460, height: int = 240) -> str:
    """An SVG line chart; values from zero up, thin lines for what is logged often."""
    lines = {name: [(s, v) for s, v in points if math.isfinite(v)] for name, points in lines.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return ""
    left, right, top, bottom = 44, 12, 34, 26
    last = max(1, max(s for points in lines.values() for s, _ in points))
    ceiling = max(float(np.percentile([v for _, v in points], 98)) for points in lines.values()) * 1.08 or 1.0

    def x(step: float) -> float:
        return left + step / last * (width - left - right)

    def y(value: float) -> float:
        return height - bottom - min(max(value, 0.0), ceiling) / ceiling * (height - top - bottom)

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">']
    for i in range(5):
        value = ceiling * i / 4
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
        parts.append(f'<text class="tick" x="{x(last * i / 4):.1f}" y="{height - 8}" text-anchor="middle">{last * i // 4}</text>')
    parts.append(f'<text class="title" x="{left}" y="18">{html.escape(title)}</text>')
    legend = width - right
    for (name, points), colour in reversed(list(zip(lines.items(), COLOURS, strict=False))):
        path = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in points)
        thick = 1.1 if name == "train" else 2.2
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thick}" stroke-linejoin="round"/>')
        parts.append(f'<text class="tick" x="{legend}" y="18" text-anchor="end" style="fill:{colour}">{html.escape(name)}</text>')
        legend -= 8 * len(name) + 10
    return "\n".join([*parts, "</svg>"])


def charts(run: Path) -> str:
    """The losses of each task, and validation figures."""
    found = curves(run)
    shown = []
    for name, task in TASKS.items():
        column, figure = next(iter(task.measure.figures.items()))
        shown.append(plot(f"{name} loss", {part: found.get(f"{part}/{name}", []) for part in ("train", "val")}))
        shown.append(plot(f"held-out {name}: {figure.title}", {column: found.get(f"val/{name}_{column}", [])}))
    return "\n".join(f'<div class="chart">{chart}</div>' for chart in shown if chart)


def score_tables(result: evaluate.Result) -> str:
    """The score tables; the better of model and baseline in bold."""
    tables = []
    for name in result.model:
        body = evaluate.rows(result, name)
        heads = "".join(f"<th>{html.escape(figure.title)}</th>" for figure in TASKS[name].measure.figures.values())
        lines = []
        for label, kind, values in body:
            rivals = [row[2] for row in body if row[1] == kind]
            cells = []
            for column, figure in TASKS[name].measure.figures.items():
                style = ' class="best"' if values[column] == figure.best(row[column] for row in rivals) else ""
                cells.append(f"<td{style}>{values[column] * figure.factor:{figure.form}}</td>")
            lines.append(f'<tr class="{"model" if label == "model" else ""}"><th>{label}</th><td>{kind}</td>{"".join(cells)}</tr>')
        caption = html.escape(evaluate.caption(result, name))
        tables.append(f"<table><caption>{caption}</caption><tr><th></th><td></td>{heads}</tr>{''.join(lines)}</table>")
    return "\n".join(tables)


def render(config: ReportConfig, model: Model, result: evaluate.Result) -> str:
    """The page."""
    run, test = Path(config.run), Path(config.test)
    settings = OmegaConf.load(run / CONFIG_FILE)
    train = [Path(settings.data)] if isinstance(settings.data, str) else [Path(folder) for folder in settings.data]
    parameters = sum(p.numel() for p in model.parameters())
    facts = {
        "training triplets": str(sum(sum(open_source(folder).counts) for folder in train)),
        "test images": str(sum(open_source(test).counts)),
        "parameters": f"{parameters / 1e6:.1f} M",
        "steps × batch": f"{settings.steps} × {settings.batch_size}",
        "model sees": "{} × {}".format(*settings.size),
    }
    return Template(TEMPLATE.read_text()).substitute(
        title=html.escape(config.title),
        facts="".join(f"<div><b>{html.escape(value)}</b>{html.escape(name)}</div>" for name, value in facts.items()),
        scores=score_tables(result),
        predictions=prediction_rows(model, test, result, config.predictions),
        curves=charts(run),
        samples=sample_rows(train[0], config.samples),
        config=html.escape(OmegaConf.to_yaml(settings)),
    )


@command("train.report", ReportConfig)
def main(config: ReportConfig) -> None:
    if not (Path(config.run) / CONFIG_FILE).is_file():
        raise UserError(f"run={config.run} has no {CONFIG_FILE}: give the out= of a training run")
    evaluate.check("test", config.test, config.alignment)
    model = load(Path(config.run)).to(device(config.device))
    result = evaluate.evaluate(model, Path(config.test), config.alignment)
    write_atomically(Path(config.out), render(config, model, result))
    print(f"report: {config.out}")


if __name__ == "__main__":
    main()
