"""Parts of the body by the joints of a sample: a person drawn on a plane, whose parts are known."""

from typing import Any

import numpy as np
import pytest

from datasets import parts
from datasets.conventions import Array

SIZE = (120, 90)
K = [[100.0, 0.0, 45.0], [0.0, 100.0, 60.0], [0.0, 0.0, 1.0]]
#: Where joints are seen, (x, y) in pixels, of a body in the plane z = 2 m: 50 pixels are a metre.
SEEN = {
    "head": (45, 15), "left_shoulder": (55, 25), "right_shoulder": (35, 25), "left_elbow": (68, 30), "right_elbow": (22, 30),
    "left_wrist": (80, 35), "right_wrist": (10, 35), "left_hip": (50, 55), "right_hip": (40, 55), "left_knee": (52, 77),
    "right_knee": (38, 77), "left_ankle": (53, 98), "right_ankle": (37, 98), "left_big_toe": (58, 103), "right_big_toe": (32, 103),
}  # fmt: skip


def subject(names: set[str] | None = None, world_from_scan: Array | None = None, shift: float = 0.0) -> dict[str, Any]:
    """A person whose joints, moved to the right by pixels, are in the frame of a scan."""
    from_world = np.linalg.inv(np.eye(4) if world_from_scan is None else world_from_scan)
    places = {
        name: (from_world @ [(x + shift - 45) / 50, (y - 60) / 50, 2.0, 1.0])[:3].tolist()
        for name, (x, y) in SEEN.items()
        if names is None or name in names
    }
    return {"scan": "figure", "world_from_scan": np.linalg.inv(from_world).tolist(), "joints": places, "head_radius": 0.12}


def meta(*subjects: dict[str, Any]) -> dict[str, Any]:
    return {"K": K, "world_to_camera": np.eye(4).tolist(), "subjects": list(subjects)}


def plane() -> Array:
    return np.full(SIZE, 2.0, np.float32)


def at(label: Array, x: float, y: float) -> str:
    found = label[round(y), round(x)]
    return parts.PARTS[found - 1] if found else ""


def test_each_place_of_a_figure_is_of_the_part_it_shows() -> None:
    label = parts.labels(plane(), np.ones(SIZE, np.uint8), meta(subject()))
    shown = {
        (45, 12): "head", (45, 40): "torso", (45, 27): "torso", (61, 28): "arms", (16, 33): "arms", (85, 37): "hands", (4, 37): "hands",
        (51, 68): "legs", (37, 90): "legs", (57, 103): "feet", (33, 103): "feet",
    }  # fmt: skip
    assert {place: at(label, *place) for place in shown} == shown
    assert set(parts.groups(label)) == {"head", "torso", "arms", "hands", "legs", "feet"}


def test_it_does_not_matter_where_the_scan_and_the_world_have_their_origin() -> None:
    angle = 0.7
    turn = np.eye(4)
    turn[:3, :3] = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    turn[:3, 3] = 3, -1, 2
    wanted = parts.labels(plane(), np.ones(SIZE, np.uint8), meta(subject()))
    moved = subject(world_from_scan=turn)
    np.testing.assert_array_equal(parts.labels(plane(), np.ones(SIZE, np.uint8), meta(moved)), wanted)
    world = {**meta(subject(world_from_scan=turn)), "world_to_camera": turn.tolist()}
    world["subjects"][0]["world_from_scan"] = np.eye(4).tolist()
    np.testing.assert_array_equal(parts.labels(plane(), np.ones(SIZE, np.uint8), world), wanted)


def test_each_instance_is_measured_against_its_own_joints() -> None:
    mask = np.ones(SIZE, np.uint8)
    mask[:, 45:] = 2
    label = parts.labels(plane(), mask, meta(subject(shift=-20.0), subject(shift=20.0)))
    assert at(label, 25, 12) == "head" == at(label, 65, 12) and at(label, 45, 12) != "head"
    assert at(label, 44, 100) == "feet" and at(label, 33, 68) == "legs"


def test_of_a_head_alone_all_else_is_body_and_of_nothing_nothing_is_known() -> None:
    label = parts.labels(plane(), np.ones(SIZE, np.uint8), meta(subject({"head"})))
    assert at(label, 45, 15) == "head" and at(label, 45, 40) == "body" and set(np.unique(label)) == {1, 7}
    across = np.count_nonzero(label[15] == 1) / 50 / 2
    assert across == pytest.approx(parts.HEAD_REACH * 0.12, abs=0.011)
    for unknown in (meta(), meta({"scan": "x", "world_from_scan": np.eye(4).tolist()})):
        assert not parts.labels(plane(), np.ones(SIZE, np.uint8), unknown).any()


def test_where_there_is_no_person_there_is_no_part() -> None:
    depth, mask = plane(), np.ones(SIZE, np.uint8)
    mask[:40], depth[80:] = 0, 0
    label = parts.labels(depth, mask, meta(subject()))
    assert not label[:40].any() and not label[80:].any() and label[40:80].all()
