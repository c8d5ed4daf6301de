"""Lamps, floor, lens and tone curves against closed forms, and against Blender's own."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from datasets.triplet import write_exr
from render import backdrop, develop, environment, light
from render.lens import blur_px, viewing_rotation
from render.spec import Lamp, Lighting
from tests.render.conftest import CENTRE, RADIUS

SIZE = (96, 96)


def card(path: Path, side: float = 0.5) -> None:
    """A white diffuse card that faces -Y, at the height of the sphere's centre."""
    points = [[x, CENTRE[2] + z, 0] for x, z in ((-side, -side), (side, -side), (side, side), (-side, side))]
    mesh = trimesh.Trimesh(points, [[0, 1, 2], [0, 2, 3]], process=False)
    white = trimesh.visual.material.PBRMaterial(baseColorFactor=[255, 255, 255, 255], metallicFactor=0.0, roughnessFactor=1.0)
    mesh.visual = trimesh.visual.TextureVisuals(material=white)
    mesh.export(path)


def sky(path: Path, value: float) -> Path:
    write_exr(str(path), dict.fromkeys("RGB", np.full((8, 16), value, np.float32)))
    return path


def camera(orbit: float = 0.0, elevation: float = 0.0, distance: float = 1.0) -> np.ndarray:
    transform = np.eye(4)
    transform[:3, :3] = viewing_rotation(orbit, elevation, 0.0)
    transform[:3, 3] = np.array([0, 0, distance]) - transform[:3, :3] @ np.array(CENTRE)
    return transform


K = np.array([[300.0, 0, 48], [0, 300.0, 48], [0, 0, 1]])


@pytest.mark.parametrize("kind", ["sun", "area"])
def test_a_lamp_gives_the_irradiance_it_says(blender: Any, tmp_path: Path, kind: str) -> None:
    """A white card under one lamp radiates E cos / pi; a dark sky adds nothing."""
    card(tmp_path / "card.glb")
    blender.set_people({"card": (tmp_path / "card.glb", np.eye(4))})
    blender.set_environment(sky(tmp_path / "dark.exr", 1e-6), 1.1)  # a turned sky must not turn lamps off their direction
    direction = np.array([0.6, -0.8, 0.0])
    source = light.Source(kind, np.array(CENTRE), direction, np.ones(3), irradiance=math.pi, angle_deg=10.0)
    blender.set_lamps([source])
    try:
        layers = blender.render(K, camera(), SIZE, samples=64, seed=0)
    finally:
        blender.set_lamps([])
    middle = layers.light[44:52, 44:52].mean()
    assert middle == pytest.approx(0.8 * layers.albedo[48, 48].mean(), rel=0.06)  # the card's own gloss included


def test_the_meter_reads_what_a_card_radiates() -> None:
    picture = np.full((32, 64, 3), 0.5, np.float32)
    lamps = (Lamp("sun", (0.0, -1.0, 0.0), 2.0, 6504.0, 1.0), Lamp("sun", (0.0, 1.0, 0.0), 5.0, 6504.0, 1.0))
    alone, together = light.metered(picture, Lighting("", 0.0, lamps), np.array([0.0, -1.0, 0.0]))
    assert alone == pytest.approx(0.5, rel=0.01) and together == pytest.approx(3 * alone)  # the second lamp is behind the card


def test_colour_temperatures() -> None:
    """Against the published chromaticities of black bodies: CIE illuminant A, and the Planckian locus at 5,000 and 10,000 K."""
    for temperature, published in ((2856, (0.4476, 0.4074)), (5000, (0.3451, 0.3516)), (10000, (0.2807, 0.2884))):
        XYZ = np.linalg.inv(light.XYZ_TO_RGB) @ light.black_body(temperature)
        assert np.allclose(XYZ[:2] / XYZ.sum(), published, atol=0.004), temperature
    assert np.allclose(light.kelvin(6504), 1)
    assert light.kelvin(3000) @ environment.LUMINANCE == pytest.approx(1)


