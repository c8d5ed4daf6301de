"""Keypoints: COCO-WholeBody's order, on the joints whatever the pose, landmarks on the skin and in their places."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scans.people.keypoints import BODY, FACE, NAMES, named, regressor

#: iBUG's landmarks of the right side (of the person) -> those of the left.
MIRROR = {
    **{i: 16 - i for i in range(8)}, **{17 + i: 26 - i for i in range(5)}, 31: 35, 32: 34, 36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46,
    48: 54, 49: 53, 50: 52, 59: 55, 58: 56, 60: 64, 61: 63, 67: 65,
}  # fmt: skip
MIDDLE = (8, 27, 28, 29, 30, 33, 51, 57, 62, 66)


@pytest.fixture(scope="module")
def matrix():
    return regressor()


@pytest.fixture(scope="module")
def template(body, matrix):
    return dict(zip(NAMES, matrix @ body.template, strict=True))


def test_names_are_coco_whole_bodys():
    assert len(NAMES) == len(set(NAMES)) == 133 and len(BODY) == 23 and len(FACE) == len(set(FACE)) == 68
    assert NAMES.index("left_ankle") == 15 and NAMES.index("face-0") == 23
    assert NAMES.index("left_hand_root") == 91 and NAMES.index("right_pinky_finger4") == 132


def test_every_keypoint_is_a_mean_of_vertices(matrix, body):
    assert matrix.shape == (133, len(body.template))
    np.testing.assert_allclose(np.asarray(matrix.sum(axis=1)).ravel(), 1, atol=1e-3)


def test_left_and_right_mirror_each_other(template):
    for name, point in template.items():
        if "left" in name:
            assert point[0] > 0
            np.testing.assert_allclose(point * [-1, 1, 1], template[name.replace("left", "right")], atol=1e-3)
    face = np.stack([template[f"face-{index}"] for index in range(68)])
    for right, left in MIRROR.items():
        assert face[right, 0] < 0
        np.testing.assert_allclose(face[right] * [-1, 1, 1], face[left], atol=1e-3)
    assert np.abs(face[list(MIDDLE), 0]).max() < 1e-3
    assert len(MIRROR) * 2 + len(MIDDLE) == 68


def test_landmarks_are_where_ibug_has_them(template, body):
    """Jaw from ear to chin and up again, brows over eyes over nose over mouth, lids and lips in pairs, all on the skin."""
    x, _, z = np.stack([template[f"face-{index}"] for index in range(68)]).T
    assert (np.diff(z[:9]) < 0).all() and (np.diff(z[8:17]) > 0).all() and (np.diff(x[2:15]) > 0).all()
    for row in (range(17, 27), range(31, 36), (36, 37, 38, 39, 42, 43, 44, 45), (48, 49, 50, 51, 52, 53, 54), (60, 61, 62, 63, 64)):
        assert (np.diff(x[list(row)]) > 0).all()
    assert (np.diff(z[27:31]) < 0).all() and z[30] > z[33] > z[51]
    assert z[17:27].min() > z[[37, 38, 43, 44]].max() and z[[40, 41, 46, 47]].min() > z[30]
    assert (z[[37, 38]] > z[[41, 40]]).all() and (z[[49, 50, 51]] > z[[59, 58, 57]]).all() and (z[[61, 62]] >= z[[67, 66]]).all()
    assert z[51] > z[62] and z[66] > z[57] > z[8]
    assert set(FACE) <= set(np.unique(body.groups["body"]))


def test_joints_follow_their_bones(body, matrix):
    """In a pose that bends and turns everything, joints are where the bones' heads are, and bones keep their length."""
    rng = np.random.default_rng(0)
    turns = {label: Rotation.from_rotvec(rng.normal(0, 0.25, 3)).as_matrix() for label in body.labels}
    shaped = body.shape({"gender": 0.2, "age": 0.7, "weight": 0.7}, {})
    transforms = shaped.bones(turns)
    points = dict(zip(NAMES, matrix @ shaped.skin(transforms), strict=True))
    heads = shaped.rest_bone_poses[0, :, :3, 3].numpy()
    heads = np.einsum("bij,bj->bi", transforms[:, :3, :3], heads) + transforms[:, :3, 3]
    bones = {"shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist", "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot"}
    bones |= {f"{finger}{k}": f"finger{n}-{k}" for n, finger in ((1, "thumb"), (2, "forefinger"), (5, "pinky_finger")) for k in (1, 2, 3)}
    for letter, side in (("L", "left"), ("R", "right")):
        for name, bone in bones.items():
            np.testing.assert_allclose(points[f"{side}_{name}"], heads[body.labels.index(f"{bone}.{letter}")], atol=1e-4)
        np.testing.assert_array_equal(points[f"{side}_hand_root"], points[f"{side}_wrist"])
        last = points[f"{side}_forefinger4"] - points[f"{side}_forefinger3"]
        assert 0.015 < np.linalg.norm(last) < 0.045


def test_the_record_has_tenths_of_millimetres():
    points = np.full((133, 3), 0.123456)
    points[0] = [-0.00001, 0, 1]
    record = named(points)
    assert record["nose"] == [0.0, 0.0, 1.0] and str(record["nose"][0]) == "0.0" and record["left_eye"] == [0.1235] * 3
