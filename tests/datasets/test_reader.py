"""Reading shards: order, shares, hold-out."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from datasets import reader
from datasets.batch import collate
from datasets.module import Repeat
from datasets.triplet import Dataset, write_shard
from tests.fixtures import sphere_triplet, write_spheres


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 spheres of 4 "people" in 3 shards, and a fourth shard that is not listed."""
    path = tmp_path_factory.mktemp("spheres")
    write_spheres(path, 12, height=24, width=18)
    write_shard(path / "shards" / "shard-000099.tar", [sphere_triplet("000000099", np.random.default_rng(0), 24, 18)])
    return path


KEYS = [f"{i:09d}" for i in range(12)]


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_evaluation_reads_each_listed_sample_once_and_in_order(folder: Path, workers: int) -> None:
    loader = DataLoader(reader.evaluation(folder, 2), 2, num_workers=workers, collate_fn=collate)
    assert [key for batch in loader for key in batch["key"]] == KEYS


def test_evaluation_is_split_over_processes(folder: Path) -> None:
    shares = [[t.key for t in reader.evaluation(folder, 2, rank=rank, world=5)] for rank in range(5)]
    assert sorted(key for share in shares for key in share) == KEYS


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_training_deals_each_sample_once_per_pass_whether_shards_suffice_or_not(folder: Path, world: int) -> None:
    passes = 20
    counts = dict.fromkeys(KEYS, 0)
    for rank in range(world):
        # The raw stream: shuffling holds samples back and so blurs where a pass ends.
        stream = reader._endless(reader.shards(folder), None, 7, rank, world)
        for sample in islice(stream, 12 * passes // world):
            counts[sample["__key__"]] += 1
    assert min(counts.values()) >= passes // 2 and sum(counts.values()) == 12 * passes // world * world
    if world == 1:
        assert set(counts.values()) == {passes}


def test_training_order_depends_on_the_seed_alone(folder: Path) -> None:
    def order(seed: int) -> list[str]:
        return [t.key for t in islice(reader.training(folder, seed), 60)]

    assert order(1) == order(1) != order(2)
    assert set(order(1)) == set(KEYS)


def test_the_unlisted_shard_is_never_read(folder: Path) -> None:
    assert "000000099" not in reader.people_by_sample(folder)
    assert "000000099" not in {t.key for t in islice(reader.training(folder, 0), 300)}


def test_held_out_people_are_disjoint_and_together_complete(folder: Path) -> None:
    scans = reader.people_by_sample(folder)
    train, held = reader.hold_out(scans, 0.25, seed=3)
    assert {scans[key] for key in train}.isdisjoint({scans[key] for key in held})
    assert train | held == set(KEYS) and len(held) == 3
    assert {t.key for t in reader.evaluation(folder, 2, held)} == held
    assert {t.key for t in islice(reader.training(folder, 0, train), 50)} == train


def test_a_picture_of_both_kinds_of_people_is_in_neither_part() -> None:
    scans = {"a": ("p",), "b": ("q",), "both": ("p", "q")}
    train, held = reader.hold_out(scans, 0.5, seed=0)
    assert len(train) == len(held) == 1 and "both" not in train | held


def test_one_person_cannot_be_divided() -> None:
    with pytest.raises(ValueError, match="val_data"):
        reader.hold_out({"a": ("p",), "b": ("p",)}, 0.1, seed=0)


def test_a_listed_shard_that_is_gone_is_named(tmp_path: Path) -> None:
    write_spheres(tmp_path, 4, height=8, width=8)
    dataset = Dataset.load(tmp_path)
    dataset.shards["shard-000007.tar"] = {"samples": 1}
    dataset.save(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"shard-000007\.tar"):
        reader.shards(tmp_path)


def test_triplets_in_memory_are_dealt_once_per_pass() -> None:
    triplets = [sphere_triplet(key, np.random.default_rng(0), 8, 8) for key in KEYS]
    shares = [[t.key for t in islice(Repeat(triplets, 5, rank, 3), 8)] for rank in range(3)]
    first = [share[:4] for share in shares]
    assert sorted(key for share in first for key in share) == KEYS and [s[4:] for s in shares] != first


def test_two_scans_of_one_person_count_as_one(tmp_path: Path) -> None:
    """Held out by person: scans of one in two outfits must not be on both sides."""
    samples = [sphere_triplet(f"{i:09d}", np.random.default_rng(i), scan=f"scan-{i}") for i in range(4)]
    for i, sample in enumerate(samples):
        sample.meta["subjects"][0]["subject"] = f"person-{i // 2}"
    entry = {**write_shard(tmp_path / "shards" / "shard-000000.tar", samples), "rejections": {}}
    Dataset(configuration={}, seed=0, count=4, shards={"shard-000000.tar": entry}).save(tmp_path)
    train, held = reader.hold_out(reader.people_by_sample(tmp_path), 0.5, seed=0)
    assert {train, held} == {frozenset({"000000000", "000000001"}), frozenset({"000000002", "000000003"})}
