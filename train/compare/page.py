"""The comparison as one HTML file that holds its pictures and needs no network."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from conf.command import UserError
from conf.page import page as filled
from train.compare import formats
from train.compare.charts import charts
from train.compare.entries import Entry, makes, tasks
from train.compare.tables import Table, dataset, figures, methods, number
from train.errormaps import COLOURS, SCALES, WHICH
from train.results import Picture

TEMPLATE = Path(__file__).with_name("page.html")
PICTURE_WIDTH = 1200  # pixels, of four side by side


def page(
    entries: Sequence[Entry], scores: Sequence[Table], grouped: Sequence[Table], differences: Sequence[Table], notes: Sequence[str]
) -> str:
    """All of it. Raises UserError where a picture cannot be read."""
    benchmark = entries[0].results.benchmark
    facts = {
        "benchmark": f"{benchmark.name} version {benchmark.version}" if benchmark.name else benchmark.data,
        "images": f"{benchmark.images:,}" + ("" if benchmark.whole else ", not whole"),
        "methods": str(len(entries)),
        "sha256 of shards": ", ".join((digest or "none")[:8] for digest in makes(entries)),
    }
    return filled(
        TEMPLATE,
        f"Results on {dataset(entries[0])}",
        facts,
        notes,
        scores="".join(map(formats.page, scores)),
        groups=_groups(entries, grouped),
        differences="".join(map(formats.page, differences)) or "<p>None: they take two results of one task and alignment.</p>",
        pictures=_pictures(entries),
        methods=formats.page(methods(entries)),
        gradient=gradient(),
    )


def _groups(entries: Sequence[Entry], grouped: Sequence[Table]) -> str:
    found = []
    for task, drawn in charts(entries).items():
        own = "".join(formats.page(table) for table in grouped if table.name.startswith(f"{task}-"))
        meanings = {group.split("=", 1)[-1]: meaning for entry in entries for group, meaning in entry.results.meanings.items()}
        told = "".join(f" {name.capitalize()}: {meaning}." for name, meaning in meanings.items())
        words = html.escape(f"Mean of images, with 95 % intervals; a group has the images that show any of it.{told}")
        numbers = f"<details><summary>The same as tables</summary>{own}</details>"
        found.append(f"<section><h2>{html.escape(task)} by group</h2><p>{words}</p>{drawn}{numbers}</section>")
    return "".join(found)


def _pictures(entries: Sequence[Entry]) -> str:
    found = []
    for task in tasks(entries):
        shown = "".join(_of_entry(entry, task) for entry in entries)
        if shown:
            words = (
                "Photograph, truth, prediction, error. Black: no error; the last colour: the end of the scale or beyond; grey: not scored."
            )
            found.append(f"<section><h2>{html.escape(task)}: worst, median and best image</h2><p>{words}</p>{shown}</section>")
    return "".join(found)


def _of_entry(entry: Entry, task: str) -> str:
    chosen = sorted((picture for picture in entry.results.pictures if picture.task == task), key=lambda picture: WHICH.index(picture.which))
    drawn = "".join(_strip(entry, picture) for picture in chosen)
    return f"<h3>{html.escape(entry.label)}</h3>{drawn}" if drawn else ""


def _strip(entry: Entry, picture: Picture) -> str:
    figure, scale = figures(picture.task)[picture.figure], SCALES[picture.task]
    words = f"{picture.which}: {figure.heading} {number(figure, picture.value)}{figure.unit and f' {figure.unit}'}, image {picture.key}"
    bar = f'<span class="scale">0<i></i>{scale.top:g} {html.escape(scale.unit)}</span>'
    labels = f"<span>{html.escape(words)}</span><span>truth</span><span>prediction</span>{bar}"
    return (
        f'<figure><img alt="{html.escape(words)}" src="{_embedded(entry.folder / picture.file)}"><figcaption>{labels}</figcaption></figure>'
    )


def _embedded(path: Path) -> str:
    image = cv2.imread(str(path)) if path.is_file() else None
    if image is None:
        raise UserError(f"{path} is missing or no picture, though results.json lists it: evaluate again")
    height, width = image.shape[:2]
    if width > PICTURE_WIDTH:
        image = cv2.resize(image, (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width)), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def gradient() -> str:
    """The colours of errors as CSS, from none to the top of the scale."""
    colours = cv2.applyColorMap(np.linspace(0, 255, 9).round().astype(np.uint8), COLOURS)[:, 0, ::-1]
    return f"linear-gradient(90deg, {', '.join('#{:02x}{:02x}{:02x}'.format(*colour) for colour in colours.tolist())})"
