"""The keys of `python -m render`: what is rendered, the ranges every frame is drawn from, and how the run is spread."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from conf.command import UserError, key, required
from scans.catalogue import SPLITS

FRAMINGS = ("face", "upper", "full")
CURVES = ("standard", "filmic", "agx")


@dataclass
class PeopleConfig:
    """Who is in a frame, and how much of them."""

    group: list[float] = key([0.85, 0.1, 0.03, 0.02], "shares of scenes with one, two, three, four people")
    gap_m: list[float] = key([0.05, 0.8], "free space between neighbours in a group, metres")
    turn_deg: float = key(60.0, "standard deviation of how far people in a group turn from the first one's facing, degrees")
    mix: list[float] = key([1.0, 1.0, 1.0], "proportions of face, upper and full in framing=mix")


@dataclass
class CameraConfig:
    """Ranges of the camera. A range is [low, high]; every frame draws from it."""

    lens_mm: list[float] = key([24.0, 200.0], "focal length, mm on a full-frame (36 mm long side) camera, log-uniform")
    orbit_deg: list[float] = key([-180.0, 180.0], "azimuth around the person, degrees, 0 in front, for upper and full framings")
    face_orbit_deg: list[float] = key([-100.0, 100.0], "azimuth for the face framing, degrees, 0 in front")
    elevation_deg: list[float] = key([-15.0, 40.0], "elevation of the camera above the horizon, degrees")
    roll_deg: float = key(6.0, "standard deviation of the roll about the optical axis, degrees, cut at three times that")
    fill: list[float] = key([0.6, 1.1], "how much of the frame the framed region fills in its tighter direction; over 1 truncates")
    off_centre: float = key(0.08, "largest shift of the framed region from the frame's centre, in frame sizes")
    minimum_distance_m: float = key(0.35, "no closer to the framed region's centre than this, metres")
    blur: float = key(0.15, "share of frames with depth of field; it blurs the photograph, never the labels")
    f_number: list[float] = key([1.4, 8.0], "aperture of frames with depth of field, log-uniform")


@dataclass
class LightConfig:
    """Ranges of light. The environment lights every frame; lamps are added to it."""

    lamps: list[float] = key([0.7, 0.2, 0.1], "shares of frames with none, one, two, ... lamps")
    sun: float = key(0.4, "share of lamps that are suns; the rest are area lights")
    strength: list[float] = key([0.3, 3.0], "light of a lamp relative to the environment's, log-uniform")
    kelvin: list[float] = key([2700.0, 9000.0], "colour temperature of a lamp, K, log-uniform")
    elevation_deg: list[float] = key([-10.0, 75.0], "elevation of a lamp above the horizon, degrees")
    sun_deg: list[float] = key([0.5, 5.0], "diameter of a sun as the people see it, degrees, log-uniform")
    area_deg: list[float] = key([8.0, 60.0], "diameter of an area light as the people see it, degrees, log-uniform")


@dataclass
class BackdropConfig:
    """What stands behind the people: proportions of the kinds (photographs count only where backdrops=DIR is given)."""

    environment: float = key(0.5, "proportion of the lighting environment itself")
    other: float = key(0.15, "proportion of another environment")
    photograph: float = key(0.5, "proportion of photographs")
    studio: float = key(0.1, "proportion of plain studio backdrops")
    floor: float = key(0.2, "share of frames with a floor that receives the people's shadow")


@dataclass
class DevelopConfig:
    """From light to photograph."""

    exposure_ev: list[float] = key([-0.7, 0.7], "stops over the metered exposure")
    white_balance_k: list[float] = key([5200.0, 8200.0], "light that counts as white, K, log-uniform; 6504 changes nothing")
    standard: float = key(1.0, "proportion of the plain sRGB curve")
    filmic: float = key(1.0, "proportion of Blender's Filmic view")
    agx: float = key(1.0, "proportion of Blender's AgX view")


@dataclass
class RenderConfig:
    """Render triplets (RGB, depth, normal of the same pixels) of a catalogue of people into WebDataset shards.

    The same command again finishes what is missing; a larger count adds to what is there; another configuration into
    the same folder is refused.
    """

    scans: str = required("folder of a catalogue, from `python -m scans.people` or `python -m scans.ingest`")
    out: str = required("folder of the dataset to write")
    count: int = key(0, "how many triplets, in all; required, but implied by plan=thuman2")
    plan: str = key("drawn", "drawn: frames from the ranges below; thuman2: the fixed set of the THuman2.0 benchmark, of all its scans")
    seed: int = key(0, "seed of the plan: frame i depends on (seed, i) alone")
    height: int = key(1024, "height of a picture, pixels")
    width: int = key(768, "width of a picture, pixels")
    framing: str = key("mix", "mix (in the proportions people.mix), face, upper or full")
    split: str = key("train", "train, val or test: the catalogue's people of that split, and environments kept to it; or all")
    hdris: str | None = key(None, "folder of .hdr/.exr equirectangular environments; null: Blender's eight bundled ones")
    backdrops: str | None = key(None, "folder of photographs (.jpg .jpeg .png) used as backdrops; null: none")
    normal_maps: bool = key(False, "let a scan's tangent-space normal maps enter the normal label (they always shape the photograph)")
    albedo: bool = key(False, "also store <key>.albedo.png, the diffuse colour at the pixel centre")
    samples: int = key(8, "Cycles samples per pixel of the photograph, before denoising (labels always take one, at the centre)")
    frames_per_scan: int = key(8, "consecutive frames of the same people and environment, loaded once for all of them")
    shard_size: int = key(32, "triplets per shard")
    workers: int = key(0, "Blender processes; 0: one per GPU, or one per CPU where there is none")
    shards: str | None = key(None, "render only these shards, first-last (as in 0-99): for Slurm and the like, without Ray across machines")
    ray_address: str | None = key(None, "null: this machine; auto or host:port: an existing Ray cluster")
    people: PeopleConfig = key(PeopleConfig, "")
    camera: CameraConfig = key(CameraConfig, "")
    light: LightConfig = key(LightConfig, "")
    backdrop: BackdropConfig = key(BackdropConfig, "")
    develop: DevelopConfig = key(DevelopConfig, "")


CHOICES = {"framing": ("mix", *FRAMINGS), "split": (*SPLITS, "all")}
SHARES = {"group": (1, 4), "mix": (3, 3), "lamps": (1, 8)}  # lists of proportions, and how many they may hold
LOGARITHMIC = {"lens_mm", "f_number", "strength", "kelvin", "sun_deg", "area_deg", "white_balance_k"}


def check(config: RenderConfig) -> None:
    """Refuse values that cannot be rendered. Raises UserError naming key, value and mend."""
    for name, allowed in CHOICES.items():
        if getattr(config, name) not in allowed:
            raise UserError(f"{name}={getattr(config, name)}: choose one of {', '.join(allowed)}")
    if config.count < 0:
        raise UserError(f"count={config.count}: must be at least 1")
    for name in ("height", "width", "samples", "frames_per_scan", "shard_size"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    if config.workers < 0:
        raise UserError(f"workers={config.workers}: must be 0 or more")
    for group in (field.name for field in dataclasses.fields(config) if dataclasses.is_dataclass(field.default_factory)):
        for name, value in vars(getattr(config, group)).items():
            _check_range(f"{group}.{name}", name, value)
    for group, kinds in {"backdrop": ("environment", "other", "photograph", "studio"), "develop": CURVES}.items():
        if not any(getattr(getattr(config, group), kind) > 0 for kind in kinds):
            raise UserError(f"{group}: all of {', '.join(kinds)} are 0: give one of them a proportion")


def _check_range(path: str, name: str, value: Any) -> None:
    if name in SHARES:
        fewest, most = SHARES[name]
        if not fewest <= len(value) <= most or min(value) < 0 or not 0 < sum(value) < math.inf:
            raise UserError(f"{path}={value}: give {fewest} to {most} proportions, not all 0")
    elif isinstance(value, list):
        if len(value) != 2 or not value[0] <= value[1] or not all(map(math.isfinite, value)):
            raise UserError(f"{path}={value}: give a range, '{path}=[low,high]'")
        if name in LOGARITHMIC and value[0] <= 0:
            raise UserError(f"{path}={value}: must be above 0")
    elif value < 0 or not math.isfinite(value):
        raise UserError(f"{path}={value}: must not be negative")
