"""Random views and photographic defects, drawn per sample, for batches on any device.

kornia's augmentation classes draw from the global generator, so only its functions are used here: every parameter is
drawn on the CPU from the generator passed in. The same generator state gives the same augmentation on every device
(up to the sensor noise, whose values depend on the device's own generator; it is seeded from the one passed in).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from kornia.enhance import jpeg_codec_differentiable
from kornia.filters import gaussian_blur2d, get_motion_kernel2d
from torch import Generator, Tensor
from torch.nn import functional as F

from conf.command import key
from datasets import geometry
from datasets.batch import Batch


@dataclass
class Augmentation:
    """What training pictures go through. Pairs are ranges; each probability is per sample."""

    zoom: list[float] = key([0.7, 1.6], "range of the zoom; 1 shows the whole picture")
    shift: float = key(0.15, "largest shift of the view, as a part of the picture's size")
    rotation: float = key(30.0, "largest turn about the picture's centre, degrees")
    flip: float = key(0.5, "probability of mirroring left and right")
    brightness: float = key(0.3, "largest relative change of brightness")
    contrast: float = key(0.3, "largest relative change of contrast")
    saturation: float = key(0.4, "largest relative change of saturation")
    hue: float = key(0.3, "largest turn of the hue, radians")
    grey: float = key(0.1, "probability of taking the colour away")
    blur: float = key(0.2, "probability of a Gaussian blur, of up to 1.5 pixels")
    motion: float = key(0.1, "probability of a motion blur, of 5 to 15 pixels")
    resample: float = key(0.1, "probability of a reduction to 0.25 to 1 of the resolution and back")
    noise: float = key(0.03, "largest standard deviation of sensor noise, as a part of full scale")
    jpeg: float = key(0.2, "probability of JPEG compression, of quality 30 to 90")


def _uniform(low: float, high: float, shape: int | tuple[int, ...], generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def draw_view(config: Augmentation, sizes: Tensor, size: tuple[int, int], generator: Generator) -> geometry.View:
    """Random views of pictures of `sizes` (B,2) in new pictures of `size` (height, width)."""
    n = len(sizes)
    low, high = config.zoom
    centre = torch.tensor(size, dtype=torch.float64).flip(0).expand(n, 2) / 2
    zoom = low * (high / low) ** _uniform(0.0, 1.0, n, generator)
    degrees = _uniform(-config.rotation, config.rotation, n, generator)
    offset = _uniform(-config.shift, config.shift, (n, 2), generator) * centre * 2
    mirrored = _uniform(0.0, 1.0, n, generator) < config.flip
    view = geometry.flip(sizes[:, 1], mirrored).then(geometry.fit(sizes, size))
    view = view.then(geometry.rotate(degrees, centre)).then(geometry.shift(-centre))
    return view.then(geometry.scale(zoom)).then(geometry.shift(centre + offset))


def photograph(config: Augmentation, image: Tensor, generator: Generator) -> Tensor:
    """Random exposure, colour, resolution, blur, noise and compression. image (B,3,H,W) float in 0..1; returns the same."""
    n = len(image)

    def sometimes(probability: float, change: Callable[[Tensor], Tensor]) -> None:
        chosen = (_uniform(0.0, 1.0, n, generator) < probability).nonzero()[:, 0]
        for row in chosen.tolist():
            image[row : row + 1] = change(image[row : row + 1])

    def number(low: float, high: float) -> float:
        return _uniform(low, high, (), generator).item()

    image = colour(image, *_draw_colour(config, n, generator))
    sometimes(config.resample, lambda x: resample(x, number(0.25, 1.0), RESAMPLING[int(number(0, len(RESAMPLING)))]))
    sometimes(config.blur, lambda x: gaussian_blur2d(x, (9, 9), (number(0.3, 1.5),) * 2))
    sometimes(config.motion, lambda x: motion_blur(x, 2 * int(number(2, 8)) + 1, number(0, 360), number(-1, 1)))
    strength = _uniform(0.0, config.noise, n, generator).to(image)[:, None, None, None]
    image = image.addcmul_(_noise(image, generator), strength).clamp_(0, 1)
    sometimes(config.jpeg, lambda x: compress(x, number(30, 90)))
    return image


#: Luma of R, G, B (ITU-R BT.601), and the axis of grey that hues turn about.
_LUMA = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
RESAMPLING = ("nearest", "bilinear", "bicubic", "area")


def _draw_colour(config: Augmentation, n: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    brightness, contrast, saturation = (
        _uniform(1 - change, 1 + change, n, generator) for change in (config.brightness, config.contrast, config.saturation)
    )
    hue = _uniform(-config.hue, config.hue, n, generator)
    grey = _uniform(0.0, 1.0, n, generator) < config.grey
    return brightness, contrast, torch.where(grey, 0.0, saturation), hue


def colour(image: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Colours changed by one affine map per picture. image (B,3,H,W) in 0..1; the others (B,) float64: factors, and radians.

    The hue turns about the axis of grey (Rodrigues); saturation draws toward the luma; contrast is about the mean.
    """
    grey = torch.full((3, 3), 1 / 3, dtype=torch.float64)
    axis = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / math.sqrt(3)
    c, s = torch.cos(hue)[:, None, None], torch.sin(hue)[:, None, None]
    unit = torch.eye(3, dtype=torch.float64)
    turn = c * unit + (1 - c) * grey + s * axis
    draw = saturation[:, None, None] * unit + (1 - saturation)[:, None, None] * _LUMA.expand(3, 3)
    gain = (contrast * brightness)[:, None, None].to(image.device)
    matrix = (draw @ turn).to(image) * gain.to(image)
    level = image.mean((2, 3)).mean(1)
    offset = ((1 - contrast) * brightness).to(image) * level
    mixed = torch.baddbmm(offset[:, None, None], matrix, image.contiguous().flatten(2))
    return mixed.unflatten(2, image.shape[-2:]).clamp_(0, 1)


