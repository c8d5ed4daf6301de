"""Every kind of picture and video a user may have, made here with Pillow and OpenCV."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from conf.command import UserError
from datasets.geometry import FILL
from train import photographs

PLENTY = 10**8
GREY = round(255 * FILL)
#: Left half this, right half that.
LEFT, RIGHT = (200, 60, 20), (30, 90, 160)


def halves(height: int = 24, width: int = 32) -> np.ndarray:
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = LEFT, RIGHT
    return pixels


def check_halves(pixels: np.ndarray, tolerance: int = 1, left: tuple[int, ...] = LEFT, right: tuple[int, ...] = RIGHT) -> None:
    assert pixels.dtype == np.uint8 and pixels.ndim == 3
    for column, colour in ((4, left), (-5, right)):
        np.testing.assert_allclose(pixels[8:16, column].astype(int), np.broadcast_to(colour, (8, 3)), atol=tolerance)


def _save(**keys: object) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(halves()).save(path, **keys)  # type: ignore[arg-type]


def _sixteen_bits(path: Path) -> None:
    cv2.imwrite(str(path), halves()[..., ::-1].astype(np.uint16) * 257)


def _turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a turn of 90 degrees clockwise
    Image.fromarray(np.rot90(halves())).save(path, exif=exif)


@pytest.mark.parametrize(
    ("name", "make", "tolerance"),
    [
        ("plain.png", _save(), 0),
        ("plain.webp", _save(lossless=True), 0),
        ("plain.bmp", _save(), 0),
        ("named_wrongly.jpg", _save(format="PNG"), 0),
        ("plain.jpg", _save(quality=98, subsampling=0), 3),
        ("cmyk.jpg", lambda path: Image.fromarray(halves()).convert("CMYK").save(path, quality=98, subsampling=0), 4),
        ("palette.png", lambda path: Image.fromarray(halves()).quantize(8).save(path), 0),
        ("palette.gif", lambda path: Image.fromarray(halves()).quantize(8).save(path), 0),
        ("sixteen.png", _sixteen_bits, 1),
        ("sixteen.tiff", _sixteen_bits, 1),
        ("turned.jpg", _turned, 40),
        ("turned.tiff", _turned, 0),
    ],
)
def test_colour_comes_as_upright_8_bit_srgb(name: str, make: Callable[[Path], None], tolerance: int, tmp_path: Path) -> None:
    make(tmp_path / name)
    read = photographs.read(tmp_path / name, PLENTY)
    assert read.pixels.shape == (24, 32, 3) and read.reduction == 1 and not read.notes
    check_halves(read.pixels, tolerance)


@pytest.mark.parametrize("name", ["eight.png", "sixteen.png", "sixteen.tiff", "bits.png", "alpha.png"])
def test_greyscale_becomes_three_equal_channels(name: str, tmp_path: Path) -> None:
    grey = np.where(np.arange(32) < 16, 255, 64).astype(np.uint8) * np.ones((24, 1), np.uint8)
    if name == "bits.png":
        Image.fromarray(grey).point(lambda v: 255 * (v > 128)).convert("1").save(tmp_path / name)
    elif name == "alpha.png":
        Image.merge("LA", [Image.fromarray(grey), Image.new("L", (32, 24), 255)]).save(tmp_path / name)
    else:
        cv2.imwrite(str(tmp_path / name), grey.astype(np.uint16) * 257 if name.startswith("sixteen") else grey)
    dark = 0 if name == "bits.png" else 64
    check_halves(photographs.read(tmp_path / name, PLENTY).pixels, 1, (255,) * 3, (dark,) * 3)


def test_what_is_transparent_shows_the_grey_that_pads_pictures(tmp_path: Path) -> None:
    alpha = np.where(np.arange(32) < 16, 255, 0).astype(np.uint8) * np.ones((24, 1), np.uint8)
    Image.fromarray(np.dstack([halves(), alpha])).save(tmp_path / "rgba.png")
    check_halves(photographs.read(tmp_path / "rgba.png", PLENTY).pixels, 0, right=(GREY,) * 3)
    palette = Image.fromarray(halves()).quantize(8)
    palette.info["transparency"] = palette.getpixel((31, 0))
    palette.save(tmp_path / "palette.png", transparency=palette.info["transparency"])
    check_halves(photographs.read(tmp_path / "palette.png", PLENTY).pixels, 0, right=(GREY,) * 3)


@pytest.mark.parametrize("transparent", [False, True])
def test_a_colour_profile_is_applied(transparent: bool, tmp_path: Path) -> None:
    """sRGB's profile with the red and the green primary exchanged: what it calls red is green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exchanged = profile.replace(b"rXYZ", b"tmp_", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tmp_", b"gXYZ", 1)
    image = Image.fromarray(halves())
    if transparent:
        image.putalpha(255)
    image.save(tmp_path / "exchanged.png", icc_profile=exchanged)
    check_halves(photographs.read(tmp_path / "exchanged.png", PLENTY).pixels, 2, (60, 200, 20), (90, 30, 160))
    image.save(tmp_path / "broken.png", icc_profile=b"no profile at all")
    broken = photographs.read(tmp_path / "broken.png", PLENTY)
    check_halves(broken.pixels, 0)
    assert "sRGB was assumed" in broken.notes[0]


