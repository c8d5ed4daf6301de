"""Patterns that cloth is woven, dyed or printed in: colours at points of the cloth, in metres."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.grain import ease
from scans.people.weave import Grid


@dataclass(frozen=True)
class Pattern:
    """kind: a key of PATTERNS; colours (3,3) sRGB, the first is the ground; size: metres from one figure to the next;
    numbers (48,): what else was drawn, 0 to 1."""

    kind: str
    colours: Array
    size: float
    numbers: Array

    def colour(self, grid: Grid) -> Array:
        """sRGB (H,W,3)."""
        return np.asarray(PATTERNS[self.kind][0](grid, self), np.float32)


def draw_pattern(kind: str, colours: Array, rng: np.random.Generator) -> Pattern:
    least, most = PATTERNS[kind][1]
    return Pattern(kind, np.asarray(colours, np.float32), float(np.exp(rng.uniform(np.log(least), np.log(most)))), rng.random(48))


def _mix(first: Array, second: Array, amount: Array) -> Array:
    return first + (second - first) * np.asarray(amount, np.float32)[..., None]


def _band(grid: Grid, along: Array, period: float, centre: float, share: float) -> Array:
    """1 within bands of `share` of a period, with edges as soft as a texel."""
    away = np.abs((along / period - centre + 0.5) % 1 - 0.5) * period
    return np.clip((share * period / 2 - away) / max(grid.pitch, 0.0008) + 0.5, 0, 1)


def _plain(grid: Grid, p: Pattern) -> Array:
    return np.broadcast_to(p.colours[0], (*grid.u.shape, 3))


def _melange(grid: Grid, p: Pattern) -> Array:
    """Yarn spun of two colours of fibres: fine streaks along the courses."""
    fleck = 0.7 * grid.noise(4, 0.005, 0.15) + grid.noise(5, 0.0014)
    second = p.colours[0] + np.clip(p.colours[1] - p.colours[0], -0.35, 0.35)
    return _mix(p.colours[0], second, np.clip(0.30 + 0.10 * fleck, 0, 1))


def _even(along: str) -> Callable[[Grid, Pattern], Array]:
    def paint(grid: Grid, p: Pattern) -> Array:
        axis = grid.v if along == "v" else grid.u
        image = _mix(p.colours[0], p.colours[1], _band(grid, axis, p.size, 0.25, 0.2 + 0.4 * p.numbers[0]))
        return _mix(image, p.colours[2], (p.numbers[1] < 0.3) * _band(grid, axis, p.size, 0.75, 0.1))

    return paint


def _pinstripe(grid: Grid, p: Pattern) -> Array:
    return _mix(p.colours[0], 0.4 * p.colours[0] + 0.6 * p.colours[1], _band(grid, grid.u, p.size, 0.5, min(0.0018 / p.size, 0.4)))


def _varied(grid: Grid, p: Pattern) -> Array:
    """Bands of several widths and colours, across."""
    image = _plain(grid, p)
    for centre, share, colour in zip(p.numbers[:7], p.numbers[7:14], p.numbers[14:21], strict=True):
        image = _mix(image, p.colours[1 + int(colour * 2)], _band(grid, grid.v, p.size, centre, 0.02 + 0.14 * share**2))
    return image


def _chest_bands(grid: Grid, p: Pattern) -> Array:
    """One or two wide bands across the chest."""
    place = 0.22 + 0.14 * p.numbers[0]
    image = _mix(p.colours[0], p.colours[1], ease((p.size / 2 - np.abs(grid.v - place)) / 0.0015))
    below = place - p.size / 2 - 0.25 * p.size
    return _mix(image, p.colours[2], (p.numbers[1] < 0.6) * ease((p.size / 8 - np.abs(grid.v - below)) / 0.0015))


def _gingham(grid: Grid, p: Pattern) -> Array:
    crossed = _band(grid, grid.u, p.size, 0.25, 0.5) + _band(grid, grid.v, p.size, 0.25, 0.5)
    return _mix(p.colours[0], p.colours[1], 0.5 * crossed)


def _windowpane(grid: Grid, p: Pattern) -> Array:
    lines = np.maximum(_band(grid, grid.u, p.size * 0.85, 0.5, 0.035), _band(grid, grid.v, p.size, 0.5, 0.035))
    return _mix(p.colours[0], p.colours[1], 0.75 * lines)


def _tartan(grid: Grid, p: Pattern) -> Array:
    """The same sequence of bands both ways, threads of either showing by turns as in a twill."""
    warp, weft = _plain(grid, p), _plain(grid, p)
    for centre, share, colour in zip(p.numbers[:6], p.numbers[6:12], p.numbers[12:18], strict=True):
        tint, wide = p.colours[1 + int(colour * 2)], 0.02 + 0.28 * share**2
        warp = _mix(warp, tint, _band(grid, grid.u, p.size, centre, wide))
        weft = _mix(weft, tint, _band(grid, grid.v, p.size, centre, wide))
    return _mix(warp, weft, 0.5 + 0.35 * grid.wave(grid.u + grid.v, 0.0035))


def _houndstooth(grid: Grid, p: Pattern) -> Array:
    x, y = (grid.u / p.size) % 1 * 4, (grid.v / p.size) % 1 * 4
    dark_warp, dark_weft = x < 2, y < 2
    over = ((x + y) % 2) < 1
    return _mix(p.colours[0], p.colours[1], np.where(over, dark_warp, dark_weft))


def _argyle(grid: Grid, p: Pattern) -> Array:
    x, y = grid.u / p.size, grid.v / (1.6 * p.size)
    first, second = np.floor(x + y).astype(int), np.floor(x - y).astype(int)
    image = _mix(p.colours[0], p.colours[1], (first + second) % 2 * (first % 2))
    edge = np.minimum(np.abs((x + y) % 1 - 0.5), np.abs((x - y) % 1 - 0.5))
    return _mix(image, p.colours[2], (edge < 0.018) * 0.8)


def _dots(grid: Grid, p: Pattern) -> Array:
    row = np.floor(grid.v / p.size)
    x = (grid.u / p.size + 0.5 * (row % 2)) % 1 - 0.5
    away = np.hypot(x, (grid.v / p.size) % 1 - 0.5) * p.size
    return _mix(p.colours[0], p.colours[1], ease((p.size * (0.13 + 0.15 * p.numbers[0]) - away) / max(grid.pitch, 0.0006) + 0.5))


def _flowers(grid: Grid, p: Pattern) -> Array:
    """Petalled flowers and leaves strewn over a cell of six sizes, which repeats."""
    rng = np.random.default_rng((p.numbers[:4] * 2**32).astype(np.uint64))
    cell, count = 6 * p.size, 40
    centres = rng.random((count, 2)) * cell
    nearest = cKDTree(centres, boxsize=cell)
    flat = np.mod(grid.uv.reshape(-1, 2), np.float32(cell)).astype(float) % cell
    _, which = nearest.query(flat, distance_upper_bound=p.size)
    found = which < count
    which = np.where(found, which, 0)
    offset = (flat - centres[which] + cell / 2) % cell - cell / 2
    petals, turn = rng.integers(4, 8, count)[which], rng.uniform(0, 6.28, count)[which]
    radius = p.size * rng.uniform(0.28, 0.5, count)[which]
    leaf = (rng.random(count) < 0.35)[which]
    angle, reach = np.arctan2(offset[:, 1], offset[:, 0]) + turn, np.hypot(offset[:, 0], offset[:, 1])
    outline = np.where(leaf, 1.1 * np.abs(np.cos(angle)) ** 3, 0.68 + 0.32 * np.cos(petals * angle)) * radius
    soft = max(grid.pitch, 0.0006)
    inside = (ease((outline - reach) / soft + 0.5) * found).reshape(grid.u.shape)
    heart = (ease((0.24 * radius - reach) / soft + 0.5) * found * ~leaf).reshape(grid.u.shape)
    tint = np.where(leaf[:, None], 0.5 * p.colours[2] + 0.5 * np.array([0.22, 0.34, 0.2]), p.colours[1]).reshape(*grid.u.shape, 3)
    tint = tint * (0.85 + 0.25 * np.clip(reach / radius, 0, 1)).reshape(*grid.u.shape, 1)
    image = p.colours[0] + (tint - p.colours[0]) * inside[..., None]
    return _mix(image, p.colours[2], heart)


def _camouflage(grid: Grid, p: Pattern) -> Array:
    greens = p.numbers[0] < 0.6
    shades = [[0.30, 0.31, 0.20], [0.45, 0.41, 0.28], [0.20, 0.22, 0.15], [0.10, 0.10, 0.09]]
    sands = [[0.70, 0.62, 0.48], [0.55, 0.46, 0.34], [0.42, 0.34, 0.25], [0.78, 0.72, 0.60]]
    table = np.array(shades if greens else sands, np.float32)
    image = np.broadcast_to(table[0], (*grid.u.shape, 3))
    for number, limit in ((4, 0.25), (5, 0.55), (6, 0.9)):
        field = grid.noise(number, p.size, 0.7) + 0.35 * grid.noise(7, p.size / 3.5, 0.7)
        image = _mix(image, table[number - 3], ease((field - limit) / 0.05 + 0.5))
    return image


def _tie_dye(grid: Grid, p: Pattern) -> Array:
    u, v = grid.u + 0.010 * grid.noise(4, 0.05), grid.v - 0.25 + 0.010 * grid.noise(5, 0.05)
    angle, reach = np.arctan2(v, u), np.hypot(u, v)
    turn = 3 * angle / (2 * np.pi) + reach / p.size + 0.06 * grid.noise(6, 0.012)
    step = turn % 1 * 3
    image = _mix(p.colours[0], p.colours[1], ease(1.2 - np.abs(step - 1) * 1.4))
    image = _mix(image, p.colours[2], ease(1.2 - np.abs(step - 2) * 1.4))
    return _mix(image, np.array([0.93, 0.92, 0.90], np.float32), 0.5 * ease(0.6 * grid.noise(7, 0.012, 2.0)))


def _ombre(grid: Grid, p: Pattern) -> Array:
    return _mix(p.colours[1], p.colours[0], ease((grid.v - 0.05) / p.size + 0.04 * grid.noise(4, 0.02)))


def _blocks(grid: Grid, p: Pattern) -> Array:
    high, low = 0.22 + 0.15 * p.numbers[0], 0.02 + 0.12 * p.numbers[1]
    edge = 0.0012
    image = _mix(p.colours[0], p.colours[1], ease((grid.v - high) / edge))
    return _mix(image, p.colours[2], (p.numbers[2] < 0.6) * ease((low - grid.v) / edge))


def _leopard(grid: Grid, p: Pattern) -> Array:
    field, rim = grid.noise(4, p.size), grid.noise(5, p.size / 2)
    tan = np.array([[0.72, 0.55, 0.34], [0.13, 0.09, 0.07], [0.52, 0.35, 0.19]], np.float32)
    ring = ease((0.42 - np.abs(field - 0.75 + 0.25 * rim)) / 0.15)
    return _mix(_mix(tan[0], tan[2], ease((field - 0.8) / 0.2)), tan[1], ring * ease(rim + 1.2))


def _strokes(grid: Grid, p: Pattern) -> Array:
    """Broad strokes of a brush."""
    first = ease((grid.noise(4, p.size, 0.3) - 0.5) / 0.12 + 0.15 * grid.noise(6, 0.002, 0.1))
    second = ease((grid.noise(5, p.size * 0.8, 0.4) - 0.7) / 0.12 + 0.15 * grid.noise(6, 0.002, 0.1))
    return _mix(_mix(p.colours[0], p.colours[1], first), p.colours[2], second)


#: Kind -> (painter, (least, most) size in metres).
PATTERNS: dict[str, tuple[Callable[[Grid, Pattern], Array], tuple[float, float]]] = {
    "plain": (_plain, (1.0, 1.0)), "melange": (_melange, (1.0, 1.0)), "stripes": (_even("v"), (0.012, 0.09)),
    "stripes down": (_even("u"), (0.008, 0.05)), "pinstripe": (_pinstripe, (0.009, 0.02)), "varied stripes": (_varied, (0.10, 0.30)),
    "chest bands": (_chest_bands, (0.05, 0.14)), "gingham": (_gingham, (0.010, 0.04)), "windowpane": (_windowpane, (0.035, 0.08)),
    "tartan": (_tartan, (0.05, 0.16)), "houndstooth": (_houndstooth, (0.014, 0.03)), "argyle": (_argyle, (0.04, 0.07)),
    "dots": (_dots, (0.010, 0.045)), "flowers": (_flowers, (0.02, 0.06)), "camouflage": (_camouflage, (0.05, 0.11)),
    "tie-dye": (_tie_dye, (0.12, 0.25)), "ombre": (_ombre, (0.2, 0.5)), "blocks": (_blocks, (1.0, 1.0)),
    "leopard": (_leopard, (0.012, 0.03)), "strokes": (_strokes, (0.04, 0.10)),
}  # fmt: skip
