"""`python -m scans.preview`: a contact sheet of a catalogue, to be looked at: front, side, back, normals and face of each person."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from tqdm import tqdm

from conf.command import UserError, command, key, required
from datasets.conventions import Array
from datasets.triplet import temporary
from scans import catalogue, glb
from scans.canonical import Placement
from scans.catalogue import ScanRecord
from scans.mesh import Mesh
from scans.portrait import background, lit, normals, over
from scans.studio import Layers, Studio

TILE = 256  # of the strips that ingest makes
SHEET_FILE = "sheet.png"
FORMATS: dict[str, dict[str, Any]] = {".png": {"format": "PNG"}, ".jpg": {"format": "JPEG", "quality": 92}}
HEIGHT_M = 2.0  # of a figure's tile; taller or wider people are drawn smaller
ASPECT = 0.48  # width of a figure's tile by its height, on average
GAP_M = 0.12  # between figures, at least
RIGHT = {"front": np.array([1.0, 0.0, 0.0]), "side": np.array([0.0, 1.0, 0.0]), "back": np.array([-1.0, 0.0, 0.0])}
UP = np.array([0.0, 0.0, 1.0])
INK, FAINT = (38, 38, 42), (112, 112, 118)


@dataclass
class PreviewConfig:
    """Make a contact sheet of people, embedded or ingested: front, side, back and face, and normals as datasets colour them."""

    catalogue: Any = required("folder of the catalogue, or [FOLDER,FOLDER] for several on one sheet")
    out: str | None = key(None, f"picture to write, .png or .jpg; null: {SHEET_FILE} in the (first) catalogue")
    count: int = key(24, "people shown of each catalogue, evenly spaced")
    columns: int = key(0, "people beside each other; 0: for a landscape sheet")
    height: int = key(360, "height of a figure's tile, pixels (64 to 2048)")


@command("scans.preview", PreviewConfig)
def main(config: PreviewConfig) -> None:
    if config.count < 1 or config.columns < 0:
        raise UserError(f"count={config.count} columns={config.columns}: give 1 or more people, and 0 or more columns")
    if not 64 <= config.height <= 2048:
        raise UserError(f"height={config.height}: give a height from 64 to 2048 pixels")
    folders = [Path(config.catalogue)] if isinstance(config.catalogue, str) else [Path(str(folder)) for folder in config.catalogue]
    out = folders[0] / SHEET_FILE if config.out is None else Path(config.out)
    if out.suffix not in FORMATS:
        raise UserError(f"out={config.out}: give the name of a .png or .jpg picture")
    try:
        everyone = [(folder, _spread(catalogue.read(folder), config.count)) for folder in folders]
        chosen = [(folder / record.path, record) for folder, records in everyone for record in records]
        cards = [card(record, glb.read(path), config.height) for path, record in tqdm(chosen, desc="preview", unit="person")]
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error
    if not cards:
        raise UserError(f"{folders[0]} holds nobody: make people or ingest scans first")
    height, width = cards[0].shape[:2]
    columns = config.columns or max(1, round(np.sqrt(1.4 * len(cards) * height / width)))
    _save(out, _grid(cards, min(columns, len(cards))))
    print(f"{out}: {len(cards)} people")


def _spread(records: list[ScanRecord], count: int) -> list[ScanRecord]:
    """At most `count` of them, evenly spaced."""
    return [records[i] for i in np.linspace(0, len(records) - 1, min(count, len(records))).round().astype(int)]


def card(record: ScanRecord, mesh: Mesh, height: int) -> Array:
    """One person's picture, (H,W,3) uint8: front, side, back and front's normals in tiles `height` pixels high, the face and its
    normals beside them, and a caption."""
    low, high = np.array(record.bounds)
    across = [(high - low)[0 if name != "side" else 1] + GAP_M for name in (*RIGHT, "normals")]
    half = max(HEIGHT_M, 1.04 * high[2], sum(across) / (4 * ASPECT)) / 2  # of the square views that tiles are cut from
    across = np.array(across) + (8 * half * ASPECT - sum(across)) / 4
    widths = [round(width / half * height / 2) for width in across]
    widths[-1] += round(4 * ASPECT * height) - sum(widths)
    middle, metres = np.array([0.0, 0.0, 0.965 * half]), 2 * half / height
    with Studio(mesh, 2 * height) as studio:
        views = [studio.layers(right, UP, middle, half) for right in RIGHT.values()]
        face = studio.layers(_across_head(record), UP, np.array(record.head), 1.18 * record.head_radius)
    floor = height / 2 + middle[2] / metres
    tiles = []
    for layers, width in zip(views, widths, strict=False):
        tiles.append(over(lit(_cropped(layers, width), metres / 2), background(height, width, floor)))
    tiles.append(over(normals(_cropped(views[0], widths[-1])), background(height, widths[-1])))
    close = lit(face, 1.18 * record.head_radius / height), normals(face)
    small = height // 2
    column = [cv2.resize(over(picture, background(height, height)), (small, small), interpolation=cv2.INTER_AREA) for picture in close]
    tiles.append(np.concatenate(column)[:height])
    pictures = np.concatenate([np.pad(tile, [(0, height - len(tile)), (0, 0), (0, 0)], mode="edge") for tile in tiles], axis=1)
    return _captioned(pictures, record)


def _across_head(record: ScanRecord) -> Array:
    """The picture's right, level, for which the face looks at the camera: along the ears where they are known."""
    if not {"left_ear", "right_ear"} <= record.keypoints.keys():
        return RIGHT["front"]
    across = (np.array(record.keypoints["left_ear"]) - np.array(record.keypoints["right_ear"])) * [1, 1, 0]
    length = float(np.linalg.norm(across))
    return np.asarray(across / length) if length > 0.05 else RIGHT["front"]


