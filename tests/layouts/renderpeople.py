"""RenderPeople: centimetres, several finenesses, a folder of pictures, and an MTL that names one that is not delivered."""

from pathlib import Path

import numpy as np

from tests.layouts.body import BODY, encoded, quarters, write_obj


def write(folder: Path, names: list[str], offset: float = 0.0) -> None:
    """People such as `rp_eric_posed_003`."""
    for name in names:
        place = folder / f"{name}_OBJ"
        for thousands, size in ((30, 90.0), (100, 100.0)):  # the coarse one is wrong on purpose
            write_obj(place / f"{name}_{thousands}k.obj", BODY * size + np.array([offset, 0, 0]), f"{name}.mtl", rf"tex\{name}_dif_16k.jpg")
        (place / "tex").mkdir()
        (place / "tex" / f"{name}_dif_8k.jpg").write_bytes(encoded(quarters(128), "JPEG"))
        (place / "tex" / f"{name}_dif_2k.jpg").write_bytes(encoded(quarters(16, tint=0.5), "JPEG"))
        (place / "tex" / f"{name}_norm_8k.jpg").write_bytes(encoded(np.full((512, 512, 3), (128, 128, 255), np.uint8), "JPEG"))
