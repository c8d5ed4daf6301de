"""Bags: backpacks, cross-body bags, totes and handbags, with their straps over the clothes."""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.people.accessories.shapes import cushion, merged, moved, outward, slab, superellipse, sweep, unit
from scans.people.accessories.wearer import Item, Wearer, band
from scans.people.surface import Surface


@dataclass(frozen=True)
class BagChoice:
    """kind: backpack, cross-body, tote or handbag; side: +1 left, -1 right, where it hangs or which hand holds it; size: factor."""

    kind: str
    side: int
    size: float
    colour: Array
    trim: Array


def make(wearer: Wearer, choice: BagChoice) -> list[Item]:
    """A bag and its straps; nothing where an arm would go through it."""
    items = build(wearer, choice)
    return items if free(wearer, items[0].surface, choice) else []


def build(wearer: Wearer, choice: BagChoice) -> list[Item]:
    """A bag and its straps, whatever is in their way; the bag's body comes first."""
    return {"backpack": _backpack, "cross-body": _cross_body, "tote": _in_hand, "handbag": _in_hand}[choice.kind](wearer, choice)


def free(wearer: Wearer, bag: Surface, choice: BagChoice) -> bool:
    """Whether no arm or hand, but for the one that holds it, enters a bag."""
    layer = wearer.clothed
    limbs = layer.vertices[np.isin(layer.zone, (3, 4)) & ((layer.side != choice.side) | (choice.kind in ("backpack", "cross-body")))]
    centre = bag.vertices.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((bag.vertices - centre).T))
    half = np.abs((bag.vertices - centre) @ axes).max(axis=0)
    return not bool(((np.abs((limbs - centre) @ axes) < half - 0.004).all(axis=1)).any())


def _backpack(wearer: Wearer, choice: BagChoice) -> list[Item]:
    """A body against the back, a pocket on it, a handle, and two padded straps around the shoulders."""
    bone = "spine01"
    vertices, faces = wearer.soup("trunk")
    local = wearer.local(bone, vertices)
    shoulder = np.mean([wearer.local(bone, wearer.joints[f"upperarm01.{s}"][None])[0] for s in "LR"], axis=0)
    size = np.array([0.28, 0.14, 0.42]) * choice.size
    top = shoulder[2] + 0.005
    used = np.unique(faces)
    behind = local[used]
    behind = behind[(np.abs(behind[:, 0]) < 0.10) & (behind[:, 2] < top) & (behind[:, 2] > top - size[2] * 0.9)]
    back = float(np.quantile(behind[:, 1], 0.985))
    centre = np.array([0.0, back + size[1] / 2 - 0.006, top - size[2] / 2 + 0.02])
    body = cushion(size, 0.42, 41, 72)
    point = body.vertices / (size / 2)
    body = body.moved(
        body.vertices
        * np.stack([1 - 0.08 * np.clip(point[:, 2], 0, 1) ** 2, 1 - 0.30 * np.clip(point[:, 2], -0.2, 1), 1 + 0 * point[:, 2]], axis=1)
        - [0, 0, 0]
    )
    body = body.moved(body.vertices + centre)
    pocket = cushion(size * [0.78, 0.45, 0.42], 0.45, 25, 56)
    pocket = pocket.moved(pocket.vertices + centre + np.array([0, size[1] * 0.42, -size[2] * 0.22]))
    t = np.linspace(0, np.pi, 17)
    grip = centre + np.stack([0.035 * np.cos(t), 0 * t - size[1] * 0.30, size[2] * 0.485 + 0.03 * np.sin(t)], axis=1)
    handle = sweep(grip, superellipse(0.022, 0.004, 4.0, 12), np.stack([np.cos(t), 0 * t, np.sin(t)], axis=1))
    seam = _zip(centre, size)
    straps = []
    for side in (1, -1):
        joint = wearer.local(bone, wearer.joints[f"upperarm01.{'L' if side > 0 else 'R'}"][None])[0]
        over = np.array([0.56 * joint[0], shoulder[1], shoulder[2]])
        low = np.array([joint[0] * 0.93, shoulder[1], shoulder[2] - 0.27])
        normal = unit(np.cross(over - low, [0.0, 1, 0])) * side
        keep = (local[faces][:, :, 2] > low[2] - 0.12).all(axis=1) & (side * local[faces][:, :, 0] > -0.02).all(axis=1)
        rows = band((local, faces[keep]), over, normal, np.array([0.0, 0, 1]), np.linspace(-0.5, 0.5, 7) * 0.055, 150, 0.0015)
        straps.append(slab(rows, 0.008, loop=True))
    trim = [wearer.place(bone, s) for s in (pocket, handle, seam)]
    return [
        Item("backpack", wearer.place(bone, body), choice.colour, 0.85, "cloth"),
        Item("backpack trim", merged(trim), choice.trim, 0.85, "cloth"),
        Item("backpack straps", wearer.place(bone, merged(straps)), 0.8 * choice.trim, 0.85, "cloth"),
    ]


