"""The Lightning data module: shards to augmented batches, on one process or many."""

from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from datasets import geometry, reader
from datasets.augment import Augmentation, augment
from datasets.batch import Batch, collate
from datasets.triplet import Dataset, Triplet


class TripletData(lightning.LightningDataModule):
    """Training batches: endless and augmented. Validation batches: the whole pictures, in order.

    size (height, width) of the pictures that the model sees, in pixels. Without `validation` data, about
    `validation_fraction` of the people in `data` are held out. `in_memory` keeps decoded triplets and reads them without
    loader workers: fastest for what fits. Augmentation runs on the device, after the transfer.
    """

    def __init__(
        self,
        data: Path,
        size: tuple[int, int],
        batch_size: int,
        validation: Path | None = None,
        validation_fraction: float = 0.1,
        workers: int = 0,
        in_memory: bool = False,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.data, self.validation, self.validation_fraction = Path(data), validation, validation_fraction
        self.size, self.batch_size, self.workers, self.in_memory = size, batch_size, workers, in_memory
        self.augmentation, self.seed = augmentation, seed
        self.keys: tuple[frozenset[str] | None, frozenset[str] | None] | None = None

    def setup(self, stage: str) -> None:
        """Divide the samples between training and validation. Raises ValueError or FileNotFoundError, with the mend."""
        if self.keys is None:
            divided = None if self.validation else reader.hold_out(reader.people_by_sample(self.data), self.validation_fraction, self.seed)
            self.keys = divided or (None, None)

    def train_dataloader(self) -> DataLoader[Any]:
        assert self.keys is not None and self.trainer is not None
        # A resumed run goes on with a fresh order instead of repeating the one it started with.
        seed = int(np.random.SeedSequence([self.seed, self.trainer.global_step]).generate_state(1)[0])
        rank, world = self.trainer.global_rank, self.trainer.world_size
        if self.in_memory:
            decoded = reader.evaluation(self.data, 1, self.keys[0])
            count = len(self.keys[0]) if self.keys[0] else Dataset.load(self.data).samples
            triplets = list(tqdm(decoded, desc="Reading", total=count, unit="triplet", disable=rank > 0))
            return self._loader(Repeat(triplets, seed, rank, world), workers=0)
        return self._loader(reader.training(self.data, seed, self.keys[0], rank, world), self.workers)

    def val_dataloader(self) -> DataLoader[Any]:
        """All of them on every process: few, and so that no process waits for another that has none."""
        assert self.keys is not None
        stream = reader.evaluation(self.validation or self.data, self.batch_size, self.keys[1])
        return self._loader(stream, min(self.workers, 2))

    def _loader(self, stream: Any, workers: int) -> DataLoader[Any]:
        pin = torch.cuda.is_available()
        return DataLoader(stream, self.batch_size, num_workers=workers, collate_fn=collate, pin_memory=pin, persistent_workers=workers > 0)

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


class Repeat(IterableDataset[Triplet]):
    """Triplets in memory, endlessly, in a new order each pass; dealt to `world` processes."""

    def __init__(self, triplets: list[Triplet], seed: int, rank: int, world: int) -> None:
        self.triplets, self.seed, self.rank, self.world = triplets, seed, rank, world

    def __iter__(self) -> Any:
        generator = np.random.default_rng(self.seed)
        while True:
            for position, index in enumerate(generator.permutation(len(self.triplets))):
                if position % self.world == self.rank:
                    yield self.triplets[index]
