"""Blender's labels against closed forms."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import PIL.Image
import pytest
import trimesh

from datasets.triplet import write_exr
from render import body, environment
from render.blender import Box
from render.develop import srgb_encode
from scans import glb
from scans.mesh import Mesh, Part
from tests.fixtures import analytic_sphere
from tests.render.conftest import CENTRE, RADIUS, random_camera, write_sphere

HEIGHT, WIDTH = 256, 192


@pytest.fixture(scope="module")
def sphere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sphere so fine (1.3 million faces) that its facets are off by less than a micrometre."""
    path = tmp_path_factory.mktemp("sphere") / "sphere.glb"
    write_sphere(path, subdivisions=8)
    return path


def outline_distance(K: np.ndarray, centre: np.ndarray, mask_shape: tuple[int, int]) -> np.ndarray:
    """Distance in pixels of every pixel centre from the sphere's outline, to first order: |f| / |grad f|."""
    from datasets.conventions import camera_rays

    def tangency(rays: np.ndarray) -> np.ndarray:  # zero exactly on the outline
        return (rays @ centre) ** 2 - (rays * rays).sum(-1) * (centre @ centre - RADIUS**2)

    rays, step = camera_rays(K, *mask_shape), 1e-4
    right, down = np.array([step / K[0, 0], 0, 0]), np.array([0, step / K[1, 1], 0])
    slopes = [(tangency(rays + side) - tangency(rays - side)) / (2 * step) for side in (right, down)]
    return np.abs(tangency(rays)) / np.hypot(*slopes)


@pytest.mark.parametrize("seed", range(4))
def test_sphere_matches_its_closed_form(blender: Any, sphere: Path, seed: int) -> None:
    K, world_to_camera = random_camera(np.random.default_rng(seed), HEIGHT, WIDTH)
    centre = world_to_camera[:3, :3] @ np.array(CENTRE) + world_to_camera[:3, 3]
    depth, normal, mask = analytic_sphere(K, centre, RADIUS, HEIGHT, WIDTH)

    blender.set_people({"sphere": (sphere, np.eye(4))})
    layers = blender.render(K, world_to_camera, (HEIGHT, WIDTH), samples=4, seed=seed)

    distance = outline_distance(K, centre, mask.shape)
    differs = layers.index != mask
    assert mask.sum() > 2000
    assert distance[differs].max(initial=0) <= 0.01
    both = (layers.index > 0) & (mask > 0) & (distance > 0.01)
    assert np.abs(layers.depth - depth)[both].max() < 1e-4
    cosine = np.clip((layers.normal.astype(np.float64) * normal).sum(-1), -1, 1)[both]
    assert np.degrees(np.arccos(cosine)).max() < 0.5
    assert np.all(layers.depth[layers.index == 0] == 0) and np.all(layers.normal[layers.index == 0] == 0)
    # The photograph's soft coverage is that of the same outline.
    assert np.all(layers.alpha[(mask > 0) & (distance > 2)] > 0.99)


