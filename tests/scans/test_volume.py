"""Bodies of hair: the surface of a field, and strands that become one."""

import numpy as np
import pytest
import trimesh

from datasets.conventions import Array
from scans.people.hairtexture import CAP_U, HAIR_U, NAP_U, strand_uv
from scans.people.nets import isosurface
from scans.people.scalp import Obstacle
from scans.people.strands import Strands
from scans.people.surface import normals
from scans.people.volume import Edge, Fibres, body, fill

STEP = 0.002
FAR = Obstacle(np.array([[x, 0.0, -9.0] for x in range(4)]), np.tile([0.0, 0.0, 1.0], (4, 1)))


def plane(size: float, step: float) -> tuple[Array, Array]:
    """Points of a level square, and their normals."""
    x, y = np.meshgrid(*[np.arange(-size / 2, size / 2, step)] * 2)
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)
    return points, np.broadcast_to([0.0, 0.0, 1.0], points.shape)


def nothing() -> Edge:
    return Edge(np.array([[9.0, 9.0, 9.0]]), np.zeros(1), np.ones(1))


def strand(points: Array, radius: float) -> Fibres:
    up = np.broadcast_to([0.0, 0.0, 1.0], (1, *points.shape))
    return Fibres(Strands(points[None], up), np.array([radius]), np.zeros(1), np.zeros(1), tip=1.0)


def test_the_surface_of_a_ball_is_closed_round_and_faces_outward() -> None:
    """Not symmetric about the grid, so that an axis turned round shows."""
    grid = np.stack(np.meshgrid(*map(np.arange, (28, 31, 35)), indexing="ij"), axis=-1)
    centre = np.array([12.3, 15.1, 18.8])
    vertices, faces = isosurface(9.2 - np.linalg.norm(grid - centre, axis=-1), 0.0)
    ball = trimesh.Trimesh(vertices, faces, process=False)
    assert ball.is_watertight and ball.euler_number == 2
    assert np.isclose(ball.volume, 4 / 3 * np.pi * 9.2**3, rtol=0.02)
    assert np.abs(np.linalg.norm(vertices - centre, axis=1) - 9.2).max() < 0.15


def test_hair_close_to_the_skin_is_as_deep_as_asked() -> None:
    points, up = plane(0.06, 0.001)
    filling = fill(points, up, np.full(len(points), 0.008), 0.06**2, STEP, 0.004, np.random.default_rng(0))
    assert np.isclose(filling.volume.sum(), 0.012 * 0.06**2)
    thread = strand(np.array([[0.0, 0, 0.001], [0.0, 0.002, 0.001]]), 0.0005)
    made = body([thread], filling, nothing(), FAR, FAR, STEP, 4000)
    middle = np.abs(made.vertices[:, :2]).max(axis=1) < 0.02
    top = made.vertices[middle & (made.vertices[:, 2] > 0.002), 2]
    assert abs(top.mean() - 0.008) < 0.0008 and top.std() < 0.0008
    assert (normals(made.vertices, made.faces)[middle & (made.vertices[:, 2] > 0.002), 2] > 0.5).all()


@pytest.mark.parametrize("radius", [0.0015, 0.0018])
def test_a_lone_strand_is_a_tube_of_its_radius(radius: float) -> None:
    points = np.stack([np.linspace(0, 0.1, 12), np.zeros(12), np.zeros(12)], axis=1)
    far = fill(np.array([[0.05, 0.0, -0.1]]), np.array([[0.0, 0, 1.0]]), np.array([0.002]), 1e-9, STEP, 0.002, np.random.default_rng(0))
    made = body([strand(points, radius)], far, nothing(), FAR, FAR, 0.0011, 20_000)
    inner = (made.vertices[:, 0] > 0.02) & (made.vertices[:, 0] < 0.08)
    assert np.allclose(np.linalg.norm(made.vertices[inner, 1:], axis=1), radius, rtol=0.15)
    assert trimesh.Trimesh(made.vertices, made.faces, process=False).is_watertight


def test_strands_stay_in_their_band_and_short_hair_in_its_own() -> None:
    rng = np.random.default_rng(0)
    count = 500
    sideways, forward = rng.uniform(-0.004, 0.004, (2, count, 3))
    length = np.where(np.arange(count) < 250, 0.2, 0.01)
    uv = strand_uv(sideways, forward, rng.random(count), length, rng.uniform(-1, 1, count), rng.random((count, 3)))
    assert uv.min() >= 0 and uv.max() <= 1 and uv[..., 0].max() < CAP_U[0]
    assert (uv[:250, :, 0] <= HAIR_U[1]).all() and (uv[250:, :, 0] >= NAP_U[0]).all()
