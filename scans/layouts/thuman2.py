"""THuman2.0 and 2.1: `0525/0525.obj` in arbitrary units, and SMPL-X fits that tell metres and facing."""

from dataclasses import replace
from pathlib import Path

from scans import pickles
from scans.canonical import Options
from scans.layouts import smplx
from scans.layouts.base import Layout, Scan

FIT = "smplx_param.pkl"
#: ICON's split of 2.0 (Xiu et al. 2022): first number -> split.
SPLITS = {0: "train", 500: "test", 505: "val", 526: None}


def find(files: list[Path], every: int) -> list[Scan]:
    """Every NNNN/NNNN.obj, with its fit where there is one."""
    meshes = [path for path in files if path.stem == path.parent.name and len(path.stem) == 4 and path.stem.isdecimal()]
    fits = _fits({path.parent.parent for path in meshes})
    return [_scan(path, fits.get(path.stem)) for path in meshes]


def _fits(folders: set[Path]) -> dict[str, Path]:
    """Number -> fit: in the scan's own folder, else in any folder of fits beside the scans or one up (`smplx`, `fits`, ...)."""
    number = "[0-9]" * 4
    places = [(f, f"{number}/{FIT}") for f in folders] + [(f, f"*/{number}/{FIT}") for f in folders]
    places += [(f.parent, f"*/{number}/{FIT}") for f in folders]
    found = [path for folder, pattern in places for path in sorted(folder.glob(pattern))]
    return {path.parent.name: path for path in reversed(found)}


def _scan(file: Path, fit: Path | None) -> Scan:
    number = file.stem
    split = next(split for first, split in reversed(SPLITS.items()) if int(number) >= first)
    scan = Scan(file, number, f"thuman2-{number}", split=split, published=split)
    if fit is None:
        return replace(scan, options=lambda: Options(units="unit", up="y"), issues=("no SMPL-X fit",))
    return replace(scan, options=lambda: smplx.options(pickles.record(fit), fit, scale=True), extra=(fit,))


LAYOUT = Layout(
    find,
    "NNNN/NNNN.obj",
    (".obj",),
    "THuman2.0 agreement: non-commercial research, no redistribution of data or renders",
)
