"""The pictures a plan draws from: environments and backdrop photographs, found, checked and kept to their split."""

import importlib.util
from pathlib import Path

import cv2

from conf.command import UserError
from render import environment
from scans.catalogue import assign_splits

ENVIRONMENTS = {".hdr", ".exr"}
PHOTOGRAPHS = {".jpg", ".jpeg", ".png"}


def environments(folder: str | None, split: str) -> dict[str, Path]:
    """File name -> path of the environments that belong to a split ("all": every one).

    Environments are divided among the splits like people, so that test pictures are lit by none that training saw. With
    too few for that, every split uses them all, which is said.
    """
    paths = _listed(bundled() if folder is None else Path(folder), ENVIRONMENTS, "hdris")
    for path in paths.values():
        try:
            environment.load(path)
        except ValueError as error:
            raise UserError(str(error)) from error
    if split == "all":
        return paths
    splits = assign_splits(list(paths))
    kept = {name: path for name, path in paths.items() if splits[name] == split}
    if not kept:
        print(f"note: {len(paths)} environment(s) are too few to keep some for split={split}; it uses them all")
    return kept or paths


def photographs(folder: str | None) -> dict[str, Path]:
    """File name -> path of the backdrop photographs; none when no folder is given."""
    if folder is None:
        return {}
    paths = _listed(Path(folder), PHOTOGRAPHS, "backdrops")
    for path in paths.values():
        if cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_8) is None:
            raise UserError(f"{path} cannot be read as a picture: remove or replace it")
    return paths


def bundled() -> Path:
    """The folder of the eight CC0 environments in Blender's wheel."""
    return _in_blender("studiolights/world")


def colour_configuration() -> Path:
    """Blender's OpenColorIO configuration."""
    return _in_blender("colormanagement/config.ocio")


def _in_blender(name: str) -> Path:
    """A data file of Blender's wheel, found without importing Blender."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("bpy is not installed: run `make setup`")
    found = sorted(Path(spec.submodule_search_locations[0]).glob(f"*/datafiles/{name}"))
    if not found:
        raise UserError(f"this bpy has no datafiles/{name}: reinstall it with `make setup`")
    return found[0]


def _listed(folder: Path, suffixes: set[str], option: str) -> dict[str, Path]:
    paths = {path.name: path.resolve() for path in sorted(folder.glob("*")) if path.suffix.lower() in suffixes}
    if not paths:
        raise UserError(f"{option}={folder} holds no {' '.join(sorted(suffixes))} files: give a folder that does")
    return paths
