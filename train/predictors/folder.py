"""Predictions that somebody made before, as files named by the samples' keys."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from conf.command import UserError
from datasets.conventions import Array
from datasets.triplet import read_exr
from train.predictors.base import Bad, Conversion, Prediction, Predictor, Shown, Stated, asked, finite, fitting
from train.tasks import TASKS

ENDINGS = (".npy", ".npz", ".exr", ".png")


class Folder(Predictor):
    """`<task>/<key>.<ending>`, `<task>s/<key>.<ending>`, `<key>.<task>.<ending>`, or `<key>.<ending>` of one task: .npy, .npz, .exr, .png.

    A PNG of normals holds (n + 1) / 2; one of depth needs `png_scale`, and its code 0 is no prediction.
    """

    kind = "folder"

    def __init__(self, folder: str, stated: Stated) -> None:
        self.folder, what = Path(folder), f"predictions={folder}"
        if not self.folder.is_dir():
            raise UserError(f"{what} is no folder: give one with files named by the samples' keys")
        if stated.png_scale is not None and not finite(stated.png_scale):
            raise UserError(f"png_scale={stated.png_scale}: give what a code of 1 in a PNG of depth stands for, more than 0")
        self.files = _files(what, self.folder)
        self.tasks = asked(stated, [task for task in TASKS if task in self.files], what)
        if not self.tasks:
            raise UserError(f"{what} has no predictions: name them depth/KEY.npy, normal/KEY.exr, ... ({', '.join(ENDINGS)})")
        self.png_scale, self.resize, self.read = stated.png_scale, stated.resize, Conversion.of(stated)
        self.name = self.source = self.folder.resolve().name
        self.resolution, self.resized = "of the files", 0
        self.suits = self.read.suits
        self.conversion = self.read.facts(self.tasks) | ({"png_scale": stated.png_scale} if stated.png_scale else {})

    def lacking(self, keys: Sequence[str]) -> dict[str, str]:
        absent = {key: [task for task in self.tasks if key not in self.files[task]] for key in keys}
        return {key: f"no file of {', '.join(tasks)}" for key, tasks in absent.items() if tasks}

    def predict(self, shown: Sequence[Shown]) -> list[Prediction]:
        return [{task: self._one(task, picture) for task in self.tasks} for picture in shown]

    def _one(self, task: str, picture: Shown) -> Array | Bad:
        path = self.files[task].get(picture.key)
        if path is None:
            return Bad("no file")
        try:
            values = fitting(self._values(path, task), TASKS[task].channels)
        except Bad as error:
            return Bad(f"{path.relative_to(self.folder)}: {error}")
        return self.read(task, self._sized(path, values, picture.size), picture.K)

    def _values(self, path: Path, task: str) -> Array:
        try:
            return READERS[path.suffix](path, task, self.png_scale)
        except (UserError, Bad):
            raise
        except Exception as error:  # four codecs' errors
            raise Bad(f"cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__})") from error

    def _sized(self, path: Path, values: Array, size: tuple[int, int]) -> Array:
        """At the picture's size. Raises UserError where it is not, and resizing was not asked for."""
        if values.shape[:2] == size:
            return values
        found = "{}x{}".format(*values.shape[:2])
        if not self.resize:
            pair = f"{path} is {found}, its picture {size[0]}x{size[1]}"
            raise UserError(f"{pair}: predict at the pictures' own sizes, or give resize=true (bilinear)")
        self.resized += 1
        self.resolution, self.conversion["resize"] = f"of the files; {self.resized:,} resized, the last from {found}", "bilinear"
        return cv2.resize(values.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def _files(what: str, folder: Path) -> dict[str, dict[str, Path]]:
    """Task -> key -> file. A PNG counts where there is nothing else. Raises UserError where there are two of one."""
    paths = [path for path in (*folder.glob("*"), *folder.glob("*/*")) if path.suffix in ENDINGS and not path.name.startswith(".")]
    found: dict[str, dict[str, Path]] = {}
    untold = None
    for path in sorted(paths, key=lambda path: (path.suffix == ".png", path)):
        task, key = _named(path.parent.name if path.parent != folder else "", path)
        if task is None:
            untold = task = untold or _shaped(path)
        there = found.setdefault(task, {}).setdefault(key, path)
        if there != path and path.suffix != ".png":
            raise UserError(f"{what} has two predictions of {task} for {key}, {there.name} and {path.name}: leave one of them")
    return {task: files for task, files in found.items() if task in TASKS}


def _named(inside: str, path: Path) -> tuple[str | None, str]:
    """Task ('' where it is none) and key of a file, in a subfolder or ('') not; None: the name does not tell."""
    key, _, named = path.stem.partition(".")
    told = [task for task in (inside, inside.removesuffix("s"), named) if task in TASKS]
    return told[0] if told else "" if inside or named else None, key


def _shaped(path: Path) -> str:
    """What a file's shape tells: normals have three channels."""
    try:
        shape = READERS[path.suffix](path, "", 1.0).shape
    except Exception as error:
        raise UserError(f"{path} cannot be read ({error}): give whole files, or name the task, as in depth/{path.name}") from error
    return "normal" if len(shape) > 2 and 3 in (shape[0], shape[-1]) else "depth"


def _npy(path: Path, task: str, scale: float | None) -> Array:
    return np.load(path, allow_pickle=False)


def _npz(path: Path, task: str, scale: float | None) -> Array:
    with np.load(path, allow_pickle=False) as arrays:
        name = task if task in arrays.files else arrays.files[0] if len(arrays.files) == 1 else None
        if name is None:
            raise Bad(f"it holds {', '.join(arrays.files)}, and none is called {task}")
        return arrays[name]


def _exr(path: Path, task: str, scale: float | None) -> Array:
    channels = read_exr(str(path))
    if len(channels) == 1:
        return next(iter(channels.values()))
    for names in ("RGB", "XYZ", "xyz"):
        if set(names) <= set(channels):
            return np.stack([channels[name] for name in names], axis=-1)
    raise Bad(f"its channels are {', '.join(channels)}; one, or R, G, B or X, Y, Z are read")


def _png(path: Path, task: str, scale: float | None) -> Array:
    codes = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if codes is None:
        raise Bad("is no picture")
    if codes.ndim == 3:
        return codes[..., 2::-1] / ((2 ** (8 * codes.itemsize) - 1) / 2) - 1
    if scale is None:
        raise UserError(f"{path} is a PNG of depth: give png_scale=, what a code of 1 stands for, such as 0.001 for millimetres in metres")
    return np.where(codes > 0, codes * scale, np.nan)


READERS = {".npy": _npy, ".npz": _npz, ".exr": _exr, ".png": _png}
