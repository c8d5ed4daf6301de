"""`python -m render.replay`: one frame of a dataset made again, from its own record, and compared with the stored one."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conf.command import UserError, command, key, required
from datasets.triplet import Dataset, Triplet, decode, encode, read_members, temporary
from render import assets
from render.benchmark import missing_frames
from render.config import RenderConfig
from render.plan import Plan
from render.progress import shard_name
from render.spec import SceneSpec
from render.worker import Worker
from scans import catalogue


@dataclass
class ReplayConfig:
    """Make one frame of a dataset again, write its members as ordinary files, and say whether it is the stored one.

    Exits with 0 when depth, normal and mask are equal to the last bit, else with 1.
    """

    data: str = required("folder of the dataset, from `python -m render`")
    index: int = required("which frame of the plan")
    out: str = required("folder to write to")
    blend: bool = key(False, "also save <key>.blend: the scene, with all pictures in it, to open in Blender")
    scans: str | None = key(None, "folder of the catalogue; null: where it was when the dataset was made")
    hdris: str | None = key(None, "folder of the environments; null: where they were")
    backdrops: str | None = key(None, "folder of the photographs; null: where they were")


def stored_sample(folder: Path, dataset: Dataset, index: int) -> Triplet:
    """Sample `index` of a dataset. Raises UserError, saying why, when the dataset does not hold it."""
    if not 0 <= index < dataset.count:
        raise UserError(f"index={index}: {folder} has the frames 0 to {dataset.count - 1}: give one of them")
    if index in missing_frames(dataset.benchmark):
        raise UserError(
            f"index={index}: its scan was missing when {folder} was made (benchmark, missing in dataset.json): give another one"
        )
    name, wanted = shard_name(index // dataset.configuration["shard_size"]), f"{index:09d}"
    entry, path = dataset.shards.get(name), folder / "shards" / name
    if entry is None or not path.is_file():
        raise UserError(f"index={index}: {path} is not there, and with it the frame's record: give the render command again first")
    for found, members in read_members(path):
        if found == wanted:
            return decode(wanted, members)
    groups = [group for group, indices in entry.get("skipped", {}).items() if index in indices]
    why = f"{groups[0]} is in quarantine" if groups else entry.get("given_up", {}).get(str(index), "nobody knows why: verify the set")
    raise UserError(f"index={index}: {path} was made without that frame ({why}): give another one")


def found_files(config: ReplayConfig, dataset: Dataset, spec: SceneSpec) -> tuple[dict[str, Path], dict[str, Path], dict[str, Path]]:
    """Name -> file of the scans, environments and photographs of a frame. Raises UserError naming what is not there."""
    folders = {name: getattr(config, name) or dataset.sources.get(name) for name in ("scans", "hdris", "backdrops")}
    if folders["scans"] is None:
        raise UserError(f"{config.data} does not say where its scans were: give scans=DIR")
    try:
        paths = {record.id: record.path for record in catalogue.read(Path(folders["scans"]))}
    except (FileNotFoundError, ValueError) as error:
        raise UserError(f"{error}; or give scans=DIR, if the catalogue was moved") from error

    def located(key: str, folder: str | Path | None, names: Mapping[str, str | None]) -> dict[str, Path]:
        for name, path in names.items():
            if path is None or not (Path(folder or "") / path).is_file():
                raise UserError(f"{name} is not in {folder}: give {key}=DIR that holds it")
        return {name: (Path(folder or "") / str(path)).resolve() for name, path in names.items()}

    drop = spec.backdrop
    picture = {drop.file: drop.file} if drop.file else {}
    sky, photograph = ({}, picture) if drop.kind == "photograph" else (picture, {})
    return (
        located("scans", folders["scans"], {subject.scan: paths.get(subject.scan) for subject in spec.subjects}),
        located("hdris", folders["hdris"] or assets.bundled(), {spec.lighting.environment: spec.lighting.environment, **sky}),
        located("backdrops", folders["backdrops"], photograph),
    )


def compared(stored: Triplet, made: Triplet) -> list[str]:
    """Which of depth, normal and mask are not equal to the last bit, and by how much they differ, one line each."""
    lines = []
    for name in ("depth", "normal", "mask"):
        before, now = getattr(stored, name), getattr(made, name)
        if before.tobytes() != now.tobytes():
            off = np.abs(before.astype(np.float64) - now)
            pixels = int(np.count_nonzero(off.reshape(*before.shape[:2], -1).any(axis=-1)))
            lines.append(f"{name} differs in {pixels} of {stored.mask.size} pixels, by {off.max():.3g} at most")
    return lines


@command("render.replay", ReplayConfig)
def main(config: ReplayConfig) -> None:
    folder, out = Path(config.data), Path(config.out)
    try:
        dataset = Dataset.load(folder)
        stored = stored_sample(folder, dataset, config.index)
        spec = SceneSpec.from_meta(stored.meta)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
    except KeyError as error:
        raise UserError(f"the record of frame {config.index} lacks {error}: it is of another release; render the set again") from error
    files = found_files(config, dataset, spec)
    options = RenderConfig(scans="", out="", count=1, normal_maps=stored.meta["normal_maps"], albedo=stored.albedo is not None)
    worker = Worker(Plan(options, [], [], []), *files, threads=os.cpu_count() or 1)
    made = worker.frame(spec)
    if made is None:
        raise UserError(f"nobody is in frame {config.index} now: {files[0]} are not the scans it was made of")
    out.mkdir(parents=True, exist_ok=True)
    for suffix, data in encode(made).items():
        write_whole(out / f"{made.key}.{suffix}", data)
    if config.blend:
        camera = spec.camera
        K, world_to_camera, size = np.array(camera.K), np.array(camera.world_to_camera), (camera.height, camera.width)
        worker.blender.save(out / f"{made.key}.blend", K, world_to_camera, size)
    report(stored, made, out)


def report(stored: Triplet, made: Triplet, out: Path) -> None:
    """Print how a frame compares with the stored one; exits with 1 when its geometry is another."""
    different = compared(stored, made)
    for line in different or ["depth, normal and mask are bit-equal to the stored ones"]:
        print(line)
    off = np.abs(stored.rgb.astype(int) - made.rgb)
    print(f"rgb differs by {off.max()} of 255 at most, by {off.mean():.3f} on average")
    if stored.meta["versions"] != made.meta["versions"]:
        print(f"stored with {stored.meta['versions']}, made with {made.meta['versions']}")
    print(f"written to {out / made.key}.*")
    sys.exit(bool(different))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    hidden = temporary(path)
    try:
        hidden.write_bytes(data)
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
