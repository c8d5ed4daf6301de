"""The one algebra of flip, rotate, crop and resize: acts on image, depth, normal, mask and K together.

A view is an affine image map A (pixels to pixels, pixel centres at +0.5) and an orthogonal camera map G that keeps the
optical axis, such that a scene point X seen at A p in the new picture has camera coordinates G X:

    p ~ K X   and   A p ~ K' (G X)   for all X   <=>   A K = K' G

So a rotation about any point is exactly a camera roll seen by K' = A K G^-1, a flip is a mirrored scene, a scale or a
crop changes K alone. Depth is planar z, which no G changes; normals turn with G. Maps that mean something per pixel
(depth, normal, mask) are never blended: each new pixel takes the source pixel its centre falls into.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from datasets.batch import Batch
from datasets.conventions import NORMAL_FROM_CAMERA

#: What lies outside the picture: near the mean of photographs, so that it is near zero after normalisation.
FILL = 0.45


@dataclass(frozen=True)
class View:
    """A (B,3,3) source to new pixels; G (B,3,3) source to new camera axes (OpenCV). Float64, on the CPU."""

    A: Tensor
    G: Tensor

    def then(self, following: "View") -> "View":
        """This view, then another."""
        return View(following.A @ self.A, following.G @ self.G)

    def inverse(self) -> "View":
        """The view that undoes this one."""
        return View(torch.linalg.inv(self.A), self.G.transpose(1, 2))


def _matrices(batch: int) -> Tensor:
    return torch.eye(3, dtype=torch.float64).repeat(batch, 1, 1)


def scale(factor: Tensor) -> View:
    """Resize by factor (B,) or, x and y apart, (B,2): pixels of the new picture per pixel of the source."""
    A = _matrices(len(factor))
    A[:, 0, 0], A[:, 1, 1] = factor.reshape(len(factor), -1)[:, 0], factor.reshape(len(factor), -1)[:, -1]
    return View(A, _matrices(len(factor)))


def shift(offset: Tensor) -> View:
    """Move by offset (B,2) pixels (x, y). A crop with its top-left corner at c is shift(-c)."""
    A = _matrices(len(offset))
    A[:, :2, 2] = offset
    return View(A, _matrices(len(offset)))


def flip(width: Tensor, chosen: Tensor) -> View:
    """Mirror left and right, where chosen (B,) is true, pictures of the given width (B,) in pixels."""
    A, G = _matrices(len(width)), _matrices(len(width))
    sign = 1.0 - 2.0 * chosen.double()
    A[:, 0, 0] = G[:, 0, 0] = sign
    A[:, 0, 2] = width * chosen
    return View(A, G)


def rotate(degrees: Tensor, centre: Tensor) -> View:
    """Turn by degrees (B,), clockwise on the screen, about centre (B,2) in pixels. Exact for square pixels (fx = fy)."""
    angle = torch.deg2rad(degrees.double())
    turn = _matrices(len(degrees))
    turn[:, 0, 0] = turn[:, 1, 1] = torch.cos(angle)
    turn[:, 1, 0] = torch.sin(angle)
    turn[:, 0, 1] = -turn[:, 1, 0]
    A = shift(-centre.double()).then(View(turn, turn)).then(shift(centre.double())).A
    return View(A, turn)


def fit(sizes: Tensor, size: tuple[int, int]) -> View:
    """The whole picture, proportions kept, centred in a new one. sizes (B,2) and size: height, width in pixels."""
    target = torch.tensor(size, dtype=torch.float64)
    factor = (target / sizes).amin(1)
    rest = target - sizes * factor[:, None]
    return scale(factor).then(shift(rest.flip(1) / 2))


def source_pixels(A: Tensor, size: tuple[int, int], offset: tuple[float, float] = (0.5, 0.5), device: torch.device | str = "cpu") -> Tensor:
    """Where in the source the new pixels look: (B,H,W,2) as x, y in pixels, at `offset` within each new pixel."""
    inverse = torch.linalg.inv(A).to(device, torch.float32)
    y = torch.arange(size[0], device=device, dtype=torch.float32) + offset[1]
    x = torch.arange(size[1], device=device, dtype=torch.float32) + offset[0]
    columns = inverse[:, None, None, :2, 0] * x[None, None, :, None]
    rows = inverse[:, None, None, :2, 1] * y[None, :, None, None]
    return columns + rows + inverse[:, None, None, :2, 2]


def _inside(points: Tensor, sizes: Tensor) -> Tensor:
    (x, y), (height, width) = points.unbind(-1), sizes[:, :, None, None].unbind(1)
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)


def warp_smooth(values: Tensor, A: Tensor, size: tuple[int, int], sizes: Tensor | None = None, fill: float | Tensor = 0.0) -> Tensor:
    """Bilinear view of values (B,C,H,W): pictures and predictions. A (B,3,3); returns (B,C,*size), float32.

    Where a view shrinks k-fold, each new pixel averages a k x k grid of samples, so nothing aliases. sizes (B,2) bounds
    each picture; outside of it comes `fill`, a number or (C,1,1).
    """
    if sizes is None:
        sizes = torch.tensor([values.shape[-2:]]).expand(len(values), 2)
    # On the CPU, as all of A: a GPU need not be waited for.
    shrink = torch.linalg.svdvals(torch.linalg.inv(A)[:, :2, :2])[:, 0]
    fineness = (shrink - 1e-6).ceil().clamp(min=1).long()
    kinds = fineness.unique().tolist()
    if len(kinds) == 1:
        return _supersample(values.float(), A, size, sizes, fill, kinds[0])
    result = values.new_empty(len(values), values.shape[1], *size, dtype=torch.float32)
    for k in kinds:  # by picture, so that none depends on its neighbours in the batch
        rows = (fineness == k).nonzero()[:, 0]
        there = rows.to(values.device)
        result[there] = _supersample(values[there].float(), A[rows], size, sizes[rows], fill, k)
    return result


def _supersample(values: Tensor, A: Tensor, size: tuple[int, int], sizes: Tensor, fill: float | Tensor, k: int) -> Tensor:
    sizes = sizes.to(values.device)
    half = torch.tensor([values.shape[-1], values.shape[-2]], device=values.device) / 2.0
    limit = sizes.flip(1)[:, None, None, :] - 0.5
    total: Tensor | None = None
    for step in range(k * k):
        points = source_pixels(A, size, ((step % k + 0.5) / k, (step // k + 0.5) / k), values.device)
        grid = torch.minimum(points.clamp(min=0.5), limit) / half - 1.0
        sample = F.grid_sample(values, grid, mode="bilinear", padding_mode="border", align_corners=False)
        sample = torch.where(_inside(points, sizes)[:, None], sample, fill)
        total = sample if total is None else total.add_(sample)
    assert total is not None
    return total if k == 1 else total / (k * k)


@dataclass(frozen=True)
class Nearest:
    """Which source pixel each new pixel takes: labels are never blended. index (B*H*W,) into a batch's pixels,
    outside (B*H*W,) where there is none."""

    index: Tensor
    outside: Tensor
    size: tuple[int, int]

    @staticmethod
    def of(A: Tensor, size: tuple[int, int], sizes: Tensor, shape: torch.Size, device: torch.device) -> "Nearest":
        """For source maps of shape (...,H,W), whose pictures are of `sizes` (B,2)."""
        points = source_pixels(A, size, device=device)
        inside = _inside(points, sizes.to(device))
        x, y = points.floor().long().unbind(-1)
        first = torch.arange(len(A), device=device)[:, None, None] * (shape[-2] * shape[-1])
        return Nearest(torch.where(inside, first + y * shape[-1] + x, 0).flatten(), ~inside.flatten(), size)

    def __call__(self, values: Tensor) -> Tensor:
        """The view of values (B,C,H,W), of any type; 0 outside the picture. Returns (B,C,*size)."""
        rows = values.permute(0, 2, 3, 1).flatten(0, 2).squeeze(1)  # scalars are picked five times as fast as rows of one
        picked = rows.index_select(0, self.index)
        picked = picked.view(len(self.index), -1).masked_fill_(self.outside[:, None], 0)
        return picked.unflatten(0, (len(values), *self.size)).permute(0, 3, 1, 2)


def warp_exact(values: Tensor, A: Tensor, size: tuple[int, int], sizes: Tensor) -> Tensor:
    """Nearest view of values (B,C,H,W), of any type: labels. 0 outside the picture. Returns (B,C,*size)."""
    return Nearest.of(A, size, sizes, values.shape, values.device)(values)


def turn_normals(normal: Tensor, G: Tensor) -> Tensor:
    """Normals (B,3,H,W), in the axes of the normal convention, after the camera map G (B,3,3)."""
    axes = torch.from_numpy(NORMAL_FROM_CAMERA)
    turn = (axes @ G @ axes.T).to(normal.device, normal.dtype)
    rows = normal.permute(0, 2, 3, 1).flatten(1, 2) @ turn.transpose(1, 2)
    return rows.unflatten(1, normal.shape[-2:]).permute(0, 3, 1, 2)


def apply(view: View, batch: Batch, size: tuple[int, int]) -> Batch:
    """The batch as seen through a view, in pictures of `size` (height, width)."""
    sizes = batch["size"]
    exact = Nearest.of(view.A, size, sizes, batch["mask"].shape, batch["mask"].device)
    soft = [batch["image"], batch["alpha"]] + ([batch["albedo"]] if "albedo" in batch else [])
    colours = _unit(soft)
    fill = torch.tensor([FILL] * 3 + [0.0] * (colours.shape[1] - 3), device=colours.device)[:, None, None]
    blended = warp_smooth(colours, view.A, size, sizes, fill)
    seen = Batch(
        image=blended[:, :3],
        depth=exact(batch["depth"]),
        normal=turn_normals(exact(batch["normal"]).float(), view.G),
        mask=exact(batch["mask"]),
        alpha=blended[:, 3:4],
        K=view.A @ batch["K"] @ view.G.transpose(1, 2),
        size=torch.tensor([size]).expand(len(sizes), 2),
        key=batch["key"],
    )
    if "albedo" in batch:
        seen["albedo"] = blended[:, 4:]
    return seen


def _unit(maps: list[Tensor]) -> Tensor:
    """Maps (B,C,H,W) side by side, as float; bytes become 0..1."""
    if all(values.dtype == torch.uint8 for values in maps):
        return torch.cat(maps, 1).float().div_(255)
    return torch.cat([values.float() / 255 if values.dtype == torch.uint8 else values.float() for values in maps], 1)
