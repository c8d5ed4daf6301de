"""One person's GLB in Blender: loaded as one object, smooth across texture seams, with the label's normal in its shaders."""

from pathlib import Path

import bpy  # registers bmesh, so it comes first

# isort: split
import bmesh
import numpy as np

from datasets.conventions import Array
from render.stage import LABEL_NORMAL
from scans.glb import LABELS

#: Labels of bare skin: `scans.people.labels.Label`, which this cannot import without torch.
SKIN = (2, 4, 5, 6, 7, 10, 11, 13, 14, 15, 16, 19, 20, 21, 23, 24)
SUBSURFACE = "subsurface"  # the faces' attribute of how much light goes below them
SCATTER_M = (0.0030, 0.0013, 0.0008)  # how far red, green and blue light goes in skin: about the mean free paths of Jensen et al. 2001
WELD_M = 1e-6  # vertices closer than this are one: texture seams must not break smooth normals
PART = "part"  # the faces' attribute of labels


def load(path: Path, normal_maps: bool) -> "bpy.types.Object":
    """The GLB's meshes as one object that belongs to no collection yet; normal_maps: whether they enter the normal label."""
    before = set(bpy.data.objects)
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
    for collection in person.users_collection:
        collection.objects.unlink(person)
    _label_faces(person.data)
    _smooth(person.data)
    if not person.data.materials:
        person.data.materials.append(bpy.data.materials.new("plain"))
    for material in person.data.materials:
        _label_normals(material, normal_maps)
        if SUBSURFACE in person.data.attributes:
            _let_light_in(material)
    return person


def vertices(person: "bpy.types.Object") -> Array:
    """Its vertices (N,3), metres, in the scan's own frame."""
    flat = np.empty(3 * len(person.data.vertices), dtype=np.float32)
    person.data.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3)


def _label_normals(material: "bpy.types.Material", normal_maps: bool) -> None:
    """Write the label's normal into its AOV: the smooth surface, or the normal-mapped one if asked for."""
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    aov = nodes.new("ShaderNodeOutputAOV")
    aov.aov_name = LABEL_NORMAL
    source = nodes.new("ShaderNodeNewGeometry").outputs["Normal"]
    mapped = next((node for node in nodes if node.type == "NORMAL_MAP"), None)
    if normal_maps and mapped is not None:
        source = mapped.outputs["Normal"]
    links.new(source, aov.inputs["Color"])


def _let_light_in(material: "bpy.types.Material") -> None:
    """Scatter light below the skin. Scans have no labels and keep the light that their photographs hold."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)
    if shader is None:
        return
    shader.subsurface_method = "BURLEY"  # at 8 samples, random walks have half as much colour noise again, and take 1.5 times as long
    shader.inputs["Subsurface Radius"].default_value = SCATTER_M
    shader.inputs["Subsurface Scale"].default_value = 1.0
    weight = nodes.new("ShaderNodeAttribute")
    weight.attribute_name = SUBSURFACE
    links.new(weight.outputs["Fac"], shader.inputs["Subsurface Weight"])


def _label_faces(mesh: "bpy.types.Mesh") -> None:
    """Move labels from the vertices, where a file holds them, to the faces (attribute `part`): welding mixes labels that meet."""
    if LABELS not in mesh.attributes:
        return
    labels = np.empty(len(mesh.vertices), dtype=np.int32)
    mesh.attributes[LABELS].data.foreach_get("value", labels)
    corners, first = np.empty(len(mesh.loops), dtype=np.int32), np.empty(len(mesh.polygons), dtype=np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    mesh.polygons.foreach_get("loop_start", first)
    mesh.attributes.remove(mesh.attributes[LABELS])
    parts = labels[corners[first]]  # a face's corners agree
    mesh.attributes.new(PART, "INT", "FACE").data.foreach_set("value", parts)
    mesh.attributes.new(SUBSURFACE, "FLOAT", "FACE").data.foreach_set("value", np.isin(parts, SKIN).astype(np.float32))


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
