"""The one algebra of views, held against the closed form of a sphere."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import geometry
from datasets.batch import Batch, collate
from datasets.conventions import NORMAL_FROM_CAMERA
from tests.fixtures import analytic_sphere, sphere_triplet

HEIGHT, WIDTH = 48, 36
K = np.array([[60.0, 0.0, 17.3], [0.0, 60.0, 25.1], [0.0, 0.0, 1.0]])
CENTRE, RADIUS = np.array([0.05, -0.04, 2.0]), 0.42


def sphere_batch() -> Batch:
    depth, normal, mask = analytic_sphere(K, CENTRE, RADIUS, HEIGHT, WIDTH)
    return Batch(
        image=torch.from_numpy((normal.transpose(2, 0, 1)[None] + 1) / 2).float(),
        depth=torch.from_numpy(depth)[None, None],
        normal=torch.from_numpy(normal.transpose(2, 0, 1)[None]),
        mask=torch.from_numpy(mask)[None, None],
        alpha=torch.from_numpy(mask)[None, None] * 255,
        K=torch.from_numpy(K)[None],
        size=torch.tensor([[HEIGHT, WIDTH]]),
        key=["sphere"],
    )


def number(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def pair(x: float, y: float) -> torch.Tensor:
    return torch.tensor([[x, y]], dtype=torch.float64)


def closed_form_at(points: np.ndarray, K: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth and normal of the sphere on the rays through image points (N,2)."""
    rays = np.concatenate([points, np.ones((len(points), 1))], 1) @ np.linalg.inv(K).T
    rays /= rays[:, 2:]
    a, b = (rays * rays).sum(1), rays @ centre
    depth = (b - np.sqrt(b * b - a * (centre @ centre - RADIUS**2))) / a
    return depth, (depth[:, None] * rays - centre) / RADIUS @ NORMAL_FROM_CAMERA.T


