"""Estimates a scan's up axis, facing, units and head, and the rigid motion and scale to the canonical frame.

Canonical: metres, +Z up, facing -Y, lowest point on z = 0, the middle of the bounding box over the origin. Every estimate
comes with a word on how it was found; what the user states always wins.
"""

from dataclasses import dataclass

import numpy as np

from datasets.conventions import Array
from scans.face import BOX_WIDTH_M, Detector, Face, find_face, haar, horizontal_axes
from scans.mesh import Mesh, Refused
from scans.studio import Studio

AXES = {sign + axis: np.eye(3)["xyz".index(axis)] * (-1 if sign else 1) for sign in ("", "-") for axis in "xyz"}
UPS = ("y", "z", "-y", "-z")
FACINGS = ("+z", "-z", "+x", "-x", "+y", "-y")
Triple = tuple[float, float, float]
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}
#: Heights of people, whole or in part, that make a unit plausible, metres.
PLAUSIBLE = (0.2, 2.5)
#: What a stated unit or height may give at most, metres: beyond, the statement is wrong.
POSSIBLE = (0.1, 4.0)
#: Heights of adults that need no remark, metres.
USUAL = (1.4, 2.1)
#: Height given to a whole person of arbitrary unit, metres.
ASSUMED_HEIGHT = 1.70
#: A face turned less than this from a quarter turn of the file's axes is taken to be modelled on it: degrees.
SNAP = 15.0


@dataclass(frozen=True)
class Options:
    """What is stated of a scan, in the file's own axes; 'auto' and None ask for an estimate.

    The first four are keys of the user's. A body model's fit tells the rest: metres per unit of the file, where the body
    faces (any vector), and where the middle of its head is, to some centimetres.
    """

    units: str = "auto"
    up: str = "auto"
    facing: str = "auto"
    height_m: float | None = None
    metres: float | None = None
    forward: Triple | None = None
    head: Triple | None = None

    def over(self, layout: "Options") -> "Options":
        """What the user states, and on all else the layout's word. A height is for scans whose size no fit tells."""
        sized = self.units != "auto"
        return Options(
            units=self.units if sized else layout.units,
            up=self.up if self.up != "auto" else layout.up,
            facing=self.facing if self.facing != "auto" else layout.facing,
            height_m=self.height_m if layout.metres is None or sized else None,
            metres=None if sized else layout.metres,
            forward=layout.forward if self.facing == "auto" else None,
            head=layout.head if (self.units, self.up, self.facing) == ("auto",) * 3 else None,
        )


@dataclass(frozen=True)
class Placement:
    """matrix: 4x4 from the file's frame to the canonical one; head, head_radius: metres, canonical; found: estimate -> how."""

    matrix: Array
    head: tuple[float, float, float]
    head_radius: float
    found: dict[str, str]
    issues: list[str]


def place(mesh: Mesh, options: Options, detector: Detector | None = haar) -> Placement:
    """Where the scan goes; without a detector no face is looked for. Raises Refused when the size is impossible."""
    fitted = _fitted(mesh, options)
    up, face, up_how = (options.up, fitted, f"{options.up} (stated)") if fitted else _up(mesh, options, detector)
    facing, facing_how = _facing(mesh, options, AXES[up], face)
    rotation = np.stack([np.cross(AXES[up], facing), -facing, AXES[up]])
    vertices = mesh.vertices @ rotation.T
    height = float(np.ptp(vertices[:, 2]))
    scale, units_how = _scale(mesh, options, height, face)
    low, high = vertices.min(axis=0) * scale, vertices.max(axis=0) * scale
    extent = float((high - low).max())
    if not POSSIBLE[0] <= extent <= POSSIBLE[1]:
        raise Refused(f"absurd size: {extent:.4g} m across ({units_how}): state other units= or height_m=")
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation
    matrix[:3, 3] = [-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]]
    head, radius = _head(vertices * scale + matrix[:3, 3], face, matrix, scale)
    head_how = "fit" if fitted else "face" if face else "top of the scan"
    found = {"units": units_how, "up": up_how, "facing": facing_how, "head": head_how}
    issues = [f"{name} {how}" for name, how in found.items() if "assumed" in how]
    issues += ["the fit's head is not on the scan: look at the preview"] if options.head and not fitted else []
    if face is not None:
        issues += _doubts(options, face, facing, height, scale)
    return Placement(matrix, head, radius, found, issues)


