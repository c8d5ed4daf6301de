"""`python -m train.report`: one self-contained HTML page about a run: triplets, predictions beside the truth, curves, scores."""

import base64
import csv
import html
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from omegaconf import OmegaConf

from conf.command import UserError, command, key, required
from conf.page import page
from datasets import reader
from datasets.conventions import Array
from datasets.source import open_source
from datasets.triplet import Triplet, write_atomically
from train import evaluate
from train.benchmarks import Data
from train.errormaps import aligned
from train.evaluate import EvaluateConfig
from train.metrics import ALIGNMENTS, EVERYTHING, Figure
from train.predictors import Bad
from train.predictors.ours import Ours
from train.results import AVERAGES, Row
from train.run import CONFIG_FILE
from train.scoring import Scored, shown, truth
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


def prediction_rows(model: Ours, folder: Path, scored: Scored, count: int) -> str:
    """Test images from the best to the worst: picture, then prediction and truth of each task, in one scale of colours."""
    whole = {part.task: (part.alignment, scores.per_image(scored.keys)) for part, scores in scored.whole().items()}
    by = "normal" if "normal" in whole else next(iter(whole))
    main, figures = next(iter(TASKS[by].measure.figures)), whole[by][1]
    picked = spread(sorted(figures, key=lambda sample: figures[sample][main]), count)
    rows = {}
    for t in triplets(folder, picked, whole):
        (predicted,) = model.predict([shown(t)])
        cells = [picture(t.rgb, t.key)]
        for name, (alignment, of_images) in whole.items():
            column, figure = next(iter(TASKS[name].measure.figures.items()))
            score = of_images[t.key][column] * figure.factor
            values, (true, known) = predicted[name], truth(t, name)
            assert not isinstance(values, Bad), "our models always predict"
            if alignment:
                values = aligned(values, true, known, alignment)
            cells += [picture(TASKS[name].picture(values, known), f"{name}, predicted: {figure.title} {score:{figure.form}}")]
            cells += [picture(TASKS[name].picture(true, known), f"{name}, truth")]
        rows[t.key] = '<div class="row">' + "".join(cells) + "</div>"
    return "\n".join(rows[sample] for sample in picked)


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


def score_tables(data: Data, ours: Scored, baseline: Scored) -> str:
    """The score tables; the better of model and baseline in bold."""
    found = {"model": list(evaluate.rows(ours)), "": list(evaluate.rows(baseline))}
    tables = []
    for task in dict.fromkeys(row.task for row in found["model"]):
        figures = TASKS[task].measure.figures
        heads = "".join(f"<th>{html.escape(figure.title)}</th>" for figure in figures.values())
        lines = []
        for average in AVERAGES:
            body = {
                who: next(row for row in of if (row.task, row.group, row.average) == (task, EVERYTHING, average))
                for who, of in found.items()
            }
            for who, row in body.items():
                cells = "".join(_cell(figure, name, row, list(body.values())) for name, figure in figures.items())
                lines.append(f'<tr class="{who}"><th>{who or TASKS[task].trivial}</th><td>{average}</td>{cells}</tr>')
        alignment = next(row.alignment for row in found["model"] if row.task == task)
        caption = html.escape(evaluate.caption(data, found["model"], task, alignment))
        tables.append(f"<table><caption>{caption}</caption><tr><th></th><td></td>{heads}</tr>{''.join(lines)}</table>")
    return "\n".join(tables)


def _cell(figure: Figure, name: str, row: Row, rivals: Sequence[Row]) -> str:
    known = [value for rival in rivals if (value := rival.figures[name]) is not None and not math.isnan(value)]
    value = row.figures[name]
    if value is None or math.isnan(value):
        return "<td></td>"
    style = ' class="best"' if value == figure.best(known) else ""
    return f"<td{style}>{value * figure.factor:{figure.form}}</td>"


def render(config: ReportConfig, model: Ours, data: Data, ours: Scored, baseline: Scored) -> str:
    """The page."""
    run = Path(config.run)
    settings = OmegaConf.load(run / CONFIG_FILE)
    train = [Path(settings.data)] if isinstance(settings.data, str) else [Path(folder) for folder in settings.data]
    parameters = sum(p.numel() for p in model.model.parameters())
    facts = {
        "training triplets": str(sum(sum(open_source(folder).counts) for folder in train)),
        "test images": str(data.facts.images),
        "parameters": f"{parameters / 1e6:.1f} M",
        "steps × batch": f"{settings.steps} × {settings.batch_size}",
        "model sees": "{} × {}".format(*settings.size),
    }
    return page(
        TEMPLATE,
        config.title,
        facts,
        scores=score_tables(data, ours, baseline),
        predictions=prediction_rows(model, data.folder, ours, config.predictions),
        curves=charts(run),
        samples=sample_rows(train[0], config.samples),
        config=html.escape(OmegaConf.to_yaml(settings)),
    )


@command("train.report", ReportConfig)
def main(config: ReportConfig) -> None:
    if not (Path(config.run) / CONFIG_FILE).is_file():
        raise UserError(f"run={config.run} has no {CONFIG_FILE}: give the out= of a training run")
    if not Path(config.test).is_dir():
        raise UserError(f"test={config.test} is no folder: give one of rendered triplets")
    data, model, ours = evaluate.evaluate(
        EvaluateConfig(config.test, checkpoint=config.run, alignment=config.alignment, device=config.device)
    )
    assert isinstance(model, Ours)
    _, _, baseline = evaluate.evaluate(EvaluateConfig(config.test, baseline="trivial", tasks=list(model.tasks)))
    write_atomically(Path(config.out), render(config, model, data, ours, baseline))
    print(f"report: {config.out}")


if __name__ == "__main__":
    main()
