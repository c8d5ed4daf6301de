"""The data module under a real Lightning trainer: what each step sees, also after a resume."""

import dataclasses
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from conf.command import UserError
from datasets import reader
from datasets.augment import Augmentation
from datasets.module import TripletData
from datasets.triplet import Dataset, write_shard
from tests.datasets.test_damage import flip_a_bit
from tests.fixtures import sphere_triplet, write_spheres


class Witness(lightning.LightningModule):
    """Learns nothing; notes the keys and the sum of each training picture, and the keys of validation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[Any, ...]] = []
        self.validated: list[str] = []

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        assert "skipped" not in batch
        self.seen.append((tuple(batch["key"]), round(batch["image"].sum().item(), 2)))
        return self.weight * batch["image"].mean()

    def validation_step(self, batch: Any, index: int) -> None:
        self.validated += batch["key"]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(out: Path, steps: int, resume: Path | None = None, **settings: Any) -> Witness:
    witness, data = Witness(), TripletData(size=(16, 12), batch_size=2, augmentation=Augmentation(), seed=5, **settings)
    save = ModelCheckpoint(out, "{step}", every_n_train_steps=3, save_top_k=-1, enable_version_counter=False)
    trainer = lightning.Trainer(
        max_steps=steps,
        limit_train_batches=12,
        val_check_interval=3,
        num_sanity_val_steps=0,
        accelerator="cpu",
        logger=False,
        callbacks=[save],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(witness, data, ckpt_path=resume, weights_only=True)
    return witness


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spheres")
    write_spheres(path, 12, height=24, width=18)
    return path


@pytest.mark.parametrize("settings", [{"workers": 0}, {"workers": 2}, {"in_memory": True}])
def test_a_resumed_run_sees_the_pictures_of_the_unbroken_one(folder: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    unbroken = fit(tmp_path / "a", 12, data=folder, **settings)
    fit(tmp_path / "b", 4, data=folder, **settings)
    resumed = fit(tmp_path / "b", 12, tmp_path / "b" / "step=3.ckpt", data=folder, **settings)
    assert resumed.seen == unbroken.seen[3:] and len(set(unbroken.seen)) == 12


def test_validation_is_of_held_out_people_whole_and_in_order(folder: Path, tmp_path: Path) -> None:
    witness = fit(tmp_path, 3, data=folder, validation_fraction=0.25)
    people = reader.people_by_sample(folder)
    trained = {people[key] for keys, _ in witness.seen for key in keys}
    assert {people[key] for key in witness.validated}.isdisjoint(trained)
    assert witness.validated == sorted(witness.validated) and len(witness.validated) == 3


def test_two_folders_are_mixed_and_both_held_out(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    samples = [sphere_triplet(f"{i + 100:09d}", np.random.default_rng(i), 24, 18, scan=f"other-{i}") for i in range(6)]
    entry = {**write_shard(other / "shards" / "shard-000000.tar", samples), "rejections": {}}
    Dataset(configuration={}, seed=0, count=6, shards={"shard-000000.tar": entry}).save(other)
    witness = fit(tmp_path / "run", 12, data=[folder, other], weights=[0.5, 0.5], validation_fraction=0.4)
    from_other = sum(key >= "000000100" for keys, _ in witness.seen for key in keys)
    assert 6 <= from_other <= 18
    assert not {key for keys, _ in witness.seen for key in keys} & set(witness.validated)


def test_wrong_weights_are_refused(folder: Path) -> None:
    for weights in ([1.0, 2.0], [0.0]):
        with pytest.raises(ValueError, match="weights="):
            TripletData(folder, (16, 12), 2, weights=weights).setup("fit")


def test_damage_is_written_down_and_too_much_of_it_stops_the_run(tmp_path: Path) -> None:
    data, skipped = tmp_path / "data", tmp_path / "run" / "skipped.txt"
    write_spheres(data, 12, height=24, width=18)
    write_spheres(tmp_path / "val", 2, height=24, width=18)
    flip_a_bit(data)
    with pytest.raises(UserError, match=r"more than 1 %.*000000005"):
        fit(tmp_path / "run", 12, data=data, validation=tmp_path / "val", skipped=skipped)
    assert skipped.read_text().count("\n") == 1 and "shard-000001.tar: sample 000000005: rgb.png" in skipped.read_text()


def test_albedo_comes_along_when_it_is_asked_for(tmp_path: Path) -> None:
    samples = [sphere_triplet(f"{i:09d}", np.random.default_rng(i), 24, 18, scan=f"s{i}") for i in range(4)]
    samples = [dataclasses.replace(sample, albedo=sample.rgb // 2) for sample in samples]
    entry = {**write_shard(tmp_path / "shards" / "shard-000000.tar", samples), "rejections": {}}
    Dataset(configuration={}, seed=0, count=4, shards={"shard-000000.tar": entry}).save(tmp_path)
    [batch] = [reader.collate(list(reader.evaluation(tmp_path, 4, fields=(*reader.FIELDS, "albedo"))))]
    assert np.array_equal(batch["albedo"][2].permute(1, 2, 0).numpy(), samples[2].albedo)
    assert "albedo" not in reader.collate(list(reader.evaluation(tmp_path, 4)))
