"""`python -m render.report`: one self-contained HTML page about a rendered dataset: pictures, distributions, scans, rejections."""

import base64
import html
import math
import re
import tarfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from conf.command import UserError, command, key, required
from conf.page import page as filled
from datasets.conventions import Array, normal_to_rgb
from datasets.triplet import MEMBERS, Dataset, Triplet, decode, write_atomically
from render.benchmark import missing_frames
from render.charts import MEASURED, ROWS_SHOWN, Bars, Chart, Histogram, sections, values

TEMPLATE = Path(__file__).with_name("report.html")
PEOPLE_COLOURS = np.array([[235, 235, 235], [228, 87, 46], [46, 134, 171], [244, 185, 66]], np.uint8)
BACKDROPS = {"environment": "lighting environment", "other": "other environment"}


@dataclass
class ReportConfig:
    """Write one HTML page about a rendered dataset, finished or not. It holds its pictures and needs nothing else."""

    data: str = required("folder of a dataset, from `python -m render`")
    out: str | None = key(None, "the HTML file to write; null: report.html in the dataset's folder")
    samples: int = key(24, "samples shown, spread evenly over the set")
    measured: int = key(200, "samples whose mask and depth are measured, spread evenly over the set")


def names() -> dict[str, Counter[str]]:
    """What is counted for the head of the page, by its place in the records."""
    return {path: Counter() for path in ("subjects.scan", "subjects.subject", "size", "versions.blender")}


@dataclass
class Survey:
    """What a dataset's shards hold: charts of all records, pictures and measures of some samples, and what could not be read."""

    frames: int = 0
    measured: int = 0
    rows: list[str] = field(default_factory=list)
    charts: dict[str, list[Chart]] = field(default_factory=sections)
    names: dict[str, Counter[str]] = field(default_factory=names)
    damaged: list[str] = field(default_factory=list)

    def add(self, record: dict[str, Any]) -> None:
        """Count a record in."""
        self.frames += 1
        self.measured += "coverage" in record
        self.rows += values(record, "row")
        for path, counts in self.names.items():
            counts.update(values(record, path))
        for chart in chain.from_iterable(self.charts.values()):
            chart.add(record)


def survey(dataset: Dataset, folder: Path, shown: int, measured: int) -> Survey:
    """Read all records, and the maps of some samples, of the shards that are there whole."""
    found, shards, total = Survey(), dict[Path, range](), 0
    for path in dataset.paths(folder):
        entry, size = dataset.shards[path.name], path.stat().st_size if path.is_file() else None
        if size == entry["bytes"]:
            shards[path] = range(total, total := total + entry["samples"])
        else:
            found.damaged.append(f"{path.name} is missing" if size is None else f"{path.name} has {size:,} of {entry['bytes']:,} bytes")
    chosen = spread(range(total), max(measured, shown))
    maps = dict.fromkeys(chosen, ("mask", "depth")) | dict.fromkeys(spread(chosen, shown), ("mask", "depth", "rgb", "normal"))
    with tqdm(total=total, desc=f"read {folder}", unit="sample") as bar:
        for path, indices in shards.items():
            here = {position: maps[index] for position, index in enumerate(indices) if index in maps}
            try:
                for made in [record(t) for t in samples(path, here)]:  # a list first: a shard counts whole or not at all
                    found.add(made)
            except (tarfile.TarError, ValueError) as error:
                found.damaged.append(f"{path.name} cannot be read: {error}")
            bar.update(len(indices))
    return found


def spread(items: Sequence[int], count: int) -> list[int]:
    """`count` items at even distances, first and last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(1, count - 1))] for i in range(count)]


def samples(path: Path, maps: Mapping[int, Iterable[str]]) -> Iterator[Triplet]:
    """The samples of a shard, in order: of each the record, and the fields of `Triplet` that `maps` wants of its position.

    All else is skipped, not read: a tar's headers say where the next member begins. Raises tarfile.TarError or ValueError.
    """
    with tarfile.open(path, mode="r:") as tar:
        for position, (name, infos) in enumerate(groupby(tar, lambda info: info.name.partition(".")[0])):
            fields, members = ("meta", *maps.get(position, ())), dict[str, bytes]()
            suffixes = {MEMBERS[field].suffix for field in fields}
            for info in infos:
                suffix = info.name.partition(".")[2]
                if suffix in suffixes and (stream := tar.extractfile(info)):
                    members[suffix] = stream.read()
            yield decode(name, members, fields)


def record(t: Triplet) -> dict[str, Any]:
    """A sample's JSON record, with what follows from it, and what its maps show where they were read."""
    made: dict[str, Any] = {"people": len(t.meta["subjects"]), "size": f"{t.meta['width']} × {t.meta['height']}"}
    if "f_number" in t.meta:
        made["focus"] = "sharp everywhere" if t.meta["f_number"] is None else "blurred off the focus"
    if "lamps" in t.meta.get("lighting", {}):
        made["lamps"] = len(t.meta["lighting"]["lamps"])
    if backdrop := t.meta.get("backdrop"):
        made["behind"] = BACKDROPS.get(backdrop["kind"], backdrop["kind"])
        made["ground"] = "with people's shadow" if backdrop.get("floor") else "none"
    if t.mask is not None:
        made |= measure(t.mask, t.depth)
    if t.rgb is not None:
        made["row"] = sample_row(t, *values(made, "behind"))
    return {**t.meta, **made}


