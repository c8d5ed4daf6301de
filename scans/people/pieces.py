"""What a person is put together from: surfaces with their chart in the atlas and their labels, baked to one textured mesh."""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.mesh import WHITE, Material, Part
from scans.people import labels
from scans.people.accessories.wearer import Item
from scans.people.atlas import Chart, bake
from scans.people.garments import LOWER
from scans.people.labels import Label
from scans.people.painting import chart_of
from scans.people.surface import Surface

#: Accessory, by the start of its name -> what it is; all else is apparel.
ITEMS = {
    "glasses": Label.EYEGLASSES, "hat": Label.HAT, "cap": Label.HAT, "beanie": Label.HAT, "fedora": Label.HAT, "sun hat": Label.HAT,
    "bag": Label.BAG, "backpack": Label.BAG, "tote": Label.BAG, "handbag": Label.BAG, "phone": Label.PHONE, "belt": Label.BELT,
    "watch": Label.JEWELLERY, "bracelet": Label.JEWELLERY, "earring": Label.JEWELLERY, "necklace": Label.JEWELLERY,
}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A surface with its chart in the atlas and a label for each face."""

    surface: Surface
    chart: Chart
    labels: Array


def clothing_labels(kind: str, cloth: Surface) -> Array:
    """The labels (F,) of a garment's faces."""
    return labels.whole(Label.LOWER_CLOTHING if kind in (*LOWER, "briefs") and kind != "dress" else Label.UPPER_CLOTHING, cloth.faces)


def things(items: list[Item]) -> dict[str, Piece]:
    """Shoes and accessories."""
    made = {}
    for number, item in enumerate(items):
        faces = item.surface.faces
        if item.name.startswith("shoes"):
            side = item.surface.vertices[:, 0] - np.median(item.surface.vertices[:, 0])
            label = Label.LEFT_SOCK if "socks" in item.name else Label.LEFT_SHOE
            of = labels.sided(label, item.surface.attributes.get("side", side), faces)
        else:
            of = labels.whole(next((label for start, label in ITEMS.items() if item.name.startswith(start)), Label.APPAREL), faces)
        made[f"{item.name} {number}"] = Piece(item.surface, chart_of(item.surface, item, "item"), of)
    return made


def baked(made: dict[str, Piece], texture: int) -> list[Part]:
    """Parts that share one material, its atlas `texture` texels wide, in which a vertex is doubled only where the texture has a seam."""
    atlas = bake({name: piece.chart for name, piece in made.items()}, texture)
    colour, normal, rough = atlas.pictures()
    material = Material(WHITE, colour, normal, roughness=1.0, roughness_map=rough)
    return [_part(name, piece, atlas.uv[name], material) for name, piece in made.items()]


def _part(name: str, piece: Piece, uv: Array, material: Material) -> Part:
    spots = np.round(uv * (1 << 16)).astype(np.int64)
    key = (piece.surface.faces.astype(np.int64) << 40) | (spots[..., 0] << 20) | spots[..., 1]
    _, first, faces = np.unique(key.reshape(-1), return_index=True, return_inverse=True)
    vertices = piece.surface.vertices[piece.surface.faces.reshape(-1)[first]]
    return Part(vertices, faces.reshape(-1, 3), material, uv.reshape(-1, 2)[first], name=name, labels=piece.labels)
