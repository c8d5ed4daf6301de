"""What people wear: outfits, drawn; per garment its cut, how its cloth moves, and how it looks."""

from dataclasses import dataclass, replace

import numpy as np

from scans.people.drape import Weave
from scans.people.fabric import Fabric, denim_colour, draw_fabric
from scans.people.garments import ARM, LEG, LOWER, OUTER, TRUNK, UPPER, Cut
from scans.people.motif import draw_motif
from scans.people.palette import garment_colour, harmony
from scans.people.regions import ANKLE_M, CROTCH_M
from scans.people.trim import Fade, Hem, Placket, Pocket, Print, Seam, Trim

TUCKED_Z = 0.03  # lower edge of a top that ends under a waistband

#: Garment -> the weaves it is of, with odds.
CLOTHS: dict[str, dict[str, float]] = {
    "trousers": {"twill": 5, "linen": 1.5, "wool": 1.5, "corduroy": 0.7, "herringbone": 0.5}, "jeans": {"denim": 1},
    "joggers": {"fleece": 3, "nylon": 1}, "leggings": {"jersey": 1}, "shorts": {"twill": 3, "denim": 1.5, "nylon": 1, "fleece": 1},
    "skirt": {"twill": 2, "satin": 1.5, "denim": 1, "wool": 1, "poplin": 1.5, "linen": 1},
    "dress": {"jersey": 2, "poplin": 2, "satin": 1.5, "linen": 1.2}, "t-shirt": {"jersey": 1}, "tank top": {"jersey": 1},
    "long-sleeved top": {"jersey": 3, "rib knit": 1}, "shirt": {"poplin": 4, "linen": 1.5, "denim": 0.7, "satin": 0.4, "wool": 0.7},
    "sweater": {"coarse knit": 2, "cable knit": 1.5, "rib knit": 2, "fleece": 1}, "hoodie": {"fleece": 1},
    "jacket": {"denim": 2, "leather": 1.5, "nylon": 1.5, "quilted nylon": 1, "twill": 2}, "coat": {"wool": 3, "twill": 1, "herringbone": 1},
    "cardigan": {"coarse knit": 1, "rib knit": 1}, "briefs": {"jersey": 1},
}  # fmt: skip
#: Weave -> density (kg/m2), stretch (N/m), bend (N m).
MOVES = {
    "jersey": Weave(0.18, 80, 4e-6), "rib knit": Weave(0.28, 60, 1e-5), "coarse knit": Weave(0.40, 60, 2.5e-5),
    "cable knit": Weave(0.45, 60, 3e-5), "denim": Weave(0.40, 300, 3.5e-5), "twill": Weave(0.28, 250, 1.5e-5),
    "herringbone": Weave(0.30, 200, 1.5e-5), "linen": Weave(0.20, 250, 1e-5), "poplin": Weave(0.13, 250, 5e-6),
    "fleece": Weave(0.30, 80, 1.5e-5), "corduroy": Weave(0.35, 250, 2.5e-5), "leather": Weave(0.70, 400, 8e-5),
    "wool": Weave(0.40, 150, 3e-5), "satin": Weave(0.12, 150, 2e-6), "quilted nylon": Weave(0.30, 150, 6e-5),
    "nylon": Weave(0.12, 200, 1e-5),
}  # fmt: skip


@dataclass(frozen=True)
class Garment:
    """A garment before it is made."""

    cut: Cut
    move: Weave
    look: Fabric


@dataclass(frozen=True)
class Outfit:
    """Garments from the innermost outward; tucked: which of them is worn in the lower one, "" for none."""

    garments: list[Garment]
    tucked: str

    @property
    def names(self) -> list[str]:
        """What the catalogue says."""
        return [f"{g.look.pattern.kind} {g.look.weave} {g.cut.kind}" for g in self.garments if g.cut.kind != "briefs"]

    @property
    def bare_legs(self) -> bool:
        return any(0 <= g.cut.leg < 0.7 or g.cut.length for g in self.garments if g.cut.kind in LOWER)


