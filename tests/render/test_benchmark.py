"""The THuman2 benchmark's set: the same frames for everyone, whatever else a catalogue holds."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conf.command import UserError
from datasets.triplet import Dataset, Triplet, read_shard
from render import benchmark, report
from render.__main__ import prepare
from render.benchmark import FRAMES, SCANS, THuman2, drawn
from render.config import LightConfig, RenderConfig
from render.estimate import Trial
from render.lens import project, region
from render.replay import stored_sample
from render.spec import SceneSpec
from render.verify import planned_keys
from render.worker import Worker
from scans import catalogue, ingest
from scans.canonical import Options
from scans.catalogue import ScanRecord
from tests.layouts import thuman2

SKIES = [f"{name}.exr" for name in ("city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset")]


def record(number: int, metres: float | None = 2.0) -> ScanRecord:
    """A standing person's record."""
    attributes = {"options": {"layout": "thuman2", "metres": metres}}
    counts: dict[str, Any] = {"vertices": 9, "faces": 9, "textured": True}
    low, high = (-0.3, -0.2, 0.0), (0.3, 0.2, 1.7)
    return ScanRecord(
        f"{number:04d}",
        f"{number:04d}.glb",
        f"thuman2-{number:04d}",
        "train",
        "test",
        "none",
        1.7,
        **counts,
        bounds=(low, high),
        head=(0.0, 0.0, 1.57),
        head_radius=0.12,
        attributes=attributes,
    )


def plan(numbers: list[int], **keys: Any) -> THuman2:
    config = THuman2.settled(RenderConfig(**{"scans": "people", "out": "", "plan": "thuman2", **keys}))
    return THuman2(config, [record(number) for number in numbers], SKIES, [])


def test_version_1_is_frozen() -> None:
    """Published numbers: whoever needs to change one of these makes another version."""
    spec = plan([12]).spec(3 * 12 + 1)
    assert (spec.seed, spec.framing, spec.key) == (2024, "upper", "000000037")
    assert drawn("0012", "face", "lens") == FROZEN["drawn"]
    camera = spec.camera
    assert [camera.lens_mm, camera.orbit_deg, camera.elevation_deg] == pytest.approx(FROZEN["camera"], abs=1e-9)
    assert np.allclose(camera.world_to_camera, FROZEN["world_to_camera"], atol=1e-9)
    assert (spec.lighting.environment, spec.cycles_seed) == (FROZEN["environment"], FROZEN["cycles_seed"])


FROZEN: dict[str, Any] = {
    "drawn": 0.37236936158490863,
    "camera": [68.94360217549098, -81.5331257249978, 6.7569854051341345],
    "world_to_camera": [
        [0.147237584, -0.9891011545, 0.0, 0.0015112148],
        [-0.1163761283, -0.0173237488, -0.9930541196, 1.2255284919],
        [0.9822309762, 0.1462148894, -0.1176584698, 2.6932964249],
        [0.0, 0.0, 0.0, 1.0],
    ],
    "environment": "forest.exr",
    "cycles_seed": 117760464,
}


def test_a_frame_depends_on_its_scan_alone() -> None:
    few, many = plan([12, 300]), plan([525, 300, 4, 12, 0])
    for index in (36, 37, 38, 900, 902):
        assert few.spec(index) == many.spec(index)
    assert few.spec(36) != few.spec(900)


def test_all_scans_are_shown_three_times_and_other_peoples_not_at_all() -> None:
    everyone = plan([*range(SCANS), 526, 2444])
    specs = [everyone.spec(index) for index in range(FRAMES)]
    assert FRAMES == 1578 == len({(spec.subjects[0].scan, spec.framing) for spec in specs})
    assert all(spec.subjects[0].scan == f"{spec.index // 3:04d}" and len(spec.subjects) == 1 for spec in specs)
    assert {spec.lighting.environment for spec in specs} == set(SKIES)
    assert all(spec.backdrop.kind == "environment" and not spec.backdrop.floor and not spec.lighting.lamps for spec in specs)
    assert all(spec.camera.f_number is None and spec.development.curve == "standard" for spec in specs)
    turned = np.array([spec.camera.orbit_deg for spec in specs if spec.framing == "full"])
    assert abs(turned.mean()) < 15 and turned.std() == pytest.approx(360 / np.sqrt(12), rel=0.05)  # evenly all around


