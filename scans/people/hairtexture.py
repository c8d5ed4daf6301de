"""The texture of hair: long strands, short hair, lashes, and the scalp where hair is thin."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from datasets.conventions import Array
from scans.people.atlas import Painting, Texels

#: Bands of u: long strands, v running from roots and gaps to ends and what lies open; short hair, alike at every v; lashes; and
#: scalp, v running from bare skin to covered by hair.
HAIR_U, NAP_U, LASH_U, CAP_U = (0.0, 0.56), (0.58, 0.80), (0.83, 0.85), (0.88, 0.99)
EDGE_M = 0.11  # what the picture's edge is on a head
NAP_M = 0.028  # hair that is shorter is painted as short
ROUGHNESS = (0.48, 0.62)  # sleek to dull
SHEEN = 0.8  # by how much strands that lie open are sleeker than those in gaps
RELIEF_M = 0.00035  # between the lowest and the highest strands


@dataclass(frozen=True)
class HairLook:
    """Hair's picture (S,S,3) uint8, as `paint` makes it, and how high its strands lie (S,S,3) uint8."""

    image: Array
    strands: Array
    roughness: float

    @classmethod
    def of(cls, image: Array, roughness: float) -> "HairLook":
        """The look of a picture, in which lighter strands lie higher."""
        light = np.log(image.mean(axis=-1) + 6.0)
        light = light - ndimage.gaussian_filter(light, 0.012 * len(image))
        height = np.clip(0.5 + 0.2 * light / light.std(), 0, 1) * 255
        return cls(image, np.repeat(height.astype(np.uint8)[..., None], 3, axis=2), roughness)

    def paint(self, uv: Array, pitch: float, patch: int) -> tuple[Texels, float]:
        """As `atlas.Look` has it."""
        found, metres = Painting(self.image, self.roughness, EDGE_M).paint(uv, pitch, patch)
        raised, _ = Painting(self.strands, self.roughness, EDGE_M, RELIEF_M).paint(uv, pitch, patch)
        return Texels(found.colour, found.roughness + SHEEN * (0.5 - raised.colour[..., 0]), raised.height), metres


def paint(shade: Array, scalp: Array, grey: float, size: int, rng: np.random.Generator) -> Array:
    """Hair of a colour (3,), sRGB, on a `scalp` (3,), as a picture (size,size,3) uint8, row 0 at v = 1.

    grey: share of the strands that have lost their colour.
    """
    v = ((np.arange(size) + 0.5) / size)[::-1, None]
    u = (np.arange(size) + 0.5) / size
    short = ((u > (HAIR_U[1] + NAP_U[0]) / 2) & (u < (NAP_U[1] + LASH_U[0]) / 2))[None]
    hairs = 0.85 * _noise(rng, size, size / 3, 0.6) + 0.4 * _noise(rng, size, size / 2, 1.3)
    strand = np.where(short, _noise(rng, size, size / 45, 0.55) + 0.5 * _noise(rng, size, size / 40, 1.6), hairs)
    strand = strand - ndimage.gaussian_filter(strand, (0, 0.009 * size), mode="wrap")  # neighbours on the head differ in nothing broader
    lock = np.where(short, _noise(rng, size, size / 40, size / 100), _noise(rng, size, size, size / 14))
    contrast = 1 - 0.62 * min(1.0, float(np.mean(shade)) / 0.5)  # fair hair is translucent: its shadows are faint
    ends = np.where(short, 0.0, np.interp(v, [0, 0.3, 0.6, 1], [-1.05, -0.38, 0.03, 0.26]))
    tone = contrast * (0.46 * strand + 0.09 * lock + ends)
    image = shade * np.exp(tone)[..., None] + (0.018 * np.maximum(strand, 0))[..., None]
    if grey:
        drawn = np.where(short, _noise(rng, size, size / 45, 0.55), _noise(rng, size, size * 2, 0.7))
        lost = ndimage.gaussian_filter((drawn < np.quantile(drawn, grey)).astype(float), 0.5)[..., None]
        silver = np.array([0.60, 0.59, 0.58]) * np.exp(0.12 * strand + 0.1 * (v - 0.5))[..., None]
        image = image * (1 - lost) + silver * lost
    specks = np.clip(_noise(rng, size, size / 12, 0.6), -2, 2)  # a unit of v is some 15 mm there
    covered = np.clip(v * 1.25 - 0.1 + 0.35 * specks * (1 - np.abs(2 * v - 1)), 0, 1)[..., None]
    middle = image[:, : int(HAIR_U[1] * size)].mean(axis=(0, 1)) * 0.9
    ground = scalp * (1 - covered) + middle * covered * np.exp(0.2 * contrast * specks)[..., None]
    bare = (u > (LASH_U[1] + CAP_U[0]) / 2)[None, :, None]
    dark = ((u > (NAP_U[1] + LASH_U[0]) / 2) & (u < (LASH_U[1] + CAP_U[0]) / 2))[None, :, None]
    image = np.where(bare, ground, np.where(dark, 0.02 + 0.25 * shade, image))
    return np.asarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))


def strand_uv(sideways: Array, forward: Array, share: Array, length: Array, tone: Array, light: Array) -> Array:
    """Texture coordinates (F,3,2) of the corners of faces.

    sideways, forward (F,3): metres from the place on a strand that is nearest to the face, across and along it; share (F,): where on
    its strand that place is, of its length (F,) in metres; tone (F,): which strands it shows, -1 to 1; light (F,3): how exposed
    the corners are, 0 in a gap to 1 on a ridge.
    """
    long = length > NAP_M
    low, high = np.where(long, HAIR_U[0], NAP_U[0]), np.where(long, HAIR_U[1], NAP_U[1])
    middle = low + 0.03 + (high - low - 0.06) * (np.clip(tone, -1, 1) + 1) / 2
    u = np.clip(middle[:, None] + sideways / EDGE_M, low[:, None], high[:, None])
    scattered = 0.08 + 0.84 * (tone * 41.3 % 1.0)
    along = share[:, None] + forward / np.maximum(length, NAP_M)[:, None]
    v = np.where(long[:, None], 0.35 * along + 0.65 * light, scattered[:, None] + forward / EDGE_M)
    return np.stack([u, np.clip(v, 0, 1)], axis=-1)


def edge_uv(around: Array, covered: Array) -> Array:
    """Texture coordinates (N,2) where hair begins: degrees around the head, and how much hair covers the skin there, 0 to 1."""
    u = CAP_U[0] + (CAP_U[1] - CAP_U[0]) * np.abs((around / 12) % 2 - 1)
    return np.stack([u, 0.5 + 0.48 * covered], axis=-1)


def _noise(rng: np.random.Generator, size: int, rows: float, columns: float) -> Array:
    """Noise of unit variance, smooth over so many texels down and across."""
    values = ndimage.gaussian_filter(rng.normal(size=(size, size)), (rows / 2, columns), mode="wrap")
    return np.asarray((values - values.mean()) / values.std())
