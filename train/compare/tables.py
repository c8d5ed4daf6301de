"""What a comparison shows, as text in cells: numbers are rounded here and nowhere else."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from train.compare.entries import Entry, Pair, tasks
from train.errormaps import RANKED_BY
from train.metrics import EVERYTHING, Difference, Figure, alike
from train.quoted import Protocol, Quoted, quoted
from train.results import Part, Row
from train.tasks import TASKS

AVERAGED = {"macro": "mean of images (macro)", "micro": "all pixels (micro)"}
NOTHING = "–"


@dataclass(frozen=True)
class Line:
    """A line of cells; marked: columns that stand out. quoted: not measured here. minor: belongs to the line above it."""

    label: str
    cells: tuple[str, ...]
    marked: frozenset[int] = frozenset()
    quoted: bool = False
    minor: bool = False


@dataclass(frozen=True)
class Section:
    """Lines that compare with each other; `words` say how they were measured."""

    heading: str
    lines: tuple[Line, ...]
    words: str = ""


@dataclass(frozen=True)
class Table:
    """Cells under heads, by section. name: short, for a label or anchor."""

    name: str
    title: str
    heads: tuple[str, ...]
    sections: tuple[Section, ...]
    caption: str = field(default="")


def figures(task: str) -> dict[str, Figure]:
    """The task's figures, in order."""
    return dict(TASKS[task].measure.figures)


def leading(task: str) -> str:
    """The figure that groups are shown by: the one that images are ranked by."""
    return RANKED_BY.get(task, next(iter(figures(task))))


def number(figure: Figure, value: float | None, sign: str = "") -> str:
    """A figure as printed, in its unit, with a true minus."""
    return NOTHING if value is None or math.isnan(value) else f"{value * figure.factor:{sign}{figure.form}}".replace("-", "−")


def between(figure: Figure, ends: tuple[float, float] | None) -> str:
    """The ends of an interval as printed."""
    return f"{number(figure, ends[0])}–{number(figure, ends[1])}" if ends else ""


def scores(entries: Sequence[Entry]) -> list[Table]:
    """Per task: all methods by each average, then what is quoted."""
    return [_scores(entries, task) for task in tasks(entries)]


def _scores(entries: Sequence[Entry], task: str) -> Table:
    sections = [_measured(entries, task, average) for average in AVERAGED]
    sections += [_quoted(task, protocol, rows) for protocol, rows in quoted(entries[0].results.benchmark.name, task).items()]
    heads = ("images", *(figure.title for figure in figures(task).values()))
    fitted = ", each method by the alignments after its name" if TASKS[task].align else ""
    marked = "marked: best of its alignment, where all have the same pixels"
    caption = f"{TASKS[task].pixels}{fitted}; 95 % intervals by drawing people again; {marked}"
    return Table(task, f"{task} on {dataset(entries[0])}", heads, tuple(sections), caption)


def dataset(entry: Entry) -> str:
    """What was scored on, in words."""
    benchmark = entry.results.benchmark
    named = f"{benchmark.name} version {benchmark.version}" if benchmark.name else benchmark.data
    return f"{named}, {benchmark.images:,} images" + ("" if benchmark.whole else ", not whole")


def _measured(entries: Sequence[Entry], task: str, average: str) -> Section:
    """Lines by alignment, so that rivals are neighbours."""
    lines: list[Line] = []
    for alignment in dict.fromkeys(how for entry in entries for how in entry.alignments(task)):
        found = [(named(entry, alignment), entry.row(Part(task, alignment, EVERYTHING), average)) for entry in entries]
        rows = [(label, row) for label, row in found if row]
        for label, row in rows:
            values = (number(figure, row.figures.get(name)) for name, figure in figures(task).items())
            best = (i for i, name in enumerate(figures(task), 1) if _is_best(name, row, [rival for _, rival in rows]))
            lines.append(Line(label, (f"{row.images:,}", *values), frozenset(best)))
            ends = tuple(between(figure, row.interval.get(name)) for name, figure in figures(task).items())
            if any(ends):
                lines.append(Line("95 %", ("", *ends), minor=True))
    return Section(AVERAGED[average], tuple(lines))


def named(entry: Entry, alignment: str | None) -> str:
    """A method and how it was aligned."""
    return f"{entry.label}, {alignment}" if alignment else entry.label


def _is_best(name: str, row: Row, rivals: Sequence[Row]) -> bool:
    """Not where all are alike, nor where they were scored on different pixels."""
    values = {value for rival in rivals if (value := rival.figures.get(name)) is not None}
    same = all(rival.images == row.images and alike(np.array(row.pixels), np.array(rival.pixels)) for rival in rivals)
    return same and len(values) > 1 and row.figures.get(name) == figures(row.task)[name].best(values)