EXACT = {
    "flip": (geometry.flip(number(WIDTH), torch.tensor([True])), (HEIGHT, WIDTH)),
    "crop": (geometry.shift(pair(-5, -9)), (30, 28)),
    "clockwise quarter": (geometry.rotate(number(90), pair(WIDTH / 2, HEIGHT / 2)).then(geometry.shift(pair(6, -6))), (WIDTH, HEIGHT)),
    "half turn and flip": (
        geometry.rotate(number(180), pair(WIDTH / 2, HEIGHT / 2)).then(geometry.flip(number(WIDTH), torch.tensor([True]))),
        (HEIGHT, WIDTH),
    ),
    "resize by 1/3": (geometry.scale(number(1 / 3)), (HEIGHT // 3, WIDTH // 3)),
}


@pytest.mark.parametrize("name", EXACT)
def test_maps_that_meet_pixel_centres_equal_a_newly_cast_sphere(name: str) -> None:
    view, size = EXACT[name]
    seen = geometry.apply(view, sphere_batch(), size)
    depth, normal, mask = analytic_sphere(seen["K"][0].numpy(), view.G[0].numpy() @ CENTRE, RADIUS, *size)
    assert mask.sum() > 20
    np.testing.assert_array_equal(seen["mask"][0, 0].numpy(), mask)
    np.testing.assert_allclose(seen["depth"][0, 0].numpy(), depth, atol=1e-6)
    np.testing.assert_allclose(seen["normal"][0].numpy().transpose(1, 2, 0), normal, atol=1e-5)


STEP = st.one_of(
    st.tuples(st.just("rotate"), st.floats(-180, 180), st.floats(0, 30)),
    st.tuples(st.just("scale"), st.floats(0.6, 1.8), st.just(0.0)),
    st.tuples(st.just("shift"), st.floats(-6, 6), st.floats(-6, 6)),
    st.tuples(st.just("flip"), st.just(0.0), st.just(0.0)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=6))
def test_any_composition_agrees_with_the_closed_form_where_each_pixel_looked(steps: list[tuple[str, float, float]]) -> None:
    """Labels are nearest: a new pixel holds the value of a source pixel's centre, whose image under A is known exactly."""
    view = geometry.shift(pair(0, 0))
    for name, x, y in steps:
        step = {
            "rotate": lambda x=x, y=y: geometry.rotate(number(x), pair(y, 20.0)),
            "scale": lambda x=x: geometry.scale(number(x)),
            "shift": lambda x=x, y=y: geometry.shift(pair(x, y)),
            "flip": lambda: geometry.flip(number(WIDTH), torch.tensor([True])),
        }[name]()
        view = view.then(step)
    size = (56, 56)
    seen = geometry.apply(view, sphere_batch(), size)
    A, G = view.A[0].numpy(), view.G[0].numpy()
    source = np.floor(geometry.source_pixels(view.A, size)[0].numpy()) + 0.5
    mask = seen["mask"][0, 0].numpy() > 0
    landed = source[mask] @ A[:2, :2].T + A[:2, 2]
    depth, normal = closed_form_at(landed, seen["K"][0].numpy(), G @ CENTRE)
    np.testing.assert_allclose(seen["depth"][0, 0].numpy()[mask], depth, atol=1e-6)
    np.testing.assert_allclose(seen["normal"][0].numpy().transpose(1, 2, 0)[mask], normal, atol=1e-5)
    assert not seen["normal"][0].numpy().transpose(1, 2, 0)[~mask].any()
    np.testing.assert_allclose(G @ G.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(G[2], [0, 0, 1], atol=0)
    # The turn and the mirroring are in G, none of them in the lens, or the axes of the normals would not be the picture's.
    focal = seen["K"][0, 0, 0].item()
    np.testing.assert_allclose(seen["K"][0].numpy()[[0, 0, 1, 1, 2], [0, 1, 0, 1, 2]], [focal, 0, 0, focal, 1], atol=1e-9)
    assert focal > 0


def test_the_picture_moves_with_its_labels() -> None:
    """The sphere's picture is its own normal map in colours: warped smoothly it must stay near the nearest labels, turned back."""
    view = geometry.rotate(number(37), pair(18, 24)).then(geometry.scale(number(1.7)))
    seen = geometry.apply(view, sphere_batch(), (90, 70))
    back = geometry.turn_normals(seen["normal"], view.inverse().G)
    inner = torch.nn.functional.avg_pool2d(seen["mask"].double(), 9, 1, 4)[0, 0] == 1
    difference = (seen["image"] * 2 - 1 - back).abs()[0][:, inner]
    assert inner.sum() > 300 and difference.max() < 0.12 and difference.mean() < 0.02


def test_shrinking_averages_and_growing_interpolates() -> None:
    board = torch.from_numpy(np.indices((24, 24)).sum(0) % 2).float()[None, None]
    small = geometry.warp_smooth(board, geometry.scale(number(1 / 4)).A, (6, 6))
    assert torch.allclose(small, torch.full_like(small, 0.5), atol=1e-5), "a fine checkerboard must not alias"
    ramp = torch.arange(24.0).expand(24, 24)[None, None]
    large = geometry.warp_smooth(ramp, geometry.scale(number(2.0)).A, (48, 48))
    np.testing.assert_allclose(large[0, 0, 0, 2:-2].numpy(), (np.arange(2, 46) + 0.5) / 2 - 0.5, atol=1e-5)


def test_fit_keeps_proportions_and_undoes_itself() -> None:
    view = geometry.fit(torch.tensor([[100, 300]]), (64, 48))
    corners = torch.tensor([[0.0, 0.0, 1.0], [300.0, 100.0, 1.0]], dtype=torch.float64)
    np.testing.assert_allclose((corners @ view.A[0].T)[:, :2].numpy(), [[0, 24], [48, 40]], atol=1e-12)
    np.testing.assert_allclose((view.then(view.inverse()).A[0]).numpy(), np.eye(3), atol=1e-12)


def test_padding_of_a_mixed_batch_is_never_seen() -> None:
    rng = np.random.default_rng(1)
    small, large = sphere_triplet("000000000", rng, 40, 30), sphere_triplet("000000001", rng, 64, 96)
    both, alone, last = collate([small, large]), collate([small]), collate([large])
    size = (32, 48)
    seen = geometry.apply(geometry.fit(both["size"], size), both, size)
    wanted = geometry.apply(geometry.fit(alone["size"], size), alone, size)
    second = geometry.apply(geometry.fit(last["size"], size), last, size)
    for name in ("image", "depth", "normal", "mask", "alpha", "K"):
        assert torch.allclose(seen[name][1:], second[name], atol=1e-5), name  # type: ignore[literal-required]
        assert torch.allclose(seen[name][:1], wanted[name], atol=1e-5), name  # type: ignore[literal-required]
    assert torch.allclose(seen["image"][0, :, :, 0], torch.tensor(geometry.FILL)), "left of a tall picture in a wide frame there is nothing"
    assert not seen["alpha"][0, :, :, 0].any()


def test_alpha_and_albedo_move_with_the_picture_and_are_nothing_outside() -> None:
    batch = sphere_batch()
    batch["albedo"] = batch["image"].flip(1)
    view = geometry.rotate(number(20), pair(18, 24)).then(geometry.scale(number(0.6)))  # shrinks: blends several samples a pixel
    seen = geometry.apply(view, batch, (60, 60))
    assert torch.allclose(seen["albedo"][..., :24, :20].flip(1)[:, :, 8:16, 6:14], seen["image"][:, :, 8:16, 6:14], atol=1e-6)
    inner = seen["mask"] > 0
    assert seen["alpha"].max() <= 1 and seen["alpha"][inner].mean() > 0.95 and seen["alpha"][~inner].mean() < 0.05
    assert not seen["albedo"][..., 45:, :].any() and torch.allclose(seen["image"][..., 45:, :], torch.tensor(geometry.FILL))
