"""The least that a model must beat: `train.tasks` says for each task which prediction is trivial. It is made from the truth."""

from collections.abc import Sequence

from conf.command import UserError
from train.predictors.base import Prediction, Predictor, Shown, Stated, asked
from train.tasks import TASKS


class Baseline(Predictor):
    """The best constant depth of each image, every normal facing the camera, ..."""

    kind = "baseline"
    resolution = "none"

    def __init__(self, which: str, stated: Stated) -> None:
        if which != "trivial":
            raise UserError(f"baseline={which}: there is one, baseline=trivial")
        self.tasks = asked(stated, list(TASKS), "a baseline") if stated.tasks else ("depth", "normal")
        self.name, self.source = which, "made from the truth"
        self.conversion = {task: TASKS[task].trivial for task in self.tasks}

    def predict(self, shown: Sequence[Shown]) -> list[Prediction]:
        return [{task: TASKS[task].baseline(*picture.truth(task)) for task in self.tasks} for picture in shown]
