"""Environment light: equirectangular pictures, seen by a camera and metered, exactly as Cycles looks them up."""

import math
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from datasets.conventions import Array, camera_rays
from datasets.triplet import read_exr

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)  # Rec. 709


@lru_cache(maxsize=16)
def load(path: Path) -> Array:
    """Linear radiance (H,W,3) float32 of a .hdr or .exr file. Raises ValueError naming a file that cannot be read."""
    try:
        if path.suffix.lower() == ".exr":
            channels = read_exr(str(path))
            return np.stack([channels[name] for name in "RGB"], axis=-1).astype(np.float32)
        picture = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
        if picture is None or picture.dtype != np.float32:
            raise ValueError("not a Radiance HDR picture")
        return np.ascontiguousarray(picture[..., ::-1])
    except Exception as error:
        raise ValueError(f"{path} cannot be read as an environment ({error}): remove or replace it") from error


def look(environment: Array, directions: Array, rotation: float) -> Array:
    """Radiance (...,3) from world directions (...,3, any length), bilinear.

    Cycles' mapping: u = 1/2 - atan2(y, x) / 2pi, v = asin(z) / pi + 1/2 from the bottom, after turning the direction by
    `rotation` radians about +Z (Blender's Mapping node, type Point).
    """
    height, width = environment.shape[:2]
    x, y, z = np.moveaxis(directions / np.linalg.norm(directions, axis=-1, keepdims=True), -1, 0)
    u = 0.5 - (np.arctan2(y, x) + rotation) / (2 * math.pi)
    v = 0.5 - np.arcsin(np.clip(z, -1, 1)) / math.pi
    # One column of wrap-around on each side, so that bilinear interpolation has no seam behind the camera.
    padded = np.concatenate([environment[:, -1:], environment, environment[:, :1]], axis=1)
    columns = (np.mod(u, 1.0) * width + 0.5).astype(np.float32)
    rows = (v * height - 0.5).astype(np.float32)
    return cv2.remap(padded, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def view(environment: Array, K: Array, world_to_camera: Array, size: tuple[int, int], rotation: float) -> Array:
    """The environment as a camera sees it: linear radiance (H,W,3); size = (height, width)."""
    directions = camera_rays(K, *size) @ np.asarray(world_to_camera)[:3, :3]
    return look(environment, directions, rotation)


def irradiance(environment: Array, facing: Array, rotation: float) -> float:
    """Luminous irradiance E / pi on a card that faces the unit vector `facing`: what a white card would radiate.

    A photographer's incident-light meter, held at the person and pointed at the camera.
    """
    small = cv2.resize(environment, (64, 32), interpolation=cv2.INTER_AREA)
    theta = (np.arange(32) + 0.5) / 32 * math.pi
    phi = math.pi - (np.arange(64) + 0.5) / 64 * 2 * math.pi - rotation
    sin, cos = np.sin(theta)[:, None], np.cos(theta)[:, None]
    directions = np.stack([sin * np.cos(phi), sin * np.sin(phi), np.broadcast_to(cos, (32, 64))], axis=-1)
    weight = np.clip(directions @ facing, 0, None) * sin
    return float(((small @ LUMINANCE) * weight).sum() / weight.sum())
