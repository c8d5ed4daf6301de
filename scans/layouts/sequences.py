"""4D-Dress and X-Humans: sequences of pickled meshes, `mesh-fXXXXX.pkl`, each with `atlas-fXXXXX.pkl`; metres, +Y up.

A mesh is a dictionary of `vertices` (V,3), `faces` (F,3) and `uvs` (V,2), of 4D-Dress also `colors`; an atlas is an array
(1024,1024,3) uint8 whose first row is the lowest. Fits of SMPL-X, frame by frame in `SMPLX/`, tell facing and head.
"""

import io
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image

from datasets.conventions import Array
from scans import pickles, reading
from scans.canonical import Options
from scans.layouts import smplx
from scans.layouts.base import Layout, Scan
from scans.mesh import GREY, WHITE, Material, Mesh, Part, Picture, Refused, clean

#: Of a sequence: the path of its folder -> (whose, its name, the dataset's own split).
Sequence = Callable[[Path], tuple[str, str, str | None]]


def _dress(folder: Path) -> tuple[str, str, str | None]:
    """<subject>/<outfit>/<take>/Meshes_pkl."""
    subject, outfit, take = folder.parts[-4:-1]
    return subject, f"{subject}-{outfit}-{take}", None


def _humans(folder: Path) -> tuple[str, str, str | None]:
    """<subject>/<train or test>/<take>/meshes_pkl. Each person is in both, so this is no split of people."""
    subject, mode, take = folder.parts[-4:-1]
    return subject, f"{subject}-{mode}-{take}", mode


def _finder(dataset: str, folder_name: str, sequence: Sequence) -> Callable[[list[Path], int], list[Scan]]:
    def find(files: list[Path], every: int) -> list[Scan]:
        """Every n-th frame of each sequence, from its first one."""
        takes = defaultdict[Path, list[Path]](list)
        for path in files:
            if path.parent.name == folder_name and path.stem.startswith("mesh-f") and len(path.parts) > 4:
                takes[path.parent].append(path)
        return [scan(path) for folder in sorted(takes) for path in sorted(takes[folder])[::every]]

    def scan(path: Path) -> Scan:
        subject, name, published = sequence(path.parent)
        id, fit = f"{name}-{path.stem.removeprefix('mesh-')}", path.parent.parent / "SMPLX" / f"{path.stem}_smplx.pkl"
        there = fit.is_file()
        options = (lambda: smplx.options(pickles.record(fit), fit)) if there else lambda: Options(units="m", up="y")
        extra = (fit,) if there else ()
        return Scan(path, id, f"{dataset}-{subject}", options, published=published, extra=extra, read=read)

    return find


def read(path: Path) -> Mesh:
    """The mesh of a frame. Raises Refused with the reason."""
    values = pickles.record(path, "vertices", "faces")
    vertices, faces = _shaped(values["vertices"], path, "vertices", 3), _shaped(values["faces"], path, "faces", 3)
    uv = _shaped(values["uvs"], path, "uvs", 2).clip(0, 1) if "uvs" in values else None
    atlas = path.with_name(path.name.replace("mesh-", "atlas-", 1))
    part, files = Part(vertices, faces.astype(np.int64), Material(GREY)), [path]
    if uv is not None and len(uv) == len(vertices) and atlas.is_file():
        part, files = Part(vertices, part.faces, Material(WHITE, _picture(atlas)), uv), [path, atlas]
    elif "colors" in values:
        colours = np.column_stack([_shaped(np.asarray(values["colors"])[:, :3], path, "colors", 3) / 255, np.ones(len(vertices))])
        part = Part(vertices, part.faces, Material(WHITE), colours=reading.linear(colours))
    return clean(Mesh([part], [] if part.material.texture else [f"no {atlas.name}"], files))


def _shaped(values: object, path: Path, name: str, width: int) -> Array:
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] != width or array.dtype.kind not in "fiu":
        raise Refused(f"{path}: {name} is {array.dtype} {array.shape}, not numbers (N, {width}): get the original file")
    return array if array.dtype.kind != "f" else array.astype(np.float64)


def _picture(path: Path) -> Picture:
    """An atlas as a PNG, its first row at the top."""
    pixels = np.asarray(pickles.load(path))
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise Refused(f"{path} is {pixels.dtype} {pixels.shape}, not a picture (H, W, 3) of bytes: get the original file")
    stream = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(pixels[::-1, :, :3])).save(stream, format="PNG")
    return Picture(stream.getvalue(), "image/png")


DRESS = Layout(
    _finder("4ddress", "Meshes_pkl", _dress),
    "SUBJECT/OUTFIT/TAKE/Meshes_pkl/mesh-fXXXXX.pkl",
    (".pkl",),
    "4D-DRESS terms: non-commercial research, no redistribution",
)
HUMANS = Layout(
    _finder("xhumans", "meshes_pkl", _humans),
    "SUBJECT/train|test/TAKE/meshes_pkl/mesh-fXXXXX.pkl",
    (".pkl",),
    "X-Humans terms: non-commercial research, no redistribution",
)
