"""The catalogue's files: what is written is read, labels stay on their faces, a shared picture is stored once."""

import io
import json
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from scans import glb
from scans.mesh import Material, Mesh, Part, Picture, clean
from tests.scans.figures import ROOT, read_tree

SPHERE = trimesh.creation.icosphere(subdivisions=2, radius=0.5)


def picture(colour) -> Picture:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (4, 4), colour).save(stream, format="PNG")
    return Picture(stream.getvalue(), "image/png")


def sphere(labels=None, material=None, name="", offset=0.0) -> Part:
    vertices = np.asarray(SPHERE.vertices) + np.array([offset, 0.0, 0.5])
    uv = np.asarray(SPHERE.vertices)[:, :2] + 0.5
    return Part(vertices, np.asarray(SPHERE.faces), material or Material(), uv, name=name, labels=labels)


@given(st.lists(st.integers(0, 255), min_size=len(SPHERE.faces), max_size=len(SPHERE.faces)))
@settings(max_examples=20, deadline=None)
def test_labels_stay_on_their_faces(tmp_path_factory, labels):
    """However labels are scattered, each face comes back with its corners and its label."""
    part, path = sphere(np.array(labels, np.uint8)), tmp_path_factory.mktemp("labels") / "a.glb"
    glb.write(Mesh([part]), path)
    (back,) = glb.read(path).parts
    np.testing.assert_array_equal(back.labels, part.labels)
    np.testing.assert_allclose(back.vertices[back.faces], part.vertices[part.faces], atol=1e-6)
    np.testing.assert_allclose(back.uv[back.faces], part.uv[part.faces], atol=1e-6)


def test_vertices_are_doubled_only_between_labels():
    halves = sphere(np.where(SPHERE.triangles_center[:, 2] > 0, 7, 9).astype(np.uint8))
    separated = halves.separated()
    shared = np.intersect1d(halves.faces[halves.labels == 7], halves.faces[halves.labels == 9])
    assert len(shared) > 0 and len(separated.vertices) == len(halves.vertices) + len(shared)
    assert separated.separated().faces.tolist() == separated.faces.tolist()
    assert len(sphere(np.zeros(len(SPHERE.faces), np.uint8)).separated().vertices) == len(halves.vertices)
    # labels do not show: the seam's normals are those of the whole
    normals = Mesh([separated]).normals()[0]
    np.testing.assert_allclose(normals, separated.vertices / 0.5 - [0, 0, 1], atol=0.02)


def test_labels_survive_cleaning_and_other_readers(tmp_path):
    labels = np.arange(len(SPHERE.faces), dtype=np.uint8)
    part = sphere(labels)
    doubled = Part(part.vertices, np.concatenate([part.faces[:1], part.faces]), uv=part.uv, labels=np.concatenate([labels[:1], labels]))
    np.testing.assert_array_equal(clean(Mesh([doubled])).parts[0].labels, labels)
    glb.write(Mesh([part]), tmp_path / "a.glb")
    (theirs,) = trimesh.load(tmp_path / "a.glb", process=False).geometry.values()
    at_corners = np.asarray(theirs.vertex_attributes["_PART"]).reshape(-1)[theirs.faces]
    np.testing.assert_array_equal(at_corners, np.repeat(labels[:, None], 3, axis=1))


def test_materials_come_back_and_a_shared_picture_is_stored_once(tmp_path):
    atlas, rough, bumps = picture("red"), picture("green"), picture("blue")
    shared = Material(texture=atlas, roughness=1.0, roughness_map=rough)
    hair = Material((0.1, 0.2, 0.3, 1.0), Picture(atlas.data, atlas.mime), bumps, cutout=True, roughness=0.4)
    mesh = Mesh([sphere(material=shared, name="skin"), sphere(material=hair, name="hair", offset=1.0), sphere(name="plain", offset=2.0)])
    glb.write(mesh, tmp_path / "a.glb")
    tree, _ = read_tree(tmp_path / "a.glb")
    assert len(tree["images"]) == len(tree["textures"]) == 3
    back = glb.read(tmp_path / "a.glb")
    assert [(part.name, part.material) for part in back.parts] == [(part.name, part.material) for part in mesh.parts]
    glb.write(back, tmp_path / "b.glb")
    assert (tmp_path / "b.glb").read_bytes() == (tmp_path / "a.glb").read_bytes()
    theirs = {mesh.visual.material.name: mesh.visual.material for mesh in trimesh.load(tmp_path / "a.glb", process=False).dump()}
    assert theirs["skin"].metallicRoughnessTexture.convert("RGB").getpixel((0, 0)) == (0, 128, 0) and theirs["skin"].roughnessFactor == 1.0


def test_colours_come_back(tmp_path):
    colours = np.random.default_rng(0).random((len(SPHERE.vertices), 4))
    part = Part(np.asarray(SPHERE.vertices), np.asarray(SPHERE.faces), colours=colours)
    glb.write(Mesh([part]), tmp_path / "a.glb")
    (back,) = glb.read(tmp_path / "a.glb").parts
    np.testing.assert_allclose(back.colours, colours, atol=1e-5)
    assert back.uv is None and back.labels is None


@pytest.mark.parametrize("damage", [lambda data: data[:500], lambda data: b"", lambda data: b"glTF" * 10])
def test_what_is_not_whole_is_refused_by_name(tmp_path, damage):
    glb.write(Mesh([sphere()]), tmp_path / "a.glb")
    (tmp_path / "a.glb").write_bytes(damage((tmp_path / "a.glb").read_bytes()))
    assert glb.read_extras(tmp_path / "a.glb") is None
    with pytest.raises(ValueError, match=r"a\.glb is not a whole file"):
        glb.read(tmp_path / "a.glb")


IN_BLENDER = """
import json, sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=sys.argv[1])
(thing,) = [thing for thing in bpy.data.objects if thing.type == "MESH"]
labels = thing.data.attributes["_PART"]
centres = [[*(thing.matrix_world @ polygon.center), [labels.data[v].value for v in polygon.vertices]] for polygon in thing.data.polygons]
print("found", json.dumps([labels.domain, labels.data_type, centres, len(bpy.data.images)]))
"""


def test_blender_imports_labels_as_an_attribute(tmp_path):
    """Every polygon's corners agree on the label, and it is that of the face in that place."""
    labels = np.where(SPHERE.triangles_center[:, 2] > 0, 200, 3).astype(np.uint8)
    shared = Material(texture=picture("red"))
    glb.write(Mesh([sphere(labels, shared), sphere(None, shared, offset=2.0)]), tmp_path / "a.glb")
    run = subprocess.run([sys.executable, "-c", IN_BLENDER, str(tmp_path / "a.glb")], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    domain, kind, polygons, images = json.loads(next(line for line in run.stdout.splitlines() if line.startswith("found")).split(" ", 1)[1])
    assert (domain, kind) == ("POINT", "INT") and len(polygons) == 2 * len(labels) and images == 1
    for x, _, z, corners in polygons:
        assert len(set(corners)) == 1
        assert corners[0] == (0 if x > 1 else 200 if z > 0.5 else 3)
