"""Coloured point clouds from predictions."""

import math

import numpy as np
import trimesh
from trimesh.exchange.ply import export_ply

from datasets.conventions import NORMAL_FROM_CAMERA, Array, camera_rays


def intrinsics(fov: float, height: int, width: int) -> Array:
    """K (3,3) of a pinhole that sees `fov` degrees across the width, optical axis at the centre."""
    focal = width / 2 / math.tan(math.radians(fov) / 2)
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def points_from_depth(depth: Array, K: Array) -> Array:
    """Camera-space points (H,W,3), OpenCV axes, of planar depth (H,W), in depth's unit."""
    return camera_rays(K, *depth.shape) * depth[..., None]


def ply(points: Array, colours: Array, mask: Array, normals: Array | None = None) -> bytes:
    """A binary PLY of the points where the mask is set and that lie before the camera. Axes: x right, y up, z toward the camera.

    points (H,W,3) in OpenCV camera axes; colours (H,W,3) uint8; mask (H,W); normals (H,W,3) in the normal convention.
    """
    inside = (mask > 0) & np.isfinite(points).all(-1) & (points[..., 2] > 0)
    cloud = trimesh.PointCloud(points[inside] @ NORMAL_FROM_CAMERA.T, colors=colours[inside])
    if normals is not None:
        cloud.vertex_normals = normals[inside]  # type: ignore[attr-defined]  # what the exporter looks for
    result: bytes = export_ply(cloud, vertex_normal=normals is not None)
    return result
