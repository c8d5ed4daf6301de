"""Holes in a person, on bodies in closed form: a closed one, one with a face taken out, sleeves and skirts."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from scans.mesh import Part
from scans.people.labels import Label
from scans.people.silhouette import hole, seen_from_behind


def part(mesh, label):
    return Part(np.asarray(mesh.vertices), np.asarray(mesh.faces), labels=np.full(len(mesh.faces), label))


TRUNK = part(trimesh.creation.icosphere(subdivisions=3, radius=0.5), Label.TORSO)


def without(whole, chosen):
    return replace(whole, faces=whole.faces[~chosen], labels=whole.labels[~chosen])


def test_a_closed_body_shows_no_inside():
    first, behind = seen_from_behind([TRUNK])
    assert hole([TRUNK]) == "" and not behind.any()
    # twelve views of a ball whose diameter is 1/sqrt(3) of a view's edge
    assert len(first) == pytest.approx(12 * np.pi / 4 * 160**2 / 3, rel=0.01)


@pytest.mark.parametrize(("label", "size", "said"), [(Label.TORSO, 0.12, "skin"), (Label.HAIR, 0.12, ""), (Label.UPPER_CLOTHING, 0.12, ""),
                                                     (Label.UPPER_CLOTHING, 0.45, "cloth")])  # fmt: skip
def test_a_hole_in_skin_is_told_and_one_in_cloth_when_it_is_large(label, size, said):
    middles = TRUNK.vertices[TRUNK.faces].mean(axis=1)
    worn = replace(TRUNK, labels=np.full(len(TRUNK.faces), label))
    assert hole([without(worn, np.linalg.norm(middles - [0, -0.5, 0], axis=1) < size)]) == said


def test_a_hole_in_skin_under_cloth_does_not_matter():
    bare = without(TRUNK, TRUNK.vertices[TRUNK.faces].mean(axis=1)[:, 2] > -0.3)
    shirt = part(trimesh.creation.icosphere(subdivisions=3, radius=0.52), Label.UPPER_CLOTHING)
    assert hole([bare]) == "skin" and hole([bare, shirt]) == ""
