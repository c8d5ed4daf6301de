"""`python -m tests.train.tallies FOLDER RANK`: one of two processes that score images together, over gloo."""

import sys
from pathlib import Path

import numpy as np
import torch

from tests.train.test_tally import DEALT, tallied
from train.metrics import DEPTH, NORMAL


def main(folder: Path, rank: int) -> None:
    """Write the scores of each way to deal, and what is said where both score an image that is not their last."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    for name, measure in (("depth", DEPTH), ("normal", NORMAL)):
        for dealt, parts in DEALT.items():
            scores = tallied(measure, parts[rank]).compute()
            kept = {f"{group}-sums": of.sums for group, of in scores.items()}
            kept |= {f"{group}-{kind}": list(getattr(of, kind)().values()) for group, of in scores.items() for kind in ("micro", "macro")}
            np.savez(folder / f"{name}-{dealt}-{rank}.npz", **kept)
    try:
        tallied(NORMAL, [0, 1, 3] if rank else [0, 3, 4]).compute()
    except ValueError as error:
        (folder / f"refused-{rank}").write_text(str(error))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
