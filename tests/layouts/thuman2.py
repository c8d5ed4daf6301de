"""THuman2.0: scans of any size, place and facing in `NNNN/`, all with a `material0.jpeg`; fits as pickles with TrackedArrays."""

import pickle
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation
from trimesh.caching import tracked_array

from tests.layouts.body import BODY, FILE_FROM_CANONICAL, HEAD, encoded, quarters, turn, write_obj

#: Where the figure's pelvis is in its own frame (+Y up, from the floor), a mean body's way below its head, and in SMPL-X's body at rest.
PELVIS, REST = FILE_FROM_CANONICAL @ HEAD - np.array([0, 0.7, 0]), np.array([0.0, -0.35, 0.01])


def write(folder: Path, numbers: list[int], fits: str | None = "smplx", seed: int = 0, protocol: int = 2) -> dict[str, dict]:
    """A release with these scans; fits: the folder of fits beside them ('..': one up), None for none. Returns the fits."""
    rng = np.random.default_rng(seed)
    made = {}
    for number in numbers:
        name, yaw = f"{number:04d}", rng.uniform(-180, 180)
        scale, shift = rng.uniform(0.3, 0.9), rng.uniform(-2, 2, 3)
        standing = (BODY - PELVIS) @ turn(yaw).T + REST
        write_obj(folder / name / f"{name}.obj", scale * standing + shift, "material0.mtl", "material0.jpeg")
        (folder / name / "material0.jpeg").write_bytes(encoded(quarters(tint=1 - 0.1 * (number % 5)), "JPEG"))
        made[name] = fit(scale, shift, yaw)
        if fits:
            path = folder / fits / name / "smplx_param.pkl"
            path.parent.mkdir(parents=True)
            path.write_bytes(pickle.dumps(made[name], protocol=protocol))
    return made


def fit(scale: float, shift: np.ndarray, yaw: float) -> dict:
    """A fit with the keys of the release's."""
    flat = {"body_pose": 63, "left_hand_pose": 12, "right_hand_pose": 12, "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3}
    values = {name: np.zeros((1, count), np.float32) for name, count in {**flat, "expression": 10, "betas": 10}.items()}
    values["global_orient"] = Rotation.from_matrix(turn(yaw)).as_rotvec()[None].astype(np.float32)
    return {**values, "scale": np.array([scale]), "translation": tracked_array(shift)}
