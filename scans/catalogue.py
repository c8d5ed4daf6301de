"""The catalogue of people: `catalogue.jsonl`, one record per scan, beside one canonical `.glb` per scan."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from datasets.triplet import write_atomically

CATALOGUE_FILE = "catalogue.jsonl"
SPLITS = {"train": 0.7, "val": 0.1, "test": 0.2}


@dataclass(frozen=True)
class ScanRecord:
    """One scan of one person in the canonical frame (metres, +Z up, on z = 0, over the origin, facing -Y).

    path is relative to the catalogue; bounds ((xmin,ymin,zmin),(xmax,ymax,zmax)) and head (x,y,z: the centre of the
    head; head_radius: half its height) are metres in the canonical frame; the camera aims with them.
    keypoints: name (COCO-WholeBody's) -> [x, y, z], metres in the canonical frame, of people whose joints are known.
    """

    id: str
    path: str
    subject: str
    split: str
    source: str
    licence: str
    height_m: float
    vertices: int
    faces: int
    textured: bool
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    head: tuple[float, float, float]
    head_radius: float
    issues: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    keypoints: dict[str, list[float]] = field(default_factory=dict)


def write(folder: Path, records: list[ScanRecord]) -> None:
    """Write the catalogue atomically, ordered by id."""
    lines = [json.dumps(asdict(record), sort_keys=True) for record in sorted(records, key=lambda r: r.id)]
    write_atomically(Path(folder) / CATALOGUE_FILE, "".join(f"{line}\n" for line in lines))


def read(folder: Path) -> list[ScanRecord]:
    """All records. Raises FileNotFoundError or ValueError naming the file, the line and the mend."""
    path = Path(folder) / CATALOGUE_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: make a catalogue with `python -m scans.people` or `python -m scans.ingest`")
    names = {f.name for f in fields(ScanRecord)}
    records = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            values = json.loads(line)
            values["bounds"] = tuple(tuple(corner) for corner in values["bounds"])
            values["head"] = tuple(values["head"])
            records.append(ScanRecord(**{name: value for name, value in values.items() if name in names}))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}:{number} is not a scan record ({error}): make the catalogue again") from error
    return records


def assign_splits(subjects: list[str], existing: dict[str, str] | None = None, fractions: dict[str, float] = SPLITS) -> dict[str, str]:
    """Subject -> split, subject-disjoint and close to `fractions`.

    Each subject, in the order of a hash of its name, goes where the shortfall is largest. Subjects already assigned
    keep their split, so a catalogue can grow without leaking test people into training.
    """
    splits = dict(existing or {})
    counts = Counter(splits.values())
    new = sorted(set(subjects) - set(splits), key=lambda name: hashlib.sha256(name.encode()).digest())
    for subject in new:
        total = sum(counts.values()) + 1
        split = max(fractions, key=lambda name: fractions[name] * total - counts[name])
        splits[subject] = split
        counts[split] += 1
    return splits