def test_the_framed_part_is_in_the_picture() -> None:
    everyone = plan(list(range(40)))
    for spec in (everyone.spec(index) for index in range(120)):
        corners, camera = region(record(0), spec.framing).corners, spec.camera
        world_to_camera = np.array(camera.world_to_camera)
        pixels = project(np.array(camera.K), corners @ world_to_camera[:3, :3].T + world_to_camera[:3, 3])
        spans = np.ptp(pixels, axis=0) / [768, 1024]
        assert 0.74 < spans.max() < 0.96 and pixels.min() > -20 and (pixels.max(axis=0) < [790, 1045]).all()


def test_another_attempt_has_another_light_and_the_same_camera() -> None:
    first, second = plan([3]).spec(9, 0), plan([3]).spec(9, 1)
    assert first.camera == second.camera and first.lighting.environment == second.lighting.environment
    assert first.lighting.rotation != second.lighting.rotation and first.cycles_seed != second.cycles_seed


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"count": 9}, "count"),
        ({"seed": 1}, "seed"),
        ({"split": "test"}, "split"),
        ({"hdris": "skies"}, "hdris"),
        ({"light": LightConfig(lamps=[0, 1])}, "light"),
        ({"normal_maps": True}, "normal_maps"),
    ],
)
def test_keys_that_it_fixes_are_refused(keys: dict[str, Any], name: str) -> None:
    with pytest.raises(UserError, match=rf"{name}: plan=thuman2 .* fixes it: leave {name}= out"):
        plan([1], **keys)


def test_another_size_is_a_set_of_ones_own() -> None:
    assert plan([1]).benchmark()["standard"] is True
    small = plan([1], height=64, width=48)
    assert small.benchmark()["standard"] is False and "a set of your own" in small.notes()[-1]
    assert small.fingerprint() != plan([1]).fingerprint()
    assert plan([1]).fingerprint() == plan([1], out="elsewhere", workers=3).fingerprint() != plan([2]).fingerprint()


def test_missing_and_unfitted_scans_are_said_and_recorded() -> None:
    numbers = [number for number in range(SCANS) if number not in (12, 77, 500)]
    config = THuman2.settled(RenderConfig(scans="people", out="", plan="thuman2"))
    there = THuman2(config, [record(number, None if number == 5 else 2.0) for number in numbers], SKIES, [])
    assert there.notes()[0] == "plan=thuman2 version 1: 523 of 526 scans: 0012, 0077, 0500 are missing"
    assert "0005" in there.notes()[1]
    told = there.benchmark()
    assert (told["name"], told["version"], told["seed"]) == ("thuman2", 1, 2024)
    assert told["missing"] == ["0012", "0077", "0500"] and told["unfitted"] == ["0005"]
    assert told["people"] == THuman2(config, there.records[::-1], SKIES, []).benchmark()["people"]
    moved = [dataclasses.replace(one, head=(0.01, 0.0, 1.57)) for one in there.records]
    assert told["people"] != THuman2(config, moved, SKIES, []).benchmark()["people"]


def test_other_peoples_scans_are_no_benchmark() -> None:
    stranger = dataclasses.replace(record(1), attributes={"options": {}})
    with pytest.raises(UserError, match=r"scans=people: none of 1 scans is THuman2\.0's: ingest it with layout=thuman2"):
        THuman2(THuman2.settled(RenderConfig(scans="people", out="")), [stranger], SKIES, [])


def test_a_trial_times_scans_that_are_there() -> None:
    trial = Trial(plan([7, 8, 90]), frames=6)
    assert [trial.people(index)[0].id for index in range(6)] == ["0007"] * 3 + ["0008"] * 3
    assert trial.spec(4) == plan([8]).spec(25)


def run(module: str, *keys: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *keys], capture_output=True, text=True, timeout=300)


