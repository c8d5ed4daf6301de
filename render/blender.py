"""Blender as a camera: people, light and lens go in, layers of pixels come out. With `stage` and `body`, all that knows bpy.

One process, one scene, three view layers. The `beauty` layer pays for samples; the `geometry` layer takes one sample
through the exact pixel centre, so its depth, normal and index are never blended across an edge; the `floor` layer, where
one is wanted, sees the people's shadow on the ground without them. All are rendered over the people's box only: cutting
the frame is a change of K, so Blender gets a smaller picture with a shifted lens.

What is slow stays loaded: people with their BVH and textures, the environment with its importance map. The environment
is never turned, which would make that map anew (1 to 2 seconds of CPU); people, lamps and camera turn against it.
"""

import contextlib
import errno
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from datasets.conventions import NORMAL_FROM_CAMERA, Array
from datasets.triplet import abandoned, read_exr, temporary
from render import body
from render.floor import shadow_circle
from render.lens import blur_px, project
from render.light import Source
from render.stage import LABEL_NORMAL, Stage, gpu

VERSION = bpy.app.version_string
BOX_MARGIN = 8  # pixels around the person's box: more than the pixel filter, and context for the denoiser
LAMP_M = 4.0  # how far an area light stands from the people
BYTES_PER_PIXEL = 100  # of a frame on its way out of Blender: up to 25 float channels


@dataclass(frozen=True)
class Layers:
    """What Blender gives for one frame, full size (H,W). Linear light is premultiplied; normals are in label axes.

    shadow is the factor (H,W,3) by which people dim a floor at z = 0, 1 where nothing is known; None without a floor.
    """

    light: Array
    alpha: Array
    depth: Array
    normal: Array
    index: Array
    albedo: Array
    shadow: Array | None


@dataclass(frozen=True)
class Box:
    """Pixels x0 <= x < x1, y0 <= y < y1 of a frame of size (height, width)."""

    x0: int
    y0: int
    x1: int
    y1: int
    size: tuple[int, int]

    def place(self, cut: Array, around: float = 0.0) -> Array:
        """A whole frame with `cut` in its box and `around` elsewhere."""
        whole = np.full((*self.size, *cut.shape[2:]), around, dtype=cut.dtype)
        whole[self.y0 : self.y1, self.x0 : self.x1] = cut
        return whole


