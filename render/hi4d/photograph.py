"""A photograph and its given masks, without the lens's distortion where it has any, and how masks overlap."""

from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from datasets.conventions import Array, camera_rays
from render.hi4d.layout import Camera, Unusable


def read(path: Path, mode: str) -> Array:
    """The whole picture, uint8: (H,W,3) of mode RGB, (H,W) of L. Raises Unusable when it is missing, cut short or no picture."""
    try:
        with PIL.Image.open(path) as image:
            return np.array(image.convert(mode))
    except FileNotFoundError as error:
        raise Unusable(f"{path.parent.name}/{path.name} is missing") from error
    except (OSError, SyntaxError, ValueError) as error:  # what PIL raises at damage
        raise Unusable(f"{path.parent.name}/{path.name} cannot be read ({error})") from error


class Lens:
    """Takes pictures of a lens that distorts to those of the pinhole with its own K (OpenCV's model, with skew too)."""

    def __init__(self, camera: Camera, height: int, width: int) -> None:
        rays = camera_rays(camera.K, height, width).reshape(-1, 3)
        # Normalised coordinates: OpenCV's own functions know no skew.
        bent, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.eye(3), camera.distortion)
        places = np.concatenate([bent.reshape(-1, 2), np.ones((len(rays), 1))], axis=1) @ camera.K[:2].T
        self.maps = np.moveaxis((places - 0.5).reshape(height, width, 2).astype(np.float32), -1, 0)  # remap has centres at whole numbers

    def straight(self, picture: Array) -> Array:
        """A picture (H,W) or (H,W,3), resampled bicubically, as the pinhole would see it; black where the lens saw nothing."""
        return np.asarray(cv2.remap(picture, self.maps[0], self.maps[1], cv2.INTER_CUBIC))

    def straight_mask(self, mask: Array) -> Array:
        """A mask (H,W) bool likewise, cut at a half."""
        return np.asarray(cv2.remap(mask * np.uint8(255), self.maps[0], self.maps[1], cv2.INTER_LINEAR) > 127)


def overlap(ours: Array, given: Array) -> float:
    """Intersection over union of two masks (H,W) bool; 0 where both are empty, which tells nothing good of either."""
    union = np.count_nonzero(ours | given)
    return np.count_nonzero(ours & given) / union if union else 0.0


def offset(ours: Array, given: Array) -> tuple[float, float]:
    """How far right and down the given mask's centroid lies of ours, in pixels; NaN where one is empty."""
    if not (ours.any() and given.any()):
        return float("nan"), float("nan")
    a, b = (cv2.moments(mask.astype(np.uint8), binaryImage=True) for mask in (ours, given))
    return b["m10"] / b["m00"] - a["m10"] / a["m00"], b["m01"] / b["m00"] - a["m01"] / a["m00"]
