"""Weights as their makers name them, to a backbone: which network a file is of, its size, and what its keys are called here."""

import contextlib
import logging
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    Dinov2Backbone,
    Dinov2Config,
    Dinov2WithRegistersBackbone,
    Dinov2WithRegistersConfig,
    DINOv3ViTBackbone,
    DINOv3ViTConfig,
    PreTrainedConfig,
    Sapiens2Backbone,
    Sapiens2Config,
    ViTMAEModel,
)
from transformers.utils import logging as chatter

from conf.command import UserError
from train.backbones.files import Weights, listed
from train.backbones.sapiens import SapiensBackbone, SapiensConfig

log = logging.getLogger(__name__)

#: What may be missing or left over: of pretraining and of other tasks. All else refuses.
HARMLESS = re.compile(
    r"(^|\.)(mask_token|decoder\w*|neck|pooler|classifier|data_preprocessor|head|fc_norm|decode_head|auxiliary_head)(\.|$)"
)

#: Attention heads by width where a head is not 64 wide; no tensor tells them.
SAPIENS_HEADS = {1280: 16, 1920: 32}
MAE_HEADS = {1280: 16}
DINOV3_HEADS = {4096: 32}


@dataclass(frozen=True)
class Layout:
    """One way of naming a network's tensors.

    name      in messages
    marks     keys that are all there, and in no layout further down the table
    network   the class that takes them
    config    tensors -> its configuration
    renamed   pattern -> replacement, in order
    prepared  tensors -> tensors, before they are renamed; raises ValueError
    """

    name: str
    marks: tuple[str, ...]
    network: Any
    config: Callable[[Weights], PreTrainedConfig]
    renamed: dict[str, str]
    prepared: Callable[[Weights], Weights] = dict


def backbone(tensors: Weights, what: str, outputs: dict[str, Any], padding: int | None = None) -> Any:
    """The network whose tensors these are, filled. padding: Sapiens v1's patch padding. Raises UserError naming keys that do not fit."""
    layout = recognise(tensors, what)
    harmless = [name for name in tensors if HARMLESS.search(name)]
    tensors = {name: value for name, value in tensors.items() if name not in harmless}
    try:
        config, state = layout.config(tensors), renamed(layout.prepared(tensors), layout.renamed)
    except KeyError as error:
        raise UserError(f"{what} looks like {layout.name} but lacks {error}: give the whole file") from error
    except ValueError as error:
        raise UserError(f"{what} looks like {layout.name} but {error}") from error
    if isinstance(config, SapiensConfig):
        config.patch_padding = padding or 0
    elif padding is not None:
        raise UserError(f"backbone.patch_padding={padding} is Sapiens v1's, and {what} is {layout.name}: leave it away")
    config.set_output_features_output_indices(None, outputs.get("out_indices"))
    left = harmless + sorted({"cls_token"} & tensors.keys() - state.keys()) * isinstance(config, SapiensConfig)
    log.info("%s: %s, %s", what, layout.name, describe(config) + (f"; left out: {listed(left)}" if left else ""))
    return fill(layout.network, config, state, what)


def is_normal_of_sapiens(rest: Weights) -> bool:
    """Whether the tensors beside a backbone's are the head of Meta's v1 normals, whose patches are padded by 2."""
    last = rest.get("decode_head.conv_seg.weight")
    return last is not None and last.shape[0] == 3


def describe(config: Any) -> str:
    """Its size in words."""
    padding = f", patch padding {config.patch_padding}" if isinstance(config, SapiensConfig) else ""
    return f"{config.num_hidden_layers} blocks of width {config.hidden_size}, {config.num_attention_heads} heads{padding}"


