"""Which look every piece of a person has, and how many texels of the atlas it gets."""

from dataclasses import replace
from typing import Any

import numpy as np

from scans.people import skin
from scans.people.accessories.wearer import Item
from scans.people.atlas import Chart, Look, Painting
from scans.people.complexion import draw_complexion
from scans.people.eyes import Eye, draw_iris
from scans.people.fabric import draw_fabric
from scans.people.hairtexture import ROUGHNESS, HairLook, paint
from scans.people.looks import Looks
from scans.people.outline import outlines
from scans.people.palette import HAIR_COLOURS
from scans.people.panels import APART_M, PANELS
from scans.people.surface import Surface
from scans.people.wardrobe import Outfit

METRE = 1000.0  # texels a metre of cloth gets, in proportion to the others
UNIT = {"hair": 560.0, "teeth": 40.0, "tongue": 40.0, "eyes": 160.0}  # texels of a picture's edge, in the same proportion
STUFF = {"knit": "rib knit", "cloth": "twill", "leather": "leather", "rubber": "rubber", "straw": "linen", "felt": "wool"}


def look_of(canvas: skin.Canvas, looks: Looks, outfit: Outfit, rng: np.random.Generator) -> dict[str, Look]:
    """The looks of skin, eyes, hair, teeth, tongue and garments by kind."""
    shade = np.array(HAIR_COLOURS[looks.hair_colour]) * rng.uniform(0.85, 1.15)
    complexion = draw_complexion(looks.tone, looks.sex, looks.age, shade, looks.stubble, 0.55 if looks.hair == "shaved" else 0.0, rng)
    scalp = np.clip(skin.encoded(complexion.base), 0, 1)
    return {
        "skin": skin.Skin(canvas, complexion, rng),
        "eyes": Eye(draw_iris(looks.tone, rng), looks.age, rng),
        "hair": HairLook.of(paint(shade, scalp, looks.grey, 512, rng), float(rng.uniform(*ROUGHNESS))),
        "teeth": Painting(_flat((0.80, 0.76, 0.68)), 0.25),
        "tongue": Painting(_flat((0.55, 0.25, 0.24)), 0.4),
        **{garment.cut.kind: garment.look for garment in outfit.garments},
    }


def chart_of(surface: Surface, look: Any, kind: str) -> Chart:
    """A chart for a surface of skin, hair, teeth, tongue or eyes, for a garment (by kind), or for an item, whose look is the item."""
    uv = surface.uv
    if kind == "skin":
        patch = skin.patches(uv)
        return Chart(look, uv, patch, skin.density(uv, patch, METRE))
    if kind in UNIT:
        return Chart(look, np.clip(uv, 0, 1), np.zeros(len(uv), int), {0: UNIT[kind]})
    if isinstance(look, Item):
        plain = look.stuff not in STUFF
        uv = (uv - uv.min(axis=(0, 1))) % 100.0
        painted: Look = Painting(_flat(tuple(look.colour)), look.roughness) if plain else _stuff(look)
        if plain:
            uv = np.full_like(uv, 0.5) + 0.01 * (uv > uv.mean())
        return Chart(painted, uv, np.zeros(len(uv), int), {0: 60.0 if plain else 500.0})
    patch = np.round(uv[:, 0, 0] / APART_M).astype(int)
    uv = uv - np.stack([patch * APART_M, 0.0 * patch], axis=-1)[:, None]
    return Chart(replace(look, lines=outlines(surface)), uv, patch, dict.fromkeys(range(PANELS), METRE))


def _stuff(item: Item) -> Look:
    """Cloth of one colour; what it looks like close up is the same for all, so it needs no draw."""
    return draw_fabric(STUFF[item.stuff], np.asarray(item.colour), np.random.default_rng(0), kind="plain")


def _flat(colour: tuple[float, ...]) -> np.ndarray:
    return np.full((4, 4, 3), np.clip(np.array(colour) * 255, 0, 255), np.uint8)
