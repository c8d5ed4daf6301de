"""How garments are finished: bands stand out in a clean line, collars fold over and stay clear, everything has an edge."""

import numpy as np
import pytest
import trimesh

from scans.people.collars import Near, Neckline
from scans.people.edging import BANDS, THICKNESS_M, TURNED, hemmed, outside, shell
from scans.people.garments import Cut
from scans.people.panels import APART_M
from scans.people.seams import away
from scans.people.surface import Surface, normals, triangulate
from scans.people.tailoring import Solid

NECK_M, WIDE_M, TALL_M = 0.055, 0.065, 0.12  # radius of the neck and of the neckline; height of the cloth below it


def turned_surface(radius, height, around=80):
    """A surface of revolution about the z axis from (R,) radii and heights, and its faces, which look outward when it goes up."""
    angle = np.linspace(-np.pi, np.pi, around, endpoint=False)
    vertices = np.stack([np.outer(radius, np.sin(angle)), -np.outer(radius, np.cos(angle)), np.outer(height, np.ones(around))], axis=-1)
    i = np.arange(len(radius) * around).reshape(len(radius), around)
    right = np.roll(i, -1, axis=1)
    return vertices.reshape(-1, 3), triangulate(np.stack([i[:-1], right[:-1], right[1:], i[1:]], axis=-1).reshape(-1, 4))


@pytest.fixture(scope="module")
def body():
    """A neck on sloping shoulders."""
    height = np.linspace(0.40, 0.75, 60)
    vertices, faces = turned_surface(NECK_M + np.maximum(0, 0.56 - height) * 1.6, height)
    return Solid(vertices, normals(vertices, faces), vertices, faces)


def garment(front=-1.0, rows=14):
    """Cloth around the shoulders, with a neckline, a hem, and a front that is open by twice `front`."""
    height = np.linspace(0.56 - TALL_M, 0.56, rows)
    vertices, faces = turned_surface(WIDE_M + (0.56 - height) * 1.6, height)
    if front >= 0:
        faces = faces[~((np.abs(vertices[:, 0]) < front) & (vertices[:, 1] < 0))[faces].any(axis=1)]
    lines = {"neck": 0.56 - vertices[:, 2], "hem": vertices[:, 2] - 0.56 + TALL_M, "cuff": np.ones(len(vertices))}
    if front >= 0:
        lines["front"] = np.where(vertices[:, 1] < 0, np.abs(vertices[:, 0]) - front, 1.0)
    used, faces = np.unique(faces, return_inverse=True)
    attributes = {name: values[used] for name, values in lines.items()} | {"position": vertices[used]}
    return Surface(vertices[used], faces.reshape(-1, 3), np.zeros((len(faces.reshape(-1, 3)), 3, 2)), attributes)


def cut(kind, front=-1.0):
    return Cut("top", kind, 0.0, sleeve=0.97, front=front)


def test_a_band_stands_out_in_a_clean_line(body):
    """Beyond a strip that is as wide as the step, cloth is where it was, or as far out as the band is thick."""
    plain = garment()
    made = shell(cut("t-shirt"), plain, body, [])
    band = BANDS["t-shirt"][0]
    out = np.array([1.0, 1.6]) / np.hypot(1.0, 1.6)
    rim = away(made, np.flatnonzero(np.abs(made.vertices[:, 2] - made.vertices[:, 2].max()) < 0.02))
    place = np.stack([np.linalg.norm(made.vertices[:, :2], axis=1) - WIDE_M, made.vertices[:, 2] - 0.56], axis=1)
    proud = place @ out
    inner, beyond = rim < band.width - 0.003, rim > band.width + 0.003
    middle = np.abs(made.vertices[:, 2] - 0.50) < 0.05
    assert inner.sum() > 50 and (beyond & middle).sum() > 50
    np.testing.assert_allclose(proud[inner].mean() - proud[beyond & middle].mean(), band.proud, atol=4e-4)
    # it has a texture of its own, metres along and across
    own = np.round(made.uv[:, 0, 0] / APART_M) == 3
    assert 0.2 < own.mean() < 0.9 and made.uv[own][..., 1].max() == pytest.approx(band.width, abs=2e-3)
    assert np.ptp(made.uv[own][..., 0], axis=1).max() < 0.03  # no face spans the whole round


@pytest.mark.parametrize(("kind", "front"), [("shirt", -1.0), ("jacket", 0.015), ("coat", 0.015)])
def test_collars_stand_fold_and_stay_clear(kind, front, body):
    plain = garment(front)
    made = shell(cut(kind, front), plain, body, [])
    collar = TURNED[kind]
    on = np.round(made.uv[:, 0, 0] / APART_M) == 3
    leaf = made.vertices[np.unique(made.faces[on])]
    assert np.isfinite(leaf).all() and on.sum() > 500
    # it stands up at the back, as high as it is cut, and comes down again outside of where it stands
    back = leaf[(leaf[:, 1] > 0.03) & (np.abs(leaf[:, 0]) < 0.02)]
    assert 0.8 * collar.stand < back[:, 2].max() - 0.56 < 1.4 * collar.stand
    edge = back[np.argmax(back[:, 1])]
    assert edge[2] < back[:, 2].max() - 0.5 * collar.fall
    assert np.linalg.norm(leaf[:, :2], axis=1).min() > NECK_M  # nothing in the neck
    assert Near(plain.vertices, normals(plain.vertices, plain.faces)).height(leaf).min() > -1e-3
    # left and right are alike
    assert np.abs(leaf[:, 0].max() + leaf[:, 0].min()) < 0.01
    # with its hem it is a closed solid, as thick as cloth
    solid = hemmed(made)
    thick = trimesh.Trimesh(solid.vertices, solid.faces, process=False).split(only_watertight=True)
    assert len(thick) == (3 if collar.notch else 1)
    assert all(0.7 * THICKNESS_M < part.volume / (part.area / 2) < 1.1 * THICKNESS_M for part in thick)


def test_what_is_worn_over_a_collar_is_kept_off_its_outside_only(body):
    made = shell(cut("shirt"), garment(), body, [])
    solid = outside(made, body)
    assert 0 < len(solid.vertices) < len(made.vertices)
    high = solid.vertices[:, 2] > 0.57
    assert (np.einsum("vi,vi->v", solid.normals[high][:, :2], solid.vertices[high][:, :2]) > -1e-3).mean() > 0.95


def test_a_neckline_runs_from_the_right_around_the_back():
    plain = garment()
    plain.attributes["normal"] = normals(plain.vertices, plain.faces)
    top = np.flatnonzero(plain.vertices[:, 2] == plain.vertices[:, 2].max())
    order = top[np.argsort(np.arctan2(plain.vertices[top, 0], plain.vertices[top, 1]))]  # from the front over the right to the back
    line = Neckline.of(plain, np.append(order, order[0]), 0.01)
    assert line.along[0] == pytest.approx(-line.along[-1], abs=0.02) and (line.points[np.argmin(np.abs(line.along)), 1] > 0.06)
    assert (line.points[line.along < -0.02][:-3, 0] < 0.02).all()
    np.testing.assert_allclose(np.einsum("ni,ni->n", line.into, line.out), 0, atol=1e-9)
    assert (line.into[:, 2] < 0).all()
