"""People from a seed: repeatable, upright, dressed, whole."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh

from datasets.conventions import WORLD_FROM_GLTF
from scans import glb
from scans.mesh import Part
from scans.people.edging import THICKNESS_M
from scans.people.labels import Label
from scans.people.person import BadPerson
from scans.people.surface import normals
from scans.people.wanted import Wanted

SEED = 5
#: Index -> what is asked of this person.
WANTED = {
    4: Wanted(),
    6: Wanted(sex=("female",), age=(20, 30), garments=("dress", "skirt"), pose=("standing",), stature_m=(1.5, 1.6)),
    7: Wanted(sex=("male",), age=(60, 70), garments=("shirt",), pose=("walking",), tone=(8, 10), build=(0.7, 0.9)),
}
ALWAYS = {
    Label.FACE_NECK, Label.UPPER_CLOTHING, Label.EYES, Label.BROWS_LASHES, Label.UPPER_LIP, Label.LOWER_LIP, Label.UPPER_TEETH,
    Label.LOWER_TEETH, Label.TONGUE, Label.LEFT_HAND, Label.RIGHT_HAND, Label.LEFT_SHOE, Label.RIGHT_SHOE,
}  # fmt: skip


@pytest.fixture(scope="module")
def drawn(studio):
    """Index -> a person, and what the dresser was given and gave: outfit, posed skin, garments by kind."""
    made, seen = {}, {}

    def dress(outfit, shaped, bones):
        worn = dresser.dress(outfit, shaped, bones)
        seen.update(outfit=outfit, base=shaped.skin(bones), worn=worn)
        return worn

    dresser = studio.dresser
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio, "dresser", SimpleNamespace(dress=dress))
        for index, wanted in WANTED.items():
            made[index] = SimpleNamespace(person=studio.person(SEED, index, wanted), **seen)
    return made


@pytest.fixture(scope="module")
def persons(drawn):
    return [one.person for one in drawn.values()]


def everything(person):
    return np.concatenate([part.vertices for part in person.mesh.parts])


def kinds(one):
    return [garment.cut.kind for garment in one.outfit.garments]


def part_of(person, name):
    return next(part for part in person.mesh.parts if part.name == name)


def solid(part):
    return trimesh.Trimesh(part.vertices, part.faces, process=False)


def test_a_person_depends_on_seed_and_index_alone(drawn, studio, tmp_path):
    """The first of three, made again after the others, has the same bytes; the attributes are JSON."""
    person = drawn[4].person
    again = studio.person(SEED, 4, Wanted())
    for name, one in (("first", person), ("again", again)):
        glb.write(one.mesh.separated(), tmp_path / f"{name}.glb", {"record": one.attributes})
    assert (tmp_path / "first.glb").read_bytes() == (tmp_path / "again.glb").read_bytes()
    assert replace(again, mesh=person.mesh) == person
    assert json.loads(json.dumps(person.attributes)) == person.attributes == glb.read_extras(tmp_path / "first.glb")["record"]
    # a stranger's reader finds the same person in the file
    scene = trimesh.load_scene(tmp_path / "first.glb", process=False).to_mesh().apply_transform(WORLD_FROM_GLTF)
    np.testing.assert_allclose(scene.bounds, person.bounds, atol=1e-4)
    assert len(scene.faces) == sum(len(part.faces) for part in person.mesh.parts)


def test_wishes_are_granted(drawn):
    for index, wanted in WANTED.items():
        said = drawn[index].person.attributes
        assert wanted.sex is None or said["sex"] in wanted.sex
        assert wanted.garments is None or set(kinds(drawn[index])) & set(wanted.garments)
        assert wanted.pose is None or said["pose_family"] in wanted.pose
        for name, value in (
            ("age", said["age"]),
            ("tone", said["monk_tone"]),
            ("stature_m", said["stature_m"]),
            ("build", said["build"]["weight"]),
        ):
            least, most = getattr(wanted, name) or (-np.inf, np.inf)
            assert least <= value <= most


def test_people_stand_on_the_floor_over_the_origin_and_face_minus_y(drawn):
    for index, one in drawn.items():
        person = one.person
        low, high = everything(person).min(axis=0), everything(person).max(axis=0)
        np.testing.assert_allclose(person.bounds, [low, high], atol=1e-4)
        assert abs(low[2]) < 1e-5 and person.height_m == pytest.approx(high[2], abs=1e-4) and 0.4 < high[2] < 2.2
        np.testing.assert_allclose((low + high)[:2] / 2, 0, atol=1e-4)
        points = {name: np.array(point) for name, point in person.keypoints.items()}
        assert points["left_hip"][0] > points["right_hip"][0] + 0.05
        if WANTED[index].pose:
            assert high[2] > 1.4 and points["nose"][1] < points["left_ear"][1] and points["nose"][1] < points["right_ear"][1]
            assert points["left_hip"][2] > points["left_knee"][2] > points["left_ankle"][2]
            assert min(points["left_ankle"][2], points["right_ankle"][2]) < 0.18


def test_keypoints_are_within_bounds_and_the_head_sphere_contains_the_head(persons):
    for person in persons:
        points = np.array(list(person.keypoints.values()))
        low, high = np.array(person.bounds)
        assert points.shape == (133, 3) and (points > low - 1e-3).all() and (points < high + 1e-3).all()
        features = [point for name, point in person.keypoints.items() if name.startswith("face-") or name.endswith(("eye", "ear"))]
        features = np.concatenate([features, part_of(person, "eyes").vertices])
        assert len(features) > 72 and np.linalg.norm(features - np.array(person.head), axis=1).max() < 1.2 * person.head_radius
        assert 0.09 < person.head_radius < 0.18


def test_meshes_are_whole_and_within_budget(persons):
    for person in persons:
        assert 40_000 < sum(len(part.faces) for part in person.mesh.parts) < 300_000
        assert len({id(part.material) for part in person.mesh.parts}) == 1  # one atlas for all
        for part in person.mesh.parts:
            assert np.isfinite(part.vertices).all() and part.faces.min() == 0 and part.faces.max() == len(part.vertices) - 1
            assert part.uv.min() >= 0 and part.uv.max() <= 1
        for smooth in person.mesh.normals():
            np.testing.assert_allclose(np.linalg.norm(smooth, axis=1), 1, atol=1e-3)


def test_every_face_has_a_label(drawn):
    for one in drawn.values():
        found = set()
        for part in one.person.mesh.parts:
            assert part.labels.dtype == np.uint8 and len(part.labels) == len(part.faces)
            found |= {Label(label) for label in np.unique(part.labels)}
        assert found >= ALWAYS and Label.BACKGROUND not in found
        assert (Label.LOWER_CLOTHING in found) == ("dress" not in kinds(one))
        assert (Label.HAIR in found) == ("shaved" not in one.person.attributes["hair"])
        assert (Label.BEARD in found) == bool(one.person.attributes["beard"])


def test_left_is_plus_x(persons):
    for person in persons[1:]:  # who stand and walk
        corners = {
            label: np.concatenate([part.vertices[part.faces[part.labels == label]].reshape(-1, 3) for part in person.mesh.parts])
            for label in (Label.LEFT_SHOE, Label.RIGHT_SHOE)
        }
        assert corners[Label.LEFT_SHOE][:, 0].mean() > corners[Label.RIGHT_SHOE][:, 0].mean() + 0.05


def test_cloth_lies_outside_of_the_body(drawn, studio):
    """All of the posed skin counts, also what is not kept in the mesh. Cloth that limbs squeeze may be a little inside."""
    used, faces = np.unique(studio.quads, return_inverse=True)
    faces = faces.reshape(-1, 3)
    for one in drawn.values():
        skin = trimesh.Trimesh(one.base[used], faces, process=False)
        for cloth in one.worn.values():
            outer = cloth.vertices[~cloth.attributes["folded"]]
            out = normals(cloth.vertices, cloth.faces)[~cloth.attributes["folded"]]
            place, ray, hit = skin.ray.intersects_location(outer, out, multiple_hits=False)
            depth = np.linalg.norm(place - outer[ray], axis=1)
            inside = (np.einsum("ri,ri->r", skin.face_normals[hit], out[ray]) > 0) & (depth < 0.05)
            assert inside.sum() < 0.06 * len(outer) and (inside & (depth > 0.01)).sum() < 0.02 * len(outer)


def test_skin_does_not_come_through_clothes(drawn):
    """From hardly any place on cloth is there skin a little farther out."""
    for one in drawn.values():
        skin = solid(part_of(one.person, "skin"))
        for kind in one.worn:
            cloth = solid(part_of(one.person, kind))
            place, ray, hit = skin.ray.intersects_location(cloth.triangles_center, cloth.face_normals, multiple_hits=False)
            near = np.linalg.norm(place - cloth.triangles_center[ray], axis=1) < 0.02
            through = near & (np.einsum("ri,ri->r", skin.face_normals[hit], cloth.face_normals[ray]) > 0)
            assert cloth.area_faces[ray[through]].sum() < 0.01 * cloth.area


def test_layers_lie_over_one_another(drawn):
    """An outer layer is outside the ones below it nearly everywhere: rays inward from it meet them, rays outward do not."""
    for one in drawn.values():
        pairs = [(under, over) for number, under in enumerate(kinds(one)) for over in kinds(one)[number + 1 :]]
        for under, over in pairs:
            below, cloth = solid(part_of(one.person, under)), solid(part_of(one.person, over))
            place, ray, hit = below.ray.intersects_location(cloth.triangles_center, cloth.face_normals, multiple_hits=False)
            near = np.linalg.norm(place - cloth.triangles_center[ray], axis=1) < 10 * THICKNESS_M
            through = near & (np.einsum("ri,ri->r", below.face_normals[hit], cloth.face_normals[ray]) > 0)
            assert cloth.area_faces[ray[through]].sum() < 0.02 * cloth.area


def test_clothes_cover_what_they_should(drawn, studio):
    """Rays from outside toward the trunk meet cloth before skin at chest and hips."""
    for one in drawn.values():
        names = [part.name for part in one.person.mesh.parts]
        whole = trimesh.util.concatenate([solid(part) for part in one.person.mesh.parts])
        owner = np.repeat(np.arange(len(names)), [len(part.faces) for part in one.person.mesh.parts])
        points = {name: np.array(point) for name, point in one.person.keypoints.items()}
        middle = (points["left_hip"] + points["right_hip"]) / 2
        neck = (points["left_shoulder"] + points["right_shoulder"]) / 2
        across = points["left_hip"] - points["right_hip"]
        ahead = np.cross(neck - middle, across)
        ahead /= -np.linalg.norm(ahead)
        for share in (0.0, 0.6):
            start = middle + share * (neck - middle)
            for way in (ahead, -ahead):
                hit = whole.ray.intersects_first((start + 0.5 * way)[None], -way[None])
                assert hit[0] >= 0
                assert names[owner[hit[0]]] != "skin"


def test_surfaces_face_outward(drawn):
    """Rays from all around first meet triangles from outside, but where one looks into a hood or a hem; hair is thin."""
    for one in drawn.values():
        solids = [part for part in one.person.mesh.parts if part.name not in ("hair", "brows", "beard")]
        whole = trimesh.util.concatenate([solid(part) for part in solids])
        cloth = np.repeat([part.name in kinds(one) for part in solids], [len(part.faces) for part in solids])
        high = one.person.height_m
        for angle in np.linspace(0, 2 * np.pi, 6, endpoint=False):
            forward = np.array([-np.sin(angle), np.cos(angle), 0.0])
            right = np.array([np.cos(angle), np.sin(angle), 0.0])
            across, up = np.meshgrid(np.linspace(-0.5, 0.5, 60), np.linspace(0.02, high - 0.02, 100))
            origins = -3 * forward + across.reshape(-1, 1) * right + up.reshape(-1, 1) * np.array([0, 0, 1.0])
            hit = whole.ray.intersects_first(origins, np.broadcast_to(forward, origins.shape))
            hit = hit[hit >= 0]
            away = whole.face_normals[hit] @ forward > 0.05
            assert len(hit) > 300 and (away & ~cloth[hit]).mean() < 0.005
            assert (away & cloth[hit]).mean() < (0.1 if "hoodie" in kinds(one) else 0.02)


def test_a_person_whose_skin_shows_from_the_inside_is_refused(studio):
    """A closed ball in the place of a person passes, one that is open in front does not."""
    base = np.asarray(studio.body.template)
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.8)
    whole = Part(np.asarray(ball.vertices), np.asarray(ball.faces), labels=np.full(len(ball.faces), Label.TORSO))
    ahead = whole.vertices[whole.faces].mean(axis=1)[:, 1] < -0.75
    assert studio._stand([whole], base, {}).height_m == pytest.approx(1.6, abs=0.01)
    with pytest.raises(BadPerson, match="skin is seen from the inside"):
        studio._stand([replace(whole, faces=whole.faces[~ahead], labels=whole.labels[~ahead])], base, {})
