"""What the benchmarks render: one embedded person, framed as the plan frames people."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from datasets.conventions import Array
from render import assets
from render.config import RenderConfig
from render.plan import Plan
from scans import catalogue
from scans.catalogue import ScanRecord

FOLDER = Path("outputs/bench/people")


def person() -> tuple[ScanRecord, Path]:
    """The record and GLB of a person, made at the first call."""
    subprocess.run([sys.executable, "-m", "scans.people", f"out={FOLDER}", "count=1", "seed=7"], check=True)
    record = catalogue.read(FOLDER)[0]
    return record, FOLDER / record.path


def cameras(record: ScanRecord, framing: str, count: int, height: int = 1024, width: int = 768) -> list[tuple[Array, Array]]:
    """(K, world_to_camera) of the first `count` frames of a plan in one framing."""
    config = RenderConfig(scans="", out="", count=count, height=height, width=width, framing=framing)
    plan = Plan(config, [record], list(assets.environments(None, "all")), [])
    specs = [plan.spec(index) for index in range(count)]
    return [(np.array(spec.camera.K), np.array(spec.camera.world_to_camera)) for spec in specs]
