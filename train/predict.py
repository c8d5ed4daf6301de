"""`python -m train.predict`: a trained model's maps for photographs and videos."""

import hashlib
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from conf.command import UserError, command, key, required
from datasets.conventions import Array
from datasets.triplet import write_atomically
from train import inference, outputs, photographs, pointcloud
from train.checkpoint import load
from train.inference import How
from train.model import Model
from train.outputs import Cloud
from train.photographs import Found, Photograph

SETTINGS_FILE = "predict.json"


@dataclass
class PredictConfig:
    """Predict for pictures and videos, at their own resolution: <name>.<task>.<ending>, or <video>/<frame>.<task>.<ending>.

    Depth is relative: about 0 at the nearest point of the person and 1 at the farthest, not metres. Normals are unit
    vectors (x right, y up, z toward the camera). Without masks or a model that predicts alpha, values are given, but mean
    little, off the person too. Running the same command again goes on; a file that cannot be used is named at the end.
    """

    checkpoint: str = required("out= of a training run, a .ckpt file, or a folder from train.export")
    images: str = required("a picture, a video, a folder of them, or a quoted glob such as 'shots/*.jpg'")
    out: str = required("folder for the results")
    masks: str | None = key(None, "folder of masks named like the results (<name>.png, nonzero on people); null: predicted alpha, or none")
    write: list[str] = key(["png", "exr"], "png (to look at; of a video also .mp4), png16, exr, npy, ply (coloured points)")
    mode: str = key("letterbox", "letterbox (whole frame, in proportion), resize (stretched), sliding (windows at full resolution)")
    flip: bool = key(False, "average with the prediction for the mirrored picture; takes twice as long")
    size: list[int] | None = key(None, "height and width the model sees, pixels; null: those it was trained at")
    fov: float | None = key(None, "for ply from depth: degrees the picture's width spans")
    K: list[float] | None = key(None, "for ply from depth, instead of fov: [fx,fy,cx,cy] in pixels of the upright picture")
    depth_range: list[float] | None = key(None, "for ply from depth: metres of the nearest and the farthest point of people, as [near,far]")
    max_megapixels: float = key(50.0, "larger pictures are reduced to this when read; about 60 bytes of memory per pixel")
    batch_size: int = key(1, "pictures or frames at once")
    bf16: bool = key(True, "compute in bfloat16 where there is a GPU")
    workers: int = key(2, "threads that read and write")
    device: str = key("auto", "auto, cpu, cuda, cuda:1, ...")


def check(config: PredictConfig) -> None:
    """Refuse what cannot work, before anything is loaded."""
    unknown = [kind for kind in config.write if kind not in outputs.WRITE]
    if unknown or not config.write:
        raise UserError(f"write={config.write}: choose from {', '.join(outputs.WRITE)}")
    if config.mode not in inference.MODES:
        raise UserError(f"mode={config.mode}: choose from {', '.join(inference.MODES)}")
    for name, count in {"size": 2, "K": 4, "depth_range": 2}.items():
        given = getattr(config, name)
        if given is not None and len(given) != count:
            raise UserError(f"{name}={given}: give {count} numbers")
    if config.size and min(config.size) < 1:
        raise UserError(f"size={config.size}: give height and width in pixels, as size=[1024,768]")
    if config.depth_range and not 0 < config.depth_range[0] < config.depth_range[1]:
        raise UserError(f"depth_range={config.depth_range}: give metres as [near,far], 0 < near < far")
    if config.fov is not None and not 0 < config.fov < 180:
        raise UserError(f"fov={config.fov}: give degrees between 0 and 180")
    for name in ("batch_size", "workers", "max_megapixels"):
        if getattr(config, name) <= 0:
            raise UserError(f"{name}={getattr(config, name)}: must be more than 0")


def check_points(config: PredictConfig, tasks: list[str]) -> None:
    """Refuse point clouds that would need a guess."""
    if "ply" not in config.write or "pointmap" in tasks:
        return
    if "depth" not in tasks:
        raise UserError(f"write={config.write}: the model predicts {', '.join(tasks)}; ply needs pointmap or depth")
    if not config.depth_range:
        raise UserError("write=ply from relative depth needs its scale: give depth_range=[near,far] in metres")
    if (config.fov is None) == (config.K is None):
        raise UserError("write=ply from depth needs the lens: give either fov= (degrees) or K=[fx,fy,cx,cy] (pixels)")


def cloud(config: PredictConfig, tasks: list[str], photograph: Photograph) -> Cloud | None:
    """The camera of a photograph; None where points are not made from depth."""
    if "ply" not in config.write or "pointmap" in tasks:
        return None
    height, width = photograph.pixels.shape[:2]
    if config.fov is not None:
        K = pointcloud.intrinsics(config.fov, height, width)
    else:
        fx, fy, cx, cy = np.array(config.K) * photograph.reduction
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    near, far = config.depth_range or (0.0, 1.0)
    return Cloud(K, near, far)


def mask_of(folder: str | None, photograph: Photograph, values: dict[str, Array]) -> Array:
    """(H,W) uint8, nonzero on people: the file's, else where predicted alpha is over a half, else everywhere. Raises UserError."""
    shape = photograph.pixels.shape[:2]
    if folder is None:
        return (values["alpha"] > 0.5).astype(np.uint8) if "alpha" in values else np.ones(shape, np.uint8)
    path = Path(folder) / f"{photograph.name}.png"
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if mask is None:
        raise UserError(f"mask {path} does not exist or is no picture: give a PNG of the picture's size {shape}")
    if photograph.reduction < 1:
        mask = cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    if mask.shape != shape:
        raise UserError(f"mask {path} has size {mask.shape}: give a PNG of the picture's size {shape}")
    return (mask > 0).astype(np.uint8)


