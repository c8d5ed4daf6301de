"""The model card of an exported model."""

from pathlib import Path
from string import Template
from typing import Any

from omegaconf import OmegaConf

from datasets.geometry import FILL
from train.metrics import EVERYTHING
from train.model import Model
from train.results import read
from train.run import CONFIG_FILE
from train.tasks import TASKS

GRAPHS = {
    "onnx": """
```python
import onnxruntime  # model.onnx, opset $opset; values come out finished, as in the table

maps = onnxruntime.InferenceSession("model.onnx").run($names, {"image": picture})  # picture: $shape float32
```
""",
    "torch": """
```python
import torch  # model.pt2, needs neither Phidias nor transformers

maps = torch.export.load("model.pt2").module()(picture)  # picture: $shape float32; a tuple: $tasks
```
""",
}


def card(model: Model, title: str, licence: str, formats: list[str], facts: dict[str, str], run: Path, scores: Path | None) -> str:
    """Markdown with the metadata that Hugging Face reads. `facts`: opset and shape of the exported graphs. Raises UserError."""
    height, width = model.size
    names = facts | {"names": str(model.tasks), "tasks": ", ".join(model.tasks)}
    return Template(Path(__file__).with_name("card.md").read_text()).substitute(
        title=title,
        licence=licence,
        tags=", ".join(model.tasks),
        tasks=" and ".join(model.tasks),
        height=height,
        width=width,
        fill=FILL,
        outputs="\n".join(f"| `{task}` | {TASKS[task].channels} | {TASKS[task].meaning} |" for task in model.tasks),
        backbone=model.backbone.network.config.model_type,
        head=model.head.kind,
        parameters=f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}",
        graphs="".join(Template(GRAPHS[kind]).substitute(names) for kind in formats if kind in GRAPHS),
        training=training(run),
        results=results(scores),
    )


def training(run: Path) -> str:
    """The configuration of the run the checkpoint is from, without the paths of the machine that trained it."""
    path = next((folder / CONFIG_FILE for folder in (run, *run.parents[:2]) if (folder / CONFIG_FILE).is_file()), None)
    if path is None:
        return "No configuration came with the checkpoint."
    keys: Any = OmegaConf.to_container(OmegaConf.load(path))
    keys.pop("out", None)
    return f"```yaml\n{OmegaConf.to_yaml(OmegaConf.create(_named(keys)))}```"


def _named(values: Any) -> Any:
    """Configuration values with the last part alone of each absolute path."""
    if isinstance(values, dict):
        return {name: _named(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_named(value) for value in values]
    return Path(values).name if isinstance(values, str) and Path(values).is_absolute() else values


def results(scores: Path | None) -> str:
    """The figures of `train.evaluate`'s out= over everything, as tables. Raises UserError."""
    if scores is None:
        return "Not scored here: `python -m train.evaluate benchmark=DIR checkpoint=FOLDER out=SCORES`."
    found = read(scores)
    tables = []
    for task, alignment in dict.fromkeys((row.task, row.alignment) for row in found.rows):
        rows = [row for row in found.rows if (row.task, row.alignment, row.group) == (task, alignment, EVERYTHING)]
        figures = rows[0].figures
        what = f"{task}, {rows[0].images} images{f', aligned: {alignment}' if alignment else ''}"
        lines = [f"| {what} | {' | '.join(figures)} |", "|---" * (1 + len(figures)) + "|"]
        for row in rows:
            cells = " | ".join("" if value is None else f"{value:.4g}" for value in row.figures.values())
            lines.append(f"| {row.average} | {cells} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables) + "\n\nmicro: all pixels together; macro: mean over images."
