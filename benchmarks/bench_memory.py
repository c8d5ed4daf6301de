"""Does a worker's memory stay flat? Five hundred frames, every one of other people under another environment."""

import resource
from pathlib import Path

import numpy as np

from benchmarks.person import people
from render import assets
from render.config import RenderConfig
from render.plan import Plan
from render.run import RECYCLE
from render.worker import Worker

FRAMES, SETTLED = 500, 100
PEOPLE = 6


def resident_mb() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    catalogue = people(PEOPLE)
    config = RenderConfig("", "", FRAMES, height=96, width=72, samples=1, frames_per_scan=1)
    skies = assets.environments(None, "all")
    plan = Plan(config, [record for record, _ in catalogue], list(skies), [])
    worker = Worker(plan, {record.id: path.resolve() for record, path in catalogue}, skies, {}, threads=2)
    memory = []
    for index in range(FRAMES):
        worker.frame(plan.spec(index))
        memory.append(resident_mb())
    slope = np.polyfit(np.arange(SETTLED, FRAMES), memory[SETTLED:], 1)[0]
    before, after = memory[SETTLED], memory[-1]
    print(f"memory after {SETTLED} frames {before:.0f} MB, after {FRAMES} {after:.0f} MB: {slope:.2f} MB a change of people")
    print(f"workers are replaced after {RECYCLE} frames: {RECYCLE / 8 * slope:.0f} MB at 8 frames of the same people")


if __name__ == "__main__":
    main()