def test_of_an_animation_the_first_frame_is_taken_and_said(tmp_path: Path) -> None:
    first, second = Image.fromarray(halves()), Image.fromarray(halves()[:, ::-1])
    first.save(tmp_path / "moving.png", save_all=True, append_images=[second])
    read = photographs.read(tmp_path / "moving.png", PLENTY)
    check_halves(read.pixels)
    assert "first" in read.notes[0]


@pytest.mark.parametrize("name", ["large.png", "large.jpg", "turned.jpg"])
def test_what_is_too_large_is_reduced_in_proportion_and_said(name: str, tmp_path: Path) -> None:
    image = Image.fromarray(halves(600, 800))
    if name == "turned.jpg":
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(np.rot90(halves(600, 800))).save(tmp_path / name, exif=exif)
    else:
        image.save(tmp_path / name)
    read = photographs.read(tmp_path / name, 600 * 800 // 16)
    assert read.pixels.shape == (150, 200, 3) and read.reduction == pytest.approx(0.25)
    check_halves(read.pixels, 6)
    assert "reduced to" in read.notes[0]


def _header_of_a_gigapixel(path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 30_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\0IDAT\0\0\0\0"
    )


def _cut_off(path: Path) -> None:
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(data, "JPEG" if path.suffix == ".jpg" else "PNG")
    path.write_bytes(data.getvalue()[: len(data.getvalue()) // 2])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("empty.png", lambda path: path.write_bytes(b""), "is empty"),
        ("text.jpg", lambda path: path.write_text("hello"), "is no picture"),
        ("cut.jpg", _cut_off, "cut off"),
        ("cut.png", _cut_off, "cut off"),
        ("gone.png", lambda path: None, "cannot be read"),
        ("float.tiff", lambda path: cv2.imwrite(str(path), np.zeros((8, 8), np.float32)), "32 bits"),
        ("bomb.png", _header_of_a_gigapixel, "make it smaller"),
        ("script.png", lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "is no picture"),
    ],
)
def test_what_cannot_be_read_is_one_line(name: str, make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    with pytest.raises(UserError, match=message) as error:
        photographs.read(tmp_path / name, PLENTY)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_a_folder_is_sorted_into_pictures_videos_refused_and_others(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "clip.mp4", "phone.HEIC", "raw.nef", "notes.txt", ".DS_Store"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    found = photographs.find(str(tmp_path))
    assert [path.name for path in found.pictures] == ["a.jpg", "b.PNG"] and [path.name for path in found.videos] == ["clip.mp4"]
    assert found.others == 2 and len(found.refused) == 2 and "heif-convert" in found.refused[0]
    assert [path.name for path in photographs.find(str(tmp_path / "*.jpg")).pictures] == ["a.jpg"]
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(UserError, match="rename one"):
        photographs.find(str(tmp_path))
    for nothing in (tmp_path / "*.bmp", tmp_path / "nowhere", tmp_path / "phone.HEIC"):
        with pytest.raises(UserError):
            photographs.find(str(nothing))


def write_video(path: Path, colours: list[tuple[int, int, int]], size: tuple[int, int] = (48, 64), rate: float = 10.0) -> None:
    """A frame of each RGB colour."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v")), rate, size[::-1])
    assert writer.isOpened()
    for colour in colours:
        writer.write(np.full((*size, 3), colour[::-1], np.uint8))
    writer.release()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_a_videos_frames_come_numbered_in_order_and_in_rgb(name: str, tmp_path: Path) -> None:
    colours = [(220, 30, 30), (30, 220, 30), (30, 30, 220)]
    write_video(tmp_path / name, colours)
    frames = list(photographs.frames(tmp_path / name, lambda name: True))
    assert [frame.name for frame in frames] == ["clip/000000", "clip/000001", "clip/000002"]
    for frame, colour in zip(frames, colours, strict=True):
        np.testing.assert_allclose(frame.pixels.mean((0, 1)), colour, atol=12)
    assert photographs.rate(tmp_path / name) == pytest.approx(10)
    (last,) = photographs.frames(tmp_path / name, lambda name: name.endswith("2"))
    np.testing.assert_allclose(last.pixels.mean((0, 1)), colours[2], atol=12)


def test_a_video_cut_short_gives_what_it_has_and_then_one_line(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.avi", [(i * 8, 0, 0) for i in range(30)])
    whole = (tmp_path / "clip.avi").read_bytes()
    (tmp_path / "clip.avi").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "none.mp4").write_bytes(b"")
    for name, least in {"clip.avi": 1, "none.mp4": 0}.items():
        frames = []
        with pytest.raises(UserError, match="frames can be read"):
            for frame in photographs.frames(tmp_path / name, lambda name: True):
                frames.append(frame)
        assert len(frames) >= least