class Blender:
    """One Blender scene that is loaded with people and an environment, and rendered from any camera."""

    def __init__(self, threads: int, normal_maps: bool) -> None:
        """threads: CPU threads for Cycles. normal_maps: whether tangent-space normal maps enter the normal label."""
        self.threads, self.normal_maps, self.device = threads, normal_maps, gpu()
        self._start()

    def _start(self) -> None:
        stage = Stage(self.threads, self.device)
        self.scene, self.camera, self.sky, self.bodies = stage.scene, stage.camera, stage.sky, stage.bodies
        self.people: dict[str, bpy.types.Object] = {}
        self.places: dict[str, Array] = {}
        self.vertices: dict[str, Array] = {}
        self.lamps: list[bpy.types.Object] = []
        self.turn = np.eye(4)

    def set_people(self, scans: dict[str, tuple[Path, Array]]) -> None:
        """Put exactly these people into the scene: scan id -> (GLB path, world_from_scan (4,4)). The same ones stay loaded;
        others start a new scene, which wants its environment set again."""
        if list(scans) != list(self.people):  # the order too: it numbers the mask
            self._start()
            for number, (scan, (path, _)) in enumerate(scans.items(), 1):
                with _quiet():
                    person = body.load(path, self.normal_maps)
                person.name, person.pass_index = scan, number
                self.bodies.objects.link(person)
                self.people[scan], self.vertices[scan] = person, body.vertices(person)
        self.places = {scan: world_from_scan for scan, (_, world_from_scan) in scans.items()}

    def standing(self) -> list[tuple[Array, Array]]:
        """Placement (4,4) and vertices (N,3), metres, of everybody."""
        return [(self.places[scan], self.vertices[scan]) for scan in self.people]

    def centre(self) -> Array:
        """The middle (3,), metres, of the first person's box: where lamps are aimed."""
        place, vertices = self.standing()[0]
        middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        return np.asarray(place[:3, :3] @ middle + place[:3, 3])

    def set_environment(self, path: Path, rotation: float) -> None:
        """Light the scene with an equirectangular picture turned by `rotation` radians about +Z. Exposure comes later."""
        image = bpy.data.images.load(str(path), check_existing=True)  # none is removed: see Stage
        if self.sky.image != image:  # setting it, even to the same, has its importance map made anew
            self.sky.image = image
        self.turn = _rotation_z(rotation)

    def set_lamps(self, sources: Sequence[Source]) -> None:
        """Exactly these lamps besides the environment, aimed at `Source.target`; the camera does not see them."""
        for lamp in self.lamps:
            bpy.data.lights.remove(lamp.data)
        self.lamps = []
        for source in sources:
            data = bpy.data.lights.new("lamp", source.kind.upper())
            data.color = source.colour
            if source.kind == "sun":
                data.angle, data.energy = math.radians(source.angle_deg), source.irradiance
            else:
                radius = LAMP_M * math.tan(math.radians(source.angle_deg) / 2)
                data.shape, data.size = "DISK", 2 * radius
                # A disc of radiance L gives pi L sin^2 of its half angle on its axis; Blender's watts are L times pi times area.
                data.energy = source.irradiance / math.sin(math.radians(source.angle_deg) / 2) ** 2 * math.pi * radius**2
            lamp = bpy.data.objects.new("lamp", data)
            lamp.visible_camera = False
            lamp.matrix_world = (self.turn @ _facing(source.target + LAMP_M * source.direction, source.direction)).T
            self.scene.collection.objects.link(lamp)
            self.lamps.append(lamp)

    def render(
        self,
        K: Array,
        world_to_camera: Array,
        size: tuple[int, int],
        samples: int,
        seed: int,
        floor: bool = False,
        aperture: tuple[float, float] | None = None,
    ) -> Layers | None:
        """Render the people in view; size = (height, width). None when nobody is in the frame.

        floor: also their shadow on the ground. aperture: (diameter, focus), metres, of a lens that blurs the light.
        """
        box = self._box(K, world_to_camera, size, floor, aperture)
        if box is None:
            return None
        for scan, person in self.people.items():
            person.matrix_world = (self.turn @ self.places[scan]).T  # bpy takes columns
        self._aim(K, world_to_camera, box)
        self.scene.cycles.samples = samples
        self.scene.view_layers["floor"].samples = max(1, samples // 4)  # a shadow is smooth, and the floor is wide
        self.scene.cycles.seed = seed % 2**31
        lit = ("beauty", "floor") if floor else ("beauty",)
        if aperture is None:
            channels = self._execute(*lit, "geometry")
        else:  # a lens that blurs would shift the labels' rays too
            channels = self._execute("geometry")
            dof, (diameter, focus) = self.camera.data.dof, aperture
            dof.use_dof, dof.focus_distance, dof.aperture_fstop = True, focus, self.camera.data.lens * 1e-3 / diameter
            channels |= self._execute(*lit)
            dof.use_dof = False
        return _layers(channels, world_to_camera[:3, :3] @ self.turn[:3, :3].T, box)

    def _box(
        self, K: Array, world_to_camera: Array, size: tuple[int, int], floor: bool, aperture: tuple[float, float] | None
    ) -> Box | None:
        """The pixels that the people's vertices span, and their shadow's circle on a floor, with a margin, inside the frame."""
        height, width = size
        points = np.concatenate([vertices @ place[:3, :3].T + place[:3, 3] for place, vertices in self.standing()])
        if floor:
            points = np.concatenate([points, *(shadow_circle(place, vertices) for place, vertices in self.standing())])
        points = points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
        if points[:, 2].min() < 1e-2:  # something reaches behind the camera: no box is safe
            return Box(0, 0, width, height, size)
        margin = BOX_MARGIN if aperture is None else BOX_MARGIN + math.ceil(blur_px(K, *aperture, points[:, 2]).max())
        pixels = project(K, points)
        x0, y0 = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - margin, 0)
        x1, y1 = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + margin, [width, height])
        return Box(int(x0), int(y0), int(x1), int(y1), size) if x1 > x0 and y1 > y0 else None

    def _aim(self, K: Array, world_to_camera: Array, box: Box) -> None:
        width, height = box.x1 - box.x0, box.y1 - box.y0
        render, lens = self.scene.render, self.camera.data
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
        lens.sensor_fit = "HORIZONTAL"
        lens.lens = K[0, 0] * lens.sensor_width / width
        lens.shift_x = 0.5 - (K[0, 2] - box.x0) / width
        lens.shift_y = ((K[1, 2] - box.y0) - height / 2) / width
        lens.clip_start, lens.clip_end = 1e-3, 1e3
        blender_axes = np.diag([1.0, -1.0, -1.0, 1.0])  # Blender's camera looks along -z with y up
        self.camera.matrix_world = (self.turn @ np.linalg.inv(world_to_camera) @ blender_axes).T

    def _execute(self, *layers: str) -> dict[str, Array]:
        for layer in self.scene.view_layers:
            layer.use = layer.name in layers
        # Render results have no in-memory route for passes: one multilayer EXR through a RAM disk.
        render = self.scene.render
        path = _exchange(render.resolution_x * render.resolution_y * BYTES_PER_PIXEL)
        render.filepath = str(path)
        try:
            with _quiet():
                bpy.ops.render.render(write_still=True)
            return read_exr(render.filepath)
        finally:
            path.unlink(missing_ok=True)

    def save(self, path: Path, K: Array, world_to_camera: Array, size: tuple[int, int]) -> None:
        """Save the frame last rendered as a .blend: size = (height, width) without a cut, all layers, all pictures inside. There
        too people, lamps and camera stand turned about +Z, against an environment that is not."""
        self._aim(K, world_to_camera, Box(0, 0, size[1], size[0], size))
        for layer in self.scene.view_layers:
            layer.use = True
        self.scene.render.filepath = "//"  # beside the file
        hidden = path.with_name(f".{path.name}")
        with _quiet():
            bpy.ops.file.pack_all()
            bpy.ops.wm.save_as_mainfile(filepath=str(hidden.resolve()), compress=True, copy=True)
        os.replace(hidden, path)


