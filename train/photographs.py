"""Photographs and video frames from files, as upright 8-bit sRGB.

Pillow reads pictures: it knows colour profiles, EXIF, CMYK, palettes and reduced decoding, which OpenCV drops or gets wrong. OpenCV
reads videos.
"""

import glob
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from conf.command import UserError
from datasets.conventions import Array
from datasets.geometry import FILL

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".jp2")
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
#: What photographers have and Pillow cannot read, and what turns it into what it can.
FOREIGN = {
    **dict.fromkeys((".heic", ".heif"), "convert it to JPEG (`heif-convert`)"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".raf", ".dng", ".orf", ".rw2"), "develop it to JPEG or 16-bit TIFF"),
}
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000")
#: Pixels above which a picture is not even decoded: 3 GB of memory.
LARGEST = 1_000_000_000
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit, for the whole process


@dataclass(frozen=True)
class Photograph:
    """`pixels` (H,W,3) uint8 sRGB; `reduction`: its size over the file's, 1 unless it was too large; `notes`: what was assumed."""

    name: str
    pixels: Array
    reduction: float = 1.0
    notes: tuple[str, ...] = ()


@dataclass
class Found:
    """What a path stands for: pictures, videos, files refused and why, and how many other files were passed over."""

    pictures: list[Path] = field(default_factory=list)
    videos: list[Path] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    others: int = 0


def find(images: str) -> Found:
    """Sort the files a path stands for. Raises UserError when there are none, or two would share results."""
    path = Path(images)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file())
    else:
        files = [path] if path.is_file() else sorted(p for p in map(Path, glob.glob(images, recursive=True)) if p.is_file())
    found = Found()
    for file in files:
        suffix = file.suffix.lower()
        if suffix in FOREIGN:
            found.refused.append(f"{file} cannot be read: {FOREIGN[suffix]}")
        elif suffix in VIDEOS:
            found.videos.append(file)
        elif suffix in PICTURES or len(files) == 1:
            found.pictures.append(file)
        else:
            found.others += 1
    if not found.pictures and not found.videos:
        raise UserError(
            found.refused[0] if found.refused else f"images={images}: no pictures or videos there: give a file, folder or 'glob'"
        )
    names: dict[str, Path] = {}
    for file in found.pictures + found.videos:
        if file.stem in names:
            raise UserError(f"images={images}: {names[file.stem]} and {file} would write the same files: rename one")
        names[file.stem] = file
    return found


def read(path: Path, most: int) -> Photograph:
    """A picture of at most `most` pixels; larger ones are reduced. Raises UserError.

    EXIF rotation and colour profile are applied; 16 bits become 8; what is transparent shows the grey that pads pictures;
    of several frames the first is taken.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise UserError(f"{path} is empty: copy it again")
    try:
        with Image.open(path, formats=FORMATS) as file:
            return _decode(file, path, most)
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is no picture (it begins with {path.read_bytes()[:8]!r}): convert it to PNG or JPEG") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow raises SyntaxError on broken PNG chunks
        raise UserError(f"{path} cannot be read ({error}): it is cut off or damaged, copy it again") from error


def _decode(file: Image.Image, path: Path, most: int) -> Photograph:
    width, height = file.size
    if width * height > LARGEST:
        raise UserError(f"{path} has {width}x{height} pixels, more than {LARGEST:,}: make it smaller")
    notes = []
    if getattr(file, "n_frames", 1) > 1 and file.format != "MPO":  # a phone's JPEG with a preview behind it
        notes.append("has several frames, the first was taken")
    factor = min(1.0, (most / (width * height)) ** 0.5)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if factor < 1:
        notes.append(f"{width}x{height} was reduced to {size[0]}x{size[1]} (max_megapixels)")
        file.draft("RGB", size)  # a JPEG is decoded at 1/2, 1/4 or 1/8
    profile = file.info.get("icc_profile")
    image = ImageOps.exif_transpose(file)
    if factor < 1:
        turned = (image.width > image.height) != (width > height)
        image = _eight_bits(image, path).resize(size[::-1] if turned else size, Image.Resampling.BOX)
    image, note = _srgb(_eight_bits(image, path), profile)
    return Photograph(path.stem, np.array(image), factor, (*notes, *note))


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """Greyscale of 16 bits to 8; colour of 16 bits Pillow has reduced already."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise UserError(f"{path} has 32 bits per channel, whose meaning is not known: save it as 8 or 16 bits")
    return Image.fromarray((values.astype(np.float32) / 257 + 0.5).astype(np.uint8))


def _srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, list[str]]:
    """RGB in sRGB, without transparency, and what had to be assumed."""
    cover = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        cover = image.getchannel("A")
        image = image.convert("RGB")
    notes = []
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError):
            notes.append("has a colour profile that does not fit it; sRGB was assumed")
    image = image.convert("RGB")
    if cover is not None:
        image = Image.composite(image, Image.new("RGB", image.size, (round(FILL * 255),) * 3), cover)
    return image, notes


def rate(path: Path) -> float:
    """Frames per second of a video; 25 where the file does not say."""
    return float(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS)) or 25.0


def frames(path: Path, wanted: Callable[[str], bool]) -> Iterator[Photograph]:
    """The wanted frames of a video, upright, named `<stem>/<frame number>`, one at a time.

    Raises UserError when no frame, or far fewer than the file promises, can be read; after those that could.
    """
    video = cv2.VideoCapture(str(path))
    promised, number = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0
    while video.grab():
        name = f"{path.stem}/{number:06d}"
        number += 1
        if wanted(name):
            good, pixels = video.retrieve()
            if good:
                yield Photograph(name, np.ascontiguousarray(pixels[..., ::-1]))
    video.release()
    if number == 0 or number < 0.9 * promised:  # the promise is reckoned from the length, and may be a few frames off
        raise UserError(f"{path}: {number} of {max(promised, 0)} frames can be read: copy it again, or convert it to MP4 (H.264)")
