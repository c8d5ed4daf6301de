"""Shared parts of the render tests: a catalogue of fine spheres, which have closed forms, and one Blender."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from render.config import RenderConfig
from scans.catalogue import ScanRecord, write

RADIUS = 0.12  # metres, a head; at the outline a facet's micrometre is worth a hundred of depth, in proportion to this
CENTRE = (0.0, 0.0, 0.3)  # canonical frame: the sphere floats over the floor


def write_sphere(path: Path, subdivisions: int) -> None:
    """A sphere as a canonical GLB (+Y up inside)."""
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions, radius=RADIUS)
    sphere.apply_translation([CENTRE[0], CENTRE[2], -CENTRE[1]])
    sphere.visual = trimesh.visual.TextureVisuals(material=trimesh.visual.material.PBRMaterial(baseColorFactor=[180, 140, 120, 255]))
    sphere.export(path)


def sphere_record(name: str, split: str = "train") -> ScanRecord:
    """The catalogue's record of a sphere."""
    low, high = (tuple(c + sign * RADIUS for c in CENTRE) for sign in (-1, 1))
    counts: dict[str, Any] = {"vertices": 2562, "faces": 5120}
    return ScanRecord(
        name,
        f"{name}.glb",
        name,
        split,
        "test",
        "CC0-1.0",
        0.5,
        **counts,
        textured=False,
        bounds=(low, high),
        head=CENTRE,
        head_radius=0.08,
    )


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three spheres, two to train on and one to test on."""
    folder = tmp_path_factory.mktemp("catalogue")
    records = [sphere_record("sphere-0"), sphere_record("sphere-1"), sphere_record("sphere-2", "test")]
    for record in records:
        write_sphere(folder / record.path, subdivisions=4)
    write(folder, records)
    return folder


@pytest.fixture(scope="session")
def blender() -> Any:
    """A Blender of our own in this process."""
    from render.blender import Blender

    return Blender(threads=2, normal_maps=False)


@pytest.fixture
def config() -> RenderConfig:
    """A small configuration."""
    return RenderConfig(scans="", out="", count=40, height=96, width=72, samples=2, frames_per_scan=4, shard_size=4)


def random_camera(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """An off-centre K and a rolled camera that sees the sphere partly cut by the frame or not."""
    from render.lens import viewing_rotation

    focal = rng.uniform(0.9, 2.0) * height
    K = np.array([[focal, 0, width * rng.uniform(0.4, 0.6)], [0, focal, height * rng.uniform(0.4, 0.6)], [0, 0, 1]])
    rotation = viewing_rotation(rng.uniform(-math.pi, math.pi), rng.uniform(-0.5, 0.9), rng.uniform(-math.pi, math.pi))
    transform = np.eye(4)
    transform[:3, :3] = rotation
    transform[:3, 3] = np.array([*rng.uniform(-0.1, 0.1, 2), rng.uniform(0.4, 0.9)]) - rotation @ np.array(CENTRE)
    return K, transform
