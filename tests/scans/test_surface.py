"""The algebra of surfaces: subdivision, cuts, snapping, extension, hems."""

import numpy as np
import pytest
import trimesh

from scans.people.surface import (
    Surface,
    catmull_clark,
    clip,
    edge_ends,
    extend,
    fill,
    hem,
    keep_faces,
    normals,
    open_edges,
    smoothing,
    snap,
    triangulate,
)

CUBE = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])
CORNERS = np.array([[x, y, z] for z in (0.0, 1) for y in (0.0, 1) for x in (0.0, 1)])


def sheet(n=9):
    """A unit square of n by n vertices in z = 0 that looks up, with its plan as texture and `x` as attribute."""
    x, y = (g.reshape(-1) for g in np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n)))
    i = np.arange(n * n).reshape(n, n)
    faces = triangulate(np.stack([i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]], axis=-1).reshape(-1, 4))
    vertices = np.stack([x, y, 0 * x], axis=1)
    return Surface(vertices, faces, vertices[faces][..., :2], {"x": x, "normal": normals(vertices, faces)})


def areas(surface):
    """Signed areas (F,) of faces seen from above."""
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)[:, 2] / 2


def volume(vertices, faces):
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.einsum("ij,ij->", np.cross(a, b), c) / 6


def altitudes(surface):
    """The least altitude (F,) of every face."""
    corners = surface.vertices[surface.faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / longest


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


def test_clip_cuts_a_straight_edge():
    square = sheet()
    x, y = square.vertices[:, 0], square.vertices[:, 1]
    cut = clip(square, 0.63 - x - 0.2 * y)
    area = areas(cut)
    assert (area > 0).all() and area.sum() == pytest.approx(0.63 - 0.1)
    np.testing.assert_allclose(cut.attributes["x"], cut.vertices[:, 0], atol=1e-12)
    np.testing.assert_allclose(cut.uv, cut.vertices[cut.faces][..., :2], atol=1e-12)
    # the hem goes inward by its thickness, and adds two rows of vertices, one of them back under the sheet
    hemmed = hem(cut, 0.01, 0.05)
    added = hemmed.vertices[hemmed.attributes["folded"]]
    np.testing.assert_allclose(added[:, 2], -0.01)
    back = added[len(added) // 2 :]
    along_the_cut = back[(back[:, 0] + 0.2 * back[:, 1] > 0.4) & (np.abs(back[:, 1] - 0.5) < 0.4)]
    np.testing.assert_allclose(along_the_cut[:, 0] + 0.2 * along_the_cut[:, 1], 0.63 - 0.05 * np.hypot(1, 0.2), atol=1e-6)
    # closed, its opening is spanned: the whole is a bag that looks outward everywhere
    bag = hem(cut, 0.01, 0.05, closed=True)
    welded = trimesh.Trimesh(bag.vertices, bag.faces, process=True, merge_tex=True, merge_norm=True)
    assert welded.is_watertight and welded.volume > 0


@pytest.mark.parametrize("tilt", [0.0, 1.0])
def test_clip_through_vertices_leaves_no_flat_faces(tilt):
    """Along a row of vertices, and from corner to corner of squares, with the level off zero by rounding errors."""
    square = sheet()
    level = 0.5 + 0.5 * tilt - square.vertices[:, 0] - tilt * square.vertices[:, 1]
    for error in (0.0, 1e-16, -1e-16):
        cut = clip(square, level + error)
        assert areas(cut).min() > 1e-6 and areas(cut).sum() == pytest.approx(0.5)
        assert len(open_edges(cut.faces)) == (24 if tilt == 0 else 32)
        assert len(np.unique(cut.faces)) == len(cut.vertices)


@pytest.mark.parametrize("angle", np.linspace(0.05, 1.5, 6))
def test_what_was_snapped_is_cut_without_slivers(angle):
    """Along a straight line the cut edge is exact all the same, and the texture stays where it was on the sheet."""
    square = sheet(17)
    direction = np.array([np.cos(angle), np.sin(angle)])
    square.attributes["line"] = direction @ [0.47, 0.51] - square.vertices[:, :2] @ direction
    snapped = snap(square, "line")
    kept = clip(snapped, snapped.attributes["line"])
    inner = np.hypot(*(kept.vertices[:, :2].T - 0.5)) < 0.4  # the sheet's own edges bend when vertices slide off them
    faces = inner[kept.faces].all(axis=1)
    assert altitudes(kept)[faces].min() > 0.2 / 16 > altitudes(clip(square, square.attributes["line"])).min()
    past = direction @ [0.47, 0.51] - kept.vertices[:, :2] @ direction
    assert past.min() > -1e-9
    ends = np.unique(edge_ends(kept.faces))
    ends = ends[inner[ends]]
    assert len(ends) > 8 and np.abs(past[ends]).max() < 1e-9
    np.testing.assert_allclose(kept.attributes["x"], kept.vertices[:, 0], atol=1e-9)
    np.testing.assert_allclose(kept.uv[faces], kept.vertices[kept.faces[faces]][..., :2], atol=1e-9)


def tube(rows=5, around=24):
    """An upright tube, a metre in radius and high, textured around by angle and along by height, open below and above."""
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, around, endpoint=False), np.linspace(0, 1, rows))
    vertices = np.stack([np.cos(angle), np.sin(angle), height], axis=-1).reshape(-1, 3)
    i = np.arange(rows * around).reshape(rows, around)
    right = np.roll(i, -1, axis=1)
    faces = triangulate(np.stack([i[:-1], right[:-1], right[1:], i[1:]], axis=-1).reshape(-1, 4))
    uv = np.stack([angle.reshape(-1)[faces], vertices[faces][..., 2]], axis=-1)
    uv[..., 0] = uv[:, :1, 0] + (uv[..., 0] - uv[:, :1, 0] + np.pi) % (2 * np.pi) - np.pi
    return Surface(vertices, faces, uv, {"height": vertices[:, 2]})


