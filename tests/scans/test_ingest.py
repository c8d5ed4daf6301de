"""Ingest: any format in any frame comes out canonical; what cannot be used is refused with its reason."""

import dataclasses
import io
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from conf.command import UserError
from datasets.conventions import WORLD_FROM_GLTF
from scans import catalogue, glb, mesh, reading
from scans.canonical import FACINGS, METRES, Options, place
from scans.face import find_face
from scans.ingest import REPORT_FILE, IngestConfig, _options, ingest
from scans.mesh import Mesh, Part, Refused, clean, smooth_normals
from scans.reading import read
from scans.studio import Studio

ROOT = Path(__file__).resolve().parents[2]
AXES = {"+x": (1, 0, 0), "-x": (-1, 0, 0), "+y": (0, 1, 0), "-y": (0, -1, 0), "+z": (0, 0, 1), "-z": (0, 0, -1)}
FRAMES = [(up, facing) for up, facing in itertools.product(("y", "z"), FACINGS) if facing[1] != up]


def _person() -> tuple[np.ndarray, np.ndarray]:
    """A lopsided figure of boxes in the canonical frame: 1.75 m, its left arm (+x) stretched out, feet forward (-y)."""
    boxes = {
        "torso": [(-0.22, -0.12, 0.8), (0.22, 0.12, 1.45)],
        "head": [(-0.09, -0.11, 1.45), (0.09, 0.09, 1.75)],
        "left arm": [(0.22, -0.05, 1.3), (0.6, 0.05, 1.42)],
        "left leg": [(0.03, -0.07, 0.0), (0.17, 0.07, 0.8)],
        "right leg": [(-0.17, -0.07, 0.0), (-0.03, 0.07, 0.8)],
        "left foot": [(0.03, -0.22, 0.0), (0.17, -0.07, 0.05)],
        "right foot": [(-0.17, -0.22, 0.0), (-0.03, -0.07, 0.05)],
    }
    figure = trimesh.util.concatenate([trimesh.creation.box(bounds=bounds).subdivide_to_size(0.06) for bounds in boxes.values()])
    vertices = np.asarray(figure.vertices)
    return vertices - [*(vertices.min(axis=0) + vertices.max(axis=0))[:2] / 2, 0.0], np.asarray(figure.faces)


VERTICES, FACES = _person()
UV = np.column_stack([VERTICES[:, 0] + 0.5, VERTICES[:, 2] / 2])
#: sRGB colours that tell places apart.
COLOURS = np.column_stack([np.rint((VERTICES - VERTICES.min(axis=0)) * 100), np.full(len(VERTICES), 255)]).astype(np.uint8)


def _png() -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(1).integers(0, 255, (16, 16, 3), np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


PNG = _png()


def _to_file(vertices, up="y", facing="+z", units="m", offset=(0.0, 0.0, 0.0)):
    """Canonical vertices in a file's frame: what the person has in front, on the left and above goes along the file's axes."""
    above, front = np.array(AXES[f"+{up}"]), np.array(AXES[facing])
    axes = np.stack([np.cross(above, front), -front, above])
    return vertices @ axes / METRES[units] + offset


def _obj(folder, name, vertices=VERTICES, mtl="newmtl skin\nKd 0 0 0\nmap_Kd -s 1 1 1 material0.png\n", png=PNG, lines=""):
    folder.mkdir(parents=True, exist_ok=True)
    text = ["mtllib material0.mtl", *(f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices), *(f"vt {u:.6f} {v:.6f}" for u, v in UV)]
    text += ["usemtl skin", *("f " + " ".join(f"{i}/{i}" for i in face) for face in FACES + 1), lines]
    path = folder / f"{name}.obj"
    path.write_text("\n".join(text))
    if mtl is not None:
        (folder / "material0.mtl").write_text(mtl)
    if png is not None:
        (folder / "material0.png").write_bytes(png)
    return path


def _ply(folder, name, vertices=VERTICES):
    folder.mkdir(parents=True, exist_ok=True)
    trimesh.Trimesh(vertices, FACES, vertex_colors=COLOURS, process=False).export(folder / f"{name}.ply")
    return folder / f"{name}.ply"


def _glb(folder, name, vertices=VERTICES):
    folder.mkdir(parents=True, exist_ok=True)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=PIL.Image.open(io.BytesIO(PNG)))
    figure = trimesh.Trimesh(vertices, FACES, visual=trimesh.visual.TextureVisuals(uv=UV, material=material), process=False)
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3], [0.1, 0.2, 0.3])
    scene.add_geometry(figure.apply_transform(np.linalg.inv(turn)), transform=turn)  # a node transform that must be applied
    scene.export(folder / f"{name}.glb")
    return folder / f"{name}.glb"