def measure(mask: Array, depth: Array) -> dict[str, Any]:
    """Height of every person and coverage, % of the frame; the sides where it cuts people; depths on an even grid, metres."""
    inside, step = mask > 0, max(1, round(math.sqrt(mask.size / 1e4)))
    rows = [np.flatnonzero((mask == person).any(axis=1)) for person in np.unique(mask[inside])]
    sides = {"top": inside[0], "bottom": inside[-1], "left": inside[:, 0], "right": inside[:, -1]}
    cut = " + ".join(side for side, pixels in sides.items() if pixels.any())
    return {
        "height": [100 * (int(row[-1] - row[0]) + 1) / len(mask) for row in rows],
        "coverage": 100 * float(inside.mean()),
        "cut": cut or "no side",
        "visible": len(rows),
        "depth": depth[::step, ::step][inside[::step, ::step]].tolist(),
    }


def sample_row(t: Triplet, behind: str = "") -> str:
    """Picture, depth, normal and mask side by side, under the sample's key, scans, framing, lens and backdrop."""
    inside = t.mask > 0
    near, far = (t.depth[inside].min(), t.depth[inside].max()) if inside.any() else (0.0, 0.0)
    digits = 2 if far < 10 else 1
    level = 255 * np.clip(1 - 0.9 * (t.depth - near) / max(far - near, 1e-6), 0, 1)  # near bright; far dark, but not black
    inferno = cv2.applyColorMap(level.astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    cells = [
        picture("picture", t.rgb),
        picture("depth", inferno * inside[..., None], f"{near:.{digits}f}<i></i>{far:.{digits}f} m"),
        picture("normal", normal_to_rgb(t.normal)),
        picture("mask", PEOPLE_COLOURS[(t.mask.astype(int) - 1) % 4] * inside[..., None]),
    ]
    lens = (f"{mm:.0f} mm" for mm in values(t.meta, "lens_mm"))
    facts = [" + ".join(values(t.meta, "subjects.scan")), *values(t.meta, "framing"), *lens, behind]
    caption = html.escape(" · ".join(filter(None, facts)))
    return f'<div class="sample"><h3><b>{t.key}</b> {caption}</h3><div class="row">{"".join(cells)}</div></div>'


def picture(name: str, image: Array, caption: str = "") -> str:
    """A figure whose picture is part of the page, lossy and small. The caption is HTML; the name where there is none."""
    scale = min(1.0, 288 / max(image.shape[:2]))
    small = cv2.resize(np.ascontiguousarray(image[..., ::-1]), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 88])
    text = base64.b64encode(data.tobytes()).decode()
    return f'<figure><img alt="{name}" src="data:image/jpeg;base64,{text}"><figcaption>{caption or name}</figcaption></figure>'


def facts(dataset: Dataset, found: Survey) -> dict[str, str]:
    """What stands at the head of the page."""
    stored, size = sum(entry["bytes"] for entry in dataset.shards.values()), catalogue_size(dataset)
    scans, people, sizes, versions = found.names.values()
    return {
        "triplets": f"{found.frames:,}" + (f" of {dataset.count:,}" if found.frames != dataset.count else ""),
        "people": f"{len(people):,}" if people else "",
        "scans": f"{len(scans):,}" + (f" of {size:,}" if size else ""),
        "resolution": ", ".join(sizes),
        "shards": f"{len(dataset.shards):,}",
        "on disk": f"{stored / 1e9:,.2f} GB" if stored >= 1e9 else f"{stored / 1e6:,.1f} MB",
        "per triplet": f"{stored / max(1, dataset.samples) / 1e3:,.0f} kB",
        "seed": str(dataset.seed),
        "split": str(dataset.configuration.get("split", "")),
        "Blender": ", ".join(versions),
    }


def notices(dataset: Dataset, found: Survey) -> list[str]:
    """What the reader must know first: what is not rendered yet, and what is damaged."""
    lines, given_up, skipped = [], left_out(dataset, "given_up"), left_out(dataset, "skipped")
    absent = len(missing_frames(dataset.benchmark))
    unmade = dataset.count - dataset.samples - given_up.total() - skipped.total() - absent
    if absent:
        scans = len(dataset.benchmark["missing"])
        lines.append(f"{scans:,} scans of {dataset.benchmark['name']} were missing, and with them {absent:,} frames.")
    if unmade > 0:
        lines.append(f"{unmade:,} of {dataset.count:,} triplets are not rendered yet. The same render command finishes the set.")
    if given_up or skipped:
        lines.append(f"Frames given up: {given_up.total():,}; left out for their people: {skipped.total():,}. See Rejections.")
    if found.damaged:
        shown = "; ".join(found.damaged[:5]) + (f"; and {len(found.damaged) - 5:,} more" if len(found.damaged) > 5 else "")
        lines.append(f"Shards left out: {shown}. Delete those that are damaged; the same render command makes what is missing.")
    return lines


