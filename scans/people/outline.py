"""Where in the texture a garment's seams and edges are."""

import numpy as np

from datasets.conventions import Array
from scans.people.garments import EDGES
from scans.people.panels import APART_M, SKIRT, SLEEVE
from scans.people.surface import Surface

CUT_M = 0.02  # an edge farther from every line of the cut is only where hidden cloth was left out


def outlines(cloth: Surface) -> dict[tuple[int, str], Array]:
    """(Patch, name) -> segments (S,2,2) in metres of cloth: "seam", where panels meet, and the garment's edges by their names.

    cloth: with the attributes that `tailoring.form` gives, which patches share texels (sleeves, gores) counted once.
    """
    whole = ~cloth.attributes.get("folded", np.zeros(len(cloth.vertices), bool))[cloth.faces].any(axis=1)
    faces, uv = cloth.faces[whole], cloth.uv[whole]
    patch = np.round(uv[:, 0, 0] / APART_M).astype(int)
    uv = uv - APART_M * np.stack([patch, 0 * patch], axis=-1)[:, None]
    once = _once(cloth, faces, patch)
    pairs = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    segments = np.stack([uv, np.roll(uv, -1, axis=1)], axis=2).reshape(-1, 2, 2)
    face = np.repeat(np.arange(len(faces)), 3)
    turned = pairs[:, 0] > pairs[:, 1]
    _, which, uses = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    place = np.where(turned[:, None, None], segments[:, ::-1], segments).reshape(-1, 4) + APART_M * patch[face][:, None]
    middle = np.stack([np.bincount(which, place[:, i]) for i in range(4)], axis=1) / uses[:, None]
    seam = (uses[which] == 2) & (np.abs(place - middle[which]).max(axis=1) > 1e-5)
    lines = [line for line in EDGES if line in cloth.attributes]
    away = np.stack([np.abs(cloth.attributes[line])[pairs].max(axis=1) for line in lines])
    named = np.where(away.min(axis=0) < CUT_M, away.argmin(axis=0), -1)
    found = {}
    for number in np.unique(patch):
        here = once[face] & (patch[face] == number)
        found[int(number), "seam"] = segments[here & seam]
        for i, line in enumerate(lines):
            found[int(number), line] = segments[here & (uses[which] == 1) & (named == i)]
    return {key: value.astype(np.float32) for key, value in found.items() if len(value)}


def _once(cloth: Surface, faces: Array, patch: Array) -> Array:
    """Which faces (F,) are of the left sleeve or of the gore in front, or on a panel that shares nothing."""
    centre = cloth.attributes["position"][faces].mean(axis=1)
    return np.asarray(
        np.where(patch == SLEEVE, centre[:, 0] > 0, np.where(patch == SKIRT, (np.abs(centre[:, 0]) < 0.06) & (centre[:, 1] < 0), True))
    )
