"""How cloth is made: threads, stitches, grain and crumples, as shade, roughness and height at points of the cloth.

Everything is in metres. Structure too fine for the texels fades out instead of turning to moiré.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.grain import Noise, ease


class Grid:
    """Points uv (H,W,2) of cloth, metres, `pitch` apart, and random functions over it."""

    def __init__(self, uv: Array, pitch: float, noises: list[Noise]) -> None:
        self.uv, self.pitch, self.noises = np.asarray(uv, np.float32), pitch, noises
        self.u, self.v = self.uv[..., 0], self.uv[..., 1]

    def noise(self, number: int, length: float, stretch: float = 1.0) -> Array:
        """Noise (H,W) of unit variance over `length`, `stretch` times as long along v; nothing where too fine to show."""
        if max(length, length * stretch) < self.pitch:
            return np.zeros(self.u.shape, np.float32)
        points = self.uv if stretch == 1 else self.uv * np.array([1, 1 / stretch], np.float32)
        return self.noises[number](points, max(length, 1.2 * self.pitch * min(1.0, 1 / stretch)), self.pitch / max(stretch, 1.0))

    def shown(self, period: float) -> float:
        """How much of a structure with that period texels can show, 0 to 1."""
        return float(np.clip((period / self.pitch - 2) / 2, 0, 1))

    def wave(self, along: Array, period: float) -> Array:
        """A cosine of `along` (H,W), metres."""
        return np.cos(along * np.float32(2 * np.pi / period)) * np.float32(self.shown(period))


@dataclass(frozen=True)
class Threads:
    """(H,W) each: shade that colour is multiplied by, 1 + shade; roughness on top of the cloth's; height in metres."""

    shade: Array
    rough: Array
    height: Array


@dataclass(frozen=True)
class Weave:
    """A kind of cloth. roughness: (least, most) drawn; crumple: height in metres of the creases that wearing leaves; size: (least,
    most) of its structure in metres, drawn."""

    threads: Callable[[Grid, float], Threads]
    roughness: tuple[float, float]
    crumple: float
    size: tuple[float, float]


def _jersey(g: Grid, size: float) -> Threads:
    stitch = g.wave(g.u, size) * (0.7 + 0.3 * g.wave(g.v, size * 1.3))
    fuzz = g.noise(0, 0.0016)
    return Threads(0.05 * stitch + 0.030 * fuzz + 0.015 * g.noise(1, 0.004, 6.0), 0.02 * fuzz, 0.00012 * stitch + 0.00004 * fuzz)


def _rib(g: Grid, size: float) -> Threads:
    rib = g.wave(g.u + 0.0004 * g.noise(1, 0.03), size)
    fuzz = g.noise(0, 0.0016)
    return Threads(0.13 * rib + 0.03 * fuzz, 0.02 * fuzz, 0.0005 * rib + 0.00005 * fuzz)


def _cable(g: Grid, size: float) -> Threads:
    """Plaits between columns of coarse stitches."""
    column = (g.u / 0.07) % 1 - 0.5
    twist = 0.16 * np.sin(2 * np.pi * g.v / 0.045)
    strands = np.maximum(1 - np.square((column - twist) / 0.13), 1 - np.square((column + twist) / 0.13))
    plait = np.sqrt(np.clip(strands, 0, 1)) * (np.abs(column) < 0.32)
    stitch = g.wave(g.u, size) * 0.5 + 0.5 * g.wave(g.v + 0.35 * size * np.cos(2 * np.pi * g.u / size), size * 0.75)
    fuzz = g.noise(0, 0.002)
    return Threads(0.12 * (plait - 0.4) + 0.08 * stitch + 0.03 * fuzz, 0.02 * fuzz, 0.0028 * plait + 0.0006 * stitch)


def _coarse(g: Grid, size: float) -> Threads:
    """V-shaped stitches in columns."""
    slant = np.abs((g.u / size) % 1 - 0.5) * size * 1.2
    stitch, gutter = g.wave(g.v - slant, size * 0.75), g.wave(g.u, size)
    fuzz = g.noise(0, 0.002)
    return Threads(0.09 * stitch - 0.07 * gutter + 0.035 * fuzz, 0.02 * fuzz, 0.0005 * stitch - 0.0005 * gutter)


def _denim(g: Grid, size: float) -> Threads:
    twill = g.wave(g.u + g.v, size)
    slub = 0.6 * g.noise(0, 0.0011, 18.0) + 0.5 * g.noise(1, 0.0011, 0.06)
    speckle = g.noise(2, 0.0013)
    return Threads(0.10 * twill + 0.10 * slub + 0.09 * speckle, 0.02 * speckle, 0.00012 * twill + 0.00005 * slub)


def _twill(g: Grid, size: float) -> Threads:
    twill, slub = g.wave(g.u * 0.7 + g.v, size), g.noise(0, 0.0012, 12.0)
    return Threads(0.05 * twill + 0.025 * slub + 0.02 * g.noise(2, 0.0014), 0.02 * slub, 0.00010 * twill + 0.00002 * slub)


def _herringbone(g: Grid, size: float) -> Threads:
    zigzag = np.abs((g.u / 0.024) % 1 - 0.5) * 0.048
    twill, fleck = g.wave(zigzag + g.v, size), g.noise(2, 0.0018)
    return Threads(0.16 * twill + 0.07 * fleck, 0.02 * fleck, 0.00015 * twill)


