"""Holes: from outside, nobody's skin is seen from behind, and cloth only at its edges."""

import numpy as np
import trimesh

from datasets.conventions import Array
from scans.mesh import Part
from scans.people.labels import Label

SIDES, RISES, RAYS = 6, (0.0, 25.0), 160  # views around a person, their elevations (degrees), rays across a view
SKIN = (Label.FACE_NECK, Label.TORSO, *(label for label in Label if label.name.endswith(("HAND", "FOOT", "_ARM", "_LEG"))))
CLOTH = (Label.UPPER_CLOTHING, Label.LOWER_CLOTHING)
#: What -> how much of a person's outline may show it from behind: skin next to nothing, cloth where skirts and coats are open.
LIMITS = {"skin": (SKIN, 0.0005), "cloth": (CLOTH, 0.04)}


def hole(parts: list[Part]) -> str:
    """What a person is seen from the inside of, skin or cloth; "" if nothing. Parts have labels."""
    labels = np.concatenate([part.labels for part in parts if part.labels is not None])
    first, behind = seen_from_behind(parts)
    for name, (group, limit) in LIMITS.items():
        if np.isin(labels[first[behind]], group).sum() > limit * len(first):
            return name
    return ""


def seen_from_behind(parts: list[Part]) -> tuple[Array, Array]:
    """The faces (R,) that rays from all around hit first, and whether (R,) they hit the back. Embree traces them."""
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + offset for part, offset in zip(parts, offsets, strict=True)])
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    centre, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    across, up = (grid.reshape(-1, 1) * radius for grid in np.meshgrid(*2 * [(np.arange(RAYS) + 0.5) / RAYS * 2 - 1]))
    first, behind = [], []
    for turn in np.radians(np.arange(SIDES) * 360 / SIDES):
        right = np.array([np.cos(turn), np.sin(turn), 0.0])
        for rise in np.radians(RISES):
            toward = np.array([np.sin(turn) * np.cos(rise), -np.cos(turn) * np.cos(rise), np.sin(rise)])
            starts = centre + 2 * radius * toward + across * right + up * np.cross(toward, right)
            struck = mesh.ray.intersects_first(starts, np.broadcast_to(-toward, starts.shape))
            struck = struck[struck >= 0]
            first.append(struck)
            behind.append(mesh.face_normals[struck] @ toward < 0)
    return np.concatenate(first), np.concatenate(behind)
