"""Hi4D in its own layout, small: two people of capsules who dance, photographed by ray casting through a true lens.

Nothing here is taken from the code under test: Embree casts one ray through every pixel's centre, bent by OpenCV's distortion model
that is inverted here by iteration; the world has +Y up, K has its first pixel's centre at (0, 0), as OpenCV has.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import trimesh

HEIGHT, WIDTH = 320, 236
IDS = (4, 16, 28, 40, 52, 64, 76, 88)
DISTORTION = np.array([-0.21, 0.08, 0.003, -0.002, 0.01])
#: Capsules of a person who stands at the origin, +Y up, facing +Z: joint to joint, by SMPL's numbers, and radii in metres.
JOINTS = np.zeros((24, 3))
for _number, _place in {
    0: (0, 0.93, 0), 1: (0.09, 0.88, 0), 2: (-0.09, 0.88, 0), 4: (0.1, 0.48, 0.02), 5: (-0.1, 0.48, 0.02), 7: (0.11, 0.08, -0.02),
    8: (-0.11, 0.08, -0.02), 10: (0.12, 0.04, 0.14), 11: (-0.12, 0.04, 0.14), 12: (0, 1.45, 0), 15: (0, 1.6, 0.02), 16: (0.18, 1.4, 0),
    17: (-0.18, 1.4, 0), 18: (0.42, 1.32, 0.02), 19: (-0.3, 1.14, 0.02), 20: (0.62, 1.5, 0.1), 21: (-0.34, 0.9, 0.12),
}.items():  # fmt: skip
    JOINTS[_number] = _place
BONES = {
    (0, 12): 0.15, (12, 15): 0.07, (15, 15): 0.11, (1, 4): 0.08, (2, 5): 0.08, (4, 7): 0.06, (5, 8): 0.06, (7, 10): 0.045, (8, 11): 0.045,
    (12, 16): 0.06, (12, 17): 0.06, (16, 18): 0.05, (17, 19): 0.05, (18, 20): 0.04, (19, 21): 0.04,
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What was written: per moment vertices (V,3) in Hi4D's world, faces (F,3) and whose they are (F,), 0 or 1, and joints
    (2,24,3); per camera K, extrinsics (3,4) and distortion (5,)."""

    vertices: dict[int, np.ndarray]
    faces: np.ndarray
    whose: np.ndarray
    joints: dict[int, np.ndarray]
    cameras: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]


def person(joints: np.ndarray) -> trimesh.Trimesh:
    """A body of capsules along the bones."""
    capsules = []
    for (a, b), radius in BONES.items():
        ahead = joints[b] - joints[a]
        length = float(np.linalg.norm(ahead))
        capsule = trimesh.creation.capsule(height=length, radius=radius, count=[16, 16])
        capsule.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], ahead / length if length else [0, 1, 0]))
        capsules.append(capsule.apply_translation((joints[a] + joints[b]) / 2 - capsule.bounds.mean(axis=0)))
    return trimesh.util.concatenate(capsules)


def write(
    folder: Path,
    pair: int = 28,
    action: str = "dance28",
    moments: tuple[int, ...] = (12, 13),
    cameras: tuple[int, ...] = (4, 16),
    distorted: bool = True,
    spelling: str = "intirnsics",
) -> Truth:
    """Write `pairXX/<action>`. distorted: whether the photographs, and the masks with them, show the lens's distortion."""
    home = folder / f"pair{pair}" / action
    truth = _scene(moments)
    _write_cameras(home, truth, spelling)
    np.savez(home / "meta.npz", start=moments[0], end=moments[-1], num_persons=2, genders=["female", "male"], betas=np.zeros((2, 10)),
             contact_ids=[], mono_cam=4)  # fmt: skip
    for moment in moments:
        _write_mesh(home, moment, truth)
        _write_people(home, moment, truth)
        caster = trimesh.ray.ray_pyembree.RayMeshIntersector(trimesh.Trimesh(truth.vertices[moment], truth.faces, process=False))
        for camera in cameras:
            rgb, whose = photograph(truth, moment, camera, distorted, caster)
            image = home / "images" / str(camera) / f"{moment:06d}.jpg"
            image.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(rgb).save(image, quality=95)
            for name, mask in (("0", whose == 0), ("1", whose == 1), ("all", whose >= 0)):
                path = home / "seg" / "img_seg_mask" / str(camera) / name / f"{moment:06d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), mask * np.uint8(255))
    return truth


def _scene(moments: tuple[int, ...]) -> Truth:
    vertices, joints = {}, {}
    for moment in moments:
        moving = JOINTS + np.sin(moment) * 0.1 * (np.arange(24) > 17)[:, None]  # forearms
        turned = trimesh.transformations.rotation_matrix(2.2, [0, 1, 0])[:3, :3]
        joints[moment] = np.stack([moving - [0.33, 0, 0], moving @ turned.T + [0.3, 0, 0.16]])
        bodies = [person(own) for own in joints[moment]]
        vertices[moment] = np.concatenate([body.vertices for body in bodies])
    faces = np.concatenate([bodies[0].faces, bodies[1].faces + len(bodies[0].vertices)])
    whose = np.repeat([0, 1], [len(bodies[0].faces), len(bodies[1].faces)])
    order = np.random.default_rng(0).permutation(len(faces))  # a scan knows no order of people
    return Truth(vertices, faces[order], whose[order], joints, {number: _camera(place) for place, number in enumerate(IDS)})


