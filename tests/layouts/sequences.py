"""4D-Dress and X-Humans: pickled frames with pickled atlases, the first row lowest, and SMPL-X fits frame by frame."""

import pickle
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from tests.layouts.body import BODY, FACES, UV, quarters, turn
from tests.layouts.thuman2 import PELVIS, REST


def write(take: Path, frames: int, meshes: str = "Meshes_pkl", fits: bool = True, seed: int = 0) -> None:
    """A take that turns and walks, from frame 11 on."""
    rng = np.random.default_rng(seed)
    for folder in (meshes, "SMPLX"):
        (take / folder).mkdir(parents=True, exist_ok=True)
    for number in range(11, 11 + frames):
        yaw, shift = rng.uniform(-180, 180), rng.uniform(-2, 2, 3)
        vertices = (BODY - PELVIS) @ turn(yaw).T + REST + shift
        mesh = {"vertices": vertices.astype(np.float32), "faces": FACES, "uvs": UV, "normals": np.zeros_like(vertices)}
        mesh |= {"colors": np.full((len(vertices), 4), 128, np.uint8)} if meshes == "Meshes_pkl" else {}
        orient = Rotation.from_matrix(turn(yaw)).as_rotvec().astype(np.float32)
        fit = {"global_orient": orient, "transl": shift.astype(np.float32), "body_pose": np.zeros(63, np.float32)}
        dump = lambda path, values: path.write_bytes(pickle.dumps(values, protocol=4))
        dump(take / meshes / f"mesh-f{number:05d}.pkl", mesh)
        dump(take / meshes / f"atlas-f{number:05d}.pkl", quarters()[::-1])
        if fits:
            dump(take / "SMPLX" / f"mesh-f{number:05d}_smplx.pkl", fit)
