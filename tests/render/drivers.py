"""Runs to disturb: `python -m render` as a process, and workers without Blender that meet with accidents. Quick to import."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from datasets.triplet import Triplet
from render.progress import group_name
from render.spec import SceneSpec
from render.worker import Worker


def _hear_interrupts() -> None:
    """A shell's background jobs, and so their children, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Run:
    """`python -m render` as a process group of its own, over a catalogue."""

    KEYS = ("height=96", "width=72", "samples=2", "frames_per_scan=4", "shard_size=4", "seed=3")

    def __init__(self, catalogue: Path, out: Path, *keys: str) -> None:
        command = [sys.executable, "-m", "render", f"scans={catalogue}", f"out={out}", *self.KEYS, *keys]
        self.process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=_hear_interrupts
        )

    def workers(self) -> list[int]:
        """Process ids of the Blender workers."""
        rows = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout.splitlines()
        table = {int(pid): (int(parent), name) for pid, parent, name in (row.split(None, 2) for row in rows)}

        def ours(pid: int) -> bool:
            return pid == self.process.pid or (pid in table and ours(table[pid][0]))

        return [pid for pid, (_, name) in table.items() if name.startswith("ray::Worker") and ours(pid)]

    def wait_for(self, ready: Callable[[], object]) -> None:
        """Until something is so, or the run has ended."""
        while not ready() and self.process.poll() is None:
            time.sleep(0.02)

    def end(self) -> tuple[int, str]:
        """Exit status, and all that was said."""
        said = self.process.communicate(timeout=120)[0]
        return self.process.returncode, said


class Painter(Worker):
    """A worker without Blender: its frames tell their index, and the process that made them."""

    def start(self) -> str:
        return "paper"

    def _accepted(self, index: int, rejections: Any) -> Triplet | str:
        map = np.full((4, 4), index, dtype=np.uint8)
        meta = {"subjects": [{"subject": record.subject} for record in self.plan.people(index)], "process": os.getpid()}
        return Triplet(f"{index:09d}", np.stack([map] * 3, -1), map, map, map.astype(np.float32), np.zeros((4, 4, 3), np.float16), meta)


class Accident(Painter):
    """sphere-0 kills the process at once, sphere-1 raises, sphere-2 is never accepted; sphere-3 loses the process at three frames, but
    not when they are tried again. The rest is well."""

    def start(self) -> str:
        self.names = [group_name(self.plan.people(index)) for index in range(self.plan.config.count)]
        return super().start()

    def _accepted(self, index: int, rejections: Any) -> Triplet | str:
        name = self.names[index]
        if name == "sphere-0":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "sphere-1":
            raise ValueError("sphere-1.glb holds no mesh")
        if name == "sphere-2":
            return "rejected 8 times"
        mark = self.scans["marks"] / str(index)
        if name == "sphere-3" and not mark.exists() and len(list(mark.parent.iterdir())) < 3:
            mark.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        return super()._accepted(index, rejections)


class Stillborn(Painter):
    """An install that does not work."""

    def start(self) -> str:
        os.kill(os.getpid(), signal.SIGSEGV)
        return super().start()


class Full(Painter):
    """A RAM disk that is full at the eleventh frame."""

    def _accepted(self, index: int, rejections: Any) -> Triplet | str:
        if index == 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/dev/shm")
        return super()._accepted(index, rejections)


class Nobody(Worker):
    """Blender that finds the frame empty, whatever is drawn."""

    def frame(self, spec: SceneSpec) -> Triplet | None:
        return None
