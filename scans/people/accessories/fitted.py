"""Small things that lie close: belts, watches, bracelets; earrings."""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.accessories.shapes import (
    lathe,
    merged,
    moved,
    outward,
    resample,
    rounded,
    slab,
    superellipse,
    sweep,
    unit,
)
from scans.people.accessories.wearer import Item, Wearer, band
from scans.people.surface import Surface

GOLD, SILVER = np.array([0.78, 0.60, 0.28]), np.array([0.70, 0.70, 0.71])


def belt(wearer: Wearer, garment: Surface, colour: Array, rng: np.random.Generator) -> list[Item]:
    """A leather belt with a buckle, over the waistband of trousers or a skirt (`garment`, with its attributes `position` and `folded`)."""
    width = rng.uniform(0.026, 0.038)
    rim = garment.attributes["position"][:, 2] > np.quantile(garment.attributes["position"][:, 2], 0.995) - 0.012
    points = garment.vertices[rim & ~garment.attributes["folded"]]
    centre = points.mean(axis=0)
    up = np.linalg.svd(points - centre, full_matrices=False)[2][2]
    up = up * np.sign(up[2])
    forward = -wearer.frames["spine05"][:3, 1]
    soup = wearer.soup("trunk", "leg")
    rows = band(soup, centre - up * (width / 2 + 0.006), up, forward, np.linspace(0.5, -0.5, 5) * width, 160, 0.0012)
    strap = slab(rows, 0.0032, loop=True)
    metal = GOLD if rng.random() < 0.25 else SILVER
    front = rows[2, 0]
    x = unit(rows[2, 1] - rows[2, -1])
    out = unit(np.cross(x, up))
    out = out * np.sign(out @ (front - centre))
    frame = rounded(0.042, width + 0.012, 0.006)
    axes = np.stack([x, np.cross(out, x), out], axis=1)
    path = moved(
        Surface(np.column_stack([frame, np.full(len(frame), 0.0062)]), np.zeros((0, 3), int), np.zeros((0, 3, 2))), axes, front
    ).vertices
    buckle = sweep(resample(path, 40, loop=True), superellipse(0.0038, 0.0032, 3.0, 8), out, loop=True)
    prong = sweep(front + np.linspace(-0.019, 0.019, 7)[:, None] * x + 0.0066 * out, superellipse(0.003, 0.003, 2.0, 8), out)
    return [Item("belt", strap, colour, 0.4, "leather"), Item("belt buckle", merged([buckle, outward(prong)]), metal, 0.25, "metal")]


def watch(wearer: Wearer, side: int, rng: np.random.Generator) -> list[Item]:
    """A watch on a bare wrist (+1 left); nothing where a sleeve is in the way."""
    found = _wrist(wearer, side, 0.030, rng.uniform(0.016, 0.022))
    if found is None:
        return []
    rows, back = found
    strap_colour = [np.array([0.06, 0.06, 0.065]), np.array([0.28, 0.16, 0.09]), SILVER, np.array([0.12, 0.16, 0.28])][rng.integers(4)]
    dial = np.array([[0.05, 0.05, 0.06], [0.88, 0.88, 0.86], [0.10, 0.14, 0.26]])[rng.integers(3)]
    radius = rng.uniform(0.016, 0.021)
    place = rows[2, np.argmax((rows[2] - rows[2].mean(axis=0)) @ back)]
    along = unit(rows[-1].mean(axis=0) - rows[0].mean(axis=0))
    out = unit(back - along * (along @ back))
    axes = np.stack([along, np.cross(out, along), out], axis=1)
    case = lathe(radius * np.array([[0.9, 0.0], [1.0, 0.08], [1.0, 0.38], [0.94, 0.48], [0.86, 0.48], [0.85, 0.44], [0.4, 0.44]]), 40)
    face = lathe(radius * np.array([[0.5, 0.30], [0.84, 0.30], [0.84, 0.455], [0.5, 0.46], [0.2, 0.46]]), 40)
    metal = strap_colour if rng.random() < 0.3 else (GOLD if rng.random() < 0.2 else SILVER)
    return [
        Item("watch strap", slab(rows, 0.0024, loop=True), strap_colour, 0.5, "leather"),
        Item("watch case", outward(moved(case, axes, place)), metal, 0.25, "metal"),
        Item("watch face", outward(moved(face, axes, place)), dial, 0.1, "glass"),
    ]


