"""Reading: order, shares, resuming, mixtures, hold-out."""

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from datasets import reader
from datasets.batch import collate
from datasets.source import InMemory, open_source
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


def training(folder: Path, size: int = 2, keys: frozenset[str] | None = None, **settings: int) -> reader.Training:
    source = open_source(folder)
    return reader.Training([source], size, settings.pop("seed", 7), [reader.places(source, keys)], [1.0], **settings)


def batches(stream: reader.Training, count: int, workers: int = 0) -> list[list[str]]:
    """The keys of the first `count` batches, through a real DataLoader."""
    return [batch["key"] for batch in islice(DataLoader(stream, batch_size=None, num_workers=workers), count)]


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_evaluation_reads_each_listed_sample_once_and_in_order(folder: Path, workers: int) -> None:
    loader = DataLoader(reader.evaluation(folder, 2), 2, num_workers=workers, collate_fn=collate)
    assert [key for batch in loader for key in batch["key"]] == KEYS


def test_evaluation_is_split_over_processes(folder: Path) -> None:
    shares = [[t.key for t in reader.evaluation(folder, 2, rank=rank, world=5)] for rank in range(5)]
    assert sorted(key for share in shares for key in share) == KEYS


@pytest.mark.parametrize(("world", "workers"), [(1, 0), (1, 3), (2, 0), (2, 3)])
def test_training_deals_each_sample_once_per_pass(folder: Path, world: int, workers: int) -> None:
    """Two samples a consumer and pass: batches of one, as many as a pass has."""
    each = 12 // world
    found = [batches(training(folder, 1, rank=rank, world=world), 3 * each, workers) for rank in range(world)]
    for number in range(3):
        dealt = [keys[0] for share in found for keys in share[number * each : (number + 1) * each]]
        assert sorted(dealt) == KEYS


@pytest.mark.parametrize(("world", "workers"), [(1, 0), (1, 1), (1, 3), (2, 0), (2, 3)])
def test_a_resumed_run_reads_what_the_unbroken_one_would_have(folder: Path, world: int, workers: int) -> None:
    for rank in range(world):
        unbroken = batches(training(folder, 5, rank=rank, world=world), 14, workers)
        for start in (1, 4, 8):
            resumed = batches(training(folder, 5, rank=rank, world=world, start=start), 14 - start, workers)
            assert resumed == unbroken[start:]


def test_resuming_opens_no_shard_that_has_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.order.WINDOW", 4)
    write_spheres(tmp_path, 24, height=8, width=8)
    stream = training(tmp_path, 2, start=11)
    passed, read = stream.sources[0], []
    original = passed.read
    monkeypatch.setattr(passed, "read", lambda part, places: (read.append((part, len(places))), original(part, places))[1])
    next(iter(stream))
    assert len(read) <= 2 and sum(count for _, count in read) == 2


def test_training_order_depends_on_the_seed(folder: Path) -> None:
    assert batches(training(folder, seed=1), 20) == batches(training(folder, seed=1), 20) != batches(training(folder, seed=2), 20)


def test_the_unlisted_shard_is_never_read(folder: Path) -> None:
    assert "000000099" not in reader.people_by_sample(folder)
    assert "000000099" not in {key for keys in batches(training(folder), 50) for key in keys}


def test_held_out_people_are_disjoint_and_together_complete(folder: Path) -> None:
    scans = reader.people_by_sample(folder)
    train, held = reader.hold_out(scans, 0.25, seed=3)
    assert {scans[key] for key in train}.isdisjoint({scans[key] for key in held})
    assert train | held == set(KEYS) and len(held) == 3
    assert {t.key for t in reader.evaluation(folder, 2, held)} == held
    assert Counter(key for keys in batches(training(folder, 3, train), 6) for key in keys) == dict.fromkeys(train, 2)


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
        open_source(tmp_path)


def test_in_memory_the_order_is_the_same_and_files_are_read_once(tmp_path: Path) -> None:
    write_spheres(tmp_path, 12, height=8, width=8)
    streamed = batches(training(tmp_path), 12)
    source = InMemory(open_source(tmp_path), reader.FIELDS)
    kept = iter(reader.Training([source], 2, 7, [reader.places(source, None)], [1.0]))
    first = [next(kept)["key"] for _ in range(6)]
    for shard in (tmp_path / "shards").glob("*.tar"):
        shard.unlink()
    assert first + [next(kept)["key"] for _ in range(6)] == streamed


def test_two_datasets_are_mixed_by_weight_each_counting_its_own_passes(folder: Path, tmp_path: Path) -> None:
    write_spheres(tmp_path, 5, height=30, width=40)
    sources = [open_source(folder), open_source(tmp_path)]
    wanted = [reader.places(source, None) for source in sources]
    stream = lambda start=0: reader.Training(sources, 4, 0, wanted, [0.75, 0.25], start=start)
    found = [list(zip(b["key"], b["size"][:, 0].tolist(), strict=True)) for b in islice(stream(), 60)]
    drawn = [sample for batch in found for sample in batch]
    small, large = ([key for key, height in drawn if height == wanted] for wanted in (24, 30))
    assert abs(len(small) / 240 - 0.75) < 0.06
    assert sorted(small[:12]) == KEYS and sorted(large[:5]) == KEYS[:5] and sorted(large[5:10]) == KEYS[:5]
    resumed = [list(zip(b["key"], b["size"][:, 0].tolist(), strict=True)) for b in islice(stream(23), 20)]
    assert resumed == found[23:43]


def test_two_scans_of_one_person_count_as_one(tmp_path: Path) -> None:
    """Held out by person: scans of one in two outfits must not be on both sides."""
    samples = [sphere_triplet(f"{i:09d}", np.random.default_rng(i), scan=f"scan-{i}") for i in range(4)]
    for i, sample in enumerate(samples):
        sample.meta["subjects"][0]["subject"] = f"person-{i // 2}"
    entry = {**write_shard(tmp_path / "shards" / "shard-000000.tar", samples), "rejections": {}}
    Dataset(configuration={}, seed=0, count=4, shards={"shard-000000.tar": entry}).save(tmp_path)
    train, held = reader.hold_out(reader.people_by_sample(tmp_path), 0.5, seed=0)
    assert {train, held} == {frozenset({"000000000", "000000001"}), frozenset({"000000002", "000000003"})}
