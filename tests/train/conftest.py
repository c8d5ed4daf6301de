"""A tiny dataset and the keys of a tiny model, shared by the tests that run commands."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.fixtures import write_spheres
from train.config import TrainConfig

ROOT = Path(__file__).resolve().parents[2]

#: A model that takes a blink to train, on one thread.
TINY = [
    "backbone.name=null",
    "+backbone.options={hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, patch_size: 8, image_size: 32}",
    "head.kind=deconv",
    "+head.options={widths: [8], hidden: [8]}",
    "size=[32,24]",
    "batch_size=2",
    "workers=0",
    "threads=1",
    "val_every=2",
    "save_every=2",
    "log_every=1",
    "accelerator=cpu",
]


def configuration(*arguments: str, **keys: Any) -> TrainConfig:
    """What the command line would compose from TINY and more keys."""
    given = OmegaConf.from_dotlist([argument.lstrip("+") for argument in (*TINY, *arguments)])
    merged = OmegaConf.merge(OmegaConf.structured(TrainConfig), given, keys)
    return OmegaConf.to_object(merged)  # type: ignore[return-value]


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m module arguments` from the repository's root."""
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="session")
def spheres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight triplets of four "people"."""
    folder = tmp_path_factory.mktemp("data") / "spheres"
    write_spheres(folder, 8, height=48, width=36)
    return folder


@pytest.fixture(scope="session")
def trained(spheres: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, made through the command line."""
    out = tmp_path_factory.mktemp("runs") / "trained"
    done = run("train", f"data={spheres}", f"out={out}", "steps=2", *TINY)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "finished, 2 steps" in done.stdout
    return out
