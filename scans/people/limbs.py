"""From where hips, feet and hands are to how bones turn: a skeleton in numbers, and limbs of two bones that reach a point.

Axes: +X the body's left, -Y forward, +Z up. A rotation of a bone is from the reference pose, in world axes.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from datasets.conventions import Array
from scans.people.body import Shaped

#: Bone -> (least, most) degrees of its joint. Smaller than what people can do: extreme joints skin badly.
JOINT_LIMITS = {"elbow": (3.0, 144.0), "knee": (2.0, 150.0), "supination": (-25.0, 140.0), "wrist": (-58.0, 58.0)}
REACH = 0.995  # of a limb's length: a locked limb looks broken


@dataclass(frozen=True)
class Skeleton:
    """The joints (bones,3) of a person in the reference pose, m, and each bone's parent (-1: none)."""

    labels: list[str]
    parents: list[int]
    joints: Array

    @classmethod
    def of(cls, shaped: Shaped) -> "Skeleton":
        still = shaped.bones({})
        heads = shaped.rest_bone_poses[0, :, :3, 3].numpy()
        joints = np.einsum("bij,bj->bi", still[:, :3, :3], heads) + still[:, :3, 3]
        return cls(shaped.body.labels, [int(parent) for parent in shaped.body.model.bone_parents], joints)

    def joint(self, label: str) -> Array:
        return self.joints[self.labels.index(label)]

    def place(self, turns: dict[str, Rotation]) -> tuple[dict[str, Rotation], dict[str, Array]]:
        """Each bone's rotation in the world and its joint's position, when bones turn by `turns` against their parents."""
        rotations: dict[str, Rotation] = {}
        places: dict[str, Array] = {}
        for i, label in enumerate(self.labels):
            parent = self.parents[i]
            turn = turns.get(label, Rotation.identity())
            if parent < 0:
                rotations[label], places[label] = turn, self.joints[i]
                continue
            above = self.labels[parent]
            rotations[label] = rotations[above] * turn if label in turns else rotations[above]
            places[label] = places[above] + rotations[above].apply(self.joints[i] - self.joints[parent])
        return rotations, places


def euler(x: float, y: float, z: float) -> Rotation:
    """Degrees about +X (forward bend of what stands up), +Y and +Z, in this order."""
    return Rotation.from_euler("xyz", [x, y, z], degrees=True)


def about(axis: Array, degrees: float) -> Rotation:
    return Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.deg2rad(degrees))


def frame(first: Array, second: Array) -> Array:
    """A right-handed orthonormal basis (3,3) in columns: along `first`, `second` made perpendicular to it, their product."""
    x = first / np.linalg.norm(first)
    y = second - (second @ x) * x
    if np.linalg.norm(y) < 1e-6:  # parallel: any perpendicular
        y = np.cross(x, np.eye(3)[np.abs(x).argmin()])
    y = y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def split_twist(turn: Rotation, axis: Array) -> tuple[Rotation, float]:
    """A rotation as swing * twist: the swing, and the twist about `axis` in degrees."""
    axis = axis / np.linalg.norm(axis)
    x, y, z, w = turn.as_quat()
    along = float(np.array([x, y, z]) @ axis)
    angle = float(np.rad2deg(2 * np.arctan2(along, w)))
    angle = (angle + 180.0) % 360.0 - 180.0
    return turn * about(axis, -angle), angle


