"""Skin: tones of the Monk scale, and what is where on the body has the colour and relief that it should."""

import dataclasses

import cv2
import numpy as np
import pytest

from scans.people import skin
from scans.people.anatomy import Anatomy
from scans.people.complexion import MONK, draw_complexion, encoded, linear, reflectance
from scans.people.eyes import EDGE_DEG, IRIS_DEG, Eye, eye_uv
from scans.people.relief import draw_lines, relief

HAIR = np.array([0.1, 0.07, 0.05])
FACE, HAND, TRUNK = (0.745, 0.985, 0.37, 0.63), (0.355, 0.52, 0.0, 0.2), (0.2, 0.5, 0.35, 0.9)  # windows of the layout: u, v


@pytest.fixture(scope="module")
def canvas(body):
    return skin.Canvas(body)


def window(bounds, size=160):
    low_u, high_u, low_v, high_v = bounds
    pitch = (high_u - low_u) / size
    return np.stack(np.meshgrid(np.arange(low_u, high_u, pitch), np.arange(high_v, low_v, -pitch)), axis=-1), pitch


def painted(canvas, bounds, size=160, seed=0, **traits):
    """(Texels, Place, metres) of somebody average but for their traits."""
    plain = {"tone": 3.0, "freckles": 0.0, "moles": 0.0, "lipstick": None, "polish": None, "shadow": None, "flush": 1.0, "shine": 0.0}
    traits = {**plain, "lips": (0.1, 0.8), **traits}
    complexion = draw_complexion(traits["tone"], "female", 30, HAIR, 0.0, 0.0, np.random.default_rng(seed))
    complexion = dataclasses.replace(complexion, base=reflectance(traits["tone"]), **traits)
    uv, pitch = window(bounds, size)
    texels, metres = skin.Skin(canvas, complexion, np.random.default_rng(seed)).paint(uv, pitch, 0)
    return texels, canvas.place(uv), metres


def lab(colours):
    return cv2.cvtColor(np.asarray(colours, np.float32).reshape(-1, 1, 3), cv2.COLOR_RGB2LAB)[:, 0]


def test_tones_follow_the_monk_scale_within_what_skin_reflects(canvas):
    """Painted skin gets darker as the scale does and is near it in its middle; at both ends, where swatches are lighter and
    darker than skin itself (L* about 25 to 80), it stays within that and warm."""
    tones = [np.median(painted(canvas, TRUNK, 60, tone=float(t))[0].colour.reshape(-1, 3), axis=0) for t in range(10)]
    lightness, red, yellow = lab(tones).T
    difference = np.linalg.norm(lab(tones) - lab(MONK), axis=1)
    assert difference[5:8].max() < 8 and difference.max() < 22
    np.testing.assert_array_equal(np.sign(np.diff(lightness)), np.sign(np.diff(lab(MONK)[:, 0])))
    assert lightness.min() > 22 and lightness.max() < 80
    assert red.min() > 6 and yellow.min() > 8 and np.hypot(red, yellow).max() < 32


def test_light_and_srgb_are_inverse():
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(encoded(linear(values)), values, atol=1e-6)


def test_lips_are_redder_than_the_cheek_and_smoother(canvas):
    texels, at, _ = painted(canvas, FACE)
    lips, plain = at.masks["lips"] > 0.9, (at.masks["lips"] < 0.05) & (at.position[..., 1] < -0.1)
    assert lips.sum() > 50
    redness = texels.colour[..., 0] / texels.colour[..., 1]
    assert redness[lips].mean() > 1.2 * redness[plain].mean()
    assert texels.roughness[lips].mean() < texels.roughness[plain].mean() - 0.04


def test_lipstick_covers_lips_and_nothing_else(canvas):
    green = (np.array([0.0, 1.0, 0.0]), 0.9)
    bare, at, _ = painted(canvas, FACE)
    made_up, _, _ = painted(canvas, FACE, lipstick=green)
    change = np.abs(made_up.colour - bare.colour).max(axis=-1)
    assert change[at.masks["lips"] > 0.9].min() > 0.2 and change[at.masks["lips"] == 0].max() == 0


@pytest.mark.parametrize(("tone", "least"), [(1.0, -0.02), (8.0, 0.10)])
def test_palms_are_lighter_than_the_back_of_the_hand_on_dark_skin(canvas, tone, least):
    uv, _ = window(HAND)
    region = Anatomy(canvas.place(uv), canvas.joints)
    assert region.hands
    texels, at, _ = painted(canvas, HAND, tone=tone)
    hand = np.abs(at.position[..., 0]) > 0.53
    palm, back = hand & (region.palms > 0.95), hand & (region.palms < 0.02)
    assert palm.sum() > 500 and back.sum() > 500
    assert texels.colour[palm].mean() - texels.colour[back].mean() > least