@pytest.mark.parametrize("curve", develop.VIEWS)
def test_tone_curves_are_blenders_own(blender: Any, tmp_path: Path, curve: str) -> None:
    import bpy

    ramp = np.random.default_rng(0).uniform(0, 3, (8, 8, 3)).astype(np.float32)
    write_exr(str(tmp_path / "ramp.exr"), dict(zip("RGB", np.moveaxis(ramp, -1, 0), strict=True)))
    image = bpy.data.images.load(str(tmp_path / "ramp.exr"))
    settings = blender.scene.view_settings
    settings.view_transform, settings.look = develop.VIEWS[curve], "None"
    saved = tmp_path / "seen.png"
    blender.scene.render.image_settings.file_format = "PNG"
    try:
        image.save_render(str(saved), scene=blender.scene)
    finally:
        blender.scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
        bpy.data.images.remove(image)
    import cv2

    seen = cv2.imread(str(saved))[..., ::-1].astype(int)
    assert np.abs(seen - develop.to_bytes(develop.apply(curve, ramp))).max() <= 1


def test_a_sphere_shades_the_floor_as_its_solid_angle_says(blender: Any, tmp_path: Path) -> None:
    """Under an even sky, the floor straight below a sphere loses sin^2 of the sphere's half angle of its light."""
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    mesh.apply_translation([0, 0.2, 0])
    black = trimesh.visual.material.PBRMaterial(baseColorFactor=[0, 0, 0, 255], metallicFactor=0.0, roughnessFactor=1.0)
    mesh.visual = trimesh.visual.TextureVisuals(material=black)
    mesh.export(tmp_path / "low.glb")
    blender.set_people({"low": (tmp_path / "low.glb", np.eye(4))})
    blender.set_environment(sky(tmp_path / "even.exr", 1.0), 0.0)
    transform = np.eye(4)
    transform[:3, :3] = viewing_rotation(0, math.radians(60), 0.0)
    transform[:3, 3] = [0, 0, 1.5]
    plain = blender.render(K, transform, SIZE, samples=64, seed=0)
    layers = blender.render(K, transform, SIZE, samples=64, seed=0, floor=True)
    assert layers.shadow[48, 48].mean() == pytest.approx(1 - (RADIUS / 0.2) ** 2, abs=0.04)  # the origin is in the middle
    assert plain.shadow is None
    after = blender.render(K, transform, SIZE, samples=64, seed=0)
    for name in ("depth", "normal", "index", "alpha"):  # a floor changes nothing about the people, now or in the next frame
        assert np.allclose(getattr(plain, name), getattr(layers, name), atol=0.1 if name == "alpha" else 1e-5), name
        assert np.allclose(getattr(plain, name), getattr(after, name), atol=1e-5), name


def test_a_lens_blurs_the_photograph_and_not_the_labels(blender: Any, catalogue: Path) -> None:
    """The outline of a sphere out of focus spreads over the disc that a thin lens makes of a point there."""
    blender.set_people({"sphere-0": (catalogue / "sphere-0.glb", np.eye(4))})
    transform, focus, diameter = camera(distance=1.0), 2.0, 0.05
    sharp = blender.render(K, transform, SIZE, samples=64, seed=1)
    soft = blender.render(K, transform, SIZE, samples=64, seed=1, aperture=(diameter, focus))
    for name in ("depth", "normal", "index"):
        assert np.allclose(getattr(sharp, name), getattr(soft, name), atol=1e-5), name  # the box is another: rounding
    width = float(blur_px(K, diameter, focus, np.array(1.0)))  # 7.5 pixels
    row = soft.alpha[48, :48]
    spread = np.interp([0.02, 0.98], row, np.arange(48))
    assert np.diff(spread)[0] == pytest.approx(width, rel=0.3)
    assert np.diff(np.interp([0.02, 0.98], sharp.alpha[48, :48], np.arange(48)))[0] < 3


def test_far_away_becomes_the_lens_disc() -> None:
    point = np.zeros((65, 65, 3), np.float32)
    point[32, 32] = 1
    blurred = backdrop.blur(point, 12.0)
    assert blurred.sum() == pytest.approx(3, rel=1e-4)
    assert (blurred[32, :, 0] > 1e-6).sum() == pytest.approx(12, abs=1.1)
    assert np.array_equal(backdrop.blur(point, 0.4), point)


def test_a_photograph_keeps_its_colours_behind_nobody() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    behind = develop.srgb_decode(picture / np.float32(255))
    seen = develop.over_picture(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.float32), behind, "agx")
    assert np.array_equal(seen, picture)
