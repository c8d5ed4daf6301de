"""Hats, caps, beanies, headbands and headphones, made in the head's rest frame."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.accessories.shapes import closed, lathe, merged, moved, outward, ring, slab, superellipse, sweep, unit
from scans.people.accessories.wearer import Item, Wearer, band

COUNT = 144  # columns around the head


@dataclass(frozen=True)
class HeadwearChoice:
    """kind: a key of KINDS; sRGB colours (3,) of it and of its trim; size: how tall, wide or slack it is, 0 to 1; backward: a cap's."""

    kind: str
    colour: Array
    trim: Array
    size: float
    backward: bool = False


#: Items, the rim (COUNT,3), which way is up, height of the upper edge, points of the shell.
Made = tuple[list[Item], Array, Array, float, Array]


@dataclass(frozen=True)
class Skull:
    """A head in its rest frame: centre and size, and the scalp's distance from the centre in any direction."""

    centre: Array
    brow: float
    soup: tuple[Array, Array]
    reach: Callable[[Array], Array]

    @staticmethod
    def of(wearer: Wearer) -> "Skull":
        vertices, faces = wearer.soup("head", bare=True)
        used, faces = np.unique(faces, return_inverse=True)
        local, ears = wearer.local("head", vertices[used]), wearer.ears[used]
        eyes = wearer.local("head", wearer.eyes).mean(axis=0)
        above = local[local[:, 2] > eyes[2]]
        centre = np.array([eyes[0], (above[:, 1].min() + above[:, 1].max()) / 2, eyes[2] + 0.01])
        scalp = local[(ears < 0.1) & (local[:, 2] > centre[2] - 0.08)]
        tree, distance = cKDTree(unit(scalp - centre)), np.linalg.norm(scalp - centre, axis=1)

        def reach(directions: Array) -> Array:
            _, near = tree.query(directions, k=6)
            return np.asarray(distance[near].max(axis=-1))

        return Skull(centre, float(eyes[2]), (local, faces.reshape(-1, 3)), reach)

    def rim(self, height: float, drop: float, gap: float) -> tuple[Array, Array]:
        """A level ring (COUNT,3) outside of head and ears, `height` above the eyes in front and `drop` lower behind; and its plane's up."""
        half = 0.1
        up = unit(np.array([0.0, drop / (2 * half), 1.0]))
        origin = np.array([self.centre[0], self.centre[1], self.brow + height - drop / 2])
        return band(self.soup, origin, up, np.array([0.0, -1, 0]), np.array([0.0]), COUNT, gap)[0], up


def _beanie(skull: Skull, choice: HeadwearChoice) -> Made:
    """A knitted cap with a turned-up cuff, ribbed, slack at the top."""
    rim, up = skull.rim(0.030, 0.045, 0.003)
    crown = _dome(skull, rim, up, 0.006, 0.012 + 0.035 * choice.size, 26)
    turn = np.arange(COUNT)
    rib = 0.0009 * np.cos(2 * np.pi * turn * 48 / COUNT)[None, :, None]
    out = unit(crown - crown.mean(axis=(0, 1)))
    crown = crown + rib * out * np.linspace(1, 0, len(crown))[:, None, None]
    inner = crown[:5] - 0.003 * out[:5]
    body = closed(np.concatenate([inner[::-1], crown]))
    wide = 0.055
    t = np.linspace(0, 1, 9)[:, None, None]
    at = np.linspace(0, wide / 0.0085, 9)
    low = np.floor(at).astype(int)
    fold = crown[low] * (1 - (at - low))[:, None, None] + crown[low + 1] * (at - low)[:, None, None]
    flat = unit(rim - rim.mean(axis=0))
    outer = fold + flat * (0.0045 + 0.0025 * np.sin(np.pi * t)) + 1.3 * rib * flat
    cuff = ring(np.concatenate([fold + 0.0005 * flat, outer[::-1]]))
    knit = [Item("beanie", body, choice.colour, 0.95, "knit"), Item("beanie cuff", cuff, choice.trim, 0.95, "knit")]
    return knit, rim, up, np.inf, crown


def _dome(skull: Skull, rim: Array, up: Array, gap: float, slack: float, rows: int) -> Array:
    """Rings (rows,COUNT,3) from the rim over the crown, `gap` outside of the scalp; `slack` stands up behind the crown."""
    middle = rim.mean(axis=0)
    apex = skull.centre + up * (skull.reach(up[None])[0] + gap + 0.6 * slack) + np.array([0.0, 0.35 * slack, 0.0])
    t = np.linspace(0, 0.985, rows)[:, None, None] * np.pi / 2
    shape = middle + (rim - middle) * np.cos(t) ** 0.8 + (apex - middle) * np.sin(t)
    offset = shape - skull.centre
    needed = skull.reach(unit(offset).reshape(-1, 3)).reshape(shape.shape[:2]) + gap + slack * np.sin(t[..., 0]) ** 3 * 0.4
    distance = np.linalg.norm(offset, axis=2)
    distance[1:] = np.maximum(distance, needed)[1:]
    distance[1:] = gaussian_filter1d(gaussian_filter1d(distance, 3.0, axis=1, mode="wrap"), 1.0, axis=0, mode="nearest")[1:]
    return np.asarray(skull.centre + unit(offset) * distance[..., None])


