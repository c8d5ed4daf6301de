"""What people wear and how they look: traits and outfits, drawn."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets.conventions import Array
from scans.people.cloth import HAIR_COLOURS, PATTERNS, colour
from scans.people.garments import Cut
from scans.people.hair import STYLES


@dataclass(frozen=True)
class Looks:
    """A person's body and head: years, stature in metres, tone 0 to 9 on the Monk scale, anny's phenotype, hair, beard (m)."""

    sex: str
    age: int
    stature: float
    tone: float
    phenotype: dict[str, float]
    hair: str
    hair_colour: str
    stubble: float
    beard: float


@dataclass(frozen=True)
class Outfit:
    """Garments from the innermost outward, and per garment its pattern and colours."""

    name: str
    cuts: list[Cut]
    dyes: dict[str, tuple[str, Array, Array]]


def draw_looks(rng: np.random.Generator) -> Looks:
    """An adult. Stature as in European and American surveys: men 1.76 +- 0.07 m, women 1.63 +- 0.065 m."""
    male = rng.random() < 0.5
    age = int(18 + 64 * rng.beta(1.2, 2.0))
    stature = float(np.clip(rng.normal(1.76, 0.07) if male else rng.normal(1.63, 0.065), 1.46, 1.98))
    tone = float(rng.uniform(0, 9))
    heritage = rng.dirichlet([0.3 + tone / 4, 0.7, 0.3 + (9 - tone) / 6])
    phenotype = {
        "gender": float(np.clip(rng.normal(0.06, 0.05) if male else rng.normal(0.94, 0.05), 0, 1)),
        "age": float(np.interp(age, [18, 25, 90], [0.62, 0.667, 1.0])),
        "weight": float(np.clip(0.15 + 0.75 * rng.beta(2.2, 2.6), 0, 1)),
        "muscle": float(np.clip(rng.beta(2.5, 2.2) - (age - 18) / 250, 0.1, 0.95)),
        "proportions": float(rng.uniform(0.25, 0.85)),
        "cupsize": float(rng.beta(2.5, 3)),
        "firmness": float(rng.uniform(0.3, 0.8)),
        **dict(zip(("african", "asian", "caucasian"), heritage.tolist(), strict=True)),
    }
    odds = {"shaved": 2, "cropped": 3, "short": 4, "side part": 3, "curly": 1.5, "afro": 0.4, "bob": 0.1, "long": 0.5, "bun": 0.2}
    if not male:
        odds = {"shaved": 0.1, "cropped": 0.4, "short": 1, "side part": 0.8, "curly": 1.2, "afro": 0.8, "bob": 3, "long": 4, "bun": 2.5}
    style = _choose(odds, rng)
    assert set(odds) == set(STYLES)
    beard = float(rng.choice([0.0, 0.005, 0.012], p=[0.75, 0.15, 0.10])) if male else 0.0
    stubble = float(rng.uniform(0.2, 0.8)) if male and rng.random() < 0.6 else 0.0
    return Looks("male" if male else "female", age, stature, tone, phenotype, style, _hair_colour(tone, age, rng), stubble, beard)


def draw_outfit(sex: str, rng: np.random.Generator) -> Outfit:
    """A top over or in trousers, shorts or a skirt, or a dress; and shoes."""
    odds = {"trousers": 5, "jeans": 4, "shorts": 2.0, "skirt": 0, "dress": 0}
    if sex == "female":
        odds |= {"shorts": 1, "skirt": 2.5, "dress": 2.0}
    name = _choose(odds, rng)
    sleeve = float(rng.choice([0.13, 0.24, 0.33, 0.55, 0.93, 0.97], p=[0.12, 0.2, 0.26, 0.07, 0.2, 0.15]))
    collar = _choose({"crew": 4, "scoop": 2 if sex == "female" else 0.5, "v": 2, "high": 1.2 if sleeve > 0.5 else 0}, rng)
    loose = float(rng.uniform(0.0, 0.03))
    tucked = name in ("skirt", "dress") or rng.random() < 0.2
    top = Cut(
        "top",
        fit=rng.uniform(0.006, 0.016),
        loose=0.0 if tucked else loose,
        width=rng.uniform(0.036, 0.052) + (0.015 + loose) * (sleeve < 0.5),
        folds=rng.uniform(0.0015, 0.004),
        sleeve=sleeve,
        collar=collar,
        waist=0.05 if tucked else rng.uniform(-0.06, 0.03),
    )
    waist = float(rng.uniform(0.08, 0.15))
    if name in ("skirt", "dress"):
        pleats, length = rng.uniform(0.0003, 0.0018), rng.uniform(0.3, 0.75)
        lower = Cut("skirt", fit=0.007, loose=rng.uniform(0.01, 0.10), folds=pleats, waist=waist, leg=length)
    elif name == "shorts":
        lower = Cut("bottom", fit=0.005, width=rng.uniform(0.095, 0.12), folds=0.002, waist=waist, leg=rng.uniform(0.28, 0.48))
    else:
        width, folds = rng.uniform(0.05, 0.085), rng.uniform(0.0012, 0.0032)
        lower = Cut("bottom", fit=0.004, width=width, folds=folds, waist=waist, leg=rng.uniform(0.90, 0.96))
    shoes = Cut("shoes", fit=0.005, leg=float(rng.choice([0.99, 0.96, 0.84], p=[0.5, 0.3, 0.2])), thickness=0.004)
    upper = _dye(_choose(dict.fromkeys(PATTERNS, 1.0) | {"plain": 3.0, "denim": 0.3}, rng), rng)
    down = _dye("denim" if name == "jeans" else _choose({"plain": 5, "checks": 0.5, "melange": 1.5, "print": 0.4}, rng), rng, muted=True)
    if name == "jeans":
        blue = rng.uniform(0.5, 1.1)
        down = ("denim", np.array([0.14, 0.20, 0.34]) * blue, np.array([0.50, 0.58, 0.70]) * min(1.0, blue))
    if name == "dress":
        down = upper
    soles = [(0.88, 0.88, 0.86), (0.10, 0.09, 0.08), (0.42, 0.30, 0.20)]
    dyes = {"top": upper, lower.name: down, "shoes": ("plain", colour(rng, muted=True), np.array(soles[rng.integers(3)]))}
    return Outfit(name, [top, lower, shoes] if tucked else [lower, top, shoes], dyes)


def describe(outfit: Outfit) -> list[str]:
    """Garments for the catalogue, such as `crew top, short sleeves`."""
    words = []
    for cut in outfit.cuts:
        pattern = outfit.dyes[cut.name][0]
        if cut.name == "top":
            sleeves = "no" if cut.sleeve < 0.2 else "short" if cut.sleeve < 0.6 else "long"
            words.append(f"{pattern} {cut.collar}-neck top, {sleeves} sleeves")
        else:
            words.append("shoes" if cut.name == "shoes" else f"{pattern} {outfit.name}")
    return words


def _dye(pattern: str, rng: np.random.Generator, muted: bool = False) -> tuple[str, Array, Array]:
    return pattern, colour(rng, muted), colour(rng, muted)


def _hair_colour(tone: float, age: int, rng: np.random.Generator) -> str:
    if rng.random() < np.interp(age, [35, 75], [0.0, 0.9]):
        return "white" if rng.random() < np.interp(age, [50, 80], [0.0, 0.6]) else "grey"
    light = max(0.0, 1 - tone / 4)
    odds = {"black": 1 + tone / 2, "dark brown": 2, "brown": 2 * light, "chestnut": light, "blond": 1.5 * light, "red": 0.5 * light}
    assert set(odds) | {"grey", "white"} == set(HAIR_COLOURS)
    return _choose(odds, rng)


def _choose(odds: dict[str, Any], rng: np.random.Generator) -> str:
    weights = np.array(list(odds.values()), float)
    return list(odds)[rng.choice(len(odds), p=weights / weights.sum())]