def draw_outfit(sex: str, rng: np.random.Generator, wanted: tuple[str, ...] | None = None) -> Outfit:
    """A top with trousers, shorts or a skirt, or a dress; over it, for some, a jacket, coat or cardigan.

    wanted: names, one of which is worn.
    """
    must = wanted[rng.integers(len(wanted))] if wanted else ""
    female = sex == "female"
    odds = {"trousers": 4.0, "jeans": 4.5, "joggers": 1.2, "shorts": 1.8}
    if female:
        odds |= {"leggings": 1.0, "shorts": 1.2, "skirt": 2.0, "dress": 1.8}
    lower = must if must in LOWER else _choose({k: v for k, v in odds.items() if not must or k != "dress"}, rng)
    upper = {"t-shirt": 4.0, "long-sleeved top": 1.5, "shirt": 3.0, "sweater": 1.7, "hoodie": 1.5, "tank top": 1.2 if female else 0.4}
    thick = ("hoodie", "sweater")  # under nothing
    top = must if must in UPPER else _choose({k: v for k, v in upper.items() if must not in OUTER or k not in thick}, rng)
    outer = must if must in OUTER else _choose({"": 7.0, "jacket": 1.3, "coat": 0.7, "cardigan": 0.7}, rng)
    if lower == "dress":
        worn, tucked = ["briefs", "dress"], False
    else:
        tucked = lower == "skirt" or (top in ("t-shirt", "tank top", "shirt") and rng.random() < 0.35)
        worn = [top, lower] if tucked else [lower, top]
        if lower == "skirt":
            worn.insert(0, "briefs")
    if outer and top not in thick:
        worn.append(outer)
    return Outfit([_garment(name, tucked, rng) for name in worn], top if tucked else "")


def _garment(name: str, tucked: bool, rng: np.random.Generator) -> Garment:
    weave = _choose(CLOTHS[name], rng)
    colour = denim_colour(rng) if weave == "denim" else garment_colour(rng, dark=name in LOWER and name not in ("skirt", "dress"))
    cut = _cut(name, tucked, rng)
    look = draw_fabric(weave, colour, rng)
    return Garment(cut, MOVES[weave], replace(look, trims=tuple(_trims(cut, weave, colour, rng))))


def _cut(name: str, tucked: bool, rng: np.random.Generator) -> Cut:
    low, loose = TUCKED_Z if tucked else float(rng.uniform(-0.07, -0.02)), float(rng.uniform(0.0, 0.025))
    if name in UPPER:
        loose = 0.4 * loose if tucked else loose
        short = float(rng.uniform(0.24, 0.36))
        collar = _choose({"crew": 4, "scoop": 1, "v": 1.2}, rng)
        cuts = {
            "t-shirt": Cut("top", name, low, rng.uniform(0.010, 0.018), loose, short, width=rng.uniform(0.068, 0.085), collar=collar,
                           ease=rng.uniform(1.02, 1.05)),
            "tank top": Cut("top", name, low, 0.008, loose, -0.02, width=0.07, collar="scoop"),
            "long-sleeved top": Cut("top", name, low, 0.008, loose, 0.97, width=rng.uniform(0.042, 0.055), collar=collar,
                                     ease=1.045),
            "shirt": Cut("top", name, low, 0.012, loose, _choose_number([0.30, 0.97], [0.3, 0.7], rng), width=0.055, collar="shirt",
                         hood=0.035, ease=1.045),
            "sweater": Cut("top", name, min(low, 0.0), 0.018, loose, 0.99, width=0.055, collar=_choose({"crew": 3, "v": 1, "high": 1}, rng),
                           ease=1.05, gather=0.85),
            "hoodie": Cut("top", name, min(low, 0.0), 0.02, 0.01 + loose, 1.0, width=0.058, hood=0.24, ease=1.06, gather=0.8),
        }  # fmt: skip
        return replace(cuts[name], width=max(cuts[name].width, 0.06)) if cuts[name].sleeve < 0.6 else cuts[name]
    if name in OUTER:
        gap, length = float(rng.uniform(0.012, 0.05)), float(rng.uniform(0.30, 0.55)) if name == "coat" else 0.0
        waist = 0.0 if name == "coat" else float(rng.uniform(-0.06, 0.0))
        return Cut("top", name, waist, 0.024, 0.015, 0.97, width=0.068, collar="v" if name != "jacket" else "shirt", front=gap,
                   length=length, flare=0.05, ease=1.03, gather=0.92 if name == "jacket" else 1.0)  # fmt: skip
    waist = float(rng.uniform(0.07, 0.13))
    if name == "dress":
        sleeve = _choose_number([-0.02, 0.15, 0.30, 0.60], [0.35, 0.25, 0.25, 0.15], rng)
        return Cut("top", name, 0.09, 0.006, 0.0, sleeve, width=0.068, collar=_choose({"scoop": 2, "v": 1, "crew": 1}, rng), ease=1.01,
                   length=rng.uniform(0.45, 0.85), flare=rng.uniform(0.12, 0.30), pleats=int(rng.integers(5, 10)))  # fmt: skip
    if name == "skirt":
        length = float(rng.uniform(0.28, 0.65))
        return Cut(
            "bottom",
            name,
            waist,
            0.006,
            leg=-1,
            length=length,
            flare=length * rng.uniform(0.1, 0.4),
            pleats=int(rng.integers(5, 12)),
            ease=1.01,
        )
    shapes = {
        "trousers": (0.92, 0.062, 0.082),
        "jeans": (0.935, 0.054, 0.078),
        "joggers": (0.935, 0.06, 0.075),
        "leggings": (0.93, 0.04, 0.045),
    }
    if name == "briefs":
        return Cut("bottom", name, 0.05, 0.003, leg=0.06, width=0.07, ease=1.0)
    if name == "shorts":
        return Cut("bottom", name, waist, 0.008, leg=rng.uniform(0.22, 0.48), width=rng.uniform(0.10, 0.125), ease=1.02)
    leg, narrow, wide = shapes[name]
    return Cut("bottom", name, waist, 0.003 if name == "leggings" else 0.006, leg=leg, width=rng.uniform(narrow, wide),
               ease=1.0 if name == "leggings" else rng.uniform(1.03, 1.06))  # fmt: skip


