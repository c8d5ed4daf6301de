"""Panels: cloth lies on garments without stretch, is cut where tailors cut, and what is sewn lands where it was put."""

import dataclasses

import numpy as np
import pytest

from scans.people import panels
from scans.people.fabric import draw_fabric
from scans.people.flatten import flatten, stretch
from scans.people.outline import outlines
from scans.people.panels import APART_M, BACK, COLLAR, FRONT, SKIRT, SLEEVE
from scans.people.slit import slit
from scans.people.surface import normals
from scans.people.tailoring import Solid, form
from scans.people.trim import Sewing
from scans.people.wardrobe import draw_outfit

RED = np.array([0.9, 0.1, 0.1])


@pytest.fixture(scope="module")
def made(studio):
    """Garments' forms on an average body in its rest shape, by kind."""
    rest = studio.body.shape({"gender": 0.5, "age": 0.7}, {}).rest_vertices[0].numpy()
    used, faces = np.unique(studio.quads, return_inverse=True)
    skin = Solid(rest[used], normals(rest, studio.quads)[used], studio.body.template[used], faces.reshape(-1, 3))
    part = studio.body.parts["helper-tights"]
    tights = part.matrix @ (studio.body.cloth_smoothing @ rest)
    forms = {}
    for kind in ("t-shirt", "trousers", "jacket", "skirt", "hoodie"):
        cut = next(g.cut for g in draw_outfit("female", np.random.default_rng(3), (kind,)).garments if g.cut.kind == kind)
        if kind == "skirt":
            cut = dataclasses.replace(cut, length=0.5, flare=0.2)
        forms[kind] = form(cut, part, studio.dresser.at, tights, studio.dresser.weights, skin, [])
    return forms


def patches(cloth):
    patch = np.round(cloth.uv[:, 0, 0] / APART_M).astype(int)
    return patch, cloth.uv - APART_M * np.stack([patch, 0 * patch], axis=-1)[:, None]


@pytest.mark.parametrize(("kind", "share"), [("t-shirt", 0.95), ("trousers", 0.95), ("jacket", 0.95), ("skirt", 0.78)])
def test_cloth_is_hardly_stretched_and_never_flipped(kind, share, made):
    """Metres stay metres within a third, but for where a skirt's waves begin."""
    cloth = made[kind]
    least, most, area = stretch(cloth.vertices, cloth.faces, cloth.uv)
    good = (np.abs(least) > 0.75) & (most < 1.33)
    assert area[good].sum() > share * area.sum()
    centre = cloth.attributes["position"][cloth.faces].mean(axis=1)
    crotch = np.linalg.norm(centre - [0, -0.005, -0.11], axis=1) < 0.02
    patch, _ = patches(cloth)
    for side in (centre[:, 0] > 0, centre[:, 0] < 0):
        for number in np.unique(patch):
            here = side & (patch == number) & ~crotch
            turned = area[here & (least < 0)].sum() / area[here].sum()
            assert min(turned, 1 - turned) < 1e-4


def test_stripes_are_level_below_the_chest_and_the_middle_is_straight(made):
    for kind in ("t-shirt", "trousers"):
        cloth = made[kind]
        patch, uv = patches(cloth)
        corner = cloth.attributes["position"][cloth.faces]
        on = ~cloth.attributes.get("extended", np.zeros(len(cloth.vertices), bool))[cloth.faces]  # what hangs is nowhere on the template
        steep = ((patch == FRONT) | (patch == BACK))[:, None] & on & (corner[..., 2] < 0.2) & (np.abs(corner[..., 2] + 0.11) > 0.08)
        assert np.abs(uv[..., 1] - corner[..., 2])[steep].max() < 0.004
        middle = (np.abs(corner[..., 0]) < 1e-6) & (corner[..., 2] > -0.09)
        assert np.abs(uv[..., 0])[middle].max() < 0.002


def test_a_cut_leaves_no_face_on_both_sides():
    """A grid of triangles cut along a circle: areas add up, no face crosses it, and flat faces do not arise."""
    x, y = np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 21))
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)
    corner = (np.arange(20)[:, None] * 21 + np.arange(20)).ravel()
    faces = np.concatenate([np.stack([corner, corner + 1, corner + 22], 1), np.stack([corner, corner + 22, corner + 21], 1)])
    matrix, cut = slit(faces, np.linalg.norm(points, axis=1) - 0.6, np.zeros(len(points), bool))
    moved = matrix @ points
    level = (np.linalg.norm(moved, axis=1) - 0.6)[cut]
    assert not ((level > 0.01).any(axis=1) & (level < -0.01).any(axis=1)).any()
    a, b, c = (moved[cut[:, i]] for i in range(3))
    area = np.cross(b - a, c - a)[:, 2] / 2
    assert abs(area.sum() - 4) < 1e-9 and area.min() > 1e-5
    np.testing.assert_allclose(np.asarray(matrix.sum(axis=1)), 1)


