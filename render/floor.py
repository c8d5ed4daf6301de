"""The floor at z = 0: where people's shadows on it matter, and how they fade out around."""

import math

import numpy as np

from datasets.conventions import Array, camera_rays

SHADOW_M = 1.2  # how far around somebody's own circle the floor is looked at
FADE_M = 0.6  # the outer part of it, over which shadows fade


def shadow_circle(place: Array, vertices: Array) -> Array:
    """Points (24,3), metres, around the part of the floor that somebody's shadow is looked for on."""
    angles = np.arange(24) / 24 * 2 * math.pi
    points = np.zeros((24, 3))
    points[:, :2] = place[:2, 3] + (_reach(vertices) + SHADOW_M) * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return points


def fade(shadow: Array, K: Array, world_to_camera: Array, people: list[tuple[Array, Array]]) -> Array:
    """The shadow's factor (H,W,3), faded to 1 with distance; people: placement (4,4) and vertices (N,3) of each."""
    R, t = world_to_camera[:3, :3].astype(np.float32), world_to_camera[:3, 3]
    eye = -world_to_camera[:3, :3].T @ t
    rays = camera_rays(K, *shadow.shape[:2]).astype(np.float32) @ R
    with np.errstate(divide="ignore", invalid="ignore"):
        along = np.where(rays[..., 2] < 0, -eye[2] / rays[..., 2], np.inf).astype(np.float32)
        x, y = eye[0] + along * rays[..., 0], eye[1] + along * rays[..., 1]
    weight = np.zeros(shadow.shape[:2], dtype=np.float32)
    for place, vertices in people:
        outside = np.hypot(x - place[0, 3], y - place[1, 3]) - _reach(vertices)
        weight = np.fmax(weight, np.clip((SHADOW_M - outside) / FADE_M, 0, 1))
    weight = weight * weight * (3 - 2 * weight)
    return 1 + weight[..., None] * (np.clip(shadow, 0, 1.5) - 1)


def _reach(vertices: Array) -> float:
    return float(np.hypot(vertices[:, 0], vertices[:, 1]).max())