def settings(config: PredictConfig, model: Model) -> dict[str, Any]:
    """What results depend on: the keys, and a fingerprint of the model."""
    facts = json.dumps([model.recipe(), {name: float(p.double().sum()) for name, p in model.state_dict().items()}], default=str)
    names = ("masks", "mode", "flip", "size", "fov", "K", "depth_range", "max_megapixels", "bf16")
    return {"model": hashlib.sha256(facts.encode()).hexdigest()[:16], **{name: getattr(config, name) for name in names}}


def claim(out: Path, wanted: dict[str, Any]) -> None:
    """Write the settings into the folder, or compare with those there. Raises UserError naming the keys that differ."""
    path = out / SETTINGS_FILE
    if not path.is_file():
        write_atomically(path, json.dumps(wanted, indent=1) + "\n")
        return
    there = json.loads(path.read_text())
    changed = [f"{name}={wanted[name]} (there {there.get(name)})" for name in wanted if wanted[name] != there.get(name)]
    if changed:
        raise UserError(f"{out} holds results of other settings: {', '.join(changed)}; give another out=")


class Prediction:
    """One call of the command: what is wanted, what was done, what went wrong."""

    def __init__(self, config: PredictConfig, model: Model, found: Found) -> None:
        self.config, self.model, self.found = config, model, found
        self.out = Path(config.out)
        self.how = How(config.mode, config.flip, (config.size[0], config.size[1]) if config.size else None, config.bf16)
        self.problems: list[str] = list(found.refused)
        self.done = self.there = 0

    def pending(self, source: Path, name: str) -> bool:
        """Whether any result of a picture or frame is missing or older than its source."""
        files = outputs.paths(self.out, name, self.config.write, self.model.tasks)
        since = source.stat().st_mtime
        whole = all(file.is_file() and file.stat().st_mtime >= since for file in files)
        self.there += whole
        return not whole

    def photographs(self, pool: ThreadPoolExecutor) -> Iterator[list[Photograph]]:
        """Batches of what is still to do, one in memory at a time; what cannot be read becomes a problem."""
        todo = [path for path in self.found.pictures if self.pending(path, path.stem)]
        read = partial(photographs.read, most=round(self.config.max_megapixels * 1e6))
        for batch in _batches(todo, self.config.batch_size):
            yield [p for p in pool.map(lambda path: self.attempt(read, path), batch) if p is not None]
        for video in self.found.videos:
            yield from _batches(self.stream(video), self.config.batch_size)

    def stream(self, video: Path) -> Iterator[Photograph]:
        """A video's frames that are still to do."""
        try:
            yield from photographs.frames(video, partial(self.pending, video))
        except UserError as error:
            self.problems.append(str(error))

    def attempt(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The function's result; None, and a problem, where the user must mend a file."""
        try:
            return function(*arguments)
        except UserError as error:
            self.problems.append(str(error))
            return None

    def run(self) -> None:
        """Predict for all; raises UserError where some could not be used."""
        with ThreadPoolExecutor(self.config.workers) as pool, tqdm(desc="Predicting", unit="picture") as bar:
            for batch in self.photographs(pool):
                if not batch:
                    continue
                tensors = [torch.from_numpy(p.pixels).permute(2, 0, 1) for p in batch]
                predicted = inference.predict(self.model, tensors, self.how)
                list(pool.map(lambda pair: self.attempt(self.save, *pair), zip(batch, predicted, strict=True)))
                bar.update(len(batch))
                for p in batch:
                    for note in p.notes:
                        bar.write(f"{p.name}: {note}")
        if "png" in self.config.write:
            for video in self.found.videos:
                self.films(video)

    def save(self, photograph: Photograph, values: dict[str, Array]) -> None:
        mask = mask_of(self.config.masks, photograph, values)
        camera = cloud(self.config, self.model.tasks, photograph)
        outputs.write(self.out, photograph.name, self.config.write, values, mask, photograph.pixels, camera)
        self.done += 1

    def films(self, video: Path) -> None:
        """An MP4 per task of a video's coloured frames, where any is newer than it."""
        for task in self.model.tasks:
            files = sorted((self.out / video.stem).glob(f"*.{task}.png"))
            path = self.out / f"{video.stem}.{task}.mp4"
            if files and not (path.is_file() and path.stat().st_mtime >= max(file.stat().st_mtime for file in files)):
                try:
                    outputs.film(files, path, photographs.rate(video))
                except OSError as error:
                    self.problems.append(str(error))


def _batches(items: Iterable[Any], count: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, count)):
        yield batch


@command("train.predict", PredictConfig)
def main(config: PredictConfig) -> None:
    check(config)
    found = photographs.find(config.images)
    model = load(Path(config.checkpoint)).to(inference.device(config.device))
    check_points(config, model.tasks)
    claim(Path(config.out), settings(config, model))
    prediction = Prediction(config, model, found)
    prediction.run()
    print(f"{config.out}: {', '.join(model.tasks)} of {prediction.done} pictures or frames", end="")
    print(f"; {prediction.there} were there" * (prediction.there > 0) + f"; {found.others} other files passed over" * (found.others > 0))
    if "depth" in model.tasks:
        print("Depth is relative (0 near, 1 far), not metres.")
    if "ply" in config.write:
        origin = "predicted" if "pointmap" in model.tasks else "by depth_range="
        print(f"Points are in metres ({origin}), camera at the origin: x right, y up, z toward it.")
    if prediction.problems:
        print("\n".join(prediction.problems), file=sys.stderr)
        raise UserError(f"{len(prediction.problems)} of what was given could not be used, as said above; mend it and run the same again")


if __name__ == "__main__":
    main()
