"""Reading any mesh: textures, colours and normals survive; what cannot be used is refused with its reason."""

import io
import json

import numpy as np
import PIL.Image
import pytest
import trimesh
from scipy.spatial import cKDTree

from datasets.conventions import WORLD_FROM_GLTF
from scans import glb, mesh, reading
from scans.canonical import Options, place
from scans.ingest import REPORT_FILE, ingest
from scans.mesh import Mesh, Part, Refused, clean, smooth_normals
from scans.reading import read
from tests.scans.figures import (
    COLOURS,
    FACES,
    PNG,
    VERTICES,
    WRITERS,
    gap,
    load_canonical,
    read_tree,
    to_file,
    write_glb,
    write_gltf,
    write_obj,
    write_ply,
)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(("up", "facing", "units"), [("y", "-x", "cm"), ("z", "+y", "mm")])
def test_every_format_comes_out_canonical(tmp_path, kind, up, facing, units):
    WRITERS[kind](tmp_path / "in", "one", to_file(VERTICES, up, facing, units, offset=(10.0, -20.0, 30.0)))
    records, refused, _ = ingest(tmp_path / "in", tmp_path / "out", Options(units, up, facing), "CC0", detector=None)
    assert not refused
    (record,) = records
    figure = load_canonical(tmp_path / "out" / record.path)
    assert gap(figure.vertices, VERTICES) < 2e-5
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
    for suffix, path in (
        ("jpg", write_obj(tmp_path, "one", mtl="newmtl skin\nmap_Kd skin.JPG\n", png=None)),
        ("glb", tmp_path / "again.glb"),
    ):
        (tmp_path / "skin.jpg").write_bytes(stream.getvalue())  # the MTL says skin.JPG: letter case is forgiven
        glb.write(read(path), tmp_path / "again.glb")
        tree, blob = read_tree(tmp_path / "again.glb")
        view = tree["bufferViews"][tree["images"][0]["bufferView"]]
        assert blob[view["byteOffset"] :][: view["byteLength"]] == stream.getvalue(), suffix
        assert tree["images"][0]["mimeType"] == "image/jpeg"


def test_vertex_colours_become_linear_and_stay_so(tmp_path):
    """PLY stores sRGB, COLOR_0 is linear light; a second pass must not convert again."""
    glb.write(read(write_ply(tmp_path, "one")), tmp_path / "one.glb")
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
    found = read(write_obj(tmp_path, "one", mtl=mtl))
    assert found.parts[0].material.colour == mesh.GREY and "no albedo: neutral grey" in found.issues


def test_undefined_material_is_grey_too(tmp_path):
    """trimesh makes up a picture for it, which is no albedo."""
    found = read(write_obj(tmp_path, "one", mtl="newmtl other\nKd 1 0 0\n"))
    assert found.albedo == "none" and found.parts[0].material.colour == mesh.GREY


def test_black_factor_does_not_darken_a_texture(tmp_path):
    assert read(write_obj(tmp_path, "one")).parts[0].material.colour == mesh.WHITE  # its MTL says Kd 0 0 0


def test_texture_without_material_file_is_found_by_name(tmp_path):
    """2K2K's layout: <id>.obj beside <id>.png, no MTL."""
    path = write_obj(tmp_path, "one", mtl=None, png=None)
    path.write_text(path.read_text().replace("mtllib material0.mtl\n", ""))
    (tmp_path / "one.png").write_bytes(PNG)
    (tmp_path / "one_normals.png").write_bytes(PNG + bytes(1000))
    found = read(path)
    assert found.parts[0].material.texture.data == PNG and "no texture named: took one.png" in found.issues


def test_all_materials_of_an_obj_are_kept(tmp_path):
    mtl = "newmtl skin\nmap_Kd material0.png\nnewmtl shirt\nKd 0.8 0.1 0.1\n"
    lines = "usemtl shirt\n" + "\n".join("f " + " ".join(map(str, face[::-1])) for face in FACES[:50] + 1)
    path = write_obj(tmp_path, "one", mtl=mtl, lines=lines)
    glb.write(read(path), tmp_path / "one.glb")
    materials = [entry["pbrMetallicRoughness"] for entry in read_tree(tmp_path / "one.glb")[0]["materials"]]
    assert len(materials) == 2
    assert sum("baseColorTexture" in entry for entry in materials) == 1
    assert any(np.allclose(entry["baseColorFactor"], [0.8, 0.1, 0.1, 1.0], atol=0.005) for entry in materials)


