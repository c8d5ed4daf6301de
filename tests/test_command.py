"""How commands treat their users: help, typos, missing keys, errors in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
from dataclasses import dataclass
from typing import Any
from conf.command import UserError, command, key, required

@dataclass
class Lens:
    lens_mm: float = key(50.0, "focal length, mm")
    options: dict[str, Any] = key({}, "anything")

@dataclass
class Config:
    \"\"\"Does a thing.\"\"\"
    out: str = required("folder to write")
    count: int = key(3, "how many")
    camera: Lens = key(Lens, "")

@command("thing", Config)
def main(config: Config) -> None:
    if config.count < 0:
        raise UserError(f"count={config.count}: must be positive")
    print("RAN", type(config).__name__, config.out, config.count, config.camera.lens_mm, config.camera.options)

main()
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "thing.py").write_text(CODE)
    return subprocess.run([sys.executable, str(folder / "thing.py"), *arguments], capture_output=True, text=True, timeout=60)


def test_the_function_gets_a_typed_configuration(tmp_path: Path) -> None:
    done = run(tmp_path, "out=x", "count=5", "camera.lens_mm=85", "+camera.options.any=1")
    assert done.stdout.strip() == "RAN Config x 5 85.0 {'any': 1}", done.stderr


def test_help_names_every_key_with_default_and_unit(tmp_path: Path) -> None:
    text = run(tmp_path, "--help").stdout
    for part in ("Does a thing.", "out=REQUIRED", "folder to write", "count=3", "camera.lens_mm=50.0", "focal length, mm"):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["out=x", "cuont=5"], "unknown key 'cuont': did you mean 'count'?"),
        (["out=x", "camera.lens=85"], "unknown key 'camera.lens': did you mean 'camera.lens_mm'?"),
        (["count=5"], "missing key 'out'"),
        (["out=x", "count=-1"], "count=-1: must be positive"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2 and complaint in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_sweep_runs_every_value(tmp_path: Path) -> None:
    lines = [line for line in run(tmp_path, "-m", "out=x", "count=1,2").stdout.splitlines() if line.startswith("RAN")]
    assert [line.split()[3] for line in lines] == ["1", "2"]
