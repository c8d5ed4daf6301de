"""What does scoring cost? Depth (lsq, with boundaries) and normals of 1024x768 images of people, on one core, by part; whether memory
grows with the images; and what intervals cost. The floor: one pass over the maps that are compared, and nothing else.
"""

import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch

from datasets.conventions import Array, normals_from_depth
from train.metrics import DEPTH, EVERYTHING, NORMAL, Scores, Tally, boundary, interval

SIZE, IMAGES, SETTLED, BENCHMARK = (1024, 768), 200, 50, 1578
#: Framing -> part of the image's height that a person of height 1 takes, and where their middle is.
FRAMINGS = {"full body": (0.9, 0.5), "upper half": (1.7, 0.9), "face": (4.2, 2.2)}
#: A person in ellipsoids: centre (x right, y down from the middle), radii, all in heights.
BODY = [
    ((0.0, -0.43), (0.055, 0.07)),
    ((0.0, -0.23), (0.11, 0.14)),
    ((0.0, -0.04), (0.10, 0.12)),
    *(((side * 0.16, -0.2), (0.035, 0.13)) for side in (-1, 1)),
    *(((side * 0.19, 0.0), (0.03, 0.12)) for side in (-1, 1)),
    *(((side * 0.06, 0.14), (0.055, 0.16)) for side in (-1, 1)),
    *(((side * 0.06, 0.36), (0.042, 0.14)) for side in (-1, 1)),
]

Maps = tuple[Array, Array, Array, Array, Array]


def person(framing: str, random: np.random.Generator) -> Maps:
    """Predicted and true depth, predicted and true normals, mask; about as wrong as a good model."""
    height, width = SIZE
    zoom, middle = FRAMINGS[framing]
    y, x = np.mgrid[0:height, 0:width]
    x, y = (x - width / 2) / (zoom * height), (y - middle * height) / (zoom * height)
    depth = np.full(SIZE, np.inf)
    for (right, down), (a, b) in BODY:
        inside = 1 - ((x - right) / a) ** 2 - ((y - down) / b) ** 2
        depth = np.minimum(depth, np.where(inside > 0, 3.0 - 1.7 * a * np.sqrt(np.maximum(inside, 0)) + 0.5 * random.random(), np.inf))
    mask = np.isfinite(depth)
    depth = np.where(mask, depth, 0.0)
    focal = 3.0 * zoom * height / 1.7
    normal = normals_from_depth(depth, np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]))
    normal[mask & ~normal.any(-1)] = (0, 0, 1)
    guess = 0.4 * depth + 0.2 + random.normal(0, 0.01, SIZE)
    off = normal + random.normal(0, 0.15, normal.shape)
    return (*(values.astype(np.float32) for values in (guess, depth, off, normal)), mask.astype(np.uint8))


def resident_mb() -> float:
    """Memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


@contextmanager
def timed(spent: dict[str, float], part: str) -> Iterator[None]:
    start = time.process_time()
    yield
    spent[part] += time.process_time() - start


def run(images: list[Maps]) -> tuple[dict[str, float], list[float], Scores]:
    """CPU seconds by part, and memory after each image, in MB."""
    spent: dict[str, float] = defaultdict(float)
    memory: list[float] = []
    tallies = Tally(DEPTH), Tally(NORMAL)
    for place, (guess, depth, off, normal, mask) in enumerate(islice(cycle(images), IMAGES)):
        with timed(spent, "depth: errors"):
            of_depth = DEPTH.errors(guess, depth, mask, alignment="lsq")
        with timed(spent, "depth: sums"):
            tallies[0].update(place, of_depth)
        with timed(spent, "normal: angles"):
            of_normals = NORMAL.errors(off, normal, mask)
        with timed(spent, "normal: sums, median"):
            tallies[1].update(place, of_normals)
        with timed(spent, "floor"):
            for values in (guess, depth, off, normal, mask):
                values.sum()
        known, metres = of_depth.known, depth[of_depth.known].astype(np.float64)
        with timed(spent, "boundaries"):
            boundary.pairs(metres, metres, known)
        memory.append(resident_mb())
    return spent, memory, tallies[0].compute()[EVERYTHING]


def intervals(scores: Scores) -> dict[str, float]:
    """Seconds for 10,000 resamples of as many images as the benchmark has."""
    chosen = np.arange(BENCHMARK) % len(scores)
    many = Scores(scores.measure, np.arange(BENCHMARK), scores.sums[chosen], scores.medians[chosen])
    spent: dict[str, float] = defaultdict(float)
    for average in ("macro", "micro"):
        with timed(spent, average):
            interval(many, average, np.random.default_rng(0))
    return spent


def main() -> None:
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    images = [person(framing, random) for framing in FRAMINGS for _ in range(2)]
    share = np.mean([maps[-1].mean() for maps in images])
    spent, memory, scores = run(images)
    floor, edges = spent.pop("floor"), spent.pop("boundaries")
    whole = sum(spent.values())
    print(f"one core, {SIZE[1]}x{SIZE[0]}, {IMAGES} images, {100 * share:.0f} % of their pixels are person, ms an image")
    for part, seconds in spent.items():
        of_these = f", of these boundaries {1e3 * edges / IMAGES:.1f}" if part == "depth: errors" else ""
        print(f"  {part:22}{1e3 * seconds / IMAGES:7.1f}{100 * seconds / whole:6.0f} %{of_these}")
    print(f"  {'all':22}{1e3 * whole / IMAGES:7.1f}   {IMAGES / whole:.1f} images/s")
    print(f"  {'one pass over the maps':22}{1e3 * floor / IMAGES:7.1f}   {floor / whole:.2f} of ours")
    print(f"{BENCHMARK} images on 2 cores: {BENCHMARK * whole / IMAGES / 2:.0f} s")
    print(f"memory after {SETTLED} images {memory[SETTLED - 1]:.0f} MB, after {IMAGES} {memory[-1]:.0f} MB")
    print("intervals of all figures, 10,000 resamples: " + ", ".join(f"{name} {s:.1f} s" for name, s in intervals(scores).items()))


if __name__ == "__main__":
    main()
