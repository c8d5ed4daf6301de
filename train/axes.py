"""Axes of normals, as users state them, and whether they did rightly: the classic mistake, which looks like a bad model.

A statement such as `x-y-z` says what the three channels hold, in the house's axes x right, y up, z toward the camera.
"""

import re
from collections.abc import Sequence
from itertools import permutations, product

import numpy as np

from datasets.conventions import Array

#: A statement is doubted where another one's mean cosine is at least so high, and so much higher.
GOOD, MARGIN = 0.7, 0.3
#: Of rows and columns, every so many-th is looked at.
EVERY = 4


#: Channel -> its axis, 0 to 2, and sign.
Channels = Sequence[tuple[int, int]]
HOUSE: Channels = ((0, 1), (1, 1), (2, 1))


def read(statement: str) -> Channels:
    """What a statement says; commas and spaces may be in it. Raises ValueError where it does not name each axis once."""
    plain = re.sub(r"[\s,]", "", statement)
    found = tuple(("xyz".index(axis), -1 if sign == "-" else 1) for sign, axis in re.findall("([+-]?)([xyz])", plain))
    if not re.fullmatch("([+-]?[xyz]){3}", plain) or {axis for axis, _ in found} != {0, 1, 2}:
        raise ValueError("say what the channels hold, each axis once, as x-y-z")
    return found


def spelt(channels: Channels) -> str:
    """The statement of these channels."""
    return "".join(("-" if sign < 0 else "") + "xyz"[axis] for axis, sign in channels)


class Agreement:
    """Of which predicted axis goes with which true one, over all images: a 3x3 matrix, and no pixel."""

    def __init__(self) -> None:
        self.total, self.pixels = np.zeros((3, 3)), 0

    def add(self, prediction: Array, truth: Array, known: Array) -> None:
        """One image: normals (H,W,3) of any length, and where both are known (H,W)."""
        few = np.s_[::EVERY, ::EVERY]
        p, t = (normals[few][known[few]].astype(np.float64).T for normals in (prediction, truth))
        p = p / np.maximum(np.sqrt(np.sum(p * p, axis=0)), 1e-9)
        self.total += [[np.sum(mine * theirs) for theirs in t] for mine in p]
        self.pixels += p.shape[1]

    def doubt(self, stated: str) -> str | None:
        """In words, what statement of the channels (as `normal_axes`) fits far better than the stated one; None where none does."""
        if not self.pixels:
            return None
        cosines = {}
        for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
            cosines[order, signs] = sum(sign * self.total[axis, order[axis]] for axis, sign in enumerate(signs)) / self.pixels
        now = cosines[(0, 1, 2), (1, 1, 1)]
        best = max(cosines, key=lambda turn: cosines[turn])
        if cosines[best] < GOOD or cosines[best] < now + MARGIN:
            return None
        order, signs = best  # the stated axis i is truly axis order[i], with a sign
        right = spelt([(order[axis], sign * signs[axis]) for axis, sign in read(stated)])
        return f"normals fit far better with normal_axes={right} (mean cosine {cosines[best]:.2f}, now {now:.2f})"
