"""What people wear: outfits, drawn; per garment its cut, how its cloth moves, and how it looks."""

from dataclasses import dataclass, replace

import numpy as np

from scans.people.drape import Weave
from scans.people.fabric import Fabric, denim_colour, draw_fabric
from scans.people.garments import LOWER, OUTER, UPPER, Cut
from scans.people.palette import garment_colour
from scans.people.sewing import sewn

TUCKED_Z = 0.03  # lower edge of a top that ends under a waistband
HIPS_Z = 0.02  # below it a top hangs free

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
    return Garment(cut, MOVES[weave], replace(look, trims=sewn(cut, weave, colour, rng)))


def _cut(name: str, tucked: bool, rng: np.random.Generator) -> Cut:
    if name in UPPER:
        return _top(name, tucked, rng)
    if name in OUTER:
        return _outer(name, rng)
    waist = float(rng.uniform(0.07, 0.13))
    if name == "dress":
        sleeve = _choose_number([-0.02, 0.15, 0.30, 0.60], [0.35, 0.25, 0.25, 0.15], rng)
        return Cut("top", name, 0.09, 0.006, 0.0, sleeve, width=0.068, collar=_choose({"scoop": 2, "v": 1, "crew": 1}, rng),
                   length=rng.uniform(0.45, 0.85), flare=rng.uniform(0.12, 0.30), pleats=int(rng.integers(5, 10)))  # fmt: skip
    if name == "skirt":
        length = float(rng.uniform(0.28, 0.65))
        return Cut("bottom", name, waist, 0.006, leg=-1, length=length, flare=length * rng.uniform(0.1, 0.4),
                   pleats=int(rng.integers(5, 12)))  # fmt: skip
    if name == "briefs":
        return Cut("bottom", name, 0.05, 0.003, leg=0.06, width=0.07)
    if name == "shorts":
        return Cut("bottom", name, waist, 0.008, leg=rng.uniform(0.22, 0.48), width=rng.uniform(0.095, 0.12), slack=1.03)
    leg, widths, slacks, cuff = {
        "trousers": (0.975, (0.052, 0.074), (1.03, 1.11), 0.024),
        "jeans": (0.975, (0.050, 0.066), (1.05, 1.14), 0.020),
        "joggers": (0.965, (0.056, 0.068), (1.07, 1.14), 0.009),
        "leggings": (0.94, (0.040, 0.042), (1.0, 1.02), 0.002),
    }[name]
    return Cut("bottom", name, waist, 0.003 if name == "leggings" else 0.006, leg=leg, width=rng.uniform(*widths),
               slack=rng.uniform(*slacks), cuff=cuff)  # fmt: skip


def _top(name: str, tucked: bool, rng: np.random.Generator) -> Cut:
    """Worn next to the skin, or over a shirt; what ends below the hips hangs from them."""
    low, boxy = TUCKED_Z if tucked else float(rng.uniform(-0.08, -0.01)), float(rng.uniform(0, 1))
    short, held = float(rng.uniform(0.24, 0.36)), float(rng.uniform(0, 0.6))
    collar = _choose({"crew": 4, "scoop": 1, "v": 1.2}, rng)
    slack, blouse = float(rng.uniform(1.05, 1.13)), float(rng.uniform(1.0, 1.07))
    sleeve = _choose_number([short, 0.97], [0.3, 0.7], rng)
    cut = {
        "t-shirt": Cut("top", name, low, 0.007 + 0.008 * boxy, 0.014 * boxy, short, width=0.066 + 0.014 * boxy, collar=collar, slack=1.03),
        "tank top": Cut("top", name, low, 0.006, 0.010 * boxy, -0.02, width=0.07, collar="scoop"),
        "long-sleeved top": Cut("top", name, low, 0.007, 0.010 * boxy, 0.97, width=0.042 + 0.01 * boxy, collar=collar, slack=slack,
                                 cuff=0.008),
        "shirt": Cut("top", name, low, 0.010, 0.014 * boxy, sleeve, width=0.05 if sleeve > 0.6 else 0.07, collar="shirt",
                     slack=slack if sleeve > 0.6 else 1.03, cuff=0.009 if sleeve > 0.6 else -1.0),
        "sweater": Cut("top", name, max(low, 0.0), 0.014, 0.015 * boxy, 0.99, width=0.052, slack=slack, gather=0.85, cuff=0.007,
                       collar=_choose({"crew": 3, "v": 1, "high": 1}, rng)),
        "hoodie": Cut("top", name, max(low, 0.0), 0.016, 0.01 + 0.015 * boxy, 1.0, width=0.055, hood=0.24, slack=slack + 0.02, gather=0.8,
                      cuff=0.008),
    }[name]  # fmt: skip
    cut = replace(cut, span=0.012 + 0.038 * boxy, blouse=blouse, caught=1.0 if tucked or cut.gather < 1 else held)
    hang = max(0.0, HIPS_Z - cut.waist) if not tucked and cut.gather == 1 else 0.0
    return replace(cut, waist=cut.waist + hang, length=hang)


def _outer(name: str, rng: np.random.Generator) -> Cut:
    """A jacket, coat or cardigan, open."""
    opening = float(rng.uniform(0.012, 0.05))
    hang = float(rng.uniform(0.30, 0.55)) if name == "coat" else float(rng.uniform(0.02, 0.09))
    cut = Cut("top", name, HIPS_Z, 0.020, 0.010, 0.97, width=rng.uniform(0.054, 0.062), collar="shirt" if name == "jacket" else "v",
              front=opening, length=hang, flare=0.1 * hang, slack=rng.uniform(1.04, 1.10))  # fmt: skip
    return (
        cut
        if name != "jacket" or rng.random() < 0.5
        else replace(cut, waist=0.0, length=0.0, flare=0.0, gather=0.92, caught=1.0, cuff=0.014)
    )


def _choose(odds: dict[str, float], rng: np.random.Generator) -> str:
    weights = np.array(list(odds.values()), float)
    return list(odds)[rng.choice(len(odds), p=weights / weights.sum())]


def _choose_number(values: list[float], odds: list[float], rng: np.random.Generator) -> float:
    return float(rng.choice(values, p=odds))
