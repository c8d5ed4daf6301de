"""How exact are the labels? Our one-sample layer and the usual anti-aliased passes, against ray casting of the same mesh.

The oracle finds each pixel's triangle with Embree and intersects it again in float64.
"""

import math
from pathlib import Path

import numpy as np
import trimesh

from benchmarks.person import cameras, person
from datasets.conventions import NORMAL_FROM_CAMERA, WORLD_FROM_GLTF, Array, camera_rays
from render import assets
from render.blender import Blender
from scans.mesh import smooth_normals

HEIGHT, WIDTH, SAMPLES = 1024, 768, 16


class Oracle:
    """Depth, smooth normal and mask of a canonical GLB by ray casting, float64."""

    def __init__(self, path: Path) -> None:
        mesh = trimesh.load_scene(path).to_mesh()
        self.vertices = np.asarray(mesh.vertices) @ WORLD_FROM_GLTF[:3, :3].T
        self.faces = np.asarray(mesh.faces)
        self.normals = smooth_normals(self.vertices, self.faces)
        self.caster = trimesh.ray.ray_pyembree.RayMeshIntersector(trimesh.Trimesh(self.vertices, self.faces, process=False))

    def cast(self, K: Array, world_to_camera: Array) -> tuple[Array, Array, Array]:
        """depth (H,W), normal (H,W,3) and mask (H,W) in the conventions."""
        rotation = world_to_camera[:3, :3]
        rays = camera_rays(K, HEIGHT, WIDTH).reshape(-1, 3) @ rotation
        origin = -rotation.T @ world_to_camera[:3, 3]
        triangle = self.caster.intersects_first(np.broadcast_to(origin, rays.shape), rays)
        hit = triangle >= 0
        corners = self.vertices[self.faces[triangle[hit]]]
        # Moeller and Trumbore 1997; a ray has z = 1 in the camera, so its length is the planar depth.
        e1, e2, d = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], rays[hit]
        p, t = np.cross(d, e2), origin - corners[:, 0]
        q, inverse = np.cross(t, e1), 1 / np.einsum("ij,ij->i", e1, p)
        u, v = np.einsum("ij,ij->i", t, p) * inverse, np.einsum("ij,ij->i", d, q) * inverse
        depth, normal = np.zeros(len(rays)), np.zeros((len(rays), 3))
        depth[hit] = np.einsum("ij,ij->i", e2, q) * inverse
        weights = np.stack([1 - u - v, u, v], axis=1)
        smooth = np.einsum("ij,ijk->ik", weights, self.normals[self.faces[triangle[hit]]])
        smooth *= -np.sign(np.einsum("ij,ij->i", np.cross(e1, e2), d))[:, None]  # toward the camera, as Cycles turns them
        normal[hit] = smooth / np.linalg.norm(smooth, axis=1, keepdims=True) @ (NORMAL_FROM_CAMERA @ rotation).T
        return depth.reshape(HEIGHT, WIDTH), normal.reshape(HEIGHT, WIDTH, 3), hit.reshape(HEIGHT, WIDTH)


def degrees(a: Array, b: Array) -> Array:
    """Angle between unit vectors."""
    return 2 * np.degrees(np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)))


def main() -> None:
    record, path = person()
    blender, oracle = Blender(threads=2, normal_maps=False), Oracle(path)
    blender.set_people({record.id: (path, np.eye(4))})
    blender.set_environment(next(iter(assets.environments(None, "all").values())), 0.0)
    blender.scene.view_layers["beauty"].use_pass_normal = True
    rows = []
    for framing in ("face", "upper", "full"):
        (K, world_to_camera), *_ = cameras(record, framing, 1, HEIGHT, WIDTH)
        depth, normal, mask = oracle.cast(K, world_to_camera)
        layers = blender.render(K, world_to_camera, (HEIGHT, WIDTH), SAMPLES, 0)
        assert layers is not None
        box = blender._box(K, world_to_camera, (HEIGHT, WIDTH))
        assert box is not None
        usual = np.zeros((HEIGHT, WIDTH, 3))
        channels = blender._execute()
        cut = np.stack([channels[f"beauty.Normal.{c}"] for c in "XYZ"], axis=-1) @ (NORMAL_FROM_CAMERA @ world_to_camera[:3, :3]).T
        usual[box[1] : box[3], box[0] : box[2]] = cut / np.maximum(np.linalg.norm(cut, axis=-1, keepdims=True), 1e-9)
        both = mask & (layers.index > 0)
        ours, theirs = degrees(layers.normal, normal)[both], degrees(usual, normal)[both]
        wrong = [100 * np.mean(error > 5) for error in (ours, theirs)]
        rows.append((np.mean(ours), np.mean(theirs), *wrong))
        differs = 100 * np.sum(mask != (layers.index > 0)) / mask.sum()
        depths = np.abs(layers.depth - depth)[both] / depth[both]
        print(
            f"{framing:5} {mask.sum():6} person pixels: mask differs in {differs:.4f} %; depth off by median {np.median(depths):.0e} "
            f"relative, over 1e-5 in {100 * np.mean(depths > 1e-5):.3f} %; normal off by median {np.median(ours):.4f} degrees "
            f"(anti-aliased {np.median(theirs):.3f}), by over 5 in {wrong[0]:.3f} % (anti-aliased {wrong[1]:.2f} %)"
        )
    mean = np.mean(rows, axis=0)
    print(f"mean normal error of {SAMPLES}-sample passes over the one-sample layer's: {mean[1] / max(mean[0], math.ulp(1)):.0f} times")


if __name__ == "__main__":
    main()