SMALL = ("plan=thuman2", "height=64", "width=48", "samples=2", "workers=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Catalogues of scans 0525 and 0001 (`two`), and of these and 0002 (`three`); the set of the two, really rendered (`set`)."""
    folder = tmp_path_factory.mktemp("benchmark")
    thuman2.write(folder / "raw", [1, 2, 525])
    ingest.ingest(folder / "raw", folder / "three", Options(), detector=None, layout="thuman2")
    records = catalogue.read(folder / "three")
    (folder / "two").mkdir()
    for record in records[::2]:
        shutil.copy(folder / "three" / record.path, folder / "two")
    lines = (folder / "three" / "catalogue.jsonl").read_text().splitlines()
    (folder / "two" / "catalogue.jsonl").write_text(f"{lines[2]}\n{lines[0]}\n")
    done = run("render", *SMALL, f"scans={folder / 'two'}", f"out={folder / 'set'}")
    assert done.returncode == 0, done.stderr
    assert "plan=thuman2 version 1: 2 of 526 scans: 0000, 0002, 0003, 0004" in done.stdout and "and 516 more are missing" in done.stdout
    return folder


def triplets(folder: Path) -> dict[str, Triplet]:
    return {sample.key: sample for path in Dataset.load(folder).paths(folder) for sample in read_shard(path)}


def test_another_scan_changes_nobody_elses_frames(folder: Path, blender: Any) -> None:
    made = triplets(folder / "set")
    assert sorted(made) == [f"{3 * number + framing:09d}" for number in (1, 525) for framing in range(3)]
    config = RenderConfig(scans=str(folder / "three"), out="", plan="thuman2", height=64, width=48, samples=2)
    plan, files = prepare(config)
    worker = Worker(plan, *files, threads=2)
    worker.blender = blender
    for key, sample in made.items():
        again = worker.frame(plan.spec(int(key)))
        assert again is not None and json.loads(json.dumps(again.meta)) == sample.meta
        for name in ("mask", "depth", "normal"):
            assert getattr(sample, name).tobytes() == getattr(again, name).tobytes(), (key, name)
        assert np.abs(sample.rgb.astype(int) - again.rgb).max() <= 2
        assert SceneSpec.from_meta(sample.meta).key == key


def test_the_set_records_which_benchmark_it_is(folder: Path) -> None:
    dataset = Dataset.load(folder / "set")
    told = dataset.benchmark
    assert (told["name"], told["version"], told["seed"], told["standard"]) == ("thuman2", 1, benchmark.SEED, False)
    assert len(told["missing"]) == 524 and dataset.count == 1578 and dataset.samples == 6
    assert list(dataset.shards) == ["shard-000000.tar", "shard-000052.tar"]
    assert planned_keys(dataset)["shard-000052.tar"] == [f"{index:09d}" for index in (1575, 1576, 1577)]


def test_the_set_is_verified_reported_gone_on_with_and_replayed(folder: Path, tmp_path: Path) -> None:
    done = run("render.verify", f"data={folder / 'set'}", "workers=1")
    assert done.returncode == 0 and "6 samples in 2 shards are whole" in done.stdout, done.stdout + done.stderr
    page = report.report(report.ReportConfig(data=str(folder / "set"))).read_text()
    assert "524 scans of thuman2 were missing, and with them 1,572 frames" in page and "not rendered yet" not in page
    shard = folder / "set" / "shards" / "shard-000052.tar"
    before = [sample.depth.tobytes() for sample in read_shard(shard)]
    shard.unlink()
    assert run("render", *SMALL, f"scans={folder / 'two'}", f"out={folder / 'set'}").returncode == 0
    assert [sample.depth.tobytes() for sample in read_shard(shard)] == before
    again = run("render.replay", f"data={folder / 'set'}", "index=1576", f"out={tmp_path}")
    assert again.returncode == 0 and "bit-equal" in again.stdout, again.stdout + again.stderr
    with pytest.raises(UserError, match="index=6: its scan was missing"):
        stored_sample(folder / "set", Dataset.load(folder / "set"), 6)


def test_subjects_tell_their_heads(folder: Path) -> None:
    for sample in triplets(folder / "set").values():
        (subject,) = sample.meta["subjects"]
        assert list(subject["joints"]) == ["head"] and 0.05 < subject["head_radius"] < 0.2
        camera = np.array(sample.meta["world_to_camera"]) @ [*subject["joints"]["head"], 1.0]
        x, y = project(sample.K, camera[None, :3])[0]
        assert sample.mask[int(y), int(x)] == 1  # the head's centre is inside the picture of the person
