"""A run outlives what happens in 500,000 frames: scans that crash Blender, broken installs, full disks, kill -9."""

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conf.command import UserError
from datasets.triplet import Dataset, ShardWriter, Triplet, read_shard, sha256
from render import run
from render.__main__ import summary
from render.config import RenderConfig
from render.plan import Plan
from render.progress import group_name, shard_name
from tests.render.conftest import sphere_record
from tests.render.drivers import Accident, Full, Nobody, Painter, Run, Stillborn

NAMES = [f"sphere-{i}" for i in range(5)]
FILES: tuple[dict[str, Path], ...] = ({}, {}, {})


@pytest.fixture
def plan(config: RenderConfig) -> Plan:
    """Forty frames of five people, one at a time, in ten shards."""
    alone = replace(config, workers=2, people=replace(config.people, group=[1.0]))
    return Plan(alone, [sphere_record(name) for name in NAMES], ["sky.exr"], [])


def frames(folder: Path) -> dict[int, Triplet]:
    return {int(t.key): t for path in Dataset.load(folder).paths(folder) for t in read_shard(path)}


def test_scans_that_cannot_be_rendered_are_quarantined_and_the_run_goes_on(plan: Plan, tmp_path: Path, capfd: Any) -> None:
    out, marks = tmp_path / "out", tmp_path / "marks"
    marks.mkdir()
    files = ({"marks": marks}, {}, {})
    dataset = run.execute(plan, out, files, Accident)
    assert set(dataset.quarantined) == {"sphere-0", "sphere-1", "sphere-2"}
    assert sorted(frames(out)) == [i for i in range(40) if group_name(plan.people(i)) in ("sphere-3", "sphere-4")]
    said = capfd.readouterr().err
    first = {name: next(i for i in range(40) if group_name(plan.people(i)) == name) for name in NAMES}
    assert 3 <= said.count("(sphere-0)\n") <= 4 and 3 <= said.count("(sphere-1)\n") <= 4  # one may be under way at the third
    assert f"a worker died at frame {first['sphere-0']} (sphere-0)" in said
    assert "sphere-0 is left out from now on: 3 workers failed on them, the last one died at frame" in said
    assert f"a worker failed (ValueError: sphere-1.glb holds no mesh) at frame {first['sphere-1']} (sphere-1)" in said
    assert f"frame {first['sphere-2']} (sphere-2) is left out: rejected 8 times" in said
    assert said.count("(sphere-3)\n") == 3
    assert "left out 8 of sphere-0: 3 workers failed on them" in summary(dataset)
    again = run.execute(plan, out, files, Stillborn)  # nothing to do: what is left out is not missing
    assert again.shards == dataset.shards and again.quarantined == dataset.quarantined


def test_a_worker_tells_its_frame_in_advance_and_keeps_a_shard_that_another_made_meanwhile(plan: Plan, tmp_path: Path) -> None:
    path, worker = tmp_path / "shards" / shard_name(0), Painter(plan, *FILES, threads=1)
    people = {"some": [record.id for record in plan.people(4)]}
    *steps, entry = worker.shard(path, range(2, 6), people, "digest")
    assert steps == [(2, 0), (3, 1)] and entry["skipped"] == {"some": [4, 5]}
    assert entry == json.loads(path.with_suffix(".json").read_text()) and entry["sha256"] == sha256(path)
    written = path.stat().st_mtime_ns
    assert list(worker.shard(path, range(2, 6), {}, "digest"))[-1] == entry and path.stat().st_mtime_ns == written
    *_, entry = worker.shard(path, range(2, 6), {}, "another plan")
    assert entry["samples"] == 4 and entry["bytes"] == path.stat().st_size and list(path.parent.glob(".*")) == []


def test_a_frame_is_redrawn_a_bounded_number_of_times(plan: Plan) -> None:
    rejections = Counter[str]()
    assert Nobody(plan, *FILES, threads=1)._accepted(0, rejections) == "rejected 8 times, at last because nobody in the frame"
    assert rejections == {"nobody in the frame": 8}


def test_an_install_that_does_not_work_ends_the_run(plan: Plan, tmp_path: Path, capfd: Any) -> None:
    with pytest.raises(UserError, match="no worker gets anywhere; the last one died before its first frame"):
        run.execute(plan, tmp_path, FILES, Stillborn)
    assert capfd.readouterr().err.count("a worker died before its first frame\n") == 6  # three times each


