"""Where on the body a vertex is: fields on the template that garments, skin and hair are cut along."""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.body import Body


@dataclass(frozen=True)
class Regions:
    """Fields of vertices (V,), metres on the template unless said otherwise.

    position (V,3); arm: 0 on the trunk to 1 on an arm; along_arm: 0 at the shoulder joint, 0.5 elbow, 1 wrist, below 0 on
    the trunk; along_leg: 0 at the crotch, 1 at the ankle joint; radius: distance to the axis of the limb, or of the trunk;
    collar: height above a collar, which is low in front and at the shoulders; trunk_z: height, arms far above; side: +1 left, -1 right.
    """

    position: Array
    arm: Array
    along_arm: Array
    along_leg: Array
    arm_radius: Array
    leg_radius: Array
    collar: Array
    trunk_z: Array
    side: Array


CROTCH_M, ANKLE_M = -0.10, -0.905  # heights on the template (origin at the pelvis)


def regions(body: Body, position: Array, arm: Array) -> Regions:
    """Fields of points on the template, given how much each follows an arm."""
    side = np.where(position[:, 0] >= 0, 1.0, -1.0)
    folded = position * np.stack([side, np.ones_like(side), np.ones_like(side)], axis=1)
    along, arm_radius = _along(folded, [body.joints[f"{bone}.L"] for bone in ("upperarm01", "lowerarm01", "wrist")])
    hip, knee, ankle = (body.joints[f"{bone}.L"] for bone in ("upperleg01", "lowerleg01", "foot"))
    _, leg_radius = _along(folded, [hip, knee, ankle])
    return Regions(
        position=position,
        arm=arm,
        along_arm=arm * along - 0.2 * (1 - arm),
        along_leg=np.where(arm > 0.5, -1.0, (CROTCH_M - position[:, 2]) / (CROTCH_M - ANKLE_M)),
        arm_radius=arm_radius,
        leg_radius=leg_radius,
        collar=position[:, 2] - 0.5 * position[:, 1] - 0.9 * _hinge(np.abs(position[:, 0]) - 0.055, 0.02),
        trunk_z=position[:, 2] + 2.0 * np.maximum(arm - 0.3, 0),
        side=side,
    )


def _hinge(x: Array, width: float) -> Array:
    """max(x, 0), rounded over `width`."""
    return np.asarray((x + np.sqrt(x**2 + width**2) - width) / 2)


def _along(points: Array, joints: list[Array]) -> tuple[Array, Array]:
    """Position along a chain of two bones (0 to 0.5 to 1, extended at both ends) and the distance to its axis."""
    start, middle, end = joints
    first, second = middle - start, end - middle
    bisector = first / np.linalg.norm(first) + second / np.linalg.norm(second)
    beyond = (points - middle) @ bisector > 0
    upper = ((points - start) @ first) / (first @ first)
    lower = ((points - middle) @ second) / (second @ second)
    along = np.where(beyond, 0.5 + 0.5 * np.maximum(lower, 0), 0.5 * np.minimum(upper, 1))
    axis_point = np.where(beyond[:, None], middle + np.maximum(lower, 0)[:, None] * second, start + np.minimum(upper, 1)[:, None] * first)
    return along, np.linalg.norm(points - axis_point, axis=1)
