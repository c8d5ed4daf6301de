"""Makes the README's pictures: `python -m docs.pictures`, after `make demo`."""

from pathlib import Path

import cv2
import numpy as np

from datasets import reader
from datasets.batch import collate
from datasets.conventions import normal_to_rgb
from train.checkpoint import load
from train.inference import infer
from train.tasks import TASKS

SIZE = 240
DEMO = Path("outputs/demo")
SHOWN = (18, 20, 21, 33)  # of the demo's test triplets


def sphere() -> np.ndarray:
    """An orthographic sphere in the colours of the normal convention, with its axes."""
    grid = (np.arange(SIZE) + 0.5) / SIZE * 2.2 - 1.1
    x, y = np.meshgrid(grid, -grid)
    inside = x * x + y * y < 1
    z = np.sqrt(np.where(inside, 1 - x * x - y * y, 0))
    picture = np.ascontiguousarray(normal_to_rgb(np.where(inside[..., None], np.stack([x, y, z], axis=-1), 0)))
    picture[~inside] = 255
    black, middle, reach = (0, 0, 0), SIZE // 2, int(SIZE * 0.3)
    cv2.arrowedLine(picture, (middle, middle), (middle + reach, middle), black, 2, cv2.LINE_AA, tipLength=0.12)
    cv2.arrowedLine(picture, (middle, middle), (middle, middle - reach), black, 2, cv2.LINE_AA, tipLength=0.12)
    cv2.circle(picture, (middle, middle), 5, black, 2, cv2.LINE_AA)
    for text, place in {"x": (reach + 6, 5), "y": (-5, -reach - 8), "z": (-18, 18)}.items():
        cv2.putText(picture, text, (middle + place[0], middle + place[1]), cv2.FONT_HERSHEY_SIMPLEX, 0.6, black, 2, cv2.LINE_AA)
    return picture


def demo() -> np.ndarray:
    """Test people of the demo: photograph, true and predicted normals, true and predicted depth; two a row."""
    model = load(DEMO / "model")
    strips = []
    for triplet in [t for number, t in enumerate(reader.evaluation(DEMO / "test", 1)) if number in SHOWN]:
        batch = collate([triplet])
        (predicted,) = infer(model, batch["image"], batch["size"])
        cells = [triplet.rgb]
        for name in ("normal", "depth"):
            cells += [TASKS[name].picture(values, triplet.mask) for values in (getattr(triplet, name), predicted[name])]
        strips.append(cv2.resize(np.concatenate(cells, axis=1), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return np.concatenate([np.concatenate(strips[i : i + 2], axis=1) for i in range(0, len(strips), 2)], axis=0)


if __name__ == "__main__":
    for name, picture in {"normal_sphere": sphere(), "demo": demo()}.items():
        cv2.imwrite(str(Path(__file__).with_name(f"{name}.png")), picture[..., ::-1])
