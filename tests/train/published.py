"""Weights in the layouts that Meta publishes, at random and tiny, and what these networks compute, in a few lines of plain torch.

Written from the papers and the makers' public descriptions, sharing nothing with train/: every function takes the file's own keys.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = dict[str, Tensor]

WIDTH, DEPTH, HEADS = 128, 3, 2
HEAD = WIDTH // HEADS


def draw(shapes: dict[str, Any], seed: int = 0) -> Weights:
    """Random tensors: matrices keep the scale of what they multiply, norms and scales are near 1, the rest is small."""
    generator = torch.Generator().manual_seed(seed)

    def one(name: str, shape: tuple[int, ...]) -> Tensor:
        values = torch.randn(shape, generator=generator)
        if name.endswith(".weight") and len(shape) > 1:
            return values / math.sqrt(math.prod(shape[1:]))
        near = 1.0 if name.endswith((".weight", ".gamma")) else 0.0
        return near + 0.2 * values

    return {name: one(name, shape) for name, shape in shapes.items()}


def pair(name: str, outputs: int, *inputs: int) -> dict[str, Any]:
    """A layer with weight and bias."""
    return {f"{name}.weight": (outputs, *inputs), f"{name}.bias": (outputs,)}


def picture(height: int, width: int) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def normalise(image: Tensor) -> Tensor:
    """RGB 0..1 by the mean and deviation of Sapiens' configuration, which are of 0..255."""
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    return (image * 255 - mean[:, None, None]) / std[:, None, None]


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B,n,C) each, HEADS heads, softmax of q·k / sqrt(d)."""
    q, k, v = (t.reshape(*t.shape[:2], HEADS, HEAD) for t in (q, k, v))
    weights = torch.einsum("bihd,bjhd->bhij", q, k).div(math.sqrt(HEAD)).softmax(-1)
    return torch.einsum("bhij,bjhd->bihd", weights, v).flatten(2)


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(w: Weights, name: str, x: Tensor, eps: float = 1e-6) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


def rms_norm(w: Weights, name: str, x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * w[f"{name}.weight"]


def patches(w: Weights, name: str, image: Tensor, padding: int = 0) -> tuple[Tensor, tuple[int, int]]:
    kernel = w[f"{name}.weight"]
    x = F.conv2d(normalise(image), kernel, w[f"{name}.bias"], kernel.shape[-1], padding)
    return x.flatten(2).transpose(1, 2), (x.shape[2], x.shape[3])


def positions(stored: Tensor, grid: tuple[int, int], wanted: tuple[int, int], antialias: bool = False) -> Tensor:
    """(n,C) of one grid at another."""
    there = stored.reshape(*grid, -1).permute(2, 0, 1)[None]
    return F.interpolate(there, wanted, mode="bicubic", antialias=antialias)[0].flatten(1).T


def feature_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    rows, columns = grid
    return tokens[:, -rows * columns :].transpose(1, 2).reshape(len(tokens), -1, rows, columns)


# Sapiens v1


def sapiens_shapes(grid: tuple[int, int], class_token: bool) -> dict[str, Any]:
    extra = {"cls_token": (1, 1, WIDTH)} if class_token else {}
    shapes = extra | {"pos_embed": (1, grid[0] * grid[1] + class_token, WIDTH)} | pair("patch_embed.projection", WIDTH, 3, 16, 16)
    for i in range(DEPTH):
        shapes |= pair(f"layers.{i}.ln1", WIDTH) | pair(f"layers.{i}.ln2", WIDTH)
        shapes |= pair(f"layers.{i}.attn.qkv", 3 * WIDTH, WIDTH) | pair(f"layers.{i}.attn.proj", WIDTH, WIDTH)
        shapes |= pair(f"layers.{i}.ffn.layers.0.0", 4 * WIDTH, WIDTH) | pair(f"layers.{i}.ffn.layers.1", WIDTH, 4 * WIDTH)
    return shapes | pair("ln1", WIDTH)


def sapiens(w: Weights, image: Tensor, grid: tuple[int, int], padding: int = 0) -> Tensor:
    """As in fine-tuning: without the class token."""
    x, here = patches(w, "patch_embed.projection", image, padding)
    x = x + positions(w["pos_embed"][0, -grid[0] * grid[1] :], grid, here)
    for i in range(DEPTH):
        q, k, v = linear(w, f"layers.{i}.attn.qkv", layer_norm(w, f"layers.{i}.ln1", x)).split(WIDTH, -1)
        x = x + linear(w, f"layers.{i}.attn.proj", attend(q, k, v))
        hidden = F.gelu(linear(w, f"layers.{i}.ffn.layers.0.0", layer_norm(w, f"layers.{i}.ln2", x)))
        x = x + linear(w, f"layers.{i}.ffn.layers.1", hidden)
    return feature_map(layer_norm(w, "ln1", x), here)


def deconv_shapes(widths: list[int], hidden: list[int], outputs: int) -> dict[str, Any]:
    shapes: dict[str, Any] = {}
    last = WIDTH
    for i, width in enumerate(widths):
        shapes[f"decode_head.deconv_layers.{3 * i}.weight"] = (last, width, 4, 4)
        last = width
    for i, width in enumerate(hidden):
        shapes |= pair(f"decode_head.conv_layers.{3 * i}", width, last, 1, 1)
        last = width
    return shapes | pair("decode_head.conv_seg", outputs, last, 1, 1)


def settle(x: Tensor) -> Tensor:
    """Instance normalisation, then SiLU."""
    centred = x - x.mean((2, 3), keepdim=True)
    return F.silu(centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt())


def deconv(w: Weights, x: Tensor) -> Tensor:
    for kind, layer in (("deconv_layers", F.conv_transpose2d), ("conv_layers", F.conv2d)):
        for i in range(0, 12, 3):
            name = f"decode_head.{kind}.{i}"
            if f"{name}.weight" in w:
                strides = {"stride": 2, "padding": 1} if kind == "deconv_layers" else {}
                x = settle(layer(x, w[f"{name}.weight"], w.get(f"{name}.bias"), **strides))
    return F.conv2d(x, w["decode_head.conv_seg.weight"], w["decode_head.conv_seg.bias"])


# DINOv2, DINOv3 and MAE: timm's names


def timm_shapes(patch: int, gated: str | None = None, hidden: int = 4 * WIDTH, scaled: bool = True) -> dict[str, Any]:
    shapes: dict[str, Any] = {"cls_token": (1, 1, WIDTH)} | pair("patch_embed.proj", WIDTH, 3, patch, patch)
    for i in range(DEPTH):
        block = f"blocks.{i}"
        shapes |= pair(f"{block}.norm1", WIDTH) | pair(f"{block}.norm2", WIDTH)
        shapes |= pair(f"{block}.attn.qkv", 3 * WIDTH, WIDTH) | pair(f"{block}.attn.proj", WIDTH, WIDTH)
        if scaled:
            shapes |= {f"{block}.ls1.gamma": (WIDTH,), f"{block}.ls2.gamma": (WIDTH,)}
        if gated == "w12":
            shapes |= pair(f"{block}.mlp.w12", 2 * hidden, WIDTH) | pair(f"{block}.mlp.w3", WIDTH, hidden)
        elif gated == "w1":
            shapes |= pair(f"{block}.mlp.w1", hidden, WIDTH) | pair(f"{block}.mlp.w2", hidden, WIDTH)
            shapes |= pair(f"{block}.mlp.w3", WIDTH, hidden)
        else:
            shapes |= pair(f"{block}.mlp.fc1", hidden, WIDTH) | pair(f"{block}.mlp.fc2", WIDTH, hidden)
    return shapes | pair("norm", WIDTH)


def timm_mlp(w: Weights, block: str, x: Tensor) -> Tensor:
    if f"{block}.mlp.w12.weight" in w:
        gate, value = linear(w, f"{block}.mlp.w12", x).chunk(2, -1)
        return linear(w, f"{block}.mlp.w3", F.silu(gate) * value)
    if f"{block}.mlp.w1.weight" in w:
        return linear(w, f"{block}.mlp.w3", F.silu(linear(w, f"{block}.mlp.w1", x)) * linear(w, f"{block}.mlp.w2", x))
    return linear(w, f"{block}.mlp.fc2", F.gelu(linear(w, f"{block}.mlp.fc1", x)))


def timm_blocks(w: Weights, x: Tensor, eps: float = 1e-6, turn: Any = lambda t: t) -> Tensor:
    """turn: what rotary positions do to queries and keys."""
    for i in range(DEPTH):
        block = f"blocks.{i}"
        fused = layer_norm(w, f"{block}.norm1", x, eps) @ w[f"{block}.attn.qkv.weight"].T
        q, k, v = (fused + w[f"{block}.attn.qkv.bias"] * w.get(f"{block}.attn.qkv.bias_mask", torch.ones(1))).split(WIDTH, -1)
        x = x + w.get(f"{block}.ls1.gamma", torch.ones(1)) * linear(w, f"{block}.attn.proj", attend(turn(q), turn(k), v))
        x = x + w.get(f"{block}.ls2.gamma", torch.ones(1)) * timm_mlp(w, block, layer_norm(w, f"{block}.norm2", x, eps))
    return layer_norm(w, "norm", x, eps)


def timm_vit(w: Weights, image: Tensor, grid: tuple[int, int]) -> Tensor:
    """DINOv2 (with registers: behind the class token, without positions) and MAE, whole: nothing masked."""
    x, here = patches(w, "patch_embed.proj", image)
    registers = w.get("register_tokens", torch.zeros(1, 0, WIDTH))
    x = x + positions(w["pos_embed"][0, 1:], grid, here, antialias="register_tokens" in w)
    first = torch.cat([w["cls_token"] + w["pos_embed"][:, :1], registers], 1).expand(len(x), -1, -1)
    return feature_map(timm_blocks(w, torch.cat([first, x], 1)), here)


def rotate(grid: tuple[int, int], tokens: Tensor) -> Tensor:
    """Rotary positions of DINOv3 and Sapiens2, of the last rows·columns tokens (B,n,heads·HEAD).

    Pairs (i, i + HEAD/2) are turned by 2 pi c / 100^(i/(HEAD/4)), the first half of the angles by the row's c in -1..1, the second
    by the column's.
    """
    rows, columns = grid
    y = (2 * (torch.arange(rows) + 0.5) / rows - 1)[:, None].expand(rows, columns).reshape(-1, 1)
    x = (2 * (torch.arange(columns) + 0.5) / columns - 1)[None].expand(rows, columns).reshape(-1, 1)
    periods = 100.0 ** (torch.arange(HEAD // 4) / (HEAD // 4))
    turns = torch.polar(torch.tensor(1.0), torch.cat([2 * math.pi * y / periods, 2 * math.pi * x / periods], 1))
    split = tokens.shape[1] - rows * columns
    moved = tokens[:, split:].unflatten(2, (-1, HEAD))
    turned = torch.complex(*moved.chunk(2, -1)) * turns[:, None]
    return torch.cat([tokens[:, :split], torch.cat([turned.real, turned.imag], -1).flatten(2)], 1)


def dinov3_shapes(gated: str | None = None, hidden: int = 4 * WIDTH) -> dict[str, Any]:
    return timm_shapes(16, gated, hidden) | {"storage_tokens": (1, 4, WIDTH), "mask_token": (1, WIDTH)}


def dinov3_weights(gated: str | None = None, hidden: int = 4 * WIDTH) -> Weights:
    """With the mask of the keys' bias and the periods, as the files have them."""
    w = draw(dinov3_shapes(gated, hidden))
    for i in range(DEPTH):
        w[f"blocks.{i}.attn.qkv.bias_mask"] = torch.ones(3, WIDTH).index_fill(0, torch.tensor(1), 0).flatten()
    return w | {"rope_embed.periods": (100.0 ** (torch.arange(HEAD // 4) / (HEAD // 4))).bfloat16()}


def dinov3(w: Weights, image: Tensor) -> Tensor:
    x, here = patches(w, "patch_embed.proj", image)
    x = torch.cat([torch.cat([w["cls_token"], w["storage_tokens"]], 1).expand(len(x), -1, -1), x], 1)
    return feature_map(timm_blocks(w, x, eps=1e-5, turn=lambda t: rotate(here, t)), here)


# Sapiens2

#: Key and value heads of each block: the middle ones share theirs (grouped queries).
SHARED = [2, 1, 2]


def sapiens2_shapes() -> dict[str, Any]:
    shapes: dict[str, Any] = {"cls_token": (1, 1, WIDTH), "storage_tokens": (1, 8, WIDTH)} | pair(
        "patch_embed.projection", WIDTH, 3, 16, 16
    )
    for i, groups in enumerate(SHARED):
        block, hidden = f"blocks.{i}", 4 * WIDTH
        shapes |= {f"{block}.ln1.weight": (WIDTH,), f"{block}.ln2.weight": (WIDTH,), f"{block}.attn.gamma.weight": (WIDTH,)}
        shapes |= {f"{block}.attn.q_norm.weight": (HEAD,), f"{block}.attn.k_norm.weight": (HEAD,)}
        shapes |= pair(f"{block}.attn.wq", WIDTH, WIDTH) | pair(f"{block}.attn.proj", WIDTH, WIDTH)
        shapes |= pair(f"{block}.attn.wk", groups * HEAD, WIDTH) | pair(f"{block}.attn.wv", groups * HEAD, WIDTH)
        shapes |= pair(f"{block}.ffn.w12", 2 * hidden, WIDTH) | pair(f"{block}.ffn.w3", WIDTH, hidden)
    return shapes | {"ln1.weight": (WIDTH,)}


def sapiens2(w: Weights, image: Tensor) -> Tensor:
    x, here = patches(w, "patch_embed.projection", image)
    x = torch.cat([torch.cat([w["cls_token"], w["storage_tokens"]], 1).expand(len(x), -1, -1), x], 1)
    for i, groups in enumerate(SHARED):
        block = f"blocks.{i}"
        inside = rms_norm(w, f"{block}.ln1", x)
        q, k, v = (linear(w, f"{block}.attn.{name}", inside).unflatten(2, (-1, HEAD)) for name in ("wq", "wk", "wv"))
        q, k = rms_norm(w, f"{block}.attn.q_norm", q), rms_norm(w, f"{block}.attn.k_norm", k)
        k, v = (t.repeat_interleave(HEADS // groups, 2) for t in (k, v))
        attended = attend(rotate(here, q.flatten(2)), rotate(here, k.flatten(2)), v.flatten(2))
        x = x + w[f"{block}.attn.gamma.weight"] * linear(w, f"{block}.attn.proj", attended)
        gate, value = linear(w, f"{block}.ffn.w12", rms_norm(w, f"{block}.ln2", x)).chunk(2, -1)
        x = x + linear(w, f"{block}.ffn.w3", F.silu(gate) * value)
    return feature_map(rms_norm(w, "ln1", x), here)


def shuffle_shapes(widths: list[int], hidden: list[int], last: str, outputs: int) -> dict[str, Any]:
    shapes, before = pair("decode_head.input_conv.0", WIDTH, WIDTH, 3, 3), WIDTH
    for i, width in enumerate(widths):
        shapes |= pair(f"decode_head.upsample_blocks.{i}.0", 4 * width, before, 3, 3)
        before = width
    for i, width in enumerate(hidden):
        shapes |= pair(f"decode_head.conv_layers.{3 * i}", width, before, 3, 3)
        before = width
    return shapes | pair(f"decode_head.{last}", outputs, before, 1, 1)


def shuffle(w: Weights, x: Tensor, last: str) -> Tensor:
    def convolve(name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, w[f"decode_head.{name}.weight"], w[f"decode_head.{name}.bias"], padding="same")

    x = settle(convolve("input_conv.0", x))
    for i in range(sum("upsample" in name for name in w) // 2):
        fine = convolve(f"upsample_blocks.{i}.0", x)
        b, c, h, width = fine.shape
        x = settle(fine.reshape(b, c // 4, 2, 2, h, width).permute(0, 1, 4, 2, 5, 3).reshape(b, c // 4, 2 * h, 2 * width))
    for i in range(sum("conv_layers" in name for name in w) // 2):
        x = settle(convolve(f"conv_layers.{3 * i}", x))
    return convolve(last, x)
