"""Random views and photographic defects, drawn per sample, for batches on any device.

kornia's augmentation classes draw from the global generator, so only its functions are used here: every parameter is
drawn on the CPU from the generator passed in. The same generator state gives the same augmentation on every device
(up to the sensor noise, whose values depend on the device's own generator; it is seeded from the one passed in).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from kornia.color import rgb_to_grayscale
from kornia.enhance import adjust_hue, adjust_saturation, jpeg_codec_differentiable
from kornia.filters import gaussian_blur2d
from torch import Generator, Tensor

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
    """Random exposure, colour, blur, noise and compression. image (B,3,H,W) float in 0..1; returns the same."""
    n = len(image)

    def factor(change: float) -> Tensor:
        return _uniform(1 - change, 1 + change, n, generator).to(image)[:, None, None, None]

    def sometimes(probability: float, change: Callable[[Tensor, int], Tensor]) -> None:
        chosen = (_uniform(0.0, 1.0, n, generator) < probability).nonzero()[:, 0]
        if len(chosen):
            rows = chosen.to(image.device)
            image[rows] = change(image[rows], len(rows)).to(image)

    level = image.mean((1, 2, 3), keepdim=True)
    image = ((image - level) * factor(config.contrast) + level) * factor(config.brightness)
    image = adjust_saturation(image.clamp(0, 1), factor(config.saturation).flatten())
    image = adjust_hue(image, _uniform(-config.hue, config.hue, n, generator).to(image))
    sometimes(config.grey, lambda x, m: rgb_to_grayscale(x).expand_as(x))
    sometimes(config.blur, lambda x, m: gaussian_blur2d(x, (9, 9), _uniform(0.3, 1.5, (m, 1), generator).to(x).expand(m, 2)))
    image = image + _noise(image, generator) * _uniform(0.0, config.noise, n, generator).to(image)[:, None, None, None]
    image = image.clamp(0, 1)
    sometimes(config.jpeg, lambda x, m: jpeg_codec_differentiable(x, _uniform(30, 90, m, generator).to(x)))
    return image.clamp(0, 1)


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
