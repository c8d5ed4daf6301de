"""How long does a triplet take, where does the time go, and what do the choices save? Side by side, one run, one machine.

Floor: on two cores Cycles traces about 0.4 s per sample per 100,000 person pixels under an environment; all else is overhead.
"""

import time
from collections.abc import Callable
from typing import Any

import bpy
import numpy as np

from benchmarks.person import cameras, person
from datasets.conventions import Array
from datasets.triplet import Triplet, encode
from render import assets, environment
from render.blender import Blender, Layers
from render.develop import WHITE_CARD, develop
from render.verify import reject

HEIGHT, WIDTH, SAMPLES, FRAMES = 1024, 768, 16, 3
SIZE = (HEIGHT, WIDTH)


def stock(blender: Blender) -> None:
    """Blender's own settings for the same passes: whole frame, default denoiser, light map at the picture's size, 12 bounces."""
    cycles = blender.scene.cycles
    cycles.denoising_prefilter, cycles.denoising_quality = "ACCURATE", "HIGH"
    cycles.max_bounces = 12
    blender.scene.world.cycles.sampling_method = "AUTOMATIC"
    blender.scene.render.use_persistent_data = False
    blender._box = lambda K, world_to_camera, size: (0, 0, size[1], size[0])  # type: ignore[method-assign]


def large_map(blender: Blender) -> None:
    """The light map at the environment's own size."""
    blender.scene.world.cycles.sampling_method = "AUTOMATIC"


def whole_frame(blender: Blender) -> None:
    """No cutting to the person's box."""
    blender._box = lambda K, world_to_camera, size: (0, 0, size[1], size[0])  # type: ignore[method-assign]


def rendering(change: Callable[[Blender], None] | None, record: Any, path: Any, shots: list[tuple[Array, Array]]) -> tuple[float, Layers]:
    """Seconds per frame of Blender alone, the light changing from frame to frame, and the last frame."""
    skies = list(assets.environments(None, "all").values())
    blender = Blender(threads=2, normal_maps=False)
    blender.set_people({record.id: (path, np.eye(4))})
    if change is not None:
        change(blender)
    layers, seconds = None, []
    for number, (K, world_to_camera) in enumerate([shots[0], *shots]):  # the first warms up
        blender.set_environment(skies[number % len(skies)], 0.3 * number)
        start = time.perf_counter()
        layers = blender.render(K, world_to_camera, SIZE, SAMPLES, number)
        seconds.append(time.perf_counter() - start)
    assert layers is not None
    return float(np.mean(seconds[1:])), layers


def light_map_loss(record: Any, path: Any) -> dict[str, float]:
    """PSNR (dB, person pixels, after development) that the half-size light map loses at equal samples, per environment."""
    (K, world_to_camera), *_ = cameras(record, "full", 1, 256, 192)
    losses = {}
    for name, sky in assets.environments(None, "all").items():
        exposure = WHITE_CARD / environment.irradiance(environment.load(sky), -world_to_camera[2, :3], 0.0)

        def picture(change: Callable[[Blender], None] | None, samples: int, sky: Any = sky, exposure: float = exposure) -> Array:
            blender = Blender(threads=2, normal_maps=False)
            blender.set_people({record.id: (path, np.eye(4))})
            blender.set_environment(sky, 0.0)
            if change is not None:
                change(blender)
            layers = blender.render(K, world_to_camera, (256, 192), samples, samples)
            assert layers is not None
            developed = develop(exposure * layers.light, layers.alpha, np.zeros((256, 192, 3)), "srgb")
            return developed[layers.index > 0].astype(np.float64)

        truth = picture(large_map, 512)
        errors = [np.mean((picture(change, SAMPLES) - truth) ** 2) for change in (None, large_map)]
        losses[name] = float(10 * np.log10(errors[0] / errors[1]))
    return losses


def rest(layers: Layers, K: Array, world_to_camera: Array) -> dict[str, float]:
    """Seconds of one core for everything that is not Blender, per triplet."""
    sky = environment.load(next(iter(assets.environments(None, "all").values())))
    times, mark = {}, time.perf_counter()

    def lap(name: str) -> None:
        nonlocal mark
        times[name], mark = time.perf_counter() - mark, time.perf_counter()

    behind = environment.view(sky, K, world_to_camera, SIZE, 0.0)
    lap("backdrop")
    rgb = develop(layers.light, layers.alpha, behind, "filmic")
    lap("develop")
    alpha = (layers.alpha * 255 + 0.5).astype(np.uint8)
    triplet = Triplet("000000000", rgb, layers.index, alpha, layers.depth, layers.normal.astype(np.float16), {"K": K.tolist()})
    lap("pack")
    encode(triplet)
    lap("encode")
    reject(triplet)
    lap("verify")
    return times


def main() -> None:
    record, path = person()
    print(f"Blender {bpy.app.version_string}, {WIDTH}x{HEIGHT}, {SAMPLES} samples, 2 threads, {FRAMES} frames each")
    for framing in ("full", "upper", "face"):
        shots = cameras(record, framing, FRAMES)
        ours, layers = rendering(None, record, path, shots)
        parts = rest(layers, *shots[-1])
        total = ours + sum(parts.values())
        named = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
        print(f"{framing}: {total:.2f} s a triplet ({3600 / total:.0f} an hour): Blender {ours:.2f}, {named}")
    shots = cameras(record, "full", FRAMES)
    ours, _ = rendering(None, record, path, shots)
    for name, change in {"stock settings": stock, "light map at full size": large_map, "whole frame": whole_frame}.items():
        print(f"full, {name}: {rendering(change, record, path, shots)[0] / ours:.2f} times as long as ours")
    losses = light_map_loss(record, path)
    worst = max(losses, key=lambda name: losses[name])
    print(f"the half-size light map costs {np.mean(list(losses.values())):.2f} dB on average, at most {losses[worst]:.2f} dB ({worst})")


if __name__ == "__main__":
    main()
