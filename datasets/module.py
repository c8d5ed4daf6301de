"""The Lightning data module: datasets to augmented batches, on one process or many."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from conf.command import UserError
from datasets import geometry, reader
from datasets.augment import Augmentation, augment
from datasets.batch import Batch, collate
from datasets.reader import FIELDS
from datasets.source import InMemory, Source, open_source, require

log = logging.getLogger(__name__)

#: The part of samples read that may be unreadable, and how many are taken as read at least.
TOLERATED, AT_LEAST = 0.01, 100


class TripletData(lightning.LightningDataModule):
    """Training batches: endless and augmented. Validation batches: the whole pictures, in order.

    data: a folder in any layout that is read, or several, mixed by `weights` (None: by size). size (height, width) of
    the pictures that the model sees, in pixels. Without `validation` data, about `validation_fraction` of the people in
    `data` are held out; people of one name are one person, also in several folders. `in_memory` keeps decoded triplets
    and reads them without loader workers: fastest for what fits. Augmentation runs on the device, after the transfer.
    A resumed run goes on where an unbroken one would; see `reader.Training`. Samples that cannot be read are named in
    the file `skipped`, once each; more than 1 % of them stop the run.
    """

    def __init__(
        self,
        data: Path | Sequence[Path],
        size: tuple[int, int],
        batch_size: int,
        validation: Path | None = None,
        validation_fraction: float = 0.1,
        workers: int = 0,
        in_memory: bool = False,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        weights: Sequence[float] | None = None,
        fields: Sequence[str] = FIELDS,
        skipped: Path | None = None,
    ) -> None:
        super().__init__()
        self.folders = [Path(data)] if isinstance(data, str | Path) else [Path(folder) for folder in data]
        self.validation, self.validation_fraction = validation, validation_fraction
        self.size, self.batch_size, self.workers, self.in_memory = size, batch_size, workers, in_memory
        self.augmentation, self.seed, self.weights, self.fields = augmentation, seed, weights, fields
        self.damage = Damage(skipped)
        self.sources: list[Source] = []
        self.training: list[frozenset[str] | None] = []
        self.held: list[tuple[Source, frozenset[str] | None]] = []

    def setup(self, stage: str) -> None:
        """Open the data and divide it between training and validation. Raises ValueError or FileNotFoundError, with the mend."""
        if self.sources:
            return
        sources = [open_source(folder) for folder in self.folders]
        if self.weights is not None and (len(self.weights) != len(sources) or min(self.weights) <= 0):
            raise ValueError(f"weights={list(self.weights)}: give one above 0 for each of the {len(sources)} folders of data")
        if self.validation:
            self.training = [None] * len(sources)
            self.held = [(open_source(self.validation), None)]
        else:
            people = {(i, key): names for i, source in enumerate(sources) for key, names in reader.known_people(source).items()}
            train, held = reader.hold_out(people, self.validation_fraction, self.seed)
            train_keys, held_keys = ([frozenset(key for i, key in keys if i == n) for n in range(len(sources))] for keys in (train, held))
            self.training, self.held = list(train_keys), [pair for pair in zip(sources, held_keys, strict=True) if pair[1]]
        for source in [*sources, *(source for source, _ in self.held)]:
            require(source, self.fields)
        self.sources = [InMemory(source, self.fields) for source in sources] if self.in_memory else sources

    def train_dataloader(self) -> DataLoader[Any]:
        assert self.sources and self.trainer is not None
        wanted = [reader.places(source, keys, unknown=True) for source, keys in zip(self.sources, self.training, strict=True)]
        stream = reader.Training(
            self.sources,
            self.batch_size,
            self.seed,
            wanted,
            self.weights or [sum(map(len, places)) for places in wanted],
            self.fields,
            self.trainer.global_rank,
            self.trainer.world_size,
            start=self.trainer.fit_loop.total_batch_idx + 1,  # batches that the run has behind it, as a checkpoint restored it
        )
        workers = 0 if self.in_memory else self.workers
        return DataLoader(stream, batch_size=None, num_workers=workers, pin_memory=_pin(), persistent_workers=workers > 0)

    def val_dataloader(self) -> DataLoader[Any]:
        """All of them on every process: few, and so that no process waits for another that has none."""
        assert self.sources
        workers = min(self.workers, 2)
        stream = reader.Evaluation(self.held, self.batch_size, fields=self.fields)
        return DataLoader(
            stream, self.batch_size, num_workers=workers, collate_fn=collate, pin_memory=_pin(), persistent_workers=workers > 0
        )

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Account for what the reader had to skip. Raises UserError when it is more than 1 %."""
        self.damage.count(batch.pop("skipped", []), len(batch["key"]))
        return batch

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """K and size stay on the CPU, where views are drawn and composed, so that no GPU is waited for."""
        stay = ("K", "size", "key")
        return {name: values if name in stay else values.to(device, non_blocking=True) for name, values in batch.items()}

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        """Decoded batch to what the model sees: a random view while training, else the whole picture."""
        batch = cast(Batch, batch)
        trainer = self.trainer
        assert trainer is not None
        if not trainer.training or self.augmentation is None:
            return geometry.apply(geometry.fit(batch["size"], self.size), batch, self.size)
        # Seeded by place, not by history: a resumed run draws what the unbroken one would have drawn.
        place = np.random.SeedSequence([self.seed, trainer.fit_loop.total_batch_idx + 1, trainer.global_rank])
        generator = torch.Generator().manual_seed(int(place.generate_state(1)[0]))
        return augment(self.augmentation, batch, self.size, generator)


class Damage:
    """Counts samples that could not be read, and names each once: a warning, and a line in the file `path`."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.read, self.skipped = path, 0, 0
        self.named: dict[str, None] = {}

    def count(self, skipped: Sequence[str], read: int) -> None:
        """Add a batch of `read` samples, in which `skipped` were to be. Raises UserError when they become too many."""
        self.read, self.skipped = self.read + read, self.skipped + len(skipped)
        fresh = [line for line in dict.fromkeys(skipped) if line not in self.named]
        self.named.update(dict.fromkeys(fresh))
        for line in fresh:
            log.warning("skipped %s", line)
        if fresh and self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a") as file:
                file.writelines(f"{line}\n" for line in fresh)
        if self.skipped > TOLERATED * max(self.read, AT_LEAST):
            shown = "; ".join(list(self.named)[:3])
            raise UserError(f"{self.skipped} of {self.read} samples cannot be read, more than 1 %: mend or copy these files again: {shown}")


def _pin() -> bool:
    return torch.cuda.is_available()
