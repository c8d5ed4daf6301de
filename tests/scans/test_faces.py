"""Faces: features that differ between people and between halves, lids of natural height, eyes on one spot, few open mouths."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from scans.people import features
from scans.people.brows import lash_rails
from scans.people.expressions import EXPRESSIONS, LOOK_DEG, LOWER_LID_M, SIDES, VERGENCE_DEG, draw_face, open_eyes
from scans.people.eyes import IRISES, draw_iris
from scans.people.features import draw_features, featured


@pytest.fixture(scope="module")
def offsets(body):
    return [draw_features(body, np.random.default_rng(seed)) for seed in range(8)]


@pytest.fixture(scope="module")
def face(body):
    skin = np.unique(body.groups["body"])
    front = body.template[:, 1] < -0.06
    return skin[(body.weight_of("head") > 0.9)[skin] & front[skin]]


def test_the_same_seed_gives_the_same_features(body, offsets):
    np.testing.assert_array_equal(offsets[0], draw_features(body, np.random.default_rng(0)))


def test_faces_differ_by_millimetres_and_not_by_centimetres(offsets, face):
    """Whatever the heads' places: each is moved so that the faces' middles agree."""
    faces = [offset[face] - offset[face].mean(axis=0) for offset in offsets]
    apart = [np.sqrt(np.mean((a - b) ** 2)) for i, a in enumerate(faces) for b in faces[:i]]
    assert min(apart) > 0.001 and np.median(apart) < 0.006
    assert max(np.linalg.norm(offset, axis=1).max() for offset in offsets) < 0.05


def test_halves_of_a_face_differ_by_a_millimetre(body, offsets, face):
    mirror = np.array([-1.0, 1.0, 1.0])
    distance, twin = cKDTree(body.template[face]).query(body.template[face] * mirror)
    paired = distance < 0.0005
    assert paired.mean() > 0.8
    odd = [(offset[face] - offset[face][twin] * mirror)[paired] / 2 for offset in offsets]
    assert all(0.0002 < np.sqrt(np.mean(half**2)) < 0.002 for half in odd)


def test_shoulders_stand_unequally_and_feet_on_the_floor(body, offsets):
    left, right = (np.argmin(np.linalg.norm(body.template - body.joints[f"upperarm01.{side}"], axis=1)) for side in "LR")
    unequal = [abs(offset[left, 2] - offset[right, 2]) for offset in offsets]
    assert 0.0005 < np.mean(unequal) < 0.01 and max(unequal) < 0.02
    low = body.template[:, 2] < body.template[:, 2].min() + 0.05
    assert all(np.abs(offset[low]).max() == 0 for offset in offsets)


@pytest.mark.parametrize(
    ("folder", "name", "axis", "sign"),
    [("nose", "nose-trans-forward", 1, -1), ("mouth", "mouth-trans-up", 2, 1), ("head", "head-trans-out", 0, 1)],
)
def test_targets_are_turned_into_our_axes(folder, name, axis, sign):
    _, by = features._target(folder, name)
    mean = by.mean(axis=0)
    assert np.argmax(np.abs(mean)) == axis and np.sign(mean[axis]) == sign and 0.0005 < np.abs(mean[axis]) < 0.05


@pytest.mark.parametrize(("gender", "age"), [(0.0, 0.65), (0.1, 0.95), (1.0, 0.65), (0.9, 1.0)])
def test_lids_are_of_natural_height_whatever_the_phenotype(body, offsets, gender, age):
    """The upper lid covers the iris's top; the white shows below it hardly or not at all."""
    rails = lash_rails(body)
    phenotype = {"gender": gender, "age": age}
    rest = featured(body.shape(phenotype, {}), offsets[0]).rest_vertices[0].numpy()
    actions = open_eyes(body, rails, rest, 40, np.random.default_rng(0))
    opened = featured(body.shape(phenotype, actions), offsets[0]).rest_vertices[0].numpy()
    for number, eye in enumerate("lr"):
        ball = opened[np.unique(body.groups[f"helper-{eye}-eye"])]
        centre = (ball.min(axis=0) + ball.max(axis=0)) / 2
        upper, lower = ((opened[rails[number + row][0]] - centre) for row in (0, 2))
        upper, lower = (edge[np.argmin(np.abs(edge[:, 0])), 2] for edge in (upper, lower))
        assert 0.0025 < upper < 0.0052 and abs(lower - LOWER_LID_M) < 0.0016


def test_both_eyes_look_at_one_spot():
    def turned(actions, side):  # degrees to the person's left, and up
        yaw, pitch = (
            sum(sign * LOOK_DEG[look] * actions.get(f"eyeLook{look}{side}", 0.0) for look, sign in pair.items())
            for pair in ({"Out": 1, "In": -1}, {"Up": 1, "Down": -1})
        )
        return SIDES[side] * yaw, pitch

    looks = [draw_face(np.random.default_rng(seed))[1] for seed in range(300)]
    left, right = (np.array([turned(actions, side) for actions in looks]) for side in SIDES)
    np.testing.assert_allclose(left[:, 1], right[:, 1], atol=1e-9)
    parallel = np.abs(left[:, 0]) < 12.9
    np.testing.assert_allclose((right - left)[parallel & (np.abs(right[:, 0]) < 12.9), 0], 2 * VERGENCE_DEG, atol=1e-9)
    assert np.abs(left.mean(axis=0)).max() < 3 and 2 < left[:, 0].std() < 8


def test_most_mouths_are_closed_and_every_expression_occurs():
    faces = [draw_face(np.random.default_rng(seed)) for seed in range(2000)]
    assert np.mean([actions.get("jawOpen", 0) > 0 for _, actions in faces]) < 0.25
    assert {name for name, _ in faces} == set(EXPRESSIONS)
    assert np.mean([name in ("neutral", "slight smile", "smile") for name, _ in faces]) > 0.6
    assert all(0 <= amount <= 1 for _, actions in faces for amount in actions.values())


def test_dark_skin_has_brown_eyes_and_light_skin_all_kinds():
    def names(tone):
        table = {tuple(colour): name for name, colour in IRISES.items()}
        return {table[tuple(draw_iris(tone, np.random.default_rng(seed)))] for seed in range(300)}

    assert all("brown" in name for name in names(7.0)) and {"blue", "green", "brown"} < names(0.0)
