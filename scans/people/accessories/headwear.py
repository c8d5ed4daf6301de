"""What is on a head: drawn, put in the pose, and what it does to hair."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from datasets.conventions import Array
from scans.people.accessories.hats import COUNT, KINDS, HeadwearChoice, Skull
from scans.people.accessories.shapes import unit
from scans.people.accessories.wearer import Item, Wearer


@dataclass(frozen=True)
class Headwear:
    """What is on a head, in the pose.

    centre (3,): of the skull; up, front (3,): unit; rim (A,): height (m, along `up`) of the lower edge around the head from the
    front counter-clockwise, top: of the upper edge, or infinity; room (A,): how far from the axis hair may reach at the rim;
    crown (N,3): points of the shell that hair must stay under, none where hair stays as it is.
    """

    items: list[Item]
    centre: Array
    up: Array
    front: Array
    rim: Array
    top: float
    room: Array
    crown: Array

    def level(self, points: Array) -> Array:
        """How far (m) inside the covered region posed points near the head (N,3) are: hair that grows there is not seen."""
        height, _, around = self._cylindrical(points)
        return np.asarray(np.minimum(height - self._at(self.rim, around), self.top - height))

    def press(self, points: Array) -> Array:
        """Posed points (N,3) of hair, pressed so that they fit in; from the edge downward hair widens again."""
        if not len(self.crown):
            return points
        height, distance, around = self._cylindrical(points)
        above = height - self._at(self.rim, around)
        offset = points - self.centre
        reach = np.linalg.norm(offset, axis=1)
        _, near = cKDTree(unit(self.crown - self.centre)).query(unit(offset), k=4)
        inside = np.linalg.norm(self.crown - self.centre, axis=1)[near].min(axis=1) - 0.003
        below = self._at(self.room, around) + 1.8 * np.maximum(0, -above)
        share = np.where(above > 0, inside / np.maximum(reach, 1e-9), below / np.maximum(distance, 1e-9))
        if np.isfinite(self.top):
            share = np.where(height > self.top, (inside + height - self.top) / np.maximum(reach, 1e-9), share)
        pressed = (reach < 0.3) & (above > -0.12) & (share < 1)
        across: Array = offset - height[:, None] * self.up
        moved = np.where((above > 0)[:, None], offset * share[:, None], height[:, None] * self.up + across * share[:, None])
        return np.where(pressed[:, None], self.centre + moved, points)

    def _at(self, values: Array, around: Array) -> Array:
        return np.asarray(np.interp(around, np.linspace(0, 2 * np.pi, len(values), endpoint=False), values, period=2 * np.pi))

    def _cylindrical(self, points: Array) -> tuple[Array, Array, Array]:
        offset = points - self.centre
        height = offset @ self.up
        x, y = offset @ self.front, offset @ np.cross(self.up, self.front)
        return height, np.hypot(x, y), np.arctan2(y, x)


def make(wearer: Wearer, choice: HeadwearChoice) -> Headwear:
    """A piece of headwear on the wearer's head."""
    skull = Skull.of(wearer)
    items, rim, up, top, crown = KINDS[choice.kind](skull, choice)
    placed = [Item(i.name, wearer.place("head", i.surface), i.colour, i.roughness, i.stuff) for i in items]
    axes = wearer.frames["head"][:3, :3]
    offset = rim - skull.centre
    front = unit(np.array([0.0, -1, 0]) - up * (np.array([0.0, -1, 0]) @ up))
    around = np.arctan2(offset @ np.cross(up, front), offset @ front) % (2 * np.pi)
    grid = np.linspace(0, 2 * np.pi, COUNT, endpoint=False)
    flat: Array = np.linalg.norm(offset - (offset @ up)[:, None] * up, axis=1)
    edge, room = (np.interp(grid, np.sort(around), values[np.argsort(around)], period=2 * np.pi) for values in (offset @ up, flat))
    centre = wearer.posed("head", skull.centre[None])[0]
    return Headwear(placed, centre, axes @ up, axes @ front, edge, top, room, wearer.posed("head", crown.reshape(-1, 3)))


CLOTH = np.array([[0.08, 0.08, 0.09], [0.12, 0.15, 0.26], [0.42, 0.42, 0.44], [0.55, 0.12, 0.13], [0.22, 0.32, 0.24], [0.72, 0.62, 0.46],
                  [0.85, 0.83, 0.78], [0.80, 0.58, 0.18], [0.36, 0.24, 0.40], [0.30, 0.22, 0.16]])  # fmt: skip


def draw_headwear(rng: np.random.Generator, sex: str) -> HeadwearChoice:
    """Some headwear; caps and beanies are the commonest."""
    odds = {"beanie": 3, "cap": 4, "fedora": 0.8, "sun hat": 0.4, "headband": 0.4, "headphones": 2}
    if sex == "female":
        odds |= {"cap": 2, "sun hat": 1.4, "headband": 1.2}
    kind = list(odds)[rng.choice(len(odds), p=np.array(list(odds.values())) / sum(odds.values()))]
    colour = CLOTH[rng.integers(len(CLOTH))] * rng.uniform(0.85, 1.1)
    trim = colour if rng.random() < 0.65 else CLOTH[rng.integers(len(CLOTH))]
    if kind == "sun hat":
        colour, trim = np.array([0.82, 0.70, 0.48]) * rng.uniform(0.85, 1.1), CLOTH[rng.integers(len(CLOTH))]
    if kind == "fedora":
        colour, trim = CLOTH[[0, 2, 5, 9, 1][rng.integers(5)]], np.array([0.06, 0.06, 0.065])
    if kind == "headphones":
        colour = np.array([[0.06, 0.06, 0.065], [0.85, 0.85, 0.84], [0.35, 0.35, 0.37], [0.12, 0.16, 0.30]])[rng.integers(4)]
        trim = np.array([0.07, 0.07, 0.07]) if rng.random() < 0.7 else 0.85 * colour
    return HeadwearChoice(kind, np.clip(colour, 0, 0.95), np.clip(trim, 0, 0.95), rng.uniform(), kind == "cap" and rng.random() < 0.15)
