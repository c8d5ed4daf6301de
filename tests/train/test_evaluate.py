"""What a table says: groups, intervals, named benchmarks, files, refusals."""

import csv
import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from conf.command import UserError
from datasets.triplet import Dataset, Triplet, write_shard
from tests.fixtures import sphere_triplet
from tests.train.conftest import run
from tests.train.predicted import depth_of, normal_of, write
from train import benchmarks, results
from train.errormaps import NOT_SCORED, cells
from train.evaluate import EvaluateConfig, evaluate, gathered, per_image, save, table
from train.metrics import DEPTH, NORMAL, Tally, interval
from train.results import Part, Results, Row
from train.tasks import TASKS

COUNT = 9


def people() -> list[Triplet]:
    """Nine images of three people: two framings, two lights; of each sphere the upper third is its head."""
    made = []
    for i in range(COUNT):
        t = sphere_triplet(f"{i:09d}", np.random.default_rng(i), 48, 36, f"person-{i // 3}")
        centre, radius = np.array(t.meta["sphere"]["centre"]), t.meta["sphere"]["radius"]
        joints = {
            name: (centre + radius * np.array(offset)).tolist()
            for name, offset in {
                "head": (0, -0.8, -0.2), "left_shoulder": (0.3, 0, -0.5), "right_shoulder": (-0.3, 0, -0.5), "left_hip": (0.3, 0.6, -0.4),
                "right_hip": (-0.3, 0.6, -0.4),
            }.items()
        }  # fmt: skip
        subject = {"scan": f"scan-{i}", "subject": f"person-{i // 3}", "world_from_scan": np.eye(4).tolist(), "joints": joints}
        subject["head_radius"] = 0.3 * radius
        lighting = {"environment": "city.exr" if i % 2 else "studio.exr"}
        meta = {**t.meta, "subjects": [subject], "framing": "face" if i < 4 else "full", "lighting": lighting}
        made.append(dataclasses.replace(t, meta=meta))
    return made


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "crowd"
    dataset = Dataset(configuration={}, seed=0, count=COUNT)
    dataset.shards["shard-000000.tar"] = {**write_shard(folder / "shards" / "shard-000000.tar", people()), "rejections": {}}
    dataset.save(folder)
    return folder


def off(t: Triplet) -> np.ndarray:
    """Depth in metres that is wrong by one centimetre more with every image."""
    return depth_of(t) * 1.01 + 0.01 * int(t.key)


@pytest.fixture(scope="module")
def predicted(crowd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("predicted") / "lab", crowd, depth=off, normal=lambda t: normal_of(t) + np.float32([0, 0, 0.3]))


def scored(folder: Path, **keys: Any) -> Results:
    return gathered(*evaluate(EvaluateConfig(str(folder), device="cpu", **keys)), resamples=keys.get("resamples", 0))


def pick(found: Results, **wanted: Any) -> Row:
    (row,) = [row for row in found.rows if all(getattr(row, name) == value for name, value in wanted.items())]
    return row


def by_hand(images: list[int]) -> dict[str, float]:
    chosen = [people()[i] for i in images]
    scores = [DEPTH.score(DEPTH.errors(off(t), t.depth, t.mask, alignment="none")) for t in chosen]
    return {name: float(np.mean([score[name] for score in scores])) for name in ("rmse", "absrel", "delta1")}


def test_groups_of_images_have_the_figures_of_their_images(crowd: Path, predicted: Path) -> None:
    found = scored(crowd, predictions=str(predicted), depth_unit="m")
    depths = [float(np.median(t.depth[t.mask > 0])) for t in people()]
    order = np.argsort(depths).tolist()
    wanted = {
        "all": range(9), "framing=face": range(4), "framing=full": range(4, 9), "light=studio": range(0, 9, 2),
        "light=city": range(1, 9, 2),
        "distance=near": order[:3], "distance=middle": order[3:6], "distance=far": order[6:],
    }  # fmt: skip
    for group, images in wanted.items():
        row = pick(found, task="depth", group=group, average="macro")
        assert row.images == len(images) and row.pixels == sum(int((people()[i].mask > 0).sum()) for i in images)
        assert {name: row.figures[name] for name in by_hand([0])} == pytest.approx(by_hand(list(images)), rel=1e-6)
    assert found.meanings["distance=near"] == f"median depth of people up to {depths[order[2]]:.3f} m"
    assert f"to {depths[order[5]]:.3f} m" in found.meanings["distance=middle"]


