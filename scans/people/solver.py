"""A pose made rotations of bones: trunk, then legs that reach the floor, then arms that reach their targets."""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from datasets.conventions import Array
from scans.people import limbs
from scans.people.body import Shaped
from scans.people.gestures import Arm, Direction
from scans.people.hands import Grip, Hand, finger_turns
from scans.people.limbs import Limb, Skeleton, about, euler
from scans.people.postures import Leg, Trunk

MIRROR = {"L": 1.0, "R": -1.0}
NEVER_STRAIGHT = 0.992  # of a leg's length: the knees of who stands are not locked


@dataclass(frozen=True)
class Stance:
    """What a pose says of one body: trunk, and legs, arms and hands by side."""

    trunk: Trunk
    legs: dict[str, Leg]
    arms: dict[str, Arm]
    grips: dict[str, Grip]


@dataclass
class Settling:
    """What the posed skin says back, step by step: corrections (m, degrees) of the joints that carry a pose out.

    shift (2,): feet against hips; floor: its height, where the seat says it; rise: foot.S and knee.S over the floor;
    grasps: where a palm goes and the normal there; push: of a wrist's target; elbow, knee: outward, degrees; upright: degrees;
    higher: leg lengths.
    """

    shift: Array = field(default_factory=lambda: np.zeros(2))
    floor: float | None = None
    rise: dict[str, float] = field(default_factory=lambda: {f"{part}.{side}": 0.0 for part in ("foot", "knee") for side in "LR"})
    grasps: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    push: dict[str, Array] = field(default_factory=lambda: {side: np.zeros(3) for side in "LR"})
    elbow: dict[str, float] = field(default_factory=lambda: {side: 0.0 for side in "LR"})
    turning: dict[str, Array] = field(default_factory=dict)
    apart: dict[str, Array] = field(default_factory=lambda: {side: np.zeros(2) for side in "LR"})
    knee: dict[str, float] = field(default_factory=lambda: {side: 0.0 for side in "LR"})
    upright: float = 0.0
    higher: float = 0.0
    extend: dict[str, float] = field(default_factory=lambda: {side: 0.0 for side in "LR"})


