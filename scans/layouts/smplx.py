"""What a fit of SMPL-X tells of a scan without the body model: where the body faces, and about where its head is."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from datasets.conventions import Array
from scans.canonical import Options
from scans.mesh import Refused

#: From the pelvis up to the middle of the head: joint of `body_pose` that bends there (None: the root), and the way to the next
#: one, metres, as a mean adult stands at rest (+Y up, facing +Z).
SPINE: tuple[tuple[int | None, tuple[float, float, float]], ...] = (
    (None, (0.0, 0.11, -0.03)),  # pelvis
    (2, (0.0, 0.13, -0.01)),
    (5, (0.0, 0.06, 0.02)),
    (8, (0.0, 0.16, -0.02)),
    (11, (0.0, 0.16, 0.02)),  # neck
    (14, (0.0, 0.08, 0.02)),
)
#: Where the pelvis of the body at rest is, metres.
PELVIS = (0.0, -0.35, 0.01)


def options(fit: dict[str, Any], path: Path, scale: bool = False) -> Options:
    """What a fit states: vertices of the scan are `scale` times the body's, plus the translation; the body's up is +Y.

    fit: `global_orient` (3,) and `body_pose` (63,), axis times angle in radians; `translation` or `transl` (3,), in the scan's
    unit; where `scale` is asked for, that too: the scan's units per metre.
    The body faces +Z before `global_orient`. Raises Refused, naming the file, when a value is not of that kind.
    """
    size = _values(fit, path, "scale", 1)[0] if scale else 1.0
    if not size > 0:
        raise Refused(f"{path}: scale={size:g} is no size: get the original file")
    root = Rotation.from_rotvec(_values(fit, path, "global_orient", 3))
    pose = _values(fit, path, "body_pose", 63).reshape(21, 3)
    shift = _values(fit, path, "translation" if "translation" in fit else "transl", 3)
    turn, head = Rotation.identity(), np.array(PELVIS)
    for joint, way in SPINE:
        turn = turn * (root if joint is None else Rotation.from_rotvec(pose[joint]))
        head = head + turn.apply(way)
    return Options(up="y", metres=1 / float(size), forward=_triple(root.apply([0.0, 0.0, 1.0])), head=_triple(size * head + shift))


def _values(fit: dict[str, Any], path: Path, name: str, count: int) -> Array:
    try:
        values = np.asarray(fit[name], dtype=np.float64).ravel()
    except KeyError as error:
        raise Refused(f"{path} lacks {name} (it has {', '.join(map(str, fit))}): get the original file") from error
    except (TypeError, ValueError) as error:
        raise Refused(f"{path}: {name} is no array of numbers: get the original file") from error
    if values.size != count or not np.isfinite(values).all():
        raise Refused(f"{path}: {name} has {values.size} values, {count} finite ones are needed: get the original file")
    return values


def _triple(values: Array) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))
