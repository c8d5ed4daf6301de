"""How fast and how exact is rasterised ground truth? Beside Embree's rays and pyrender's own passes; errors against float64.

All on one core, loaded before. Floor: the same triangles drawn with a depth test and one constant: small triangles cost software
OpenGL about a quarter of a microsecond each, whatever is written.
"""

import os
import time
from collections.abc import Callable

os.environ["LP_NUM_THREADS"] = "0"  # Mesa's software OpenGL: in this thread alone

import cv2
import numpy as np
import pyrender
import trimesh
from OpenGL import GL

from benchmarks.person import people
from datasets.conventions import NORMAL_FROM_CAMERA, Array, camera_rays
from render import raster
from render.raster import Raster
from scans import glb
from scans.mesh import smooth_normals
from tests.oracle import Oracle, degrees

SIZE = (1280, 940)  # Hi4D's
FRAMES = 5
CAMERA = np.array([[1950.0, 0.0, 480.3], [0, 1943.0, 630.2], [0, 0, 1]])
SKEW = 1.7  # only ours and the rays know it


def pair() -> tuple[Array, Array, Array]:
    """Two embedded people, shoulder to shoulder, as one mesh: vertices, faces and whose each face is."""
    meshes = [glb.read(path) for _, path in people(2)]
    vertices = [mesh.vertices + np.array([0.7 * side - 0.35, 0.1 * side, 0]) for side, mesh in enumerate(meshes)]
    faces = [meshes[0].faces, meshes[1].faces + len(vertices[0])]
    return np.concatenate(vertices), np.concatenate(faces), np.repeat([1, 2], [len(f) for f in faces])


def pose() -> Array:
    """world_to_camera (4,4): a camera of Hi4D's kind, 3.2 m away."""
    transform = np.eye(4)
    upright = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    transform[:3, :3] = upright @ trimesh.transformations.rotation_matrix(0.5, [0.1, 0.05, 1])[:3, :3]
    transform[:3, 3] = [0.05, 0.02, 3.2] - transform[:3, :3] @ [0, 0, 0.88]
    return transform


def seconds(work: Callable[[], object], frames: int = FRAMES) -> float:
    """Median of single runs, of this process's CPU time: others share the machine."""
    work()
    times = []
    for _ in range(frames):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return float(np.median(times))


def told(name: str, took: float, base: float, found: tuple[Array, Array | None, Array], truth: tuple[Array, Array, Array]) -> None:
    """A row: frames a second, times our time, and errors of depth, normal and mask."""
    depth, normal, mask = found
    both = mask & truth[2]
    off = np.abs(depth - truth[0])[both] / truth[0][both]
    angle = "" if normal is None else f"{np.median(degrees(normal.astype(np.float64), truth[1])[both]):10.5f}"
    differs = 100 * np.sum(mask != truth[2]) / truth[2].sum()
    print(f"{name:34}{1 / took:9.2f}{took / base:8.2f}{np.median(off):10.1e}{np.quantile(off, 0.999):10.1e}{angle:>11}{differs:10.4f} %")


def naive(vertices: Array, faces: Array, world_to_camera: Array) -> Callable[[], tuple[Array, None, Array]]:
    """pyrender's usual way: depth from its z-buffer."""
    scene, renderer = pyrender.Scene(), pyrender.OffscreenRenderer(SIZE[1], SIZE[0])
    scene.add(pyrender.Mesh([pyrender.Primitive(positions=vertices, normals=smooth_normals(vertices, faces), indices=faces)]))
    camera = pyrender.IntrinsicsCamera(*CAMERA[[0, 1, 0, 1], [0, 1, 2, 2]])
    scene.add(camera, pose=np.linalg.inv(world_to_camera) @ np.diag([1, -1, -1, 1]))

    def render() -> tuple[Array, None, Array]:
        _, depth = renderer.render(scene, flags=pyrender.RenderFlags.SKIP_CULL_FACES)
        return depth, None, depth > 0

    return render


