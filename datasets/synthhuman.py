"""SynthHuman's layout (DAViD, Microsoft; CDLA-2.0), read and written: one folder of files named by a seven-digit number.

    rgb_NNNNNNN.png     sRGB
    alpha_NNNNNNN.png   soft coverage
    depth_NNNNNNN.exr   channel Y: planar depth in centimetres, 65504 where there is nobody
    normal_NNNNNNN.exr  channels B, G, R hold x, y, z: x right, y up, z toward the camera
    cam_NNNNNNN.txt     K (3x3), pixels

There is no instance mask. A pixel is a person's (id 1) where its depth is finite and below 65504 and it has a normal; a
picture shows one person. Where there is nobody, depth and normal become 0.
"""

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.conventions import Array
from datasets.triplet import Triplet, from_png, read_exr, to_png, write_exr

FIELDS = ("rgb", "mask", "alpha", "depth", "normal", "meta")
FILES = {"rgb": "png", "alpha": "png", "depth": "exr", "normal": "exr", "cam": "txt"}
NOBODY = 65504.0  # the largest half
PER_METRE = 100.0
_RGB = re.compile(r"rgb_(\d{7})\.png")


def is_layout(folder: Path) -> bool:
    """Whether a folder looks like SynthHuman's."""
    return Path(folder).is_dir() and any(_RGB.fullmatch(path.name) for path in Path(folder).iterdir())


def file(folder: Path, member: str, number: str) -> Path:
    """The path of one member of one sample."""
    return Path(folder) / f"{member}_{number}.{FILES[member]}"


def find(folder: Path) -> list[str]:
    """The numbers of the samples, in order. Raises ValueError naming the first member that is missing."""
    names = {path.name for path in Path(folder).iterdir()}
    numbers = sorted(found[1] for name in names if (found := _RGB.fullmatch(name)))
    missing = [path.name for number in numbers for member in FILES if (path := file(folder, member, number)).name not in names]
    if missing:
        raise ValueError(f"{folder} lacks {missing[0]}{f' and {len(missing) - 1} more files' * (len(missing) > 1)}: download it again")
    return numbers


def decode(folder: Path, number: str, fields: Sequence[str]) -> Triplet:
    """One sample in the conventions of the house; fields not asked for are left None. Raises ValueError naming the file."""

    def read(member: str, parse: Callable[[bytes], Any]) -> Any:
        path = file(folder, member, number)
        try:
            return parse(path.read_bytes())
        except Exception as error:  # the codecs raise what they like
            raise ValueError(f"{path.name} cannot be read: {error}") from error

    values: dict[str, Any] = dict.fromkeys(("rgb", "mask", "alpha", "depth", "normal", "meta"))
    if "rgb" in fields:
        values["rgb"] = read("rgb", from_png)[..., :3]
    if "alpha" in fields:
        values["alpha"] = read("alpha", from_png)
    if {"mask", "depth", "normal", "meta"} & set(fields):
        depth, normal = read("depth", _depth), read("normal", _normal)
        mask = np.isfinite(depth) & (depth < NOBODY) & (depth > 0) & (np.square(normal).sum(-1) > 0.25)
        values["mask"] = mask.astype(np.uint8)
        values["depth"] = np.where(mask, depth / np.float32(PER_METRE), np.float32(0))
        values["normal"] = np.where(mask[..., None], normal, 0).astype(np.float16)
        values["meta"] = {
            "K": read("cam", lambda data: np.loadtxt(io.BytesIO(data)).reshape(3, 3)).tolist(),
            "width": mask.shape[1],
            "height": mask.shape[0],
            "subjects": [{"scan": f"synthhuman-{number}"}],
        }
    return Triplet(key=number, **values)


def encode(triplet: Triplet) -> dict[str, bytes]:
    """Member -> bytes of a triplet in this layout. Instances become one; float32 depth, half normals."""
    depth, normal = io.BytesIO(), io.BytesIO()
    centimetres = np.where(triplet.mask > 0, triplet.depth * np.float32(PER_METRE), np.float32(NOBODY))
    write_exr(depth, {"Y": centimetres})
    write_exr(normal, {name: triplet.normal[..., axis] for axis, name in enumerate("BGR")})
    text = io.StringIO()
    np.savetxt(text, triplet.K, fmt="%.17g")
    return {
        "rgb": to_png(triplet.rgb),
        "alpha": to_png(triplet.alpha),
        "depth": depth.getvalue(),
        "normal": normal.getvalue(),
        "cam": text.getvalue().encode(),
    }


def _depth(data: bytes) -> Array:
    return _planes(data, "Y")[..., 0]


def _normal(data: bytes) -> Array:
    return _planes(data, "BGR")


def _planes(data: bytes, names: str) -> Array:
    channels = read_exr(io.BytesIO(data))
    if not set(names) <= set(channels):
        raise ValueError(f"its channels are {sorted(channels)}, not {', '.join(names)}")
    return np.stack([channels[name].astype(np.float32) for name in names], axis=-1)
