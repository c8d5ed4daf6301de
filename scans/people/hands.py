"""Hands: grips as angles of finger joints, and how a hand lies in space."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from datasets.conventions import Array
from scans.people.limbs import Skeleton, about, frame


@dataclass(frozen=True)
class Grip:
    """A hand's shape in degrees: how far index to little finger curl in all, how far they close up toward the middle finger,
    how far the thumb bends, and how far it comes out in front of the palm."""

    curls: tuple[float, float, float, float]
    closed: float
    thumb: float
    opposed: float


#: The reference hand is open, its fingers slightly bent and spread.
GRIPS = {
    "relaxed": Grip((42, 52, 62, 70), 12, 18, 18),
    "loose": Grip((70, 84, 96, 104), 13, 26, 24),
    "soft": Grip((20, 30, 40, 48), 10, 10, 10),
    "flat": Grip((-14, -12, -10, -8), 15, -4, 0),
    "open": Grip((-12, -10, -8, -4), 6, -8, -6),
    "spread": Grip((-18, -16, -14, -10), -3, -12, -8),
    "cupped": Grip((34, 38, 42, 44), 14, 14, 14),
    "fist": Grip((205, 215, 220, 220), 13, 62, 34),
    "point": Grip((-10, 185, 200, 205), 9, 52, 34),
    "thumb up": Grip((205, 215, 220, 220), 13, -18, -14),
    "victory": Grip((-14, -12, 195, 205), -4, 56, 40),
    "phone": Grip((72, 82, 92, 100), 9, 22, 30),
    "handle": Grip((175, 185, 190, 190), 10, 48, 34),
    "pinch": Grip((78, 62, 56, 54), 8, 36, 36),
}  # fmt: skip

SHARES = (0.36, 0.40, 0.24)  # of a finger's curl, by joint


@dataclass(frozen=True)
class Hand:
    """A hand in the reference pose: unit vectors (3,) along the fingers and out of the palm; from the wrist to the palm's
    middle and to the middle fingers' tips, m."""

    fingers: Array
    palm_normal: Array
    palm: Array
    tips: Array

    @classmethod
    def of(cls, skeleton: Skeleton, side: str) -> "Hand":
        mirror = 1.0 if side == "L" else -1.0
        wrist, knuckle = skeleton.joint(f"wrist.{side}"), skeleton.joint(f"finger3-1.{side}")
        across = skeleton.joint(f"finger2-1.{side}") - skeleton.joint(f"finger5-1.{side}")
        basis = frame(knuckle - wrist, across)
        normal = mirror * basis[:, 2]
        length = float(np.linalg.norm(knuckle - wrist))
        palm = 0.75 * (knuckle - wrist) + 0.16 * length * normal
        return cls(basis[:, 0], normal, palm, knuckle - wrist + 0.95 * length * basis[:, 0] + 0.1 * length * normal)

    def facing(self, fingers: Array, palm_normal: Array) -> Rotation:
        """The rotation in which the palm looks along `palm_normal` and the fingers point as near as can be to `fingers`."""
        return Rotation.from_matrix(frame(palm_normal, fingers) @ frame(self.palm_normal, self.fingers).T)


def finger_turns(skeleton: Skeleton, side: str, grip: Grip) -> dict[str, Rotation]:
    """Turns of all finger joints of a hand."""
    mirror = 1.0 if side == "L" else -1.0
    hand = Hand.of(skeleton, side)
    turns = {}
    for finger, curl in enumerate(grip.curls, start=2):
        joints = [skeleton.joint(f"finger{finger}-{i}.{side}") for i in (1, 2, 3)]
        axis = np.cross(joints[1] - joints[0], joints[2] - joints[1])
        close = about(hand.palm_normal, mirror * (finger - 3.2) * grip.closed)
        for i, share in enumerate(SHARES, start=1):
            turn = about(axis, share * curl)
            turns[f"finger{finger}-{i}.{side}"] = close * turn if i == 1 else turn
    joints = [skeleton.joint(f"finger1-{i}.{side}") for i in (1, 2, 3)]
    axis = np.cross(joints[1] - joints[0], joints[2] - joints[1])
    turns[f"finger1-1.{side}"] = about(hand.fingers, mirror * grip.opposed) * about(axis, 0.2 * grip.thumb)
    turns[f"finger1-2.{side}"] = about(axis, 0.4 * grip.thumb)
    turns[f"finger1-3.{side}"] = about(axis, 0.6 * grip.thumb)
    return turns