def _quoted(task: str, protocol: Protocol, rows: Sequence[Quoted]) -> Section:
    lines = [Line(row.method, ("", *(row.figures.get(name, "") for name in figures(task))), quoted=True) for row in rows]
    return Section(f"quoted from {protocol.source}: another protocol, not measured here", tuple(lines), protocol.words)


def facets(entries: Sequence[Entry], task: str) -> dict[str, list[str]]:
    """Kind of group (framing, part, ...) -> its groups."""
    found: dict[str, list[str]] = {}
    for group in dict.fromkeys(group for entry in entries for group in entry.groups(task) if group != EVERYTHING):
        found.setdefault(group.split("=", 1)[0], []).append(group)
    return found


def grouped(entries: Sequence[Entry]) -> list[Table]:
    """Per task and kind of group: the leading figure, mean of images, of every method by its leading alignment."""
    return [_grouped(entries, task, facet, groups) for task in tasks(entries) for facet, groups in facets(entries, task).items()]


def _grouped(entries: Sequence[Entry], task: str, facet: str, groups: Sequence[str]) -> Table:
    name, lines = leading(task), []
    figure, shown = figures(task)[name], series(entries, task)
    for group in groups:
        rows = [entry.row(Part(task, alignment, group), "macro") for _, entry, alignment in shown]
        values = (number(figure, row.figures.get(name) if row else None) for row in rows)
        meaning = next((f" ({entry.results.meanings[group]})" for entry in entries if group in entry.results.meanings), "")
        lines.append(Line(group.split("=", 1)[-1] + meaning, (f"{max(row.images for row in rows if row):,}", *values)))
        ends = tuple(between(figure, row.interval.get(name)) if row else "" for row in rows)
        if any(ends):
            lines.append(Line("95 %", ("", *ends), minor=True))
    heads = ("images", *(label for label, _, _ in shown))
    return Table(f"{task}-{facet}", f"{task} by {facet}: {figure.title}", heads, (Section(AVERAGED["macro"], tuple(lines)),))


def series(entries: Sequence[Entry], task: str) -> list[tuple[str, Entry, str | None]]:
    """(label, entry, leading alignment) of those that scored the task."""
    found = [(entry, entry.alignments(task)[0]) for entry in entries if entry.alignments(task)]
    return [(named(entry, alignment), entry, alignment) for entry, alignment in found]


def differences(pairs: Sequence[Pair]) -> list[Table]:
    """Per pair of results and task: first less second."""
    return [_difference(number, pair) for number, pair in enumerate(pairs, 1)]


def _difference(count: int, pair: Pair) -> Table:
    task, alignment, _ = pair.part
    known = figures(task)
    sections = []
    for average, found in pair.differences.items():
        kinds = {
            "difference": [number(figure, found[name].value, "+") for name, figure in known.items()],
            "95 % from": [number(figure, found[name].low, "+") for name, figure in known.items()],
            "to": [number(figure, found[name].high, "+") for name, figure in known.items()],
            "p": [_chance(found[name]) for name in known],
        }
        sure = frozenset(i for i, name in enumerate(known) if found[name].low > 0 or found[name].high < 0)
        lines = [
            Line(label, tuple(cells), sure if label == "difference" else frozenset(), minor=label != "difference")
            for label, cells in kinds.items()
        ]
        sections.append(Section(AVERAGED[average], tuple(lines)))
    how = f", {alignment}" if alignment else ""
    title = f"{task}{how}: {pair.first.label} less {pair.second.label}"
    caption = f"paired, on the {pair.images:,} images of {pair.people:,} people that both scored; marked: the 95 % interval excludes 0"
    return Table(f"difference-{count}", title, tuple(figure.title for figure in known.values()), tuple(sections), caption)


def _chance(found: Difference) -> str:
    return NOTHING if math.isnan(found.p) else f"{found.p:.4f}"


def methods(entries: Sequence[Entry]) -> Table:
    """What each method is, what it looked at, how its values became the house's, what was left out, and by which versions."""
    lines = []
    for entry in entries:
        method, results = entry.results.method, entry.results
        stated = (f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in method.conversion.items())
        versions = (f"{name} {version}" for name, version in results.versions.items() if version)
        digest = (results.benchmark.sha256 or NOTHING)[:12]
        cells = (method.kind, method.source, method.resolution, ", ".join(stated), str(len(results.skipped)), digest, ", ".join(versions))
        lines.append(Line(entry.label, cells))
    heads = ("kind", "source", "looked at", "conversion", "left out", "sha256 of shards", "versions")
    return Table("methods", f"methods on {dataset(entries[0])}", heads, (Section("as stated and recorded", tuple(lines)),))
