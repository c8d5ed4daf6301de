"""CustomHumans: `NNNN/mesh-fXXXXX.obj` with MTL and PNG, and beside it the mesh of its fit, which is no scan."""

from pathlib import Path

from tests.layouts.body import BODY, encoded, quarters, write_obj


def write(folder: Path, frames: dict[str, str], scale: float = 1.0) -> None:
    """frames: folder -> its frame's name, such as {"0003": "f00101"}."""
    for name, frame in frames.items():
        mesh = folder / name / f"mesh-{frame}.obj"
        write_obj(mesh, BODY * scale, f"mesh-{frame}.mtl", f"mesh-{frame}.png")
        mesh.with_suffix(".png").write_bytes(encoded(quarters(), "PNG"))
        (mesh.parent / f"mesh-{frame}_smpl.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
