"""Charts of what samples' records hold, as HTML and SVG text: histograms of numbers, bars of names, and which are drawn."""

import html
import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from datasets.conventions import Array

ROWS_SHOWN = 12  # of a bar chart; the rest are added up in one more
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 200, 46, 14, 56, 24  # of a histogram and its margins, SVG units
MEASURED = "In the frame"  # the section drawn from masks and depth maps
LENSES = (15, 20, 28, 35, 50, 70, 85, 100, 135, 180, 300)
STOPS = (1, 1.4, 2, 2.8, 4, 5.6, 8, 11, 16, 22)
KELVIN = (2000, 2500, 3000, 4000, 5000, 5500, 6000, 6500, 7000, 8000, 10000)


def values(record: Any, path: str) -> list[Any]:
    """What a dotted path leads to in a record. Lists are entered; what is absent or null gives nothing."""
    found = [record]
    for name in path.split("."):
        found = [item[name] for item in found if isinstance(item, dict) and item.get(name) is not None]
        found = [part for item in found for part in (item if isinstance(item, list) else [item])]
    return found


@dataclass
class Histogram:
    """The numbers at `path` of the records added. `of` is what is counted; a logarithmic axis where `log`; own ticks, or round ones."""

    path: str
    title: str
    of: str = "frames"
    log: bool = False
    ticks: Sequence[float] = ()
    numbers: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, record: Any) -> None:
        """Count a record in."""
        self.numbers.extend(values(record, self.path))

    def to_html(self) -> str:
        """The chart; nothing when no number was added."""
        numbers = np.asarray(self.numbers)
        if not len(numbers):
            return ""
        log = self.log and numbers.min() > 0
        scaled = np.log(numbers) if log else numbers
        low, high = float(scaled.min()), float(scaled.max())
        if high - low <= 1e-6 * max(1.0, abs(high)):  # all alike
            low, high = low - 0.1 * max(1.0, abs(low)), high + 0.1 * max(1.0, abs(high))
        bins = int(np.clip(2 * math.sqrt(len(numbers)), 6, 28))
        counts, edges = np.histogram(scaled, bins, (low, high))
        p5, median, p95 = (_short(value) for value in np.percentile(numbers, [5, 50, 95]))
        note = f"median {median} · 90 % within {p5} to {p95} · {len(numbers):,} {self.of}"
        return _svg(self.title, note, self.of, counts, np.exp(edges) if log else edges, log, self.ticks)


@dataclass
class Bars:
    """How often each name, or whole number, stands at `path` of the records added."""

    path: str
    title: str
    of: str = "frames"
    counts: Counter[Any] = field(default_factory=Counter)

    def add(self, record: Any) -> None:
        """Count a record in."""
        self.counts.update(values(record, self.path))

    def to_html(self) -> str:
        """A table with bars, numbers in their order, names from the most frequent down; nothing when nothing was added."""
        if not self.counts:
            return ""
        total, numbered = self.counts.total(), all(isinstance(name, int) for name in self.counts)
        ordered = sorted(self.counts.items(), key=lambda item: item[0] if numbered else (-item[1], item[0]))
        longest = max(self.counts.values())
        rows = [(html.escape(str(name)), count, 100 * count / longest) for name, count in ordered[:ROWS_SHOWN]]
        if rest := ordered[ROWS_SHOWN:]:
            rows.append((f"{len(rest):,} more", sum(count for _, count in rest), 0.0))
        lines = [
            f'<tr><th>{name}</th><td><i style="width:{bar:.1f}%"></i></td><td>{count:,}</td><td>{100 * count / total:.0f} %</td></tr>'
            for name, count, bar in rows
        ]
        caption = f"<b>{html.escape(self.title)}</b>{total:,} {html.escape(self.of)}"
        return f'<table class="bars"><caption>{caption}</caption>{"".join(lines)}</table>'


Chart = Histogram | Bars


