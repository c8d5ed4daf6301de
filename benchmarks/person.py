"""What the benchmarks render: one embedded person, framed as the plan frames people."""

import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from datasets.conventions import Array
from datasets.triplet import Triplet
from render import assets
from render.blender import Layers
from render.config import RenderConfig
from render.plan import Plan
from render.worker import Worker
from scans import catalogue
from scans.catalogue import ScanRecord

FOLDER = Path("outputs/bench/people")


@lru_cache
def people(count: int) -> list[tuple[ScanRecord, Path]]:
    """Records and GLBs of embedded people, made at the first call."""
    command = [sys.executable, "-m", "scans.people", f"out={FOLDER}-{count}", f"count={count}", "seed=7", "quality=draft", "texture=512"]
    subprocess.run(command, check=True)
    return [(record, Path(f"{FOLDER}-{count}") / record.path) for record in catalogue.read(Path(f"{FOLDER}-{count}"))]


def person() -> tuple[ScanRecord, Path]:
    """The first of them."""
    return people(1)[0]


def plan(framing: str, height: int = 1024, width: int = 768) -> Plan:
    """A plan of that person in one framing, with everything the default configuration varies."""
    config = RenderConfig(scans="", out="", count=1, height=height, width=width, framing=framing, frames_per_scan=64)
    return Plan(config, [person()[0]], list(assets.environments(None, "all")), [])


def worker(framing: str, threads: int = 2) -> tuple[Plan, Worker]:
    """A worker for that plan."""
    record, path = person()
    whole = plan(framing)
    return whole, Worker(whole, {record.id: path.resolve()}, assets.environments(None, "all"), {}, threads=threads)


def cameras(framing: str, count: int, height: int = 1024, width: int = 768) -> list[tuple[Array, Array]]:
    """(K, world_to_camera) of the first `count` frames of a plan in one framing."""
    specs = [plan(framing, height, width).spec(index) for index in range(count)]
    return [(np.array(spec.camera.K), np.array(spec.camera.world_to_camera)) for spec in specs]


def sample(framing: str, samples: int) -> tuple[Triplet, Layers, Array, Array]:
    """A triplet of that plan, the layers it came from, K and world_to_camera."""
    whole, one = worker(framing)
    spec = whole.spec(0)
    triplet = one.frame(spec)
    K, world_to_camera = np.array(spec.camera.K), np.array(spec.camera.world_to_camera)
    layers = one.blender.render(K, world_to_camera, (spec.camera.height, spec.camera.width), samples, 0)
    assert triplet is not None and layers is not None
    return triplet, layers, K, world_to_camera
