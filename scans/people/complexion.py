"""What somebody's skin is like: tone, pigment, spots, make-up; drawn from a seed."""

from dataclasses import dataclass

import cv2
import numpy as np

from datasets.conventions import Array

#: The Monk Skin Tone scale (Monk 2019, skintone.google), sRGB.
MONK = np.array(
    [[246, 237, 228], [243, 231, 219], [247, 234, 208], [234, 218, 186], [215, 189, 150],
     [160, 126, 86], [130, 92, 67], [96, 65, 52], [58, 49, 42], [41, 36, 32]]
) / 255.0  # fmt: skip
#: How strongly a unit of each pigment takes red, green and blue.
MELANIN, BLOOD = np.array([0.55, 0.95, 1.35], np.float32), np.array([0.08, 0.85, 0.62], np.float32)
LIPSTICKS = [(0.60, 0.10, 0.14), (0.72, 0.25, 0.28), (0.45, 0.08, 0.16), (0.75, 0.38, 0.36), (0.62, 0.30, 0.26), (0.80, 0.30, 0.42)]
SHADOWS = [(0.30, 0.22, 0.20), (0.45, 0.33, 0.28), (0.25, 0.25, 0.30), (0.50, 0.36, 0.40), (0.20, 0.25, 0.32)]
POLISHES = [*LIPSTICKS, (0.90, 0.80, 0.78), (0.08, 0.08, 0.10), (0.30, 0.45, 0.60)]

#: A colour (3,) in sRGB and how much of it covers, 0 to 1.
Paint = tuple[Array, float]


@dataclass(frozen=True)
class Complexion:
    """tone: 0 to 9 on the Monk scale; base (3,): linear reflectance of plain skin; hair (3,): sRGB; age: years.

    beard and stubble (of a shaved scalp), freckles, moles: 0 to 1; flush: 1 is usual; lips: melanin and blood that they
    have beyond skin; shine: less roughness.
    """

    tone: float
    base: Array
    hair: Array
    age: int
    beard: float
    stubble: float
    freckles: float
    flush: float
    moles: float
    lips: tuple[float, float]
    lipstick: Paint | None
    shadow: Paint | None
    polish: Paint | None
    shine: float


def reflectance(tone: float) -> Array:
    """Linear reflectance (3,) of skin of a tone, 0 to 9 on the Monk scale.

    The swatches are how skin appears in pictures: as reflectances the light ones would be brighter than any skin, and the
    darkest darker and greyer. So lightness is compressed to what skin plausibly reflects (L* 26 to 78; judged, not measured),
    and blood added.
    """
    swatch = np.array([np.interp(tone, np.arange(10), MONK[:, i]) for i in range(3)], np.float32)
    lightness, red, yellow = cv2.cvtColor(swatch.reshape(1, 1, 3), cv2.COLOR_RGB2LAB)[0, 0]
    lightness = np.interp(lightness, [14, 22, 45, 70, 95], [26, 31, 47, 66, 78])
    least_red, least_yellow = (
        np.interp(lightness, [20, 45, 66, 72, 78], row) for row in ([10.5, 12, 11.5, 10.5, 9], [12.5, 16, 16.5, 16, 14])
    )
    lab = np.array([lightness, max(red, least_red), np.clip(yellow, least_yellow, 24.0)], np.float32)
    return linear(cv2.cvtColor(lab.reshape(1, 1, 3), cv2.COLOR_LAB2RGB)[0, 0])


def draw_complexion(tone: float, sex: str, age: int, hair: Array, beard: float, stubble: float, rng: np.random.Generator) -> Complexion:
    """A complexion for somebody of that tone, sex, age and hair (3,)."""

    def paint(table: list[tuple[float, float, float]], odds: float, low: float, high: float, darker: float = 0.0) -> Paint | None:
        colour, strength = np.array(table[rng.integers(len(table))]) * rng.uniform(0.85, 1.1), float(rng.uniform(low, high))
        colour = colour * (1 - darker * tone / 9)
        return (colour, strength) if rng.random() < odds and sex == "female" else None

    made_up = rng.random() < 0.5
    fair = float(np.clip(1 - tone / 5, 0, 1))
    return Complexion(
        tone=tone,
        base=np.clip(reflectance(tone) * np.exp(rng.normal(0, 0.06) * MELANIN + rng.normal(0, 0.05) * BLOOD), 0.01, 0.8),
        hair=np.asarray(hair),
        age=age,
        beard=beard,
        stubble=stubble,
        freckles=float(rng.uniform(0.3, 1.0) * fair) if rng.random() < 0.3 else 0.0,
        flush=float(rng.uniform(0.4, 1.25)),
        moles=float(rng.beta(1.2, 2.0)),
        lips=(float(rng.uniform(0.06, 0.22) + 0.25 * (tone > 5) * rng.random()), float(rng.uniform(0.32, 0.75))),
        lipstick=paint(LIPSTICKS, 0.6 * made_up, 0.3, 0.75, darker=0.4),
        shadow=paint(SHADOWS, 0.6 * made_up, 0.15, 0.5),
        polish=paint(POLISHES, 0.35, 0.8, 0.97),
        shine=float(rng.normal(0, 0.04)),
    )


def linear(colour: Array) -> Array:
    """sRGB to linear light."""
    colour = np.asarray(colour)
    return np.where(colour > 0.04045, ((colour + 0.055) / 1.055) ** 2.4, colour / 12.92)


def encoded(light: Array) -> Array:
    """Linear light to sRGB."""
    return np.where(light > 0.0031308, 1.055 * np.maximum(light, 1e-6) ** np.float32(1 / 2.4) - 0.055, 12.92 * light)
