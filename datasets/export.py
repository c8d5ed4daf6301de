"""`python -m datasets.export`: triplets in the layouts that other people's training code reads."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from conf.command import UserError, command, required
from datasets import reader, synthhuman
from datasets.conventions import Array
from datasets.source import open_source
from datasets.triplet import Triplet, temporary, to_png


@dataclass
class ExportConfig:
    """Write a folder of triplets in a layout that is trained on elsewhere, so that its code runs unchanged.

    sapiens: images/ masks/ depths/ normals/ (v1). sapiens2: rgb/ mask/ depth/ normal/ camera_intrinsics/
    camera_extrinsics/, and albedo/ where there is one. synthhuman: five files a sample in one folder (DAViD).
    Frames that show nobody are left out: Sapiens' loaders cannot read them. Run again, it writes what is missing.
    """

    data: str = required("folder of triplets, in any layout that is read")
    out: str = required("folder to write to")
    format: str = required("sapiens, sapiens2 or synthhuman")


def _npy(values: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(values, dtype=np.float32))
    return stream.getvalue()


def _text(matrix: Any) -> bytes:
    stream = io.StringIO()
    np.savetxt(stream, np.asarray(matrix, dtype=np.float64), fmt="%.17g")
    return stream.getvalue().encode()


def _person(triplet: Triplet) -> bytes:
    """Sapiens reads channel 0 and takes what is above 0 for a person."""
    return to_png(np.where(triplet.mask > 0, np.uint8(255), np.uint8(0)))


def _unit(triplet: Triplet) -> bytes:
    """Normals of unit length in float32: halves are not within the 1e-6 that Sapiens' loaders check for."""
    normal = triplet.normal.astype(np.float64)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    return _npy(normal / np.where(length > 0, length, 1))


def sapiens(triplet: Triplet) -> dict[str, bytes]:
    """File -> bytes, as DepthGeneralDataset and NormalGeneralDataset of facebookresearch/sapiens read them; metres, 0 outside."""
    name = triplet.key
    return {
        f"images/{name}.png": to_png(triplet.rgb),
        f"masks/{name}.png": _person(triplet),
        f"depths/{name}.npy": _npy(triplet.depth),
        f"normals/{name}.npy": _unit(triplet),
    }


def sapiens2(triplet: Triplet) -> dict[str, bytes]:
    """File -> bytes, as NormalBaseDataset, PointmapBaseDataset and AlbedoBaseDataset of facebookresearch/sapiens2 read them."""
    name = triplet.key
    files = {
        f"rgb/{name}.png": to_png(triplet.rgb),
        f"mask/{name}.png": _person(triplet),
        f"depth/{name}.npy": _npy(triplet.depth),
        f"normal/{name}.npy": _unit(triplet),
        f"camera_intrinsics/{name}.txt": _text(triplet.K),
        f"camera_extrinsics/{name}.txt": _text(triplet.meta.get("world_to_camera", np.eye(4))),
    }
    return files if triplet.albedo is None else {**files, f"albedo/{name}.png": to_png(triplet.albedo)}


def synthhuman_files(triplet: Triplet) -> dict[str, bytes]:
    """File -> bytes of SynthHuman; its numbers have seven digits."""
    number = f"{int(triplet.key):07d}"
    if len(number) > 7:
        raise UserError(f"sample {triplet.key}: SynthHuman's numbers have seven digits; export a set with smaller indices")
    return {synthhuman.file(Path(), member, number).name: data for member, data in synthhuman.encode(triplet).items()}


FORMATS: dict[str, Callable[[Triplet], dict[str, bytes]]] = {"sapiens": sapiens, "sapiens2": sapiens2, "synthhuman": synthhuman_files}
#: The last of a sample's files to appear: a sample is whole once this folder (or file) has it, as all loaders ask for it.
RGB = {"sapiens": "images/{}.png", "sapiens2": "rgb/{}.png", "synthhuman": "rgb_{:07d}.png"}


def export(data: Path, out: Path, format: str) -> tuple[int, int]:
    """Write what is missing. Returns how many samples were written and how many are left out, for they show nobody."""
    source = open_source(data)
    albedo = ("albedo",) if format == "sapiens2" and "albedo" in source.fields else ()
    written = empty = 0
    with tqdm(total=sum(source.counts), desc="Exporting", unit="sample") as bar:
        for triplet in reader.Evaluation([(source, None)], 1, fields=(*reader.FIELDS, *albedo)):
            name = int(triplet.key) if format == "synthhuman" else triplet.key
            if not triplet.mask.any():
                empty += 1
            elif not (out / RGB[format].format(name)).is_file():
                _write(out, FORMATS[format](triplet))
                written += 1
            bar.update()
    return written, empty


def _write(out: Path, files: dict[str, bytes]) -> None:
    """All of a sample's files, the picture last."""
    for name, data in reversed(files.items()):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = temporary(path)
        try:
            hidden.write_bytes(data)
            os.replace(hidden, path)
        finally:
            hidden.unlink(missing_ok=True)


@command("datasets.export", ExportConfig)
def main(config: ExportConfig) -> None:
    if config.format not in FORMATS:
        raise UserError(f"format={config.format}: choose from {', '.join(FORMATS)}")
    try:
        written, empty = export(Path(config.data), Path(config.out), config.format)
    except (ValueError, OSError) as error:
        raise UserError(f"data={config.data} out={config.out}: {error}") from error
    left_out = f", {empty} left out, for they show nobody" if empty else ""
    print(f"{config.out}: {written} samples written{left_out}" if written else f"{config.out}: nothing to do{left_out}")


if __name__ == "__main__":
    main()
