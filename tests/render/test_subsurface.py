"""Light below the skin: in the photograph of people from a seed, and in no label of theirs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from render import body
from render.blender import Layers
from scans import glb
from scans.mesh import Material, Mesh, Part
from scans.people.labels import Label

SIZE = 160
LAMP_SKY = np.full((16, 32, 3), 0.02, np.float32)


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Light from above, so that there is a shadow's edge to be softened."""
    from datasets.triplet import write_exr

    picture = LAMP_SKY.copy()
    picture[:3] = 3.0
    path = tmp_path_factory.mktemp("sky") / "above.exr"
    write_exr(str(path), {plane: picture[..., i] for i, plane in enumerate("RGB")})
    return path


def ball(path: Path, labelled: bool) -> Path:
    """A sphere of 1 cm; labelled: skin for x > 0, cloth elsewhere."""
    sphere = trimesh.creation.icosphere(subdivisions=5, radius=0.01)
    cloth = sphere.triangles_center[:, 0] < 0
    labels = np.where(cloth, Label.UPPER_CLOTHING, Label.FACE_NECK).astype(np.uint8)
    part = Part(sphere.vertices, sphere.faces, Material((0.6, 0.35, 0.25, 1.0)), labels=labels if labelled else None)
    glb.write(Mesh([part]).separated(), path, {})
    return path


def picture(blender: Any, name: str, path: Path, sky: Path, samples: int = 32) -> Layers:
    blender.set_people({name: (path, np.eye(4))})
    blender.set_environment(sky, 0.0)
    K = np.array([[24.0 * SIZE, 0, SIZE / 2], [0, 24.0 * SIZE, SIZE / 2], [0, 0, 1]])
    world_to_camera = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0.6], [0, 0, 0, 1]])
    layers = blender.render(K, world_to_camera, (SIZE, SIZE), samples=samples, seed=0)
    assert isinstance(layers, Layers)
    return layers


def test_the_labels_of_skin_are_those_named_so() -> None:
    limbs = [
        f"{side}_{limb}" for side in ("LEFT", "RIGHT") for limb in ("FOOT", "HAND", "LOWER_ARM", "LOWER_LEG", "UPPER_ARM", "UPPER_LEG")
    ]
    assert set(body.SKIN) == {Label[name] for name in (*limbs, "FACE_NECK", "TORSO", "LOWER_LIP", "UPPER_LIP")}


def test_labels_are_the_same_to_the_bit_and_only_the_light_of_skin_changes(
    blender: Any, sky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ball(tmp_path / "ball.glb", labelled=True)
    lit = picture(blender, "skin", path, sky)
    monkeypatch.setattr(body, "SKIN", ())
    dull = picture(blender, "stone", path, sky)
    for layer in ("depth", "normal", "index", "albedo", "alpha"):
        np.testing.assert_array_equal(getattr(lit, layer), getattr(dull, layer))
    monkeypatch.setattr(body, "_let_light_in", lambda material: None)
    plain = picture(blender, "scan", path, sky)  # Cycles keeps such an object's placement apart, and rounds differently
    np.testing.assert_array_equal(lit.index, plain.index)
    inside = lit.index > 0
    assert np.abs(lit.depth - plain.depth).max() < 1e-6 and np.abs(lit.albedo - plain.albedo)[inside].max() < 0.01
    assert (lit.normal * plain.normal).sum(axis=-1)[inside].min() > 0.99999
    skin, cloth = np.s_[:, SIZE // 2 + 8 : SIZE // 2 + 24], np.s_[:, SIZE // 2 - 24 : SIZE // 2 - 8]
    change = lit.light[..., 0] - dull.light[..., 0]  # of red, by rows, in which noise is little
    on_skin, on_cloth = (np.abs(change[columns].mean(axis=1)) for columns in (skin, cloth))
    brightest = dull.light[..., 0][skin].mean(axis=1).max()
    assert on_skin.max() > 0.02 * brightest and on_skin.sum() > 3 * on_cloth.sum()


def test_scans_without_labels_keep_their_material(blender: Any, sky: Path, tmp_path: Path) -> None:
    picture(blender, "unlabelled", ball(tmp_path / "scan.glb", labelled=False), sky, samples=1)
    person = blender.people["unlabelled"]
    assert body.SUBSURFACE not in person.data.attributes
    for material in person.data.materials:
        shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        assert not shader.inputs["Subsurface Weight"].links and shader.inputs["Subsurface Weight"].default_value == 0
