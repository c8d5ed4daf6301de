"""What does a training picture of 1024x768 cost before the model sees it? Core time by member and step, and bytes, beside the
peers' layout (PNG and float32 .npy, as `datasets.export format=sapiens` writes it and their loaders read it), same samples.

For scale: zlib inflating the same maps, with no filter to undo, no half or float to assemble.
"""

import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import torch

from datasets import geometry, reader
from datasets.augment import Augmentation, draw_view, photograph
from datasets.batch import Batch, collate
from datasets.export import export
from datasets.source import open_source
from datasets.triplet import MEMBERS, Dataset, read_members

FOLDER = Path("outputs/bench/loader")
SIZE = (1024, 768)
COUNT, BATCH, ROUNDS = 8, 4, 3


def samples() -> Path:
    """Rendered people in all framings, as the default configuration frames them; made at the first call."""
    people, data = FOLDER / "people", FOLDER / "data"
    size = [f"height={SIZE[0]}", f"width={SIZE[1]}"]
    commands = (
        ["scans.people", f"out={people}", "count=2", "seed=7", "quality=draft", "texture=512"],
        ["render", f"scans={people}", f"out={data}", f"count={COUNT}", "samples=8", "shard_size=8", *size],
    )
    for command in commands:
        subprocess.run([sys.executable, "-m", *command], check=True)
    return data


def milliseconds(work: Callable[[], object], pictures: int) -> float:
    """Core time per picture, the least of a few rounds."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times) / pictures


def decoding(data: Path) -> dict[str, float]:
    """Per member, of a picture."""
    members = [members for shard in open_source(data).paths for _, members in read_members(shard)]  # type: ignore[attr-defined]
    return {
        member.suffix: milliseconds(lambda member=member: [member.decode(each[member.suffix]) for each in members], len(members))
        for name, member in MEMBERS.items()
        if name in reader.FIELDS
    }


def inflating(data: Path) -> float:
    """For scale: the maps of each sample out of zlib, and nothing else."""
    raw = []
    for triplet in reader.evaluation(data, 1):
        maps = (triplet.rgb, triplet.mask, triplet.alpha, triplet.depth, triplet.normal)
        raw.append([zlib.compress(np.ascontiguousarray(values).tobytes(), 4) for values in maps])
    return milliseconds(lambda: [zlib.decompress(each) for maps in raw for each in maps], len(raw))


def steps(batch: Batch) -> dict[str, float]:
    """Of the augmentation, a picture."""
    config, random = Augmentation(), torch.Generator().manual_seed(0)
    view = draw_view(config, batch["size"], SIZE, random)
    image = geometry.apply(view, batch, SIZE)["image"]
    return {
        "view": milliseconds(lambda: geometry.apply(view, batch, SIZE), BATCH),
        "photograph": milliseconds(
            lambda: [photograph(config, image.clone(), torch.Generator().manual_seed(i)) for i in range(6)], 6 * BATCH
        ),
    }


def as_peers_read(folder: Path) -> list[tuple[object, ...]]:
    """What facebookresearch/sapiens' DepthGeneralDataset and NormalGeneralDataset do before any transform, in one pass."""
    found = []
    for path in sorted((folder / "images").iterdir()):
        image, mask = cv2.imread(str(path)), cv2.imread(str(folder / "masks" / path.name))[:, :, 0]
        depth = np.load(folder / "depths" / f"{path.stem}.npy")
        normal = np.load(folder / "normals" / f"{path.stem}.npy")
        norms = np.linalg.norm(normal[mask > 0], axis=1)
        if not np.all(np.abs(norms - 1) < 1e-6):
            normal = normal / (np.linalg.norm(normal, axis=2, keepdims=True) + 1e-6)
        rows, columns = np.where(np.any(mask, axis=1))[0][[0, -1]], np.where(np.any(mask, axis=0))[0][[0, -1]]
        found.append((image, mask, depth, normal, rows, columns))
    return found


def loading(data: Path) -> float:
    """Core time of a picture through the whole reader, shard to batch."""
    source = open_source(data)
    stream = iter(reader.Training([source], BATCH, 0, [reader.places(source, None)], [1.0]))
    return milliseconds(lambda: [next(stream) for _ in range(COUNT // BATCH)], COUNT)


def main() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    OpenEXR.set_global_thread_count(0)
    data, peers = samples(), FOLDER / "sapiens"
    export(data, peers, "sapiens")
    batch = collate([triplet for triplet, _ in zip(reader.evaluation(data, 1), range(BATCH), strict=False)])
    members, whole, scale, augmentation = decoding(data), loading(data), inflating(data), steps(batch)
    theirs = milliseconds(lambda: as_peers_read(peers), COUNT)
    named = lambda parts: ", ".join(f"{name} {value:.1f}" for name, value in parts.items())
    print(f"one core, {SIZE[1]}x{SIZE[0]}, {COUNT} rendered people of all framings, ms a picture")
    rest = whole - sum(members.values())
    print(f"shard to batch {whole:.1f} ({1e3 / whole:.0f} images/s): {named(members)}; collating and the rest {rest:.1f}")
    print(f"for scale, zlib inflating the same maps: {scale:.1f}, {scale / whole:.2f} of ours")
    total = whole + sum(augmentation.values())
    print(f"augmentation on the same core (with a GPU it runs there): {named(augmentation)}; together {1e3 / total:.0f} images/s")
    print(f"peers' layout, cached: {theirs:.1f} ({1e3 / theirs:.0f} images/s), {theirs / whole:.2f} of our time")
    ours = sum(entry["bytes"] for entry in Dataset.load(data).shards.values()) / COUNT
    their_bytes = sum(path.stat().st_size for path in peers.rglob("*.*")) / COUNT
    print(f"bytes a sample: ours {ours / 1e6:.2f} MB, theirs {their_bytes / 1e6:.2f} MB, {their_bytes / ours:.1f} times")


if __name__ == "__main__":
    main()
