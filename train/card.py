"""The model card of an exported model."""

import json
from pathlib import Path
from string import Template
from typing import Any

from omegaconf import OmegaConf

from conf.command import UserError
from datasets.geometry import FILL
from train.model import Model
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


def card(model: Model, title: str, licence: str, formats: list[str], facts: dict[str, str], run: Path, metrics: Path | None) -> str:
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
        results=results(metrics),
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


def results(metrics: Path | None) -> str:
    """The figures of `train.evaluate`'s metrics.json as tables. Raises UserError."""
    if metrics is None:
        return "Not scored here: `python -m train.evaluate checkpoint=FOLDER data=DIR out=SCORES`."
    try:
        scored = json.loads(metrics.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"metrics={metrics} cannot be read ({error}): give the metrics.json of train.evaluate") from error
    tables = []
    for task in (name for name in TASKS if name in scored):
        rows = [(who, kind, scored[task][who].get(kind)) for kind in ("micro", "macro") for who in ("model", "baseline")]
        figures = {column: None for *_, values in rows for column in values or {}}
        lines = [f"| {task}, {scored[task]['images']} images | | {' | '.join(figures)} |", "|---" * (2 + len(figures)) + "|"]
        for who, kind, values in rows:
            cells = " | ".join(f"{values[c]:.4g}" if values.get(c) is not None else "" for c in figures)
            lines.append(f"| {scored[task][who].get('name', who)} | {kind} | {cells} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables) + "\n\nmicro: all pixels together; macro: mean over images."
