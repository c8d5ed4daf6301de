"""Scores of many images: macro, micro, groups, order, repetitions, processes."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.conventions import Array
from tests.train.conftest import ROOT
from train.metrics import DEPTH, EVERYTHING, NORMAL, Errors, Measure, Scores, Tally


def image(measure: Measure, place: int) -> tuple[Errors, dict[str, Array]]:
    """Errors of an image of its own size, and its groups; image 2 shows nobody."""
    rng = np.random.default_rng(place)
    shape = (5 + place % 3, 6)
    truth = rng.uniform(1, 2, shape if measure is DEPTH else (*shape, 3))
    prediction = truth * rng.normal(1, 0.2, truth.shape)
    mask = (rng.random(shape) > 0.4) * (place != 2)
    left = np.arange(6)[None] < rng.integers(2, 5)
    groups = {"left": np.broadcast_to(left, shape)}
    return measure.errors(prediction, truth, mask), groups | ({"face": np.ones(shape)} if place % 2 else {})


def tallied(measure: Measure, places: Iterable[int]) -> Tally:
    tally = Tally(measure, ["left", "face"])
    for place in places:
        tally.update(place, *image(measure, place))
    return tally


def equal(ours: dict[str, Scores], theirs: dict[str, Scores]) -> None:
    """To the last bit."""
    assert ours.keys() == theirs.keys()
    for name in ours:
        for part in ("places", "sums", "medians"):
            np.testing.assert_array_equal(getattr(ours[name], part), getattr(theirs[name], part))
        np.testing.assert_equal(ours[name].micro(), theirs[name].micro())
        np.testing.assert_equal(ours[name].macro(), theirs[name].macro())


@pytest.mark.parametrize("measure", [DEPTH, NORMAL], ids=["depth", "normal"])
def test_micro_is_the_score_of_all_pixels_together_and_macro_the_mean_of_images(measure: Measure) -> None:
    scores = tallied(measure, range(7)).compute()
    for name in ("all", "left", "face"):
        parts = [
            e if name == "all" else e.of(groups[name]) for e, groups in (image(measure, i) for i in range(7)) if name in ("all", *groups)
        ]
        parts = [part for part in parts if part.known.any()]
        pooled = {column: np.concatenate([part.values[column] for part in parts]) for column in parts[0].values}
        together = Errors(np.ones((1, len(next(iter(pooled.values())))), bool), pooled)
        exact = measure.score(together)
        assert scores[name].micro() == pytest.approx(exact, rel=1e-12, abs=0.5001e-4 if measure is NORMAL else 0)
        assert {k: v for k, v in scores[name].micro().items() if k != "median"} == pytest.approx(
            {k: v for k, v in exact.items() if k != "median"}, rel=1e-12
        )
        own = [measure.score(part) for part in parts]
        assert scores[name].macro() == pytest.approx({k: np.nanmean([each[k] for each in own]) for k in own[0]})
        assert scores[name].pixels.tolist() == [part.known.sum() for part in parts]


def test_images_without_a_pixel_are_in_no_score_and_per_image_figures_have_their_key() -> None:
    scores = tallied(NORMAL, range(5)).compute()
    assert scores[EVERYTHING].places.tolist() == [0, 1, 3, 4] and scores["face"].places.tolist() == [1, 3]
    found = scores["face"].per_image([f"key-{i}" for i in range(5)])
    assert list(found) == ["key-1", "key-3"]
    errors, groups = image(NORMAL, 3)
    assert found["key-3"] == NORMAL.score(errors.of(groups["face"]))


def test_a_figure_that_some_images_lack_is_the_mean_of_the_others() -> None:
    tally, mask = Tally(DEPTH), np.ones((1, 2))
    step, flat = np.array([[2.0, 3.0]]), np.array([[2.0, 2.0]])
    for place, truth in enumerate((step, flat)):
        tally.update(place, DEPTH.errors(truth, truth, mask, alignment="none"))
    assert tally.compute()[EVERYTHING].macro()["boundary_f1"] == 1.0


def test_an_empty_tally_has_scores_of_nothing() -> None:
    for measure in (DEPTH, NORMAL):
        scores = Tally(measure, ["left"]).compute()
        assert all(len(each) == 0 and np.isnan([*each.micro().values(), *each.macro().values()]).all() for each in scores.values())


@pytest.mark.parametrize("measure", [DEPTH, NORMAL], ids=["depth", "normal"])
@settings(max_examples=10, deadline=None)
@given(order=st.permutations([0, 1, 2, 3, 4, 5, 6, 3, 0]))
def test_neither_order_nor_repetition_changes_a_bit(measure: Measure, order: list[int]) -> None:
    equal(tallied(measure, order).compute(), tallied(measure, range(7)).compute())


def test_a_tally_that_is_reset_begins_anew() -> None:
    tally = tallied(NORMAL, [5, 6])
    tally.compute()
    tally.reset()
    for place in (0, 1):
        tally.update(place, *image(NORMAL, place))
    equal(tally.compute(), tallied(NORMAL, range(2)).compute())


def test_computing_halfway_disturbs_nothing() -> None:
    tally = Tally(NORMAL, ["left", "face"])
    for place in range(6):
        tally.update(place, *image(NORMAL, place))
        tally.compute()
    equal(tally.compute(), tallied(NORMAL, range(6)).compute())


def test_the_median_of_all_pixels_is_exact_to_half_a_bin() -> None:
    tally, angles = Tally(NORMAL), [0.0, 0.00009, 17.00008, 90.0, 179.99999, 180.0]
    for place, angle in enumerate(angles):
        direction = np.array([[[np.sin(np.radians(angle)), 0.0, np.cos(np.radians(angle))]]])
        tally.update(place, NORMAL.errors(direction, np.array([[[0.0, 0.0, 1.0]]]), np.ones((1, 1))))
        assert tally.compute()[EVERYTHING].micro()["median"] == pytest.approx(np.median(angles[: place + 1]), abs=0.500001e-4)


def test_a_group_that_was_not_announced_is_refused() -> None:
    with pytest.raises(ValueError, match="group 'feet' is not of this tally: choose from all, left"):
        Tally(NORMAL, ["left"]).update(0, image(NORMAL, 0)[0], {"feet": np.ones((5, 6))})


#: What each of two processes scores: as samplers deal, with the first images again at the end; all to one; one image in all.
DEALT = {"padded": ([0, 2, 4, 6], [1, 3, 5, 0]), "alone": ([4, 0, 1, 2, 3, 5, 6], []), "single": ([0], [0])}


def test_two_processes_give_the_bits_of_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.train.tallies", str(tmp_path)]
    workers = [subprocess.Popen([*command, str(rank)], cwd=ROOT, stderr=subprocess.PIPE, text=True) for rank in range(2)]
    for worker in workers:
        _, errors = worker.communicate(timeout=480)
        assert worker.returncode == 0, errors[-3000:]
    for name, measure in (("depth", DEPTH), ("normal", NORMAL)):
        for dealt, parts in DEALT.items():
            wanted = tallied(measure, sorted(set(parts[0] + parts[1]))).compute()
            for rank in range(2):
                found = np.load(tmp_path / f"{name}-{dealt}-{rank}.npz")
                for group, scores in wanted.items():
                    np.testing.assert_array_equal(found[f"{group}-sums"], scores.sums)
                    np.testing.assert_array_equal(found[f"{group}-micro"], list(scores.micro().values()))
                    np.testing.assert_array_equal(found[f"{group}-macro"], list(scores.macro().values()))
    assert all((tmp_path / f"refused-{rank}").read_text().startswith("processes scored the same images") for rank in range(2))
