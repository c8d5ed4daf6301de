"""What a kind of map is scored by: errors of an image's pixels, sums of them over any group, figures from the sums."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datasets.conventions import Array


class Figure(NamedTuple):
    """How a number is shown: its name, its unit, the factor to that unit, the format; `best` of rivals is the min or max."""

    heading: str
    unit: str = ""
    factor: float = 1.0
    form: str = ".3f"
    best: Callable[[Iterable[float]], float] = min

    @property
    def title(self) -> str:
        """Heading and unit."""
        return f"{self.heading} {self.unit}".strip()


@dataclass(frozen=True)
class Errors:
    """Errors of one image. known (H,W) bool: the N pixels they are of; values: name -> (N,), in the order of `known`."""

    known: Array
    values: Mapping[str, Array]

    def of(self, group: Array) -> "Errors":
        """The same errors of fewer pixels: those in group (H,W)."""
        if group.shape != self.known.shape:
            raise ValueError(f"a group of pixels is {_size(group)}, the image {_size(self.known)}: give one value per pixel")
        inside = (group != 0)[self.known]
        return Errors(self.known & (group != 0), {name: values[inside] for name, values in self.values.items()})


@dataclass(frozen=True)
class Measure:
    """One kind of map and its figures.

    figures   name -> how it is shown; the first one ranks images
    usable    truth (C,N) -> (N,) bool: where it can be compared with
    compare   (prediction (C,N), truth (C,N), known (H,W), **options) -> errors per pixel, (N,...); float64, finite
    terms     S, the number of sums
    total     errors per pixel -> sums over these pixels (S,); the first is their number. Sums of disjoint groups add up
    figure    (sums (...,S), median (...)) -> name -> (...); NaN where it is not defined
    median    which of the errors the median is taken of, as one of the figures; None: of none
    """

    figures: Mapping[str, Figure]
    usable: Callable[[Array], Array]
    compare: Callable[..., Mapping[str, Array]]
    terms: int
    total: Callable[[Mapping[str, Array]], Array]
    figure: Callable[[Array, Array], Mapping[str, Array]]
    median: str | None = None

    def errors(self, prediction: Array, truth: Array, mask: Array, image: str = "", **options: str) -> Errors:
        """Errors of one image's pixels that are in the mask and whose truth is usable.

        prediction and truth (H,W) or (H,W,C), mask (H,W). An alignment (option of some measures) is fitted to all these pixels.
        Raises ValueError, naming the image, where shapes differ or the prediction is not finite.
        """
        where = f"image {image}: " if image else ""
        if prediction.shape != truth.shape or mask.shape != truth.shape[:2]:
            shapes = f"prediction {_size(prediction)}, truth {_size(truth)}, mask {_size(mask)}"
            raise ValueError(f"{where}sizes differ: {shapes}; bring the prediction to the truth's size")
        known = mask > 0
        inside = known.ravel().nonzero()[0]
        p, t = (np.array(values.reshape(known.size, -1).take(inside, axis=0).T, np.float64, order="C") for values in (prediction, truth))
        usable = self.usable(t)
        if not usable.all():
            known[known] = usable
            p, t = p[:, usable], t[:, usable]
        if not np.isfinite(p).all():
            wrong = ~np.isfinite(p).all(0)
            row, column = (int(place[wrong][0]) for place in known.nonzero())
            raise ValueError(
                f"{where}the prediction is not finite at {wrong.sum()} of {wrong.size} scored pixels, first at row {row}, column {column}"
            )
        return Errors(known, self.compare(p, t, known, **options))

    def sums(self, errors: Errors) -> tuple[Array, float]:
        """Sums (S,) over the pixels, and their exact median (NaN where there is none)."""
        values = errors.values[self.median] if self.median else np.empty(0)
        return self.total(errors.values), float(np.median(values)) if values.size else np.nan

    def summary(self, sums: Array, median: Array | float = np.nan) -> dict[str, Array]:
        """Figures from sums (...,S) and medians (...): NaN without pixels."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.figure(sums, np.broadcast_to(median, sums.shape[:-1]))
        return {name: np.asarray(found[name]) for name in self.figures}

    def score(self, errors: Errors) -> dict[str, float]:
        """Figures of one image's (or one group's) pixels."""
        return {name: float(value) for name, value in self.summary(*self.sums(errors)).items()}


def _size(values: Array) -> str:
    return "x".join(map(str, values.shape))
