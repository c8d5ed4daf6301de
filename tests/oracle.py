"""An oracle for labels: Embree finds each pixel's triangle, and float64 intersects it again."""

from pathlib import Path

import numpy as np
import trimesh

from datasets.conventions import NORMAL_FROM_CAMERA, WORLD_FROM_GLTF, Array, camera_rays
from scans.mesh import smooth_normals


class Oracle:
    """Depth, smooth normal and mask of a canonical GLB, or any mesh, by ray casting, float64."""

    def __init__(self, path: Path) -> None:
        mesh = trimesh.load_scene(path).to_mesh()
        self._take(np.asarray(mesh.vertices) @ WORLD_FROM_GLTF[:3, :3].T, np.asarray(mesh.faces))

    @classmethod
    def of(cls, vertices: Array, faces: Array) -> "Oracle":
        """Of a mesh in memory, in the world's frame."""
        oracle = cls.__new__(cls)
        oracle._take(vertices, faces)
        return oracle

    def _take(self, vertices: Array, faces: Array) -> None:
        self.vertices, self.faces = vertices, faces
        self.normals = smooth_normals(self.vertices, self.faces)
        self.caster = trimesh.ray.ray_pyembree.RayMeshIntersector(trimesh.Trimesh(self.vertices, self.faces, process=False))

    def cast(self, K: Array, world_to_camera: Array, height: int, width: int) -> tuple[Array, Array, Array]:
        """depth (H,W), normal (H,W,3) and mask (H,W) in the conventions."""
        rotation = world_to_camera[:3, :3]
        rays = camera_rays(K, height, width).reshape(-1, 3) @ rotation
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
        return depth.reshape(height, width), normal.reshape(height, width, 3), hit.reshape(height, width)


def degrees(a: Array, b: Array) -> Array:
    """Angle between unit vectors."""
    return 2 * np.degrees(np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)))
