"""What lies where in Hi4D, as its README tells (github.com/yifeiyin04/Hi4D), turned to the conventions of the house.

    pairXX/actionXX/cameras/rgb_cameras.npz                      ids, intrinsics (also spelt intirnsics), extrinsics, dist_coeffs
                    frames/mesh-f00XXX.obj                       one mesh of both people, metres, +Y up
                    images/<camera>/000XXX.jpg
                    seg/img_seg_mask/<camera>/{0,1,all}/000XXX.png
                    seg/mesh_seg_mask/mesh-f00XXX.npz            vertices_mask: whose each vertex of the mesh is, 0 or 1
                    smpl/000XXX.npz                              joints_3d (2,24,3), verts (2,6890,3)

A pair may lie in several folders, pairXX and pairXX_N, as its archives unpack.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from conf.command import UserError
from datasets.conventions import WORLD_FROM_GLTF, Array

VERSION = 1
PEOPLE = (0, 1)
WORLD_FROM_HI4D = WORLD_FROM_GLTF  # +Y up to +Z up, once and for all
CAMERA_KEYS = {"ids": ("ids",), "intrinsics": ("intrinsics", "intirnsics"), "extrinsics": ("extrinsics",), "distortion": ("dist_coeffs",)}
#: SMPL's joints by COCO's names, as far as both have them; SMPL's foot is the ball of it. There is no nose.
JOINTS = {"head": 15} | {
    f"{side}_{name}": number + place
    for name, number in {"hip": 1, "knee": 4, "ankle": 7, "big_toe": 10, "shoulder": 16, "elbow": 18, "wrist": 20}.items()
    for place, side in enumerate(("left", "right"))
}


class Unusable(Exception):
    """A frame cannot be used; the message says why, in one line."""


@dataclass(frozen=True)
class Camera:
    """K (3,3) in pixels, the centre of the top-left pixel at (0.5, 0.5); world_to_camera (4,4) from our world (+Z up), OpenCV axes;
    distortion (5,): OpenCV's k1 k2 p1 p2 k3."""

    number: int
    K: Array
    world_to_camera: Array
    distortion: Array


@dataclass(frozen=True)
class Action:
    """A sequence, and the cameras that are asked for."""

    folder: Path
    cameras: tuple[Camera, ...]

    @property
    def pair(self) -> str:
        """Whose it is: `pairXX`, whatever the folder's suffix."""
        return self.folder.parent.name.partition("_")[0]

    @property
    def name(self) -> str:
        """`pairXX/actionXX`."""
        return f"{self.pair}/{self.folder.name}"


@dataclass(frozen=True)
class Frame:
    """One photograph and the mesh of its moment."""

    action: Action
    number: int
    camera: Camera

    @property
    def name(self) -> str:
        """How it is told to a user."""
        return f"{self.action.name} camera {self.camera.number} frame {self.number:06d}"

    @property
    def photograph(self) -> Path:
        """The JPEG."""
        return self.action.folder / "images" / str(self.camera.number) / f"{self.number:06d}.jpg"

    @property
    def mesh(self) -> Path:
        """The mesh of both people."""
        return self.action.folder / "frames" / f"mesh-f{self.number:05d}.obj"

    def mask(self, whose: str) -> Path:
        """The given segmentation of `0`, `1` or `all`."""
        return self.action.folder / "seg" / "img_seg_mask" / str(self.camera.number) / whose / f"{self.number:06d}.png"


class Moment:
    """What is the same for all cameras of a frame. Raises Unusable."""

    def __init__(self, frame: Frame) -> None:
        self.frame, folder = frame, frame.action.folder
        self.smpl = _load(folder / "smpl" / f"{frame.number:06d}.npz")
        self.segmentation = _load(folder / "seg" / "mesh_seg_mask" / f"mesh-f{frame.number:05d}.npz")

    @cached_property
    def mesh(self) -> tuple[Array, Array]:
        """Vertices (V,3) in our world, in the file's order, and faces (F,3)."""
        try:
            mesh = trimesh.load_mesh(self.frame.mesh, process=False, maintain_order=True, skip_materials=True)
            vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces)
        except Exception as error:
            raise Unusable(f"{self.frame.mesh.name} cannot be read ({type(error).__name__}: {error})") from error
        if not len(faces) or not np.isfinite(vertices).all():
            raise Unusable(f"{self.frame.mesh.name} has no faces, or vertices that are not finite")
        return vertices @ WORLD_FROM_HI4D[:3, :3].T, faces

    def ids(self) -> tuple[Array, str]:
        """Of each face the instance id, 1 or 2, and who says so: the given segmentation of the mesh's vertices, or where that is
        missing or of another mesh, the person of the nearest SMPL vertex; two of a face's three corners decide."""
        vertices, faces = self.mesh
        given = self.segmentation.get("vertices_mask")
        if given is not None and given.shape == (len(vertices),) and np.isin(given, PEOPLE).all():
            whose, source = given.astype(int), "mesh_seg_mask"
        elif "verts" in self.smpl:
            bodies = self.smpl["verts"].reshape(len(PEOPLE), -1, 3) @ WORLD_FROM_HI4D[:3, :3].T
            whose, source = np.stack([cKDTree(body).query(vertices)[0] for body in bodies]).argmin(axis=0), "smpl"
        else:
            raise Unusable("neither seg/mesh_seg_mask nor the verts of smpl tell whose the mesh's faces are")
        return np.where(whose[faces].sum(axis=1) >= 2, 2, 1).astype(np.uint8), source

    def joints(self, person: int) -> dict[str, list[float]]:
        """Name -> place in our world, metres; empty where the dataset does not tell."""
        if "joints_3d" not in self.smpl:
            return {}
        places = self.smpl["joints_3d"].reshape(len(PEOPLE), -1, 3)[person] @ WORLD_FROM_HI4D[:3, :3].T
        return {name: places[number].tolist() for name, number in JOINTS.items()}


