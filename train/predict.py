"""`python -m train.predict`: depth and normals for pictures."""

import glob
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from conf.command import UserError, command, key, required
from datasets.conventions import Array
from datasets.triplet import write_exr
from train.checkpoint import load
from train.inference import device, infer
from train.tasks import TASKS

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass
class PredictConfig:
    """Predict for pictures; writes, per picture and task, a PNG to look at and the values, at the picture's own resolution.

    Depth is relative: about 0 at the nearest point of the person and 1 at the farthest, not metres. Normals are unit
    vectors (x right, y up, z toward the camera). Without masks, values are given, but mean little, off the person too.
    """

    checkpoint: str = required("out= of a training run, or a .ckpt file")
    images: str = required("a picture, a folder of pictures, or a quoted glob such as 'shots/*.jpg'")
    out: str = required("folder for the results")
    masks: str | None = key(None, "folder of masks named like the pictures (<name>.png, nonzero on people); null: none")
    values: str = key("exr", "how values are written: exr or npy")
    device: str = key("auto", "auto, cpu, cuda, cuda:1, ...")


def find(images: str) -> list[Path]:
    """The pictures a path stands for, sorted. Raises UserError when there are none or two would share results."""
    path = Path(images)
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
    else:
        found = [path] if path.is_file() else sorted(Path(p) for p in glob.glob(images) if Path(p).is_file())
    if not found:
        raise UserError(f"images={images}: no pictures there ({', '.join(PICTURES)}): give a picture, a folder or a quoted glob")
    names: dict[str, Path] = {}
    for picture in found:
        if picture.stem in names:
            raise UserError(f"images={images}: {names[picture.stem]} and {picture} would write the same files: rename one")
        names[picture.stem] = picture
    return found


def read_picture(path: Path) -> Array:
    """(H,W,3) uint8 sRGB, turned upright as its EXIF says. Raises UserError."""
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise UserError(f"{path} cannot be read as a picture: convert it to PNG or JPEG")
    return np.ascontiguousarray(image[..., ::-1])


def read_mask(folder: str | None, picture: Path, shape: tuple[int, int]) -> Array:
    """(H,W) uint8, nonzero on people; all ones without a folder. Raises UserError."""
    if folder is None:
        return np.ones(shape, np.uint8)
    path = Path(folder) / f"{picture.stem}.png"
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if mask is None or mask.shape != shape:
        state = "does not exist or is no picture" if mask is None else f"has size {mask.shape}"
        raise UserError(f"mask {path} {state}: give a PNG of the picture's size {shape}")
    return (mask > 0).astype(np.uint8)


def _write(path: Path, write: Callable[[str], object]) -> None:
    """Write under a temporary name of the same suffix, then rename."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(str(temporary))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_results(out: Path, stem: str, predicted: dict[str, Array], mask: Array, values: str) -> None:
    """`<stem>.<task>.png` to look at, `<stem>.<task>.exr` or `.npy` with the values (0 outside the mask)."""
    for name, prediction in predicted.items():
        task = TASKS[name]
        picture = np.ascontiguousarray(task.picture(prediction, mask)[..., ::-1])
        _write(out / f"{stem}.{name}.png", lambda path, picture=picture: cv2.imwrite(path, picture))  # type: ignore[misc]
        kept = np.where(mask.reshape(mask.shape + (1,) * (prediction.ndim - 2)) > 0, prediction, 0).astype(np.float32)
        if values == "npy":
            _write(out / f"{stem}.{name}.npy", lambda path, kept=kept: np.save(path, kept))  # type: ignore[misc]
        else:
            planes = dict(zip(task.exr, np.atleast_3d(kept).transpose(2, 0, 1), strict=True))
            _write(out / f"{stem}.{name}.exr", lambda path, planes=planes: write_exr(path, planes))  # type: ignore[misc]


@command("train.predict", PredictConfig)
def main(config: PredictConfig) -> None:
    if config.values not in ("exr", "npy"):
        raise UserError(f"values={config.values}: choose exr or npy")
    pictures = find(config.images)
    model = load(Path(config.checkpoint)).to(device(config.device))
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    for path in tqdm(pictures, desc="Predicting", unit="picture"):
        image = read_picture(path)
        height, width = image.shape[:2]
        mask = read_mask(config.masks, path, (height, width))
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
        (predicted,) = infer(model, tensor, torch.tensor([[height, width]]))
        write_results(out, path.stem, predicted, mask, config.values)
    print(f"{out}: {', '.join(model.tasks)} of {len(pictures)} pictures. Depth is relative (0 near, 1 far), not metres.")


if __name__ == "__main__":
    main()
