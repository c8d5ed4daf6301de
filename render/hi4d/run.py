"""The run over Hi4D: which shards are missing, who makes them, what is told in the end."""

import csv
import hashlib
import io
import json
import multiprocessing
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from datasets.triplet import Dataset, ShardWriter, abandoned, entry_path, read_entry, write_atomically
from render.hi4d.frames import Eye, Row, bent, measure, straighten, triplet
from render.hi4d.layout import PEOPLE, VERSION, Frame, Unusable
from render.progress import open_dataset, shard_name

SHARD = 32  # frames
LOOKED_AT = 5  # frames of a camera's sequence by which undistort=auto decides
#: Settings of the benchmark's set; which frames are there is as the download has them.
STANDARD = {"pairs": [28, 32, 37], "cameras": [4], "undistort": "auto", "min_overlap": 0.9, "below": "leave_out", "pixel_centre": 0.0}
Lenses = dict[str, bool]  # sequence and camera -> whether its photographs are undistorted


def fingerprint(frames: Sequence[Frame], settings: dict[str, Any]) -> dict[str, Any]:
    """What makes the dataset what it is: another one is not to be mixed with it."""
    names = hashlib.sha256("\n".join(frame.name for frame in frames).encode()).hexdigest()[:16]
    return {"source": "hi4d", "layout_version": VERSION, **settings, "shard_size": SHARD, "frames": names}


