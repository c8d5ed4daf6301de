"""Poses: key poses in joint angles with jitter inside joint limits, hands, faces; feet on the floor, hands out of the body.

Angles are degrees and anatomical, the same for both sides: `raise` lifts an arm sideways from hanging, `swing` and
`hip` bring a limb forward, `elbow`, `knee` and `curl` flex, `inward` turns an arm toward the body's middle.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from datasets.conventions import Array
from scans.people.body import Body, Shaped
from scans.people.surface import normals

#: Joint -> (least, most) degrees. Smaller than what people can do: extreme joints skin badly.
LIMITS = {
    "bend": (-10, 25), "lean": (-12, 12), "twist": (-25, 25), "nod": (-20, 25), "tilt": (-18, 18), "turn": (-45, 45),
    "raise": (3, 100), "swing": (-30, 75), "inward": (-85, 60), "elbow": (5, 125), "pronate": (-50, 60), "wrist": (-35, 45),
    "curl": (0, 75), "thumb": (-10, 35), "spread": (-4, 10),
    "hip": (-20, 45), "apart": (-6, 14), "out": (-8, 22), "knee": (0, 60), "pitch": (-30, 15),
}  # fmt: skip

#: What a pose does not say: (mean, standard deviation).
NEUTRAL = {
    "bend": (2, 2), "lean": (0, 2), "twist": (0, 4), "nod": (2, 5), "tilt": (0, 4), "turn": (0, 9),
    "raise": (9, 3), "swing": (2, 4), "inward": (5, 8), "elbow": (17, 6), "pronate": (8, 12), "wrist": (2, 7),
    "curl": (22, 9), "thumb": (4, 5), "spread": (1, 2),
    "hip": (0, 2), "apart": (-2, 2), "out": (6, 4), "knee": (3, 2), "pitch": (0, 0),
}  # fmt: skip

#: Key pose -> what differs from NEUTRAL, for the body, one side (the leading one, drawn) and the other side.
POSES: dict[str, tuple[dict[str, float], dict[str, float], dict[str, float]]] = {
    "stand": ({}, {}, {}),
    "stand wide": ({}, {"apart": 5, "raise": 16}, {"apart": 5, "raise": 16}),
    "contrapposto": ({"lean": 4, "twist": 4}, {"hip": 14, "knee": 24, "out": 14, "apart": 3}, {"apart": -3}),
    "step": ({"twist": 5}, {"hip": 18, "knee": 8, "swing": -8}, {"hip": -9, "knee": 6, "swing": 14, "elbow": 26}),
    "walk": (
        {"bend": 4, "twist": 8},
        {"hip": 24, "knee": 7, "pitch": 8, "swing": -20, "elbow": 18},
        {"hip": -12, "knee": 22, "pitch": -24, "swing": 24, "elbow": 34},
    ),
    "walk briskly": (
        {"bend": 7, "twist": 12},
        {"hip": 30, "knee": 12, "pitch": 10, "swing": -26, "elbow": 55, "curl": 50},
        {"hip": -16, "knee": 28, "pitch": -28, "swing": 32, "elbow": 75, "curl": 50},
    ),
    "wave": ({"lean": 2}, {"raise": 62, "swing": 12, "elbow": 100, "inward": -75, "curl": 6, "wrist": 0, "pronate": 20}, {}),
    "point": ({"turn": 8}, {"raise": 30, "swing": 62, "elbow": 15, "curl": 8}, {}),
    "talk": ({}, {"swing": 26, "raise": 16, "elbow": 82, "inward": 5, "pronate": -30, "curl": 16}, {}),
    "talk with both hands": (
        {"bend": 4},
        {"swing": 24, "raise": 18, "elbow": 84, "inward": 8, "pronate": -20, "curl": 18},
        {"swing": 20, "raise": 20, "elbow": 70, "inward": 6, "pronate": -20, "curl": 18},
    ),
    "look at phone": ({"nod": 18, "bend": 5}, {"swing": 34, "raise": 10, "elbow": 100, "inward": 15, "pronate": -40, "curl": 40}, {}),
    "arms out": ({}, {"raise": 62, "elbow": 14}, {"raise": 62, "elbow": 14}),
    "shrug": ({"tilt": 6}, {"raise": 26, "elbow": 85, "inward": -35, "pronate": -45, "curl": 10},
              {"raise": 26, "elbow": 85, "inward": -35, "pronate": -45, "curl": 10}),
}  # fmt: skip

HANDS = {"relaxed": 0.0, "open": -16.0, "half closed": 22.0, "fist": 46.0}

#: Expression -> facial actions (ARKit names, without Left/Right where symmetric) at full strength.
EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.7, "cheekSquint": 0.4, "eyeSquint": 0.3},
    "slight smile": {"mouthSmile": 0.35, "mouthDimple": 0.2},
    "serious": {"browDown": 0.5, "mouthPress": 0.3, "mouthFrown": 0.2},
    "surprised": {"browInnerUp": 0.6, "browOuterUp": 0.6, "eyeWide": 0.5, "jawOpen": 0.12},
    "speaking": {"jawOpen": 0.18, "mouthFunnel": 0.25, "mouthLowerDown": 0.2},
    "tired": {"eyeBlink": 0.3, "mouthFrown": 0.3, "browInnerUp": 0.3},
}

ROOM_M = 0.035  # between a hand or forearm and the naked trunk: cloth has to fit in between


class PoseError(ValueError):
    """A drawn pose that cannot be made natural; draw another."""


@dataclass(frozen=True)
class Pose:
    """Joint angles in degrees: of the body, and of the left and right limbs; names for the catalogue."""

    name: str
    body: dict[str, float]
    left: dict[str, float]
    right: dict[str, float]


def draw_pose(rng: np.random.Generator) -> Pose:
    """A key pose with jitter, its leading side drawn, both hands with fingers of their own."""
    name = list(POSES)[rng.integers(len(POSES))]
    body, leading, other = POSES[name]
    sign = 1 if rng.random() < 0.5 else -1
    values = _jitter(body, rng)
    for angle in ("lean", "twist", "tilt"):
        values[angle] *= sign
    sides = []
    for changes in (leading, other):
        side = _jitter(changes, rng)
        grip = 0.0 if "curl" in changes else list(HANDS.values())[rng.choice(len(HANDS), p=[0.5, 0.15, 0.2, 0.15])]
        for finger in range(2, 6):
            side[f"curl{finger}"] = _limit("curl", side["curl"] + grip + 3 * (finger - 3) + rng.normal(0, 5))
        sides.append(side)
    if name == "point":
        for finger in range(3, 6):
            sides[0][f"curl{finger}"] = _limit("curl", 62 + rng.normal(0, 5))
    return Pose(name, values, *(sides if sign > 0 else sides[::-1]))


def draw_face(rng: np.random.Generator) -> tuple[str, dict[str, float]]:
    """A subtle, slightly lopsided expression: its name and anny's facial actions."""
    name = list(EXPRESSIONS)[rng.choice(len(EXPRESSIONS), p=[0.3, 0.15, 0.2, 0.12, 0.06, 0.12, 0.05])]
    strength = rng.uniform(0.6, 1.0)
    actions: dict[str, float] = {}
    for action, value in EXPRESSIONS[name].items():
        sides = ("",) if action in ("jawOpen", "mouthFunnel", "browInnerUp") else ("Left", "Right")
        for side in sides:
            actions[action + side] = strength * value * rng.uniform(0.85, 1.0)
    blink = rng.uniform(0, 0.12)
    for side in ("Left", "Right"):
        actions["eyeBlink" + side] = min(0.35, actions.get("eyeBlink" + side, 0.0) + blink)
    return name, actions


