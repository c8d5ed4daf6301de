"""Part labels: Sapiens' vocabulary by number, and every face of the skin with the name of the place where it is."""

import numpy as np
import pytest

from scans.people import labels
from scans.people.labels import Label

SAPIENS = """Background Apparel Face_Neck Hair Left_Foot Left_Hand Left_Lower_Arm Left_Lower_Leg Left_Shoe Left_Sock Left_Upper_Arm
Left_Upper_Leg Lower_Clothing Right_Foot Right_Hand Right_Lower_Arm Right_Lower_Leg Right_Shoe Right_Sock Right_Upper_Arm Right_Upper_Leg
Torso Upper_Clothing Lower_Lip Upper_Lip Lower_Teeth Upper_Teeth Tongue"""


@pytest.fixture(scope="module")
def skin(body):
    """Label and centre on the template of every face of the skin."""
    from scans.people.skin import mask

    part = body.parts["body"]
    picture = mask("lips", 1024)
    column, row = (np.clip((value * 1024).astype(int), 0, 1023) for value in (part.uv[..., 0], 1 - part.uv[..., 1]))
    lips = np.zeros(part.matrix.shape[0])
    np.maximum.at(lips, part.faces, picture[row, column])
    return labels.skin(body, lips), part.template[part.faces].mean(axis=1)


def test_the_first_28_are_sapiens_by_number():
    assert [label.name for label in Label][:28] == [name.upper() for name in SAPIENS.split()]
    assert [int(label) for label in Label] == list(range(len(Label)))
    assert all(label.sapiens == label for label in list(Label)[:28])
    assert all(label.sapiens < 28 for label in Label) and Label.EYEGLASSES.sapiens is Label.APPAREL
    assert set(labels.OURS) == set(list(Label)[28:])


def test_every_part_of_the_skin_is_there_and_nothing_else(skin):
    found, _ = skin
    limbs = {
        f"{side}_{part}" for side in ("LEFT", "RIGHT") for part in ("FOOT", "HAND", "LOWER_ARM", "LOWER_LEG", "UPPER_ARM", "UPPER_LEG")
    }
    assert {Label(value).name for value in np.unique(found)} == limbs | {"FACE_NECK", "TORSO", "UPPER_LIP", "LOWER_LIP"}
    assert found.dtype == np.uint8


def test_left_is_left_and_both_sides_are_alike(skin):
    found, centre = skin
    for label in Label:
        if label.name.startswith("LEFT") and label in found:
            left, right = centre[found == label], centre[found == label.right]
            assert (left[:, 0] > 0).all() and (right[:, 0] < 0).all()
            assert len(left) == pytest.approx(len(right), rel=0.03)
            np.testing.assert_allclose(left.mean(axis=0), right.mean(axis=0) * [-1, 1, 1], atol=2e-3)


def test_parts_meet_at_the_joints(skin, body):
    """Whatever is labelled lies between the joints that bound it: knees between upper and lower legs, and so on."""
    found, centre = skin
    for above, below, joint in [("UPPER_LEG", "LOWER_LEG", "lowerleg01"), ("LOWER_LEG", "FOOT", "foot")]:
        z = body.joints[f"{joint}.L"][2]
        assert centre[found == Label[f"LEFT_{above}"], 2].min() > z - 0.08
        assert centre[found == Label[f"LEFT_{below}"], 2].max() < z + 0.08
    for inner, outer, joint in [("UPPER_ARM", "LOWER_ARM", "lowerarm01"), ("LOWER_ARM", "HAND", "wrist")]:
        shoulder, at = body.joints["upperarm01.L"], body.joints[f"{joint}.L"]
        along = (centre - at) @ (at - shoulder) / np.linalg.norm(at - shoulder)
        assert along[found == Label[f"LEFT_{inner}"]].max() < 0.07 and along[found == Label[f"LEFT_{outer}"]].min() > -0.07
    assert centre[found == Label.FACE_NECK, 2].min() > body.joints["clavicle.L"][2] - 0.02
    assert (found[centre[:, 2] > 0.66] != Label.TORSO).all()


def test_lips_are_two(skin, body):
    found, centre = skin
    upper, lower = centre[found == Label.UPPER_LIP], centre[found == Label.LOWER_LIP]
    front = [lips[(np.abs(lips[:, 0]) < 0.01) & (lips[:, 1] < -0.145)] for lips in (upper, lower)]
    assert front[0][:, 2].min() > front[1][:, 2].max() - 1e-3
    assert 0.02 < np.abs(upper[:, 0]).max() < 0.032 and 0.02 < np.abs(lower[:, 0]).max() < 0.032


def test_garments_by_kind_and_side():
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    side = np.array([1.0, 1, 1, -1, -1, -1])
    assert labels.sided(Label.LEFT_SHOE, side, faces).tolist() == [Label.LEFT_SHOE, Label.RIGHT_SHOE]
    assert labels.whole(Label.HAIR, faces).tolist() == [Label.HAIR, Label.HAIR]
