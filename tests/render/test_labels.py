"""Labels of a dressed person against Embree and float64, at a usual size and at a large one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from render.config import RenderConfig
from render.plan import Plan
from scans import catalogue
from scans.catalogue import ScanRecord
from tests.oracle import Oracle, degrees


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScanRecord, Path]:
    folder = tmp_path_factory.mktemp("person")
    command = [sys.executable, "-m", "scans.people", f"out={folder}", "count=1", "seed=5", "quality=draft", "texture=512"]
    subprocess.run(command, check=True)
    (record,) = catalogue.read(folder)
    return record, folder / record.path


@pytest.mark.parametrize(("height", "width", "framing"), [(1024, 768, "full"), (4096, 3072, "full")])
def test_labels_are_those_of_ray_casting(blender: Any, person: tuple[ScanRecord, Path], height: int, width: int, framing: str) -> None:
    record, path = person
    spec = Plan(RenderConfig("", "", 1, height=height, width=width, framing=framing), [record], ["sky"], []).spec(0)
    K, world_to_camera = np.array(spec.camera.K), np.array(spec.camera.world_to_camera)
    blender.set_people({record.id: (path, np.array(spec.subjects[0].world_from_scan))})
    blender.scene.cycles.use_denoising = False
    try:
        layers = blender.render(K, world_to_camera, (height, width), samples=1, seed=0)
    finally:
        blender.scene.cycles.use_denoising = True

    x, y = (width - 768) // 2, (height - 1024) // 2  # of a large picture, the middle
    middle = np.s_[y : y + 1024, x : x + 768]
    depth, normal, mask = Oracle(path).cast(K - [[0, 0, x], [0, 0, y], [0, 0, 0]], world_to_camera, 1024, 768)
    found = layers.index[middle] > 0
    assert record.faces > 5000 and mask.sum() > 50_000
    assert np.sum(found != mask) <= 1e-4 * mask.sum()
    both = found & mask
    off = np.abs(layers.depth[middle] - depth)[both] / depth[both]
    assert np.median(off) < 1e-6 and np.mean(off > 1e-5) < 3e-3  # the rest: at inner edges, rays that graze another fold
    angle = degrees(layers.normal[middle], normal)[both]
    assert np.median(angle) < 0.05 and np.mean(angle > 5) < 2e-3
    # Never blended: what is there is whole, and there is nothing between.
    assert np.all((layers.depth > 0) == (layers.index > 0)) and np.all(layers.alpha[layers.index == 0] <= 1)
    length = np.linalg.norm(layers.normal, axis=-1)
    assert np.allclose(length[layers.index > 0], 1, atol=1e-5) and not length[layers.index == 0].any()