def test_a_half_cylinder_is_laid_flat_exactly():
    angle, height = np.meshgrid(np.linspace(-1.5, 1.5, 30), np.linspace(0, 0.4, 15))
    points = np.stack([0.1 * np.sin(angle), -0.1 * np.cos(angle), height], axis=-1).reshape(-1, 3)
    corner = (np.arange(14)[:, None] * 30 + np.arange(29)).ravel()
    faces = np.concatenate([np.stack([corner, corner + 1, corner + 31], 1), np.stack([corner, corner + 31, corner + 30], 1)])
    start = points[:, [0, 2]]
    weights = np.zeros((len(points), 2))
    weights[np.abs(points[:, 2]) < 1e-9, 1] = 1.0
    uv = flatten(points, faces, start, start, weights)
    least, most, _ = stretch(points, faces, uv[faces])
    assert least.min() > 0.999 and most.max() < 1.001
    mirrored = flatten(points, faces, start * [-1, 1], start, weights)
    assert stretch(points, faces, mirrored[faces])[0].max() < -0.999


def test_seams_are_where_panels_meet_and_edges_have_their_names(made):
    lines = outlines(made["t-shirt"])
    assert {(FRONT, "seam"), (BACK, "seam"), (SLEEVE, "seam"), (SLEEVE, "cuff"), (FRONT, "hem"), (BACK, "neck")} <= set(lines)
    hem = lines[FRONT, "hem"][..., 1]
    assert np.ptp(hem) < 0.004  # straight
    side = lines[FRONT, "seam"].reshape(-1, 2)
    assert np.abs(side[side[:, 1] < 0.2, 0]).min() > 0.12  # at the sides
    front, back = (np.linalg.norm(np.diff(lines[patch, "seam"], axis=1), axis=-1).sum() for patch in (FRONT, BACK))
    assert 0.85 < front / back < 1.18  # sewn to each other
    around = np.linalg.norm(np.diff(lines[SLEEVE, "seam"], axis=1), axis=-1).sum()
    assert 0.3 < around < 1.0  # one sleeve of two


def test_what_is_added_gets_patches_of_its_own(made):
    patch, uv = patches(made["skirt"])
    assert set(np.unique(patch)) == {FRONT, BACK, SKIRT}
    assert np.ptp(uv[patch == SKIRT][..., 0]) < 0.5  # a gore, not the whole
    patch, uv = patches(made["hoodie"])
    hood = uv[patch == COLLAR]
    assert hood[..., 1].min() == 0 and 0.15 < hood[..., 1].max() < 0.5 and 0.3 < np.ptp(hood[..., 0]) < 0.9


def test_sewing_follows_its_line_and_nothing_else():
    """Stitches 10 mm inside of a slanted edge, and cloth that is double up to there."""
    line = np.array([[[0.0, 0.30], [0.1, 0.40]]])
    uv = np.stack(np.meshgrid(0.0005 + 0.001 * np.arange(100), 0.3995 - 0.001 * np.arange(100)), axis=-1)
    cloth = draw_fabric("poplin", np.array([0.2, 0.3, 0.6]), np.random.default_rng(0), "plain")
    plain, _ = cloth.paint(uv, 0.001, FRONT)
    sewn = dataclasses.replace(cloth, trims=(Sewing("hem", (0.010,), RED, 0.015),), lines={(FRONT, "hem"): line})
    texels, _ = sewn.paint(uv, 0.001, FRONT)
    away = np.abs(uv[..., 0] - uv[..., 1] + 0.30) / 2**0.5
    redder = texels.colour[..., 0] - plain.colour[..., 0]
    assert redder[np.abs(away - 0.010) < 0.0004].min() > 0.1 and np.abs(redder[np.abs(away - 0.010) > 0.004]).max() < 0.02
    raised = texels.height - plain.height
    assert raised[away < 0.006].mean() > 0.0003 and np.abs(raised[away > 0.022]).max() < 1e-6
    other, _ = sewn.paint(uv, 0.001, BACK)
    np.testing.assert_array_equal(other.colour, plain.colour)


def test_seams_are_smooth_lines(studio):
    """Neighbouring vertices of the armhole are on one plane, those between front and back on the curve that is drawn for it."""
    part = studio.body.parts["helper-tights"]
    centre = part.template[part.faces].mean(axis=1)
    for field in (panels.armhole, panels.side):
        level = field(part.template)[part.faces]
        assert ((level > 0.001).any(axis=1) & (level < -0.001).any(axis=1)).sum() == 0
    assert (panels.armhole(centre) > 0).mean() > 0.1
