"""Figures of one image against hand-computed cases, slow plain references, and the properties and rules that docs/metrics.md states."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.conventions import Array
from train.metrics import ALIGNMENTS, COLOUR, DEPTH, NORMAL, POINTS, Measure

SEEDS = st.integers(0, 10_000)


def random_depth(seed: int) -> tuple[Array, Array, Array]:
    """A prediction that knows something, the truth and a mask with a ragged border."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 3, (7, 5))
    prediction = truth * rng.normal(1.0, 0.3, truth.shape) + rng.normal(0.0, 0.2)
    return prediction.astype(np.float32), truth.astype(np.float32), (rng.random((7, 5)) > 0.3).astype(np.uint8)


def masked(prediction: Array, truth: Array, mask: Array) -> list[tuple[float, float]]:
    return [(float(p), float(t)) for p, t, m in zip(prediction.flat, truth.flat, mask.flat, strict=True) if m]


def depth(prediction: Array, truth: Array, mask: Array | None = None, alignment: str = "none") -> dict[str, float]:
    return DEPTH.score(DEPTH.errors(prediction, truth, np.ones(truth.shape) if mask is None else mask, alignment=alignment))


def aligned(pairs: list[tuple[float, float]], alignment: str) -> list[tuple[float, float]]:
    """Each alignment in its textbook form."""
    p, t = (np.array(values) for values in zip(*pairs, strict=True))
    ones = np.ones_like(p)
    if alignment == "scale":
        p = p * np.linalg.lstsq(p[:, None], t, rcond=None)[0]
    if alignment == "median":
        middle, spread = statistics.median(p), statistics.mean(abs(x - statistics.median(p)) for x in p)
        wanted = statistics.mean(abs(x - statistics.median(t)) for x in t)
        p = (p - middle) / spread * wanted + statistics.median(t)
    if alignment == "lsq":
        p = np.stack([p, ones], 1) @ np.linalg.lstsq(np.stack([p, ones], 1), t, rcond=None)[0]
    if alignment == "lsq_disparity":
        disparity = np.stack([p, ones], 1) @ np.linalg.lstsq(np.stack([p, ones], 1), 1 / t, rcond=None)[0]
        p = 1 / np.maximum(disparity, 1 / max(t))
    return list(zip(p.tolist(), t.tolist(), strict=True))


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_depth_scores_equal_a_loop_over_pixels(alignment: str, seed: int) -> None:
    prediction, truth, mask = random_depth(seed)
    pairs = aligned(masked(prediction, truth, mask), alignment)
    logs = [math.log(max(p, 1e-3)) - math.log(t) for p, t in pairs]
    wanted = {
        "rmse": math.sqrt(statistics.mean((p - t) ** 2 for p, t in pairs)),
        "rmse_rel": math.sqrt(statistics.mean((p / t - 1) ** 2 for p, t in pairs)),
        "absrel": statistics.mean(abs(p - t) / t for p, t in pairs),
        "log10": statistics.mean(abs(math.log10(max(p, 1e-3) / t)) for p, t in pairs),
        "silog": 100 * statistics.pstdev(logs),
        **{f"delta{k}": statistics.mean(p > 0 and max(p / t, t / p) < 1.25**k for p, t in pairs) for k in (1, 2, 3)},
    }
    got = depth(prediction, truth, mask, alignment)
    assert {name: got[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)


def test_depth_of_two_pixels_by_hand() -> None:
    got = depth(np.array([[2.0, 4.0]]), np.array([[1.0, 4.0]]))
    assert got["rmse"] == pytest.approx(math.sqrt(0.5)) and got["rmse_rel"] == pytest.approx(math.sqrt(0.5)) and got["absrel"] == 0.5
    assert got["log10"] == pytest.approx(math.log10(2) / 2) and got["silog"] == pytest.approx(100 * math.log(2) / 2)
    assert (got["delta1"], got["delta2"], got["delta3"]) == (0.5, 0.5, 0.5)
    exactly = depth(np.array([[1.25, 1.0]]), np.array([[1.0, 1.25]]))
    assert exactly["delta1"] == 0 and exactly["delta2"] == 1, "the limit itself is outside"


@pytest.mark.parametrize("alignment", ["scale", "median", "lsq", "lsq_disparity"])
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_what_is_fitted_makes_no_difference(alignment: str, seed: int, scale: float, shift: float) -> None:
    prediction, truth, mask = (values.astype(np.float64) for values in random_depth(seed))
    shift = 0.0 if alignment == "scale" else shift
    plain = depth(prediction, truth, mask, alignment)
    assert depth(scale * prediction + shift, truth, mask, alignment) == pytest.approx(plain, rel=1e-5, abs=1e-7, nan_ok=True)
    right = 1 / truth if alignment == "lsq_disparity" else truth
    assert depth(scale * right + shift, truth, mask, alignment)["rmse"] < 1e-7


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, scale=st.floats(0.1, 10))
def test_silog_is_blind_to_scale_and_no_other_figure_is(seed: int, scale: float) -> None:
    truth = random_depth(seed)[1].astype(np.float64)
    prediction = truth * np.random.default_rng(seed).lognormal(0, 0.2, truth.shape)
    first, second = depth(prediction, truth), depth(scale * prediction, truth)
    assert second["silog"] == pytest.approx(first["silog"], rel=1e-6)
    assert second["boundary_f1"] == pytest.approx(first["boundary_f1"], abs=1e-9)
    assert abs(scale - 1) < 0.01 or second["rmse"] != pytest.approx(first["rmse"], rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_no_scale_and_shift_is_better_than_lsq_and_no_scale_than_scale(seed: int) -> None:
    prediction, truth, mask = (values.astype(np.float64) for values in random_depth(seed))
    best, scaled = (depth(prediction, truth, mask, alignment)["rmse"] for alignment in ("lsq", "scale"))
    rng = np.random.default_rng(seed)
    for scale, shift in rng.normal(1, 0.5, (8, 2)):
        assert best <= depth(scale * prediction + shift, truth, mask)["rmse"] + 1e-12
        assert scaled <= depth(scale * prediction, truth, mask)["rmse"] + 1e-12
    constant = np.full(truth.shape, truth[mask > 0].mean())
    assert best <= depth(constant, truth, mask)["rmse"] + 1e-12
    flat = depth(np.zeros(truth.shape), truth, mask, "lsq")["rmse"]
    assert flat == pytest.approx(depth(constant, truth, mask)["rmse"]), "a constant prediction is the best constant"


def test_an_alignment_is_fitted_to_the_whole_image_and_groups_only_select() -> None:
    truth = np.array([[1.0, 2.0, 3.0, 4.0]])
    errors = DEPTH.errors(np.array([[2.0, 4.0, 6.0, 9.0]]), truth, np.array([[1, 1, 1, 2]]), alignment="lsq")
    half = DEPTH.score(errors.of(np.array([[1, 1, 0, 0]])))
    matrix = np.array([[2.0, 1], [4, 1], [6, 1], [9, 1]])
    off = matrix @ np.linalg.lstsq(matrix, truth[0], rcond=None)[0] - truth[0]
    assert half["rmse"] == pytest.approx(math.sqrt((off[0] ** 2 + off[1] ** 2) / 2)) and half["rmse"] > 0.01
    parts = [DEPTH.sums(errors.of(group))[0] for group in (np.array([[1, 1, 0, 0]]), np.array([[0, 0, 1, 1]]))]
    np.testing.assert_allclose(np.sum(parts, 0), DEPTH.sums(errors)[0])
    with pytest.raises(ValueError, match="a group of pixels is 2x2, the image 1x4"):
        errors.of(np.ones((2, 2)))


# Boundaries ---------------------------------------------------------------------------------------------------------------------


def plain_f1(prediction: Array, truth: Array, mask: Array) -> float:
    """Pairs of neighbours one by one, in four directions."""
    steps, total, weights = ((0, 1), (0, -1), (1, 0), (-1, 0)), 0.0, 0.0
    for k in np.linspace(1.05, 1.25, 10):
        right = predicted = true = 0
        for y, x in np.argwhere(mask):
            for dy, dx in steps:
                v, u = y + dy, x + dx
                if 0 <= v < mask.shape[0] and 0 <= u < mask.shape[1] and mask[v, u]:
                    p, t = (float(d[v, u]) / float(d[y, x]) > k for d in (np.maximum(prediction, 1e-3), truth))
                    right, predicted, true = right + (p and t), predicted + p, true + t
        if true:
            precision, recall = right / predicted if predicted else 0.0, right / true
            total += k * (2 * precision * recall / (precision + recall) if right else 0.0)
            weights += k
    return total / weights if weights else math.nan


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_boundary_f1_equals_a_loop_over_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = 2 * 1.12 ** rng.integers(0, 3, (6, 5)).astype(np.float64)
    prediction = truth * rng.normal(1, 0.05, truth.shape)
    mask = rng.random(truth.shape) > 0.3
    assert depth(prediction, truth, mask)["boundary_f1"] == pytest.approx(plain_f1(prediction, truth, mask), nan_ok=True)


def test_a_perfect_boundary_scores_one_a_blurred_one_less_and_none_is_not_defined() -> None:
    truth = np.full((8, 12), 3.0)
    truth[2:6, 3:9] = 2.6  # 15 % nearer: a boundary at half of the thresholds
    assert depth(truth, truth)["boundary_f1"] == 1.0
    blurred = truth.copy()
    blurred[2:6, 3] = blurred[2:6, 8] = 2.8
    assert 0 < depth(blurred, truth)["boundary_f1"] < 0.9
    assert depth(np.full(truth.shape, 2.0), truth)["boundary_f1"] == 0.0
    assert math.isnan(depth(truth, np.full(truth.shape, 3.0))["boundary_f1"])
    turned = 5.6 - truth  # what is near is far: the same places, the wrong way round
    assert depth(turned, truth)["boundary_f1"] == 0.0


def test_the_silhouette_is_no_boundary() -> None:
    truth = 2.0 * np.eye(6) + 2.0 * np.eye(6, k=1)  # its bounding box holds background
    assert math.isnan(depth(np.full(truth.shape, 1.0), truth, truth > 0)["boundary_f1"])


# Normals, colours, points -------------------------------------------------------------------------------------------------------


def normal(prediction: Array, truth: Array, mask: Array | None = None) -> dict[str, float]:
    return NORMAL.score(NORMAL.errors(prediction, truth, np.ones(truth.shape[:2]) if mask is None else mask))


def test_normal_scores_equal_a_loop_over_pixels() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(9, 8, 3))
    prediction = truth + rng.normal(0, 0.4, truth.shape)
    mask = (rng.random((9, 8)) > 0.4).astype(np.uint8)
    angles = []
    for a, b, m in zip(prediction.reshape(-1, 3), truth.reshape(-1, 3), mask.flat, strict=True):
        if m:
            cosine = sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
            angles.append(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))))
    wanted = {"mean": statistics.mean(angles), "median": statistics.median(angles)}
    wanted["rmse"] = math.sqrt(statistics.mean(a * a for a in angles))
    wanted |= {f"within_{limit}": sum(a < limit for a in angles) / len(angles) for limit in (5, 11.25, 22.5, 30)}
    assert normal(prediction, truth, mask) == pytest.approx(wanted)