def _linen(g: Grid, size: float) -> Threads:
    weft, warp = g.noise(0, size * 20, 0.05), g.noise(1, size, 20.0)
    return Threads(0.05 * weft + 0.05 * warp + 0.02 * g.noise(2, 0.0014), 0.02 * warp, 0.00008 * (weft + warp))


def _poplin(g: Grid, size: float) -> Threads:
    warp = g.noise(0, size, 10.0)
    return Threads(0.018 * warp + 0.012 * g.noise(2, 0.0014), 0.02 * warp, 0.00001 * warp)


def _fleece(g: Grid, size: float) -> Threads:
    tufts = g.noise(0, size) + 0.6 * g.noise(1, size / 2.3)
    return Threads(0.06 * tufts + 0.03 * g.noise(2, 0.0015), 0.01 * tufts, 0.0004 * tufts)


def _corduroy(g: Grid, size: float) -> Threads:
    wale = g.wave(g.u, size)
    nap = g.noise(0, 0.0015) + 0.8 * g.noise(1, 0.05)
    return Threads(0.20 * wale + 0.04 * nap, 0.02 * nap, 0.00045 * wale + 0.00003 * nap)


def _leather(g: Grid, size: float) -> Threads:
    cells = np.minimum(np.abs(g.noise(0, size)), np.abs(g.noise(1, size * 0.7))) ** 0.6
    worn = g.noise(2, 0.08)
    return Threads(0.10 * (cells - 0.5) + 0.05 * worn, 0.06 * worn - 0.10 * (cells - 0.5), 0.00016 * cells)


def _felt(g: Grid, size: float) -> Threads:
    fibres = g.noise(0, size, 0.4) + g.noise(1, size, 2.5)
    return Threads(0.045 * fibres + 0.03 * g.noise(2, 0.0014), 0.01 * fibres, 0.00008 * fibres)


def _satin(g: Grid, size: float) -> Threads:
    streak = g.noise(0, size, 40.0)
    return Threads(0.015 * streak, 0.03 * streak + 0.03 * g.noise(1, 0.03), 0.000008 * streak)


def _quilted(g: Grid, size: float) -> Threads:
    """Channels across, filled with down, puckered along their seams."""
    across = (g.v + 0.002 * g.noise(0, 0.05)) / size
    fill = np.sqrt(np.clip(1 - np.square(2 * (across % 1 - 0.5)), 0, 1))
    near = ease(1 - fill / 0.75)
    pucker = g.noise(1, 0.007, 6.0) * near
    soft = g.noise(2, 0.03)
    return Threads(-0.10 * near**2 + 0.02 * soft, 0.03 * soft, 0.11 * size * fill + 0.0007 * pucker + 0.0006 * soft)


def _shell(g: Grid, size: float) -> Threads:
    ripstop = np.maximum(g.wave(g.u, size), g.wave(g.v, size)) ** 6
    return Threads(0.03 * ripstop + 0.01 * g.noise(2, 0.0014), 0.03 * g.noise(0, 0.02), 0.00005 * ripstop)


def _smooth(g: Grid, size: float) -> Threads:
    wear = g.noise(0, size)
    return Threads(0.02 * wear, 0.04 * wear, np.zeros(g.u.shape, np.float32))


WEAVES: dict[str, Weave] = {
    "jersey": Weave(_jersey, (0.82, 0.95), 0.00025, (0.0011, 0.0016)),
    "rib knit": Weave(_rib, (0.82, 0.95), 0.00010, (0.0035, 0.0075)),
    "coarse knit": Weave(_coarse, (0.88, 0.98), 0.00010, (0.004, 0.008)),
    "cable knit": Weave(_cable, (0.88, 0.98), 0.00010, (0.0045, 0.006)),
    "denim": Weave(_denim, (0.80, 0.92), 0.00050, (0.0022, 0.0030)),
    "twill": Weave(_twill, (0.70, 0.86), 0.00040, (0.0018, 0.0026)),
    "herringbone": Weave(_herringbone, (0.85, 0.95), 0.00025, (0.0024, 0.0034)),
    "linen": Weave(_linen, (0.75, 0.90), 0.00080, (0.0009, 0.0014)),
    "poplin": Weave(_poplin, (0.62, 0.80), 0.00055, (0.0008, 0.0010)),
    "fleece": Weave(_fleece, (0.93, 1.00), 0.00020, (0.003, 0.007)),
    "corduroy": Weave(_corduroy, (0.82, 0.95), 0.00030, (0.0028, 0.0050)),
    "leather": Weave(_leather, (0.32, 0.55), 0.00050, (0.0022, 0.0045)),
    "wool": Weave(_felt, (0.88, 0.98), 0.00025, (0.0018, 0.0030)),
    "satin": Weave(_satin, (0.28, 0.45), 0.00030, (0.0010, 0.0016)),
    "quilted nylon": Weave(_quilted, (0.35, 0.60), 0.00030, (0.055, 0.095)),
    "nylon": Weave(_shell, (0.38, 0.60), 0.00045, (0.005, 0.007)),
    "rubber": Weave(_smooth, (0.60, 0.85), 0.0, (0.02, 0.03)),
    "plastic": Weave(_smooth, (0.25, 0.45), 0.0, (0.02, 0.03)),
}