def _cap(skull: Skull, choice: HeadwearChoice) -> Made:
    """A baseball cap: six panels, a button, a curved peak."""
    rim, up = skull.rim(0.042, 0.035, 0.005)
    crown = _dome(skull, rim, up, 0.010, 0.012, 26)
    turn = 2 * np.pi * np.arange(COUNT) / COUNT
    seam = -0.0012 * np.exp(-(((((turn * 6 / (2 * np.pi)) % 1) - 0.5) / 0.035) ** 2))[None, :, None]
    crown = crown + seam * unit(crown - skull.centre)
    inward = unit(skull.centre - crown[:4])
    body = closed(np.concatenate([(crown[:4] + 0.0025 * inward)[::-1], crown]))
    button = lathe(np.array([[0.003, 0.004], [0.006, 0.003], [0.0075, 0.0005], [0.0075, -0.002]]), 20)
    button = button.moved(button.vertices + crown[-1].mean(axis=0))
    peak = slab(_peak(rim, up, 0.060 + 0.015 * choice.size, choice.backward), 0.0028)
    items = [Item("cap", merged([body, button]), choice.colour, 0.85, "cloth"), Item("cap peak", peak, choice.trim, 0.8, "cloth")]
    return items, rim, up, np.inf, crown


def _peak(rim: Array, up: Array, length: float, backward: bool) -> Array:
    """A sheet (R,C,3) that stands out from the front third of a rim, bent down at its sides."""
    start = COUNT // 2 if backward else 0
    half = COUNT // 6
    edge = rim[(start + np.arange(-half, half + 1)) % COUNT]
    forward = unit(edge[half] - rim.mean(axis=0))
    side = np.linspace(-1, 1, len(edge))
    reach = length * (1 - np.abs(side) ** 2.6) ** 0.75
    t = np.linspace(0, 1, 12)[:, None]
    out = t[..., None] * (reach[:, None] * forward + 0.10 * reach[:, None] * (edge - edge[half]))
    droop = -0.012 * side[None] ** 2 - (0.16 * t + 0.10 * t * t) * reach[None]
    back = -0.006 * (1 - t)[..., None] * forward * 0.5
    return np.asarray(edge[None] + out + back + (droop * np.minimum(1, 3 * t) + 0.003)[..., None] * up)


def _brimmed(skull: Skull, choice: HeadwearChoice) -> Made:
    """A felt hat with a pinched crown, or a wide sun hat of straw with a round one."""
    straw = choice.kind == "sun hat"
    rim, up = skull.rim(0.046 + 0.010 * straw, 0.024, 0.006)
    middle = rim.mean(axis=0)
    tall = 0.105 + 0.015 * choice.size - 0.012 * straw
    apex = max(tall, float(((skull.centre - middle) @ up) + skull.reach(up[None])[0] + 0.008))
    flat = rim - middle
    if straw:
        profile = np.array(
            [[1.0, 0], [0.99, 0.25], [0.96, 0.5], [0.90, 0.72], [0.78, 0.88], [0.6, 0.97], [0.4, 1.0], [0.2, 1.0], [0.03, 1.0]]
        )
    else:
        profile = np.array(
            [
                [1.0, 0],
                [0.985, 0.25],
                [0.965, 0.5],
                [0.94, 0.75],
                [0.91, 0.93],
                [0.87, 1.0],
                [0.80, 1.0],
                [0.6, 0.93],
                [0.3, 0.88],
                [0.03, 0.86],
            ]
        )
    steps = np.linspace(0, len(profile) - 1, 26)
    profile = gaussian_filter1d(
        np.stack([np.interp(steps, np.arange(len(profile)), profile[:, i]) for i in (0, 1)], axis=1), 1.0, axis=0, mode="nearest"
    )
    turn = 2 * np.pi * np.arange(COUNT) / COUNT
    crown = middle + profile[:, None, :1] * flat + (profile[:, None, 1:] * apex) * up
    if not straw:  # pinched in front, and higher there
        high = profile[:, 1][:, None] ** 3
        pinch = np.exp(-(((np.abs((turn + np.pi) % (2 * np.pi) - np.pi) - 0.55) / 0.28) ** 2))[None]
        crown = crown - (0.16 * high * pinch)[..., None] * flat * profile[:, None, :1] + (0.012 * high * np.cos(turn)[None])[..., None] * up
    wide = 0.055 + 0.015 * choice.size + 0.045 * straw
    t = np.linspace(0, 1, 9)[:, None]
    outward = unit(flat - (flat @ up)[:, None] * up)
    curl = (
        (0.018 * np.abs(np.sin(turn))[None] ** 2 - 0.010 * np.cos(turn)[None]) * t**2
        if not straw
        else -0.030 * t**1.5 + 0.006 * np.sin(3 * turn + 1)[None] * t
    )
    brim = rim + wide * t[..., None] * outward + curl[..., None] * up
    thick = 0.0024
    under = brim[:, :] - thick * up
    body = closed(np.concatenate([(crown[:3] - 0.004 * outward)[::-1], under, brim[::-1], crown[1:]]))
    stuff = "straw" if straw else "felt"
    rows = np.linspace(0.6, 5.0 if not straw else 4.0, 6)
    low = np.floor(rows).astype(int)
    ribbon = slab(
        crown[low] * (1 - (rows - low))[:, None, None] + crown[low + 1] * (rows - low)[:, None, None] + 0.0003 * outward, 0.0018, loop=True
    )
    return (
        [Item(choice.kind, body, choice.colour, 0.9, stuff), Item("hat ribbon", ribbon, choice.trim, 0.6, "cloth")],
        rim,
        up,
        np.inf,
        crown,
    )


