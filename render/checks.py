"""Checks: what every sample must satisfy before its shard is committed. Reasons are short and are counted.

"Real" beside a limit is the worst of 480 good frames of 24 people, one to four in a frame, at 1024x768, 384x288 and 96x72.
"""

import dataclasses

import cv2
import numpy as np

from datasets.conventions import NORMAL_FROM_CAMERA, Array, inverse
from datasets.triplet import Triplet

PIXELS = 20_000  # of the people, evenly picked: what needs no more than a share or a median is taken over these
COVERAGE = (0.01, 0.9)  # of the frame, by people; real: 0.036 to 0.65
MINIMUM_FIRST = 0.12  # of all the people in the frame, by the first one, whom it is about; real: 0.17, one of four
MINIMUM_SIDE = 0.05  # of the frame, by each side of the people's box; real: 0.19
MINIMUM_DEPTH_M = 0.1  # nearer, the camera is inside somebody; real: 0.22
BODY_M = (1.5, -0.5, 2.5)  # the median of a person's points: off the axis they stand on, and heights; real: 0.44, 0.5 to 1.8
UNIT = 2e-3  # off a squared length of 1: twice what rounding to half floats does
AWAY = (-0.1, 0.01)  # cosine to the camera, and the share that may lie below: smooth normals do, at outlines; real: 0.0033
BEND_DEG = 20.0  # the depth tells no normal where its slope turns by more than this from one pixel to the next
DISAGREEMENT_DEG = 10.0  # median angle between normals and the depth's gradient; real: 6.9, with any axis flipped or swapped 13
DISAGREEING = (30.0, 0.12)  # degrees, and the share that may lie beyond; real: 0.063, with any axis flipped or swapped 0.16
NORMAL_MAPS = 2.5  # times as much of it all where normal maps enter the label
ENOUGH = 100  # points of a person without which there is no median
DARK, BRIGHT = (12, 0.5), (250, 1 / 3)  # 8-bit luminance, and the share of people that may lie beyond; real: 0.02, 0.21
SOLID, STRAY = 0.8, 0.01  # mean alpha two pixels inside the mask; alpha's share three pixels outside, of people; real: 0.91, 0.0004
LUMINANCE = (0.2126, 0.7152, 0.0722)  # Rec. 709


def reject(triplet: Triplet) -> str | None:
    """Why a sample may not enter a dataset, or None when it may."""
    return _record(triplet) or _straight(triplet) or _composition(triplet) or _labels(triplet) or _photograph(triplet)


def whole(triplet: Triplet) -> str | None:
    """What is wrong with a sample that nobody drew, a photograph: of it only labels and a record that agree are demanded."""
    return _record(triplet) or (_exact(_cut(triplet), triplet) if triplet.mask.any() else "nobody is in the frame")


def _record(triplet: Triplet) -> str | None:
    """The arrays are of one picture, and the JSON is too."""
    height, width = size = (triplet.meta["height"], triplet.meta["width"])
    colour, plain = ((*size, 3), np.uint8), (size, np.uint8)
    kinds = {
        "rgb": colour,
        "mask": plain,
        "alpha": plain,
        "depth": (size, np.float32),
        "normal": ((*size, 3), np.float16),
        "albedo": colour,
    }
    for name, kind in kinds.items():
        values = getattr(triplet, name)
        if (values.shape, values.dtype) != kind if values is not None else name != "albedo":
            return f"{name} has not the record's size or the contract's type"
    if not _is_camera_matrix(triplet.K, height, width):
        return "K is not of this picture"
    if not _is_rigid(np.asarray(triplet.meta["world_to_camera"], dtype=np.float64)):
        return "world_to_camera is not rigid"
    if triplet.mask.max() > len(triplet.meta["subjects"]):
        return "mask has an id without a subject"
    return None


def _is_camera_matrix(K: Array, height: int, width: int) -> bool:
    if K.shape != (3, 3) or not np.isfinite(K).all():
        return False
    (fx, skew, cx), (zero, fy, cy), last = K
    return bool(fx > 0 and fy > 0 and abs(skew) < fx and zero == 0 and list(last) == [0, 0, 1] and 0 < cx < width and 0 < cy < height)


