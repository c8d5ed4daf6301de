"""Where a scan goes: frames, units, facing and the face, against a figure whose frame is known."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scans import mesh
from scans.canonical import METRES, Options, place
from scans.face import find_face
from scans.mesh import Mesh, Part, clean
from scans.studio import Studio
from tests.scans.figures import (
    AXES,
    FACES,
    FRAMES,
    VERTICES,
    to_file,
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FRAMES), st.sampled_from(sorted(METRES)), st.tuples(*[st.floats(-30, 30)] * 3))
def test_stated_frame_is_undone_exactly(frame, units, offset):
    up, facing = frame
    there = Mesh([Part(to_file(VERTICES, up, facing, units, np.array(offset) / METRES[units]), FACES)])
    placement = place(there, Options(units=units, up=up, facing=facing), detector=None)
    assert np.abs(there.transformed(placement.matrix).vertices - VERTICES).max() < 1e-6
    assert np.linalg.det(placement.matrix[:3, :3]) > 0
    assert not placement.issues


@pytest.mark.parametrize(("units", "frame"), itertools.product(METRES, FRAMES))
def test_frame_is_found_from_proportions_and_feet(units, frame):
    there = Mesh([Part(to_file(VERTICES, *frame, units), FACES)])
    placement = place(there, Options(), detector=None)
    assert np.abs(there.transformed(placement.matrix).vertices - VERTICES).max() < 1e-6
    assert placement.found["units"].startswith(f"{units} (height 1.75 m)")
    assert placement.found["up"].startswith(frame[0])
    assert any("facing" in issue and "feet" in issue for issue in placement.issues)


def test_without_face_and_feet_the_convention_is_assumed_and_said():
    bust = VERTICES[:, 2] > 0.8
    faces = FACES[bust[FACES].all(axis=1)]
    for up, expected in (("y", "+z"), ("z", "-y")):
        there = clean(Mesh([Part(to_file(VERTICES, up, expected), faces)]))
        found = place(there, Options(up=up), detector=None).found["facing"]
        assert found == f"{expected} (assumed: no face found)"


def test_stated_height_wins_over_units():
    placement = place(Mesh([Part(to_file(VERTICES, units="mm"), FACES)]), Options(units="m", height_m=1.6), detector=None)
    assert np.isclose(np.cbrt(np.linalg.det(placement.matrix[:3, :3])), 0.001 * 1.6 / 1.75)


def test_head_is_a_sphere_around_the_top():
    placement = place(Mesh([Part(to_file(VERTICES), FACES)]), Options(), detector=None)
    head = VERTICES[VERTICES[:, 2] > 1.6]
    assert np.linalg.norm(head.mean(axis=0) - placement.head) < 0.1
    assert 0.12 < placement.head_radius < 0.2


HEAD = VERTICES[:, 2] > 1.46
FRONT = VERTICES[HEAD, 1].min()


def _turned(points, degrees):
    """Points turned to the person's left about the upright axis."""
    angle = np.deg2rad(degrees)
    return points @ np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


def _with_red_face(vertices) -> Mesh:
    corners = VERTICES[FACES]
    red = (corners[:, :, 2].max(axis=1) > 1.46) & (corners[:, :, 1].max(axis=1) < FRONT + 1e-6)
    colours = [mesh.Material((1.0, 0.0, 0.0, 1.0)), mesh.Material((0.2, 0.2, 0.2, 1.0))]
    return Mesh([Part(vertices, FACES[red], colours[0]), Part(vertices, FACES[~red], colours[1])])


def _red(picture) -> list[tuple[float, float, float, float]]:
    """A stand-in for the cascade: the box around what is red, scored by how broad it looks, which is how frontal it is."""
    y, x = np.nonzero((picture[..., 0] > 60) & (picture[..., 1] < picture[..., 0] / 2))
    if len(x) < 200 or np.ptp(x) < 0.3 * np.ptp(y) or np.ptp(x) > np.ptp(y):
        return []
    size = float(np.ptp(y))
    return [((x.min() + x.max() - size) / 2, float(y.min()), size, 4 * np.ptp(x) / size)]


@pytest.mark.parametrize("up", ["y", "z"])
def test_face_is_found_where_it_is(up):
    there = _with_red_face(to_file(_turned(VERTICES, 37.0), up, "+x", offset=(3.0, -2.0, 5.0)))
    low, high = there.vertices.min(axis=0), there.vertices.max(axis=0)
    with Studio(there) as studio:
        face = find_face(studio, np.array(AXES[f"+{up}"], float), (low + high) / 2, 0.55 * (high - low).max(), _red)
    assert face is not None
    ahead, middle = to_file(_turned(np.array([[0.0, -1.0, 0.0], [VERTICES[HEAD, 0].mean(), FRONT, 1.6]]), 37.0), up, "+x")
    assert np.degrees(np.arccos(face.facing @ ahead)) < 3.0
    assert np.linalg.norm(face.centre - np.add(middle, [3.0, -2.0, 5.0])) < 0.03
    assert abs(face.width - 0.3) < 0.02


def test_a_stated_facing_that_the_face_contradicts_is_doubted():
    there = _with_red_face(to_file(VERTICES))
    placement = place(there, Options(units="m", up="y", facing="-z"), detector=_red)
    assert any("stated facing -z" in issue for issue in placement.issues)
    assert placement.matrix[:3, :3] @ [0, 0, -1] == pytest.approx([0, -1, 0])  # what is stated wins all the same


@pytest.mark.parametrize(("degrees", "kept"), [(37.0, 0.0), (-97.0, -7.0)])
def test_small_turns_are_the_persons_and_large_ones_the_files(degrees, kept):
    there = _with_red_face(to_file(_turned(VERTICES, degrees)))
    placement = place(there, Options(units="m", up="y"), detector=_red)
    ahead = placement.matrix[:3, :3] @ to_file(_turned(np.array([[0.0, -1.0, 0.0]]), degrees))[0]
    assert abs(np.degrees(np.arctan2(ahead[0], -ahead[1])) - kept) < 3.0
    assert placement.found["head"] == "face"


def test_head_scan_takes_its_scale_from_the_face():
    """A head 8 units tall must not become a person of 1.7 m."""
    whole = _with_red_face(VERTICES)
    parts = [dataclasses.replace(part, faces=part.faces[HEAD[part.faces].all(axis=1)]) for part in whole.parts]
    head = clean(Mesh(parts))
    unit = np.ptp(head.vertices[:, 2]) / 8.0
    head = head.transformed(np.diag([1 / unit, 1 / unit, 1 / unit, 1.0]))
    placement = place(head, Options(), detector=lambda picture: [(x, y, size * 0.6, score) for x, y, size, score in _red(picture)])
    assert placement.found["up"].startswith("z") and placement.found["facing"].startswith("-y")
    assert 0.2 < np.ptp(head.transformed(placement.matrix).vertices[:, 2]) < 0.4
    assert any("units" in issue and "adult" in issue for issue in placement.issues)


def test_the_cascade_finds_a_real_face():
    anny = pytest.importorskip("anny")
    model = anny.Anny()
    body = model(phenotype_kwargs={})["vertices"][0].detach().numpy().astype(np.float64)
    faces = model.faces.numpy()
    faces = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]]) if faces.shape[1] == 4 else faces
    there = clean(Mesh([Part(to_file(body, "y", "-x", "cm"), faces)]))
    found = place(there, Options()).found
    assert found["up"] == "y (upright face)" and found["units"].startswith("cm") and found["facing"].startswith("-x (face")
