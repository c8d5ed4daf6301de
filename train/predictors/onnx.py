"""An ONNX file: by default as DAViD's are used (Microsoft; its runtime on GitHub), of other makers by the keys `onnx_*`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from conf.command import UserError
from datasets.conventions import Array
from train.predictors.base import Bad, Conversion, Prediction, Predictor, Shown, Stated, asked, fitting
from train.tasks import TASKS

#: Words in an output's name -> its task.
NAMES = {"depth": "depth", "normal": "normal", "alpha": "alpha", "foreground": "alpha", "matte": "alpha", "albedo": "albedo"}
#: Of files that do not tell in their metadata, as ours do: DAViD's order of channels; the input's height and width, where they are open.
CHANNELS, SIZE = "bgr", "512x512"
#: Beyond so many times the input's size, pictures are halved by Gaussian pyramid first, as DAViD's runtime does.
HALVED = 3


class Onnx(Predictor):
    """The whole picture, in proportion: borders are repeated to the input's proportions, and cut off again afterwards.

    Input: the first one, (1,3,H,W) float32, values 0..1 less `onnx_mean`, by `onnx_std`, in the order of `onnx_channels`. What is
    not stated is what the file's metadata tell, else as DAViD's.
    Outputs: told apart by name, else by shape: three channels are normals, the first map of one channel is depth, the next one alpha.
    """

    kind = "onnx"

    def __init__(self, file: str, stated: Stated) -> None:
        what = f"onnx={file}"
        self.session = _session(what, file, stated)
        first = self.session.get_inputs()[0]
        if len(first.shape) != 4 or first.shape[1] not in (3, "3"):
            raise UserError(f"{what}: its input {first.name} is {first.shape}, not (1,3,H,W): convert it so")
        told = self.session.get_modelmeta().custom_metadata_map
        size = stated.onnx_size or [int(length) for length in told.get("size", SIZE).split("x")]
        self.size = tuple(own if isinstance(own, int) else given for own, given in zip(first.shape[2:], size, strict=True))
        channels = stated.onnx_channels or told.get("channels", CHANNELS)
        self.input, self.outputs = first.name, _outputs(what, self.session.get_outputs(), stated.onnx_outputs)
        self.tasks = asked(stated, [task for task in self.outputs if task], what)
        self.channels = slice(None, None, -1 if channels == "bgr" else 1)
        self.mean, self.std = (np.array(values, np.float32) for values in (stated.onnx_mean, stated.onnx_std))
        self.read = Conversion.of(stated)
        self.name = self.source = Path(file).resolve().name
        self.resolution = "{}x{}, borders repeated".format(*self.size)
        self.suits = self.read.suits
        self.conversion = self.read.facts(self.tasks) | {"channels": channels}
        self.conversion |= {"mean": list(stated.onnx_mean), "std": list(stated.onnx_std)}

    def predict(self, shown: Sequence[Shown]) -> list[Prediction]:
        return [self._one(picture) for picture in shown]

    def _one(self, picture: Shown) -> Prediction:
        borders = _borders(picture.size, self.size)
        seen = (_seen(picture.rgb, borders, self.size)[..., self.channels] - self.mean) / self.std
        found = self.session.run(None, {self.input: np.ascontiguousarray(seen.transpose(2, 0, 1)[None], np.float32)})
        prediction: Prediction = {}
        for task, values in zip(self.outputs, found, strict=True):
            if task not in self.tasks:
                continue
            try:
                whole = _returned(fitting(values, TASKS[task].channels), borders, picture.size)
                prediction[task] = self.read(task, whole, picture.K)
            except Bad as error:
                prediction[task] = error
        return prediction


def _session(what: str, file: str, stated: Stated) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"{what} needs onnxruntime: pip install -c constraints.txt -e '.[export]'") from error
    if not Path(file).is_file():
        raise UserError(f"{what} does not exist: give an ONNX file")
    wanted = ["CUDAExecutionProvider"] if stated.device.type == "cuda" else []
    providers = [name for name in (*wanted, "CPUExecutionProvider") if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(file, providers=providers)
    except Exception as error:  # its errors have no common class
        raise UserError(f"{what} cannot be loaded ({str(error).splitlines()[0][:200]}): export or download it again") from error


def _outputs(what: str, given: Sequence[Any], stated: Sequence[str] | None) -> list[str]:
    """The task of each output; '' of those that are left out."""
    if stated is not None:
        unknown = [task for task in stated if task not in (*TASKS, "")]
        if unknown or len(stated) != len(given):
            names = ", ".join(f"{output.name} {output.shape}" for output in given)
            raise UserError(f"onnx_outputs={list(stated)}: name the task, or '', of each output of {what}: {names}")
        return list(stated)
    tasks: list[str] = []
    free = [task for task in ("depth", "alpha") if not any(NAMES[word] == task for word in NAMES for o in given if word in o.name.lower())]
    for output in given:
        named = [task for word, task in NAMES.items() if word in output.name.lower()]
        three = len(output.shape) == 4 and output.shape[1] == 3
        task = named[0] if named else "normal" if three else free.pop(0) if free else ""
        tasks.append("" if task in tasks else task)
    return tasks


def _borders(picture: tuple[int, int], size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Rows above and below, columns left and right that bring a picture to the proportions of the input."""
    height = max(picture[0], round(picture[1] * size[0] / size[1]))
    width = max(picture[1], round(picture[0] * size[1] / size[0]))
    above, left = (height - picture[0]) // 2, (width - picture[1]) // 2
    return above, height - picture[0] - above, left, width - picture[1] - left


def _seen(rgb: Array, borders: tuple[int, int, int, int], size: tuple[int, ...]) -> Array:
    """(h,w,3) float32 in 0..1, of the input's size."""
    padded = cv2.copyMakeBorder(rgb.astype(np.float32) / np.float32(255), *borders, cv2.BORDER_REPLICATE)
    while padded.shape[0] > HALVED * size[0] and padded.shape[1] > HALVED * size[1]:
        padded = cv2.pyrDown(padded)
    return cv2.resize(padded, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def _returned(values: Array, borders: tuple[int, int, int, int], picture: tuple[int, int]) -> Array:
    """Values at the picture's own size."""
    above, below, left, right = borders
    size = picture[1] + left + right, picture[0] + above + below
    whole = cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    return whole[above : above + picture[0], left : left + picture[1]]
