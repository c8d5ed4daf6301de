"""Shoes: closed solids on a flat sole, around the feet, that move with them and say which skin they hide."""

import numpy as np
import pytest

from scans.people import shoes
from scans.people.accessories.shapes import volume
from scans.people.accessories.wearer import ZONES, cut
from scans.people.last import Foot
from scans.people.seams import open_edges
from tests.scans.wearers import wearer

COLOURS = np.array([[0.5, 0.1, 0.1], [0.9, 0.9, 0.9], [0.1, 0.1, 0.6], [0.1, 0.1, 0.1]])
KINDS = list(shoes.FORMS)


@pytest.fixture(scope="module")
def someone():
    return wearer()


@pytest.fixture(scope="module")
def pairs(someone):
    return {kind: shoes.make(someone, shoes.ShoeChoice(kind, *COLOURS)) for kind in KINDS}


@pytest.mark.parametrize(("draft", "most"), [(False, 15_000), (True, 10_000)])
def test_shoes_take_no_more_faces_than_they_deserve(someone, draft, most):
    for kind in KINDS:
        made = shoes.make(someone, shoes.ShoeChoice(kind, *COLOURS), draft=draft)
        assert sum(len(item.surface.faces) for item in made.items) < most
        assert all(len(open_edges(item.surface.faces)) == 0 for item in made.items)


def side_of(item, someone, side):
    middle = (someone.joints["foot.L"] + someone.joints["foot.R"])[0] / 2
    return item.surface.vertices[side * (item.surface.vertices[:, 0] - middle) > 0]


@pytest.mark.parametrize("kind", KINDS)
def test_shoes_are_closed_solids(pairs, kind):
    for item in pairs[kind].items:
        assert np.isfinite(item.surface.vertices).all() and np.isfinite(item.surface.uv).all()
        assert len(open_edges(item.surface.faces)) == 0, item.name
        assert volume(item.surface) > 0, item.name


@pytest.mark.parametrize("kind", KINDS)
def test_both_soles_are_flat_and_as_thick_as_they_say(pairs, someone, kind):
    for side in (1, -1):
        foot = Foot.of(someone, side)
        heights = np.concatenate([foot.local(someone, side_of(item, someone, side))[:, 2] for item in pairs[kind].items])
        assert heights.min() == pytest.approx(-shoes.FORMS[kind].sole, abs=0.001)
        assert (heights < heights.min() + 1e-5).sum() > 40


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sandals"])
def test_closed_shoes_contain_the_toes_and_hide_them(pairs, someone, kind):
    hidden = pairs[kind].hidden(someone)
    upper = next(item.surface for item in pairs[kind].items if item.name == "shoes upper")
    for side in (1, -1):
        foot = Foot.of(someone, side)
        local = foot.local(someone, someone.skin.vertices)
        toes = (np.isin(someone.skin.zone, [list(ZONES).index("foot")])) & (someone.skin.side == side) & (local[:, 1] > 0.85 * foot.length)
        assert (hidden[toes] > 0).all()
        shoe = foot.local(someone, upper.vertices)
        own = (side * (upper.vertices[:, 0] - someone.joints["root"][0]) > 0)[upper.faces].all(axis=1)
        assert shoe[upper.faces[own], 1].max() > local[toes, 1].max() + 0.004
        for low in np.linspace(0.1, 0.9, 9) * foot.length:
            slice_shoe = cut(shoe, upper.faces[own], np.array([0.0, low, 0.0]), np.array([0.0, 1.0, 0.0]))
            slice_skin = local[foot_skin(someone, side)]
            skin = slice_skin[(np.abs(slice_skin[:, 1] - low) < 0.003) & (slice_skin[:, 2] < 0.03)]
            if not len(skin):
                continue
            assert slice_shoe[:, 0].max() > skin[:, 0].max() and slice_shoe[:, 0].min() < skin[:, 0].min()
    knees = someone.skin.zone == list(ZONES).index("leg")
    assert (hidden[knees & (someone.skin.vertices[:, 2] > someone.joints["lowerleg01.L"][2])] < 0).all()


def foot_skin(someone, side):
    return (someone.skin.zone == list(ZONES).index("foot")) & (someone.skin.side == side)


def test_sandals_hide_nothing(pairs, someone):
    assert (pairs["sandals"].hidden(someone) < 0).all()


def test_shoes_move_with_the_feet(pairs):
    turn = 0.7
    other = shoes.make(wearer(turn), shoes.ShoeChoice("oxfords", *COLOURS))
    cosine, sine = np.cos(turn), np.sin(turn)
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    for here, there in zip(pairs["oxfords"].items, other.items, strict=True):
        expected = here.surface.vertices @ rotation.T + [0.3 * turn, 0, 0.1 * turn]
        assert np.abs(there.surface.vertices - expected).max() < 1e-3, here.name


def test_draws_are_plausible():
    rng = np.random.default_rng(0)
    drawn = [shoes.draw_shoes(rng, sex, bare) for sex in ("male", "female") for bare in (False, True) for _ in range(200)]
    assert {choice.kind for choice in drawn} == set(KINDS)
    assert not any(choice.kind == "ballerinas" for choice in drawn[:400])
    assert all(choice.socks is None for choice in drawn if choice.kind in ("sandals", "ballerinas"))
    assert all(colour.min() >= 0 and colour.max() <= 1 for c in drawn for colour in (c.upper, c.sole, c.trim))
