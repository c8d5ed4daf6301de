"""Any method that predicts depth or normals, wrapped in one small file each; `KINDS` is their table."""

from collections.abc import Callable
from typing import NamedTuple

from train.predictors.base import Bad, Conversion, Prediction, Predictor, Shown, Stated
from train.predictors.baseline import Baseline
from train.predictors.folder import Folder
from train.predictors.huggingface import HuggingFace
from train.predictors.onnx import Onnx
from train.predictors.ours import Ours

CONVERTED = ("depth_kind", "depth_unit", "normal_axes")


class Kind(NamedTuple):
    """make: (the key's value, what is stated) -> predictor; takes: the other keys that it heeds."""

    make: Callable[[str, Stated], Predictor]
    takes: tuple[str, ...] = ()


#: The key of train.evaluate that names a method -> its kind.
KINDS: dict[str, Kind] = {
    "checkpoint": Kind(Ours),
    "model": Kind(HuggingFace, CONVERTED),
    "onnx": Kind(Onnx, (*CONVERTED, "onnx_outputs", "onnx_channels", "onnx_size", "onnx_mean", "onnx_std")),
    "predictions": Kind(Folder, (*CONVERTED, "png_scale", "resize")),
    "baseline": Kind(Baseline),
}

__all__ = ["KINDS", "Bad", "Conversion", "Kind", "Prediction", "Predictor", "Shown", "Stated"]
