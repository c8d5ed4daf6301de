"""One worker of a throughput measurement: waits until all are warm, then makes full-body triplets, and prints how many an hour."""

import os
import sys
import time
from pathlib import Path

from benchmarks.person import worker
from datasets.triplet import encode
from render.checks import reject

FRAMES = 8


def main() -> None:
    workers, threads = int(sys.argv[1]), int(sys.argv[2])
    plan, one = worker("full", threads)
    assert one.frame(plan.spec(0)) is not None
    meeting = Path(f"outputs/bench/meeting-{os.getppid()}-{workers}-{threads}")
    meeting.mkdir(exist_ok=True)
    (meeting / str(os.getpid())).touch()
    while len(list(meeting.iterdir())) < workers:
        time.sleep(0.01)
    start = time.perf_counter()
    for index in range(FRAMES):
        triplet = one.frame(plan.spec(index))
        assert triplet is not None
        reject(triplet)
        encode(triplet)
    print(FRAMES * 3600 / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
