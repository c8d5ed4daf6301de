"""Whole models, backbone and heads, from files: our own and Meta's."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from conf.command import UserError
from train.backbones import Backbone, files, layouts
from train.backbones.files import Weights
from train.backbones.sapiens import SapiensBackbone, resize_positions
from train.config import HeadConfig
from train.model import Model, from_recipe
from train.tasks import TASKS

log = logging.getLogger(__name__)

MEND = "give the out= of a training run, a .ckpt file, an exported folder, or a depth or normal model of Sapiens"

#: What Sapiens v1's head predicts, by its number of channels.
V1_TASKS = {1: "depth", 3: "normal"}
#: Sapiens2's heads: the last layer's name in Meta's files and the class in transformers -> task and the channels of it that count.
V2_TASKS = {"conv_normal": ("normal", slice(0, 3)), "conv_matting": ("alpha", slice(3, 4))}
V2_CLASSES = {"Sapiens2ForNormalEstimation": "conv_normal", "Sapiens2ForImageMatting": "conv_matting"}

#: What must be the same in two backbones, that shapes do not tell or not clearly.
ALIKE = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "patch_size",
    "patch_padding",
    "class_token",
    "out_indices",
)


def load(checkpoint: Path, key: str = "checkpoint") -> Model:
    """The trained model of a file or folder, in eval mode: the averaged weights where there are such. Raises UserError.

    checkpoint: a run's folder (its best checkpoint), a .ckpt, an exported folder, Meta's file of a Sapiens v1 depth or normal model
    or of a Sapiens2 normal or matting model, or the folder of the latter in transformers' layout.
    key: of the configuration, for messages.
    """
    path, what = Path(checkpoint), f"{key}={checkpoint}"
    if not path.exists():
        raise UserError(f"{what} does not exist: {MEND}")
    if path.is_dir():
        found = [path / "checkpoints" / name for name in ("best.ckpt", "last.ckpt") if (path / "checkpoints" / name).is_file()]
        if not found and (path / "config.json").is_file():
            return _of_folder(path, what).eval()
        if not found:
            raise UserError(f"{what} is a folder without checkpoints: {MEND}")
        path = found[0]
    stored = files.read(path, what)
    return (_own(stored, what) if "recipe" in stored else _of_meta(stored, what)).eval()


def initialise(model: Model, checkpoint: Path) -> None:
    """Begin with the weights of a whole checkpoint: its backbone, and the heads of the tasks that both have.

    Positions stored for another grid of patches are resized. Raises UserError where networks differ, naming how.
    """
    there, what = load(checkpoint, "init"), f"init={checkpoint}"
    here_config, there_config = (m.backbone.network.config.to_dict() for m in (model, there))
    pairs = {key: (there_config.get(key), here_config.get(key)) for key in ALIKE}
    unlike = [f"{key} is {other}, here {own}" for key, (other, own) in pairs.items() if other != own]
    if unlike:
        raise UserError(f"{what} has another backbone ({files.listed(unlike)}): give backbone.* as it was made with")
    state = there.backbone.state_dict()
    if isinstance(model.backbone.network, SapiensBackbone):
        extra = int(there_config["class_token"])
        stored, grids = state["network.pos_embed"], (there.backbone.network.config.grid, model.backbone.network.config.grid)
        state["network.pos_embed"] = torch.cat([stored[:, :extra], resize_positions(stored[:, extra:], *grids)], 1)
    place(model.backbone, state, what)
    common = [task for task in model.tasks if task in there.tasks]
    heads = _heads(there, common)
    wanted = _heads(model, common)
    same = there.head.shared == model.head.shared and {n: v.shape for n, v in heads.items()} == {n: v.shape for n, v in wanted.items()}
    if common and not same:
        mend = f"head.kind={there.head.kind} +head.options={there.head.options} head.shared={there.head.shared}"
        raise UserError(f"{what} has another head for {', '.join(common)}: give {mend}".replace("'", ""))
    model.heads.load_state_dict(heads, strict=False)
    fresh, unused = sorted({*model.tasks} - {*common}), sorted({*there.tasks} - {*common})
    log.info(
        "%s: the backbone, and the heads of %s; new: %s; left out: %s", what, *(", ".join(v) or "none" for v in (common, fresh, unused))
    )


def _heads(model: Model, tasks: list[str]) -> Weights:
    """The tensors of the heads of some tasks."""
    numbers = [number for task in tasks for number in TASKS[task].numbers]
    parts = [*(f"trunks.{task}." for task in tasks), *(f"last.{task}." for task in tasks), *(f"numbers.{name}." for name in numbers)]
    parts += ["trunks.shared."] if tasks else []
    return {name: value for name, value in model.heads.state_dict().items() if name.startswith(tuple(parts))}


def place(module: nn.Module, state: Weights, what: str) -> None:
    """Load a state_dict; unlike torch, with one line that names what is missing, left over or of another shape (UserError)."""
    own = module.state_dict()
    wrong = {(name, value.shape, own[name].shape) for name, value in state.items() if name in own and value.shape != own[name].shape}
    found = {"missing_keys": own.keys() - state.keys(), "unexpected_keys": state.keys() - own.keys(), "mismatched_keys": wrong}
    layouts.refuse_mismatch(what, found)
    module.load_state_dict(state, strict=False)


def _own(stored: dict[str, Any], what: str) -> Model:
    """Of a checkpoint that `python -m train` wrote."""
    if "tasks" not in stored["recipe"]:
        raise UserError(f"{what} was trained by an earlier version, with other heads: train it again")
    model = from_recipe(stored["recipe"])
    state = stored.get("ema") or {name.removeprefix("model."): values for name, values in stored["state_dict"].items()}
    place(model, state, what)
    return model


def _of_folder(folder: Path, what: str) -> Model:
    """Of our exported folder, or of a Sapiens2 task model in transformers' layout: those that have a config.json."""
    config = json.loads((folder / "config.json").read_text())
    if "phidias" in config:
        model = from_recipe(config["phidias"])
        place(model, files.weights(files.read(folder / "model.safetensors", what), what), what)
        return model
    kind = (config.get("architectures") or [""])[0]
    if kind not in V2_CLASSES:
        raise UserError(f"{what} holds {kind or 'no model'}, which is no model of depth or normals known here: {MEND}")
    with layouts.quiet():
        whole, found = getattr(transformers, kind).from_pretrained(
            folder, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True
        )
    layouts.refuse_mismatch(what, found)
    state = whole.state_dict()
    inside = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
    settings = whole.config
    settings.head_config = None
    network = layouts.fill(transformers.Sapiens2Backbone, settings, inside, what)
    return _sapiens2(network, {name: value for name, value in state.items() if name.startswith("decode_head.")}, V2_CLASSES[kind], what)