def take(shaped: Shaped, pose: Pose) -> tuple[Array, Array]:
    """Pose a body: both feet on one floor, arms moved out of the trunk. Returns the base mesh (19158,3) and bone transforms.

    Raises PoseError when arms cannot be freed.
    """
    sides = {"L": dict(pose.left), "R": dict(pose.right)}
    _plant_feet(shaped, pose, sides)
    for _ in range(8):
        transforms = shaped.bones(_rotations(shaped.body, pose.body, sides))
        vertices = shaped.skin(transforms)
        stuck = [side for side in "LR" if _arm_room(shaped.body, vertices, side) < ROOM_M]
        if not stuck:
            return vertices, transforms
        for side in stuck:
            sides[side]["raise"] += 4.0
            sides[side]["inward"] -= 3.0
    raise PoseError(f"pose {pose.name!r}: an arm stays inside the body")


def _limit(angle: str, value: float) -> float:
    return float(np.clip(value, *LIMITS[angle]))


def _jitter(changes: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
    return {name: _limit(name, changes.get(name, mean) + rng.normal(0, spread)) for name, (mean, spread) in NEUTRAL.items()}


def _plant_feet(shaped: Shaped, pose: Pose, sides: dict[str, dict[str, float]]) -> None:
    """Bend the knee of the lower foot, keeping that foot's pitch, until both feet are equally low."""
    body = shaped.body
    rest = shaped.rest_vertices[0].numpy()

    def lowest() -> dict[str, float]:
        transforms = shaped.bones(_rotations(body, pose.body, sides))
        foot = {s: transforms[body.labels.index(f"foot.{s}")] for s in "LR"}
        return {s: float((rest[body.soles[s]] @ foot[s][2, :3] + foot[s][2, 3]).min()) for s in "LR"}

    z = lowest()
    low = min(z, key=lambda s: z[s])
    start = dict(sides[low])
    least, most = 0.0, 50.0
    for _ in range(10):
        extra = (least + most) / 2
        sides[low].update(knee=start["knee"] + extra, hip=start["hip"] + extra / 2)
        z = lowest()
        least, most = (extra, most) if z[low] == min(z.values()) else (least, extra)


def _arm_room(body: Body, vertices: Array, side: str) -> float:
    """The least signed distance (m) from a forearm and hand to the naked trunk and legs."""
    trunk, faces = body.trunk
    surface = vertices[trunk]
    normal = normals(surface, faces)
    arm = vertices[body.forearms[side]]
    distance, nearest = cKDTree(surface).query(arm, distance_upper_bound=0.2)
    near = np.isfinite(distance)
    height = np.einsum("ij,ij->i", arm[near] - surface[nearest[near]], normal[nearest[near]])
    return float(height.min(initial=np.inf))


def _rotations(body: Body, trunk: dict[str, float], sides: dict[str, dict[str, float]]) -> dict[str, Array]:
    """Bone label -> rotation matrix in world axes on the reference pose."""
    turns: dict[str, Rotation] = {}
    for bone in ("spine05", "spine04", "spine03", "spine02", "spine01"):
        turns[bone] = _euler(trunk["bend"] / 5, trunk["lean"] / 5, trunk["twist"] / 5)
    for bone in ("neck01", "neck02", "neck03", "head"):
        turns[bone] = _euler(trunk["nod"] / 4, trunk["tilt"] / 4, trunk["turn"] / 4)
    for side, angles in sides.items():
        turns |= _arm(body, side, angles) | _fingers(body, side, angles) | _leg(side, angles)
    return {bone: turn.as_matrix() for bone, turn in turns.items()}


def _euler(x: float, y: float, z: float) -> Rotation:
    """Degrees about +X (forward bend of what stands up), +Y and +Z, in this order."""
    return Rotation.from_euler("xyz", [x, y, z], degrees=True)


def _about(axis: Array, degrees: float) -> Rotation:
    return Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.deg2rad(degrees))


