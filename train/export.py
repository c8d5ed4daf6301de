"""`python -m train.export`: a trained model for the world outside."""

import importlib.util
import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from conf.command import UserError, command, key, required
from train import results
from train.card import card
from train.checkpoint import load
from train.model import Model
from train.tasks import TASKS

OPSET = 20
#: Largest difference from our own model's values that is let out.
TOLERANCE = 1e-3
#: What a protocol buffer, and so an ONNX file, can hold is 2 GiB; beyond that, weights go into a file beside it.
SINGLE_FILE = 1_800_000_000


@dataclass
class ExportConfig:
    """Write a model as a folder that Hugging Face's hub takes: safetensors and a card; and as graphs that need no code of ours.

    Graphs (onnx, torch) take pictures (B,3,H,W), RGB 0..1 in float32, of any number B, and give finished values named like
    the tasks. Each is run again and refused where it differs from the model by 1e-3 or more.
    """

    checkpoint: str = required("out= of a training run, a .ckpt file, or a folder from train.export")
    out: str = required("folder for the files")
    format: list[str] = key(["safetensors"], "safetensors (with config.json and README.md), onnx, torch (torch.export's .pt2)")
    size: list[int] | None = key(None, "of the graphs: height and width in pixels; null: those the model was trained at")
    dynamic: bool = key(False, "graphs of any height and width, near multiples of the patch; not every backbone can be traced so")
    title: str = key("Phidias model", "heading of the model card")
    licence: str = key("other", "of the weights, as Hugging Face names it; what the training data allow, you must know")
    scores: str | None = key(None, "out= of train.evaluate, for the model card")


