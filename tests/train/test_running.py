"""Runs on several processes, runs that are killed, averaged weights, what is logged."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch

from tests.train import several
from tests.train.conftest import ROOT, TINY, configuration
from train import backbones, checkpoint
from train import run as runs
from train.model import Model
from train.module import Learner
from train.report import curves

#: Each step validated, so that the trace is of the same pictures whoever trained on what; nothing is drawn by chance.
FIXED = [
    "steps=4",
    "val_every=1",
    "save_every=2",
    "optimiser.warmup=1",
    "optimiser.lr=5e-3",
    "ema=0.9",
    "data=none",
    "pictures=0",
    "head.options.dropout=0",
]


def processes(out: Path, *arguments: str, cut: str = "") -> None:
    """A run of fixed batches on two processes."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.several", cut, *FIXED, f"out={out}", "batch_size=2", "devices=2", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run on one process."""
    out = tmp_path_factory.mktemp("several") / "alone"
    several.main(*FIXED, f"out={out}", "batch_size=4", "devices=1")
    return out


def compare(out: Path, alone: Path) -> None:
    for name in ("val/loss", "train/gradient"):
        np.testing.assert_allclose(*([value for _, value in curves(run)[name]] for run in (out, alone)), rtol=1e-4)
    ours, theirs = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (out, alone))
    for kind in ("state_dict", "ema"):
        assert ours[kind].keys() == theirs[kind].keys()
        for name, values in theirs[kind].items():
            if values.ndim > 1:  # a bias before a normalisation has no gradient but noise
                torch.testing.assert_close(ours[kind][name], values, rtol=1e-3, atol=1e-5)


def test_accumulated_batches_make_the_step_of_the_large_batch(alone: Path, tmp_path: Path) -> None:
    several.main(*FIXED, f"out={tmp_path}", "batch_size=2", "accumulate=2", "devices=1")
    compare(tmp_path, alone)


def test_two_processes_train_as_one_does(alone: Path, tmp_path: Path) -> None:
    processes(tmp_path, "strategy=ddp")
    compare(tmp_path, alone)


def test_two_processes_with_a_half_of_the_model_each_train_as_one_does_also_when_broken_off(alone: Path, tmp_path: Path) -> None:
    processes(tmp_path, "strategy=fsdp", cut="3")
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2
    processes(tmp_path, "strategy=fsdp")
    compare(tmp_path, alone)
    checkpoint.load(tmp_path)


#: Dropout, averaged weights, two loader processes, accumulation, validations beside savings.
KILLED = [
    "steps=40",
    "workers=2",
    "accumulate=2",
    "ema=0.9",
    "val_every=6",
    "save_every=3",
    "optimiser.warmup=5",
    "+head.options.dropout=0.5",
]


def test_a_killed_run_goes_on_bit_for_bit(spheres: Path, tmp_path: Path) -> None:
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    runs.train(configuration(*KILLED, data=str(spheres), out=str(unbroken)))
    arguments = [*TINY, *KILLED, f"data={spheres}", f"out={killed}"]
    with (tmp_path / "killed.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "train", *arguments], cwd=ROOT, start_new_session=True, stderr=log)
    last = killed / "checkpoints" / "last.ckpt"
    while not (last.is_file() and runs.steps_done(last) >= 9):
        assert process.poll() is None, (tmp_path / "killed.log").read_text()[-2000:]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    began = runs.steps_done(last)
    assert began < 40
    best = runs.train(configuration(*KILLED, data=str(spheres), out=str(killed)))
    ours, theirs = curves(killed), curves(unbroken)
    for name in ("train/depth", "train/normal", "train/gradient", "val/loss", "val/normal_mean", "lr-AdamW/pg1"):
        expected = [point for point in theirs[name] if point[0] >= began]
        assert [point for point in ours[name] if point[0] >= began] == expected and len(expected) >= 3, name
    ended, whole = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (killed, unbroken))
    for kind in ("state_dict", "ema"):
        assert all(torch.equal(ended[kind][name], values) for name, values in whole[kind].items())
    assert best == ended["callbacks"]["Checkpoints"]["best"] == whole["callbacks"]["Checkpoints"]["best"]


def test_the_averaged_weights_are_validated_saved_and_loaded(spheres: Path, tmp_path: Path) -> None:
    plain = configuration("steps=2", "val_every=1", "save_every=1", data=str(spheres), out=str(tmp_path / "plain"))
    weights: list[dict[str, torch.Tensor]] = []

    class Keep(lightning.Callback):
        def on_train_start(self, trainer: Any, learner: Any) -> None:
            self.on_train_batch_end(trainer, learner)

        def on_train_batch_end(self, trainer: Any, learner: Any, *_: Any) -> None:
            weights.append({name: values.detach().clone() for name, values in learner.model.named_parameters() if values.requires_grad})

    whole = runs.callbacks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "callbacks", lambda *a: [Keep(), *whole(*a)])
        runs.train(plain)
    averaged = configuration("steps=2", "val_every=1", "save_every=1", "ema=0.5", data=str(spheres), out=str(tmp_path / "averaged"))
    runs.train(averaged)
    saved = torch.load(tmp_path / "averaged" / "checkpoints" / "last.ckpt", weights_only=True)
    model = checkpoint.load(tmp_path / "averaged" / "checkpoints" / "last.ckpt")
    for name, first in weights[0].items():
        mean = first.double()
        for step, values in enumerate(weights[1:], 1):
            decay = min(0.5, (1 + step) / (10 + step))
            mean = decay * mean + (1 - decay) * values[name].double()
        torch.testing.assert_close(saved["ema"][name], mean.float())
        assert torch.equal(saved["state_dict"][f"model.{name}"], weights[2][name]), "training goes on with its own"
        assert torch.equal(model.get_parameter(name), saved["ema"][name])
    assert curves(tmp_path / "averaged")["val/loss"] != curves(tmp_path / "plain")["val/loss"]


def test_the_gradient_is_clipped_and_its_norm_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration("data=x", "out=y", "tasks=[depth]", "optimiser.clip=0.5")
    learner = Learner(Model(backbones.build(config.backbone), config.tasks, config.head, (32, 24)), config)
    logged: dict[str, Any] = {}
    monkeypatch.setattr(learner, "log", lambda name, value: logged.update({name: float(value)}))
    for parameter in learner.parameters():
        parameter.grad = torch.ones_like(parameter)
    learner.configure_gradient_clipping(None, config.optimiser.clip)
    count = sum(parameter.numel() for parameter in learner.parameters())
    assert logged["train/gradient"] == pytest.approx(count**0.5)
    assert sum(float(p.grad.square().sum()) for p in learner.parameters() if p.grad is not None) ** 0.5 == pytest.approx(0.5, rel=1e-4)


def test_validation_is_the_mean_of_images_and_nan_where_one_is_predicted_as_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration("data=x", "out=y", "tasks=[depth,normal]")
    learner = Learner(Model(backbones.build(config.backbone), config.tasks, config.head, (32, 24)), config)
    logged: dict[str, float] = {}
    monkeypatch.setattr(learner, "log_dict", lambda figures, **_: logged.update({name: float(value) for name, value in figures.items()}))
    batches = [several.batch(range(2)), several.batch(range(2, 5))]

    def validate(spoilt: bool) -> dict[str, float]:
        learner.on_validation_epoch_start()
        for batch in batches:
            raw = {"depth": batch["depth"] + 0.1 * batch["image"][:, :1], "normal": batch["normal"] + batch["image"]}
            if spoilt and len(batch["key"]) == 3:
                raw["normal"][1] = torch.nan
            monkeypatch.setattr(learner.model, "forward", lambda image, raw=raw: raw)
            learner.validation_step(batch, 0)
        learner.on_validation_epoch_end()
        return dict(logged)

    right = validate(False)
    own = [
        task.measure.score(task.measure.errors(*(values[i].permute(1, 2, 0).squeeze(-1).numpy() for values in (raw, truth, known))))["rmse"]
        for task in (learner.tasks["depth"],)
        for batch in batches
        for raw, (truth, known) in ((batch["depth"] + 0.1 * batch["image"][:, :1], task.truth(batch)),)
        for i in range(len(batch["key"]))
    ]
    assert right["val/depth_rmse"] == pytest.approx(np.mean(own)) and len(own) == 5 and right["val/normal_mean"] > 1
    wrong = validate(True)
    assert np.isnan(wrong["val/normal_mean"]) and wrong["val/depth_rmse"] == right["val/depth_rmse"]
    assert validate(False)["val/normal_mean"] == right["val/normal_mean"], "the next validation begins anew"
