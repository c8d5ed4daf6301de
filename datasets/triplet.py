"""The triplet: RGB, depth and normal of the same pixels, with camera and provenance; and its shards on disk.

This is the currency of the house. `render/` writes it, `datasets/` and `train/` read it. Blender workers import this
file, so it stays free of torch.
"""

import hashlib
import io
import json
import os
import re
import socket
import struct
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
from kornia_rs.io import decode_image_png_u8

from datasets.conventions import VERSION, Array

DATASET_FILE = "dataset.json"
_PLAIN = {0: "mono", 2: "rgb"}  # colour types of PNG
SILENT_S = 3600.0  # a file under a temporary name that is not written to for this long has no writer any more


@dataclass(frozen=True)
class Triplet:
    """One rendered sample. All maps share (H,W); conventions in `datasets/conventions.py`.

    key     nine-digit plan index
    rgb     (H,W,3) uint8 sRGB
    mask    (H,W) uint8 instance id, 0 background
    alpha   (H,W) uint8 soft coverage
    depth   (H,W) float32 planar metres, 0 outside the mask
    normal  (H,W,3) float16 unit, 0 outside the mask
    meta    K, world_to_camera, width, height, subjects, framing, lighting, backdrop, seed, versions
    albedo  (H,W,3) uint8 sRGB, optional
    """

    key: str
    rgb: Array
    mask: Array
    alpha: Array
    depth: Array
    normal: Array
    meta: dict[str, Any]
    albedo: Array | None = None

    @property
    def K(self) -> Array:
        """Camera matrix (3,3), pixels."""
        return np.asarray(self.meta["K"], dtype=np.float64)


