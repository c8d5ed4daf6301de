"""The small body that every layout shows: `figures`' person in quarters of colour, so that a wrong texture or axis shows."""

import io
from pathlib import Path

import numpy as np
import PIL.Image

from tests.scans.figures import FACES, UV, VERTICES

#: sRGB of the texture's quarters as the body shows them: (its right, its left) above, then below.
ABOVE, BELOW = ((230, 40, 40), (40, 200, 60)), ((50, 80, 230), (240, 220, 50))
#: Canonical axes (x left of the person, -y front, z up) to those of most files: +Y up, facing +Z.
FILE_FROM_CANONICAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
BODY = VERTICES @ FILE_FROM_CANONICAL.T


def quarters(size: int = 64, tint: float = 1.0) -> np.ndarray:
    """The texture (size,size,3) uint8, first row at the top."""
    rows = [np.repeat(np.array([half]), size // 2, axis=0) for half in (ABOVE, BELOW)]
    return np.repeat(np.concatenate(rows), size // 2, axis=1).astype(float).__mul__(tint).astype(np.uint8)


def encoded(picture: np.ndarray, kind: str) -> bytes:
    """A picture as PNG or JPEG."""
    stream = io.BytesIO()
    PIL.Image.fromarray(picture).save(stream, format=kind, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    return stream.getvalue()


def turn(degrees: float) -> np.ndarray:
    """Rotation (3,3) about +Y."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def write_obj(path: Path, vertices: np.ndarray, material: str, picture: str) -> None:
    """An OBJ with texture coordinates, and its MTL that names a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"mtllib {material}", *(f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices), *(f"vt {u:.6f} {v:.6f}" for u, v in UV)]
    lines += ["usemtl material0", *("f " + " ".join(f"{i}/{i}" for i in face) for face in FACES + 1)]
    path.write_text("\n".join(lines) + "\n")
    (path.parent / material).write_text(f"newmtl material0\nKd 1 1 1\nmap_Kd {picture}\n")
