"""Fabrics: every weave and pattern paints, in metres, without moiré, and what is put on a garment is where it was put."""

import dataclasses

import numpy as np
import pytest

from scans.people.fabric import USUAL, denim_colour, draw_fabric
from scans.people.motif import draw_motif
from scans.people.palette import garment_colour, harmony
from scans.people.pattern import PATTERNS, draw_pattern
from scans.people.trim import Fade, Placket, Pocket, Print, Seam
from scans.people.weave import WEAVES

BLUE = np.array([0.2, 0.3, 0.6])
RED, WHITE = np.array([0.9, 0.1, 0.1]), np.ones(3)


def grid(pitch=0.001, size=100, left=0.0, top=0.4):
    return np.stack(np.meshgrid(left + pitch * (np.arange(size) + 0.5), top - pitch * (np.arange(size) + 0.5)), axis=-1)


def fabric(weave="jersey", seed=0, kind="plain"):
    return draw_fabric(weave, BLUE, np.random.default_rng(seed), kind)


@pytest.mark.parametrize("weave", WEAVES)
def test_every_weave_paints_something_possible(weave):
    texels = fabric(weave).at(grid(), 0.001)
    assert texels.colour.shape == (100, 100, 3) and texels.roughness.shape == texels.height.shape == (100, 100)
    assert texels.colour.min() >= 0 and texels.colour.max() <= 1
    assert 0.1 < texels.roughness.mean() <= 1
    assert np.ptp(texels.height) < 0.015  # less than a puffer's channels


@pytest.mark.parametrize("kind", PATTERNS)
def test_every_pattern_paints_and_means_the_same_place_whatever_the_grid(kind):
    """A window cut from a grid is the grid of that window, to what coarse noise on a window may differ."""
    cloth = fabric("poplin", kind=kind)
    whole, part = (cloth.pattern.colour(_grid(cloth, g)) for g in (grid(), grid()[30:70, 20:60]))
    difference = np.abs(whole[30:70, 20:60] - part)
    assert np.median(difference) < 0.03 and difference.mean() < 0.05


def _grid(cloth, uv):
    from scans.people.weave import Grid

    return Grid(uv, 0.001, list(cloth.noises))


def test_every_weave_has_usual_patterns():
    assert set(USUAL) == set(WEAVES)
    assert all(set(odds) <= set(PATTERNS) for odds in USUAL.values())


@pytest.mark.parametrize("weave", ["rib knit", "corduroy", "coarse knit", "denim"])
def test_structure_too_fine_for_texels_fades_instead_of_aliasing(weave):
    """Texels of 20 mm see the mean of the threads, not a pattern of their own."""
    cloth = dataclasses.replace(fabric(weave), size=0.0041)
    fine, coarse = cloth.at(grid(0.0004), 0.0004).colour, cloth.at(grid(0.02), 0.02).colour
    assert coarse.std(axis=(0, 1)).mean() < 0.6 * fine.std(axis=(0, 1)).mean()


def test_lengths_are_metres():
    """Stripes of period P come back after P, and a rib has its period."""
    pattern = dataclasses.replace(draw_pattern("stripes", np.stack([BLUE, RED, RED]), np.random.default_rng(1)), size=0.04)
    cloth = dataclasses.replace(fabric(), pattern=pattern)
    shift = grid() - [0, 0.04]
    np.testing.assert_allclose(pattern.colour(_grid(cloth, grid())), pattern.colour(_grid(cloth, shift)), atol=1e-3)
    ribs = dataclasses.replace(fabric("rib knit"), size=0.005).at(grid(0.0005, 200), 0.0005).height
    spectrum = np.abs(np.fft.rfft(ribs - ribs.mean(), axis=1)).mean(axis=0)
    assert abs(spectrum[3:].argmax() + 3 - 200 * 0.0005 / 0.005) <= 1