def _headband(skull: Skull, choice: HeadwearChoice) -> Made:
    """A wide soft band over forehead and ears' tops, or a narrow one."""
    width = 0.022 + 0.045 * choice.size
    rim, up = skull.rim(0.034, 0.030, 0.002)
    origin = rim.mean(axis=0)
    rows = band(skull.soup, origin, up, np.array([0.0, -1, 0]), np.linspace(0, width, 7), COUNT, 0.001)
    item = Item("headband", slab(rows, 0.003, loop=True), choice.colour, 0.9, "knit")
    return [item], rim, up, float((origin - skull.centre) @ up + width), rows


def _headphones(skull: Skull, choice: HeadwearChoice) -> Made:
    """Cups on the ears and a band over the crown."""
    vertices = skull.soup[0]
    ears = np.abs(vertices[:, 0] - skull.centre[0]).max()
    spot = vertices[np.abs(vertices[:, 0] - skull.centre[0]) > ears - 0.014]
    middle = np.array([skull.centre[0], np.median(spot[:, 1]), np.median(spot[:, 2])])
    profile = np.array([[0.010, 0.018], [0.026, 0.017], [0.031, 0.013], [0.033, 0.006], [0.033, -0.002]])
    pad = np.array([[0.016, 0.0], [0.033, 0.0], [0.037, -0.006], [0.036, -0.015], [0.029, -0.019], [0.018, -0.016]])
    shells, pads = [], []
    for sign in (1.0, -1.0):
        axes = np.stack([np.array([0.0, 0.88, 0]), np.array([0.0, 0, 1.12]), np.array([sign, 0.0, 0])], axis=1)
        place = middle + np.array([sign * (ears - 0.004), 0, 0])
        shells.append(outward(moved(lathe(profile), axes, place)))
        pads.append(outward(moved(lathe(pad), axes, place)))
    crown = skull.centre[2] + skull.reach(np.array([[0.0, 0, 1]]))[0] + 0.006
    turn = np.linspace(-0.02, np.pi + 0.02, 49)
    sideways = (ears + 0.007) * np.cos(turn)
    path = middle + np.stack([sideways, 0 * turn - 0.004, (crown - middle[2]) * np.abs(np.sin(turn)) ** 0.9], axis=1)
    bow = sweep(path, superellipse(0.028, 0.006, 4.0, 16), np.stack([np.cos(turn), 0 * turn, np.sin(turn)], axis=1))
    soft = sweep(path[12:37] - [0, 0, 0.005], superellipse(0.024, 0.008, 2.5, 16), np.array([0.0, 0, 1]))
    items = [Item("headphones", merged([*shells, bow]), choice.colour, 0.35, "plastic")]
    items.append(Item("headphone pads", merged([*pads, soft]), choice.trim, 0.7, "leather"))
    rim, up = skull.rim(0.10, 0.0, 0.02)
    return items, rim, up, -np.inf, np.zeros((0, 3))


KINDS: dict[str, Callable[[Skull, HeadwearChoice], Made]] = {
    "beanie": _beanie, "cap": _cap, "fedora": _brimmed, "sun hat": _brimmed, "headband": _headband, "headphones": _headphones,
}  # fmt: skip
