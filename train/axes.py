"""Whether normals were read in the right axes: the classic mistake with other people's predictions, which looks like a bad model."""

from itertools import permutations, product

import numpy as np

from datasets.conventions import Array

#: A statement is doubted where another one's mean cosine is at least so high, and so much higher.
GOOD, MARGIN = 0.7, 0.3
#: Of rows and columns, every so many-th is looked at.
EVERY = 4


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
        return f"normals fit far better with 'normal_axes={_restated(stated, *best)}' (mean cosine {cosines[best]:.2f}, now {now:.2f})"


def _restated(stated: str, order: tuple[int, ...], signs: tuple[int, ...]) -> str:
    """What the channels hold, where the stated axis i is truly axis order[i], with a sign."""
    channels = []
    for channel in stated.replace(" ", "").split(","):
        axis = "xyz".index(channel[-1])
        sign = signs[axis] * (-1 if channel[0] == "-" else 1)
        channels.append(("-" if sign < 0 else "") + "xyz"[order[axis]])
    return ",".join(channels)