def _fitted(mesh: Mesh, options: Options) -> Face | None:
    """The face where a fit says that the head is, moved onto the scan; None without a fit, or with nothing of the scan there.

    No detector has a say, whose pictures depend on the graphics driver: with a fit, a scan is placed alike everywhere.
    """
    if options.head is None or options.metres is None or options.forward is None:
        return None
    up, vertices, width = AXES[options.up], mesh.vertices, BOX_WIDTH_M / options.metres
    centre = np.array(options.head)
    for _ in range(2):  # from a mean body's head to this one's: each step halves what it lies too high or too low
        away = vertices - centre
        height = away @ up
        across = np.linalg.norm(away - height[:, None] * up, axis=1)
        near = vertices[(height > -0.7 * width) & (height < 1.2 * width) & (across < 0.8 * width)]
        if len(near) == 0:
            return None
        centre = (near.min(axis=0) + near.max(axis=0)) / 2
    forward = _level(np.array(options.forward), up)
    return Face(forward, centre + 0.5 * width * forward, width, score=0.0, views=0)


def _level(direction: Array, up: Array) -> Array:
    """The horizontal unit vector that a direction points along. Raises Refused when it points straight up or down."""
    level: Array = direction - (direction @ up) * up
    length = float(np.linalg.norm(level))
    if length < 1e-3 * np.linalg.norm(direction):
        raise Refused("its fit faces straight up or down: state facing=")
    return np.asarray(level / length)


def _doubts(options: Options, face: Face, facing: Array, height: float, scale: float) -> list[str]:
    """Where the face contradicts what is stated or estimated."""
    doubts = []
    if face.facing @ facing < 0.5:
        doubts.append(f"stated facing {options.facing}, but a face looks elsewhere: look at the preview")
    guessed = options.units == "auto" and options.height_m is None and options.metres is None
    if guessed and _whole(height, face) and not USUAL[0] < height * scale < USUAL[1]:
        doubts.append(f"units may be wrong: {height * scale:.2f} m is unusual for an adult")
    return doubts


def _up(mesh: Mesh, options: Options, detector: Detector | None) -> tuple[str, Face | None, str]:
    """The up axis, the face seen with that axis up, and how it was found."""
    candidates = [options.up] if options.up != "auto" else _likely_ups(mesh, options.facing)
    up, face = _upright_face(mesh, candidates, detector) if detector else (candidates[0], None)
    if options.up != "auto":
        return options.up, face, f"{options.up} (stated)"
    if face is not None:
        return up, face, f"{up} (upright face)"
    size = {name: float(np.ptp(mesh.vertices @ AXES[name])) for name in candidates}
    tallest = max(size, key=lambda name: size[name])
    if size[tallest] > 1.3 * min(size.values()):
        return tallest, None, f"{tallest} (tallest axis)"
    up = "y" if "y" in candidates else candidates[0]
    return up, None, f"{up} (assumed: no face, no tallest axis)"


def _upright_face(mesh: Mesh, ups: list[str], detector: Detector) -> tuple[str, Face | None]:
    """The first of these up axes with which a face is seen, and the face."""
    vertices = mesh.vertices
    centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    half = 0.55 * float(np.ptp(vertices, axis=0).max())
    with Studio(mesh) as studio:
        for up in ups:
            if face := find_face(studio, AXES[up], centre, half, detector):
                return up, face
    return ups[0], None


def _likely_ups(mesh: Mesh, facing: str) -> list[str]:
    """Up axes to try, the tallest first, +Y before +Z; not those along a stated facing."""
    size = np.ptp(mesh.vertices, axis=0)
    order = sorted(UPS, key=lambda up: (up[0] == "-", -size @ np.abs(AXES[up]), up))
    return [up for up in order if up[-1] != facing[-1]]


