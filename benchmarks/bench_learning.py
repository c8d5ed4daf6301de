"""What do more pictures and more steps buy, on people and lights never seen? The demo's network (192x144, from nothing), trained on
64, 256 and 768 rendered pictures and scored on 64 of other people, beside the trivial predictions. The longest benchmark: an hour and a
half on two cores. What is made stays in outputs/bench/learning; a second call goes on where the first one stopped.
"""

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path("outputs/bench/learning")
PEOPLE = 120
#: Pictures of each folder of triplets. The training data are the first one, two or three.
TRAIN, TEST = (64, 192, 512), 64
#: (folders, steps of 8 pictures) of each run.
RUNS = ((1, 1500), (2, 1500), (3, 1500), (3, 5000))
COLUMNS = {
    "normal °": ("normal", "mean", 1),
    "<11.25° %": ("normal", "within_11.25", 100),
    "AbsRel": ("depth", "absrel", 1),
    "RMSE m": ("depth", "rmse", 1),
    "delta1 %": ("depth", "delta1", 100),
}


def call(module: str, *keys: str) -> None:
    """A command of this repository, as a user gives it."""
    subprocess.run([sys.executable, "-m", module, *keys], check=True)


def render(name: str, split: str, count: int, seed: int, frames_per_scan: int = 8) -> Path:
    """Triplets of 384x288 of the people of a split."""
    out = FOLDER / name
    size = ("height=384", "width=288", "samples=8", "shard_size=8", f"frames_per_scan={frames_per_scan}")
    call("render", f"scans={FOLDER / 'people'}", f"out={out}", f"split={split}", f"count={count}", f"seed={seed}", *size)
    return out


def data() -> tuple[list[Path], Path]:
    """Folders to learn from, and the one of people and lights that are in none of them; made at the first call."""
    call("scans.people", f"out={FOLDER / 'people'}", f"count={PEOPLE}", "seed=11", "quality=draft", "texture=512")
    folders = [render(f"train-{i}", "train", count, seed=20 + i) for i, count in enumerate(TRAIN)]
    return folders, render("test", "test", TEST, seed=30, frames_per_scan=2)


def score(folders: list[Path], steps: int, test: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Task -> model and baseline -> figures over all person pixels, of a model trained on these folders."""
    run = FOLDER / f"run-{len(folders)}-{steps}"
    data = f"data=[{','.join(map(str, folders))}]"
    call("train", "experiment=demo", data, f"out={run}", f"steps={steps}", "val_every=500", "save_every=500")
    scores: dict[str, dict[str, dict[str, float]]] = {"depth": {}, "normal": {}}
    for who, method in {"model": f"checkpoint={run}", "baseline": "baseline=trivial"}.items():
        out = run / "scores" / who
        call("train.evaluate", f"benchmark={test}", method, f"out={out}")
        for row in json.loads((out / "results.json").read_text())["rows"]:
            if (row["group"], row["average"]) == ("all", "micro"):
                scores[row["task"]][who] = row["figures"]
    return scores


def row(label: str, scores: dict[str, dict[str, dict[str, float]]], who: str) -> str:
    return f"{label:>30}" + "".join(f"{factor * scores[task][who][figure]:11.3f}" for task, figure, factor in COLUMNS.values())


def main() -> None:
    folders, test = data()
    lines = []
    for used, steps in RUNS:
        scores = score(folders[:used], steps, test)
        lines += [row(f"{sum(TRAIN[:used])} pictures, {steps} steps", scores, "model")]
    print(f"{TEST} pictures of people and lights never seen, all person pixels\n{'':30}" + "".join(f"{name:>11}" for name in COLUMNS))
    print("\n".join([row("trivial", scores, "baseline"), *lines]))


if __name__ == "__main__":
    main()
