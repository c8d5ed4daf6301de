"""Things in a hand: phone, cup, book. The fingers are curled for the thing, then the thing settles between them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from datasets.conventions import Array
from scans.people.accessories.shapes import cushion, lathe, merged, moved, plate, rounded, unit
from scans.people.accessories.wearer import Item, Wearer
from scans.people.hands import GRIPS, Grip
from scans.people.pose import Pose

#: What is held -> the hand around it.
HOLDS = {
    "phone": GRIPS["phone"],
    "bag": GRIPS["handle"],
    "cup": Grip((78, 80, 84, 88), 9, 26, 34),
    "book": Grip((96, 100, 104, 108), 10, 24, 30),
}


#: Profiles (radius, height) in millimetres.
CUP = [(10, -53), (28, -53), (29.5, -55), (30.2, -53), (34, 0), (37.8, 53), (36, 55), (10, 55)]
LID = [(30, 50), (39.2, 50), (39.8, 52.5), (38.8, 55), (36, 57), (34.5, 64), (33, 65.5), (30, 64.5), (27, 61.5), (10, 61.5)]
SLEEVE = [(32, -26), (33, -26.5), (33.5, -25), (36.8, 22), (36.2, 23.5), (35, 23)]


@dataclass(frozen=True)
class HeldChoice:
    """kind: phone, cup or book, in the left (+1) or right (-1) hand; sRGB colours (3,)."""

    kind: str
    side: int
    colour: Array
    trim: Array


def grip(pose: Pose, kind: str, side: int) -> Pose:
    """The pose with one hand closed around a thing of HOLDS."""
    hands = {**pose.stance.grips, "L" if side > 0 else "R": HOLDS[kind]}
    return replace(pose, stance=replace(pose.stance, grips=hands))


def make(wearer: Wearer, choice: HeldChoice) -> list[Item]:
    """The thing in its hand."""
    return {"phone": _phone, "cup": _cup, "book": _book}[choice.kind](wearer, choice)


@dataclass(frozen=True)
class Hand:
    """A posed hand: skin (N,3), and unit directions: along the fingers, out of the palm, toward the thumb's side; the hollow's middle."""

    skin: Array
    along: Array
    palm: Array
    thumb: Array
    hollow: Array
    pads: Array

    @staticmethod
    def of(wearer: Wearer, side: int) -> "Hand":
        name = "L" if side > 0 else "R"
        joint = wearer.joints
        wrist, knuckles = joint[f"wrist.{name}"], np.stack([joint[f"finger{i}-1.{name}"] for i in (2, 3, 4, 5)])
        along = unit(knuckles.mean(axis=0) - wrist)
        thumb = unit(knuckles[0] - knuckles[3])
        thumb = unit(thumb - along * (thumb @ along))
        palm = np.cross(along, thumb) * side
        tips = np.stack([joint[f"finger{i}-3.{name}"] for i in (2, 3, 4, 5)])
        if (tips.mean(axis=0) - knuckles.mean(axis=0)) @ palm < 0:
            palm = -palm
        skin = wearer.skin.vertices[(wearer.skin.zone == 4) & (wearer.skin.side == side)]
        pads = np.concatenate([tips + 0.008 * palm, [joint[f"finger1-3.{name}"]]])
        hollow = 0.5 * (knuckles.mean(axis=0) + tips.mean(axis=0)) + 0.016 * palm
        return Hand(skin, along, palm, thumb, hollow, pads)


def _settle(hand: Hand, axes: Array, centre: Array, distance: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Rotation (3,3) and centre of a thing near a first guess, where it neither enters the hand nor leaves the fingers.

    distance: signed distance (m) of points (N,3) in the thing's frame from its surface.
    """
    near = hand.skin[np.linalg.norm(hand.skin - centre, axis=1) < 0.16][::4]

    def placed(x: Array) -> tuple[Array, Array]:
        return axes @ Rotation.from_rotvec(x[3:]).as_matrix(), centre + axes @ (x[:3] * 0.1)

    def cost(x: Array) -> float:
        turned, place = placed(x)
        depth = distance((near - place) @ turned)
        gap = distance((hand.pads - place) @ turned)
        inside = np.minimum(depth - 0.0005, 0) * 1000
        return float((inside**2).mean() * 8 + np.minimum(np.abs(gap) * 1000, 40).mean() * 0.15 + 6.0 * (x**2).sum())

    best = minimize(
        cost, np.zeros(6), method="Nelder-Mead", options={"maxfev": 500, "initial_simplex": np.vstack([np.zeros(6), 0.15 * np.eye(6)])}
    )
    return placed(np.round(best.x, 4))


def _box(size: Array) -> Callable[[Array], Array]:
    def distance(points: Array) -> Array:
        q = np.abs(points) - size / 2
        return np.asarray(np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0))

    return distance


