"""The plan: (seed, index, attempt) -> `SceneSpec`, in pure numpy. Rendering only executes it.

Frame i depends on the seed, i and the configuration alone: not on `count`, on the order or on the machine, so a run can be
split, resumed and extended. Order is scan-major: `frames_per_scan` consecutive frames, a turn, share their people and their
environment, which is what is slow to load; each round of turns goes through all scans in a new order.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from conf.command import UserError
from datasets.conventions import Array
from render.config import CURVES, FRAMINGS, RenderConfig
from render.group import arrange
from render.lens import Region, camera_matrix, place, region, viewing_rotation
from render.spec import Backdrop, Camera, Development, Lamp, Lighting, Matrix, SceneSpec, Subject, Triple
from scans.catalogue import ScanRecord
from scans.joints import joints

#: Keys that spread a run but do not change a frame.
UNPLANNED = {"scans", "out", "count", "workers", "shards", "ray_address", "hdris", "backdrops"}
MINIMUM_CAMERA_HEIGHT_M = 0.1


class Plan:
    """The frames of one configuration over one catalogue. Cheap to make, picklable, the same everywhere."""

    @classmethod
    def settled(cls, config: RenderConfig) -> RenderConfig:
        """The configuration with what this plan implies. Raises UserError where a key is missing."""
        if config.count == 0:
            raise UserError("missing key 'count': give count=...; see `python -m render --help`")
        return config

    def __init__(self, config: RenderConfig, records: list[ScanRecord], environments: list[str], photographs: list[str]) -> None:
        """records, environments and photographs in any order: they are sorted here, so that listings cannot reorder a plan."""
        self.config = config
        self.records = sorted(records, key=lambda record: record.id)
        self.environments = sorted(environments)
        self.photographs = sorted(photographs)

    def people(self, index: int) -> list[ScanRecord]:
        """The scans that frame `index` shows: its turn's, and whom the turn draws beside it."""
        turn = index // self.config.frames_per_scan
        rounds, position = divmod(turn, len(self.records))
        order = np.random.default_rng([self.config.seed, rounds]).permutation(len(self.records))
        first = self.records[order[position]]
        others = [record for record in self.records if record.subject != first.subject]
        rng = self._turn(index, 1)
        number = min(_choose(rng, self.config.people.group), len(others))
        return [first, *(others[i] for i in rng.choice(len(others), number, replace=False))] if number else [first]

    def spec(self, index: int, attempt: int = 0) -> SceneSpec:
        """Frame `index`, redrawn `attempt` times."""
        rng = np.random.default_rng([self.config.seed, index, attempt])
        people = self.people(index)
        standing = arrange(rng, people, self.config.people)
        mix = self.config.people.mix
        framing = FRAMINGS[_choose(rng, mix)] if self.config.framing == "mix" else self.config.framing
        camera = self._camera(rng, people, standing, framing)
        lighting = self._lighting(rng, index)
        return SceneSpec(
            index=index,
            attempt=attempt,
            seed=self.config.seed,
            subjects=tuple(subject(record, place) for record, place in zip(people, standing, strict=True)),
            framing=framing,
            camera=camera,
            lighting=lighting,
            backdrop=self._backdrop(rng, lighting),
            development=self._development(rng),
            samples=self.config.samples,
            cycles_seed=int(rng.integers(2**31)),
        )

    def _turn(self, index: int, stream: int) -> np.random.Generator:
        """What all frames of a turn draw alike."""
        return np.random.default_rng([self.config.seed, index // self.config.frames_per_scan, 0, stream])

    def _camera(self, rng: np.random.Generator, people: list[ScanRecord], standing: list[Array], framing: str) -> Camera:
        ranges, size = self.config.camera, (self.config.height, self.config.width)
        lens_mm = _log_uniform(rng, ranges.lens_mm)
        orbit = _uniform(rng, ranges.face_orbit_deg if framing == "face" else ranges.orbit_deg)
        elevation = _uniform(rng, ranges.elevation_deg)
        roll = ranges.roll_deg * float(np.clip(rng.standard_normal(), -3, 3))
        fill, shift = _uniform(rng, ranges.fill), rng.uniform(-1, 1, 2) * ranges.off_centre
        sharp, f_number = rng.random() >= ranges.blur, _log_uniform(rng, ranges.f_number)
        target, look = _framed(people, standing, framing), Look(lens_mm, orbit, elevation, roll, fill, shift, ranges.minimum_distance_m)
        return aimed(look, target, size, focus=people[0].head, f_number=None if sharp else f_number)

    def _lighting(self, rng: np.random.Generator, index: int) -> Lighting:
        environment = self.environments[self._turn(index, 2).integers(len(self.environments))]
        number = _choose(rng, self.config.light.lamps)
        return Lighting(environment, rng.uniform(0, 2 * math.pi), tuple(self._lamp(rng) for _ in range(number)))

    def _lamp(self, rng: np.random.Generator) -> Lamp:
        light = self.config.light
        kind = "sun" if rng.random() < light.sun else "area"
        azimuth, elevation = rng.uniform(0, 2 * math.pi), math.radians(_uniform(rng, light.elevation_deg))
        return Lamp(
            kind,
            direction=(math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)),
            strength=_log_uniform(rng, light.strength),
            kelvin=_log_uniform(rng, light.kelvin),
            angle_deg=_log_uniform(rng, light.sun_deg if kind == "sun" else light.area_deg),
        )

    def _backdrop(self, rng: np.random.Generator, lighting: Lighting) -> Backdrop:
        shares, (choice, x, y, mirror, floor) = self.config.backdrop, rng.random(5)
        rotation, colours = rng.uniform(0, 2 * math.pi), _studio(rng)
        kinds = {"environment": shares.environment, "other": shares.other, "photograph": shares.photograph, "studio": shares.studio}
        if not self.photographs:
            kinds["photograph"] = 0.0
        if len(self.environments) == 1:
            kinds["environment"] += kinds.pop("other")
        kind = list(kinds)[_choose(rng, list(kinds.values()))]
        below = bool(floor < shares.floor)
        if kind == "photograph":
            picture = self.photographs[int(choice * len(self.photographs))]
            return Backdrop(kind, picture, offset=(x, y), mirrored=bool(mirror < 0.5), floor=below)
        if kind == "other":
            others = [name for name in self.environments if name != lighting.environment]
            return Backdrop(kind, others[int(choice * len(others))], rotation=rotation, floor=below)
        if kind == "studio":
            return Backdrop(kind, colours=colours, floor=below)
        return Backdrop(kind, lighting.environment, rotation=lighting.rotation, floor=below)

    def _development(self, rng: np.random.Generator) -> Development:
        ranges = self.config.develop
        curve = CURVES[_choose(rng, [ranges.standard, ranges.filmic, ranges.agx])]
        return Development(_uniform(rng, ranges.exposure_ev), _log_uniform(rng, ranges.white_balance_k), curve)

    def frames(self) -> int:
        """How many frames there are."""
        return self.config.count

    def turns(self) -> Sequence[int]:
        """The numbers of the turns that have frames."""
        return range(math.ceil(self.config.count / self.config.frames_per_scan))

    def planned(self, indices: range) -> Sequence[int]:
        """Those of some indices that there are frames for: all."""
        return indices

    def notes(self) -> list[str]:
        """What a user should know before the run: nothing."""
        return []

    def benchmark(self) -> dict[str, Any]:
        """Which benchmark's set this is, as `dataset.json` records it: none."""
        return {}

    def people_digest(self) -> str:
        """How many scans there are, and a digest of all that frames take from their records."""
        people = "\n".join(f"{r.id} {r.vertices} {r.faces} {r.bounds} {joints(r)} {r.head_radius}" for r in self.records)
        return f"{len(self.records)} scans, {hashlib.sha256(people.encode()).hexdigest()[:16]}"

    def fingerprint(self) -> dict[str, Any]:
        """What must be equal for two runs to belong to one dataset; stored in `dataset.json` and compared there."""
        keys = {name: value for name, value in asdict(self.config).items() if name not in UNPLANNED}
        return {
            **keys,
            "people": self.people_digest(),
            "environments": self.environments,
            "photographs": self.photographs,
        }


@dataclass(frozen=True)
class Look:
    """A camera as it is drawn: focal length, mm; azimuth, elevation and roll, degrees; `fill`, `shift` and `nearest` of `lens.place`."""

    lens_mm: float
    orbit_deg: float
    elevation_deg: float
    roll_deg: float
    fill: float
    shift: Array
    nearest: float


def aimed(look: Look, target: Region, size: tuple[int, int], focus: Triple, f_number: float | None) -> Camera:
    """The camera that frames a region so; from the horizon where it would stand below the floor. size: height, width in pixels;
    focus: the point (x, y, z) that is sharp."""
    K = camera_matrix(look.lens_mm, *size)

    def stand(elevation: float) -> Array:
        rotation = viewing_rotation(*(math.radians(angle) for angle in (look.orbit_deg, elevation, look.roll_deg)))
        return place(K, rotation, target, size, look.fill, look.shift, look.nearest)

    elevation = look.elevation_deg
    transform = stand(elevation)
    if _position(transform)[2] < MINIMUM_CAMERA_HEIGHT_M:
        elevation = 0.0
        transform = stand(elevation)
    return Camera(
        _matrix(K),
        _matrix(transform),
        width=size[1],
        height=size[0],
        lens_mm=look.lens_mm,
        orbit_deg=look.orbit_deg,
        elevation_deg=elevation,
        roll_deg=look.roll_deg,
        distance_m=float(np.linalg.norm(_position(transform) - target.centre)),
        focus_m=float(transform[2] @ [*focus, 1.0]),
        f_number=f_number,
    )


def subject(record: ScanRecord, world_from_scan: Array) -> Subject:
    """A scan where it stands."""
    return Subject(record.id, record.subject, _matrix(world_from_scan), joints(record), record.head_radius)


def _framed(people: list[ScanRecord], standing: list[Array], framing: str) -> Region:
    """What the frame is built around: part of the first person, or all of everybody."""
    if framing != "full":
        return region(people[0], framing)
    boxes = [region(record, framing).corners @ place[:3, :3].T + place[:3, 3] for record, place in zip(people, standing, strict=True)]
    corners = np.concatenate(boxes)
    return Region(corners, (corners.min(axis=0) + corners.max(axis=0)) / 2)


def _studio(rng: np.random.Generator) -> tuple[Triple, Triple]:
    """Upper and lower colour of a plain backdrop: a near grey of any brightness, lighter or darker below."""
    grey, tint, ratio = rng.uniform(0.02, 0.9), rng.normal(1.0, 0.06, 3), rng.uniform(0.6, 1.3)
    upper, lower = np.clip(grey * tint, 0, 1), np.clip(grey * ratio * tint, 0, 1)
    return _triple(upper), _triple(lower)


def _choose(rng: np.random.Generator, shares: Sequence[float]) -> int:
    """A place in `shares`, drawn in proportion to them."""
    return int(rng.choice(len(shares), p=np.array(shares, dtype=np.float64) / sum(shares)))


def _triple(values: Array) -> Triple:
    return (float(values[0]), float(values[1]), float(values[2]))


def _uniform(rng: np.random.Generator, limits: list[float]) -> float:
    low, high = limits
    return float(rng.uniform(low, high))


def _log_uniform(rng: np.random.Generator, limits: list[float]) -> float:
    return math.exp(_uniform(rng, [math.log(limit) for limit in limits]))


def _position(world_to_camera: Array) -> Array:
    return -world_to_camera[:3, :3].T @ world_to_camera[:3, 3]


def _matrix(values: Array) -> Matrix:
    return tuple(tuple(float(v) for v in row) for row in values)