def _cropped(layers: Layers, width: int) -> Layers:
    """The middle columns of a view at twice the size, 2 * width of them."""
    start = layers.coverage.shape[1] // 2 - width
    return Layers(*(values[:, start : start + 2 * width] for values in vars(layers).values()))


def caption(record: ScanRecord) -> tuple[str, str]:
    """Two lines on a person: who, and what is worn and done, as far as the catalogue knows."""
    known = record.attributes
    who = [record.id, f"{known['sex']}, {known['age']}" if {"sex", "age"} <= known.keys() else "", f"{record.height_m:.2f} m"]
    who += [f"Monk {known['monk_tone']:.0f}" if "monk_tone" in known else "", f"{record.faces / 1000:.0f}k faces"]
    what = [", ".join(known.get("garments", [])), str(known.get("hair", "")), str(known.get("pose", ""))]
    what += [] if any(what) else ["; ".join(record.issues) or record.licence]
    return "  ·  ".join(filter(None, who)), "  ·  ".join(filter(None, what))


def _captioned(pictures: Array, record: ScanRecord) -> Array:
    height, width = pictures.shape[:2]
    size = max(9, height // 26)
    line, margin = round(1.5 * size), size
    canvas = PIL.Image.new("RGB", (width + margin, height + 2 * line + 2 * margin), "white")
    canvas.paste(PIL.Image.fromarray(pictures), (margin // 2, margin // 2))
    draw, font = PIL.ImageDraw.Draw(canvas), PIL.ImageFont.load_default(size)
    for number, (text, colour) in enumerate(zip(caption(record), (INK, FAINT), strict=True)):
        while text and draw.textlength(text, font) > width:
            text = text[:-2].rstrip(" …") + "…"
        draw.text((margin // 2, margin // 2 + height + size // 2 + number * line), text, colour, font)
    return np.asarray(canvas)


def _grid(cards: list[Array], columns: int) -> Array:
    rows = -(-len(cards) // columns)
    height, width = cards[0].shape[:2]
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for index, picture in enumerate(cards):
        y, x = index // columns * height, index % columns * width
        sheet[y : y + height, x : x + width] = picture
    return sheet


def save_strip(mesh: Mesh, placement: Placement, id: str, out: Path) -> None:
    """Save `<out>/previews/<id>.png`: front, side, back and face of a canonical mesh, labelled."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    half = 0.55 * float((high - low).max())
    with Studio(mesh, TILE) as studio:
        tiles = [studio.view(right, UP, (low + high) / 2, half)[0] for right in RIGHT.values()]
        tiles.append(studio.view(RIGHT["front"], UP, np.array(placement.head), 1.1 * placement.head_radius)[0])
    for tile, name in zip(tiles, ["front", "left side", "back", "face"], strict=True):
        _label(tile, name, TILE - 8)
    strip = np.concatenate(tiles, axis=1)
    banner = np.full((20, strip.shape[1], 3), 30, np.uint8)
    _label(banner, f"{id}   {high[2]:.2f} m   {placement.found['facing']}", 14)
    path = out / "previews" / f"{id}.png"
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
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = temporary(path)
    PIL.Image.fromarray(picture).save(hidden, **FORMATS[path.suffix])
    os.replace(hidden, path)


if __name__ == "__main__":
    main()
