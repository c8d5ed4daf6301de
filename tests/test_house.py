"""The house keeps its walls: who may import whom, who may import bpy, and no ambient randomness."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ["scans", "render", "datasets", "train"]
CURRENCY = {"datasets.triplet", "datasets.conventions"}


def sources() -> Iterator[Path]:
    for room in ROOMS:
        yield from (ROOT / room).rglob("*.py")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_data_flows_left_to_right() -> None:
    for path in sources():
        room = path.relative_to(ROOT).parts[0]
        right = set(ROOMS[ROOMS.index(room) + 1 :])
        for name in imported(path):
            if name.split(".")[0] in right:
                assert ".".join(name.split(".")[:2]) in CURRENCY, f"{path} imports {name}, which lies to its right"


def test_only_the_files_around_blender_import_bpy() -> None:
    users = {path.relative_to(ROOT).as_posix() for path in sources() if {n.split(".")[0] for n in imported(path)} & {"bpy", "bmesh"}}
    assert users == {"render/blender.py", "render/body.py", "render/stage.py"}


def test_randomness_is_passed() -> None:
    # Module-level generators: np.random.<draw>, random.<draw>, torch.manual_seed. Generators as objects are fine; a training
    # run's own `seed_everything`, which starts weights and Lightning's workers, and the seed that its dropout gets at each step, are
    # the rim where a framework has no argument.
    ambient = re.compile(r"np\.random\.(?!default_rng|Generator|SeedSequence)\w+|(?<![\w.])random\.(?!Random)\w+|torch\.manual_seed")
    for path in sources():
        if path == ROOT / "train" / "module.py":
            continue
        found = ambient.search(path.read_text())
        assert not found, f"{path} uses ambient randomness: {found and found.group()}"
