"""Which part of the body each pixel of a person shows, from the joints that a sample's JSON tells of its subjects.

A pixel belongs to the bone whose capsule is nearest in 3D: a segment between two joints, as thick as that part of an adult is. It is
a rule for tables, the same for everybody, not a segmentation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from datasets.conventions import Array, camera_rays

#: Label 1 is the first one; 0 is nobody, or unknown. `body` is all but the head, of people of whom only the head is known.
PARTS = ("head", "torso", "arms", "hands", "legs", "feet", "body")

#: Part, half its thickness in metres, and segments. Names are COCO's; `neck` and `pelvis` lie between shoulders and hips.
BONES: tuple[tuple[str, float, tuple[tuple[str, str], ...]], ...] = (
    ("torso", 0.11, (("neck", "pelvis"), ("shoulder", "hip"), ("shoulder", "neck"), ("hip", "pelvis"))),
    ("arms", 0.045, (("shoulder", "elbow"), ("elbow", "wrist"))),
    ("hands", 0.04, (("wrist", "fingers"),)),
    ("legs", 0.07, (("hip", "knee"), ("knee", "ankle"))),
    ("feet", 0.045, (("ankle", "big_toe"), ("ankle", "small_toe"), ("ankle", "heel"), ("heel", "big_toe"), ("heel", "small_toe"))),
)
#: A hand's length of its forearm's, toward which it is taken to point.
HAND = 0.7
#: Half a head's height, where it is not told; and how far hair and neck count as head where nothing else is known, of that.
HEAD_RADIUS_M, HEAD_REACH = 0.12, 1.25


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
    rays = camera_rays(np.asarray(meta["K"]), *mask.shape)
    for number, subject in enumerate(meta.get("subjects", ()), 1):
        inside = (mask == number) & (depth > 0)
        if subject.get("joints") and inside.any():
            points = np.ascontiguousarray(rays[inside].T) * depth[inside].astype(np.float64)
            found[inside] = _nearest(points, _joints(subject, meta), float(subject.get("head_radius", HEAD_RADIUS_M)))
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
            for side in ("left", "right"):
                ends = [joints.get(f"{side}_{name}", joints.get(name)) for name in (start, end)]
                if ends[0] is not None and ends[1] is not None:
                    yield _Bone(PARTS.index(part), thickness, ends[0], ends[1])


def _nearest(points: Array, joints: Mapping[str, Array], head_radius: float) -> Array:
    """Labels (N,) of points (3,N)."""
    bones = list(_bones(joints, head_radius))
    if not bones:
        return np.zeros(points.shape[1], np.uint8)
    if {bone.part for bone in bones} == {PARTS.index("head")}:
        near = _distance(points, bones[0]) < HEAD_REACH * head_radius
        return np.where(near, 1 + PARTS.index("head"), 1 + PARTS.index("body")).astype(np.uint8)
    best, label = np.full(points.shape[1], np.inf), np.zeros(points.shape[1], np.uint8)
    for bone in bones:
        distance = _distance(points, bone) - bone.thickness
        nearer = distance < best
        best[nearer], label[nearer] = distance[nearer], 1 + bone.part
    return label


def _distance(points: Array, bone: _Bone) -> Array:
    """From points (3,N) to a bone's segment, (N,). Without BLAS, whose digits depend on threads."""
    x, y, z = points - bone.start[:, None]
    along = bone.end - bone.start
    length = along[0] ** 2 + along[1] ** 2 + along[2] ** 2
    if length:
        share = np.clip((x * along[0] + y * along[1] + z * along[2]) / length, 0, 1)
        x, y, z = x - share * along[0], y - share * along[1], z - share * along[2]
    distance: Array = np.sqrt(x * x + y * y + z * z)
    return distance


def groups(label: Array, names: Sequence[str] = PARTS) -> dict[str, Array]:
    """Name of each part that is there -> (H,W) bool."""
    return {name: label == number for number, name in enumerate(names, 1) if np.any(label == number)}
