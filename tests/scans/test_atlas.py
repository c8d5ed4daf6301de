"""The atlas: nothing overlaps, every corner finds its own paint, bumps are raised."""

import cv2
import numpy as np
import pytest

from scans.people import atlas
from scans.people.atlas import Chart, Painting, Texels

UNIT = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], float)


class Ramp:
    """A look whose colour says where it is: red u, green v (after scaling), blue which look it is."""

    def __init__(self, blue: float, scale: float = 1.0) -> None:
        self.blue, self.scale = blue, scale

    def paint(self, uv, pitch, patch):
        colour = np.stack([uv[..., 0] * self.scale, uv[..., 1] * self.scale, np.full(uv.shape[:2], self.blue + 0.1 * patch)], axis=-1)
        return Texels(np.clip(colour, 0, 1), np.full(uv.shape[:2], self.blue), np.zeros(uv.shape[:2])), 1.0


def charts() -> dict[str, Chart]:
    stretched = UNIT * [0.4, 1.0]
    two = np.concatenate([UNIT, UNIT * 0.5 + 0.2])
    return {
        "a": Chart(Ramp(0.2), UNIT, np.zeros(2, int), {0: 3.0}),
        "b": Chart(Ramp(0.5), two, np.array([0, 0, 4, 4]), {0: 1.0, 4: 2.0}),
        "c": Chart(Ramp(0.0), stretched, np.zeros(2, int), {0: 2.0}),
    }


def looked_up(image, uv):
    """The image at uv (N,2), as a renderer filters it."""
    x, y = uv[:, 0] * image.shape[1] - 0.5, (1 - uv[:, 1]) * image.shape[0] - 0.5
    return cv2.remap(image, x.astype(np.float32)[None], y.astype(np.float32)[None], cv2.INTER_LINEAR)[0] / 255


@pytest.mark.parametrize("size", [128, 512])
def test_every_corner_finds_what_was_painted_for_it(size):
    """In corners, where a rectangle ends, too: what is filtered in must come from the same look."""
    baked = atlas.bake(charts(), size)
    for name, chart in charts().items():
        for patch in np.unique(chart.patch):
            faces = chart.patch == patch
            colour = looked_up(baked.colour, baked.uv[name][faces].reshape(-1, 2))
            wanted = chart.uv[faces].reshape(-1, 2)
            np.testing.assert_allclose(colour[:, :2], np.clip(wanted, 0, 1), atol=0.02 if size == 512 else 0.05)
            np.testing.assert_allclose(colour[:, 2], chart.look.blue + 0.1 * patch, atol=0.005)
            rough = looked_up(baked.roughness, baked.uv[name][faces].reshape(-1, 2))
            np.testing.assert_allclose(rough, chart.look.blue, atol=0.005)


def test_charts_get_texels_in_proportion_to_their_density():
    """A unit of chart a is three times as long in the atlas as a unit of b's first patch."""
    baked = atlas.bake(charts(), 512)
    length = {name: np.ptp(uv[:2].reshape(-1, 2), axis=0) for name, uv in baked.uv.items()}
    np.testing.assert_allclose(length["a"], 3 * length["b"], rtol=1e-9)
    np.testing.assert_allclose(length["c"], 2 * length["b"] * [0.4, 1.0], rtol=1e-9)


def test_rectangles_do_not_overlap_and_fill_most_of_the_square():
    rng = np.random.default_rng(0)
    extent, density = rng.uniform(0.1, 1.0, (25, 2)), rng.uniform(0.5, 2.0, 25)
    corners, sizes, _ = atlas._fit(extent, density, 1024)
    count = np.zeros((1024, 1024), int)
    for (x, y), (width, height) in zip(corners, sizes, strict=True):
        assert min(x, y) >= 0 and x + width <= 1024 and y + height <= 1024
        count[y : y + height, x : x + width] += 1
    assert count.max() == 1
    assert count.mean() > 0.8


def test_too_many_charts_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        atlas.bake({str(i): Chart(Ramp(0.1), UNIT, np.zeros(2, int), {0: 1.0}) for i in range(30)}, 16)


