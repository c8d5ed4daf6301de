"""Any depth or normal model of Hugging Face's transformers, by name or folder, with its own image processor."""

import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.nn import functional as F
from transformers.models.auto.modeling_auto import MODEL_FOR_NORMAL_ESTIMATION_MAPPING_NAMES as OF_NORMALS

from conf.command import UserError
from datasets.conventions import Array
from train.predictors.base import Conversion, Prediction, Predictor, Shown, Stated, asked

#: model_type -> what its depth is, once its processor is done with it.
DEPTHS: dict[str, Mapping[str, Any]] = {
    "depth_anything": {"depth_kind": "disparity"},  # its metric ones: see `_known`
    "dpt": {"depth_kind": "disparity"},  # MiDaS 3
    "depth_pro": {"depth_kind": "depth", "depth_unit": "m"},
    "glpn": {"depth_kind": "depth", "depth_unit": "m"},
    "zoedepth": {"depth_kind": "depth", "depth_unit": "m"},
}


class HuggingFace(Predictor):
    """One picture at a time: processors choose a size by its proportions."""

    kind = "huggingface"

    def __init__(self, name: str, stated: Stated) -> None:
        what = f"model={name}"
        config = _made(what, lambda: transformers.AutoConfig.from_pretrained(name))
        task = "normal" if (config.architectures or [""])[0] in OF_NORMALS.values() else "depth"
        known = _known(config) if task == "depth" else {}
        if task == "depth" and known is None and stated.depth_kind is None:
            kinds = "depth_kind=depth|disparity|distance, and depth_unit=m|cm|mm where it has one"
            raise UserError(f"{what}: whether a {config.model_type} gives depth or disparity is not known here: state {kinds}")
        self.tasks = asked(stated, [task], what)
        self.processor = _made(what, lambda: transformers.AutoImageProcessor.from_pretrained(name))
        maker = transformers.AutoModelForNormalEstimation if task == "normal" else transformers.AutoModelForDepthEstimation
        self.model: Any = _made(what, lambda: maker.from_pretrained(name, dtype=torch.float32)).to(stated.device).eval()
        self.device, self.read = stated.device, Conversion.of(stated, **known or {})
        self.suits, self.conversion = self.read.suits, self.read.facts(self.tasks)
        self.name = self.source = Path(name).resolve().name if Path(name).is_dir() else name
        self.resolution = "of its own image processor"

    @torch.inference_mode()
    def predict(self, shown: Sequence[Shown]) -> list[Prediction]:
        return [{self.tasks[0]: self.read(self.tasks[0], self._values(picture), picture.K)} for picture in shown]

    def _values(self, picture: Shown) -> Array:
        inputs = self.processor(images=picture.rgb, return_tensors="pt").to(self.device)
        self.resolution = "{}x{} by its image processor".format(*inputs["pixel_values"].shape[-2:])
        outputs = self.model(**inputs)
        if self.tasks[0] == "normal":
            (found,) = self._finish("post_process_normal_estimation", outputs, picture.size)
            return found["normals"].cpu().permute(1, 2, 0).numpy()
        if hasattr(self.processor, "post_process_depth_estimation"):
            (found,) = self._finish("post_process_depth_estimation", outputs, picture.size)
            return found["predicted_depth"].cpu().float().numpy()
        raw = outputs.predicted_depth.reshape(1, 1, *outputs.predicted_depth.shape[-2:]).float()
        return F.interpolate(raw, picture.size, mode="bicubic", align_corners=False)[0, 0].cpu().numpy()

    def _finish(self, method: str, outputs: Any, size: tuple[int, int]) -> Any:
        """The processor's own way back to the picture's size, padding taken off where it knows of it."""
        finish = getattr(self.processor, method)
        sizes = {"target_sizes": [size], "source_sizes": [size]}
        return finish(outputs, **{name: value for name, value in sizes.items() if name in inspect.signature(finish).parameters})


def _known(config: Any) -> Mapping[str, Any] | None:
    if config.model_type == "depth_anything" and config.depth_estimation_type == "metric":
        return {"depth_kind": "depth", "depth_unit": "m"}
    return DEPTHS.get(config.model_type)


def _made(what: str, make: Any) -> Any:
    """What transformers makes; its errors, which run over many lines, as one."""
    try:
        return make()
    except (ImportError, OSError, ValueError, KeyError) as error:
        if "torchvision" in str(error).lower() and not importlib.util.find_spec("torchvision"):
            mend = "install the one that fits this torch; Sapiens2's normal models load without it, as checkpoint=FOLDER"
            raise UserError(f"{what}: its image processor needs torchvision, which is not here: {mend}") from error
        raise UserError(
            f"{what} cannot be loaded ({_first(error)}): give a name on the hub or a folder of a depth or normal model"
        ) from error


def _first(error: Exception) -> str:
    return next(line.strip() for line in [*str(error).splitlines(), type(error).__name__] if line.strip())[:200]
