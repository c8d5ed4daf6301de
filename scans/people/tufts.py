"""Fine hairs made into geometry: each a tapered, flat ribbon."""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.scalp import unit
from scans.people.strands import Strands
from scans.people.surface import Surface


@dataclass(frozen=True)
class Look:
    """How ribbons (N) are built: full width (N,) in metres, roll about their own direction (N,) in radians, the middle of the band of
    the texture that each shows (N,), how wide that band is, and how thin they are at root and tip, as a share of the width."""

    width: Array
    roll: Array
    band: Array
    band_width: float
    root: float = 0.75
    tip: float = 0.15


def mesh(strands: Strands, look: Look) -> Surface:
    """A mesh of one ribbon along each curve; texture v runs from 0 at the root to 1 at the tip. No ribbons share vertices."""
    number, count, _ = strands.points.shape
    tangent = unit(np.gradient(strands.points, axis=1))
    side = unit(np.cross(tangent, strands.outward))
    up = np.cross(side, tangent)
    side = np.cos(look.roll)[:, None, None] * side + np.sin(look.roll)[:, None, None] * up
    share = strands.along / np.maximum(strands.along[:, -1:], 1e-9)
    profile = np.interp(share, [0, 0.2, 0.6, 0.88, 1.0], [look.root, 1.0, 1.0, 0.45 + 0.55 * look.tip, look.tip])
    half = 0.5 * look.width[:, None] * profile
    pairs = strands.points[:, :, None] + half[..., None, None] * side[:, :, None] * np.array([[-1.0], [1.0]])  # (N,K,2,3)
    row = np.arange(count - 1)[:, None] * 2
    quads = row + np.array([[0, 1, 3, 2]])
    one = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    faces = (one[None] + (np.arange(number) * count * 2)[:, None, None]).reshape(-1, 3)
    u = look.band[:, None, None] + look.band_width * np.array([-0.5, 0.5])
    uv = np.stack(np.broadcast_arrays(u, share[..., None]), axis=-1).reshape(-1, 2)
    return Surface(pairs.reshape(-1, 3), faces, uv[faces])
