"""The plan: (seed, index, attempt) -> `SceneSpec`, in pure numpy. Rendering only executes it.

Frame i depends on the seed, i and the configuration alone: not on `count`, on the order or on the machine, so a run can be
split, resumed and extended. Order is scan-major: `frames_per_scan` consecutive frames share a scan; each round goes through
all scans in a new order.
"""

import hashlib
import math
from dataclasses import asdict
from typing import Any

import numpy as np

from datasets.conventions import Array
from render.config import RenderConfig
from render.lens import Region, camera_matrix, place, region, viewing_rotation
from render.spec import Backdrop, Camera, Lighting, Matrix, SceneSpec, Subject
from scans.catalogue import ScanRecord

FRAMINGS = ("face", "upper", "full")
#: Keys that spread a run but do not change a frame.
UNPLANNED = {"scans", "out", "count", "workers", "ray_address", "hdris", "backdrops"}
MINIMUM_CAMERA_HEIGHT_M = 0.1


class Plan:
    """The frames of one configuration over one catalogue. Cheap to make, picklable, the same everywhere."""

    def __init__(self, config: RenderConfig, records: list[ScanRecord], environments: list[str], photographs: list[str]) -> None:
        """records, environments and photographs in any order: they are sorted here, so that listings cannot reorder a plan."""
        self.config = config
        self.records = sorted(records, key=lambda record: record.id)
        self.environments = sorted(environments)
        self.photographs = sorted(photographs)

    def record(self, index: int) -> ScanRecord:
        """The scan that frame `index` shows."""
        turn = index // self.config.frames_per_scan
        rounds, position = divmod(turn, len(self.records))
        order = np.random.default_rng([self.config.seed, rounds]).permutation(len(self.records))
        return self.records[order[position]]

    def spec(self, index: int, attempt: int = 0) -> SceneSpec:
        """Frame `index`, redrawn `attempt` times."""
        rng = np.random.default_rng([self.config.seed, index, attempt])
        record = self.record(index)
        framing = str(rng.choice(FRAMINGS)) if self.config.framing == "mix" else self.config.framing
        return SceneSpec(
            index=index,
            attempt=attempt,
            seed=self.config.seed,
            subjects=(Subject(record.id, record.subject, _matrix(np.eye(4))),),
            framing=framing,
            camera=self._camera(rng, region(record, framing), framing),
            lighting=self._lighting(rng),
            backdrop=self._backdrop(rng),
            curve="filmic" if rng.random() < self.config.light.filmic else "srgb",
            samples=self.config.samples,
            cycles_seed=int(rng.integers(2**31)),
        )

    def _camera(self, rng: np.random.Generator, target: Region, framing: str) -> Camera:
        ranges, size = self.config.camera, (self.config.height, self.config.width)
        lens_mm = _log_uniform(rng, ranges.lens_mm)
        orbit = math.radians(_uniform(rng, ranges.face_orbit_deg if framing == "face" else ranges.orbit_deg))
        elevation = math.radians(_uniform(rng, ranges.elevation_deg))
        roll = math.radians(ranges.roll_deg * float(np.clip(rng.standard_normal(), -3, 3)))
        fill, shift = _uniform(rng, ranges.fill), rng.uniform(-1, 1, 2) * ranges.off_centre
        K = camera_matrix(lens_mm, *size)
        transform = place(K, viewing_rotation(orbit, elevation, roll), target, size, fill, shift, ranges.minimum_distance_m)
        if _position(transform)[2] < MINIMUM_CAMERA_HEIGHT_M:  # below the floor: look from the horizon instead
            transform = place(K, viewing_rotation(orbit, 0.0, roll), target, size, fill, shift, ranges.minimum_distance_m)
        return Camera(_matrix(K), _matrix(transform), self.config.width, self.config.height, lens_mm)

    def _lighting(self, rng: np.random.Generator) -> Lighting:
        name = self.environments[rng.integers(len(self.environments))]
        return Lighting(name, rng.uniform(0, 2 * math.pi), _log_uniform(rng, self.config.light.strength))

    def _backdrop(self, rng: np.random.Generator) -> Backdrop:
        chance, choice, x, y, mirror = rng.random(5)
        if not self.photographs or chance >= self.config.light.photograph:
            return Backdrop("environment")
        return Backdrop("photograph", self.photographs[int(choice * len(self.photographs))], (x, y), bool(mirror < 0.5))

    def fingerprint(self) -> dict[str, Any]:
        """What must be equal for two runs to belong to one dataset; stored in `dataset.json` and compared there."""
        keys = {name: value for name, value in asdict(self.config).items() if name not in UNPLANNED}
        people = "\n".join(f"{r.id} {r.vertices} {r.faces} {r.bounds} {r.head} {r.head_radius}" for r in self.records)
        digest = hashlib.sha256(people.encode()).hexdigest()[:16]
        return {
            **keys,
            "people": f"{len(self.records)} scans, {digest}",
            "environments": self.environments,
            "photographs": self.photographs,
        }


def _uniform(rng: np.random.Generator, limits: list[float]) -> float:
    low, high = limits
    return float(rng.uniform(low, high))


def _log_uniform(rng: np.random.Generator, limits: list[float]) -> float:
    return math.exp(_uniform(rng, [math.log(limit) for limit in limits]))


def _position(world_to_camera: Array) -> Array:
    return -world_to_camera[:3, :3].T @ world_to_camera[:3, 3]


def _matrix(values: Array) -> Matrix:
    return tuple(tuple(float(v) for v in row) for row in values)
