"""The Blender worker: the only file that imports `bpy`, and the only one that knows Blender's version.

One process, one scene, two view layers. The `beauty` layer pays for samples; the `geometry` layer takes one sample
through the exact pixel centre, so its depth, normal and index are never blended across an edge. Both are rendered over
the person's box only: cutting the frame is a change of K, so Blender gets a smaller picture with a shifted lens.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy  # registers bmesh, so it comes first

# isort: split
import bmesh
import numpy as np

from datasets.conventions import NORMAL_FROM_CAMERA, Array
from datasets.triplet import read_exr
from render.lens import project

VERSION = bpy.app.version_string
LABEL_NORMAL = "LabelNormal"  # the AOV that carries the label's normal
BOX_MARGIN = 8  # pixels around the person's box: more than the pixel filter, and context for the denoiser
LIGHT_MAP = 512  # columns of the map by which Cycles samples the environment
WELD_M = 1e-6  # vertices closer than this are one: texture seams must not break smooth normals


@dataclass(frozen=True)
class Layers:
    """What Blender gives for one frame, full size (H,W). Linear light is premultiplied; normals are in label axes."""

    light: Array
    alpha: Array
    depth: Array
    normal: Array
    index: Array
    albedo: Array


class Blender:
    """One Blender scene that is loaded with people and an environment, and rendered from any camera."""

    def __init__(self, threads: int, normal_maps: bool) -> None:
        """threads: CPU threads for Cycles. normal_maps: whether tangent-space normal maps enter the normal label."""
        self.threads, self.normal_maps = threads, normal_maps
        self._start()

    def _start(self) -> None:
        """An empty scene. With persistent data, Cycles knows pictures by their address: after other people are removed, a new
        picture at an old address would show the old one's pixels. A new scene also drops whatever a former one leaked."""
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        self.scene = bpy.context.scene
        self.people: dict[str, bpy.types.Object] = {}
        self.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        self.scene.collection.objects.link(self.camera)
        self.scene.camera = self.camera
        self._configure()
        self._build_world()

    def _configure(self) -> None:
        render, cycles = self.scene.render, self.scene.cycles
        render.engine = "CYCLES"
        render.film_transparent = True
        render.use_persistent_data = True
        render.use_compositing = render.use_sequencer = False
        render.threads_mode, render.threads = "FIXED", self.threads
        render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
        render.image_settings.color_depth = "32"
        render.image_settings.exr_codec = "NONE"
        cycles.device = "CPU"
        cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 4
        cycles.transparent_max_bounces = 16
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.use_adaptive_sampling = False
        cycles.pass_alpha_threshold = 0.0
        cycles.use_denoising = True
        cycles.denoiser = "OPENIMAGEDENOISE"
        cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
        cycles.denoising_prefilter = "NONE"
        cycles.denoising_quality = "FAST"
        beauty = self.scene.view_layers[0]
        beauty.name = "beauty"
        beauty.use_pass_z = False
        geometry = self.scene.view_layers.new("geometry")
        geometry.samples = 1
        geometry.cycles.use_denoising = False
        geometry.use_pass_combined = False
        geometry.use_pass_z = geometry.use_pass_object_index = geometry.use_pass_diffuse_color = True
        for layer in (beauty, geometry):  # shaders are compiled once, for the first layer: an AOV it lacks stays black
            layer.aovs.add().name = LABEL_NORMAL

    def _build_world(self) -> None:
        world = self.scene.world = bpy.data.worlds.new("world")
        world.use_nodes = True
        # At the picture's own size this map takes a second of CPU each time the light changes: a full-body frame takes 1.4 times
        # as long. Half the size loses 0.7 dB on average, 2.5 dB where small lamps light the night (benchmarks/bench_render.py).
        world.cycles.sampling_method = "MANUAL"
        world.cycles.sample_map_resolution = LIGHT_MAP
        nodes, links = world.node_tree.nodes, world.node_tree.links
        self.sky = nodes.new("ShaderNodeTexEnvironment")
        self.turn = nodes.new("ShaderNodeMapping")
        coordinates = nodes.new("ShaderNodeTexCoord")
        links.new(coordinates.outputs["Generated"], self.turn.inputs["Vector"])
        links.new(self.turn.outputs["Vector"], self.sky.inputs["Vector"])
        links.new(self.sky.outputs["Color"], nodes["Background"].inputs["Color"])

    def set_people(self, scans: dict[str, tuple[Path, Array]]) -> None:
        """Put exactly these people into the scene: scan id -> (GLB path, world_from_scan (4,4)). The same ones stay loaded;
        others start a new scene, which wants its environment set again."""
        if list(scans) != list(self.people):  # the order too: it numbers the mask
            self._start()
            for number, (scan, (path, _)) in enumerate(scans.items(), 1):
                self.people[scan] = self._load(scan, path)
                self.people[scan].pass_index = number
        for scan, (_, world_from_scan) in scans.items():
            self.people[scan].matrix_world = world_from_scan.T  # bpy takes columns

    def _load(self, scan: str, path: Path) -> "bpy.types.Object":
        before = set(bpy.data.objects)
        with _quiet():
            bpy.ops.import_scene.gltf(filepath=str(path))
        added = [thing for thing in bpy.data.objects if thing not in before]
        meshes = [thing for thing in added if thing.type == "MESH"]
        if not meshes:
            raise ValueError(f"{path}: Blender's importer found no mesh: ingest it again")
        for thing in meshes:
            thing.data.transform(thing.matrix_world)
        if len(meshes) > 1:
            with bpy.context.temp_override(active_object=meshes[0], selected_editable_objects=meshes):
                bpy.ops.object.join()
        person = meshes[0]
        for thing in list(bpy.data.objects):
            if thing not in before and thing != person:
                bpy.data.objects.remove(thing, do_unlink=True)
        person.parent = None
        person.name = scan
        _smooth(person.data)
        if not person.data.materials:
            person.data.materials.append(bpy.data.materials.new("plain"))
        for material in person.data.materials:
            self._label_normals(material)
        return person

    def _label_normals(self, material: "bpy.types.Material") -> None:
        """Write the label's normal into its AOV: the smooth surface, or the normal-mapped one if asked for."""
        material.use_nodes = True
        nodes, links = material.node_tree.nodes, material.node_tree.links
        aov = nodes.new("ShaderNodeOutputAOV")
        aov.aov_name = LABEL_NORMAL
        source = nodes.new("ShaderNodeNewGeometry").outputs["Normal"]
        mapped = next((node for node in nodes if node.type == "NORMAL_MAP"), None)
        if self.normal_maps and mapped is not None:
            source = mapped.outputs["Normal"]
        links.new(source, aov.inputs["Color"])

    def set_environment(self, path: Path, rotation: float) -> None:
        """Light the scene with an equirectangular picture turned by `rotation` radians about +Z. Exposure comes later."""
        self.sky.image = bpy.data.images.load(str(path), check_existing=True)  # none is removed: see _start
        self.turn.inputs["Rotation"].default_value = (0.0, 0.0, rotation)

    def render(self, K: Array, world_to_camera: Array, size: tuple[int, int], samples: int, seed: int) -> Layers | None:
        """Render the people in view; size = (height, width). None when nobody is in the frame."""
        box = self._box(K, world_to_camera, size)
        if box is None:
            return None
        self._aim(K, world_to_camera, box)
        self.scene.cycles.samples = samples
        self.scene.cycles.seed = seed % 2**31
        channels = self._execute()
        return _layers(channels, world_to_camera, size, box)

    def _box(self, K: Array, world_to_camera: Array, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """(x0, y0, x1, y1): the pixels that the people's vertices span, with a margin, inside the frame."""
        height, width = size
        points = np.concatenate([_world_vertices(person) for person in self.people.values()])
        points = points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
        if points[:, 2].min() < 1e-2:  # someone reaches behind the camera: no box is safe
            return (0, 0, width, height)
        pixels = project(K, points)
        x0, y0 = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - BOX_MARGIN, 0)
        x1, y1 = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + BOX_MARGIN, [width, height])
        return (int(x0), int(y0), int(x1), int(y1)) if x1 > x0 and y1 > y0 else None

    def _aim(self, K: Array, world_to_camera: Array, box: tuple[int, int, int, int]) -> None:
        x0, y0, x1, y1 = box
        width, height = x1 - x0, y1 - y0
        render, lens = self.scene.render, self.camera.data
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
        lens.sensor_fit = "HORIZONTAL"
        lens.lens = K[0, 0] * lens.sensor_width / width
        lens.shift_x = 0.5 - (K[0, 2] - x0) / width
        lens.shift_y = ((K[1, 2] - y0) - height / 2) / width
        lens.clip_start, lens.clip_end = 1e-3, 1e3
        blender_axes = np.diag([1.0, -1.0, -1.0, 1.0])  # Blender's camera looks along -z with y up
        self.camera.matrix_world = (np.linalg.inv(world_to_camera) @ blender_axes).T

    def _execute(self) -> dict[str, Array]:
        # Render results have no in-memory route for passes: one multilayer EXR through a RAM disk.
        with tempfile.TemporaryDirectory(dir=_ram_disk()) as folder:
            self.scene.render.filepath = str(Path(folder) / "frame.exr")
            with _quiet():
                bpy.ops.render.render(write_still=True)
            return read_exr(self.scene.render.filepath)


