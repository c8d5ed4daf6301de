"""What cannot be read: skipped, counted and named in training; never skipped in silence in evaluation."""

import tarfile
from itertools import islice
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from conf.command import UserError
from datasets import reader
from datasets.batch import collate
from datasets.module import Damage
from datasets.source import open_source
from tests.fixtures import write_spheres


def shard(folder: Path, number: int = 1) -> Path:
    return folder / "shards" / f"shard-{number:06d}.tar"


def member(path: Path, name: str) -> tarfile.TarInfo:
    with tarfile.open(path) as tar:
        return tar.getmember(name)


def flip_a_bit(folder: Path) -> str:
    """In the compressed pixels of a PNG."""
    info = member(shard(folder), "000000005.rgb.png")
    with open(shard(folder), "r+b") as file:
        file.seek(info.offset_data + info.size // 2)
        byte = file.read(1)[0]
        file.seek(info.offset_data + info.size // 2)
        file.write(bytes([byte ^ 16]))
    return "shard-000001.tar: sample 000000005: rgb.png cannot be read"


def cut_an_exr_short(folder: Path) -> str:
    """The rest of the member is zeros, as on a disk that lost power."""
    info = member(shard(folder), "000000006.depth.exr")
    with open(shard(folder), "r+b") as file:
        file.seek(info.offset_data + info.size // 2)
        file.write(b"\0" * (info.size - info.size // 2))
    return "shard-000001.tar: sample 000000006: depth.exr cannot be read"


def truncate_the_tar(folder: Path) -> str:
    """Within the last sample."""
    info = member(shard(folder), "000000007.rgb.png")
    with open(shard(folder), "r+b") as file:
        file.truncate(info.offset_data + info.size // 2)
    return "shard-000001.tar: sample 4 of 4 cannot be reached"


DAMAGES = [flip_a_bit, cut_an_exr_short, truncate_the_tar]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_spheres(tmp_path, 12, height=32, width=24)
    return tmp_path


def read(folder: Path, count: int, size: int = 3, workers: int = 0, start: int = 0) -> tuple[list[list[str]], list[str]]:
    """Keys of batches, and all that was skipped."""
    source = open_source(folder)
    stream = reader.Training([source], size, 0, [reader.places(source, None)], [1.0], start=start)
    found = list(islice(DataLoader(stream, batch_size=None, num_workers=workers), count))
    return [batch["key"] for batch in found], [line for batch in found for line in batch["skipped"]]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_sample_is_skipped_and_named_and_all_others_are_read(folder: Path, damage: object) -> None:
    whole, _ = read(folder, 4)
    named = damage(folder)  # type: ignore[operator]
    found, skipped = read(folder, 4)
    assert len(skipped) == 1 and named in skipped[0] and str(folder) in skipped[0]
    lost = {key for keys in whole for key in keys} - {key for keys in found for key in keys}
    assert len(lost) == 1 and all(len(keys) == 3 for keys in found), "batches stay full"


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_is_exact_also_around_damage(folder: Path, workers: int) -> None:
    flip_a_bit(folder)
    whole, _ = read(folder, 16, 2, workers)
    for start in range(1, 7):
        assert read(folder, 8, 2, workers, start)[0] == whole[start : start + 8]


def test_batches_of_one_survive_damage(folder: Path) -> None:
    flip_a_bit(folder)
    found, skipped = read(folder, 12, 1)
    assert len(skipped) == 1 and all(len(keys) == 1 for keys in found)


def test_two_truncated_samples_are_two(folder: Path) -> None:
    info = member(shard(folder), "000000006.rgb.png")
    with open(shard(folder), "r+b") as file:
        file.truncate(info.offset_data + 10)
    assert len(read(folder, 4)[1]) == 2


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("damage", DAMAGES)
def test_evaluation_raises_in_one_line(folder: Path, damage: object, workers: int) -> None:
    named = damage(folder)  # type: ignore[operator]
    with pytest.raises(UserError) as error:
        list(DataLoader(reader.evaluation(folder, 2), 2, num_workers=workers, collate_fn=collate))
    assert str(error.value).startswith(f"{folder}/{named}") and "\n" not in str(error.value)


def test_people_of_a_truncated_shard_are_divided_as_far_as_they_are_known(folder: Path) -> None:
    truncate_the_tar(folder)
    people = reader.people_by_sample(folder)
    assert "000000007" not in people and len(people) == 11
    source = open_source(folder)
    assert [w.tolist() for w in reader.places(source, frozenset({"000000004"}), unknown=True)] == [[], [0, 3], []]
    assert [t.key for t in reader.evaluation(folder, 2, frozenset({"000000004"}))] == ["000000004"]


def test_nothing_readable_ends_at_once(tmp_path: Path) -> None:
    write_spheres(tmp_path, 4, height=8, width=8)
    data = shard(tmp_path, 0).read_bytes()
    shard(tmp_path, 0).write_bytes(data[:600])
    with pytest.raises(UserError, match="in a row cannot be read"):
        read(tmp_path, 1)


def test_more_than_one_percent_stops_the_run_and_less_does_not(tmp_path: Path) -> None:
    damage = Damage(tmp_path / "run" / "skipped.txt")
    for number in range(100):
        damage.count([f"a.tar: sample {number}: gone"] if number in (3, 99) else [], 2)
    damage.count(["a.tar: sample 3: gone"], 100)
    assert (tmp_path / "run" / "skipped.txt").read_text() == "a.tar: sample 3: gone\na.tar: sample 99: gone\n"
    with pytest.raises(UserError, match=r"4 of 310 .* a\.tar: sample 3: gone"):
        damage.count(["b.tar: sample 7: gone"], 10)


def test_one_of_the_first_few_is_not_one_percent_yet() -> None:
    damage = Damage(None)
    damage.count(["x"], 2)
    with pytest.raises(UserError):
        damage.count(["x"], 2)
