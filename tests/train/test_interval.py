"""Intervals and paired differences against closed forms and a loop over resamples."""

import math

import numpy as np
import pytest

from train.metrics import COLOUR, DEPTH, NORMAL, Scores, difference, interval


def colours(errors: list[float], pixels: list[int]) -> Scores:
    """Images of one absolute error each: macro MAE is their mean, micro MAE that of their pixels."""
    e, n = np.array(errors), np.array(pixels, float)
    return Scores(COLOUR, np.arange(len(e)), np.stack([n, n * e, n * e * e], 1), np.full(len(e), np.nan))


def draws(images: int, seed: int = 0) -> tuple[Scores, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return colours(rng.gamma(4.0, 0.02, images).tolist(), rng.integers(50, 5000, images).tolist()), np.random.default_rng(7)


def test_the_interval_of_a_mean_is_the_normal_one_of_many_images() -> None:
    scores, random = draws(400)
    found = interval(scores, "macro", random)["mae"]
    values = scores.figures["mae"]
    wide = 1.96 * values.std() / math.sqrt(len(values))
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - wide, values.mean() + wide), abs=0.08 * wide)


def test_resamples_are_those_of_a_loop_over_images() -> None:
    """Of eight images of three people: whole people are drawn, and pixels pooled (micro) or images averaged (macro)."""
    scores, _ = draws(8)
    clusters = [*"aabbbbcc"]
    values, pixels = scores.figures["mae"], scores.pixels
    members = [[i for i, name in enumerate(clusters) if name == label] for label in "abc"]
    drawn = np.random.default_rng(3).integers(0, 3, (200, 3))
    for average in ("macro", "micro"):
        statistics = []
        for draw in drawn:
            chosen = [i for person in draw for i in members[person]]
            weight = np.ones(len(chosen)) if average == "macro" else pixels[chosen]
            statistics.append(np.average(values[chosen], weights=weight))
        found = interval(scores, average, np.random.default_rng(3), clusters, resamples=200)["mae"]
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(statistics, [0.025, 0.975])))
        assert found.value == getattr(scores, average)()["mae"]


def test_a_seed_gives_the_same_interval_and_batches_of_resamples_do_not_show() -> None:
    scores, _ = draws(2500)  # several batches
    first, again, other = (interval(scores, "micro", np.random.default_rng(seed), resamples=1000) for seed in (1, 1, 2))
    assert first == again != other
    wide = first["mae"].high - first["mae"].low
    assert abs(first["mae"].low - other["mae"].low) < 0.15 * wide


def test_images_of_one_person_are_not_independent() -> None:
    """Ten people of twenty equal images each: as uncertain as ten images."""
    people, random = draws(10)
    repeated = colours(np.repeat(people.figures["mae"], 20).tolist(), np.repeat(people.pixels, 20).tolist())
    names = np.repeat([f"person-{i}" for i in range(10)], 20).tolist()
    wide = lambda found: found["mae"].high - found["mae"].low
    clustered, naive = wide(interval(repeated, "macro", random, names)), wide(interval(repeated, "macro", random))
    assert clustered == pytest.approx(wide(interval(people, "macro", random)), rel=0.05)
    assert clustered / naive == pytest.approx(math.sqrt(20), rel=0.15)


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    held = 0
    for seed in range(200):
        scores, random = draws(60, seed)
        found = interval(scores, "macro", random, resamples=500)["mae"]
        held += found.low <= 0.08 <= found.high
    assert 0.88 <= held / 200 <= 0.985


def test_a_small_difference_on_the_same_images_is_seen_and_none_is_not() -> None:
    scores, random = draws(200)
    values = scores.figures["mae"]
    better = colours((values - 0.002 + np.random.default_rng(1).normal(0, 0.004, 200)).tolist(), scores.pixels.tolist())
    alone, apart = interval(scores, "macro", random)["mae"], difference(better, scores, "macro", random)["mae"]
    assert alone.high - alone.low > 5 * (apart.high - apart.low), "what images share cancels"
    assert apart.value == pytest.approx(better.macro()["mae"] - scores.macro()["mae"]) and apart.high < 0 and apart.p < 0.001
    equal = difference(scores, scores, "micro", random)["mae"]
    assert equal == (0.0, 0.0, 0.0, 1.0)
    noise = colours((values + np.random.default_rng(2).normal(0, 0.004, 200)).tolist(), scores.pixels.tolist())
    unsure = difference(noise, scores, "macro", random)["mae"]
    assert unsure.low < unsure.value < unsure.high and 0.01 < unsure.p <= 1


def test_p_values_of_no_difference_are_uniform() -> None:
    small = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        pair = (colours(rng.gamma(4.0, 0.02, 50).tolist(), [10] * 50) for _ in range(2))
        small += difference(*pair, "macro", rng, resamples=400)["mae"].p < 0.1
    assert 0.05 <= small / 200 <= 0.17


def test_results_on_other_images_or_pixels_are_not_compared() -> None:
    scores, random = draws(5)
    for other in (colours([0.1] * 4, [10] * 4), colours([0.1] * 5, [10] * 5)):
        with pytest.raises(ValueError, match="not of the same pixels"):
            difference(scores, other, "macro", random)
    with pytest.raises(ValueError, match="2 clusters are named for 5 images"):
        interval(scores, "macro", random, ["a", "b"])


def test_where_there_is_nothing_to_draw_the_ends_are_not_defined() -> None:
    for scores, clusters in ((colours([0.1], [5]), None), (colours([0.1, 0.2], [5, 5]), ["a", "a"])):
        found = interval(scores, "macro", np.random.default_rng(0), clusters)["mae"]
        assert math.isfinite(found.value) and math.isnan(found.low) and math.isnan(found.high)
    empty = Scores(NORMAL, np.zeros(0, int), np.zeros((0, NORMAL.terms)), np.zeros(0))
    assert all(math.isnan(part) for found in interval(empty, "micro", np.random.default_rng(0)).values() for part in found)


def test_the_median_of_all_pixels_has_no_interval_and_that_of_images_has() -> None:
    rng = np.random.default_rng(0)
    sums = np.stack([NORMAL.total({"degrees": rng.gamma(2, 5, 50)}) for _ in range(6)])
    scores = Scores(NORMAL, np.arange(6), sums, rng.gamma(2, 5, 6), 8.0)
    assert interval(scores, "micro", rng)["median"].value == 8.0 and math.isnan(interval(scores, "micro", rng)["median"].low)
    assert interval(scores, "macro", rng)["median"].low < scores.macro()["median"] < interval(scores, "macro", rng)["median"].high


def test_images_that_lack_a_figure_are_drawn_and_not_counted() -> None:
    truth, mask = np.array([[2.0, 3.0]]), np.ones((1, 2))
    rows = [DEPTH.sums(DEPTH.errors(p, t, mask, alignment="none"))[0] for p, t in ((truth, truth), (truth[:, :1].repeat(2, 1), truth))]
    flat = DEPTH.sums(DEPTH.errors(truth, np.full((1, 2), 2.0), mask, alignment="none"))[0]
    scores = Scores(DEPTH, np.arange(3), np.stack([*rows, flat]), np.full(3, np.nan))
    found = interval(scores, "macro", np.random.default_rng(0))["boundary_f1"]
    assert found == (0.5, 0.0, 1.0)
