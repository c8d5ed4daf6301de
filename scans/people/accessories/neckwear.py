"""Necklaces, scarves and ties: loops around the neck and strips that hang down the chest."""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.accessories.fitted import GOLD, SILVER
from scans.people.accessories.shapes import closed, merged, moved, outward, plate, resample, ring, superellipse, sweep, unit
from scans.people.accessories.wearer import Item, Wearer, band, cut
from scans.people.noise import Waves
from scans.people.surface import Surface


def necklace(wearer: Wearer, rng: np.random.Generator) -> list[Item]:
    """Beads or a cord around the neck, lying on the chest or on the clothes there, with a pendant or not."""
    length = rng.uniform(0.03, 0.10)
    loop = _draped(wearer, length)
    tone = [GOLD, SILVER, np.array([0.88, 0.85, 0.80]), np.array([0.1, 0.1, 0.1])][rng.integers(4)]
    if rng.random() < 0.4:  # beads
        beads = rng.integers(52, 76)
        around = resample(loop, 600, loop=True)
        size = 1 + 0.06 * np.cos(np.arange(600) * 2 * np.pi * beads / 600)
        thick = np.abs(np.sin(np.arange(600) * np.pi * beads / 600)) ** 0.6 * 0.9 + 0.15
        return [
            Item(
                "necklace",
                sweep(around, superellipse(0.007, 0.007, 2.0, 8), np.array([0, 0, 1.0]), loop=True, scale=thick * size),
                tone,
                0.25,
                "metal",
            )
        ]
    chain = sweep(resample(loop, 220, loop=True), superellipse(0.0022, 0.0022, 2.0, 6), np.array([0, 0, 1.0]), loop=True)
    low = loop[np.argmin(loop[:, 2])]
    front = -wearer.frames["spine01"][:3, 1]
    size = rng.uniform(0.008, 0.014)
    axes = np.stack([np.cross([0, 0, 1.0], front), np.cross(front, np.cross([0, 0, 1.0], front)), front], axis=1)
    pendant = moved(plate(superellipse(1.4 * size, 2 * size, 2.0, 28), 0.0024, 0.0008), axes, low + 0.0012 * front - [0, 0, size])
    return [Item("necklace", merged([chain, outward(pendant)]), tone, 0.25, "metal")]


def _draped(wearer: Wearer, length: float) -> Array:
    """A loop (200,3) around the neck that falls `length` metres down the chest in front."""
    base, frame = wearer.joints["neck01"], wearer.frames["spine01"][:3, :3]
    loop = (_collar_line(wearer, 0.03, -0.035, 0.002, reach=0.105) - base) @ frame
    before = np.clip((loop[:, 1].mean() - loop[:, 1]) / (loop[:, 1].mean() - loop[:, 1].min()), 0, 1)
    loop[:, 2] -= length * before**1.6
    loop[:, 0] *= 1 - 0.25 * before * (1 - before)
    points = (wearer.soup("trunk", "neck")[0] - base) @ frame
    chest = points[np.isin(wearer.clothed.zone, (1, 2)) & (points[:, 1] < 0.03)]
    _, near = cKDTree(chest[:, [0, 2]]).query(loop[:, [0, 2]], k=12)
    front = np.minimum(chest[near, 1].min(axis=1) - 0.003, loop[:, 1])
    for _ in range(3):
        front = np.minimum(front, 0.5 * (np.roll(front, 1) + np.roll(front, -1)))
    loop[:, 1] = np.where(before > 0.05, front, loop[:, 1])
    return np.asarray(base + gaussian_filter1d(loop, 2.0, axis=0, mode="wrap") @ frame.T)


def _collar_line(wearer: Wearer, lift: float, drop: float, gap: float, reach: float = 0.24) -> Array:
    """A loop (200,3) around the neck's root, from `lift` above the collar-bone's level behind to `drop` below it in front."""
    base = wearer.joints["neck01"]
    frame = wearer.frames["spine01"][:3, :3]
    forward = frame @ np.array([0.0, -1, 0])
    vertices, faces = wearer.soup("trunk", "neck")
    near = (np.linalg.norm(vertices - base, axis=1) < reach)[faces].all(axis=1)
    behind, before = base + 0.055 * -forward + frame[:, 2] * (lift + 0.01), base + 0.10 * forward - frame[:, 2] * (drop + 0.035)
    normal = unit(np.cross(np.cross(before - behind, frame[:, 2]), before - behind))
    middle = (behind + before) / 2
    return band((vertices, faces[near]), middle, normal, forward, np.array([0.0]), 200, gap)[0]


