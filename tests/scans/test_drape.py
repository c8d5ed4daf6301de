"""Cloth that falls on a ball which moves: outside of it, hanging, as long as it was cut, the same every time."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from scans.people.drape import Scene, Threads, Weave, drape
from scans.people.seams import edge_ends
from scans.people.surface import triangulate

RADIUS, EDGE, ROWS, FRAMES = 0.2, 0.5, 21, 8
MOVE = np.linspace(0, 1, FRAMES + 1)[:, None, None] * [0.08, 0.0, 0.04]
JERSEY = Weave(0.16, 80, 8e-6)


def square(height):
    """A level sheet above the origin: vertices and faces."""
    x, y = (g.reshape(-1) for g in np.meshgrid(*2 * [np.linspace(-EDGE / 2, EDGE / 2, ROWS)]))
    i = np.arange(ROWS**2).reshape(ROWS, ROWS)
    faces = triangulate(np.stack([i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]], axis=-1).reshape(-1, 4))
    return np.stack([x, y, np.full(ROWS**2, height)], axis=1), faces


def ball():
    globe = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    return Scene(np.asarray(globe.vertices) + MOVE, np.asarray(globe.faces))


def even(vertices, scale):
    """The same length both ways."""
    return Threads(np.tile([0.0, 1.0, 0.0], (len(vertices), 1)), *2 * [np.full(len(vertices), scale)])


def laid(scene, height=RADIUS + 0.01, scale=1.0, corner=0.0, settle=60, move=JERSEY):
    """A sheet laid on a scene, what is within `corner` of one corner pinned: its way, its faces, and which vertices are pinned."""
    vertices, faces = square(height)
    pinned = (vertices[:, :2] > EDGE / 2 - corner).all(axis=1)
    return drape(vertices + MOVE, faces, even(vertices, scale), pinned, move, scene, settle), faces, pinned


@pytest.fixture(scope="module")
def fallen():
    return laid(ball())


def threads(vertices):
    """Lengths of the edges along warp and weft."""
    grid = vertices.reshape(ROWS, ROWS, 3)
    return np.concatenate([np.linalg.norm(np.diff(grid, axis=axis), axis=2).reshape(-1) for axis in (0, 1)])


def test_cloth_stays_outside_while_the_ball_moves(fallen):
    path, _, _ = fallen
    assert path.shape == (FRAMES + 1, ROWS**2, 3)
    np.testing.assert_array_equal(path[0], square(RADIUS + 0.01)[0])
    distance = np.linalg.norm(path - np.array([0.08, 0.0, 0.04]) * np.linspace(0, 1, FRAMES + 1)[:, None, None], axis=2)
    assert distance.min() > RADIUS - 0.001


def test_cloth_comes_to_lie_on_the_ball_and_hangs_from_it(fallen):
    path, _, _ = fallen
    local = path[-1] - MOVE[-1]
    corners = local[[0, ROWS - 1, -ROWS, -1]]
    assert (corners[:, 2] < RADIUS - 0.08).all()
    top = np.hypot(*local[:, :2].T) < 0.08
    assert top.sum() > 10 and (np.abs(np.linalg.norm(local[top], axis=1) - RADIUS) < 0.01).all()
    assert np.abs(local[:, :2].mean(axis=0)).max() < 0.02  # it went along


@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_threads_are_as_long_as_they_were_cut(fallen, scale):
    path = (fallen if scale == 1.0 else laid(ball(), scale=scale))[0]
    lengths = threads(path[-1]) / (scale * EDGE / (ROWS - 1))
    assert abs(lengths.mean() - 1) < 0.02 and np.quantile(np.abs(lengths - 1), 0.95) < 0.06


def test_what_is_pinned_goes_with_its_form():
    path, _, pinned = laid(ball(), corner=0.04)
    assert pinned.sum() == 4
    np.testing.assert_allclose(path[:, pinned], (square(RADIUS + 0.01)[0] + MOVE)[:, pinned], atol=1e-5)
    assert path[-1][0, 2] < path[-1][pinned, 2].min() - 0.1


def test_the_same_cloth_falls_the_same_way(fallen):
    np.testing.assert_array_equal(laid(ball())[0], fallen[0])


def test_cloth_lies_on_what_was_put_on_before():
    """A board over the ball that moves along: the second layer ends on it. The board's edge is closed toward the ball."""
    vertices, faces = square(RADIUS + 0.03)
    scene, rim = ball(), edge_ends(faces)
    near = cKDTree(scene.vertices[0]).query(vertices[rim])[1]
    dressed = scene.over(vertices + MOVE, faces, rim, near)
    np.testing.assert_array_equal(dressed.vertices[3], np.concatenate([scene.vertices[3], vertices + MOVE[3]]))
    added = dressed.faces[len(scene.faces) :]
    np.testing.assert_array_equal(dressed.vertices[3][added[: len(faces)]], (vertices + MOVE[3])[faces])
    open_now = edge_ends(added)
    assert len(open_now) > 0 and open_now.max() < scene.vertices.shape[1]  # nothing of the board: what is left lies on the ball
    directed = np.stack([added, np.roll(added, -1, axis=1)], axis=-1).reshape(-1, 2)
    first = scene.vertices.shape[1]
    directed = directed[(directed >= first).all(axis=1)]
    assert len(np.unique(directed, axis=0)) == len(directed)  # faces on both sides of an edge agree which side is out
    path, _, _ = laid(dressed, height=RADIUS + 0.04)
    inner = np.abs(vertices[:, :2]).max(axis=1) < 0.2
    height = path[-1][inner, 2] - MOVE[-1, 0, 2] - RADIUS - 0.03
    assert height.min() > 0 and height.max() < 0.01


