"""Backdrops: what is seen behind the people, as light or as a developed picture."""

import math
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from datasets.conventions import Array
from render import environment
from render.develop import srgb_decode
from render.spec import Backdrop


def light(path: Path, rotation: float, K: Array, world_to_camera: Array, size: tuple[int, int]) -> Array:
    """An environment as the camera sees it: linear radiance (H,W,3)."""
    return environment.view(environment.load(path), K, world_to_camera, size, rotation)


def picture(backdrop: Backdrop, path: Path | None, size: tuple[int, int]) -> Array:
    """A photograph or a studio's wall, display-linear (H,W,3) 0..1."""
    if path is not None:
        return srgb_decode(cover(_photograph(path), size, backdrop) / np.float32(255))
    assert backdrop.colours is not None, "a studio has colours"
    upper, lower = np.array(backdrop.colours, dtype=np.float32)
    mix = np.linspace(0, 1, size[0], dtype=np.float32)[:, None, None]
    return np.broadcast_to((1 - mix) * upper + mix * lower, (*size, 3))


def cover(photograph: Array, size: tuple[int, int], backdrop: Backdrop) -> Array:
    """A photograph (H,W,3) uint8 scaled to cover size = (height, width), cut and mirrored as the backdrop says."""
    height, width = size
    scale = max(height / photograph.shape[0], width / photograph.shape[1])
    scaled_size = (max(width, round(photograph.shape[1] * scale)), max(height, round(photograph.shape[0] * scale)))
    scaled = cv2.resize(photograph, scaled_size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x = int(backdrop.offset[0] * (scaled.shape[1] - width))
    y = int(backdrop.offset[1] * (scaled.shape[0] - height))
    cut = scaled[y : y + height, x : x + width]
    return cut[:, ::-1] if backdrop.mirrored else cut


def blur(behind: Array, diameter: float) -> Array:
    """What a lens makes of something far away: every point a disc of `diameter` pixels, partly covered pixels at its rim."""
    if diameter <= 1:
        return behind
    reach = math.ceil(diameter / 2)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(diameter / 2 + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return cv2.filter2D(np.ascontiguousarray(behind), -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)


@lru_cache(maxsize=16)
def _photograph(path: Path) -> Array:
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if found is None:
        raise ValueError(f"{path} cannot be read as a picture: remove or replace it")
    return np.ascontiguousarray(found[..., ::-1])