def test_a_bump_looks_raised():
    """A paraboloid's normals are (2ax, 2ay, 1) up to length, y up: on the right of a bump they point right, above it up."""
    a, pitch = 3.0, 0.001
    x, y = np.meshgrid((np.arange(41) - 20) * pitch, (20 - np.arange(31)) * pitch)
    normal = atlas.tangent_normals(-a * (x**2 + y**2), pitch)
    wanted = np.stack([2 * a * x, 2 * a * y, np.ones_like(x)], axis=-1)
    wanted /= np.linalg.norm(wanted, axis=-1, keepdims=True)
    np.testing.assert_allclose(normal[1:-1, 1:-1], wanted[1:-1, 1:-1], atol=1e-5)


def test_normals_know_that_texels_may_be_longer_than_wide():
    """A slope of 1 in u over texels of 2 mm is the same normal as over texels of 1 mm."""
    metres = np.full((5, 6, 2), [0.002, 0.001])
    normal = atlas.tangent_normals(np.arange(6) * 0.002 * np.ones((5, 1)), metres)
    np.testing.assert_allclose(normal, np.broadcast_to([-(0.5**0.5), 0, 0.5**0.5], (5, 6, 3)), atol=1e-6)


def test_rasterised_values_are_linear_and_extend_beyond_the_edge():
    """Two triangles that carry a linear function of uv give it back at the centres of texels."""
    uv = UNIT * 0.5 + 0.2
    values = np.concatenate([uv, 3 * uv[..., :1] - uv[..., 1:] + 1], axis=-1)
    made, distance = atlas.rasterise(uv, values, 64)
    centre = (np.arange(64) + 0.5) / 64
    u, v = np.meshgrid(centre, centre[::-1])
    inside = (u > 0.2) & (u < 0.7) & (v > 0.2) & (v < 0.7)
    np.testing.assert_array_equal(distance == 0, inside)
    np.testing.assert_allclose(made[inside], np.stack([u, v, 3 * u - v + 1], axis=-1)[inside], atol=1e-5)
    assert np.isfinite(made).all()


def test_islands_hang_together_by_shared_corners():
    far = np.concatenate([UNIT, UNIT + 5, UNIT + np.array([1, 0])])
    found = atlas.islands(far)
    assert found[0] == found[1] == found[4] == found[5] != found[2] == found[3]


def test_pictures_are_what_gltf_wants():
    """Roughness is in green and metal, none, in blue; the flat normal decodes to (0, 0, 1)."""
    baked = atlas.bake(charts(), 128)
    colour, normal, surface = (
        cv2.imdecode(np.frombuffer(p.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int) for p in baked.pictures()
    )
    assert np.abs(colour - baked.colour).mean() < 4
    assert np.abs(surface[..., 1] - baked.roughness).mean() < 4 and surface[..., 2].mean() < 4
    assert np.abs(normal[..., :2] - 127.5).max() < 3 and normal[..., 2].min() > 250


def test_a_painting_is_upright_and_white_stands_out():
    image = np.zeros((64, 64, 3), np.uint8)
    image[:32, :32] = 255
    baked = atlas.bake({"a": Chart(Painting(image, 0.3, 0.1, 0.01), UNIT, np.zeros(2, int), {0: 1.0})}, 128)
    corner = {name: looked_up(baked.colour, baked.uv["a"][0, 0] + span * np.array([place]))[0] for name, place, span in places(baked)}
    assert corner["top left"].min() > 0.95 and corner["top right"].max() < 0.05 and corner["bottom left"].max() < 0.05
    _, place, span = places(baked)[3]
    edge = looked_up(baked.normal, baked.uv["a"][0, 0] + span * np.array([place]))[0]
    assert edge[0] > 0.6  # to the right of white the surface falls to the right


def places(baked):
    span = baked.uv["a"][0, 2] - baked.uv["a"][0, 0]
    spots = {"top left": (0.2, 0.8), "top right": (0.8, 0.8), "bottom left": (0.2, 0.2), "edge": (0.5, 0.8)}
    return [(name, place, span) for name, place in spots.items()]


def test_the_same_charts_give_the_same_bytes():
    assert atlas.bake(charts(), 128).pictures() == atlas.bake(charts(), 128).pictures()
