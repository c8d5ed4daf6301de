"""The catalogue: what is written is read, and splits never share a subject."""

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scans.catalogue import CATALOGUE_FILE, SPLITS, ScanRecord, assign_splits, read, write

RECORD = ScanRecord(
    id="b",
    path="b.glb",
    subject="someone",
    split="train",
    source="b.obj",
    licence="CC0",
    height_m=1.7,
    vertices=3,
    faces=1,
    textured=False,
    bounds=((-0.3, -0.2, 0.0), (0.3, 0.2, 1.7)),
    head=(0.0, 0.0, 1.6),
    head_radius=0.14,
    issues=["no albedo"],
    attributes={"found": {"up": "y"}},
)

names = st.lists(st.text(min_size=1, max_size=6), max_size=40)


def test_what_is_written_is_read_ordered_by_id(tmp_path):
    other = dataclasses.replace(RECORD, id="a", path="a.glb")
    write(tmp_path, [RECORD, other])
    assert read(tmp_path) == [other, RECORD]


def test_an_empty_catalogue_can_be_read(tmp_path):
    write(tmp_path, [])
    assert read(tmp_path) == []


def test_a_broken_line_is_named(tmp_path):
    write(tmp_path, [RECORD])
    path = tmp_path / CATALOGUE_FILE
    path.write_text(path.read_text() + '{"id": "c"}\n')
    with pytest.raises(ValueError, match=r"catalogue\.jsonl:2 is not a scan record"):
        read(tmp_path)


def test_no_catalogue_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"scans\.people"):
        read(tmp_path)


@given(names)
def test_splits_do_not_depend_on_order_or_repeats(subjects):
    assert assign_splits(subjects) == assign_splits([*reversed(subjects), *subjects])


@given(st.sets(st.text(min_size=1, max_size=6), max_size=40))
def test_splits_are_close_to_their_fractions(subjects):
    counts = Counter(assign_splits(sorted(subjects)).values())
    assert all(abs(counts[split] - fraction * len(subjects)) <= 1.0 for split, fraction in SPLITS.items())


@given(names, names)
def test_a_growing_catalogue_keeps_splits(first, more):
    before = assign_splits(first)
    after = assign_splits([*first, *more], before)
    assert after.keys() == {*first, *more} and all(after[subject] == split for subject, split in before.items())
