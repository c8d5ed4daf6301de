"""What the checks let through, and what they stop: every reason against a good sample of which one thing is broken."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from datasets.conventions import camera_rays
from datasets.triplet import Triplet
from render import checks
from render.checks import reject
from render.lens import camera_matrix, viewing_rotation
from tests.fixtures import analytic_sphere
from tests.render.conftest import CENTRE
from tests.render.spheres import sphere_frame, sphere_plan

Spoil = Callable[[Triplet], Any]


def posed(people: int, height: int = 288, width: int = 216) -> Triplet:
    """Spheres side by side, seen from in front, a metre away."""
    spec = sphere_plan(people=people, height=height, width=width).spec(0)
    K, transform = camera_matrix(50 if people == 1 else 30, height, width), np.eye(4)
    transform[:3, :3] = viewing_rotation(0.0, 0.1, 0.2)
    transform[:3, 3] = [-0.16 * (people - 1), 0, 1] - transform[:3, :3] @ CENTRE
    places = [np.eye(4) + np.outer([0.32 * number, 0, 0, 0], [0, 0, 0, 1]) for number in range(people)]
    subjects = (replace(subject, world_from_scan=place.tolist()) for subject, place in zip(spec.subjects, places, strict=True))
    camera = replace(spec.camera, K=K.tolist(), world_to_camera=transform.tolist())
    return sphere_frame(replace(spec, subjects=tuple(subjects), camera=camera))


@pytest.fixture
def good() -> Triplet:
    """Two spheres; its arrays may be written to."""
    return posed(people=2)


@pytest.mark.parametrize(("people", "height", "width"), [(1, 96, 72), (1, 384, 288), (1, 30, 50), (3, 96, 72)])
def test_good_samples_pass(people: int, height: int, width: int) -> None:
    plan = sphere_plan(people=people, height=height, width=width)
    reasons = {reject(sphere_frame(plan.spec(index))) for index in range(12)}
    drawn = {None, "the first person is hidden", "people cover too little of the frame"} if people > 1 else {None}
    assert None in reasons and reasons <= drawn


def middle(sample: Triplet) -> tuple[int, ...]:
    return tuple(np.argwhere(sample.mask)[sample.mask.astype(bool).sum() // 2])


def put(name: str, value: Any, place: Callable[[Triplet], Any] = middle) -> Spoil:
    return lambda sample: getattr(sample, name).__setitem__(place(sample), value)


def mask_only(*place: slice) -> Spoil:
    """The mask says that the first person is there and nobody elsewhere."""

    def spoil(sample: Triplet) -> None:
        sample.mask[:] = 0
        sample.mask[place] = 1

    return spoil


def camera(change: Callable[[np.ndarray], np.ndarray], name: str = "K") -> Spoil:
    return lambda sample: sample.meta.update({name: change(np.array(sample.meta[name])).tolist()})


corner = lambda _: (0, 0)
everywhere = lambda _: np.s_[:]
inside = lambda sample: sample.mask > 0
beside = lambda sample: tuple(np.argwhere(sample.mask).min(axis=0))  # a corner of their box
second = lambda sample: sample.mask == 2
speckles = lambda sample: tuple(np.argwhere(sample.mask)[::50].T)
part = lambda sample: (sample.mask == 2) & (np.arange(sample.mask.shape[1]) > np.median(np.nonzero(sample.mask == 2)[1]))

SPOILS: list[tuple[str, Spoil]] = [
    ("depth is not finite exactly on the mask", put("depth", np.nan)),
    ("depth is not finite exactly on the mask", put("depth", np.inf)),
    ("depth is not finite exactly on the mask", put("depth", 0)),
    ("depth is not finite exactly on the mask", put("depth", 1, corner)),
    ("depth is not finite exactly on the mask", put("depth", np.nan, corner)),
    ("depth is not finite exactly on the mask", put("depth", -1, corner)),
    ("camera is inside somebody", lambda s: s.depth.__imul__(0.09 / s.depth[s.mask > 0].min())),
    ("normals are not unit exactly on the mask", put("normal", [0, 0, 0.5])),
    ("normals are not unit exactly on the mask", put("normal", 0)),
    ("normals are not unit exactly on the mask", put("normal", np.nan)),
    ("normals are not unit exactly on the mask", put("normal", [0, 0, 1], corner)),
    ("normals are not unit exactly on the mask", put("normal", [0, 0, 0.01], beside)),
    ("normals are not unit exactly on the mask", put("normal", [0, 0, 1], beside)),
    ("normals face away from the camera", lambda s: put("normal", -s.normal[speckles(s)], speckles)(s)),
    ("normals disagree with the depth", lambda s: s.normal.__imul__(np.float16([1, -1, 1]))),
    ("normals disagree with the depth", lambda s: s.normal.__imul__(np.float16([-1, 1, 1]))),
    ("normals disagree with the depth", put("normal", [0, 0, 1], inside)),
    ("normals disagree with the depth", lambda s: put("normal", s.normal[second(s)][:, [1, 0, 2]], second)(s)),
    ("normals disagree with the depth", lambda s: put("normal", s.normal[part(s)] * np.float16([-1, 1, 1]), part)(s)),
    ("normals disagree with the depth", lambda s: s.depth.__imul__(np.linspace(0.5, 1.5, s.depth.shape[1], dtype=np.float32))),
    ("normals disagree with the depth", camera(lambda K: K * [[2, 1, 1], [1, 2, 1], [1, 1, 1]])),
    ("K is not of this picture", camera(lambda K: K * [[2, 2, 2], [2, 2, 2], [1, 1, 1]])),
    ("K is not of this picture", camera(lambda K: K.T)),
    ("K is not of this picture", camera(lambda K: K * [[1, 1, -1], [1, 1, 1], [1, 1, 1]])),
    ("K is not of this picture", camera(lambda K: np.add(K, [[0, 9, 0], [0, 0, 0], [0, 0, 0]]))),
    ("K is not of this picture", camera(lambda K: K * [[-1, 1, 1], [1, 1, 1], [1, 1, 1]])),
    ("world_to_camera is not rigid", camera(lambda M: M * 1.01, "world_to_camera")),
    ("world_to_camera is not rigid", camera(lambda M: np.diag([1, -1, 1, 1]) @ M, "world_to_camera")),
    ("world_to_camera is not rigid", camera(lambda M: np.diag([1.01, 1.01, 1.01, 1]) @ M, "world_to_camera")),
    ("world_to_camera is not rigid", camera(lambda M: M.T, "world_to_camera")),
    ("people are not where the record puts them", camera(lambda M: M + np.outer([1, 0, 0, 0], [0, 0, 0, 3]), "world_to_camera")),
    (
        "people are not where the record puts them",
        lambda s: s.meta["subjects"][1].update(world_from_scan=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 9], [0, 0, 0, 1]]),
    ),
    ("mask has an id without a subject", put("mask", 3)),
    ("mask has an id without a subject", lambda s: s.meta.update(subjects=s.meta["subjects"][:1])),
    ("the first person is hidden", put("mask", 2, inside)),
    ("the first person is hidden", lambda s: put("mask", 2, lambda s: tuple(np.argwhere(s.mask == 1)[80:].T))(s)),
    ("people cover too little of the frame", mask_only(slice(100, 128), slice(100, 120))),
    ("people cover too much of the frame", mask_only()),
    ("people are at the frame's edge or too thin", mask_only(slice(None), slice(170, None))),
    ("people are at the frame's edge or too thin", mask_only(slice(220, None))),
    ("people are at the frame's edge or too thin", mask_only(slice(None), slice(100, 109))),
    ("people are at the frame's edge or too thin", mask_only(slice(140, 153))),
    ("people are too dark", put("rgb", 8, inside)),
    ("people are too bright", lambda s: put("rgb", 255, lambda s: tuple(np.argwhere(s.mask)[::2].T))(s)),
    ("alpha disagrees with the mask", put("alpha", 150, inside)),
    ("alpha disagrees with the mask", put("alpha", 9, everywhere)),
    ("alpha disagrees with the mask", put("alpha", 200, lambda s: np.s_[:5])),
]


@pytest.mark.parametrize(("reason", "spoil"), SPOILS)
def test_a_broken_sample_is_stopped_with_its_reason(good: Triplet, reason: str, spoil: Spoil) -> None:
    assert reject(good) is None
    spoil(good)
    assert reject(good) == reason


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {"depth": s.depth.astype(np.float64)},
        lambda s: {"depth": s.depth[:-1]},
        lambda s: {"normal": s.normal.astype(np.float32)},
        lambda s: {"rgb": s.rgb[..., 0]},
        lambda s: {"mask": s.mask.T},
        lambda s: {"alpha": None},
        lambda s: {"albedo": s.rgb[1:]},
        lambda s: {"meta": {**s.meta, "width": s.meta["width"] + 1}},
    ],
)
def test_arrays_of_another_size_or_type_are_stopped(good: Triplet, change: Callable[[Triplet], dict[str, Any]]) -> None:
    assert "has not the record's size or the contract's type" in str(reject(replace(good, **change(good))))


def tilted(sample: Triplet, degrees: float) -> Triplet:
    """All normals turned toward the camera by so much: what they disagree with the depth by, everywhere but at the very middle."""
    rays = camera_rays(sample.K, *sample.mask.shape) * [-1, 1, 1]
    normal, toward = sample.normal.astype(np.float64), rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    aside = toward - (toward * normal).sum(-1, keepdims=True) * normal
    aside /= np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-9)
    turned = np.cos(np.radians(degrees)) * normal + np.sin(np.radians(degrees)) * aside
    turned /= np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-9)
    return replace(sample, normal=np.where(sample.mask[..., None] > 0, turned, 0).astype(np.float16))


@pytest.mark.parametrize(("height", "width"), [(96, 72), (1024, 768)])
def test_the_disagreement_is_measured_in_degrees(height: int, width: int) -> None:
    """At any size of picture, whether all pixels are looked at or some."""
    sample = posed(1, height, width)
    assert reject(tilted(sample, 9.3)) is None
    assert reject(tilted(sample, 10.7)) == "normals disagree with the depth"


def test_normal_maps_may_tilt_normals_but_not_turn_them_over(good: Triplet) -> None:
    mapped = lambda sample: replace(sample, meta={**sample.meta, "normal_maps": True})
    rough = tilted(good, 20)
    assert reject(rough) == "normals disagree with the depth" and reject(mapped(rough)) is None
    good.normal[:] *= np.float16([-1, 1, 1])
    assert reject(mapped(good)) == "normals disagree with the depth"


def test_depth_of_field_may_spread_alpha(good: Triplet) -> None:
    good.alpha[:] = 100
    assert reject(good) == "alpha disagrees with the mask"
    good.meta["f_number"] = 2.0
    assert reject(good) is None


def test_where_depth_steps_it_tells_no_normal() -> None:
    """As at hems, fingers and noses: the disagreement there is not the normals'."""
    sample = posed(1)
    steps = np.arange(sample.mask.shape[1]) // 8 % 2 * sample.depth.max() / 50
    stepped = np.where(sample.mask > 0, sample.depth + steps, 0).astype(np.float32)
    assert reject(replace(sample, depth=stepped)) is None


def test_minus_zero_outside_is_zero(good: Triplet) -> None:
    good.normal[good.mask == 0] = -0.0
    assert reject(good) is None


def test_skew_is_part_of_a_camera() -> None:
    """A sphere seen through a K with skew: its depth tells its own normals."""
    K = np.array([[300.0, 60.0, 48.0], [0.0, 280.0, 64.0], [0.0, 0.0, 1.0]])
    depth, normal, mask = analytic_sphere(K, np.array([0.05, -0.02, 2.0]), 0.3, 128, 96)
    meta = {"K": K.tolist(), "width": 96, "height": 128, "world_to_camera": np.eye(4).tolist(), "subjects": [{}]}
    rgb = np.zeros((128, 96, 3), np.uint8)
    sample = Triplet("0", rgb, mask, mask * np.uint8(255), depth.astype(np.float32), normal.astype(np.float16), meta)
    assert checks.whole(sample) is None
    assert np.nanmedian(checks._disagreement(sample, np.flatnonzero(mask))) < 0.5
