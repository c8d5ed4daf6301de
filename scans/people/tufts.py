"""Curves of hair made into geometry: each a tapered card, ridged along its middle, or a tapered tube."""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.hairtexture import HAIR_U
from scans.people.noise import Waves
from scans.people.scalp import ease, unit
from scans.people.strands import Roots, Strands
from scans.people.surface import Surface

#: Cross-sections: points (M,2) across and outward, in half widths, and whether the last joins the first.
CARD = (np.array([[-1.0, 0.0], [0.0, 0.28], [1.0, 0.0]]), False)
TUBE = (np.array([[np.cos(a), 0.8 * np.sin(a)] for a in np.deg2rad([288, 216, 144, 72, 0])]), True)


@dataclass(frozen=True)
class Look:
    """How tufts (N) are built: full width (N,) in metres, roll about their own direction (N,) in radians, the middle and the width of
    the band of the texture that each shows (N,), and how thin they are at root and tip, as a share of the width."""

    width: Array
    roll: Array
    band: Array
    band_width: Array
    root: float = 0.75
    tip: float = 0.12


def mesh(strands: Strands, look: Look, section: tuple[Array, bool] = CARD) -> Surface:
    """A mesh of one tapered tuft along each curve; texture v runs from 0 at the root to 1 at the tip. No tufts share vertices."""
    outline, closed = section
    number, count, _ = strands.points.shape
    tangent = unit(np.gradient(strands.points, axis=1))
    side = unit(np.cross(tangent, strands.outward))
    up = np.cross(side, tangent)
    cos, sin = np.cos(look.roll)[:, None, None], np.sin(look.roll)[:, None, None]
    side, up = cos * side + sin * up, cos * up - sin * side
    share = strands.along / np.maximum(strands.along[:, -1:], 1e-9)
    profile = np.interp(share, [0, 0.2, 0.6, 0.88, 1.0], [look.root, 1.0, 1.0, 0.45 + 0.55 * look.tip, look.tip])
    half = 0.5 * look.width[:, None] * profile
    across, lift = outline[:, 0], outline[:, 1]
    rings = strands.points[:, :, None] + half[..., None, None] * (
        across[:, None] * side[:, :, None] + lift[:, None] * up[:, :, None]
    )  # (N,K,M,3)
    size = len(outline)
    ring = np.arange(size) if closed else np.arange(size - 1)
    beside = (ring + 1) % size
    row = np.arange(count - 1)[:, None] * size
    quads = np.stack([row + ring, row + beside, row + size + beside, row + size + ring], axis=-1).reshape(-1, 4)
    one = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    faces = (one[None] + (np.arange(number) * count * size)[:, None, None]).reshape(-1, 3)
    spread = (across + 1) / 2 - 0.5
    u = look.band[:, None, None] + look.band_width[:, None, None] * np.broadcast_to(spread, (count, size))
    v = np.broadcast_to(share[..., None], (number, count, size))
    uv = np.stack([np.broadcast_to(u, v.shape), v], axis=-1).reshape(-1, 2)
    return Surface(rings.reshape(-1, 3), faces, uv[faces])


def of_roots(roots: Roots, width: float, long: Array, rng: np.random.Generator) -> Look:
    """Tufts about `width` metres wide: finer at the hairline and where hair is short (`long` (N,), metres), some much finer;
    neighbours of like colour."""
    number = len(roots)
    wide = width * rng.uniform(0.7, 1.25, number) * (0.5 + 0.5 * ease(roots.level / 0.010))
    wide = np.where(rng.random(number) < 0.06, 0.35 * wide, wide)
    wide = wide * np.clip(0.4 + long / 0.05, 0.5, 1)
    low, high = HAIR_U
    shown = np.clip(rng.uniform(6, 10) * wide, 0.02, 0.12)
    middle = (low + high) / 2 + (high - low) / 2 * np.clip(0.6 * Waves(rng, 0.05, 10)(roots.position) + rng.normal(0, 0.25, number), -1, 1)
    middle = np.clip(middle, low + shown / 2, high - shown / 2)
    return Look(wide, rng.normal(0, 0.2, number), middle, shown * rng.choice([-1.0, 1.0], number))
