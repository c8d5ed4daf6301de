"""Trained models from files."""

from pathlib import Path

import torch

from conf.command import UserError
from train.model import Model, from_recipe


def load(checkpoint: Path) -> Model:
    """The trained model of a checkpoint file, or of a run's folder (its best checkpoint). Raises UserError."""
    path = Path(checkpoint)
    if path.is_dir():
        found = [path / "checkpoints" / name for name in ("best.ckpt", "last.ckpt") if (path / "checkpoints" / name).is_file()]
        if not found:
            raise UserError(f"checkpoint={checkpoint} is a folder without checkpoints: give the out= of a training run, or a .ckpt file")
        path = found[0]
    if not path.is_file():
        raise UserError(f"checkpoint={checkpoint} does not exist: give the out= of a training run, or a .ckpt file")
    stored = torch.load(path, map_location="cpu", weights_only=True)
    if "recipe" not in stored:
        raise UserError(f"checkpoint={checkpoint} was not written by `python -m train`: give the out= of a training run")
    model = from_recipe(stored["recipe"])
    model.load_state_dict({name.removeprefix("model."): values for name, values in stored["state_dict"].items()})
    return model.eval()