def _gltf(folder, name, vertices=VERTICES):
    folder.mkdir(parents=True, exist_ok=True)
    scene = trimesh.load_scene(_glb(folder, name, vertices), process=False)
    (folder / f"{name}.glb").unlink()
    for file, data in scene.export(file_type="gltf").items():
        (folder / file.replace("model", name)).write_bytes(data)
    return folder / f"{name}.gltf"


WRITERS = {"obj": _obj, "ply": _ply, "glb": _glb, "gltf": _gltf}


def _canonical(path: Path) -> trimesh.Trimesh:
    """A canonical GLB as a stranger reads it, taken to the world as Blender does."""
    return trimesh.load_scene(path, process=False).to_mesh().apply_transform(WORLD_FROM_GLTF)


def _gap(a, b) -> float:
    """Hausdorff distance between two sets of vertices."""
    return max(cKDTree(a).query(b)[0].max(), cKDTree(b).query(a)[0].max())


def _tree(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    return json.loads(data[20 : 20 + length]), data[28 + length :]


# --- frames ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FRAMES), st.sampled_from(sorted(METRES)), st.tuples(*[st.floats(-30, 30)] * 3))
def test_stated_frame_is_undone_exactly(frame, units, offset):
    up, facing = frame
    there = Mesh([Part(_to_file(VERTICES, up, facing, units, np.array(offset) / METRES[units]), FACES)])
    placement = place(there, Options(units=units, up=up, facing=facing), detector=None)
    assert np.abs(there.transformed(placement.matrix).vertices - VERTICES).max() < 1e-6
    assert np.linalg.det(placement.matrix[:3, :3]) > 0
    assert not placement.issues


@pytest.mark.parametrize(("units", "frame"), itertools.product(METRES, FRAMES))
def test_frame_is_found_from_proportions_and_feet(units, frame):
    there = Mesh([Part(_to_file(VERTICES, *frame, units), FACES)])
    placement = place(there, Options(), detector=None)
    assert np.abs(there.transformed(placement.matrix).vertices - VERTICES).max() < 1e-6
    assert placement.found["units"].startswith(f"{units} (height 1.75 m)")
    assert placement.found["up"].startswith(frame[0])
    assert any("facing" in issue and "feet" in issue for issue in placement.issues)


def test_without_face_and_feet_the_convention_is_assumed_and_said():
    bust = VERTICES[:, 2] > 0.8
    faces = FACES[bust[FACES].all(axis=1)]
    for up, expected in (("y", "+z"), ("z", "-y")):
        there = clean(Mesh([Part(_to_file(VERTICES, up, expected), faces)]))
        found = place(there, Options(up=up), detector=None).found["facing"]
        assert found == f"{expected} (assumed: no face found)"


def test_stated_height_wins_over_units():
    placement = place(Mesh([Part(_to_file(VERTICES, units="mm"), FACES)]), Options(units="m", height_m=1.6), detector=None)
    assert np.isclose(np.cbrt(np.linalg.det(placement.matrix[:3, :3])), 0.001 * 1.6 / 1.75)


def test_head_is_a_sphere_around_the_top():
    placement = place(Mesh([Part(_to_file(VERTICES), FACES)]), Options(), detector=None)
    head = VERTICES[VERTICES[:, 2] > 1.6]
    assert np.linalg.norm(head.mean(axis=0) - placement.head) < 0.1
    assert 0.12 < placement.head_radius < 0.2


# --- the face -------------------------------------------------------------------------------------------------------


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
    there = _with_red_face(_to_file(_turned(VERTICES, 37.0), up, "+x", offset=(3.0, -2.0, 5.0)))
    low, high = there.vertices.min(axis=0), there.vertices.max(axis=0)
    with Studio(there) as studio:
        face = find_face(studio, np.array(AXES[f"+{up}"], float), (low + high) / 2, 0.55 * (high - low).max(), _red)
    assert face is not None
    ahead, middle = _to_file(_turned(np.array([[0.0, -1.0, 0.0], [VERTICES[HEAD, 0].mean(), FRONT, 1.6]]), 37.0), up, "+x")
    assert np.degrees(np.arccos(face.facing @ ahead)) < 3.0
    assert np.linalg.norm(face.centre - np.add(middle, [3.0, -2.0, 5.0])) < 0.03
    assert abs(face.width - 0.3) < 0.02


def test_a_stated_facing_that_the_face_contradicts_is_doubted():
    there = _with_red_face(_to_file(VERTICES))
    placement = place(there, Options(units="m", up="y", facing="-z"), detector=_red)
    assert any("stated facing -z" in issue for issue in placement.issues)
    assert placement.matrix[:3, :3] @ [0, 0, -1] == pytest.approx([0, -1, 0])  # what is stated wins all the same


@pytest.mark.parametrize(("degrees", "kept"), [(37.0, 0.0), (-97.0, -7.0)])
def test_small_turns_are_the_persons_and_large_ones_the_files(degrees, kept):
    there = _with_red_face(_to_file(_turned(VERTICES, degrees)))
    placement = place(there, Options(units="m", up="y"), detector=_red)
    ahead = placement.matrix[:3, :3] @ _to_file(_turned(np.array([[0.0, -1.0, 0.0]]), degrees))[0]
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
    there = clean(Mesh([Part(_to_file(body, "y", "-x", "cm"), faces)]))
    found = place(there, Options()).found
    assert found["up"] == "y (upright face)" and found["units"].startswith("cm") and found["facing"].startswith("-x (face")


# --- formats, pictures, colours -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(("up", "facing", "units"), [("y", "-x", "cm"), ("z", "+y", "mm")])
def test_every_format_comes_out_canonical(tmp_path, kind, up, facing, units):
    WRITERS[kind](tmp_path / "in", "one", _to_file(VERTICES, up, facing, units, offset=(10.0, -20.0, 30.0)))
    records, refused, _ = ingest(tmp_path / "in", tmp_path / "out", Options(units, up, facing), "CC0", detector=None)
    assert not refused
    (record,) = records
    figure = _canonical(tmp_path / "out" / record.path)
    assert _gap(figure.vertices, VERTICES) < 2e-5
    assert record.textured and record.licence == "CC0" and record.faces == len(FACES)
    assert np.allclose(record.bounds, figure.bounds, atol=1e-4) and abs(record.height_m - 1.75) < 1e-4
    assert (tmp_path / "out" / "previews" / f"{record.id}.png").is_file()


@pytest.mark.parametrize("kind", ["obj", "glb", "gltf"])
def test_texture_survives_and_lies_where_it_lay(tmp_path, kind):
    path = WRITERS[kind](tmp_path, "one")
    glb.write(read(path), tmp_path / "out.glb")
    figure = trimesh.load_scene(tmp_path / "out.glb", process=False).to_mesh()
    there = trimesh.load_scene(path, process=False).to_mesh()
    assert np.array_equal(figure.visual.material.baseColorTexture.convert("RGB"), PIL.Image.open(io.BytesIO(PNG)))
    near = cKDTree(there.vertices @ WORLD_FROM_GLTF[:3, :3]).query(figure.vertices)[1]
    assert np.abs(figure.visual.uv - there.visual.uv[near]).max() < 1e-5
    assert figure.visual.material.metallicFactor == 0.0


def test_pictures_are_not_encoded_again(tmp_path):
    """A JPEG keeps its bytes: each encoding loses quality."""
    stream = io.BytesIO()
    PIL.Image.open(io.BytesIO(PNG)).save(stream, format="JPEG", quality=91)
    for suffix, path in (("jpg", _obj(tmp_path, "one", mtl="newmtl skin\nmap_Kd skin.JPG\n", png=None)), ("glb", tmp_path / "again.glb")):
        (tmp_path / "skin.jpg").write_bytes(stream.getvalue())  # the MTL says skin.JPG: letter case is forgiven
        glb.write(read(path), tmp_path / "again.glb")
        tree, blob = _tree(tmp_path / "again.glb")
        view = tree["bufferViews"][tree["images"][0]["bufferView"]]
        assert blob[view["byteOffset"] :][: view["byteLength"]] == stream.getvalue(), suffix
        assert tree["images"][0]["mimeType"] == "image/jpeg"


def test_vertex_colours_become_linear_and_stay_so(tmp_path):
    """PLY stores sRGB, COLOR_0 is linear light; a second pass must not convert again."""
    glb.write(read(_ply(tmp_path, "one")), tmp_path / "one.glb")
    once = read(tmp_path / "one.glb")
    glb.write(once, tmp_path / "two.glb")
    twice = read(tmp_path / "two.glb")
    colours, vertices = once.parts[0].colours, once.vertices @ WORLD_FROM_GLTF[:3, :3].T
    near = cKDTree(VERTICES).query(vertices)[1]
    srgb = COLOURS[near, :3] / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    assert np.abs(colours[:, :3] - linear).max() < 1e-4
    assert np.abs(np.sort(colours, axis=0) - np.sort(twice.parts[0].colours, axis=0)).max() < 1e-4
    assert once.albedo == "vertex colours"


@pytest.mark.parametrize("mtl", ["newmtl skin\nKd 0 0 0\n", "newmtl skin\nKd 0.8 0.8 0.8\n"])
def test_plain_scan_is_grey_not_black(tmp_path, mtl):
    found = read(_obj(tmp_path, "one", mtl=mtl))
    assert found.parts[0].material.colour == mesh.GREY and "no albedo: neutral grey" in found.issues


def test_undefined_material_is_grey_too(tmp_path):
    """trimesh makes up a picture for it, which is no albedo."""
    found = read(_obj(tmp_path, "one", mtl="newmtl other\nKd 1 0 0\n"))
    assert found.albedo == "none" and found.parts[0].material.colour == mesh.GREY


def test_black_factor_does_not_darken_a_texture(tmp_path):
    assert read(_obj(tmp_path, "one")).parts[0].material.colour == mesh.WHITE  # its MTL says Kd 0 0 0


def test_texture_without_material_file_is_found_by_name(tmp_path):
    """2K2K's layout: <id>.obj beside <id>.png, no MTL."""
    path = _obj(tmp_path, "one", mtl=None, png=None)
    path.write_text(path.read_text().replace("mtllib material0.mtl\n", ""))
    (tmp_path / "one.png").write_bytes(PNG)
    (tmp_path / "one_normals.png").write_bytes(PNG + bytes(1000))
    found = read(path)
    assert found.parts[0].material.texture.data == PNG and "no texture named: took one.png" in found.issues


def test_all_materials_of_an_obj_are_kept(tmp_path):
    mtl = "newmtl skin\nmap_Kd material0.png\nnewmtl shirt\nKd 0.8 0.1 0.1\n"
    lines = "usemtl shirt\n" + "\n".join("f " + " ".join(map(str, face[::-1])) for face in FACES[:50] + 1)
    path = _obj(tmp_path, "one", mtl=mtl, lines=lines)
    glb.write(read(path), tmp_path / "one.glb")
    materials = [entry["pbrMetallicRoughness"] for entry in _tree(tmp_path / "one.glb")[0]["materials"]]
    assert len(materials) == 2
    assert sum("baseColorTexture" in entry for entry in materials) == 1
    assert any(np.allclose(entry["baseColorFactor"], [0.8, 0.1, 0.1, 1.0], atol=0.005) for entry in materials)


def test_normal_map_is_carried_and_bump_map_is_not(tmp_path):
    blue, grey = PIL.Image.new("RGB", (8, 8), (128, 128, 250)), PIL.Image.new("RGB", (8, 8), (128, 128, 128))
    for name, picture, carried in (("normal", blue, True), ("bump", grey, False)):
        folder = tmp_path / name
        path = _obj(folder, "one", mtl=f"newmtl skin\nmap_Kd material0.png\nmap_Bump -bm 0.5 {name} map.png\n")
        picture.save(folder / f"{name} map.png")
        found = read(path)
        assert (found.parts[0].material.normal_map is not None) == carried
        assert any("no tangent-space normal map" in issue for issue in found.issues) != carried


def test_normals_do_not_show_the_seams():
    """On a sphere cut along a meridian and into two parts, every normal is radial to a degree, equal ones on both sides of a cut."""
    sphere = trimesh.creation.uv_sphere(radius=2.0, count=[48, 96])
    faces, vertices = np.asarray(sphere.faces), np.add(sphere.vertices, [5.0, 0.0, 0.0])
    halves = [faces[vertices[faces][:, :, 0].mean(axis=1) > 5.0], faces[vertices[faces][:, :, 0].mean(axis=1) <= 5.0]]
    cut = Mesh([Part(vertices[half].reshape(-1, 3), np.arange(3 * len(half)).reshape(-1, 3)) for half in halves])
    normals = np.concatenate(cut.normals())
    radial = (cut.vertices - [5.0, 0.0, 0.0]) / 2.0
    assert np.degrees(np.arccos(np.clip(np.sum(normals * radial, axis=1), -1, 1))).max() < 1.0
    whole = smooth_normals(vertices, faces)
    assert np.abs(normals - whole[cKDTree(vertices).query(cut.vertices)[1]]).max() < 1e-6


def test_normals_are_weighted_by_angle():
    """A cube's corner normal is its diagonal however its squares are cut into triangles; area or plain weights are not."""
    cube = trimesh.creation.box()
    assert np.abs(smooth_normals(cube.vertices, cube.faces) - cube.vertices * 2 / np.sqrt(3)).max() < 1e-6


def test_written_normals_are_the_ones_a_viewer_reads(tmp_path):
    glb.write(Mesh([Part(VERTICES, FACES)]), tmp_path / "one.glb")
    (figure,) = trimesh.load_scene(tmp_path / "one.glb", process=False).geometry.values()
    assert np.abs(figure.vertex_normals @ WORLD_FROM_GLTF[:3, :3].T - smooth_normals(VERTICES, FACES)).max() < 1e-6


def test_degenerate_and_double_faces_go(tmp_path):
    faces = np.concatenate([FACES, FACES[:3, [1, 2, 0]], [[5, 5, 6]]])
    found = clean(Mesh([Part(np.concatenate([VERTICES, [[np.nan] * 3]]), faces)]))  # and a loose vertex, NaN, which nothing uses
    assert len(found.faces) == len(FACES) and np.isfinite(found.vertices).all()
    assert {"1 degenerate faces removed", "3 double faces removed"} <= set(found.issues)


def test_skin_is_flagged_not_refused(tmp_path):
    path = _glb(tmp_path, "one")
    tree, blob = _tree(path)
    tree["skins"] = [{"joints": [0]}]
    _pack(path, tree, blob)
    assert "skinned: taken in its rest pose" in read(path).issues


# --- refusals -------------------------------------------------------------------------------------------------------


def _cloud(folder):
    trimesh.PointCloud(VERTICES).export(folder / "bad.ply")


def _draco(folder):
    path = _glb(folder, "bad")
    tree, blob = _tree(path)
    tree["extensionsUsed"] = tree["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    _pack(path, tree, blob)


def _pack(path, tree, blob):
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    chunks = len(text).to_bytes(4, "little") + b"JSON" + text + len(blob).to_bytes(4, "little") + b"BIN\0" + blob
    path.write_bytes(b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks)


def _gltf_without(folder, what):
    path = _gltf(folder, "bad")
    tree = json.loads(path.read_text())
    if what == "image":
        tree["images"] = [{"uri": "textures/skin.jpeg"}]
        path.write_text(json.dumps(tree))
    else:
        for file in folder.glob("*.bin"):
            file.unlink()


def _broken_embedded_picture(folder):
    path = _glb(folder, "bad")
    tree, blob = _tree(path)
    view = tree["bufferViews"][tree["images"][0]["bufferView"]]
    start = view.get("byteOffset", 0)
    _pack(path, tree, blob[:start] + b"x" * view["byteLength"] + blob[start + view["byteLength"] :])


def _ply_with_lost_texture(folder):
    path = _ply(folder, "bad")
    path.write_bytes(path.read_bytes().replace(b"element vertex", b"comment TextureFile lost.png\nelement vertex", 1))


def _wrong_index(folder):
    path = _obj(folder, "bad")
    path.write_text(path.read_text() + "f 1/1 2/2 999999/3\n")


def _nan(folder):
    vertices = VERTICES.copy()
    vertices[FACES[7, 1]] = [np.nan, 1.0, np.inf]
    _ply(folder, "bad", vertices)


REFUSALS = {
    "empty file": (lambda folder: (folder / "bad.obj").touch(), r"empty"),
    "not a mesh": (lambda folder: (folder / "bad.glb").write_bytes(b"glTF" + bytes(range(60))), r"cannot be read"),
    "half a file": (lambda folder: (p := _ply(folder, "bad")).write_bytes(p.read_bytes()[:5000]), r"cannot be read|no faces"),
    "point cloud": (_cloud, r"no faces"),
    "NaN": (_nan, r"1 of \d+ vertices are NaN or infinite"),
    "all zero": (lambda folder: _ply(folder, "bad", VERTICES * 0), r"all vertices are zero"),
    "coincident": (lambda folder: _ply(folder, "bad", VERTICES * 0 + 3), r"coincide"),
    "Draco": (_draco, r"Draco.*Blender"),
    "absurd size": (lambda folder: _ply(folder, "bad", _to_file(VERTICES, units="mm")), r"absurd size: 1750 m"),
    "no texture": (lambda folder: _obj(folder, "bad", png=None), r"'material0\.png' is missing"),
    "no PLY texture": (_ply_with_lost_texture, r"'lost\.png' is missing"),
    "no material file": (lambda folder: _obj(folder, "bad", mtl=None), r"'material0\.mtl' is missing"),
    "texture is no picture": (lambda folder: _obj(folder, "bad", png=b"not a picture"), r"material0\.png"),
    "broken embedded picture": (_broken_embedded_picture, r"texture cannot be decoded"),
    "no glTF picture": (lambda folder: _gltf_without(folder, "image"), r"textures/skin\.jpeg"),
    "no glTF buffer": (lambda folder: _gltf_without(folder, "bin"), r"\.bin"),
    "index out of range": (_wrong_index, r"cannot be read|do not exist"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_with_the_reason(tmp_path, case, monkeypatch):
    monkeypatch.setattr(reading.importlib.util, "find_spec", lambda name: None)  # as if DracoPy were not installed
    make, reason = REFUSALS[case]
    make(tmp_path)
    path = next(path for suffix in reading.SUFFIXES for path in tmp_path.glob(f"bad{suffix}"))
    with pytest.raises(Refused, match=reason) as refusal:
        place(read(path), Options(units="m"), detector=None)
    assert "\n" not in str(refusal.value)


def test_the_rest_goes_through(tmp_path):
    for name in ("empty file", "absurd size", "no texture"):
        (tmp_path / "in" / name).mkdir(parents=True)
        REFUSALS[name][0](tmp_path / "in" / name)
    _ply(tmp_path / "in", "good")
    records, refused, _ = ingest(tmp_path / "in", tmp_path / "out", Options(units="m"), detector=None)
    assert [record.id for record in records] == ["good"]
    assert list(refused) == ["absurd size/bad.ply", "empty file/bad.obj", "no texture/bad.obj"]
    (report,) = json.loads((tmp_path / "out" / REPORT_FILE).read_text()).values()
    assert report["refused"] == refused and report["scans"] == 1
    assert sorted(path.name for path in (tmp_path / "out").glob("*.glb")) == ["good.glb"]


# --- the catalogue --------------------------------------------------------------------------------------------------


def test_repeated_names_stay_apart(tmp_path):
    """THuman2's layout: every folder has its own material0.png; one subject may have several scans."""
    pictures = {}
    for index, (folder, name) in enumerate([("0001", "0001"), ("0002", "0002"), ("0002", "second"), ("deep/0001", "0001")]):
        stream = io.BytesIO()
        PIL.Image.new("RGB", (4, 4), (50 * index, 10, 10)).save(stream, format="PNG")
        pictures[f"{folder}/{name}.obj"] = stream.getvalue()
        if name != "second":
            _obj(tmp_path / "in" / folder, name, png=stream.getvalue())
        else:
            _obj(tmp_path / "in" / folder, name, mtl=None, png=None)
    _ply(tmp_path / "in", "alone")
    _ply(tmp_path / "in" / "deep", "Alone")
    records, _, _ = ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)
    assert len({record.id.lower() for record in records}) == len(records) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", record.id) for record in records)
    assert {record.subject for record in records} == {"0001", "0002", "deep", "alone"}
    splits = {}
    assert all(splits.setdefault(record.subject, record.split) == record.split for record in records)
    for record in records:
        name = Path(record.source).relative_to(tmp_path / "in").as_posix()
        if name in pictures and "second" not in name:
            tree, blob = _tree(tmp_path / "out" / record.path)
            view = tree["bufferViews"][tree["images"][0]["bufferView"]]
            assert blob[view["byteOffset"] :][: view["byteLength"]] == pictures[name]


def test_second_run_keeps_what_is_unchanged(tmp_path):
    for name in ("a", "b"):
        _obj(tmp_path / "in" / name, name)
    run = lambda height=None: ingest(tmp_path / "in", tmp_path / "out", Options(height_m=height), detector=None)
    stamps = lambda: {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.glb")}
    first, _, _ = run()
    before = stamps()
    assert run()[0] == first and stamps() == before
    (tmp_path / "in" / "a" / "material0.png").write_bytes(PNG + b"\0")  # a changed texture counts, not just a changed mesh
    run()
    assert stamps()["b.glb"] == before["b.glb"] and stamps()["a.glb"] != before["a.glb"]
    between = stamps()
    run(1.8)
    assert all(stamps()[name] != between[name] for name in between)


def test_new_source_keeps_the_splits_and_ids_of_the_old(tmp_path):
    for name in ("a", "b"):
        _ply(tmp_path / "in" / name, name)
    first, _, _ = ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)
    for name in ("a", "d"):
        _ply(tmp_path / "more" / name, name)
    both, _, done = ingest(tmp_path / "more", tmp_path / "out", Options(), detector=None)
    assert [record for record in both if record.id not in done] == first
    splits = {record.subject: record.split for record in first}
    assert all(record.split == splits.get(record.subject, record.split) for record in both)
    assert len(both) == 4 == len(catalogue.read(tmp_path / "out"))


def test_nothing_usable_leaves_an_empty_catalogue_that_can_grow(tmp_path):
    path = _ply(tmp_path / "in", "a")
    good = path.read_bytes()
    path.write_bytes(b"")
    assert ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)[0] == []
    path.write_bytes(good)
    assert [record.id for record in ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)[0]] == ["a"]


def test_scan_that_became_unusable_leaves_the_catalogue(tmp_path):
    path = _ply(tmp_path / "in", "a")
    _ply(tmp_path / "in", "b")
    ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)
    path.write_bytes(b"")
    records, refused, _ = ingest(tmp_path / "in", tmp_path / "out", Options(), detector=None)
    assert [record.id for record in records] == ["b"] and list(refused) == ["a.ply"]
    assert not (tmp_path / "out" / "a.glb").exists()


