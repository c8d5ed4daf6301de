"""`SceneSpec`: everything that makes one frame, frozen before Blender is started; the sample's JSON holds all of it."""

import dataclasses
from dataclasses import dataclass
from typing import Any

Matrix = tuple[tuple[float, ...], ...]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Subject:
    """One person in the scene: scan id, whose scan it is, and its 4x4 placement (canonical scan -> world).

    joints: what is known of the body (`scans/joints.py`), name -> (x, y, z) in metres, in the scan's canonical frame; at least
    `head`, its centre. head_radius: half the head's height, metres.
    """

    scan: str
    subject: str
    world_from_scan: Matrix
    joints: dict[str, Triple]
    head_radius: float


@dataclass(frozen=True)
class Camera:
    """Pinhole camera: K (3x3) pixels, world_to_camera (4x4) OpenCV axes, picture size in pixels, lens in mm (full frame).

    The rest is how it was drawn: azimuth (0 in front of the first person), elevation and roll in degrees, distance to the
    framed region's centre in metres. `f_number` blurs the photograph (never the labels) around `focus_m`, planar metres;
    None is sharp everywhere.
    """

    K: Matrix
    world_to_camera: Matrix
    width: int
    height: int
    lens_mm: float
    orbit_deg: float
    elevation_deg: float
    roll_deg: float
    distance_m: float
    focus_m: float
    f_number: float | None

    @property
    def aperture_m(self) -> float | None:
        """Diameter of the lens in metres; None when everything is sharp."""
        return None if self.f_number is None else self.lens_mm * 1e-3 / self.f_number


@dataclass(frozen=True)
class Lamp:
    """A light besides the environment: `sun` or `area` (a disc), `direction` (unit, world) from the people toward it.

    strength: irradiance on a card that faces it, relative to what the environment gives a card that faces the camera.
    kelvin: colour temperature of a black body. angle_deg: its diameter as the people see it.
    """

    kind: str
    direction: Triple
    strength: float
    kelvin: float
    angle_deg: float


@dataclass(frozen=True)
class Lighting:
    """An environment by file name, turned by `rotation` radians about +Z, and lamps."""

    environment: str
    rotation: float
    lamps: tuple[Lamp, ...]


@dataclass(frozen=True)
class Backdrop:
    """What is behind the people.

    Kind `environment`: the lighting one, by file name and `rotation` in radians. `other`: another environment, likewise.
    `photograph`, by file name: scaled to cover the frame and cut at `offset` (x, y in 0..1 of the
    slack), mirrored or not. `studio`: a vertical gradient from the upper to the lower of two `colours` (display-linear).
    floor: whether a floor receives the people's shadow.
    """

    kind: str
    file: str | None = None
    rotation: float = 0.0
    offset: tuple[float, float] = (0.5, 0.5)
    mirrored: bool = False
    colours: tuple[Triple, Triple] | None = None
    floor: bool = False


@dataclass(frozen=True)
class Development:
    """From light to photograph: stops over the metered exposure, the light that counts as white, the tone curve."""

    exposure_ev: float
    white_balance_k: float
    curve: str


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
    development: Development
    samples: int
    cycles_seed: int

    @property
    def key(self) -> str:
        """The sample's key in its shard: nine digits."""
        return f"{self.index:09d}"

    def meta(self) -> dict[str, Any]:
        """The sample's JSON record, apart from versions: the fields of this class, with those of `camera` at the root."""
        values = dataclasses.asdict(self)
        camera = values.pop("camera")
        return {**values, **camera}

    @staticmethod
    def from_meta(meta: dict[str, Any]) -> "SceneSpec":
        """The spec of a sample's JSON record; other keys in it are ignored."""

        def build(cls: Any, values: dict[str, Any], **made: Any) -> Any:
            names = {field.name for field in dataclasses.fields(cls)} - set(made)
            return cls(**{name: _frozen(values[name]) for name in names}, **made)

        lamps = tuple(build(Lamp, lamp) for lamp in meta["lighting"]["lamps"])
        return build(  # type: ignore[no-any-return]
            SceneSpec,
            meta,
            subjects=tuple(build(Subject, subject) for subject in meta["subjects"]),
            camera=build(Camera, meta),
            lighting=build(Lighting, meta["lighting"], lamps=lamps),
            backdrop=build(Backdrop, meta["backdrop"]),
            development=build(Development, meta["development"]),
        )


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _frozen(item) for name, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
