"""Developing: linear light over a backdrop becomes an 8-bit sRGB photograph, with curves pinned here, not inherited."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from datasets.conventions import Array
from render.spec import Backdrop

WHITE_CARD = 0.8  # display-linear value of a white card under the metered light
FILMIC_WHITE = 4.0  # display-linear value at which the filmic curve reaches white


@dataclass(frozen=True)
class Curve:
    """A tone curve from exposed linear light (>= 0) to display-linear 0..1, and its inverse."""

    apply: Callable[[Array], Array]
    invert: Callable[[Array], Array]


def _filmic(x: Array) -> Array:
    # Extended Reinhard (Reinhard et al. 2002, eq. 4): slope 1 in the shadows, a shoulder that reaches 1 at FILMIC_WHITE.
    return x * (1 + x / FILMIC_WHITE**2) / (1 + x)


def _filmic_inverse(y: Array) -> Array:
    # The positive root of x^2 / w^2 + (1 - y) x - y = 0.
    w2 = FILMIC_WHITE**2
    return 0.5 * w2 * ((y - 1) + np.sqrt((1 - y) ** 2 + 4 * y / w2))


CURVES = {"srgb": Curve(lambda x: x, lambda y: y), "filmic": Curve(_filmic, _filmic_inverse)}


def srgb_encode(linear: Array) -> Array:
    """Display-linear (clipped to 0..1) to uint8 sRGB, IEC 61966-2-1."""
    x = np.clip(linear, 0, 1)
    encoded = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(np.maximum(x, 1e-8), 1 / 2.4) - 0.055)
    return (encoded * 255 + 0.5).astype(np.uint8)


def srgb_decode(picture: Array) -> Array:
    """uint8 sRGB to display-linear float32 0..1, IEC 61966-2-1."""
    x = picture.astype(np.float32) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


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


def develop(foreground: Array, alpha: Array, behind: Array, curve: str) -> Array:
    """Compose premultiplied exposed light over an exposed backdrop, apply the curve, encode. All (H,W,...) -> uint8 (H,W,3)."""
    light = foreground + (1 - alpha[..., None]) * behind
    return srgb_encode(CURVES[curve].apply(np.maximum(light, 0)))
