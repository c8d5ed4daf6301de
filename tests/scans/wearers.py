"""An average body in the reference pose, as accessories and shoes see it."""

from functools import cache

import numpy as np

from scans.people.accessories.wearer import Wearer
from scans.people.body import Body
from scans.people.skin import mask
from scans.people.surface import Surface


@cache
def body() -> Body:
    return Body("draft")


def wearer(turn: float = 0.0, sleeves: bool = False) -> Wearer:
    """The naked body, or in tights with long sleeves, turned about the vertical by `turn` radians and moved."""
    shaped = body().shape({"gender": 0.5, "age": 0.7}, {})
    bones = shaped.bones({})
    base = shaped.skin(bones)
    cosine, sine = np.cos(turn), np.sin(turn)
    move = np.array([[cosine, -sine, 0, 0.3 * turn], [sine, cosine, 0, 0], [0, 0, 1, 0.1 * turn], [0, 0, 0, 1]])
    bones, base = move @ bones, base @ move[:3, :3].T + move[:3, 3]
    part = body().parts["helper-tights"]
    tights = Surface(part.matrix @ base, part.faces, part.uv, {"position": part.template})
    skin = body().parts["body"]
    picture = mask("ears", 512)
    column, row = (np.clip((value * 512).astype(int), 0, 511) for value in (skin.uv[..., 0], 1 - skin.uv[..., 1]))
    ears = np.zeros(len(skin.template))
    np.maximum.at(ears, skin.faces, picture[row, column])
    return Wearer.of(body(), ears, shaped.rest_bone_poses[0, :, :3, 3].numpy(), base, bones, [tights] if sleeves else [])