def from_vit_mae(name: str, what: str, outputs: dict[str, Any]) -> Any:
    """The encoder of a ViT-MAE in the Hugging Face layout, which AutoBackbone does not know."""
    with quiet():
        loaded: Any = ViTMAEModel.from_pretrained(name, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True)
    model, found = loaded
    refuse_mismatch(what, found)
    there = model.config
    size = there.image_size if not isinstance(there.image_size, int) else [there.image_size] * 2
    config = SapiensConfig(
        hidden_size=there.hidden_size,
        num_hidden_layers=there.num_hidden_layers,
        num_attention_heads=there.num_attention_heads,
        mlp_ratio=there.intermediate_size / there.hidden_size,
        layer_norm_eps=there.layer_norm_eps,
        image_size=list(size),
        patch_size=there.patch_size,
        class_token=True,
        **outputs,
    )
    state: Weights = dict(model.state_dict())
    for key in [key for key in state if ".q_proj." in key]:
        state[key.replace("q_proj", "qkv")] = torch.cat([state.pop(key.replace("q_proj", f"{part}_proj")) for part in "qkv"])
    return fill(SapiensBackbone, config, renamed(state, _VIT_MAE), what)


def recognise(tensors: Weights, what: str) -> Layout:
    """The layout whose marks are there. Raises UserError."""
    for layout in LAYOUTS:
        if all(mark in tensors for mark in layout.marks):
            return layout
    known = ", ".join(dict.fromkeys(layout.name for layout in LAYOUTS))
    raise UserError(f"{what} has keys of no known layout ({listed(tensors)}): give weights of {known}")


def renamed(tensors: Weights, patterns: dict[str, str]) -> Weights:
    """The tensors under the names of their network: each pattern replaced in order."""
    state: Weights = {}
    for name, value in tensors.items():
        for pattern, replacement in patterns.items():
            name = re.sub(pattern, replacement, name)
        state[name] = value
    return state


def fill(network: Any, config: PreTrainedConfig, state: Weights, what: str) -> Any:
    """A network of transformers with these tensors, in float32. Raises UserError naming what is missing, left over or of another shape."""
    with quiet():
        made, found = network.from_pretrained(
            None, config=config, state_dict=state, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True
        )
    refuse_mismatch(what, found)
    return made


