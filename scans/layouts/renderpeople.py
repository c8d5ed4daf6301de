"""RenderPeople: `rp_NAME_posed_NNN_OBJ/rp_NAME_posed_NNN_100k.obj`, in centimetres, several finenesses of one scan."""

import re
from functools import partial
from pathlib import Path

from scans import reading
from scans.canonical import Options
from scans.layouts.base import Layout, Scan

NAME = re.compile(r"(rp_(\w+?)_(?:posed|rigged|a_posed)_\d+)(?:_([\d.]+)k)?$", re.IGNORECASE)


def find(files: list[Path], every: int) -> list[Scan]:
    """The finest mesh of each scan. All poses of a name are one person."""
    finest: dict[str, tuple[tuple[float, int, str], Path, str]] = {}
    for path in files:
        if match := NAME.match(path.stem):
            name, person, thousands = match[1].lower(), match[2].lower(), float(match[3] or 0)
            rank = (thousands, path.stat().st_size, path.suffix.lower())
            finest[name] = max(finest.get(name, (rank, path, person)), (rank, path, person))
    return [_scan(name, person, path) for name, (_, path, person) in sorted(finest.items())]


def _scan(name: str, person: str, path: Path) -> Scan:
    gltf = path.suffix.lower() in reading.GLTF  # metres by its own standard
    read = reading.read if gltf else partial(reading.read, texture=_texture(path))
    return Scan(path, name, f"renderpeople-{person}", lambda: Options(units="auto" if gltf else "cm", up="y"), read=read)


def _texture(path: Path) -> Path | None:
    """The finest diffuse picture of `tex/`: `*_dif_8k.jpg`, `*_dif.jpg`, ...; an MTL often names one that was not delivered."""
    pictures = [file for file in (path.parent / "tex").glob("*") if re.search(r"_dif(_\d+k)?\.(jpe?g|png)$", file.name, re.IGNORECASE)]
    return max(pictures, key=lambda file: (file.stat().st_size, file.name), default=None)


LAYOUT = Layout(find, "rp_NAME_posed_NNN_100k.obj", (".obj", ".glb"), "RenderPeople licence: no redistribution")
