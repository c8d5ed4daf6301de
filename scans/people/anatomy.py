"""Where on the body something is: soft regions of the template that skin is coloured and creased by."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from datasets.conventions import Array
from scans.people.grain import bump, ease

#: Landmarks of the face on the template's left side, metres from the left eye's centre: (x, y, z).
CHEEK, NOSE, CHIN, FOREHEAD = (0.010, -0.004, -0.036), (-0.031, -0.043, -0.042), (-0.031, -0.027, -0.113), (-0.031, -0.026, 0.052)
NOSTRIL, MOUTH, UNDER_EYE = (-0.018, -0.030, -0.046), (-0.006, -0.022, -0.074), (-0.004, -0.016, -0.020)
BACK_OF_HAND = np.array([0.757, 0.0, 0.653], np.float32)  # out of the back of the left hand
LIMBS = (("lowerarm01", 0.035), ("lowerleg01", 0.06), ("foot", 0.05))  # joints that flush, and the radius in metres
COARSE = 4
KNUCKLES = [f"finger{finger}-{joint}.L" for finger in range(1, 6) for joint in (1, 2, 3)]


@dataclass(frozen=True)
class Place:
    """What lies at the texels of a grid: position (H,W,3) metres and normal (H,W,3) on the template, distance (H,W) to the
    edge of the lids in metres, metres (H,W,2) that a unit of u and of v is long, and MPFB's masks (H,W), 0 to 1."""

    position: Array
    normal: Array
    to_lashes: Array
    metres: Array
    masks: dict[str, Array]


class Anatomy:
    """Soft regions, (H,W) from 0 to 1, of a place. They are computed on every fourth texel."""

    def __init__(self, at: Place, joints: dict[str, Array]) -> None:
        self.at, self.joints = at, joints
        self.shape = at.position.shape[:2]
        small = tuple(max(2, length // COARSE) for length in self.shape[::-1])
        self.position = cv2.resize(at.position, small, interpolation=cv2.INTER_AREA)
        self.normal = cv2.resize(at.normal, small, interpolation=cv2.INTER_AREA)
        self.folded = np.concatenate([np.abs(self.position[..., :1]), self.position[..., 1:]], axis=-1)
        self.eye = joints["eye.L"].astype(np.float32)
        self.empty = np.zeros(self.shape, np.float32)
        self.head = bool(self.position[..., 2].max() > 0.6)
        self.hands = bool(((self.folded[..., 0] > 0.48) & (self.position[..., 2] < 0.2)).any())

    def fine(self, field: Array) -> Array:
        """A field on the coarse grid, at every texel."""
        return np.asarray(cv2.resize(field.astype(np.float32), self.shape[::-1], interpolation=cv2.INTER_LINEAR))

    @cached_property
    def flush(self) -> Array:
        """Where blood shows: cheeks, nose, chin; elbows, knees and ankles."""
        spots = [0.6 * self._ball(self.joints[f"{joint}.L"], radius) for joint, radius in LIMBS]
        if self.head:
            spots += [self._near(CHEEK, 0.020), self._near(NOSE, 0.012), 0.6 * self._near(CHIN, 0.012), 0.5 * self._near(NOSTRIL, 0.008)]
        return self.fine(np.maximum.reduce(spots))

    @cached_property
    def shade(self) -> Array:
        """Where skin is darker: under and at the inner corner of the eyes, beside the nose, under the lip."""
        if not self.head:
            return self.empty
        under = 0.8 * self._near(UNDER_EYE, 0.009, (0.6, 0.6, 1.3))
        corner = np.maximum(self._near((-0.016, -0.014, 0.004), 0.007), 0.55 * self._near((0.0, -0.014, 0.006), 0.013, (0.8, 0.7, 1.1)))
        below = 0.5 * self._near((-0.031, -0.026, -0.092), 0.007, (0.5, 0.6, 1.4))
        return self.fine(np.maximum.reduce([under, corner, below, 0.6 * self._near(NOSTRIL, 0.006), 0.4 * self._near(MOUTH, 0.006)]))

    @cached_property
    def pale(self) -> Array:
        """Where little blood shows: below the hollows of the eyes, over the lip, at the temples."""
        if not self.head:
            return self.empty
        spots = [self._near((-0.008, -0.014, -0.026), 0.008, (0.8, 0.7, 1.0)), 0.8 * self._near((-0.020, -0.030, -0.064), 0.006)]
        return self.fine(np.maximum.reduce([*spots, 0.7 * self._near((0.028, 0.018, 0.014), 0.014)]))

    @cached_property
    def oily(self) -> Array:
        """Forehead, nose and chin."""
        if not self.head:
            return self.empty
        spots = [self._near(FOREHEAD, 0.022, (0.7, 1, 1)), self._near(NOSE, 0.015, (1, 1, 0.6)), 0.7 * self._near(CHIN, 0.01)]
        return self.fine(np.maximum.reduce(spots))

    @cached_property
    def lids(self) -> Array:
        """The upper lids, as far as eye shadow reaches."""
        if not self.head:
            return self.empty
        above = ease((self.at.position[..., 2] - self.eye[2] + 0.003) / 0.004)
        return above * self.fine(self._near((0.001, -0.018, 0.006), 0.0065, (0.5, 0.5, 0.9))) * (1 - 0.3 * self.at.masks["eyelids"])

    @cached_property
    def knuckles(self) -> Array:
        """The back of the finger joints."""
        if not self.hands:
            return self.empty
        balls = [self._ball(self.joints[name], 0.011) for name in KNUCKLES]
        return self.fine(np.maximum.reduce(balls) * ease(self._back_of_hand() + 0.5))

    @cached_property
    def palms(self) -> Array:
        """Palms and soles."""
        sole = ease((-self.normal[..., 2] - 0.35) / 0.3) * ease((-0.925 - self.position[..., 2]) / 0.02)
        if not self.hands:
            return self.fine(sole)
        wrist, middle = (self.joints[name].astype(np.float32) for name in ("wrist.L", "finger3-1.L"))
        along = (self.folded - wrist) @ ((middle - wrist) / np.linalg.norm(middle - wrist))
        return self.fine(np.maximum(sole, ease(0.35 - 1.6 * self._back_of_hand()) * ease(along / 0.03 + 0.3) * (self.folded[..., 0] > 0.4)))

    def _near(self, landmark: tuple[float, float, float], radius: float, squeeze: tuple[float, float, float] = (1, 1, 1)) -> Array:
        """A ball about a landmark of the face, on both sides."""
        offset = (self.folded - self.eye - np.array(landmark, np.float32)) * np.array(squeeze, np.float32)
        return np.exp(-np.einsum("hwi,hwi->hw", offset, offset) / np.float32(2 * radius**2))

    def _ball(self, centre: Array, radius: float) -> Array:
        return bump(np.linalg.norm(self.folded - centre.astype(np.float32), axis=-1), radius)

    def _back_of_hand(self) -> Array:
        mirror = np.where(self.position[..., 0] < 0, -1.0, 1.0).astype(np.float32)
        return self.normal[..., 0] * mirror * BACK_OF_HAND[0] + self.normal[..., 2] * BACK_OF_HAND[2]