def _phone(wearer: Wearer, choice: HeldChoice) -> list[Item]:
    """A phone: case, screen, cameras; its screen faces away from the palm."""
    hand = Hand.of(wearer, choice.side)
    size = np.array([0.072, 0.150, 0.0085])
    long = unit(hand.along * 0.55 + hand.thumb * 0.85)
    axes = np.stack([np.cross(long, hand.palm), long, hand.palm], axis=1)
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    turned, place = _settle(hand, axes, hand.hollow + 0.02 * long, _box(size))
    body = plate(rounded(size[0], size[1], 0.010, 5), size[2], 0.002)
    up = 1.0 if turned[:, 2] @ hand.palm > 0 else -1.0
    screen = plate(rounded(size[0] - 0.005, size[1] - 0.005, 0.008, 5), 0.0022, 0.0004)
    bump = cushion(np.array([0.022, 0.026, 0.0030]), 0.3, 13, 32)
    front = np.array([0.0, 0, up * (size[2] / 2 - 0.0007)])
    lens = np.array([[0.0015, 0.0], [0.0042, 0.0], [0.0045, -0.002]])
    behind = -up * (size[2] / 2 + 0.0012)
    lenses = [moved(lathe(lens, 20), np.diag([1.0, -up, -up]), np.array([-0.021, y, behind])) for y in (0.054, 0.064)]
    bump = bump.moved(bump.vertices + np.array([-0.021, 0.059, -up * size[2] / 2]))
    return [
        Item("phone", moved(merged([body, bump]), turned, place), choice.colour, 0.35, "plastic"),
        Item(
            "phone screen",
            moved(merged([screen.moved(screen.vertices + front), *lenses]), turned, place),
            np.array([0.02, 0.02, 0.025]),
            0.06,
            "glass",
        ),
    ]


def _cup(wearer: Wearer, choice: HeldChoice) -> list[Item]:
    """A paper cup with a lid and a sleeve, upright enough to hold what is in it."""
    hand = Hand.of(wearer, choice.side)
    axis = unit(0.5 * hand.thumb * np.sign(hand.thumb[2] + 0.3) + np.array([0.0, 0, 1]))
    x = unit(hand.palm - axis * (hand.palm @ axis))
    axes = np.stack([x, np.cross(axis, x), axis], axis=1)

    def distance(points: Array) -> Array:
        radius = 0.034 + 0.07 * points[:, 2]
        q = np.stack([np.linalg.norm(points[:, :2], axis=1) - radius, np.abs(points[:, 2]) - 0.055], axis=1)
        return np.asarray(np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0))

    turned, place = _settle(hand, axes, hand.hollow + 0.026 * hand.palm, distance)
    cup, lid, sleeve = (lathe(np.array(profile) / 1000, 56) for profile in (CUP, LID, SLEEVE))
    return [
        Item("cup", moved(cup, turned, place), choice.colour, 0.6, "plastic"),
        Item("cup sleeve", moved(merged([lid, sleeve]), turned, place), choice.trim, 0.6, "plastic"),
    ]


def _book(wearer: Wearer, choice: HeldChoice) -> list[Item]:
    """A paperback, held by its spine."""
    hand = Hand.of(wearer, choice.side)
    size = np.array([0.128, 0.195, 0.018])
    flat = hand.palm
    axes = np.stack([hand.along, np.cross(flat, hand.along), flat], axis=1)
    turned, place = _settle(hand, axes, hand.hollow + 0.045 * hand.along + 0.004 * hand.palm, _box(size))
    covers = [plate(rounded(size[0], size[1], 0.002, 2), 0.0018, 0.0004) for _ in range(2)]
    covers = [c.moved(c.vertices + np.array([0, 0, sign * (size[2] / 2 - 0.0009)])) for c, sign in zip(covers, (1, -1), strict=True)]
    spine = cushion(np.array([0.0022, size[1], size[2]]), 0.2, 13, 32)
    spine = spine.moved(spine.vertices - np.array([size[0] / 2 - 0.0011, 0, 0]))
    pages = cushion(size - [0.006, 0.006, 0.003], 0.05, 25, 64)
    return [
        Item("book", moved(merged([*covers, spine]), turned, place), choice.colour, 0.5, "plastic"),
        Item("book pages", moved(pages, turned, place), np.array([0.86, 0.83, 0.76]), 0.95, "cloth"),
    ]


def draw_held(rng: np.random.Generator, kind: str, side: int) -> HeldChoice:
    """A thing of a kind, its colours drawn."""
    colours = np.array(
        [[0.05, 0.05, 0.055], [0.75, 0.75, 0.76], [0.12, 0.18, 0.32], [0.62, 0.15, 0.15], [0.86, 0.86, 0.84], [0.45, 0.55, 0.42]]
    )
    colour = colours[rng.integers(len(colours))]
    if kind == "cup":
        return HeldChoice(
            kind, side, colours[[4, 4, 3, 5][rng.integers(4)]], np.array([[0.42, 0.29, 0.18], [0.10, 0.10, 0.10]])[rng.integers(2)]
        )
    return HeldChoice(kind, side, colour, colour)