def resample(image: Tensor, factor: float, mode: str) -> Tensor:
    """The picture at `factor` of its resolution, at its old size again; reduced by areas, enlarged by `mode`."""
    size = [max(1, round(side * factor)) for side in image.shape[-2:]]
    return F.interpolate(F.interpolate(image, size, mode="area"), image.shape[-2:], mode=mode).clamp(0, 1)


def motion_blur(image: Tensor, length: int, degrees: float, direction: float) -> Tensor:
    """A camera that moved: a line of `length` (odd) pixels; direction -1..1 weighs its ends."""
    kernel = get_motion_kernel2d(length, degrees, direction).to(image)
    channels = image.shape[1]
    padded = F.pad(image, (length // 2,) * 4, mode="replicate")
    return F.conv2d(padded, kernel.expand(channels, 1, -1, -1), groups=channels)


def compress(image: Tensor, quality: float) -> Tensor:
    """JPEG and back, of one picture (1,3,H,W): libjpeg's on the CPU, where it is 30 times as fast, kornia's elsewhere."""
    if image.device.type != "cpu":
        return jpeg_codec_differentiable(image, torch.tensor([quality], device=image.device)).clamp(0, 1)
    pixels = (image[0].permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    back = torch.from_numpy(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return back.permute(2, 0, 1)[None].to(image) / 255


def _noise(image: Tensor, generator: Generator) -> Tensor:
    seed = int(torch.randint(2**62, (), generator=generator))
    there = torch.Generator(image.device).manual_seed(seed)
    return torch.randn(image.shape, generator=there, device=image.device, dtype=image.dtype)


@torch.no_grad()
def augment(config: Augmentation, batch: Batch, size: tuple[int, int], generator: Generator) -> Batch:
    """A random view of every sample, in pictures of `size` (height, width), photographed at random."""
    seen = geometry.apply(draw_view(config, batch["size"], size, generator), batch, size)
    seen["image"] = photograph(config, seen["image"], generator)
    return seen