def find(source: Path, pairs: list[int], cameras: list[int], pixel_centre: float) -> tuple[list[Frame], list[str]]:
    """All frames in order of pair, action, moment and camera, and what is left out, one line each.

    pixel_centre: image coordinate, in the files' K, of the centre of the first pixel. Raises UserError when a pair, a camera or a
    file of cameras is missing.
    """
    frames, left_out = list[Frame](), list[str]()
    for pair in pairs:
        for folder in _actions(source, pair):
            action = Action(folder, _cameras(folder / "cameras" / "rgb_cameras.npz", cameras, pixel_centre))
            meshes = _numbers(folder / "frames", r"mesh-f(\d{5})\.obj")
            found = []
            for camera in action.cameras:
                place = f"{action.name} camera {camera.number}"
                images = _numbers(folder / "images" / str(camera.number), r"(\d{6})\.jpg")
                if not images & meshes:
                    raise UserError(f"{folder}: camera {camera.number} has {len(images)} images, frames/ {len(meshes)} meshes, none of one "
                                    "moment: unpack images and frames there, or leave out the pair or camera")  # fmt: skip
                left_out += _lone(f"{place}: image without a mesh", images - meshes) + _lone(
                    f"{place}: mesh without an image", meshes - images
                )
                found += [Frame(action, number, camera) for number in images & meshes]
            frames += sorted(found, key=lambda frame: (frame.number, cameras.index(frame.camera.number)))
    return frames, left_out


def _actions(source: Path, pair: int) -> list[Path]:
    if not source.is_dir():
        raise UserError(f"source={source} is no folder: give the one that holds pair28, pair32, ...")
    name = f"pair{pair:02d}"
    homes = [home for home in sorted(source.iterdir()) if home.is_dir() and home.name.partition("_")[0] == name]
    actions = [action for home in homes for action in sorted(home.iterdir()) if action.is_dir() and not action.name.startswith(".")]
    if not actions:
        there = ", ".join(home.name for home in sorted(source.glob("pair*"))[:20]) or "no pair at all"
        raise UserError(f"{source / name} has no sequences (there: {there}): download and unpack it, or give other pairs=")
    return actions


def _cameras(path: Path, wanted: list[int], pixel_centre: float) -> tuple[Camera, ...]:
    if not path.is_file():
        raise UserError(f"{path} is missing: unpack the sequence's cameras there")
    try:
        file = _load(path)
    except Unusable as error:
        raise UserError(f"{path}: {error}: copy it again") from error
    values = {name: file[key] for name, keys in CAMERA_KEYS.items() for key in keys if key in file}
    if lacking := [" or ".join(keys) for name, keys in CAMERA_KEYS.items() if name not in values]:
        raise UserError(f"{path} has no {lacking[0]} (it has {', '.join(sorted(file))}): copy it again")
    ids = values["ids"].ravel().astype(int).tolist()
    if absent := [number for number in wanted if number not in ids]:
        raise UserError(f"{path} has no camera {absent[0]}: give cameras= of {ids}")
    return tuple(_camera(number, {name: value[ids.index(number)] for name, value in values.items()}, pixel_centre) for number in wanted)


def _camera(number: int, values: dict[str, Any], pixel_centre: float) -> Camera:
    K, pose = np.array(values["intrinsics"], np.float64).reshape(3, 3), np.eye(4)
    K[:2, 2] += 0.5 - pixel_centre
    pose[:3] = np.array(values["extrinsics"], np.float64).reshape(3, 4)
    left, _, right = np.linalg.svd(pose[:3, :3])
    pose[:3, :3] = left @ right  # the nearest rotation: files round
    return Camera(number, K, pose @ np.linalg.inv(WORLD_FROM_HI4D), np.array(values["distortion"], np.float64).ravel())


def _numbers(folder: Path, pattern: str) -> set[int]:
    matches = (re.fullmatch(pattern, path.name) for path in (folder.iterdir() if folder.is_dir() else ()))
    return {int(match[1]) for match in matches if match}


def _lone(what: str, numbers: set[int]) -> list[str]:
    return [f"{what}: {number:06d}" for number in sorted(numbers)]


def _load(path: Path) -> dict[str, Array]:
    """The arrays of an npz, pickles refused; none where there is no file. Raises Unusable when it is damaged."""
    if not path.is_file():
        return {}
    try:
        with np.load(path) as file:
            return dict(_plain(file))
    except Exception as error:
        raise Unusable(f"{path.name} cannot be read ({type(error).__name__}: {error})") from error


def _plain(file: Any) -> Iterator[tuple[str, Array]]:
    for name in file.files:
        try:
            yield name, file[name]
        except ValueError as error:  # an array of Python objects, which nothing here needs
            if "pickle" not in str(error).lower():
                raise
