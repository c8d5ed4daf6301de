"""Metrics against slow, plain references."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train import metrics


def random_depth(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.normal(0.5, 0.4, (7, 5)).astype(np.float32),
        rng.uniform(1, 3, (7, 5)).astype(np.float32),
        (rng.random((7, 5)) > 0.3).astype(np.uint8),
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_depth_scores_equal_a_loop_over_pixels(seed: int) -> None:
    prediction, truth, mask = random_depth(seed)
    pairs = [(float(p), float(t)) for p, t, m in zip(prediction.flat, truth.flat, mask.flat, strict=True) if m]
    matrix = np.array([[p, 1.0] for p, _ in pairs])
    scale, shift = np.linalg.lstsq(matrix, np.array([t for _, t in pairs]), rcond=None)[0]
    aligned = [(scale * p + shift, t) for p, t in pairs]
    wanted = {
        "rmse": math.sqrt(sum((p - t) ** 2 for p, t in aligned) / len(aligned)),
        "absrel": sum(abs(p - t) / t for p, t in aligned) / len(aligned),
        "delta1": sum(p > 0 and max(p / t, t / p) < 1.25 for p, t in aligned) / len(aligned),
    }
    got = metrics.depth_summary(metrics.depth_errors(prediction, truth, mask))
    assert got == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("alignment", ["least_squares", "median"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_a_prediction_right_up_to_scale_and_shift_is_perfect(alignment: str, seed: int, scale: float, shift: float) -> None:
    _, truth, mask = random_depth(seed)
    errors = metrics.depth_errors(truth.astype(np.float64) * scale + shift, truth, mask, alignment)
    assert errors["metres"].max() < 1e-8
    assert metrics.depth_summary(errors)["delta1"] == 1.0


def test_without_alignment_nothing_is_fitted() -> None:
    truth = np.full((2, 2), 2.0)
    errors = metrics.depth_errors(np.full((2, 2), 3.0), truth, np.ones((2, 2)), "none")
    assert metrics.depth_summary(errors) == pytest.approx({"rmse": 1.0, "absrel": 0.5, "delta1": 0.0})
    assert metrics.depth_summary(metrics.depth_errors(-truth, truth, np.ones((2, 2)), "none"))["delta1"] == 0.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_least_squares_is_never_worse_than_the_best_constant(seed: int) -> None:
    prediction, truth, mask = random_depth(seed)
    constant = np.full(truth.shape, truth[mask > 0].astype(np.float64).mean())
    fitted, trivial = (
        metrics.depth_summary(metrics.depth_errors(p, truth, mask, a))["rmse"]
        for p, a in ((prediction, "least_squares"), (constant, "none"))
    )
    assert fitted <= trivial + 1e-12
    flat = metrics.depth_summary(metrics.depth_errors(np.zeros(truth.shape), truth, mask))["rmse"]
    assert flat == pytest.approx(trivial), "a constant prediction is the baseline"


def test_normal_scores_equal_a_loop_over_pixels() -> None:
    rng = np.random.default_rng(0)
    prediction, truth = rng.normal(size=(9, 8, 3)), rng.normal(size=(9, 8, 3))
    mask = (rng.random((9, 8)) > 0.4).astype(np.uint8)
    angles = []
    for a, b, m in zip(prediction.reshape(-1, 3), truth.reshape(-1, 3), mask.flat, strict=True):
        if m:
            cosine = sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
            angles.append(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))))
    wanted = {"mean": statistics.mean(angles), "median": statistics.median(angles)}
    wanted |= {f"within_{limit}": sum(a < limit for a in angles) / len(angles) for limit in (11.25, 22.5, 30)}
    assert metrics.normal_summary(metrics.normal_errors(prediction, truth, mask)) == pytest.approx(wanted)


def test_small_angles_are_exact() -> None:
    """arccos of a rounded cosine would say 0 or 1e-2 degrees here."""
    tilt = 1e-5
    prediction = np.array([[[math.sin(tilt), 0.0, math.cos(tilt)]]])
    angle = metrics.normal_errors(prediction, np.array([[[0.0, 0.0, 1.0]]]), np.ones((1, 1)))["degrees"]
    assert angle[0] == pytest.approx(math.degrees(tilt), rel=1e-6)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_colour_scores_equal_a_loop_over_pixels(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    prediction, truth = rng.random(shape).astype(np.float32), rng.random(shape).astype(np.float32)
    mask = (rng.random((6, 5)) > 0.4).astype(np.uint8)
    off = [
        float(p) - float(t)
        for y, x in zip(*mask.nonzero(), strict=True)
        for p, t in zip(np.ravel(prediction[y, x]), np.ravel(truth[y, x]), strict=True)
    ]
    wanted = {"mae": statistics.mean(abs(d) for d in off), "rmse": math.sqrt(statistics.mean(d * d for d in off))}
    assert metrics.colour_summary(metrics.colour_errors(prediction, truth, mask)) == pytest.approx(wanted, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_point_scores_equal_a_loop_and_the_fitted_scale_cannot_be_bettered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-1, 1, (5, 4, 3)) + np.array([0.0, 0.0, 3.0])
    prediction = 1.7 * truth + rng.normal(0, 0.1, truth.shape)
    mask = (rng.random((5, 4)) > 0.3).astype(np.uint8)
    errors = metrics.point_errors(prediction, truth, mask)
    pairs = [(prediction[y, x], truth[y, x]) for y, x in zip(*mask.nonzero(), strict=True)]
    assert metrics.point_summary(errors)["mean"] == pytest.approx(statistics.mean(math.dist(p, t) for p, t in pairs))

    def squares(scale: float) -> float:
        return sum(math.dist(scale * p, t) ** 2 for p, t in pairs)

    fitted = float((errors["scaled"] ** 2).sum())
    assert fitted <= min(squares(scale) for scale in np.linspace(0.4, 0.8, 41)) + 1e-9
    assert metrics.point_errors(truth * 3, truth, mask)["scaled"].max() < 1e-12
    assert metrics.point_errors(prediction, truth, np.zeros_like(mask))["metres"].size == 0


def test_micro_pools_pixels_and_macro_averages_pictures() -> None:
    scores = metrics.Scores(metrics.normal_summary)
    scores.add("small", {"degrees": np.array([30.0])})
    scores.add("large", {"degrees": np.array([0.0, 1.0, 2.0])})
    scores.add("empty", {"degrees": np.array([])})
    assert scores.micro()["mean"] == pytest.approx(33 / 4) and scores.micro()["median"] == pytest.approx(1.5)
    assert scores.macro()["mean"] == pytest.approx(31 / 2) and scores.macro()["median"] == pytest.approx(31 / 2)
    assert list(scores.per_image) == ["small", "large"]