def test_the_same_seed_gives_the_same_cloth_and_another_does_not():
    first, again, other = (fabric(seed=seed, kind=None).at(grid(), 0.001).colour for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.001


def marked(trim, patch=0, uv=None, pitch=0.001):
    """How much colour (H,W) and height (H,W) change where `trim` is on."""
    cloth = fabric("poplin")
    uv = grid(pitch) if uv is None else uv
    plain, _ = cloth.paint(uv, pitch, patch)
    texels, metres = dataclasses.replace(cloth, trims=(trim,)).paint(uv, pitch, patch)
    assert metres == 1.0
    return np.abs(texels.colour - plain.colour).sum(axis=-1), texels.height - plain.height


def test_trims_are_on_their_patch_only():
    colour, height = marked(Seam(1, "u", 0.05, 0.0, 1.0, (0.003,), RED), patch=0)
    assert not colour.any() and not height.any()


def test_a_seam_runs_along_its_line_and_is_a_groove():
    colour, height = marked(Seam(0, "u", 0.05, 0.33, 0.38, (), RED))
    u, v = np.moveaxis(grid(), -1, 0)
    assert height.min() < -0.0004 and np.abs(u.ravel()[height.argmin()] - 0.05) < 0.0011
    assert colour[np.abs(u - 0.05) > 0.006].max() < 1e-3
    assert colour[(v < 0.329) | (v > 0.381)].max() < 1e-3


def test_buttons_are_where_they_were_sewn_on():
    colour, height = marked(Placket(0, 0.05, 0.30, 0.40, False, 3, WHITE, BLUE))
    u, v = np.moveaxis(grid(), -1, 0)
    for place in (0.315, 0.35, 0.385):
        disc = np.hypot(u - 0.05, v - place) < 0.004
        assert colour[disc].min() > 0.25 and height[disc].mean() > 0.001
    assert colour[np.abs(u - 0.05) > 0.03].max() < 1e-3


def test_pocket_and_fade_stay_in_their_place():
    u, v = np.moveaxis(grid(), -1, 0)
    _, height = marked(Pocket(0, (0.05, 0.38), 0.05, 0.04, 0.005, RED))
    assert np.median(height[(np.abs(u - 0.05) < 0.02) & (np.abs(v - 0.365) < 0.01)]) > 0.0007
    assert np.abs(height[(np.abs(u - 0.05) > 0.032) | (v > 0.39)]).max() < 3e-4
    colour, _ = marked(Fade(0, (0.05, 0.35), (0.01, 0.02), 0.5))
    assert colour[50, 50] > 0.2 and colour[np.abs(u - 0.05) > 0.035].max() < 0.02


def test_a_print_is_upright_and_unmirrored():
    """Its top is where v is larger, its left where u is smaller."""
    image = np.zeros((20, 40, 4), np.float32)
    image[:10, :20] = [1, 0, 0, 1]
    image[10:, 20:] = [0, 1, 0, 1]
    cloth = dataclasses.replace(fabric("poplin"), trims=(Print(0, (0.05, 0.35), 0.08, image, 0.5),))
    colour = cloth.paint(grid(), 0.001, 0)[0].colour
    u, v = np.moveaxis(grid(), -1, 0)
    red, green = (colour[(np.abs(u - x) < 0.01) & (np.abs(v - y) < 0.005)].mean(axis=0) for x, y in ((0.03, 0.36), (0.07, 0.34)))
    assert red[0] > 0.7 > 0.2 > red[1] and green[1] > 0.7 > 0.2 > green[0]


def test_motifs_cover_something_and_are_cut_to_it():
    for seed in range(12):
        image = draw_motif(np.stack([RED, BLUE, WHITE]), np.random.default_rng(seed))
        cover = image[..., 3]
        assert cover.mean() > 0.02 and cover.max() <= 1 and (image[..., :3] <= cover[..., None] + 1e-5).all()
        assert cover[4].max() > 0 and cover[:, 4].max() > 0


def test_clothes_are_mostly_neutral_and_their_colours_differ():
    rng = np.random.default_rng(0)
    colours = np.stack([garment_colour(rng) for _ in range(400)])
    saturation = np.ptp(colours, axis=1)
    assert 0.4 < np.mean(saturation < 0.2) < 0.85 and np.mean(saturation > 0.45) > 0.05
    assert colours.min() >= 0 and colours.max() <= 1
    dark = np.stack([garment_colour(rng, dark=True) for _ in range(400)])
    assert dark.mean() < colours.mean() - 0.03
    contrast = [np.abs(np.diff(harmony(colour, 3, rng)[:2], axis=0)).max() for colour in colours]
    assert np.quantile(contrast, 0.05) > 0.08  # a pattern must show


def test_denim_is_blue_or_grey_never_warm():
    colours = np.stack([denim_colour(np.random.default_rng(seed)) for seed in range(50)])
    assert (colours[:, 2] >= colours[:, 0]).all()