def test_labels_do_not_depend_on_samples_or_seed(blender: Any, sphere: Path) -> None:
    K, world_to_camera = random_camera(np.random.default_rng(9), HEIGHT, WIDTH)
    blender.set_people({"sphere": (sphere, np.eye(4))})
    first, second = (blender.render(K, world_to_camera, (HEIGHT, WIDTH), samples=s, seed=s) for s in (1, 5))
    for name in ("depth", "normal", "index"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


def test_two_people_get_their_own_ids_and_places(blender: Any, sphere: Path) -> None:
    aside = np.eye(4)
    aside[:3, 3] = [0.3, 0.1, 0.0]
    blender.set_people({"a": (sphere, np.eye(4)), "b": (sphere, aside)})
    K = np.array([[200.0, 0, WIDTH / 2], [0, 200.0, HEIGHT / 2], [0, 0, 1]])
    from render.lens import viewing_rotation

    transform = np.eye(4)
    transform[:3, :3] = viewing_rotation(0, 0, 0)
    transform[:3, 3] = np.array([-0.1, 0, 1.0]) - transform[:3, :3] @ np.array(CENTRE)
    layers = blender.render(K, transform, (HEIGHT, WIDTH), samples=1, seed=0)
    for number, place in ((1, np.eye(4)), (2, aside)):
        centre = transform[:3, :3] @ (np.array(CENTRE) + place[:3, 3]) + transform[:3, 3]
        assert ((analytic_sphere(K, centre, RADIUS, HEIGHT, WIDTH)[2] > 0) != (layers.index == number)).sum() <= 2


def test_a_seam_in_the_texture_does_not_break_the_normals(blender: Any, tmp_path: Path) -> None:
    """Every face a patch of its own (as along UV seams, all of them): normals must still be the smooth surface's."""
    mesh = trimesh.creation.icosphere(subdivisions=5, radius=RADIUS)
    mesh.apply_translation([CENTRE[0], CENTRE[2], -CENTRE[1]])
    mesh.unmerge_vertices()
    mesh.visual = trimesh.visual.TextureVisuals(uv=np.random.default_rng(0).random((len(mesh.vertices), 2)))
    mesh.export(tmp_path / "torn.glb")
    blender.set_people({"torn": (tmp_path / "torn.glb", np.eye(4))})
    K, world_to_camera = random_camera(np.random.default_rng(3), HEIGHT, WIDTH)
    centre = world_to_camera[:3, :3] @ np.array(CENTRE) + world_to_camera[:3, 3]
    _, normal, mask = analytic_sphere(K, centre, RADIUS, HEIGHT, WIDTH)
    layers = blender.render(K, world_to_camera, (HEIGHT, WIDTH), samples=1, seed=0)
    both = (layers.index > 0) & (mask > 0)
    cosine = np.clip((layers.normal * normal).sum(-1), -1, 1)[both]
    assert np.degrees(np.median(np.arccos(cosine))) < 0.1


def test_backdrop_is_what_blender_sees_of_the_environment(blender: Any, sphere: Path, tmp_path: Path) -> None:
    """The backdrop, computed in numpy, against Cycles' own view of the world: light and picture agree on where the sun is."""
    rng = np.random.default_rng(5)
    picture = np.kron(rng.random((8, 16, 3)), np.ones((16, 16, 1))).astype(np.float32)
    write_exr(str(tmp_path / "sky.exr"), dict(zip("RGB", np.moveaxis(picture, -1, 0), strict=True)))
    K, world_to_camera = random_camera(rng, 64, 48)
    blender.set_people({"sphere": (sphere, np.eye(4))})
    blender.set_environment(tmp_path / "sky.exr", 0.7)
    blender.scene.render.film_transparent = False
    try:
        blender._aim(K, world_to_camera, Box(0, 0, 48, 64, (64, 48)))
        blender.scene.cycles.samples = 256
        channels = blender._execute("beauty", "geometry")
    finally:
        blender.scene.render.film_transparent = True
    seen = np.stack([channels[f"beauty.Noisy Image.{c}"] for c in "RGB"], axis=-1)
    ours = environment.view(environment.load(tmp_path / "sky.exr"), K, world_to_camera, (64, 48), 0.7)
    background = channels["geometry.IndexOB.X"] == 0
    background &= ~np.pad(~background, 2)[2:-2, 2:-2]
    difference = np.abs(seen - ours).max(axis=-1)[background]
    assert np.quantile(difference, 0.9) < 0.03  # the rest are edges, blended by the pixel filter


def test_everyone_wears_their_own_texture_under_their_own_light(blender: Any, tmp_path: Path) -> None:
    """People and environments change many times; caches must never show a former one's pictures."""
    rng = np.random.default_rng(2)
    colours = np.array([[220, 120, 60], [60, 220, 120], [120, 60, 220], [60, 120, 220]])
    for number, colour in enumerate(colours):
        mesh = trimesh.creation.icosphere(subdivisions=3, radius=RADIUS)
        mesh.apply_translation([CENTRE[0], CENTRE[2], -CENTRE[1]])
        texture = PIL.Image.new("RGB", (64, 64), tuple(colour.tolist()))
        material = trimesh.visual.material.PBRMaterial(baseColorTexture=texture, metallicFactor=0.0)
        mesh.visual = trimesh.visual.TextureVisuals(uv=rng.random((len(mesh.vertices), 2)), material=material)
        mesh.export(tmp_path / f"{number}.glb")
        write_exr(str(tmp_path / f"{number}.exr"), {c: np.full((8, 16), v / 100, np.float32) for c, v in zip("RGB", colour, strict=True)})
    K, world_to_camera = random_camera(rng, 48, 36)
    for person, sky in rng.integers(4, size=(16, 2)):
        blender.set_people({f"person-{person}": (tmp_path / f"{person}.glb", np.eye(4))})
        blender.set_environment(tmp_path / f"{sky}.exr", 0.0)
        layers = blender.render(K, world_to_camera, (48, 36), samples=16, seed=0)
        albedo = np.median(layers.albedo[layers.index > 0], axis=0)
        assert np.abs(srgb_encode(albedo) * 255 - colours[person]).max() <= 3
        light = np.median(layers.light[layers.alpha > 0.99] / albedo, axis=0)
        likeness = colours @ light / np.linalg.norm(colours, axis=1)  # whose hue the light has
        assert likeness.argmax() == sky


def test_faces_keep_their_labels_when_what_they_share_is_welded(tmp_path: Path) -> None:
    """Two parts whose labels meet along edges: as many faces of each label as before, in the same places, and one surface."""
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=RADIUS)
    halves = np.where(sphere.triangles_center[:, 0] > 0, 7, 22).astype(np.uint8)
    ball = Part(np.array(sphere.vertices), np.array(sphere.faces), name="ball", labels=halves)
    other = trimesh.creation.icosphere(subdivisions=1, radius=0.03)
    other.apply_translation([0.5, 0, 0])
    plain = Part(np.array(other.vertices), np.array(other.faces), name="plain")
    glb.write(Mesh([ball, plain]), tmp_path / "labelled.glb")

    person = body.load(tmp_path / "labelled.glb", normal_maps=False)

    try:
        found = np.array([value.value for value in person.data.attributes[body.PART].data])
        centres = np.array([polygon.center for polygon in person.data.polygons])
        assert person.data.attributes[body.PART].domain == "FACE"
        assert len(person.data.vertices) == len(sphere.vertices) + len(other.vertices)
        assert np.array_equal(found, np.where(centres[:, 0] > 0.4, 0, np.where(centres[:, 0] > 0, 7, 22)))
        assert sum(found == 7) == sum(halves == 7) > 0
    finally:
        bpy.data.objects.remove(person)