def rays(oracle: Oracle, K: Array, world_to_camera: Array) -> Callable[[], tuple[Array, Array, Array]]:
    """Embree through trimesh, as it comes: triangle, place, barycentric coordinates, smooth normal."""
    mesh = trimesh.Trimesh(oracle.vertices, oracle.faces, process=False)
    rotation = world_to_camera[:3, :3]
    origin = -rotation.T @ world_to_camera[:3, 3]

    def render() -> tuple[Array, Array, Array]:
        ahead = camera_rays(K, *SIZE).reshape(-1, 3) @ rotation
        places, hit, triangle = oracle.caster.intersects_location(np.broadcast_to(origin, ahead.shape), ahead, multiple_hits=False)
        weights = trimesh.triangles.points_to_barycentric(mesh.triangles[triangle], places)
        smooth = np.einsum("ij,ijk->ik", weights, oracle.normals[oracle.faces[triangle]]) @ (NORMAL_FROM_CAMERA @ rotation).T
        depth, normal = np.zeros(SIZE[0] * SIZE[1]), np.zeros((SIZE[0] * SIZE[1], 3))
        depth[hit] = places @ rotation[2] + world_to_camera[2, 3]
        normal[hit] = smooth / np.linalg.norm(smooth, axis=1, keepdims=True)
        return depth.reshape(SIZE), normal.reshape(*SIZE, 3), (depth > 0).reshape(SIZE)

    return render


def shares(ours: Raster, K: Array, world_to_camera: Array) -> None:
    """Where a frame's time goes, and its floor."""
    view = raster._view(ours.vertices, K, world_to_camera, *SIZE)
    assert view is not None
    raster.opengl.enter()  # pyrender's own was current
    label_from_world = NORMAL_FROM_CAMERA @ world_to_camera[:3, :3]
    inside = ours._surface(view, label_from_world)[0] > 0

    plain = raster.opengl.Target((GL.GL_R8,), depth_test=True)

    def bare() -> None:
        plain.begin(*view.size)
        raster._use(ours.coverage, view)
        raster.opengl.draw(0, len(ours.faces))
        GL.glFinish()

    parts = {
        "vertices and box (NumPy)": lambda: raster._view(ours.vertices, K, world_to_camera, *SIZE),
        "labels: draw and read": lambda: ours._surface(view, label_from_world),
        "  of it, reading": lambda: (ours.whole.read(1, GL.GL_RED_INTEGER, np.uint8), ours.whole.read(0, GL.GL_RGBA, np.float32)),
        "  floor: one constant, depth test": bare,
        "coverage at the outline": lambda: ours._alpha(view, inside),
    }
    for name, work in parts.items():
        print(f"  {name:36}{1e3 * seconds(work):8.1f} ms")


def main() -> None:
    cv2.setNumThreads(1)
    vertices, faces, ids = pair()
    vertices, world_to_camera, skewed = (
        vertices.astype(np.float32).astype(np.float64),
        pose(),
        CAMERA + np.array([[0, SKEW, 0], [0, 0, 0], [0, 0, 0]]),
    )
    oracle, ours = Oracle.of(vertices, faces), Raster()
    normals = seconds(lambda: smooth_normals(vertices, faces), 3)
    load = seconds(lambda: ours.load(vertices, faces, ids), 3)
    truth = oracle.cast(skewed, world_to_camera, *SIZE)
    size = f"{SIZE[1]}x{SIZE[0]}, {len(faces)} faces, {truth[2].sum()} person pixels"
    print(f"{size}, {GL.glGetString(GL.GL_RENDERER).decode()}, one core, CPU time")
    print(f"{'':34}{'frames/s':>9}{'x ours':>8}{'depth med':>10}{'99.9 %':>10}{'normal deg':>11}{'mask off':>12}")
    base = seconds(lambda: ours.render(skewed, world_to_camera, *SIZE))
    labels = ours.render(skewed, world_to_camera, *SIZE)
    told("ours: labels and coverage", base, base, (labels.depth, labels.normal, labels.mask > 0), truth)
    cast = rays(oracle, skewed, world_to_camera)
    told("Embree through trimesh", seconds(cast, 2), base, cast(), truth)
    usual = naive(vertices, faces, world_to_camera)
    told("pyrender's own (no normals, ids)", seconds(usual, 3), base, usual(), oracle.cast(CAMERA, world_to_camera, *SIZE))
    print(f"a frame: {1e3 * base:.0f} ms; loading, once a mesh: {1e3 * load:.0f} ms, of it smooth normals {1e3 * normals:.0f}")
    shares(ours, skewed, world_to_camera)
    ours.load(vertices, faces[ids == 1])
    alone = seconds(lambda: ours.render(skewed, world_to_camera, *SIZE))
    print(f"one of the two alone, {np.sum(ids == 1)} faces: {1 / alone:.1f} frames/s")


if __name__ == "__main__":
    main()
