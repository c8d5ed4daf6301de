"""Shoes, boots and sandals around posed feet: a stiff flat sole, an upper over a last, laces, straps and socks."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from datasets.conventions import Array
from scans.people.accessories.shapes import closed, merged, slab, unit
from scans.people.accessories.wearer import Item, Wearer, band
from scans.people.lacing import laces, tongue
from scans.people.last import COLUMNS, Foot, Form, upper
from scans.people.soles import even, leather_sole, outline, rubber_sole, stack
from scans.people.surface import Surface

#: In the order of Form's fields.
FORMS = {
    "sneakers": Form(0.084, 0.072, 0.006, 0.012, 0.0, 0.026, 0.022, 0.003),
    "high-tops": Form(0.082, 0.10, 0.006, 0.012, 0.0, 0.022, 0.020, 0.002, shaft=0.05, slack=0.002),
    "oxfords": Form(0.084, 0.064, 0.004, 0.022, 0.55, 0.024, 0.009, 0.004),
    "loafers": Form(0.060, 0.054, 0.004, 0.016, 0.3, 0.020, 0.009, 0.003),
    "ballerinas": Form(0.036, 0.050, 0.003, 0.010, 0.25, 0.012, 0.007, 0.001),
    "ankle boots": Form(0.080, 0.11, 0.005, 0.016, 0.35, 0.028, 0.010, 0.004, shaft=0.05, slack=0.006),
    "boots": Form(0.080, 0.11, 0.005, 0.016, 0.2, 0.030, 0.014, 0.004, shaft=0.19, slack=0.010),
    "sandals": Form(0.060, 0.06, 0.003, 0.008, 0.0, 0.024, 0.018, 0.004),
}
LACED = ("sneakers", "high-tops", "oxfords")


@dataclass(frozen=True)
class ShoeChoice:
    """What is on the feet: a key of FORMS; sRGB colours (3,) of upper, sole and trim; socks (3,), or None."""

    kind: str
    upper: Array
    sole: Array
    trim: Array
    socks: Array | None


@dataclass(frozen=True)
class Footwear:
    """Shoes as solids in the pose. openings: per side (+1 left), the foot and the plane below which skin is out of sight."""

    items: list[Item]
    openings: dict[int, tuple[Foot, Array, Array]]

    def hidden(self, wearer: Wearer) -> Array:
        """How far (m) below a shoe's opening vertices of the skin are (V,); negative where they can be seen."""
        level = np.full(len(wearer.skin.vertices), -1.0)
        for side, (foot, point, out) in self.openings.items():
            chosen = np.isin(wearer.skin.zone, (5, 6)) & (wearer.skin.side == side)
            level[chosen] = (point - foot.local(wearer, wearer.skin.vertices[chosen])) @ out
        return level


def make(wearer: Wearer, choice: ShoeChoice, *, draft: bool = False) -> Footwear:
    """A pair of shoes on a wearer's feet; their soles end `FORMS[kind].sole` below the bare feet.

    Some 8,000 to 15,000 faces, 4,000 to 9,000 in a draft.
    """
    coarse = 2 if draft else 1
    pieces: dict[str, list[tuple[Surface, Array, float, str]]] = {}
    openings = {}
    for side in (1, -1):
        foot = Foot.of(wearer, side)
        made, opening = _sandal(foot, choice, coarse) if choice.kind == "sandals" else _shoe(foot, choice, coarse)
        if opening is not None:
            openings[side] = (foot, *opening)
        for name, (surface, colour, rough, stuff) in made.items():
            pieces.setdefault(name, []).append((surface.moved(foot.posed(wearer, surface.vertices)), colour, rough, stuff))
    items = [Item(f"shoes {name}", merged([piece[0] for piece in both]), *both[0][1:]) for name, both in pieces.items()]
    return Footwear(items, openings)


Made = dict[str, tuple[Surface, Array, float, str]]


