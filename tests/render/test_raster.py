"""Rasterised labels against closed forms, ray casting in float64, and Blender."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from datasets.conventions import NORMAL_FROM_CAMERA, WORLD_FROM_GLTF, camera_rays
from render.raster import FINE, Raster
from scans import glb
from scans.mesh import Mesh, Part
from tests.fixtures import analytic_sphere
from tests.layouts import hi4d
from tests.oracle import Oracle, degrees
from tests.render.conftest import CENTRE, RADIUS, random_camera

HEIGHT, WIDTH = 320, 240


@pytest.fixture(scope="module")
def raster() -> Iterator[Raster]:
    with Raster() as made:
        yield made


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two people of capsules, hand in hand, +Z up: vertices, faces, and whose each face is, 1 or 2."""
    truth = hi4d._scene((12,))
    return truth.vertices[12] @ WORLD_FROM_GLTF[:3, :3].T, truth.faces, truth.whose + 1


def camera(angle: float, distance: float = 2.5, skew: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """K with skew and a camera that looks at the pair's middle."""
    K = np.array([[410.0, skew, 121.3], [0, 402.0, 158.8], [0, 0, 1]])
    transform = np.eye(4)
    upright = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # x right, y down, z away, of a camera that looks along +Y
    transform[:3, :3] = upright @ trimesh.transformations.rotation_matrix(angle, [0.1, 0, 1])[:3, :3]
    transform[:3, 3] = [0.03, 0.02, distance] - transform[:3, :3] @ [0, 0, 0.85]
    return K, transform


def test_a_sphere_matches_its_closed_form_under_skew(raster: Raster) -> None:
    sphere = trimesh.creation.icosphere(subdivisions=7, radius=RADIUS)
    raster.load(np.asarray(sphere.vertices) + CENTRE, np.asarray(sphere.faces))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        K, world_to_camera = random_camera(rng, HEIGHT, WIDTH)
        K[0, 1], K[1, 1] = rng.uniform(-20, 20), K[1, 1] * rng.uniform(0.8, 1.2)

        labels = raster.render(K, world_to_camera, HEIGHT, WIDTH)

        centre = world_to_camera[:3, :3] @ np.array(CENTRE) + world_to_camera[:3, 3]
        depth, normal, mask = analytic_sphere(K, centre, RADIUS, HEIGHT, WIDTH)
        both = (mask > 0) & (labels.mask > 0)
        assert mask.sum() > 2000 and np.sum(mask != labels.mask) <= 5
        away = camera_rays(K, HEIGHT, WIDTH) @ NORMAL_FROM_CAMERA.T
        facing = -np.einsum("ijk,ijk->ij", normal, away) / np.linalg.norm(away, axis=-1)
        inner = both & (facing > 0.3)  # a facet lies up to 1.5 micrometres inside the sphere, and a grazing ray goes on for long
        assert inner.sum() > 0.85 * mask.sum() and (np.abs(labels.depth - depth)[inner] / depth[inner]).max() < 3e-5
        assert degrees(labels.normal.astype(float), normal)[inner].max() < 0.1
        assert np.array_equal(labels.depth > 0, labels.mask > 0) and not labels.normal[labels.mask == 0].any()


@pytest.mark.parametrize("angle", [0.0, 2.3, 4.0])
def test_people_match_ray_casting(raster: Raster, pair: tuple[np.ndarray, ...], angle: float) -> None:
    vertices, faces, ids = pair
    K, world_to_camera = camera(angle)
    raster.load(vertices, faces, ids)

    labels = raster.render(K, world_to_camera, HEIGHT, WIDTH)

    depth, normal, mask = Oracle.of(vertices, faces).cast(K, world_to_camera, HEIGHT, WIDTH)
    assert mask.sum() > 8000 and np.sum(mask != (labels.mask > 0)) <= 1e-3 * mask.sum()
    both = mask & (labels.mask > 0)
    off = np.abs(labels.depth - depth)[both] / depth[both]
    assert np.median(off) < 2e-7 and np.mean(off > 1e-5) < 2e-3  # the rest: at inner edges, the other surface
    angle_off = degrees(labels.normal.astype(float), normal)[both]
    assert np.median(angle_off) < 0.01 and np.mean(angle_off > 1) < 5e-3
    # Who is nearer is who is seen.
    alone = [Oracle.of(vertices, faces[ids == number]).cast(K, world_to_camera, HEIGHT, WIDTH)[0] for number in (1, 2)]
    nearer = np.argmin([np.where(own > 0, own, np.inf) for own in alone], axis=0) + 1
    assert np.mean(nearer[both] != labels.mask[both]) < 1e-3
    assert set(np.unique(labels.mask)) == {0, 1, 2}


def test_alpha_is_the_share_of_fine_samples(raster: Raster, pair: tuple[np.ndarray, ...]) -> None:
    vertices, faces, ids = pair
    K, world_to_camera = camera(0.4)
    raster.load(vertices, faces, ids)

    alpha = raster.render(K, world_to_camera, HEIGHT, WIDTH).alpha

    fine = K * [[FINE], [FINE], [1]]
    inside = Oracle.of(vertices, faces).cast(fine, world_to_camera, FINE * HEIGHT, FINE * WIDTH)[2]
    share = 255 * inside.reshape(HEIGHT, FINE, WIDTH, FINE).mean(axis=(1, 3))
    assert np.sum((share > 0) & (share < 255)) > 500
    assert np.mean(np.abs(alpha - share) > 255 / FINE**2 + 1) < 1e-4 and np.abs(alpha - share).mean() < 0.05


def test_a_mesh_behind_or_beside_the_camera_is_not_seen(raster: Raster, pair: tuple[np.ndarray, ...]) -> None:
    raster.load(*pair)
    K, world_to_camera = camera(0.0)
    for shift in ([0, 0, -10], [9, 0, 0]):
        moved = world_to_camera.copy()
        moved[:3, 3] += shift
        labels = raster.render(K, moved, HEIGHT, WIDTH)
        assert not any(values.any() for values in vars(labels).values())


def test_a_mesh_around_the_camera_is_seen_before_it_only(raster: Raster) -> None:
    room = trimesh.creation.box(extents=[3, 4, 2.5]).subdivide_to_size(0.7)
    room.apply_translation([0.2, 0.1, 0.9])
    vertices, faces = np.asarray(room.vertices), np.asarray(room.faces)
    raster.load(vertices, faces)
    K, world_to_camera = camera(0.7, distance=0.0)

    labels = raster.render(K, world_to_camera, HEIGHT, WIDTH)

    depth, _, mask = Oracle.of(vertices, faces).cast(K, world_to_camera, HEIGHT, WIDTH)
    assert mask.all() and labels.mask.all() and np.all(labels.alpha == 255)
    assert np.abs(labels.depth / depth - 1).max() < 1e-5


def test_a_floor_under_the_camera_is_covered_up_to_its_edge(raster: Raster) -> None:
    """It begins behind the camera and ends above the frame: of its corners, none is near the edge that is seen."""
    vertices = np.array([[-50, 1, -5], [0.55, 1, -5], [0.55, 1, 50], [-50, 1, 50]])
    raster.load(vertices, np.array([[0, 1, 2], [0, 2, 3]]))
    K = np.array([[90.0, 0, 61.3], [0, 80, -20.0], [0, 0, 1]])

    labels = raster.render(K, np.eye(4), HEIGHT, WIDTH)

    x, y = np.meshgrid((np.arange(FINE * WIDTH) + 0.5) / FINE, (np.arange(FINE * HEIGHT) + 0.5) / FINE)
    inside = (x - 61.3) / 90 * 80 / (y + 20.0) < 0.55
    share = 255 * inside.reshape(HEIGHT, FINE, WIDTH, FINE).mean(axis=(1, 3))
    assert np.sum((share > 0) & (share < 255)) > 60
    assert np.abs(labels.alpha - share).max() <= 255 / FINE**2 + 1


def test_rasters_come_and_go_without_harm_to_each_other(raster: Raster, pair: tuple[np.ndarray, ...]) -> None:
    K, world_to_camera = camera(0.0)
    vertices, faces, ids = pair
    raster.load(vertices, faces, ids)
    before = raster.render(K, world_to_camera, HEIGHT, WIDTH)
    with Raster() as other:
        other.load(vertices[:, [1, 0, 2]], faces[:, ::-1])
        swapped = other.render(K, world_to_camera, HEIGHT, WIDTH)
        after = raster.render(K, world_to_camera, HEIGHT, WIDTH)
    last = raster.render(K, world_to_camera, HEIGHT, WIDTH)
    assert not np.array_equal(swapped.depth, after.depth)
    for labels in (after, last):
        assert all(np.array_equal(a, b) for a, b in zip(vars(before).values(), vars(labels).values(), strict=True))


def test_blender_says_the_same_of_the_same_scene(raster: Raster, pair: tuple[np.ndarray, ...], blender: Any, tmp_path: Path) -> None:
    vertices, faces, ids = pair
    K, world_to_camera = camera(0.3, skew=0.0)
    K[1, 1] = K[0, 0]
    size = (2 * HEIGHT, 2 * WIDTH)
    K[:2] *= 2
    for number in (1, 2):
        glb.write(Mesh([Part(vertices, faces[ids == number])]), tmp_path / f"{number}.glb")
    blender.set_people({str(number): (tmp_path / f"{number}.glb", np.eye(4)) for number in (1, 2)})
    layers = blender.render(K, world_to_camera, size, samples=1, seed=0)

    raster.load(vertices, faces, ids)
    labels = raster.render(K, world_to_camera, *size)

    either = (labels.mask > 0) | (layers.index > 0)
    assert either.sum() > 30_000 and np.mean(labels.mask[either] == layers.index[either]) > 0.999
    both = (labels.mask > 0) & (labels.mask == layers.index)
    off = np.abs(labels.depth - layers.depth)[both] / layers.depth[both]
    assert np.median(off) < 1e-6 and np.mean(off > 1e-4) < 1e-3
    angle = degrees(labels.normal.astype(float), layers.normal.astype(float))[both]
    assert np.median(angle) < 0.05 and np.mean(angle > 1) < 5e-3
    assert np.mean(np.abs(labels.alpha / 255 - layers.alpha)) < 0.01
