"""Folders of predictions against a truth that is known: a right one scores perfectly, whatever its axes, units and files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from conf.command import UserError
from datasets.conventions import Array, camera_rays
from datasets.triplet import Triplet, write_exr
from tests.fixtures import write_synthhuman
from tests.train.predicted import depth_of, figures, normal_of, perfect, row, scored, triplets, write
from train import axes


def _npz(path: Path, task: str, values: Array) -> None:
    np.savez(path.with_suffix(".npz"), **{task: values, "other": np.zeros(3)})


def _exr(path: Path, task: str, values: Array) -> None:
    planes = {"Y": values} if task == "depth" else {name: values[..., i] for i, name in enumerate("RGB")}
    write_exr(str(path.with_suffix(".exr")), planes)


def _png(path: Path, task: str, values: Array) -> None:
    codes = values * 10000 if task == "depth" else (values[..., ::-1] + 1) / 2 * 65535
    cv2.imwrite(str(path.with_suffix(".png")), (codes + 0.5).astype(np.uint16))


def _npy(path: Path, task: str, values: Array) -> None:
    np.save(path.with_suffix(".npy"), np.moveaxis(np.atleast_3d(values), -1, 0)[None])  # (1,C,H,W), as networks give it


@pytest.mark.parametrize("layout", ["{task}/{key}.x", "{task}s/{key}.x", "{key}.{task}.x"])
@pytest.mark.parametrize("ending", [_npy, _npz, _exr, _png], ids=["npy", "npz", "exr", "png"])
def test_right_files_score_perfectly_in_every_format_and_layout(
    spheres: Path, tmp_path: Path, layout: str, ending: Callable[[Path, str, Array], None]
) -> None:
    for triplet in triplets(spheres):
        for task, values in (("depth", depth_of(triplet)), ("normal", normal_of(triplet))):
            path = tmp_path / layout.format(task=task, key=triplet.key)
            path.parent.mkdir(exist_ok=True)
            ending(path, task, values)
    png = {"png_scale": 1e-4} if ending is _png else {}
    found = scored(spheres, predictions=str(tmp_path), depth_unit="m", **png)
    perfect(found, 1e-4 if png else 1e-5)
    assert row(found, "depth").alignment == "none" and row(found, "depth").images == 8


def test_files_that_name_no_task_are_known_by_their_shape(spheres: Path, tmp_path: Path) -> None:
    for triplet in triplets(spheres):
        np.save(tmp_path / f"{triplet.key}.npy", normal_of(triplet))
    found = scored(spheres, predictions=str(tmp_path))
    perfect(found)
    assert {row.task for row in found.rows} == {"normal"}


STATEMENTS: dict[str, tuple[str, dict[str, str], Callable[[Triplet], Array], str | None]] = {
    "metres": ("depth", {"depth_unit": "m"}, depth_of, "none"),
    "centimetres": ("depth", {"depth_unit": "cm"}, lambda t: 100 * depth_of(t), "none"),
    "millimetres": ("depth", {"depth_unit": "mm"}, lambda t: 1000 * depth_of(t), "none"),
    "relative": ("depth", {}, lambda t: 3 - 0.25 * depth_of(t), "lsq"),
    "disparity": ("depth", {"depth_kind": "disparity"}, lambda t: 7 / depth_of(t) + 2, "lsq_disparity"),
    "1/m": ("depth", {"depth_kind": "disparity", "depth_unit": "m"}, lambda t: 1 / depth_of(t), "none"),
    "1/cm": ("depth", {"depth_kind": "disparity", "depth_unit": "cm"}, lambda t: 0.01 / depth_of(t), "none"),
    "along the ray": (
        "depth",
        {"depth_kind": "distance", "depth_unit": "m"},
        lambda t: depth_of(t) * np.linalg.norm(camera_rays(t.K, *t.mask.shape), axis=-1),
        "none",
    ),
    "along the ray, no unit": (
        "depth",
        {"depth_kind": "distance"},
        lambda t: 5 * depth_of(t) * np.linalg.norm(camera_rays(t.K, *t.mask.shape), axis=-1),
        "scale",
    ),
    "OpenCV's axes": ("normal", {"normal_axes": "x-y-z"}, lambda t: normal_of(t) * [1, -1, -1], None),
    "channels turned": ("normal", {"normal_axes": "zyx"}, lambda t: normal_of(t)[..., ::-1], None),
    "one axis turned into another": ("normal", {"normal_axes": "-zxy"}, lambda t: normal_of(t)[..., [2, 0, 1]] * [-1, 1, 1], None),
    "of any length": ("normal", {}, lambda t: 3 * normal_of(t), None),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_stated_about_values_is_undone(spheres: Path, tmp_path: Path, name: str) -> None:
    task, stated, values, alignment = STATEMENTS[name]
    write(tmp_path, spheres, **{task: values})
    found = scored(spheres, predictions=str(tmp_path), **stated)
    perfect(found)
    assert row(found, task).alignment == alignment
    assert {key: found.method.conversion[key] for key in stated} == stated
    if stated and name != "metres":
        plain = {"alignment": "none"} if task == "depth" else {}
        assert (figures(scored(spheres, predictions=str(tmp_path), **plain), task)["absrel" if task == "depth" else "mean"] or 0) > 0.005


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"normal_axes": "x,y"}, "normal_axes=x,y: say what the channels hold"),
        ({"normal_axes": "xyy"}, "each axis once"),
        ({"normal_axes": "xyzx"}, "each axis once"),
        ({"depth_kind": "depths"}, "depth_kind=depths: choose from depth, disparity, distance"),
        ({"depth_unit": "feet"}, "depth_unit=feet: choose from m, cm, mm"),
        ({"depth_kind": "disparity", "alignment": "lsq"}, "alignment=lsq does not go with"),
        ({"alignment": "lsq_disparity"}, "alignment=lsq_disparity does not go with"),
        ({"tasks": ["normal", "albedo"]}, "has no albedo; it has depth, normal"),
        ({"png_scale": -1.0}, r"png_scale=-1\.0"),
    ],
)
def test_statements_that_cannot_be_are_refused(spheres: Path, tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    write(tmp_path, spheres, depth=depth_of, normal=normal_of)
    with pytest.raises(UserError, match=message) as error:
        scored(spheres, predictions=str(tmp_path), **keys)
    assert "\n" not in str(error.value)


def test_predictions_of_another_size_are_refused_by_name_or_resized_where_asked(spheres: Path, tmp_path: Path) -> None:
    write(tmp_path, spheres, depth=lambda t: cv2.resize(depth_of(t), (72, 96), interpolation=cv2.INTER_LINEAR))
    with pytest.raises(UserError, match=r"000000000\.npy is 96x72, its picture 48x36: .*resize=true"):
        scored(spheres, predictions=str(tmp_path), depth_unit="m")
    found = scored(spheres, predictions=str(tmp_path), depth_unit="m", resize=True)
    assert found.method.resolution == "of the files; 8 resized, the last from 96x72" and found.method.conversion["resize"] == "bilinear"
    assert (figures(found, "depth")["absrel"] or 1) < 0.1


def _broken(t: Triplet) -> Array:
    values = depth_of(t).copy()
    values[t.mask == 0] = np.nan
    if t.key == "000000002":
        values[np.nonzero(t.mask)[0][:3], np.nonzero(t.mask)[1][:3]] = np.inf
    return values


def test_values_that_are_not_finite_on_a_person_are_refused_or_left_out_by_name(spheres: Path, tmp_path: Path) -> None:
    write(tmp_path, spheres, depth=_broken, normal=normal_of)
    with pytest.raises(UserError, match=r"image 000000002, depth: .* not finite at 3 of \d+ scored pixels.*on_bad=skip"):
        scored(spheres, predictions=str(tmp_path))
    found = scored(spheres, predictions=str(tmp_path), on_bad="skip", depth_unit="m")
    perfect(found)
    assert row(found, "depth").images == 7 and row(found, "normal").images == 8
    assert [left.key for left in found.skipped] == ["000000002"] and "3 of" in found.skipped[0].why


def test_a_code_of_nought_in_a_png_of_depth_is_no_prediction(spheres: Path, tmp_path: Path) -> None:
    (tmp_path / "depth").mkdir()
    for t in triplets(spheres):
        values = depth_of(t)
        values[tuple(np.argwhere(t.mask)[0])] = 0
        _png(tmp_path / "depth" / t.key, "depth", values)
    with pytest.raises(UserError, match=r"image 000000000, depth: .* not finite at 1 of"):
        scored(spheres, predictions=str(tmp_path), png_scale=1e-4)


def test_missing_and_unreadable_predictions_are_refused_before_any_work_or_left_out(spheres: Path, tmp_path: Path) -> None:
    write(tmp_path, spheres, depth=depth_of)
    for key in ("000000003", "000000005"):
        (tmp_path / "depth" / f"{key}.npy").unlink()
    with pytest.raises(UserError, match=r"2 of 8 predictions are missing, the first one of image 000000003 .*on_bad=skip"):
        scored(spheres, predictions=str(tmp_path))
    (tmp_path / "depth" / "000000001.npy").write_bytes(b"\x93NUMPY cut")
    found = scored(spheres, predictions=str(tmp_path), on_bad="skip", depth_unit="m")
    perfect(found)
    assert row(found, "depth").images == 5
    assert {left.key for left in found.skipped} == {"000000001", "000000003", "000000005"}
    assert "cannot be read" in found.skipped[0].why
    for path in (tmp_path / "depth").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="nothing to score of depth, all 8 predictions were left out"):
        scored(spheres, predictions=str(tmp_path), on_bad="skip")


def test_two_predictions_of_one_are_refused_and_a_png_gives_way(spheres: Path, tmp_path: Path) -> None:
    write(tmp_path, spheres, depth=depth_of)
    for triplet in triplets(spheres):
        cv2.imwrite(str(tmp_path / f"{triplet.key}.depth.png"), triplet.rgb)
    perfect(scored(spheres, predictions=str(tmp_path), depth_unit="m"))
    np.save(tmp_path / "000000000.depth.npy", np.zeros((48, 36)))
    with pytest.raises(UserError, match=r"two predictions of depth for 000000000"):
        scored(spheres, predictions=str(tmp_path))


def test_synthhuman_is_scored_in_its_own_files(spheres: Path, tmp_path: Path) -> None:
    write_synthhuman(tmp_path / "synthhuman", triplets(spheres)[:2])
    (tmp_path / "ours").mkdir()
    for number, triplet in enumerate(triplets(spheres)[:2]):
        np.savez(tmp_path / "ours" / f"{number:07d}.normal.npz", normal=normal_of(triplet))
    found = scored(tmp_path / "synthhuman", predictions=str(tmp_path / "ours"))
    perfect(found)
    assert found.benchmark.sha256 is None and row(found, "normal").images == 2 and found.benchmark.data == "synthhuman"


def test_axes_may_be_spelt_with_commas_and_signs() -> None:
    assert axes.read("z, -y,+x") == axes.read("z-yx") == ((2, 1), (1, -1), (0, 1))
    assert axes.spelt(axes.read("+x, y, z")) == "xyz"


@pytest.mark.parametrize("stated", [None, "z-xy"])
@pytest.mark.parametrize(("held", "order", "signs"), [("x-y-z", [0, 1, 2], [1, -1, -1]), ("yz-x", [1, 2, 0], [1, 1, -1])])
def test_axes_that_were_stated_wrongly_are_told_and_right_ones_are_not(
    spheres: Path, tmp_path: Path, held: str, order: list[int], signs: list[int], stated: str | None
) -> None:
    write(tmp_path, spheres, normal=lambda t: normal_of(t)[..., order] * signs + 0.05)
    doubt = scored(spheres, predictions=str(tmp_path), normal_axes=stated).doubt
    assert doubt and f"far better with normal_axes={held} (mean cosine 1.00, now" in doubt
    assert scored(spheres, predictions=str(tmp_path), normal_axes=held).doubt is None


def test_a_bad_model_in_the_right_axes_is_not_doubted(spheres: Path, tmp_path: Path) -> None:
    write(tmp_path, spheres, normal=lambda t: np.random.default_rng(0).normal(0, 1, (*t.mask.shape, 3)))
    assert scored(spheres, predictions=str(tmp_path)).doubt is None
