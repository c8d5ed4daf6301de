"""`python -m render.verify`: whole sets pass, and damage to real files is named."""

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets.triplet import MEMBERS, Dataset, read_members, sha256
from render.verify import check_shard, planned_keys
from tests.render.spheres import sphere_plan, write_sphere_plan

Members = list[tuple[str, str, bytes]]  # sample, suffix, content
SHARD, KEYS = "shard-000001.tar", [f"{i:09d}" for i in range(4, 8)]


def verify(folder: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "render.verify", f"data={folder}", *keys], capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten spheres in shards of four, four and two."""
    write_sphere_plan(tmp_path, sphere_plan(count=10))
    return tmp_path


def rewrite(folder: Path, change: Callable[[Members], Members]) -> None:
    """Change the members of the middle shard, and let `dataset.json` tell its new size and sum, as if it had been made so."""
    path, dataset = folder / "shards" / SHARD, Dataset.load(folder)
    members = [(key, suffix, data) for key, found in read_members(path) for suffix, data in found.items()]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, suffix, data in change(members):
            info = tarfile.TarInfo(f"{key}.{suffix}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    dataset.shards[SHARD] |= {"bytes": path.stat().st_size, "sha256": sha256(path)}
    dataset.save(folder)


def faults(folder: Path) -> list[str]:
    """What is found in the middle shard."""
    dataset = Dataset.load(folder)
    return check_shard(folder / "shards" / SHARD, dataset.shards[SHARD], planned_keys(dataset)[SHARD])


def edited(name: str, change: Callable[..., object]) -> Callable[[Members], Members]:
    """One member of sample 5 decoded, changed in place, and encoded again."""
    member = MEMBERS[name]

    def edit(data: bytes) -> bytes:
        values = member.decode(data)
        change(values)
        return member.encode(values)

    return lambda members: [(k, s, edit(data) if (k, s) == (KEYS[1], member.suffix) else data) for k, s, data in members]


def test_a_whole_set_passes(folder: Path) -> None:
    done = verify(folder)
    assert (done.returncode, done.stdout) == (0, "10 samples in 3 shards are whole\n"), done.stderr
    assert "10/10" in done.stderr  # the progress bar


def test_all_damage_is_named_in_one_line_each(folder: Path) -> None:
    rewrite(folder, edited("normal", lambda normal: normal.__imul__(np.float16([1, -1, 1]))))
    shards = folder / "shards"
    (shards / "shard-000000.tar").unlink()
    (shards / "shard-000002.tar").write_bytes((shards / "shard-000002.tar").read_bytes()[:9000])
    done = verify(folder, "workers=2")
    lines = done.stdout.splitlines()
    assert done.returncode == 1, done.stderr
    assert lines[-1].startswith("5 faults in 3 of 3 shards")
    starts = ["shard-000000.tar: is not there", f"{SHARD} {KEYS[1]}: normals "]
    starts += [f"shard-000002.tar: {fault}" for fault in ("cannot be read after", "has 9000 bytes, dataset.json says", "samples are not")]
    for line, start in zip(sorted(lines[:-1]), starts, strict=True):
        assert line.startswith(start)


def test_many_faults_are_counted_and_not_all_printed(folder: Path) -> None:
    dataset = Dataset.load(folder)
    dataset.count = 4 * 63
    dataset.save(folder)
    lines = verify(folder).stdout.splitlines()
    assert len(lines) == 51 and lines[1] == "shard-000003.tar: is not rendered yet"
    assert lines[0].startswith("shard-000002.tar: samples are not") and lines[-1].startswith(
        "61 faults in 61 of 63 shards (11 of them not printed)"
    )


@pytest.mark.parametrize("keys", [["data=nowhere"], []])
def test_mistakes_are_one_line(keys: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "render.verify", *keys], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "data" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_byte_is_found(folder: Path, seed: int) -> None:
    path = folder / "shards" / SHARD
    data = bytearray(path.read_bytes())
    data[np.random.default_rng(seed).integers(len(data))] ^= 0x10
    path.write_bytes(data)
    assert f"{SHARD}: sha256 is not that of dataset.json" in faults(folder)


@pytest.mark.parametrize("suffix", ["rgb.png", "mask.png", "alpha.png", "depth.exr", "normal.exr"])
def test_a_member_that_cannot_be_read_is_named_with_its_sample(folder: Path, suffix: str) -> None:
    rewrite(folder, lambda members: [(k, s, data[: len(data) // 2] if (k, s) == (KEYS[1], suffix) else data) for k, s, data in members])
    (fault,) = faults(folder)
    assert fault.startswith(f"{SHARD} {KEYS[1]}: {suffix} cannot be read")


def swapped(suffix: str) -> Callable[[Members], Members]:
    """Samples 5 and 6 have each other's member."""

    def swap(members: Members) -> Members:
        content = {(k, s): data for k, s, data in members}
        other = {KEYS[1]: KEYS[2], KEYS[2]: KEYS[1]}
        return [(k, s, content[other.get(k, k), s] if s == suffix else data) for k, s, data in members]

    return swap


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (swapped("depth.exr"), [f"{KEYS[1]}: depth is not", f"{KEYS[2]}: depth is not"]),
        (swapped("json"), [f"{KEYS[1]}: json is of sample {KEYS[2]}", f"{KEYS[2]}: json is of sample {KEYS[1]}"]),
        (edited("normal", lambda normal: normal.__setitem__((0, 0), [0, 0, 1])), [f"{KEYS[1]}: normals are not unit"]),
        (edited("depth", lambda depth: depth.__setitem__((0, 0), 1)), [f"{KEYS[1]}: depth is not"]),
        (edited("meta", lambda meta: meta.pop("lighting")), [f"{KEYS[1]}: json lacks 'lighting'"]),
        (edited("meta", lambda meta: meta.pop("versions")), [f"{KEYS[1]}: json lacks 'versions'"]),
        (edited("meta", lambda meta: meta["subjects"][0].pop("scan")), [f"{KEYS[1]}: json lacks 'scan'"]),
        (edited("meta", lambda meta: meta.update(K="wide")), [f"{KEYS[1]}: json is not a record"]),
        (edited("meta", lambda meta: meta.update(subjects=3)), [f"{KEYS[1]}: json is not a record"]),
        (lambda members: [m for m in members if m[:2] != (KEYS[1], "alpha.png")], [f"{KEYS[1]}: lacks alpha.png"]),
        (lambda members: [*members, (KEYS[3], "notes.txt", b"hi")], [f"{KEYS[3]}: has a strange notes.txt"]),
        (lambda members: [members[1], members[0], *members[2:]], [f"{KEYS[0]}: members are out of order"]),
        (lambda members: members[6:], [f"samples are not those planned: lacks {KEYS[0]}, "]),
        (lambda members: members[:6], ["samples are not those planned: lacks " + " ".join(KEYS[1:])]),
        (lambda members: [*members[6:], *members[:6]], ["samples are not those planned: in another order"]),
        (
            lambda members: [*members, ("000000077", *members[0][1:])],
            ["000000077: lacks", "samples are not those planned: lacks none, has"],
        ),
        (lambda members: [*members, *members[-6:]], ["samples are not those planned: in another order"]),
    ],
)
def test_a_shard_that_was_made_wrong_is_told_how(folder: Path, change: Callable[[Members], Members], found: list[str]) -> None:
    rewrite(folder, change)
    told = [fault.removeprefix(SHARD).lstrip(": ") for fault in faults(folder)]
    assert len(told) == len(found), told
    assert all(one.startswith(start) for one, start in zip(told, found, strict=True)), told


def test_frames_that_were_left_out_are_not_missed(folder: Path) -> None:
    rewrite(folder, lambda members: members[6:18])
    dataset = Dataset.load(folder)
    dataset.shards[SHARD] |= {"samples": 2, "skipped": {"sphere-1": [4]}, "given_up": {"7": "rejected 8 times"}}
    dataset.save(folder)
    assert faults(folder) == []


def test_a_set_without_a_plan_is_checked_for_its_numbers(folder: Path) -> None:
    """As one that was converted to the layout: nobody knows which keys it should hold."""
    text = json.loads((folder / "dataset.json").read_text())
    text["configuration"] = {"source": "elsewhere"}
    text["shards"][SHARD]["samples"] = 5
    (folder / "dataset.json").write_text(json.dumps(text))
    assert faults(folder) == [f"{SHARD}: holds 4 samples, dataset.json says 5"]