class Solver:
    """Turns the bones of one person."""

    def __init__(self, shaped: Shaped) -> None:
        self.skeleton = Skeleton.of(shaped)
        self.arms = {side: limbs.arm(self.skeleton, side) for side in "LR"}
        self.legs = {side: limbs.leg(self.skeleton, side) for side in "LR"}
        self.hands = {side: Hand.of(self.skeleton, side) for side in "LR"}
        still, rest = shaped.bones({}), shaped.rest_vertices[0].numpy()
        self.feet: dict[str, Array] = {}
        for side, vertices in shaped.body.soles.items():
            place = still[shaped.body.labels.index(f"foot.{side}")]
            self.feet[side] = rest[vertices] @ place[:3, :3].T + place[:3, 3] - self.skeleton.joint(f"foot.{side}")
        self.leg_length = self.legs["L"].length
        self.ankle = max(-float(foot[:, 2].min()) for foot in self.feet.values())

    def solve(self, stance: Stance, settling: Settling) -> tuple[dict[str, Rotation], float]:
        """Every bone's turn, and the height of the floor."""
        turns = _trunk(stance.trunk, settling.upright)
        floor = self._legs(stance, settling, turns)
        for side in "LR":
            self._arm(stance, settling, side, turns)
            turns |= finger_turns(self.skeleton, side, stance.grips[side])
        return turns, floor

    def _legs(self, stance: Stance, settling: Settling, turns: dict[str, Rotation]) -> float:
        rotations, places = self.skeleton.place(turns)
        hips = {side: places[f"upperleg01.{side}"] for side in "LR"}
        middle = (hips["L"] + hips["R"]) / 2
        half = np.linalg.norm(hips["L"] - hips["R"]) / 2
        feet = {side: _foot_rotation(stance.legs[side], side) for side in "LR"}
        clear = {
            side: settling.rise[f"foot.{side}"]
            - float(feet[side].apply(self.feet[side])[:, 2].min())
            + stance.legs[side].lift * self.leg_length
            for side in "LR"
        }
        spots = {}
        for side, leg in stance.legs.items():
            x = MIRROR[side] * (half + leg.side * self.leg_length) + settling.shift[0]
            spots[side] = middle[:2] + np.array([x, -leg.forward * self.leg_length + settling.shift[1]]) + settling.apart[side]
        height = stance.trunk.height + settling.higher
        highest = height >= 1 and any(leg.lift == 0 for leg in stance.legs.values())  # as high as the legs reach
        floor = -np.inf if highest else middle[2] - height * self.leg_length - self.ankle
        for side, leg in stance.legs.items():
            if leg.lift == 0 and not leg.kneel:
                away = float(np.linalg.norm(spots[side] - hips[side][:2]))
                reach = np.sqrt(max((NEVER_STRAIGHT * self.leg_length) ** 2 - away**2, 0.0))
                floor = max(floor, hips[side][2] - clear[side] - reach)
            if leg.kneel:
                floor = max(floor, hips[side][2] - self._knee_height(settling, side) - 0.995 * np.linalg.norm(self.legs[side].upper))
        if settling.floor is not None:
            floor = settling.floor
        for side, leg in stance.legs.items():
            ankle = np.array([*spots[side], floor + clear[side]])
            farther = (ankle - hips[side]) * settling.extend[side]
            ankle = ankle + (farther if leg.lift else farther * [1, 1, 0])
            heading = about(np.array([0, 0, 1.0]), MIRROR[side] * (leg.out + leg.knee + settling.knee[side]))
            pole = heading.apply([0.0, -1.0, 0.4])
            if leg.kneel:
                ankle, pole = self._kneel(hips[side], floor, clear[side], side, leg, settling)
            limb = self.legs[side]
            bent, lower = limbs.bend(limb, rotations[f"pelvis.{side}"], ankle - hips[side], pole)
            end = lower.inv() * feet[side]
            _, twist = limbs.split_twist(end, limb.lower)
            turns |= bent | {limb.names[3]: about(limb.lower, twist / 2), limb.names[4]: about(limb.lower, -twist / 2) * end}
            turns |= _toes(self.skeleton, side, leg)
        return floor

    def _knee_height(self, settling: Settling, side: str) -> float:
        """Of the joint of a knee on the floor."""
        return 0.05 * self.leg_length + settling.rise[f"knee.{side}"]

    def _kneel(self, hip: Array, floor: float, clear: float, side: str, leg: Leg, settling: Settling) -> tuple[Array, Array]:
        """The ankle of a leg with its knee and instep on the floor, and where the knee is."""
        limb = self.legs[side]
        thigh, shin = float(np.linalg.norm(limb.upper)), float(np.linalg.norm(limb.lower))
        height = floor + self._knee_height(settling, side)
        drop = hip[2] - height
        ahead = np.sqrt(max(thigh**2 - drop**2, 0.0))
        outward = about(np.array([0, 0, 1.0]), MIRROR[side] * (leg.knee + settling.knee[side]))
        knee = hip + outward.apply([0.0, -ahead, -drop])
        back = np.sqrt(max(shin**2 - (floor + clear - height) ** 2, 0.0))
        behind = about(np.array([0, 0, 1.0]), MIRROR[side] * leg.out).apply([0.0, back, 0.0])
        return np.array([knee[0] + behind[0], knee[1] + behind[1], floor + clear]), knee - hip

    def _arm(self, stance: Stance, settling: Settling, side: str, turns: dict[str, Rotation]) -> None:
        """Twice: the shoulder blade follows the arm."""
        arm, limb, hand = stance.arms[side], self.arms[side], self.hands[side]
        lower, palm = Rotation.identity(), Rotation.identity()
        for _ in range(2):
            rotations, places = self.skeleton.place(turns)
            chest, shoulder = rotations["spine01"], places[limb.names[0]]
            target = chest.apply(_direction((arm.side, arm.forward, arm.up), side)) * limb.length + settling.push[side]
            oriented = arm.palm is not None and arm.fingers is not None
            if arm.palm is not None and arm.fingers is not None:
                palm = chest * hand.facing(_direction(arm.fingers, side), _direction(arm.palm, side))
            if side in settling.grasps:
                point, normal = settling.grasps[side]
                facing = -normal if arm.palm is None else chest.apply(_direction(arm.palm, side))
                palm, oriented = hand.facing(chest.apply(_direction(arm.fingers or (0.0, 1.0, 0.0), side)), facing), True
                target = point + settling.push[side] + arm.gap * normal - palm.apply(hand.palm) - shoulder
            pole = chest.apply(_direction(arm.pole or _elbow_hangs(chest.inv().apply(target), side), side))
            pole = about(target, MIRROR[side] * arm.elbow + settling.elbow[side]).apply(pole)
            settling.turning[side] = np.cross(target, pole)
            bent, lower = limbs.bend(limb, rotations[f"shoulder01.{side}"], target, pole)
            turns |= bent
            turns |= self._girdle(stance.trunk, side, chest.inv() * lower * bent[limb.names[2]].inv())
        if not oriented:
            palm = lower * _hand_turn(limb, hand, arm, side)
        for bone, turn in limbs.end(limb, lower, palm, MIRROR[side]).items():
            turns[bone] = turns[bone] * turn if bone in turns else turn

    def _girdle(self, trunk: Trunk, side: str, upper: Rotation) -> dict[str, Rotation]:
        """Collar bone and shoulder blade rise with an arm that is raised, and follow it forward. upper: its rotation in the chest."""
        direction = upper.apply(self.arms[side].upper / np.linalg.norm(self.arms[side].upper))
        raised = float(np.degrees(np.arccos(np.clip(-direction[2], -1, 1))))
        lift = np.clip((raised - 55) * 0.28, 0, 30) + trunk.shrug + MIRROR[side] * trunk.lopsided
        forward = np.clip(-16 * direction[1] - 16 * MIRROR[side] * direction[0], -6, 20)
        half = euler(0.0, -MIRROR[side] * lift / 2, -MIRROR[side] * forward / 2)
        return {f"clavicle.{side}": half, f"shoulder01.{side}": half}