def refuse_mismatch(what: str, found: dict[str, Any]) -> None:
    """Raise UserError unless everything found its place, but for HARMLESS keys. found: transformers' loading info."""
    wrong = []
    for kind, key in (("missing", "missing_keys"), ("unexpected", "unexpected_keys")):
        names = [name for name in found[key] if not HARMLESS.search(name)]
        if names:
            wrong.append(f"{kind}: {listed(names)}")
    shapes = [f"{name} is {tuple(there)}, not {tuple(here)}" for name, there, here in found["mismatched_keys"]]
    if shapes:
        wrong.append(listed(shapes))
    if wrong:
        raise UserError(f"{what} does not fit its network; {'; '.join(wrong)}: give the whole, unchanged file")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own tables of keys and progress bars: what matters is refused or logged in a line."""
    level = chatter.get_verbosity()
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(level)
        chatter.enable_progress_bar()


def _depth(tensors: Weights) -> int:
    """Number of blocks."""
    return 1 + max(int(found[1]) for name in tensors if (found := re.match(r"(?:blocks|layers)\.(\d+)\.", name)))


def _grid(positions: int) -> tuple[int, int]:
    """Rows and columns of that many patches: a square, or 4 to 3 as in Sapiens' fine-tuning."""
    for rows, columns in ((1, 1), (4, 3)):
        times = math.isqrt(positions // (rows * columns))
        if times * times * rows * columns == positions:
            return times * rows, times * columns
    raise ValueError(f"its {positions} positions are neither a square of patches nor 4 to 3: export it with its config.json")


def _shape(tensors: Weights, projection: str, heads: dict[int, int]) -> dict[str, Any]:
    """What all ViTs' configurations have in common."""
    width, patch = tensors[f"patch_embed.{projection}.weight"].shape[0], tensors[f"patch_embed.{projection}.weight"].shape[-1]
    return {
        "hidden_size": width,
        "num_hidden_layers": _depth(tensors),
        "num_attention_heads": heads.get(width, max(1, width // 64)),
        "patch_size": patch,
    }


def _positions(tensors: Weights, patch: int) -> dict[str, Any]:
    extra = int("cls_token" in tensors)
    rows, columns = _grid(tensors["pos_embed"].shape[1] - extra)
    return {"image_size": [rows * patch, columns * patch]}


def _sapiens(tensors: Weights) -> SapiensConfig:
    shape = _shape(tensors, "projection", SAPIENS_HEADS)
    ratio = tensors["layers.0.ffn.layers.1.weight"].shape[1] / shape["hidden_size"]
    return SapiensConfig(**shape, **_positions(tensors, shape["patch_size"]), mlp_ratio=ratio)


def _mae(tensors: Weights) -> SapiensConfig:
    shape = _shape(tensors, "proj", MAE_HEADS)
    ratio = tensors["blocks.0.mlp.fc2.weight"].shape[1] / shape["hidden_size"]
    return SapiensConfig(**shape, **_positions(tensors, shape["patch_size"]), mlp_ratio=ratio, class_token=True)


def _sapiens2(tensors: Weights) -> Sapiens2Config:
    shape = _shape(tensors, "projection", {})
    head = tensors["blocks.0.attn.q_norm.weight"].shape[0]
    return Sapiens2Config(
        **shape | {"num_attention_heads": shape["hidden_size"] // head},
        intermediate_size=tensors["blocks.0.ffn.w3.weight"].shape[1],
        num_register_tokens=tensors["storage_tokens"].shape[1],
        num_key_value_heads_per_layer=[tensors[f"blocks.{i}.attn.wk.weight"].shape[0] // head for i in range(shape["num_hidden_layers"])],
        image_size=[1024, 768],
        pos_embed_rescale=None,
    )


def _dinov2(tensors: Weights, kind: Any = Dinov2Config) -> Any:
    shape = _shape(tensors, "proj", {})
    registers = {"num_register_tokens": tensors["register_tokens"].shape[1]} if "register_tokens" in tensors else {}
    rows, columns = _grid(tensors["pos_embed"].shape[1] - 1)
    if rows != columns:
        raise ValueError(f"its {rows}x{columns} positions are no square: give the published file")
    gated = "blocks.0.mlp.w12.weight" in tensors
    return kind(**shape, **registers, image_size=rows * shape["patch_size"], use_swiglu_ffn=gated, use_mask_token=False)


def _dinov2_registers(tensors: Weights) -> Dinov2WithRegistersConfig:
    return _dinov2(tensors, Dinov2WithRegistersConfig)


def _dinov3(tensors: Weights) -> DINOv3ViTConfig:
    shape = _shape(tensors, "proj", DINOV3_HEADS)
    gated = "blocks.0.mlp.w1.weight" in tensors
    return DINOv3ViTConfig(
        **shape,
        intermediate_size=tensors[f"blocks.0.mlp.{'w1' if gated else 'fc1'}.weight"].shape[0],
        num_register_tokens=tensors["storage_tokens"].shape[1],
        use_gated_mlp=gated,
        hidden_act="silu" if gated else "gelu",
        query_bias="blocks.0.attn.qkv.bias" in tensors,
        value_bias="blocks.0.attn.qkv.bias" in tensors,
        pos_embed_rescale=None,
    )


def _without_class_token(tensors: Weights) -> Weights:
    """As Sapiens' fine-tuning does: the class token of pretraining and its position, the first, are left out."""
    if "cls_token" not in tensors:
        return tensors
    return {name: value[:, 1:] if name == "pos_embed" else value for name, value in tensors.items() if name != "cls_token"}


def _split(tensors: Weights) -> Weights:
    """Queries, keys and values, one tensor in Meta's files, as three."""
    state = {name: value for name, value in tensors.items() if ".attn.qkv." not in name}
    for name in tensors.keys() - state.keys():
        for part, third in zip("qkv", tensors[name].chunk(3), strict=True):
            state[name.replace("qkv", f"{part}_proj")] = third
    return state


def _unmask(tensors: Weights) -> Weights:
    """DINOv3 stores a bias of keys, masked to zero, and the periods of its rotary positions: true to its formula, or refused."""
    periods = tensors["rope_embed.periods"].float()
    if not torch.allclose(periods, 100.0 ** (torch.arange(len(periods)) / len(periods)), rtol=1e-2):
        raise ValueError("its rope_embed.periods are not 100^(i/n): such positions cannot be made")
    masks = {name.removesuffix("_mask"): value for name, value in tensors.items() if name.endswith(".qkv.bias_mask")}
    kept = {name: value for name, value in tensors.items() if not name.endswith("_mask") and name != "rope_embed.periods"}
    state = _split({name: value * masks[name] if name in masks else value for name, value in kept.items()})
    keys = [name for name in state if name.endswith(".k_proj.bias")]
    biased = [name for name in keys if state[name].count_nonzero()]
    if biased:
        raise ValueError(f"its keys have a bias ({listed(biased)}), which DINOv3 masks: give the published file")
    return {name: value for name, value in state.items() if name not in keys}


_BLOCKS = {
    r"^blocks\.(\d+)\.norm(\d)": r"blocks.\1.norm\2",
    r"\.ls(\d)\.gamma$": r".layer_scale\1.lambda1",
    r"\.attn\.proj\.": ".attention.o_proj.",
    r"\.attn\.([qkv]_proj)\.": r".attention.\1.",
}
_DINOV2 = _BLOCKS | {
    r"^blocks\.": "encoder.layer.",
    r"^(cls_token|register_tokens)$": r"embeddings.\1",
    r"^pos_embed$": "embeddings.position_embeddings",
    r"^patch_embed\.proj\.": "embeddings.patch_embeddings.projection.",
    r"\.w12\.": ".weights_in.",
    r"\.mlp\.w3\.": ".mlp.weights_out.",
    r"^norm\.": "layernorm.",
}
_DINOV3 = _BLOCKS | {
    r"^blocks\.": "model.layer.",
    r"^cls_token$": "embeddings.cls_token",
    r"^storage_tokens$": "embeddings.register_tokens",
    r"^patch_embed\.proj\.": "embeddings.patch_embeddings.",
    r"\.mlp\.(fc1|w2)\.": ".mlp.up_proj.",
    r"\.mlp\.w1\.": ".mlp.gate_proj.",
    r"\.mlp\.(fc2|w3)\.": ".mlp.down_proj.",
}
_MAE = {
    r"^blocks\.(\d+)\.norm(\d)": r"layers.\1.ln\2",
    r"^blocks\.": "layers.",
    r"^norm\.": "ln1.",
    r"^patch_embed\.proj\.": "patch_embed.projection.",
    r"\.mlp\.fc1\.": ".ffn.layers.0.0.",
    r"\.mlp\.fc2\.": ".ffn.layers.1.",
}
_VIT_MAE = {
    r"^embeddings\.(cls_token)$": r"\1",
    r"^embeddings\.position_embeddings$": "pos_embed",
    r"^embeddings\.patch_embeddings\.": "patch_embed.",
    r"\.layernorm_before\.": ".ln1.",
    r"\.layernorm_after\.": ".ln2.",
    r"\.attention\.qkv\.": ".attn.qkv.",
    r"\.attention\.o_proj\.": ".attn.proj.",
    r"^layernorm\.": "ln1.",
    r"\.mlp\.fc1\.": ".ffn.layers.0.0.",
    r"\.mlp\.fc2\.": ".ffn.layers.1.",
}

LAYOUTS = (
    Layout("Sapiens v1", ("layers.0.attn.qkv.weight", "ln1.weight"), SapiensBackbone, _sapiens, {}, _without_class_token),
    Layout("Sapiens2", ("blocks.0.attn.wq.weight", "storage_tokens"), Sapiens2Backbone, _sapiens2, {}),
    Layout("DINOv3", ("blocks.0.attn.qkv.weight", "storage_tokens"), DINOv3ViTBackbone, _dinov3, _DINOV3, _unmask),
    Layout(
        "DINOv2 with registers",
        ("blocks.0.ls1.gamma", "pos_embed", "register_tokens"),
        Dinov2WithRegistersBackbone,
        _dinov2_registers,
        _DINOV2,
        _split,
    ),
    Layout("DINOv2", ("blocks.0.ls1.gamma", "pos_embed"), Dinov2Backbone, _dinov2, _DINOV2, _split),
    Layout("MAE", ("blocks.0.attn.qkv.weight", "pos_embed"), SapiensBackbone, _mae, _MAE),
)
