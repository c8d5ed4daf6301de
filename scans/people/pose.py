"""Poses of people: drawn from the authored table, taken by a body, settled on the floor, hands out of the body."""

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from datasets.conventions import Array
from scans.people.body import Shaped
from scans.people.contact import Fault, Touch, centre_of_mass, touch_of
from scans.people.expressions import draw_face
from scans.people.gestures import ARMS, Arm
from scans.people.hands import GRIPS, Grip
from scans.people.poses import FAMILIES, KEYS, Key
from scans.people.postures import BALANCED, POSTURES, SEATED, Leg, Trunk
from scans.people.solver import Settling, Solver, Stance

__all__ = ["Pose", "PoseError", "draw_face", "draw_pose", "take"]

#: Field -> standard deviation, between people in the same key pose.
JITTER = {
    Trunk: {"tip": 1.5, "list": 1, "yaw": 3, "bend": 2, "lean": 1.5, "twist": 3, "nod": 4, "tilt": 3, "turn": 8, "lopsided": 1.6},
    Leg: {"side": 0.015, "forward": 0.018, "out": 4, "knee": 1.5},
    Arm: {"side": 0.025, "forward": 0.03, "up": 0.02, "elbow": 5, "supinate": 9, "wrist": 7, "deviate": 4},
}  # fmt: skip
LIMITS = {"nod": (-28, 26), "tilt": (-16, 16), "turn": (-48, 48), "twist": (-26, 26), "lean": (-26, 26), "bend": (-10, 28)}
IDLE = {"relaxed": 0.5, "loose": 0.3, "soft": 0.2}  # grips of a hand that does nothing
BLENDED = 0.5  # how many draws mix two key poses, of which the second has at most this share
SHARE = 0.4
SETTLE = 3  # rounds before the first check
ROUNDS = 12
SUNK_M = 0.004  # how far the lowest point may be under the floor before another round


T = TypeVar("T", Trunk, Leg, Arm)


class PoseError(ValueError):
    """A drawn pose that cannot be made natural; draw another."""


@dataclass(frozen=True)
class Pose:
    """A drawn pose. grips: side (L, R) -> the name of the hand's grip; carries: whether that foot stands on the floor."""

    name: str
    family: str
    stance: Stance
    grips: dict[str, str]
    carries: dict[str, bool]
    seated: bool


def draw_pose(rng: np.random.Generator, families: tuple[str, ...] | None = None) -> Pose:
    """A key pose of one of `families` (all, as often as FAMILIES says), often mixed with another of its family, with jitter,
    its leading side drawn."""
    allowed = np.array([share if families is None or family in families else 0.0 for family, share in FAMILIES.items()])
    if not allowed.any():
        raise ValueError(f"no pose is of {families}: families are {', '.join(FAMILIES)}")
    family = list(FAMILIES)[rng.choice(len(allowed), p=allowed / allowed.sum())]
    names = [name for name, key in KEYS.items() if key.family == family]
    name = names[rng.integers(len(names))]
    trunk, legs, arms = parts(KEYS[name])
    if rng.random() < BLENDED:
        share = rng.uniform(0, SHARE)
        other = parts(KEYS[names[rng.integers(len(names))]])
        if [_kind(a) for a in legs] == [_kind(b) for b in other[1]] and abs(trunk.height - other[0].height) < 0.15:
            trunk, legs = _mix(trunk, other[0], share), [_mix(a, b, share) for a, b in zip(legs, other[1], strict=True)]
        arms = [_mix(a, b, share) if _kind(a) == _kind(b) else a for a, b in zip(arms, other[2], strict=True)]
    sides = "LR" if rng.random() < 0.5 else "RL"
    trunk = _sided(_jitter(trunk, rng), sides)
    legs_of = {side: _jitter(leg, rng) for side, leg in zip(sides, legs, strict=True)}
    arms_of = {side: _jitter(arm, rng) for side, arm in zip(sides, arms, strict=True)}
    grips = {side: arms_of[side].grip or list(IDLE)[rng.choice(len(IDLE), p=list(IDLE.values()))] for side in "LR"}
    stance = Stance(trunk, legs_of, arms_of, {side: _vary(GRIPS[grips[side]], rng) for side in "LR"})
    carries = {side: leg.lift == 0 and not leg.kneel and KEYS[name].legs not in SEATED for side, leg in legs_of.items()}
    return Pose(name, family, stance, grips, carries, KEYS[name].legs in SEATED)


def parts(key: Key) -> tuple[Trunk, list[Leg], list[Arm]]:
    """What a key pose says, for the leading side and the other."""
    trunk, *legs = POSTURES[key.legs]
    return replace(trunk, **key.trunk), legs, [ARMS[name] for name in key.arms]


def _kind(limb: Leg | Arm) -> tuple[Any, ...]:
    """What two limbs must share to be mixed: a lifted foot and a standing one have no middle."""
    if isinstance(limb, Leg):
        return limb.kneel, limb.lift > 0, limb.heel > 0, limb.roll > 0
    return limb.at, limb.palm is None, limb.grip


def _mix(first: T, second: T, share: float) -> T:
    """Numbers between two of the same kind; what is no number stays the first's."""
    mixed: dict[str, Any] = {}
    for name in (field.name for field in fields(first)):
        one, two = getattr(first, name), getattr(second, name)
        if isinstance(one, float):
            mixed[name] = (1 - share) * one + share * two
    return replace(first, **mixed)


