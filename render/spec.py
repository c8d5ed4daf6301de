"""`SceneSpec`: everything that makes one frame, frozen before Blender is started."""

import dataclasses
from dataclasses import dataclass
from typing import Any

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Subject:
    """One person in the scene: scan id, whose scan it is, and its 4x4 placement (canonical scan -> world)."""

    scan: str
    subject: str
    world_from_scan: Matrix


@dataclass(frozen=True)
class Camera:
    """Pinhole camera: K (3x3) pixels, world_to_camera (4x4) OpenCV axes, picture size in pixels, lens in mm (full frame)."""

    K: Matrix
    world_to_camera: Matrix
    width: int
    height: int
    lens_mm: float


@dataclass(frozen=True)
class Lighting:
    """An environment by file name, turned by `rotation` radians about +Z, times `strength` (1: correctly exposed)."""

    environment: str
    rotation: float
    strength: float


@dataclass(frozen=True)
class Backdrop:
    """What is behind the people: `environment` (the lighting one, as the camera sees it) or `photograph`.

    A photograph, by file name, is scaled to cover the frame and cut at `offset` (x, y in 0..1 of the slack), mirrored or not.
    """

    kind: str
    photograph: str | None = None
    offset: tuple[float, float] = (0.5, 0.5)
    mirrored: bool = False


@dataclass(frozen=True)
class SceneSpec:
    """One frame of the plan. `attempt` counts redraws after a rejected draw; `cycles_seed` seeds the sampler."""

    index: int
    attempt: int
    seed: int
    subjects: tuple[Subject, ...]
    framing: str
    camera: Camera
    lighting: Lighting
    backdrop: Backdrop
    curve: str
    samples: int
    cycles_seed: int

    @property
    def key(self) -> str:
        """The sample's key in its shard: nine digits."""
        return f"{self.index:09d}"

    def meta(self) -> dict[str, Any]:
        """The sample's JSON record, apart from versions."""
        values = dataclasses.asdict(self)
        camera = values.pop("camera")
        return {**values, **camera}
