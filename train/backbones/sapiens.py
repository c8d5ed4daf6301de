"""Sapiens v1's vision transformer: plain, pre-norm, with learned positions (Khirodkar et al. 2024, arXiv:2408.12569).

The modules bear Meta's names, so its files load key by key. With a class token it is the encoder of MAE as well (He et al. 2022).
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoBackbone, AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BackboneOutput


@strict
class SapiensConfig(BackboneConfigMixin, PreTrainedConfig):
    """The shape of the network; the defaults are the 0.3b model's.

    image_size     height and width, pixels, whose grid of patches the positions are stored for; others are interpolated
    patch_padding  rows of zeros around the picture before the patches are cut: 2 in some of Meta's files, which shifts what a
                   patch sees by two pixels and leaves the grid as it is
    class_token    a token before those of the patches, with a position of its own, as in MAE; Sapiens fine-tunes without
    """

    model_type = "sapiens"

    hidden_size: int = 1024
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    mlp_ratio: int | float = 4
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02
    image_size: list[int] | tuple[int, int] = (1024, 768)
    patch_size: int = 16
    patch_padding: int = 0
    class_token: bool = False
    _out_features: list[str] | None = None
    _out_indices: list[int] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        self.stage_names = ["stem", *(f"stage{i + 1}" for i in range(self.num_hidden_layers))]
        self.set_output_features_output_indices(kwargs.pop("out_features", None), kwargs.pop("out_indices", None))
        super().__post_init__(**kwargs)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the patches that positions are stored for."""
        height, width = self.image_size
        return height // self.patch_size, width // self.patch_size


def resize_positions(positions: Tensor, stored: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """Positions (1,h·w,C) of one grid for another, bicubically in float32, as Sapiens' fine-tuning does."""
    if not torch.compiler.is_exporting() and tuple(stored) == tuple(wanted):  # an exported graph may be of any size
        return positions
    grid = positions.float().transpose(1, 2).unflatten(2, stored)
    return F.interpolate(grid, tuple(wanted), mode="bicubic", align_corners=False).flatten(2).transpose(1, 2).to(positions.dtype)


class Attention(nn.Module):
    """Multi-head self-attention by torch's fused kernels."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        joined: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return joined


class FeedForward(nn.Module):
    """Two layers with GELU; nested as mmcv's are, for the names."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Sequential(nn.Linear(width, hidden), nn.GELU()), nn.Linear(hidden, width))

    def forward(self, tokens: Tensor) -> Tensor:
        changed: Tensor = self.layers(tokens)
        return changed


class Block(GradientCheckpointingLayer):
    """Attention and feed-forward, each after a norm and added to what came in."""

    def __init__(self, config: SapiensConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.ln1 = nn.LayerNorm(width, config.layer_norm_eps)
        self.attn = Attention(width, config.num_attention_heads)
        self.ln2 = nn.LayerNorm(width, config.layer_norm_eps)
        self.ffn = FeedForward(width, int(width * config.mlp_ratio))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.ln1(tokens))
        return tokens + self.ffn(self.ln2(tokens))


class PatchEmbed(nn.Module):
    """Pictures to one token per patch, (B,C,h,w)."""

    def __init__(self, config: SapiensConfig) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, config.hidden_size, config.patch_size, config.patch_size, config.patch_padding)

    def forward(self, picture: Tensor) -> Tensor:
        patches: Tensor = self.projection(picture)
        return patches


class SapiensBackbone(BackboneMixin, PreTrainedModel):
    """Normalised pictures (B,3,H,W), sides multiples of the patch, to feature maps (B,C,H/patch,W/patch) after the blocks asked for.

    The last block's map has passed the final norm, the others have not.
    """

    config_class = SapiensConfig
    main_input_name = "pixel_values"
    base_model_prefix = "backbone"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules = ["Block"]  # noqa: RUF012  (as transformers declares it)

    def __init__(self, config: SapiensConfig) -> None:
        super().__init__(config)
        self.num_features = [config.hidden_size] * (config.num_hidden_layers + 1)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size)) if config.class_token else None
        count = config.grid[0] * config.grid[1] + config.class_token
        self.pos_embed = nn.Parameter(torch.zeros(1, count, config.hidden_size))
        self.patch_embed = PatchEmbed(config)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.ln1 = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        std = self.config.initializer_range
        if isinstance(module, nn.Linear | nn.Conv2d):
            init.trunc_normal_(module.weight, std=std)
        if isinstance(module, SapiensBackbone):
            init.trunc_normal_(module.pos_embed, std=std)
            if module.cls_token is not None:
                init.trunc_normal_(module.cls_token, std=std)

    def embed(self, picture: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """The first block's tokens (B,n,C), and rows and columns of the patches among them."""
        patches = self.patch_embed(picture)
        grid = (patches.shape[2], patches.shape[3])
        extra = int(self.config.class_token)
        tokens = patches.flatten(2).transpose(1, 2) + resize_positions(self.pos_embed[:, extra:], self.config.grid, grid)
        if self.cls_token is not None:
            first = (self.cls_token + self.pos_embed[:, :1]).expand(len(tokens), -1, -1)
            tokens = torch.cat([first.to(tokens.dtype), tokens], 1)
        return tokens, grid

    def forward(self, pixel_values: Tensor, **_: Any) -> BackboneOutput:  # type: ignore[override]
        tokens, grid = self.embed(pixel_values)
        extra = int(self.config.class_token)
        maps = []
        for stage, block in zip(self.stage_names, [None, *self.layers], strict=True):
            tokens = block(tokens) if block is not None else tokens
            if stage in self.out_features:
                last = self.ln1(tokens) if block is self.layers[-1] else tokens
                maps.append(last[:, extra:].transpose(1, 2).unflatten(2, grid))
        return BackboneOutput(feature_maps=tuple(maps))


AutoConfig.register(SapiensConfig.model_type, SapiensConfig)
AutoBackbone.register(SapiensConfig, SapiensBackbone)