def test_a_full_ram_disk_is_named_and_the_same_command_resumes_in_fresh_processes(plan: Plan, tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(UserError, match=r"/dev/shm is full \(.* free\)"):
        run.execute(plan, tmp_path, FILES, Full)
    before = Dataset.load(tmp_path).shards
    assert 0 < len(before) < 10 and shard_name(2) not in before
    monkeypatch.setattr(run, "RECYCLE", 8)
    after = run.execute(plan, tmp_path, FILES, Painter)
    assert sorted(frames(tmp_path)) == list(range(40)) and before.items() <= after.shards.items()
    made = Counter(frame.meta["process"] for frame in frames(tmp_path).values())
    assert max(made.values()) == 8 and len(made) >= 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 kB, where we may make one."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tmp_path)], capture_output=True)
    if done.returncode:
        pytest.skip("only root can mount a small disk")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_shard_that_finds_the_disk_full_leaves_nothing_behind(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"), ShardWriter(small_disk / "shards" / shard_name(0)) as writer:
        writer._file.write(b"0" * 100_000)
        writer._file.write(b"0" * 5_000)  # waits in a buffer, and is in the way again when the file is closed
        raise OSError(errno.ENOSPC, "No space")
    assert list((small_disk / "shards").iterdir()) == []


def test_a_full_disk_stops_the_run_says_what_is_missing_and_resumes(plan: Plan, small_disk: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("render.progress.BYTES_PER_PIXEL", 0.1)  # so that it begins at all
    with pytest.raises(UserError, match=r"kB free, and the \d+ frames that are missing need about .* kB: make room and give the same"):
        run.execute(plan, small_disk, FILES, Painter)
    listed = Dataset.load(small_disk)
    assert 0 < len(listed.shards) < 10 and not list((small_disk / "shards").glob(".*.tmp"))
    with pytest.raises(UserError, match=f"the {40 - listed.samples} frames that are missing"):
        run.execute(plan, small_disk, FILES, Stillborn)  # known before any worker starts
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert run.execute(plan, small_disk, FILES, Painter).samples == 40
    assert sorted(frames(small_disk)) == list(range(40))


def geometry(folder: Path) -> dict[str, list[str]]:
    return {
        t.key: [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in (t.depth, t.normal, t.mask)]
        for path in Dataset.load(folder).paths(folder)
        for t in read_shard(path)
    }


def watch(folder: Path, stop: threading.Event, wrong: list[str]) -> None:
    """See that whatever is listed is whole, at every moment."""
    while not stop.is_set():
        if (folder / "dataset.json").exists():
            for name, entry in Dataset.load(folder).shards.items():
                path = folder / "shards" / name
                if not path.is_file() or path.stat().st_size != entry["bytes"] or sha256(path) != entry["sha256"]:
                    wrong.append(name)
        time.sleep(0.01)


def test_kill_9_of_anything_at_any_moment_and_the_same_command_completes_the_set(catalogue: Path, tmp_path: Path) -> None:
    keys = ("count=20", "workers=2")
    undisturbed = Run(catalogue, tmp_path / "undisturbed", *keys)
    assert undisturbed.end()[0] == 0
    out, stop, wrong = tmp_path / "out", threading.Event(), list[str]()
    watcher = threading.Thread(target=watch, args=(out, stop, wrong))
    watcher.start()
    try:
        first = Run(catalogue, out, *keys)  # a worker dies, then the driver
        first.wait_for(first.workers)
        time.sleep(random.uniform(0, 0.5))
        os.kill(random.choice(first.workers()), signal.SIGKILL)
        first.wait_for(lambda: list((out / "shards").glob("*.json")))
        time.sleep(random.uniform(0, 0.2))
        os.kill(first.process.pid, signal.SIGKILL)
        before = set((out / "shards").glob("*.json"))
        second = Run(catalogue, out, *keys)  # at once: what the dead driver started may still be there
        second.wait_for(lambda: set((out / "shards").glob("*.json")) - before)
        time.sleep(random.uniform(0, 0.5))
        os.killpg(second.process.pid, signal.SIGKILL)
        killed = first.end()[0], second.end()[0]
        third = Run(catalogue, out, *keys)
        status, said = third.end()
    finally:
        stop.set()
        watcher.join()
    assert killed == (-9, -9) and status == 0, said
    assert not wrong
    assert geometry(out) == geometry(tmp_path / "undisturbed") and len(geometry(out)) == 20
    assert sorted(path.suffix for path in (out / "shards").iterdir()) == [".json"] * 5 + [".tar"] * 5
