"""`python -m render.hi4d`: Hi4D's real photographs, with depth and normals of their meshes, as triplet shards."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conf.command import UserError, command, key, required
from render.hi4d.frames import Row
from render.hi4d.layout import find
from render.hi4d.run import execute

NAMED = 20  # lines of a kind that are printed; more are counted
CHOICES = {"undistort": ("auto", "true", "false"), "below": ("leave_out", "keep")}


@dataclass
class Hi4DConfig:
    """Take Hi4D to triplets: real photographs of two people; depth, normals and ids by rasterising their meshes at the photographs'
    own cameras. Says how well the meshes' outlines overlap the given masks, frame by frame (overlap.csv). The same command again
    makes what is missing."""

    source: str = required("folder that holds pair28, pair32, ..., unpacked")
    out: str = required("folder of the dataset")
    pairs: list[int] = key([28, 32, 37], "pairs to take; these are Sapiens' test set")
    cameras: list[int] = key([4], "cameras to take, of 4, 16, 28, 40, 52, 64, 76, 88")
    undistort: str = key("auto", "whether the photographs still have the lens's distortion: auto|true|false; auto: as the masks say")
    min_overlap: float = key(0.9, "least overlap (intersection over union) of the mesh's outline with the given mask of everybody")
    below: str = key("leave_out", "frames below it, or without a mask: leave_out|keep; either way they are listed")
    pixel_centre: float = key(0.0, "where the dataset's K has the centre of the first pixel: 0.0 as OpenCV, or 0.5")
    workers: int = key(0, "processes; 0: one per CPU")


@command("render.hi4d", Hi4DConfig)
def main(config: Hi4DConfig) -> None:
    _check(config)
    source, out = Path(config.source), Path(config.out)
    frames, lone = find(source, sorted(set(config.pairs)), sorted(set(config.cameras)), config.pixel_centre)
    names = ("pairs", "cameras", "undistort", "min_overlap", "below", "pixel_centre")
    settings = {name: sorted(set(value)) if isinstance(value := getattr(config, name), list) else value for name in names}
    try:
        dataset, rows = execute(frames, settings, out, source, config.workers)
    except OSError as error:
        raise UserError(f"{error.filename or out}: {error.strerror or error}: make room, or give another out=") from error
    _tell("no frame, for lack of its other half", lone)
    _tell(f"below min_overlap={config.min_overlap} or without a mask, kept", [_line(row) for row in rows if row.used and row.why])
    _tell("left out", [_line(row) for row in rows if not row.used])
    _summarise(rows)
    print(
        f"{dataset.samples} samples of {len(rows)} frames in {len(dataset.shards)} shards of {out}; overlap of each: {out / 'overlap.csv'}"
    )


def _check(config: Hi4DConfig) -> None:
    config.undistort = config.undistort.lower()
    for name, choices in CHOICES.items():
        if getattr(config, name) not in choices:
            raise UserError(f"{name}={getattr(config, name)}: give one of {', '.join(choices)}")
    for name in ("pairs", "cameras"):
        if not getattr(config, name):
            raise UserError(f"{name}=[] is empty: give numbers, as in {name}=[4]")
    if not 0 <= config.min_overlap <= 1:
        raise UserError(f"min_overlap={config.min_overlap}: give a share between 0 and 1")


def _line(row: Row) -> str:
    shown = "" if np.isnan(row.overlap) else f" (overlap {row.overlap:.3f})"
    return f"{row.sequence} camera {row.camera} frame {row.frame:06d}: {row.why}{shown}"


def _tell(what: str, lines: Sequence[str]) -> None:
    if lines:
        print(f"{len(lines)} {what}:")
        print("\n".join(f"  {line}" for line in lines[:NAMED]))
        if len(lines) > NAMED:
            print(
                f"  and {len(lines) - NAMED} more: {dict(Counter(line.split(':', 1)[1].split('(')[0].strip() for line in lines[NAMED:]))}"
            )


def _summarise(rows: Sequence[Row]) -> None:
    """A line per sequence and camera: overlaps over all its frames that have one."""
    groups = defaultdict[tuple[str, int], list[Row]](list)
    for row in rows:
        groups[row.sequence, row.camera].append(row)
    print(f"{'sequence':24} camera frames  used  overlap  least person 0 person 1     offset px")
    for (sequence, camera), some in groups.items():
        columns = {name: np.array([getattr(row, name) for row in some]) for name in Row.names()[5:10]}
        mean = {name: np.nanmean(values) if np.isfinite(values).any() else np.nan for name, values in columns.items()}
        least = np.nanmin(columns["overlap"]) if np.isfinite(columns["overlap"]).any() else np.nan
        print(
            f"{sequence:24} {camera:6} {len(some):6} {sum(row.used for row in some):5} {mean['overlap']:8.4f} {least:6.3f} "
            f"{mean['overlap_0']:8.4f} {mean['overlap_1']:8.4f} {mean['offset_x']:+6.2f} {mean['offset_y']:+6.2f}"
        )


if __name__ == "__main__":
    main()
