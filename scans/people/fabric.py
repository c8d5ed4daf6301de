"""Fabrics: a weave, a pattern and what is sewn and printed onto them, painted at points of the cloth in metres."""

from dataclasses import dataclass, field

import numpy as np

from datasets.conventions import Array
from scans.people.atlas import Texels
from scans.people.grain import Noise
from scans.people.palette import harmony
from scans.people.pattern import Pattern, draw_pattern
from scans.people.trim import EVERYWHERE, PALE, Trim
from scans.people.weave import WEAVES, Grid

#: Weave -> how often it comes in which pattern.
USUAL: dict[str, dict[str, float]] = {
    "jersey": {
        "plain": 6, "melange": 2, "stripes": 2, "varied stripes": 1, "chest bands": 0.7, "blocks": 0.8, "tie-dye": 0.4, "dots": 0.3,
        "flowers": 0.4, "camouflage": 0.3, "ombre": 0.3, "strokes": 0.4,
    },
    "rib knit": {"plain": 5, "melange": 2, "stripes": 1.5, "blocks": 0.5},
    "coarse knit": {"plain": 4, "melange": 3, "stripes": 1.2, "chest bands": 0.8, "argyle": 0.8, "blocks": 0.6},
    "cable knit": {"plain": 5, "melange": 2},
    "denim": {"plain": 1},
    "twill": {"plain": 8, "camouflage": 0.7, "melange": 0.8, "windowpane": 0.3},
    "herringbone": {"plain": 3, "windowpane": 0.6},
    "linen": {"plain": 5, "stripes down": 1.2, "flowers": 0.5, "melange": 0.8},
    "poplin": {
        "plain": 5, "stripes down": 2, "pinstripe": 1.5, "gingham": 1.5, "tartan": 1.5, "windowpane": 0.8, "dots": 1, "flowers": 1.5,
        "leopard": 0.3, "strokes": 0.5,
    },
    "fleece": {"plain": 5, "melange": 2, "blocks": 1},
    "corduroy": {"plain": 1},
    "leather": {"plain": 1},
    "wool": {"plain": 4, "melange": 2, "tartan": 1.2, "houndstooth": 0.8, "windowpane": 0.6, "pinstripe": 0.5},
    "satin": {"plain": 4, "flowers": 1.5, "dots": 0.6, "leopard": 0.4, "ombre": 0.4},
    "quilted nylon": {"plain": 5, "blocks": 1},
    "nylon": {"plain": 5, "blocks": 1.5, "camouflage": 0.4},
    "rubber": {"plain": 1},
    "plastic": {"plain": 1},
}  # fmt: skip


@dataclass(frozen=True)
class Fabric:
    """A look for `atlas.bake`, and a description for the catalogue: `weave` and `pattern.kind`.

    roughness: of the cloth without its threads; size: of its structure, metres; noises: its random functions; trims: what
    is on it, in the order in which it was put there; lines: the outline of the garment that it is made into, as `outlines` gives it.
    """

    weave: str
    pattern: Pattern
    roughness: float
    size: float
    noises: tuple[Noise, ...]
    trims: tuple[Trim, ...] = ()
    lines: dict[tuple[int, str], Array] = field(default_factory=dict)

    def at(self, uv: Array, pitch: float = 1e-4) -> Texels:
        """The cloth without trims at uv (H,W,2), metres, `pitch` apart."""
        grid = Grid(uv, pitch, list(self.noises))
        return self._cloth(grid)

    def paint(self, uv: Array, pitch: float, patch: int) -> tuple[Texels, float]:
        """As `atlas.Look` has it."""
        lines = {name: segments for (number, name), segments in self.lines.items() if number == patch}
        grid = Grid(uv, pitch, list(self.noises), lines)
        texels = self._cloth(grid)
        for trim in self.trims:
            if trim.patch in (patch, EVERYWHERE):
                texels = trim.on(texels, grid)
        return texels, 1.0

    def _cloth(self, grid: Grid) -> Texels:
        weave = WEAVES[self.weave]
        threads = weave.threads(grid, self.size)
        creases = 1 - np.abs(grid.noise(7, 0.035) + 0.4 * grid.noise(6, 0.012))
        height = threads.height + np.float32(weave.crumple) * np.clip(creases, -1, 1)
        worn = 0.012 * grid.noise(3, 0.16) + 0.008 * grid.noise(3, 0.03)
        colour = self.pattern.colour(grid)
        if self.weave == "denim":  # a white weft shows through an indigo warp, more where it is rubbed
            rubbed = 0.05 * grid.noise(4, 0.11) + 0.02 * grid.noise(5, 0.018)
            colour = colour + (PALE - colour) * np.clip(0.12 + 0.8 * threads.shade + rubbed, 0, 0.6)[..., None]
        colour = colour * (1 + (threads.shade + worn))[..., None] + 0.02 * threads.shade[..., None]
        rough = np.clip(self.roughness + threads.rough, 0.15, 1)
        return Texels(np.clip(colour, 0, 1), rough, height.astype(np.float32))


def draw_fabric(weave: str, first: Array, rng: np.random.Generator, kind: str | None = None) -> Fabric:
    """A fabric of a weave (a key of WEAVES) whose ground has the colour `first` (3,); kind: its pattern, or one that is usual."""
    usual = USUAL[weave]
    odds = np.array(list(usual.values()))
    drawn = list(usual)[rng.choice(len(odds), p=odds / odds.sum())]
    pattern = draw_pattern(kind or drawn, harmony(first, 3, rng), rng)
    return Fabric(
        weave,
        pattern,
        roughness=float(rng.uniform(*WEAVES[weave].roughness)),
        size=float(rng.uniform(*WEAVES[weave].size)),
        noises=tuple(Noise(rng, 2) for _ in range(8)),
    )


def denim_colour(rng: np.random.Generator) -> Array:
    """The colour (3,) of a warp: raw to bleached indigo, sometimes black or grey."""
    if rng.random() < 0.2:
        return np.full(3, rng.uniform(0.06, 0.30)) * np.array([1.0, 1.0, 1.04])
    light = rng.beta(1.4, 1.8)
    return np.array([0.06, 0.10, 0.20]) * (1 - light) + np.array([0.36, 0.48, 0.62]) * light
