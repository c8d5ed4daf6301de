"""Edges of cloth: cuts, splits, snapping, extension, ironing, hems."""

import numpy as np
import pytest
import trimesh

from scans.people.seams import away, clip, edge_ends, extend, hem, loops, open_edges, press, snap, split
from scans.people.surface import Surface, normals, triangulate
from tests.scans.sheets import areas, sheet


def altitudes(surface):
    """The least altitude (F,) of every face."""
    corners = surface.vertices[surface.faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / longest


def test_clip_cuts_a_straight_edge():
    square = sheet()
    x, y = square.vertices[:, 0], square.vertices[:, 1]
    cut = clip(square, 0.63 - x - 0.2 * y)
    area = areas(cut)
    assert (area > 0).all() and area.sum() == pytest.approx(0.63 - 0.1)
    np.testing.assert_allclose(cut.attributes["x"], cut.vertices[:, 0], atol=1e-12)
    np.testing.assert_allclose(cut.uv, cut.vertices[cut.faces][..., :2], atol=1e-12)


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


def test_a_hem_follows_the_inside_of_the_cloth():
    """It makes a closed solid of a sheet: as thick as asked at the edge, whatever the outline, and never across the sheet."""
    square = sheet(17)
    x, y = square.vertices[:, :2].T
    notched = clip(square, np.maximum(0.31 - x, np.abs(y - 0.5) - 0.2))  # corners that point inward
    distance = away(notched, np.unique(edge_ends(notched.faces)))
    hemmed = hem(notched, 0.01, 10.0, distance)
    added = hemmed.attributes["folded"]
    assert added.sum() == len(notched.vertices) and (hemmed.vertices[added, 2] < 0).all()
    np.testing.assert_allclose(hemmed.vertices[added][distance == 0, 2], -0.01)
    np.testing.assert_array_equal(hemmed.vertices[added, :2], notched.vertices[:, :2])
    solid = trimesh.Trimesh(hemmed.vertices, hemmed.faces, process=False)
    assert solid.is_watertight and solid.is_winding_consistent and 0 < solid.volume <= 0.01 * areas(notched).sum()
    narrow = hem(notched, 0.01, 0.1, distance)
    assert narrow.attributes["folded"].sum() < added.sum()
    assert np.abs(narrow.vertices[narrow.attributes["folded"], :2] - 0.5).max() == 0.5  # along the outer edges as well


def test_a_split_surface_is_whole_and_has_the_line():
    square = sheet()
    level = 0.43 - square.vertices[:, 0] + 0.3 * square.vertices[:, 1]
    divided = split(square, level)
    assert areas(divided).min() > 0 and areas(divided).sum() == pytest.approx(1)
    assert len(open_edges(divided.faces)) == len(open_edges(square.faces)) + 2  # no crack: the line's ends are new
    past = 0.43 - divided.vertices[:, 0] + 0.3 * divided.vertices[:, 1]
    inside, beyond = (past[divided.faces] > -1e-12).all(axis=1), (past[divided.faces] < 1e-12).all(axis=1)
    assert (inside | beyond).all() and areas(divided)[inside].sum() == pytest.approx(0.43 + 0.15)
    np.testing.assert_allclose(divided.uv, divided.vertices[divided.faces][..., :2], atol=1e-12)


def test_loops_go_round_with_the_cloth_on_the_left():
    upper = tube()
    found = sorted(loops(upper.faces), key=lambda loop: upper.vertices[loop[0], 2])
    assert [len(loop) for loop in found] == [24, 24]
    for loop, way in zip(found, (1, -1), strict=True):  # from outside, cloth is left of the lower edge when one goes to the right
        step = np.roll(upper.vertices[loop], -1, axis=0) - upper.vertices[loop]
        assert (np.linalg.norm(step, axis=1) < 0.27).all()
        assert (np.sign(np.cross(upper.vertices[loop], step)[:, 2]) == way).all()


def test_distances_from_edges():
    square = sheet()
    x = square.vertices[:, 0]
    np.testing.assert_allclose(away(square, np.flatnonzero(x == 0)), x, atol=1e-3)


def test_pressing_straightens_ragged_edges_and_shrinks_nothing():
    smooth = tube(9, 60)
    edge = np.unique(edge_ends(smooth.faces))
    rng = np.random.default_rng(0)
    ragged = smooth.vertices.copy()
    ragged[edge, 2] += rng.uniform(-0.03, 0.03, len(edge))
    pressed = press(smooth.moved(ragged), away(smooth, edge), 0.3, 20)
    before, after = ((vertices[edge, 2] - smooth.vertices[edge, 2]).std() for vertices in (ragged, pressed.vertices))
    assert after < 0.5 * before
    radius = np.linalg.norm(pressed.vertices[:, :2], axis=1)
    assert np.abs(radius[edge] - 1).max() < 0.01
    middle = np.abs(smooth.vertices[:, 2] - 0.5) < 0.15
    np.testing.assert_array_equal(pressed.vertices[middle], ragged[middle])