def test_an_extended_tube_is_a_longer_tube():
    """Two rows below the lower edge: a closed strip that looks outward, whose texture goes on downward."""
    upper = tube()
    rim = np.arange(24)
    rows = upper.vertices[rim] - np.array([0.3, 0.7])[:, None, None] * [0.0, 0.0, 1.0]
    longer = extend(upper, rim, rows)
    assert longer.attributes["extended"].sum() == 48 and (longer.attributes["height"][longer.attributes["extended"]] == 0).all()
    assert len(longer.faces) == len(upper.faces) + 2 * 48
    assert len(open_edges(longer.faces)) == 48  # below and above: no seam is left
    out = normals(longer.vertices, longer.faces)
    np.testing.assert_allclose(np.einsum("vi,vi->v", out[:, :2], longer.vertices[:, :2]), 1, atol=0.02)
    added = slice(len(upper.faces), None)
    np.testing.assert_allclose(longer.uv[added][..., 1], longer.vertices[longer.faces[added]][..., 2], atol=1e-9)
    turn = np.arctan2(*longer.vertices[longer.faces[added]][..., 1::-1].transpose(2, 0, 1)) - longer.uv[added][..., 0]
    np.testing.assert_allclose(np.cos(turn), 1, atol=1e-9)
    lowest = longer.vertices[np.unique(edge_ends(longer.faces))]
    np.testing.assert_allclose(np.unique(np.round(lowest[:, 2], 9)), [-0.7, 1.0])


def test_faces_are_kept_with_what_belongs_to_them():
    square = sheet()
    chosen = square.vertices[square.faces].mean(axis=1)[:, 0] < 0.5
    half = keep_faces(square, chosen)
    assert len(half.vertices) == 9 * 5 and areas(half).sum() == pytest.approx(0.5)
    np.testing.assert_array_equal(half.attributes["x"], half.vertices[:, 0])
    np.testing.assert_array_equal(half.uv, half.vertices[half.faces][..., :2])
