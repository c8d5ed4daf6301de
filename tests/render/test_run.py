"""`python -m render` from the command line: Ray runs Blender workers, runs resume, labels are the same every time."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from datasets.triplet import Dataset, Triplet, read_shard
from render.verify import reject

KEYS = ["height=96", "width=72", "samples=2", "frames_per_scan=4", "shard_size=4", "seed=3"]


def render(catalogue: Path, out: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "render", f"scans={catalogue}", f"out={out}", *KEYS, *keys], capture_output=True, text=True, timeout=300
    )


def triplets(folder: Path) -> dict[str, Triplet]:
    return {t.key: t for path in Dataset.load(folder).paths(folder) for t in read_shard(path)}


@pytest.fixture(scope="module")
def rendered(catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rendered")
    done = render(catalogue, out, "count=10", "workers=2")
    assert done.returncode == 0, done.stderr
    return out


def test_shards_are_as_the_contract_says(rendered: Path) -> None:
    dataset = Dataset.load(rendered)
    assert [dataset.shards[name]["samples"] for name in sorted(dataset.shards)] == [4, 4, 2]
    samples = triplets(rendered)
    assert sorted(samples) == [f"{i:09d}" for i in range(10)]
    for sample in samples.values():
        assert sample.rgb.shape == (96, 72, 3) and sample.depth.dtype == np.float32 and sample.normal.dtype == np.float16
        assert {"K", "world_to_camera", "width", "height", "subjects", "framing", "lighting", "backdrop", "seed", "versions"} <= set(
            sample.meta
        )
        assert sample.meta["subjects"][0]["scan"] in ("sphere-0", "sphere-1")  # never the test person
        assert reject(sample) is None


def test_resuming_makes_what_is_missing_and_the_same_geometry(catalogue: Path, rendered: Path, tmp_path: Path) -> None:
    before, shards = triplets(rendered), rendered / "shards"
    kept = (shards / "shard-000000.tar").stat().st_mtime_ns
    (shards / "shard-000001.tar").unlink()
    (shards / ".shard-000002.tar.99.tmp").write_bytes(b"half of a shard, from a killed run")
    done = render(catalogue, rendered, "count=10", "workers=1")
    assert done.returncode == 0, done.stderr
    assert (shards / "shard-000000.tar").stat().st_mtime_ns == kept
    assert sorted(path.name for path in shards.iterdir()) == [f"shard-{i:06d}.tar" for i in range(3)]
    after = triplets(rendered)
    for key in before:
        for name in ("depth", "normal", "mask"):
            assert np.array_equal(getattr(before[key], name), getattr(after[key], name)), (key, name)


def test_a_finished_run_does_nothing_and_starts_no_workers(catalogue: Path, rendered: Path) -> None:
    text = (rendered / "dataset.json").read_text()
    times = {path: path.stat().st_mtime_ns for path in (rendered / "shards").iterdir()}
    done = render(catalogue, rendered, "count=10", "ray_address=127.0.0.1:1")  # nothing listens there
    assert done.returncode == 0, done.stderr
    assert times == {path: path.stat().st_mtime_ns for path in (rendered / "shards").iterdir()}
    assert json.loads(text) == json.loads((rendered / "dataset.json").read_text())


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (["count=10", "height=100"], "height: 96 there, 100 now"),
        (["count=10", "framing=feet"], "framing=feet: choose one of mix, face, upper, full"),
        (["count=10", "split=val"], "no scan with split=val"),
        (["count=10", "hdris=nowhere"], "hdris=nowhere holds no"),
        (["count=10", "smaples=3"], "did you mean 'samples'?"),
        ([], "missing key 'count'"),
    ],
)
def test_mistakes_are_one_line(catalogue: Path, rendered: Path, keys: list[str], complaint: str) -> None:
    done = render(catalogue, rendered, *keys)
    assert done.returncode == 2
    assert complaint in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_an_unreadable_environment_is_named(catalogue: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.hdr").write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 4 +X 8\nshort")
    done = render(catalogue, tmp_path / "out", "count=4", f"hdris={tmp_path}", "split=all")
    assert done.returncode == 2 and "broken.hdr cannot be read as an environment" in done.stderr