def _trims(cut: Cut, weave: str, colour: np.ndarray, rng: np.random.Generator) -> list[Trim]:
    """Hems, seams, pockets, buttons and prints where tailors have them."""
    thread = np.array([0.62, 0.42, 0.20]) if weave == "denim" else colour * 0.75
    foot = CROTCH_M - max(cut.leg, 0.0) * (CROTCH_M - ANKLE_M)
    if cut.name == "bottom" and cut.leg >= 0:
        made: list[Trim] = [Hem(LEG, "v", foot, 0.025, 1, thread), Seam(TRUNK, "v", cut.waist - 0.038, -0.5, 0.5, (-0.002,), thread)]
        made += [Seam(TRUNK, "u", 0.0, CROTCH_M, cut.waist - 0.04, (0.0, 0.028), thread)]
        made += [Seam(TRUNK, "u", side * 0.22, CROTCH_M, cut.waist - 0.04, (0.0,), thread) for side in (-1, 1)]
        if weave in ("denim", "twill"):
            made += [Pocket(TRUNK, (side * 0.33, 0.02), 0.13, 0.14, 0.02, thread) for side in (-1, 1)]
        if weave == "denim":
            made.append(Fade(LEG, (0.0, -0.32), (0.06, 0.16), float(rng.uniform(0.1, 0.6)), 0.3))
        return made
    made = [Hem(TRUNK, "v", (cut.waist if cut.name == "top" else -0.03) - cut.length, 0.02, 1, thread)]
    if cut.sleeve > 0:
        made.append(Hem(ARM, "v", cut.sleeve * 0.55, -0.02, 1, thread))
    if cut.kind == "shirt":
        made.append(Placket(TRUNK, 0.0, cut.waist - 0.05, 0.55, False, 8, np.array([0.85, 0.84, 0.8]), thread))
        made.append(Pocket(TRUNK, (0.085, 0.37), 0.10, 0.12, 0.015, thread))
    if cut.kind in ("t-shirt", "hoodie", "sweater", "long-sleeved top") and rng.random() < (0.35 if "t-shirt" in cut.kind else 0.2):
        motif = draw_motif(harmony(colour, 4, rng)[1:], rng)
        made.append(Print(TRUNK, (0.0, float(rng.uniform(0.28, 0.36))), float(rng.uniform(0.10, 0.26)), motif, 0.5))
    if cut.kind == "hoodie":
        made.append(Pocket(TRUNK, (0.0, 0.14), 0.30, 0.17, 0.0, thread))
    return made


def _choose(odds: dict[str, float], rng: np.random.Generator) -> str:
    weights = np.array(list(odds.values()), float)
    return list(odds)[rng.choice(len(odds), p=weights / weights.sum())]


def _choose_number(values: list[float], odds: list[float], rng: np.random.Generator) -> float:
    return float(rng.choice(values, p=odds))
