"""What counts as made, in folders that several drivers share and that killed ones leave behind."""

import json
import os
import socket
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conf.command import UserError
from datasets.triplet import Dataset, ShardWriter, entry_path, temporary, write_atomically
from render import progress
from render.config import RenderConfig
from render.plan import Plan
from render.progress import Progress, shard_name, shard_numbers
from tests.render.conftest import sphere_record

Usage = namedtuple("Usage", "total used free")


def planned(config: RenderConfig, **keys: Any) -> Plan:
    return Plan(replace(config, **keys), [sphere_record("sphere-0"), sphere_record("sphere-1")], ["sky.exr"], [])


def make(plan: Plan, folder: Path, number: int, samples: int = 4, **more: Any) -> dict[str, Any]:
    """What a worker leaves of a shard."""
    path = folder / "shards" / shard_name(number)
    with ShardWriter(path) as writer:
        entry = {
            **writer.close(),
            "rejections": {},
            "subjects": [],
            "skipped": {},
            "given_up": {},
            "plan": progress.plan_digest(plan),
            **more,
        }
    entry["samples"] = samples
    write_atomically(entry_path(path), json.dumps(entry))
    return entry


@pytest.mark.parametrize(
    ("shards", "complaint"),
    [
        ("3", "as in shards=0-9"),
        ("a-b", "as in shards=0-9"),
        ("4-2", "as in shards=0-9"),
        ("8-10", "has the shards 0-9"),
        ("-1-2", "as in"),
    ],
)
def test_a_part_must_lie_in_the_plan(config: RenderConfig, shards: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        shard_numbers(replace(config, shards=shards))


def test_parts_are_inclusive_and_cover_the_plan(config: RenderConfig) -> None:
    ten = replace(config, count=37)  # the last one is short
    parts = [shard_numbers(replace(ten, shards=part)) for part in ("0-0", "1-6", "7-9")]
    assert [number for part in parts for number in part] == list(shard_numbers(ten)) == list(range(10))


def test_only_whole_shards_of_this_plan_count(config: RenderConfig, tmp_path: Path) -> None:
    plan, other = planned(config, count=24), planned(config, count=24, seed=1)
    for number in range(6):
        make(other if number == 1 else plan, tmp_path, number, samples=3 if number == 2 else 4)
    shards = tmp_path / "shards"
    with open(shards / shard_name(3), "ab") as file:
        file.write(b"longer than its entry says")
    entry_path(shards / shard_name(4)).write_text('{"bytes": ')
    (shards / shard_name(5)).unlink()
    state = Progress(plan, tmp_path)
    assert list(state.missing()) == [shard_name(number) for number in (1, 2, 3, 4, 5)]
    assert state.begin() == {shard_name(number): range(4 * number, 4 * number + 4) for number in (1, 2, 3, 4, 5)}
    assert list(Dataset.load(tmp_path).shards) == [shard_name(0)]


def test_a_short_last_shard_is_unlisted_before_it_is_made_longer(config: RenderConfig, tmp_path: Path) -> None:
    make(planned(config, count=6), tmp_path, 0)
    make(planned(config, count=6), tmp_path, 1, samples=2)
    assert not Progress(planned(config, count=6), tmp_path).begin()
    assert Progress(planned(config, count=8), tmp_path).begin() == {shard_name(1): range(4, 8)}
    assert list(Dataset.load(tmp_path).shards) == [shard_name(0)]
    smaller = Progress(planned(config, count=4), tmp_path)
    assert not smaller.begin() and smaller.dataset.count == 8  # a smaller count asks for less, and takes nothing away


def test_frames_left_out_are_made_once_their_quarantine_ends(config: RenderConfig, tmp_path: Path) -> None:
    plan = planned(config, count=12)
    note = Progress(plan, tmp_path).quarantine(plan.people(4), "crashes", "")
    name = plan.people(4)[0].id
    make(plan, tmp_path, 0)
    make(plan, tmp_path, 1, samples=0, skipped={name: [4, 5, 6, 7]})
    make(plan, tmp_path, 2, samples=3, given_up={"9": "too dark"})
    state = Progress(plan, tmp_path)
    assert not state.begin() and state.dataset.quarantined == {name: "crashes"}
    assert [path.name for path in state.dataset.paths(tmp_path)] == [shard_name(0), shard_name(2)]  # an empty shard is nothing to read
    note.unlink()
    assert list(Progress(plan, tmp_path).begin()) == [shard_name(1)]
    assert Dataset.load(tmp_path).quarantined == {}


def test_the_last_driver_lists_what_others_finish_while_it_writes(config: RenderConfig, tmp_path: Path, monkeypatch: Any) -> None:
    whole = planned(config, count=16)
    first, second = (Progress(planned(config, count=16, shards=part), tmp_path) for part in ("0-1", "2-3"))
    assert [*first.begin(), *second.begin()] == [shard_name(number) for number in range(4)]
    first.add(shard_name(0), make(whole, tmp_path, 0))
    make(whole, tmp_path, 2)
    save, left = Dataset.save, [1, 3]

    def slow_save(dataset: Dataset, folder: Path) -> None:
        if left:
            make(whole, tmp_path, left.pop())  # between the look and the writing
        save(dataset, folder)

    monkeypatch.setattr(Dataset, "save", slow_save)
    first.finish()
    assert sorted(Dataset.load(tmp_path).shards) == [shard_name(number) for number in range(4)]
    monkeypatch.undo()
    before = (tmp_path / "dataset.json").read_text()
    Progress(whole, tmp_path).finish()
    assert (tmp_path / "dataset.json").read_text() == before


def test_the_index_is_written_now_and_then_and_soon_drops_what_another_driver_took_away(config: RenderConfig, tmp_path: Path) -> None:
    plan = planned(config)
    state = Progress(plan, tmp_path)
    state.begin()
    for number in range(3):
        state.add(shard_name(number), make(plan, tmp_path, number))
    assert list(Dataset.load(tmp_path).shards) == [shard_name(0)]  # 15,000 shards must not write 15,000 long lists
    entry_path(tmp_path / "shards" / shard_name(0)).unlink()
    state._next_save = 0.0
    state.add(shard_name(3), make(plan, tmp_path, 3))
    assert list(Dataset.load(tmp_path).shards) == [shard_name(number) for number in (1, 2, 3)]


def test_leftovers_of_the_dead_are_swept_and_nothing_of_the_living(config: RenderConfig, tmp_path: Path) -> None:
    shards, host = tmp_path / "shards", socket.gethostname()
    shards.mkdir()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    tar = shard_name(0)
    dead = [shards / f".{tar}.{host}-{gone.pid}.tmp", tmp_path / f".dataset.json.{host}-{gone.pid}.tmp", shards / f".{tar}.node.far-7.tmp"]
    alive = [temporary(shards / tar), shards / f".{tar}.node-2-8.tmp", shards / f".{shard_name(5)}.{host}-{gone.pid}.tmp"]
    for path in (*dead, *alive):
        path.touch()
    os.utime(dead[2], (time.time() - 7200,) * 2)
    Progress(planned(config, shards="0-4"), tmp_path).begin()
    assert not any(path.exists() for path in dead) and all(path.exists() for path in alive)


def test_a_disk_without_room_is_told_with_what_is_needed(config: RenderConfig, tmp_path: Path, monkeypatch: Any) -> None:
    plan = planned(config)
    state = Progress(plan, tmp_path)
    state.begin()
    monkeypatch.setattr(progress.shutil, "disk_usage", lambda path: Usage(0, 0, 500_000))
    with pytest.raises(UserError, match=r"has 500.0 kB free, and the 40 frames that are missing need about 663.6 kB"):
        state.check_room(40)  # a rule of thumb, by pixels
    entry = make(plan, tmp_path, 0)
    state.add(shard_name(0), {**entry, "bytes": 40_000})
    state.check_room(36)  # measured: 10 kB each
    with pytest.raises(UserError, match=r"need about 510\.0 kB"):
        state.check_room(51)
