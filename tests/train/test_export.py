"""Models in others' formats, run again by others' code."""

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from conf.command import UserError
from tests.train.conftest import run
from train import backbones, card, export, results
from train.checkpoint import load
from train.config import BackboneConfig, HeadConfig
from train.evaluate import EvaluateConfig, evaluate, gathered
from train.model import Model
from train.tasks import TASKS

SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
BACKBONES: dict[str, dict[str, Any]] = {
    "dinov3_vit": {**SMALL, "intermediate_size": 32},
    "sapiens": {**SMALL, "image_size": [64, 48]},
    "sapiens2": {**SMALL, "intermediate_size": 32, "num_key_value_heads": 2},
}
HEADS: dict[str, dict[str, Any]] = {
    "deconv": {"widths": [8, 8], "hidden": [8]},
    "slim": {"widths": [8, 8], "detail": 4},
    "pixelshuffle": {"widths": [8, 8], "hidden": [8]},
    "dpt": {"widths": [8, 8, 8, 8], "fused": 8, "outputs": 8},
}


def model(backbone: str, head: str, tasks: tuple[str, ...] = ("depth", "normal")) -> Model:
    torch.manual_seed(0)
    layers = [1, 2] if head == "dpt" else None
    network = backbones.build(BackboneConfig(name=None, type=backbone, options=BACKBONES[backbone], layers=layers))
    return Model(network, list(tasks), HeadConfig(kind=head, options=HEADS[head], shared=True), (64, 48)).eval()


@pytest.fixture(scope="session")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run in all formats, through the command line."""
    out = tmp_path_factory.mktemp("exported")
    done = run("train.export", f"checkpoint={trained}", f"out={out}", "format=[safetensors,onnx,torch]", "title=Tiny", "licence=cc0-1.0")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "onnx: (B, 3, 32, 24), values within" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "config.json", "model.onnx", "model.pt2", "model.safetensors"]
    return out


def test_an_exported_folder_loads_as_the_same_model(trained: Path, exported: Path) -> None:
    before, after = load(trained), load(exported)
    assert after.recipe() == before.recipe() and not after.training
    assert all(torch.equal(a, b) for a, b in zip(before.state_dict().values(), after.state_dict().values(), strict=True))
    stored = load_file(exported / "model.safetensors")
    assert stored.keys() == before.state_dict().keys()
    assert json.loads((exported / "config.json").read_text())["phidias"]["tasks"] == ["depth", "normal"]


@pytest.mark.parametrize("batch", [1, 5])
def test_strangers_get_the_models_values_from_the_graphs(batch: int, trained: Path, exported: Path) -> None:
    """As the card says: pictures in 0..1, nothing else to know."""
    import onnxruntime

    picture = torch.rand(batch, 3, 32, 24, generator=torch.Generator().manual_seed(batch))
    with torch.no_grad():
        raw = load(trained)(picture)
    wanted = {"depth": raw["depth"], "normal": F.normalize(raw["normal"], dim=1)}
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    assert [o.name for o in session.get_outputs()] == ["depth", "normal"] and [i.name for i in session.get_inputs()] == ["image"]
    got = session.run(["depth", "normal"], {"image": picture.numpy()})
    graph = torch.export.load(exported / "model.pt2").module()
    with torch.no_grad():
        same = graph(picture)
    for values, onnx, pt2 in zip(wanted.values(), got, same, strict=True):
        np.testing.assert_allclose(onnx, values, atol=1e-3)
        np.testing.assert_allclose(pt2, values, atol=1e-5)


def test_the_onnx_file_is_scored_as_the_model_is(spheres: Path, trained: Path, exported: Path) -> None:
    """It tells its order of channels, for which DAViD's would be taken."""
    found = [
        gathered(*evaluate(EvaluateConfig(str(spheres), device="cpu", tasks=["normal"], **method)))
        for method in ({"checkpoint": str(trained)}, {"onnx": str(exported / "model.onnx")})
    ]
    model, onnx = (next(row.figures["mean"] or 0 for row in results.rows) for results in found)
    assert onnx == pytest.approx(model, rel=0.01)
    assert found[1].method.conversion["channels"] == "rgb" and found[1].method.resolution == "32x24, borders repeated"