# --- the command line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"units": "inch"}, r"units=inch: give one of auto, m, cm, mm, unit"),
        ({"up": "x"}, r"up=x: give one of auto, y, z"),
        ({"facing": "north"}, r"facing=north: give one of auto, \+z, -z, \+x, -x, \+y, -y"),
        ({"up": "y", "facing": "-y"}, r"facing=-y lies along up=y"),
        ({"height_m": 175.0}, r"height_m=175"),
    ],
)
def test_wrong_values_are_refused_naming_the_right_ones(keys, message):
    with pytest.raises(UserError, match=message):
        _options(IngestConfig(source="in", out="out", **keys))


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "scans.ingest", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_error_is_one_line():
    result = _command("out=x", "facing=-y")
    assert result.returncode == 2 and "missing key 'source'" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("source", ["nowhere", "."])
def test_source_without_meshes_is_refused(tmp_path, source):
    with pytest.raises(UserError, match=r"source=.*(no such folder|holds no mesh)"):
        ingest(tmp_path / source, tmp_path / "out", Options(), detector=None)


def test_command_line_end_to_end(tmp_path):
    _obj(tmp_path / "in" / "anna", "anna", _to_file(VERTICES, "z", "+x", "cm"))
    _obj(tmp_path / "in" / "ben", "ben", png=None, mtl="newmtl skin\nmap_Kd gone.jpg\n")
    result = _command(f"source={tmp_path / 'in'}", f"out={tmp_path / 'out'}", "facing=+x", "up=z", "units=cm", "licence=CC-BY-4.0")
    assert result.returncode == 0, result.stderr
    assert "anna" in result.stdout and "1.75 m" in result.stdout and "preview.png" in result.stdout
    assert re.search(r"refused ben/ben\.obj: .*gone\.jpg", result.stdout)
    (record,) = catalogue.read(tmp_path / "out")
    assert record.subject == "anna" and record.licence == "CC-BY-4.0"
    assert (tmp_path / "out" / "preview.png").is_file()