@pytest.mark.parametrize("fault", ["nowhere", "apart"])
def test_cloth_that_explodes_or_tears_is_refused(fault):
    """Forms that are no numbers, and two pinned sides that go three times as far apart as the cloth is long."""
    vertices, faces = square(RADIUS + 0.01)
    forms = np.repeat(vertices[None], FRAMES + 1, axis=0)
    sides = np.abs(vertices[:, 0]) > 0.49 * EDGE
    if fault == "apart":
        forms = forms * (1 + np.linspace(0, 2, FRAMES + 1)[:, None, None] * [1.0, 0.0, 0.0])
    else:
        forms[2] = np.nan
    with pytest.raises(FloatingPointError, match="cloth"):
        drape(forms, faces, even(vertices, 1.0), sides, JERSEY, ball(), 1)


def test_slack_between_two_held_ends_becomes_folds():
    """A sleeve, both ends held, cut a tenth longer than its form: threads along are that much longer, those around are not, and the
    surface is no cylinder any more."""
    rows, around, radius, length, slack = 31, 48, 0.06, 0.4, 1.1
    turn, height = np.meshgrid(np.arange(around) * 2 * np.pi / around, np.linspace(0, length, rows))
    form = np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=-1)
    i = np.arange(rows * around).reshape(rows, around)
    j = np.roll(i, -1, axis=1)
    faces = triangulate(np.stack([i[:-1], j[:-1], j[1:], i[1:]], axis=-1).reshape(-1, 4))
    held = np.isin(np.arange(rows * around) // around, (0, rows - 1))
    vertices = form.reshape(-1, 3)
    threads = Threads(np.tile([0.0, 0.0, 1.0], (len(vertices), 1)), np.full(len(vertices), slack), np.ones(len(vertices)))
    far = Scene(np.subtract(ball().vertices[:1], [0, 0, 2]), ball().faces)
    hung = drape(vertices[None], faces, threads, held, JERSEY, far, 120)[-1].reshape(form.shape)
    along = np.linalg.norm(np.diff(hung, axis=0), axis=2).sum(axis=0) / length
    girth = np.linalg.norm(hung - np.roll(hung, 1, axis=1), axis=2).sum(axis=1) / (2 * np.pi * radius)
    np.testing.assert_allclose(along, slack, atol=0.03)
    assert np.median(girth) == pytest.approx(1.0, abs=0.01)
    assert np.abs(np.hypot(hung[..., 0], hung[..., 1]) - radius).max() > 0.005
