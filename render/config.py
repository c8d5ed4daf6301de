"""The keys of `python -m render`: what is rendered, the ranges every frame is drawn from, and how the run is spread."""

from dataclasses import dataclass

from conf.command import key, required


@dataclass
class CameraConfig:
    """Ranges of the camera. A range is [low, high]; every frame draws from it."""

    lens_mm: list[float] = key([24.0, 135.0], "focal length, mm on a full-frame (36 mm long side) camera, log-uniform")
    orbit_deg: list[float] = key([-180.0, 180.0], "azimuth around the person, degrees, 0 in front, for upper and full framings")
    face_orbit_deg: list[float] = key([-100.0, 100.0], "azimuth for the face framing, degrees, 0 in front")
    elevation_deg: list[float] = key([-15.0, 40.0], "elevation of the camera above the horizon, degrees")
    roll_deg: float = key(6.0, "standard deviation of the roll about the optical axis, degrees, cut at three times that")
    fill: list[float] = key([0.6, 1.1], "how much of the frame the framed region fills in its tighter direction; over 1 truncates")
    off_centre: float = key(0.08, "largest shift of the framed region from the frame's centre, in frame sizes")
    minimum_distance_m: float = key(0.35, "no closer to the framed region's centre than this, metres")


@dataclass
class LightConfig:
    """Ranges of light and development."""

    strength: list[float] = key([0.6, 1.6], "strength of the environment relative to a correctly exposed one, log-uniform")
    photograph: float = key(0.5, "share of frames whose backdrop is a photograph, when backdrops=DIR is given")
    filmic: float = key(0.5, "share of frames developed with the filmic curve; the rest is plain sRGB")


@dataclass
class RenderConfig:
    """Render triplets (RGB, depth, normal of the same pixels) of a catalogue of people into WebDataset shards.

    The same command again finishes what is missing; a larger count adds to what is there; another configuration into
    the same folder is refused.
    """

    scans: str = required("folder of a catalogue, from `python -m scans.people` or `python -m scans.ingest`")
    out: str = required("folder of the dataset to write")
    count: int = required("how many triplets, in all")
    seed: int = key(0, "seed of the plan: frame i depends on (seed, i) alone")
    height: int = key(1024, "height of a picture, pixels")
    width: int = key(768, "width of a picture, pixels")
    framing: str = key("mix", "mix (a third of each), face, upper or full")
    split: str = key("train", "train, val or test: the catalogue's people of that split, and environments kept to it; or all")
    hdris: str | None = key(None, "folder of .hdr/.exr equirectangular environments; null: Blender's eight bundled ones")
    backdrops: str | None = key(None, "folder of photographs (.jpg .jpeg .png) used as backdrops; null: the environment is the backdrop")
    normal_maps: bool = key(False, "let a scan's tangent-space normal maps enter the normal label (they always shape the photograph)")
    albedo: bool = key(False, "also store <key>.albedo.png, the diffuse colour at the pixel centre")
    samples: int = key(16, "Cycles samples per pixel of the photograph, before denoising (labels always take one, at the centre)")
    frames_per_scan: int = key(8, "consecutive frames of one scan, so that it is loaded once for all of them")
    shard_size: int = key(32, "triplets per shard")
    workers: int = key(0, "Blender processes; 0: one per CPU")
    ray_address: str | None = key(None, "null: this machine; auto or host:port: an existing Ray cluster")
    camera: CameraConfig = key(CameraConfig, "")
    light: LightConfig = key(LightConfig, "")
