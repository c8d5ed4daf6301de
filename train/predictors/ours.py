"""Our runs and exported folders, and the models of Meta that load whole."""

from collections.abc import Sequence
from pathlib import Path

import torch

from train.checkpoint import load
from train.inference import predict
from train.predictors.base import Prediction, Predictor, Shown, Stated, asked


class Ours(Predictor):
    """See `train.checkpoint.load`. Depth is relative; values are in the conventions of the house as they come."""

    kind = "ours"
    suits = "lsq"

    def __init__(self, checkpoint: str, stated: Stated) -> None:
        self.model = load(Path(checkpoint)).to(stated.device)
        self.tasks = asked(stated, self.model.tasks, f"checkpoint={checkpoint}")
        self.name = self.source = Path(checkpoint).resolve().name
        self.resolution = "{}x{} letterbox".format(*self.model.size)
        self.conversion = {}

    def predict(self, shown: Sequence[Shown]) -> list[Prediction]:
        pictures = [torch.from_numpy(picture.rgb).permute(2, 0, 1) for picture in shown]
        return [{task: maps[task] for task in self.tasks} for maps in predict(self.model, pictures)]
