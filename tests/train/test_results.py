"""What evaluate leaves is read back as it was, and anything else is refused in one line."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conf.command import UserError
from tests.train import scored
from train.results import ARRAYS, FILE, Results, read, read_images


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("results")
    return folder, scored.write(folder, triplets=scored.spheres(3), alignments={"depth": ("lsq",), "normal": ("",)})


@pytest.fixture
def folder(written: tuple[Path, Results], tmp_path: Path) -> Path:
    """A copy to spoil."""
    for name in (FILE, ARRAYS):
        (tmp_path / name).write_bytes((written[0] / name).read_bytes())
    return tmp_path


def test_results_are_read_as_they_were_written_but_for_nan_which_is_null(written: tuple[Path, Results]) -> None:
    folder, made = written
    found = read(folder)
    assert (found.benchmark, found.method, found.pictures, found.versions) == (made.benchmark, made.method, made.pictures, made.versions)
    for ours, theirs in zip(made.rows, found.rows, strict=True):
        assert (ours.task, ours.alignment, ours.group, ours.average, ours.images) == (
            *(theirs.task, theirs.alignment, theirs.group, theirs.average),
            theirs.images,
        )
        assert {name: None if math.isnan(value or 0) else value for name, value in ours.figures.items()} == theirs.figures
        assert {name: ends for name, ends in ours.interval.items() if not math.isnan(ends[0])} == theirs.interval
    assert any(None in row.figures.values() for row in found.rows), "spheres have no boundaries: the test needs a figure that is undefined"


def test_scores_read_again_give_the_rows_of_the_results(written: tuple[Path, Results]) -> None:
    folder, made = written
    images = read_images(folder, read(folder))
    assert len(images.keys) == len(images.persons) == 3
    for row in made.rows:
        found = getattr(images.scores[(row.task, row.alignment, row.group)], row.average)()
        assert found == pytest.approx(row.figures, nan_ok=True, rel=1e-15)


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    def spoil(folder: Path) -> None:
        data = json.loads((folder / FILE).read_text())
        change(data)
        (folder / FILE).write_text(json.dumps(data))

    return spoil


def drop(name: str) -> Callable[[Path], Any]:
    def spoil(folder: Path) -> None:
        with np.load(folder / ARRAYS) as file:
            kept = {key: values for key, values in file.items() if not key.startswith(name)}
        np.savez(folder / ARRAYS, **kept)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / FILE).unlink(), "has no results.json"),
        (lambda folder: (folder / FILE).write_text("{"), "results.json cannot be read"),
        (lambda folder: (folder / FILE).write_text("[1]"), "schema None"),
        (edit(lambda data: data.update(schema=2)), "schema 2, this version reads 1"),
        (edit(lambda data: data.pop("method")), "method is"),
        (edit(lambda data: data["rows"][1]["figures"].update(rmse="many")), r"rows.1.figures.rmse is 'many'"),
        (edit(lambda data: data["rows"][0].update(average="median")), "rows.0.average is 'median'"),
        (edit(lambda data: data["rows"][0]["figures"].update(psnr=1.0)), "figure 'psnr' of depth is unknown"),
        (edit(lambda data: data["rows"][0].update(task="flow")), "task 'flow' is unknown"),
        (edit(lambda data: data["pictures"][0].update(figure="psnr")), "figure 'psnr' of depth is unknown"),
        (lambda folder: (folder / ARRAYS).unlink(), "has no per_image.npz"),
        (lambda folder: (folder / ARRAYS).write_bytes((folder / ARRAYS).read_bytes()[:200]), "per_image.npz cannot be read"),
        (drop("keys"), "per_image.npz cannot be read"),
        (drop("normal/-/all/"), "lacks normal/None/all"),
        (drop("normal/-/all/sums"), "lacks 'normal/-/all/sums'"),
    ],
)
def test_what_is_not_a_whole_result_is_refused(folder: Path, spoil: Callable[[Path], Any], said: str) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=said) as error:
        read_images(folder, read(folder))
    assert "\n" not in str(error.value)
    assert folder.name in str(error.value), "the file is named"
    assert "evaluate" in str(error.value), "and the mend"


def test_places_outside_the_dataset_are_refused(folder: Path) -> None:
    with np.load(folder / ARRAYS) as file:
        arrays = dict(file)
    arrays["depth/lsq/all/places"] = arrays["depth/lsq/all/places"] + 1
    np.savez(folder / ARRAYS, **arrays)
    with pytest.raises(UserError, match=r"depth/lsq/all is .* not among the 3"):
        read_images(folder, read(folder))
