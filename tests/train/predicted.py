"""Predictions as others hand them in, made of the truth, and what train.evaluate says of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from datasets import reader
from datasets.conventions import Array
from datasets.triplet import Triplet
from train.evaluate import EvaluateConfig, evaluate, gathered
from train.results import Results, Row


def scored(folder: Path, **keys: Any) -> Results:
    """What train.evaluate finds, in this process."""
    return gathered(*evaluate(EvaluateConfig(str(folder), device="cpu", **keys)))


def figures(found: Results, task: str, average: str = "macro") -> dict[str, float | None]:
    return row(found, task, average).figures


def row(found: Results, task: str, average: str = "macro") -> Row:
    return next(row for row in found.rows if (row.task, row.group, row.average) == (task, "all", average))


def triplets(folder: Path) -> list[Triplet]:
    return list(reader.evaluation(folder, 1))


def depth_of(triplet: Triplet) -> Array:
    """True depth, and 1 m where there is nobody."""
    return np.where(triplet.mask > 0, triplet.depth, np.float32(1))


def normal_of(triplet: Triplet) -> Array:
    return triplet.normal.astype(np.float32)


def write(folder: Path, spheres: Path, **maps: Callable[[Triplet], Array]) -> Path:
    """`<task>/<key>.npy` of every sample."""
    for task, make in maps.items():
        (folder / task).mkdir(parents=True, exist_ok=True)
        for triplet in triplets(spheres):
            np.save(folder / task / f"{triplet.key}.npy", make(triplet))
    return folder


def perfect(found: Results, tolerance: float = 1e-5) -> None:
    """Depth to a part in 1e5; normals to what half precision holds."""
    tasks = {row.task for row in found.rows}
    assert "depth" not in tasks or (figures(found, "depth")["absrel"] or 0) < tolerance
    assert "normal" not in tasks or (figures(found, "normal")["mean"] or 0) < 0.1 + 100 * tolerance * (tolerance > 1e-5)
