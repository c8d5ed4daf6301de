"""How a person's body and head look: age, stature, build, tone, hair, drawn within what is wanted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from scans.people.wanted import Range, Wanted

ANYONE = Wanted()
STATURE_M = (1.46, 1.98)  # of those who ask for nothing else

#: Style -> how often men and women wear it, and how much more often with coily hair.
STYLES: dict[str, tuple[float, float, float]] = {
    "shaved": (1.5, 0.1, 1.5), "buzz": (2.0, 0.2, 1.5), "crew": (3.0, 0.1, 0.6), "messy": (2.0, 0.6, 0.2),
    "side part": (2.5, 0.5, 0.2), "slicked back": (1.0, 0.3, 0.2), "undercut": (1.2, 0.3, 0.3), "quiff": (1.2, 0.1, 0.2),
    "fringe": (1.2, 0.4, 0.2), "curly": (0.8, 0.8, 1.5), "afro": (0.15, 0.15, 12.0), "coils": (0.1, 0.2, 12.0),
    "bob": (0.05, 1.5, 0.5), "bob with fringe": (0.0, 1.0, 0.3), "lob": (0.2, 1.8, 0.5), "long straight": (0.3, 2.2, 0.3),
    "long wavy": (0.2, 2.2, 0.3), "long curly": (0.1, 1.2, 1.5), "ponytail": (0.15, 2.0, 0.8), "bun": (0.2, 1.8, 1.2),
    "braid": (0.02, 0.9, 2.0),
}  # fmt: skip
BEARDS = {"": 0.70, "short": 0.13, "full": 0.07, "goatee": 0.06, "moustache": 0.04}
SHORT = ("shaved", "buzz", "crew", "messy", "side part", "slicked back")  # what men wear whose hair has thinned


@dataclass(frozen=True)
class Looks:
    """A person's body and head: years, stature in metres, tone 0 to 9 on the Monk scale, anny's phenotype.

    hair: one of STYLES; grey: share of its strands that have lost their colour; recession: how far (m) the hairline has
    drawn back at the temples; crown: radius (m) of a bald patch; brows: 0 thin to 1 thick; beard: one of BEARDS, "" for
    none; stubble: 0 to 1.
    """

    sex: str
    age: int
    stature: float
    tone: float
    phenotype: dict[str, float]
    hair: str
    hair_colour: str
    grey: float
    recession: float
    crown: float
    brows: float
    beard: str
    stubble: float


def draw_looks(rng: np.random.Generator, wanted: Wanted = ANYONE) -> Looks:
    """An adult. Stature as in European and American surveys: men 1.76 +- 0.07 m, women 1.63 +- 0.065 m, less with age."""
    skirts = set(wanted.garments or "any") <= {"skirt", "dress"}
    male = _choose({"male": 0.05 if skirts and not wanted.sex else 1.0, "female": 1.0}, rng, wanted.sex) == "male"
    age = round(_within(stats.beta(1.2, 2.35, 18, 72), wanted.age, rng))
    mean, spread = (1.76, 0.07) if male else (1.63, 0.065)
    stature = _within(stats.norm(mean - 0.0006 * max(0, age - 45), spread), wanted.stature_m or STATURE_M, rng)
    tone = _within(stats.uniform(1, 9), wanted.tone, rng) - 1
    heritage = rng.dirichlet([0.3 + tone / 4, 0.7, 0.3 + (9 - tone) / 6])
    phenotype = {
        "gender": float(np.clip(rng.normal(0.06, 0.05) if male else rng.normal(0.94, 0.05), 0, 1)),
        "age": float(np.interp(age, [18, 25, 90], [0.62, 0.667, 1.0])),
        "weight": _within(stats.beta(4.6, 4.8), wanted.build, rng),
        "muscle": float(np.clip(rng.beta(2.5, 2.2) - (age - 18) / 250, 0.1, 0.95)),
        "proportions": float(rng.uniform(0.25, 0.85)),
        "cupsize": float(rng.beta(2.5, 3)),
        "firmness": float(rng.uniform(0.3, 0.8)),
        **dict(zip(("african", "asian", "caucasian"), heritage.tolist(), strict=True)),
    }
    thinned = max(0.0, (age - 32) / 45 + rng.normal(0, 0.35)) * (1.0 if male else 0.25)
    colour = _hair_colour(tone, age, rng)
    beard = _choose(BEARDS, rng) if male else ""
    shaven = float(rng.uniform(0.2, 0.8)) if male and rng.random() < 0.6 else 0.0
    return Looks(
        sex="male" if male else "female",
        age=age,
        stature=stature,
        tone=tone,
        phenotype=phenotype,
        hair=_hair(male, thinned, float(heritage[0]), rng),
        hair_colour=colour,
        grey=0.0 if colour in ("grey", "white") else float(np.clip(rng.normal((age - 35) / 60, 0.1), 0, 0.6)),
        recession=min(0.03, 0.025 * thinned),
        crown=float(np.clip(0.08 * (thinned - 0.6), 0.0, 0.07)),
        brows=float(rng.beta(3, 2) if male else rng.beta(2, 3)),
        beard=beard,
        stubble=max(shaven, 0.85 * (beard != "")),  # a beard grows out of it
    )


def _hair(male: bool, thinned: float, coily: float, rng: np.random.Generator) -> str:
    odds = {}
    for style, (men, women, factor) in STYLES.items():
        odds[style] = (men if male else women) * ((1 - coily) + coily * factor)
        if thinned > 0.6 and male:
            odds[style] *= (4.0 if style in ("shaved", "buzz") else 1.0) * (style in SHORT)
    return _choose(odds, rng)


def _hair_colour(tone: float, age: int, rng: np.random.Generator) -> str:
    if rng.random() < np.interp(age, [35, 75], [0.0, 0.9]):
        return "white" if rng.random() < np.interp(age, [50, 80], [0.0, 0.6]) else "grey"
    light = max(0.0, 1 - tone / 4)
    odds = {"black": 1 + tone / 2, "dark brown": 2, "brown": 2 * light, "chestnut": light, "blond": 1.5 * light, "red": 0.5 * light}
    return _choose(odds, rng)


def _within(distribution: Any, bounds: Range | None, rng: np.random.Generator) -> float:
    """One number of a scipy distribution cut off at its bounds, to six decimals. Always one draw, and no rejection."""
    low, high = bounds or distribution.support()
    place = np.clip(rng.uniform(*distribution.cdf([low, high])), 1e-9, 1 - 1e-9)  # farther out in a tail, a bound is as good
    return round(min(max(float(distribution.ppf(place)), low), high), 6)


def _choose(odds: dict[str, float], rng: np.random.Generator, among: tuple[str, ...] | None = None) -> str:
    weights = np.array([share if among is None or name in among else 0.0 for name, share in odds.items()])
    return list(odds)[rng.choice(len(odds), p=weights / weights.sum())]