def _straight(triplet: Triplet) -> str | None:
    """Photographs' cameras may have skew, Blender's have none."""
    return "K is not of this picture" if triplet.K[0, 1] else None


def _is_rigid(transform: Array) -> bool:
    if transform.shape != (4, 4) or not np.isfinite(transform).all() or list(transform[3]) != [0, 0, 0, 1]:
        return False
    turn = transform[:3, :3]
    return bool(np.allclose(turn @ turn.T, np.eye(3), atol=1e-5) and np.linalg.det(turn) > 0)


def _composition(triplet: Triplet) -> str | None:
    """People, the first above all, are in the picture."""
    mask = triplet.mask
    coverage = np.count_nonzero(mask) / mask.size
    if coverage < COVERAGE[0]:
        return "people cover too little of the frame"
    if coverage > COVERAGE[1]:
        return "people cover too much of the frame"
    if np.count_nonzero(mask == 1) < MINIMUM_FIRST * np.count_nonzero(mask):
        return "the first person is hidden"
    (height, width), (x, y, wide, high) = mask.shape, cv2.boundingRect(mask)
    central = x < 0.75 * width and x + wide > 0.25 * width and y < 0.75 * height and y + high > 0.25 * height
    if not central or wide < MINIMUM_SIDE * width or high < MINIMUM_SIDE * height:
        return "people are at the frame's edge or too thin"
    return None


def _labels(triplet: Triplet) -> str | None:
    """Depth and normals are there, and those of a surface."""
    part = _cut(triplet)
    return _exact(part, triplet) or _surface(part)


def _exact(part: Triplet, triplet: Triplet) -> str | None:
    """Depth and unit normals are there exactly on the mask; part: what shows people, of a sample."""
    inside = part.mask > 0
    if (
        np.count_nonzero(triplet.depth) > np.count_nonzero(inside)
        or not np.array_equal(part.depth > 0, inside)
        or not np.isfinite(part.depth).all()
    ):
        return "depth is not finite exactly on the mask"
    if part.depth[inside].min() < MINIMUM_DEPTH_M:
        return "camera is inside somebody"
    # Any bit but the sign's: quicker than comparing half floats, and minus zero is zero.
    bits = [np.count_nonzero(values.view(np.uint16) << 1) for values in (triplet.normal, part.normal)]
    normal = part.normal.astype(np.float32)
    squared = np.einsum("ijk,ijk->ij", normal, normal)
    if bits[0] != bits[1] or not np.abs(squared - inside).max() <= UNIT or squared[~inside].any():
        return "normals are not unit exactly on the mask"
    return None


def _surface(part: Triplet) -> str | None:
    """Depth and normals are those of one surface that faces the camera, and lies where the record puts the people."""
    slack = NORMAL_MAPS if part.meta.get("normal_maps") else 1.0
    pixels = _picked(part.mask > 0)
    whose, rays = part.mask.ravel()[pixels], _rays(part, pixels)
    facing = np.einsum("ij,ij->i", _normals(part, pixels), -rays @ NORMAL_FROM_CAMERA) / np.linalg.norm(rays, axis=-1)
    if np.mean(facing < AWAY[0] * slack) > AWAY[1] * slack:
        return "normals face away from the camera"
    points, angles = _world_points(part, pixels), _disagreement(part, pixels)
    limits = np.array([DISAGREEMENT_DEG, *DISAGREEING]) * slack
    for number, subject in enumerate(part.meta["subjects"], 1):
        own = whose == number
        if own.sum() >= ENOUGH:
            x, y, z = np.median(points[own], axis=0) - np.array(subject["world_from_scan"])[:3, 3]
            if np.hypot(x, y) > BODY_M[0] or not BODY_M[1] < z < BODY_M[2]:
                return "people are not where the record puts them"
        told = angles[own & np.isfinite(angles)]
        if len(told) >= ENOUGH and (np.median(told) > limits[0] or np.mean(told > limits[1]) > limits[2]):
            return "normals disagree with the depth"
    return None


