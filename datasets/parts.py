"""Which part of the body each pixel of a person shows, from the joints that a sample's JSON tells of its subjects.

A pixel belongs to the bone whose capsule is nearest in 3D: a segment between two joints, as thick as that part of an adult is. It is
a rule for tables, the same for everybody, not a segmentation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from datasets.conventions import Array, inverse

#: Label 1 is the first one; 0 is nobody, or unknown. `body` is all but the head, of people of whom only the head is known.
PARTS = ("head", "torso", "arms", "hands", "legs", "feet", "body")

#: Part, half its thickness in metres, and segments. Names are COCO's; `neck` and `pelvis` lie between shoulders and hips.
BONES: tuple[tuple[str, float, tuple[tuple[str, str], ...]], ...] = (
    ("torso", 0.11, (("neck", "pelvis"), ("shoulder", "hip"), ("shoulder", "neck"), ("hip", "pelvis"))),
    ("arms", 0.045, (("shoulder", "elbow"), ("elbow", "wrist"))),
    ("hands", 0.04, (("wrist", "fingers"),)),
    ("legs", 0.07, (("hip", "knee"), ("knee", "ankle"))),
    ("feet", 0.045, (("ankle", "big_toe"), ("ankle", "small_toe"), ("ankle", "heel"))),
)
#: A hand's length of its forearm's, toward which it is taken to point.
HAND = 0.7
#: Half a head's height, where it is not told; and how far hair and neck count as head where nothing else is known, of that.
HEAD_RADIUS_M, HEAD_REACH = 0.12, 1.25


#: Pixels at once: few enough for the processor's cache.
_CHUNK = 1024


class _Bone(NamedTuple):
    part: int
    thickness: float
    start: Array
    end: Array


def labels(depth: Array, mask: Array, meta: Mapping[str, Any]) -> Array:
    """Part of every pixel: 0, or 1 + its place in PARTS; (H,W) uint8.

    depth (H,W) metres; mask (H,W): instance i shows the i-th of meta's `subjects`, of whose scan `joints` (name -> x, y, z in
    metres) and `head_radius` are in the scan's own frame. A person of whom neither is told is left 0.
    """
    found = np.zeros(mask.shape, np.uint8)
    back = inverse(meta["K"])
    for number, subject in enumerate(meta.get("subjects", ()), 1):
        bones = list(_bones(_joints(subject, meta), float(subject.get("head_radius", HEAD_RADIUS_M)))) if subject.get("joints") else []
        if bones:
            y, x = np.nonzero((mask == number) & (depth > 0))
            rays = [row[0] * (x + 0.5) + row[1] * (y + 0.5) + row[2] for row in back]
            found[y, x] = _nearest(np.stack(rays) * depth[y, x].astype(np.float64), bones)
    return found


def _joints(subject: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Array]:
    """Camera-space joints of a subject, and the points between them."""
    camera_from_scan = np.asarray(meta["world_to_camera"]) @ np.asarray(subject["world_from_scan"])
    found = {name: (camera_from_scan @ [*place, 1.0])[:3] for name, place in subject["joints"].items()}
    for middle, ends in {"neck": "shoulder", "pelvis": "hip"}.items():
        if {f"left_{ends}", f"right_{ends}"} <= found.keys():
            found[middle] = (found[f"left_{ends}"] + found[f"right_{ends}"]) / 2
    for side in ("left", "right"):
        if {f"{side}_elbow", f"{side}_wrist"} <= found.keys():
            found[f"{side}_fingers"] = found[f"{side}_wrist"] + HAND * (found[f"{side}_wrist"] - found[f"{side}_elbow"])
    return found


def _bones(joints: Mapping[str, Array], head_radius: float) -> Iterator[_Bone]:
    """All bones whose ends are known."""
    if "head" in joints:
        yield _Bone(PARTS.index("head"), head_radius, joints["head"], joints["head"])
    for part, thickness, segments in BONES:
        for start, end in segments:
            for side in ("left", "right") if (start, end) != ("neck", "pelvis") else ("",):
                ends = [joints.get(f"{side}_{name}", joints.get(name)) for name in (start, end)]
                if ends[0] is not None and ends[1] is not None:
                    yield _Bone(PARTS.index(part), thickness, ends[0], ends[1])


def _nearest(points: Array, bones: Sequence[_Bone]) -> Array:
    """Labels (N,) of points (3,N)."""
    part = np.array([1 + bone.part for bone in bones], np.uint8)
    label = np.empty(points.shape[1], np.uint8)
    for first in range(0, points.shape[1], _CHUNK):
        outside = _outside(points[:, first : first + _CHUNK], bones)
        if len(bones) == 1 and bones[0].part == PARTS.index("head"):
            near = outside[0] < (HEAD_REACH - 1) * bones[0].thickness
            label[first : first + _CHUNK] = np.where(near, part[0], 1 + PARTS.index("body"))
        else:
            label[first : first + _CHUNK] = part[np.argmin(outside, axis=0)]
    return label


def _outside(points: Array, bones: Sequence[_Bone]) -> Array:
    """How far each point (3,N) is outside of each bone's capsule, metres (B,N) float32; single operations, which no thread reorders."""
    middle = bones[0].start
    x, y, z = (points - middle[:, None]).astype(np.float32)
    start, along = (
        np.array(rows, np.float32).T[..., None] for rows in zip(*((b.start - middle, b.end - b.start) for b in bones), strict=True)
    )
    length = along[0] ** 2 + along[1] ** 2 + along[2] ** 2
    x, y, z = x - start[0], y - start[1], z - start[2]
    across = x * along[0] + y * along[1] + z * along[2]
    share = np.clip(across / np.where(length > 0, length, 1), 0, 1)
    square = x * x + y * y + z * z - share * (2 * across - share * length)
    outside: Array = np.sqrt(np.maximum(square, 0)) - np.array([bone.thickness for bone in bones], np.float32)[:, None]
    return outside


def groups(label: Array) -> dict[str, Array]:
    """Name of each part that is there -> (H,W) bool."""
    counts = np.bincount(label.ravel(), minlength=1 + len(PARTS))
    return {name: label == number for number, name in enumerate(PARTS, 1) if counts[number]}
