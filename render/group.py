"""Groups: where people stand on one floor, near each other and never inside each other."""

import math

import numpy as np

from datasets.conventions import Array
from render.config import PeopleConfig
from scans.catalogue import ScanRecord

TRIES = 32


def arrange(rng: np.random.Generator, people: list[ScanRecord], ranges: PeopleConfig) -> list[Array]:
    """world_from_scan (4,4) of each: the first stands at the origin and faces -Y, the others around.

    Everybody keeps a circle of floor that their own bounds need however they turn; a newcomer stands `gap_m` from the
    circle of somebody who is there, and outside all others.
    """
    placed: list[tuple[Array, float]] = []
    transforms = []
    for record in people:
        reach = _reach(record)
        position, turn = np.zeros(2), 0.0
        if placed:
            position = _beside(rng, placed, reach, ranges.gap_m)
            turn = math.radians(ranges.turn_deg) * rng.standard_normal()
        placed.append((position, reach))
        c, s = math.cos(turn), math.sin(turn)
        transform = np.eye(4)
        transform[:2, :2], transform[:2, 3] = [[c, -s], [s, c]], position
        transforms.append(transform)
    return transforms


def _beside(rng: np.random.Generator, placed: list[tuple[Array, float]], reach: float, gap_m: list[float]) -> Array:
    for _ in range(TRIES):
        neighbour, its_reach = placed[rng.integers(len(placed))]
        distance, angle = its_reach + reach + rng.uniform(gap_m[0], gap_m[1]), rng.uniform(0, 2 * math.pi)
        position = neighbour + distance * np.array([math.cos(angle), math.sin(angle)])
        if all(np.linalg.norm(position - other) >= reach + its + gap_m[0] - 1e-9 for other, its in placed):
            return position
    outermost = max(np.linalg.norm(other) + its for other, its in placed)
    return np.array([outermost + reach + gap_m[0], 0.0])


def _reach(record: ScanRecord) -> float:
    """Radius, metres, of the circle about the scan's own axis that its bounds fit into."""
    return float(np.hypot(*np.abs(np.array(record.bounds))[:, :2].max(axis=0)))
