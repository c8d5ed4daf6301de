"""What each face of a person is of: Sapiens' 28 body-part classes, and ids of our own for what they lack."""

from enum import IntEnum

import numpy as np

from datasets.conventions import Array
from scans.people.body import Body


class Label(IntEnum):
    """0 to 27 are Sapiens' classes by number (facebookresearch/sapiens, docs/SEG_README.md); left and right are the person's."""

    BACKGROUND = 0
    APPAREL = 1
    FACE_NECK = 2
    HAIR = 3
    LEFT_FOOT = 4
    LEFT_HAND = 5
    LEFT_LOWER_ARM = 6
    LEFT_LOWER_LEG = 7
    LEFT_SHOE = 8
    LEFT_SOCK = 9
    LEFT_UPPER_ARM = 10
    LEFT_UPPER_LEG = 11
    LOWER_CLOTHING = 12
    RIGHT_FOOT = 13
    RIGHT_HAND = 14
    RIGHT_LOWER_ARM = 15
    RIGHT_LOWER_LEG = 16
    RIGHT_SHOE = 17
    RIGHT_SOCK = 18
    RIGHT_UPPER_ARM = 19
    RIGHT_UPPER_LEG = 20
    TORSO = 21
    UPPER_CLOTHING = 22
    LOWER_LIP = 23
    UPPER_LIP = 24
    LOWER_TEETH = 25
    UPPER_TEETH = 26
    TONGUE = 27
    EYES = 28
    BROWS_LASHES = 29
    BEARD = 30
    EYEGLASSES = 31
    HAT = 32
    BAG = 33
    PHONE = 34
    BELT = 35
    JEWELLERY = 36

    @property
    def sapiens(self) -> "Label":
        """The class among Sapiens' 28 that it falls under."""
        return OURS.get(self, self)

    @property
    def right(self) -> "Label":
        """The same part of the other side."""
        return Label[self.name.replace("LEFT_", "RIGHT_")]


#: Our own ids -> Sapiens' class.
OURS = {
    Label.EYES: Label.FACE_NECK,
    Label.BROWS_LASHES: Label.FACE_NECK,
    Label.BEARD: Label.FACE_NECK,
    Label.EYEGLASSES: Label.APPAREL,
    Label.HAT: Label.APPAREL,
    Label.BAG: Label.APPAREL,
    Label.PHONE: Label.APPAREL,
    Label.BELT: Label.APPAREL,
    Label.JEWELLERY: Label.APPAREL,
}

#: Bones, by the start of their labels -> what skin that follows them is; limbs as on the left side.
BONES: dict[Label, tuple[str, ...]] = {
    Label.FACE_NECK: ("neck", "head", "eye"),
    Label.TORSO: ("root", "pelvis", "spine", "clavicle", "shoulder"),
    Label.LEFT_UPPER_ARM: ("upperarm",),
    Label.LEFT_LOWER_ARM: ("lowerarm",),
    Label.LEFT_HAND: ("wrist", "metacarpal", "finger"),
    Label.LEFT_UPPER_LEG: ("upperleg",),
    Label.LEFT_LOWER_LEG: ("lowerleg",),
    Label.LEFT_FOOT: ("foot", "toe"),
}
#: Where closed lips meet on the template: distance from the middle (m) -> height (m).
MOUTH_LINE = np.array([[0.0, 0.6601], [0.0264, 0.6587]])


def whole(label: Label, faces: Array) -> Array:
    """One label for all of some faces (F,3): (F,) uint8."""
    return np.full(len(faces), label, np.uint8)


def sided(left: Label, side: Array, faces: Array) -> Array:
    """A left label or its right counterpart for faces (F,3) of vertices whose `side` (V,) is above 0 on the left: (F,) uint8."""
    return np.where(side[faces].mean(axis=1) > 0, left, left.right).astype(np.uint8)


def skin(body: Body, lips: Array) -> Array:
    """Labels (F,) uint8 of the faces of the body's part `body`; lips: how far each of its vertices (V,) is lip, 0 to 1."""
    part = body.parts["body"]
    parts, shares = [], []
    for label, bones in BONES.items():
        for side in ("",) if label.right == label else ("L", "R"):
            parts.append(label.right if side == "R" else label)
            shares.append((part.matrix @ body.weight_of(*bones, side=side))[part.faces].mean(axis=1))
    labels = np.array(parts, np.uint8)[np.argmax(shares, axis=0)]
    x, _, z = part.template[part.faces].mean(axis=1).T
    upper = z > np.interp(np.abs(x), *MOUTH_LINE.T)
    on_lips = lips[part.faces].mean(axis=1) > 0.5
    labels[on_lips] = np.where(upper, Label.UPPER_LIP, Label.LOWER_LIP)[on_lips]
    return np.asarray(labels)