def test_an_onnx_file_of_any_size_tells_that_of_its_training(spheres: Path, tmp_path: Path) -> None:
    export.export_graphs(model("sapiens", "slim"), tmp_path, ["onnx"], (64, 48), dynamic=True)
    found = gathered(*evaluate(EvaluateConfig(str(spheres), device="cpu", onnx=str(tmp_path / "model.onnx"))))
    assert found.method.resolution == "64x48, borders repeated"


def test_the_card_says_what_a_stranger_needs(exported: Path) -> None:
    text = (exported / "README.md").read_text()
    assert text.startswith("---\nlicense: cc0-1.0\n") and "# Tiny" in text and "$" not in text
    assert "x right, y up, z toward the camera" in text and "not metres" in text and "32 x 24" in text
    assert "opset 20" in text and "torch.export.load" in text and "(B, 3, 32, 24)" in text
    assert "steps: 2" in text and "out:" not in text and "/tmp" not in text, "the configuration, without this machine's paths"


def test_the_card_tells_no_path_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data: [/home/me/a, b/c]\nbackbone: {name: /home/me/weights.pth}\nout: /home/me/run\n")
    text = card.training(tmp_path)
    assert "/home" not in text and "- a\n- b/c\n" in text and "name: weights.pth" in text


@pytest.mark.parametrize(
    ("backbone", "head", "dynamic"),
    [
        ("sapiens", "slim", True),
        ("sapiens2", "pixelshuffle", True),
        ("dinov3_vit", "dpt", False),
    ],
)
def test_kinds_of_backbones_and_heads_export(backbone: str, head: str, dynamic: bool, tmp_path: Path) -> None:
    tasks = tuple(TASKS) if head == "slim" else ("depth", "normal")
    off = export.export_graphs(model(backbone, head, tasks), tmp_path, ["torch", "onnx"], (64, 48), dynamic)
    assert off.keys() == {"torch", "onnx"} and max(off.values()) < export.TOLERANCE


def test_a_graph_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = export.write_torch
    monkeypatch.setattr(export, "write_torch", lambda *given: lambda image: [values + 2e-3 for values in whole(*given)(image)])
    with pytest.raises(UserError, match=r"format=torch differs from the model by 2\.0e-03"):
        export.export_graphs(model("sapiens", "deconv"), tmp_path, ["torch"], (64, 48), False)


def test_nan_is_a_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = export.write_torch
    monkeypatch.setattr(export, "write_torch", lambda *given: lambda image: [values * torch.nan for values in whole(*given)(image)])
    with pytest.raises(UserError, match="format=torch differs"):
        export.export_graphs(model("sapiens", "deconv"), tmp_path, ["torch"], (64, 48), False)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"format": ["tflite"]}, "format="),
        ({"size": [64]}, "size="),
        ({"scores": "/nowhere"}, "scores=/nowhere has no results.json"),
    ],
)
def test_mistakes_are_one_line(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        export.check(export.ExportConfig("", "", **keys))


def test_a_missing_library_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else whole(name))
    with pytest.raises(UserError, match=r"needs onnxscript: pip install .*\[export\]"):
        export.check(export.ExportConfig("", "", format=["onnx"]))
    export.check(export.ExportConfig("", "", format=["torch"]))


def test_the_cards_table_holds_the_scores(tmp_path: Path) -> None:
    row = results.Row("depth", "median", "all", "macro", 7, 99, {"rmse": 0.12344, "delta1": 0.9, "silog": None})
    benchmark = results.Benchmark(None, None, "test", None, 7, True)
    rows = (row, dataclasses.replace(row, average="micro"), dataclasses.replace(row, group="framing=face"))
    found = results.Results(benchmark, results.Method("ours", "ours", "run", "32x24"), rows)
    results.write(tmp_path, found, results.Images([], [], {}))
    table = card.results(tmp_path).splitlines()
    assert table[0] == "| depth, 7 images, aligned: median | rmse | delta1 | silog |" and table[2] == "| macro | 0.1234 | 0.9 |  |"
    assert table[3].startswith("| micro |") and not table[4]
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(UserError, match=r"results\.json"):
        card.results(tmp_path)
