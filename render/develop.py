"""Developing: linear light becomes an 8-bit sRGB photograph, through Blender's own tone curves, pinned here."""

from functools import lru_cache

import numpy as np
import PyOpenColorIO as OCIO

from datasets.conventions import Array
from render import assets

WHITE_CARD = 0.8  # display-linear value of a white card under the metered light
VIEWS = {"standard": "Standard", "filmic": "Filmic", "agx": "AgX"}  # curve -> view in Blender's configuration


@lru_cache
def _processor(curve: str) -> OCIO.CPUProcessor:
    config = OCIO.Config.CreateFromFile(str(assets.colour_configuration()))
    transform = OCIO.DisplayViewTransform(src="Linear Rec.709", display="sRGB", view=VIEWS[curve])
    return config.getProcessor(transform).getDefaultCPUProcessor()


def apply(curve: str, light: Array) -> Array:
    """Exposed linear light (H,W,3) to sRGB-encoded float32 0..1, as Blender's view of that name shows it."""
    encoded = np.array(light, dtype=np.float32, order="C")
    np.maximum(encoded, 0, out=encoded)
    _processor(curve).applyRGB(encoded)
    return np.clip(encoded, 0, 1, out=encoded)


def to_bytes(encoded: Array) -> Array:
    """0..1 to uint8, rounded."""
    return (encoded * 255 + 0.5).astype(np.uint8)


def srgb_encode(linear: Array) -> Array:
    """Display-linear (clipped to 0..1) to sRGB-encoded 0..1, IEC 61966-2-1."""
    x = np.clip(linear, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(np.maximum(x, 1e-8), 1 / 2.4) - 0.055)


def srgb_decode(encoded: Array) -> Array:
    """sRGB-encoded 0..1 to display-linear float32 0..1, IEC 61966-2-1."""
    x = np.asarray(encoded, dtype=np.float32)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def over_light(foreground: Array, alpha: Array, behind: Array, curve: str) -> Array:
    """A photograph of premultiplied light in front of light, both exposed; (H,W,3), (H,W), (H,W,3) -> uint8 (H,W,3)."""
    return to_bytes(apply(curve, foreground + (1 - alpha[..., None]) * behind))


def over_picture(foreground: Array, alpha: Array, behind: Array, curve: str) -> Array:
    """Premultiplied exposed light, developed and laid over a picture that is developed already (display-linear 0..1)."""
    soft = alpha[..., None]
    developed = srgb_decode(apply(curve, foreground / np.maximum(soft, 1e-3)))
    return to_bytes(srgb_encode(soft * developed + (1 - soft) * behind))
