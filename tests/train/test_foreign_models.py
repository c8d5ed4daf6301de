"""Other people's models, of transformers and as ONNX files: what they are shown, and how what they answer is read."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import transformers

from conf.command import UserError
from datasets.conventions import Array, normal_to_rgb
from datasets.triplet import Dataset, write_shard
from tests.train.predicted import figures, row, scored, triplets
from train.metrics import DEPTH
from train.predictors import huggingface


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
