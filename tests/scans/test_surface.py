"""The algebra of surfaces: subdivision, smoothing, what is kept and merged."""

import numpy as np
import pytest

from scans.people.seams import open_edges
from scans.people.surface import catmull_clark, fill, keep_faces, merge, smoothing, triangulate
from tests.scans.sheets import areas, sheet

CUBE = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])
CORNERS = np.array([[x, y, z] for z in (0.0, 1) for y in (0.0, 1) for x in (0.0, 1)])


def volume(vertices, faces):
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.einsum("ij,ij->", np.cross(a, b), c) / 6


def test_catmull_clark_of_a_cube():
    """The vertex rule in closed form: a corner of the unit cube moves to 2/9 of the way to the centre's far side."""
    assert volume(CORNERS, triangulate(CUBE)) == pytest.approx(1)
    matrix, quads, outlines = catmull_clark(CUBE, 8, np.ones(6, bool))
    assert quads.shape == (24, 4) and len(outlines) == 0
    np.testing.assert_allclose(np.asarray(matrix.sum(axis=1)).ravel(), 1)  # affine
    vertices = matrix @ CORNERS
    # F = mean of three face centres, R = mean of three edge midpoints, (F + 2R + 0) / 3 at the corner (0,0,0)
    np.testing.assert_allclose(vertices[0], (np.full(3, 1 / 3) + 2 * np.full(3, 1 / 6)) / 3)
    assert volume(vertices, triangulate(quads)) < 1 and len(open_edges(triangulate(quads))) == 0


def test_partial_subdivision_leaves_no_crack():
    split = np.array([True, False, True, False, False, False])
    matrix, quads, outlines = catmull_clark(CUBE, 8, split)
    whole, _ = fill(outlines, np.zeros((len(outlines), 8, 2)))
    faces = np.concatenate([triangulate(quads), whole])
    assert len(open_edges(faces)) == 0
    assert 0 < volume(matrix @ CORNERS, faces) < 1


def test_smoothing_moves_half_way_to_the_neighbours_mean():
    square = sheet(3)
    moved = smoothing(square.faces, 9) @ np.eye(9)
    neighbours = np.unique(square.faces[(square.faces == 4).any(axis=1)])
    expected = np.zeros(9)
    expected[neighbours] = 0.5 / (len(neighbours) - 1)
    expected[4] = 0.5
    np.testing.assert_allclose(moved[4], expected)


def test_faces_are_kept_with_what_belongs_to_them():
    square = sheet()
    chosen = square.vertices[square.faces].mean(axis=1)[:, 0] < 0.5
    half = keep_faces(square, chosen)
    assert len(half.vertices) == 9 * 5 and areas(half).sum() == pytest.approx(0.5)
    np.testing.assert_array_equal(half.attributes["x"], half.vertices[:, 0])
    np.testing.assert_array_equal(half.uv, half.vertices[half.faces][..., :2])


def test_merged_surfaces_keep_what_all_of_them_know():
    first, second = sheet(3), sheet(4)
    del second.attributes["normal"]
    both = merge([first, second])
    np.testing.assert_array_equal(both.vertices[both.faces[len(first.faces) :]], second.vertices[second.faces])
    assert set(both.attributes) == {"x"}
    np.testing.assert_array_equal(both.attributes["x"], both.vertices[:, 0])
