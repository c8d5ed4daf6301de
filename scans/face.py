"""Finds the face of a scan by looking at it from all around with OpenCV's frontal-face cascade.

A face seen from several neighbouring directions, at one and the same place, tells which way is up, where the person
looks, how large a head is and where it is. A cascade's chance hits do not agree like that.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import cv2.data
import numpy as np

from datasets.conventions import Array
from scans.studio import Studio

#: A detector takes a picture (H,W,3) uint8 and gives (x, y, size, score > 0) of square boxes, in pixels.
Detector = Callable[[Array], list[tuple[float, float, float, float]]]

#: Width of the cascade's box around an adult's face, metres.
BOX_WIDTH_M = 0.175
#: Directions around the up axis that a scan is looked at from, and how many must agree on a face.
YAWS, AGREEING = 24, 3
#: Least sum of scores over the agreeing directions.
ENOUGH = 5.0


@dataclass(frozen=True)
class Face:
    """facing: unit vector, horizontal; centre: the point of the surface in its middle; width: of the box; all in the mesh's frame."""

    facing: Array
    centre: Array
    width: float
    score: float
    views: int


@dataclass(frozen=True)
class _Sighting:
    direction: Array
    point: Array
    width: float
    score: float


@functools.cache
def _cascade() -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")


def haar(picture: Array) -> list[tuple[float, float, float, float]]:
    """OpenCV's bundled frontal-face cascade. The score is the last stage's sum above 54: chance hits stay near 1, faces reach 3."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    boxes, _, weights = _cascade().detectMultiScale3(grey, scaleFactor=1.1, minNeighbors=3, minSize=(28, 28), outputRejectLevels=True)
    rows = zip(boxes, np.ravel(weights), strict=True)
    return [(float(x), float(y), float(w), float(weight) - 54.0) for (x, y, w, _), weight in rows if weight > 54.0]


def horizontal_axes(up: Array) -> tuple[Array, Array]:
    """Two unit vectors (forward, left) that make a right-handed frame with `up`: forward x left = up."""
    forward = np.abs(np.roll(up, 1 if abs(up[1]) > 0.5 else -2))
    return forward, np.cross(up, forward)


def find_face(studio: Studio, up: Array, centre: Array, half: float, detector: Detector = haar) -> Face | None:
    """The face of a mesh whose up axis is `up` (3,), or None.

    centre (3,) and half: the middle and half the width of what the pictures show, in the mesh's unit.
    """
    forward, left = horizontal_axes(up)
    sightings = []
    for yaw in 2 * np.pi * np.arange(YAWS) / YAWS:
        direction = np.cos(yaw) * forward + np.sin(yaw) * left  # from the person toward the camera
        sightings += _sightings(studio, direction, up, centre, half, detector)
    groups = [_agreeing(sightings, seed) for seed in sightings]
    best = max(groups, key=lambda group: sum(s.score for s in group), default=[])
    total = sum(s.score for s in best)
    if len(best) < AGREEING or total < ENOUGH:
        return None
    facing = np.sum([s.score * s.direction for s in best], axis=0)
    facing /= np.linalg.norm(facing)
    frontal = [s for s in best if s.direction @ facing > np.cos(np.deg2rad(25))] or best
    nearest = max(frontal, key=lambda s: float(s.direction @ facing))
    return Face(facing, nearest.point, float(np.median([s.width for s in frontal])), total, len(best))


def _sightings(studio: Studio, direction: Array, up: Array, centre: Array, half: float, detector: Detector) -> list[_Sighting]:
    """What the detector sees from one direction, placed on the surface."""
    picture, points = studio.view(np.cross(up, direction), up, centre, half)
    pixel = 2.0 * half / picture.shape[1]
    found = []
    for x, y, size, score in detector(picture):
        point = points[int(y + size / 2), int(x + size / 2)]
        if np.isfinite(point).all():
            found.append(_Sighting(direction, point, size * pixel, score))
    return found


def _agreeing(sightings: list[_Sighting], seed: _Sighting) -> list[_Sighting]:
    """The sightings of the same size at the seed's place, the best one of each direction."""
    best: dict[tuple[float, ...], _Sighting] = {}
    for s in sightings:
        beside = np.linalg.norm(s.point - seed.point) < 0.6 * seed.width and s.direction @ seed.direction > 0.4
        key = tuple(s.direction)
        if beside and 0.7 < s.width / seed.width < 1.4 and (key not in best or s.score > best[key].score):
            best[key] = s
    return list(best.values())