def scarf(wearer: Wearer, colour: Array, rng: np.random.Generator) -> list[Item]:
    """A soft scarf, twice around the neck, its two ends down the chest."""
    frame = wearer.frames["spine01"][:3, :3]
    thick = rng.uniform(0.020, 0.028)
    pieces = []
    for turn, (lift, drop) in enumerate(((0.050, -0.020), (0.030, 0.012))):
        loop = _collar_line(wearer, lift, drop, 0.6 * thick + 0.004 * turn)
        path = resample(loop, 104, loop=True)
        angle = np.linspace(0, 2 * np.pi, 26, endpoint=False)
        outline = superellipse(thick, 2.3 * thick, 2.2, 26)
        folds = 1 + 0.10 * np.sin(7 * angle[None] + 2.5 * np.sin(np.linspace(0, 2 * np.pi, 104, endpoint=False)[:, None] * 2 + turn))
        out = unit(path - path.mean(axis=0))
        step = unit(np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0))
        across = unit(np.cross(step, out))
        lumps = Waves(rng, 0.07, 10)(path)[:, None] * 0.06 + folds
        rows = (
            path[:, None]
            + (outline[None, :, :1] * lumps[..., None]) * np.cross(across, step)[:, None]
            + (outline[None, :, 1:] * lumps[..., None]) * across[:, None]
        )
        pieces.append(ring(rows))
    for sign in (1, -1):
        pieces.append(
            _hanging(
                wearer,
                sign * rng.uniform(0.030, 0.05),
                frame,
                rng.uniform(0.28, 0.42),
                np.array([0.055, 0.085, 0.095, 0.10]),
                0.010,
                0.008,
                rng,
            )
        )
    return [Item("scarf", merged(pieces), colour, 0.95, "knit")]


def tie(wearer: Wearer, colour: Array, rng: np.random.Generator) -> list[Item]:
    """A tie over a shirt, from a knot at the collar."""
    frame = wearer.frames["spine01"][:3, :3]
    blade = _hanging(wearer, 0.0, frame, rng.uniform(0.40, 0.46), np.array([0.026, 0.045, 0.066, 0.078, 0.010]), 0.003, 0.0, rng)
    top = blade.vertices[np.argsort(-blade.vertices @ frame[:, 2])[:20]].mean(axis=0)
    outline = np.array([[-0.018, 0.016], [0.018, 0.016], [0.011, -0.018], [-0.011, -0.018]])
    knot = plate(resample(outline, 40, loop=True), 0.016, 0.006)
    axes = np.stack([frame[:, 0], frame[:, 2], -frame[:, 1]], axis=1)
    return [Item("tie", merged([blade, outward(moved(knot, axes, top - 0.004 * frame[:, 1]))]), colour, 0.6, "cloth")]


def _hanging(
    wearer: Wearer, aside: float, frame: Array, length: float, widths: Array, thick: float, folds: float, rng: np.random.Generator
) -> Surface:
    """A strip that hangs from the neck down the front of the clothed trunk: taut over the hollows, straight below the chest."""
    base = wearer.joints["neck01"]
    right, back, up = frame[:, 0], frame[:, 1], frame[:, 2]
    soup = wearer.soup("trunk", "neck", "leg")
    t = np.linspace(0, 1, 56)
    heights = -0.005 - length * t
    width = np.interp(t, np.linspace(0, 1, len(widths)), widths)
    columns = np.linspace(-0.5, 0.5, 11)
    profile = []
    for x in aside + columns[::5] * width.max():
        points = cut(*soup, base + x * right, right) - base
        y, z = points @ back, points @ up
        front = np.array([y[np.abs(z - h) < 0.012].min(initial=np.inf) for h in heights])
        profile.append(np.where(np.isfinite(front), front, np.nan))
    front = np.nan_to_num(np.nanmin(np.array(profile), axis=0), nan=-0.05)
    for i in range(1, len(front)):  # gravity: cloth does not turn in below the chest faster than it can swing
        front[i] = min(front[i], front[i - 1] + 0.10 * length / len(front))
    for _ in range(4):
        front[1:-1] = np.minimum(front[1:-1], 0.5 * (front[:-2] + front[2:]))
    x = aside + columns[None] * width[:, None]
    wave = folds * np.sin(2 * np.pi * 2.2 * columns[None] + rng.uniform(0, 6) + 1.2 * np.sin(5 * t[:, None]))
    y = front[:, None] - 0.004 - folds - wave + 0.06 * np.abs(columns)[None] * width[:, None]
    grid = base + x[..., None] * right + y[..., None] * back + heights[:, None, None] * up
    return closed(_both(grid, -thick * back))


def _both(grid: Array, out: Array) -> Array:
    """Rows that run along a sheet and back along its other side."""
    taper = np.ones((grid.shape[0], grid.shape[1], 1))
    taper[:, [0, -1]] = 0.5
    return np.concatenate([grid, (grid + taper * out)[:, ::-1]], axis=1)
