"""People from a seed: repeatable, upright, dressed, whole; folders resumed and guarded."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import trimesh

from conf.command import UserError
from datasets.conventions import WORLD_FROM_GLTF
from scans import catalogue, glb
from scans.people import __main__ as people
from scans.people.surface import Surface, catmull_clark, clip, fill, hem, normals, open_edges, triangulate

COUNT, SEED, TEXTURE = 3, 5, 128


@pytest.fixture(scope="module")
def studio():
    from scans.people.person import Studio

    return Studio(TEXTURE)


@pytest.fixture(scope="module")
def persons(studio):
    return [studio.person(SEED, index) for index in range(COUNT)]


@pytest.fixture
def patched(monkeypatch, persons):
    """The command with the model loaded and the people drawn."""
    use(monkeypatch, persons)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, persons):
    out = tmp_path_factory.mktemp("people")
    with pytest.MonkeyPatch.context() as patch:
        use(patch, persons)
        people.run(config(out, COUNT))
    return out


def use(patch, persons):
    import scans.people.person as module

    class Drawn:
        def __init__(self, texture: int) -> None:
            assert texture == TEXTURE

        def person(self, seed: int, index: int):
            assert seed == SEED
            return persons[index]

    patch.setattr(module, "Studio", Drawn)


def config(out: Path, count: int, seed: int = SEED) -> people.Config:
    return people.Config(out=str(out), count=count, seed=seed, texture=TEXTURE)


def loaded(path: Path) -> dict[str, trimesh.Trimesh]:
    """Material -> mesh in the canonical world, as any reader of glTF sees it."""
    scene = trimesh.load(path, process=False)
    return {mesh.visual.material.name: mesh.apply_transform(WORLD_FROM_GLTF) for mesh in scene.dump()}


def test_a_person_depends_on_seed_and_index_alone(folder, studio, tmp_path):
    """The last of three, made alone, later, has the same bytes; its neighbours and another seed do not."""
    person = studio.person(SEED, 2)
    record = next(r for r in catalogue.read(folder) if r.id == "person-000002")
    bytes_then = (folder / record.path).read_bytes()
    extras = glb.read_extras(folder / record.path)
    glb.write(person.mesh, tmp_path / "again.glb", extras)
    assert (tmp_path / "again.glb").read_bytes() == bytes_then
    assert person.attributes != studio.person(SEED + 1, 2).attributes
    assert len({path.read_bytes() for path in folder.glob("*.glb")}) == COUNT


def test_the_catalogue_describes_the_files(folder):
    records = catalogue.read(folder)
    assert [r.id for r in records] == [f"person-{i:06d}" for i in range(COUNT)]
    for record in records:
        meshes = loaded(folder / record.path)
        everything = np.concatenate([mesh.vertices for mesh in meshes.values()])
        np.testing.assert_allclose(record.bounds, [everything.min(axis=0), everything.max(axis=0)], atol=1e-4)
        assert record.vertices == len(everything)
        assert record.faces == sum(len(mesh.faces) for mesh in meshes.values())
        assert 40_000 < record.faces < 150_000
        assert record.head_radius < 0.2 < record.head[2] < record.height_m
        assert record.source == "phidias.people" and record.licence == "CC0-1.0" and record.textured and record.split in catalogue.SPLITS
        assert {"age", "sex", "build", "garments", "monk_tone", "pose"} <= set(record.attributes)


def test_people_stand_on_the_floor_over_the_origin_and_face_minus_y(folder):
    for record in catalogue.read(folder):
        meshes = loaded(folder / record.path)
        everything = np.concatenate([mesh.vertices for mesh in meshes.values()])
        low, high = everything.min(axis=0), everything.max(axis=0)
        assert abs(low[2]) < 1e-5 and 1.3 < high[2] < 2.2 and record.height_m == pytest.approx(high[2], abs=1e-3)
        np.testing.assert_allclose((low + high)[:2] / 2, 0, atol=1e-4)
        shoes = meshes["shoes"].vertices
        for side in (shoes[shoes[:, 0] > np.median(shoes[:, 0])], shoes[shoes[:, 0] <= np.median(shoes[:, 0])]):
            assert side[:, 2].min() < 0.03
        # eyes lie in front of the head's centre, and on one level; shoes' heels are behind their toes
        eyes = meshes["eyes"].vertices.mean(axis=0)
        facing = eyes[:2] - np.array(record.head[:2])
        assert facing[1] < 0 and abs(facing[0]) < -1.5 * facing[1]
        assert abs(eyes[2] - record.head[2]) < 0.08


def test_the_head_sphere_contains_the_head(studio, persons):
    for person in persons:
        skin, eyes = (next(p for p in person.mesh.parts if p.name == name) for name in ("skin", "eyes"))
        centre = np.array(person.head)
        assert np.linalg.norm(eyes.vertices - centre, axis=1).max() < person.head_radius
        face = skin.vertices[skin.vertices[:, 2] > eyes.vertices[:, 2].mean() - 0.07]
        face = face[np.linalg.norm(face - centre, axis=1) < 0.25]  # not a raised hand
        assert np.linalg.norm(face - centre, axis=1).max() < 1.2 * person.head_radius
        assert 0.10 < person.head_radius < 0.18


def test_everyone_is_dressed(persons):
    for person in persons:
        names = {part.name for part in person.mesh.parts}
        assert {"skin", "eyes", "top", "shoes"} <= names and names & {"bottom", "skirt"}
        for part in person.mesh.parts:
            assert np.isfinite(part.vertices).all() and np.isfinite(part.uv).all()
            assert np.asarray(PIL.Image.open(io.BytesIO(part.material.texture.data))).std() > 0
        for smooth in person.mesh.normals():
            np.testing.assert_allclose(np.linalg.norm(smooth, axis=1), 1, atol=1e-3)


def test_surfaces_face_outward(folder):
    """Rays from all around first meet triangles from outside, and the stored normals agree with the winding."""
    for record in catalogue.read(folder):
        whole = trimesh.util.concatenate(list(loaded(folder / record.path).values()))
        agreement = np.einsum("ij,ij->i", whole.face_normals, whole.vertex_normals[whole.faces].mean(axis=1))
        assert (agreement[whole.area_faces > 1e-9] > 0).mean() > 0.99
        for angle in np.linspace(0, 2 * np.pi, 6, endpoint=False):
            forward = np.array([-np.sin(angle), np.cos(angle), 0.0])
            right = np.array([np.cos(angle), np.sin(angle), 0.0])
            across, up = np.meshgrid(np.linspace(-0.5, 0.5, 60), np.linspace(0.02, record.height_m - 0.02, 100))
            origins = -3 * forward + across.reshape(-1, 1) * right + up.reshape(-1, 1) * np.array([0, 0, 1.0])
            hit = whole.ray.intersects_first(origins, np.broadcast_to(forward, origins.shape))
            seen = whole.face_normals[hit[hit >= 0]] @ forward
            assert len(seen) > 300
            assert (seen > 0.05).mean() < 0.01


def test_skin_does_not_come_through_clothes(studio, persons):
    """Rays shot inward at the trunk, where only cloth is, never meet skin first."""
    for person in persons:
        parts = {p.name: trimesh.Trimesh(p.vertices, p.faces, process=False) for p in person.mesh.parts}
        names = list(parts)
        whole = trimesh.util.concatenate(list(parts.values()))
        owner = np.repeat(np.arange(len(names)), [len(parts[name].faces) for name in names])
        top = parts["top"]
        low, high = np.quantile(top.vertices[:, 2], [0.15, 0.5])
        chosen = (top.triangles_center[:, 2] > low) & (top.triangles_center[:, 2] < high)
        chosen &= np.abs(top.triangles_center[:, 0] - np.median(top.vertices[:, 0])) < 0.12  # no sleeves
        assert chosen.sum() > 1000
        centres, outward = top.triangles_center[chosen][::7], top.face_normals[chosen][::7]
        origins = centres + 0.012 * outward
        hit = whole.ray.intersects_first(origins, -outward)
        assert (owner[hit[hit >= 0]] == names.index("skin")).mean() < 0.005


def test_a_second_run_does_nothing_and_loads_nothing(folder, monkeypatch):
    import scans.people.person as module

    def fail(texture: int) -> None:
        raise AssertionError("the model was loaded although nothing was missing")

    monkeypatch.setattr(module, "Studio", fail)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    people.run(config(folder, COUNT))
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize("damage", ["cut", "altered", "empty"])
def test_a_damaged_file_is_made_again(folder, patched, damage):
    path = folder / "person-000001.glb"
    whole = path.read_bytes()
    broken = {"cut": whole[: len(whole) // 2], "altered": whole[:-2000] + bytes(2000), "empty": b""}[damage]
    path.write_bytes(broken)
    people.run(config(folder, COUNT))
    assert path.read_bytes() == whole


def test_another_configuration_is_refused_in_one_line(folder, monkeypatch, capsys):
    with pytest.raises(UserError, match=rf"seed={SEED}"):
        people.run(config(folder, COUNT, seed=SEED + 1))
    monkeypatch.setattr(sys, "argv", ["scans.people", f"out={folder}", "count=1", f"seed={SEED + 1}", f"texture={TEXTURE}"])
    with pytest.raises(SystemExit) as stopped:
        people.main()
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("change", [{"count": 0}, {"seed": -1}, {"texture": 3}])
def test_impossible_keys_are_refused_before_work(tmp_path, change):
    values = {"out": str(tmp_path / "new"), "count": 1, "seed": 0, "texture": 64} | change
    with pytest.raises(UserError, match=next(iter(change))):
        people.run(people.Config(**values))
    assert not os.path.exists(values["out"])


def test_a_smaller_count_keeps_everybody_and_their_splits(folder):
    before = catalogue.read(folder)
    assert people.run(config(folder, 1)) == before


# The algebra of surfaces.

CUBE = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])
CORNERS = np.array([[x, y, z] for z in (0.0, 1) for y in (0.0, 1) for x in (0.0, 1)])


def volume(vertices, faces):
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.einsum("ij,ij->", np.cross(a, b), c) / 6


def test_catmull_clark_of_a_cube():
    """The vertex rule in closed form: a corner of the unit cube moves to 2/9 of the way to the centre's far side."""
    assert volume(CORNERS, triangulate(CUBE)) == pytest.approx(1)
    matrix, quads, outlines = catmull_clark(CUBE, 8, np.ones(6, bool))
    assert quads.shape == (24, 4) and len(outlines) == 0
    np.testing.assert_allclose(np.asarray(matrix.sum(axis=1)).ravel(), 1)  # affine
    vertices = matrix @ CORNERS
    # F = mean of three face centres, R = mean of three edge midpoints, (F + 2R + 0) / 3 at the corner (0,0,0)
    np.testing.assert_allclose(vertices[0], (np.full(3, 1 / 3) + 2 * np.full(3, 1 / 6)) / 3)
    assert volume(vertices, triangulate(quads)) < 1 and len(open_edges(triangulate(quads))) == 0


