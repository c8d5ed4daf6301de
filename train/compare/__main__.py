"""`python -m train.compare`: results of several methods on one benchmark, as one table in every format."""

import dataclasses
import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conf.command import UserError, command, key, required
from datasets.triplet import write_atomically
from train import results
from train.compare import formats, tables
from train.compare.entries import Entry, Pair, gather, makes, pairs, tasks, unpaired
from train.compare.page import page
from train.quoted import quoted

FILES = ("table.html", "table.md", "table.tex", "table.json")


@dataclass
class CompareConfig:
    """Put results of train.evaluate side by side: scores with those that papers give (marked as quoted, another protocol), paired
    differences of each two on the same images, errors by group, and pictures of them.

    Results of different datasets or benchmark versions are refused. Writes table.html (one file, no network), .md, .tex and .json.
    """

    results: list[str] = required("out= folders of train.evaluate, one per method: results=[A,B]")
    out: str | None = key(None, "folder for table.html, table.md, table.tex and table.json; null: print only")


def notes(entries: Sequence[Entry]) -> list[str]:
    """What a reader must know before the figures: a dataset that is not whole, axes in doubt, images left out, pairs that cannot be."""
    benchmark = entries[0].results.benchmark
    found = [] if benchmark.whole else [f"{benchmark.data} is not whole: {benchmark.images:,} images were there"]
    if len(sets := makes(entries)) > 1:
        made = "; ".join(f"{(digest or 'none')[:8]}: {', '.join(labels)}" for digest, labels in sets.items())
        found.append(f"scored on {len(sets)} makes of {benchmark.name}, whose photographs may differ in noise ({made})")
    for entry in entries:
        if doubt := entry.results.doubt:
            found.append(f"{entry.label}: {doubt}")
        if skipped := entry.results.skipped:
            found.append(f"{entry.label}: predictions left out: {len(skipped)}, the first of image {skipped[0].key} ({skipped[0].why})")
    return found + unpaired(entries)


def data(entries: Sequence[Entry], paired: Sequence[Pair]) -> dict[str, Any]:
    """All figures, not rounded, in the unit of `train.metrics`; quoted ones apart."""
    benchmark = entries[0].results.benchmark
    methods = [
        {
            "label": entry.label,
            "method": dataclasses.asdict(entry.results.method),
            "skipped": [dataclasses.asdict(skipped) for skipped in entry.results.skipped],
            "versions": entry.results.versions,
            "rows": [dataclasses.asdict(row) for row in entry.results.rows],
        }
        for entry in entries
    ]
    papers = [
        {**dataclasses.asdict(row), "figures": row.values(), "quoted": True}
        for task in tasks(entries)
        for rows in quoted(benchmark.name, task).values()
        for row in rows
    ]
    return {
        "benchmark": dataclasses.asdict(benchmark),
        "notes": notes(entries),
        "methods": methods,
        "quoted": papers,
        "differences": [_difference(pair) for pair in paired],
    }


def _difference(pair: Pair) -> dict[str, Any]:
    found = {
        average: {name: {kind: _defined(value) for kind, value in of_figure._asdict().items()} for name, of_figure in of_average.items()}
        for average, of_average in pair.differences.items()
    }
    task, alignment, group = pair.part
    where = {"task": task, "alignment": alignment, "group": group, "images": pair.images, "people": pair.people}
    return {"first": pair.first.label, "second": pair.second.label, **where, **found}


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def compare(folders: Sequence[Path], out: Path | None) -> str:
    """The tables for a terminal; written in every other format where `out` is given."""
    entries = gather(folders)
    if out and (out / results.FILE).exists():
        raise UserError(f"out={out} holds results itself: give the table a folder of its own")
    paired = list(pairs(entries))
    scores, grouped, differences = tables.scores(entries), tables.grouped(entries), tables.differences(paired)
    said, every = notes(entries), [*scores, *grouped, *differences, tables.methods(entries)]
    if out:
        write_atomically(out / "table.html", page(entries, scores, grouped, differences, said))
        write_atomically(out / "table.md", "\n".join([*(f"> {note}\n" for note in said), *map(formats.markdown, every)]))
        write_atomically(out / "table.tex", "\n".join([*(f"% {note}" for note in said), *map(formats.latex, every)]))
        write_atomically(out / "table.json", json.dumps(data(entries, paired), indent=1, allow_nan=False) + "\n")
    looked = [f"{entry.label}: {entry.results.method.kind}, looked at {entry.results.method.resolution}" for entry in entries]
    return "\n\n".join(
        [*(textwrap.fill(line, formats.WIDTH) for line in [*looked, *said]), *map(formats.terminal, [*scores, *grouped, *differences])]
    )


@command("train.compare", CompareConfig)
def main(config: CompareConfig) -> None:
    out = Path(config.out) if config.out else None
    print(compare([Path(folder) for folder in config.results], out))
    if out:
        print(f"\nwritten: {', '.join(str(out / name) for name in FILES)}")


if __name__ == "__main__":
    main()
