"""Peers' layouts: what their loaders read of our export is what we meant."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest

from conf.command import UserError
from datasets import reader
from datasets.export import export, synthhuman_files
from datasets.triplet import Dataset, Triplet, write_shard
from tests.fixtures import sphere_triplet


@pytest.fixture(scope="module")
def spheres() -> list[Triplet]:
    """Five, one with two people, one that shows nobody, all with albedo."""
    rng = np.random.default_rng(0)
    samples = [sphere_triplet(f"{i:09d}", rng, 40, 30) for i in range(5)]
    samples[1].mask[:, 15:] *= 2
    empty = samples[4]
    for values in (empty.mask, empty.alpha, empty.depth, empty.normal):
        values[:] = 0
    return [dataclasses.replace(sample, albedo=sample.rgb // 2) for sample in samples]


@pytest.fixture(scope="module")
def data(spheres: list[Triplet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    entry = {**write_shard(folder / "shards" / "shard-000000.tar", spheres), "rejections": {}}
    Dataset(configuration={}, seed=0, count=5, shards={"shard-000000.tar": entry}).save(folder)
    return folder


def load_as_sapiens(root: Path, folders: dict[str, str]) -> list[dict[str, Any]]:
    """What load_data_list and get_data_info of NormalGeneralDataset, DepthGeneralDataset (facebookresearch/sapiens,
    seg/mmseg/datasets) and of the base datasets of facebookresearch/sapiens2 (sapiens/dense/src/datasets) do with files."""
    listed = [{path.stem for path in (root / folder).iterdir() if path.suffix in (".png", ".npy", ".txt")} for folder in folders.values()]
    found = []
    for name in sorted(set.intersection(*listed)):
        item: dict[str, Any] = {"name": name}
        for what, folder in folders.items():
            [path] = (root / folder).glob(f"{name}.*")
            if path.suffix == ".npy":
                item[what] = np.load(path)
            elif path.suffix == ".txt":
                item[what] = np.loadtxt(path)
            else:
                item[what] = cv2.imread(str(path))
        item["mask"] = item["mask"][:, :, 0]
        if "normal" in item:
            norms = np.linalg.norm(item["normal"][item["mask"] > 0], axis=1)
            item["is_normalized"] = np.all(norms > 1 - 1e-6) & np.all(norms < 1 + 1e-6)
        rows, cols = np.any(item["mask"], axis=1), np.any(item["mask"], axis=0)
        y1, y2 = np.where(rows)[0][[0, -1]]
        x1, x2 = np.where(cols)[0][[0, -1]]
        item["bbox"] = [x1, y1, x2, y2]
        found.append(item)
    return found


V1 = {"img": "images", "mask": "masks", "depth": "depths", "normal": "normals"}
V2 = {
    "img": "rgb",
    "mask": "mask",
    "depth": "depth",
    "normal": "normal",
    "K": "camera_intrinsics",
    "M": "camera_extrinsics",
    "albedo": "albedo",
}


@pytest.mark.parametrize(("format", "folders"), [("sapiens", V1), ("sapiens2", V2)])
def test_what_sapiens_loaders_read_are_our_triplets(
    format: str, folders: dict[str, str], data: Path, spheres: list[Triplet], tmp_path: Path
) -> None:
    assert export(data, tmp_path, format) == (4, 1)
    loaded = load_as_sapiens(tmp_path, folders)
    assert [item["name"] for item in loaded] == [t.key for t in spheres[:4]]
    for item, triplet in zip(loaded, spheres, strict=False):
        np.testing.assert_array_equal(item["img"], triplet.rgb[..., ::-1])
        np.testing.assert_array_equal(item["mask"] > 0, triplet.mask > 0)
        np.testing.assert_array_equal(item["depth"], triplet.depth)
        np.testing.assert_allclose(item["normal"], triplet.normal, atol=1e-3)
        assert item["depth"].dtype == item["normal"].dtype == np.float32 and item["is_normalized"]
        assert (item["normal"][item["mask"] == 0] == 0).all() and set(np.unique(item["mask"])) == {0, 255}
        if format == "sapiens2":
            np.testing.assert_array_equal(item["K"], triplet.K)
            np.testing.assert_array_equal(item["M"], triplet.meta["world_to_camera"])
            np.testing.assert_array_equal(item["albedo"], (triplet.rgb // 2)[..., ::-1])


def test_synthhuman_and_back(data: Path, spheres: list[Triplet], tmp_path: Path) -> None:
    assert export(data, tmp_path, "synthhuman") == (4, 1)
    back = list(reader.evaluation(tmp_path, 1))
    assert [t.key for t in back] == [f"{i:07d}" for i in range(4)]
    for read, triplet in zip(back, spheres, strict=False):
        np.testing.assert_array_equal(read.rgb, triplet.rgb)
        np.testing.assert_array_equal(read.alpha, triplet.alpha)
        np.testing.assert_array_equal(read.mask > 0, triplet.mask > 0)
        np.testing.assert_array_equal(read.normal, triplet.normal)
        np.testing.assert_allclose(read.depth, triplet.depth, rtol=1e-6)
        np.testing.assert_array_equal(read.K, triplet.K)
    depth = plain_exr(tmp_path / "depth_0000000.exr")
    assert np.isclose(depth[spheres[0].mask > 0].min(), spheres[0].depth[spheres[0].mask > 0].min() * 100)
    assert (depth[spheres[0].mask == 0] == 65504).all()


def plain_exr(path: Path) -> np.ndarray[Any, Any]:
    """The only channel of an EXR, read with nothing of ours."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        [(name, channel)] = file.channels().items()
        assert name == "Y"
        return channel.pixels.copy()


def test_a_stopped_export_goes_on(data: Path, tmp_path: Path) -> None:
    export(data, tmp_path, "sapiens")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    (tmp_path / "images" / "000000002.png").unlink()
    assert export(data, tmp_path, "sapiens") == (1, 1)
    changed = {path.stem for path in tmp_path.rglob("*.*") if before[path] != path.stat().st_mtime_ns}
    assert changed == {"000000002"} and export(data, tmp_path, "sapiens") == (0, 1)


def test_a_picture_appears_after_its_labels(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a loader, which goes by the pictures, never sees half a sample."""
    order: list[str] = []
    replace = os.replace
    monkeypatch.setattr("datasets.export.os.replace", lambda a, b: (order.append(Path(b).parent.name), replace(a, b)))
    export(data, tmp_path, "sapiens2")
    assert order[6::7] == ["rgb"] * 4


def test_a_long_number_does_not_fit(spheres: list[Triplet]) -> None:
    with pytest.raises(UserError, match="seven digits"):
        synthhuman_files(dataclasses.replace(spheres[0], key="012345678"))


def test_mistakes_are_one_line(data: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run([sys.executable, "-m", "datasets.export", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
        return done.stderr

    assert "choose from sapiens, sapiens2, synthhuman" in run(f"data={data}", f"out={tmp_path}", "format=coco")
    assert "dataset.json does not exist" in run(f"data={tmp_path / 'nowhere'}", f"out={tmp_path}", "format=sapiens")
