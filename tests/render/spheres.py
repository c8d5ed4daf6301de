"""Frames of a plan whose people are spheres, in closed form: what a renderer without any error would give, in no time."""

from pathlib import Path

import numpy as np

from datasets.triplet import Dataset, Triplet, write_shard
from render.config import RenderConfig
from render.plan import Plan
from render.progress import shard_name
from render.spec import SceneSpec
from tests.fixtures import analytic_sphere
from tests.render.conftest import CENTRE, RADIUS, sphere_record


def sphere_plan(count: int = 8, height: int = 96, width: int = 72, people: int = 1) -> Plan:
    """A plan of spheres, `people` of them in every frame, shown whole."""
    config = RenderConfig(scans="", out="", count=count, height=height, width=width, framing="full", frames_per_scan=4, shard_size=4)
    config.people.group = [float(number == people) for number in range(1, people + 1)]
    config.camera.fill, config.camera.blur = [0.6, 0.9], 0.0
    return Plan(config, [sphere_record(f"sphere-{i}") for i in range(4)], ["sky.exr"], [])


def sphere_frame(spec: SceneSpec) -> Triplet:
    """The frame that a spec describes, its people spheres, lit from the camera before a grey backdrop."""
    K, world_to_camera = np.array(spec.camera.K), np.array(spec.camera.world_to_camera)
    size = spec.camera.height, spec.camera.width
    depth, normal, mask = np.full(size, np.inf), np.zeros((*size, 3)), np.zeros(size, np.uint8)
    for number, subject in enumerate(spec.subjects, 1):
        centre = world_to_camera @ np.array(subject.world_from_scan) @ [*CENTRE, 1.0]
        own_depth, own_normal, own_mask = analytic_sphere(K, centre[:3], RADIUS, *size)
        nearer = (own_mask > 0) & (own_depth < depth)
        depth[nearer], normal[nearer], mask[nearer] = own_depth[nearer], own_normal[nearer], number
    inside = mask > 0
    light = np.where(inside, 60 + 120 * normal[..., 2].clip(0), 128)
    return Triplet(
        key=spec.key,
        rgb=np.repeat(light[..., None], 3, axis=-1).astype(np.uint8),
        mask=mask,
        alpha=inside * np.uint8(255),
        depth=np.where(inside, depth, 0).astype(np.float32),
        normal=normal.astype(np.float16),
        meta={**spec.meta(), "normal_maps": False, "versions": {}},
    )


def write_sphere_plan(folder: Path, plan: Plan) -> Dataset:
    """The finished dataset of a plan of spheres."""
    size = plan.config.shard_size
    dataset = Dataset(plan.fingerprint(), plan.config.seed, plan.config.count)
    for number, first in enumerate(range(0, dataset.count, size)):
        frames = [sphere_frame(plan.spec(index)) for index in range(first, min(first + size, dataset.count))]
        entry = write_shard(folder / "shards" / shard_name(number), frames)
        dataset.shards[shard_name(number)] = {**entry, "rejections": {}, "skipped": {}, "given_up": {}}
    dataset.save(folder)
    return dataset
