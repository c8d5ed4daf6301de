"""A worker: executes the plan's frames in its own Blender, and writes verified shards."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.conventions import Array
from datasets.triplet import ShardWriter, Triplet, entry_path, read_entry, write_atomically
from render import backdrop, environment, floor, light
from render.checks import reject
from render.develop import WHITE_CARD, over_light, over_picture, srgb_encode, to_bytes
from render.lens import blur_px
from render.plan import Plan
from render.progress import left_out
from render.spec import SceneSpec

if TYPE_CHECKING:
    from render.blender import Blender, Layers

ATTEMPTS = 8


class Worker:
    """One Blender process, and the shards it makes."""

    def __init__(
        self, plan: Plan, scans: dict[str, Path], environments: dict[str, Path], photographs: dict[str, Path], threads: int
    ) -> None:
        """scans, environments, photographs: name in the plan -> file."""
        self.plan, self.scans, self.environments, self.photographs, self.threads = plan, scans, environments, photographs, threads

    @cached_property
    def blender(self) -> "Blender":
        """This process's Blender. It is made here, and only here."""
        from render.blender import Blender

        return Blender(self.threads, self.plan.config.normal_maps)

    @cached_property
    def versions(self) -> dict[str, str]:
        """What rendered, for the record."""
        from render.blender import VERSION

        return {"blender": VERSION}

    def start(self) -> str:
        """Make Blender now, not at the first frame. Returns what it renders on."""
        return self.blender.device or "the CPU"

    def shard(
        self, path: Path, indices: Sequence[int], quarantined: dict[str, list[str]], digest: str
    ) -> Iterator[tuple[int, int] | dict[str, Any]]:
        """Render `indices` into a shard, but for those that show a quarantined group (name -> scan ids).

        Before every frame yields (index, samples so far), so that a driver knows what was in hand if this process dies. At the
        end writes and yields the shard's entry, marked with the plan's digest.
        """
        rejections, subjects = Counter[str](), set[str]()
        skipped, given_up = defaultdict[str, list[int]](list), dict[str, str]()
        with ShardWriter(path) as writer:
            for index in indices:
                group = left_out(self.plan.people(index), quarantined)
                if group is not None:
                    skipped[group].append(index)
                    continue
                yield index, writer.samples
                triplet = self._accepted(index, rejections)
                if isinstance(triplet, str):
                    given_up[str(index)] = triplet
                else:
                    writer.add(triplet)
                    subjects |= {subject["subject"] for subject in triplet.meta["subjects"]}
            entry = read_entry(path)  # another driver may have made this very shard meanwhile: first come, first kept
            if entry is None or entry["plan"] != digest:
                entry = {**writer.close(), "subjects": sorted(subjects), "rejections": rejections}
                entry |= {"skipped": skipped, "given_up": given_up, "plan": digest}
                write_atomically(entry_path(path), json.dumps(entry, sort_keys=True))
            yield entry

    def _accepted(self, index: int, rejections: Counter[str]) -> Triplet | str:
        """Frame `index`, redrawn until it can be accepted; or why it never was."""
        for attempt in range(ATTEMPTS):
            triplet = self.frame(self.plan.spec(index, attempt))
            reason = "nobody in the frame" if triplet is None else reject(triplet)
            if triplet is not None and reason is None:
                return triplet
            rejections[str(reason)] += 1
        return f"rejected {ATTEMPTS} times, at last because {reason}"

    def frame(self, spec: SceneSpec) -> Triplet | None:
        """One frame; None when nobody is in it."""
        K, world_to_camera = np.array(spec.camera.K), np.array(spec.camera.world_to_camera)
        size = (spec.camera.height, spec.camera.width)
        sky = environment.load(self.environments[spec.lighting.environment])
        card, metered = light.metered(sky, spec.lighting, toward_camera=-world_to_camera[2, :3])
        stops = WHITE_CARD * 2**spec.development.exposure_ev
        people = {s.scan: (self.scans[s.scan], np.array(s.world_from_scan)) for s in spec.subjects}
        aperture = spec.camera.aperture_m

        self.blender.set_people(people)
        self.blender.set_environment(self.environments[spec.lighting.environment], spec.lighting.rotation)
        self.blender.set_lamps(light.sources(spec.lighting, self.blender.centre(), card))
        lens = None if aperture is None else (aperture, spec.camera.focus_m)
        layers = self.blender.render(K, world_to_camera, size, spec.samples, spec.cycles_seed, spec.backdrop.floor, lens)
        if layers is None:
            return None
        return Triplet(
            key=spec.key,
            rgb=self._photograph(spec, layers, stops / metered, card),
            mask=layers.index,
            alpha=to_bytes(layers.alpha),
            depth=layers.depth,
            normal=layers.normal.astype(np.float16),
            albedo=to_bytes(srgb_encode(layers.albedo)) if self.plan.config.albedo else None,
            meta={**spec.meta(), "normal_maps": self.plan.config.normal_maps, "versions": self.versions},
        )

    def _photograph(self, spec: SceneSpec, layers: "Layers", exposure: float, card: float) -> Array:
        """The people's light over their backdrop, developed: uint8 (H,W,3)."""
        K, world_to_camera = np.array(spec.camera.K), np.array(spec.camera.world_to_camera)
        size, drop, curve = (spec.camera.height, spec.camera.width), spec.backdrop, spec.development.curve
        gain = (exposure / light.kelvin(spec.development.white_balance_k)).astype(np.float32)
        if drop.kind in ("environment", "other"):
            sky = environment.load(self.environments[str(drop.file)])
            # Another environment is exposed like the lighting one: a card that faces the camera is as bright.
            alike = card / environment.irradiance(sky, -world_to_camera[2, :3], drop.rotation)
            behind = environment.view(sky, K, world_to_camera, size, drop.rotation) * (gain * np.float32(alike))
            compose = over_light
        else:
            behind = backdrop.picture(drop, self.photographs[drop.file] if drop.file else None, size)
            compose = over_picture
        if spec.camera.aperture_m is not None and drop.kind != "studio":
            behind = backdrop.blur(behind, float(blur_px(K, spec.camera.aperture_m, spec.camera.focus_m, np.inf)))
        if layers.shadow is not None:
            behind = behind * floor.fade(layers.shadow, K, world_to_camera, self.blender.standing())
        return compose(layers.light * gain, layers.alpha, behind, curve)
