"""The small body that every layout shows: a round, lopsided figure in quarters of colour, so that a wrong texture or axis shows."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import trimesh


def _limb(radius: float, start: tuple[float, ...], end: tuple[float, ...]) -> trimesh.Trimesh:
    way = np.subtract(end, start)
    limb = trimesh.creation.capsule(height=float(np.linalg.norm(way)), radius=radius, count=[20, 20])
    limb.apply_translation(-limb.bounds.mean(axis=0))
    limb.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], way))
    return limb.apply_translation(np.add(start, end) / 2)


def _figure() -> tuple[np.ndarray, np.ndarray]:
    """In the canonical frame, 1.75 m, its left arm (+x) stretched out, feet forward (-y)."""
    head = trimesh.creation.icosphere(subdivisions=3, radius=0.11).apply_scale([1, 1, 0.13 / 0.11]).apply_translation([0, 0, 1.62])
    limbs = [(0.16, (0, 0, 0.95), (0, 0, 1.28)), (0.05, (0, 0, 1.35), (0, 0, 1.55))]  # trunk, neck
    limbs += [(0.045, (0.12, 0, 1.32), (0.6, 0, 1.36)), (0.045, (-0.18, 0, 1.32), (-0.27, 0, 0.85))]  # arms
    limbs += [limb for x in (-0.09, 0.09) for limb in ((0.075, (x, 0, 0.1), (x, 0, 0.9)), (0.05, (x, 0, 0.05), (x, -0.17, 0.05)))]
    figure = trimesh.util.concatenate([head, *(_limb(*limb) for limb in limbs)])
    figure.apply_translation([*-figure.bounds.mean(axis=0)[:2], 0])
    return np.asarray(figure.vertices), np.asarray(figure.faces)


#: In the canonical frame: (V,3) metres, (F,3), the middle of the head.
CANONICAL, FACES = _figure()
HEAD = CANONICAL[: len(trimesh.creation.icosphere(subdivisions=3).vertices)].mean(axis=0)
#: Texture coordinates: borders of the quarters are between its left and right, and 1 m high.
UV = np.column_stack([CANONICAL[:, 0] + 0.5, CANONICAL[:, 2] / 2])
#: sRGB of the texture's quarters as the body shows them: (its right, its left) above, then below.
ABOVE, BELOW = ((230, 40, 40), (40, 200, 60)), ((50, 80, 230), (240, 220, 50))
#: Canonical axes (x left of the person, -y front, z up) to those of most files: +Y up, facing +Z.
FILE_FROM_CANONICAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
BODY = CANONICAL @ FILE_FROM_CANONICAL.T


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