def catalogue_size(dataset: Dataset) -> int | None:
    """How many scans the set was planned over, where its configuration says so ("17 scans, <digest>")."""
    number = re.match(r"(\d+) scans", str(dataset.configuration.get("people", "")))
    return int(number[1]) if number else None


def scans(dataset: Dataset, counts: Counter[str]) -> str:
    """How often scans are shown, how evenly, and how many never."""
    size, evenness = catalogue_size(dataset), Counter(counts.values())
    few = len(evenness) <= ROWS_SHOWN
    title, numbers = "Frames per scan", array("d", counts.values())
    each: Chart = Bars("", title, of="scans", counts=evenness) if few else Histogram("", title, of="scans", numbers=numbers)
    unseen = f"{size - len(counts):,} of {size:,} scans never appear." if size and size > len(counts) else "Every scan appears."
    note = f"<p>{unseen}</p>" if size else ""
    return f'{note}<div class="charts">{each.to_html()}{Bars("", "Scans shown most", of="appearances", counts=counts).to_html()}</div>'


def left_out(dataset: Dataset, kind: str) -> Counter[str]:
    """Frames by the reason they were given_up for, or by the quarantined people they were skipped for."""
    found: Counter[str] = Counter()
    for entry in dataset.shards.values():
        for name, value in entry.get(kind, {}).items():  # {index: reason}, or {people: [index]}
            found.update([value] if kind == "given_up" else {name: len(value)})
    return found


def rejections(dataset: Dataset) -> str:
    """Rejected draws by reason, frames that no draw was accepted for, and frames of people who are in quarantine."""
    reasons: Counter[str] = sum((Counter(entry.get("rejections", {})) for entry in dataset.shards.values()), Counter())
    draws = reasons.total() + dataset.samples
    skipped = Counter({f"{name}: {dataset.quarantined.get(name, '')}": n for name, n in left_out(dataset, "skipped").items()})
    charts = [
        Bars("", "Draws rejected", of=f"of {draws:,} draws, {100 * reasons.total() / max(1, draws):.1f} %", counts=reasons),
        Bars("", "Frames given up", counts=left_out(dataset, "given_up")),
        Bars("", "Frames left out, by quarantined people", counts=skipped),
    ]
    return "".join(chart.to_html() for chart in charts) or f"<p>None of {draws:,} draws was rejected.</p>"


def settings(configuration: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """A configuration as `key=value` lines, as the command line takes them; of a long list only the beginning."""
    for name, value in configuration.items():
        if isinstance(value, dict):
            yield from settings(value, f"{prefix}{name}.")
        elif isinstance(value, list) and len(value) > 16:
            yield f"{prefix}{name}=[{', '.join(map(str, value[:8]))}, ... {len(value):,} in all]"
        else:
            yield f"{prefix}{name}={'null' if value is None else value}"


def page(dataset: Dataset, found: Survey, title: str) -> str:
    """The page."""
    note = f"<p>Masks and depth maps of {found.measured:,} samples, spread evenly over the set; depth on an even grid of pixels.</p>"
    charts = []
    for name, members in found.charts.items():
        drawn = "".join(chart.to_html() for chart in members)
        above = f"<h2>{name}</h2>{note if name == MEASURED else ''}"
        charts.append(f'<section>{above}<div class="charts">{drawn}</div></section>' if drawn else "")
    return filled(
        TEMPLATE,
        title,
        {name: value for name, value in facts(dataset, found).items() if value},
        notices(dataset, found),
        samples="\n".join(found.rows),
        charts="\n".join(charts),
        scans=scans(dataset, found.names["subjects.scan"]),
        rejections=rejections(dataset),
        configuration=html.escape("\n".join(settings(dataset.configuration))),
    )


def report(config: ReportConfig) -> Path:
    """Write the page and return its path. Raises UserError when there is no dataset, or nothing of it to show."""
    folder, out = Path(config.data), Path(config.out or Path(config.data) / "report.html")
    for name in ("samples", "measured"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    if out.is_dir():
        raise UserError(f"out={out} is a folder: give the name of an HTML file")
    try:
        dataset = Dataset.load(folder)
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise UserError(f"data={folder} is no dataset that can be read: {error}") from error
    found = survey(dataset, folder, config.samples, config.measured)
    if not found.frames:
        raise UserError(f"data={folder} has nothing to show ({'; '.join(found.damaged[:3]) or 'no shard yet'}): run `python -m render`")
    write_atomically(out, page(dataset, found, folder.resolve().name))
    return out


@command("render.report", ReportConfig)
def main(config: ReportConfig) -> None:
    print(f"report: {report(config)}")


if __name__ == "__main__":
    main()
