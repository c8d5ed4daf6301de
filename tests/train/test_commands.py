"""The commands, as a user runs them."""

import csv
import importlib.util
import time
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
from tests.train.conftest import TINY, configuration, run
from train import results
from train import run as runs
from train.config import TrainConfig
from train.report import curves


def checkpoint(run: Path) -> dict[str, Any]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def test_two_steps_leave_checkpoints_logs_and_configuration(trained: Path) -> None:
    assert checkpoint(trained)["global_step"] == 2
    assert (trained / "checkpoints" / "best.ckpt").is_file()
    logged = curves(trained)
    assert checkpoint(trained)["callbacks"]["Checkpoints"]["best"] == pytest.approx(logged["val/loss"][0][1]), "saved after validation"
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
        ({"strategy": "dp"}, "strategy=dp: choose from auto, ddp, fsdp"),
        ({"ema": 1.0}, r"ema=1\.0"),
        ({"logger": ["mlflow"]}, "choose from csv, tensorboard, wandb"),
        ({"losses": {"depth": "l7"}}, r"losses\.depth=l7: choose from silog"),
        ({"losses": {"alpha": "sapiens2"}}, r"has no alpha"),
        ({"weights": [1.0, 2.0]}, "weights"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(spheres: Path, tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        runs.train(configuration(**{"data": str(spheres), "out": str(tmp_path / "run"), **keys}))
    assert not (tmp_path / "run").exists()


def test_evaluate_prints_and_writes_the_table(trained: Path, spheres: Path, tmp_path: Path) -> None:
    keys = (f"out={tmp_path}", "alignment=median", "resamples=100", "device=cpu")
    done = run("train.evaluate", f"benchmark={spheres}", f"checkpoint={trained}", *keys)
    assert done.returncode == 0, done.stderr[-2000:]
    for words in ("trained (ours), looked at 32x24 letterbox", "micro", "macro", "aligned per image: median", "8 images, person pixels"):
        assert words in done.stdout
    found = results.read(tmp_path)
    rows = list(csv.DictReader((tmp_path / "per_image.csv").open()))
    assert [row["key"] for row in rows] == [f"{i:09d}" for i in range(8)]
    for name, figure in (("depth", "rmse"), ("normal", "mean")):
        mean = np.mean([float(row[f"{name}_{figure}"]) for row in rows])
        (whole,) = [row for row in found.rows if (row.task, row.group, row.average) == (name, "all", "macro")]
        assert whole.figures[figure] == pytest.approx(mean) and whole.images == 8
    assert len(found.pictures) == 6 and all((tmp_path / picture.file).is_file() for picture in found.pictures)


def test_the_report_holds_everything_itself(trained: Path, spheres: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = run("train.report", f"run={trained}", f"test={spheres}", f"out={out}", "device=cpu", "samples=2", "predictions=3")
    assert done.returncode == 0, done.stderr[-2000:]
    page = out.read_text()
    assert page.count("data:image/jpeg;base64,") == 2 * 4 + 3 * 5
    assert page.count("<svg") >= 3 and "$" not in page
    for outside in ("http://", "https://", 'src="/', "<script", "<link"):
        assert outside not in page


def test_pictures_show_photograph_truth_and_prediction_of_held_out_people(trained: Path) -> None:
    sheet = cv2.imread(str(trained / "pictures" / "000002.png"))[..., ::-1]
    assert sheet.shape == (32, 24 * 5, 3), "one batch is held out; a photograph, and truth and prediction of two tasks"
    photograph, depth, guess, normal, _ = np.split(sheet.astype(int), 5, axis=1)
    person = normal.max(-1) > 0
    assert 0.05 < person.mean() < 0.8
    assert ((depth.max(-1) > 0) == person).all() and ((guess.max(-1) > 0) <= person).all(), "all of the same pixels"
    rows, columns = np.nonzero(person)
    right, left = columns > columns.mean() + 2, columns < columns.mean() - 2
    assert normal[rows[right], columns[right], 0].mean() > normal[rows[left], columns[left], 0].mean() + 20, "x to the right is red"
    assert photograph.std() > 5


def test_wandb_is_written_without_a_network_or_refused_in_one_line(spheres: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration(data=str(spheres), out=str(tmp_path / "run"), steps=2, logger=["wandb"])
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(UserError, match=r"logger=wandb: it is not installed: pip install"):
            runs.train(config)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    runs.train(config)
    (file,) = (tmp_path / "run" / "logs").rglob("*.wandb")
    until = time.monotonic() + 60
    while b"val/loss" not in file.read_bytes():  # written by a process of W&B's own, which a busy machine delays
        assert time.monotonic() < until, "finished, and not written"
        time.sleep(0.1)
    assert list((tmp_path / "run" / "logs").rglob("predictions*.png"))


def test_several_folders_are_mixed(spheres: Path, tmp_path: Path) -> None:
    config = configuration(f"data=[{spheres},{spheres}]", "weights=[3,1]", out=str(tmp_path), steps=2)
    runs.train(config)
    runs.train(config)  # finished, not refused
    with pytest.raises(UserError, match=r"weights=\[1\.0, 3\.0\] \(there \[3\.0, 1\.0\]\)"):
        runs.train(configuration(f"data=[{spheres},{spheres}]", "weights=[1,3]", out=str(tmp_path), steps=2))


def test_training_begins_with_another_runs_weights(trained: Path, spheres: Path, tmp_path: Path) -> None:
    config = configuration(data=str(spheres), out=str(tmp_path), steps=1, init=str(trained), optimiser={"lr": 0.0})
    runs.train(config)
    begun, theirs = checkpoint(tmp_path)["state_dict"], torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(begun[name], values) for name, values in theirs.items())


def test_a_sweep_trains_one_run_per_value(spheres: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "sweep") + "/${hydra:job.num}"
    done = run(
        "train", "-m", f"data={spheres}", f"out={out}", "steps=1", "optimiser.lr=1e-4,5e-4", f"hydra.sweep.dir={tmp_path / 'hydra'}", *TINY
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rates = [OmegaConf.load(tmp_path / "sweep" / str(i) / "config.yaml").optimiser.lr for i in range(2)]
    assert rates == [1e-4, 5e-4]
    assert all(checkpoint(tmp_path / "sweep" / str(i))["global_step"] == 1 for i in range(2))