def test_an_image_that_is_left_out_is_in_no_group(crowd: Path, tmp_path: Path) -> None:
    lab = write(tmp_path, crowd, depth=off)
    for key in ("000000001", "000000004"):
        (lab / "depth" / f"{key}.npy").unlink()
    found = scored(crowd, predictions=str(lab), depth_unit="m", on_bad="skip")
    for group, images in {
        "all": [0, 2, 3, 5, 6, 7, 8],
        "framing=face": [0, 2, 3],
        "framing=full": [5, 6, 7, 8],
        "light=city": [3, 5, 7],
    }.items():
        row = pick(found, task="depth", group=group, average="macro")
        assert row.images == len(images) and row.figures["absrel"] == pytest.approx(by_hand(images)["absrel"], rel=1e-6)


def test_parts_of_the_body_share_out_the_pixels_of_people(crowd: Path, predicted: Path) -> None:
    found = scored(crowd, predictions=str(predicted), depth_unit="m")
    for task in ("depth", "normal"):
        rows = {row.group: row for row in found.rows if (row.task, row.average) == (task, "micro")}
        shares = {group: row.pixels for group, row in rows.items() if group.startswith("part=")}
        assert set(shares) == {"part=head", "part=torso"} and min(shares.values()) > 100
        assert sum(shares.values()) == rows["all"].pixels
    squares = [pick(found, task="depth", group=g, average="micro") for g in ("part=head", "part=torso", "all")]
    head, torso, whole = ((row.figures["rmse"] or 0) ** 2 * row.pixels for row in squares)
    assert head + torso == pytest.approx(whole)


def test_intervals_are_over_people(crowd: Path, predicted: Path) -> None:
    found = scored(crowd, predictions=str(predicted), depth_unit="m", resamples=200)
    tally = Tally(DEPTH)
    for place, t in enumerate(people()):
        tally.update(place, DEPTH.errors(off(t), t.depth, t.mask, alignment="none"))
    persons = [f"person-{i // 3}" for i in range(COUNT)]
    wanted = interval(tally.compute()["all"], "macro", np.random.default_rng(0), persons, 200)["rmse"]
    low, high = pick(found, task="depth", group="all", average="macro").interval["rmse"]
    assert (low, high) == pytest.approx((wanted.low, wanted.high)) and low < wanted.value < high


def test_files_hold_what_others_need_to_compare(crowd: Path, predicted: Path, tmp_path: Path) -> None:
    data, predictor, made = evaluate(EvaluateConfig(str(crowd), predictions=str(predicted), depth_unit="m", device="cpu"))
    found = gathered(data, predictor, made, resamples=20)
    save(tmp_path, found, made)
    again = results.read(tmp_path)
    assert again.benchmark == found.benchmark and again.method == found.method and again.meanings == found.meanings
    for row in found.rows:
        there = pick(again, task=row.task, alignment=row.alignment, group=row.group, average=row.average)
        known = {name: value for name, value in row.figures.items() if value is not None and not np.isnan(value)}
        assert {name: there.figures[name] for name in known} == known
    images = results.read_images(tmp_path, again)
    assert images.keys == [f"{i:09d}" for i in range(COUNT)] and images.persons[3] == "person-1"
    part = Part("depth", "none", "part=head")
    np.testing.assert_array_equal(images.scores[part].sums, made.scores[part].sums)
    table = list(csv.DictReader(per_image(made).splitlines()))
    assert [row["framing"] for row in table] == ["face"] * 4 + ["full"] * 5 and table[1]["light"] == "city"
    mean = pick(found, task="normal", group="all", average="macro").figures["mean"]
    assert np.mean([float(row["normal_mean"]) for row in table]) == pytest.approx(mean)
    assert found.versions["numpy"] == np.__version__ and (tmp_path / "per_image.csv").is_file()
    assert str(tmp_path) not in (tmp_path / "results.json").read_text()


