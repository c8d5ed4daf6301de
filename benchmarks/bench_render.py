"""How long does a triplet take, where does the time go, and what do the choices save? Side by side, one run, one machine.

Floor: sampling. A path through an embedded person under an environment costs Cycles about 2.3 microseconds of one core
(the camera ray alone 0.4); all else is overhead.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

from benchmarks.person import cameras, person, sample
from datasets.conventions import Array
from datasets.triplet import ShardWriter, encode
from render import assets, environment
from render.blender import Blender, Box, Layers
from render.checks import reject
from render.config import RenderConfig
from render.develop import VIEWS, WHITE_CARD, over_light

SIZE = (1024, 768)
SAMPLES = RenderConfig("", "", 0).samples
FRAMES = 3
TRUTH = 1024  # samples per pixel that errors are measured against
SKIES = ("forest.exr", "interior.exr")
STOCK_SAMPLES = (4, 16)
Shot = tuple[Array, Array]
Change = Callable[[Blender], None]


def ours(blender: Blender) -> None:
    """What the renderer does."""


def stock(blender: Blender) -> None:
    """Blender's own settings for the same passes: whole frame, default denoiser, 12 bounces, nothing kept between frames."""
    blender.scene.cycles.denoising_prefilter, blender.scene.cycles.denoising_quality = "ACCURATE", "HIGH"
    blender.scene.cycles.max_bounces = 12
    blender.scene.render.use_persistent_data = False
    whole_frame(blender)


def whole_frame(blender: Blender) -> None:
    """No cutting to the person's box."""
    blender._box = lambda K, world_to_camera, size, *_: Box(0, 0, size[1], size[0], size)  # type: ignore[method-assign]


def noisy(blender: Blender) -> None:
    """No denoising."""
    blender.scene.cycles.use_denoising = False


def loaded(change: Change, threads: int = 2) -> Blender:
    """A Blender with the benchmark's person, under one environment."""
    record, path = person()
    blender = Blender(threads, normal_maps=False)
    blender.set_people({record.id: (path, np.eye(4))})
    change(blender)
    blender.set_environment(_skies()[0], 0.0)
    return blender


def seconds(blender: Blender, shots: list[Shot], samples: int) -> float:
    """Per frame of one loaded person and environment; the first warms up."""
    times = []
    for number, (K, world_to_camera) in enumerate([shots[0], *shots]):
        start = time.perf_counter()
        blender.render(K, world_to_camera, SIZE, samples, number)
        times.append(time.perf_counter() - start)
    return float(np.mean(times[1:]))


def blender_parts(shots: list[Shot]) -> dict[str, float]:
    """Seconds per frame inside Blender, by differences."""
    plain = loaded(noisy)  # one Blender at a time: it is one scene a process
    one, many = seconds(plain, shots, 1), seconds(plain, shots, SAMPLES)
    denoised = seconds(loaded(ours), shots, SAMPLES)
    tracing = (many - one) / (SAMPLES - 1) * SAMPLES
    return {"path tracing": tracing, "denoising": denoised - many, "sync, labels and read-back": many - tracing}


def other_parts(framing: str) -> dict[str, float]:
    """Seconds of one core for everything that is not Blender, with warm caches."""
    triplet, layers, K, world_to_camera = sample(framing, SAMPLES)
    sky, times = environment.load(_skies()[0]), {}
    folder = Path("outputs/bench")

    def timed(name: str, work: Callable[[], object]) -> None:
        work()
        start = time.perf_counter()
        work()
        times[name] = time.perf_counter() - start

    def write() -> None:
        with ShardWriter(folder / "shard.tar") as writer:
            writer.add(triplet)
            writer.close()

    timed("backdrop", lambda: environment.view(sky, K, world_to_camera, SIZE, 0.0))
    timed("compositing", lambda: over_light(layers.light, layers.alpha, np.zeros_like(layers.light), "agx"))
    timed("verifying", lambda: reject(triplet))
    timed("encoding", lambda: encode(triplet))
    timed("encoding and writing", write)
    times["writing"] = max(0.0, times.pop("encoding and writing") - times["encoding"])
    return times