def test_normal_map_is_carried_and_bump_map_is_not(tmp_path):
    blue, grey = PIL.Image.new("RGB", (8, 8), (128, 128, 250)), PIL.Image.new("RGB", (8, 8), (128, 128, 128))
    for name, picture, carried in (("normal", blue, True), ("bump", grey, False)):
        folder = tmp_path / name
        path = write_obj(folder, "one", mtl=f"newmtl skin\nmap_Kd material0.png\nmap_Bump -bm 0.5 {name} map.png\n")
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
    path = write_glb(tmp_path, "one")
    tree, blob = read_tree(path)
    tree["skins"] = [{"joints": [0]}]
    _pack(path, tree, blob)
    assert "skinned: taken in its rest pose" in read(path).issues


def _cloud(folder):
    trimesh.PointCloud(VERTICES).export(folder / "bad.ply")


def _draco(folder):
    path = write_glb(folder, "bad")
    tree, blob = read_tree(path)
    tree["extensionsUsed"] = tree["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    _pack(path, tree, blob)


def _pack(path, tree, blob):
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    chunks = len(text).to_bytes(4, "little") + b"JSON" + text + len(blob).to_bytes(4, "little") + b"BIN\0" + blob
    path.write_bytes(b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks)


def _gltf_without(folder, what):
    path = write_gltf(folder, "bad")
    tree = json.loads(path.read_text())
    if what == "image":
        tree["images"] = [{"uri": "textures/skin.jpeg"}]
        path.write_text(json.dumps(tree))
    else:
        for file in folder.glob("*.bin"):
            file.unlink()


def _broken_embedded_picture(folder):
    path = write_glb(folder, "bad")
    tree, blob = read_tree(path)
    view = tree["bufferViews"][tree["images"][0]["bufferView"]]
    start = view.get("byteOffset", 0)
    _pack(path, tree, blob[:start] + b"x" * view["byteLength"] + blob[start + view["byteLength"] :])


def _ply_with_lost_texture(folder):
    path = write_ply(folder, "bad")
    path.write_bytes(path.read_bytes().replace(b"element vertex", b"comment TextureFile lost.png\nelement vertex", 1))


def _wrong_index(folder):
    path = write_obj(folder, "bad")
    path.write_text(path.read_text() + "f 1/1 2/2 999999/3\n")


def _nan(folder):
    vertices = VERTICES.copy()
    vertices[FACES[7, 1]] = [np.nan, 1.0, np.inf]
    write_ply(folder, "bad", vertices)


REFUSALS = {
    "empty file": (lambda folder: (folder / "bad.obj").touch(), r"empty"),
    "not a mesh": (lambda folder: (folder / "bad.glb").write_bytes(b"glTF" + bytes(range(60))), r"cannot be read"),
    "half a file": (lambda folder: (p := write_ply(folder, "bad")).write_bytes(p.read_bytes()[:5000]), r"cannot be read|no faces"),
    "point cloud": (_cloud, r"no faces"),
    "NaN": (_nan, r"1 of \d+ vertices are NaN or infinite"),
    "all zero": (lambda folder: write_ply(folder, "bad", VERTICES * 0), r"all vertices are zero"),
    "coincident": (lambda folder: write_ply(folder, "bad", VERTICES * 0 + 3), r"coincide"),
    "Draco": (_draco, r"Draco.*Blender"),
    "absurd size": (lambda folder: write_ply(folder, "bad", to_file(VERTICES, units="mm")), r"absurd size: 1750 m"),
    "no texture": (lambda folder: write_obj(folder, "bad", png=None), r"'material0\.png' is missing"),
    "no PLY texture": (_ply_with_lost_texture, r"'lost\.png' is missing"),
    "no material file": (lambda folder: write_obj(folder, "bad", mtl=None), r"'material0\.mtl' is missing"),
    "texture is no picture": (lambda folder: write_obj(folder, "bad", png=b"not a picture"), r"material0\.png"),
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
    write_ply(tmp_path / "in", "good")
    records, refused, _ = ingest(tmp_path / "in", tmp_path / "out", Options(units="m"), detector=None)
    assert [record.id for record in records] == ["good"]
    assert list(refused) == ["absurd size/bad.ply", "empty file/bad.obj", "no texture/bad.obj"]
    (report,) = json.loads((tmp_path / "out" / REPORT_FILE).read_text()).values()
    assert report["refused"] == refused and report["scans"] == 1
    assert sorted(path.name for path in (tmp_path / "out").glob("*.glb")) == ["good.glb"]


def test_labels_of_our_own_files_are_kept(tmp_path):
    ball, cube = trimesh.creation.icosphere(subdivisions=2), trimesh.creation.box()
    labels = np.random.default_rng(0).integers(1, 37, len(ball.faces)).astype(np.uint8)
    parts = [Part(np.array(ball.vertices), np.array(ball.faces), labels=labels), Part(np.array(cube.vertices) + 3, np.array(cube.faces))]
    glb.write(Mesh(parts), tmp_path / "labelled.glb")
    found = read(tmp_path / "labelled.glb").parts
    assert np.array_equal(found[0].labels, labels) and found[1].labels is None
