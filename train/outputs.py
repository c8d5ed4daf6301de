"""Predictions to files: one row per format."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from datasets.conventions import Array
from datasets.triplet import write_exr
from train import pointcloud
from train.tasks import TASKS


@dataclass(frozen=True)
class Cloud:
    """What turns relative depth into points: K (3,3) in pixels of the picture as it was read; near and far, in metres, are where the
    0.5 and 99.5 % quantiles of the depth of people come to lie."""

    K: Array
    near: float
    far: float


def _png(path: Path, name: str, values: Array, mask: Array) -> None:
    """To look at."""
    _picture(path, TASKS[name].picture(values, mask))


def _png16(path: Path, name: str, values: Array, mask: Array) -> None:
    """value = offset + scale · code, both in a JSON file beside it; code 0 where there is nothing. x, y, z are R, G, B.

    A task of no bounds is stretched over its own range.
    """
    inside = mask > 0
    low, high = TASKS[name].range or ((values[inside].min(), values[inside].max()) if inside.any() else (0.0, 1.0))
    scale = max(float(high) - float(low), 1e-9) / 65534
    offset = float(low) - scale  # codes 1 to 65535
    codes = np.clip((values.astype(np.float64) - offset) / scale + 0.5, 1, 65535).astype(np.uint16)
    codes[~inside] = 0
    facts = {"value": "offset + scale * code; code 0: nothing there", "offset": offset, "scale": scale, "channels": list(TASKS[name].exr)}
    atomically(path.with_suffix(".json"), lambda hidden: hidden.write_text(json.dumps(facts, indent=1) + "\n"))
    _picture(path, codes)


def _exr(path: Path, name: str, values: Array, mask: Array) -> None:
    planes = dict(zip(TASKS[name].exr, np.atleast_3d(_cut(values, mask)).transpose(2, 0, 1), strict=True))
    atomically(path, lambda hidden: write_exr(str(hidden), planes))


def _npy(path: Path, name: str, values: Array, mask: Array) -> None:
    atomically(path, lambda hidden: np.save(hidden, _cut(values, mask)))


@dataclass(frozen=True)
class Format:
    """`ending` of the file's name, after its task's; `write` (path, task, values, mask)."""

    ending: str
    write: Callable[[Path, str, Array, Array], None]


FORMATS = {"png": Format(".png", _png), "png16": Format("16.png", _png16), "exr": Format(".exr", _exr), "npy": Format(".npy", _npy)}
#: Also `ply`, one file per picture rather than per task.
WRITE = (*FORMATS, "ply")


def paths(out: Path, name: str, formats: list[str], tasks: list[str]) -> list[Path]:
    """All files of a picture: `<name>.<task><ending>`, `<name>.ply`."""
    made = [out / f"{name}.{task}{FORMATS[kind].ending}" for kind in formats if kind in FORMATS for task in tasks]
    return [*made, out / f"{name}.ply"] if "ply" in formats else made


def write(out: Path, name: str, formats: list[str], values: dict[str, Array], mask: Array, pixels: Array, cloud: Cloud | None) -> None:
    """Write all files of a picture; each appears whole. Values are 0 where the mask is."""
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    for kind in formats:
        for task, found in values.items() if kind in FORMATS else ():
            inside = np.ones_like(mask) if TASKS[task].pixels == "all pixels" else mask  # a matte has no outside
            FORMATS[kind].write(out / f"{name}.{task}{FORMATS[kind].ending}", task, found, inside)
    if "ply" in formats:
        points = values["pointmap"] if cloud is None else lifted(values["depth"], mask, cloud)
        data = pointcloud.ply(points, pixels, mask, values.get("normal"))
        atomically(out / f"{name}.ply", lambda hidden: hidden.write_bytes(data))


def lifted(depth: Array, mask: Array, cloud: Cloud) -> Array:
    """Camera-space points (H,W,3), metres, of relative depth (H,W), which is known up to a scale and a shift."""
    inside = depth[mask > 0] if mask.any() else depth
    low, high = np.percentile(inside, [0.5, 99.5])
    metres = cloud.near + (depth.astype(np.float64) - low) * ((cloud.far - cloud.near) / max(high - low, 1e-9))
    return pointcloud.points_from_depth(metres, cloud.K)


def atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write under a temporary name of the same suffix, then rename."""
    hidden = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(hidden)
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


def film(files: list[Path], path: Path, rate: float) -> None:
    """An MP4 of pictures of one size, one after the other; read from disk, so that memory does not grow. Raises OSError."""

    def encode(hidden: Path) -> None:
        height, width = cv2.imread(str(files[0])).shape[:2]
        writer = cv2.VideoWriter(str(hidden), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
        if not writer.isOpened():
            raise OSError(f"{path}: OpenCV has no MP4 encoder here; the frames are there as PNG")
        for file in files:
            writer.write(cv2.imread(str(file)))
        writer.release()

    atomically(path, encode)


def _picture(path: Path, rgb: Array) -> None:
    good, data = cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]) if rgb.ndim == 3 else rgb)
    assert good, "PNG is always there"
    atomically(path, lambda hidden: hidden.write_bytes(data.tobytes()))


def _cut(values: Array, mask: Array) -> Array:
    return np.where(mask.reshape(mask.shape + (1,) * (values.ndim - 2)) > 0, values, 0).astype(np.float32)
