"""Both benchmarks by their commands, from files as they are downloaded to the table; rays of our own are a method without error."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from datasets import reader
from datasets.conventions import Array
from tests.layouts import hi4d, thuman2
from tests.oracle import Oracle
from tests.train.conftest import run

HALF = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])  # OpenCV has the first pixel's centre at (0, 0), the house at a half


def command(module: str, *keys: str) -> str:
    """What it said; it must succeed."""
    done = run(module, *keys)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def save(folder: Path, key: str, depth: Array, normal: Array, mask: Array) -> None:
    """As others would: millimetres, OpenCV's axes. Beside the mask, whose edge may differ by a pixel, the nearest values."""
    nearest = tuple(distance_transform_edt(~mask, return_distances=False, return_indices=True))
    for name, values in {"depth": 1000 * depth, "normal": normal * [1, -1, -1]}.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        np.save(folder / name / f"{key}.npy", values[nearest].astype(np.float32))


def table(tmp_path: Path, name: str, data: Path) -> tuple[dict[str, Any], str]:
    """The table of the rays and the trivial baseline on a named benchmark: its JSON, and what the terminal shows."""
    for out, keys in {
        "rays": (f"predictions={tmp_path / 'rays'}", "depth_unit=mm", "normal_axes=x-y-z"),
        "flat": ("baseline=trivial",),
    }.items():
        command("train.evaluate", f"benchmark={name}", f"data={data}", *keys, f"name={out}", f"out={tmp_path / out}", "resamples=200")
    said = command("train.compare", f"results=[{tmp_path / 'rays'},{tmp_path / 'flat'}]", f"out={tmp_path / 'table'}")
    return json.loads((tmp_path / "table" / "table.json").read_text()), said


def figures(found: dict[str, Any], label: str, task: str) -> dict[str, float]:
    """Of everything, the mean of images, by the leading alignment."""
    rows = next(method["rows"] for method in found["methods"] if method["label"] == label)
    return next(row["figures"] for row in rows if (row["task"], row["group"], row["average"]) == (task, "all", "macro"))


def difference(found: dict[str, Any]) -> dict[str, float]:
    """Of the mean angle of both."""
    return dict(next(each for each in found["differences"] if each["task"] == "normal")["macro"]["mean"])


def check(found: dict[str, Any], said: str) -> None:
    assert figures(found, "rays", "depth")["absrel"] < 1e-4 and figures(found, "rays", "depth")["rmse"] < 2e-3
    assert figures(found, "rays", "normal")["median"] < 0.1 and figures(found, "rays", "normal")["mean"] < 0.5
    assert figures(found, "flat", "normal")["mean"] > 25 and figures(found, "flat", "depth")["absrel"] > 0.005
    assert not any("normals fit far better" in note for note in found["notes"])
    assert difference(found)["value"] < -25
    assert "Sapiens-2B, quoted" in said


def test_hi4d(tmp_path: Path) -> None:
    truths = {
        f"pair{pair}/act{pair}": hi4d.write(tmp_path / "Hi4D", pair, f"act{pair}", moments, (4,), distorted=pair != 32)
        for pair, moments in {28: (12, 13), 32: (7,), 37: (1,)}.items()
    }
    command("render.hi4d", f"source={tmp_path / 'Hi4D'}", f"out={tmp_path / 'set'}", "workers=1")
    with open(tmp_path / "set" / "overlap.csv") as file:
        for row in csv.DictReader(file):
            truth = truths[row["sequence"]]
            K, extrinsics, _ = truth.cameras[4]
            oracle = Oracle.of(truth.vertices[int(row["frame"])], truth.faces)
            save(tmp_path / "rays", row["key"], *oracle.cast(K + HALF, np.vstack([extrinsics, [0, 0, 0, 1]]), hi4d.HEIGHT, hi4d.WIDTH))
    found, said = table(tmp_path, "hi4d", tmp_path / "set")
    check(found, said)
    assert difference(found)["high"] < -25 and difference(found)["p"] < 0.05
    assert found["benchmark"] | {"sha256": ""} == {"name": "hi4d", "version": 1, "data": "set", "sha256": "", "images": 4, "whole": True}


def test_thuman2(tmp_path: Path) -> None:
    thuman2.write(tmp_path / "THuman2.0_Release", [525])
    people = tmp_path / "people"
    command("scans.ingest", "layout=thuman2", f"source={tmp_path / 'THuman2.0_Release'}", f"out={people}")
    command("render", "plan=thuman2", f"scans={people}", f"out={tmp_path / 'set'}", "workers=1")
    oracle = Oracle(people / "0525.glb")
    for sample in reader.evaluation(tmp_path / "set", 1):
        save(tmp_path / "rays", sample.key, *oracle.cast(sample.K, np.array(sample.meta["world_to_camera"]), *sample.mask.shape))
    found, said = table(tmp_path, "thuman2", tmp_path / "set")
    check(found, said)
    assert (found["benchmark"]["images"], found["benchmark"]["whole"]) == (3, False) and "set is not whole" in said
    rows = next(method["rows"] for method in found["methods"] if method["label"] == "rays")
    assert {"part=head", "part=body", "framing=face", "framing=upper", "framing=full"} < {row["group"] for row in rows}