def _zip(centre: Array, size: Array) -> Surface:
    """A welt where the lid closes."""
    t = np.linspace(0, np.pi, 41)
    arch = centre + np.stack([0.47 * size[0] * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.45, 0 * t + 0.10 * size[1],
                              0.46 * size[2] * np.sin(t) ** 0.45 - 0.1 * size[2] * (1 - np.sin(t))], axis=1)  # fmt: skip
    return sweep(arch, superellipse(0.012, 0.012, 2.0, 10), np.array([0.0, 1, 0]))


def _cross_body(wearer: Wearer, choice: BagChoice) -> list[Item]:
    """A bag at one hip, a little before it, on a strap over the other shoulder."""
    bone = "spine03"
    side = choice.side
    vertices, faces = wearer.soup("trunk", "leg")
    local = wearer.local(bone, vertices)
    far = wearer.local(bone, wearer.joints[f"upperarm01.{'R' if side > 0 else 'L'}"][None])[0]
    hip = wearer.local(bone, wearer.joints[f"upperleg01.{'L' if side > 0 else 'R'}"][None])[0]
    over = np.array([0.52 * far[0], far[1], far[2] + 0.03])
    size = np.array([0.055, 0.22, 0.16]) * choice.size
    trunk = local[np.unique(faces)]
    belt = trunk[np.abs(trunk[:, 2] - hip[2] - 0.02) < size[2] / 2]
    angle = np.deg2rad(-62 + 8 * choice.size)
    out = np.array([side * np.cos(angle), np.sin(angle), 0.0])
    middle = (belt.max(axis=0) + belt.min(axis=0)) / 2
    reach = float(np.quantile((belt - middle) @ out, 0.995))
    centre = np.array([middle[0], middle[1], hip[2] + 0.02]) + out * (reach + size[0] / 2 - 0.002)
    along = np.array([-out[1], out[0], 0.0])
    axes = np.stack([out, along, [0.0, 0, 1]], axis=1)
    body = moved(cushion(size, 0.30, 33, 64), axes, centre)
    flap = cushion(np.array([size[0] * 1.08, size[1] * 1.02, size[2] * 0.62]), 0.25, 21, 56)
    flap = moved(flap, axes, centre + np.array([0, 0, 0.195 * size[2]]) + 0.003 * out)
    high = centre + np.array([0, 0, 0.46 * size[2]]) - 0.3 * size[0] * out
    normal = unit(np.cross(over - high, along))
    ends = np.stack([high + sign * 0.47 * size[1] * along for sign in (1, -1)])
    keep = (local[faces][:, :, 2] > high[2] - 0.02).all(axis=1)
    wide = 0.030
    rows = band((local, faces[keep]), over, normal, np.array([0.0, 0, 1]), np.linspace(-0.5, 0.5, 5) * wide, 200, 0.0015, ends)
    buckle = moved(
        cushion(np.array([0.006, 0.030, 0.022]), 0.3, 13, 24), axes, centre + out * size[0] * 0.56 - np.array([0, 0, 0.08 * size[2]])
    )
    return [
        Item("cross-body bag", wearer.place(bone, merged([body, flap])), choice.colour, 0.5, "leather"),
        Item("bag strap", wearer.place(bone, slab(rows, 0.0028, loop=True)), choice.trim, 0.7, "leather"),
        Item("bag clasp", wearer.place(bone, outward(buckle)), np.array([0.70, 0.62, 0.42]), 0.3, "metal"),
    ]


