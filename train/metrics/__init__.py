"""How well predictions agree with the truth, on the pixels of people, in float64: `docs/metrics.md` has every formula and rule.

A `Measure` (one per kind of map) takes one image's errors; a `Tally` collects them over images, groups of pixels and processes; `Scores`
are its result, with the mean of images (macro) and of all pixels (micro); `interval` and `difference` say how sure they are.
"""

from train.metrics.alignment import ALIGNMENTS
from train.metrics.colour import COLOUR
from train.metrics.depth import DEPTH
from train.metrics.interval import Difference, Interval, alike, difference, interval
from train.metrics.measure import Errors, Figure, Measure
from train.metrics.normal import NORMAL
from train.metrics.points import POINTS
from train.metrics.tally import EVERYTHING, Scores, Tally

__all__ = [
    "ALIGNMENTS",
    "COLOUR",
    "DEPTH",
    "EVERYTHING",
    "NORMAL",
    "POINTS",
    "Difference",
    "Errors",
    "Figure",
    "Interval",
    "Measure",
    "Scores",
    "Tally",
    "alike",
    "difference",
    "interval",
]
