"""Tiny datasets in the real layout, with closed-form ground truth: spheres seen by a pinhole camera."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR

from datasets.conventions import NORMAL_FROM_CAMERA, Array, camera_rays
from datasets.triplet import Dataset, Triplet, write_shard


def analytic_sphere(K: Array, centre: Array, radius: float, height: int, width: int) -> tuple[Array, Array, Array]:
    """Depth, normal and mask of a sphere, by casting one ray through every pixel centre.

    K (3,3) pixels; centre (3,) metres in OpenCV camera axes; radius metres. Returns depth (H,W) float64 planar metres,
    normal (H,W,3) float64 in the normal convention, mask (H,W) uint8; zeros where a ray misses.

    A point t·r on the ray r (r_z = 1, so t is the planar depth) lies on the sphere when |t r - c|² = R².
    """
    rays = camera_rays(K, height, width)
    centre = np.asarray(centre, dtype=np.float64)
    a, b = (rays * rays).sum(-1), rays @ centre
    discriminant = b * b - a * (centre @ centre - radius * radius)
    hit = (discriminant >= 0) & (b > 0)
    depth = np.where(hit, (b - np.sqrt(np.maximum(discriminant, 0.0))) / a, 0.0)
    normal = (depth[..., None] * rays - centre) / radius @ NORMAL_FROM_CAMERA.T
    return depth, np.where(hit[..., None], normal, 0.0), hit.astype(np.uint8)


def sphere_triplet(key: str, rng: np.random.Generator, height: int = 96, width: int = 72, scan: str = "sphere-0") -> Triplet:
    """A sphere of random place, size and lens, lit by a random lamp before a random gradient; its meta holds `sphere`."""
    focal = float(rng.uniform(1.0, 2.5) * height)
    K = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    distance = float(rng.uniform(1.5, 4.0))
    radius = float(rng.uniform(0.2, 0.4)) * distance * width / focal
    aim = np.array([rng.uniform(0.35, 0.65) * width, rng.uniform(0.35, 0.65) * height, 1.0])
    centre = np.linalg.inv(K) @ aim * distance
    depth, normal, mask = analytic_sphere(K, centre, radius, height, width)
    subject = {"scan": scan, "world_from_scan": np.eye(4).tolist()}
    meta: dict[str, Any] = {
        "K": K.tolist(),
        "world_to_camera": np.eye(4).tolist(),
        "width": width,
        "height": height,
        "subjects": [subject],
        "framing": "full",
        "sphere": {"centre": centre.tolist(), "radius": radius},
    }
    return Triplet(
        key=key,
        rgb=_shade(normal, mask, rng),
        mask=mask,
        alpha=mask * np.uint8(255),
        depth=depth.astype(np.float32),
        normal=normal.astype(np.float16),
        meta=meta,
    )


def write_spheres(
    folder: Path, count: int, seed: int = 0, height: int = 96, width: int = 72, per_shard: int = 4, subjects: int = 4
) -> list[Triplet]:
    """A whole dataset folder: shards and `dataset.json`. Consecutive samples share a subject (scan-major). Returns the triplets."""
    rng = np.random.default_rng(seed)
    scans = [f"sphere-{i * subjects // count}" for i in range(count)]
    triplets = [sphere_triplet(f"{i:09d}", rng, height, width, scan) for i, scan in enumerate(scans)]
    dataset = Dataset(configuration={"source": "spheres"}, seed=seed, count=count)
    for start in range(0, count, per_shard):
        part = triplets[start : start + per_shard]
        name = f"shard-{start // per_shard:06d}.tar"
        dataset.shards[name] = {**write_shard(Path(folder) / "shards" / name, part), "rejections": {}}
    dataset.save(folder)
    return triplets


def _shade(normal: Array, mask: Array, rng: np.random.Generator) -> Array:
    height, width = mask.shape
    lamp = np.array([*rng.uniform(-0.8, 0.8, 2), 1.0])
    light = 0.15 + 0.85 * np.maximum(normal @ (lamp / np.linalg.norm(lamp)), 0.0)
    person = light[..., None] * rng.uniform(0.4, 1.0, 3)
    ramp = np.linspace(0.0, 1.0, height)[:, None, None] * np.ones((height, width, 1))
    backdrop = ramp * rng.uniform(0, 1, 3) + (1 - ramp) * rng.uniform(0, 1, 3)
    colour = np.where(mask[..., None] > 0, person, backdrop) + rng.normal(0.0, 0.01, (height, width, 3))
    return (np.clip(colour, 0.0, 1.0) ** (1 / 2.2) * 255.0 + 0.5).astype(np.uint8)


def write_synthhuman(folder: Path, triplets: list[Triplet]) -> None:
    """A folder in SynthHuman's layout: five files a sample, numbered from 0. Written without our codec, as DAViD's are."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, triplet in enumerate(triplets):
        name = lambda member, kind, number=number: str(folder / f"{member}_{number:07d}.{kind}")
        cv2.imwrite(name("rgb", "png"), triplet.rgb[..., ::-1])
        cv2.imwrite(name("alpha", "png"), triplet.alpha)
        centimetres = np.where(triplet.mask > 0, triplet.depth * 100, 65504).astype(np.float32)
        x, y, z = (np.ascontiguousarray(triplet.normal[..., axis]) for axis in range(3))
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"Y": centimetres}).write(name("depth", "exr"))
        OpenEXR.File(header, {"B": x, "G": y, "R": z}).write(name("normal", "exr"))
        np.savetxt(name("cam", "txt"), triplet.K)
