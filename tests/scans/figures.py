"""A person-like figure in closed form, written in every format and frame that scans come in."""

import io
import itertools
import json
from pathlib import Path

import numpy as np
import PIL.Image
import trimesh
from scipy.spatial import cKDTree

from datasets.conventions import WORLD_FROM_GLTF
from scans.canonical import FACINGS, METRES

ROOT = Path(__file__).resolve().parents[2]
AXES = {"+x": (1, 0, 0), "-x": (-1, 0, 0), "+y": (0, 1, 0), "-y": (0, -1, 0), "+z": (0, 0, 1), "-z": (0, 0, -1)}
FRAMES = [(up, facing) for up, facing in itertools.product(("y", "z"), FACINGS) if facing[1] != up]


def _person() -> tuple[np.ndarray, np.ndarray]:
    """A lopsided figure of boxes in the canonical frame: 1.75 m, its left arm (+x) stretched out, feet forward (-y)."""
    boxes = {
        "torso": [(-0.22, -0.12, 0.8), (0.22, 0.12, 1.45)],
        "head": [(-0.09, -0.11, 1.45), (0.09, 0.09, 1.75)],
        "left arm": [(0.22, -0.05, 1.3), (0.6, 0.05, 1.42)],
        "left leg": [(0.03, -0.07, 0.0), (0.17, 0.07, 0.8)],
        "right leg": [(-0.17, -0.07, 0.0), (-0.03, 0.07, 0.8)],
        "left foot": [(0.03, -0.22, 0.0), (0.17, -0.07, 0.05)],
        "right foot": [(-0.17, -0.22, 0.0), (-0.03, -0.07, 0.05)],
    }
    figure = trimesh.util.concatenate([trimesh.creation.box(bounds=bounds).subdivide_to_size(0.06) for bounds in boxes.values()])
    vertices = np.asarray(figure.vertices)
    return vertices - [*(vertices.min(axis=0) + vertices.max(axis=0))[:2] / 2, 0.0], np.asarray(figure.faces)


VERTICES, FACES = _person()
UV = np.column_stack([VERTICES[:, 0] + 0.5, VERTICES[:, 2] / 2])
#: sRGB colours that tell places apart.
COLOURS = np.column_stack([np.rint((VERTICES - VERTICES.min(axis=0)) * 100), np.full(len(VERTICES), 255)]).astype(np.uint8)


def _png() -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(1).integers(0, 255, (16, 16, 3), np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


PNG = _png()


def to_file(vertices, up="y", facing="+z", units="m", offset=(0.0, 0.0, 0.0)):
    """Canonical vertices in a file's frame: what the person has in front, on the left and above goes along the file's axes."""
    above, front = np.array(AXES[f"+{up}"]), np.array(AXES[facing])
    axes = np.stack([np.cross(above, front), -front, above])
    return vertices @ axes / METRES[units] + offset


def write_obj(folder, name, vertices=VERTICES, mtl="newmtl skin\nKd 0 0 0\nmap_Kd -s 1 1 1 material0.png\n", png=PNG, lines=""):
    folder.mkdir(parents=True, exist_ok=True)
    text = ["mtllib material0.mtl", *(f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices), *(f"vt {u:.6f} {v:.6f}" for u, v in UV)]
    text += ["usemtl skin", *("f " + " ".join(f"{i}/{i}" for i in face) for face in FACES + 1), lines]
    path = folder / f"{name}.obj"
    path.write_text("\n".join(text))
    if mtl is not None:
        (folder / "material0.mtl").write_text(mtl)
    if png is not None:
        (folder / "material0.png").write_bytes(png)
    return path


def write_ply(folder, name, vertices=VERTICES):
    folder.mkdir(parents=True, exist_ok=True)
    trimesh.Trimesh(vertices, FACES, vertex_colors=COLOURS, process=False).export(folder / f"{name}.ply")
    return folder / f"{name}.ply"


def write_glb(folder, name, vertices=VERTICES):
    folder.mkdir(parents=True, exist_ok=True)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=PIL.Image.open(io.BytesIO(PNG)))
    figure = trimesh.Trimesh(vertices, FACES, visual=trimesh.visual.TextureVisuals(uv=UV, material=material), process=False)
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3], [0.1, 0.2, 0.3])
    scene.add_geometry(figure.apply_transform(np.linalg.inv(turn)), transform=turn)  # a node transform that must be applied
    scene.export(folder / f"{name}.glb")
    return folder / f"{name}.glb"


def write_gltf(folder, name, vertices=VERTICES):
    folder.mkdir(parents=True, exist_ok=True)
    scene = trimesh.load_scene(write_glb(folder, name, vertices), process=False)
    (folder / f"{name}.glb").unlink()
    for file, data in scene.export(file_type="gltf").items():
        (folder / file.replace("model", name)).write_bytes(data)
    return folder / f"{name}.gltf"


WRITERS = {"obj": write_obj, "ply": write_ply, "glb": write_glb, "gltf": write_gltf}


def load_canonical(path: Path) -> trimesh.Trimesh:
    """A canonical GLB as a stranger reads it, taken to the world as Blender does."""
    return trimesh.load_scene(path, process=False).to_mesh().apply_transform(WORLD_FROM_GLTF)


def gap(a, b) -> float:
    """Hausdorff distance between two sets of vertices."""
    return max(cKDTree(a).query(b)[0].max(), cKDTree(b).query(a)[0].max())


def read_tree(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    return json.loads(data[20 : 20 + length]), data[28 + length :]
