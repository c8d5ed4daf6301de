"""Garments: how they are cut on the template body, how wide their form is, where they are on cloth."""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.grain import ease
from scans.people.regions import Regions

COLLARS = {"crew": 0.0, "scoop": 0.06, "v": 0.10, "high": -0.055, "shirt": -0.02}  # depth of the neckline below a crew neck, m
TIGHT_M = 0.004  # between skin and cloth at waistbands and collars
HIP_Z = -0.03  # where a skirt hangs free
LOWER = ("trousers", "jeans", "joggers", "leggings", "shorts", "skirt", "dress")
UPPER = ("t-shirt", "tank top", "long-sleeved top", "shirt", "sweater", "hoodie")
OUTER = ("jacket", "coat", "cardigan")
GARMENTS = (*LOWER, *UPPER, *OUTER)
EDGES: tuple[str, ...] = ("neck", "hem", "cuff", "front", "waist")


@dataclass(frozen=True)
class Cut:
    """A garment's pattern; lengths in metres on the template, `along` as in `Regions`.

    name: top or bottom; kind: what the catalogue calls it. waist: height of the waistband, or of a top's lower edge. fit: gap between skin
    and form; loose: gap added toward the lower edge. sleeve, leg: where the hem is along the limb (leg below 0: a skirt, which has
    none); width: radius of the form around limbs at the hem. length: of what hangs below the lower edge, flare: how much it grows
    outward on the way; pleats: number of waves around it. front: half the gap of an open front, below 0: closed. hood: height of
    a hood, which lies on the back. span: deepest hollow that it spans. Cloth is longer than its form by `slack` along sleeves and
    legs, by `blouse` from chest to hips, and `gather` times as long around cuffs and hem of a top. caught: share of a top's hem that
    stays where it is on the hips. cuff: how far off the skin the ends of sleeves and legs are held, below 0: they hang free.
    """

    name: str
    kind: str
    waist: float
    fit: float = 0.008
    loose: float = 0.0
    sleeve: float = 0.0
    leg: float = 0.0
    width: float = 0.08
    collar: str = "crew"
    length: float = 0.0
    flare: float = 0.0
    pleats: int = 0
    front: float = -1.0
    hood: float = 0.0
    span: float = 0.03
    slack: float = 1.0
    blouse: float = 1.0
    gather: float = 1.0
    caught: float = 0.0
    cuff: float = -1.0


def edges(cut: Cut, at: Regions) -> dict[str, Array]:
    """How far (m, roughly) inside each edge of the garment points of the template are; negative outside."""
    if cut.name == "top":
        found = {"neck": neckline(cut, at), "hem": at.trunk_z - cut.waist, "cuff": (cut.sleeve - at.along_arm) * 0.55}
        if cut.front >= 0:
            found["front"] = np.where(at.position[:, 1] < 0, np.abs(at.position[:, 0]) - cut.front, 1.0)
        return found
    if cut.leg < 0:
        return {"waist": cut.waist - at.trunk_z, "hem": at.position[:, 2] - HIP_Z}
    return {"waist": cut.waist - at.trunk_z, "cuff": (cut.leg - at.along_leg) * 0.8}


def inside(cut: Cut, at: Regions) -> Array:
    """How far (m, roughly) inside the garment's outline points of the template are; what hangs from it hides nothing for sure."""
    return np.minimum.reduce(list(edges(cut, at).values()))


def neckline(cut: Cut, at: Regions) -> Array:
    """How far (m) below the neckline of a top points of the template are."""
    depth = COLLARS[cut.collar]
    front = np.clip(0.5 - at.position[:, 1] / 0.06, 0, 1)
    across = np.abs(at.position[:, 0])
    shape = np.maximum(0, 1 - across / 0.10) if cut.collar == "v" else np.exp(-((across / 0.08) ** 2))
    return np.asarray(0.562 - (depth * shape * front if depth > 0 else depth) - at.collar)


def gap(cut: Cut, at: Regions) -> Array:
    """How far (m) the form stands off the skin."""
    if cut.name == "top":
        close = ease((neckline(cut, at) - 0.005) / 0.06)  # a collar lies on the skin
        trunk = TIGHT_M + (cut.fit - TIGHT_M) * close + cut.loose * ease((0.36 - at.position[:, 2]) / 0.3)
        radius = 0.062 + 0.5 * cut.loose + (cut.width - 0.062 - 0.5 * cut.loose) * np.clip(at.along_arm / max(cut.sleeve, 0.3), 0, 1)
        sleeve = np.maximum(cut.fit, (radius - at.arm_radius) * ease((at.along_arm - 0.04) / 0.25))
        sleeve = _closed(sleeve, cut.cuff, (cut.sleeve - at.along_arm) * 0.55)
        return trunk + (sleeve - trunk) * ease((at.arm - 0.4) / 0.5)
    if cut.leg < 0:
        return TIGHT_M + cut.fit * ease((cut.waist - at.position[:, 2]) / 0.1)
    thigh = max(0.098, cut.width)
    radius = thigh + (cut.width - thigh) * np.clip(at.along_leg / np.clip(cut.leg, 0.1, 0.55), 0, 1)
    leg = np.maximum(0, (radius - at.leg_radius) * ease((at.along_leg - 0.02) / 0.3))
    leg = _closed(leg, cut.cuff, (cut.leg - at.along_leg) * 0.8)
    return TIGHT_M + (cut.fit - TIGHT_M) * ease((cut.waist - at.position[:, 2]) / 0.1) + leg


def _closed(gap: Array, cuff: float, above: Array) -> Array:
    """A limb's gap that narrows to a cuff's on the last 10 cm `above` it."""
    return gap if cuff < 0 else np.minimum(gap, cuff + np.maximum(gap - cuff, 0) * ease((above - 0.02) / 0.08))