def test_freckles_moles_and_shaven_scalps_only_darken(canvas):
    plain, _, _ = painted(canvas, FACE)
    for traits in ({"freckles": 1.0}, {"stubble": 0.8}, {"beard": 0.8}):
        spotted, _, _ = painted(canvas, FACE, **traits)
        change = (spotted.colour - plain.colour).mean(axis=-1)
        assert change.min() < -0.03 and change.max() < 0.005


def test_a_beard_leaves_the_forehead_free(canvas):
    plain, at, _ = painted(canvas, FACE)
    bearded, _, _ = painted(canvas, FACE, beard=0.9)
    change = np.abs(bearded.colour - plain.colour).max(axis=-1)
    chin = (at.position[..., 2] < 0.635) & (at.position[..., 2] > 0.628) & (at.position[..., 1] < -0.12)
    assert change[at.position[..., 2] > 0.73].max() < 1e-6 and change[chin].mean() > 0.1


def test_age_deepens_creases_and_never_more_than_real_ones(canvas):
    uv, pitch = window(FACE, 400)
    region = Anatomy(canvas.place(uv), canvas.joints)
    from scans.people.grain import Noise

    noises = [Noise(np.random.default_rng(i), 3) for i in range(3)]
    lines = draw_lines(np.random.default_rng(0))
    young, old = (relief(region, lines, age, noises, pitch)[0] for age in (20, 80))
    forehead = (region.at.position[..., 2] > 0.76) & (region.at.position[..., 1] < -0.11)
    assert old[forehead].std() > 1.5 * young[forehead].std()
    assert -0.0015 < old.min() < -0.0002 and old.max() < 0.0005


def test_metres_of_the_layout_are_those_of_the_body(canvas):
    """From texel to texel on the trunk the template's position moves as far as `metres` says."""
    uv, pitch = window(TRUNK, 200)
    at = canvas.place(uv)
    moved = np.linalg.norm(np.diff(at.position, axis=1), axis=-1) / pitch
    assert abs(np.median(moved / at.metres[:, 1:, 0]) - 1) < 0.05


def test_the_face_gets_more_texels_than_the_rest_and_patches_hang_together(body):
    uv = body.parts["body"].uv
    patch = skin.patches(uv)
    share = skin.density(uv, patch, 1000.0)
    assert set(share) == set(np.unique(patch)) and 0 in share
    assert share[0] > 2 * max(value for p, value in share.items() if p != 0 and value < 1200)
    face = uv[patch == 0].reshape(-1, 2)
    assert (face > skin.FACE[0]).all() and (face < skin.FACE[1]).all()


def test_the_same_seed_paints_the_same_skin(canvas):
    first, again, other = (painted(canvas, FACE, 60, seed=seed)[0].colour for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.002


def test_an_eye_is_pupil_iris_and_white():
    eye = Eye(np.array([0.2, 0.3, 0.7]), 30, np.random.default_rng(0))
    middles = (np.arange(200) + 0.5) / 200
    uv = np.stack(np.meshgrid(middles, middles[::-1]), axis=-1)
    texels, _ = eye.paint(uv, 1 / 200, 0)
    degrees = np.hypot(*(np.moveaxis(uv, -1, 0) - 0.5)) * 2 * EDGE_DEG
    below = uv[..., 1] < 0.5
    pupil, iris, white = degrees < 6, (degrees > 17) & (degrees < IRIS_DEG - 4) & below, (degrees > 33) & (degrees < 40) & below
    assert texels.colour[pupil].max() < 0.05
    assert texels.colour[iris][:, 2].mean() > 1.3 * texels.colour[iris][:, 0].mean()
    assert texels.colour[white].mean() > 0.7
    assert texels.roughness.max() < 0.1


def test_eyes_look_forward():
    """The vertex at -Y is in the middle of the texture, the one above it higher."""
    template = np.array([[0, -1, 0], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]], float)
    uv = eye_uv(template, np.array([[0, 2, 4], [0, 3, 5]]))
    np.testing.assert_allclose(uv[:, 0], 0.5, atol=1e-6)
    assert uv[0, 1, 0] > 0.6 > 0.4 > uv[1, 1, 0] and uv[0, 2, 1] > 0.6 > 0.4 > uv[1, 2, 1]
