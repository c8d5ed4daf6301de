"""The contact sheet: what its layers hold, that anybody's catalogue makes one, and the same one every time."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import trimesh

from scans import catalogue, glb
from scans.canonical import Options
from scans.ingest import ingest
from scans.mesh import WHITE, Material, Mesh, Part, Picture
from scans.portrait import background, lit, normals, over
from scans.preview import caption, card
from scans.studio import Layers, Studio
from tests.scans.figures import PNG, ROOT, write_obj
from tests.scans.test_catalogue import RECORD

RADIUS, CENTRE, SIZE, HALF = 0.3, np.array([0.1, -0.2, 1.0]), 240, 0.4
VIEWS = {"front": [(1, 0, 0), (0, 0, 1)], "side": [(0, 1, 0), (0, 0, 1)], "back": [(-1, 0, 0), (0, 0, 1)], "above": [(1, 0, 0), (0, 1, 0)]}


def sphere(**changes) -> Part:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=RADIUS)
    return replace(Part(np.asarray(ball.vertices) + CENTRE, np.asarray(ball.faces)), **changes)


@pytest.mark.parametrize("view", VIEWS)
def test_layers_of_a_sphere_are_the_analytic_ones(view):
    right, up = np.array(VIEWS[view], float)
    with Studio(Mesh([sphere()]), SIZE) as studio:
        layers = studio.layers(right, up, CENTRE, HALF)
        _, points = studio.view(right, up, CENTRE, HALF)
    steps = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF
    x, y = np.meshgrid(steps, -steps)
    away = np.hypot(x, y)
    inside = away < 0.9 * RADIUS
    z = np.sqrt(np.maximum(RADIUS**2 - away**2, 0))
    expected = np.stack([x, y, z], axis=-1) / RADIUS  # whatever the view, a sphere's normal in camera axes is this
    angle = np.degrees(np.arccos(np.clip(np.sum(layers.normal * expected, axis=-1), -1, 1)))
    assert angle[inside].max() < 1.5
    np.testing.assert_allclose(layers.height[inside], z[inside], atol=4e-3)  # a pixel is 3.3 mm wide
    assert (layers.coverage[inside] == 1).all() and (layers.coverage[away > 1.05 * RADIUS] == 0).all()
    assert layers.coverage.sum() * (2 * HALF / SIZE) ** 2 == pytest.approx(np.pi * RADIUS**2, rel=0.01)
    assert np.isneginf(layers.height[away > 1.05 * RADIUS]).all() and (layers.normal[away > 1.05 * RADIUS] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(points[inside] - CENTRE, axis=1), RADIUS, atol=4e-3)


def test_edges_within_a_person_are_covered():
    """Where a pixel mixes two surfaces that face apart, as at an arm before the trunk, nothing shines through."""
    wall = trimesh.creation.box(bounds=[(-1, 0.2, 0), (1, 0.3, 2)])
    mesh = Mesh([sphere(), Part(np.asarray(wall.vertices), np.asarray(wall.faces))])
    with Studio(mesh, SIZE) as studio:
        layers = studio.layers(np.array([1.0, 0, 0]), np.array([0, 0, 1.0]), CENTRE, HALF)
    assert (layers.coverage[1:-1, 1:-1] == 1).all()


def test_albedo_is_the_texture_without_light():
    picture = Picture(PNG, "image/png")
    part = sphere(uv=np.full((len(sphere().vertices), 2), [0.53, 0.53]), material=Material(WHITE, picture))
    with Studio(Mesh([part]), SIZE) as studio:
        layers = studio.layers(np.array([1.0, 0, 0]), np.array([0, 0, 1.0]), CENTRE, HALF)
    seen = layers.albedo[layers.coverage > 0]
    assert np.ptp(seen, axis=0).max() < 0.06  # also at the rim, where pixels mix with the background


def test_normals_are_coloured_as_in_the_datasets():
    with Studio(Mesh([sphere()]), SIZE) as studio:
        colour, coverage = normals(studio.layers(np.array([1.0, 0, 0]), np.array([0, 0, 1.0]), CENTRE, HALF))
    picture, middle, out = over((colour, coverage), background(SIZE // 2, SIZE // 2)).astype(int), SIZE // 4, int(0.25 / HALF * SIZE / 4)
    assert picture.shape == (SIZE // 2, SIZE // 2, 3)
    assert (abs(picture[middle, middle] - [128, 128, 255]) < 8).all()  # toward the camera
    assert picture[middle, middle + out, 0] > 220 and picture[middle - out, middle, 1] > 220  # x right, y up


def flat(height: np.ndarray) -> Layers:
    normal = np.broadcast_to([0.0, 0.0, 1.0], (*height.shape, 3))
    return Layers(np.ones_like(height), np.full((*height.shape, 3), 0.5), normal, height)


def test_light_falls_from_above_and_not_into_corners():
    plane = np.zeros((80, 80))
    open_plane = lit(flat(plane), 0.005)[0][20, 20]
    cliff = plane + np.where(np.arange(80) < 40, 0.0, 0.06)
    beside_a_cliff = lit(flat(cliff), 0.005)[0]
    assert (beside_a_cliff[20, 18] < 0.95 * open_plane).all() and (beside_a_cliff[20, 5] > beside_a_cliff[20, 18]).all()
    with Studio(Mesh([sphere()]), SIZE) as studio:
        picture, _ = lit(studio.layers(np.array([1.0, 0, 0]), np.array([0, 0, 1.0]), CENTRE, HALF), 2 * HALF / SIZE)
    middle, out = SIZE // 4, int(0.22 / HALF * SIZE / 4)
    assert picture[middle - out, middle].mean() > 1.2 * picture[middle + out, middle].mean()


def test_a_wide_person_is_not_cut():
    """A pole 1.9 m wide is drawn smaller, so that both its ends are in its tile."""
    pole = trimesh.creation.box(bounds=[(-0.95, -0.05, 1.3), (0.95, 0.05, 1.4)]).subdivide_to_size(0.06)
    record = replace(RECORD, bounds=((-0.95, -0.05, 0.0), (0.95, 0.05, 1.4)), head=(0.0, 0.0, 1.35), head_radius=0.1)
    mesh = Mesh([Part(np.asarray(pole.vertices), np.asarray(pole.faces))])
    picture = card(record, mesh, 200)[10:200, 4 : 4 + 4 * 96].astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (picture.min(axis=2) < 150).any(axis=0).astype(int), [0]])))
    lengths = np.diff(edges)[::2]  # of what is seen, from left to right: front, side, back, normals
    metre = lengths[0] / 1.9
    np.testing.assert_allclose(lengths, np.array([1.9, 0.1, 1.9, 1.9]) * metre, atol=2)
    assert edges[0] > 0 and edges[-1] < 4 * 96 and metre == pytest.approx(4 * 96 / (3 * 1.9 + 0.1 + 4 * 0.12), rel=0.03)


def test_the_face_is_seen_from_where_it_looks():
    """A head turned by half a right angle has the same picture as one that is not, if its ears are in the record."""

    def face(degrees: float, known: bool) -> np.ndarray:
        turn = trimesh.transformations.rotation_matrix(np.radians(degrees), [0, 0, 1])
        ears = {"left_ear": (turn[:3, :3] @ [0.08, 0, 0]).tolist(), "right_ear": (turn[:3, :3] @ [-0.08, 0, 0]).tolist()}
        nose = trimesh.creation.box(bounds=[(-0.02, -0.2, -0.03), (0.02, 0, 0.03)])
        head = trimesh.util.concatenate([trimesh.creation.icosphere(subdivisions=3, radius=0.1), nose])
        head.apply_transform(turn)
        mesh = Mesh([Part(np.asarray(head.vertices) + np.array([0, 0, 1.5]), np.asarray(head.faces))])
        bounds = ((-0.2, -0.2, 0.0), (0.2, 0.2, 1.6))
        record = replace(RECORD, bounds=bounds, head=(0.0, 0.0, 1.5), head_radius=0.1, keypoints=ears if known else {})
        return card(record, mesh, 200)[4:204, 4 + 4 * 96 :].astype(float)

    straight = face(0, True)
    assert np.abs(face(45, True) - straight).mean() < 1 < 4 < np.abs(face(45, False) - straight).mean()


def test_captions_say_what_is_known():
    attributes = {"sex": "female", "age": 40, "monk_tone": 3.2, "garments": ["jeans", "shirt"], "pose": "walk", "hair": "grey bun"}
    who, what = caption(replace(RECORD, attributes=attributes))
    assert "female, 40" in who and "1.70 m" in who and "Monk 3" in who and what == "jeans, shirt  ·  grey bun  ·  walk"
    assert caption(RECORD)[1] == "no albedo" and "b" in caption(RECORD)[0]


def test_the_command_shows_ingested_scans_the_same_way_every_time(tmp_path):
    for name in ("anna", "ben", "eve"):
        write_obj(tmp_path / "in" / name, name)
    ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)
    run = lambda *keys: subprocess.run(
        [sys.executable, "-m", "scans.preview", f"catalogue={tmp_path / 'out'}", "height=100", *keys],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    done = run()
    assert done.returncode == 0 and "sheet.png: 3 people" in done.stdout, done.stderr
    first = (tmp_path / "out" / "sheet.png").read_bytes()
    assert run(f"out={tmp_path / 'again.png'}").returncode == 0
    assert (tmp_path / "again.png").read_bytes() == first
    assert run("count=2", "columns=1", f"out={tmp_path / 'two.jpg'}").returncode == 0
    with PIL.Image.open(tmp_path / "two.jpg") as two, PIL.Image.open(tmp_path / "again.png") as all_three:
        assert two.format == "JPEG" and two.width <= all_three.width and np.asarray(two).std() > 10
    both = run(f"catalogue=[{tmp_path / 'out'},{tmp_path / 'out'}]", "columns=1", "count=2", f"out={tmp_path / 'both.png'}")
    assert "both.png: 4 people" in both.stdout
    sheet = np.asarray(PIL.Image.open(tmp_path / "both.png"))
    np.testing.assert_array_equal(*np.split(sheet, 2))  # two of the one, then two of the other


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["catalogue=nowhere"], "nowhere"),
        (["catalogue={}", "count=0"], "count=0"),
        (["catalogue={}", "out=a.gif"], "out=a.gif"),
        (["catalogue={}"], "a.glb"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(tmp_path, keys, said):
    catalogue.write(tmp_path, [replace(RECORD, path="a.glb")])
    (tmp_path / "a.glb").write_bytes(b"glTF")
    assert glb.read_extras(tmp_path / "a.glb") is None
    given = [key.format(tmp_path) for key in keys]
    done = subprocess.run([sys.executable, "-m", "scans.preview", *given], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
