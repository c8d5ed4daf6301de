"""CustomHumans: `NNNN/mesh-fXXXXX.obj` (also `NNNN_.../`) with MTL and PNG beside it, in varying scales, +Y up."""

import re
from pathlib import Path

from scans.canonical import Options
from scans.layouts.base import Layout, Scan


def find(files: list[Path], every: int) -> list[Scan]:
    """Every mesh-fXXXXX.obj; the fits beside them (`_smpl`, `_smplx`) are no scans. A folder's number is its subject."""
    meshes = [path for path in files if re.fullmatch(r"mesh-f\d+", path.stem) and re.match(r"\d{4}(_|$)", path.parent.name)]
    return [_scan(path, path.parent.name[:4]) for path in meshes]


def _scan(path: Path, number: str) -> Scan:
    return Scan(path, f"{number}-{path.stem.removeprefix('mesh-')}", f"customhumans-{number}", lambda: Options(up="y"))


LAYOUT = Layout(find, "NNNN/mesh-fXXXXX.obj", (".obj",), "CustomHumans terms: non-commercial research, no redistribution")
