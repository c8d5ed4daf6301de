"""The plan depends on (seed, index) alone, and frames what it says."""

import dataclasses
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from conf.command import UserError
from render.config import BackdropConfig, CameraConfig, DevelopConfig, LightConfig, PeopleConfig, RenderConfig, check
from render.lens import Region, camera_matrix, place, project, viewing_rotation
from render.plan import Plan
from render.spec import SceneSpec
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
    scans = [make().people(i)[0].id for i in range(40)]
    assert all(len(set(scans[i : i + 4])) == 1 for i in range(0, 40, 4))
    assert set(scans[:20]) == set(scans[20:]) == {record.id for record in RECORDS}


def test_a_turn_shares_its_people_and_its_environment() -> None:
    specs = [make(people=PeopleConfig(group=[1, 1, 1, 1])).spec(i) for i in range(160)]
    turns = [specs[i : i + 4] for i in range(0, 160, 4)]
    for turn in turns:
        assert len({tuple(s.scan for s in spec.subjects) for spec in turn}) == len({spec.lighting.environment for spec in turn}) == 1
        assert len({spec.lighting.rotation for spec in turn}) == 4  # the light still comes from elsewhere each time
    assert {len(turn[0].subjects) for turn in turns} == {1, 2, 3, 4}
    assert {turn[0].lighting.environment for turn in turns} == set(SKIES)


def test_people_in_a_group_stand_apart_on_the_floor() -> None:
    reach = 0.12 * math.sqrt(2)  # of a sphere's bounds
    plan = make(people=PeopleConfig(group=[0, 0, 0, 1], gap_m=[0.1, 0.4]))
    for spec in (plan.spec(i, attempt) for i in range(0, 100, 4) for attempt in range(4)):
        places = np.array([subject.world_from_scan for subject in spec.subjects])
        assert np.allclose(places[:, 2], [0, 0, 1, 0]) and np.allclose(places[0], np.eye(4))
        assert np.allclose(np.linalg.det(places[:, :3, :3]), 1)
        between = np.linalg.norm(places[:, None, :2, 3] - places[None, :, :2, 3], axis=-1) + 9 * np.eye(4)
        assert between.min() > 2 * reach + 0.1 - 1e-6  # nobody inside anybody
        assert between.min(axis=1).max() < 2 * reach + 0.4 + 1e-6  # and nobody lost


def test_proportions_are_the_ones_asked_for() -> None:
    plan = make(
        people=PeopleConfig(mix=[0, 1, 3]),
        backdrop=BackdropConfig(environment=0, other=1, photograph=1, studio=2, floor=0.25),
        light=LightConfig(lamps=[0, 1, 0, 1], sun=1.0),
        develop=DevelopConfig(standard=0, filmic=1, agx=1),
    )
    specs = [plan.spec(i) for i in range(400)]

    def share(is_so: Callable[[SceneSpec], bool]) -> float:
        return sum(map(is_so, specs)) / len(specs)

    assert share(lambda s: s.framing == "full") == pytest.approx(0.75, abs=0.08) and share(lambda s: s.framing == "face") == 0
    assert share(lambda s: s.backdrop.kind == "studio") == pytest.approx(0.5, abs=0.08) and share(lambda s: s.backdrop.floor) < 0.35
    assert {len(s.lighting.lamps) for s in specs} == {1, 3} and all(lamp.kind == "sun" for s in specs for lamp in s.lighting.lamps)
    assert all(s.backdrop.file != s.lighting.environment for s in specs if s.backdrop.kind == "other")
    assert share(lambda s: s.development.curve == "agx") == pytest.approx(0.5, abs=0.08)


def test_a_frame_is_its_record() -> None:
    for index in range(40):
        spec = make(light=LightConfig(lamps=[0, 0, 1])).spec(index)
        assert SceneSpec.from_meta(json.loads(json.dumps({**spec.meta(), "versions": {}}))) == spec


def test_subjects_tell_the_joints_that_are_known() -> None:
    points = {"nose": [0.0, -0.1, 1.6], "left_heel": [0.1, 0.0, 0.05], "face-3": [0.0, 0.0, 1.6], "left_hand_root": [0.4, 0.0, 1.0]}
    known = [dataclasses.replace(record, keypoints=points) for record in RECORDS]
    plan = Plan(make().config, known, SKIES, PHOTOGRAPHS)
    for spec, blind in ((plan.spec(index), make().spec(index)) for index in range(8)):
        assert blind.subjects[0].joints == {"head": RECORDS[0].head} and blind.camera == spec.camera
        (subject, *_) = json.loads(json.dumps(spec.meta()))["subjects"]
        assert subject["joints"] == {"nose": points["nose"], "left_heel": points["left_heel"], "head": list(RECORDS[0].head)}
        assert subject["head_radius"] == RECORDS[0].head_radius
        assert SceneSpec.from_meta(spec.meta()) == spec == SceneSpec.from_meta(json.loads(json.dumps(spec.meta())))
    assert plan.fingerprint() != make().fingerprint()  # frames of the two may not lie in one set


@pytest.mark.parametrize("path", sorted(Path("conf/experiment/render").glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_make_frames(path: Path) -> None:
    merged = OmegaConf.merge(OmegaConf.structured(RenderConfig), OmegaConf.load(path), {"scans": "", "out": "", "count": 9})
    config = OmegaConf.to_object(merged)
    assert isinstance(config, RenderConfig)
    check(config)
    specs = [Plan(config, RECORDS, SKIES, PHOTOGRAPHS).spec(i) for i in range(30)]
    assert {len(spec.subjects) for spec in specs} == {1} and {spec.framing for spec in specs} == {"face", "upper", "full"}
    assert {spec.backdrop.kind for spec in specs} == {"environment"} and not any(spec.camera.f_number for spec in specs)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"camera": CameraConfig(lens_mm=[0.0, 50.0])}, r"camera\.lens_mm=\[0\.0, 50\.0\]: must be above 0"),
        ({"camera": CameraConfig(fill=[1.0, 0.5])}, r"camera\.fill=.*give a range"),
        ({"people": PeopleConfig(group=[0.0, 0.0])}, r"people\.group=.*proportions, not all 0"),
        ({"people": PeopleConfig(group=[1, 1, 1, 1, 1])}, r"people\.group=.*1 to 4"),
        ({"light": LightConfig(sun=-0.1)}, r"light\.sun=-0\.1: must not be negative"),
        ({"develop": DevelopConfig(standard=0, filmic=0, agx=0)}, r"develop: all of standard, filmic, agx are 0"),
        ({"samples": 0}, r"samples=0: must be at least 1"),
    ],
)
def test_values_that_cannot_be_rendered_are_named(changes: dict[str, Any], complaint: str) -> None:
    check(make().config)
    with pytest.raises(UserError, match=complaint):
        check(dataclasses.replace(make().config, **changes))


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
