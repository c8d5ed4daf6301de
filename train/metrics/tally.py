"""Collects the errors of images one by one, in bounded memory, on one process or many, and gives their scores."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from datasets.conventions import Array
from train.metrics.measure import Errors, Measure

#: The group of all scored pixels, which every tally has.
EVERYTHING = "all"

#: Of the histogram that the median of all pixels is read from.
DEGREES, BINS = 1e-4, 1_800_000

# Columns of a row; after them, the sums.
_PLACE, _GROUP, _OPEN, _MEDIAN, _SUMS = range(5)


class Scores:
    """Of n images that have pixels in one group, in the order of the dataset.

    places (n,) in the dataset; sums (n,S) and medians (n,) as `Measure.sums` gives them; median: of all pixels of all images.
    """

    # No dataclass: torchmetrics would look for tensors in it.
    def __init__(self, measure: Measure, places: Array, sums: Array, medians: Array, median: float = np.nan) -> None:
        self.measure, self.places, self.sums, self.medians, self.median = measure, places, sums, medians, median

    def __len__(self) -> int:
        return len(self.places)

    @property
    def pixels(self) -> Array:
        """Scored pixels of each image (n,)."""
        return self.sums[:, 0].astype(np.int64)

    @property
    def figures(self) -> dict[str, Array]:
        """Each image's figures (n,); NaN where an image has none of a kind."""
        return self.measure.summary(self.sums, self.medians)

    def macro(self) -> dict[str, float]:
        """The mean of the images' figures, over the images that have one; NaN without any."""
        return {name: _mean(values[~np.isnan(values)]) for name, values in self.figures.items()}

    def micro(self) -> dict[str, float]:
        """The figures of all pixels of all images together."""
        sums = np.array([math.fsum(column) for column in self.sums.T])
        return {name: float(value) for name, value in self.measure.summary(sums, self.median).items()}

    def per_image(self, keys: Sequence[str]) -> dict[str, dict[str, float]]:
        """key -> figures; keys: of all images of the dataset, in order."""
        figures = self.figures
        return {keys[place]: {name: float(figures[name][i]) for name in figures} for i, place in enumerate(self.places)}


class Tally(Metric):
    """Errors of images, added in any order on any number of processes; `compute()` gives the same bits for all of them.

    An image is known by its place in the dataset, and counts once, however often samplers repeat it. Kept of it is a row of sums
    for each group of pixels that it has, and no pixel. The median of all pixels comes from a histogram of 1e-4 degrees a bin, exact
    to half of one; 14 MB for each group. Groups are boolean maps over the image's pixels, by name.
    """

    full_state_update = False
    rows: list[Tensor]
    histogram: Tensor
    last: list[Tensor]

    def __init__(self, measure: Measure, groups: Sequence[str] = (), **options: Any) -> None:
        super().__init__(**options)
        self.measure, self.groups = measure, (EVERYTHING, *groups)
        self.width = _SUMS + measure.terms
        self.seen: set[int] = set()
        bins = BINS if measure.median else 0
        self.add_state("rows", [], dist_reduce_fx="cat")
        self.add_state("histogram", torch.zeros(len(self.groups), bins, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("last", [], dist_reduce_fx="cat")
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.seen = set()
        # Not empty lists: a process without images takes part in the gathering.
        self.rows = [torch.empty(0, self.width, dtype=torch.float64, device=self.device)]
        self.last = [torch.empty(0, 4, dtype=torch.int64, device=self.device)]

    def update(self, place: int, errors: Errors, groups: Mapping[str, Array] | None = None) -> None:
        """Add the image at this place of the dataset, once. Without any scored pixel, it is in no score."""
        unknown = set(groups or ()) - set(self.groups)
        if unknown:
            raise ValueError(f"group {min(unknown)!r} is not of this tally: choose from {', '.join(self.groups)}")
        if place in self.seen:
            return
        self.seen.add(place)
        self._settle()
        parts = {EVERYTHING: errors, **{name: errors.of(group) for name, group in (groups or {}).items()}}
        for name, part in parts.items():
            if part.known.any():
                self._add(place, self.groups.index(name), part)

    def _add(self, place: int, group: int, errors: Errors) -> None:
        sums, median = self.measure.sums(errors)
        row = [place, group, 1.0, median, *sums]
        self.rows.append(torch.tensor([row], dtype=torch.float64, device=self.device))
        if self.measure.median:
            slots = np.minimum(errors.values[self.measure.median] / DEGREES, BINS - 1).astype(np.int64)
            counts = np.bincount(slots)
            found = counts.nonzero()[0]
            entry = np.stack([np.full_like(found, place), np.full_like(found, group), found, counts[found]], axis=1)
            self.last.append(torch.from_numpy(entry).to(self.device))

    def _settle(self) -> None:
        """The last image enters the histogram. Until then it could be one that another process has too: samplers repeat at the end."""
        for _, group, slots, counts in (entry.T for entry in self.last if len(entry)):
            self.histogram[group[0]].index_add_(0, slots, counts)
        for row in self.rows[-len(self.groups) :]:
            row[:, _OPEN] = 0.0
        self.last = self.last[:1]

    def compute(self) -> dict[str, Scores]:
        """Group -> its scores. Raises ValueError where processes shared images other than each one's last, or disagree on one."""
        rows = dim_zero_cat(self.rows).cpu().numpy()
        histogram = self._histogram(rows)
        rows = rows[np.lexsort(rows.T[::-1])]  # by place, then group, then settled ones first
        rows = rows[np.any(np.diff(rows[:, : _GROUP + 1], axis=0, prepend=-1) != 0, axis=1)]
        scores = {}
        for group, name in enumerate(self.groups):
            own = rows[rows[:, _GROUP] == group]
            middle = _median(histogram[group]) if self.measure.median else np.nan
            scores[name] = Scores(self.measure, own[:, _PLACE].astype(np.int64), own[:, _SUMS:], own[:, _MEDIAN], middle)
            if self.measure.median and histogram[group].sum() != scores[name].pixels.sum():
                raise ValueError("processes scored the same images: give each image to one of them (but for the last, as samplers do)")
        return scores

    def _histogram(self, rows: Array) -> Array:
        """(groups, bins) of all images once: of those that are settled, and of the last ones that are not among these."""
        settled = np.unique(rows[rows[:, _OPEN] == 0, _PLACE])
        histogram = self.histogram.cpu().numpy().copy()
        last = np.unique(dim_zero_cat(self.last).cpu().numpy(), axis=0)
        _, group, slots, counts = last[~np.isin(last[:, 0], settled)].T
        np.add.at(histogram, (group, slots), counts)
        return histogram


def _median(histogram: Array) -> float:
    """The median of what was counted, each taken as the centre of its bin; the mean of the two middle ones."""
    upto = np.cumsum(histogram)
    if not upto[-1]:
        return np.nan
    middle = np.searchsorted(upto, [(upto[-1] - 1) // 2, upto[-1] // 2], side="right")
    return float(np.mean(middle + 0.5) * DEGREES)


def _mean(values: Array) -> float:
    return math.fsum(values) / len(values) if len(values) else np.nan
