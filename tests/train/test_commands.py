"""The commands, as a user runs them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import lightning
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from conf.command import UserError
from datasets.triplet import read_exr
from tests.train.conftest import TINY, run
from train import run as runs
from train.config import TrainConfig
from train.report import curves


def configuration(**keys: Any) -> TrainConfig:
    """What the command line would compose from TINY and more keys."""
    merged = OmegaConf.merge(OmegaConf.structured(TrainConfig), OmegaConf.from_dotlist([argument.lstrip("+") for argument in TINY]), keys)
    return OmegaConf.to_object(merged)  # type: ignore[return-value]


def checkpoint(run: Path) -> dict[str, Any]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def test_two_steps_leave_checkpoints_logs_and_configuration(trained: Path) -> None:
    assert checkpoint(trained)["global_step"] == 2
    assert (trained / "checkpoints" / "best.ckpt").is_file()
    logged = curves(trained)
    assert [step for step, _ in logged["train/depth"]] == [0, 1]
    assert all(np.isfinite(value) for points in logged.values() for _, value in points)
    assert {"val/loss", "val/depth_rmse", "val/normal_mean"} <= logged.keys()
    assert list((trained / "logs" / "tensorboard").rglob("events.out.tfevents.*"))
    assert OmegaConf.load(trained / "config.yaml").steps == 2


def test_a_finished_run_does_nothing(trained: Path, spheres: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    runs.train(configuration(data=str(spheres), out=str(trained), steps=2))
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


def test_another_configuration_is_refused_by_the_names_of_its_keys(trained: Path, spheres: Path) -> None:
    config = configuration(data=str(spheres), out=str(trained), steps=2, optimiser={"lr": 0.25}, tasks=["normal"])
    with pytest.raises(UserError, match=r"optimiser\.lr=0\.25 \(there 0\.0005\), tasks=\['normal'\]") as error:
        runs.train(config)
    assert "\n" not in str(error.value) and "steps" not in str(error.value)


def test_a_broken_off_run_continues_where_it_stopped(spheres: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration(data=str(spheres), out=str(tmp_path / "run"), steps=6, tasks=["depth", "normal"])
    whole: Callable[..., lightning.Trainer] = runs.trainer

    class PowerCut(lightning.Callback):
        def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
            if trainer.global_step == 5:
                raise RuntimeError("power cut")

    def cut(config: TrainConfig, out: Path) -> lightning.Trainer:
        trainer = whole(config, out)
        trainer.callbacks.append(PowerCut())  # type: ignore[attr-defined]
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(runs, "trainer", cut)
        with pytest.raises(RuntimeError, match="power cut"):
            runs.train(config)
    halfway = checkpoint(tmp_path / "run")
    assert halfway["global_step"] == 4
    runs.train(config)
    end = checkpoint(tmp_path / "run")
    assert end["global_step"] == 6
    assert {float(state["step"]) for state in end["optimizer_states"][0]["state"].values()} == {6.0}
    assert end["lr_schedulers"][0]["last_epoch"] == 6
    versions = sorted((tmp_path / "run" / "logs" / "csv").iterdir())
    steps = [[int(row["step"]) for row in csv.DictReader((v / "metrics.csv").open()) if row["train/depth"]] for v in versions]
    assert steps[1] == [4, 5], "the second start began after the four saved steps"
    weights = [c["state_dict"]["model.heads.last.depth.weight"] for c in (halfway, end)]
    assert not torch.equal(*weights)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"tasks": ["dept"]}, "tasks"),
        ({"size": [64]}, "size"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"data": "/nowhere"}, "/nowhere"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(spheres: Path, tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        runs.train(configuration(**{"data": str(spheres), "out": str(tmp_path / "run"), **keys}))
    assert not (tmp_path / "run").exists()


def test_evaluate_prints_and_writes_the_table(trained: Path, spheres: Path, tmp_path: Path) -> None:
    done = run("train.evaluate", f"checkpoint={trained}", f"data={spheres}", f"out={tmp_path}", "alignment=median", "device=cpu")
    assert done.returncode == 0, done.stderr[-2000:]
    for word in ("best constant depth per image", "every normal facing the camera", "micro", "macro", "median", "8 images"):
        assert word in done.stdout
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["alignment"] == "median" and metrics["normal"]["images"] == 8
    rows = list(csv.DictReader((tmp_path / "per_image.csv").open()))
    assert [row["key"] for row in rows] == [f"{i:09d}" for i in range(8)]
    for name, figure in (("depth", "rmse"), ("normal", "mean")):
        mean = np.mean([float(row[f"{name}_{figure}"]) for row in rows])
        assert metrics[name]["model"]["macro"][figure] == pytest.approx(mean)
    assert 35 < metrics["normal"]["baseline"]["micro"]["mean"] < 45, "a sphere's normals are 38 degrees off, orthographically 45"


def test_predict_writes_at_the_pictures_own_resolution(trained: Path, tmp_path: Path) -> None:
    folder, masks = tmp_path / "pictures", tmp_path / "masks"
    folder.mkdir()
    masks.mkdir()
    shapes = {"tall": (77, 41), "wide": (30, 90)}
    for name, shape in shapes.items():
        cv2.imwrite(str(folder / f"{name}.png"), np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8))
        mask = np.zeros(shape, np.uint8)
        mask[5:20, 5:20] = 255
        cv2.imwrite(str(masks / f"{name}.png"), mask)
    done = run("train.predict", f"checkpoint={trained}", f"images={folder}", f"masks={masks}", f"out={tmp_path / 'out'}", "device=cpu")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "relative" in done.stdout
    for name, shape in shapes.items():
        depth = read_exr(str(tmp_path / "out" / f"{name}.depth.exr"))["Z"]
        normal = np.stack([read_exr(str(tmp_path / "out" / f"{name}.normal.exr"))[c] for c in "RGB"], -1)
        assert depth.shape == shape and normal.shape == (*shape, 3) and depth.dtype == np.float32
        length = np.linalg.norm(normal, axis=-1)
        np.testing.assert_allclose(length[5:20, 5:20], 1.0, atol=1e-5)
        length[5:20, 5:20] = 0
        assert not length.any(), "nothing outside the mask"
        assert cv2.imread(str(tmp_path / "out" / f"{name}.normal.png")).shape == (*shape, 3)


def test_the_report_holds_everything_itself(trained: Path, spheres: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = run("train.report", f"run={trained}", f"test={spheres}", f"out={out}", "device=cpu", "samples=2", "predictions=3")
    assert done.returncode == 0, done.stderr[-2000:]
    page = out.read_text()
    assert page.count("data:image/jpeg;base64,") == 2 * 4 + 3 * 5
    assert page.count("<svg") >= 3 and "$" not in page
    for outside in ("http://", "https://", 'src="/', "<script", "<link"):
        assert outside not in page


def test_a_sweep_trains_one_run_per_value(spheres: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "sweep") + "/${hydra:job.num}"
    done = run(
        "train", "-m", f"data={spheres}", f"out={out}", "steps=1", "optimiser.lr=1e-4,5e-4", f"hydra.sweep.dir={tmp_path / 'hydra'}", *TINY
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rates = [OmegaConf.load(tmp_path / "sweep" / str(i) / "config.yaml").optimiser.lr for i in range(2)]
    assert rates == [1e-4, 5e-4]
    assert all(checkpoint(tmp_path / "sweep" / str(i))["global_step"] == 1 for i in range(2))