def test_partial_subdivision_leaves_no_crack():
    split = np.array([True, False, True, False, False, False])
    matrix, quads, outlines = catmull_clark(CUBE, 8, split)
    whole, _ = fill(outlines, np.zeros((len(outlines), 8, 2)))
    faces = np.concatenate([triangulate(quads), whole])
    assert len(open_edges(faces)) == 0
    assert 0 < volume(matrix @ CORNERS, faces) < 1


def test_clip_cuts_a_straight_edge():
    n = 9
    x, y = (g.reshape(-1) for g in np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n)))
    i = np.arange(n * n).reshape(n, n)
    quads = np.stack([i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]], axis=-1).reshape(-1, 4)
    vertices = np.stack([x, y, 0 * x], axis=1)
    faces = triangulate(quads)
    sheet = Surface(vertices, faces, vertices[faces][..., :2], {"x": x, "normal": normals(vertices, faces)})
    cut = clip(sheet, 0.63 - x - 0.2 * y)
    a, b, c = (cut.vertices[cut.faces[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)[:, 2] / 2
    assert (area > 0).all() and area.sum() == pytest.approx(0.63 - 0.1)
    np.testing.assert_allclose(cut.attributes["x"], cut.vertices[:, 0], atol=1e-12)
    np.testing.assert_allclose(cut.uv, cut.vertices[cut.faces][..., :2], atol=1e-12)
    # the hem goes inward by its thickness, and adds two rows of vertices, one of them back under the sheet
    hemmed = hem(cut, 0.01, 0.05)
    added = hemmed.vertices[hemmed.attributes["folded"]]
    np.testing.assert_allclose(added[:, 2], -0.01)
    back = added[len(added) // 2 :]
    along_the_cut = back[(back[:, 0] + 0.2 * back[:, 1] > 0.4) & (np.abs(back[:, 1] - 0.5) < 0.4)]
    np.testing.assert_allclose(along_the_cut[:, 0] + 0.2 * along_the_cut[:, 1], 0.63 - 0.05 * np.hypot(1, 0.2), atol=1e-6)
    # closed, its opening is spanned: the whole is a bag that looks outward everywhere
    bag = hem(cut, 0.01, 0.05, closed=True)
    welded = trimesh.Trimesh(bag.vertices, bag.faces, process=True, merge_tex=True, merge_norm=True)
    assert welded.is_watertight and welded.volume > 0
