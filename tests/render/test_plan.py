"""The plan depends on (seed, index) alone, and frames what it says."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.config import RenderConfig
from render.lens import Region, camera_matrix, place, project, viewing_rotation
from render.plan import Plan
from tests.render.conftest import sphere_record

RECORDS = [sphere_record(f"s{i}") for i in range(5)]
SKIES, PHOTOGRAPHS = ["a.hdr", "b.hdr", "c.hdr"], ["x.jpg", "y.jpg"]


def make(**changes: object) -> Plan:
    config = RenderConfig(scans="", out="", count=100, height=96, width=72, frames_per_scan=4)
    return Plan(dataclasses.replace(config, **changes), RECORDS, SKIES, PHOTOGRAPHS)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5, unique=True), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_a_frame_depends_on_its_index_alone(indices: list[int], attempt: int) -> None:
    plan, other = make(), Plan(make(count=7, out="elsewhere", workers=9).config, RECORDS[::-1], SKIES[::-1], PHOTOGRAPHS[::-1])
    specs = {i: plan.spec(i, attempt) for i in indices}
    assert specs == {i: pickle.loads(pickle.dumps(other)).spec(i, attempt) for i in reversed(indices)}


def test_seed_index_and_attempt_each_change_the_frame() -> None:
    specs = [make().spec(8), make().spec(9), make().spec(8, attempt=1), make(seed=1).spec(8)]
    assert len({spec.camera for spec in specs}) == 4


def test_order_is_scan_major_and_fair() -> None:
    scans = [make().record(i).id for i in range(40)]
    assert all(len(set(scans[i : i + 4])) == 1 for i in range(0, 40, 4))
    assert set(scans[:20]) == set(scans[20:]) == {record.id for record in RECORDS}


def test_another_configuration_has_another_fingerprint() -> None:
    base = make().fingerprint()
    assert base == make(out="x", workers=3, count=5).fingerprint()
    for change in ({"seed": 2}, {"height": 97}, {"framing": "face"}, {"samples": 3}, {"normal_maps": True}):
        assert make(**change).fingerprint() != base
    assert Plan(make().config, RECORDS[:3], SKIES, PHOTOGRAPHS).fingerprint() != base


@given(
    lens=st.floats(24, 200),
    orbit=st.floats(-math.pi, math.pi),
    elevation=st.floats(-0.4, 1.2),
    roll=st.floats(-0.5, 0.5),
    fill=st.floats(0.3, 1.2),
)
@settings(max_examples=60, deadline=None)
def test_the_region_fills_the_frame_as_drawn(lens: float, orbit: float, elevation: float, roll: float, fill: float) -> None:
    corners = np.array([[x, y, z] for x in (-0.3, 0.4) for y in (-0.2, 0.3) for z in (0.0, 1.8)])
    target = Region(corners, corners.mean(axis=0))
    K = camera_matrix(lens, 400, 300)
    transform = place(K, viewing_rotation(orbit, elevation, roll), target, (400, 300), fill, np.zeros(2), nearest=0.0)
    pixels = project(K, corners @ transform[:3, :3].T + transform[:3, 3])
    spans = np.ptp(pixels, axis=0) / [300, 400]
    assert abs(spans.max() - fill) < 1e-3
    assert np.abs((pixels.min(axis=0) + pixels.max(axis=0)) / 2 - [150, 200]).max() < 0.5


@pytest.mark.parametrize(
    ("orbit", "elevation", "seen"), [(0, 0, [0, -1, 0]), (math.pi / 2, 0, [1, 0, 0]), (0, math.pi / 4, [0, -0.7071, 0.7071])]
)
def test_the_camera_stands_where_the_angles_say(orbit: float, elevation: float, seen: list[float]) -> None:
    rotation = viewing_rotation(orbit, elevation, 0.0)
    assert np.allclose(-rotation[2], seen, atol=1e-4)  # the side of the person that faces the camera
    assert rotation[1] @ [0, 0, 1] < 0  # up in the world is up in the picture
    assert np.isclose(np.linalg.det(rotation), 1)
