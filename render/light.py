"""Light: colour temperatures, lamps in the environment's units, and the meter that sets the exposure."""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from render import environment
from render.environment import LUMINANCE
from render.spec import Lighting

DAYLIGHT_K = 6504.0
XYZ_TO_RGB = np.array([[3.2404542, -1.5371385, -0.4985314], [-0.969266, 1.8760108, 0.041556], [0.0556434, -0.2040259, 1.0572252]])


@dataclass(frozen=True)
class Source:
    """A lamp as Blender wants it: `direction` (3,) unit, toward it from `target` (3,) metres; colour of luminance 1;
    irradiance on a card at the target that faces it, in the environment's units; diameter in degrees."""

    kind: str
    target: Array
    direction: Array
    colour: Array
    irradiance: float
    angle_deg: float


def kelvin(temperature: float) -> Array:
    """Linear sRGB (3,) of a black body, of luminance 1 and relative to daylight, so that 6504 K is white."""
    colour = black_body(temperature) / black_body(DAYLIGHT_K)
    return colour / (colour @ LUMINANCE)


def black_body(temperature: float) -> Array:
    """Linear sRGB (3,) of a black body of that temperature in K, of luminance 1; nothing below 0.001.

    Planck's law under the CIE 1931 observer, in the piecewise Gaussian fit of Wyman, Sloan and Shirley (2013), eq. 4.
    """
    nm = np.arange(380.0, 781.0, 5.0)
    radiance = nm**-5 / np.expm1(1.4387769e7 / (nm * temperature))

    def lobe(centre: float, left: float, right: float) -> Array:
        return np.exp(-0.5 * ((nm - centre) / np.where(nm < centre, left, right)) ** 2)

    x = 1.056 * lobe(599.8, 37.9, 31.0) + 0.362 * lobe(442.0, 16.0, 26.7) - 0.065 * lobe(501.1, 20.4, 26.2)
    y = 0.821 * lobe(568.8, 46.9, 40.5) + 0.286 * lobe(530.9, 16.3, 31.1)
    z = 1.217 * lobe(437.0, 11.8, 36.0) + 0.681 * lobe(459.0, 26.0, 13.8)
    colour = XYZ_TO_RGB @ (np.stack([x, y, z]) @ radiance)
    return np.maximum(colour / (colour @ LUMINANCE), 1e-3)


def sources(lighting: Lighting, target: Array, card: float) -> list[Source]:
    """The lamps of a frame around `target` (3,) metres; card: what a white card radiates that faces the camera."""
    return [
        Source(lamp.kind, target, np.array(lamp.direction), kelvin(lamp.kelvin), lamp.strength * np.pi * card, lamp.angle_deg)
        for lamp in lighting.lamps
    ]


def metered(sky: Array, lighting: Lighting, toward_camera: Array) -> tuple[float, float]:
    """What a white card that faces the camera radiates (luminance): under the environment alone, and with the lamps."""
    card = environment.irradiance(sky, toward_camera, lighting.rotation)
    return card, card * (1 + sum(lamp.strength * max(0.0, float(np.dot(lamp.direction, toward_camera))) for lamp in lighting.lamps))