def _facing(mesh: Mesh, options: Options, up: Array, face: Face | None) -> tuple[Array, str]:
    """The horizontal unit vector that the person faces, in the file's axes, and how it was found."""
    if options.facing != "auto":
        return AXES[options.facing.lstrip("+")], f"{options.facing} (stated)"
    if options.forward is not None:
        forward = _level(np.array(options.forward), up)
        return forward, f"{np.round(forward, 2).tolist()} (fit)"
    quarters = {name: AXES[name.lstrip("+")] for name in FACINGS if abs(AXES[name.lstrip("+")] @ up) < 0.5}
    how = f"face in {face.views} views" if face else "assumed from the feet: no face found"
    direction = face.facing if face else _feet(mesh.vertices, up)
    if direction is None:
        convention = "+z" if abs(up[1]) > 0.5 else "-y"
        return quarters[convention], f"{convention} (assumed: no face found)"
    nearest = max(quarters, key=lambda name: float(quarters[name] @ direction))
    turn = float(np.degrees(np.arccos(np.clip(quarters[nearest] @ direction, -1, 1))))
    if turn <= SNAP:
        return quarters[nearest], f"{nearest} ({how}, {turn:.0f} degrees off it)"
    return direction, f"{np.round(direction, 2).tolist()} ({how}, {turn:.0f} degrees off {nearest})"


def _feet(vertices: Array, up: Array) -> Array | None:
    """Where the feet point: from the shins to the soles, a unit horizontal vector; None where they do not show, as on a plinth."""
    axes = np.stack(horizontal_axes(up))
    level, across = vertices @ up, vertices @ axes.T
    level = (level - level.min()) / np.ptp(level)
    height = float(np.ptp(vertices @ up))
    soles, shins = across[level < 0.035], across[(level > 0.06) & (level < 0.11)]
    if len(soles) == 0 or len(shins) == 0 or np.ptp(soles, axis=0).min() > 0.25 * height:
        return None
    step = soles.mean(axis=0) - shins.mean(axis=0)
    length = float(np.linalg.norm(step))
    return (step / length) @ axes if 0.03 * height < length < 0.12 * height else None


def _scale(mesh: Mesh, options: Options, height: float, face: Face | None) -> tuple[float, str]:
    """Metres per file unit, and how it was found."""
    if options.metres is not None:
        return options.metres, f"{options.metres:.4g} m (fit)"
    if options.height_m is not None:
        return options.height_m / height, f"{options.height_m / height:.4g} m (stated height)"
    if options.units in METRES:
        return METRES[options.units], f"{options.units} (stated; height {METRES[options.units] * height:.2f} m)"
    by_face = BOX_WIDTH_M / face.width if face else None
    if options.units == "auto":
        for name, metres in METRES.items():
            fits = PLAUSIBLE[0] <= height * metres < PLAUSIBLE[1] and (by_face is None or 0.65 < by_face / metres < 1.5)
            if fits:
                return metres, f"{name} (height {height * metres:.2f} m)"
    if face is not None and by_face is not None and not _whole(height, face):
        return by_face, f"{by_face:.4g} m (assumed: the face is that of an adult)"
    return ASSUMED_HEIGHT / height, f"{ASSUMED_HEIGHT / height:.4g} m (assumed: {ASSUMED_HEIGHT:.2f} m tall)"


def _whole(height: float, face: Face) -> bool:
    """Whether a scan so tall is a whole standing person: 10 to 11 widths of the face's box, fewer for children."""
    return 6.5 < height / face.width < 12.5


def _head(vertices: Array, face: Face | None, matrix: Array, scale: float) -> tuple[tuple[float, float, float], float]:
    """The head's centre (x,y,z) and half its height, metres; vertices (V,3) canonical."""
    height = float(vertices[:, 2].max())
    if face is None:
        top = vertices[vertices[:, 2] > 0.87 * height]
        radius = float(np.clip(0.072 * height, 0.10, 0.16))  # a head is a seventh of a person
        centre = np.append((top[:, :2].min(axis=0) + top[:, :2].max(axis=0)) / 2, max(height - radius, radius))
    else:
        width = face.width * scale
        forward = matrix[:3, :3] @ face.facing / scale
        middle = matrix[:3, :3] @ face.centre + matrix[:3, 3] - 0.5 * width * forward
        away = vertices - middle
        near = (away[:, 2] > -0.7 * width) & (away[:, 2] < 1.2 * width) & (np.linalg.norm(away[:, :2], axis=1) < 0.8 * width)
        head = vertices[near] if near.any() else middle[None]
        centre = (head.min(axis=0) + head.max(axis=0)) / 2
        radius = float(np.clip(np.ptp(head[:, 2]) / 2, 0.65 * width, 0.9 * width))
    x, y, z = (round(float(value), 4) for value in centre)
    return (x, y, z), round(radius, 4)
