"""How sure a score is: the percentile bootstrap (Efron and Tibshirani 1993, chapter 13) over images or over people.

Images, or whole clusters of images (all of one person) where these are named, are drawn again with replacement. How often one was
drawn is its weight, so that a matrix product makes hundreds of resamples at once.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from datasets.conventions import Array
from train.metrics.tally import Scores

#: Of an interval: 95 %, as tables say.
ENDS = (0.025, 0.975)
#: Draws of a batch of resamples: a bound on memory.
_AT_ONCE = 1_000_000

#: Weights (R,C) of R resamples of C clusters -> name -> (R,).
_Statistic = Callable[[Array], dict[str, Array]]


class Interval(NamedTuple):
    """A figure and the ends of its interval: NaN with fewer than two clusters, and for the median of all pixels."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """First less second, the ends of its interval, and the two-sided p-value of no difference: at least 2 / (resamples + 1)."""

    value: float
    low: float
    high: float
    p: float


def interval(
    scores: Scores,
    average: str,
    generator: np.random.Generator,
    clusters: Sequence[str] | None = None,
    resamples: int = 10_000,
) -> dict[str, Interval]:
    """Figure -> interval of its average, `macro` or `micro`. clusters: a label (the person) per image of the scores; None: all differ."""
    cluster = _numbered(clusters, len(scores))
    drawn = _resampled([AVERAGES[average](scores, cluster)], cluster, generator, resamples)[0]
    values = getattr(scores, average)()
    return {name: Interval(value, *_ends(drawn[name], cluster)) for name, value in values.items()}


def difference(
    first: Scores,
    second: Scores,
    average: str,
    generator: np.random.Generator,
    clusters: Sequence[str] | None = None,
    resamples: int = 10_000,
) -> dict[str, Difference]:
    """Figure -> paired difference of two results, each resample of both on the same images.

    Raises ValueError where the images or their scored pixels differ (see `alike`).
    """
    if not (np.array_equal(first.places, second.places) and alike(first.pixels, second.pixels)):
        raise ValueError(f"the results are not of the same pixels ({len(first)} and {len(second)} images): score both on one dataset")
    cluster = _numbered(clusters, len(first))
    ours, theirs = _resampled([AVERAGES[average](scores, cluster) for scores in (first, second)], cluster, generator, resamples)
    values = getattr(first, average)(), getattr(second, average)()
    found = {}
    for name in values[0]:
        drawn = ours[name] - theirs[name]
        found[name] = Difference(values[0][name] - values[1][name], *_ends(drawn, cluster), _p(drawn, cluster))
    return found


def alike(pixels: Array, others: Array) -> bool:
    """Whether numbers of pixels are of the same images: to 2 and a thousandth, since graphics drivers round outlines differently."""
    return bool(np.all(np.abs(pixels - others) <= 2 + 1e-3 * pixels))


def _macro(scores: Scores, cluster: Array) -> _Statistic:
    names, values = list(scores.figures), np.stack(list(scores.figures.values()), axis=1)
    defined = ~np.isnan(values)
    totals, counts = _by_cluster(np.where(defined, values, 0.0), cluster), _by_cluster(defined, cluster)

    def statistic(weights: Array) -> dict[str, Array]:
        with np.errstate(invalid="ignore"):
            return dict(zip(names, ((weights @ totals) / (weights @ counts)).T, strict=True))

    return statistic


def _micro(scores: Scores, cluster: Array) -> _Statistic:
    totals = _by_cluster(scores.sums, cluster)
    return lambda weights: scores.measure.summary(weights @ totals)


AVERAGES: dict[str, Callable[[Scores, Array], _Statistic]] = {"macro": _macro, "micro": _micro}


def _numbered(clusters: Sequence[str] | None, images: int) -> Array:
    """The number of each image's cluster (n,)."""
    if clusters is None:
        return np.arange(images)
    if len(clusters) != images:
        raise ValueError(f"{len(clusters)} clusters are named for {images} images: give each image's")
    return np.unique(np.asarray(clusters, dtype=str), return_inverse=True)[1]


def _by_cluster(values: Array, cluster: Array) -> Array:
    """Sums (C,F) of values (n,F) over the images of each cluster."""
    totals = np.zeros((cluster.max(initial=-1) + 1, values.shape[1]))
    np.add.at(totals, cluster, values)
    return totals


def _resampled(statistics: Sequence[_Statistic], cluster: Array, generator: np.random.Generator, resamples: int) -> list[dict[str, Array]]:
    """Of each statistic, the values (resamples,) of its figures; all of the same draws."""
    parts = [[statistic(weights) for statistic in statistics] for weights in _weights(cluster.max(initial=-1) + 1, generator, resamples)]
    return [{name: np.concatenate([part[i][name] for part in parts]) for name in parts[0][i]} for i in range(len(statistics))]


def _weights(clusters: int, generator: np.random.Generator, resamples: int) -> Iterator[Array]:
    """How often each cluster is drawn: (R,C) at a time."""
    batch = max(1, _AT_ONCE // max(1, clusters))
    for start in range(0, resamples, batch):
        count = min(batch, resamples - start)
        drawn = generator.integers(0, max(1, clusters), (count, clusters)) + clusters * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * clusters).reshape(count, clusters).astype(np.float64)


def _ends(drawn: Array, cluster: Array) -> tuple[float, float]:
    drawn = drawn[~np.isnan(drawn)]
    if cluster.max(initial=0) < 1 or not len(drawn):
        return np.nan, np.nan
    low, high = np.quantile(drawn, ENDS)
    return float(low), float(high)


def _p(drawn: Array, cluster: Array) -> float:
    drawn = drawn[~np.isnan(drawn)]
    if cluster.max(initial=0) < 1 or not len(drawn):
        return np.nan
    rarer = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    return min(1.0, 2 * (1 + rarer) / (1 + len(drawn)))
