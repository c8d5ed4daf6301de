"""Errors by group as SVG: per group a dot and its 95 % interval for each method, and the figure in print."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from train.compare.entries import Entry, tasks
from train.compare.tables import facets, figures, leading, number, series
from train.metrics import Figure
from train.results import Part, Row

# SVG units.
WIDTH, LEFT, RIGHT, TOP, BOTTOM, LINE, GAP = 360, 122, 48, 26, 22, 13, 7
#: Colours of methods; from the ninth on they repeat, in the order of the legend.
COLOURS = ("#2e86ab", "#e4572e", "#5b8e7d", "#8d6a9f", "#c98a00", "#c2387e", "#7b8794", "#3f9c35")
LETTERS = 16  # of a group's name that fit


def charts(entries: Sequence[Entry]) -> dict[str, str]:
    """Task -> a legend and its charts, as HTML; nothing for a task without groups."""
    return {task: _of_task(entries, task) for task in tasks(entries) if facets(entries, task)}


def _of_task(entries: Sequence[Entry], task: str) -> str:
    shown, figure = series(entries, task), figures(task)[leading(task)]
    dots = (f'<span><i style="background:{_colour(i)}"></i>{html.escape(label)}</span>' for i, (label, _, _) in enumerate(shown))
    drawn = []
    for facet, groups in facets(entries, task).items():
        rows = {group.split("=", 1)[-1]: [entry.row(Part(task, how, group), "macro") for _, entry, how in shown] for group in groups}
        drawn.append(f'<div class="chart">{chart(f"{task} by {facet}: {figure.title}", figure, leading(task), rows)}</div>')
    return f'<div class="legend">{"".join(dots)}</div><div class="charts">{"".join(drawn)}</div>'


@dataclass(frozen=True)
class Axis:
    """Round numbers from low to high, in the figure's unit, across the chart."""

    low: float
    high: float
    step: float

    def x(self, value: float) -> float:
        """Where a value stands."""
        return LEFT + (value - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    @property
    def ticks(self) -> list[float]:
        """The round numbers."""
        return [self.low + i * self.step for i in range(round((self.high - self.low) / self.step) + 1)]


def _axis(values: Sequence[float], zero: bool) -> Axis:
    """Holds all values; from zero, or from the lowest."""
    high, low = max(values, default=1.0), 0.0 if zero else min(values, default=0.0)
    step = _step(high - low if high > low else abs(high) or 1.0)
    low, high = step * math.floor(low / step), step * math.ceil(high / step)
    return Axis(low, max(high, low + step), step)


def _step(span: float) -> float:
    """A round number that goes into the span two to five times."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(power * digit for digit in (1, 2, 5, 10) if span / (power * digit) <= 5)


def chart(title: str, figure: Figure, name: str, rows: dict[str, list[Row | None]]) -> str:
    """Group -> a row per method. Errors from zero; shares of pixels, where the largest is the best, from the lowest end of an interval."""
    ends = [end * figure.factor for of_group in rows.values() for row in of_group if row for end in _ends(row, name)]
    axis, pitch = _axis(ends, figure.best is min), LINE * max(map(len, rows.values())) + GAP
    height = TOP + GAP + len(rows) * pitch + BOTTOM
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(title)}">']
    parts.append(f'<text class="title" x="0" y="14">{html.escape(title)}</text>')
    for tick in axis.ticks:
        at = f"{axis.x(tick):.1f}"
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{at}" y="{height - 8}" text-anchor="middle">{tick:.4g}</text>')
    for i, (group, of_group) in enumerate(rows.items()):
        top = TOP + GAP + i * pitch
        short = group if len(group) <= LETTERS else f"{group[: LETTERS - 1]}…"
        place = f'x="{LEFT - 8}" y="{top + len(of_group) * LINE / 2 + 4:.1f}" text-anchor="end"'
        parts.append(f'<text class="group" {place}>{html.escape(short)}<title>{html.escape(group)}</title></text>')
        parts += [_mark(row, figure, name, _colour(j), axis, top + (j + 0.5) * LINE) for j, row in enumerate(of_group)]
    return "".join([*parts, "</svg>"])


def _mark(row: Row | None, figure: Figure, name: str, colour: str, axis: Axis, y: float) -> str:
    """The dot of one method in one group, its interval, and its figure at the right; a dash where it has none."""
    value = row.figures.get(name) if row else None
    text = f'<text class="value" x="{WIDTH}" y="{y + 4:.1f}" text-anchor="end">{number(figure, value)}</text>'
    if row is None or value is None:
        return text
    low, at, high = (axis.x(end * figure.factor) for end in (min(_ends(row, name)), value, max(_ends(row, name))))
    line = f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="2"/>'
    return f'<g>{line}<circle cx="{at:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/><title>{row.images:,} images</title></g>{text}'


def _ends(row: Row, name: str) -> list[float]:
    value = row.figures.get(name)
    return [*row.interval.get(name, ()), *([] if value is None else [value])]


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]
