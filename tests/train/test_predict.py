"""Predicting for files, as a user does it; and every kind of result, read back."""

import io
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import trimesh
from torch import nn

from conf.command import UserError
from datasets.conventions import NORMAL_FROM_CAMERA
from datasets.triplet import read_exr
from tests.fixtures import analytic_sphere
from tests.train.conftest import run
from tests.train.test_photographs import write_video
from train import outputs, photographs, pointcloud, predict
from train.outputs import Cloud
from train.predict import PredictConfig

SHAPES = {"tall": (77, 41), "wide": (30, 90)}


def pictures(folder: Path) -> Path:
    """Two pictures, and masks of them."""
    (folder / "pictures").mkdir()
    (folder / "masks").mkdir()
    for name, shape in SHAPES.items():
        cv2.imwrite(str(folder / "pictures" / f"{name}.png"), np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8))
        mask = np.zeros(shape, np.uint8)
        mask[5:20, 5:20] = 255
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
    return folder / "pictures"


def test_a_folder_gives_every_format_and_names_what_it_cannot_use(trained: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    (folder / "broken.jpg").write_text("hello")
    (folder / "notes.txt").write_text("hello")
    keys = [f"checkpoint={trained}", f"images={folder}", f"masks={tmp_path / 'masks'}", f"out={tmp_path / 'out'}", "device=cpu"]
    done = run("train.predict", *keys, "write=[png,exr,npy,ply]", "fov=40", "depth_range=[1,3]", "flip=true", "batch_size=2")
    assert done.returncode == 2 and "relative" in done.stdout and "metres" in done.stdout
    assert "broken.jpg is no picture" in done.stderr and "1 of what was given" in done.stderr and "Traceback" not in done.stderr
    assert "2 pictures" in done.stdout and "1 other files passed over" in done.stdout
    for name, shape in SHAPES.items():
        depth = read_exr(str(tmp_path / "out" / f"{name}.depth.exr"))["Z"]
        normal = np.stack([read_exr(str(tmp_path / "out" / f"{name}.normal.exr"))[c] for c in "RGB"], -1)
        assert depth.shape == shape and normal.shape == (*shape, 3) and depth.dtype == np.float32
        np.testing.assert_array_equal(np.load(tmp_path / "out" / f"{name}.normal.npy"), normal)
        length = np.linalg.norm(normal, axis=-1)
        np.testing.assert_allclose(length[5:20, 5:20], 1.0, atol=1e-5)
        length[5:20, 5:20] = 0
        assert not length.any(), "nothing outside the mask"
        assert cv2.imread(str(tmp_path / "out" / f"{name}.normal.png")).shape == (*shape, 3)
        assert 0 < len(trimesh.load(tmp_path / "out" / f"{name}.ply").vertices) <= 15 * 15
    assert not list((tmp_path / "out").glob(".*")), "no temporary file stays"


class Red(nn.Module):
    """Stands in for a model: depth is the picture's red; counts the pictures it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks, self.size, self.seen = ["depth"], (24, 32), 0
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        self.seen += len(picture)
        return {"depth": picture[:, :1]}

    def recipe(self) -> dict[str, Any]:
        return {"tasks": self.tasks}


def predicted(model: Any, out: Path, images: Path, **keys: Any) -> predict.Prediction:
    """What the command does after the model is loaded."""
    config = PredictConfig(**{"checkpoint": "", "images": str(images), "out": str(out), "write": ["png"], **keys})
    predict.check(config)
    predict.check_points(config, model.tasks)
    predict.claim(out, predict.settings(config, model))
    prediction = predict.Prediction(config, model, photographs.find(str(images)))
    prediction.run()
    return prediction


def test_running_again_does_what_is_missing_or_outdated_and_no_more(tmp_path: Path) -> None:
    folder, out, model = pictures(tmp_path), tmp_path / "out", Red()
    assert predicted(model, out, folder).done == 2
    again = predicted(model, out, folder)
    assert (again.done, again.there, model.seen) == (0, 2, 2)
    (out / "tall.depth.png").unlink()
    assert predicted(model, out, folder).done == 1
    later = (out / "wide.depth.png").stat().st_mtime + 10
    os.utime(folder / "wide.png", (later, later))
    assert predicted(model, out, folder).done == 1
    assert predicted(model, out, folder, write=["png", "npy"]).done == 2, "a further format is added"
    with pytest.raises(UserError, match=r"mode=resize \(there letterbox\), flip=True"):
        predicted(model, out, folder, mode="resize", flip=True)
    with torch.no_grad():
        model.weight.add_(1)
    with pytest.raises(UserError, match="model="):
        predicted(model, out, folder)


def test_of_a_video_come_numbered_frames_and_a_film(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [(20 * i, 0, 0) for i in range(1, 8)], (48, 64), rate=5)
    model, out = Red(), tmp_path / "out"
    done = predicted(model, out, tmp_path / "clip.mp4", write=["png", "npy"], batch_size=3)
    assert done.done == model.seen == 7 and not done.problems
    means = [np.load(out / "clip" / f"{i:06d}.depth.npy").mean() * 255 for i in range(7)]
    np.testing.assert_allclose(means, [20 * i for i in range(1, 8)], atol=12)
    film = cv2.VideoCapture(str(out / "clip.depth.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 7 and film.get(cv2.CAP_PROP_FPS) == pytest.approx(5)
    assert film.read()[1].shape == (48, 64, 3)
    (out / "clip" / "000004.depth.npy").unlink()
    assert predicted(model, out, tmp_path / "clip.mp4", write=["png", "npy"]).done == 1, "only the missing frame"


def test_a_missing_mask_costs_its_picture_alone(tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    (tmp_path / "masks" / "tall.png").unlink()
    cv2.imwrite(str(tmp_path / "masks" / "wide.png"), np.ones((5, 5), np.uint8))
    cv2.imwrite(str(folder / "third.png"), np.zeros((9, 9, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "masks" / "third.png"), np.ones((9, 9), np.uint8))
    done = predicted(Red(), tmp_path / "out", folder, masks=str(tmp_path / "masks"), batch_size=2)
    assert done.done == 1 and len(done.problems) == 2
    assert any("does not exist" in line for line in done.problems) and any("has size (5, 5)" in line for line in done.problems)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"write": ["jpg"]}, "write="),
        ({"mode": "tiles"}, "mode=tiles"),
        ({"size": [64]}, "size="),
        ({"K": [1.0]}, "K="),
        ({"fov": 180.0}, "fov=180"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"write": ["ply"]}, "depth_range="),
        ({"write": ["ply"], "depth_range": [1.0, 2.0]}, "fov="),
        ({"write": ["ply"], "depth_range": [2.0, 1.0]}, "near < far"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_written(keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as error:
        predicted(Red(), tmp_path / "out", pictures(tmp_path), **keys)
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def _sphere() -> tuple[np.ndarray, ...]:
    K = np.array([[90.0, 0, 30], [0, 90, 44], [0, 0, 1]])
    return K, *analytic_sphere(K, np.array([0.1, -0.1, 3.0]), 0.7, 80, 64)


def _written(out: Path, formats: list[str], values: dict[str, np.ndarray], mask: np.ndarray, cloud: Cloud | None = None) -> None:
    colours = np.random.default_rng(1).integers(0, 255, (*mask.shape, 3), np.uint8)
    outputs.write(out, "sphere", formats, {k: v.astype(np.float32) for k, v in values.items()}, mask, colours, cloud)
    np.save(out / "colours.npy", colours)


def test_sixteen_bit_pngs_give_values_back_to_half_a_level(tmp_path: Path) -> None:
    _, depth, normal, mask = _sphere()
    _written(tmp_path, ["png16"], {"depth": depth, "normal": normal, "alpha": mask * 0.4}, mask)
    for name, values in {"depth": depth, "normal": normal, "alpha": mask * 0.4}.items():
        codes = cv2.imread(str(tmp_path / f"sphere.{name}16.png"), cv2.IMREAD_UNCHANGED)
        codes = codes[..., ::-1] if codes.ndim == 3 else codes
        facts = json.loads((tmp_path / f"sphere.{name}16.json").read_text())
        assert codes.dtype == np.uint16 and codes.shape == values.shape
        inside = mask > 0
        np.testing.assert_allclose(facts["offset"] + facts["scale"] * codes[inside], values[inside], atol=0.51 * facts["scale"] + 1e-6)
        assert (codes[inside] > 0).all()
        if name == "alpha":
            assert facts["scale"] == pytest.approx(1 / 65534) and (codes[~inside] == 1).all(), "a matte is 0 outside, which is known"
        else:
            assert (codes[~inside] == 0).all()
    assert json.loads((tmp_path / "sphere.normal16.json").read_text())["offset"] == pytest.approx(-1, abs=1e-4)


@pytest.mark.parametrize("source", ["depth", "pointmap"])
def test_points_lie_on_their_pixels_and_on_the_sphere(source: str, tmp_path: Path) -> None:
    """Relative depth, turned and stretched, comes back to metres by the range of the person's depth."""
    K, depth, normal, mask = _sphere()
    inside = mask > 0
    low, high = np.percentile(depth[inside], [0.5, 99.5])
    values = {"depth": (depth - low) / (high - low) * 0.3 - 0.2, "normal": normal}
    if source == "pointmap":
        values["pointmap"] = pointcloud.points_from_depth(depth, K)
    _written(tmp_path, ["ply"], values, mask, Cloud(K, low, high) if source == "depth" else None)
    data = (tmp_path / "sphere.ply").read_bytes()
    assert b"format binary_little_endian" in data[:60]
    cloud = trimesh.load(io.BytesIO(data), file_type="ply")
    points = np.asarray(cloud.vertices) @ NORMAL_FROM_CAMERA  # its own inverse
    assert len(points) == inside.sum()
    pixels = points @ K.T
    y, x = np.nonzero(inside)
    np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], np.stack([x, y], 1) + 0.5, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(points - [0.1, -0.1, 3.0], axis=1), 0.7, atol=1e-3)
    np.testing.assert_array_equal(cloud.colors[:, :3], np.load(tmp_path / "colours.npy")[inside])
    stored = cloud.metadata["_ply_raw"]["vertex"]["data"]
    normals = np.stack([stored[c] for c in ("nx", "ny", "nz")], -1)
    centre = np.array([0.1, -0.1, 3.0]) @ NORMAL_FROM_CAMERA
    outward = (np.asarray(cloud.vertices) - centre) / 0.7
    np.testing.assert_allclose((normals.reshape(-1, 3) * outward).sum(1), 1, atol=2e-3, err_msg="in the axes of the points")


def test_a_field_of_view_spans_the_pictures_width() -> None:
    K = pointcloud.intrinsics(90.0, 100, 200)
    left = np.linalg.inv(K) @ [0, 50, 1]
    assert np.degrees(np.arctan2(-left[0], left[2])) == pytest.approx(45) and left[1] == pytest.approx(0)


def test_predicted_alpha_is_the_mask_where_none_is_given() -> None:
    photograph = photographs.Photograph("p", np.zeros((4, 6, 3), np.uint8))
    alpha = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_array_equal(predict.mask_of(None, photograph, {"alpha": alpha}), alpha > 0.5)
    assert predict.mask_of(None, photograph, {}).all()


def test_a_lens_given_in_pixels_shrinks_with_the_picture() -> None:
    config = PredictConfig("", "", "", write=["ply"], K=[100.0, 110.0, 40.0, 30.0], depth_range=[1.0, 2.0])
    camera = predict.cloud(config, ["depth"], photographs.Photograph("p", np.zeros((30, 40, 3), np.uint8), 0.5))
    assert camera is not None
    np.testing.assert_allclose(camera.K, [[50, 0, 20], [0, 55, 15], [0, 0, 1]])
