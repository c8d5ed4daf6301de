"""The contact sheet of a catalogue: front, side, back and face of each scan, to be looked at by a person."""

import os
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from datasets.conventions import Array
from scans.canonical import Placement
from scans.mesh import Mesh
from scans.studio import Studio

TILE = 256


def save_strip(mesh: Mesh, placement: Placement, id: str, out: Path) -> None:
    """Save `<out>/previews/<id>.png`: front, side, back and face of a canonical mesh, labelled."""
    up = np.array([0.0, 0.0, 1.0])
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    half = 0.55 * float((high - low).max())
    views = {"front": [1.0, 0.0, 0.0], "left side": [0.0, 1.0, 0.0], "back": [-1.0, 0.0, 0.0]}
    with Studio(mesh, TILE) as studio:
        tiles = [studio.view(np.array(right), up, (low + high) / 2, half)[0] for right in views.values()]
        tiles.append(studio.view(np.array([1.0, 0.0, 0.0]), up, np.array(placement.head), 1.1 * placement.head_radius)[0])
    for tile, name in zip(tiles, [*views, "face"], strict=True):
        _label(tile, name, TILE - 8)
    strip = np.concatenate(tiles, axis=1)
    banner = np.full((20, strip.shape[1], 3), 30, np.uint8)
    _label(banner, f"{id}   {high[2]:.2f} m   {placement.found['facing']}", 14)
    path = out / "previews" / f"{id}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(path, np.concatenate([banner, strip]))


def contact_sheet(out: Path, ids: list[str], path: Path) -> Path:
    """Lay the strips of `ids` that exist out on one sheet at `path`."""
    pictures = [PIL.Image.open(file) for id in ids if (file := out / "previews" / f"{id}.png").is_file()]
    columns = max(1, round(np.sqrt(len(pictures) / 8)))
    width, height = 4 * TILE, TILE + 20
    sheet = PIL.Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height))
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index % columns * width, index // columns * height))
    _save(path, np.asarray(sheet))
    return path


def _label(picture: Array, text: str, y: int) -> None:
    cv2.putText(picture, text, (6, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)


def _save(path: Path, picture: Array) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    PIL.Image.fromarray(picture).save(temporary, format="PNG")
    os.replace(temporary, path)