@pytest.mark.parametrize("tilt", [1e-9, 1e-5, math.pi - 1e-5])
def test_angles_are_exact_near_0_and_180(tilt: float) -> None:
    """arccos of a rounded cosine would be off by 1e-2 degrees and more."""
    errors = NORMAL.errors(np.array([[[7 * math.sin(tilt), 0.0, 7 * math.cos(tilt)]]]), np.array([[[0.0, 0.0, 1.0]]]), np.ones((1, 1)))
    assert errors.values["degrees"][0] == pytest.approx(math.degrees(tilt), rel=1e-9)


def test_a_zero_vector_is_90_degrees_off_and_a_zero_truth_is_unknown() -> None:
    truth = np.array([[[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    prediction = np.array([[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]])
    errors = NORMAL.errors(prediction, truth, np.ones((1, 3)))
    assert errors.values["degrees"].tolist() == [90.0, 0.0] and errors.known.tolist() == [[True, False, True]]


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
    assert COLOUR.score(COLOUR.errors(prediction, truth, mask)) == pytest.approx(wanted, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_point_scores_equal_a_loop_and_what_is_fitted_cannot_be_bettered(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-1, 1, (5, 4, 3)) + np.array([0.0, 0.0, 3.0])
    prediction = truth + rng.normal(0, 0.02, truth.shape)
    mask = (rng.random((5, 4)) > 0.3).astype(np.uint8)
    pairs = [(prediction[y, x], truth[y, x]) for y, x in zip(*mask.nonzero(), strict=True)]
    got = POINTS.score(POINTS.errors(prediction, truth, mask))
    off = [math.dist(p, t) for p, t in pairs]
    assert got["epe"] == pytest.approx(statistics.mean(off))
    assert got["rel"] == pytest.approx(statistics.mean(math.dist(p, t) / math.hypot(*t) for p, t in pairs))
    assert [got[f"within_{limit}cm"] for limit in (1, 2, 5)] == [statistics.mean(d < limit / 100 for d in off) for limit in (1, 2, 5)]
    close = lambda p, t: math.dist(p, t) < 0.25 * min(math.hypot(*p), math.hypot(*t))
    assert got["delta1"] == statistics.mean(close(p, t) for p, t in pairs)
    near = POINTS.errors(np.array([[[0.0, 0.0, 0.78], [0.0, 0.0, 0.82]]]), np.array([[[0.0, 0.0, 1.0]] * 2]), np.ones((1, 2)))
    assert POINTS.score(near)["delta1"] == 0.5, "a quarter of the shorter of both"
    shift = rng.normal(0, 1, 3)
    far = POINTS.errors(3 * truth + shift, truth, mask).values
    assert far["lsq"].max() < 1e-12 < far["scale"].max()
    values = POINTS.errors(1.7 * prediction + 0.1, truth, mask).values
    for scale in np.linspace(0.4, 0.8, 21):
        squares = sum(math.dist(scale * (1.7 * p + 0.1), t) ** 2 for p, t in pairs)
        assert (values["lsq"] ** 2).sum() <= (values["scale"] ** 2).sum() <= squares + 1e-9


# What is degenerate -------------------------------------------------------------------------------------------------------------

MEASURES = {"depth": DEPTH, "normal": NORMAL, "colour": COLOUR, "points": POINTS}


def maps(measure: Measure, shape: tuple[int, int] = (3, 4)) -> Array:
    rng = np.random.default_rng(0)
    return rng.uniform(1, 2, shape if measure is DEPTH else (*shape, 3))


@pytest.mark.parametrize("name", MEASURES)
def test_without_pixels_no_figure_is_defined(name: str) -> None:
    measure = MEASURES[name]
    errors = measure.errors(maps(measure), maps(measure), np.zeros((3, 4)))
    assert not errors.known.any() and all(math.isnan(value) for value in measure.score(errors).values())
    assert not measure.sums(errors)[0].any() and len(measure.sums(errors)[0]) == measure.terms


@pytest.mark.parametrize("name", MEASURES)
def test_one_pixel_is_enough(name: str) -> None:
    measure, mask = MEASURES[name], np.zeros((3, 4))
    mask[1, 2] = 1
    score = measure.score(measure.errors(maps(measure), maps(measure), mask))
    assert score.keys() == measure.figures.keys()
    for figure, value in score.items():
        assert math.isnan(value) if figure == "boundary_f1" else value == (1.0 if measure.figures[figure].best is max else 0.0), figure


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.filterwarnings("error")
def test_every_alignment_takes_one_pixel_none_and_constants(alignment: str) -> None:
    one, truth = np.zeros((3, 4)), maps(DEPTH)
    one[1, 2] = 1
    fits = alignment != "none"
    assert (depth(np.full((3, 4), 9.0), truth, one, alignment)["rmse"] < 1e-12) == fits
    assert math.isnan(depth(truth, truth, np.zeros((3, 4)), alignment)["rmse"])
    centre = {"none": 9.0, "median": np.median(truth), "lsq": truth.mean(), "lsq_disparity": 1 / np.mean(1 / truth)}
    centre["scale"] = truth.mean()  # of least squares, as is a constant
    constant = depth(np.full((3, 4), 9.0), truth, alignment=alignment)
    assert constant["rmse"] == pytest.approx(depth(np.full((3, 4), centre[alignment]), truth)["rmse"])
    level = depth(truth, np.full((3, 4), 2.0), alignment=alignment)
    assert all(math.isfinite(value) for figure, value in level.items() if figure != "boundary_f1")
    assert alignment not in ("median", "lsq", "lsq_disparity") or level["rmse"] < 1e-12
    nothing = depth(np.zeros((3, 4)), truth, alignment=alignment)
    assert all(math.isfinite(value) for figure, value in nothing.items() if figure != "boundary_f1")


def test_depths_that_are_not_positive_count_as_a_millimetre_in_ratios_alone() -> None:
    got = depth(np.array([[-1.0, 0.0]]), np.array([[2.0, 4.0]]))
    assert got["absrel"] == pytest.approx((1.5 + 1.0) / 2) and got["rmse"] == pytest.approx(math.sqrt((9 + 16) / 2))
    assert got["delta3"] == 0.0
    assert got["log10"] == pytest.approx((math.log10(2 / 1e-3) + math.log10(4 / 1e-3)) / 2)
    assert got["silog"] == pytest.approx(100 * math.log(2) / 2)
    assert got == pytest.approx(
        {**depth(np.full((1, 2), 1e-3), np.array([[2.0, 4.0]])), "rmse": got["rmse"], "absrel": 1.25, "rmse_rel": got["rmse_rel"]}
    )


def test_a_fitted_disparity_is_never_beyond_the_farthest_point() -> None:
    truth, disparity = np.array([[1.0, 2.0, 4.0, 4.0]]), np.array([[1.0, 0.5, 0.25, -1.0]])
    errors = DEPTH.errors(disparity, truth, np.ones((1, 4)), alignment="lsq_disparity")
    assert (truth + errors.values["metres"]).max() == pytest.approx(4.0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", MEASURES)
def test_a_prediction_that_is_not_finite_is_refused_by_name_inside_the_mask_alone(name: str, wrong: float) -> None:
    measure, mask = MEASURES[name], np.ones((3, 4))
    prediction = maps(measure)
    prediction[2, 1] = wrong
    with pytest.raises(ValueError, match=r"image 000000007: .* not finite at 1 of 12 scored pixels, first at row 2, column 1"):
        measure.errors(prediction, maps(measure), mask, "000000007")
    mask[2, 1] = 0
    assert measure.errors(prediction, maps(measure), mask).known.sum() == 11


@pytest.mark.parametrize("unknown", [0.0, math.nan, math.inf])
def test_pixels_without_truth_are_in_no_figure(unknown: float) -> None:
    for measure in (DEPTH, NORMAL, POINTS):
        truth = maps(measure)
        truth[0, 0] = unknown
        prediction = maps(measure) * 1.1
        prediction[0, 0] = math.nan
        errors = measure.errors(prediction, truth, np.ones((3, 4)))
        assert errors.known.sum() == 11 and not errors.known[0, 0]


def test_a_prediction_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="image b: sizes differ: prediction 4x3, truth 3x4, mask 3x4"):
        DEPTH.errors(maps(DEPTH).T, maps(DEPTH), np.ones((3, 4)), "b")
