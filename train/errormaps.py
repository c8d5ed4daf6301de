"""Photograph, truth, prediction and error of the worst, the median and the best image of each task, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from datasets.conventions import Array
from datasets.triplet import Triplet
from train.benchmarks import Data
from train.metrics import ALIGNMENTS, Scores
from train.outputs import atomically
from train.predictors import Bad, Predictor
from train.results import Part, Picture
from train.scoring import Scored, shown, triplets, truth
from train.tasks import TASKS, Task

WHICH = ("worst", "median", "best")
#: OpenCV's colours of errors: black is none, white the top of the scale or more; they have no grey, which is what is not scored.
COLOURS = cv2.COLORMAP_INFERNO
NOT_SCORED = 80


class Scale(NamedTuple):
    """Which error of `train.metrics` is shown, the value that is white, and the unit."""

    error: str
    top: float
    unit: str


#: Task -> its scale, the same for every method and picture. AbsRel's errors are shown by size.
SCALES = {
    "depth": Scale("relative", 0.1, "of the true depth"),
    "normal": Scale("degrees", 60.0, "°"),
    "alpha": Scale("absolute", 0.5, ""),
    "albedo": Scale("absolute", 0.5, ""),
    "pointmap": Scale("metres", 0.2, "m"),
}
#: Task -> the figure that ranks images.
RANKED_BY = {"depth": "absrel"}


def chosen(scores: Scores, task: str) -> list[tuple[str, int, float]]:
    """(which, place, value) of the worst, the median and the best image by the figure that ranks; fewer where there are fewer."""
    figure = RANKED_BY.get(task, next(iter(scores.figures)))
    values = scores.figures[figure]
    order = [int(i) for i in np.argsort(values, kind="stable") if not np.isnan(values[i])]
    better = scores.measure.figures[figure].best is min
    ranked = order[::-1] if better else order
    picks = dict(zip(WHICH, (ranked[0], ranked[len(ranked) // 2], ranked[-1]), strict=True)) if len(ranked) > 2 else {"worst": ranked[0]}
    return [(which, int(scores.places[i]), float(values[i])) for which, i in picks.items()]


def write(folder: Path, data: Data, predictor: Predictor, scored: Scored) -> tuple[Picture, ...]:
    """Predict the chosen images once more and write `pictures/<task>-<which>-<key>.png`."""
    picks = {part: chosen(scores, part.task) for part, scores in scored.whole().items()}
    tasks = [part.task for part in picks]
    keys = frozenset(scored.keys[place] for found in picks.values() for _, place, _ in found)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    written: list[Picture] = []
    for triplet in triplets(data, tasks, keys):
        (prediction,) = predictor.predict([shown(triplet)])
        for part, found in picks.items():
            for which, place, value in found:
                if scored.keys[place] == triplet.key:
                    written.append(_one(folder, triplet, part, which, value, prediction))
    return tuple(sorted(written, key=lambda picture: (tasks.index(picture.task), WHICH.index(picture.which))))


def _one(folder: Path, triplet: Triplet, part: Part, which: str, value: float, prediction: Mapping[str, Array | Bad]) -> Picture:
    values = prediction[part.task]
    assert not isinstance(values, Bad), "only what was scored is ranked"
    row = np.concatenate(cells(triplet, part, values), axis=1)
    name = f"pictures/{part.task}-{which}-{triplet.key}.png"
    _, data = cv2.imencode(".png", np.ascontiguousarray(row[..., ::-1]))
    atomically(folder / name, lambda hidden: hidden.write_bytes(data.tobytes()))
    figure = RANKED_BY.get(part.task, next(iter(TASKS[part.task].measure.figures)))
    return Picture(part.task, which, triplet.key, figure, value, name)  # type: ignore[arg-type]


def cells(triplet: Triplet, part: Part, values: Array) -> Sequence[Array]:
    """Photograph, truth, prediction and error, each (H,W,3) uint8; a prediction of depth after its alignment."""
    task = TASKS[part.task]
    true, mask = truth(triplet, part.task)
    errors = task.measure.errors(values, true, mask, triplet.key, **({"alignment": part.alignment} if part.alignment else {}))
    scale = SCALES[part.task]
    size = np.zeros(errors.known.shape)
    size[errors.known] = np.abs(errors.values[scale.error]) / scale.top
    coloured = cv2.applyColorMap((np.clip(size, 0, 1) * 255 + 0.5).astype(np.uint8), COLOURS)[..., ::-1]
    seen = aligned(values, true, mask, part.alignment) if part.alignment else _possible(task, values)
    return (
        triplet.rgb,
        task.picture(true, mask),
        task.picture(seen, mask),
        np.where(errors.known[..., None], coloured, np.uint8(NOT_SCORED)),
    )


def _possible(task: Task, values: Array) -> Array:
    """Normals of length 1, however long they were predicted."""
    if values.ndim == 2:
        return values
    return task.mended(torch.from_numpy(values.transpose(2, 0, 1).astype(np.float64))).permute(1, 2, 0).numpy()


def aligned(values: Array, true: Array, mask: Array, alignment: str) -> Array:
    """A prediction of depth in metres, on the truth's range, so that equal colours are equal depths; 0 off the mask."""
    inside = (mask > 0) & (true > 0)
    metres = np.zeros(true.shape)
    if inside.any():
        p, t = (depth[inside].astype(np.float64) for depth in (values, true))
        metres[inside] = np.clip(ALIGNMENTS[alignment](p, t), t.min(), t.max())
    return metres
