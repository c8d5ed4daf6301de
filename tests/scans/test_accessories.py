"""Accessories: closed solids in their places, that move with the body; hair goes under hats; nothing through arms."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from scans.people.accessories import bags, fitted, glasses, headwear, held, neckwear
from scans.people.accessories.choices import Accessories, draw_accessories, dress, with_grips
from scans.people.accessories.hats import KINDS, HeadwearChoice
from scans.people.accessories.shapes import closed, cushion, lathe, plate, rounded, slab, superellipse, sweep, volume
from scans.people.accessories.wearer import ZONES, band
from scans.people.pose import draw_pose
from scans.people.seams import open_edges
from scans.people.surface import normals
from tests.scans.wearers import wearer

RED, BLUE = np.array([0.6, 0.1, 0.1]), np.array([0.1, 0.1, 0.5])


@pytest.fixture(scope="module")
def someone():
    return wearer()


@pytest.fixture(scope="module")
def items(someone):
    """One of everything."""
    rng = np.random.default_rng(1)
    made = [item for kind in KINDS for item in headwear.make(someone, HeadwearChoice(kind, RED, BLUE, 0.5)).items]
    for shape in glasses.LENSES:
        made += glasses.make(someone, glasses.GlassesChoice(shape, shape == "aviator", 1.0, BLUE, RED))
    for kind in ("phone", "cup", "book"):
        made += held.make(someone, held.HeldChoice(kind, 1, RED, BLUE))
    for kind in ("backpack", "cross-body", "tote", "handbag"):
        choice = bags.BagChoice(kind, 1, 1.0, RED, BLUE)
        made += bags.build(someone, choice)
    made += neckwear.necklace(someone, rng) + neckwear.scarf(someone, RED, rng) + neckwear.tie(someone, RED, rng)
    return made + fitted.earrings(someone, rng) + fitted.watch(someone, 1, rng) + fitted.bracelet(someone, -1, rng)


def cylinder(radius, height):
    around = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    rows = [
        np.stack([radius * np.cos(around), radius * np.sin(around), np.full(256, z)], axis=1)
        for z in np.linspace(-height / 2, height / 2, 9)
    ]
    return closed(np.stack(rows))


def test_solids_have_their_volumes():
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    torus = sweep(circle, superellipse(0.2, 0.2, 2.0, 64), np.array([0, 0, 1.0]), loop=True)
    assert volume(torus) == pytest.approx(2 * np.pi**2 * 0.1**2, rel=0.01)
    assert volume(cylinder(0.5, 2.0)) == pytest.approx(np.pi * 0.25 * 2, rel=0.01)
    assert volume(lathe(np.array([[0.01, -1.0], [1.0, -1.0], [1.0, 1.0], [0.01, 1.0]]), 200)) == pytest.approx(2 * np.pi, rel=0.03)
    assert volume(plate(rounded(0.2, 0.1, 0.02, 6), 0.01, 0.001)) == pytest.approx(0.2 * 0.1 * 0.01, rel=0.1)
    assert volume(cushion(np.array([2.0, 2.0, 2.0]), 1.0, 65, 128)) == pytest.approx(4 / 3 * np.pi, rel=0.01)
    strip = np.stack(np.meshgrid(np.linspace(0, 1, 30), np.linspace(0, 2, 40), [0.0], indexing="ij"), axis=-1)[:, :, 0]
    assert volume(slab(strip, 0.01)) == pytest.approx(0.02, rel=0.1)


def test_a_band_lies_its_gap_outside_a_cylinder():
    solid = cylinder(0.1, 1.0)
    up = np.array([0, 0.3, 1.0])
    rows = band((solid.vertices, solid.faces), np.zeros(3), up, np.array([0, -1.0, 0]), np.linspace(-0.02, 0.02, 5), 90, 0.003)
    off = np.linalg.norm(rows[..., :2], axis=2) - 0.1
    assert rows.shape == (5, 90, 3)
    assert off.min() > 0.0025
    assert off.max() < 0.0035
    assert np.linalg.norm(np.diff(rows[2], axis=0), axis=1).std() < 2e-4  # evenly


def test_everything_is_a_closed_solid_within_budget(items):
    for item in items:
        surface = item.surface
        assert np.isfinite(surface.vertices).all() and np.isfinite(surface.uv).all(), item.name
        assert surface.uv.shape == (*surface.faces.shape, 2), item.name
        assert len(open_edges(surface.faces)) == 0, item.name
        assert volume(surface) > 0, item.name
        assert len(surface.faces) <= 28000, item.name
        assert item.colour.shape == (3,) and item.colour.min() >= 0 and item.colour.max() <= 1, item.name


def test_glasses_stand_before_the_eyes_and_out_of_the_face(someone):
    for shape in glasses.LENSES:
        (frame,) = glasses.make(someone, glasses.GlassesChoice(shape, False, 1.0, RED, None))
        local = someone.local("head", frame.surface.vertices)
        eyes = someone.local("head", someone.eyes)
        assert local[:, 1].min() < eyes[:, 1].min() - 0.01
        assert local[:, 1].max() > 0.0 - 0.06  # temples reach the ears
        face = (someone.skin.zone == 0) & (someone.ears < 0.1)
        out = normals(someone.skin.vertices, someone.skin.faces)[face]
        _, near = cKDTree(someone.skin.vertices[face]).query(frame.surface.vertices)
        height = np.einsum("ij,ij->i", frame.surface.vertices - someone.skin.vertices[face][near], out[near])
        assert (height < -0.003).mean() < 0.03


def test_things_move_with_the_body(someone):
    turn = 0.7
    other = wearer(turn)
    cosine, sine = np.cos(turn), np.sin(turn)
    rotation, shift = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]), np.array([0.3 * turn, 0, 0.1 * turn])
    for make in (
        lambda w: glasses.make(w, glasses.GlassesChoice("round", True, 1.0, RED, BLUE)),
        lambda w: headwear.make(w, HeadwearChoice("cap", RED, BLUE, 0.5)).items,
        lambda w: bags.build(w, bags.BagChoice("backpack", 1, 1.0, RED, BLUE)),
        lambda w: neckwear.tie(w, RED, np.random.default_rng(0)),
    ):
        for here, there in zip(make(someone), make(other), strict=True):
            expected = here.surface.vertices @ rotation.T + shift
            assert np.abs(there.surface.vertices - expected).max() < 2e-3, here.name


def test_hats_cover_the_crown_and_press_hair_under_them(someone):
    head = someone.skin.vertices[someone.skin.zone == ZONE_HEAD]
    for kind in ("beanie", "cap", "fedora", "sun hat"):
        hat = headwear.make(someone, HeadwearChoice(kind, RED, BLUE, 0.3))
        level = hat.level(head)
        assert level[head[:, 2].argmax()] > 0.05
        assert level[head[:, 1].argmin()] < 0  # the nose
        hair = hat.centre + (head - hat.centre) * 1.5
        pressed = hat.press(hair)
        high = hat.level(pressed) > 0.02
        shell = cKDTree((hat.crown - hat.centre) / np.linalg.norm(hat.crown - hat.centre, axis=1, keepdims=True))
        reach = np.linalg.norm(pressed - hat.centre, axis=1)
        _, near = shell.query((pressed - hat.centre) / reach[:, None])
        assert (reach[high] <= np.linalg.norm(hat.crown - hat.centre, axis=1)[near][high]).all()
        far = hat.centre + np.array([[0, 0, -0.4], [0.5, 0, 0.0]])
        assert np.array_equal(hat.press(far), far)


ZONE_HEAD = list(ZONES).index("head")


def test_a_watch_needs_a_bare_wrist(someone):
    assert fitted.watch(someone, 1, np.random.default_rng(0))
    assert not fitted.watch(wearer(sleeves=True), 1, np.random.default_rng(0))


def test_no_bag_where_an_arm_is(someone):
    hand = someone.joints["wrist.R"]
    box = cushion(np.array([0.3, 0.2, 0.25]))
    assert not bags.free(someone, box.moved(box.vertices + hand), bags.BagChoice("cross-body", 1, 1.0, RED, BLUE))
    assert bags.free(someone, box.moved(box.vertices + hand + [0, 3, 0]), bags.BagChoice("cross-body", 1, 1.0, RED, BLUE))


def test_a_phone_is_in_the_hand_and_not_in_its_flesh(someone):
    phone = held.make(someone, held.HeldChoice("phone", -1, RED, BLUE))[0].surface
    hand = held.Hand.of(someone, -1)
    distance, _ = cKDTree(hand.skin).query(phone.vertices)
    assert distance.min() < 0.006
    centre = phone.vertices.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((phone.vertices - centre).T))
    half = np.abs((phone.vertices - centre) @ axes).max(axis=0)
    assert (np.abs((hand.skin - centre) @ axes) < half - 0.004).all(axis=1).mean() < 0.06  # the hand is open


def test_grips_change_one_hand_only():
    pose = draw_pose(np.random.default_rng(0))
    choice = Accessories(held=held.HeldChoice("phone", 1, RED, BLUE))
    changed = with_grips(pose, choice)
    assert changed.stance.grips["L"] == held.HOLDS["phone"]
    assert changed.stance.grips["R"] == pose.stance.grips["R"]
    assert with_grips(pose, Accessories()) == pose


def test_frequencies():
    rng = np.random.default_rng(3)
    pose = draw_pose(rng)
    drawn = [draw_accessories(rng, "female" if i % 2 else "male", 40, True, "crew", "short", pose) for i in range(1500)]
    assert 0.15 < np.mean([d.glasses is not None for d in drawn]) < 0.30
    assert 0.08 < np.mean([d.headwear is not None for d in drawn]) < 0.16
    assert 0.10 < np.mean([d.bag is not None for d in drawn]) < 0.20
    assert not any(d.small.tie is not None for d in drawn)  # no shirt


def test_dressing_is_repeatable(someone):
    choice = draw_accessories(np.random.default_rng(8), "female", 50, False, "crew", "short", draw_pose(np.random.default_rng(2)))
    first, second = (dress(someone, choice, None, np.random.default_rng(4))[0] for _ in range(2))
    assert [item.surface.vertices.tobytes() for item in first] == [item.surface.vertices.tobytes() for item in second]
