"""Hair, beards, brows and lashes on a round head: where they grow, what they stay out of, and what meshes they make."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from datasets.conventions import Array
from scans.mesh import weld
from scans.people.beard import BEARDS, grow_beard
from scans.people.brows import grow_brows_and_lashes
from scans.people.hair import STYLES, Skin, grow, hairline
from scans.people.hairtexture import CAP_U, HAIR_U, paint
from scans.people.scalp import CENTRE, EYE, Frame, Obstacle
from scans.people.strands import Combing, Roots, Strands, apart, comb
from scans.people.surface import Surface, normals
from scans.people.tufts import Look, mesh

RADIUS = 0.105
MOVE = np.array([0.3, -0.2, 0.5])
NO_CLOTHES = (np.array([[9.0, 9.0, 9.0]]), np.array([[0.0, 0.0, 1.0]]))


def ball(rows: int = 44) -> Skin:
    """A spherical head, its lower half drawn out into a neck, in the template's place."""
    polar, turn = np.meshgrid(np.linspace(0.001, np.pi - 0.001, rows), np.linspace(0, 2 * np.pi, 2 * rows, endpoint=False), indexing="ij")
    d = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=-1).reshape(-1, 3)
    index = np.arange(2 * rows**2).reshape(rows, 2 * rows)
    right = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], index[1:], right[1:], right[:-1]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices = CENTRE + RADIUS * d
    return Skin(vertices, normals(vertices, faces), faces, vertices.copy(), np.zeros(len(vertices)))


def turned(skin: Skin, rotation: Rotation) -> Skin:
    return replace(skin, vertices=rotation.apply(skin.vertices) + MOVE, normals=rotation.apply(skin.normals))


@pytest.fixture(scope="module")
def head() -> Skin:
    return ball()


def whole(pieces: list[Surface]) -> Array:
    return np.concatenate([piece.vertices for piece in pieces])


@pytest.mark.parametrize("style", [name for name in STYLES if name != "shaved"])
def test_every_style_is_a_clean_mesh_outside_the_head(style: str, head: Skin) -> None:
    """Finite, in the texture's square, no face without area, never deep in the head; same seed, same bytes."""
    pieces = grow(style, head, NO_CLOTHES, np.random.default_rng(3), detail=0.2)
    again = grow(style, head, NO_CLOTHES, np.random.default_rng(3), detail=0.2)
    assert all(np.array_equal(a.vertices, b.vertices) and np.array_equal(a.faces, b.faces) for a, b in zip(pieces, again, strict=True))
    assert 5_000 < sum(len(piece.faces) for piece in pieces) < 25_000
    for piece in pieces:
        assert np.isfinite(piece.vertices).all()
        assert piece.uv.min() >= 0 and piece.uv.max() <= 1
    points = whole(pieces)
    assert np.linalg.norm(points - CENTRE, axis=1).min() > RADIUS - 0.008
    other = grow(style, head, NO_CLOTHES, np.random.default_rng(4), detail=0.2)
    assert len(whole(other)) != len(whole(pieces)) or not np.allclose(whole(other), whole(pieces))


def test_a_shaved_head_has_no_hair(head: Skin) -> None:
    assert grow("shaved", head, NO_CLOTHES, np.random.default_rng(0)) == []


def test_fine_hairs_share_no_vertices(head: Skin) -> None:
    """Smooth normals are summed over vertices within a micrometre: hairs that touch would shade each other."""
    hairs = grow("messy", head, NO_CLOTHES, np.random.default_rng(1), detail=0.25)[1]
    first, _ = weld(np.round(hairs.vertices, 6))
    assert len(first) == len(hairs.vertices)


@pytest.mark.parametrize("style", ["crew", "afro", "bob with fringe", "long wavy", "bun"])
def test_no_scalp_shines_through(style: str, head: Skin) -> None:
    """From everywhere well inside of the hairline a ray outward meets hair."""
    hair = grow(style, head, NO_CLOTHES, np.random.default_rng(6), detail=0.2)[0]
    scalp = hairline(head.template) > 0.018
    ray = trimesh.Trimesh(hair.vertices, hair.faces, process=False).ray
    assert ray.intersects_any(head.vertices[scalp] - 0.002 * head.normals[scalp], head.normals[scalp]).mean() > 0.995


