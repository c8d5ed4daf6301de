"""Lens and framing: where the camera stands so that a region of the person fills the frame as drawn."""

import math
from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.catalogue import ScanRecord

FULL_FRAME_MM = 36.0


@dataclass(frozen=True)
class Region:
    """What is to be framed: corners (N,3) of boxes around it, and its centre (3,); metres, world frame."""

    corners: Array
    centre: Array


def region(record: ScanRecord, framing: str) -> Region:
    """The part of a scan that a framing shows: the head, the head down to the hips, or all of it.

    A scan too short to have hips (a head, a bust) is shown whole where the upper or the full body is asked for.
    """
    low, high = (np.array(corner) for corner in record.bounds)
    head, radius = np.array(record.head), record.head_radius
    if framing == "face":
        low, high = head - 1.1 * radius, head + 1.1 * radius
    elif framing == "upper":
        # A standing adult is seven to eight heads tall with the hips in the middle: 3.5 heads from crown to hips.
        low = np.maximum(low, [head[0] - 3.2 * radius, head[1] - 3.2 * radius, head[2] - 6.5 * radius])
        high = np.minimum(high, [head[0] + 3.2 * radius, head[1] + 3.2 * radius, head[2] + 1.3 * radius])
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(8, 3)
    return Region(corners, (low + high) / 2)


def camera_matrix(lens_mm: float, height: int, width: int) -> Array:
    """K (3,3) in pixels of a full-frame lens whose 36 mm lie along the picture's longer side, centred."""
    focal = lens_mm / FULL_FRAME_MM * max(height, width)
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def viewing_rotation(orbit: float, elevation: float, roll: float) -> Array:
    """Rotation world -> camera (OpenCV axes) of a camera that looks at the origin. Angles in radians.

    Orbit 0 stands in front of a canonical person (on -Y), positive orbits toward +X; elevation lifts the camera;
    roll turns it clockwise about its optical axis.
    """
    toward = np.array([math.sin(orbit) * math.cos(elevation), -math.cos(orbit) * math.cos(elevation), math.sin(elevation)])
    forward = -toward
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    return np.stack([c * right + s * down, -s * right + c * down, forward])


def project(K: Array, points: Array) -> Array:
    """Pixels (N,2) of camera-space points (N,3) in metres."""
    homogeneous = points @ K.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def place(K: Array, rotation: Array, target: Region, size: tuple[int, int], fill: float, shift: Array, nearest: float) -> Array:
    """world_to_camera (4,4) that frames a region.

    The camera looks along `rotation` and stands back until the region's projected box spans `fill` of the frame
    (size = height, width) in its tighter direction, at least `nearest` metres from the region's centre; then it slides
    sideways so that the box's centre lands `shift` (x, y, in frame sizes) off the frame's centre.
    """
    offsets = (target.corners - target.centre) @ rotation.T
    frame = np.array([size[1], size[0]], dtype=np.float64)
    wanted = frame * (0.5 + shift)

    def stand(distance: float) -> tuple[Array, float]:
        """The region's centre in camera space that puts its box's centre where wanted, and the frame's share it fills."""
        centre = np.array([0.0, 0.0, distance])
        for _ in range(8):  # Newton's steps: a slide moves a point by focal / its depth
            points = offsets + centre
            pixels = project(K, points)
            first, last = pixels.argmin(axis=0), pixels.argmax(axis=0)
            low, high = pixels[first, [0, 1]], pixels[last, [0, 1]]
            pace = K[[0, 1], [0, 1]] * (1 / points[first, 2] + 1 / points[last, 2]) / 2
            centre[:2] += (wanted - (low + high) / 2) / pace
        return centre, float(np.max((high - low) / frame))

    near, far = -offsets[:, 2].min() + 1e-2, 1e3
    for _ in range(32):  # the projected size falls with distance, so bisection converges
        middle = math.sqrt(near * far)
        near, far = (middle, far) if stand(middle)[1] > fill else (near, middle)
    centre, _ = stand(max(far, nearest))
    transform = np.eye(4)
    transform[:3, :3] = rotation
    transform[:3, 3] = centre - rotation @ target.centre
    return transform


def blur_px(K: Array, diameter: float, focus: float, depth: Array | float) -> Array:
    """Diameter in pixels of the disc that a thin lens makes of a point; diameter, focus and planar depth in metres."""
    return np.abs(1 / focus - 1 / np.asarray(depth, dtype=np.float64)) * diameter * K[0, 0]
