"""Makes the README's colour sphere: `python docs/pictures.py`."""

from pathlib import Path

import cv2
import numpy as np

from datasets.conventions import normal_to_rgb

SIZE = 240


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


if __name__ == "__main__":
    path = Path(__file__).parent / "normal_sphere.png"
    cv2.imwrite(str(path), sphere()[..., ::-1])
    print(path)
