"""Textures of cloth, leather and hair: tiles that repeat without a seam, painted with numpy."""

import colorsys

import numpy as np

from datasets.conventions import Array

#: Edge of the square that a tile covers, metres, by kind of texture.
TILE_M = {"cloth": 0.24, "hair": 0.10}
PATTERNS = ("plain", "stripes", "stripes down", "checks", "denim", "dots", "print", "melange")
HAIR_COLOURS = {
    "black": (0.045, 0.036, 0.032), "dark brown": (0.12, 0.075, 0.05), "brown": (0.24, 0.15, 0.09), "chestnut": (0.30, 0.15, 0.08),
    "blond": (0.62, 0.47, 0.29), "red": (0.44, 0.18, 0.08), "grey": (0.47, 0.46, 0.45), "white": (0.78, 0.77, 0.74),
}  # fmt: skip


def colour(rng: np.random.Generator, muted: bool = False) -> Array:
    """A colour that clothes have, sRGB (3,): mostly muted, sometimes vivid, often black, white, grey or navy."""
    if rng.random() < 0.35:
        neutral = [(0.05, 0.05, 0.055), (0.85, 0.84, 0.81), (0.32, 0.32, 0.33), (0.08, 0.10, 0.20), (0.45, 0.38, 0.29), (0.62, 0.60, 0.56)]
        return np.clip(np.array(neutral[rng.integers(len(neutral))]) + rng.normal(0, 0.02, 3), 0.02, 0.95)
    saturation = rng.uniform(0.15, 0.5) if muted or rng.random() < 0.6 else rng.uniform(0.5, 0.85)
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.2, 0.5) if muted else rng.uniform(0.25, 0.9)))


def cloth(pattern: str, first: Array, second: Array, size: int, rng: np.random.Generator) -> Array:
    """A tile (size,size,3) uint8 sRGB of a pattern in two colours, with its weave."""
    v, u = (np.mgrid[0:size, 0:size] + 0.5) / size
    amount = _amount(pattern, u, v, size, rng)
    image = first + (second - first) * amount[..., None]
    threads = size // 4
    weave = 0.03 * np.sin(2 * np.pi * threads * u) * np.sin(2 * np.pi * threads * v)
    if pattern == "denim":
        weave = 0.10 * np.sin(2 * np.pi * (size // 6) * (u + v)) + 0.05 * _noise(size, 2, rng)
    weave = weave + 0.025 * _noise(size, 1, rng) + 0.03 * _noise(size, size // 8, rng)
    return _bytes(image * (1 + weave[..., None]) + 0.3 * weave[..., None] * 0.1)


def shoe(upper: Array, sole: Array, size: int, rng: np.random.Generator) -> Array:
    """Leather above (v > 0.5), sole below."""
    v = ((np.arange(size) + 0.5) / size)[::-1, None]
    image = np.where((v > 0.5)[..., None], upper, sole)
    return _bytes(
        np.broadcast_to(image, (size, size, 3)) * (1 + 0.05 * _noise(size, 3, rng) + 0.04 * _noise(size, size // 6, rng))[..., None]
    )


def hair(base: Array, size: int, rng: np.random.Generator) -> Array:
    """Strands that run along v, locks of lighter and darker hair; repeats in both directions."""
    strands = _blurred(rng.normal(size=(size, size)), size // 3, 0)
    locks = _blurred(rng.normal(size=(size, size)), size // 2, size // 24)
    return _bytes(base * np.exp(0.30 * strands + 0.22 * locks)[..., None] + 0.012 * np.maximum(strands, 0)[..., None])


def flat(rgb: tuple[float, float, float], rng: np.random.Generator, size: int = 16) -> Array:
    """One colour with a little grain."""
    return _bytes(np.array(rgb) * (1 + 0.02 * rng.normal(size=(size, size, 1))))


def _amount(pattern: str, u: Array, v: Array, size: int, rng: np.random.Generator) -> Array:
    """How much of the second colour, 0 to 1."""
    count = int(rng.choice([2, 3, 4, 6, 8]))
    share = rng.uniform(0.2, 0.5)

    def bands(t: Array) -> Array:
        return np.clip((share - np.abs((t * count) % 1 - 0.5)) * size / count / 2 + 0.5, 0, 1)

    if pattern == "stripes":
        return bands(v)
    if pattern == "stripes down":
        return bands(u)
    if pattern == "checks":
        return 0.5 * bands(u) + 0.5 * bands(v)
    if pattern == "denim":
        return np.clip(0.35 + 0.05 * _noise(size, size // 5, rng), 0, 1)
    if pattern == "melange":
        return np.clip(0.4 + 0.25 * _noise(size, 2, rng), 0, 1)
    if pattern in ("dots", "print"):
        return _blots(u, v, count + 2, pattern == "print", rng)
    return np.zeros(u.shape)


def _blots(u: Array, v: Array, count: int, scattered: bool, rng: np.random.Generator) -> Array:
    """Dots on a staggered grid, or petalled blots scattered over the tile."""
    amount = np.zeros(u.shape)
    if scattered:
        centres = [(*rng.random(2), rng.uniform(0.04, 0.09), rng.integers(3, 7), rng.uniform(0, 6)) for _ in range(10)]
    else:
        cells = [(i, j) for i in range(count) for j in range(count)]
        centres = [((i + 0.5) / count, (j + 0.5) / count, 0.22 / count, 0, 0.0) for i, j in cells]
    for x, y, radius, petals, phase in centres:
        du, dv = (u - x + 0.5) % 1 - 0.5, (v - y + 0.5) % 1 - 0.5
        outline = radius * (1 + (0.45 * np.cos(petals * np.arctan2(dv, du) + phase) if petals else 0))
        amount = np.maximum(amount, np.clip((outline - np.hypot(du, dv)) * len(u) / 2 + 0.5, 0, 1))
    return amount


def _noise(size: int, length: float, rng: np.random.Generator) -> Array:
    """Periodic noise of unit variance, smooth over `length` texels."""
    return _blurred(rng.normal(size=(size, size)), length, length)


def _blurred(values: Array, rows: float, columns: float) -> Array:
    """Periodic Gaussian blur by the Fourier transform, scaled to unit variance."""
    fy, fx = np.fft.fftfreq(values.shape[0])[:, None], np.fft.rfftfreq(values.shape[1])[None]
    kernel = np.exp(-2 * np.pi**2 * ((rows / 2 * fy) ** 2 + (columns / 2 * fx) ** 2))
    result = np.fft.irfft2(np.fft.rfft2(values) * kernel, s=values.shape)
    return result / max(float(result.std()), 1e-12)


def _bytes(image: Array) -> Array:
    return np.asarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))
