"""Every kind of predictor against a truth that is known: a right prediction scores perfectly, whatever its axes, units and files."""

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import transformers

from conf.command import UserError
from datasets import reader
from datasets.conventions import Array, camera_rays, normal_to_rgb
from datasets.triplet import Dataset, Triplet, write_exr, write_shard
from tests.fixtures import write_synthhuman
from train import axes
from train.evaluate import EvaluateConfig, evaluate, gathered
from train.metrics import DEPTH
from train.predictors import huggingface
from train.results import Results, Row


def scored(folder: Path, **keys: Any) -> Results:
    """What train.evaluate finds, in this process."""
    return gathered(*evaluate(EvaluateConfig(str(folder), device="cpu", **keys)))


def figures(found: Results, task: str, average: str = "macro") -> dict[str, float | None]:
    return row(found, task, average).figures


def row(found: Results, task: str, average: str = "macro") -> Row:
    return next(row for row in found.rows if (row.task, row.group, row.average) == (task, "all", average))


def triplets(folder: Path) -> list[Triplet]:
    return list(reader.evaluation(folder, 1))


def depth_of(triplet: Triplet) -> Array:
    """True depth, and 1 m where there is nobody."""
    return np.where(triplet.mask > 0, triplet.depth, np.float32(1))


def normal_of(triplet: Triplet) -> Array:
    return triplet.normal.astype(np.float32)


def write(folder: Path, spheres: Path, **maps: Callable[[Triplet], Array]) -> Path:
    """`<task>/<key>.npy` of every sample."""
    for task, make in maps.items():
        (folder / task).mkdir(parents=True, exist_ok=True)
        for triplet in triplets(spheres):
            np.save(folder / task / f"{triplet.key}.npy", make(triplet))
    return folder


def perfect(found: Results, tolerance: float = 1e-5) -> None:
    """Depth to a part in 1e5; normals to what half precision holds."""
    tasks = {row.task for row in found.rows}
    assert "depth" not in tasks or (figures(found, "depth")["absrel"] or 0) < tolerance
    assert "normal" not in tasks or (figures(found, "normal")["mean"] or 0) < 0.1 + 100 * tolerance * (tolerance > 1e-5)


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


class Processor:
    """Stands in for Sapiens2's, which needs torchvision: letterboxes into 32x32, and gives back normals of the source's size."""

    def __call__(self, images: Array, return_tensors: str) -> Any:
        rows = np.zeros((32, 32, 3), np.float32)
        rows[:, 4:28] = cv2.resize(images.astype(np.float32) / 255, (24, 32), interpolation=cv2.INTER_LINEAR)
        return transformers.BatchFeature({"pixel_values": torch.from_numpy(rows).permute(2, 0, 1)[None]})

    def post_process_normal_estimation(self, outputs: Any, source_sizes: Any = None, target_sizes: Any = None) -> list[dict[str, Any]]:
        assert source_sizes == target_sizes == [(48, 36)]
        inside = torch.nn.functional.normalize(outputs.normals, dim=1)[..., 4:28]
        return [{"normals": torch.nn.functional.interpolate(inside, source_sizes[0], mode="bilinear")[0]}]


def test_a_normal_model_of_transformers_is_undone_by_its_own_processor(
    coloured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answers(torch.nn.Module):
        def forward(self, pixel_values: torch.Tensor) -> Any:
            return transformers.utils.ModelOutput(normals=(2 * pixel_values - 1) * torch.tensor([1.0, -1.0, -1.0])[:, None, None])

    config = transformers.Dinov2Config(architectures=["Sapiens2ForNormalEstimation"])
    config.save_pretrained(tmp_path / "tiny")
    monkeypatch.setattr(transformers.AutoImageProcessor, "from_pretrained", lambda name: Processor())
    monkeypatch.setattr(transformers.AutoModelForNormalEstimation, "from_pretrained", lambda name, dtype: Answers())
    found = scored(coloured, model=str(tmp_path / "tiny"), normal_axes="x-y-z")
    assert (figures(found, "normal")["median"] or 0) < 3, "but for eight bits and the size"
    assert found.method.resolution == "32x32 by its image processor" and found.method.conversion == {"normal_axes": "x-y-z"}


def test_a_processor_that_needs_torchvision_is_one_line(spheres: Path, tmp_path: Path) -> None:
    config = transformers.DepthProConfig()
    config.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"image_processor_type": "DepthProImageProcessor"}')
    if importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is here")
    with pytest.raises(UserError, match="its image processor needs torchvision, which is not here") as error:
        scored(spheres, model=str(tmp_path))
    assert "\n" not in str(error.value)