def _arm(body: Body, side: str, angles: dict[str, float]) -> dict[str, Rotation]:
    mirror = 1.0 if side == "L" else -1.0
    shoulder, elbow, wrist = (body.joints[f"{bone}.{side}"] for bone in ("upperarm01", "lowerarm01", "wrist"))
    upper, fore = elbow - shoulder, wrist - elbow
    hanging = np.degrees(np.arctan2(abs(upper[0]), -upper[2]))
    bent = np.degrees(np.arccos(upper @ fore / np.linalg.norm(upper) / np.linalg.norm(fore)))
    down = hanging - angles["raise"]
    shrug = min(0.0, down) * 0.25  # the shoulder girdle lifts with a raised arm
    turn = _about(np.array([1.0, 0, 0]), -angles["swing"]) * _about(np.array([0, mirror, 0]), down - shrug)
    return {
        f"clavicle.{side}": _about(np.array([0, mirror, 0]), shrug / 2),
        f"shoulder01.{side}": _about(np.array([0, mirror, 0]), shrug / 2),
        f"upperarm01.{side}": turn * _about(mirror * upper, 0.5 * angles["inward"]),
        f"upperarm02.{side}": _about(mirror * upper, 0.5 * angles["inward"]),
        f"lowerarm01.{side}": _about(np.cross(upper, fore), angles["elbow"] - bent),
        f"lowerarm02.{side}": _about(-mirror * fore, 0.6 * angles["pronate"]),
        f"wrist.{side}": _about(np.cross(upper, fore), angles["wrist"]) * _about(-mirror * fore, 0.4 * angles["pronate"]),
    }


def _fingers(body: Body, side: str, angles: dict[str, float]) -> dict[str, Rotation]:
    turns = {}
    for finger in range(1, 6):
        first, second, third = (body.joints[f"finger{finger}-{i}.{side}"] for i in (1, 2, 3))
        axis = np.cross(second - first, third - second)
        curl = angles["thumb"] if finger == 1 else angles[f"curl{finger}"] - 20.0  # the reference hand is half curled
        for i, share in ((1, 0.8), (2, 1.1), (3, 0.7)):
            turns[f"finger{finger}-{i}.{side}"] = _about(axis, share * curl)
    return turns


def _leg(side: str, angles: dict[str, float]) -> dict[str, Rotation]:
    mirror = 1.0 if side == "L" else -1.0
    apart = _about(np.array([0, -mirror, 0]), angles["apart"])
    x = np.array([1.0, 0, 0])
    return {
        f"upperleg01.{side}": _about(x, -angles["hip"]) * apart * _about(np.array([0, 0, mirror]), angles["out"]),
        f"lowerleg01.{side}": _about(x, angles["knee"]),
        f"foot.{side}": apart.inv() * _about(x, angles["hip"] - angles["knee"] - angles["pitch"]),
    }
