"""`python -m scans.ingest`: brings a folder of scans into the canonical frame and a catalogue.

One record per mesh file. A scan's subject is the first folder under `source` that holds it, else the file's stem; a `layout=`
knows better (`scans/layouts/`): ids, subjects, units, facing and the dataset's split, wherever the user states nothing. Scans
that cannot be used are listed with the reason in `<out>/report.json`; the others go through. Running it again does only
what is new or changed, and subjects keep their split.
"""

import hashlib
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from conf.command import UserError, command, key, required
from datasets.triplet import write_atomically
from scans import catalogue, glb
from scans.canonical import FACINGS, METRES, POSSIBLE, UPS, Options, Placement, place
from scans.catalogue import ScanRecord
from scans.face import Detector, haar
from scans.layouts import LAYOUTS, Scan
from scans.mesh import Mesh, Refused
from scans.preview import contact_sheet, save_strip

REPORT_FILE = "report.json"
PREVIEW_FILE = "preview.png"


@dataclass
class IngestConfig:
    """Bring scans of people (OBJ, PLY, GLB, glTF) into one canonical frame and a catalogue."""

    source: str = required("folder of scans, searched with its subfolders, or one mesh file")
    out: str = required("folder of the catalogue; an existing catalogue grows")
    layout: str = key(
        "any", "how the source lies on disk: any (one scan per mesh file), or a dataset as it is delivered: " + "|".join([*LAYOUTS][1:])
    )
    every: int = key(30, "of sequences (4ddress, xhumans): every n-th frame; 1: all")
    units: str = key("auto", "unit of the files: auto|m|cm|mm|unit (unit: arbitrary, taken from the face or an assumed height)")
    up: str = key("auto", "up axis of the files: auto|y|z|-y|-z")
    facing: str = key("auto", "where the person faces, in the file's own axes: auto|+z|-z|+x|-x|+y|-y")
    height_m: float | None = key(None, "height of the whole scan in metres; overrides units; with a layout, of scans without a fit")
    licence: str = key("unknown", "licence of the scans, recorded with each; unknown: the layout's own, if it has one")


@command("scans.ingest", IngestConfig)
def main(config: IngestConfig) -> None:
    """Ingest a folder, then say what was assumed, what was refused, and where to look."""
    options = _options(config)
    source, out = Path(config.source).expanduser().resolve(), Path(config.out)
    records, refused, done = ingest(source, out, options, config.licence, layout=config.layout, every=config.every)
    print(
        "\n".join(
            [*_table([record for record in records if record.id in done]), *(f"refused {name}: {why}" for name, why in refused.items())]
        )
    )
    _warn_of_few_subjects(records)
    splits = Counter(record.split for record in records)
    print(f"{len(done)} scans in, {len(refused)} refused; {out / catalogue.CATALOGUE_FILE} holds {len(records)} ({dict(splits)})")
    if records:
        print(
            f"look at {contact_sheet(out, [record.id for record in records], out / PREVIEW_FILE)}: everyone upright and facing the camera?"
        )
    elif refused:
        raise UserError(f"source={config.source}: none of its {len(refused)} scans can be used; see {out / REPORT_FILE}")


def ingest(
    source: Path,
    out: Path,
    options: Options,
    licence: str = "unknown",
    detector: Detector | None = haar,
    layout: str = "any",
    every: int = 30,
) -> tuple[list[ScanRecord], dict[str, str], set[str]]:
    """Bring all scans under `source` into the catalogue `out`.

    Gives the catalogue's records, the refused files (relative to source) with reasons, and the ids that `source` stands for.
    Raises UserError when there is nothing to ingest.
    """
    root, scans = _find(source, out, layout, every)
    try:
        before = catalogue.read(out) if (out / catalogue.CATALOGUE_FILE).is_file() else []
    except ValueError as error:
        raise UserError(str(error)) from error
    licence = LAYOUTS[layout].licence if licence == "unknown" else licence
    known = {record.source: record for record in before}
    settled = {record.subject: record.split for record in before} | {scan.subject: scan.split for scan in scans if scan.split}
    _adopt(known, scans, layout)
    refused: dict[str, str] = {}
    done: set[str] = set()
    for scan in tqdm(scans, desc="ingest", unit="scan", disable=None):
        source_name = str(scan.file)
        record = known.get(source_name)
        id = scan.id or (record.id if record else _id(scan.file, root, {other.id for other in known.values()}))
        if record and record.id != id:  # another layout named it
            (out / record.path).unlink(missing_ok=True)
            record = None
        try:
            stated = _stated(scan, options, layout, licence)
            if record is None or record.attributes.get("options") != stated or not _unchanged(record, out):
                known[source_name] = record = _bring(scan, out, id, options.over(scan.options()), stated, detector)
                _save(out, known, settled)
            done.add(record.id)
        except Refused as reason:
            refused[scan.file.relative_to(root).as_posix()] = str(reason)
            known.pop(source_name, None)
            (out / f"{id}.glb").unlink(missing_ok=True)
            _save(out, known, settled)
    _save(out, known, settled)
    _report(out, source, {**asdict(options), "licence": licence, "layout": layout}, refused, len(done))
    return (catalogue.read(out) if known else []), refused, done


