"""What a posed body touches: the floor, its own skin, and where one part of it has gone into another."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.body import Body
from scans.people.surface import normals, triangulate

#: Places that hands go to: points beside the left half of the template (m), of which the skin's nearest vertex is meant.
LANDMARKS = {
    "hip": (0.19, 0.0, 0.10), "pocket": (0.20, -0.05, -0.06), "thigh": (0.14, -0.15, -0.32), "knee": (0.16, -0.15, -0.40),
    "shin": (0.18, -0.15, -0.55), "belly": (0.0, -0.2, 0.03), "heart": (0.05, -0.2, 0.36), "sacrum": (0.02, 0.25, 0.07),
    "chin": (0.012, -0.16, 0.635), "cheek": (0.08, -0.11, 0.67), "mouth": (0.01, -0.20, 0.685), "ear": (0.12, -0.035, 0.725),
    "nape": (0.025, 0.12, 0.63), "crown": (0.06, 0.04, 0.90),
}  # fmt: skip
#: And on the arms: bone, and the offset (m) from its joint in the reference pose.
ARM_LANDMARKS = {
    "elbow": ("lowerarm01", (0.06, 0.08, 0.0)),
    "elbow crease": ("lowerarm01", (-0.02, -0.06, 0.05)),
    "upper arm": ("upperarm02", (0.1, -0.04, 0.06)),
    "back of hand": ("metacarpal2", (0.06, -0.06, 0.08)),
}

#: Part -> prefixes of its bones. The order matters: a vertex belongs to the part that it follows most.
BONES = {
    "head": ("head", "neck02", "neck03"),
    "trunk": ("root", "pelvis", "spine", "clavicle", "shoulder01", "neck01"),
    "arm": ("upperarm",),
    "forearm": ("lowerarm", "wrist", "metacarpal", "finger"),
    "thigh": ("upperleg",),
    "shin": ("lowerleg", "foot", "toe"),
}
HANDS = ("wrist", "metacarpal", "finger")
NEAR_M = 0.09  # farther inside than this is found by its rim
SOFT_M = 0.015  # how far soft parts press into each other
CREASE_M = 0.10  # skin this near a joint folds onto itself
SLACK_M = 0.002  # not worth a repair
HELD_M, PRESS_M = 0.010, 0.008  # between a hand and the body that it touches lies cloth; how far the hand sinks in
NAKED = ("chin", "cheek", "mouth", "ear", "nape", "crown", "back of hand")
CLOTH_M = 0.022  # between forearm or hand and the naked body: cloth goes in between


@dataclass(frozen=True)
class Fault:
    """`part` is in `other` by `depth` metres more than it may; it comes out along `outward` (3,), a unit vector."""

    part: str
    other: str
    depth: float
    outward: Array


class Touch:
    """The skin's parts and landmarks of one body model. Indices are of the base mesh."""

    def __init__(self, body: Body) -> None:
        self.triangles = triangulate(body.groups["body"])
        self.skin = np.unique(self.triangles)
        names = ["head", "trunk"] + [f"{part}.{side}" for side in "LR" for part in ("arm", "forearm", "thigh", "shin")]
        follow = np.stack([body.weight_of(*BONES[n.partition(".")[0]], side=n.partition(".")[2]) for n in names])
        owner = follow[:, self.skin].argmax(axis=0)
        self.parts = {name: self.skin[owner == i] for i, name in enumerate(names)}
        corner_owner = follow.argmax(axis=0)[self.triangles]
        self.rims = np.zeros(len(body.template), bool)
        self.rims[self.triangles[(corner_owner != corner_owner[:, :1]).any(axis=1)]] = True
        self.hands = {side: self.skin[body.weight_of(*HANDS, side=side)[self.skin] > 0.6] for side in "LR"}
        self.feet = {side: body.soles[side] for side in "LR"}
        self.seat = np.concatenate([self.parts["trunk"], self.parts["thigh.L"], self.parts["thigh.R"]])
        self.knees = {side: self._near(body, f"lowerleg01.{side}", 0.12) for side in "LR"}
        self.free = {part: self._away(body, part) for part in self.parts}
        self.landmarks = {
            f"{name}.{side}": self._landmark(body, np.array(place), side) for name, place in LANDMARKS.items() for side in "LR"
        }
        for name, (bone, offset) in ARM_LANDMARKS.items():
            for side in "LR":
                place = body.joints[f"{bone}.{side}"] * (1 if side == "L" else [-1, 1, 1]) + offset
                self.landmarks[f"{name}.{side}"] = self._landmark(body, place, side)

    def _landmark(self, body: Body, place: Array, side: str) -> int:
        mirrored = place * [1.0 if side == "L" else -1.0, 1, 1]
        return int(self.skin[np.linalg.norm(body.template[self.skin] - mirrored, axis=1).argmin()])

    def _near(self, body: Body, joint: str, radius: float) -> Array:
        return self.skin[np.linalg.norm(body.template[self.skin] - body.joints[joint], axis=1) < radius]

    def _away(self, body: Body, part: str) -> Array:
        """The vertices of a limb's part that are not at its upper joint."""
        name, _, side = part.partition(".")
        joint = {"arm": "upperarm01", "forearm": "lowerarm01", "thigh": "upperleg01", "shin": "lowerleg01"}.get(name)
        if joint is None:
            return self.parts[part]
        near = self._near(body, f"{joint}.{side}", {"arm": 0.18, "thigh": 0.14}.get(name, CREASE_M))
        return np.setdiff1d(self.parts[part], near)

    def normals(self, base: Array) -> Array:
        """Unit normals (19158,3) of the skin of a posed base mesh."""
        return normals(base, self.triangles)

    def at(self, landmark: str, side: str, base: Array, normal: Array) -> tuple[Array, Array]:
        """A landmark's point and normal on the posed skin; "other ..." is the other side's."""
        if landmark == "midline":
            left, right = (self.landmarks[f"heart.{own}"] for own in "LR")
            inward = (base[right] - base[left]) / np.linalg.norm(base[right] - base[left])
            ahead = normal[left] + normal[right]
            return (base[left] + base[right]) / 2 + 0.17 * ahead / np.linalg.norm(ahead), inward if side == "R" else -inward
        name, other = landmark.removeprefix("other "), landmark.startswith("other ")
        vertex = self.landmarks[f"{name}.{'RL'['LR'.index(side)] if other else side}"]
        return base[vertex] + (0.0 if name in NAKED else HELD_M) * normal[vertex], normal[vertex]

    def on_floor(self, place: str, side: str, base: Array, floor: float) -> tuple[Array, Array]:
        """A point on the floor before the feet, or behind the seat ("floor behind"), a little to one side, and its normal."""
        if place == "floor behind":
            ground, beside, ahead = self.seat, 0.24, -0.10
            edge = float(base[ground, 1].max())
        else:
            ground, beside, ahead = np.concatenate([self.feet["L"], self.feet["R"]]), 0.07, 0.12
            edge = float(base[ground, 1].min())
        x = float(base[ground, 0].mean()) + (beside if side == "L" else -beside)
        return np.array([x, edge - ahead, floor]), np.array([0.0, 0.0, 1.0])

    def faults(self, base: Array, normal: Array, holding: dict[str, bool]) -> list[Fault]:
        """Where parts go into each other. holding: side -> that hand touches the body on purpose."""
        trees: dict[str, cKDTree] = {}
        found = []
        for part, other, allowed in _pairs(holding):
            if other not in trees:
                trees[other] = cKDTree(base[self.parts[other]])
            own = self.free[part] if part.partition(".")[0] in ("arm", "thigh", "shin") else self.parts[part]
            if part.startswith("hand"):
                own = self.hands[part[-1]]
            fault = self._fault(part, own, other, trees[other], base, normal, allowed)
            if fault:
                found.append(fault)
        return found

    def _fault(self, part: str, own: Array, other: str, tree: cKDTree, base: Array, normal: Array, allowed: float) -> Fault | None:
        distance, nearest = tree.query(base[own], distance_upper_bound=NEAR_M)
        close = np.isfinite(distance)
        if not close.any():
            return None
        reached = self.parts[other][nearest[close]]
        height = np.einsum("ij,ij->i", base[own[close]] - base[reached], normal[reached])
        beside = np.sqrt(np.maximum(distance[close] ** 2 - height**2, 0)) > 0.012 + 0.6 * np.abs(height)
        depth = np.where(beside | self.rims[reached], -np.inf, -height) - allowed
        if depth.max() <= SLACK_M:
            return None
        bad = depth > 0
        outward = (depth[bad, None] * normal[reached[bad]]).sum(axis=0)
        return Fault(part, other, float(depth.max()), outward / max(float(np.linalg.norm(outward)), 1e-9))