def to_png(image: Array) -> bytes:
    """A PNG of a uint8 picture (H,W) or, RGB, (H,W,3)."""
    bgr = image[..., ::-1] if image.ndim == 3 else image
    ok, data = cv2.imencode(".png", np.ascontiguousarray(bgr), [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not ok:
        raise ValueError(f"cannot encode a PNG of shape {image.shape}, {image.dtype}")
    return data.tobytes()


def from_png(data: bytes) -> Array:
    """The uint8 picture (H,W[,3]) of a PNG. Raises ValueError when it is none."""
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16) if len(data) > 33 else (0, 0, 0, 0)
    if depth == 8 and colour in _PLAIN:  # kornia's Rust decoder inflates 2.5 times as fast as OpenCV's
        picture = decode_image_png_u8(data, (height, width), _PLAIN[colour])
        return picture[..., 0] if colour == 0 else picture
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("not a PNG picture")
    return image


def write_exr(path_or_stream: Any, channels: dict[str, Array]) -> None:
    """Write named float32 or float16 channels (H,W), losslessly compressed, to a path or a binary stream."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {name: np.ascontiguousarray(values) for name, values in channels.items()}).write(path_or_stream)


def read_exr(path_or_stream: Any) -> dict[str, Array]:
    """All channels (H,W) of the first part of an EXR, from a path or a binary stream."""
    with OpenEXR.File(path_or_stream, separate_channels=True) as file:
        return {name: channel.pixels.copy() for name, channel in file.channels().items()}


def _to_exr(names: str, dtype: type) -> Callable[[Array], bytes]:
    def encode(values: Array) -> bytes:
        stream = io.BytesIO()
        planes = values[..., None] if values.ndim == 2 else values
        write_exr(stream, {name: planes[..., i].astype(dtype) for i, name in enumerate(names)})
        return stream.getvalue()

    return encode


def _from_exr(names: str) -> Callable[[bytes], Array]:
    def decode(data: bytes) -> Array:
        channels = read_exr(io.BytesIO(data))
        planes = [channels[name] for name in names]
        return planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)

    return decode


def _to_json(meta: dict[str, Any]) -> bytes:
    return json.dumps(meta, sort_keys=True, allow_nan=False).encode()


@dataclass(frozen=True)
class Member:
    """How one field of a triplet is stored: the member's suffix and its codec."""

    suffix: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    optional: bool = False


MEMBERS: dict[str, Member] = {
    "rgb": Member("rgb.png", to_png, from_png),
    "mask": Member("mask.png", to_png, from_png),
    "alpha": Member("alpha.png", to_png, from_png),
    "depth": Member("depth.exr", _to_exr("Z", np.float32), _from_exr("Z")),
    "normal": Member("normal.exr", _to_exr("RGB", np.float16), _from_exr("RGB")),
    "albedo": Member("albedo.png", to_png, from_png, optional=True),
    "meta": Member("json", _to_json, json.loads),
}


def encode(triplet: Triplet) -> dict[str, bytes]:
    """Suffix -> bytes for every member of a triplet."""
    return {m.suffix: m.encode(getattr(triplet, name)) for name, m in MEMBERS.items() if getattr(triplet, name) is not None}


def decode(key: str, members: Mapping[str, bytes], fields: Iterable[str] = tuple(MEMBERS)) -> Triplet:
    """The triplet that `members` (suffix -> bytes) stand for; fields not asked for are left None, to save time.

    Raises ValueError naming the sample when a member is missing or cannot be read.
    """
    values: dict[str, Any] = dict.fromkeys(MEMBERS)
    for name in fields:
        member = MEMBERS[name]
        if member.suffix not in members:
            if member.optional:
                continue
            raise ValueError(f"sample {key} lacks {member.suffix}; it has {sorted(members)}")
        try:
            values[name] = member.decode(members[member.suffix])
        except Exception as error:
            raise ValueError(f"sample {key}: {member.suffix} cannot be read: {error}") from error
    return Triplet(key=key, **values)


class ShardWriter:
    """Writes triplets one by one to a tar, under a temporary name; `close` flushes it to disk and renames it.

    As a context manager, an exception inside leaves nothing behind. The bytes depend on the triplets alone (no times, no
    owners), so equal renders give equal shards.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.samples = path, 0
        self._temporary = temporary(path)
        self._file = open(self._temporary, "wb")  # noqa: SIM115  closed by close() or __exit__
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def add(self, triplet: Triplet) -> None:
        """Append one sample."""
        for suffix, data in encode(triplet).items():
            info = tarfile.TarInfo(f"{triplet.key}.{suffix}")
            info.size = len(data)
            self._tar.addfile(info, io.BytesIO(data))
        self.samples += 1

    def close(self) -> dict[str, Any]:
        """Commit the shard. Returns its entry for `dataset.json`: samples, bytes, sha256."""
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        entry = {"samples": self.samples, "bytes": self._temporary.stat().st_size, "sha256": sha256(self._temporary)}
        os.replace(self._temporary, self.path)
        return entry

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._file.close()  # flushes, which a full disk refuses again
        finally:
            self._temporary.unlink(missing_ok=True)


def write_shard(path: Path, triplets: Iterable[Triplet]) -> dict[str, Any]:
    """Write triplets as one shard, atomically. Returns its entry for `dataset.json`: samples, bytes, sha256."""
    with ShardWriter(path) as writer:
        for triplet in triplets:
            writer.add(triplet)
        return writer.close()


def read_members(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, suffix -> bytes) of every sample of one shard, in order, not yet decoded. Raises tarfile.TarError when it is no tar."""
    with tarfile.open(path) as tar:
        key, members = "", dict[str, bytes]()
        for info in tar:
            sample, _, suffix = info.name.partition(".")
            if members and (sample != key or suffix in members):
                yield key, members
                members = {}
            key = sample
            stream = tar.extractfile(info)
            assert stream is not None, f"{path}: {info.name} is not a plain file"
            members[suffix] = stream.read()
        if members:
            yield key, members


def read_shard(path: Path, fields: Iterable[str] = tuple(MEMBERS)) -> Iterator[Triplet]:
    """The triplets of one shard, in order. Raises ValueError naming the sample that cannot be read."""
    fields = tuple(fields)
    for key, members in read_members(path):
        yield decode(key, members, fields)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry_path(shard: Path) -> Path:
    """Where the entry of a shard lies: beside it, written after it. A shard counts once its entry is there."""
    return shard.with_suffix(".json")


def read_entry(shard: Path) -> dict[str, Any] | None:
    """The entry of a shard; None when it has none that can be read, or the shard is not there in the size that its entry tells."""
    try:
        entry: dict[str, Any] = json.loads(entry_path(shard).read_text())
        return entry if shard.stat().st_size == entry["bytes"] else None
    except (FileNotFoundError, json.JSONDecodeError):
        return None


@dataclass
class Dataset:
    """`dataset.json`: what a folder of shards holds and how it was made.

    shards: file name (relative to `shards/`) -> {"samples": int, "bytes": int, "sha256": str, "rejections": {reason: count}, and
    of rendered ones: "plan": digest of the configuration, "skipped": {quarantined people: [index]}, "given_up": {index: reason}}
    quarantined: people (scan ids joined by +) whose frames are left out -> why
    benchmark: of a fixed set: its "name", "version", "seed", and whether it is "standard", as published; "missing" scans
    sources: where "scans", "hdris" and "backdrops" were when it was made: absolute paths, null where none was given
    """

    configuration: dict[str, Any]
    seed: int
    count: int
    conventions: int = VERSION
    shards: dict[str, dict[str, Any]] = field(default_factory=dict)
    quarantined: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str | None] = field(default_factory=dict)
    benchmark: dict[str, Any] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """How many samples the listed shards hold."""
        return sum(entry["samples"] for entry in self.shards.values())

    @property
    def given_up(self) -> int:
        """How many samples were left out by rule."""
        return sum(len(entry.get("given_up", ())) for entry in self.shards.values())

    @property
    def digest(self) -> str:
        """What is in the shards, wherever they lie: `sha256sum *.tar | sha256sum`, run in `shards/`."""
        lines = (f"{entry['sha256']}  {name}\n" for name, entry in sorted(self.shards.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @staticmethod
    def load(folder: Path) -> "Dataset":
        """Read `<folder>/dataset.json`. Raises FileNotFoundError or ValueError, naming file and mend."""
        path = Path(folder) / DATASET_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist: {folder} is not a rendered dataset (make one with `python -m render`)")
        dataset = Dataset(**json.loads(path.read_text()))
        if dataset.conventions != VERSION:
            raise ValueError(
                f"{path} follows conventions {dataset.conventions}, this code {VERSION}: render it again, or use the matching release"
            )
        return dataset

    def save(self, folder: Path) -> None:
        """Write `<folder>/dataset.json` atomically."""
        write_atomically(Path(folder) / DATASET_FILE, json.dumps(vars(self), indent=1, sort_keys=True))

    def paths(self, folder: Path) -> list[Path]:
        """Paths of the listed shards that hold samples, in order."""
        return [Path(folder) / "shards" / name for name in sorted(self.shards) if self.shards[name]["samples"]]


def temporary(path: Path) -> Path:
    """A hidden name beside `path`, to write under before renaming. It tells machine and process: see `abandoned`."""
    return path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")


def abandoned(path: Path) -> bool:
    """Whether the writer of a file named by `temporary` is gone: a process of this machine that is dead, or one of another machine
    that has been silent for an hour."""
    own = re.search(rf"\.{re.escape(socket.gethostname())}-(\d+)\.tmp$", path.name)
    try:
        if own is None:
            return time.time() - path.stat().st_mtime > SILENT_S
        os.kill(int(own[1]), 0)  # signal 0 only asks
        return False
    except ProcessLookupError:
        return True
    except (PermissionError, FileNotFoundError):  # somebody else's process; or renamed meanwhile
        return False


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, finds the old one or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = temporary(path)
    try:
        with open(hidden, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)