def _trunk(trunk: Trunk, upright: float) -> dict[str, Rotation]:
    turns = {"root": euler(trunk.tip - 0.6 * upright, trunk.list, trunk.yaw)}
    for bone in ("spine05", "spine04", "spine03", "spine02", "spine01"):
        turns[bone] = euler((trunk.bend - 0.4 * upright) / 5, trunk.lean / 5, trunk.twist / 5)
    for bone in ("neck01", "neck02", "neck03", "head"):
        turns[bone] = euler(trunk.nod / 4, trunk.tilt / 4, trunk.turn / 4)
    return turns


def _direction(values: Direction, side: str) -> Array:
    outward, forward, up = values
    return np.array([MIRROR[side] * outward, -forward, up])


def _elbow_hangs(target: Array, side: str) -> Direction:
    """Where the elbow of a relaxed arm is: behind and below, but beside a trunk that the hand is in front of."""
    across = float(np.clip(-1.6 * MIRROR[side] * target[0] / np.linalg.norm(target), 0, 1))
    return 0.25 + 0.6 * across, -0.5 + 0.5 * across, -0.8


def _foot_rotation(leg: Leg, side: str) -> Rotation:
    heel = 150.0 if leg.kneel else leg.heel
    yaw = leg.out
    turn = about(np.array([0, 0, 1.0]), MIRROR[side] * yaw) * about(np.array([0, 1.0, 0]), MIRROR[side] * leg.roll)
    return turn * about(np.array([1.0, 0, 0]), heel)


def _toes(skeleton: Skeleton, side: str, leg: Leg) -> dict[str, Rotation]:
    """Toes lie flat on the floor under a raised heel."""
    flat = np.clip(leg.heel, 0, 55) if leg.lift == 0 and not leg.kneel and leg.roll == 0 else 0.25 * np.clip(leg.heel, 0, 40)
    return {f"toe{toe}-1.{side}": about(np.array([1.0, 0, 0]), -float(flat)) for toe in range(1, 6)}


def _hand_turn(limb: Limb, hand: Hand, arm: Arm, side: str) -> Rotation:
    """A hand's rotation against the forearm."""
    twist = about(-MIRROR[side] * limb.lower, arm.supinate)
    return twist * about(limb.hinge, arm.wrist) * about(MIRROR[side] * hand.palm_normal, arm.deviate)