def _stated(scan: Scan, options: Options, layout: str, licence: str) -> dict[str, Any]:
    """What a scan was made with, as the catalogue's JSON gives it back. Raises Refused where its fit cannot be read."""
    stated = {**asdict(options.over(scan.options())), "licence": licence, "layout": layout}
    return json.loads(json.dumps(stated))  # type: ignore[no-any-return]


def _adopt(known: dict[str, ScanRecord], scans: list[Scan], layout: str) -> None:
    """Scans that a layout names keep their record when their folder has moved. Raises UserError where a name stands for two scans."""
    mine = [scan for scan in scans if scan.id is not None]
    paths = {scan.id: str(scan.file) for scan in reversed(mine)}
    for scan in mine:
        if paths[scan.id] != str(scan.file):
            raise UserError(f"source: {paths[scan.id]} and {scan.file} are both scan {scan.id}: give the folder of one of them")
    for record in [record for record in known.values() if record.id in paths and record.source != paths[record.id]]:
        if record.attributes.get("options", {}).get("layout") != layout:
            raise UserError(f"out: scan {record.id} is there already, from {record.source}: give another out=")
        known[paths[record.id]] = replace(known.pop(record.source), source=paths[record.id])


def _options(config: IngestConfig) -> Options:
    """The stated keys, checked. Raises UserError naming the allowed values."""
    allowed = {"layout": tuple(LAYOUTS), "units": ("auto", *METRES, "unit"), "up": ("auto", *UPS), "facing": ("auto", *FACINGS)}
    for name, values in allowed.items():
        if getattr(config, name) not in values:
            raise UserError(f"{name}={getattr(config, name)}: give one of {', '.join(values)}")
    if config.up != "auto" and config.facing[-1] == config.up[-1]:
        raise UserError(f"facing={config.facing} lies along up={config.up}: a person faces across the up axis; change one of them")
    if config.height_m is not None and not POSSIBLE[0] <= config.height_m <= POSSIBLE[1]:
        raise UserError(f"height_m={config.height_m}: give metres between {POSSIBLE[0]} and {POSSIBLE[1]}")
    if config.every < 1:
        raise UserError(f"every={config.every}: must be at least 1")
    return Options(config.units, config.up, config.facing, config.height_m)


def _find(source: Path, out: Path, layout: str, every: int) -> tuple[Path, list[Scan]]:
    """The folder that names are relative to, and the scans, sorted. Raises UserError when there are none."""
    kind = LAYOUTS[layout]
    single = source.is_file() and source.suffix.lower() in kind.suffixes
    if not single and not source.is_dir():
        raise UserError(f"source={source}: no such folder or mesh file ({', '.join(kind.suffixes)})")
    root = source.parent if single else source
    everything = [source] if single else _files(source, out)
    scans = kind.find([path for path in everything if path.suffix.lower() in kind.suffixes], every)
    if not scans:
        raise UserError(f"source={source}: holds no {kind.looks_for}{_instead(everything, layout)}")
    named = [scan if scan.subject else replace(scan, subject=_subject(scan.file.relative_to(root))) for scan in scans]
    return root, sorted(named, key=lambda scan: scan.file)


def _files(source: Path, out: Path) -> list[Path]:
    """All files under a folder, sorted, without hidden ones and those of the catalogue."""
    hidden = lambda path: any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(source).parts)
    made = out.resolve()
    return sorted(path for path in source.rglob("*") if path.is_file() and not hidden(path) and not path.is_relative_to(made))


def _instead(files: list[Path], layout: str) -> str:
    """For a source without a layout's files: what it holds."""
    if layout == "any":
        return ""
    kinds = Counter(path.suffix.lower() for path in files).most_common(4)
    held = ", ".join(f"{count} {kind or 'without suffix'}" for kind, count in kinds) or "no file"
    example = f" (as {files[0].parent.name}/{files[0].name})" if files else ""
    return f", as layout={layout} has it; it holds {held}{example}: give another layout= or source="