def _layers(channels: dict[str, Array], camera_from_scene: Array, box: Box) -> Layers:
    def stack(name: str) -> Array:
        return np.stack([channels[f"{name}.{plane}"] for plane in "RGB"], axis=-1)

    index = channels["geometry.IndexOB.X"].round().astype(np.uint8)
    inside = index > 0
    label_from_scene = (NORMAL_FROM_CAMERA @ camera_from_scene).astype(np.float32)
    normal = stack(f"geometry.{LABEL_NORMAL}") @ label_from_scene.T
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    shadow = None
    if "floor.Shadow Catcher.R" in channels:
        shadow = box.place(stack("floor.Shadow Catcher"), around=1.0)
    return Layers(
        light=box.place(stack("beauty.Combined")),
        alpha=box.place(np.clip(channels["beauty.Combined.A"], 0, 1)),
        depth=box.place(np.where(inside, channels["geometry.Depth.Z"], np.float32(0))),
        normal=box.place(np.where(inside[..., None], normal, np.float32(0))),
        index=box.place(index),
        albedo=box.place(np.where(inside[..., None], stack("geometry.DiffCol"), np.float32(0))),
        shadow=shadow,
    )


def _rotation_z(angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def _facing(position: Array, backward: Array) -> Array:
    """A 4x4 placement at `position` whose -z points against the unit vector `backward`: Blender's lamps shine along -z."""
    side = np.cross([0.0, 0.0, 1.0] if abs(backward[2]) < 0.9 else [1.0, 0.0, 0.0], backward)
    side /= np.linalg.norm(side)
    placement = np.eye(4)
    placement[:3] = np.stack([side, np.cross(backward, side), backward, position], axis=1)
    return placement


def _exchange(size: int) -> Path:
    """A file of this process to hand over `size` bytes: on the RAM disk if it has room, else in the temporary folder.

    Raises OSError, as a full disk does, when neither has. Files of killed processes are removed.
    """
    folders = [folder for folder in ("/dev/shm", tempfile.gettempdir()) if os.access(folder, os.W_OK)]
    for folder in folders:
        for leftover in Path(folder).glob(".phidias-*.tmp"):
            if abandoned(leftover):
                leftover.unlink(missing_ok=True)
        if shutil.disk_usage(folder).free > size:
            return temporary(Path(folder) / "phidias-frame.exr")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folders[0])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Blender's progress lines on standard output go to the null device; its standard error stays."""
    saved = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(null)
