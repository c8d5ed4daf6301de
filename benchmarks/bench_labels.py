"""How exact are the labels? Our one-sample layer and the usual anti-aliased passes, against ray casting of the same mesh.

The oracle finds each pixel's triangle with Embree and intersects it again in float64.
"""

import math

import numpy as np

from benchmarks.person import cameras, person
from datasets.conventions import NORMAL_FROM_CAMERA
from render import assets
from render.blender import Blender
from tests.oracle import Oracle, degrees

SAMPLES = 16
SHOTS = (("face", 1024, 768), ("upper", 1024, 768), ("full", 1024, 768), ("full", 4096, 3072))


def main() -> None:
    record, path = person()
    blender, oracle = Blender(threads=2, normal_maps=False), Oracle(path)
    blender.set_people({record.id: (path, np.eye(4))})
    blender.set_environment(next(iter(assets.environments(None, "all").values())), 0.0)
    blender.scene.view_layers["beauty"].use_pass_normal = True
    rows = []
    for framing, height, width in SHOTS:
        (K, world_to_camera), *_ = cameras(framing, 1, height, width)
        depth, normal, mask = oracle.cast(K, world_to_camera, height, width)
        layers = blender.render(K, world_to_camera, (height, width), SAMPLES, 0)
        box = blender._box(K, world_to_camera, (height, width), False, None)
        assert layers is not None and box is not None
        channels = blender._execute("beauty")
        cut = np.stack([channels[f"beauty.Normal.{c}"] for c in "XYZ"], axis=-1) @ (NORMAL_FROM_CAMERA @ world_to_camera[:3, :3]).T
        usual = box.place(cut / np.maximum(np.linalg.norm(cut, axis=-1, keepdims=True), 1e-9))
        both = mask & (layers.index > 0)
        ours, theirs = degrees(layers.normal, normal)[both], degrees(usual, normal)[both]
        wrong = [100 * np.mean(error > 5) for error in (ours, theirs)]
        rows.append((np.mean(ours), np.mean(theirs), *wrong))
        differs = 100 * np.sum(mask != (layers.index > 0)) / mask.sum()
        depths = np.abs(layers.depth - depth)[both] / depth[both]
        print(
            f"{framing:5} {width}x{height}, {mask.sum()} person pixels: mask differs in {differs:.4f} %; "
            f"depth off by median {np.median(depths):.0e} "
            f"relative, over 1e-5 in {100 * np.mean(depths > 1e-5):.3f} %; normal off by median {np.median(ours):.4f} degrees "
            f"(anti-aliased {np.median(theirs):.3f}), by over 5 in {wrong[0]:.3f} % (anti-aliased {wrong[1]:.2f} %)"
        )
    mean = np.mean(rows, axis=0)
    print(f"mean normal error of {SAMPLES}-sample passes over the one-sample layer's: {mean[1] / max(mean[0], math.ulp(1)):.0f} times")


if __name__ == "__main__":
    main()
