"""The empty stage in Blender: Cycles' settings and device, the three view layers, camera, sky and floor."""

import bpy

LABEL_NORMAL = "LabelNormal"  # the AOV that carries the label's normal
GPU_BACKENDS = ("OPTIX", "CUDA", "HIP", "ONEAPI", "METAL")  # fastest first
FLOOR_M = 50.0  # half the floor's side


class Stage:
    """A new scene without people: bodies is the collection they enter, sky the node that holds the environment's picture.

    With persistent data, Cycles knows pictures by their address: after other people are removed, a new picture at an old
    address would show the old one's pixels. So other people get a new stage, which also drops whatever the former leaked.
    """

    def __init__(self, threads: int, device: str | None) -> None:
        """threads: CPU threads for Cycles. device: what `gpu` found."""
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        self.scene = bpy.context.scene
        self.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        self.scene.collection.objects.link(self.camera)
        self.scene.camera = self.camera
        ground, self.bodies = bpy.data.collections.new("ground"), bpy.data.collections.new("people")
        for collection in (ground, self.bodies):
            self.scene.collection.children.link(collection)
        ground.objects.link(_floor())
        _configure(self.scene, threads, device)
        _layers(self.scene)
        self.sky = _sky(self.scene)


def gpu() -> str | None:
    """Make the best GPU back end that sees a device Cycles' choice, and name it; None where there is none."""
    preferences = bpy.context.preferences.addons["cycles"].preferences
    for backend in GPU_BACKENDS:
        try:
            preferences.compute_device_type = backend
        except TypeError:  # not in this build
            continue
        preferences.refresh_devices()
        devices = [device for device in preferences.devices if device.type == backend]
        if devices:
            for device in preferences.devices:
                device.use = device.type == backend
            return f"{backend}: {', '.join(device.name for device in devices)}"
    preferences.compute_device_type = "NONE"
    return None


def _configure(scene: "bpy.types.Scene", threads: int, device: str | None) -> None:
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.film_transparent = True
    render.use_persistent_data = True
    render.use_compositing = render.use_sequencer = False
    render.threads_mode, render.threads = "FIXED", threads
    render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    render.image_settings.color_depth = "32"
    render.use_file_extension = False
    render.image_settings.exr_codec = "NONE"
    cycles.device = "CPU" if device is None else "GPU"
    cycles.use_auto_tile = False  # tiles of large pictures spill to disk
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 4
    cycles.transparent_max_bounces = 16
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.use_adaptive_sampling = False
    cycles.pass_alpha_threshold = 0.0
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter = "FAST"
    cycles.denoising_quality = "BALANCED"
    cycles.denoising_use_gpu = device is not None


def _layers(scene: "bpy.types.Scene") -> None:
    beauty = scene.view_layers[0]
    beauty.name = "beauty"
    beauty.use_pass_z = False
    # Cycles, with persistent data, remembers that there was a shadow catcher: without this pass, which nobody reads, the
    # shadow's noise enters this layer's alpha in the frames after one with a floor.
    beauty.cycles.use_pass_shadow_catcher = True
    geometry = scene.view_layers.new("geometry")
    geometry.samples = 1
    geometry.cycles.use_denoising = False
    geometry.use_pass_combined = False
    geometry.use_pass_z = geometry.use_pass_object_index = geometry.use_pass_diffuse_color = True
    floor = scene.view_layers.new("floor")
    floor.cycles.use_pass_shadow_catcher = True
    floor.layer_collection.children["people"].indirect_only = True  # they cast shadows and are not seen
    for layer in (beauty, geometry):
        layer.layer_collection.children["ground"].exclude = True
    for layer in (beauty, geometry, floor):  # shaders are compiled once, for the first layer: an AOV it lacks stays black
        layer.aovs.add().name = LABEL_NORMAL


def _sky(scene: "bpy.types.Scene") -> "bpy.types.ShaderNodeTexEnvironment":
    world = scene.world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.cycles.sampling_method = "AUTOMATIC"  # importance by a map of the picture's own size
    nodes, links = world.node_tree.nodes, world.node_tree.links
    sky = nodes.new("ShaderNodeTexEnvironment")
    links.new(sky.outputs["Color"], nodes["Background"].inputs["Color"])
    return sky


def _floor() -> "bpy.types.Object":
    mesh = bpy.data.meshes.new("floor")
    corners = [(x * FLOOR_M, y * FLOOR_M, 0) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    floor = bpy.data.objects.new("floor", mesh)
    floor.is_shadow_catcher = True
    return floor
