"""Backbones: what transformers' AutoBackbone loads, and files of Sapiens, DINOv2, DINOv3 and MAE as their makers publish them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoBackbone, AutoConfig, PreTrainedConfig

from conf.command import UserError
from train.backbones import files, layouts, sapiens  # noqa: F401  (sapiens registers its model_type)
from train.config import BackboneConfig

#: Mean and standard deviation of RGB in 0..1 that practically all pretrained backbones expect (ImageNet's, also Sapiens').
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """Pictures (B,3,H,W) in 0..1, of any size, to feature maps (B,channels[i],ceil(H/strides[i]),ceil(W/strides[i])), coarsest last."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network: Any = network  # a PreTrainedModel with transformers' BackboneMixin
        self.channels: list[int] = list(network.channels)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)
        self.multiple = _multiple(network.config)
        self.strides = self._probe(8 * self.multiple)

    @torch.enable_grad()
    def _probe(self, side: int) -> list[int]:
        """Learn the strides, and freeze what no gradient reaches (mask tokens, poolers): distributed training waits for it.

        Run on a twin without storage, so that the largest networks cost no memory.
        """
        with torch.device("meta"):
            twin = type(self.network)(self.network.config)
            maps = twin(torch.zeros(1, 3, side, side)).feature_maps
            torch.stack([m.sum() for m in maps]).sum().backward()
        idle = {name for name, parameter in twin.named_parameters() if parameter.grad is None}
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name not in idle)
        return [side // m.shape[-1] for m in maps]

    def forward(self, image: Tensor) -> list[Tensor]:
        height, width = image.shape[-2:]
        image = (image - self.mean) / self.std
        # Zero is the mean colour; the heads cut the margin off again.
        image = F.pad(image, (0, -width % self.multiple, 0, -height % self.multiple))
        return list(self.network(image).feature_maps)


def _multiple(config: PreTrainedConfig) -> int:
    """What the picture's sides must be multiples of: the patch of a ViT; 32 for pyramids, whose patch is of the first stage."""
    patch = getattr(config, "patch_size", None)
    pyramid = any(hasattr(config, name) for name in ("depths", "hidden_sizes", "strides"))
    return patch if isinstance(patch, int) and not pyramid else 32


def build(config: BackboneConfig) -> Backbone:
    """The backbone a configuration names, with pretrained or random weights. Raises UserError when there is none."""
    outputs: dict[str, Any] = {"out_indices": list(config.layers)} if config.layers else {}
    try:
        if config.name:
            return Backbone(_pretrained(config.name, outputs, config.patch_padding))
        return Backbone(AutoBackbone.from_config(AutoConfig.for_model(config.type, **config.options, **outputs)))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        what = f"backbone.name={config.name}" if config.name else f"backbone.type={config.type} with backbone.options={config.options}"
        reason = str(error).strip().splitlines()[0]
        mend = "give a file of weights, a name or folder that transformers' AutoBackbone loads, or backbone=vit_small"
        raise UserError(f"{what} cannot be made ({reason}): {mend}") from error


def _pretrained(name: str, outputs: dict[str, Any], padding: int | None) -> Any:
    """A network from a file, a folder or the hub: by its config.json where there is one, else by the names of its tensors."""
    what, path = f"backbone.name={name}", Path(name)
    file = path if path.is_file() or path.suffix in files.SUFFIXES else None if (path / "config.json").is_file() else files.only(path)
    if file is None:
        try:
            settings = AutoConfig.from_pretrained(name, **outputs)
        except (OSError, ValueError):
            if path.exists() or name.count("/") != 1 or name.startswith("/"):
                raise
            file = files.fetch(name, what)
    if file is not None:
        tensors, rest = files.split(files.weights(files.read(file, what), what))
        if padding is None and layouts.is_normal_of_sapiens(rest):
            padding = 2
        return layouts.backbone(tensors, what, outputs, padding)
    if settings.model_type == "vit_mae":
        return layouts.from_vit_mae(name, what, outputs)
    return _from_layout_of_transformers(name, settings, what)


def _from_layout_of_transformers(name: str, settings: PreTrainedConfig, what: str) -> Any:
    """What AutoBackbone.from_pretrained would give; it refuses local folders (transformers 5.23 asks the hub for them)."""
    with torch.device("meta"):
        kind = type(AutoBackbone.from_config(settings))
    with layouts.quiet():
        network, found = kind.from_pretrained(
            name,
            config=settings,
            key_mapping={r"^backbone\.": ""},  # of Sapiens2's task models
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    layouts.refuse_mismatch(what, found)
    return network


def rebuild(settings: dict[str, Any]) -> Backbone:
    """The backbone of a checkpoint, from `network.config.to_dict()`; its weights are loaded afterwards, nothing is fetched."""
    settings = dict(settings)
    return Backbone(AutoBackbone.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings)))
