"""The table of tasks: each row agrees with itself, and the commands that loop over it serve them all."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from datasets import geometry
from datasets.augment import Augmentation, draw_view
from datasets.batch import Batch, collate
from datasets.conventions import camera_rays
from datasets.triplet import Dataset, write_shard
from tests.fixtures import sphere_triplet
from train import backbones, errormaps, evaluate, export, losses, metrics
from train.config import BackboneConfig, HeadConfig
from train.evaluate import EvaluateConfig
from train.model import Model
from train.tasks import TASKS, Raw, fields

LOSSES = [(task, loss) for task in TASKS for loss in TASKS[task].losses]


def triplets(count: int = 2) -> list:
    rng = np.random.default_rng(0)
    made = [sphere_triplet(f"{i:09d}", rng, 48, 36, f"sphere-{i}") for i in range(count)]
    return [dataclasses.replace(t, albedo=np.where(t.mask[..., None] > 0, rng.integers(20, 230, 3), 0).astype(np.uint8)) for t in made]


def view() -> Batch:
    """As a model in training sees them: turned, zoomed, moved, mirrored."""
    batch = collate(triplets())
    drawn = draw_view(Augmentation(flip=1.0), batch["size"], (40, 32), torch.Generator().manual_seed(0))
    return geometry.apply(drawn, batch, (40, 32))


def perfect(batch: Batch) -> dict[str, Tensor]:
    """Raw predictions that are right."""
    scale = losses.canonical_scale(batch["K"], batch["mask"].shape[-1]).float()
    raw = {name: TASKS[name].truth(batch)[0].float() for name in TASKS}
    return {
        "depth": losses.normalised_depth(batch["depth"], batch["mask"]),
        "normal": raw["normal"],
        "alpha": raw["alpha"].clamp(1e-4, 1 - 1e-4).logit(),
        "albedo": raw["albedo"].clamp(1e-4, 1 - 1e-4).logit(),
        "pointmap": raw["pointmap"] * scale[..., None, None],
        "pointmap_scale": scale.expm1().log(),
    }


def noise(like: Raw) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(values.shape, generator=generator) for name, values in like.items()}


def array(values: Tensor, index: int) -> np.ndarray:
    return values[index].permute(1, 2, 0).squeeze(-1).numpy()


@pytest.mark.parametrize(("task", "loss"), LOSSES)
def test_a_loss_is_low_where_the_prediction_is_right(task: str, loss: str) -> None:
    batch = view()
    right = perfect(batch)
    function = TASKS[task].losses[loss]
    assert float(function(right, batch)) < 0.02 < 0.2 < float(function(noise(right), batch))


@pytest.mark.parametrize(("task", "loss"), LOSSES)
def test_a_loss_trains_everything_its_task_predicts_in_bfloat16_and_without_anyone(task: str, loss: str) -> None:
    batch = view()
    batch["mask"][0] = 0
    raw = {name: values.bfloat16().requires_grad_() for name, values in noise(perfect(batch)).items()}
    TASKS[task].losses[loss](raw, batch).backward()
    for name in (task, *TASKS[task].numbers):
        gradient = raw[name].grad
        assert gradient is not None and gradient.isfinite().all() and gradient[1].any()
    batch["mask"][:] = 0
    nobody = {name: values.detach().requires_grad_() for name, values in raw.items()}
    TASKS[task].losses[loss](nobody, batch).backward()
    assert all(values.grad is None or values.grad.isfinite().all() for values in nobody.values())


@pytest.mark.parametrize("name", TASKS)
def test_a_right_prediction_scores_perfectly_and_the_trivial_one_does_not(name: str) -> None:
    task, batch = TASKS[name], view()
    truth, known = task.truth(batch)
    values = task.finish(perfect(batch))
    assert values.shape == truth.shape == (2, task.channels, 40, 32) and len(task.exr) == task.channels
    main, figure = next(iter(task.measure.figures.items()))
    for i in range(2):
        true, mask = array(truth, i), array(known, i)
        right, trivial = (task.measure.score(task.measure.errors(v, true, mask)) for v in (array(values, i), task.baseline(true, mask)))
        assert right.keys() == trivial.keys() == task.measure.figures.keys()
        assert right[main] < 1e-3 and figure.best(right[main], trivial[main]) != trivial[main]


@pytest.mark.parametrize("name", TASKS)
def test_a_picture_can_be_made_with_and_without_a_person(name: str) -> None:
    task, batch = TASKS[name], view()
    truth, known = task.truth(batch)
    true, mask = array(truth, 0), array(known, 0)
    shown = task.picture(true, mask)
    assert shown.shape == (40, 32, 3) and shown.dtype == np.uint8 and shown[mask > 0].any()
    nobody = task.picture(true, np.zeros_like(mask))
    assert nobody.shape == shown.shape and (name == "alpha" or not nobody.any())


def test_the_truth_of_the_point_map_is_in_metres_in_the_cameras_axes_whatever_the_view() -> None:
    batch = view()
    found = TASKS["pointmap"].truth(batch)[0]
    for i in range(2):
        wanted = camera_rays(batch["K"][i].numpy(), 40, 32) * batch["depth"][i, 0].numpy()[..., None]
        np.testing.assert_allclose(array(found, i), wanted, atol=1e-5)


def test_one_metre_is_one_metre_whatever_scale_is_predicted() -> None:
    batch = view()
    raw = perfect(batch)
    truth = TASKS["pointmap"].truth(batch)[0]
    torch.testing.assert_close(TASKS["pointmap"].finish(raw), truth, rtol=1e-4, atol=1e-4)
    off = {**raw, "pointmap_scale": (losses.canonical_scale(batch["K"], 32).float() * 2).expm1().log()}
    mask = array(batch["mask"], 0)
    errors = metrics.POINTS.errors(array(TASKS["pointmap"].finish(off), 0), array(truth, 0), mask)
    distance = np.linalg.norm(array(truth, 0)[mask > 0], axis=-1)
    np.testing.assert_allclose(errors.values["metres"], distance / 2, rtol=1e-3)
    assert errors.values["scale"].max() < 1e-3


def test_readers_decode_what_the_tasks_need_and_no_more() -> None:
    assert "albedo" not in fields(["depth", "normal", "pointmap"]) and fields(["albedo"]).count("albedo") == 1


def test_all_tasks_at_once_are_scored(tmp_path: Path) -> None:
    dataset = Dataset(configuration={}, seed=0, count=3)
    dataset.shards["shard-000000.tar"] = {**write_shard(tmp_path / "shards" / "shard-000000.tar", triplets(3)), "rejections": {}}
    dataset.save(tmp_path)
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8, "image_size": 32}
    backbone = backbones.build(BackboneConfig(name=None, type="dinov2", options=tiny))
    head = HeadConfig(kind="slim", options={"widths": [8], "detail": 2}, shared=True)
    export.write_safetensors(Model(backbone, list(TASKS), head, (32, 24)), tmp_path)
    data, predictor, scored = evaluate.evaluate(EvaluateConfig(str(tmp_path), checkpoint=str(tmp_path), device="cpu"))
    found = evaluate.gathered(data, predictor, scored)
    text = evaluate.table(data, found)
    for name, task in TASKS.items():
        assert f"3 images, {task.pixels}" in text and f"{name} on {tmp_path.name}" in text
        rows = [row for row in found.rows if (row.task, row.group) == (name, "all")]
        assert [row.average for row in rows] == ["macro", "micro"]
        assert all(np.isfinite(value) for row in rows for figure, value in row.figures.items() if figure != "boundary_f1")
    assert "pointmap_epe_scale" in evaluate.per_image(scored)
    assert {picture.task for picture in errormaps.write(tmp_path / "scores", data, predictor, scored)} == {*TASKS}