def _camera(place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The camera at 1/8 turns around the people, with skew, off-centre, never twice the same."""
    K = np.array([[385.0 + place, 1.3, 114.2 - place], [0.0, 381.0, 163.4], [0.0, 0.0, 1.0]])
    angle = place * np.pi / 4 + 0.2
    back = np.array([np.sin(angle), 0.12, np.cos(angle)])  # from the people to the camera
    z = -back / np.linalg.norm(back)
    x = np.cross(z, [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z])
    rotation = trimesh.transformations.rotation_matrix(0.04, [0, 0, 1])[:3, :3] @ rotation
    return K, np.column_stack([rotation, [0.02, 0.03, 2.5] - rotation @ [0, 0.85, 0]]), DISTORTION * (1 + 0.02 * place)


def rays(K: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Where light through every pixel's centre (H,W,3) comes from, z = 1, OpenCV axes: Brown's model, inverted by iteration."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    bent = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(K).T
    k1, k2, p1, p2, k3 = distortion
    u, v = bent[..., 0], bent[..., 1]
    for _ in range(100):
        r2 = u * u + v * v
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        u, v = (
            (bent[..., 0] - 2 * p1 * u * v - p2 * (r2 + 2 * u * u)) / radial,
            (bent[..., 1] - p1 * (r2 + 2 * v * v) - 2 * p2 * u * v) / radial,
        )
    return np.stack([u, v, np.ones_like(u)], axis=-1)


def photograph(truth: Truth, moment: int, camera: int, distorted: bool, caster: object) -> tuple[np.ndarray, np.ndarray]:
    """The picture (H,W,3) uint8, and who is at each pixel's centre (H,W): 0, 1, or -1."""
    K, extrinsics, distortion = truth.cameras[camera]
    directions = rays(K, distortion if distorted else np.zeros(5)).reshape(-1, 3) @ extrinsics[:, :3]
    origin = -extrinsics[:, :3].T @ extrinsics[:, 3]
    face = caster.intersects_first(np.broadcast_to(origin, directions.shape), directions)  # type: ignore[attr-defined]
    whose = np.where(face >= 0, truth.whose[face], -1).reshape(HEIGHT, WIDTH)
    corners = truth.vertices[moment][truth.faces[face]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    shade = (0.35 + 0.6 * np.abs(normal @ [0.4, 0.8, 0.45])).reshape(HEIGHT, WIDTH, 1)
    colours = np.array([[200, 90, 70], [80, 120, 210], [150, 165, 150]])
    return (np.where(whose[..., None] >= 0, shade, 1.0) * colours[whose]).clip(0, 255).astype(np.uint8), whose


def _write_cameras(home: Path, truth: Truth, spelling: str) -> None:
    (home / "cameras").mkdir(parents=True, exist_ok=True)
    K, extrinsics, distortion = (np.stack([camera[place] for camera in truth.cameras.values()]) for place in range(3))
    values = {"ids": np.array(IDS), spelling: K, "extrinsics": extrinsics, "dist_coeffs": distortion}
    np.savez(home / "cameras" / "rgb_cameras.npz", **values)


def _write_mesh(home: Path, moment: int, truth: Truth) -> None:
    (home / "frames").mkdir(parents=True, exist_ok=True)
    vertices, faces = truth.vertices[moment], truth.faces
    lines = [f"mtllib MatLib-F{moment:05d}.mtl", *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices)]
    places = np.random.default_rng(1).random((3 * len(faces), 2))  # an atlas cut to pieces: no two faces share coordinates
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in places] + ["usemtl Material"]
    lines += [f"f {a}/{3 * i + 1} {b}/{3 * i + 2} {c}/{3 * i + 3}" for i, (a, b, c) in enumerate(faces + 1)]
    (home / "frames" / f"mesh-f{moment:05d}.obj").write_text("\n".join(lines) + "\n")
    (home / "frames" / f"MatLib-F{moment:05d}.mtl").write_text(f"newmtl Material\nmap_Kd Atlas-F{moment:05d}.png\n")
    PIL.Image.new("RGB", (8, 8), (180, 140, 120)).save(home / "frames" / f"Atlas-F{moment:05d}.png")


def _write_people(home: Path, moment: int, truth: Truth) -> None:
    for folder in ("smpl", "seg/mesh_seg_mask"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    vertices = truth.vertices[moment]
    whose = np.zeros(len(vertices), np.int64)
    whose[truth.faces[truth.whose == 1]] = 1
    np.savez(home / "seg" / "mesh_seg_mask" / f"mesh-f{moment:05d}.npz", vertices_mask=whose, faces_mask=truth.whose)
    rng = np.random.default_rng(moment)
    bodies = np.stack([rng.choice(vertices[whose == person], 6890) for person in (0, 1)])
    np.savez(home / "smpl" / f"{moment:06d}.npz", betas=np.zeros((2, 10)), body_pose=np.zeros((2, 69)), global_orient=np.zeros((2, 3)),
             transl=np.zeros((2, 3)), joints_3d=truth.joints[moment], verts=bodies, contact=np.zeros((2, 6890)))  # fmt: skip
