"""The finest of hair: short hairs that make a hairline soft, and loose ones over the body of hair."""

import numpy as np

from datasets.conventions import Array
from scans.people.hairtexture import HAIR_U
from scans.people.scalp import Obstacle, Skin, ease
from scans.people.strands import Combing, Roots, Strands, comb, settle, sow, stray
from scans.people.styles import Style
from scans.people.surface import Surface
from scans.people.tufts import Look, mesh

POINTS = 8  # of a loose hair


def loose(strands: Strands, roots: Roots, number: int, rng: np.random.Generator) -> Surface:
    """Hairs over the body of hair: parts of its strands, a little off them."""
    chosen = rng.integers(0, len(roots), number)
    count = strands.points.shape[1]
    long = min(POINTS, count)
    kept = rng.integers(0, count - long + 1, (number, 1)) + np.arange(long)
    at, out = strands.points[chosen[:, None], kept], strands.outward[chosen[:, None], kept]
    share = np.linspace(0, 1, long)[None, :, None]
    off = rng.uniform(0.0004, 0.0018, number)[:, None, None] + rng.normal(0, 0.0006, (number, 1, 3))
    points = at + off * out * ease(share / 0.2) + rng.normal(0, 0.0022, (number, 1, 3)) * share
    return mesh(Strands(points, out), _look(rng.uniform(0.0004, 0.0008, number), rng))


def soft_edge(cut: Style, skin: Skin, level: Array, obstacle: Obstacle, down: Array, detail: float, rng: np.random.Generator) -> Surface:
    """Short hairs along the hairline, the zero line of `level` (V,), the denser the farther inside of it."""
    band = np.minimum(level + 0.003, 0.010 - level)
    roots = sow(skin.faces, skin.vertices, skin.normals, skin.template, band, 0.0017 / np.sqrt(detail), rng)
    roots = roots.pick(rng.random(len(roots)) < ease((roots.level + 0.001) / 0.007))
    number = len(roots)
    length = np.minimum(0.7 * cut.lengths(roots.template), 0.012) * rng.uniform(0.3, 1.0, number)
    combing = Combing(length, 0.0012 * rng.random(number), rng.uniform(2, 16, number), 0.01, 0.3)
    strands = stray(comb(roots, combing, cut.field, np.zeros_like, down, obstacle, 4), roots, 0.25, 0.02, rng)
    return mesh(settle(strands, obstacle, 0.0004), _look(rng.uniform(0.00018, 0.00034, number) / detail**0.3, rng))


def _look(width: Array, rng: np.random.Generator) -> Look:
    number = len(width)
    return Look(width, rng.normal(0, 0.12, number), rng.uniform(HAIR_U[0] + 0.02, HAIR_U[1] - 0.02, number), 0.010)
