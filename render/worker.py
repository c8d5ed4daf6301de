"""A worker: executes the plan's frames in its own Blender, and writes verified shards."""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from conf.command import UserError
from datasets.triplet import ShardWriter, Triplet
from render import environment
from render.develop import CURVES, WHITE_CARD, cover, develop, srgb_decode, srgb_encode
from render.plan import Plan
from render.spec import SceneSpec
from render.verify import reject

ATTEMPTS = 8


class Worker:
    """One Blender process. `shard` yields after every frame, so that a driver can show progress."""

    def __init__(
        self, plan: Plan, scans: dict[str, Path], environments: dict[str, Path], photographs: dict[str, Path], threads: int
    ) -> None:
        """scans, environments, photographs: name in the plan -> file."""
        from render.blender import VERSION, Blender  # a Blender process is made here, and only here

        self.plan, self.scans, self.environments, self.photographs = plan, scans, environments, photographs
        self.blender = Blender(threads, plan.config.normal_maps)
        self.versions = {"blender": VERSION}

    def shard(self, path: Path, indices: range) -> Iterator[dict[str, Any] | None]:
        """Render `indices` into a shard. Yields None after every frame, and at the end the shard's entry of `dataset.json`."""
        rejections: Counter[str] = Counter()
        with ShardWriter(path) as writer:
            for index in indices:
                writer.add(self._accepted(index, rejections))
                yield None
            yield {**writer.close(), "rejections": dict(rejections)}

    def _accepted(self, index: int, rejections: Counter[str]) -> Triplet:
        for attempt in range(ATTEMPTS):
            spec = self.plan.spec(index, attempt)
            triplet = self.frame(spec)
            reason = "nobody in the frame" if triplet is None else reject(triplet)
            if triplet is not None and reason is None:
                return triplet
            rejections[str(reason)] += 1
        subject = self.plan.record(index).id
        raise UserError(f"frame {index} of scan {subject} was rejected {ATTEMPTS} times, last: {reason}; look at the scan, or leave it out")

    def frame(self, spec: SceneSpec) -> Triplet | None:
        """One frame; None when nobody is in it."""
        K, world_to_camera = np.array(spec.camera.K), np.array(spec.camera.world_to_camera)
        size = (spec.camera.height, spec.camera.width)
        self.blender.set_people({s.scan: (self.scans[s.scan], np.array(s.world_from_scan)) for s in spec.subjects})
        self.blender.set_environment(self.environments[spec.lighting.environment], spec.lighting.rotation)
        layers = self.blender.render(K, world_to_camera, size, spec.samples, spec.cycles_seed)
        if layers is None:
            return None
        sky = environment.load(self.environments[spec.lighting.environment])
        toward_camera = -world_to_camera[2, :3]
        exposure = WHITE_CARD * spec.lighting.strength / environment.irradiance(sky, toward_camera, spec.lighting.rotation)
        if spec.backdrop.photograph is None:
            behind = exposure * environment.view(sky, K, world_to_camera, size, spec.lighting.rotation)
        else:
            photograph = cover(_photograph(self.photographs[spec.backdrop.photograph]), size, spec.backdrop)
            behind = CURVES[spec.curve].invert(srgb_decode(photograph))
        return Triplet(
            key=spec.key,
            rgb=develop(exposure * layers.light, layers.alpha, behind, spec.curve),
            mask=layers.index,
            alpha=(layers.alpha * 255 + 0.5).astype(np.uint8),
            depth=layers.depth,
            normal=layers.normal.astype(np.float16),
            albedo=srgb_encode(layers.albedo) if self.plan.config.albedo else None,
            meta={**spec.meta(), "normal_maps": self.plan.config.normal_maps, "versions": self.versions},
        )


@lru_cache(maxsize=16)
def _photograph(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path} cannot be read as a picture: remove or replace it")
    return np.ascontiguousarray(picture[..., ::-1])