def _shoe(foot: Foot, choice: ShoeChoice, coarse: int) -> tuple[Made, tuple[Array, Array]]:
    form = FORMS[choice.kind]
    grid, point, out = upper(foot, form)
    leather = choice.kind not in ("sneakers", "high-tops")
    stuff, rough = ("leather", 0.35) if leather else ("cloth", 0.7)
    made: Made = {"upper": (_body(grid, out, coarse), choice.upper, rough, stuff)}
    for name, surface in (leather_sole if leather else rubber_sole)(outline(grid, form)[:: 2 * coarse], form, foot.length).items():
        made[name] = (surface, choice.trim if name == "outsole" and not leather else choice.sole, 0.6, "rubber")
    throat = int(np.argmax(np.linalg.norm(np.diff(grid[:, 0], axis=0), axis=1)[14:] < 0.0035)) + 14  # where slices begin to fan
    if choice.kind in LACED:
        made["laces"] = (
            laces(grid, throat, 4 if choice.kind == "high-tops" else 0, coarse),
            choice.sole if not leather else 0.6 * choice.upper,
            0.8,
            "cloth",
        )
        made["tongue"] = (tongue(grid, throat, out), choice.upper * 0.95, rough, stuff)
        stays = [_overlay(grid, slice(throat - 9, throat + 1), columns, 0.0014) for columns in (range(4, 10), range(-9, -3))]
        made["stays"] = (merged(stays), choice.upper if leather else choice.trim, rough, "leather")
    if not leather:
        heel = _overlay(grid, slice(throat + 8, len(grid) - 2), range(COLUMNS // 2 - 12, COLUMNS // 2 + 13), 0.0014)
        made["counter"] = (heel, choice.trim, 0.5, "leather")
    if choice.kind == "ankle boots":  # elastic at the sides
        rows = slice(len(grid) - 12, len(grid) - 1)
        sides = [_overlay(grid, rows, range(middle - 5, middle + 6), 0.0010) for middle in (14, -14)]
        made["gore"] = (merged(sides), 0.5 * choice.upper, 0.9, "knit")
    if choice.kind == "loafers":
        strap = _overlay(grid, slice(throat - 5, throat - 2), range(-17, 18), 0.0018)
        made["strap"] = (strap, choice.upper * 0.9, 0.35, "leather")
    if choice.kind == "oxfords":
        made["cap"] = (_edge(grid[11:13, :: 2 * coarse]), choice.upper * 0.9, 0.3, "leather")
    if choice.socks is not None:
        made["socks"] = (_sock(foot), choice.socks, 0.95, "knit")
    return made, (point, out)


def _thin(grid: Array, rows: int, columns: int, loop: bool = False) -> Array:
    """Every so many rows and columns of a grid (R,C,3), the last ones among them; loop: columns go round."""
    kept = [np.unique(np.append(np.arange(0, count, every), count - 1)) for count, every in zip(grid.shape, (rows, columns), strict=False)]
    return np.asarray(grid[kept[0]][:, ::columns] if loop else grid[kept[0]][:, kept[1]])


def _body(grid: Array, out: Array, coarse: int) -> Surface:
    """The upper with a rolled edge and an inside; the leg goes through its bottom."""
    grid = np.concatenate([grid[:6], _thin(grid[6:], 1 + coarse, 1)])[:, :: 1 + coarse]  # the tip is round
    collar = grid[-1]
    centre = collar.mean(axis=0)
    inward = unit(centre - collar)
    rows = [collar + 0.0012 * out + 0.0008 * inward, collar + 0.0016 * out + 0.0022 * inward, collar + 0.0036 * inward,
            collar + 0.0040 * inward - 0.008 * out, collar + 0.0040 * inward - 0.022 * out]  # fmt: skip
    return closed(np.concatenate([grid, np.stack(rows)]))


def _overlay(grid: Array, rows: slice, columns: range, thickness: float) -> Surface:
    """A piece sewn onto the upper."""
    piece = _thin(grid[rows][:, np.array(columns) % COLUMNS], 2, 2)  # coarser, and its two sides would cross
    return slab(piece, thickness, around=grid.mean(axis=(0, 1)))


def _edge(rows: Array) -> Surface:
    """A thin raised seam around the upper."""
    across = np.concatenate([rows[:1], (rows[:1] + rows[1:]) / 2, rows[1:]])
    return slab(across, 0.0010, loop=True)


def _sock(foot: Foot) -> Surface:
    """A tube of knit from inside the shoe up to mid-calf's beginning."""
    soup = foot.vertices, foot.faces[(foot.vertices[foot.faces, 1] < 0.52 * foot.length).all(axis=1)]
    shin = foot.shin()
    ankle = np.array([0.0, float(np.median(foot.vertices[(foot.vertices[:, 2] > 0.09) & (foot.vertices[:, 2] < 0.1), 1])), 0.055])
    ring = band(soup, ankle, shin, np.array([0.0, 1, 0]), np.linspace(-0.016, 0.10, 7), 28, 0.0018)
    return slab(ring, 0.0016, loop=True)


def _sandal(foot: Foot, choice: ShoeChoice, coarse: int) -> tuple[Made, None]:
    """A footbed and three straps; toes stay bare."""
    form = FORMS["sandals"]
    low = foot.vertices[foot.vertices[:, 2] < 0.02][:, :2]
    hull = low[ConvexHull(low).vertices]
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outline = even(hull[np.argmax(direction @ hull.T, axis=1)] + (form.welt + 0.003) * direction)[:: 2 * coarse]
    top, bottom = np.full(len(outline), 0.0005), np.full(len(outline), -form.sole)
    rows = [(-0.02, top), (-0.004, top), (-0.001, top + 0.0015), (0.0, top), (0.0, bottom + 0.002), (-0.001, bottom), (-0.02, bottom)]
    made: Made = {"sole": (stack(outline, rows), choice.sole, 0.8, "rubber")}
    below = foot.vertices, foot.faces[(foot.vertices[foot.faces, 2] < 0.085).all(axis=1)]
    straps = []
    for y, lean, width in ((0.70, 0.15, 0.032), (0.50, -0.45, 0.028)):
        origin = np.array([0.0, y * foot.length, 0.0])
        extra = np.array([[x, origin[1], -0.004] for x in (low[:, 0].min() * 0.9, low[:, 0].max() * 0.9)])
        offsets = np.linspace(-0.5, 0.5, 5) * width
        grid = band(below, origin, np.array([0.0, 1, lean]), np.array([1.0, 0, 0]), offsets, 60 // coarse, 0.0006, extra)
        straps.append(slab(np.stack([np.column_stack([r[:, 0], r[:, 1], np.maximum(r[:, 2], -0.006)]) for r in grid]), 0.0024, loop=True))
    heel = np.array([0.0, 0.06, 0.07])
    up, offsets = np.array([0.0, 0.35, 1]), np.linspace(-0.008, 0.008, 3)
    ring = band((foot.vertices, foot.faces), heel, up, np.array([0.0, 1, 0]), offsets, 60 // coarse, 0.0008)
    straps.append(slab(ring, 0.0022, loop=True))
    made["straps"] = (merged(straps), choice.upper, 0.45, "leather")
    return made, None


WHITE, BLACK = np.array([0.90, 0.90, 0.88]), np.array([0.07, 0.07, 0.075])
LEATHERS = np.array(
    [[0.06, 0.055, 0.05], [0.06, 0.055, 0.05], [0.25, 0.14, 0.08], [0.36, 0.21, 0.11], [0.50, 0.32, 0.18], [0.30, 0.08, 0.07]]
)
CANVAS = np.array([[0.90, 0.90, 0.88], [0.88, 0.87, 0.84], [0.08, 0.08, 0.09], [0.10, 0.10, 0.11], [0.45, 0.46, 0.48], [0.12, 0.16, 0.30],
                   [0.62, 0.12, 0.12], [0.20, 0.36, 0.30], [0.76, 0.68, 0.55], [0.85, 0.62, 0.66]])  # fmt: skip


def draw_shoes(rng: np.random.Generator, sex: str, bare_legs: bool) -> ShoeChoice:
    """Shoes as people wear them in the street; sandals and ballerinas rather with bare legs."""
    odds = {
        "sneakers": 9,
        "high-tops": 1.5,
        "oxfords": 2,
        "loafers": 1.2,
        "ballerinas": 0,
        "ankle boots": 1.5,
        "boots": 0.6,
        "sandals": 0.5,
    }
    if sex == "female":
        odds |= {"oxfords": 0.6, "ballerinas": 2.2, "ankle boots": 2.2, "boots": 1.2, "sandals": 1.0}
    odds |= {"sandals": 4 * odds["sandals"]} if bare_legs else {"boots": 0}  # under trousers a shaft would show through
    kind = list(odds)[rng.choice(len(odds), p=np.array(list(odds.values())) / sum(odds.values()))]
    fabric = kind in ("sneakers", "high-tops")
    base = CANVAS if fabric or (kind == "ballerinas" and rng.random() < 0.4) else LEATHERS
    colour = np.clip(base[rng.integers(len(base))] * rng.uniform(0.85, 1.1), 0, 0.95)
    dark = np.array([[0.07, 0.06, 0.055], [0.30, 0.20, 0.12], [0.10, 0.08, 0.07]])[rng.integers(3)]
    sole = (WHITE if rng.random() < 0.7 else colour * 0.9 if rng.random() < 0.5 else np.array([0.62, 0.45, 0.30])) if fabric else dark
    trim = (colour if rng.random() < 0.4 else CANVAS[rng.integers(len(CANVAS))]) if fabric else colour
    wearing = rng.random() < {"sandals": 0.0, "ballerinas": 0.0, "boots": 0.0, "loafers": 0.4}.get(kind, 0.8)
    socks = np.array([[0.88, 0.88, 0.87], [0.08, 0.08, 0.09], [0.40, 0.40, 0.42], [0.12, 0.15, 0.26]])[rng.integers(4)]
    return ShoeChoice(kind, colour, sole, trim, socks if wearing else None)
