"""Sweeps that look for the best, and that hand their jobs to Slurm (here to submitit's local executor)."""

from pathlib import Path

from omegaconf import OmegaConf

from tests.train.conftest import TINY, run
from tests.train.test_commands import checkpoint


def test_optuna_is_told_the_loss_on_held_out_pictures(spheres: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    optuna = ["hydra/sweeper=optuna", "hydra/sweeper/sampler=random", "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=1"]
    out = f"out={tmp_path}/" + "${hydra:job.num}"
    keys = [f"data={spheres}", out, "steps=1", "optimiser.lr=interval(1e-5,1e-3)", f"hydra.sweep.dir={folder}"]
    done = run("train", "-m", *optuna, *keys, *TINY)
    assert done.returncode == 0, done.stderr[-2000:]
    best = OmegaConf.load(folder / "optimization_results.yaml")
    losses = [checkpoint(tmp_path / str(i))["callbacks"]["Checkpoints"]["best"] for i in range(2)]
    rates = [OmegaConf.load(tmp_path / str(i) / "config.yaml").optimiser.lr for i in range(2)]
    assert best.best_value == min(losses) and losses[0] != losses[1]
    assert best.best_params["optimiser.lr"] == rates[losses.index(min(losses))]


def test_submitit_trains_each_job_in_a_process_of_its_own(spheres: Path, tmp_path: Path) -> None:
    out = f"out={tmp_path}/" + "${hydra:job.num}"
    keys = [f"data={spheres}", out, "steps=1", "seed=0,1", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    done = run("train", "-m", "hydra/launcher=submitit_local", *keys, *TINY)
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(checkpoint(tmp_path / str(i))["global_step"] == 1 for i in range(2))
    assert len(list((tmp_path / "sweep" / ".submitit").glob("*/*_result.pkl"))) == 2
