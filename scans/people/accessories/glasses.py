"""Glasses and sunglasses: lens shapes, rims, bridge, pads, and temples that lead over the ears. Made in the head's rest frame."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.accessories.shapes import closed, cushion, merged, resample, superellipse, sweep
from scans.people.accessories.wearer import Item, Wearer
from scans.people.surface import Surface

#: Shape -> width and height of a lens (m), and the exponent of its superellipse.
LENSES = {"round": (0.046, 0.044, 2.0), "rectangular": (0.052, 0.034, 3.6), "square": (0.052, 0.044, 3.6), "aviator": (0.056, 0.048, 2.3),
          "cat-eye": (0.053, 0.039, 2.6)}  # fmt: skip
WRAP = 1.1  # how fast the front curves back, 1/m
TILT = 0.12  # of the front, top forward, radians


@dataclass(frozen=True)
class GlassesChoice:
    """shape: of LENSES; wire: thin metal, otherwise acetate; size: factor of the lenses; tint: colour (3,) of sun lenses or None."""

    shape: str
    wire: bool
    size: float
    colour: Array
    tint: Array | None


def draw_glasses(rng: np.random.Generator) -> GlassesChoice:
    """One pair of six is for the sun."""
    sun = rng.random() < 0.17
    shape = list(LENSES)[rng.choice(5, p=[0.15, 0.2, 0.25, 0.25, 0.15] if sun else [0.25, 0.32, 0.2, 0.1, 0.13])]
    wire = bool(rng.random() < (0.85 if shape == "aviator" else 0.35))
    metals = np.array([[0.72, 0.60, 0.36], [0.62, 0.62, 0.64], [0.10, 0.10, 0.11], [0.25, 0.22, 0.20]])
    acetates = np.array(
        [[0.05, 0.05, 0.055], [0.05, 0.05, 0.055], [0.20, 0.11, 0.06], [0.30, 0.20, 0.12], [0.10, 0.12, 0.22], [0.35, 0.08, 0.10]]
    )
    colours = metals if wire else acetates
    tint = np.array([[0.03, 0.03, 0.035], [0.10, 0.07, 0.05], [0.05, 0.08, 0.07]])[rng.integers(3)] if sun else None
    return GlassesChoice(shape, wire, rng.uniform(0.96, 1.08) * (1.1 if sun else 1.0), colours[rng.integers(len(colours))], tint)


def make(wearer: Wearer, choice: GlassesChoice) -> list[Item]:
    """Frame and temples, and sun lenses where there are any."""
    width, height, exponent = LENSES[choice.shape]
    width, height = width * choice.size, height * choice.size
    outline = _outline(choice.shape, width, height, exponent)
    head = wearer.skin.zone == 0
    skin, ears = wearer.local("head", wearer.skin.vertices)[head], wearer.ears[head]
    eyes = wearer.local("head", wearer.eyes)
    middle = eyes.mean(axis=0)
    apart = max(np.ptp(eyes[:, 0]) / 2 * 1.04, width / 2 + 0.0085)
    centre = np.array([apart, 0.0, middle[2] - 0.003])
    front = _front(skin, outline + centre[[0, 2]], middle[0], centre)

    def bent(flat: Array, sign: float, out: float = 0.0) -> Array:
        """Points (N,2) of the front in the head's frame, `out` metres before it."""
        y = front + WRAP * flat[:, 0] ** 2 + TILT * (centre[2] - flat[:, 1]) - out
        return np.stack([middle[0] + sign * flat[:, 0], y, flat[:, 1]], axis=1)

    wide, deep = (0.0018, 0.0018) if choice.wire else (0.0038, 0.0034)
    profile = superellipse(wide, deep, 2.0 if choice.wire else 3.5, 10)
    pieces = []
    for sign in (1.0, -1.0):
        rim = bent(outline + centre[[0, 2]], sign)
        pieces.append(sweep(rim, profile, np.array([0.0, 1, 0]), loop=True))
        pieces += _temple(skin, ears, rim, sign, choice.wire)
        if choice.wire:
            pad = bent(np.array([[0.0078, centre[2] - 0.010]]), sign, -0.006)[0]
            pieces.append(cushion(np.array([0.0022, 0.005, 0.010]), 0.9, 9, 14))
            pieces[-1] = pieces[-1].moved(pieces[-1].vertices + pad)
            arm = np.stack([rim[np.argmin(np.linalg.norm(rim - pad, axis=1))], pad - [0, 0.004, 0.0], pad])
            pieces.append(sweep(resample(arm, 7), superellipse(0.0015, 0.0015, 2.0, 6), np.array([0.0, 0, 1])))
    pieces += [sweep(bent(path, 1.0), profile, np.array([0.0, 1, 0])) for path in _bridges(choice, outline + centre[[0, 2]], height)]
    frame = wearer.place("head", merged(pieces))
    items = [Item("glasses", frame, choice.colour, 0.25 if choice.wire else 0.3, "metal" if choice.wire else "plastic")]
    if choice.tint is not None:
        lenses = [_lens(bent, outline, centre, sign) for sign in (1.0, -1.0)]
        items.append(Item("sun lenses", wearer.place("head", merged(lenses)), choice.tint, 0.08, "glass"))
    return items


