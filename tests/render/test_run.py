"""`python -m render` from the command line: Ray runs Blender workers, runs resume, labels are the same every time."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from datasets.triplet import Dataset, Triplet, read_shard
from render.checks import reject
from render.run import places
from tests.render.drivers import Run


def render(catalogue: Path, out: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "render", f"scans={catalogue}", f"out={out}", *Run.KEYS, *keys], capture_output=True, text=True, timeout=300
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
    (shards / f".shard-000001.tar.{socket.gethostname()}-999999999.tmp").write_bytes(b"half of a shard, from a killed run")
    done = render(catalogue, rendered, "count=10", "workers=1")
    assert done.returncode == 0, done.stderr
    assert (shards / "shard-000000.tar").stat().st_mtime_ns == kept
    assert sorted(path.name for path in shards.iterdir()) == [f"shard-{i:06d}.{kind}" for i in range(3) for kind in ("json", "tar")]
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


def test_ctrl_c_and_then_drivers_of_disjoint_parts_make_the_dataset_of_a_single_run(
    catalogue: Path, rendered: Path, tmp_path: Path
) -> None:
    stopped = Run(catalogue, tmp_path, "count=10", "workers=1")
    stopped.wait_for(lambda: list((tmp_path / "shards").glob("*.json")))
    os.killpg(stopped.process.pid, signal.SIGINT)  # as a terminal does
    status, said = stopped.end()
    assert status == 130 and "the same command makes the rest" in said.splitlines()[-1] and "Traceback" not in said, said
    assert 0 < Dataset.load(tmp_path).samples < 10
    for run in [Run(catalogue, tmp_path, "count=10", "workers=1", f"shards={part}") for part in ("0-1", "2-2")]:
        status, said = run.end()
        assert status == 0, said
    one, many = (json.loads((folder / "dataset.json").read_text()) for folder in (rendered, tmp_path))
    for dataset in (one, many):
        for entry in dataset["shards"].values():  # what light is in the pictures is equal within the denoiser's tolerance only
            del entry["bytes"], entry["sha256"]
    assert many == one


@pytest.mark.parametrize(
    ("workers", "have", "local", "number", "threads", "each"),
    [
        (0, {"CPU": 2.0}, True, 2, 2, {"num_cpus": 1.0, "num_gpus": 0.0}),
        (1, {"CPU": 16.0}, True, 1, 16, {"num_cpus": 1.0, "num_gpus": 0.0}),
        (3, {"CPU": 2.0}, True, 3, 2, {"num_cpus": 0.6666, "num_gpus": 0.0}),  # three of them must fit into two
        (0, {"CPU": 64.0, "GPU": 8.0}, True, 8, 8, {"num_cpus": 1.0, "num_gpus": 1.0}),
        (3, {"CPU": 16.0, "GPU": 1.0}, True, 3, 5, {"num_cpus": 1.0, "num_gpus": 0.3333}),
        (64, {"CPU": 4.0}, False, 64, 2, {"num_cpus": 1.0, "num_gpus": 0.0}),  # sixty wait until machines join
    ],
)
def test_workers_share_the_machine(workers: int, have: dict, local: bool, number: int, threads: int, each: dict[str, float]) -> None:
    assert places(workers, have, local) == (number, threads, each)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (["count=10", "height=100"], "height: 96 there, 100 now"),
        (["count=10", "shards=2-3"], "has the shards 0-2: stay inside"),
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
