"""2K2K: vertex colours in a PLY, in folders of train and test."""

from pathlib import Path

import numpy as np
import trimesh

from tests.layouts.body import ABOVE, BELOW, BODY, FACES, UV


def write(folder: Path, ids: dict[str, str]) -> None:
    """ids: scan -> its split's folder."""
    colours = np.array([ABOVE, BELOW])[(UV[:, 1] < 0.5).astype(int), (UV[:, 0] >= 0.5).astype(int)].astype(np.uint8)
    for id, split in ids.items():
        place = folder / split / id
        place.mkdir(parents=True)
        trimesh.Trimesh(BODY, FACES, vertex_colors=colours, process=False).export(place / f"{id}.ply")
