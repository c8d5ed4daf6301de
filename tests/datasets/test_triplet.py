"""The triplet on disk: exact round trips, the contract's members, and files that are whole or absent."""

import dataclasses
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from datasets.conventions import camera_rays, normals_from_depth
from datasets.triplet import MEMBERS, Dataset, ShardWriter, Triplet, decode, encode, read_shard, sha256, write_shard
from tests.fixtures import analytic_sphere, sphere_triplet

FINITE32 = st.floats(-1e6, 1e6, width=32)


@st.composite
def triplets(draw: st.DrawFn) -> Triplet:
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    maps = lambda dtype, shape, elements=None: draw(arrays.arrays(dtype, shape, elements=elements))
    return Triplet(
        key=f"{draw(st.integers(0, 10**9 - 1)):09d}",
        rgb=maps(np.uint8, (height, width, 3)),
        mask=maps(np.uint8, (height, width)),
        alpha=maps(np.uint8, (height, width)),
        depth=maps(np.float32, (height, width), FINITE32),
        normal=maps(np.float16, (height, width, 3), st.floats(-1, 1, width=16)),
        meta={"K": np.eye(3).tolist(), "note": draw(st.text(max_size=5))},
        albedo=draw(st.sampled_from([None, np.full((height, width, 3), 7, np.uint8)])),
    )


@given(triplets())
@settings(max_examples=40, deadline=None)
def test_round_trip_is_exact(triplet: Triplet) -> None:
    back = decode(triplet.key, encode(triplet))
    for field in dataclasses.fields(Triplet):
        mine, theirs = getattr(triplet, field.name), getattr(back, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype and np.array_equal(mine, theirs), field.name
        else:
            assert mine == theirs, field.name


def test_members_are_the_contract(tmp_path: Path) -> None:
    """Read with nothing of ours: names in the tar, EXR channels and their types, x in R."""
    triplet = sphere_triplet("000000042", np.random.default_rng(0))
    write_shard(tmp_path / "a.tar", [triplet])
    with tarfile.open(tmp_path / "a.tar") as tar:
        members = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
    names = ["rgb.png", "mask.png", "alpha.png", "depth.exr", "normal.exr", "json"]
    assert list(members) == [f"000000042.{name}" for name in names]
    depth = OpenEXR.File(io.BytesIO(members["000000042.depth.exr"]), separate_channels=True).channels()
    normal = OpenEXR.File(io.BytesIO(members["000000042.normal.exr"]), separate_channels=True).channels()
    assert {name: channel.pixels.dtype.name for name, channel in depth.items()} == {"Z": "float32"}
    assert {name: channel.pixels.dtype.name for name, channel in normal.items()} == dict.fromkeys("BGR", "float16")
    assert np.array_equal(normal["R"].pixels, triplet.normal[..., 0])


def test_equal_triplets_make_equal_shards(tmp_path: Path) -> None:
    samples = [sphere_triplet(f"{i:09d}", np.random.default_rng(i)) for i in range(3)]
    first, second = write_shard(tmp_path / "a.tar", samples), write_shard(tmp_path / "b.tar", samples)
    assert first == second == {"samples": 3, "bytes": (tmp_path / "a.tar").stat().st_size, "sha256": sha256(tmp_path / "a.tar")}
    assert [t.key for t in read_shard(tmp_path / "a.tar")] == [t.key for t in samples]


def test_a_failing_writer_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ShardWriter(tmp_path / "a.tar") as writer:
        writer.add(sphere_triplet("000000000", np.random.default_rng(0)))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_never_shows_half_a_shard(tmp_path: Path) -> None:
    code = """
import os, sys, pathlib, numpy
from datasets.triplet import ShardWriter
from tests.fixtures import sphere_triplet
with ShardWriter(pathlib.Path(sys.argv[1]) / "a.tar") as writer:
    writer.add(sphere_triplet("000000000", numpy.random.default_rng(0)))
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    assert not (tmp_path / "a.tar").exists()


def test_damage_is_named(tmp_path: Path) -> None:
    members = encode(sphere_triplet("000000007", np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"sample 000000007 lacks depth\.exr"):
        decode("000000007", {name: data for name, data in members.items() if name != MEMBERS["depth"].suffix})
    with pytest.raises(ValueError, match=r"sample 000000007: depth\.exr cannot be read"):
        decode("000000007", {**members, "depth.exr": members["depth.exr"][:50]})
    with pytest.raises(FileNotFoundError, match=r"dataset\.json does not exist"):
        Dataset.load(tmp_path)


def test_depth_gradient_gives_the_sphere_normals() -> None:
    """The check that labels are verified with, on a closed form: signs and axes of the convention."""
    K = np.array([[300.0, 0, 60], [0, 280.0, 70], [0, 0, 1]])
    depth, normal, mask = analytic_sphere(K, np.array([0.05, -0.1, 2.0]), 0.4, 140, 120)
    gradient = normals_from_depth(depth, K)
    steep = (camera_rays(K, 140, 120) * [1, -1, -1] * normal).sum(-1) > -0.5
    both = np.any(gradient != 0, axis=-1) & ~steep
    cosine = (gradient * normal).sum(-1)[both]
    assert both.sum() > 0.5 * mask.sum() and np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 1
