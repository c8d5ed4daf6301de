"""What is sewn, printed or worn onto cloth at places given in metres: seams, hems, pockets, buttons, zips, prints, fading."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from datasets.conventions import Array
from scans.people.atlas import Texels
from scans.people.grain import bump, ease
from scans.people.weave import Grid

STITCH_M, THREAD_M = 0.0034, 0.0010  # length of a stitch, and how thick thread is
EVERYWHERE = -1  # on whatever patch has the line
PALE = np.array([0.70, 0.75, 0.80], np.float32)  # what indigo fades to


class Trim(Protocol):
    """Something on a patch of a garment."""

    @property
    def patch(self) -> int: ...

    def on(self, texels: Texels, grid: Grid) -> Texels:
        """The cloth with it."""


@dataclass(frozen=True)
class Seam:
    """A seam along a line of constant u or v (`axis`: which is constant) at `at`, from `start` to `end` along it, metres.

    rows: distances from the line (metres, signed) at which a row of stitches runs, in `thread` (3,) sRGB; groove: depth.
    """

    patch: int
    axis: str
    at: float
    start: float
    end: float
    rows: tuple[float, ...]
    thread: Array
    groove: float = 0.0008

    def on(self, texels: Texels, grid: Grid) -> Texels:
        """As `Trim` has it."""
        away, along = (grid.u - self.at, grid.v) if self.axis == "u" else (grid.v - self.at, grid.u)
        inside = ease((along - self.start) / 0.004) * ease((self.end - along) / 0.004)
        return _sewn(texels, grid, away, along, inside, self.rows, self.thread, self.groove)


@dataclass(frozen=True)
class Sewing:
    """What runs along a line of the garment's outline (`line`: "seam" or one of `garments.EDGES`).

    rows: how far from the line (metres) rows of stitches run, in `thread` (3,) sRGB; double: how far from it cloth lies double;
    groove: depth of the line itself; worn: how pale its ridges are, 0 to 1.
    """

    line: str
    rows: tuple[float, ...]
    thread: Array
    double: float = 0.0
    groove: float = 0.0
    worn: float = 0.0
    patch: int = EVERYWHERE

    def on(self, texels: Texels, grid: Grid) -> Texels:
        """As `Trim` has it."""
        away, along = grid.beside(self.line, max(self.double, *self.rows, 0.004) + 0.012)
        if not np.isfinite(away).any():
            return texels
        away = np.minimum(away, 1.0)
        double = ease((self.double - away) / 0.002 + 0.5) if self.double else np.zeros_like(away)
        roping = 0.0004 * grid.noise(2, 0.009, 1.0) * double * ease(away / 0.003)
        height = texels.height + 0.0006 * double + roping
        ridge = double * (0.55 + 0.3 * grid.noise(2, 0.009)) + bump(away, 0.002)
        colour = _over(texels.colour, np.clip(self.worn * ridge, 0, 0.6), PALE) if self.worn else texels.colour
        return _sewn(Texels(colour, texels.roughness, height), grid, away, along, np.ones_like(away), self.rows, self.thread, self.groove)


@dataclass(frozen=True)
class Pocket:
    """A pocket sewn on: middle of its opening (u, v), width and depth, metres; a point at its foot."""

    patch: int
    centre: tuple[float, float]
    width: float
    depth: float
    point: float
    thread: Array

    def on(self, texels: Texels, grid: Grid) -> Texels:
        """As `Trim` has it."""
        x, y = np.abs(grid.u - self.centre[0]), self.centre[1] - grid.v
        foot = self.depth - self.point * x / (self.width / 2)
        inside = np.minimum.reduce([self.width / 2 - x, y, foot - y])  # metres within the outline
        height = texels.height + 0.0011 * ease(inside / 0.0012 + 0.5)
        shade = 1 - 0.20 * bump(inside + 0.0008, 0.0014)
        mouth = 1 - 0.30 * bump(y + 0.0008, 0.0016) * (x < self.width / 2)
        texels = Texels(texels.colour * (shade * mouth)[..., None], texels.roughness, height)
        along = np.where(self.width / 2 - x < np.minimum(y, foot - y), y, x)
        texels = _sewn(texels, grid, inside, along, (inside > 0).astype(np.float32), (0.003,), self.thread, 0.0)
        return _sewn(texels, grid, y - 0.018, x, (inside > 0).astype(np.float32), (0.0,), self.thread, 0.0)


@dataclass(frozen=True)
class Placket:
    """The front edge of something that opens, along u = `at` from `low` to `high`: with buttons, or with a zip."""

    patch: int
    at: float
    low: float
    high: float
    zipped: bool
    count: int
    colour: Array
    thread: Array

    def on(self, texels: Texels, grid: Grid) -> Texels:
        """As `Trim` has it."""
        inside = ease((grid.v - self.low) / 0.003) * ease((self.high - grid.v) / 0.003)
        texels = _sewn(texels, grid, grid.u - self.at, grid.v, inside, (-0.016, 0.016), self.thread, 0.0006)
        return self._zip(texels, grid, inside) if self.zipped else self._buttons(texels, grid, inside)

    def _zip(self, texels: Texels, grid: Grid, inside: Array) -> Texels:
        x = grid.u - self.at
        tape, teeth = inside * ease((0.009 - np.abs(x)) / 0.001), inside * ease((0.003 - np.abs(x)) / 0.0008)
        gaps = 0.75 + 0.25 * grid.wave(grid.v + np.where(x > 0, 0.0013, 0.0), 0.0026)
        colour = _over(texels.colour, tape, self.thread * 0.8)
        colour = _over(colour, teeth, self.colour * np.ones(3)) * (1 - 0.35 * teeth * (1 - gaps))[..., None]
        rough = texels.roughness * (1 - teeth) + 0.35 * teeth
        return Texels(colour, rough, texels.height + 0.0012 * teeth * gaps - 0.0004 * tape)

    def _buttons(self, texels: Texels, grid: Grid, inside: Array) -> Texels:
        raised = inside * ease((0.016 - np.abs(grid.u - self.at)) / 0.001)
        height, colour, rough = texels.height + 0.0007 * raised, texels.colour, texels.roughness
        step = (self.high - self.low - 0.03) / max(self.count - 1, 1)
        nearest = np.clip(np.round((grid.v - self.low - 0.015) / step), 0, self.count - 1)
        x, y = grid.u - self.at, grid.v - self.low - 0.015 - nearest * step
        reach = np.hypot(x, y)
        disc = ease((0.0056 - reach) / 0.0007 + 0.5)
        holes = disc * bump(np.hypot(np.abs(x) - 0.0013, np.abs(y) - 0.0013), 0.0007)
        colour = _over(colour * (1 - 0.35 * bump(reach - 0.006, 0.0018))[..., None], disc, self.colour)
        colour = colour * (1 - 0.6 * holes)[..., None]
        height = height + disc * (0.0013 + 0.0005 * ease((reach - 0.0035) / 0.001)) - 0.0006 * holes
        return Texels(colour, rough * (1 - disc) + 0.3 * disc, height)


@dataclass(frozen=True)
class Fade:
    """Where denim is worn pale: a soft oval about (u, v) with radii, metres; whiskers: creases that fan out from its top."""

    patch: int
    centre: tuple[float, float]
    radii: tuple[float, float]
    strength: float
    whiskers: float = 0.0

    def on(self, texels: Texels, grid: Grid) -> Texels:
        """As `Trim` has it."""
        x, y = (grid.u - self.centre[0]) / self.radii[0], (grid.v - self.centre[1]) / self.radii[1]
        pale = self.strength * np.exp(-(x**2) - y**2) * (1 + 0.12 * grid.noise(3, 0.05))
        fan = np.abs(np.sin(9 * y + 2.2 * np.abs(x) + 0.5 * grid.noise(3, 0.05))) ** 6
        pale = pale + self.whiskers * fan * np.exp(-((y - 0.9) ** 2) * 6 - x**2)
        return Texels(_over(texels.colour, np.clip(pale, 0, 0.8), PALE), texels.roughness, texels.height)


@dataclass(frozen=True)
class Print:
    """A picture printed on: its middle (u, v) and width, metres; image (h,w,4) float sRGB and cover, row 0 at the top."""

    patch: int
    centre: tuple[float, float]
    width: float
    image: Array
    gloss: float

    def on(self, texels: Texels, grid: Grid) -> Texels:
        """As `Trim` has it."""
        rows, columns = self.image.shape[:2]
        texel = columns / self.width
        x = (grid.u - self.centre[0]) * texel + columns / 2 - 0.5
        y = (self.centre[1] - grid.v) * texel + rows / 2 - 0.5
        picture = cv2.GaussianBlur(self.image, (0, 0), max(0.4 * texel * grid.pitch, 0.3))
        found = cv2.remap(picture, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        cover = found[..., 3] * np.clip(0.96 + 0.05 * grid.noise(2, 0.0015), 0, 1)
        ink = found[..., :3] / np.maximum(found[..., 3:], 1e-3)
        shade = texels.colour / np.maximum(cv2.blur(texels.colour, (31, 31)), 0.02)  # threads show through
        image = texels.colour + (ink * np.clip(shade, 0.8, 1.2) - texels.colour) * cover[..., None]
        return Texels(image, texels.roughness * (1 - cover) + self.gloss * cover, texels.height + 0.00015 * cover)


def _sewn(
    texels: Texels, grid: Grid, away: Array, along: Array, inside: Array, rows: tuple[float, ...], thread: Array, groove: float
) -> Texels:
    """A groove at away = 0 and stitches beside it, where `inside` (H,W) is 1."""
    wide = max(0.0010, 0.8 * grid.pitch)
    pucker = 0.0003 * grid.noise(2, 0.010) * bump(away, 0.006) * (groove > 0)
    dent = bump(away, wide) * inside
    height = texels.height + inside * pucker - groove * dent
    colour = texels.colour * (1 - min(0.45, 600 * groove) * min(1.0, 0.0007 / wide) * dent)[..., None]
    width = max(THREAD_M / 1.6, 0.7 * grid.pitch)
    cover = min(1.0, THREAD_M / (1.77 * width))  # what is thinner than a texel covers a part of it
    for row in rows:
        dash = 0.75 + 0.4 * grid.wave(along, STITCH_M)
        line = bump(away - row, width) * inside * cover
        colour = _over(colour, np.clip(line * dash, 0, 1), thread)
        height = height + 0.0003 * line * dash - 0.0003 * bump(away - row, 0.003) * inside
    return Texels(colour, texels.roughness, height)


def _over(image: Array, amount: Array, colour: Array) -> Array:
    amount = np.asarray(amount, np.float32)[..., None]
    return image * (1 - amount) + np.asarray(colour, np.float32) * amount