def named(folder: Path, crowd: Path, **told: Any) -> Path:
    """The crowd as a benchmark's set, whose dataset.json says this."""
    (folder / "shards").mkdir(parents=True)
    (folder / "shards" / "shard-000000.tar").write_bytes((crowd / "shards" / "shard-000000.tar").read_bytes())
    facts = json.loads((crowd / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**facts, "count": told.pop("count", COUNT), "benchmark": told}))
    return folder


def test_a_named_benchmark_says_what_was_scored_and_how(crowd: Path, predicted: Path, tmp_path: Path) -> None:
    folder = named(tmp_path / "set", crowd, name="thuman2", version=1, seed=2024, standard=True, count=12)
    data, predictor, made = evaluate(EvaluateConfig("thuman2", data=str(folder), predictions=str(predicted), device="cpu"))
    found = gathered(data, predictor, made)
    assert (found.benchmark.name, found.benchmark.version, found.benchmark.whole, found.benchmark.images) == ("thuman2", 1, False, 9)
    assert {row.alignment for row in found.rows if row.task == "depth"} == {"lsq", "median"}
    metric = scored(Path("thuman2"), data=str(folder), predictions=str(predicted), depth_unit="m")
    assert next(row.alignment for row in metric.rows) == "none"


def test_a_set_is_known_by_what_is_in_its_shards_wherever_they_lie(crowd: Path, tmp_path: Path) -> None:
    moved = named(tmp_path / "moved", crowd)
    told = json.loads((moved / "dataset.json").read_text())
    (moved / "dataset.json").write_text(json.dumps({**told, "sources": {"scans": "/elsewhere"}}))
    assert benchmarks.opened(str(moved), None).facts.sha256 == benchmarks.opened(str(crowd), None).facts.sha256
    (entry,) = told["shards"].values()
    second = (moved / "shards" / "shard-000001.tar").write_bytes(b"another")
    other = {**entry, "sha256": hashlib.sha256(b"another").hexdigest(), "bytes": second, "samples": 0}
    told["shards"] = {"shard-000001.tar": other, "shard-000000.tar": entry}
    (moved / "dataset.json").write_text(json.dumps(told))
    assert (
        Dataset.load(moved).digest
        == subprocess.check_output("sha256sum *.tar | sha256sum", shell=True, cwd=moved / "shards", text=True).split()[0]
    )


def test_a_set_from_which_samples_were_left_out_by_rule_is_whole(crowd: Path, tmp_path: Path) -> None:
    folder = named(tmp_path / "set", crowd, count=COUNT + 2)
    assert not benchmarks.opened(str(folder), None).facts.whole
    told = json.loads((folder / "dataset.json").read_text())
    told["shards"]["shard-000000.tar"]["given_up"] = {"9": "its mask is empty", "10": "its mask is empty"}
    (folder / "dataset.json").write_text(json.dumps(told))
    data, predictor, made = evaluate(EvaluateConfig(str(folder), baseline="trivial", device="cpu"))
    assert data.facts.whole and "2 left out when it was made" in table(data, gathered(data, predictor, made))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, r"says benchmark name None, not thuman2; version None, not 1; .*python -m render plan=thuman2"),
        ({"name": "thuman2", "version": 2, "seed": 2024}, r"says benchmark version 2, not 1: make the set with"),
        ({"name": "hi4d", "version": 1, "seed": 2024}, r"says benchmark name hi4d, not thuman2"),
        ({"name": "thuman2", "version": 1, "seed": 2024, "standard": False}, r"was not made as published .*score it as benchmark="),
    ],
)
def test_another_set_is_not_taken_for_a_named_benchmark(crowd: Path, tmp_path: Path, told: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        benchmarks.opened("thuman2", str(named(tmp_path / "set", crowd, **told)))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "no method is named: give one of checkpoint=, model=, onnx=, predictions=, baseline="),
        ({"baseline": "trivial", "model": "x"}, "model= and baseline= name 2 methods"),
        (
            {"baseline": "trivial", "normal_axes": "x-y-z"},
            "normal_axes=x-y-z goes with model=, onnx=, predictions=, not with baseline=",
        ),
        ({"model": "x", "resize": True}, "resize=True goes with predictions=, not with model="),
        ({"baseline": "zero"}, "baseline=zero: there is one"),
        ({"baseline": "trivial", "alignment": "lsqq"}, "alignment=lsqq: choose from none"),
        ({"baseline": "trivial", "on_bad": "ignore"}, "on_bad=ignore: choose from refuse, skip"),
        ({"baseline": "trivial", "tasks": ["dept"]}, r"tasks=\['dept'\]: choose from depth"),
        ({"baseline": "trivial", "tasks": ["albedo"]}, "has no albedo in its first sample"),
        ({"baseline": "trivial", "data": "/x"}, "data=/x goes with benchmark=thuman2|hi4d"),
        ({"baseline": "trivial", "resamples": -1}, "resamples=-1: must be at least 0"),
        ({"predictions": "/nowhere"}, "predictions=/nowhere is no folder"),
        ({"checkpoint": "/nowhere"}, "checkpoint=/nowhere does not exist"),
    ],
)
def test_mistakes_are_one_line(crowd: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message.replace("|", r"\|")) as error:
        evaluate(EvaluateConfig(str(crowd), device="cpu", **keys))
    assert "\n" not in str(error.value)
    for benchmark, why in {"/nowhere": "give thuman2, hi4d, or a folder", str(crowd / "shards"): "dataset.json does not exist"}.items():
        with pytest.raises(UserError, match=why):
            evaluate(EvaluateConfig(benchmark, baseline="trivial"))