@pytest.mark.parametrize("style", ["long straight", "long curly", "lob", "coils"])
def test_no_hair_crosses_the_face(style: str, head: Skin) -> None:
    for seed in range(3):
        x, y, z = whole(grow(style, head, NO_CLOTHES, np.random.default_rng(seed), detail=0.2)[:1]).T
        assert not ((np.abs(x) < 0.035) & (y < CENTRE[1] - 0.06) & (z < EYE[2])).any()


def test_long_hair_hangs_down_in_the_world_whatever_the_head_does(head: Skin) -> None:
    """Tilted far forward, the ends still lie below the roots; and turning a person about the vertical turns the hair with them."""
    bent = turned(head, Rotation.from_euler("x", 75, degrees=True))
    ends = whole(grow("long straight", bent, NO_CLOTHES, np.random.default_rng(2), detail=0.2)[1:])
    assert ends[:, 2].min() < bent.vertices[:, 2].min() - 0.15
    spin = Rotation.from_euler("z", 50, degrees=True)
    upright = whole(grow("long straight", head, NO_CLOTHES, np.random.default_rng(2), detail=0.2))
    spun = whole(grow("long straight", turned(head, spin), NO_CLOTHES, np.random.default_rng(2), detail=0.2))
    assert np.abs(spun - (spin.apply(upright) + MOVE)).max() < 1e-4


def test_long_hair_lies_on_the_clothes(head: Skin) -> None:
    """A level shelf under the head stands for shoulders."""
    x, y = np.meshgrid(np.linspace(-0.6, 0.6, 120), np.linspace(-0.6, 0.6, 120))
    shelf = np.stack([x.ravel(), y.ravel(), np.full(x.size, CENTRE[2] - 0.16)], axis=1)
    up = np.broadcast_to([0.0, 0.0, 1.0], shelf.shape)
    free = whole(grow("long wavy", head, NO_CLOTHES, np.random.default_rng(5), detail=0.2))
    caught = whole(grow("long wavy", head, (shelf, up), np.random.default_rng(5), detail=0.2))
    assert (free[:, 2] < shelf[0, 2] - 0.02).mean() > 0.1
    assert (caught[:, 2] < shelf[0, 2] - 0.006).mean() < 0.01


def test_a_frame_is_the_motion_of_the_head(head: Skin) -> None:
    rotation = Rotation.from_euler("xyz", [20, -40, 70], degrees=True)
    moved = replace(head, vertices=1.1 * rotation.apply(head.vertices) + MOVE)
    frame = Frame.fit(moved)
    assert np.allclose(frame.rotation, rotation.as_matrix()) and np.isclose(frame.scale, 1.1)
    assert np.allclose(frame.inward(moved.vertices), head.vertices) and np.allclose(frame.outward(head.vertices), moved.vertices)
    assert np.allclose(rotation.apply(frame.down), [0, 0, -1])


def test_a_receding_hairline_and_a_bald_crown_only_take_hair_away(head: Skin) -> None:
    full, less = hairline(head.template), hairline(head.template, recession=0.03, crown=0.04)
    assert (less <= full).all() and (less > 0).sum() < 0.9 * (full > 0).sum()
    crown = CENTRE + RADIUS * np.array([[0.0, 0.45, 0.89]])
    assert hairline(crown)[0] > 0 and hairline(crown, crown=0.04)[0] < -0.03
    nape = CENTRE + RADIUS * np.array([[0.0, np.cos(-0.6), np.sin(-0.6)]])
    assert np.isclose(hairline(nape)[0], hairline(nape, recession=0.03)[0])


def test_roots_keep_their_distance() -> None:
    points = np.random.default_rng(0).random((3000, 3)) * [1, 1, 0]
    kept = points[apart(points, 0.05)]
    gaps = np.linalg.norm(kept[:, None] - kept[None], axis=2) + 9 * np.eye(len(kept))
    assert gaps.min() >= 0.05
    assert np.linalg.norm(points[:, None] - kept[None], axis=2).min(axis=1).max() < 0.05  # none could be added


