"""Looks: drawn within what is wanted and never refused, the rest of a person untouched by what is asked of one trait."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scans.people.beard import BEARDS as BEARD_CUTS
from scans.people.looks import BEARDS, STYLES, Looks, draw_looks
from scans.people.palette import HAIR_COLOURS
from scans.people.styles import STYLES as CUTS
from scans.people.wanted import CHOICES, RANGES, Wanted

PEOPLE = range(300)


def drawn(index: int, **wanted) -> Looks:
    return draw_looks(np.random.default_rng([1, index]), Wanted(**wanted))


def trait(looks: Looks, key: str) -> float:
    return {"age": looks.age, "build": looks.phenotype["weight"], "tone": looks.tone + 1, "stature_m": looks.stature}[key]


@st.composite
def ranges(draw):
    """A range that may be asked for, down to a single value."""
    wanted = {}
    for key, (least, most) in RANGES.items():
        ends = sorted(draw(st.floats(least, most)) for _ in range(2))
        wanted[key] = tuple(float(round(end)) for end in ends) if key == "age" else tuple(ends)
    return wanted


@given(ranges(), st.sampled_from([None, ("male",), ("female",), ("female", "male")]), st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_people_are_as_wanted(wanted, sex, index):
    """Also where hardly anybody is: women of two metres, the slimmest of all."""
    looks = drawn(index, **wanted, sex=sex)
    for key, (least, most) in wanted.items():
        assert least - 1e-6 <= trait(looks, key) <= most + 1e-6
    assert sex is None or looks.sex in sex
    assert all(np.isfinite(value) for value in looks.phenotype.values())
    assert {"african", "asian", "caucasian"} < looks.phenotype.keys()


def test_a_wish_for_one_trait_keeps_the_order_of_people_in_it():
    """Whoever is older without the wish is not younger with it: the range is squeezed, not sampled afresh."""
    free = [drawn(index, sex=("male",)).age for index in PEOPLE]
    asked = [drawn(index, sex=("male",), age=(30.0, 60.0)).age for index in PEOPLE]
    order = np.argsort(free, kind="stable")
    assert (np.diff(np.array(asked)[order]) >= -1).all() and len(set(asked)) > 20
    assert [drawn(index, age=(30.0, 60.0)).sex for index in PEOPLE] == [drawn(index).sex for index in PEOPLE]


def test_people_are_of_every_kind():
    people = [drawn(index) for index in PEOPLE]
    assert 0.4 < np.mean([looks.sex == "male" for looks in people]) < 0.6
    assert min(looks.age for looks in people) < 22 and max(looks.age for looks in people) > 70
    assert {round(looks.tone) for looks in people} == set(range(10))
    men, women = ([looks.stature for looks in people if looks.sex == sex] for sex in ("male", "female"))
    assert 0.10 < np.mean(men) - np.mean(women) < 0.16
    assert len({looks.hair for looks in people}) > 15 and {looks.hair_colour for looks in people} <= set(HAIR_COLOURS)
    assert not any(looks.beard or looks.stubble for looks in people if looks.sex == "female")
    assert np.mean([looks.crown for looks in people if looks.age > 60]) > np.mean([looks.crown for looks in people if looks.age < 40])
    assert any(looks.crown > 0.03 for looks in people)
    assert all(looks.stubble > 0.8 for looks in people if looks.beard) and {looks.beard for looks in people} == set(BEARDS)
    assert all(0 <= value <= 1 for looks in people for value in (looks.grey, looks.brows, looks.stubble))


def test_every_style_is_worn_by_somebody_and_known_to_the_barber():
    assert set(STYLES) <= set(CUTS) and set(BEARDS) == {"", *BEARD_CUTS}
    assert all(men + women > 0 for men, women, _ in STYLES.values())


def test_wishes_are_read_from_numbers_names_and_lists():
    nothing = dict.fromkeys([*RANGES, *CHOICES])
    assert Wanted.parse(nothing) == Wanted() and Wanted().record() == {}
    wanted = Wanted.parse(nothing | {"age": 30, "tone": [1, 3.5], "sex": "male", "pose": ["sitting", "running", "sitting"]})
    assert wanted == Wanted(age=(30, 30), tone=(1, 3.5), sex=("male",), pose=("running", "sitting"))
    assert wanted.record() == {"age": [30, 30], "tone": [1, 3.5], "sex": ["male"], "pose": ["running", "sitting"]}


@pytest.mark.parametrize("index", [0, 1])
def test_the_same_generator_gives_the_same_looks(index):
    assert drawn(index) == drawn(index)
