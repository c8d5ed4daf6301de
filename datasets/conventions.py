"""Conventions of the house, in one page. Whatever disagrees with them is converted at the door.

World       metres, right-handed, +Z up. A canonical person stands on z = 0, centred over the origin, facing -Y.
Camera      OpenCV axes (x right, y down, z forward); `world_to_camera` is 4x4; K in pixels; the centre of the
            top-left pixel is (0.5, 0.5).
Depth       planar z in metres, float32; 0 where there is no person.
Normal      unit vectors, camera axes x right, y up, z toward the camera (Sapiens'); (0, 0, 0) where there is no person.
Mask        uint8 instance id at the pixel centre, 0 background. Alpha: soft coverage.
RGB         8-bit sRGB.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

VERSION = 1

#: Takes OpenCV camera axes (x right, y down, z forward) to normal axes (x right, y up, z toward the camera).
NORMAL_FROM_CAMERA = np.diag([1.0, -1.0, -1.0])

#: Takes glTF's axes (+Y up, a person faces +Z) to the canonical world (+Z up, a person faces -Y), as Blender's importer does.
WORLD_FROM_GLTF = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])


def pixel_centres(height: int, width: int) -> Array:
    """Image coordinates (x, y) of every pixel centre, in pixels. Shape (height, width, 2), float64."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x, y], axis=-1) + 0.5


def inverse(K: Array) -> Array:
    """inv(K) (3,3), float64, by cofactors: LAPACK would wake threads that spin on for 50 ms."""
    first, second, third = np.asarray(K, dtype=np.float64)
    cofactors = np.stack([np.cross(second, third), np.cross(third, first), np.cross(first, second)], axis=1)
    inverted: Array = cofactors / np.sum(first * cofactors[:, 0])
    return inverted


def camera_rays(K: Array, height: int, width: int) -> Array:
    """Camera-space points at z = 1 through every pixel centre. K (3,3) in pixels; shape (height, width, 3), float64.

    Multiplying by a depth map gives the camera-space points it stands for.
    """
    homogeneous = np.concatenate([pixel_centres(height, width), np.ones((height, width, 1))], axis=-1)
    return homogeneous @ inverse(K).T


def normals_from_depth(depth: Array, K: Array) -> Array:
    """Normals of the surface a depth map describes, by central differences of its camera-space points.

    depth (H,W) metres, 0 outside; K (3,3). Shape (H,W,3), in the axes of the normal convention; 0 where a neighbour is
    missing. A check on labels, not a label: it is blunt at silhouettes and creases.
    """
    points = camera_rays(K, *depth.shape) * depth[..., None]
    normal = np.zeros(points.shape)
    right = points[1:-1, 2:] - points[1:-1, :-2]
    down = points[2:, 1:-1] - points[:-2, 1:-1]
    cross = np.cross(down, right) @ NORMAL_FROM_CAMERA.T  # down x right points toward the camera (-z)
    inside = depth > 0
    whole = inside[1:-1, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2] & inside[2:, 1:-1] & inside[:-2, 1:-1]
    length = np.linalg.norm(cross, axis=-1, keepdims=True)
    normal[1:-1, 1:-1] = np.where(whole[..., None] & (length > 0), cross / np.maximum(length, 1e-30), 0.0)
    return normal


def normal_to_rgb(normal: Array) -> Array:
    """The usual picture of a normal map: (n + 1) / 2 as uint8; black where there is no person. Shape (H,W,3)."""
    colours = np.clip((np.asarray(normal, dtype=np.float32) + 1.0) * 127.5 + 0.5, 0, 255).astype(np.uint8)
    return np.where(np.any(normal != 0, axis=-1, keepdims=True), colours, np.uint8(0))