class Finished(nn.Module):
    """The model with its last step: pictures (B,3,H,W) in 0..1 to values, one map per task, in order."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        raw = self.model(image)
        return tuple(TASKS[name].finish(raw) for name in self.model.tasks)


def trace(model: Model, size: tuple[int, int], dynamic: bool) -> torch.export.ExportedProgram:
    """The model as a graph for any batch, and where asked for any height and width. Raises UserError."""
    free = torch.export.Dim.AUTO
    shapes = {0: free, 2: free, 3: free} if dynamic else {0: free}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(Finished(model).eval(), (torch.rand(2, 3, *size),), dynamic_shapes=(shapes,))
    except Exception as error:  # torch.export raises what it likes
        raise UserError(f"the model cannot be traced ({_first_line(error)}){_mend(dynamic)}") from error


def write_torch(program: torch.export.ExportedProgram, path: Path) -> Callable[[Tensor], Any]:
    """The .pt2; returns what runs the file."""
    torch.export.save(program, path)
    return torch.export.load(path).module()


def write_onnx(program: torch.export.ExportedProgram, path: Path, tasks: list[str], size: tuple[int, int]) -> Callable[[Tensor], Any]:
    """The .onnx, with the weights beside it where they are large; returns what runs the file. Its metadata tell `channels` and `size`."""
    import onnxruntime

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # operators of torchvision are missed, which nothing here uses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = torch.onnx.export(program, dynamo=True, opset_version=OPSET, input_names=["image"], output_names=tasks, verbose=False)
    assert graph is not None
    graph.model.metadata_props.update(channels="rgb", size="{}x{}".format(*size))
    large = sum(values.nbytes for values in program.state_dict.values()) > SINGLE_FILE
    graph.save(path, external_data=large)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda image: [torch.from_numpy(values) for values in session.run(tasks, {"image": image.numpy()})]


def difference(model: Model, graph: Callable[[Tensor], Any], size: tuple[int, int], dynamic: bool) -> float:
    """Largest difference between the graph's and the model's values, for another batch and other sizes than it was traced with."""
    generator = torch.Generator().manual_seed(0)
    step = model.backbone.multiple
    sizes = [size, (size[0] + 2 * step, size[1] + step)] if dynamic else [size]
    off = []
    for height, width in sizes:
        image = torch.rand(3, 3, height, width, generator=generator)
        with torch.no_grad():
            wanted, got = Finished(model)(image), graph(image)
        off += [(a - b).abs().max() for a, b in zip(wanted, got, strict=True)]
    return float(torch.stack(off).max())  # NaN, if any is


def export_graphs(model: Model, folder: Path, formats: list[str], size: tuple[int, int], dynamic: bool) -> dict[str, float]:
    """Write the graphs; returns how far each is off. Raises UserError where one differs."""
    off = {}
    for kind in sorted(formats, reverse=True):  # torch before onnx
        if kind == "onnx":  # torch's exporter takes fused attention apart in a way that not every network survives
            model.backbone.network.set_attn_implementation("eager")
        program = trace(model, size, dynamic)
        try:
            onnx = kind == "onnx"
            graph = write_onnx(program, folder / "model.onnx", model.tasks, size) if onnx else write_torch(program, folder / "model.pt2")
            off[kind] = difference(model, graph, size, dynamic)
        except Exception as error:  # three libraries' errors
            raise UserError(f"format={kind} cannot be made or run ({_first_line(error)}){_mend(dynamic)}") from error
        if not off[kind] < TOLERANCE:
            raise UserError(f"format={kind} differs from the model by {off[kind]:.1e}, {TOLERANCE:.0e} or more: refused{_mend(dynamic)}")
    return off


def write_safetensors(model: Model, folder: Path) -> None:
    """config.json, whose `phidias` is the model's recipe, and model.safetensors with the tensors of its state_dict()."""
    facts = {"model_type": "phidias", "architectures": ["Model"], "phidias": model.recipe()}
    (folder / "config.json").write_text(json.dumps(facts, indent=1) + "\n")
    weights = {name: values.detach().cpu().contiguous() for name, values in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def check(config: ExportConfig) -> None:
    """Refuse what cannot work, before anything is loaded."""
    known = ("safetensors", "onnx", "torch")
    if not config.format or [kind for kind in config.format if kind not in known]:
        raise UserError(f"format={config.format}: choose from {', '.join(known)}")
    if config.size and (len(config.size) != 2 or min(config.size) < 1):
        raise UserError(f"size={config.size}: give height and width in pixels, as size=[1024,768]")
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if not importlib.util.find_spec(name)]
    if "onnx" in config.format and missing:
        raise UserError(f"format=onnx needs {', '.join(missing)}: pip install -c constraints.txt -e '.[export]'")
    if config.scores and not (Path(config.scores) / results.FILE).is_file():
        raise UserError(f"scores={config.scores} has no {results.FILE}: give the out= of train.evaluate")


@command("train.export", ExportConfig)
def main(config: ExportConfig) -> None:
    check(config)
    model = load(Path(config.checkpoint)).float()
    height, width = config.size or model.size
    shape = "(B, 3, H, W)" if config.dynamic else f"(B, 3, {height}, {width})"
    graphs = [kind for kind in config.format if kind != "safetensors"]
    out = Path(config.out)
    hidden = out / f".{os.getpid()}"
    hidden.mkdir(parents=True)
    try:
        off = export_graphs(model, hidden, graphs, (height, width), config.dynamic) if graphs else {}
        if "safetensors" in config.format:
            write_safetensors(model, hidden)
            facts = {"opset": str(OPSET), "shape": shape}
            scores = Path(config.scores) if config.scores else None
            (hidden / "README.md").write_text(
                card(model, config.title, config.licence, graphs, facts, Path(config.checkpoint).absolute(), scores)
            )
        for path in sorted(hidden.iterdir()):
            os.replace(path, out / path.name)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    for kind, value in off.items():
        print(f"{kind}: {shape}, values within {value:.1e} of the model's")
    print(f"{out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _mend(dynamic: bool) -> str:
    return ": give dynamic=false" if dynamic else "; use format=safetensors"


if __name__ == "__main__":
    main()