def _of_meta(stored: dict[str, Any], what: str) -> Model:
    """Of Meta's own files."""
    tensors, rest = files.split(files.weights(stored, what))
    if "decode_head.conv_seg.weight" in rest:
        return _sapiens_v1(tensors, rest, what)
    last = [name for name in V2_TASKS if f"decode_head.{name}.weight" in rest]
    if last:
        return _sapiens2(layouts.backbone(tensors, what, {}), rest, last[0], what)
    heads = sorted({name.split(".")[1] for name in rest if name.startswith("decode_head.conv_")})
    raise UserError(f"{what} holds {'a head for ' + ', '.join(heads) if heads else 'a backbone without head'}: {MEND}")


def _sapiens_v1(tensors: Weights, rest: Weights, what: str) -> Model:
    """Backbone, deconvolutions, 1x1 convolutions and a last one, whose widths are read from the tensors."""
    outputs = rest["decode_head.conv_seg.weight"].shape[0]
    if outputs not in V1_TASKS:
        raise UserError(f"{what} predicts {outputs} channels, neither depth (1) nor normals (3): {MEND}")
    task = V1_TASKS[outputs]
    head = {name.removeprefix("decode_head."): value for name, value in rest.items() if name.startswith("decode_head.")}
    # Each convolution is followed by a norm and an activation without tensors, hence every third number.
    raised = {int(name.split(".")[1]): value for name, value in head.items() if re.fullmatch(r"deconv_layers\.\d+\.weight", name)}
    flat = {int(name.split(".")[1]): value for name, value in head.items() if re.fullmatch(r"conv_layers\.\d+\.weight", name)}
    options = {"widths": [raised[i].shape[1] for i in sorted(raised)], "hidden": [flat[i].shape[0] for i in sorted(flat)]}

    def ours(name: str) -> str:
        name = re.sub(r"^deconv_layers\.(\d+)", lambda found: f"trunks.{task}.layers.{int(found[1]) // 3}.0", name)
        name = re.sub(r"^conv_layers\.(\d+)", lambda found: f"trunks.{task}.layers.{len(raised) + int(found[1]) // 3}.0", name)
        return name.replace("conv_seg", f"last.{task}")

    network = layouts.backbone(tensors, what, {}, padding=2 if task == "normal" else 0)
    height, width = network.config.image_size
    model = Model(Backbone(network), [task], HeadConfig("deconv", options), (height, width))
    place(model.heads, {ours(name): value for name, value in head.items()}, what)
    left = {name.split(".")[0] for name in rest} - {"decode_head"}
    log.info("%s: %s, head %s%s", what, task, options, f"; left out: {files.listed(left)}" if left else "")
    return model


def _sapiens2(network: Any, rest: Weights, last: str, what: str) -> Model:
    """A backbone and PixelShuffle's head, under Meta's names or transformers'."""
    task, channels = V2_TASKS[last]
    head = {name.removeprefix("decode_head."): value for name, value in rest.items() if name.startswith("decode_head.")}
    stages = [value for name, value in head.items() if re.fullmatch(r"upsample_(blocks|layers)\.\d+\.\w+\.weight", name)]
    hidden = [value for name, value in head.items() if re.fullmatch(r"conv_layers\.\d+\.(convolution\.)?weight", name)]
    options = {"widths": [value.shape[0] // 4 for value in stages], "hidden": [value.shape[0] for value in hidden]}

    def ours(name: str) -> str:
        after = 1 + len(stages)
        name = re.sub(r"^conv_layers\.(\d+)\.convolution", lambda found: f"layers.{after + int(found[1])}.0", name)
        name = re.sub(r"^conv_layers\.(\d+)", lambda found: f"layers.{after + int(found[1]) // 3}.0", name)
        name = re.sub(r"^upsample_\w+\.(\d+)\.\w+\.", lambda found: f"layers.{1 + int(found[1])}.0.0.", name)
        name = re.sub(r"^input_conv\.\w+\.", "layers.0.0.", name)
        return f"trunks.{task}.{name}" if name.startswith("layers.") else re.sub(rf"^({last}|predictor)\.", f"last.{task}.", name)

    state = {ours(name): value for name, value in head.items()}
    for name in (f"last.{task}.weight", f"last.{task}.bias"):
        state[name] = state[name][channels]
    height, width = network.config.image_size if not isinstance(network.config.image_size, int) else (1024, 768)
    model = Model(Backbone(network), [task], HeadConfig("pixelshuffle", options), (height, width))
    place(model.heads, state, what)
    log.info("%s: %s, head %s", what, task, options)
    return model
