"""How cloth is made: threads, stitches, grain and crumples, as shade, roughness and height at points of the cloth.

Everything is in metres. Structure too fine for the texels fades out instead of turning to moiré.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.grain import Noise, ease


class Grid:
    """Points uv (H,W,2) of cloth, metres, `pitch` apart, random functions over it, and the outline that lies there: name -> segments
    (S,2,2)."""

    def __init__(self, uv: Array, pitch: float, noises: list[Noise], lines: dict[str, Array] | None = None) -> None:
        self.uv, self.pitch, self.noises = np.asarray(uv, np.float32), pitch, noises
        self.u, self.v = self.uv[..., 0], self.uv[..., 1]
        self.lines = lines or {}

    def noise(self, number: int, length: float, stretch: float = 1.0) -> Array:
        """Noise (H,W) of unit variance over `length`, `stretch` times as long along v. Texels average what is finer."""
        cells = np.array([length, length * stretch])
        seen = np.maximum(cells, 1.2 * self.pitch)
        gain = np.sqrt(np.prod(cells / seen))
        if gain < 0.05:
            return np.zeros(self.u.shape, np.float32)
        noise = self.noises[number](self.uv / seen.astype(np.float32), 1.0, self.pitch / float(seen.min()))
        return np.asarray(noise * np.float32(gain))

    def shown(self, period: float) -> float:
        """How much of a structure with that period texels can show, 0 to 1."""
        return float(np.clip((period / self.pitch - 2) / 2, 0, 1))

    def wave(self, along: Array, period: float) -> Array:
        """A cosine of `along` (H,W), metres."""
        return np.cos(along * np.float32(2 * np.pi / period)) * np.float32(self.shown(period))

    def beside(self, line: str, reach: float) -> tuple[Array, Array]:
        """How far (H,W) points are from a line of the outline, metres, infinite beyond `reach`, and a coordinate (H,W) along it."""
        segments = np.asarray(self.lines.get(line, np.zeros((0, 2, 2))), float)
        away, along = np.full(self.u.shape, np.inf), np.zeros(self.u.shape)
        if not len(segments):
            return away, along
        step = segments[:, 1] - segments[:, 0]
        count = np.maximum(np.ceil(np.linalg.norm(step, axis=1) / (2 * self.pitch)).astype(int), 1)
        which = np.repeat(np.arange(len(segments)), count)
        share = (np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[which]
        points = segments[which, 0] + step[which] * share[:, None]
        grid = self.uv.reshape(-1, 2)
        low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
        close = np.flatnonzero(((grid > low) & (grid < high)).all(axis=1))
        distance, nearest = cKDTree(points).query(grid[close], distance_upper_bound=reach)
        close, nearest = close[np.isfinite(distance)], nearest[np.isfinite(distance)]
        start, way = segments[which[nearest], 0], step[which[nearest]]
        part = np.clip(np.einsum("ni,ni->n", grid[close] - start, way) / np.maximum(np.einsum("ni,ni->n", way, way), 1e-12), 0, 1)
        away.flat[close] = np.linalg.norm(grid[close] - start - way * part[:, None], axis=1)
        steep = np.abs(way[:, 1]) > np.abs(way[:, 0])
        along.flat[close] = np.where(steep, grid[close, 1], grid[close, 0])
        return away.astype(np.float32), along.astype(np.float32)


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
    fuzz, course = g.noise(0, 0.0016), g.noise(1, 0.03, 0.03)
    return Threads(0.04 * stitch + 0.010 * fuzz + 0.005 * course, 0.02 * fuzz, 0.00010 * stitch + 0.00003 * fuzz)


def _rib(g: Grid, size: float) -> Threads:
    rib = g.wave(g.u + 0.0004 * g.noise(1, 0.03), size)
    fuzz = g.noise(0, 0.0016)
    return Threads(0.07 * rib + 0.02 * fuzz, 0.02 * fuzz, 0.0005 * rib + 0.00004 * fuzz)


def _cable(g: Grid, size: float) -> Threads:
    """Plaits between columns of coarse stitches."""
    column = (g.u / 0.07) % 1 - 0.5
    twist = 0.16 * np.sin(2 * np.pi * g.v / 0.045)
    strands = np.maximum(1 - np.square((column - twist) / 0.13), 1 - np.square((column + twist) / 0.13))
    plait = np.sqrt(np.clip(strands, 0, 1)) * (np.abs(column) < 0.32)
    stitch = g.wave(g.u, size) * 0.5 + 0.5 * g.wave(g.v + 0.35 * size * np.cos(2 * np.pi * g.u / size), size * 0.75)
    fuzz = g.noise(0, 0.002)
    return Threads(0.05 * (plait - 0.4) + 0.06 * stitch + 0.02 * fuzz, 0.02 * fuzz, 0.0028 * plait + 0.0006 * stitch)


def _coarse(g: Grid, size: float) -> Threads:
    """V-shaped stitches in columns."""
    slant = np.abs((g.u / size) % 1 - 0.5) * size * 1.2
    stitch, gutter = g.wave(g.v - slant, size * 0.75), g.wave(g.u, size)
    fuzz = g.noise(0, 0.002)
    return Threads(0.07 * stitch - 0.05 * gutter + 0.02 * fuzz, 0.02 * fuzz, 0.0005 * stitch - 0.0005 * gutter)


def _denim(g: Grid, size: float) -> Threads:
    twill = g.wave(g.u + g.v, size)
    slub, speckle = g.noise(0, 0.0010, 10.0), g.noise(2, 0.0011)
    return Threads(0.07 * twill + 0.022 * slub + 0.025 * speckle, 0.02 * speckle, 0.00012 * twill + 0.00004 * (slub + speckle))


def _twill(g: Grid, size: float) -> Threads:
    twill, slub, grain = g.wave(g.u * 0.7 + g.v, size), g.noise(0, 0.0008, 20.0), g.noise(2, 0.0012)
    return Threads(0.04 * twill + 0.012 * slub + 0.012 * grain, 0.02 * slub, 0.00010 * twill + 0.00002 * (slub + grain))


def _herringbone(g: Grid, size: float) -> Threads:
    """Columns whose twill leans left and right by turns, and which take the light a little differently."""
    column = (g.u / 0.024) % 1 - 0.5
    twill, fleck = g.wave(np.abs(column) * 0.048 + g.v, size), g.noise(2, 0.0016)
    lean = np.clip(np.sin(2 * np.pi * g.u / 0.024) / 0.3, -1, 1)
    return Threads(0.12 * twill + 0.03 * lean + 0.03 * fleck, 0.02 * fleck, 0.00015 * twill)


def _linen(g: Grid, size: float) -> Threads:
    weft, warp = g.noise(0, size * 30, 0.033), g.noise(1, size, 30.0)
    return Threads(0.032 * (weft + warp) + 0.012 * g.noise(2, 0.0012), 0.02 * warp, 0.00006 * (weft + warp))


def _poplin(g: Grid, size: float) -> Threads:
    warp = g.noise(0, size, 20.0)
    return Threads(0.010 * warp + 0.006 * g.noise(2, 0.0012), 0.02 * warp, 0.00001 * warp)


def _fleece(g: Grid, size: float) -> Threads:
    tufts = g.noise(0, size) + 0.6 * g.noise(1, size / 2.3)
    return Threads(0.018 * tufts + 0.015 * g.noise(2, 0.0014), 0.01 * tufts, 0.00012 * tufts)


def _corduroy(g: Grid, size: float) -> Threads:
    wale = g.wave(g.u, size)
    nap, stroke = g.noise(0, 0.0015), g.noise(1, 0.05)
    return Threads(0.10 * wale + 0.02 * nap + 0.02 * stroke, 0.02 * nap, 0.00045 * wale + 0.00003 * nap)


def _leather(g: Grid, size: float) -> Threads:
    cells = np.minimum(np.abs(g.noise(0, size)), np.abs(g.noise(1, size * 0.7))) ** 0.6
    worn = g.noise(2, 0.08)
    return Threads(0.06 * (cells - 0.5) + 0.04 * worn, 0.06 * worn - 0.10 * (cells - 0.5), 0.00012 * cells)


def _felt(g: Grid, size: float) -> Threads:
    fibres = g.noise(0, size * 0.5, 0.5) + g.noise(1, size * 0.5, 2.0)
    return Threads(0.022 * fibres + 0.015 * g.noise(2, 0.0012), 0.01 * fibres, 0.00004 * fibres)


def _satin(g: Grid, size: float) -> Threads:
    streak = g.noise(0, size, 40.0)
    return Threads(0.010 * streak, 0.03 * streak + 0.03 * g.noise(1, 0.03), 0.000008 * streak)


def _quilted(g: Grid, size: float) -> Threads:
    """Channels across, filled with down, puckered along their seams."""
    across = (g.v + 0.002 * g.noise(0, 0.05)) / size
    fill = np.sqrt(np.clip(1 - np.square(2 * (across % 1 - 0.5)), 0, 1))
    near = ease(1 - fill / 0.75)
    pucker = g.noise(1, 0.007, 6.0) * near
    soft = g.noise(2, 0.03)
    return Threads(-0.06 * near**2 + 0.015 * soft, 0.03 * soft, 0.11 * size * fill + 0.0007 * pucker + 0.0006 * soft)


def _shell(g: Grid, size: float) -> Threads:
    ripstop = np.maximum(g.wave(g.u, size), g.wave(g.v, size)) ** 6
    return Threads(0.03 * ripstop + 0.006 * g.noise(2, 0.0014), 0.03 * g.noise(0, 0.02), 0.00005 * ripstop)


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
