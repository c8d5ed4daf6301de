"""What is sewn and printed onto garments: hems, seams, pockets, buttons and prints where tailors have them."""

import numpy as np

from datasets.conventions import Array
from scans.people.garments import OUTER, Cut
from scans.people.motif import draw_motif
from scans.people.palette import harmony
from scans.people.panels import BACK, FRONT
from scans.people.regions import CROTCH_M
from scans.people.trim import Fade, Placket, Pocket, Print, Seam, Sewing, Trim

KNITS = ("jersey", "rib knit", "coarse knit", "cable knit", "fleece")
BRASS = np.array([0.62, 0.42, 0.20])  # thread of jeans


def sewn(cut: Cut, weave: str, colour: Array, rng: np.random.Generator) -> tuple[Trim, ...]:
    """The trims of a garment of a weave (a key of `weave.WEAVES`) and a ground colour (3,) sRGB, in the order in which they are put on."""
    thread = BRASS if weave == "denim" else colour * 0.75
    if cut.name == "bottom" and cut.leg >= 0:
        return tuple(_trousers(cut, weave, thread, rng))
    return tuple(_edged(cut, weave, thread) + (_top(cut, thread, colour, rng) if cut.name == "top" else []))


def _trousers(cut: Cut, weave: str, thread: Array, rng: np.random.Generator) -> list[Trim]:
    felled = weave == "denim"
    worn = float(rng.uniform(0.1, 0.5)) if felled else 0.0
    made = _seams((0.003, 0.009) if felled else (), thread, worn)
    if felled:
        strength = float(rng.uniform(0.1, 0.5))
        for u in (-0.165, 0.165):  # knees and thighs, seat
            made += [
                Fade(FRONT, (u, -0.27), (0.065, 0.20), strength, 0.25 * strength),
                Fade(BACK, (u, -0.08), (0.09, 0.11), 0.7 * strength),
            ]
    if weave in KNITS and cut.kind != "joggers":
        return [*made, Sewing("waist", (0.03,), thread, 0.032), Sewing("cuff", (0.02,), thread, 0.022)]
    made += [Sewing("waist", (0.002, 0.036), thread, 0.038, worn=worn), Sewing("cuff", (0.014,), thread, 0.016, worn=worn)]
    made.append(Seam(FRONT, "u", 0.0, CROTCH_M, cut.waist - 0.04, (0.0, 0.030), thread))
    made.append(Seam(BACK, "u", 0.0, CROTCH_M, cut.waist - 0.04, (-0.003, 0.003) if felled else (), thread))
    if weave in ("denim", "twill"):
        made += [Pocket(BACK, (side * 0.105, 0.02), 0.13, 0.14, 0.02, thread) for side in (-1, 1)]
    if felled:  # the yoke
        made.append(Seam(BACK, "v", 0.045, -0.5, 0.5, (-0.003, -0.009), thread))
    return made


def _seams(rows: tuple[float, ...], thread: Array, worn: float) -> list[Trim]:
    """Where panels meet; if there are rows of stitches, they hold the seam down on the back, where it lies double."""
    made: list[Trim] = [Sewing("seam", (), thread, groove=0.0007, worn=0.4 * worn)]
    return [*made, Sewing("seam", rows, thread, max(rows) + 0.003, worn=worn, patch=BACK)] if rows else made


def _edged(cut: Cut, weave: str, thread: Array) -> list[Trim]:
    """Seams and hems of a top, a dress or a skirt."""
    felled = weave == "denim"
    made = _seams((0.003, 0.009) if felled else (0.004,) if cut.kind == "shirt" else (), thread, 0.0)
    hem, rows = (0.022, (0.020,)) if cut.kind not in OUTER else (0.035, ())
    if weave in KNITS and cut.kind in ("sweater", "hoodie", "cardigan"):
        hem, rows = 0.0, ()  # ribs
    made += [Sewing(line, rows, thread, hem) for line in ("hem", "cuff")]
    if not cut.hood:
        made.append(Sewing("neck", (0.016,) if weave in KNITS else (0.006,), thread, 0.015 if weave in KNITS else 0.007))
    if cut.front >= 0:
        made.append(Sewing("front", (0.006,) if cut.kind in OUTER else (), thread, 0.03))
    return [*made, Sewing("waist", (0.002, 0.030), thread, 0.032)]


def _top(cut: Cut, thread: Array, colour: Array, rng: np.random.Generator) -> list[Trim]:
    made: list[Trim] = []
    if cut.kind == "shirt":
        made.append(Placket(FRONT, 0.0, cut.waist - 0.05, 0.55, False, 8, np.array([0.85, 0.84, 0.8]), thread))
        made.append(Pocket(FRONT, (0.085, 0.37), 0.10, 0.12, 0.015, thread))
    if cut.kind in ("t-shirt", "hoodie", "sweater", "long-sleeved top") and rng.random() < (0.35 if "t-shirt" in cut.kind else 0.2):
        motif = draw_motif(harmony(colour, 4, rng)[1:], rng)
        made.append(Print(FRONT, (0.0, float(rng.uniform(0.28, 0.36))), float(rng.uniform(0.10, 0.26)), motif, 0.5))
    if cut.kind == "hoodie":
        made.append(Pocket(FRONT, (0.0, 0.14), 0.30, 0.17, 0.0, thread))
    return made