def errors(shots: list[Shot]) -> None:
    """Cost of equal error: PSNR on person pixels against many samples, ours and stock, and the ratio at our error."""
    settings: dict[tuple[str, int], Change] = {("ours", SAMPLES): ours, ("ours", 2 * SAMPLES): ours}
    settings |= {("stock", samples): stock for samples in STOCK_SAMPLES}
    ratios = {setting: 0.0 for setting in settings}
    decibels: dict[tuple[str, int], list[float]] = {setting: [] for setting in settings}
    for sky, (K, world_to_camera) in zip(_skies(), shots, strict=False):
        exposure = WHITE_CARD / environment.irradiance(environment.load(sky), -world_to_camera[2, :3], 0.0)

        def frame(change: Change, samples: int, sky: Path = sky, K: Array = K, pose: Array = world_to_camera) -> tuple[float, Layers]:
            blender = loaded(change)
            blender.set_environment(sky, 0.0)
            blender.render(K, pose, SIZE, 1, 0)
            start = time.perf_counter()
            layers = blender.render(K, pose, SIZE, samples, samples)
            assert layers is not None
            return time.perf_counter() - start, layers

        _, truth = frame(noisy, TRUTH)
        for setting, change in settings.items():
            took, layers = frame(change, setting[1])
            ratios[setting] += took
            decibels[setting].append(np.mean([_psnr(layers, truth, exposure, curve) for curve in VIEWS]))
    for setting, found in decibels.items():
        print(
            f"{setting[0]}, {setting[1]} samples: {np.mean(found):.1f} dB at {ratios[setting] / ratios['ours', SAMPLES]:.2f} times our time"
        )
    low, high = (("stock", samples) for samples in STOCK_SAMPLES)
    wanted = np.mean(decibels["ours", SAMPLES])
    equal = np.interp(wanted, [np.mean(decibels[low]), np.mean(decibels[high])], [ratios[low], ratios[high]])
    print(f"stock settings at our error: {equal / ratios['ours', SAMPLES]:.1f} times our time")


def _psnr(layers: Layers, truth: Layers, exposure: float, curve: str) -> float:
    pictures = [
        over_light(exposure * x.light, x.alpha, np.zeros_like(x.light), curve)[truth.index > 0].astype(float) for x in (layers, truth)
    ]
    return float(10 * np.log10(255**2 / np.mean((pictures[0] - pictures[1]) ** 2)))


def throughput(workers: int, threads: int) -> float:
    """Full-body triplets per hour of `workers` Blender processes at once, loaded and warm: light, labels and all the rest."""
    command = [sys.executable, "-m", "benchmarks.one_worker", str(workers), str(threads)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(workers)]
    return sum(float(worker.communicate()[0].split()[-1]) for worker in running)


def _skies() -> list[Path]:
    found = assets.environments(None, "all")
    return [found[name] for name in SKIES]


def main() -> None:
    print(f"Blender {bpy.app.version_string}, {SIZE[1]}x{SIZE[0]}, {SAMPLES} samples, 2 threads, {FRAMES} frames each")
    for framing in ("full", "upper", "face"):
        shots = cameras(framing, FRAMES)
        inside, outside = blender_parts(shots), other_parts(framing)
        named = ", ".join(f"{name} {value:.2f}" for name, value in (inside | outside).items())
        print(f"{framing}: {sum(inside.values()) + sum(outside.values()):.2f} s a triplet, one after the other: {named}")
    shots = cameras("full", FRAMES)
    base = seconds(loaded(ours), shots, SAMPLES)
    print(f"full, whole frame: {seconds(loaded(whole_frame), shots, SAMPLES) / base:.2f} times as long in Blender as ours")
    rates = {(workers, threads): throughput(workers, threads) for workers, threads in ((2, 2), (2, 1), (1, 2))}
    for (workers, threads), rate in rates.items():
        print(f"{workers} workers of {threads} threads: {rate:.0f} full-body triplets an hour, {rate / rates[2, 2]:.2f} of the first")
    errors(shots)


if __name__ == "__main__":
    main()