def _in_hand(wearer: Wearer, choice: BagChoice) -> list[Item]:
    """A bag that hangs straight down from a fist, by two handles."""
    name = "L" if choice.side > 0 else "R"
    fist = np.mean([wearer.joints[f"finger{i}-2.{name}"] for i in (2, 3, 4, 5)], axis=0)
    palm = np.mean([wearer.joints[f"finger{i}-1.{name}"] for i in (2, 3, 4, 5)], axis=0)
    tips = np.mean([wearer.joints[f"finger{i}-3.{name}"] for i in (2, 3, 4, 5)], axis=0)
    grip = 0.45 * fist + 0.2 * palm + 0.35 * tips
    forward = wearer.joints[f"finger2-1.{name}"] - wearer.joints[f"finger5-1.{name}"]
    forward = unit(forward * np.array([1.0, 1, 0]))
    aside = np.cross(forward, [0.0, 0, 1])
    tote = choice.kind == "tote"
    size = (np.array([0.10, 0.34, 0.36]) if tote else np.array([0.11, 0.28, 0.21])) * choice.size
    drop = 0.17 if tote else 0.11
    floor = wearer.skin.vertices[:, 2].min()
    size[2] = min(size[2], grip[2] - drop - floor - 0.06)
    centre = grip - np.array([0, 0, drop + size[2] / 2])
    legs = wearer.clothed.vertices[np.isin(wearer.clothed.zone, (2, 5))]
    beside = legs[(np.abs((legs - centre) @ forward) < size[1] / 2) & (np.abs(legs[:, 2] - centre[2]) < size[2] / 2)]
    away = unit((grip - wearer.joints["spine05"]) * np.array([1.0, 1, 0]))
    aside = aside * np.sign(aside @ away)
    if len(beside):
        centre = centre + aside * np.clip(((beside - centre) @ aside).max() + 0.5 * size[0] + 0.004, 0, 0.09)
    axes = np.stack([aside, forward, [0.0, 0, 1]], axis=1)
    body = cushion(size, 0.28 if not tote else 0.22, 37, 72)
    z = body.vertices[:, 2] / size[2]
    body = body.moved(
        body.vertices
        * np.stack([1 - (0.75 if tote else 0.45) * np.clip(z + 0.1, 0, 1), 1 + (0.10 if tote else -0.18) * z, 1 + 0 * z], axis=1)
    )
    handles = []
    for sign in (1, -1):
        t = np.linspace(-1, 1, 41)
        foot = centre + axes @ np.array([sign * 0.16 * size[0], 0.0, 0.44 * size[2]])
        bow = foot + np.outer(t, forward) * (0.28 * size[1]) + np.outer((1 - np.abs(t) ** 3.0), grip + sign * 0.003 * aside - foot)
        handles.append(
            sweep(bow, superellipse(0.012 if tote else 0.009, 0.005 if tote else 0.008, 2.5, 12), np.cross(forward, [0.0, 0, 1]) * sign)
        )
    base = moved(
        cushion(np.array([size[0] * 1.01, size[1] * 1.09, size[2] * 0.16]), 0.28, 17, 72),
        axes,
        centre - [0, 0, 0.42 * size[2]],
    )
    stuff = "cloth" if tote else "leather"
    items = [Item(choice.kind, moved(body, axes, centre), choice.colour, 0.9 if tote else 0.45, stuff)]
    items.append(Item("bag handles", merged([*handles, *([] if tote else [base])]), choice.trim, 0.7, stuff))
    return items


def draw_bag(rng: np.random.Generator, sex: str, free_hand: int) -> BagChoice | None:
    """Some bag; one in a hand only where a hand is free (+1 left, -1 right, 0 none)."""
    odds = {
        "backpack": 4.0,
        "cross-body": 3.0,
        "tote": 1.6 * (free_hand != 0),
        "handbag": (2.0 if sex == "female" else 0.1) * (free_hand != 0),
    }
    kind = list(odds)[rng.choice(4, p=np.array(list(odds.values())) / sum(odds.values()))]
    colours = np.array([[0.07, 0.07, 0.08], [0.25, 0.32, 0.22], [0.13, 0.16, 0.25], [0.35, 0.36, 0.38], [0.42, 0.26, 0.14],
                        [0.55, 0.15, 0.13], [0.72, 0.60, 0.42], [0.82, 0.80, 0.74]])  # fmt: skip
    colour = colours[rng.integers(len(colours))] * rng.uniform(0.85, 1.1)
    trim = colour * 0.85 if rng.random() < 0.6 else colours[rng.integers(len(colours))]
    side = free_hand if kind in ("tote", "handbag") else int(rng.choice([-1, 1]))
    return BagChoice(kind, side, rng.uniform(0.85, 1.12), np.clip(colour, 0, 0.95), np.clip(trim, 0, 0.95))
