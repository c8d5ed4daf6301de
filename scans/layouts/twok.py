"""2K2K: `<id>/<id>.ply` with vertex colours, or `<id>/<id>.obj` with a picture."""

from pathlib import Path

from scans.layouts.base import Layout, Scan

SPLITS = ("train", "test")


def find(files: list[Path], every: int) -> list[Scan]:
    """One scan per folder of its mesh's name; PLY before OBJ. The release's train and test are folders above."""
    meshes: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: (path.suffix.lower() != ".ply", path)):
        if path.stem == path.parent.name:
            meshes.setdefault(path.stem, path)
    return [Scan(path, id, f"2k2k-{id}", split=_split(path), published=_split(path)) for id, path in sorted(meshes.items())]


def _split(path: Path) -> str | None:
    return next((part.lower() for part in reversed(path.parts[:-2]) if part.lower() in SPLITS), None)


LAYOUT = Layout(find, "ID/ID.ply or ID/ID.obj", (".ply", ".obj"), "2K2K agreement: non-commercial research, no redistribution")