def test_an_error_map_is_black_where_a_prediction_is_right_and_brighter_the_more_it_is_wrong() -> None:
    (t,) = people()[:1]
    part = Part("normal", None, "all")
    *_, right = cells(t, part, t.normal.astype(np.float64))
    assert right[t.mask > 0].max() < 10
    turned = [cells(t, part, t.normal + np.array([tilt, 0, 0]))[-1][t.mask > 0].mean() for tilt in (0.1, 0.4, 1.0)]
    assert turned == sorted(turned) and turned[-1] > turned[0] + 20
    photograph, truth, prediction, error = cells(t, Part("depth", "lsq", "all"), 3 - t.depth.astype(np.float64))
    assert all(cell.shape == (48, 36, 3) for cell in (photograph, truth, prediction, error))
    np.testing.assert_allclose(prediction.astype(int), truth, atol=2, err_msg="after its alignment it is the truth")
    assert (error[t.mask == 0] == NOT_SCORED).all() and error[t.mask > 0].max() < 10


def test_the_command_writes_results_pictures_and_says_what_was_left_out(crowd: Path, predicted: Path, tmp_path: Path) -> None:
    lab = write(tmp_path / "lab", crowd, depth=off)
    (lab / "depth" / "000000004.npy").unlink()
    keys = ("depth_unit=m", "on_bad=skip", "resamples=100", f"out={tmp_path / 'out'}", "name=ours", "device=cpu", "normal_axes=-zxy")
    done = run("train.evaluate", f"benchmark={crowd}", f"predictions={lab}", *keys)
    assert done.returncode == 0, done.stderr[-2000:]
    for words in ("ours (folder)", "depth on crowd", "8 images, person pixels, 1 left out; aligned per image: none", "± 95 %"):
        assert words in done.stdout
    assert "left out: image 000000004, depth: no file" in done.stdout
    found = results.read(tmp_path / "out")
    assert [left.key for left in found.skipped] == ["000000004"]
    assert [(picture.which, picture.task) for picture in found.pictures] == [(which, "depth") for which in ("worst", "median", "best")]
    worst, _, best = found.pictures
    assert worst.value > best.value and cv2.imread(str(tmp_path / "out" / worst.file)).shape == (48, 4 * 36, 3)
    images = results.read_images(tmp_path / "out", found)
    shown = images.scores[Part("depth", "none", "all")].per_image(images.keys)
    assert shown[worst.key]["absrel"] == max(figures["absrel"] for figures in shown.values())


def test_the_baseline_is_the_trivial_prediction_of_each_task(crowd: Path) -> None:
    found = scored(crowd, baseline="trivial", alignment="none")
    wanted = [NORMAL.score(NORMAL.errors(TASKS["normal"].baseline(t.normal, t.mask), t.normal, t.mask)) for t in people()]
    assert pick(found, task="normal", group="all", average="macro").figures["mean"] == pytest.approx(np.mean([s["mean"] for s in wanted]))
    assert found.method.conversion == {"depth": "best constant depth per image", "normal": "every normal facing the camera"}