def tiny_depth_anything(folder: Path, metric: bool = False) -> Any:
    """A randomly initialised Depth Anything with its image processor, saved as the hub has them."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=28, patch_size=14, out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, head_hidden_size=4,
        depth_estimation_type="metric" if metric else "relative", max_depth=20,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DepthAnythingForDepthEstimation(config).eval()
    model.save_pretrained(folder)
    size = {"height": 56, "width": 56}
    processor = DPTImageProcessorPil(size=size, keep_aspect_ratio=True, ensure_multiple_of=14)
    processor.save_pretrained(folder)
    return model, processor


@pytest.mark.parametrize("metric", [False, True], ids=["relative", "metric"])
def test_a_depth_model_of_transformers_is_scored_as_used_by_hand(spheres: Path, tmp_path: Path, metric: bool) -> None:
    model, processor = tiny_depth_anything(tmp_path / "tiny", metric)
    found = scored(spheres, model=str(tmp_path / "tiny"))
    alignment = "none" if metric else "lsq_disparity"
    by_hand = []
    for triplet in triplets(spheres):
        with torch.no_grad():
            raw = model(**processor(images=triplet.rgb, return_tensors="pt")).predicted_depth
        whole = torch.nn.functional.interpolate(raw[None], triplet.mask.shape, mode="bicubic", align_corners=False)[0, 0].numpy()
        by_hand.append(DEPTH.score(DEPTH.errors(whole, triplet.depth, triplet.mask, alignment=alignment)))
    assert row(found, "depth").alignment == alignment
    for name in ("rmse", "absrel", "delta1"):
        assert figures(found, "depth")[name] == pytest.approx(np.mean([image[name] for image in by_hand]), rel=1e-5)
    assert found.method.kind == "huggingface" and found.method.source == "tiny" and "by its image processor" in found.method.resolution


def test_what_an_unknown_models_depth_means_must_be_stated(spheres: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_depth_anything(tmp_path / "tiny")
    monkeypatch.setattr(huggingface, "DEPTHS", {})
    with pytest.raises(UserError, match="whether a depth_anything gives depth or disparity is not known here: state depth_kind="):
        scored(spheres, model=str(tmp_path / "tiny"))
    found = scored(spheres, model=str(tmp_path / "tiny"), depth_kind="depth")
    assert row(found, "depth").alignment == "lsq"
    with pytest.raises(UserError, match=r"cannot be loaded .*give a name on the hub or a folder") as error:
        scored(spheres, model=str(tmp_path))
    assert "\n" not in str(error.value)


def graph(path: Path, *, free: bool = False, names: tuple[str, str, str] = ("0", "1", "2")) -> None:
    """Three outputs as DAViD's: depth (1,H,W), the blue channel; normals, 2 x - 1 of the picture; coverage, the middle channel."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    size: list[int | str] = ["h", "w"] if free else [48, 48]
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    constant = lambda name, values, kind: numpy_helper.from_array(np.array(values, kind), name)
    depth, normal, cover = names
    nodes = [
        helper.make_node("Gather", ["x", "first"], [depth], axis=1),
        helper.make_node("Mul", ["x", "two"], ["doubled"]),
        helper.make_node("Sub", ["doubled", "one"], [normal]),
        helper.make_node("Slice", ["x", "ones", "twos", "ones"], [cover]),
    ]
    constants = [constant("first", 0, np.int64), constant("two", 2, np.float32), constant("one", 1, np.float32)]
    constants += [constant("ones", [1], np.int64), constant("twos", [2], np.int64)]
    outputs = [value(depth, [1, *size]), value(normal, [1, 3, *size]), value(cover, [1, 1, *size])]
    model = helper.make_model(
        helper.make_graph(nodes, "maps", [value("x", [1, 3, *size])], outputs, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    checker.check_model(model)
    save(model, path)


@pytest.fixture(scope="module")
def coloured(spheres: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spheres whose photographs are the colours of their normals: right for a graph that gives back the picture."""
    folder = tmp_path_factory.mktemp("coloured")
    made = [dataclasses.replace(t, rgb=normal_to_rgb(t.normal)) for t in triplets(spheres)]
    dataset = Dataset(configuration={}, seed=0, count=len(made))
    dataset.shards["shard-000000.tar"] = {**write_shard(folder / "shards" / "shard-000000.tar", made), "rejections": {}}
    dataset.save(folder)
    return folder


@pytest.mark.parametrize(
    "keys",
    [{"normal_axes": "zyx"}, {"onnx_channels": "rgb"}, {"onnx_channels": "rgb", "free": True}],
    ids=["as DAViD's", "rgb", "of any size"],
)
def test_an_onnx_file_sees_the_whole_picture_and_answers_in_place(coloured: Path, tmp_path: Path, keys: dict[str, Any]) -> None:
    keys = dict(keys)
    size = {"onnx_size": [48, 48]} if keys.pop("free", False) else {}
    graph(tmp_path / "model.onnx", free=bool(size))
    found = scored(coloured, onnx=str(tmp_path / "model.onnx"), tasks=["depth", "normal"], **keys, **size)
    assert (figures(found, "normal")["mean"] or 0) < 0.5, "but for eight bits"
    assert row(found, "depth").images == 8 and found.method.resolution == "48x48, borders repeated"
    other = {"onnx_channels": "rgb"} if "normal_axes" in keys else {"onnx_channels": "bgr"}
    wrong = scored(coloured, onnx=str(tmp_path / "model.onnx"), tasks=["normal"], **{**keys, **size, **other})
    assert (figures(wrong, "normal")["mean"] or 0) > 20


def test_normalisation_of_an_onnx_files_input_is_as_stated(coloured: Path, tmp_path: Path) -> None:
    graph(tmp_path / "model.onnx")
    keys = {"onnx": str(tmp_path / "model.onnx"), "onnx_channels": "rgb", "onnx_mean": [0.25] * 3, "onnx_std": [0.5] * 3}
    found = scored(coloured, tasks=["normal"], **keys)  # 2 (x - 1/4) / (1/2) - 1 = 4 x - 2: the same direction
    assert (figures(found, "normal")["mean"] or 0) < 0.5
    assert (figures(scored(coloured, tasks=["normal"], **{**keys, "onnx_mean": [0.0] * 3}), "normal")["mean"] or 0) > 10


def test_outputs_of_an_onnx_file_are_told_by_name_by_shape_or_by_statement(coloured: Path, tmp_path: Path) -> None:
    graph(tmp_path / "david.onnx")
    graph(tmp_path / "named.onnx", names=("foreground", "normals", "rel_depth"))
    tasks = lambda **keys: {row.task for row in scored(coloured, **keys).rows}
    assert tasks(onnx=str(tmp_path / "david.onnx")) == {"depth", "normal", "alpha"} == tasks(onnx=str(tmp_path / "named.onnx"))
    assert tasks(onnx=str(tmp_path / "david.onnx"), onnx_outputs=["", "", "depth"]) == {"depth"}
    with pytest.raises(UserError, match=r"onnx_outputs=\['depth'\]: name the task, or '', of each output of .*0 \[1, 48, 48\]"):
        tasks(onnx=str(tmp_path / "david.onnx"), onnx_outputs=["depth"])
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "david.onnx").read_bytes()[:100])
    for name, message in {"cut.onnx": "cannot be loaded", "absent.onnx": "does not exist"}.items():
        with pytest.raises(UserError, match=f"{name} {message}"):
            tasks(onnx=str(tmp_path / name))