def reach(upper: Array, lower: Array, hinge: Array, target: Array, pole: Array, limits: tuple[float, float]) -> tuple[Rotation, float]:
    """How a limb of two bones reaches a point: the rotation of the upper bone, and the hinge's angle in degrees.

    upper, lower (3,): the bones in the reference pose; hinge: the axis of the joint between them, about which `lower` bends;
    target: from the limb's root; pole: the side that the middle joint is on. What is too near or too far is met in direction.
    """
    hinge = hinge / np.linalg.norm(hinge)
    along = (upper @ hinge) * (lower @ hinge)
    cosine, sine = float(upper @ lower - along), float(upper @ np.cross(hinge, lower))
    straight, size = np.arctan2(sine, cosine), np.hypot(cosine, sine)
    length = min(float(np.linalg.norm(target)), REACH * float(np.linalg.norm(upper) + np.linalg.norm(lower)))
    wanted = (length**2 - upper @ upper - lower @ lower) / 2 - along
    bend = float(np.clip(np.rad2deg(np.arccos(np.clip(wanted / size, -1, 1))), *limits))
    angle = float(np.rad2deg(straight)) + bend
    chord = upper + about(hinge, angle).apply(lower)
    side = np.cross(chord, hinge)
    return Rotation.from_matrix(frame(target, pole) @ frame(chord, side).T), angle


@dataclass(frozen=True)
class Limb:
    """The bones of an arm or leg in the reference pose: two of the upper part, two of the lower, its end; the hinge's axis."""

    names: tuple[str, str, str, str, str]
    upper: Array
    lower: Array
    hinge: Array
    limits: tuple[float, float]

    @property
    def length(self) -> float:
        return float(np.linalg.norm(self.upper) + np.linalg.norm(self.lower))


def arm(skeleton: Skeleton, side: str) -> Limb:
    names = tuple(f"{bone}.{side}" for bone in ("upperarm01", "upperarm02", "lowerarm01", "lowerarm02", "wrist"))
    upper = skeleton.joint(names[2]) - skeleton.joint(names[0])
    lower = skeleton.joint(names[4]) - skeleton.joint(names[2])
    return Limb(names, upper, lower, np.cross(upper, lower), JOINT_LIMITS["elbow"])  # type: ignore[arg-type]


def leg(skeleton: Skeleton, side: str) -> Limb:
    names = tuple(f"{bone}.{side}" for bone in ("upperleg01", "upperleg02", "lowerleg01", "lowerleg02", "foot"))
    upper = skeleton.joint(names[2]) - skeleton.joint(names[0])
    lower = skeleton.joint(names[4]) - skeleton.joint(names[2])
    return Limb(names, upper, lower, np.array([1.0, 0.0, 0.0]), JOINT_LIMITS["knee"])  # type: ignore[arg-type]


def bend(limb: Limb, parent: Rotation, target: Array, pole: Array) -> tuple[dict[str, Rotation], Rotation]:
    """Turns of a limb's upper and lower bones that bring its end to `target` (from its root), and the lower bone's rotation."""
    turn, angle = reach(limb.upper, limb.lower, limb.hinge, target, pole, limb.limits)
    swing, twist = split_twist(parent.inv() * turn, limb.upper)
    first, second, third, *_ = limb.names
    half = about(limb.upper, twist / 2)
    hinge = about(limb.hinge, angle)
    return {first: swing * half, second: half, third: hinge}, turn * hinge


def end(limb: Limb, lower: Rotation, turn: Rotation, mirror: float) -> dict[str, Rotation]:
    """Turns that give a hand the rotation `turn`, as far as forearm and wrist go, beyond the turn of the elbow's hinge.

    Supination is spread along the forearm; only its smallest part is at the wrist.
    """
    swing, angle = split_twist((lower.inv() * turn).inv(), limb.lower)  # inverted: the twist is nearer the elbow than the swing
    least, most = JOINT_LIMITS["supination"]
    middle = (least + most) / 2
    supination = float(np.clip((mirror * angle - middle + 180.0) % 360.0 - 180.0 + middle, least, most))
    vector = swing.inv().as_rotvec(degrees=True)
    swing = Rotation.from_rotvec(vector * min(1.0, JOINT_LIMITS["wrist"][1] / max(float(np.linalg.norm(vector)), 1e-9)), degrees=True)
    third, fourth, wrist = (about(limb.lower, -mirror * share * supination) for share in (0.2, 0.45, 0.35))
    return {limb.names[2]: third, limb.names[3]: fourth, limb.names[4]: wrist * swing}