def _jitter(part: T, rng: np.random.Generator) -> T:
    moved: dict[str, Any] = {}
    for name, spread in JITTER[type(part)].items():
        moved[name] = float(np.clip(getattr(part, name) + rng.normal(0, spread), *LIMITS.get(name, (-np.inf, np.inf))))
    return replace(part, **moved)


def _sided(trunk: Trunk, sides: str) -> Trunk:
    """The trunk of who leads with the left, or its mirror image."""
    if sides == "LR":
        return trunk
    turned = {name: -getattr(trunk, name) for name in ("list", "yaw", "lean", "twist", "tilt", "turn", "lopsided")}
    return replace(trunk, weight=1 - trunk.weight, **turned)


def _vary(grip: Grip, rng: np.random.Generator) -> Grip:
    """No two hands hold themselves alike; open ones vary as a whole, too."""
    together = rng.normal(0, 8) * (max(grip.curls) < 120)
    first, second, third, fourth = (curl + together + rng.normal(0, 4) for curl in grip.curls)
    thumb, opposed = grip.thumb + rng.normal(0, 4), grip.opposed + rng.normal(0, 3)
    return replace(grip, curls=(first, second, third, fourth), thumb=thumb, opposed=opposed)


def take(shaped: Shaped, pose: Pose) -> tuple[Array, Array]:
    """Pose a body on the floor z = 0, nothing of it inside another part. Returns the base mesh (19158,3) and bone transforms.

    Raises PoseError when parts stay in each other.
    """
    touch, solver, settling = touch_of(shaped.body), Solver(shaped), Settling()
    faults: list[Fault] = []
    for step in range(ROUNDS):
        turns, floor = solver.solve(pose.stance, settling)
        transforms = shaped.bones({bone: turn.as_matrix() for bone, turn in turns.items()})
        base = shaped.skin(transforms)
        normal = touch.normals(base)
        if step >= SETTLE:
            holding = {side: bool(arm.at) and not arm.at.startswith("floor") for side, arm in pose.stance.arms.items()}
            faults = touch.faults(base, normal, holding)
            sunk = floor - float(base[touch.skin, 2].min())
            if not faults and (sunk < SUNK_M or step == ROUNDS - 1):
                shift = np.array([0.0, 0.0, -float(base[touch.skin, 2].min())])
                transforms[:, :3, 3] += shift
                return np.round(base + shift, 7), transforms
            _repair(faults, settling, pose.seated)
        _settle(touch, pose, settling, base, normal, floor, step > 0)
    worst = max(faults, key=lambda fault: fault.depth)
    raise PoseError(f"pose {pose.name!r}: {worst.part} stays {worst.depth * 1000:.0f} mm in {worst.other}")


def _settle(touch: Touch, pose: Pose, settling: Settling, base: Array, normal: Array, floor: float, floored: bool) -> None:
    """What touches the floor does so exactly, hands find the skin that they touch, and the weight is over the feet."""
    if pose.seated:
        settling.floor = float(base[touch.seat, 2].min()) + 0.004
    for side, leg in pose.stance.legs.items():
        low = float(base[touch.feet[side], 2].min()) - floor
        if leg.lift == 0 or low < 0:
            settling.rise[f"foot.{side}"] -= low
        if leg.kneel:
            settling.rise[f"knee.{side}"] -= float(base[touch.knees[side], 2].min()) - floor
    for side, arm in pose.stance.arms.items():
        if arm.at.startswith("floor"):
            settling.grasps[side] = touch.on_floor(arm.at, side, base, floor)
        elif arm.at:
            settling.grasps[side] = touch.at(arm.at, side, base, normal)
        low = float(base[touch.hands[side], 2].min()) - floor
        if floored and low < 0:
            settling.push[side] = settling.push[side] - np.array([0.0, 0.0, low])
    if pose.family in BALANCED:
        spots = {side: base[touch.feet[side], :2].mean(axis=0) for side in "LR"}
        share = pose.stance.trunk.weight
        support = share * spots["L"] + (1 - share) * spots["R"]
        off = centre_of_mass(base, touch.triangles)[:2] - support
        settling.shift = settling.shift + off


def _repair(faults: list[Fault], settling: Settling, seated: bool) -> None:
    """Open the joints that bring parts out of each other."""
    for fault in faults:
        part, _, side = fault.part.partition(".")
        if part in ("forearm", "arm"):
            settling.elbow[side] += (2.0 if part == "forearm" else 5.0) * float(np.sign(fault.outward @ settling.turning[side]))
        if part == "forearm":
            settling.push[side] = settling.push[side] + (1.1 * fault.depth + 0.003) * fault.outward
        elif part != "arm" and fault.other == "trunk":
            settling.upright += 4.0
            settling.extend[side] += 0.02 if seated else 0.0
            settling.knee[side] += 2.0
        elif fault.other == f"thigh.{side}":
            settling.higher += 0.02
            settling.extend[side] += 0.03
        elif part != "arm":
            settling.knee[side] += 3.0
            settling.apart[side] = settling.apart[side] + (fault.depth / 2 + 0.003) * fault.outward[:2]
