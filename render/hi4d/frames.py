"""One frame of Hi4D: its photograph, the mesh rasterised at its camera, how well the given masks agree, and the triplet."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from datasets.conventions import Array
from datasets.triplet import Triplet
from render.hi4d.layout import PEOPLE, VERSION, Camera, Frame, Moment, Unusable
from render.hi4d.photograph import Lens, offset, overlap, read
from render.raster import Labels, Raster

LENSES = 8  # whose maps are kept: all cameras of a sequence


@dataclass(frozen=True)
class Row:
    """What `overlap.csv` tells of a frame. overlap: intersection over union of everybody's mask with the given one, and of each
    person's; offset: how far right and down, in pixels, the given mask's centroid lies of ours. why: why it is left out, or what
    speaks against it."""

    key: str
    sequence: str
    camera: int
    frame: int
    undistorted: bool
    overlap: float = float("nan")
    overlap_0: float = float("nan")
    overlap_1: float = float("nan")
    offset_x: float = float("nan")
    offset_y: float = float("nan")
    used: bool = False
    why: str = ""

    @staticmethod
    def names() -> list[str]:
        """The columns."""
        return [column.name for column in fields(Row)]


@dataclass
class Seen:
    """A photograph beside what the mesh gives for it."""

    rgb: Array
    labels: Labels
    ids_from: str
    given: dict[str, Array] = field(default_factory=dict)  # masks (H,W) bool, where there are any
    missing: str = ""  # why there is no mask of everybody


class Eye:
    """What looks at frames: one mesh in graphics memory at a time, the lenses' maps. One per process."""

    def __init__(self) -> None:
        self.raster = Raster()
        self.moment: Moment | None = None
        self.loaded: tuple[Path, int] | None = None
        self.ids_from = ""
        self.lenses: dict[tuple[Path, int, int, int], Lens] = {}

    def look(self, frame: Frame, undistort: bool) -> Seen:
        """The photograph, taken as it is or undistorted, with masks likewise, and the labels. Raises Unusable."""
        rgb = read(frame.photograph, "RGB")
        height, width = rgb.shape[:2]
        self._load(frame)
        seen = Seen(rgb, self.raster.render(frame.camera.K, frame.camera.world_to_camera, height, width), self.ids_from)
        for whose in ("all", *map(str, PEOPLE)):
            try:
                mask = read(frame.mask(whose), "L") > 0
                if mask.shape != (height, width):
                    raise Unusable(f"mask {whose} is {mask.shape[1]}x{mask.shape[0]}, the photograph {width}x{height}")
                seen.given[whose] = mask
            except Unusable as error:
                seen.missing = seen.missing or str(error)
        if undistort:
            lens = self._lens(frame, height, width)
            seen.rgb = lens.straight(rgb)
            seen.given = {whose: lens.straight_mask(mask) for whose, mask in seen.given.items()}
        return seen

    def joints(self, person: int) -> dict[str, list[float]]:
        """Of the frame last looked at."""
        assert self.moment
        return self.moment.joints(person)

    def _load(self, frame: Frame) -> None:
        moment = (frame.action.folder, frame.number)
        if self.loaded != moment:
            self.loaded, self.moment = None, Moment(frame)
            ids, self.ids_from = self.moment.ids()
            self.raster.load(*self.moment.mesh, ids)
            self.loaded = moment

    def _lens(self, frame: Frame, height: int, width: int) -> Lens:
        name = (frame.action.folder, frame.camera.number, height, width)
        if name not in self.lenses:
            if len(self.lenses) >= LENSES:
                self.lenses.clear()
            self.lenses[name] = Lens(frame.camera, height, width)
        return self.lenses[name]


def measure(frame: Frame, seen: Seen, key: str, undistorted: bool, min_overlap: float, keep: bool) -> Row:
    """The frame's row; it is used when its overlap is at least `min_overlap`, or if such frames are to be kept."""
    ours, given = seen.labels.mask, seen.given
    row: dict[str, Any] = {}
    if "all" in given:
        row["overlap"] = overlap(ours > 0, given["all"])
        row["offset_x"], row["offset_y"] = offset(ours > 0, given["all"])
    row |= {f"overlap_{person}": overlap(ours == person + 1, given[str(person)]) for person in PEOPLE if str(person) in given}
    why = ""
    if not ours.any():
        why, keep = "the mesh is not in the frame", False
    elif "all" not in given:
        why = f"no mask: {seen.missing}"
    elif not given["all"].any():
        why = "its mask is empty"
    elif row["overlap"] < min_overlap:
        why = f"overlap is below {min_overlap}"
    return Row(key, frame.action.name, frame.camera.number, frame.number, undistorted, **row, used=keep or not why, why=why)


def triplet(frame: Frame, seen: Seen, row: Row, joints: Sequence[dict[str, list[float]]]) -> Triplet:
    """The sample of a frame, its subjects in the order of their ids."""
    height, width = seen.labels.mask.shape
    subjects = []
    for person, places in zip(PEOPLE, joints, strict=True):
        subject: dict[str, Any] = {"scan": f"hi4d/{frame.action.name}", "subject": f"{frame.action.pair}-{person}"}
        subjects.append(subject | {"world_from_scan": np.eye(4).tolist()} | ({"joints": places} if places else {}))
    meta = {
        "source": "hi4d",
        "layout_version": VERSION,
        "sequence": frame.action.name,
        "camera": frame.camera.number,
        "frame": frame.number,
        "undistorted": row.undistorted,
        "overlap": None if np.isnan(row.overlap) else row.overlap,
        "ids_from": seen.ids_from,
        "framing": "full",
        "K": frame.camera.K.tolist(),
        "world_to_camera": frame.camera.world_to_camera.tolist(),
        "width": width,
        "height": height,
        "subjects": subjects,
    }
    labels = seen.labels
    return Triplet(row.key, seen.rgb, labels.mask, labels.alpha, labels.depth, labels.normal.astype(np.float16), meta)


def straighten(frames: Sequence[Frame], eye: Eye) -> dict[str, Any]:
    """Whether one camera's photographs of a sequence still have the lens's distortion: of these frames, does the mesh overlap the
    given masks better after undistorting them? A tie, or no mask at all, leaves them as they are."""
    found = []
    for frame in frames:
        try:
            pair = [eye.look(frame, undistort) for undistort in (False, True)]
        except Unusable:
            continue  # told when its turn comes
        if all("all" in seen.given and seen.given["all"].any() for seen in pair):
            found.append([overlap(seen.labels.mask > 0, seen.given["all"]) for seen in pair])
    as_it_is, undistorted = np.mean(found, axis=0).tolist() if found else (0.0, 0.0)
    return {"undistort": undistorted > as_it_is, "as_it_is": as_it_is, "undistorted": undistorted, "frames": len(found)}


def bent(camera: Camera) -> bool:
    """Whether the lens distorts at all."""
    return bool(np.any(camera.distortion))