def execute(frames: Sequence[Frame], settings: dict[str, Any], folder: Path, source: Path, workers: int) -> tuple[Dataset, list[Row]]:
    """Make the shards that are missing. settings: pairs, cameras, undistort, min_overlap, keep, pixel_centre."""
    made_of = fingerprint(frames, settings)
    dataset = open_dataset(folder, made_of, 0, len(frames))
    dataset.benchmark = {"name": "hi4d", "version": VERSION, "standard": settings == STANDARD}
    dataset.sources = {"hi4d": str(source.resolve())}
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
    wanted = {shard_name(first // SHARD): range(first, min(first + SHARD, len(frames))) for first in range(0, len(frames), SHARD)}
    entries = {name: _entry(folder / "shards" / name, digest) for name in wanted}
    missing = {name: indices for name, indices in wanted.items() if entries[name] is None}
    if missing:
        dataset.save(folder)
        _sweep(folder / "shards")
        with ProcessPoolExecutor(min(workers or os.cpu_count() or 1, len(missing)), multiprocessing.get_context("spawn")) as pool:
            lenses = _lenses(frames, settings["undistort"], folder, digest, pool)
            jobs = {
                pool.submit(_shard, folder / "shards" / name, [frames[i] for i in indices], indices, lenses, settings, digest): name
                for name, indices in missing.items()
            }
            total = sum(map(len, missing.values()))
            with tqdm(total=len(frames), initial=len(frames) - total, desc=f"hi4d {folder}", unit="frame") as bar:
                for job in as_completed(jobs):
                    entries[jobs[job]] = job.result()
                    bar.update(len(missing[jobs[job]]))
    dataset.shards = {name: {key: value for key, value in entry.items() if key != "rows"} for name, entry in entries.items() if entry}
    rows = [_row(values) for entry in entries.values() if entry for values in entry["rows"]]
    if missing:
        write_atomically(folder / "overlap.csv", _table(rows))
        dataset.save(folder)
    return dataset, rows


def _entry(path: Path, digest: str) -> dict[str, Any] | None:
    entry = read_entry(path)
    return entry if entry and entry["plan"] == digest else None


def _sweep(folder: Path) -> None:
    """Remove what killed writers left under temporary names."""
    for path in folder.glob(".*.tmp"):
        if abandoned(path):
            path.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _eye() -> Eye:
    """This process's."""
    cv2.setNumThreads(1)  # processes share the CPUs
    os.environ.setdefault("LP_NUM_THREADS", "0")  # so does Mesa's software OpenGL
    return Eye()


def _shard(path: Path, frames: Sequence[Frame], indices: range, lenses: Lenses, settings: dict[str, Any], digest: str) -> dict[str, Any]:
    """Write the shard of these frames. Returns its entry."""
    rows, subjects = list[Row](), set[str]()
    with ShardWriter(path) as writer:
        for index, frame in zip(indices, frames, strict=True):
            key, undistorted = f"{index:09d}", lenses[_lens_name(frame)]
            try:
                seen = _eye().look(frame, undistorted)
            except Unusable as error:
                rows.append(Row(key, frame.action.name, frame.camera.number, frame.number, undistorted, why=str(error)))
                continue
            rows.append(measure(frame, seen, key, undistorted, settings["min_overlap"], settings["below"] == "keep"))
            if rows[-1].used:
                sample = triplet(frame, seen, rows[-1], [_eye().joints(person) for person in PEOPLE])
                writer.add(sample)
                subjects |= {subject["subject"] for subject in sample.meta["subjects"]}
        out = {str(int(row.key)): row.why for row in rows if not row.used}
        entry = {**writer.close(), "subjects": sorted(subjects), "rejections": Counter(out.values()), "skipped": {}, "given_up": out}
        entry |= {"plan": digest, "rows": [_plain(row) for row in rows]}
        write_atomically(entry_path(path), json.dumps(entry, sort_keys=True))
    return entry


def _plain(row: Row) -> dict[str, Any]:
    """A row as JSON has it, which knows no NaN."""
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in asdict(row).items()}


def _row(values: dict[str, Any]) -> Row:
    """The row that `_plain` took apart."""
    numbers: dict[str, Any] = {name: float("nan") if value is None else value for name, value in values.items()}
    return Row(**numbers)


def _lens_name(frame: Frame) -> str:
    return f"{frame.action.name} camera {frame.camera.number}"


def _lenses(frames: Sequence[Frame], undistort: str, folder: Path, digest: str, pool: ProcessPoolExecutor) -> Lenses:
    """Of each camera of each sequence, whether its photographs are to be undistorted. What `auto` has found is kept in
    `undistort.json`, so that a run that goes on need not look again."""
    shots = defaultdict[str, list[Frame]](list)
    for frame in frames:
        shots[_lens_name(frame)].append(frame)
    if undistort != "auto":
        return {name: undistort == "true" and bent(some[0].camera) for name, some in shots.items()}
    path = folder / "undistort.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    found = known["cameras"] if known.get("plan") == digest else {}
    jobs = {name: pool.submit(_decide, _spread(some)) for name, some in shots.items() if name not in found and bent(some[0].camera)}
    for name, job in tqdm(jobs.items(), desc="undistort=auto", unit="camera", disable=not jobs):
        found[name] = job.result()
        write_atomically(path, json.dumps({"plan": digest, "cameras": found}, indent=1) + "\n")
    for name in found:
        print(f"{name}: {told(found[name])}")
    return {name: name in found and found[name]["undistort"] for name in shots}


def told(decision: dict[str, Any]) -> str:
    """A decision of `undistort=auto`, for the user."""
    chosen = "undistorted" if decision["undistort"] else "taken as they are"
    numbers = f"overlap {decision['as_it_is']:.4f} as they are, {decision['undistorted']:.4f} undistorted, {decision['frames']} frames"
    return f"photographs are {chosen} ({numbers})"


def _spread(frames: Sequence[Frame]) -> list[Frame]:
    places = np.linspace(0, len(frames) - 1, min(LOOKED_AT, len(frames))).round().astype(int)
    return [frames[place] for place in places]


def _decide(frames: Sequence[Frame]) -> dict[str, Any]:
    return straighten(frames, _eye())


def _table(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, Row.names(), lineterminator="\n")
    writer.writeheader()
    shown = lambda value: (f"{value:.4f}" if np.isfinite(value) else "") if isinstance(value, float) else value
    writer.writerows({name: shown(value) for name, value in asdict(row).items()} for row in rows)
    return text.getvalue()