def sections() -> dict[str, list[Chart]]:
    """A report's charts, empty, by section. To show something more of the records, add a line."""
    return {
        "Camera": [
            Histogram("lens_mm", "Lens, mm (full frame)", log=True, ticks=LENSES),
            Histogram("distance_m", "Distance to what is framed, m", log=True),
            Histogram("orbit_deg", "Orbit, degrees (0: in front)", ticks=(-135, -90, -45, 0, 45, 90, 135)),
            Histogram("elevation_deg", "Elevation, degrees"),
            Histogram("roll_deg", "Roll, degrees"),
            Histogram("f_number", "Aperture where there is depth of field, f-number", log=True, ticks=STOPS),
            Bars("framing", "Framing"),
            Bars("focus", "Depth of field"),
            Bars("people", "People in the scene"),
        ],
        MEASURED: [
            Histogram("height", "Height of a person, % of the frame's", of="people"),
            Histogram("coverage", "Person pixels, % of the frame"),
            Histogram("depth", "Depth, m", of="pixels", log=True),
            Bars("cut", "The frame cuts people at"),
            Bars("visible", "People to be seen"),
        ],
        "Light": [
            Histogram("lighting.lamps.kelvin", "Colour temperature of lamps, K", of="lamps", log=True, ticks=KELVIN),
            Histogram("lighting.lamps.strength", "Lamps, times the environment's light", of="lamps", log=True),
            Bars("lamps", "Lamps besides the environment"),
            Bars("lighting.lamps.kind", "Kind of lamp", of="lamps"),
            Bars("lighting.environment", "Environment that lights"),
        ],
        "Backdrop and development": [
            Histogram("development.exposure_ev", "Exposure over the metered one, EV"),
            Histogram("development.white_balance_k", "White balance, K", log=True, ticks=KELVIN),
            Bars("behind", "Backdrop"),
            Bars("ground", "Floor"),
            Bars("development.curve", "Tone curve"),
        ],
    }


def _svg(title: str, note: str, of: str, counts: Array, edges: Array, log: bool, ticks: Sequence[float]) -> str:
    scale = math.log if log else float
    low, high, ceiling = scale(edges[0]), scale(edges[-1]), float(counts.max()) * 1.05

    def x(value: float) -> float:
        return LEFT + (scale(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(count: float) -> float:
        return HEIGHT - BOTTOM - count / ceiling * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(f"{title}: {note}")}">']
    parts.append(f'<text class="title" x="0" y="14">{html.escape(title)}</text><text class="tick" x="0" y="30">{html.escape(note)}</text>')
    parts.append(f'<text class="tick" x="0" y="{TOP - 8}">{html.escape(of)}</text>')
    for tick in [tick for tick in _ticks(0, ceiling, 4) if tick == int(tick)]:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,.0f}</text>')
    for count, left, right in zip(counts.tolist(), edges[:-1], edges[1:], strict=True):
        place = f'x="{x(left) + 0.5:.1f}" y="{y(count):.1f}" width="{x(right) - x(left) - 1:.1f}" height="{y(0) - y(count):.1f}"'
        parts.append(f'<rect class="bar" {place}><title>{_short(left)} to {_short(right)}: {count:,}</title></rect>')
    free = 0.0  # from here on no tick has been written
    for tick in ticks or (_log_ticks if log else _ticks)(edges[0], edges[-1], 6):
        if edges[0] <= tick <= edges[-1] and x(tick) >= free:
            free = x(tick) + 34
            parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{_short(tick)}</text>')
    return "".join([*parts, "</svg>"])


def _ticks(low: float, high: float, most: int) -> list[float]:
    """At most about `most` round numbers in a range."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * digit for digit in (1, 2, 5, 10) if (high - low) / (power * digit) <= most)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """1, 2, 5, 10, ... in a range; plain round numbers where it holds fewer than two of those."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5) if low <= digit * 10.0**power <= high]
    return ticks if len(ticks) > 1 else _ticks(low, high, most)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