def _outline(shape: str, width: float, height: float, exponent: float) -> Array:
    """A lens (72,2) about its centre; +x is away from the nose."""
    outline = superellipse(width, height, exponent, 72)
    x, z = outline[:, 0] / (width / 2), outline[:, 1] / (height / 2)
    if shape == "aviator":  # a drop that falls toward the cheek
        outline[:, 0] += 0.006 * np.clip(-z, 0, 1) - 0.10 * width * x * np.clip(-z, 0, 1)
        outline[:, 1] -= 0.005 * np.clip(-z, 0, 1)
    if shape == "cat-eye":
        outline[:, 1] += 0.007 * np.clip(x, 0, 1) ** 2 * np.clip(z + 0.6, 0, 1)
    if shape in ("rectangular", "square"):
        outline[:, 0] -= 0.05 * width * np.clip(-z, 0, 1) * x
    return outline


def _front(skin: Array, outline: Array, middle: float, centre: Array) -> float:
    """Where (y) the front stands at the nose, so that it clears brows and cheeks."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    x = np.abs(skin[:, 0] - middle)
    behind = (x > low[0] + 0.001) & (x < high[0]) & (skin[:, 2] > low[1]) & (skin[:, 2] < high[1]) & (skin[:, 1] < 0)
    needed = skin[behind, 1] - WRAP * x[behind] ** 2 - TILT * (centre[2] - skin[behind, 2])
    return float(np.quantile(needed, 0.01) - 0.004)


def _bridges(choice: GlassesChoice, outline: Array, height: float) -> list[Array]:
    """Bars (N,2) between the lenses."""
    levels = [0.14 * height, 0.40 * height] if choice.shape == "aviator" else [0.16 * height]
    bars = []
    for level in levels:
        inner = outline[outline[:, 0] < np.median(outline[:, 0])]
        start = inner[np.argmin(np.abs(inner[:, 1] - np.median(outline[:, 1]) - level))]
        t = np.linspace(-1, 1, 13)
        rise = 0.0 if level > 0.3 * height else 0.003
        bars.append(np.stack([(start[0] + 0.0006) * t, start[1] + rise * (1 - t * t)], axis=1))
    return bars


def _temple(skin: Array, ears: Array, rim: Array, sign: float, wire: bool) -> list[Surface]:
    """From the rim's outer side over the ear and down behind it."""
    side = sign * skin[:, 0] > 0
    ear = skin[side & (ears > 0.5)]
    root = ear[np.abs(ear[:, 0]) < np.quantile(np.abs(ear[:, 0]), 0.35)]
    top = ear[ear[:, 2] > np.quantile(ear[:, 2], 0.85)]
    over = np.array([sign * np.abs(root[:, 0]).min(), np.quantile(top[:, 1], 0.4), top[:, 2].max() - 0.006])
    outer = rim[sign * rim[:, 0] > np.quantile(sign * rim[:, 0], 0.75)]
    hinge = outer[np.argmin(np.abs(outer[:, 2] - np.quantile(rim[:, 2], 0.72)))]
    ahead, inward = np.array([0.0, 0.006, 0.0]), np.array([sign * 0.001, -0.0005, 0.0])
    corner = hinge + np.array([sign * 0.005, 0.004, 0.0])
    bend = over + np.array([0.0, 0.018, -0.003])
    tip = bend + np.array([-sign * 0.003, 0.016, -0.034])
    rough = np.stack(
        [
            corner,
            corner + ahead,
            0.5 * (corner + over) + [sign * 0.002, 0, 0],
            over,
            bend,
            0.5 * (bend + tip) + [0, 0.004, 0.004],
            tip,
        ]
    )
    path = resample(rough, 48)
    for _ in range(6):
        path[1:-1] = 0.5 * path[1:-1] + 0.25 * (path[:-2] + path[2:])
    scalp = skin[side & (ears < 0.1)]
    near = np.linalg.norm(path[:, None, 1:] - scalp[None, :, 1:], axis=2) < 0.006
    reach = np.where(near, (sign * scalp[:, 0])[None], -np.inf).max(axis=1) + (0.0012 if wire else 0.0022)
    x = np.maximum(sign * path[:, 0], reach)
    for _ in range(4):
        x[1:-1] = np.maximum(x[1:-1], 0.5 * (x[:-2] + x[2:]))
    path[:, 0] = sign * x
    profile = superellipse(0.0017, 0.0017, 2.0, 8) if wire else superellipse(0.0028, 0.0055, 3.5, 12)
    thick = superellipse(0.0024, 0.0030, 3.0, 10) if wire else superellipse(0.0032, 0.0060, 3.5, 12)
    end = sweep(
        resample(np.stack([hinge - inward, corner - ahead / 6, corner + ahead]), 9),
        thick,
        np.array([0.0, 0, 1]),
    )
    return [end, sweep(path, profile, np.array([0.0, 0, 1]))]


def _lens(bent: Callable[..., Array], outline: Array, centre: Array, sign: float) -> Surface:
    """A dark lens, 2 mm thick, inside its rim."""
    scales = [(0.15, 0.001), (0.5, 0.001), (0.85, 0.001), (1.0, 0.0008), (1.0, -0.0008), (0.85, -0.001), (0.5, -0.001), (0.15, -0.001)]
    return closed(np.stack([bent(scale * outline + centre[[0, 2]], sign, out) for scale, out in scales]))
