"""What people wear: every garment can be asked for, its form stands off the skin, and nobody goes without."""

import numpy as np
import pytest
import trimesh

from scans.people.garments import GARMENTS, HIP_Z, TIGHT_M, inside
from scans.people.seams import open_edges
from scans.people.surface import normals
from scans.people.tailoring import Solid, carried, form
from scans.people.wardrobe import CLOTHS, MOVES, draw_outfit


@pytest.fixture(scope="module")
def figure(studio):
    """An average body in its rest shape: the skin as a solid, the smoothed tights."""
    rest = studio.body.shape({"gender": 0.5, "age": 0.7}, {}).rest_vertices[0].numpy()
    used, faces = np.unique(studio.quads, return_inverse=True)
    skin = Solid(rest[used], normals(rest, studio.quads)[used], studio.body.template[used], faces.reshape(-1, 3))
    tights = studio.body.parts["helper-tights"].matrix @ (studio.body.cloth_smoothing @ rest)
    return skin, tights


def worn(outfit):
    return [garment.cut.kind for garment in outfit.garments]


@pytest.mark.parametrize("name", GARMENTS)
def test_every_garment_can_be_asked_for(name):
    for seed in range(8):
        for sex in ("female", "male"):
            outfit = draw_outfit(sex, np.random.default_rng(seed), (name,))
            assert name in worn(outfit) and len(set(worn(outfit))) == len(outfit.garments)
            assert any(name in said for said in outfit.names)


def test_of_several_garments_each_is_worn_by_some():
    drawn = [worn(draw_outfit("female", np.random.default_rng(seed), ("skirt", "shorts"))) for seed in range(30)]
    assert all(("skirt" in kinds) != ("shorts" in kinds) for kinds in drawn)
    assert 5 < sum("skirt" in kinds for kinds in drawn) < 25


def test_the_same_seed_draws_the_same_outfit():
    first, again, other = (draw_outfit("male", np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [g.cut for g in first.garments] == [g.cut for g in again.garments] and first.names == again.names
    assert [g.cut for g in first.garments] != [g.cut for g in other.garments]


def test_every_cloth_moves_in_its_way():
    woven = {weave for odds in CLOTHS.values() for weave in odds}
    assert woven == set(MOVES) and set(GARMENTS) <= set(CLOTHS)
    assert MOVES["denim"].bend > MOVES["jersey"].bend and MOVES["leather"].density > MOVES["satin"].density


def test_outfits_cover_chest_and_hips(studio):
    """Every place of the trunk from the hips to the chest is inside the outline of some garment, or below it where it hangs down."""
    x, _, z = studio.at.position.T
    trunk = (studio.at.arm < 0.05) & (np.abs(x) < 0.12) & (z > -0.05) & (z < 0.37)
    assert trunk.sum() > 500
    for seed in range(60):
        outfit = draw_outfit(("female", "male")[seed % 2], np.random.default_rng(seed))
        covered = np.zeros(trunk.sum(), bool)
        for cut in (garment.cut for garment in outfit.garments):
            rim = cut.waist if cut.name == "top" else HIP_Z
            covered |= (inside(cut, studio.at)[trunk] > 0.005) | ((z[trunk] < rim + 0.005) & (z[trunk] > rim - cut.length))
        assert covered.all()


@pytest.mark.parametrize("name", GARMENTS)
def test_forms_stand_off_the_skin(name, studio, figure):
    """A form is outside the body everywhere, hardly anywhere closer than a waistband, one piece, finite, and goes where bones go."""
    skin, tights = figure
    cut = next(g.cut for g in draw_outfit("female", np.random.default_rng(3), (name,)).garments if g.cut.kind == name)
    part = studio.body.parts["helper-tights"]
    cloth = form(cut, part, studio.dresser.at, tights, studio.dresser.weights, skin, [])
    assert np.isfinite(cloth.vertices).all() and np.isfinite(cloth.uv).all()
    body = trimesh.Trimesh(skin.vertices, skin.faces, process=False)
    away = normals(cloth.vertices, cloth.faces)
    _, ray, face = body.ray.intersects_location(cloth.vertices, away, multiple_hits=False)
    buried = np.einsum("ri,ri->r", body.face_normals[face], away[ray]) > 0
    place, ray, face = body.ray.intersects_location(cloth.vertices, -away, multiple_hits=False)
    distance = np.linalg.norm(place - cloth.vertices[ray], axis=1)
    assert buried.sum() < 0.002 * len(away) and np.quantile(distance, 0.02) > 0.5 * TIGHT_M
    assert len(open_edges(cloth.faces)) > 0
    welded = trimesh.Trimesh(cloth.vertices, cloth.faces, process=False)
    assert welded.body_count == 1 and welded.is_winding_consistent
    # little is held; cloth is about as long as its form, never shorter along, longest on limbs; the grain runs down them
    along, around, grain = (cloth.attributes[name] for name in ("along", "around", "grain"))
    assert cloth.attributes["pinned"].mean() < 0.2 and 0.8 <= around.min() <= around.max() < 1.1
    assert along.min() == pytest.approx(1.0) and along.max() == pytest.approx(max(cut.slack, cut.blouse), abs=0.02)
    np.testing.assert_allclose(np.linalg.norm(grain, axis=1), 1.0, atol=1e-9)
    assert (grain[cloth.attributes["arm"] < 0.5, 2] < -0.9).all()
    # the whole body moved rigidly carries the form along
    move = np.array([[0.0, -1, 0, 0.3], [1, 0, 0, 0.1], [0, 0, 1, -0.2], [0, 0, 0, 1]])
    bones = np.broadcast_to(move, (1, cloth.attributes["weights"].shape[1], 4, 4))
    np.testing.assert_allclose(carried(cloth, bones)[0], cloth.vertices @ move[:3, :3].T + move[:3, 3], atol=1e-6)
