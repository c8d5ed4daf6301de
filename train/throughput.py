"""Figures of speed that every run logs: pictures a second, waiting for data, memory, use of the device."""

import resource
import time
from typing import Any

import lightning
import torch
from lightning.pytorch.profilers import Profiler

from train.estimate import flops

#: Peak of dense bfloat16 matrix products, FLOP/s, by what the device's name contains (NVIDIA's data sheets).
PEAKS = {
    "H200": 989.5e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.5e12,
    "B200": 2250e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165.2e12,
    "RTX 3090": 71e12,
}


class Waiting(Profiler):
    """Adds up the seconds in which the training loop waits for its next batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds, self._since = 0.0, 0.0

    def start(self, action_name: str) -> None:
        if action_name.endswith("train_dataloader_next"):
            self._since = time.perf_counter()

    def stop(self, action_name: str) -> None:
        if action_name.endswith("train_dataloader_next"):
            self.seconds += time.perf_counter() - self._since

    def summary(self) -> str:
        return ""

    def describe(self) -> None:
        """Lightning would print a summary at the end; the figures are logged."""


class Throughput(lightning.Callback):
    """Logs, over the steps since the last entry and without the time of validations:

    speed/images_per_s      of all processes together
    speed/data_wait_percent of this process' time
    speed/memory_gb         peak so far: allocated on the GPU, else resident
    speed/mfu_percent       FLOPs of the model (forward and twice that backward, nothing computed again) over the device's
                            bfloat16 peak, also for other precisions; only for devices in PEAKS
    """

    def __init__(self, waiting: Waiting, every: int) -> None:
        self.waiting, self.every = waiting, every
        self.peak: float | None = None

    def on_train_start(self, trainer: lightning.Trainer, learner: Any) -> None:
        if learner.device.type == "cuda":
            name = torch.cuda.get_device_name(learner.device)
            self.peak = next((peak for part, peak in PEAKS.items() if part in name), None)
        self.cost = flops(learner.model.recipe()) if self.peak else 0.0
        self._restart(trainer)

    def _restart(self, trainer: lightning.Trainer) -> None:
        self.step, self.images, self.idle = trainer.global_step, 0, 0.0
        self.began, self.waited = time.perf_counter(), self.waiting.seconds

    def on_validation_start(self, trainer: lightning.Trainer, learner: Any) -> None:
        self.paused = time.perf_counter()

    def on_validation_end(self, trainer: lightning.Trainer, learner: Any) -> None:
        self.idle += time.perf_counter() - self.paused

    def on_train_batch_end(self, trainer: lightning.Trainer, learner: Any, outputs: Any, batch: Any, index: int) -> None:
        self.images += len(batch["image"])
        if trainer.global_step - self.step < self.every:
            return
        if learner.device.type == "cuda":
            torch.cuda.synchronize(learner.device)
        seconds = time.perf_counter() - self.began - self.idle
        rate = self.images / seconds
        figures = {
            "speed/images_per_s": rate * trainer.world_size,
            "speed/data_wait_percent": 100 * (self.waiting.seconds - self.waited) / seconds,
            "speed/memory_gb": peak_memory(learner.device) / 1e9,
        }
        if self.peak:
            figures["speed/mfu_percent"] = 100 * rate * self.cost / self.peak
        for logger in trainer.loggers:
            logger.log_metrics(figures, step=trainer.global_step - 1)
        self._restart(trainer)


def peak_memory(device: torch.device) -> int:
    """Bytes: the most this process has had allocated on a GPU, or resident where there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
