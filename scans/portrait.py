"""Lights a view's layers as in a photographer's studio: a soft key light, sky and floor, shade where surfaces meet."""

import cv2
import numpy as np

from datasets.conventions import Array
from scans.studio import Layers

KEY = np.array([-0.48, 0.50, 0.72])  # toward the light, camera axes
FILL = np.array([0.75, 0.15, 0.64])
RADII_M = (0.008, 0.025, 0.07, 0.18)  # within which neighbours shade
DIRECTIONS = 8
EXPOSURE = 1.65


def lit(layers: Layers, metres: float) -> tuple[Array, Array]:
    """A picture of the layers at half their size: sRGB (h,w,3) 0 to 1, times its coverage, and the coverage (h,w).

    metres: size of one of the layers' pixels.
    """
    normal = layers.normal
    open_sky = _openness(layers.height, metres)[..., None]
    key = np.clip((normal @ _unit(KEY) + 0.25) / 1.25, 0, 1)[..., None]
    fill = np.clip((normal @ _unit(FILL) + 0.4) / 1.4, 0, 1)[..., None]
    sky = (0.5 + 0.5 * normal[..., 1])[..., None]
    rim = (np.clip(1 - normal[..., 2], 0, 1) ** 3 * np.clip(0.4 + normal[..., 1], 0, 1))[..., None]
    warm, cool = np.array([1.0, 0.97, 0.92]), np.array([0.92, 0.97, 1.0])
    shade = 0.62 * key * (0.35 + 0.65 * open_sky) * warm + open_sky * (0.16 * fill * cool + 0.24 * sky * cool + 0.08)
    linear = _linear(layers.albedo) * shade * EXPOSURE + 0.05 * rim * open_sky
    return _halved(_encoded(linear), layers.coverage)


def normals(layers: Layers) -> tuple[Array, Array]:
    """The normals at half the layers' size, coloured as datasets have them: x right red, y up green, z toward the camera blue."""
    return _halved(layers.normal / 2 + 0.5, layers.coverage)


def over(picture: tuple[Array, Array], behind: Array) -> Array:
    """A picture with its coverage over a background (h,w,3) 0 to 1, as uint8."""
    colour, coverage = picture
    return np.asarray(np.clip((colour + behind * (1 - coverage[..., None])) * 255 + 0.5, 0, 255).astype(np.uint8))


def background(height: int, width: int, floor: float | None = None) -> Array:
    """A light wall (height,width,3), and on it the shadow of feet on the row `floor`."""
    wall = np.linspace(0.955, 0.90, height)[:, None] * np.ones((1, width))
    if floor is not None:
        y, x = np.mgrid[:height, :width]
        away = ((x - width / 2 + 0.5) / (0.30 * width)) ** 2 + ((y - floor) / (0.014 * height)) ** 2
        wall = wall - 0.16 * np.exp(-away)
    return wall[..., None] * np.array([1.0, 0.998, 0.992])


def _openness(height: Array, metres: float) -> Array:
    """How much of the sky each pixel sees, 0 to 1: neighbours that stand nearer to the camera hide some, within some radii."""
    height = np.where(np.isfinite(height), height, -10.0).astype(np.float32)
    hidden = np.zeros_like(height)
    for radius in RADII_M:
        reach = max(1.0, radius / metres)
        for angle in np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS + 0.4 * radius / RADII_M[0]:
            step = np.array([[1, 0, reach * np.cos(angle)], [0, 1, reach * np.sin(angle)]], np.float32)
            beside = cv2.warpAffine(height, step, height.shape[::-1], borderMode=cv2.BORDER_CONSTANT, borderValue=(-10.0,))
            slope = (beside - height) / radius
            # What stands far in front of a surface, as an arm before the trunk, hides little of its sky.
            hidden += np.clip(slope - 0.15, 0, 1.2) / 1.2 * np.clip(3.0 - slope / 2, 0.0, 1.0)
    return np.asarray(np.clip(1 - 0.95 * hidden / (DIRECTIONS * len(RADII_M)), 0, 1) ** 1.6)


def _halved(colour: Array, coverage: Array) -> tuple[Array, Array]:
    """Four pixels to one: colour times coverage, and coverage."""
    size = (coverage.shape[1] // 2, coverage.shape[0] // 2)
    shrunk = cv2.resize(np.dstack([colour * coverage[..., None], coverage]).astype(np.float64), size, interpolation=cv2.INTER_AREA)
    return shrunk[..., :3], shrunk[..., 3]


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))


def _linear(srgb: Array) -> Array:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _encoded(linear: Array) -> Array:
    """Light to sRGB, with a shoulder that keeps bright cloth from burning out."""
    linear = np.where(linear < 0.6, linear, 0.6 + 0.4 * np.tanh((linear - 0.6) / 0.4))
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