def test_hair_without_comb_falls_plumb() -> None:
    """One strand beside a distant obstacle, held for no length: a straight line down, as long as asked."""
    root = Roots(np.zeros((1, 3)), np.array([[1.0, 0, 0]]), np.zeros((1, 3)), np.ones(1))
    combing = Combing(np.array([0.2]), np.zeros(1), np.zeros(1), 0.01, 1e-4, 1e-4)
    far = Obstacle(np.array([[-1.0, 0, z] for z in np.linspace(-1, 1, 9)]), np.tile([1.0, 0, 0], (9, 1)))
    down = np.array([0.0, 0.0, -1.0])
    strand = comb(root, combing, lambda p: np.broadcast_to([0.0, 1.0, 0.0], p.shape), np.zeros_like, down, far, 9)
    assert np.allclose(strand.along[:, -1], 0.2)
    assert np.allclose(strand.points[0, -1], [0, 0, -0.2], atol=0.012)


def test_fine_hairs_face_outward_and_are_as_wide_as_asked() -> None:
    points = np.stack([np.zeros(5), np.zeros(5), -np.linspace(0, 0.1, 5)], axis=1)[None]
    strands = Strands(points, np.broadcast_to([0.0, -1.0, 0.0], points.shape))
    made = mesh(strands, Look(np.array([0.01]), np.zeros(1), np.array([0.5]), 0.1, root=1.0, tip=1.0))
    assert len(made.faces) == 2 * 4
    assert np.allclose(normals(made.vertices, made.faces), [0, -1, 0])
    assert np.isclose(np.ptp(made.vertices[:, 0]), 0.01) and np.isclose(np.ptp(made.vertices[:, 2]), 0.1)
    assert np.isclose(made.uv[..., 1].min(), 0) and np.isclose(made.uv[..., 1].max(), 1)
    assert np.isclose(made.uv[..., 0].min(), 0.45) and np.isclose(made.uv[..., 0].max(), 0.55)


@pytest.mark.parametrize("style", list(BEARDS))
def test_beards_grow_below_the_eyes_and_in_front(style: str, head: Skin) -> None:
    mouth = CENTRE + RADIUS * np.array([0.0, -np.cos(0.75), -np.sin(0.75)])
    lips = (np.linalg.norm(head.template - mouth, axis=1) < 0.012).astype(float)
    beard = whole(grow_beard(style, head, lips, np.random.default_rng(0), detail=0.3))
    assert len(beard) > 100 and (beard[:, 1] < 0).all() and (beard[:, 2] < EYE[2] + 0.02).all()
    if style in ("goatee", "moustache"):
        assert np.abs(beard[:, 0]).max() < 0.06


def test_brows_are_mirrored_above_the_eyes(head: Skin) -> None:
    t = np.linspace(-0.014, 0.014, 12)
    rail = np.stack([EYE[0] + t, np.full(12, EYE[1] - 0.012), np.full(12, EYE[2])], axis=1)
    brows, *lashes = grow_brows_and_lashes(head, [np.stack([rail, rail + np.array([0, -0.008, 0])])] * 4, np.random.default_rng(0))
    side = brows.vertices[:, 0] > 0
    assert 0.7 < side.mean() / (1 - side.mean()) < 1.4
    assert (np.abs(brows.vertices[:, 2] - EYE[2] - 0.02) < 0.015).all()
    assert all(np.abs(row.vertices - rail.mean(axis=0)).max() < 0.03 for row in lashes)
    assert len(lashes[0].faces) > len(lashes[2].faces)


def test_the_texture_runs_from_skin_to_hair_and_greys() -> None:
    shade, scalp = np.array([0.12, 0.075, 0.05]), np.array([0.8, 0.6, 0.5])
    picture = paint(shade, scalp, 0.0, 256, np.random.default_rng(0)).astype(float) / 255
    assert picture.shape == (256, 256, 3)
    cap = picture[:, int(CAP_U[0] * 256) + 2 : int(CAP_U[1] * 256) - 2]
    assert np.allclose(cap[-3:].mean(axis=(0, 1)), scalp, atol=0.06) and (cap[:3].mean(axis=(0, 1)) < 0.2).all()
    strands = slice(0, int(HAIR_U[1] * 256))
    assert picture[-40:, strands].mean() < 0.7 * picture[:40, strands].mean()  # darker at roots and in gaps
    grey = paint(shade, scalp, 0.6, 256, np.random.default_rng(0)).astype(float) / 255
    assert grey[:, strands].mean() > picture[:, strands].mean() + 0.15