def _photograph(triplet: Triplet) -> str | None:
    """The people are exposed, and alpha is theirs."""
    part = _cut(triplet)
    inside = part.mask > 0
    brightness = part.rgb.reshape(-1, 3)[_picked(inside)] @ np.array(LUMINANCE, dtype=np.float32)
    if np.mean(brightness < DARK[0]) > DARK[1]:
        return "people are too dark"
    if np.mean(brightness > BRIGHT[0]) > BRIGHT[1]:
        return "people are too bright"
    mask = (triplet.mask > 0).view(np.uint8)
    solid = triplet.alpha[cv2.erode(mask, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_REPLICATE) > 0]
    stray = triplet.alpha[cv2.dilate(mask, np.ones((7, 7), np.uint8)) == 0]
    if triplet.meta.get("f_number") is not None:  # out of focus, a photograph spreads over its outline
        return None
    if (len(solid) and solid.mean() < 255 * SOLID) or np.count_nonzero(stray) > STRAY * mask.sum():
        return "alpha disagrees with the mask"
    return None


def _cut(triplet: Triplet) -> Triplet:
    """The part of a sample that shows people, as a sample."""
    x, y, width, height = cv2.boundingRect(triplet.mask)
    box = np.s_[y : y + height, x : x + width]
    maps = {name: getattr(triplet, name)[box] for name in ("rgb", "mask", "alpha", "depth", "normal")}
    K = triplet.K - [[0, 0, x], [0, 0, y], [0, 0, 0]]
    return dataclasses.replace(triplet, **maps, albedo=None, meta={**triplet.meta, "K": K, "width": width, "height": height})


def _picked(inside: Array) -> Array:
    """Flat indices of about `PIXELS` of the pixels inside."""
    pixels = np.flatnonzero(inside)
    return pixels[:: len(pixels) // PIXELS + 1]


def _normals(part: Triplet, pixels: Array) -> Array:
    return part.normal.reshape(-1, 3)[pixels].astype(np.float64)


def _rays(part: Triplet, pixels: Array) -> Array:
    """Camera-space points (N,3) at z = 1 through the centres of pixels, given by flat index."""
    y, x = np.divmod(pixels, part.mask.shape[1])
    return np.stack([x + 0.5, y + 0.5, np.ones(len(pixels))], axis=-1) @ inverse(part.K).T


def _world_points(part: Triplet, pixels: Array) -> Array:
    """Points (N,3) in the world, metres, that the depth puts pixels at."""
    world_from_camera = np.linalg.inv(part.meta["world_to_camera"])
    points = part.depth.ravel()[pixels, None] * _rays(part, pixels)
    return points @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]  # type: ignore[no-any-return]


def _disagreement(part: Triplet, pixels: Array) -> Array:
    """Angle (N,) in degrees between the normals and the depth's own gradient; NaN where that tells no normal: beside other
    people and the background, and where the surface bends too much from one pixel to the next.

    A plane n.X = c has inverse depth n.r / c along a ray r with r_z = 1: linear in the image, with the slopes n_x / (fx c) and
    n_y / (fy c). So central differences of inverse depth give a plane's normal exactly, and any surface's to second order.
    """
    height, width = part.mask.shape
    y, x = np.divmod(pixels, width)
    inner = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    around = np.clip(pixels + np.array([[1], [-1], [width], [-width]]), 0, part.mask.size - 1)
    mask, depth = part.mask.ravel(), part.depth.ravel().astype(np.float64)
    tells = inner & np.all(mask[around] == mask[pixels], axis=0)
    steps = np.where(tells, depth[pixels] / np.where(tells, depth[around], 1.0) - 1, 0.0)
    slopes = (steps * np.array([[1.0], [-1.0], [1.0], [-1.0]])).reshape(2, 2, -1) * np.diag(part.K)[:2, None, None]
    tells &= np.all(np.degrees(np.abs(np.diff(np.arctan(slopes), axis=1))) < BEND_DEG, axis=(0, 1))
    slope_x, slope_y = slopes.mean(axis=1)
    slope_y = slope_y + part.K[0, 1] / part.K[0, 0] * slope_x  # a row further, skew moves the ray aside too
    rays = _rays(part, pixels)
    away = np.stack([slope_x, slope_y, 1 - rays[:, 0] * slope_x - rays[:, 1] * slope_y], axis=-1)  # the ray's own side
    gradient = -away / np.linalg.norm(away, axis=-1, keepdims=True) @ NORMAL_FROM_CAMERA
    cosine = np.einsum("ij,ij->i", gradient, _normals(part, pixels))
    return np.where(tells, np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.nan)