def _pairs(holding: dict[str, bool]) -> list[tuple[str, str, float]]:
    """(part, other part, how far the one may be in the other, m; negative: how far it stays away)."""
    pairs = []
    for side, far in ("LR", "RL"):
        room = PRESS_M if holding[side] else -CLOTH_M
        for other in ("trunk", "thigh.L", "thigh.R"):
            pairs.append((f"forearm.{side}", other, room))
        for other in ("head", "shin.L", "shin.R", f"arm.{far}", f"forearm.{far}"):
            pairs.append((f"forearm.{side}", other, SOFT_M if holding[side] or holding[far] else 0.0))
        pairs += [(f"arm.{side}", other, SOFT_M) for other in ("trunk", "head", "thigh.L", "thigh.R")]
        pairs += [(f"thigh.{side}", "trunk", SOFT_M), (f"shin.{side}", "trunk", SOFT_M), (f"shin.{side}", f"thigh.{side}", 1.7 * SOFT_M)]
        pairs += [(f"shin.{side}", f"thigh.{far}", SOFT_M)]
    return [*pairs, ("thigh.L", "thigh.R", SOFT_M), ("shin.L", "shin.R", 0.008), ("shin.R", "shin.L", 0.008)]


@lru_cache(maxsize=1)
def touch_of(body: Body) -> Touch:
    return Touch(body)


def centre_of_mass(base: Array, triangles: Array) -> Array:
    """The centre (3,) of what a closed surface contains."""
    corners = base[triangles]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    centre: Array = (volume[:, None] * corners.sum(axis=1)).sum(axis=0) / 4 / volume.sum()
    return centre