def bracelet(wearer: Wearer, side: int, rng: np.random.Generator) -> list[Item]:
    """A bangle on a bare wrist, round in section."""
    found = _wrist(wearer, side, rng.uniform(0.022, 0.034), 0.001)
    if found is None:
        return []
    path = found[0].mean(axis=0)
    path = path + rng.uniform(0.002, 0.004) * unit(path - path.mean(axis=0))
    up = unit(found[0][-1].mean(axis=0) - found[0][0].mean(axis=0))
    size = rng.uniform(0.003, 0.007)
    tone = [GOLD, SILVER, np.array([0.3, 0.18, 0.1]), np.array([0.6, 0.1, 0.1])][rng.integers(4)]
    return [Item("bracelet", sweep(resample(path, 72, loop=True), superellipse(0.003, size, 2.2, 12), up, loop=True), tone, 0.3, "metal")]


def _wrist(wearer: Wearer, side: int, above: float, width: float) -> tuple[Array, Array] | None:
    """A band (5,80,3) around a forearm, `above` the wrist's joint, and the direction of the hand's back; None under a sleeve."""
    name = "L" if side > 0 else "R"
    hand, elbow = wearer.joints[f"wrist.{name}"], wearer.joints[f"lowerarm01.{name}"]
    axis = unit(elbow - hand)
    origin = hand + axis * above
    vertices = wearer.clothed.vertices[len(wearer.skin.vertices) :]
    if len(vertices) and np.linalg.norm(vertices - origin, axis=1).min() < 0.055:
        return None
    across = wearer.joints[f"finger2-1.{name}"] - wearer.joints[f"finger5-1.{name}"]
    back = unit(np.cross(across, wearer.joints[f"finger3-1.{name}"] - hand)) * side
    soup = wearer.soup("arm", "hand", side=side, bare=True)
    near = (np.linalg.norm(soup[0] - origin, axis=1) < 0.06)[soup[1]].all(axis=1)
    rows = band((soup[0], soup[1][near]), origin, axis, across, np.linspace(-0.5, 0.5, 5) * width, 80, 0.0006)
    return rows, back


def earrings(wearer: Wearer, rng: np.random.Generator) -> list[Item]:
    """A pair of studs or hoops, hanging straight down from the lobes."""
    hoop = rng.random() < 0.5
    radius = rng.uniform(0.007, 0.018) if hoop else rng.uniform(0.0022, 0.0035)
    pieces = []
    for sign in (1, -1):
        ear = wearer.skin.vertices[(wearer.ears > 0.5) & (wearer.skin.side == sign)]
        lobe = ear[ear[:, 2] < ear[:, 2].min() + 0.010].mean(axis=0)
        side = sign * wearer.frames["head"][:3, 0]
        if hoop:
            turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
            forward = wearer.frames["head"][:3, 1]
            flat = unit(np.cross([0.0, 0, 1], np.cross(forward, [0, 0, 1.0])))
            circle = lobe + radius * (np.sin(turn)[:, None] * flat + (np.cos(turn)[:, None] - 1) * np.array([0, 0, 1.0]))
            pieces.append(sweep(circle, superellipse(0.0019, 0.0019, 2.0, 8), np.cross(flat, [0, 0, 1.0]), loop=True))
        else:
            out = unit(side)
            axes = np.stack([np.cross([0, 0, 1.0], out), np.cross(out, np.cross([0, 0, 1.0], out)), out], axis=1)
            stud = lathe(radius * np.array([[0.6, -1.5], [1.0, -0.6], [1.0, 0.2], [0.7, 0.75], [0.25, 0.98]]), 16)
            pieces.append(outward(moved(stud, axes, lobe + 0.0045 * out)))
    return [Item("earrings", merged(pieces), GOLD if rng.random() < 0.5 else SILVER, 0.2, "metal")]


@dataclass(frozen=True)
class Small:
    """Which small things are worn: sides +1 left, -1 right, or 0 for none; a scarf's and a tie's colour (3,)."""

    watch: int = 0
    bracelet: int = 0
    necklace: bool = False
    earrings: bool = False
    belt: Array | None = None
    scarf: Array | None = None
    tie: Array | None = None