def _layers(channels: dict[str, Array], world_to_camera: Array, size: tuple[int, int], box: tuple[int, int, int, int]) -> Layers:
    x0, y0, x1, y1 = box

    def full(*names: str) -> Array:
        cut = np.stack([channels[name] for name in names], axis=-1)
        whole = np.zeros((*size, len(names)), dtype=np.float32)
        whole[y0:y1, x0:x1] = cut
        return whole if len(names) > 1 else whole[..., 0]

    index = full("geometry.IndexOB.X").round().astype(np.uint8)
    inside = index > 0
    world_normal = full(*(f"geometry.{LABEL_NORMAL}.{c}" for c in "RGB"))
    normal = world_normal @ (NORMAL_FROM_CAMERA @ world_to_camera[:3, :3]).T.astype(np.float32)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    return Layers(
        light=full(*(f"beauty.Combined.{c}" for c in "RGB")),
        alpha=np.clip(full("beauty.Combined.A"), 0, 1),
        depth=np.where(inside, full("geometry.Depth.Z"), np.float32(0)),
        normal=np.where(inside[..., None], normal / np.maximum(length, 1e-12), np.float32(0)),
        index=index,
        albedo=np.where(inside[..., None], full(*(f"geometry.DiffCol.{c}" for c in "RGB")), np.float32(0)),
    )


def _smooth(mesh: "bpy.types.Mesh") -> None:
    """Weld texture seams and shade smooth, so that normals are the recomputed ones of the surface, not the file's."""
    body = bmesh.new()
    body.from_mesh(mesh)
    bmesh.ops.remove_doubles(body, verts=body.verts, dist=WELD_M)
    body.to_mesh(mesh)
    body.free()
    for name in ("custom_normal", "sharp_edge", "sharp_face"):
        if name in mesh.attributes:
            mesh.attributes.remove(mesh.attributes[name])
    mesh.shade_smooth()


def _world_vertices(thing: "bpy.types.Object") -> Array:
    flat = np.empty(3 * len(thing.data.vertices), dtype=np.float32)
    thing.data.vertices.foreach_get("co", flat)
    matrix = np.array(thing.matrix_world)
    return flat.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def _ram_disk() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


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