def _subject(relative: Path) -> str:
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def _id(file: Path, root: Path, taken: set[str]) -> str:
    """A readable id, unique in the catalogue (letter case apart) and safe as a file name."""
    parts = list(file.relative_to(root).with_suffix("").parts)
    parts = parts[:-1] if len(parts) > 1 and parts[-1] == parts[-2] else parts
    base = re.sub(r"[^A-Za-z0-9_-]+", "_", "-".join(parts)).strip("_-") or "scan"
    lowered = {name.lower() for name in taken}
    digest = hashlib.sha256(str(file).encode()).hexdigest()[:8]
    candidates = (base, f"{base}_{file.suffix[1:].lower()}", f"{base}_{digest}")
    return next(name for name in candidates if name.lower() not in lowered)


def _bring(scan: Scan, out: Path, id: str, options: Options, stated: dict[str, Any], detector: Detector | None) -> ScanRecord:
    """Read, place and write one scan. Raises Refused."""
    mesh = scan.read(scan.file)
    stamps = {str(path): _stamp(path) for path in [*mesh.files, *scan.extra]}
    placement = place(mesh, options, detector)
    mesh = replace(mesh.transformed(placement.matrix), issues=[*scan.issues, *mesh.issues])
    glb.write(mesh, out / f"{id}.glb")
    save_strip(mesh, placement, id, out)
    attributes: dict[str, Any] = {"found": placement.found, "albedo": mesh.albedo, "files": stamps, "options": stated}
    attributes["normal_map"] = any(part.material.normal_map for part in mesh.parts)
    attributes |= {"published_split": scan.published} if scan.published else {}
    record = _record(mesh, placement, id=id, path=f"{id}.glb", subject=scan.subject, source=str(scan.file), licence=stated["licence"])
    return replace(record, attributes=attributes)


def _record(mesh: Mesh, placement: Placement, **names: Any) -> ScanRecord:
    vertices = mesh.vertices
    low, high = (tuple(round(float(value), 4) for value in corner) for corner in (vertices.min(axis=0), vertices.max(axis=0)))
    return ScanRecord(
        split="",
        height_m=round(float(np.ptp(vertices[:, 2])), 4),
        vertices=len(vertices),
        faces=len(mesh.faces),
        textured=mesh.albedo != "none",
        bounds=(low, high),  # type: ignore[arg-type]
        head=placement.head,
        head_radius=placement.head_radius,
        issues=[*mesh.issues, *placement.issues],
        **names,
    )


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _unchanged(record: ScanRecord, out: Path) -> bool:
    files = record.attributes.get("files", {})
    same = all(Path(name).is_file() and _stamp(Path(name)) == stamp for name, stamp in files.items())
    return bool(files) and same and glb.read_extras(out / record.path) is not None


def _save(out: Path, known: dict[str, ScanRecord], settled: dict[str, str]) -> None:
    """Write the catalogue; subjects of the former catalogue keep their split."""
    splits = catalogue.assign_splits([record.subject for record in known.values()], settled)
    catalogue.write(out, [replace(record, split=splits[record.subject]) for record in known.values()])


def _report(out: Path, source: Path, stated: dict[str, Any], refused: dict[str, str], scans: int) -> None:
    """Write `report.json`: per source, what was stated, how many scans went in, and why others did not."""
    path = out / REPORT_FILE
    report = json.loads(path.read_text()) if path.is_file() else {}
    report[str(source)] = {"stated": stated, "scans": scans, "refused": refused}
    write_atomically(path, json.dumps(report, indent=1, sort_keys=True))


def _table(records: list[ScanRecord]) -> list[str]:
    rows = [("id", "height", "units", "up", "facing", "issues")]
    for record in records:
        found = record.attributes["found"]
        rows.append((record.id, f"{record.height_m:.2f} m", found["units"], found["up"], found["facing"], "; ".join(record.issues) or "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]) for row in rows]


def _warn_of_few_subjects(records: list[ScanRecord]) -> None:
    subject, count = Counter(record.subject for record in records).most_common(1)[0] if records else ("", 0)
    if count > 20 and count > len(records) / 2:
        print(f"note: {count} scans share the subject {subject!r}, and a split; different people? give the folder below as source")


if __name__ == "__main__":
    main()
